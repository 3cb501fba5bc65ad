//! As `tracker::import`, without any format: reading answers that there is none.

use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use tracker::Error;
use tracker::Result;
use tracker::Store;
use tracker::model::BlobId;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::store::Progress;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Record,
    Csv,
    Tsv,
    JsonLines,
    TrainerState,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "record" | "json" | "yaml" => Ok(Self::Record),
            "csv" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            "trainer-state" => Ok(Self::TrainerState),
            _ => Err(Error::Invalid {
                what: "import format",
                why: format!("want record, csv, tsv, jsonl or trainer-state: {text:?}"),
            }),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ImportOptions {
    pub(crate) format: Option<Format>,
    pub(crate) step_column: Option<String>,
    pub(crate) run_column: Option<String>,
    pub(crate) time_column: Option<String>,
    pub(crate) delimiter: Option<char>,
    pub(crate) name: Option<String>,
    pub(crate) experiment: Option<String>,
    pub(crate) param_columns: Vec<String>,
    pub(crate) keep_step: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Import {
    pub(crate) runs: Vec<ImportedRun>,
    pub(crate) warnings: Vec<String>,
    pub(crate) failures: Vec<Error>,
}

#[derive(Clone, Debug)]
pub(crate) struct ImportedRun {
    pub(crate) id: RunId,
    pub(crate) name: String,
    pub(crate) experiment: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) parent: Option<RunId>,
    pub(crate) start_us: Option<i64>,
    pub(crate) end_us: Option<i64>,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) params: Vec<(String, ParamValue)>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) note: Option<String>,
    pub(crate) series: Vec<(String, Vec<Point>)>,
    pub(crate) artifacts: Vec<ImportedArtifact>,
    pub(crate) missing: Vec<PathBuf>,
    pub(crate) source: Option<String>,
    pub(crate) environment: tracker::model::Environment,
    pub(crate) warnings: Vec<String>,
    pub(crate) file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportedArtifact {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) hash: Option<BlobId>,
}

impl ImportedRun {
    pub(crate) fn points(&self) -> u64 {
        self.series.iter().map(|(_, all)| all.len() as u64).sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    New,
    Completed,
    Unchanged,
    Differs,
}

#[derive(Clone, Debug)]
pub(crate) struct Imported {
    pub(crate) id: RunId,
    pub(crate) outcome: Outcome,
    pub(crate) points: u64,
    pub(crate) artifacts: u64,
    pub(crate) warnings: Vec<String>,
}

pub(crate) struct Importer<'a>(&'a Store);

impl<'a> Importer<'a> {
    pub(crate) fn new(store: &'a Store) -> Result<Self> {
        store.reader().map(|_| Self(store))
    }

    pub(crate) fn store(&mut self, run: &ImportedRun) -> Result<Imported> {
        Err(none(run.file.as_deref().unwrap_or(self.0.path())))
    }
}

pub(crate) fn read(path: &Path, options: &ImportOptions) -> Result<Import> {
    read_with_progress(path, options, &mut |_, _| {})
}

pub(crate) fn read_with_progress(
    path: &Path,
    _options: &ImportOptions,
    _progress: Progress<'_>,
) -> Result<Import> {
    Err(none(path))
}

fn none(path: &Path) -> Error {
    Error::NotFound {
        what: "importer for",
        name: path.display().to_string(),
        near: Vec::new(),
    }
}

pub(crate) mod line {
    use serde_json::Value;
    use tracker::Error;
    use tracker::Result;

    use crate::cli::shim::model::parse_time;

    #[derive(Clone, Debug, Default)]
    pub(crate) struct LogLine {
        pub(crate) step: Option<i64>,
        pub(crate) time_us: Option<i64>,
        values: Vec<(String, f64)>,
    }

    impl LogLine {
        pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
            self.values
                .iter()
                .map(|(name, value)| (name.as_str(), *value))
        }
    }

    pub(crate) fn parse_into(text: &str, line: &mut LogLine) -> Result<()> {
        line.step = None;
        line.time_us = None;
        line.values.clear();
        let value: Value = serde_json::from_str(text).map_err(|e| invalid(e.to_string()))?;
        let Value::Object(fields) = value else {
            return Err(invalid("want a JSON object".to_owned()));
        };
        for (key, value) in &fields {
            match (key.as_str(), value) {
                ("step", value) => line.step = value.as_i64(),
                ("time", Value::String(text)) => line.time_us = parse_time(text),
                ("time", value) => line.time_us = parse_time(&value.to_string()),
                (key, value) => flatten(key, value, &mut line.values)?,
            }
        }
        Ok(())
    }

    fn flatten(name: &str, value: &Value, values: &mut Vec<(String, f64)>) -> Result<()> {
        let number = match value {
            Value::Null => return Ok(()),
            Value::Object(fields) => {
                return fields
                    .iter()
                    .try_for_each(|(key, value)| flatten(&format!("{name}/{key}"), value, values));
            }
            Value::Bool(bool) => Some(f64::from(u8::from(*bool))),
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            Value::Array(_) => None,
        };
        let number = number.ok_or_else(|| invalid(format!("{name:?} is no number: {value}")))?;
        values.push((name.to_owned(), number));
        Ok(())
    }

    fn invalid(why: String) -> Error {
        Error::Invalid { what: "line", why }
    }
}
