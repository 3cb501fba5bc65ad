//! One snapshot of the index: what was committed when it was taken.
//!
//! Lists are short (what one run has) and come as a `Vec`; what is long comes as a range of run
//! numbers, or chunk by chunk. Text stands for a name nowhere: names and texts are numbers, and
//! [`Snapshot::texts`] turns many of them back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use redb::Key;
use redb::ReadOnlyDatabase;
use redb::ReadOnlyTable;
use redb::ReadTransaction;
use redb::ReadableTableMetadata;
use redb::TableDefinition;
use redb::Value;

use super::checksum;
use super::checksum::checked;
use super::columns;
use super::columns::Attribute;
use super::columns::Cell;
use super::columns::CellValue;
use super::columns::Column;
use super::columns::Kind;
use super::columns::MetricField;
use super::columns::NameNumber;
use super::columns::RunNumber;
use super::quiet::Failure;
use super::quiet::Quiet;
use super::quiet::caught;
use super::rows;
use super::rows::ArtifactRow;
use super::rows::ParamRow;
use super::rows::RunRow;
use super::rows::Segment;
use super::rows::SeriesRow;
use super::rows::TagRow;
use super::tables;
use super::write::Steps;
use crate::codec;
use crate::codec::Malformed;
use crate::error::Error;
use crate::error::Result;
use crate::limits::PAGE_VALUES;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::RunId;
use crate::model::Stamp;
use crate::model::Summary;
use crate::model::WriterId;

/// A chunk of a series, as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its smallest and largest step.
    pub steps: Steps,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A journal file that is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldedSegment {
    /// Its run.
    pub run: RunNumber,
    /// Its writer.
    pub writer: WriterId,
    /// Its place among the writer's segments.
    pub seq: u32,
    /// The file.
    pub segment: Segment,
}

/// A name in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse {
    /// Its number.
    pub name: NameNumber,
    /// Its text.
    pub text: String,
    /// Runs that have it.
    pub runs: u32,
}

/// A blob that artifacts name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobUse {
    /// Its hash.
    pub blob: BlobId,
    /// Its length in bytes.
    pub bytes: u64,
    /// Artifacts that name it.
    pub references: u32,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStat {
    /// Runs.
    pub runs: u64,
    /// Series.
    pub series: u64,
    /// Chunks.
    pub chunks: u64,
    /// Points in the folded segments.
    pub points: u64,
    /// Folded segments.
    pub segments: u64,
    /// Blobs.
    pub blobs: u64,
    /// Names and texts.
    pub names: u64,
}

/// All texts by number.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    /// Returns the text of a number.
    pub fn get(&self, name: NameNumber) -> Option<&str> {
        let at = name.0 as usize;
        let start = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..*self.ends.get(at)?)
    }
}

/// What a snapshot holds open; the transaction goes before the database.
struct Open {
    txn: ReadTransaction,
    db: ReadOnlyDatabase,
    quiet: Quiet,
}

/// One snapshot of the index.
pub struct Snapshot {
    path: PathBuf,
    process: u32,
    open: Option<Open>,
    recent: OnceLock<BTreeMap<u32, Vec<(u64, Cell)>>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        if self.process != std::process::id() {
            // Closing would free the locks of the parent, who still reads. See `index`.
            std::mem::forget(open);
            return;
        }
        let Open { txn, db, quiet } = open;
        // A failure to close what was only read takes nothing from anybody.
        let _ = caught(&self.path, || {
            drop(txn);
            Ok(db.close()?)
        });
        drop(quiet);
    }
}

impl Snapshot {
    pub(super) fn new(
        path: &Path,
        db: ReadOnlyDatabase,
        txn: ReadTransaction,
        quiet: Quiet,
    ) -> Self {
        Self {
            path: path.to_owned(),
            process: std::process::id(),
            open: Some(Open { txn, db, quiet }),
            recent: OnceLock::new(),
        }
    }

    fn ask<T>(&self, call: impl FnOnce(&ReadTransaction) -> Result<T, Failure>) -> Result<T> {
        match &self.open {
            Some(open) if self.process == std::process::id() => {
                caught(&self.path, || call(&open.txn))
            }
            Some(_) | None => Err(Error::invalid(
                "reader",
                "it was opened by the parent of this process; open another",
            )),
        }
    }

    /// Returns the path of the index.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of runs; their numbers are all below it.
    ///
    /// # Errors
    /// `Error::Corrupt` or `Error::Io`, here and in all other questions: the index cannot be
    /// trusted, or read; the journal can answer.
    pub fn run_count(&self) -> Result<u32> {
        self.ask(run_count)
    }

    /// Returns the ids of all runs by number.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn run_ids(&self) -> Result<Vec<RunId>> {
        self.ask(|txn| {
            let count = run_count(txn)? as usize;
            let mut ids = Vec::with_capacity(count);
            for entry in txn.open_table(tables::RUN_ID_PAGES)?.range(0..=u32::MAX)? {
                let (page, stored) = entry?;
                let stored = checked::<u32>(&page.value(), stored.value())?;
                let (stored, _) = stored.as_chunks::<16>();
                ids.extend(stored.iter().map(|id| RunId(u128::from_le_bytes(*id))));
            }
            if ids.len() == count {
                Ok(ids)
            } else {
                let why = format!("{count} runs, ids of {}", ids.len());
                Err(Failure::Damaged(why))
            }
        })
    }

    /// Returns the number of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn run_number(&self, id: RunId) -> Result<Option<RunNumber>> {
        self.ask(|txn| {
            let number = txn.open_table(tables::RUN_IDS)?.get(id.0)?;
            let Some(number) = number.map(|number| number.value()) else {
                return Ok(None);
            };
            let pages = txn.open_table(tables::RUN_ID_PAGES)?;
            let (page, slot) = tables::run_id_place(number);
            let ids = checksum::get(&pages, &page)?.unwrap_or_default();
            if ids.as_chunks::<16>().0.get(slot) == Some(&id.0.to_le_bytes()) {
                Ok(Some(RunNumber(number)))
            } else {
                Err(Failure::Damaged(format!(
                    "number {number} is of another run"
                )))
            }
        })
    }

    /// Returns the runs whose printed id begins with `prefix`, in order of arrival.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn runs_with_prefix(&self, prefix: &str) -> Result<Vec<(RunNumber, RunId)>> {
        let digits = prefix.len();
        let Ok(wanted) = u128::from_str_radix(prefix, 16) else {
            return Ok(Vec::new());
        };
        if !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) || digits > 32 {
            return Ok(Vec::new());
        }
        // The printed form is the id with its halves exchanged.
        let matches = |id: &RunId| id.0.rotate_left(64) >> (128 - 4 * digits) == wanted;
        let ids = self.run_ids()?;
        let numbered = (0..).map(RunNumber).zip(ids);
        Ok(numbered.filter(|(_, id)| matches(id)).collect())
    }

    /// Returns the runs of a name, in order of arrival.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn runs_with_name(&self, name: &str) -> Result<Vec<RunNumber>> {
        let Some(text) = self.name_number(name)? else {
            return Ok(Vec::new());
        };
        let wanted = Cell::text(text);
        let cells = self.column(Column::Attribute(Attribute::Name))?;
        let numbered = (0..).map(RunNumber).zip(cells);
        Ok(numbered
            .filter(|(_, cell)| *cell == wanted)
            .map(|(run, _)| run)
            .collect())
    }

    /// Returns what is said of a run as a whole.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn run(&self, run: RunNumber) -> Result<Option<RunRow>> {
        self.ask(|txn| {
            let row = checksum::get(&txn.open_table(tables::RUNS)?, &run.0)?;
            Ok(row.map(|row| codec::decode(&row)).transpose()?)
        })
    }

    /// Returns the rows of many runs, by number. Some 1 KB a run: ask for a part at a time.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn runs(&self, runs: RangeInclusive<u32>) -> Result<Vec<(RunNumber, RunRow)>> {
        self.ask(|txn| {
            collect(txn, tables::RUNS, runs, |run, row| {
                Ok((RunNumber(run), codec::decode(row)?))
            })
        })
    }

    /// Returns the params of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn params(&self, run: RunNumber) -> Result<Vec<(NameNumber, ParamRow)>> {
        self.ask(|txn| {
            collect(txn, tables::PARAMS, all_of(run), |(_, name), row| {
                Ok((NameNumber(name), codec::decode(row)?))
            })
        })
    }

    /// Returns a param of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn param(&self, run: RunNumber, name: NameNumber) -> Result<Option<ParamRow>> {
        self.ask(|txn| {
            let row = checksum::get(&txn.open_table(tables::PARAMS)?, &(run.0, name.0))?;
            Ok(row.map(|row| codec::decode(&row)).transpose()?)
        })
    }

    /// Returns the tags of a run.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn tags(&self, run: RunNumber) -> Result<Vec<(NameNumber, TagRow)>> {
        self.ask(|txn| {
            collect(txn, tables::TAGS, all_of(run), |(_, name), row| {
                Ok((NameNumber(name), codec::decode(row)?))
            })
        })
    }

    /// Returns the artifacts of a run by path, with the stamps that they won by.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn artifacts(&self, run: RunNumber) -> Result<Vec<(ArtifactRef, Stamp)>> {
        self.ask(|txn| {
            let mut artifacts = Vec::new();
            // From the first possible path on, as no path is the last possible one.
            for entry in txn.open_table(tables::ARTIFACTS)?.range((run.0, "")..)? {
                let (key, row) = entry?;
                let (owner, path) = key.value();
                if owner != run.0 {
                    break;
                }
                let ArtifactRow {
                    blob,
                    bytes,
                    media_type,
                    time_us,
                    stamp,
                } = codec::decode(checked::<(u32, &str)>(&key.value(), row.value())?)?;
                let path = path.to_owned();
                let artifact = ArtifactRef {
                    path,
                    blob,
                    bytes,
                    media_type,
                    time_us,
                };
                artifacts.push((artifact, stamp));
            }
            Ok(artifacts)
        })
    }

    /// Returns the summaries of a run's series.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn series(&self, run: RunNumber) -> Result<Vec<(NameNumber, Summary)>> {
        self.ask(|txn| {
            collect(txn, tables::SERIES, all_of(run), |(_, metric), row| {
                Ok((NameNumber(metric), SeriesRow::decode(row)?.summary))
            })
        })
    }

    /// Returns the summary of a series.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn summary(&self, run: RunNumber, metric: NameNumber) -> Result<Option<Summary>> {
        self.ask(|txn| Ok(series_row(txn, run, metric)?.map(|row| row.summary)))
    }

    /// Returns the chunks of a series that touch `steps`, by first step.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn chunks(
        &self,
        run: RunNumber,
        metric: NameNumber,
        steps: RangeInclusive<i64>,
    ) -> Result<Chunks<'_>> {
        let (from, to) = steps.into_inner();
        self.ask(|txn| {
            let entries = match series_row(txn, run, metric)? {
                Some(row) if from <= to => {
                    // No chunk is wider than the span, so none that begins before this reaches.
                    let start = from.saturating_sub_unsigned(row.span);
                    let key = |step, n| (run.0, metric.0, step, n);
                    let table = txn.open_table(tables::CHUNKS)?;
                    Some(table.range(key(start, 0)..=key(to, u32::MAX))?)
                }
                Some(_) | None => None,
            };
            Ok(Chunks {
                snapshot: self,
                from,
                entries,
            })
        })
    }

    /// Returns steps and times that chunks of a run share, as they were put.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn axis(&self, run: RunNumber, axis: u32) -> Result<Option<Vec<u8>>> {
        self.ask(|txn| checksum::get(&txn.open_table(tables::AXES)?, &(run.0, axis)))
    }

    /// Returns the number of a text.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn name_number(&self, text: &str) -> Result<Option<NameNumber>> {
        self.ask(|txn| {
            let number = txn.open_table(tables::NAMES)?.get(text)?;
            let Some(number) = number.map(|number| NameNumber(number.value())) else {
                return Ok(None);
            };
            if read_text(&txn.open_table(tables::NAME_TEXTS)?, number)?.as_deref() == Some(text) {
                Ok(Some(number))
            } else {
                Err(Failure::Damaged(format!("{number:?} is of another text")))
            }
        })
    }

    /// Returns the text of a number.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn text(&self, name: NameNumber) -> Result<Option<String>> {
        self.ask(|txn| read_text(&txn.open_table(tables::NAME_TEXTS)?, name))
    }

    /// Returns all texts by number: for sorting or showing a column of them.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn texts(&self) -> Result<Texts> {
        self.ask(|txn| {
            let mut texts = Texts::default();
            for entry in txn.open_table(tables::NAME_TEXTS)?.range(0..=u32::MAX)? {
                let (number, text) = entry?;
                if number.value() as usize != texts.ends.len() {
                    let why = format!("no text of number {}", texts.ends.len());
                    return Err(Failure::Damaged(why));
                }
                let text = checked::<u32>(&number.value(), text.value())?;
                texts.text.push_str(utf8(text)?);
                texts.ends.push(texts.text.len());
            }
            Ok(texts)
        })
    }

    /// Returns the names of all params, metrics or tags, in no particular order.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn names(&self, kind: Kind) -> Result<Vec<NameUse>> {
        self.ask(|txn| {
            let texts = txn.open_table(tables::NAME_TEXTS)?;
            let all = (kind.code(), 0)..=(kind.code(), u32::MAX);
            collect_unchecked(txn, tables::COLUMNS, all, |(_, name), runs| {
                let name = NameNumber(name);
                let text = read_text(&texts, name)?;
                let text = text.ok_or_else(|| Failure::Damaged(format!("no text of {name:?}")))?;
                Ok(NameUse { name, text, runs })
            })
        })
    }

    /// Returns how many runs have such a param, metric or tag.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn name_use(&self, kind: Kind, name: NameNumber) -> Result<u32> {
        self.ask(|txn| {
            let key = (kind.code(), name.0);
            let runs = txn.open_table(tables::COLUMNS)?.get(key)?;
            Ok(runs.map_or(0, |runs| runs.value()))
        })
    }

    /// Returns a column: a cell of every run, by number.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn column(&self, column: Column) -> Result<Vec<Cell>> {
        let mut cells = self.stored_column(column)?;
        if let Column::Metric(metric, field) = column {
            let wide = self.stored_column(Column::Attribute(Attribute::Wide))?;
            self.fill_wide(metric, field, &wide, &mut cells)?;
        }
        Ok(cells)
    }

    fn stored_column(&self, column: Column) -> Result<Vec<Cell>> {
        let key = column.key();
        let mut cells = self.ask(|txn| {
            let mut cells = vec![Cell::ABSENT; run_count(txn)? as usize];
            let pages = txn.open_table(tables::COLUMN_PAGES)?;
            for entry in pages.range((key, 0)..=(key, u32::MAX))? {
                let (page, bytes) = entry?;
                let start = (page.value().1 as usize).saturating_mul(PAGE_VALUES);
                let rest = cells.get_mut(start..).unwrap_or_default();
                let len = rest.len().min(PAGE_VALUES);
                let place = rest.get_mut(..len).unwrap_or_default();
                let bytes = checked::<(u64, u32)>(&page.value(), bytes.value())?;
                columns::decode_page(bytes, place)?;
            }
            Ok(cells)
        })?;
        for (run, row) in self.recent()? {
            if let Ok(at) = row.binary_search_by_key(&key, |(column, _)| *column) {
                let cell = row.get(at).map(|(_, cell)| *cell);
                if let (Some(place), Some(cell)) = (cells.get_mut(*run as usize), cell) {
                    *place = cell;
                }
            }
        }
        Ok(cells)
    }

    /// Returns the cells that are not in their pages yet.
    fn recent(&self) -> Result<&BTreeMap<u32, Vec<(u64, Cell)>>> {
        if let Some(recent) = self.recent.get() {
            return Ok(recent);
        }
        let rows = self.ask(|txn| {
            collect(txn, tables::RECENT_CELLS, 0..=u32::MAX, |run, row| {
                Ok((run, columns::decode_recent(row)?))
            })
        })?;
        Ok(self.recent.get_or_init(|| rows.into_iter().collect()))
    }

    /// Takes the cells of wide runs from their series.
    fn fill_wide(
        &self,
        metric: NameNumber,
        field: MetricField,
        wide: &[Cell],
        cells: &mut [Cell],
    ) -> Result<()> {
        self.ask(|txn| {
            let series = txn.open_table(tables::SERIES)?;
            for ((run, mark), cell) in (0u32..).zip(wide).zip(cells) {
                if mark.value() != CellValue::Bool(true) {
                    continue;
                }
                *cell = match checksum::get(&series, &(run, metric.0))? {
                    Some(row) => field.cell(&SeriesRow::decode(&row)?.summary),
                    None => Cell::ABSENT,
                };
            }
            Ok(())
        })
    }

    /// Tells whether a journal file is folded.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn has_segment(&self, run: RunId, writer: WriterId, seq: u32) -> Result<bool> {
        let Some(number) = self.run_number(run)? else {
            return Ok(false);
        };
        self.ask(|txn| {
            let segments = txn.open_table(tables::SEGMENTS)?;
            Ok(segments.get((number.0, writer.0, seq))?.is_some())
        })
    }

    /// Returns the journal files of some runs that are folded, by run, writer and place.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn segments(&self, runs: RangeInclusive<u32>) -> Result<Vec<FoldedSegment>> {
        let (from, to) = runs.into_inner();
        let keys = (from, 0, 0)..=(to, u64::MAX, u32::MAX);
        self.ask(|txn| {
            collect(txn, tables::SEGMENTS, keys, |(run, writer, seq), row| {
                Ok(FoldedSegment {
                    run: RunNumber(run),
                    writer: WriterId(writer),
                    seq,
                    segment: codec::decode(row)?,
                })
            })
        })
    }

    /// Returns the modification times of the journal folders when they were folded whole.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn folders(&self) -> Result<BTreeMap<u8, i64>> {
        self.ask(|txn| {
            let rows =
                collect_unchecked(txn, tables::FOLDERS, 0..=u8::MAX, |folder, modified_ns| {
                    Ok((folder, modified_ns))
                })?;
            Ok(rows.into_iter().collect())
        })
    }

    /// Returns all blobs that artifacts name, by hash.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn blobs(&self) -> Result<Vec<BlobUse>> {
        self.ask(|txn| {
            let all = &[0; 32]..=&[0xff; 32];
            collect(txn, tables::BLOBS, all, |hash, row| {
                let (bytes, references) = rows::decode_blob(row)?;
                Ok(BlobUse {
                    blob: BlobId(*hash),
                    bytes,
                    references,
                })
            })
        })
    }

    /// Counts what there is. Reads the rows of all segments.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn stat(&self) -> Result<IndexStat> {
        let segments = self.segments(0..=u32::MAX)?;
        let points = segments
            .iter()
            .map(|folded| folded.segment.points)
            .fold(0, u64::saturating_add);
        self.ask(|txn| {
            Ok(IndexStat {
                runs: txn.open_table(tables::RUNS)?.len()?,
                series: txn.open_table(tables::SERIES)?.len()?,
                chunks: txn.open_table(tables::CHUNKS)?.len()?,
                points,
                segments: segments.len() as u64,
                blobs: txn.open_table(tables::BLOBS)?.len()?,
                names: txn.open_table(tables::NAMES)?.len()?,
            })
        })
    }
}

type ChunkEntries = redb::Range<'static, (u32, u32, i64, u32), &'static [u8]>;

/// Chunks of a series, one after the other.
pub struct Chunks<'a> {
    snapshot: &'a Snapshot,
    from: i64,
    entries: Option<ChunkEntries>,
}

impl std::fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        let Self {
            snapshot,
            from,
            entries,
        } = self;
        let entries_left = entries.as_mut()?;
        let found = snapshot.ask(|_| next_chunk(entries_left, *from));
        if found.is_err() {
            *entries = None; // what follows an error is not to be trusted
        }
        found.transpose()
    }
}

fn next_chunk(entries: &mut ChunkEntries, from: i64) -> Result<Option<Chunk>, Failure> {
    for entry in entries {
        let (key, value) = entry?;
        let row = checked::<(u32, u32, i64, u32)>(&key.value(), value.value())?;
        let (last, bytes) = row
            .split_first_chunk::<8>()
            .ok_or_else(|| Malformed::new("a chunk of less than 8 bytes"))?;
        let last = i64::from_le_bytes(*last);
        if last >= from {
            let (_, _, first, _) = key.value();
            let steps = Steps { first, last };
            let bytes = bytes.to_vec();
            return Ok(Some(Chunk { steps, bytes }));
        }
    }
    Ok(None)
}

fn run_count(txn: &ReadTransaction) -> Result<u32, Failure> {
    let count = txn.open_table(tables::RUN_IDS)?.len()?;
    u32::try_from(count).map_err(|_| Failure::Damaged(format!("{count} runs"))) // says it all
}

fn series_row(
    txn: &ReadTransaction,
    run: RunNumber,
    metric: NameNumber,
) -> Result<Option<SeriesRow>, Failure> {
    let row = checksum::get(&txn.open_table(tables::SERIES)?, &(run.0, metric.0))?;
    Ok(row.map(|row| SeriesRow::decode(&row)).transpose()?)
}

/// Returns the keys of all rows of a run.
fn all_of(run: RunNumber) -> RangeInclusive<(u32, u32)> {
    (run.0, 0)..=(run.0, u32::MAX)
}

fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|why| Malformed::new(format!("a text: {why}")))
}

fn read_text(
    texts: &ReadOnlyTable<u32, &'static [u8]>,
    name: NameNumber,
) -> Result<Option<String>, Failure> {
    let text = checksum::get(texts, &name.0)?;
    Ok(text
        .map(|text| utf8(&text).map(str::to_owned))
        .transpose()?)
}

/// Reads all rows of a range of keys.
fn collect<K: Key + 'static, T>(
    txn: &ReadTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    keys: RangeInclusive<K::SelfType<'_>>,
    read: impl Fn(K::SelfType<'_>, &[u8]) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    collect_unchecked(txn, table, keys, |key, stored| {
        let row = checked::<K>(&key, stored)?;
        read(key, row)
    })
}

/// Reads all rows of a range of keys in a table whose values are plain numbers.
fn collect_unchecked<K: Key + 'static, V: Value + 'static, T>(
    txn: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
    keys: RangeInclusive<K::SelfType<'_>>,
    read: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let table: ReadOnlyTable<K, V> = txn.open_table(table)?;
    let mut rows = Vec::new();
    for entry in table.range::<K::SelfType<'_>>(keys)? {
        let (key, value) = entry?;
        rows.push(read(key.value(), value.value())?);
    }
    Ok(rows)
}
