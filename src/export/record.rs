//! A run with all its points as one JSON object, which `import` reads back as the same run.
//!
//! It is the run's JSON and, after it, on the same line:
//!
//! - `record_version`: 1
//! - `exact_params`: of params whose JSON reads as another value (the text `NaN`), the value with
//!   its type: `{"text": "NaN"}`
//! - `series`: by metric three lists of one length: `steps`, `times_us` (microseconds since 1970)
//!   and `values`, by step, then time
//!
//! All is kept but the bits of a NaN, which JSON cannot tell from another, versions of files before
//! the newest, and aliases.

use std::io::Write;

use serde_json::Map;
use serde_json::Value;

use super::cannot_write;
use super::json::run_to_json;
use crate::error::Error;
use crate::error::Result;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::Run;
use crate::model::RunId;
use crate::model::float_to_json;
use crate::model::param_to_exact;
use crate::query::Reader;
use crate::query::SeriesQuery;

const VERSION: u32 = 1;

/// Returns a run's record whole; [`write_record`] needs less memory.
///
/// # Errors
/// [`Error::NotFound`].
pub fn run_record(reader: &Reader, id: RunId) -> Result<Value> {
    let mut text = Vec::new();
    write_record(reader, id, &mut text)?;
    serde_json::from_slice(&text).map_err(|why| Error::invalid("record", why.to_string()))
}

/// Writes a run's record as one line without its end: one series at a time is in memory.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Io`] if `out` fails.
pub fn write_record(reader: &Reader, id: RunId, out: &mut impl Write) -> Result<()> {
    let run = reader.run(id)?;
    let head = head(&run, reader.now_us());
    write_with_series(&head, run.metrics.keys(), out, |metric| {
        reader.series(id, metric, &SeriesQuery::default())
    })
}

/// What stands before the series.
pub(super) fn head(run: &Run, now_us: i64) -> Value {
    let mut object = run_to_json(run, now_us);
    if let Value::Object(map) = &mut object {
        map.insert("record_version".to_owned(), VERSION.into());
        let not_plain = |value: &ParamValue| ParamValue::from_json(&value.to_json()) != *value;
        let exact: Map<String, Value> = run
            .params
            .iter()
            .filter(|(_, value)| not_plain(value))
            .map(|(key, value)| (key.clone(), param_to_exact(value)))
            .collect();
        if !exact.is_empty() {
            map.insert("exact_params".to_owned(), Value::Object(exact));
        }
    }
    object
}

/// Writes an object with one more entry, `series`, which is made on the way.
pub(super) fn write_with_series<'a>(
    head: &Value,
    metrics: impl Iterator<Item = &'a String>,
    out: &mut impl Write,
    mut series: impl FnMut(&str) -> Result<Vec<Point>>,
) -> Result<()> {
    let text = head.to_string();
    // An object ends with its brace; the entry goes before it.
    let open = text.strip_suffix('}').unwrap_or(&text);
    write!(out, "{open},\"series\":{{").map_err(cannot_write)?;
    let mut line = String::new();
    for (metric, number) in metrics.zip(0..) {
        let points = series(metric)?;
        line.clear();
        push_series(metric, &points, &mut line);
        let comma = if number == 0 { "" } else { "," };
        write!(out, "{comma}{line}").map_err(cannot_write)?;
    }
    write!(out, "}}}}").map_err(cannot_write)
}

/// What of a point goes into a list.
type Column = fn(&Point) -> Value;

fn push_series(metric: &str, points: &[Point], line: &mut String) {
    line.push_str(&Value::from(metric).to_string());
    let columns: [(&str, Column); 3] = [
        (":{\"steps\":[", |point| point.step.into()),
        ("],\"times_us\":[", |point| point.time_us.into()),
        ("],\"values\":[", |point| float_to_json(point.value)),
    ];
    for (open, column) in columns {
        line.push_str(open);
        for (point, number) in points.iter().zip(0..) {
            if number > 0 {
                line.push(',');
            }
            line.push_str(&column(point).to_string());
        }
    }
    line.push_str("]}");
}
