//! What the library will do once its other parts are merged; each function has one caller and is
//! replaced by a call of the same meaning.

use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracker::Store;
use tracker::model::ParamValue;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::Summary;

use super::print::number;

// ---- tracker::import::line ------------------------------------------------------------------

/// One line of `log RUN -`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogLine {
    pub(crate) step: Option<i64>,
    pub(crate) time_us: Option<i64>,
    pub(crate) values: Vec<(String, f64)>,
}

/// Reads one JSON object into `line`, whose former content is forgotten.
pub(crate) fn parse_into(text: &str, line: &mut LogLine) -> Result<(), String> {
    line.step = None;
    line.time_us = None;
    line.values.clear();
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(fields) = value else {
        return Err("want a JSON object".to_owned());
    };
    for (key, value) in &fields {
        match (key.as_str(), value) {
            ("step" | "time", Value::Null) => {}
            ("step", value) => {
                let step = value.as_i64().or_else(|| whole(value.as_f64()?));
                line.step = Some(step.ok_or_else(|| format!("step is no whole number: {value}"))?);
            }
            ("time", Value::String(text)) => line.time_us = Some(number::parse_time(text)?),
            ("time", value) => line.time_us = Some(number::parse_time(&value.to_string())?),
            (key, value) => flatten(key, value, &mut line.values, 0)?,
        }
    }
    Ok(())
}

fn whole(value: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and in range"
    )]
    (value.fract().abs() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

fn flatten(
    name: &str,
    value: &Value,
    values: &mut Vec<(String, f64)>,
    depth: usize,
) -> Result<(), String> {
    let number = match value {
        Value::Null => return Ok(()),
        Value::Object(fields) if depth < tracker::limits::NESTING_MAX => {
            return fields.iter().try_for_each(|(key, value)| {
                flatten(&format!("{name}/{key}"), value, values, depth + 1)
            });
        }
        Value::Bool(bool) => Some(f64::from(u8::from(*bool))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        Value::Array(_) | Value::Object(_) => None,
    };
    let number = number.ok_or_else(|| format!("{name:?} is no number: {value}"))?;
    values.push((name.to_owned(), number));
    Ok(())
}

// ---- tracker::export ------------------------------------------------------------------------

/// The JSON form of a run.
pub(crate) fn run_to_json(run: &Run, now_us: i64) -> Value {
    let time = |us: Option<i64>| us.map(number::rfc3339);
    let params: Map<String, Value> = run
        .params
        .iter()
        .map(|(key, value)| (key.clone(), value.to_json()))
        .collect();
    let metrics: Map<String, Value> = run
        .metrics
        .iter()
        .map(|(name, summary)| (name.clone(), summary_to_json(summary)))
        .collect();
    let artifacts: Vec<Value> = run
        .artifacts
        .values()
        .map(|a| json!({"path": a.path, "hash": a.blob.to_string(), "bytes": a.bytes}))
        .collect();
    json!({
        "id": run.id.to_string(),
        "name": run.info.name,
        "experiment": run.info.experiment,
        "author": run.info.author,
        "status": run.status.as_str(),
        "start": time(run.info.start_us),
        "end": time(run.end_us),
        "duration_s": run.duration_s(now_us),
        "params": params,
        "metrics": metrics,
        "tags": run.tags,
        "note": run.note,
        "artifacts": artifacts,
        "reason": run.reason,
        "parent": run.info.parent.map(|id| id.to_string()),
        "source": run.info.source,
        "environment": run.info.environment,
    })
}

fn summary_to_json(summary: &Summary) -> Value {
    let float = |value: Option<f64>| value.map(|value| ParamValue::Float(value).to_json());
    json!({
        "last": float(summary.last.map(|edge| edge.value)),
        "last_step": summary.last.map(|edge| edge.step),
        "min": float(summary.min.map(|min| min.value)),
        "min_step": summary.min.map(|min| min.step),
        "max": float(summary.max.map(|max| max.value)),
        "max_step": summary.max.map(|max| max.step),
        "mean": float(summary.mean()),
        "count": summary.count,
        "nan_count": summary.nan_count,
    })
}

// ---- tracker::import ------------------------------------------------------------------------

/// How foreign files are to be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImportOptions {
    pub(crate) format: Option<String>,
    pub(crate) step_column: Option<String>,
    pub(crate) run_column: Option<String>,
    pub(crate) time_column: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) experiment: Option<String>,
}

/// A run as read from a foreign file, not stored yet.
#[derive(Clone, Debug)]
pub(crate) struct ImportedRun {
    pub(crate) run: Run,
}

/// What storing it did.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    pub(crate) id: RunId,
    pub(crate) is_new: bool,
    pub(crate) points: u64,
    pub(crate) missing_artifacts: Vec<PathBuf>,
}

pub(crate) fn read(path: &Path, _options: &ImportOptions) -> tracker::Result<Vec<ImportedRun>> {
    Err(not_merged(path))
}

pub(crate) fn store(store: &Store, imported: &ImportedRun) -> tracker::Result<Imported> {
    let _ = imported;
    Err(not_merged(store.path()))
}

fn not_merged(path: &Path) -> tracker::Error {
    tracker::Error::NotFound {
        what: "importer for",
        name: path.display().to_string(),
        near: Vec::new(),
    }
}

// ---- tracker::capture -----------------------------------------------------------------------

/// Masks secrets in a command line: the arguments, and the names of what was masked.
pub(crate) fn mask_command(arguments: Vec<String>) -> (Vec<String>, Vec<String>) {
    (arguments, Vec::new())
}
