//! Series: summaries, chunks and axes.

use std::ops::RangeInclusive;
use std::path::Path;

use redb::ReadOnlyTable;
use redb::ReadTransaction;

use super::Snapshot;
use super::all_of;
use super::collect;
use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::error::Result;
use crate::index::checksum;
use crate::index::checksum::checked;
use crate::index::columns::NameNumber;
use crate::index::columns::RunNumber;
use crate::index::quiet::Failure;
use crate::index::rows::SeriesRow;
use crate::index::tables;
use crate::index::write::Steps;
use crate::model::Summary;

/// A chunk of a series, as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its smallest and largest step.
    pub steps: Steps,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Snapshot {
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
        match self.chunk_tables(run, metric)? {
            Some(tables) => tables.chunks(steps),
            None => Ok(Chunks {
                snapshot: self,
                from: *steps.start(),
                entries: None,
            }),
        }
    }

    /// Returns steps and times that chunks of a run share, as they were put.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn axis(&self, run: RunNumber, axis: u32) -> Result<Option<Vec<u8>>> {
        self.ask(|txn| checksum::get(&txn.open_table(tables::AXES)?, &(run.0, axis)))
    }
}

type ChunkKey = (u32, u32, i64, u32);
type ChunkEntries = redb::Range<'static, ChunkKey, &'static [u8]>;

/// Where a chunk stands, and how it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// Its smallest and largest step.
    pub steps: Steps,
    /// Which of the chunks that begin at this step it is.
    pub n: u32,
    /// Its first [`Self::BYTES`] bytes; all of one that has at most [`Self::WHOLE_BYTES_MAX`].
    pub bytes: Vec<u8>,
    /// Whether the rest stands in a table of its own.
    is_apart: bool,
    /// Whether there is no rest.
    is_whole: bool,
}

impl ChunkHead {
    /// So many of a long chunk's bytes are its head.
    pub const BYTES: usize = tables::HEAD_BYTES;
    /// A chunk of so few bytes is read whole with its head, but one whose rest stands apart.
    pub const WHOLE_BYTES_MAX: usize = tables::WHOLE_BYTES_MAX;
}

/// One series, its tables open: for who looks at heads first and then at some of the chunks.
/// Threads may share it.
pub struct ChunkTables<'a> {
    snapshot: &'a Snapshot,
    run: u32,
    metric: u32,
    /// No chunk is wider than this.
    span: u64,
    chunks: ReadOnlyTable<ChunkKey, &'static [u8]>,
    values: ReadOnlyTable<ChunkKey, &'static [u8]>,
    axes: ReadOnlyTable<(u32, u32), &'static [u8]>,
}

impl std::fmt::Debug for ChunkTables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkTables")
            .field("run", &self.run)
            .field("metric", &self.metric)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Opens the tables of a series; none if the run has no such.
    ///
    /// # Errors
    /// As [`Self::run_count`].
    pub fn chunk_tables(
        &self,
        run: RunNumber,
        metric: NameNumber,
    ) -> Result<Option<ChunkTables<'_>>> {
        self.ask(|txn| {
            let Some(row) = series_row(txn, run, metric)? else {
                return Ok(None);
            };
            Ok(Some(ChunkTables {
                snapshot: self,
                run: run.0,
                metric: metric.0,
                span: row.span,
                chunks: txn.open_table(tables::CHUNKS)?,
                values: txn.open_table(tables::VALUES)?,
                axes: txn.open_table(tables::AXES)?,
            }))
        })
    }
}

impl<'a> ChunkTables<'a> {
    /// Returns the path of the index.
    pub fn path(&self) -> &'a Path {
        self.snapshot.path()
    }

    /// Returns the largest distance between first and last step of one chunk.
    pub fn span(&self) -> u64 {
        self.span
    }

    /// Returns the heads of the chunks that touch `steps`, by first step; from either end.
    ///
    /// - `firsts`: of these only those whose first step lies here
    ///
    /// # Errors
    /// As [`Snapshot::run_count`].
    pub fn heads(
        &self,
        steps: RangeInclusive<i64>,
        firsts: RangeInclusive<i64>,
    ) -> Result<ChunkHeads<'a>> {
        Ok(ChunkHeads {
            snapshot: self.snapshot,
            from: *steps.start(),
            entries: self.entries(&steps, &firsts)?,
        })
    }

    /// Returns the chunks that touch `steps`, by first step.
    ///
    /// # Errors
    /// As [`Snapshot::run_count`].
    pub fn chunks(&self, steps: RangeInclusive<i64>) -> Result<Chunks<'a>> {
        let entries = self.entries(&steps, &(i64::MIN..=i64::MAX))?;
        let values = self
            .snapshot
            .ask(|txn| Ok(txn.open_table(tables::VALUES)?))?;
        Ok(Chunks {
            snapshot: self.snapshot,
            from: *steps.start(),
            entries: entries.map(|entries| (entries, values)),
        })
    }

    fn entries(
        &self,
        steps: &RangeInclusive<i64>,
        firsts: &RangeInclusive<i64>,
    ) -> Result<Option<ChunkEntries>> {
        // No chunk is wider than the span, so none that begins before this reaches.
        let start = steps.start().saturating_sub_unsigned(self.span);
        let (start, end) = (start.max(*firsts.start()), *steps.end().min(firsts.end()));
        if steps.is_empty() || start > end {
            return Ok(None);
        }
        let key = |step, n| (self.run, self.metric, step, n);
        self.snapshot
            .ask(|_| Ok(Some(self.chunks.range(key(start, 0)..=key(end, u32::MAX))?)))
    }

    /// Returns the bytes of a chunk.
    ///
    /// # Errors
    /// As [`Snapshot::run_count`].
    pub fn chunk(&self, head: &ChunkHead) -> Result<Vec<u8>> {
        self.snapshot.ask(|_| {
            let key = (self.run, self.metric, head.steps.first, head.n);
            if head.is_apart {
                return append_values(&self.values, &key, &head.bytes);
            }
            if head.is_whole {
                return Ok(head.bytes.clone());
            }
            let stored = self.chunks.get(key)?;
            let stored = stored.ok_or_else(|| Malformed::new("a chunk is gone"))?;
            let row = checked::<ChunkKey>(&key, stored.value())?;
            let (_, chunk) = split_last_step(row, head.steps.first)?;
            Ok(chunk.to_vec())
        })
    }

    /// Returns steps and times that chunks of a run share, as they were put.
    ///
    /// # Errors
    /// As [`Snapshot::run_count`].
    pub fn axis(&self, axis: u32) -> Result<Option<Vec<u8>>> {
        let key = (self.run, axis);
        self.snapshot.ask(|_| checksum::get(&self.axes, &key))
    }
}

/// Heads of chunks, one after the other, from either end.
pub struct ChunkHeads<'a> {
    snapshot: &'a Snapshot,
    from: i64,
    entries: Option<ChunkEntries>,
}

impl std::fmt::Debug for ChunkHeads<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkHeads")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl ChunkHeads<'_> {
    fn step(&mut self, is_back: bool) -> Option<Result<ChunkHead>> {
        let Self {
            snapshot,
            from,
            entries,
        } = self;
        let left = entries.as_mut()?;
        let found = snapshot.ask(|_| {
            while let Some(entry) = if is_back {
                left.next_back()
            } else {
                left.next()
            } {
                let (key, value) = entry?;
                let (_, _, first, n) = key.value();
                let row = checked::<ChunkKey>(&key.value(), value.value())?;
                let (last, chunk) = split_last_step(row, first)?;
                if last >= *from {
                    let is_whole = chunk.len() <= ChunkHead::WHOLE_BYTES_MAX;
                    let head = chunk.get(..ChunkHead::BYTES).filter(|_| !is_whole);
                    return Ok(Some(ChunkHead {
                        steps: Steps { first, last },
                        n,
                        bytes: head.unwrap_or(chunk).to_vec(),
                        is_apart: chunk.len() == ChunkHead::BYTES,
                        is_whole,
                    }));
                }
            }
            Ok(None)
        });
        if found.is_err() {
            *entries = None; // what follows an error is not to be trusted
        }
        found.transpose()
    }
}

impl Iterator for ChunkHeads<'_> {
    type Item = Result<ChunkHead>;

    fn next(&mut self) -> Option<Result<ChunkHead>> {
        self.step(false)
    }
}

impl DoubleEndedIterator for ChunkHeads<'_> {
    fn next_back(&mut self) -> Option<Result<ChunkHead>> {
        self.step(true)
    }
}

/// Returns a chunk whose values stand apart.
fn append_values(
    values: &ReadOnlyTable<ChunkKey, &'static [u8]>,
    key: &ChunkKey,
    head: &[u8],
) -> Result<Vec<u8>, Failure> {
    let stored = values.get(key)?;
    let stored = stored.ok_or_else(|| Malformed::new("the values of a chunk are gone"))?;
    let values = checked::<ChunkKey>(key, stored.value())?;
    Ok([head, values].concat())
}

/// Splits the largest step off a row.
fn split_last_step(row: &[u8], first: i64) -> Result<(i64, &[u8]), Malformed> {
    let mut rest = Bytes(row);
    let [span] = rest.words()?;
    Ok((first.wrapping_add_unsigned(span), rest.0))
}

/// Chunks of a series, one after the other.
pub struct Chunks<'a> {
    snapshot: &'a Snapshot,
    from: i64,
    entries: Option<(ChunkEntries, ReadOnlyTable<ChunkKey, &'static [u8]>)>,
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
        let (entries_left, values) = entries.as_mut()?;
        let found = snapshot.ask(|_| next_chunk(entries_left, values, *from));
        if found.is_err() {
            *entries = None; // what follows an error is not to be trusted
        }
        found.transpose()
    }
}

fn next_chunk(
    entries: &mut ChunkEntries,
    values: &ReadOnlyTable<ChunkKey, &'static [u8]>,
    from: i64,
) -> Result<Option<Chunk>, Failure> {
    for entry in entries {
        let (key, value) = entry?;
        let row = checked::<ChunkKey>(&key.value(), value.value())?;
        let (_, _, first, _) = key.value();
        let (last, bytes) = split_last_step(row, first)?;
        if last >= from {
            let steps = Steps { first, last };
            let bytes = if bytes.len() == ChunkHead::BYTES {
                append_values(values, &key.value(), bytes)?
            } else {
                bytes.to_vec()
            };
            return Ok(Some(Chunk { steps, bytes }));
        }
    }
    Ok(None)
}

fn series_row(
    txn: &ReadTransaction,
    run: RunNumber,
    metric: NameNumber,
) -> Result<Option<SeriesRow>, Failure> {
    let row = checksum::get(&txn.open_table(tables::SERIES)?, &(run.0, metric.0))?;
    Ok(row.map(|row| SeriesRow::decode(&row)).transpose()?)
}
