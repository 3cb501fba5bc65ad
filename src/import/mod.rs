//! Records that others kept: JSON, YAML, CSV, TSV and JSON lines.
//!
//! [`read`] parses the user's file or folder into [`ImportedRun`]s and touches no store;
//! [`Importer`] writes them into one. Importing the same thing twice changes nothing: how a run is
//! known again stands at `identity`.
//!
//! | format | what it is | file |
//! |---|---|---|
//! | [`Format::Record`] | one run an object, in JSON or YAML | `record`, `metrics` |
//! | [`Format::Csv`], [`Format::Tsv`] | one step a row (or one point) | `delimited` |
//! | [`Format::JsonLines`] | one step an object | `lines` |
//! | [`Format::TrainerState`] | Hugging Face's `trainer_state.json` | `trainer` |
//!
//! A folder is read with all below it, in the order of the paths; what is hidden is skipped. If it
//! holds records, it is the union of its records, and other files in it are theirs or nobody's. If
//! it holds none, it is the union of its logs. A file that cannot be read does not stop the others:
//! see [`Import::failures`].

mod delimited;
mod document;
mod files;
mod flat;
mod identity;
pub mod line;
mod lines;
mod log;
mod metrics;
mod numeral;
mod objects;
mod record;
mod shape;
mod source;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod trainer;

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::Environment;
use crate::model::Name;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::RunId;
use crate::model::Status;

pub use files::read;
pub use files::read_with_progress;
pub use log::PARAM_FILES;
pub use log::RUN_NAMES;
pub use store::Imported;
pub use store::Importer;
pub use store::Outcome;
pub use store::store;
pub use table::STEP_NAMES;
pub use table::TIME_NAMES;

use crate::error::Result;
use crate::limits::TEXT_BYTES_MAX;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One run an object, in JSON or YAML.
    Record,
    /// A header and a row a step, between commas, semicolons or tabs.
    Csv,
    /// As CSV, between tabs.
    Tsv,
    /// One JSON object a line, each a step.
    JsonLines,
    /// Hugging Face's `trainer_state.json`.
    TrainerState,
}

impl Format {
    /// Returns the word for it: `record`, `csv`, `tsv`, `jsonl`, `trainer-state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::JsonLines => "jsonl",
            Self::TrainerState => "trainer-state",
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "record" | "json" | "yaml" => Ok(Self::Record),
            "csv" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            "trainer-state" => Ok(Self::TrainerState),
            _ => {
                let want = "want record, csv, tsv, jsonl or trainer-state";
                Err(Error::invalid("import format", format!("{want}: {text:?}")))
            }
        }
    }
}

/// How to read. All may be left out.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What the file is; none tells from its name and content.
    pub format: Option<Format>,
    /// Column (or name in a line) of the steps; none looks for one of [`STEP_NAMES`].
    pub step_column: Option<String>,
    /// Column that tells runs apart; none looks for one of [`RUN_NAMES`].
    pub run_column: Option<String>,
    /// Column of the times; none looks for one of [`TIME_NAMES`].
    pub time_column: Option<String>,
    /// What stands between the fields of a row; none looks at the header.
    pub delimiter: Option<char>,
    /// Name of the run, instead of the one it has or gets from its file.
    pub name: Option<String>,
    /// Experiment, instead of the one it has.
    pub experiment: Option<String>,
    /// Columns that hold one value a run, which is a param.
    pub param_columns: Vec<String>,
    /// Whether the steps are a metric as well.
    pub keep_step: bool,
}

/// What a file or folder holds.
#[derive(Debug, Default)]
pub struct Import {
    /// Runs, in the order of the files and within them.
    pub runs: Vec<ImportedRun>,
    /// What the user should know that belongs to no run.
    pub warnings: Vec<String>,
    /// Files of a folder that could not be read; the others were.
    pub failures: Vec<Error>,
}

/// A run as it was read.
#[derive(Clone, Debug)]
pub struct ImportedRun {
    /// Derived from where it came from, or its own if `tracker export` wrote it.
    pub id: RunId,
    /// Name for people.
    pub name: String,
    /// Experiment it belongs to.
    pub experiment: Option<String>,
    /// Who started it.
    pub author: Option<String>,
    /// Run it is part of.
    pub parent: Option<RunId>,
    /// Start in microseconds since 1970; none if it is not told.
    pub start_us: Option<i64>,
    /// End; where it is not told, the last time that is: of a point, the start or the file.
    pub end_us: Option<i64>,
    /// How it ended; never running.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<String>,
    /// Params, each name once.
    pub params: Vec<(String, ParamValue)>,
    /// Tags, each name once.
    pub tags: Vec<(String, String)>,
    /// Free text.
    pub note: Option<String>,
    /// Points by metric, in the order of the file. Points without a time have the run's start, else
    /// the time when the file changed last.
    pub series: Vec<(String, Vec<Point>)>,
    /// Files to keep.
    pub artifacts: Vec<ImportedArtifact>,
    /// Files that it read, as an exported record tells of them.
    pub inputs: Vec<ArtifactRef>,
    /// Artifacts that are named and not there.
    pub missing: Vec<PathBuf>,
    /// Artifacts that are not to be kept, for they lead out of the record's folder, as they are
    /// named or by a link: whoever wrote the record may not be who reads it.
    pub outside: Vec<PathBuf>,
    /// Format, file and hash of the content; of an exported run what it had.
    pub source: Option<String>,
    /// Where and how it ran, if `tracker export` wrote it.
    pub environment: Environment,
    /// What was left out or guessed.
    pub warnings: Vec<String>,
    /// The file it was read from.
    pub file: Option<PathBuf>,
}

/// A file or folder that a record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedArtifact {
    /// Path inside the run.
    pub name: String,
    /// Where it lies.
    pub file: PathBuf,
    /// Hash that its bytes must have, if the record tells.
    pub hash: Option<BlobId>,
    /// What it is, if the record tells: `model`.
    pub kind: Option<String>,
}

impl ImportedRun {
    fn new() -> Self {
        Self {
            id: RunId(0),
            name: String::new(),
            experiment: None,
            author: None,
            parent: None,
            start_us: None,
            end_us: None,
            status: Status::Completed,
            reason: None,
            params: Vec::new(),
            tags: Vec::new(),
            note: None,
            series: Vec::new(),
            artifacts: Vec::new(),
            inputs: Vec::new(),
            missing: Vec::new(),
            outside: Vec::new(),
            source: None,
            environment: Environment::default(),
            warnings: Vec::new(),
            file: None,
        }
    }

    /// Returns how many points it has.
    pub fn points(&self) -> u64 {
        self.series
            .iter()
            .map(|(_, points)| points.len() as u64)
            .sum()
    }

    /// Checks all names and bounds, so that storing does not stop half-way.
    fn check(&self) -> Result<()> {
        Name::new("run name", &self.name)?;
        if let Some(experiment) = &self.experiment {
            Name::new("experiment", experiment)?;
        }
        if let Some(author) = &self.author {
            Name::new("author", author)?;
        }
        for (name, _) in &self.series {
            Name::new("metric name", name)?;
        }
        let mut params = std::collections::BTreeMap::new();
        for (key, value) in &self.params {
            Name::new("param name", key)?;
            value.check()?;
            if params
                .insert(key, value)
                .is_some_and(|other| other != value)
            {
                let why = format!("is written twice with different values: {key:?}");
                return Err(Error::invalid("param", why));
            }
        }
        for (key, value) in &self.tags {
            Name::new("tag name", key)?;
            check_text("tag", key, value)?;
        }
        self.note
            .iter()
            .try_for_each(|note| check_text("note", "", note))
    }
}

fn check_text(what: &'static str, name: &str, text: &str) -> Result<()> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let why = format!(
        "has {} bytes, at most {TEXT_BYTES_MAX}: {name:?}",
        text.len()
    );
    Err(Error::invalid(what, why))
}
