//! Reads a series: chunks of the index, then what is not folded, in one order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use super::reader::Reader;
use super::reader::SeriesQuery;
use crate::chunk;
use crate::codec::Malformed;
use crate::error::Damage;
use crate::error::Result;
use crate::fold::AxisRow;
use crate::fold::ChunkRow;
use crate::fold::Place;
use crate::index::RunNumber;
use crate::index::Snapshot;
use crate::journal::sealed::Axis;
use crate::model::Point;
use crate::model::RunId;
use crate::model::WriterId;

/// Steps and times of a block, and whose they are.
pub(super) struct Block {
    pub(super) writer: WriterId,
    pub(super) seq: u32,
    pub(super) axis: Axis,
}

/// Points read, with their places as far as those may matter.
#[derive(Default)]
struct Found {
    points: Vec<Point>,
    /// For each stretch of `points` the block it is of, and its first row there.
    stretches: Vec<(usize, Rc<Block>)>,
    unfolded: Vec<(Point, Place)>,
}

/// Returns the points of a series in reading order; none if the run has no such metric.
pub(super) fn read(
    reader: &Reader,
    run: RunId,
    number: Option<RunNumber>,
    metric: &str,
    query: &SeriesQuery,
) -> Result<Option<Vec<Point>>> {
    let from = query.from_step.unwrap_or(i64::MIN);
    let to = query.to_step.unwrap_or(i64::MAX);
    let mut found = Found::default();
    let mut is_known = false;
    if let (Some(snapshot), Some(number)) = (reader.snapshot(), number) {
        is_known |= read_index(snapshot, number, metric, from, to, &mut found)?;
    }
    let mut damage = Vec::new();
    reader
        .unfolded()
        .points_of(run, metric, &mut found.unfolded, &mut damage)?;
    is_known |= !found.unfolded.is_empty() || !damage.is_empty();
    reader.warn_of(&damage);
    if !is_known {
        return Ok(None);
    }
    let mut points = found.in_order();
    if query.from_step.is_some() || query.to_step.is_some() {
        points.retain(|point| (from..=to).contains(&point.step));
    }
    Ok(Some(points))
}

fn read_index(
    snapshot: &Snapshot,
    run: RunNumber,
    metric: &str,
    from: i64,
    to: i64,
    found: &mut Found,
) -> Result<bool> {
    let Some(name) = snapshot.name_number(metric)? else {
        return Ok(false);
    };
    let Some(summary) = snapshot.summary(run, name)? else {
        return Ok(false);
    };
    if from <= i64::MIN + 1 && to == i64::MAX {
        found
            .points
            .reserve(usize::try_from(summary.count).unwrap_or(0).min(1 << 24));
    }
    let mut blocks: BTreeMap<u32, Rc<Block>> = BTreeMap::new();
    let mut values = Vec::new();
    for stored in snapshot.chunks(run, name, from..=to)? {
        let stored = stored?;
        let chunk = ChunkRow::decode(&stored.bytes).map_err(|why| damage(snapshot, &why))?;
        let block = match blocks.entry(chunk.axis) {
            Entry::Occupied(entry) => Rc::clone(entry.get()),
            Entry::Vacant(entry) => {
                Rc::clone(entry.insert(Rc::new(read_block(snapshot, run, chunk.axis)?)))
            }
        };
        values.clear();
        chunk::decode_values(chunk.values, chunk.rows as usize, &mut values)
            .map_err(|why| damage(snapshot, &why))?;
        found
            .stretches
            .push((found.points.len(), Rc::clone(&block)));
        let Axis {
            places: _,
            steps,
            times_us,
        } = &block.axis;
        let rows = steps.iter().zip(times_us).zip(&values);
        found
            .points
            .extend(rows.map(|((&step, &time_us), &value)| Point {
                step,
                time_us,
                value,
            }));
    }
    Ok(true)
}

pub(super) fn read_block(snapshot: &Snapshot, run: RunNumber, axis: u32) -> Result<Block> {
    let missing = || Malformed::new(format!("axis {axis} is missing"));
    let bytes = snapshot
        .axis(run, axis)?
        .ok_or_else(|| damage(snapshot, &missing()))?;
    let decode = || -> Result<Block, Malformed> {
        let row = AxisRow::decode(&bytes)?;
        let axis = Axis::decode(row.bytes, row.rows as usize, row.split)?;
        Ok(Block {
            writer: row.writer,
            seq: row.seq,
            axis,
        })
    };
    decode().map_err(|why| damage(snapshot, &why).into())
}

pub(super) fn damage(snapshot: &Snapshot, why: &Malformed) -> Damage {
    Damage::new(
        snapshot.path(),
        0,
        "chunk",
        format!("{why}; `tracker rebuild` mends it"),
    )
}

impl Found {
    /// All points by step, time and place.
    fn in_order(mut self) -> Vec<Point> {
        let key = |point: &Point| (point.step, point.time_us);
        let unfolded_first = self.unfolded.first().map(|(point, _)| key(point));
        let ascends = |points: &[Point]| {
            points
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if key(a) < key(b)))
        };
        let unfolded_ascends = self
            .unfolded
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if key(&a.0) < key(&b.0)));
        let joins = match (self.points.last(), unfolded_first) {
            (Some(last), Some(first)) => key(last) < first,
            _ => true,
        };
        if joins && unfolded_ascends && ascends(&self.points) {
            self.points
                .extend(self.unfolded.into_iter().map(|(point, _)| point));
            return self.points;
        }
        let ends = self.stretches.iter().skip(1).map(|(start, _)| *start);
        let ends = ends.chain([self.points.len()]);
        let mut all = std::mem::take(&mut self.unfolded);
        for ((start, block), end) in self.stretches.iter().zip(ends) {
            let points = self.points.get(*start..end).unwrap_or_default();
            all.extend(points.iter().zip(&block.axis.places).map(|(point, row)| {
                let row = u32::try_from(*row).unwrap_or(u32::MAX);
                (
                    *point,
                    Place {
                        writer: block.writer,
                        seq: block.seq,
                        row,
                    },
                )
            }));
        }
        // Stable: a metric twice in one step keeps its order there.
        all.sort_by_key(|(point, place)| (point.step, point.time_us, *place));
        all.into_iter().map(|(point, _)| point).collect()
    }
}
