//! The tables of the index: what stands under which key, and who puts it there.
//!
//! A run is named by its *number*, a `u32` counted in order of arrival, not by its id: keys are 12
//! bytes shorter, and the rows of a run that arrives late (by rsync) are appended all the same
//! instead of being spread over the tree. A text is named by a number likewise. Both numbers are
//! local to this file and never leave the store's folder.
//!
//! All rows are put by [`Writer`](super::Writer) and read by [`Snapshot`](super::Snapshot), in the
//! encodings of `rows` and `columns`; all values that are bytes, save META's, end in a `checksum`.
//! One version, in [`META`], speaks for all of them, for the whole file is made anew when it
//! changes; so no row carries a version of its own.
//!
//! Versions: 1, the first; 2, long values stand apart from the heads of their chunks; 3, series in
//! words, and short chunks without what their values tell; 4, all versions of artifacts, by run and
//! by blob, and aliases.

use redb::TableDefinition;
use redb::TableHandle;

/// Version of all tables and rows together.
pub(super) const FORMAT: u32 = 4;

/// What file this is: `format` u32, `store` text, `device` and `inode` u64, little-endian.
///
/// Written when the file is made. An index that finds itself under another device or inode was
/// copied, maybe beside a committing writer, and is not trusted.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// Run id → its number; numbers are 0, 1, 2, … without gaps.
pub(super) const RUN_IDS: TableDefinition<u128, u32> = TableDefinition::new("run_ids");

/// Page → [`RUN_ID_PAGE`] run ids of 16 bytes, little-endian, by number: all ids at once.
pub(super) const RUN_ID_PAGES: TableDefinition<u32, &[u8]> = TableDefinition::new("run_id_pages");

/// Run ids in a page: 4,000 bytes, so that a page of redb holds them and appending one is cheap.
pub(super) const RUN_ID_PAGE: u32 = 250;

/// Returns page and slot of a run's id.
pub(super) fn run_id_place(run: u32) -> (u32, usize) {
    (run / RUN_ID_PAGE, (run % RUN_ID_PAGE) as usize)
}

/// Run → `RunRow`.
pub(super) const RUNS: TableDefinition<u32, &[u8]> = TableDefinition::new("runs");

/// (run, name) → `ParamRow`.
pub(super) const PARAMS: TableDefinition<(u32, u32), &[u8]> = TableDefinition::new("params");

/// (run, name) → `TagRow`.
pub(super) const TAGS: TableDefinition<(u32, u32), &[u8]> = TableDefinition::new("tags");

/// (run, flow, path, stamp) → `ArtifactRow`: all that was said of the files of a run.
///
/// Flow is 0 of what the run made and 1 of what it read; a stamp is its time, writer, segment and
/// row. So the records of a path stand in their order, and the last is its newest version.
pub(super) const ARTIFACTS: TableDefinition<ArtifactKey, &[u8]> = TableDefinition::new("artifacts");

/// See [`ARTIFACTS`].
pub(super) type ArtifactKey = (u32, u8, &'static str, i64, u64, u32, u32);

/// (run, metric) → `SeriesRow`.
pub(super) const SERIES: TableDefinition<(u32, u32), &[u8]> = TableDefinition::new("series");

/// (run, metric, first step, n) → last step less the first as a word, then the chunk as `fold`
/// gave it; of a long one its head alone.
///
/// So the heads of a series of ten million points are in 50 pages, not behind as many bytes as all
/// of its values. Of a short one the values stand here, too: a row less.
///
/// `n` counts chunks that begin at the same step. First and last are the smallest and the largest
/// step of the chunk. No chunk of a series is wider than `SeriesRow::span`, so all that touch
/// steps `a..=b` have a first step in `a - span ..= b`: that range is scanned.
pub(super) const CHUNKS: TableDefinition<(u32, u32, i64, u32), &[u8]> =
    TableDefinition::new("chunks");

/// As [`CHUNKS`] → what stands behind the head of a long chunk.
pub(super) const VALUES: TableDefinition<(u32, u32, i64, u32), &[u8]> =
    TableDefinition::new("values");

/// Bytes of a chunk that are its head.
pub(super) const HEAD_BYTES: usize = 36;
/// A chunk of so few bytes is read whole where heads are read.
pub(super) const WHOLE_BYTES_MAX: usize = 521;
/// Most bytes of values that stand in [`CHUNKS`], behind their head.
const VALUES_BESIDE_MAX: usize = 2_048;

/// Splits a chunk for [`CHUNKS`] and [`VALUES`]. A row of CHUNKS that is a head and nothing more
/// always has one in VALUES.
pub(super) fn split_chunk(chunk: &[u8]) -> (&[u8], Option<&[u8]>) {
    match chunk.split_at_checked(HEAD_BYTES) {
        Some((head, values)) if values.is_empty() || values.len() > VALUES_BESIDE_MAX => {
            (head, Some(values))
        }
        Some(_) | None => (chunk, None),
    }
}

/// (run, axis) → steps and times that several chunks share, as `fold` gave them.
pub(super) const AXES: TableDefinition<(u32, u32), &[u8]> = TableDefinition::new("axes");

/// (run, writer, segment) → `Segment`: the journal files that are folded.
///
/// A set, not a cursor, so that files may arrive in any order and each is folded once.
pub(super) const SEGMENTS: TableDefinition<(u32, u64, u32), &[u8]> =
    TableDefinition::new("segments");

/// Journal folder → its modification time in nanoseconds when it was last listed in full.
pub(super) const FOLDERS: TableDefinition<u8, i64> = TableDefinition::new("folders");

/// (blob, run, flow, path) → length in bytes u64: which runs have these bytes, under which paths.
///
/// A row for each path of which any record names the blob, whether its bytes are in the store or
/// stay where they are.
pub(super) const USES: TableDefinition<UseKey, &[u8]> = TableDefinition::new("uses");

/// See [`USES`].
pub(super) type UseKey = (&'static [u8; 32], u32, u8, &'static str);

/// (alias, run) → nothing: the runs that said something of an alias. What, is in their `RunRow`.
pub(super) const ALIASES: TableDefinition<(&str, u32), ()> = TableDefinition::new("aliases");

/// Text → its number: names of metrics, params and tags, and texts that stand in columns.
pub(super) const NAMES: TableDefinition<&str, u32> = TableDefinition::new("names");

/// Number → text in UTF-8; numbers are 0, 1, 2, … without gaps.
pub(super) const NAME_TEXTS: TableDefinition<u32, &[u8]> = TableDefinition::new("name_texts");

/// (kind, name) → runs that have such a param, metric or tag.
pub(super) const COLUMNS: TableDefinition<(u8, u32), u32> = TableDefinition::new("columns");

/// (column, page) → cells of up to 2,000 runs, by number.
pub(super) const COLUMN_PAGES: TableDefinition<(u64, u32), &[u8]> =
    TableDefinition::new("column_pages");

/// Run → cells that are not in their pages yet, (column u64, cell u64) ascending by column.
///
/// They hide what the pages say of the same run and column.
pub(super) const RECENT_CELLS: TableDefinition<u32, &[u8]> = TableDefinition::new("recent_cells");

/// Names of all tables: a file has all of them or none.
pub(super) fn names() -> [String; 20] {
    [
        META.name(),
        RUN_IDS.name(),
        RUN_ID_PAGES.name(),
        RUNS.name(),
        PARAMS.name(),
        TAGS.name(),
        ARTIFACTS.name(),
        SERIES.name(),
        CHUNKS.name(),
        VALUES.name(),
        AXES.name(),
        SEGMENTS.name(),
        FOLDERS.name(),
        USES.name(),
        ALIASES.name(),
        NAMES.name(),
        NAME_TEXTS.name(),
        COLUMNS.name(),
        COLUMN_PAGES.name(),
        RECENT_CELLS.name(),
    ]
    .map(str::to_owned)
}
