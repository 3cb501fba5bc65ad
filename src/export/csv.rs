//! Points and runs as CSV.
//!
//! Points go one a row, with the columns of their table. Runs go one a row, with a column a param,
//! metric and tag.

use std::collections::BTreeSet;
use std::io::Write;

use super::cannot_write;
use super::points::PointColumns;
use super::points::PointRow;
use crate::error::Error;
use crate::error::Result;
use crate::model::ParamValue;
use crate::model::Run;
use crate::model::RunId;
use crate::model::float_to_json;
use crate::model::time_to_text;

/// Writes points as CSV.
#[derive(Debug)]
pub struct PointsCsv<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> PointsCsv<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// [`Error::Io`] if `out` fails.
    pub fn new(out: W, columns: PointColumns) -> Result<Self> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(columns.names()).map_err(failed)?;
        Ok(Self { csv })
    }

    /// Goes on below a header that was written before.
    pub fn without_header(out: W) -> Self {
        let csv = csv::Writer::from_writer(out);
        Self { csv }
    }

    /// Writes rows of a table with the columns of the header.
    ///
    /// # Errors
    /// [`Error::Io`] if the output fails.
    pub fn rows<'a>(&mut self, rows: impl Iterator<Item = PointRow<'a>>) -> Result<()> {
        let mut whose: Option<(RunId, String)> = None;
        for row in rows {
            let PointRow {
                run,
                metric,
                step,
                time_us,
                x,
                value,
                smoothed,
            } = row;
            if let Some(run) = run {
                if whose.as_ref().is_none_or(|(last, _)| *last != run) {
                    whose = Some((run, run.to_string()));
                }
                let id = whose.as_ref().map_or("", |(_, id)| id.as_str());
                self.csv.write_field(id).map_err(failed)?;
            }
            if let Some(metric) = metric {
                self.csv.write_field(metric).map_err(failed)?;
            }
            let x = x.map(number);
            let rest = [step.to_string(), time_to_text(time_us)].into_iter();
            let rest = rest.chain(x).chain([number(value)]);
            let rest = rest.chain(smoothed.map(number));
            self.csv.write_record(rest).map_err(failed)?;
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
