//! What is folded, how much there is.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use redb::ReadableTableMetadata;

use super::Snapshot;
use super::collect;
use super::collect_unchecked;
use crate::codec;
use crate::error::Result;
use crate::index::columns::RunNumber;
use crate::index::rows::Segment;
use crate::index::tables;
use crate::model::RunId;
use crate::model::WriterId;

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
    /// Paths of runs under which a blob was logged, once for each blob.
    pub uses: u64,
    /// Names and texts.
    pub names: u64,
}

impl Snapshot {
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
                uses: txn.open_table(tables::USES)?.len()?,
                names: txn.open_table(tables::NAMES)?.len()?,
            })
        })
    }
}
