//! Reads the rows of a segment, live or full, into groups of equal shape.
//!
//! A torn tail is an answer. A hole is not: when a whole frame stands behind bytes that are none,
//! those bytes were damaged; they are named, and reading goes on behind them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::files::SegmentId;
use super::frame;
use super::frame::Seed;
use super::record::Event;
use super::record::Record;
use super::segment;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::limits::CHUNK_ROWS_MAX;
use crate::limits::SEGMENT_READ_BYTES_MAX;
use crate::model::Name;
use crate::model::Point;
use crate::model::RowSpan;
use crate::model::Stamp;
use crate::model::Summary;
use crate::sys;
use crate::sys::File;
use crate::sys::Sys;

/// The tag under which a run says that a power cut tore what it logged last.
pub const TORN_TAG: &str = "tracker.torn";

/// Damaged places that are told one by one. Any eight bytes of a file made to hurt can be one, and
/// each takes thirty times that.
const DAMAGE_MAX: usize = 1_000;

/// An event and its place among the records of its segment.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Its place, counted in records from 0.
    pub row: u32,
    /// Microseconds since 1970.
    pub time_us: i64,
    /// What happened.
    pub event: Event,
}

/// The rows of a segment that have the same metrics in the same order.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Positions in [`Rows::metrics`].
    pub metrics: Vec<u32>,
    /// `[n]` places among the records of the segment, ascending.
    pub rows: Vec<u32>,
    /// `[n]` steps, in the order logged.
    pub steps: Vec<i64>,
    /// `[n]` times in microseconds since 1970.
    pub times_us: Vec<i64>,
    /// `[n * metrics]` values, row after row.
    pub values: Vec<f64>,
}

impl Group {
    /// Returns the values of the metric at `position` in `metrics`, in the order logged.
    pub fn column(&self, position: usize) -> impl Iterator<Item = f64> + '_ {
        self.values
            .iter()
            .skip(position)
            .step_by(self.metrics.len().max(1))
            .copied()
    }

    /// Returns ranges of rows that make a chunk each.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let count = self.rows.len();
        (0..count)
            .step_by(CHUNK_ROWS_MAX)
            .map(move |from| from..count.min(from + CHUNK_ROWS_MAX))
    }

    /// Returns which rows of a range come first and last; none if there are none.
    pub fn span(&self, id: &SegmentId, range: Range<usize>) -> Option<RowSpan> {
        let steps = self.steps.get(range.clone())?;
        let times = self.times_us.get(range.clone())?;
        let rows = self.rows.get(range)?;
        let stamps = times.iter().zip(rows).map(|(time_us, row)| Stamp {
            time_us: *time_us,
            writer: id.writer,
            seq: id.seq,
            row: *row,
        });
        RowSpan::of(steps.iter().copied().zip(stamps))
    }

    /// Calls `take` with each metric and its values in a range of rows.
    pub fn each_column(&self, range: Range<usize>, mut take: impl FnMut(u32, &[f64])) {
        let width = self.metrics.len();
        let values = self.values.get(range.start * width..range.end * width);
        let mut column = Vec::with_capacity(range.len());
        for (position, metric) in self.metrics.iter().enumerate() {
            let rows = values.unwrap_or_default().chunks_exact(width);
            column.clear();
            column.extend(rows.map(|row| row.get(position).copied().unwrap_or_default()));
            take(*metric, &column);
        }
    }
}

/// All that stands in a segment.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Metrics that have points here, by first appearance.
    pub metrics: Vec<Name>,
    /// Whether the number given to each metric and each shape is its position here.
    pub numbers_are_positions: bool,
    /// Points, by shape.
    pub groups: Vec<Group>,
    /// What else happened, in order.
    pub events: Vec<EventRow>,
    /// Bodies of records of a later version, with their places.
    pub unknown: Vec<(u32, Vec<u8>)>,
    /// Bytes from the start of the file up to the tail.
    pub len: u64,
    /// Whether nothing but zeros stands behind the tail, so that appending may go on there.
    pub clean: bool,
    /// Bytes that were records once.
    pub damage: Vec<Damage>,
    /// `[damage]` places of the records that came next.
    pub damage_rows: Vec<u32>,
}

impl Rows {
    /// Counts the points.
    pub fn point_count(&self) -> u64 {
        let groups = self.groups.iter();
        groups.map(|group| group.values.len() as u64).sum()
    }

    /// Whether nothing was logged.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.events.is_empty() && self.unknown.is_empty()
    }

    /// Takes the damage for what a power cut left of rows that were not synced, and says so in the
    /// run: the gaps, not the records behind them, are what is missing.
    fn forgive(&mut self) {
        let gaps = std::mem::take(&mut self.damage);
        self.damage_rows.clear();
        let Some(first) = gaps.first().filter(|_| !self.is_empty()) else {
            return; // a file without a record was never synced, and there is no run to say it to
        };
        let of_groups = self.groups.iter().filter_map(|group| group.rows.last());
        let of_events = self.events.iter().map(|event| &event.row);
        let row = of_groups
            .chain(of_events)
            .max()
            .map_or(0, |row| row.saturating_add(1));
        let time_us = self.events.first().map_or(0, |event| event.time_us);
        let places = if gaps.len() == 1 { "place" } else { "places" };
        let value = format!(
            "when the machine went down, what was logged last was not all on the disk: {} {places} \
             from byte {} of {}",
            gaps.len(),
            first.offset,
            first.path.file_name().unwrap_or_default().to_string_lossy()
        );
        if let Ok(key) = Name::new("tag", TORN_TAG) {
            let event = Event::Tag { key, value };
            self.events.push(EventRow {
                row,
                time_us,
                event,
            });
        }
    }

    /// Forgets metrics that were told and never logged: their writer died in between.
    pub(super) fn drop_unused_metrics(&mut self) {
        let mut positions: Vec<Option<u32>> = vec![None; self.metrics.len()];
        for metric in self.groups.iter().flat_map(|group| &group.metrics) {
            if let Some(position) = positions.get_mut(*metric as usize) {
                *position = Some(0);
            }
        }
        let mut next = 0;
        for position in positions.iter_mut().flatten() {
            *position = next;
            next += 1;
        }
        if next as usize == self.metrics.len() {
            return;
        }
        let mut used = positions.iter().map(Option::is_some);
        self.metrics.retain(|_| used.next().unwrap_or(false));
        for metric in self.groups.iter_mut().flat_map(|group| &mut group.metrics) {
            *metric = positions
                .get(*metric as usize)
                .copied()
                .flatten()
                .unwrap_or(*metric);
        }
    }

    /// Returns the summary of each series, by position in `metrics`.
    pub fn summaries(&self, id: &SegmentId) -> Vec<Summary> {
        let mut summaries = vec![Summary::default(); self.metrics.len()];
        for group in &self.groups {
            for range in group.blocks() {
                let (Some(span), Some(steps)) = (
                    group.span(id, range.clone()),
                    group.steps.get(range.clone()),
                ) else {
                    continue;
                };
                group.each_column(range, |metric, values| {
                    if let Some(summary) = summaries.get_mut(metric as usize) {
                        summary.add_column(&span, steps, values);
                    }
                });
            }
        }
        summaries
    }

    /// Appends the points of a metric to `out`, each with its row.
    pub fn points_of(&self, metric: &str, out: &mut Vec<(Point, u32)>) {
        let Some(number) = self.metrics.iter().position(|name| name.as_str() == metric) else {
            return;
        };
        for group in &self.groups {
            let positions = group.metrics.iter().enumerate();
            for (position, _) in positions.filter(|(_, metric)| **metric as usize == number) {
                let points = group.steps.iter().zip(&group.times_us).zip(&group.rows);
                for (((&step, &time_us), &row), value) in points.zip(group.column(position)) {
                    out.push((
                        Point {
                            step,
                            time_us,
                            value,
                        },
                        row,
                    ));
                }
            }
        }
    }
}

/// Memory to read one segment after another into: fresh pages cost as much as decoding.
#[derive(Debug, Default)]
pub struct Spare {
    bytes: Vec<u8>,
    groups: Vec<Group>,
}

impl Spare {
    const GROUPS_MAX: usize = 4;

    /// Takes back what a segment was read into.
    pub fn take_back(&mut self, rows: Rows) {
        self.groups = rows.groups;
        self.groups.truncate(Self::GROUPS_MAX);
    }

    fn group(&mut self, metrics: Vec<u32>) -> Group {
        let mut group = self.groups.pop().unwrap_or_default();
        group.metrics = metrics;
        group.rows.clear();
        group.steps.clear();
        group.times_us.clear();
        group.values.clear();
        group
    }
}

/// Reads a segment file.
///
/// # Errors
/// As [`read_into`].
pub fn read(file: &dyn File, id: &SegmentId) -> Result<Rows> {
    read_into(file, id, &mut Spare::default())
}

/// Reads a segment file as a power cut may have left it: what is torn is forgiven, and said in the
/// run. A header that was torn costs nothing, for records prove themselves.
///
/// # Errors
/// As [`read_into`].
pub fn read_left(file: &dyn File, id: &SegmentId, sys: &dyn Sys) -> Result<Rows> {
    if !segment::predates_boot(file, sys) {
        return read(file, id);
    }
    let (mut rows, header) = read_despite(file, id)?;
    if let Some(damage) = header {
        rows.damage.insert(0, damage);
    }
    if !rows.damage.is_empty() {
        rows.forgive();
    }
    Ok(rows)
}

/// Reads a segment file whatever its header says: a frame proves by itself which segment it is of.
///
/// - returns: also what is wrong with the header
///
/// # Errors
/// `Error::NewerFormat`; `Error::Io`.
pub(super) fn read_despite(file: &dyn File, id: &SegmentId) -> Result<(Rows, Option<Damage>)> {
    match read(file, id) {
        Err(Error::Corrupt(damage)) => {
            let bytes = sys::read_all(file, SEGMENT_READ_BYTES_MAX)?;
            let rows = records_into(&bytes, id, file.path(), &mut Spare::default());
            Ok((rows, Some(*damage)))
        }
        rows => Ok((rows?, None)),
    }
}

/// Reads a segment file into memory that is there.
///
/// A segment that is being written may grow between the reads of two of its pages, and then seems
/// to have a hole. What stood behind the hole was written after it: when the bytes up to there are
/// read once more, only damage still shows.
///
/// # Errors
/// `Error::Io`; `Error::Corrupt` if the header is of another segment.
pub fn read_into(file: &dyn File, id: &SegmentId, spare: &mut Spare) -> Result<Rows> {
    let mut bytes = std::mem::take(&mut spare.bytes);
    sys::read_all_into(file, SEGMENT_READ_BYTES_MAX, &mut bytes)?;
    let mut rows = parse_into(&bytes, id, file.path(), spare)?;
    if !rows.damage.is_empty() {
        sys::read_all_into(file, SEGMENT_READ_BYTES_MAX, &mut bytes)?;
        bytes.truncate(usize::try_from(rows.len).unwrap_or(usize::MAX));
        let clean = rows.clean;
        rows = parse_into(&bytes, id, file.path(), spare)?;
        rows.clean = clean;
    }
    spare.bytes = bytes;
    Ok(rows)
}

/// Reads the bytes of a segment.
///
/// # Errors
/// `Error::Corrupt` if the header is of another segment.
pub fn parse(bytes: &[u8], id: &SegmentId, path: &Path) -> Result<Rows> {
    parse_into(bytes, id, path, &mut Spare::default())
}

fn parse_into(bytes: &[u8], id: &SegmentId, path: &Path, spare: &mut Spare) -> Result<Rows> {
    let empty = |clean| Rows {
        len: segment::HEADER_BYTES as u64,
        numbers_are_positions: true,
        clean,
        ..Rows::default()
    };
    let Some(header) = bytes.get(..segment::HEADER_BYTES) else {
        return Ok(empty(false)); // the writer died while it made the file
    };
    if header.iter().all(|byte| *byte == 0) {
        return Ok(empty(true));
    }
    segment::check_header(header, id, path)?;
    Ok(records_into(bytes, id, path, spare))
}

/// Reads what stands behind the header.
fn records_into(bytes: &[u8], id: &SegmentId, path: &Path, spare: &mut Spare) -> Rows {
    let mut parser = Parser {
        rows: Rows {
            numbers_are_positions: true,
            ..Rows::default()
        },
        spare,
        positions: HashMap::new(),
        shapes: HashMap::new(),
        names: HashMap::new(),
        row: 0,
    };
    let seed = Seed::of(id);
    let mut search = frame::Search::new(bytes, seed);
    let mut at = segment::HEADER_BYTES;
    loop {
        while let Some(body) = frame::body_at(bytes, at, seed) {
            if let Err(why) = parser.take(body) {
                parser.note(path, at, || why.to_string());
            }
            at += frame::frame_bytes(body.len());
        }
        let Some(next) = search.next_frame(at) else {
            break;
        };
        parser.note(path, at, || format!("{} bytes are no record", next - at));
        at = next;
    }
    let mut rows = parser.rows;
    rows.len = at as u64;
    rows.clean = search.content_end() <= at;
    let told = (rows.metrics.len(), rows.groups.len());
    rows.groups.retain(|group| !group.rows.is_empty());
    rows.drop_unused_metrics();
    rows.numbers_are_positions &= told == (rows.metrics.len(), rows.groups.len());
    rows
}

/// Reads the first record of a segment, if it stands whole in `head`.
pub fn first_record<'a>(head: &'a [u8], id: &SegmentId) -> Option<Record<'a>> {
    let body = frame::body_at(head, segment::HEADER_BYTES, Seed::of(id))?;
    Record::decode(body).ok()
}

/// What has been said so far in a segment.
struct Parser<'a> {
    rows: Rows,
    spare: &'a mut Spare,
    /// Position in `rows.metrics` by name.
    positions: HashMap<Name, u32>,
    /// Number of a shape in the segment to position in `rows.groups`.
    shapes: HashMap<u32, usize>,
    /// Number of a metric in the segment to position in `rows.metrics`.
    names: HashMap<u32, u32>,
    row: u32,
}

impl Parser<'_> {
    /// Notes damage; of very much only the first, and that there is more.
    fn note(&mut self, path: &Path, at: usize, why: impl FnOnce() -> String) {
        let why = match self.rows.damage.len() {
            ..DAMAGE_MAX => why(),
            DAMAGE_MAX => {
                format!("after {DAMAGE_MAX} damaged places here is one more: the rest is not told")
            }
            _ => return,
        };
        let damage = Damage::new(path, at as u64, "record", why);
        self.rows.damage.push(damage);
        self.rows.damage_rows.push(self.row);
    }

    fn take(&mut self, body: &[u8]) -> Result<(), crate::codec::Malformed> {
        let malformed = |why: String| Err(crate::codec::Malformed::new(why));
        let row = self.row;
        self.row += 1;
        match Record::decode(body)? {
            Record::Points {
                shape,
                step,
                time_us,
                values,
            } => {
                let group = self
                    .shapes
                    .get(&shape)
                    .and_then(|at| self.rows.groups.get_mut(*at));
                let Some(group) = group else {
                    return malformed(format!("points of shape {shape}, which is not told"));
                };
                let (values, _) = values.as_chunks::<8>();
                if values.len() != group.metrics.len() {
                    let want = group.metrics.len();
                    return malformed(format!("{} values, the shape has {want}", values.len()));
                }
                group.rows.push(row);
                group.steps.push(step);
                group.times_us.push(time_us);
                group
                    .values
                    .extend(values.iter().map(|value| f64::from_le_bytes(*value)));
            }
            Record::Metric { number, name } => {
                let next = u32::try_from(self.rows.metrics.len()).unwrap_or(u32::MAX);
                // One that is told twice, by a page that was written to two places, is one still:
                // who asks for a name looks for one metric.
                let position = *self.positions.entry(name.clone()).or_insert(next);
                if position == next {
                    self.rows.metrics.push(name);
                }
                self.names.insert(number, position);
                self.rows.numbers_are_positions &= number == position;
            }
            Record::Shape { number, metrics } => {
                let known: Option<Vec<u32>> = metrics
                    .iter()
                    .map(|metric| self.names.get(metric).copied())
                    .collect();
                let Some(metrics) = known else {
                    return malformed(format!("shape {number} of metrics that are not told"));
                };
                self.rows.numbers_are_positions &= number as usize == self.rows.groups.len();
                self.shapes.insert(number, self.rows.groups.len());
                self.rows.groups.push(self.spare.group(metrics));
            }
            Record::Event { time_us, event } => {
                self.rows.events.push(EventRow {
                    row,
                    time_us,
                    event,
                });
            }
            Record::Unknown(body) => self.rows.unknown.push((row, body.to_vec())),
        }
        Ok(())
    }
}
