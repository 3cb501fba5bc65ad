//! One writing transaction: records in, rows, cells and counts out, all or nothing.
//!
//! Every `put` may be called in any order and again, with the same result; only
//! [`Writer::merge_series`], [`Writer::put_chunk`] and [`Writer::put_axis`] add, so what they get
//! must come from a segment that [`Writer::put_segment`] has just called new.
//!
//! Run rows and cells are kept in memory and stored once, at the end or when there are many; the
//! rest is stored at once.

mod cells;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::btree_map;
use std::path::Path;

use redb::ReadableTable;
use redb::ReadableTableMetadata;
use redb::Table;
use redb::WriteTransaction;

use crate::codec;
use crate::codec::Malformed;
use crate::error::Error;
use crate::error::Result;
use crate::index::checksum;
use crate::index::columns;
use crate::index::columns::Cell;
use crate::index::columns::Column;
use crate::index::columns::Kind;
use crate::index::columns::MetricField;
use crate::index::columns::NameNumber;
use crate::index::columns::RunNumber;
use crate::index::quiet::Failure;
use crate::index::quiet::caught;
use crate::index::rows;
use crate::index::rows::ArtifactRow;
use crate::index::rows::Finish;
use crate::index::rows::ParamRow;
use crate::index::rows::Role;
use crate::index::rows::RunRow;
use crate::index::rows::Segment;
use crate::index::rows::SeriesRow;
use crate::index::rows::TagRow;
use crate::index::tables;
use crate::limits::CHUNK_ROWS_MAX;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Summary;
use crate::model::WriterId;

/// Run rows kept in memory; some 1 KB each.
const ROWS_PENDING_MAX: usize = 4_096;
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
    artifacts: Table<'txn, tables::ArtifactKey, &'static [u8]>,
    series: PairRows<'txn>,
    chunks: Table<'txn, (u32, u32, i64, u32), &'static [u8]>,
    values: Table<'txn, (u32, u32, i64, u32), &'static [u8]>,
    axes: PairRows<'txn>,
    segments: Table<'txn, (u32, u64, u32), &'static [u8]>,
    folders: Table<'txn, u8, i64>,
    uses: Table<'txn, tables::UseKey, &'static [u8]>,
    aliases: Table<'txn, (&'static str, u32), ()>,
    names: Table<'txn, &'static str, u32>,
    name_texts: Rows<'txn>,
    columns: Table<'txn, (u8, u32), u32>,
    column_pages: Table<'txn, (u64, u32), &'static [u8]>,
    recent_cells: Rows<'txn>,
}

/// What is to be stored. Any error from it is final: what follows is [`Error::Poisoned`], and the
/// transaction does not commit.
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
            values: txn.open_table(tables::VALUES)?,
            axes: txn.open_table(tables::AXES)?,
            segments: txn.open_table(tables::SEGMENTS)?,
            folders: txn.open_table(tables::FOLDERS)?,
            uses: txn.open_table(tables::USES)?,
            aliases: txn.open_table(tables::ALIASES)?,
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
                return Err(Failure::Ready(Error::Poisoned(path.display().to_string())));
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
                return Err(Failure::Ready(Error::Poisoned(path.display().to_string())));
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

    /// Puts what is said of a file; all records of a path are kept.
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
            let (flow, path) = (rows::flow_code(artifact.flow), artifact.path.as_str());
            let Stamp {
                time_us,
                writer: WriterId(writer_id),
                seq,
                row,
            } = stamp;
            let key = (run.0, flow, path, time_us, writer_id, seq, row);
            let artifacts = &mut writer.tables.artifacts;
            checksum::put(artifacts, key, rows::encode(&ArtifactRow::of(artifact))?)?;
            let key = (&artifact.blob.0, run.0, flow, path);
            let bytes = artifact.bytes.to_le_bytes().to_vec();
            checksum::put(&mut writer.tables.uses, key, bytes)
        })
    }

    /// Puts what is said of an alias; the latest in each run counts, and among runs the latest.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_alias(
        &mut self,
        run: RunNumber,
        name: &str,
        target: Option<&AliasTarget>,
        stamp: Stamp,
    ) -> Result<()> {
        self.step(|writer| {
            writer.tables.aliases.insert((name, run.0), ())?;
            writer.with_row(run, |row| row.alias(name, target, stamp))
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
                // None of its chunks is wider, and mostly it is one. Told by the chunk, the row
                // would grow in a page that is full by then, and leave two half empty.
                if let (Some(first), Some(last)) = (part.first, part.last)
                    && part.count <= CHUNK_ROWS_MAX as u64
                {
                    row.span = row.span.max(last.step.abs_diff(first.step));
                }
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
            let (chunk, values) = tables::split_chunk(chunk);
            let mut row = Vec::with_capacity(16 + chunk.len());
            codec::put_words(&[span], &mut row);
            row.extend_from_slice(chunk);
            checksum::put(chunks, key(n), row)?;
            values.map_or(Ok(()), |values| {
                checksum::put(&mut writer.tables.values, key(n), values.to_vec())
            })
        })
    }

    /// Adds steps and times that several chunks of a run share, and returns their number.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn put_axis(&mut self, run: RunNumber, bytes: &[u8]) -> Result<u32> {
        self.step(|writer| {
            let table = &mut writer.tables.axes;
            let last = match table.range((run.0, 0)..=(run.0, u32::MAX))?.next_back() {
                Some(entry) => Some(entry?.0.value().1),
                None => None,
            };
            let axis = after(last)?;
            checksum::put(table, (run.0, axis), bytes.to_vec())?;
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

    /// Returns a journal file as it was folded; none if it was not.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn segment(
        &mut self,
        run: RunId,
        writer_id: WriterId,
        seq: u32,
    ) -> Result<Option<Segment>> {
        self.step(|writer| {
            let Some(number) = writer.tables.run_ids.get(run.0)? else {
                return Ok(None);
            };
            let key = (number.value(), writer_id.0, seq);
            let row = checksum::get(&writer.tables.segments, &key)?;
            Ok(row.map(|row| codec::decode(&row)).transpose()?)
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
        let number = if let Some(number) = known {
            number
        } else {
            let number = next(self.tables.names.len()?)?;
            self.tables.names.insert(text, number)?;
            let texts = &mut self.tables.name_texts;
            checksum::put(texts, number, text.as_bytes().to_vec())?;
            number
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
        checksum::put(&mut self.tables.series, key, series.encode())?;
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
}

/// Returns a count as the number that is next.
fn next(count: u64) -> Result<u32, Malformed> {
    u32::try_from(count).map_err(|why| Malformed::new(format!("{count} runs or names: {why}")))
}

fn after(last: Option<u32>) -> Result<u32, Malformed> {
    last.map_or(Some(0), |last| last.checked_add(1))
        .ok_or_else(|| Malformed::new("more than 2^32 axes, or chunks of one step"))
}
