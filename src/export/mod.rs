//! Runs and series as files that other programs read.
//!
//! JSON is the contract of `DESIGN.md`'s surface: fields are added, never changed. A run's *record*
//! is that JSON with all its points; `import` reads it back as the same run.

#[cfg(feature = "arrow")]
mod arrow;
mod csv;
mod folder;
mod frame;
mod json;
mod points;
mod record;
#[cfg(test)]
mod tests;

#[cfg(feature = "arrow")]
pub use arrow::Batches;
#[cfg(feature = "arrow")]
pub use arrow::arrow_batches;
#[cfg(feature = "arrow")]
pub use arrow::write_arrow;
#[cfg(feature = "arrow")]
pub use arrow::write_parquet;
pub use csv::PointsCsv;
pub use csv::write_csv;
pub use folder::ExportedRun;
pub use folder::export_run;
pub use frame::Column;
pub use frame::Datum;
pub use frame::Fit;
pub use frame::Frame;
pub use frame::Kind;
pub use frame::Origin;
pub use frame::Row;
pub use frame::Type;
pub use frame::runs_frame;
pub use json::point_to_json;
pub use json::run_to_json;
pub use points::PointColumns;
pub use points::PointRow;
pub use points::PointSeries;
pub use points::PointTable;
pub use record::run_record;
pub use record::write_record;

use std::io;
use std::path::Path;

use crate::error::Error;

/// Stands for the path in errors of an output that was handed over open.
pub const OUTPUT: &str = "output";

fn cannot_write(why: io::Error) -> Error {
    Error::io("write", Path::new(OUTPUT), why)
}
