//! The footer of a sealed segment: what stands where, and what is known of it.
//!
//! Two encodings. In the first each summary and each place is told in full, by bincode. In the
//! second nothing is told that follows from the rest: parts stand one after the other, a metric's
//! summary is that of its chunks, merged in their order, and what a chunk's summary says of steps
//! and times is said once a block. Of series of twenty points the first took twice the bytes that
//! the points took.
//!
//! ```text
//! 255, 2      no length in bincode begins with 255, and so no footer of the first encoding
//! u32         bytes of the outline, little-endian
//! outline     bincode of [`Outline`]
//! words       of each group in turn, of each block: its own, then of each of its columns
//! ```
//!
//! | words of | are                                                                              |
//! |----------|----------------------------------------------------------------------------------|
//! | a block  | rows; length and checksum of the axis, bytes that are places and steps; its span |
//! | a column | length and checksum of the chunk; what its summary says beyond the block         |

use serde::Deserialize;
use serde::Serialize;

use super::files::SegmentId;
use super::segment;
use crate::chunk::Stats;
use crate::codec;
use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::limits::CHUNK_ROWS_MAX;
use crate::limits::SEGMENT_READ_BYTES_MAX;
use crate::model::Name;
use crate::model::RowSpan;
use crate::model::SPAN_WORDS;
use crate::model::Summary;
use crate::model::VALUE_WORDS;

/// How the second encoding begins.
const SECOND: [u8; 2] = [255, 2];
/// Words of a block beside its span.
const BLOCK_WORDS: usize = 5;
/// Words of a column beside its values.
const COLUMN_WORDS: usize = 2;
/// Least bytes of a column's words: half a byte each.
const COLUMN_BYTES_MIN: usize = (COLUMN_WORDS + VALUE_WORDS).div_ceil(2);

/// Most points of a segment: those of the longest rows, 8 bytes each.
const POINTS_MAX: u64 = SEGMENT_READ_BYTES_MAX / 8;

/// A run of bytes in the file, guarded by its own checksum.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Length in bytes.
    pub len: u32,
    /// CRC-32C, seeded as frames are.
    pub crc: u32,
}

/// The steps and times of a block of rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockEntry {
    /// Rows, 1 to 4,096.
    pub rows: u32,
    /// Smallest step.
    pub min_step: i64,
    /// Largest step.
    pub max_step: i64,
    /// Encoded places among the segment's records, steps and times, one after the other.
    pub axis: Part,
    /// Bytes of `axis` that are places, then steps.
    pub axis_split: (u32, u32),
    /// A chunk of values for each metric of the group.
    pub columns: Vec<ColumnEntry>,
}

/// The values of one metric in a block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// Encoded values.
    pub part: Part,
    /// What is known of them.
    pub stats: Stats,
}

/// Rows with the same metrics in the same order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupEntry {
    /// Positions in [`Footer::metrics`].
    pub metrics: Vec<u32>,
    /// The rows in the order logged.
    pub blocks: Vec<BlockEntry>,
}

/// What stands where in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Footer {
    /// Metrics that have points here, and the summary of each.
    pub metrics: Vec<(Name, Summary)>,
    /// Their points.
    pub groups: Vec<GroupEntry>,
    /// All other records: place, then body, for each.
    pub events: Part,
    /// How many of those this version did not know when it sealed.
    pub unknown_count: u32,
    /// Points in the segment.
    pub points: u64,
}

impl Footer {
    /// Decodes a footer of either encoding.
    ///
    /// - `id`: of the segment
    ///
    /// # Errors
    /// [`Malformed`]; nothing is reserved that the bytes do not justify.
    pub fn decode(bytes: &[u8], id: &SegmentId) -> Result<Self, Malformed> {
        match bytes.strip_prefix(&SECOND) {
            None => codec::decode(bytes),
            Some(bytes) => Decoder::decode(bytes, id),
        }
    }

    /// Refuses what no encoder writes and would cost a reader dearly: a chunk that many columns
    /// name is read for each, and a few bytes decode to thousands of values.
    ///
    /// - `len`: length of the file in bytes
    pub(super) fn check(&self, len: u64) -> Result<(), Malformed> {
        let mut parts = u64::from(self.events.len);
        let mut points = 0u64;
        for group in &self.groups {
            let metrics = &group.metrics;
            if metrics.iter().any(|at| *at as usize >= self.metrics.len()) {
                return Err(Malformed::new("a group has a metric without a name"));
            }
            for block in &group.blocks {
                let columns = block.columns.len();
                if columns != metrics.len()
                    || !(1..=CHUNK_ROWS_MAX as u64).contains(&u64::from(block.rows))
                {
                    let (rows, want) = (block.rows, metrics.len());
                    let why = format!("a block of {rows} rows has {columns} columns of {want}");
                    return Err(Malformed::new(why));
                }
                let each = block
                    .columns
                    .iter()
                    .map(|column| u64::from(column.part.len));
                parts = parts.saturating_add(u64::from(block.axis.len) + each.sum::<u64>());
                points = points.saturating_add(u64::from(block.rows) * columns as u64);
            }
        }
        if parts > len {
            let why = format!("its parts have {parts} bytes, the file has {len}");
            return Err(Malformed::new(why));
        }
        if points > POINTS_MAX {
            let why = format!("it has {points} points, at most {POINTS_MAX}");
            return Err(Malformed::new(why));
        }
        if points != self.points {
            let why = format!("it tells of {} points and has {points}", self.points);
            return Err(Malformed::new(why));
        }
        Ok(())
    }
}

/// The second encoding but for its words.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Outline {
    /// Of each metric the bytes that its name shares with the one before, and the others.
    names: Vec<(u16, String)>,
    groups: Vec<GroupOutline>,
    /// Length and checksum.
    events: (u32, u32),
    unknown_count: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct GroupOutline {
    /// Of each metric how far its position is from behind the one before; wraps.
    metrics: Vec<u32>,
    blocks: u32,
}

/// Puts down the second encoding as the parts are put into the file, one after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    outline: Outline,
    words: Vec<u8>,
}

impl Writer {
    /// Begins with the names of the metrics.
    pub(super) fn new(metrics: &[Name]) -> Self {
        let mut writer = Self::default();
        let mut before = "";
        for name in metrics.iter().map(Name::as_str) {
            let same = before.chars().zip(name.chars());
            let same = same.take_while(|(a, b)| a == b);
            let shared: usize = same.map(|(char, _)| char.len_utf8()).sum();
            let shared = u16::try_from(shared).unwrap_or(0);
            let rest = name.get(shared.into()..).unwrap_or_default();
            writer.outline.names.push((shared, rest.to_owned()));
            before = name;
        }
        writer
    }

    /// Begins a group.
    pub(super) fn group(&mut self, metrics: &[u32]) {
        let mut next = 0;
        let metrics = metrics.iter().map(|metric| {
            let from_next = metric.wrapping_sub(next);
            next = metric.wrapping_add(1);
            from_next
        });
        self.outline.groups.push(GroupOutline {
            metrics: metrics.collect(),
            blocks: 0,
        });
    }

    /// Begins a block of the last group.
    ///
    /// - `split`: bytes of `axis` that are places, then steps
    pub(super) fn block(&mut self, rows: u32, span: &RowSpan, axis: &Part, split: (u32, u32)) {
        let own: [u32; BLOCK_WORDS] = [rows, axis.len, axis.crc, split.0, split.1];
        self.put(&own, &span.words());
        if let Some(group) = self.outline.groups.last_mut() {
            group.blocks += 1;
        }
    }

    /// Adds a column of the last block.
    pub(super) fn column(&mut self, part: &Part, summary: &Summary) {
        let own: [u32; COLUMN_WORDS] = [part.len, part.crc];
        self.put(&own, &summary.value_words());
    }

    fn put(&mut self, own: &[u32], others: &[u64]) {
        let own = own.iter().map(|number| u64::from(*number));
        let words: Vec<u64> = own.chain(others.iter().copied()).collect();
        codec::put_words(&words, &mut self.words);
    }

    /// Appends the footer to the file.
    ///
    /// # Errors
    /// [`Malformed`] for an outline of 4 GiB.
    pub(super) fn finish(
        mut self,
        events: &Part,
        unknown_count: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        self.outline.events = (events.len, events.crc);
        self.outline.unknown_count = unknown_count;
        let mut outline = Vec::new();
        codec::encode(&self.outline, &mut outline)?;
        let len = u32::try_from(outline.len()).map_err(|why| Malformed::new(why.to_string()))?;
        out.extend_from_slice(&SECOND);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&outline);
        out.extend_from_slice(&self.words);
        Ok(())
    }
}

/// Reads the second encoding.
struct Decoder<'a> {
    id: &'a SegmentId,
    words: Bytes<'a>,
    /// Where the next part stands.
    offset: u64,
    metrics: Vec<(Name, Summary)>,
    points: u64,
}

impl<'a> Decoder<'a> {
    fn decode(bytes: &'a [u8], id: &'a SegmentId) -> Result<Footer, Malformed> {
        let mut bytes = Bytes(bytes);
        let len = bytes.u32()?;
        let Outline {
            names,
            groups,
            events: (events_len, events_crc),
            unknown_count,
        } = codec::decode(bytes.take(len as usize)?)?;
        if names.len() > bytes.0.len() / COLUMN_BYTES_MIN {
            return Err(Malformed::new("it has metrics without points"));
        }
        let mut decoder = Self {
            id,
            words: bytes,
            offset: segment::HEADER_BYTES as u64,
            metrics: metrics_of(names)?,
            points: 0,
        };
        let groups = groups.into_iter().map(|group| decoder.group(group));
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        if !decoder.words.0.is_empty() {
            let why = format!("{} bytes after the last column", decoder.words.0.len());
            return Err(Malformed::new(why));
        }
        let events = decoder.part(events_len, events_crc);
        Ok(Footer {
            metrics: decoder.metrics,
            groups,
            events,
            unknown_count,
            points: decoder.points,
        })
    }

    fn part(&mut self, len: u32, crc: u32) -> Part {
        let offset = self.offset;
        self.offset = offset.saturating_add(len.into());
        Part { offset, len, crc }
    }

    fn group(&mut self, group: GroupOutline) -> Result<GroupEntry, Malformed> {
        let mut metrics = group.metrics;
        let mut next = 0u32;
        for metric in &mut metrics {
            *metric = metric.wrapping_add(next);
            next = metric.wrapping_add(1);
        }
        let blocks = (0..group.blocks).map(|_| self.block(&metrics));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        Ok(GroupEntry { metrics, blocks })
    }

    fn block(&mut self, metrics: &[u32]) -> Result<BlockEntry, Malformed> {
        let words: [u64; BLOCK_WORDS + SPAN_WORDS] = self.words.words()?;
        let (own, span) = words.split_at(BLOCK_WORDS);
        let [rows, len, crc, places, steps] = small(own)?;
        let span = span.first_chunk().copied().unwrap_or_default();
        let span = RowSpan::from_words(span, self.id.writer, self.id.seq);
        let axis = self.part(len, crc);
        let columns = metrics
            .iter()
            .map(|metric| self.column(*metric, rows, &span));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let (min_step, max_step) = span.steps();
        Ok(BlockEntry {
            rows,
            min_step,
            max_step,
            axis,
            axis_split: (places, steps),
            columns,
        })
    }

    fn column(&mut self, metric: u32, rows: u32, span: &RowSpan) -> Result<ColumnEntry, Malformed> {
        let words: [u64; COLUMN_WORDS + VALUE_WORDS] = self.words.words()?;
        let (own, values) = words.split_at(COLUMN_WORDS);
        let [len, crc] = small(own)?;
        let values = values.first_chunk().copied().unwrap_or_default();
        let summary = Summary::of_column(rows, span, &values)
            .ok_or_else(|| Malformed::new("a column of more odd values than values"))?;
        let (_, whole) = self
            .metrics
            .get_mut(metric as usize)
            .ok_or_else(|| Malformed::new("a group has a metric without a name"))?;
        whole.merge(&summary);
        self.points = self.points.saturating_add(rows.into());
        Ok(ColumnEntry {
            part: self.part(len, crc),
            stats: Stats::of(&summary),
        })
    }
}

/// Takes words for the small numbers that they are.
fn small<const N: usize>(words: &[u64]) -> Result<[u32; N], Malformed> {
    let mut numbers = [0; N];
    for (number, word) in numbers.iter_mut().zip(words) {
        *number = u32::try_from(*word).map_err(|why| Malformed::new(why.to_string()))?;
    }
    Ok(numbers)
}

/// Puts the names together, each with an empty summary.
fn metrics_of(names: Vec<(u16, String)>) -> Result<Vec<(Name, Summary)>, Malformed> {
    let malformed = |why: &dyn std::fmt::Display| Malformed::new(format!("a name: {why}"));
    let (mut before, mut bytes) = (String::new(), 0);
    let mut metrics = Vec::with_capacity(names.len());
    for (shared, rest) in names {
        if !before.is_char_boundary(shared.into()) {
            return Err(malformed(&"it shares more than there is"));
        }
        before.truncate(shared.into());
        before.push_str(&rest);
        // A few bytes may stand for many, but not for more than any file of the first encoding.
        bytes += before.len() as u64;
        if bytes > SEGMENT_READ_BYTES_MAX {
            return Err(malformed(&"all together are too long"));
        }
        let name = Name::new("metric name", before.as_str()).map_err(|why| malformed(&why))?;
        metrics.push((name, Summary::default()));
    }
    Ok(metrics)
}
