//! A run and what is known of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use super::artifact::AliasTarget;
use super::artifact::ArtifactRef;
use super::artifact::Flow;
use super::artifact::Version;
use super::artifact::named;
use super::artifact::numbered;
use super::id::RunId;
use super::summary::Summary;
use super::value::ParamValue;
use crate::error::Error;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// A writer is alive, or the run is detached and not finished.
    Running,
    /// It was finished and all went well.
    Completed,
    /// It was finished as failed, or its writer died.
    Failed,
    /// Its writer is on another machine, silent, and cannot be asked.
    Unknown,
}

impl Status {
    /// Returns the word that is printed and stored: `running`, `completed`, `failed`, `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "running" => Ok(Self::Running),
            "completed" | "finished" | "done" | "success" => Ok(Self::Completed),
            "failed" | "killed" | "crashed" | "error" => Ok(Self::Failed),
            "unknown" => Ok(Self::Unknown),
            _ => {
                let want = "want running, completed, failed or unknown";
                Err(Error::invalid("status", format!("{want}: {text:?}")))
            }
        }
    }
}

/// The process that writes: enough to tell later whether it still lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id in its own namespace.
    pub pid: u32,
    /// Id of the boot it runs in; empty where the system has none.
    pub boot_id: String,
    /// Id of the namespace that `pid` is counted in; empty where the system has none.
    pub pid_namespace: String,
    /// Host name.
    pub host: String,
}

/// The state of the code that a run was started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    /// Full hash of the commit; none before the first.
    pub commit: Option<String>,
    /// Branch; none when detached.
    pub branch: Option<String>,
    /// Whether tracked files differed from the commit; none when that could not be told in time.
    pub dirty: Option<bool>,
}

/// Where and how a run was started. What looks like a secret was masked before it came here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Command line, program first.
    pub command: Vec<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Host name.
    pub host: Option<String>,
    /// Operating system with its version.
    pub os: Option<String>,
    /// Model of the processor.
    pub cpu: Option<String>,
    /// Logical processors.
    pub cpu_count: Option<u32>,
    /// State of the code; none outside a repository.
    pub git: Option<GitState>,
    /// Variables that bear on the run, by name.
    pub variables: BTreeMap<String, String>,
    /// What was masked: names of variables and options.
    pub masked: Vec<String>,
}

/// What is fixed when a run starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Name for people; need not be unique.
    pub name: String,
    /// Experiment it belongs to.
    pub experiment: Option<String>,
    /// Who started it.
    pub author: Option<String>,
    /// Run it is part of.
    pub parent: Option<RunId>,
    /// Start, in microseconds since 1970; none for an imported run that does not tell.
    pub start_us: Option<i64>,
    /// Whether it is fed by short commands, so that no living writer means nothing.
    pub detached: bool,
    /// Where it was imported from, if it was.
    pub source: Option<String>,
    /// Where and how it was started.
    pub environment: Environment,
}

/// All that a reader tells of a run, save its points.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What was fixed at its start.
    pub info: RunInfo,
    /// Whether the record of its start is there: segments that are copied by hand may arrive
    /// before it, and `info` is then made up from what is known.
    pub has_started: bool,
    /// How it stands at this moment.
    pub status: Status,
    /// Its end, in microseconds since 1970; for a crash the time of the last record; none while
    /// it runs.
    pub end_us: Option<i64>,
    /// Params by name.
    pub params: BTreeMap<String, ParamValue>,
    /// Params that two writers set to different values: the first is kept, these were refused.
    pub param_conflicts: BTreeMap<String, ParamValue>,
    /// Summaries of its series by metric.
    pub metrics: BTreeMap<String, Summary>,
    /// Tags by name.
    pub tags: BTreeMap<String, String>,
    /// Free text.
    pub note: Option<String>,
    /// Files that it made, by path; of one logged again, the newest version.
    pub artifacts: BTreeMap<String, ArtifactRef>,
    /// Files that it read, by path; of one logged again, the newest version.
    pub inputs: BTreeMap<String, ArtifactRef>,
    /// Versions before the newest, the oldest first, of the paths that have such.
    pub older: BTreeMap<(Flow, String), Vec<ArtifactRef>>,
    /// What was last said in this run of aliases; none of one that was removed. Another run may
    /// have said something later: [`Reader::aliases`](crate::Reader::aliases) tells what counts.
    pub aliases: BTreeMap<String, Option<AliasTarget>>,
    /// Why it failed, if its end says so.
    pub reason: Option<String>,
}

impl Run {
    /// Returns how long it took, or has taken until `now_us`, in seconds.
    pub fn duration_s(&self, now_us: i64) -> Option<f64> {
        let end_us = match self.status {
            Status::Running => self.end_us.unwrap_or(now_us),
            Status::Completed | Status::Failed | Status::Unknown => self.end_us?,
        };
        Some(end_us.saturating_sub(self.info.start_us?) as f64 / 1e6)
    }

    /// Returns the newest versions of all files: outputs before inputs, by path.
    pub fn files(&self) -> impl Iterator<Item = &ArtifactRef> {
        self.artifacts.values().chain(self.inputs.values())
    }

    /// Returns the number of the newest version of a file.
    pub fn version(&self, file: &ArtifactRef) -> u32 {
        let older = self.older.get(&(file.flow, file.path.clone()));
        older.map_or(0, |older| u32::try_from(older.len()).unwrap_or(u32::MAX))
    }

    /// Finds a file: `PATH` is its newest version and `PATH@vN` another; of a path that was made
    /// and read what was made.
    pub fn file(&self, name: &str) -> Option<Version> {
        named(&self.versions(), name).cloned()
    }

    /// Returns all versions of all files: outputs before inputs, by path, the oldest first.
    pub fn versions(&self) -> Vec<Version> {
        let of_file = |newest: &ArtifactRef| {
            let older = self.older.get(&(newest.flow, newest.path.clone()));
            let mut versions = older.cloned().unwrap_or_default();
            versions.push(newest.clone());
            numbered(versions.into_iter())
        };
        self.files().flat_map(of_file).collect()
    }
}
