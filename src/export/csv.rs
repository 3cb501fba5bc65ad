//! Points and runs as CSV.
//!
//! Points go one a row: `step,time,value`, with `run` and `metric` before them where several series
//! are written. Runs go one a row, with a column a param, metric and tag.

use std::collections::BTreeSet;
use std::io::Write;

use super::cannot_write;
use crate::error::Error;
use crate::error::Result;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::Run;
use crate::model::RunId;
use crate::model::float_to_json;
use crate::model::time_to_text;

/// Writes points as CSV, one series after another.
#[derive(Debug)]
pub struct PointsCsv<W: Write> {
    csv: csv::Writer<W>,
    several: bool,
}

impl<W: Write> PointsCsv<W> {
    /// Writes the header.
    ///
    /// - `several`: whether each row tells run and metric
    ///
    /// # Errors
    /// [`Error::Io`] if `out` fails.
    pub fn new(out: W, several: bool) -> Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        let columns = ["run", "metric", "step", "time", "value"];
        let skip = if several { 0 } else { 2 };
        csv.write_record(columns.into_iter().skip(skip))
            .map_err(failed)?;
        Ok(Self { csv, several })
    }

    /// Writes the points of a series.
    ///
    /// # Errors
    /// [`Error::Io`] if the output fails.
    pub fn series(&mut self, run: RunId, metric: &str, points: &[Point]) -> Result<()> {
        let run = run.to_string();
        for point in points {
            if self.several {
                self.csv.write_field(&run).map_err(failed)?;
                self.csv.write_field(metric).map_err(failed)?;
            }
            let (step, time) = (point.step.to_string(), time_to_text(point.time_us));
            let value = number(point.value);
            self.csv
                .write_record([&step, &time, &value])
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Hands all rows to the output.
    ///
    /// # Errors
    /// [`Error::Io`] if the output fails.
    pub fn finish(mut self) -> Result<()> {
        self.csv.flush().map_err(cannot_write)
    }
}

/// Writes runs as CSV, one a row: what it is, then `params.NAME`, `metrics.NAME` (the last value)
/// and `tags.NAME` of all that any of the runs has. An empty field is nothing.
///
/// # Errors
/// [`Error::Io`] if `out` fails.
pub fn runs_to_csv(runs: &[Run], now_us: i64, out: impl Write) -> Result<()> {
    let params: BTreeSet<&String> = runs.iter().flat_map(|run| run.params.keys()).collect();
    let metrics: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    let tags: BTreeSet<&String> = runs.iter().flat_map(|run| run.tags.keys()).collect();
    let mut csv = csv::Writer::from_writer(out);
    for column in [
        "id",
        "name",
        "experiment",
        "author",
        "status",
        "start",
        "end",
        "duration_s",
        "note",
    ] {
        csv.write_field(column).map_err(failed)?;
    }
    for (kind, names) in [("params", &params), ("metrics", &metrics), ("tags", &tags)] {
        for name in names {
            csv.write_field(format!("{kind}.{name}")).map_err(failed)?;
        }
    }
    csv.write_record(None::<&[u8]>).map_err(failed)?;
    for run in runs {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let time = |us: Option<i64>| us.map(time_to_text).unwrap_or_default();
        for field in [
            run.id.to_string(),
            run.info.name.clone(),
            text(&run.info.experiment),
            text(&run.info.author),
            run.status.to_string(),
            time(run.info.start_us),
            time(run.end_us),
            run.duration_s(now_us).map(number).unwrap_or_default(),
            text(&run.note),
        ] {
            csv.write_field(field).map_err(failed)?;
        }
        for name in &params {
            let value = run.params.get(*name).map(param).unwrap_or_default();
            csv.write_field(value).map_err(failed)?;
        }
        for name in &metrics {
            let last = run.metrics.get(*name).and_then(|summary| summary.last);
            let value = last.map(|last| number(last.value)).unwrap_or_default();
            csv.write_field(value).map_err(failed)?;
        }
        for name in &tags {
            csv.write_field(run.tags.get(*name).map_or("", String::as_str))
                .map_err(failed)?;
        }
        csv.write_record(None::<&[u8]>).map_err(failed)?;
    }
    csv.flush().map_err(cannot_write)
}

/// A number that reads back as the same bits; `NaN`, `Infinity`, `-Infinity` as in JSON.
fn number(value: f64) -> String {
    match float_to_json(value) {
        serde_json::Value::String(word) => word,
        number => number.to_string(),
    }
}

fn param(value: &ParamValue) -> String {
    match value {
        ParamValue::Float(value) => number(*value),
        _ => value.to_string(),
    }
}

fn failed(why: csv::Error) -> Error {
    let text = why.to_string();
    match why.into_kind() {
        csv::ErrorKind::Io(why) => cannot_write(why),
        _ => Error::invalid("csv", text),
    }
}
