//! Runs and series as files that other programs read.
//!
//! JSON is the contract of `DESIGN.md`'s surface: fields are added, never changed. A run's *record*
//! is that JSON with all its points; `import` reads it back as the same run.

mod csv;
mod folder;
mod json;
mod points;
mod record;
#[cfg(test)]
mod tests;

pub use csv::PointsCsv;
pub use csv::runs_to_csv;
pub use folder::ExportedRun;
pub use folder::export_run;
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

/// The error of a writer whose path is not known here.
fn cannot_write(why: io::Error) -> Error {
    Error::io("write", Path::new("output"), why)
}
