//! Points as they stand in the index: chunks of values, and the steps and times that they share.

use crate::chunk;
use crate::chunk::Stats;
use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::index::ChunkHead;
use crate::journal::SegmentId;
use crate::journal::footer::BlockEntry;
use crate::journal::footer::ColumnEntry;
use crate::model::WriterId;

/// What stands before the values of a chunk in the index. Integers are little-endian.
///
/// | offset | bytes | field                                              |
/// |-------:|------:|----------------------------------------------------|
/// |      0 |     4 | number of the axis: its steps and times            |
/// |      4 |     4 | rows                                               |
/// |      8 |     4 | values that are NaN                                |
/// |     12 |    24 | smallest, largest value, sum of the finite, as f64 |
/// |     36 |       | values as in the sealed segment                    |
///
/// Of up to [`SHORT_ROWS_MAX`] rows the values stand at 8: they tell the rest, and are with the
/// head wherever that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkRow<'a> {
    pub(crate) axis: u32,
    pub(crate) rows: u32,
    /// None where the values tell them.
    stats: Option<Stats>,
    pub(crate) values: &'a [u8],
}

/// Chunks of so few rows have no statistics.
const SHORT_ROWS_MAX: u32 = 64;
// A short chunk, its values as they are with the byte that says so, is known whole by its head.
const _: () = assert!(8 + 1 + 8 * SHORT_ROWS_MAX as usize <= ChunkHead::WHOLE_BYTES_MAX);

impl<'a> ChunkRow<'a> {
    pub(super) fn encode(axis: u32, rows: u32, column: &ColumnEntry, values: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(36 + values.len());
        bytes.extend_from_slice(&axis.to_le_bytes());
        bytes.extend_from_slice(&rows.to_le_bytes());
        if rows > SHORT_ROWS_MAX {
            let stats = &column.stats;
            bytes.extend_from_slice(&stats.nan_count.to_le_bytes());
            for number in [stats.min, stats.max, stats.sum] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes.extend_from_slice(values);
        bytes
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(bytes);
        let (axis, rows) = (bytes.u32()?, bytes.u32()?);
        let mut stats = None;
        if rows > SHORT_ROWS_MAX {
            stats = Some(Stats {
                nan_count: bytes.u32()?,
                min: bytes.f64()?,
                max: bytes.f64()?,
                sum: bytes.f64()?,
            });
        }
        Ok(Self {
            axis,
            rows,
            stats,
            values: bytes.0,
        })
    }

    /// Returns the statistics of the values; the head of the chunk is enough.
    pub(crate) fn stats(&self) -> Result<Stats, Malformed> {
        self.stats.map_or_else(
            || {
                let mut values = Vec::new();
                chunk::decode_values(self.values, self.rows as usize, &mut values)?;
                Ok(Stats::of_values(&values))
            },
            Ok,
        )
    }
}

/// The steps and times of a block in the index. Integers are little-endian.
///
/// | offset | bytes | field                                             |
/// |-------:|------:|---------------------------------------------------|
/// |      0 |     8 | writer                                            |
/// |      8 |     4 | number of the writer's segment                    |
/// |     12 |     4 | rows                                              |
/// |     16 |     8 | bytes of places, bytes of steps                   |
/// |     24 |       | places, steps and times as in the sealed segment  |
#[derive(Clone, Copy, Debug)]
pub(crate) struct AxisRow<'a> {
    pub(crate) writer: WriterId,
    pub(crate) seq: u32,
    pub(crate) rows: u32,
    pub(crate) split: (u32, u32),
    pub(crate) bytes: &'a [u8],
}

impl<'a> AxisRow<'a> {
    pub(super) fn encode(id: &SegmentId, block: &BlockEntry, axis: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + axis.len());
        bytes.extend_from_slice(&id.writer.0.to_le_bytes());
        for number in [id.seq, block.rows, block.axis_split.0, block.axis_split.1] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(axis);
        bytes
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(bytes);
        let (writer, seq) = (WriterId(bytes.u64()?), bytes.u32()?);
        let (rows, split) = (bytes.u32()?, (bytes.u32()?, bytes.u32()?));
        Ok(Self {
            writer,
            seq,
            rows,
            split,
            bytes: bytes.0,
        })
    }
}
