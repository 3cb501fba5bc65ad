//! Points and frames as CSV.
//!
//! Points go one a row, with the columns of their table.

use std::io::Write;

use super::cannot_write;
use super::frame::Datum;
use super::frame::Frame;
use super::frame::number;
use super::points::PointColumns;
use super::points::PointRow;
use crate::error::Error;
use crate::error::Result;
use crate::model::RunId;
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

/// Writes a frame as CSV, one row a line. An empty field is nothing.
///
/// # Errors
/// [`Error::Io`] if `out` fails.
pub fn write_csv(frame: Frame<'_>, out: impl Write) -> Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    let names = frame.columns.iter().map(|column| column.name.as_str());
    csv.write_record(names).map_err(failed)?;
    for row in frame.rows {
        for value in &row {
            let text = value.as_ref().map_or("".into(), Datum::to_text);
            csv.write_field(text.as_bytes()).map_err(failed)?;
        }
        csv.write_record(None::<&[u8]>).map_err(failed)?;
    }
    csv.flush().map_err(cannot_write)
}

fn failed(why: csv::Error) -> Error {
    let text = why.to_string();
    match why.into_kind() {
        csv::ErrorKind::Io(why) => cannot_write(why),
        _ => Error::invalid("csv", text),
    }
}
