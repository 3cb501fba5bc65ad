//! A sealed segment: the same records as columns, in a file that never changes.
//!
//! ```text
//! header      64 bytes, as of rows, but `trk-cols`
//! parts       chunks of columns and frames of events, each with a checksum in the footer
//! footer      what stands where: [`footer`](super::footer)
//! trailer     48 bytes
//! ```
//!
//! Points stand by group (the same metrics in the same order): a block of up to 4,096 rows has its
//! steps and times once, then a chunk a metric. Every bit and the order logged are kept; the place
//! of a row among all records is kept where it is not told by the block's first.
//!
//! A part is guarded by a CRC-32C of its own, so that one chunk can be read without the file; the
//! BLAKE3 in the trailer guards the whole and names it across stores.
//!
//! Format versions: 1, the first; 2, the footer's second encoding.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::files::SegmentId;
use super::footer;
use super::footer::BlockEntry;
use super::footer::ColumnEntry;
use super::footer::Footer;
use super::footer::Part;
use super::frame::Seed;
use super::record;
use super::record::Record;
use super::rows::EventRow;
use super::rows::Group;
use super::rows::Rows;
use super::segment;
use crate::chunk;
use crate::chunk::Mode;
use crate::codec::Bytes;
use crate::codec::Malformed;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::limits::GROUP_ROWS_MIN;
use crate::limits::SEGMENT_READ_BYTES_MAX;
use crate::model::Name;
use crate::model::Point;
use crate::model::RowSpan;
use crate::model::Summary;
use crate::sys::File;

const MAGIC: [u8; 8] = *b"trk-cols";
const VERSION: u32 = 2;

/// Bytes of the trailer. Integers are little-endian.
///
/// | offset | bytes | field                                        |
/// |-------:|------:|----------------------------------------------|
/// |      0 |     4 | length of the footer in bytes                |
/// |      4 |     4 | CRC-32C of the footer, seeded as frames are  |
/// |      8 |    32 | BLAKE3 of all bytes of the file before it    |
/// |     40 |     8 | `trk-cols`                                   |
const TRAILER_BYTES: usize = 48;

/// Groups up to this many stay as they are, however few rows they have.
const SMALL_GROUPS_MAX: usize = 8;

/// Encodes one segment of a writer after the other, into the same memory.
///
/// It remembers how metrics were encoded: to find that out takes as long as to encode some hundred
/// values, which is all that a segment of many metrics has of each.
#[derive(Debug, Default)]
pub struct Encoder {
    /// With the number of segments before the choice is made again.
    modes: HashMap<Name, (Mode, u32)>,
    bytes: Vec<u8>,
}

/// So many segments are encoded alike.
const SEGMENTS_ALIKE: u32 = 8;

impl Encoder {
    /// Encodes rows as a sealed file.
    ///
    /// # Errors
    /// [`Malformed`] if a value cannot be encoded (none of ours).
    pub fn encode(&mut self, rows: &Rows, id: &SegmentId) -> Result<&[u8], Malformed> {
        self.bytes.clear();
        self.bytes
            .extend_from_slice(&segment::header_of(MAGIC, VERSION, id, 0));
        let mut out = Output {
            id,
            bytes: &mut self.bytes,
            seed: Seed::of(id),
            names: &rows.metrics,
            modes: &mut self.modes,
            chosen: vec![None; rows.metrics.len()],
            footer: footer::Writer::new(&rows.metrics),
        };
        let split = split_small_groups(&rows.groups);
        for group in split.as_deref().unwrap_or(&rows.groups) {
            out.group(group)?;
        }
        let events = out.events(rows)?;
        let unknown_count = u32::try_from(rows.unknown.len()).unwrap_or(u32::MAX);
        out.finish(&events, unknown_count)?;
        Ok(&self.bytes)
    }
}

fn len32(bytes: &[u8]) -> Result<u32, Malformed> {
    u32::try_from(bytes.len()).map_err(|why| Malformed::new(why.to_string()))
}

/// Takes groups of few rows apart by metric, when there are many: steps that are logged with ever
/// other metrics would else leave a block for each.
fn split_small_groups(groups: &[Group]) -> Option<Vec<Group>> {
    let is_small = |group: &&Group| group.rows.len() < GROUP_ROWS_MIN;
    if groups.iter().filter(is_small).count() <= SMALL_GROUPS_MAX {
        return None;
    }
    let mut whole: Vec<Group> = groups
        .iter()
        .filter(|group| !is_small(group))
        .cloned()
        .collect();
    let mut points: Vec<(u32, u32, i64, i64, f64)> = Vec::new();
    for group in groups.iter().filter(is_small) {
        for (position, metric) in group.metrics.iter().enumerate() {
            let rows = group.rows.iter().zip(&group.steps).zip(&group.times_us);
            let rows = rows.zip(group.column(position));
            points.extend(
                rows.map(|(((row, step), time), value)| (*metric, *row, *step, *time, value)),
            );
        }
    }
    points.sort_by_key(|(metric, row, ..)| (*metric, *row)); // stable: repeats within a row stay
    for metric_points in points.chunk_by(|a, b| a.0 == b.0) {
        let mut group = Group::default();
        for (metric, row, step, time_us, value) in metric_points {
            group.metrics = vec![*metric];
            group.rows.push(*row);
            group.steps.push(*step);
            group.times_us.push(*time_us);
            group.values.push(*value);
        }
        whole.push(group);
    }
    Some(whole)
}

struct Output<'a> {
    id: &'a SegmentId,
    bytes: &'a mut Vec<u8>,
    seed: Seed,
    names: &'a [Name],
    modes: &'a mut HashMap<Name, (Mode, u32)>,
    /// Of each metric, how it is encoded once that is chosen.
    chosen: Vec<Option<Mode>>,
    footer: footer::Writer,
}

impl Output<'_> {
    fn part(&self, from: usize) -> Result<Part, Malformed> {
        let bytes = self.bytes.get(from..).unwrap_or_default();
        Ok(Part {
            offset: from as u64,
            len: len32(bytes)?,
            crc: self.seed.checksum(bytes),
        })
    }

    fn group(&mut self, group: &Group) -> Result<(), Malformed> {
        self.footer.group(&group.metrics);
        for range in group.blocks() {
            let (Some(span), Some(steps)) = (
                group.span(self.id, range.clone()),
                group.steps.get(range.clone()),
            ) else {
                continue;
            };
            self.axis(group, range.clone(), &span)?;
            let mut encoded = Ok(());
            group.each_column(range, |metric, values| {
                if encoded.is_err() {
                    return;
                }
                let mut summary = Summary::default();
                summary.add_column(&span, steps, values);
                encoded = self.column(metric, &summary, values);
            });
            encoded?;
        }
        Ok(())
    }

    fn column(&mut self, metric: u32, summary: &Summary, values: &[f64]) -> Result<(), Malformed> {
        let unknown = || Malformed::new(format!("metric {metric} has no name"));
        let at = metric as usize;
        let name = self.names.get(at).ok_or_else(unknown)?;
        let chosen = self.chosen.get_mut(at).ok_or_else(unknown)?;
        let mode = *chosen.get_or_insert_with(|| choose_mode(self.modes, name, values));
        let start = self.bytes.len();
        mode.encode(values, self.bytes)?;
        let part = self.part(start)?;
        self.footer.column(&part, summary);
        Ok(())
    }

    fn axis(
        &mut self,
        group: &Group,
        range: Range<usize>,
        span: &RowSpan,
    ) -> Result<(), Malformed> {
        let rows = group.rows.get(range.clone()).unwrap_or_default();
        let steps = group.steps.get(range.clone()).unwrap_or_default();
        let times = group.times_us.get(range).unwrap_or_default();
        let places: Vec<i64> = rows.iter().map(|row| i64::from(*row)).collect();
        let start = self.bytes.len();
        chunk::encode_ints(&places, self.bytes)?;
        let places_len = len32(self.bytes.get(start..).unwrap_or_default())?;
        chunk::encode_ints(steps, self.bytes)?;
        let steps_len = len32(self.bytes.get(start..).unwrap_or_default())? - places_len;
        chunk::encode_ints(times, self.bytes)?;
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let part = self.part(start)?;
        self.footer
            .block(count, span, &part, (places_len, steps_len));
        Ok(())
    }

    fn finish(self, events: &Part, unknown_count: u32) -> Result<(), Malformed> {
        let Self {
            bytes,
            seed,
            footer,
            ..
        } = self;
        let start = bytes.len();
        footer.finish(events, unknown_count, bytes)?;
        let footer = bytes.get(start..).unwrap_or_default();
        let (len, crc) = (len32(footer)?, seed.checksum(footer));
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&crc.to_le_bytes());
        let hash = blake3::hash(bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes.extend_from_slice(&MAGIC);
        Ok(())
    }

    fn events(&mut self, rows: &Rows) -> Result<Part, Malformed> {
        let start = self.bytes.len();
        let mut bodies: Vec<(u32, Vec<u8>)> = rows.unknown.clone();
        for EventRow {
            row,
            time_us,
            event,
        } in &rows.events
        {
            bodies.push((*row, record::event(*time_us, event)?));
        }
        bodies.sort_by_key(|(row, _)| *row);
        for (row, body) in bodies {
            self.bytes.extend_from_slice(&row.to_le_bytes());
            self.bytes.extend_from_slice(&len32(&body)?.to_le_bytes());
            self.bytes.extend_from_slice(&body);
        }
        self.part(start)
    }
}

/// Returns how to encode a metric: as lately, or as fits its first values.
fn choose_mode(modes: &mut HashMap<Name, (Mode, u32)>, name: &Name, values: &[f64]) -> Mode {
    if let Some((mode, left @ 1..)) = modes.get_mut(name) {
        *left -= 1;
        return *mode;
    }
    let mode = Mode::choose(values);
    if Mode::can_choose(values) {
        modes.insert(name.clone(), (mode, SEGMENTS_ALIKE));
    }
    mode
}

/// The steps and times of a block, decoded.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// Places among the segment's records.
    pub places: Vec<i64>,
    /// Steps.
    pub steps: Vec<i64>,
    /// Times in microseconds since 1970.
    pub times_us: Vec<i64>,
}

impl Axis {
    /// Decodes the bytes of a block's axis.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8], rows: usize, split: (u32, u32)) -> Result<Self, Malformed> {
        let mut bytes = Bytes(bytes);
        let mut axis = Self::default();
        chunk::decode_ints(bytes.take(split.0 as usize)?, rows, &mut axis.places)?;
        chunk::decode_ints(bytes.take(split.1 as usize)?, rows, &mut axis.steps)?;
        chunk::decode_ints(bytes.0, rows, &mut axis.times_us)?;
        Ok(axis)
    }
}

/// Place and body of a record of a later version.
pub(super) type Unknown = (u32, Vec<u8>);

/// A sealed file, open: its footer in memory, its parts on demand.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Which segment.
    pub id: SegmentId,
    /// What stands where.
    pub footer: Footer,
    /// BLAKE3 of the file, as the trailer has it.
    pub hash: [u8; 32],
    /// Length of the file in bytes.
    pub len: u64,
    file: Arc<dyn File>,
}

impl Sealed {
    /// Opens a sealed file and checks header, trailer and footer.
    ///
    /// # Errors
    /// `Error::Corrupt` with the place; `Error::NewerFormat`; `Error::Io`.
    pub fn open(file: Arc<dyn File>, id: &SegmentId) -> Result<Self> {
        Self::open_despite(file, id, &mut |damage| Err(damage.into()))
    }

    /// Opens a sealed file whose footer is whole, whatever the rest is like: the footer's checksum
    /// is seeded with the segment, so it proves by itself what header and magic say again.
    ///
    /// - `found`: told of damage that could be passed over, and decides
    ///
    /// # Errors
    /// As [`Self::open`], and those of `found`.
    pub(super) fn open_despite(
        file: Arc<dyn File>,
        id: &SegmentId,
        found: &mut dyn FnMut(Damage) -> Result<()>,
    ) -> Result<Self> {
        let path = file.path().to_owned();
        let damaged = |offset: u64, what, why: String| Damage::new(&path, offset, what, why);
        let len = file.stat()?.len;
        let least = (segment::HEADER_BYTES + TRAILER_BYTES) as u64;
        if len < least || len > SEGMENT_READ_BYTES_MAX {
            let why = format!("it has {len} bytes, want {least} to {SEGMENT_READ_BYTES_MAX}");
            return Err(damaged(0, "file", why).into());
        }
        let mut header = [0; segment::HEADER_BYTES];
        read_exact(&*file, &mut header, 0)?;
        match segment::check_header_of(&header, MAGIC, VERSION, id, &path) {
            Err(Error::Corrupt(damage)) => found(*damage)?,
            checked => checked?,
        }
        let mut trailer = [0; TRAILER_BYTES];
        let trailer_at = len - TRAILER_BYTES as u64;
        read_exact(&*file, &mut trailer, trailer_at)?;
        let mut bytes = Bytes(&trailer);
        let read = (|| Ok((bytes.u32()?, bytes.u32()?, bytes.array()?, bytes.array()?)))();
        let (footer_len, footer_crc, hash, magic): (u32, u32, [u8; 32], [u8; 8]) =
            read.map_err(|why: Malformed| damaged(trailer_at, "trailer", why.0))?;
        let no_trailer = || damaged(trailer_at, "trailer", "it is no trailer".to_owned());
        if magic != MAGIC {
            found(no_trailer())?;
        }
        let Some(footer_at) = trailer_at.checked_sub(u64::from(footer_len)) else {
            return Err(no_trailer().into());
        };
        let mut bytes = vec![0; footer_len as usize];
        read_exact(&*file, &mut bytes, footer_at)?;
        if Seed::of(id).checksum(&bytes) != footer_crc {
            return Err(damaged(footer_at, "footer", "the checksum is wrong".to_owned()).into());
        }
        let footer =
            Footer::decode(&bytes, id).map_err(|why| damaged(footer_at, "footer", why.0))?;
        footer
            .check(len)
            .map_err(|why| damaged(footer_at, "footer", why.0))?;
        Ok(Self {
            id: *id,
            footer,
            hash,
            len,
            file,
        })
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Reads a part and checks it.
    ///
    /// # Errors
    /// `Error::Corrupt` with the place; `Error::Io`.
    pub fn part(&self, part: &Part, what: &'static str) -> Result<Vec<u8>> {
        let damaged = |why: &str| Damage::new(self.path(), part.offset, what, why);
        let end = part.offset.checked_add(u64::from(part.len));
        if end.is_none_or(|end| end > self.len) {
            return Err(damaged("it ends behind the end of the file").into());
        }
        let mut bytes = vec![0; part.len as usize];
        read_exact(&*self.file, &mut bytes, part.offset)?;
        if Seed::of(&self.id).checksum(&bytes) != part.crc {
            return Err(damaged("the checksum is wrong").into());
        }
        Ok(bytes)
    }

    /// Reads the events, in order; those of a later version are left out.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub fn events(&self) -> Result<Vec<EventRow>> {
        Ok(self.events_and_unknown()?.0)
    }

    /// Reads the events, in order, and the bodies of those of a later version, with their places.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub(super) fn events_and_unknown(&self) -> Result<(Vec<EventRow>, Vec<Unknown>)> {
        let part = &self.footer.events;
        let bytes = self.part(part, "events")?;
        let mut rest = Bytes(&bytes);
        let (mut events, mut unknown) = (Vec::new(), Vec::new());
        while !rest.0.is_empty() {
            let mut next = || {
                let (row, len) = (rest.u32()?, rest.u32()?);
                Ok((row, Record::decode(rest.take(len as usize)?)?))
            };
            let (row, record) = next().map_err(|why: Malformed| {
                Damage::new(self.path(), part.offset, "events", why.to_string())
            })?;
            match record {
                Record::Event { time_us, event } => events.push(EventRow {
                    row,
                    time_us,
                    event,
                }),
                Record::Unknown(body) => unknown.push((row, body.to_vec())),
                // Never among the events.
                Record::Points { .. } | Record::Metric { .. } | Record::Shape { .. } => {}
            }
        }
        Ok((events, unknown))
    }

    /// Appends the points of a metric to `out`, each with its place among the records. Chunks that
    /// are damaged are left out and named in `damage`.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn points_of(
        &self,
        metric: &str,
        out: &mut Vec<(Point, u32)>,
        damage: &mut Vec<Damage>,
    ) -> Result<()> {
        let mut metrics = self.footer.metrics.iter();
        let Some(number) = metrics.position(|(name, _)| name.as_str() == metric) else {
            return Ok(());
        };
        for group in &self.footer.groups {
            let positions = group.metrics.iter().enumerate();
            for (position, _) in positions.filter(|(_, metric)| **metric as usize == number) {
                for block in &group.blocks {
                    match self.points_of_block(block, position, out) {
                        Err(Error::Corrupt(found)) => damage.push(*found),
                        read => read?,
                    }
                }
            }
        }
        Ok(())
    }

    fn points_of_block(
        &self,
        block: &BlockEntry,
        position: usize,
        out: &mut Vec<(Point, u32)>,
    ) -> Result<()> {
        let Some(column) = block.columns.get(position) else {
            return Ok(());
        };
        let axis = self.axis(block)?;
        let values = self.values(block, column)?;
        let rows = axis.steps.iter().zip(&axis.times_us).zip(&axis.places);
        for (((&step, &time_us), &place), &value) in rows.zip(&values) {
            let row = u32::try_from(place).unwrap_or(u32::MAX);
            out.push((
                Point {
                    step,
                    time_us,
                    value,
                },
                row,
            ));
        }
        Ok(())
    }

    /// Reads the steps and times of a block.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub fn axis(&self, block: &BlockEntry) -> Result<Axis> {
        let bytes = self.part(&block.axis, "axis")?;
        Axis::decode(&bytes, block.rows as usize, block.axis_split)
            .map_err(|why| Damage::new(self.path(), block.axis.offset, "axis", why.0).into())
    }

    /// Reads the values of a metric in a block.
    ///
    /// # Errors
    /// As [`Self::part`].
    pub(super) fn values(&self, block: &BlockEntry, column: &ColumnEntry) -> Result<Vec<f64>> {
        let mut values = Vec::new();
        let bytes = self.part(&column.part, "chunk")?;
        chunk::decode_values(&bytes, block.rows as usize, &mut values)
            .map_err(|why| Damage::new(self.path(), column.part.offset, "chunk", why.0))?;
        Ok(values)
    }

    /// Reads the whole file against its hash and decodes every part.
    ///
    /// # Errors
    /// `Error::Corrupt` with the place; `Error::Io`.
    pub fn verify(&self) -> Result<()> {
        self.events()?;
        for group in &self.footer.groups {
            for block in &group.blocks {
                self.axis(block)?;
                for column in &block.columns {
                    self.values(block, column)?;
                }
            }
        }
        self.verify_whole()
    }

    /// Reads the whole file against its hash.
    ///
    /// # Errors
    /// `Error::Corrupt`; `Error::Io`.
    pub(super) fn verify_whole(&self) -> Result<()> {
        let mut bytes = crate::sys::read_all(&*self.file, SEGMENT_READ_BYTES_MAX)?;
        bytes.truncate(bytes.len().saturating_sub(TRAILER_BYTES - 8));
        if *blake3::hash(&bytes).as_bytes() != self.hash {
            let why = "its BLAKE3 is another than the trailer's";
            return Err(Damage::new(self.path(), 0, "file", why).into());
        }
        Ok(())
    }
}

fn read_exact(file: &dyn File, bytes: &mut [u8], offset: u64) -> Result<()> {
    let read = file.read_at(bytes, offset)?;
    if read == bytes.len() {
        return Ok(());
    }
    let why = format!("the file ends {} bytes early", bytes.len() - read);
    Err(Damage::new(file.path(), offset, "file", why).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;
    use crate::codec::unhex;
    use crate::journal::Event;
    use crate::model::RunId;
    use crate::model::WriterId;
    use crate::sys::Open;
    use crate::sys::RealSys;
    use crate::sys::Sys;

    /// A whole file, but for what pco does: header, parts, footer, trailer.
    #[test]
    fn golden_bytes() {
        let id = SegmentId {
            run: RunId(1),
            writer: WriterId(2),
            seq: 3,
        };
        let name = |text| Name::new("metric name", text).unwrap();
        let rows = Rows {
            metrics: vec![name("a"), name("b")],
            groups: vec![Group {
                metrics: vec![1, 0],
                rows: vec![1, 2, 4],
                steps: vec![7, 8, 9],
                times_us: vec![70, 80, -1],
                values: vec![0.5, 1.0, 0.5, 2.0, 0.5, f64::NAN],
            }],
            events: vec![EventRow {
                row: 0,
                time_us: 5,
                event: Event::Note("n".to_owned()),
            }],
            unknown: vec![(3, vec![200, 1, 9])],
            ..Rows::default()
        };
        let mut encoder = Encoder::default();
        let bytes = encoder.encode(&rows, &id).unwrap();
        // Header, parts, footer, trailer.
        let version_1 = concat!(
            "74726b2d636f6c730100000003000000010000000000000000000000000000000200000000000000",
            "0000000000000000000000000000000000000000e29bdc5400010000000000000002000000000000",
            "00040000000000000001070000000000000001000000000000000046000000000000005000000000",
            "000000ffffffffffffffff01000000000000e03f00000000000000f03f0000000000000040000000",
            "000000f87f000000000600000010010a04016e0300000003000000c8010902016103010000010e8c",
            "020301000000000000f03f011201020304000000000000f87f010e000000000000f03f0110000000",
            "00000000400101a00000000000000840000000000000000000000000000014400000000000000000",
            "016203000000010e8c020301000000000000e03f011201020304000000000000e03f010e00000000",
            "0000e03f010e000000000000e03f0101a0000000000000f83f0000000000000000000000000000e8",
            "3f00000000000000000102010001030e124043fcdf95c4591911028309fc017eb479000000000000",
            "00e03f000000000000e03f000000000000f83f8c19fcdf89a37801000000000000f03f0000000000",
            "0000400000000000000840a519fca556aeab01060e010000cf26255cf9f0910fafd9ac9c52a6ccbd",
            "44706e3cb774c19a6008ece0408e72e32b88c7e074726b2d636f6c73",
        );
        let version_2 = concat!(
            "74726b2d636f6c730200000003000000010000000000000000000000000000000200000000000000",
            "0000000000000000000000000000000000000000edf083bd00010000000000000002000000000000",
            "00040000000000000001070000000000000001000000000000000046000000000000005000000000",
            "000000ffffffffffffffff01000000000000e03f00000000000000f03f0000000000000040000000",
            "000000f87f000000000600000010010a04016e0300000003000000c80109ff021700000002000161",
            "000162010201fcfeffffff0119fca556aeab01111411111111010343df95c45919110e048c8d0106",
            "8da2410020000020200009017eb4793fe03ff83fe8410120021022200019df89a378013ff0400802",
            "7ff04008401460000000188f7a7ee60d16cb5999b8c1b399f5ce1f592036105571f382b5c851ec3b",
            "7eb929f8dbda74726b2d636f6c73",
        );
        assert_eq!(hex(bytes), version_2);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(id.stem());
        std::fs::write(&path, bytes).unwrap();
        let file = || RealSys.open(&path, Open::Read).unwrap();
        let sealed = Sealed::open(file().into(), &id).unwrap();
        sealed.verify().unwrap();
        assert_eq!(sealed.events().unwrap(), rows.events);
        assert_eq!((sealed.footer.points, sealed.footer.unknown_count), (6, 1));
        std::fs::write(&path, unhex(version_1)).unwrap();
        let first = Sealed::open(file().into(), &id).unwrap();
        first.verify().unwrap();
        let told = |sealed: &Sealed| format!("{:?}", sealed.footer);
        assert_eq!(told(&first), told(&sealed));
        let newer = segment::header_of(MAGIC, VERSION + 1, &id, 0);
        std::fs::write(&path, [&newer, &bytes[newer.len()..]].concat()).unwrap();
        let refused = Sealed::open(file().into(), &id);
        assert!(matches!(refused, Err(Error::NewerFormat { found: 3, .. })));
    }
}
