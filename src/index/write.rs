//! One writing transaction: records in, rows, cells and counts out, all or nothing.
//!
//! Every `put` may be called in any order and again, with the same result; only
//! [`Writer::merge_series`], [`Writer::put_chunk`] and [`Writer::put_axis`] add, so what they get
//! must come from a segment that [`Writer::put_segment`] has just called new.
//!
//! Run rows and cells are kept in memory and stored once, at the end or when there are many; the
//! rest is stored at once.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::btree_map;
use std::path::Path;

use redb::ReadableTable;
use redb::ReadableTableMetadata;
use redb::Table;
use redb::WriteTransaction;

use super::checksum;
use super::columns;
use super::columns::Attribute;
use super::columns::Cell;
use super::columns::Column;
use super::columns::Kind;
use super::columns::MetricField;
use super::columns::NameNumber;
use super::columns::RunNumber;
use super::quiet::Failure;
use super::quiet::caught;
use super::rows;
use super::rows::ArtifactRow;
use super::rows::Finish;
use super::rows::ParamRow;
use super::rows::Role;
use super::rows::RunRow;
use super::rows::Segment;
use super::rows::SeriesRow;
use super::rows::TagRow;
use super::tables;
use crate::codec;
use crate::codec::Malformed;
use crate::error::Result;
use crate::limits::PAGE_VALUES;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Summary;
use crate::model::WriterId;

/// Run rows kept in memory; some 1 KB each.
const ROWS_PENDING_MAX: usize = 4_096;
/// Cells kept in memory; some 40 bytes each.
const CELLS_PENDING_MAX: usize = 256 << 10;
/// Numbers of texts kept in memory.
const NAMES_CACHED_MAX: usize = 64 << 10;

/// The steps of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The smallest.
    pub first: i64,
    /// The largest.
    pub last: i64,
}

type Rows<'txn> = Table<'txn, u32, &'static [u8]>;
type PairRows<'txn> = Table<'txn, (u32, u32), &'static [u8]>;

struct Tables<'txn> {
    run_ids: Table<'txn, u128, u32>,
    run_id_pages: Rows<'txn>,
    runs: Rows<'txn>,
    params: PairRows<'txn>,
    tags: PairRows<'txn>,
    artifacts: Table<'txn, (u32, &'static str), &'static [u8]>,
    series: PairRows<'txn>,
    chunks: Table<'txn, (u32, u32, i64, u32), &'static [u8]>,
    axes: PairRows<'txn>,
    segments: Table<'txn, (u32, u64, u32), &'static [u8]>,
    folders: Table<'txn, u8, i64>,
    blobs: Table<'txn, &'static [u8; 32], &'static [u8]>,
    names: Table<'txn, &'static str, u32>,
    name_texts: Rows<'txn>,
    columns: Table<'txn, (u8, u32), u32>,
    column_pages: Table<'txn, (u64, u32), &'static [u8]>,
    recent_cells: Rows<'txn>,
}

/// What is to be stored. Any error from it is final: the transaction will not commit.
pub struct Writer<'txn> {
    path: &'txn Path,
    tables: Tables<'txn>,
    failed: bool,
    names: HashMap<String, NameNumber>,
    rows: BTreeMap<RunNumber, RunRow>,
    cells: BTreeMap<RunNumber, BTreeMap<u64, Cell>>,
    cell_count: usize,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish()
    }
}

impl<'txn> Writer<'txn> {
    pub(super) fn new(path: &'txn Path, txn: &'txn WriteTransaction) -> Result<Self, Failure> {
        let tables = Tables {
            run_ids: txn.open_table(tables::RUN_IDS)?,
            run_id_pages: txn.open_table(tables::RUN_ID_PAGES)?,
            runs: txn.open_table(tables::RUNS)?,
            params: txn.open_table(tables::PARAMS)?,
            tags: txn.open_table(tables::TAGS)?,
            artifacts: txn.open_table(tables::ARTIFACTS)?,
            series: txn.open_table(tables::SERIES)?,
            chunks: txn.open_table(tables::CHUNKS)?,
            axes: txn.open_table(tables::AXES)?,
            segments: txn.open_table(tables::SEGMENTS)?,
            folders: txn.open_table(tables::FOLDERS)?,
            blobs: txn.open_table(tables::BLOBS)?,
            names: txn.open_table(tables::NAMES)?,
            name_texts: txn.open_table(tables::NAME_TEXTS)?,
            columns: txn.open_table(tables::COLUMNS)?,
            column_pages: txn.open_table(tables::COLUMN_PAGES)?,
            recent_cells: txn.open_table(tables::RECENT_CELLS)?,
        };
        Ok(Self {
            path,
            tables,
            failed: false,
            names: HashMap::new(),
            rows: BTreeMap::new(),
            cells: BTreeMap::new(),
            cell_count: 0,
        })
    }

    /// Stores what is still in memory and tells whether all went well.
    pub(super) fn finish(mut self) -> Result<()> {
        let path = self.path;
        caught(path, move || {
            if self.failed {
                let why = "an earlier step of this transaction failed";
                return Err(Failure::Damaged(why.to_owned()));
            }
            self.store_rows()?;
            self.store_cells()
        })
    }

    /// Drops without storing anything; redb may panic in that, too.
    pub(super) fn abandon(self) {
        // The error that led here says more than any that follows from it.
        let _ = caught(self.path, move || {
            drop(self);
            Ok(())
        });
    }

    fn step<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T> {
        let path = self.path;
        caught(path, || {
            // Set before, so that a panic leaves it set.
            if std::mem::replace(&mut self.failed, true) {
                let why = "an earlier step of this transaction failed";
                return Err(Failure::Damaged(why.to_owned()));
            }
            let done = call(self)?;
            self.failed = false;
            Ok(done)
        })
    }

    /// Returns the number of a run, giving it the next one if it is new.
    ///
    /// # Errors
    /// `Error::Corrupt` or `Error::Io`, here and in all that follows.
    pub fn run(&mut self, id: RunId) -> Result<RunNumber> {
        self.step(|writer| {
            if let Some(number) = writer.tables.run_ids.get(id.0)? {
                return Ok(RunNumber(number.value()));
            }
            let number = next(writer.tables.run_ids.len()?)?;
            writer.tables.run_ids.insert(id.0, number)?;
            let pages = &mut writer.tables.run_id_pages;
            let (page, _) = tables::run_id_place(number);
            let mut ids = checksum::get(pages, &page)?.unwrap_or_default();
            ids.extend(id.0.to_le_bytes());
            checksum::put(pages, page, ids)?;
            writer.rows.insert(RunNumber(number), RunRow::default());
            Ok(RunNumber(number))
        })
    }

    /// Returns the number of a text, giving it the next one if it is new.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn name(&mut self, text: &str) -> Result<NameNumber> {
        self.step(|writer| writer.intern(text))
    }

    /// Puts the start of a run; the earliest counts.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_started(&mut self, run: RunNumber, info: &RunInfo, stamp: Stamp) -> Result<()> {
        self.step(|writer| writer.with_row(run, |row| row.start(info, stamp)))
    }

    /// Puts that a writer opened the run; the latest owner or detached writer counts.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_opened(&mut self, run: RunNumber, role: Role, stamp: Stamp) -> Result<()> {
        self.step(|writer| writer.with_row(run, |row| row.open(role, stamp)))
    }

    /// Puts the end of a run; the latest counts.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_finished(&mut self, run: RunNumber, finish: &Finish, stamp: Stamp) -> Result<()> {
        self.step(|writer| writer.with_row(run, |row| row.finish(finish, stamp)))
    }

    /// Puts the note of a run; the latest counts.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_note(&mut self, run: RunNumber, text: &str, stamp: Stamp) -> Result<()> {
        self.step(|writer| writer.with_row(run, |row| row.annotate(text, stamp)))
    }

    /// Puts the earliest and the latest time of some records, in microseconds since 1970.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_times(&mut self, run: RunNumber, first_us: i64, last_us: i64) -> Result<()> {
        self.step(|writer| writer.with_row(run, |row| row.span(first_us, last_us)))
    }

    /// Puts a param; the earliest counts, the earliest with another value is kept as conflict.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_param(
        &mut self,
        run: RunNumber,
        name: &str,
        value: &ParamValue,
        stamp: Stamp,
    ) -> Result<()> {
        self.step(|writer| {
            let name = writer.intern(name)?;
            let key = (run.0, name.0);
            let stored = checksum::get(&writer.tables.params, &key)?;
            let row = match stored.as_deref() {
                None => {
                    writer.count_use(Kind::Param, name)?;
                    ParamRow {
                        value: value.clone(),
                        stamp,
                        conflict: None,
                    }
                }
                Some(bytes) => {
                    let mut row: ParamRow = codec::decode(bytes)?;
                    row.merge(value, stamp);
                    row
                }
            };
            let bytes = rows::encode(&row)?;
            if stored.as_ref() == Some(&bytes) {
                return Ok(());
            }
            checksum::put(&mut writer.tables.params, key, bytes)?;
            let cell = match columns::param_cell(&row.value) {
                Ok(cell) => cell,
                Err(text) => writer.text_cell(text)?,
            };
            writer.set_cell(run, Column::Param(name), cell)
        })
    }

    /// Puts a tag; the latest counts.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_tag(&mut self, run: RunNumber, name: &str, text: &str, stamp: Stamp) -> Result<()> {
        self.step(|writer| {
            let name = writer.intern(name)?;
            match checksum::get(&writer.tables.tags, &(run.0, name.0))? {
                None => writer.count_use(Kind::Tag, name)?,
                Some(bytes) => {
                    if codec::decode::<TagRow>(&bytes)?.stamp >= stamp {
                        return Ok(());
                    }
                }
            }
            let text = text.to_owned();
            let cell = writer.text_cell(&text)?;
            let bytes = rows::encode(&TagRow { text, stamp })?;
            checksum::put(&mut writer.tables.tags, (run.0, name.0), bytes)?;
            writer.set_cell(run, Column::Tag(name), cell)
        })
    }

    /// Puts an artifact; of one path the latest counts, and only that refers to its blob.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_artifact(
        &mut self,
        run: RunNumber,
        artifact: &ArtifactRef,
        stamp: Stamp,
    ) -> Result<()> {
        self.step(|writer| {
            let key = (run.0, artifact.path.as_str());
            if let Some(old) = checksum::get(&writer.tables.artifacts, &key)? {
                let old: ArtifactRow = codec::decode(&old)?;
                if old.stamp >= stamp {
                    return Ok(());
                }
                writer.refer_to_blob(old.blob, old.bytes, -1)?;
            }
            let ArtifactRef {
                path: _, // in the key
                blob,
                bytes,
                media_type,
                time_us,
            } = artifact.clone();
            let row = rows::encode(&ArtifactRow {
                blob,
                bytes,
                media_type,
                time_us,
                stamp,
            })?;
            checksum::put(&mut writer.tables.artifacts, key, row)?;
            writer.refer_to_blob(blob, bytes, 1)
        })
    }

    /// Adds a part of a series to its summary.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn merge_series(
        &mut self,
        run: RunNumber,
        metric: NameNumber,
        part: &Summary,
    ) -> Result<()> {
        self.step(|writer| {
            let summary = writer.with_series(run, metric, |row| {
                row.summary.merge(part);
                row.summary
            })?;
            if writer.row(run)?.series > columns::COLUMN_METRICS_MAX {
                return Ok(());
            }
            MetricField::ALL.iter().try_for_each(|field| {
                writer.set_cell(run, Column::Metric(metric, *field), field.cell(&summary))
            })
        })
    }

    /// Adds a chunk of a series. Its bytes are not looked at.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_chunk(
        &mut self,
        run: RunNumber,
        metric: NameNumber,
        steps: Steps,
        chunk: &[u8],
    ) -> Result<()> {
        self.step(|writer| {
            let span = steps.last.abs_diff(steps.first);
            let known = checksum::get(&writer.tables.series, &(run.0, metric.0))?;
            let known = known.map(|bytes| SeriesRow::decode(&bytes)).transpose()?;
            if known.is_none_or(|row| row.span < span) {
                writer.with_series(run, metric, |row| row.span = span)?;
            }
            let key = |n| (run.0, metric.0, steps.first, n);
            let chunks = &mut writer.tables.chunks;
            let last = match chunks.range(key(0)..=key(u32::MAX))?.next_back() {
                Some(entry) => Some(entry?.0.value().3),
                None => None,
            };
            let n = after(last)?;
            let last = steps.last.to_le_bytes();
            checksum::put(chunks, key(n), [&last, chunk].concat())
        })
    }

    /// Adds steps and times that several chunks of a run share, and returns their number.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_axis(&mut self, run: RunNumber, bytes: &[u8]) -> Result<u32> {
        self.step(|writer| {
            let axes = &mut writer.tables.axes;
            let last = match axes.range((run.0, 0)..=(run.0, u32::MAX))?.next_back() {
                Some(entry) => Some(entry?.0.value().1),
                None => None,
            };
            let axis = after(last)?;
            checksum::put(axes, (run.0, axis), bytes.to_vec())?;
            Ok(axis)
        })
    }

    /// Marks a journal file as folded.
    ///
    /// - returns: whether it was not marked before; if false, nothing of it may be added again
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_segment(
        &mut self,
        run: RunNumber,
        writer_id: WriterId,
        seq: u32,
        segment: &Segment,
    ) -> Result<bool> {
        self.step(|writer| {
            let key = (run.0, writer_id.0, seq);
            let segments = &mut writer.tables.segments;
            if segments.get(key)?.is_some() {
                return Ok(false);
            }
            checksum::put(segments, key, rows::encode(segment)?)?;
            Ok(true)
        })
    }

    /// Tells whether a journal file is folded.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn has_segment(&mut self, run: RunId, writer_id: WriterId, seq: u32) -> Result<bool> {
        self.step(|writer| {
            let Some(number) = writer.tables.run_ids.get(run.0)? else {
                return Ok(false);
            };
            let key = (number.value(), writer_id.0, seq);
            Ok(writer.tables.segments.get(key)?.is_some())
        })
    }

    /// Puts the modification time of a journal folder, all of which is folded now.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_folder(&mut self, folder: u8, modified_ns: i64) -> Result<()> {
        self.step(|writer| {
            writer.tables.folders.insert(folder, modified_ns)?;
            Ok(())
        })
    }

    /// Returns the modification time of a journal folder when all of it was folded.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn folder(&mut self, folder: u8) -> Result<Option<i64>> {
        self.step(|writer| Ok(writer.tables.folders.get(folder)?.map(|row| row.value())))
    }

    fn intern(&mut self, text: &str) -> Result<NameNumber, Failure> {
        if let Some(number) = self.names.get(text) {
            return Ok(*number);
        }
        let known = self.tables.names.get(text)?.map(|row| row.value());
        let number = match known {
            Some(number) => number,
            None => {
                let number = next(self.tables.names.len()?)?;
                self.tables.names.insert(text, number)?;
                let texts = &mut self.tables.name_texts;
                checksum::put(texts, number, text.as_bytes().to_vec())?;
                number
            }
        };
        if self.names.len() >= NAMES_CACHED_MAX {
            self.names.clear();
        }
        self.names.insert(text.to_owned(), NameNumber(number));
        Ok(NameNumber(number))
    }

    fn count_use(&mut self, kind: Kind, name: NameNumber) -> Result<(), Failure> {
        let key = (kind.code(), name.0);
        let columns = &mut self.tables.columns;
        let runs = columns.get(key)?.map_or(0, |row| row.value());
        columns.insert(key, runs.saturating_add(1))?;
        Ok(())
    }

    fn refer_to_blob(&mut self, blob: BlobId, bytes: u64, by: i32) -> Result<(), Failure> {
        let blobs = &mut self.tables.blobs;
        let references = match checksum::get(blobs, &&blob.0)? {
            Some(row) => rows::decode_blob(&row)?.1,
            None => 0,
        };
        match references.saturating_add_signed(by) {
            0 => drop(blobs.remove(&blob.0)?),
            left => checksum::put(blobs, &blob.0, rows::encode_blob(bytes, left))?,
        }
        Ok(())
    }

    fn with_series<T>(
        &mut self,
        run: RunNumber,
        metric: NameNumber,
        change: impl FnOnce(&mut SeriesRow) -> T,
    ) -> Result<T, Failure> {
        let key = (run.0, metric.0);
        let mut series = if let Some(bytes) = checksum::get(&self.tables.series, &key)? {
            SeriesRow::decode(&bytes)?
        } else {
            self.count_use(Kind::Metric, metric)?;
            self.row(run)?.series += 1;
            SeriesRow::default()
        };
        let changed = change(&mut series);
        checksum::put(&mut self.tables.series, key, series.encode()?)?;
        Ok(changed)
    }

    fn row(&mut self, run: RunNumber) -> Result<&mut RunRow, Failure> {
        if self.rows.len() >= ROWS_PENDING_MAX {
            self.store_rows()?;
        }
        match self.rows.entry(run) {
            btree_map::Entry::Occupied(row) => Ok(row.into_mut()),
            btree_map::Entry::Vacant(place) => {
                let bytes = checksum::get(&self.tables.runs, &run.0)?;
                let bytes = bytes.ok_or_else(|| Failure::Damaged(format!("no row of {run:?}")))?;
                Ok(place.insert(codec::decode(&bytes)?))
            }
        }
    }

    fn with_row(
        &mut self,
        run: RunNumber,
        change: impl FnOnce(&mut RunRow),
    ) -> Result<(), Failure> {
        change(self.row(run)?);
        Ok(())
    }

    fn store_rows(&mut self) -> Result<(), Failure> {
        for (run, row) in std::mem::take(&mut self.rows) {
            self.set_attributes(run, &row)?;
            checksum::put(&mut self.tables.runs, run.0, rows::encode(&row)?)?;
        }
        Ok(())
    }

    fn set_attributes(&mut self, run: RunNumber, row: &RunRow) -> Result<(), Failure> {
        let (status, end_us) = row.status();
        let time = |time_us: Option<i64>| time_us.map_or(Cell::ABSENT, Cell::int);
        let info = row.info.as_ref().map(|(info, _)| info);
        let parent = info.and_then(|info| info.parent.map(|id| id.to_string()));
        let name = info.map(|info| info.name.as_str());
        let experiment = info.and_then(|info| info.experiment.as_deref());
        let author = info.and_then(|info| info.author.as_deref());
        let wide = row.series > columns::COLUMN_METRICS_MAX;
        let cells = [
            (Attribute::Status, Cell::status(status)),
            (Attribute::End, time(end_us)),
            (Attribute::Start, time(info.and_then(|info| info.start_us))),
            (Attribute::Name, self.optional_text_cell(name)?),
            (Attribute::Experiment, self.optional_text_cell(experiment)?),
            (Attribute::Author, self.optional_text_cell(author)?),
            (
                Attribute::Parent,
                self.optional_text_cell(parent.as_deref())?,
            ),
            (
                Attribute::Wide,
                if wide { Cell::bool(true) } else { Cell::ABSENT },
            ),
        ];
        cells.into_iter().try_for_each(|(attribute, cell)| {
            self.set_cell(run, Column::Attribute(attribute), cell)
        })
    }

    fn optional_text_cell(&mut self, text: Option<&str>) -> Result<Cell, Failure> {
        text.map_or(Ok(Cell::ABSENT), |text| self.text_cell(text))
    }

    fn text_cell(&mut self, text: &str) -> Result<Cell, Failure> {
        if text.len() > columns::TEXT_CELL_BYTES_MAX {
            return Ok(Cell::LOOKUP);
        }
        self.intern(text).map(Cell::text)
    }

    fn set_cell(&mut self, run: RunNumber, column: Column, cell: Cell) -> Result<(), Failure> {
        let row = self.cells.entry(run).or_default();
        if row.insert(column.key(), cell).is_none() {
            self.cell_count += 1;
        }
        if self.cell_count >= CELLS_PENDING_MAX {
            self.store_pages()?;
        }
        Ok(())
    }

    /// Puts the cells in memory beside the pages, or, when many runs wait there, into them.
    fn store_cells(&mut self) -> Result<(), Failure> {
        let waiting = self.tables.recent_cells.len()? + self.cells.len() as u64;
        if waiting > columns::RECENT_RUNS_MAX {
            return self.store_pages();
        }
        for (run, cells) in std::mem::take(&mut self.cells) {
            let stored = checksum::get(&self.tables.recent_cells, &run.0)?;
            let mut row: BTreeMap<u64, Cell> = columns::decode_recent(&stored.unwrap_or_default())?
                .into_iter()
                .collect();
            row.extend(cells);
            let bytes = columns::encode_recent(&row);
            checksum::put(&mut self.tables.recent_cells, run.0, bytes)?;
        }
        self.cell_count = 0;
        Ok(())
    }

    /// Moves all cells, in memory and beside the pages, into their pages.
    fn store_pages(&mut self) -> Result<(), Failure> {
        let mut cells = Vec::with_capacity(self.cell_count);
        while let Some((run, row)) = self.tables.recent_cells.pop_first()? {
            let row = checksum::checked::<u32>(&run.value(), row.value())?;
            let row = columns::decode_recent(row)?;
            let run = RunNumber(run.value());
            let newer = self.cells.get(&run);
            let kept = row
                .into_iter()
                .filter(|(column, _)| newer.is_none_or(|row| !row.contains_key(column)));
            cells.extend(kept.map(|(column, cell)| (column, run, cell)));
        }
        for (run, row) in std::mem::take(&mut self.cells) {
            cells.extend(row.into_iter().map(|(column, cell)| (column, run, cell)));
        }
        self.cell_count = 0;
        cells.sort_unstable_by_key(|(column, run, _)| (*column, *run));
        let mut page = vec![Cell::ABSENT; PAGE_VALUES];
        let pages = &mut self.tables.column_pages;
        for group in cells.chunk_by(|(a, run_a, _), (b, run_b, _)| {
            a == b && columns::place(*run_a).0 == columns::place(*run_b).0
        }) {
            let Some((column, first, _)) = group.first() else {
                continue;
            };
            let key = (*column, columns::place(*first).0);
            page.fill(Cell::ABSENT);
            if let Some(bytes) = checksum::get(pages, &key)? {
                columns::decode_page(&bytes, &mut page)?;
            }
            for (_, run, cell) in group {
                if let Some(place) = page.get_mut(columns::place(*run).1) {
                    *place = *cell;
                }
            }
            match columns::encode_page(&page) {
                Some(bytes) => checksum::put(pages, key, bytes)?,
                None => drop(pages.remove(key)?),
            }
        }
        Ok(())
    }
}

/// Returns a count as the number that is next.
fn next(count: u64) -> Result<u32, Malformed> {
    u32::try_from(count).map_err(|_| Malformed::new("more than 2^32 runs or names")) // says it all
}

fn after(last: Option<u32>) -> Result<u32, Malformed> {
    last.map_or(Some(0), |last| last.checked_add(1))
        .ok_or_else(|| Malformed::new("more than 2^32 axes, or chunks of one step"))
}
