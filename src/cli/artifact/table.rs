//! Files of runs as a table.

use serde_json::json;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::RunId;

use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Look;
use crate::cli::print::Table;
use crate::cli::print::number;

/// Which columns a table of files has beside those that all have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Whose the files are.
    pub(crate) runs: bool,
    /// The aliases that stand for them.
    pub(crate) aliases: bool,
    /// Where those are that were left where they were.
    pub(crate) places: bool,
}

/// A table of files, of one run or of many.
pub(crate) struct Files {
    table: Table,
    shown: Shown,
    media_types: bool,
}

impl Files {
    /// - `media_types`: whether these are told, too, as programs have it
    pub(crate) fn new(shown: Shown, media_types: bool) -> Self {
        let mut columns = Vec::new();
        if shown.runs {
            columns.push(Column::new("run", "RUN"));
            columns.push(Column::new("run_name", "NAME").elastic_names(12).optional());
        }
        columns.extend([
            Column::new("path", "PATH").elastic_names(16),
            Column::new("version", "VERSION"),
            Column::new("direction", "DIRECTION"),
            Column::new("type", "TYPE").optional(),
            Column::new("bytes", "SIZE").right(),
            Column::new("hash", "HASH"),
        ]);
        if shown.aliases {
            columns.push(Column::new("aliases", "ALIASES").elastic(10));
        }
        if shown.places {
            columns.push(Column::new("reference", "WHERE").elastic(16).dispensable());
        }
        if media_types {
            columns.push(Column::new("media_type", "MEDIA TYPE"));
        }
        columns.push(Column::new("time", "ADDED (UTC)").optional());
        let table = Table::new(columns);
        Self {
            table,
            shown,
            media_types,
        }
    }

    pub(crate) fn push(
        &mut self,
        run: RunId,
        name: &str,
        version: u32,
        artifact: &ArtifactRef,
        aliases: &[String],
    ) {
        let mut row = Vec::new();
        if self.shown.runs {
            row.push(run_cell(run));
            row.push(Cell::text(name));
        }
        row.extend([
            Cell::text(&artifact.path),
            Cell::new(&format!("v{version}"), version),
            Cell::text(artifact.flow.as_str()),
            Cell::maybe_text(artifact.kind.as_deref()),
            Cell::bytes(artifact.bytes),
            hash_cell(artifact.blob),
        ]);
        if self.shown.aliases {
            row.push(Cell::new(&aliases.join(", "), json!(aliases)).look(Look::Good));
        }
        if self.shown.places {
            row.push(Cell::maybe_text(artifact.reference.as_deref()));
        }
        if self.media_types {
            row.push(Cell::maybe_text(artifact.media_type.as_deref()));
        }
        row.push(Cell::time(
            &number::time(artifact.time_us),
            artifact.time_us,
        ));
        self.table.push(row);
    }

    pub(crate) fn into_table(self) -> Table {
        self.table
    }
}

/// A run by the first digits of its id.
pub(crate) fn run_cell(run: RunId) -> Cell {
    Cell::new(&run.short(), run.to_string())
}

/// A hash by its first digits.
pub(crate) fn hash_cell(blob: BlobId) -> Cell {
    let hash = blob.to_string();
    Cell::new(short(&hash), hash.as_str())
}

/// The first digits of a hash.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}
