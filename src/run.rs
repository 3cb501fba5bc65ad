//! A run being logged.

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::model::ArtifactRef;
use crate::model::Environment;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::RunId;
use crate::model::Status;

/// What a run starts with. All may be left out.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Id, for an imported run; none makes a new one.
    pub id: Option<RunId>,
    /// Name for people; none makes a readable one.
    pub name: Option<String>,
    /// Experiment it belongs to.
    pub experiment: Option<String>,
    /// Author; none asks git, then the system.
    pub author: Option<String>,
    /// Run it is part of.
    pub parent: Option<RunId>,
    /// Start in microseconds since 1970; none is now.
    pub start_us: Option<i64>,
    /// For an imported run: its start is not known, whatever `start_us` says.
    pub start_unknown: bool,
    /// Whether it is fed by short commands and only ends when it is finished.
    pub detached: bool,
    /// Where it is imported from.
    pub source: Option<String>,
    /// Where and how it runs; none captures this process.
    pub environment: Option<Environment>,
}

/// Logs to a run. Can be shared between threads; each call is whole.
#[derive(Debug)]
pub struct RunWriter {}

/// One metric of a run, looked up once.
#[derive(Clone, Debug)]
pub struct Metric {
    _run: Arc<()>,
}

impl Metric {
    /// Appends a point with the time of now.
    ///
    /// # Errors
    /// As [`RunWriter::log`].
    pub fn log(&self, step: i64, value: f64) -> Result<()> {
        let _ = (step, value);
        unimplemented!()
    }
}

#[allow(clippy::unused_self, clippy::needless_pass_by_value)]
impl RunWriter {
    /// Returns the run's id.
    pub fn id(&self) -> RunId {
        unimplemented!()
    }

    /// Returns the run's name.
    pub fn name(&self) -> &str {
        unimplemented!()
    }

    /// Appends the values of one step, with the time of now.
    ///
    /// # Errors
    /// `Error::Invalid` for a bad name, `Error::Io` if it failed, then `Error::Poisoned`.
    pub fn log(&self, step: i64, values: &[(&str, f64)]) -> Result<()> {
        let _ = (step, values);
        unimplemented!()
    }

    /// Appends the values of one step at a given time in microseconds since 1970.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn log_at(&self, step: i64, time_us: i64, values: &[(&str, f64)]) -> Result<()> {
        let _ = (step, time_us, values);
        unimplemented!()
    }

    /// Appends many points of one metric.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn log_points(&self, metric: &str, points: &[Point]) -> Result<()> {
        let _ = (metric, points);
        unimplemented!()
    }

    /// Returns a handle that skips the look-up of the name.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn metric(&self, name: &str) -> Result<Metric> {
        let _ = name;
        unimplemented!()
    }

    /// Sets a param once: the same value again is fine.
    ///
    /// # Errors
    /// `Error::ParamConflict` if it has another value, `Error::Invalid`, `Error::Io`.
    pub fn param(&self, key: &str, value: ParamValue) -> Result<()> {
        let _ = (key, value);
        unimplemented!()
    }

    /// Sets or replaces a tag.
    ///
    /// # Errors
    /// `Error::Invalid`, `Error::Io`.
    pub fn tag(&self, key: &str, value: &str) -> Result<()> {
        let _ = (key, value);
        unimplemented!()
    }

    /// Sets or replaces the note.
    ///
    /// # Errors
    /// `Error::Invalid`, `Error::Io`.
    pub fn note(&self, text: &str) -> Result<()> {
        let _ = text;
        unimplemented!()
    }

    /// Stores a file, or all files of a folder, under `name` (none: its own name).
    ///
    /// # Errors
    /// `Error::Invalid`, `Error::Io`.
    pub fn artifact(&self, path: &Path, name: Option<&str>) -> Result<Vec<ArtifactRef>> {
        let _ = (path, name);
        unimplemented!()
    }

    /// Stores bytes as an artifact.
    ///
    /// # Errors
    /// `Error::Invalid`, `Error::Io`.
    pub fn artifact_bytes(&self, name: &str, bytes: &[u8]) -> Result<ArtifactRef> {
        let _ = (name, bytes);
        unimplemented!()
    }

    /// Makes all that was logged survive a power cut.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn sync(&self) -> Result<()> {
        unimplemented!()
    }

    /// Ends the run. `reason` says why it failed; `end_us` none is now.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn finish(self, status: Status, reason: Option<&str>, end_us: Option<i64>) -> Result<()> {
        let _ = (status, reason, end_us);
        unimplemented!()
    }

    /// Ends this writer and leaves the run as it is.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn close(self) -> Result<()> {
        unimplemented!()
    }
}
