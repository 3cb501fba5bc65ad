//! Series: summaries, chunks and axes.

use std::ops::RangeInclusive;

use redb::ReadTransaction;

use super::Snapshot;
use super::all_of;
use super::collect;
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

fn series_row(
    txn: &ReadTransaction,
    run: RunNumber,
    metric: NameNumber,
) -> Result<Option<SeriesRow>, Failure> {
    let row = checksum::get(&txn.open_table(tables::SERIES)?, &(run.0, metric.0))?;
    Ok(row.map(|row| SeriesRow::decode(&row)).transpose()?)
}
