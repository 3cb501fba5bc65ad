//! A series as sections: stretches that read one after the other, of which count and extremes are
//! known before a point is decoded.
//!
//! Chunks of the index may overlap: ranks log the same steps, and steps may go back. Chunks whose
//! steps overlap are one section, with what is not folded of these steps; between two sections the
//! steps alone decide what reads first. Most sections are one chunk.
//!
//! Either all points are read in one go ([`read_all`]), or the heads of the chunks alone
//! ([`Sections`]), and then the sections that are needed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::ops::RangeInclusive;
use std::rc::Rc;

use super::parallel;
use crate::chunk;
use crate::codec::Malformed;
use crate::error::Damage;
use crate::error::Result;
use crate::fold::AxisRow;
use crate::fold::ChunkRow;
use crate::fold::Place;
use crate::index::ChunkHead;
use crate::index::ChunkTables;
use crate::index::Steps;
use crate::journal::sealed::Axis;
use crate::limits::CHUNK_ROWS_MAX;
use crate::model::Point;
use crate::model::Summary;
use crate::model::WriterId;

/// Heads of fewer chunks are read by one thread.
const CHUNKS_A_THREAD: usize = 64;

/// A point that is not in the index, and where it was logged.
pub(super) type Loose = (Point, Place);

/// Sorts unfolded points as they read. Stable: a metric twice in one step keeps its order there.
pub(super) fn sort_loose(loose: &mut [Loose]) {
    loose.sort_by_key(|(point, place)| (point.step, point.time_us, *place));
}

/// Steps and times of a block, and whose they are.
pub(super) struct Block {
    pub(super) writer: WriterId,
    pub(super) seq: u32,
    pub(super) axis: Axis,
}

/// Decodes chunks of one series, a section at a time.
struct Decoder<'a> {
    tables: &'a ChunkTables<'a>,
    values: Vec<f64>,
    /// Of the section: for each stretch of its points the block it is of.
    stretches: Vec<(usize, Rc<Block>)>,
    blocks: BTreeMap<u32, Rc<Block>>,
    /// Where its points begin.
    start: usize,
}

impl<'a> Decoder<'a> {
    fn new(tables: &'a ChunkTables<'a>) -> Self {
        Self {
            tables,
            values: Vec::new(),
            stretches: Vec::new(),
            blocks: BTreeMap::new(),
            start: 0,
        }
    }

    fn damage(&self, why: &Malformed) -> Damage {
        damage(self.tables, why)
    }

    /// Begins a section at the end of `out`.
    fn begin(&mut self, out: &[Point]) {
        self.stretches.clear();
        self.blocks.clear();
        self.start = out.len();
    }

    /// Appends the points of a chunk.
    fn add(&mut self, bytes: &[u8], out: &mut Vec<Point>) -> Result<()> {
        let chunk = ChunkRow::decode(bytes).map_err(|why| self.damage(&why))?;
        let block = match self.blocks.entry(chunk.axis) {
            Entry::Occupied(entry) => Rc::clone(entry.get()),
            Entry::Vacant(entry) => {
                Rc::clone(entry.insert(Rc::new(read_block(self.tables, chunk.axis)?)))
            }
        };
        self.values.clear();
        chunk::decode_values(chunk.values, chunk.rows as usize, &mut self.values)
            .map_err(|why| damage(self.tables, &why))?;
        self.stretches.push((out.len(), Rc::clone(&block)));
        let Axis {
            places: _,
            steps,
            times_us,
        } = &block.axis;
        let rows = steps.iter().zip(times_us).zip(&self.values);
        out.extend(rows.map(|((&step, &time_us), &value)| Point {
            step,
            time_us,
            value,
        }));
        Ok(())
    }

    /// Brings the points of the section into their order, with those that are not in the index.
    fn end(&mut self, loose: &[Loose], out: &mut Vec<Point>) {
        let points = out.get(self.start..).unwrap_or_default();
        let key = |point: &Point| (point.step, point.time_us);
        let ascends = points
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if key(a) < key(b)));
        if ascends && loose.is_empty() {
            return;
        }
        let mut all = Vec::with_capacity(points.len() + loose.len());
        let ends = self.stretches.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([out.len()]);
        for ((start, block), end) in self.stretches.iter().zip(ends) {
            let points = out.get(*start..end).unwrap_or_default();
            all.extend(points.iter().zip(&block.axis.places).map(|(point, row)| {
                let place = Place {
                    writer: block.writer,
                    seq: block.seq,
                    row: u32::try_from(*row).unwrap_or(u32::MAX),
                };
                (*point, place)
            }));
        }
        all.extend_from_slice(loose);
        sort_loose(&mut all);
        out.truncate(self.start);
        out.extend(all.into_iter().map(|(point, _)| point));
    }
}

pub(super) fn read_block(tables: &ChunkTables<'_>, axis: u32) -> Result<Block> {
    let missing = || Malformed::new(format!("axis {axis} is missing"));
    let bytes = tables
        .axis(axis)?
        .ok_or_else(|| damage(tables, &missing()))?;
    let decode = || -> Result<Block, Malformed> {
        let row = AxisRow::decode(&bytes)?;
        let axis = Axis::decode(row.bytes, row.rows as usize, row.split)?;
        Ok(Block {
            writer: row.writer,
            seq: row.seq,
            axis,
        })
    };
    decode().map_err(|why| damage(tables, &why).into())
}

pub(super) fn damage(tables: &ChunkTables<'_>, why: &Malformed) -> Damage {
    Damage::new(
        tables.path(),
        0,
        "chunk",
        format!("{why}; `tracker rebuild` mends it"),
    )
}

/// Appends all points of a series within some steps, in reading order.
///
/// - `tables`: none if nothing of it is in the index
/// - `loose`: what is not in the index, sorted
pub(super) fn read_all(
    tables: Option<&ChunkTables<'_>>,
    steps: RangeInclusive<i64>,
    loose: &[Loose],
    out: &mut Vec<Point>,
) -> Result<()> {
    let mut loose = loose;
    if let Some(tables) = tables {
        let mut decoder = Decoder::new(tables);
        let mut section: Option<Steps> = None;
        for chunk in tables.chunks(steps.clone())? {
            let chunk = chunk?;
            let Steps { first, last } = chunk.steps;
            if let Some(open) = section.filter(|open| first > open.last) {
                decoder.end(take_until(&mut loose, open.last), out);
                section = None;
            }
            let last = section.map_or(last, |open| open.last.max(last));
            if section.is_none() {
                let before = first.checked_sub(1);
                let before = before.map_or(&[][..], |step| take_until(&mut loose, step));
                out.extend(before.iter().map(|(point, _)| *point));
                decoder.begin(out);
            }
            section = Some(Steps { first, last });
            decoder.add(&chunk.bytes, out)?;
        }
        if let Some(open) = section {
            decoder.end(take_until(&mut loose, open.last), out);
        }
    }
    out.extend(loose.iter().map(|(point, _)| *point));
    if steps != (i64::MIN..=i64::MAX) {
        out.retain(|point| steps.contains(&point.step));
    }
    Ok(())
}

/// Reads the points of some segments.
///
/// - `unread`: of each the first row that is wanted
pub(super) fn read_rows(
    tables: &ChunkTables<'_>,
    unread: &BTreeMap<(WriterId, u32), u32>,
    out: &mut Vec<Loose>,
) -> Result<()> {
    let all = i64::MIN..=i64::MAX;
    for head in tables.heads(all.clone(), all)? {
        let head = head?;
        let row = ChunkRow::decode(&head.bytes).map_err(|why| damage(tables, &why))?;
        let block = read_block(tables, row.axis)?;
        let Some(from) = unread.get(&(block.writer, block.seq)) else {
            continue;
        };
        let mut values = Vec::new();
        let bytes = tables.chunk(&head)?;
        ChunkRow::decode(&bytes)
            .and_then(|row| chunk::decode_values(row.values, row.rows as usize, &mut values))
            .map_err(|why| damage(tables, &why))?;
        let axis = &block.axis;
        let rows = axis.steps.iter().zip(&axis.times_us).zip(&axis.places);
        for (((&step, &time_us), &row), &value) in rows.zip(&values) {
            let place = Place {
                writer: block.writer,
                seq: block.seq,
                row: u32::try_from(row).unwrap_or(u32::MAX),
            };
            if place.row >= *from {
                let point = Point {
                    step,
                    time_us,
                    value,
                };
                out.push((point, place));
            }
        }
    }
    Ok(())
}

/// Takes the points up to a step off the front.
fn take_until<'l>(loose: &mut &'l [Loose], step: i64) -> &'l [Loose] {
    let count = loose.partition_point(|(point, _)| point.step <= step);
    let (taken, rest) = loose.split_at(count);
    *loose = rest;
    taken
}

/// A stretch of a series that reads before all sections after it.
struct Section {
    /// Its points among all, counted in reading order.
    ranks: Range<usize>,
    steps: Steps,
    stats: Stats,
    content: Content,
}

enum Content {
    /// Which of the heads, and which of the unfolded points.
    Stored(Range<usize>, Range<usize>),
    Points(Vec<Point>),
}

/// What is known of some points without a look at them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stats {
    pub(super) nan_count: usize,
    /// Infinity when all are NaN.
    pub(super) min: f64,
    /// Minus infinity when all are NaN.
    pub(super) max: f64,
}

impl Stats {
    const NONE: Self = Self {
        nan_count: 0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn merge(&mut self, other: &Self) {
        self.nan_count += other.nan_count;
        if other.min.total_cmp(&self.min) == Ordering::Less {
            self.min = other.min;
        }
        if other.max.total_cmp(&self.max) == Ordering::Greater {
            self.max = other.max;
        }
    }

    fn add(&mut self, value: f64) {
        if value.is_nan() {
            self.nan_count += 1;
        } else {
            self.merge(&Self {
                nan_count: 0,
                min: value,
                max: value,
            });
        }
    }

    fn of<'p>(points: impl Iterator<Item = &'p Point>) -> Self {
        let mut stats = Self::NONE;
        for point in points {
            stats.add(point.value);
        }
        stats
    }
}

/// How much of a series is wanted.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) steps: RangeInclusive<i64>,
    /// Only so many of its last points matter; more may be there.
    pub(super) last: Option<usize>,
}

/// A series whose chunks are known by their heads.
pub(super) struct Sections<'a> {
    tables: Option<&'a ChunkTables<'a>>,
    heads: Vec<Head>,
    loose: &'a [Loose],
    list: Vec<Section>,
}

struct Head {
    at: ChunkHead,
    rows: usize,
    stats: Stats,
}

impl<'a> Sections<'a> {
    /// Reads heads of chunks: all, or as many from the end as the last points need.
    ///
    /// - `tables`: none if nothing of the series is in the index
    /// - `summary`: of what is in the index
    /// - `loose`: what is not, sorted
    pub(super) fn open(
        tables: Option<&'a ChunkTables<'a>>,
        summary: &Summary,
        loose: &'a [Loose],
        reach: &Reach,
    ) -> Result<Self> {
        let steps = &reach.steps;
        let loose = {
            let from = loose.partition_point(|(point, _)| point.step < *steps.start());
            let to = loose.partition_point(|(point, _)| point.step <= *steps.end());
            loose.get(from..to).unwrap_or_default()
        };
        let heads = match (tables, reach.last) {
            (None, _) => Vec::new(),
            (Some(tables), None) => all_heads(tables, steps, summary)?,
            (Some(tables), Some(last)) => last_heads(tables, steps, last)?,
        };
        let mut sections = Self {
            tables,
            heads,
            loose,
            list: Vec::new(),
        };
        sections.arrange();
        sections.trim(steps)?;
        Ok(sections)
    }

    /// Groups chunks that overlap, and puts the unfolded points in or between.
    fn arrange(&mut self) {
        let (mut head, mut loose) = (0, 0);
        let until = |from: usize, step: Option<i64>| {
            let rest = self.loose.get(from..).unwrap_or_default();
            from + step.map_or(rest.len(), |step| {
                rest.partition_point(|(point, _)| point.step <= step)
            })
        };
        let mut sections = Vec::new();
        while let Some(first) = self.heads.get(head) {
            let before = first.at.steps.first.checked_sub(1);
            let end = before.map_or(loose, |step| until(loose, Some(step)));
            sections.extend(self.loose_section(loose..end));
            loose = end;
            let (begin, mut steps, mut stats) = (head, first.at.steps, Stats::NONE);
            let mut rows = 0;
            while let Some(next) = self.heads.get(head) {
                if head > begin && next.at.steps.first > steps.last {
                    break;
                }
                steps.last = steps.last.max(next.at.steps.last);
                stats.merge(&next.stats);
                rows += next.rows;
                head += 1;
            }
            let end = until(loose, Some(steps.last));
            let among = self.loose.get(loose..end).unwrap_or_default();
            stats.merge(&Stats::of(among.iter().map(|(point, _)| point)));
            sections.push(Section {
                ranks: 0..rows + among.len(),
                steps,
                stats,
                content: Content::Stored(begin..head, loose..end),
            });
            loose = end;
        }
        let end = until(loose, None);
        sections.extend(self.loose_section(loose..end));
        self.list = sections;
    }

    fn loose_section(&self, range: Range<usize>) -> Option<Section> {
        let points = self.loose.get(range.clone())?;
        let (first, last) = (points.first()?.0.step, points.last()?.0.step);
        Some(Section {
            ranks: 0..points.len(),
            steps: Steps { first, last },
            stats: Stats::of(points.iter().map(|(point, _)| point)),
            content: Content::Stored(0..0, range),
        })
    }

    /// Cuts what lies beyond the steps that are wanted, and counts.
    fn trim(&mut self, wanted: &RangeInclusive<i64>) -> Result<()> {
        for at in 0..self.list.len() {
            let inside = |section: &Section| {
                wanted.contains(&section.steps.first) && wanted.contains(&section.steps.last)
            };
            if self.list.get(at).is_none_or(inside) {
                continue;
            }
            let mut points = Vec::new();
            self.read(at, &mut points)?;
            points.retain(|point| wanted.contains(&point.step));
            if let Some(section) = self.list.get_mut(at) {
                section.stats = Stats::of(points.iter());
                section.ranks = 0..points.len();
                section.content = Content::Points(points);
            }
        }
        self.list.retain(|section| !section.ranks.is_empty());
        let mut rank = 0;
        for section in &mut self.list {
            section.ranks = rank..rank + section.ranks.len();
            rank = section.ranks.end;
        }
        Ok(())
    }

    /// Returns how many points there are.
    pub(super) fn len(&self) -> usize {
        self.list.last().map_or(0, |last| last.ranks.end)
    }

    /// Returns how many points are NaN.
    pub(super) fn nan_count(&self) -> usize {
        let counts = self.list.iter().map(|section| section.stats.nan_count);
        counts.sum()
    }

    /// Returns the section that a point is in; the number of sections if there is none.
    pub(super) fn at(&self, rank: usize) -> usize {
        self.list
            .partition_point(|section| section.ranks.end <= rank)
    }

    /// Returns the ranks of the points of a section; nothing beyond the last.
    pub(super) fn ranks(&self, at: usize) -> Range<usize> {
        self.list
            .get(at)
            .map_or(0..0, |section| section.ranks.clone())
    }

    /// Returns what is known of a section.
    pub(super) fn stats(&self, at: usize) -> Stats {
        self.list
            .get(at)
            .map_or(Stats::NONE, |section| section.stats)
    }

    /// Appends the points of a section, in reading order.
    pub(super) fn read(&self, at: usize, out: &mut Vec<Point>) -> Result<()> {
        let Some(section) = self.list.get(at) else {
            return Ok(());
        };
        let (heads, loose) = match &section.content {
            Content::Points(points) => {
                out.extend_from_slice(points);
                return Ok(());
            }
            Content::Stored(heads, loose) => (heads.clone(), loose.clone()),
        };
        let loose = self.loose.get(loose).unwrap_or_default();
        let heads = self.heads.get(heads).unwrap_or_default();
        let Some(tables) = self.tables.filter(|_| !heads.is_empty()) else {
            out.extend(loose.iter().map(|(point, _)| *point));
            return Ok(());
        };
        let mut decoder = Decoder::new(tables);
        decoder.begin(out);
        for head in heads {
            decoder.add(&tables.chunk(&head.at)?, out)?;
        }
        decoder.end(loose, out);
        Ok(())
    }

    /// Returns the last `count` points, or all if there are fewer.
    pub(super) fn last(&self, count: usize) -> Result<Vec<Point>> {
        let from = self.len().saturating_sub(count);
        let mut points = Vec::new();
        let first = self.at(from);
        for at in first..self.list.len() {
            self.read(at, &mut points)?;
        }
        points.drain(
            ..from
                .saturating_sub(self.ranks(first).start)
                .min(points.len()),
        );
        Ok(points)
    }
}

/// Reads the heads of all chunks that touch some steps, by several threads if there are many:
/// redb reads all of a chunk's page for its first bytes.
fn all_heads(
    tables: &ChunkTables<'_>,
    steps: &RangeInclusive<i64>,
    summary: &Summary,
) -> Result<Vec<Head>> {
    let (Some(first), Some(last)) = (summary.first, summary.last) else {
        return Ok(Vec::new());
    };
    let chunks = usize::try_from(summary.count).unwrap_or(usize::MAX) / CHUNK_ROWS_MAX;
    let (first, last) = (first.step.max(*steps.start()), last.step.min(*steps.end()));
    // Cut by steps, as the number of chunks before a step is not known.
    let width = i128::from(last) - i128::from(first);
    let parts = parallel::parts(chunks, CHUNKS_A_THREAD).min(usize::try_from(width).unwrap_or(1));
    let parts = parts.max(1);
    let cut = |part: usize| match part {
        0 => i64::MIN,
        part if part >= parts => i64::MAX,
        part => {
            let cut = i128::from(first) + width * part as i128 / parts as i128;
            i64::try_from(cut).unwrap_or(i64::MAX)
        }
    };
    let read = |part: usize| {
        let end = cut(part + 1);
        let end = if part + 1 == parts {
            end
        } else {
            end.saturating_sub(1)
        };
        let heads = tables.heads(steps.clone(), cut(part)..=end)?;
        heads.map(|head| decode_head(tables, head?)).collect()
    };
    let lists: Vec<Vec<Head>> = parallel::map(parts, read)?;
    Ok(lists.into_iter().flatten().collect())
}

/// Reads the heads from the end that hold the last points.
///
/// A chunk that begins at `f` ends by `f` plus the span of the series. So once `last` points are in
/// chunks that begin later than that, no earlier chunk has any of them.
fn last_heads(
    tables: &ChunkTables<'_>,
    steps: &RangeInclusive<i64>,
    last: usize,
) -> Result<Vec<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    let mut sure = (0, 0); // chunks from the end, and points in them
    for head in tables.heads(steps.clone(), i64::MIN..=i64::MAX)?.rev() {
        let head = decode_head(tables, head?)?;
        let reaches = head.at.steps.first.saturating_add_unsigned(tables.span());
        while let Some(later) = heads.get(sure.0)
            && later.at.steps.first > reaches
        {
            let is_whole = later.at.steps.last <= *steps.end();
            sure = (sure.0 + 1, sure.1 + if is_whole { later.rows } else { 0 });
        }
        if sure.1 >= last {
            break;
        }
        heads.push(head);
    }
    heads.reverse();
    Ok(heads)
}

fn decode_head(tables: &ChunkTables<'_>, head: ChunkHead) -> Result<Head> {
    let row = ChunkRow::decode(&head.bytes).and_then(|row| Ok((row.rows, row.stats()?)));
    let (rows, stats) = row.map_err(|why| damage(tables, &why))?;
    Ok(Head {
        at: head,
        rows: rows as usize,
        stats: Stats {
            nan_count: stats.nan_count as usize,
            min: stats.min,
            max: stats.max,
        },
    })
}
