//! Functions of a series that no summary holds, from the least that answers them.
//!
//! First the summary: it answers a statistic when all points are asked for, and tells where points
//! can be. Then the headers of chunks that lie wholly among the steps asked for: they have counts,
//! extremes and sums. Then the points of the other chunks, and of what is not folded yet.
//!
//! What comes out does not depend on what is folded, but for the last digits of a mean, whose sum
//! is taken in another order. A series without a point where it is asked counts 0; all else of it
//! is absent, as the minimum of only NaN is. Definitions and units are those of [`Function`].

use std::cell::Cell;

use super::filter::Function;
use super::filter::Measure;
use super::filter::Stat;
use super::filter::Value;
use super::filter::Within;
use super::reader::Reader;
use super::sections;
use super::series;
use super::series::SeriesQuery;
use super::smooth::Smoother;
use crate::chunk;
use crate::chunk::Stats;
use crate::error::Result;
use crate::fold::ChunkRow;
use crate::fold::Place;
use crate::index::ChunkTables;
use crate::index::RunNumber;
use crate::model::Extreme;
use crate::model::Point;
use crate::model::RunId;
use crate::model::Stamp;
use crate::model::Summary;

/// Returns a measure of a run's series.
///
/// - `number`: the run's in the index, if it is there
/// - `summary`: of the whole series; none if the run has no such metric
pub(super) fn measure(
    reader: &Reader,
    run: RunId,
    number: Option<RunNumber>,
    measure: &Measure,
    summary: Option<&Summary>,
) -> Result<Value<'static>> {
    let Some(summary) = summary else {
        return Ok(Value::Absent);
    };
    let folded = match (reader.snapshot(), number) {
        (Some(snapshot), Some(number)) => match snapshot.name_number(&measure.metric)? {
            Some(name) => snapshot.chunk_tables(number, name)?,
            None => None,
        },
        _ => None,
    };
    let series = Series {
        reader,
        run,
        metric: &measure.metric,
        folded,
        within: narrowed(&measure.within, summary),
    };
    let number = |number: Option<f64>| number.map_or(Value::Absent, Value::Number);
    match measure.function {
        Function::Stat(stat) => {
            let part = series.stat(stat, summary)?;
            Ok(Value::of_series(&part, stat))
        }
        Function::Median => Ok(number(median(series.points()?))),
        Function::FirstNan if summary.nan_count == 0 => Ok(Value::Absent),
        Function::FirstNan => Ok(series.first_nan()?.map_or(Value::Absent, Value::Int)),
        Function::Auc => Ok(number(area(&series.points()?))),
        Function::Slope(last) => Ok(number(slope(&series.last_points(last)?))),
        Function::Smooth(weight) => {
            let mut smoother = Smoother::new(weight.get())?;
            let points = series.points()?.into_iter();
            let finite = points
                .map(|point| point.value)
                .filter(|value| value.is_finite());
            Ok(number(finite.map(|value| smoother.add(value)).last()))
        }
    }
}

/// Takes off the bounds beyond which the series has no points.
fn narrowed(within: &Within, summary: &Summary) -> Within {
    let all = Within::ALL;
    let steps = summary.first.zip(summary.last);
    let steps = steps.map_or(all.steps, |(first, last)| (first.step, last.step));
    let narrow = |wanted: (i64, i64), has: (i64, i64)| (wanted.0.max(has.0), wanted.1.min(has.1));
    let times = summary.times_us.unwrap_or(all.times_us);
    let is_free = within.times_us.0 <= times.0 && times.1 <= within.times_us.1;
    Within {
        steps: narrow(within.steps, steps),
        times_us: if is_free {
            all.times_us
        } else {
            within.times_us
        },
    }
}

/// The part of a series that is asked for.
struct Series<'a> {
    reader: &'a Reader,
    run: RunId,
    metric: &'a str,
    folded: Option<ChunkTables<'a>>,
    within: Within,
}

/// A chunk of the index before it is decoded.
struct Head {
    /// Its smallest and largest step.
    steps: (i64, i64),
    rows: u32,
    stats: Stats,
    /// Whether all of its points are asked for.
    is_inside: bool,
}

/// How much of a chunk is looked at.
enum Look {
    Skip,
    Head,
    Points,
}

impl Look {
    /// This much if it is enough, else the points.
    fn or_points(self, is_enough: bool) -> Self {
        if is_enough { self } else { Self::Points }
    }
}

impl Series<'_> {
    /// Returns the summary of the part, of which only what `stat` takes need be right.
    fn stat(&self, stat: Stat, whole: &Summary) -> Result<Summary> {
        let steps = whole.first.zip(whole.last);
        let steps = steps.map(|(first, last)| (first.step, last.step));
        let is_whole = steps == Some(self.within.steps);
        if is_whole && self.within.times_us == Within::ALL.times_us {
            return Ok(*whole);
        }
        match stat {
            Stat::Count | Stat::NanCount | Stat::Min | Stat::Max | Stat::Mean => {
                // Finite values whose sum is not are added up with those of other chunks.
                let is_told = |head: &Head| stat != Stat::Mean || head.stats.sum.is_finite();
                self.summary(&self.within, &|head| {
                    Look::Head.or_points(head.is_inside && is_told(head))
                })
            }
            Stat::ArgMin | Stat::ArgMax => self.extremes(stat == Stat::ArgMin),
            Stat::First | Stat::FirstStep => self.edge(true),
            Stat::Last | Stat::LastStep => self.edge(false),
            Stat::Std => self.summary(&self.within, &|_| Look::Points),
        }
    }

    /// Sums up a part, from the heads of chunks where `look` says so.
    fn summary(&self, within: &Within, look: &dyn Fn(&Head) -> Look) -> Result<Summary> {
        let mut summary = Summary::default();
        self.folded_points(within, look, &mut |found| match found {
            Found::Head(head) => summary.merge(&head.summary()),
            Found::Point(point, place) => add(&mut summary, &point, place),
        })?;
        for (point, place) in self.unfolded_points(within)? {
            add(&mut summary, &point, place);
        }
        Ok(summary)
    }

    /// Finds an extreme with its step: the heads tell the value, the chunks that reach it the step.
    fn extremes(&self, smallest: bool) -> Result<Summary> {
        let found = self.summary(&self.within, &|head| Look::Head.or_points(head.is_inside))?;
        let extreme = if smallest { found.min } else { found.max };
        let Some(Extreme { value, step: _ }) = extreme else {
            return Ok(found);
        };
        let is_beyond = |stats: &Stats| {
            if smallest {
                stats.min.total_cmp(&value).is_gt()
            } else {
                stats.max.total_cmp(&value).is_lt()
            }
        };
        self.summary(&self.within, &|head| {
            Look::Skip.or_points(is_beyond(&head.stats))
        })
    }

    /// Finds the first or the last point: looks from that end, each time further.
    fn edge(&self, first: bool) -> Result<Summary> {
        let (from, to) = self.within.steps;
        let mut width = 0;
        loop {
            let steps = match first {
                _ if width == i64::MAX => (from, to),
                true => (from, to.min(from.saturating_add(width))),
                false => (from.max(to.saturating_sub(width)), to),
            };
            let within = Within {
                steps,
                ..self.within
            };
            let found = self.summary(&within, &|_| Look::Points)?;
            if found.count > 0 || steps == (from, to) || from > to {
                return Ok(found);
            }
            width = i64::saturating_mul(width, 16).saturating_add(15);
        }
    }

    fn first_nan(&self) -> Result<Option<i64>> {
        // Chunks come by their first step.
        let first: Cell<Option<i64>> = Cell::new(None);
        let is_before = |step: i64| first.get().is_none_or(|first| step < first);
        let look = |head: &Head| {
            Look::Skip.or_points(head.stats.nan_count == 0 || !is_before(head.steps.0))
        };
        let see = |point: &Point| {
            if point.value.is_nan() && is_before(point.step) {
                first.set(Some(point.step));
            }
        };
        self.folded_points(&self.within, &look, &mut |found| {
            if let Found::Point(point, _) = found {
                see(&point);
            }
        })?;
        for (point, _) in self.unfolded_points(&self.within)? {
            see(&point);
        }
        Ok(first.get())
    }

    /// Returns the last so many finite points, or all; in reading order.
    fn last_points(&self, count: Option<u64>) -> Result<Vec<Point>> {
        let Some(count) = count else {
            let mut points = self.points()?;
            points.retain(|point| point.value.is_finite());
            return Ok(points);
        };
        // From where on there are surely enough of them, going back chunk by chunk.
        let mut heads: Vec<(i64, u64)> = Vec::new();
        self.folded_points(&self.within, &|_| Look::Head, &mut |found| match found {
            Found::Head(head) if head.is_inside => heads.push((head.steps.0, head.finite_min())),
            Found::Head(_) | Found::Point(..) => {}
        })?;
        heads.sort_unstable_by_key(|(first, _)| std::cmp::Reverse(*first));
        let (mut sum, (mut from, to)) = (0, self.within.steps);
        for (first, finite) in heads {
            sum += finite;
            if sum >= count {
                from = from.max(first);
                break;
            }
        }
        let mut points = self.points_within((from, to))?;
        points.retain(|point| point.value.is_finite());
        let extra = points
            .len()
            .saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        points.drain(..extra);
        Ok(points)
    }

    /// Returns the points in reading order.
    fn points(&self) -> Result<Vec<Point>> {
        self.points_within(self.within.steps)
    }

    fn points_within(&self, (from, to): (i64, i64)) -> Result<Vec<Point>> {
        let times = Some(self.within.times_us).filter(|times| *times != Within::ALL.times_us);
        let query = SeriesQuery {
            from_step: Some(from),
            to_step: Some(to),
            since_us: times.map(|(since, _)| since),
            until_us: times.map(|(_, until)| until),
            tail: None,
        };
        let points = series::read(self.reader, self.run, self.metric, &query)?;
        Ok(points.unwrap_or_default())
    }

    fn unfolded_points(&self, within: &Within) -> Result<Vec<(Point, Place)>> {
        let (mut points, mut damage) = (Vec::new(), Vec::new());
        if self.reader.unfolded().contains(self.run) {
            self.reader
                .unfolded()
                .points_of(self.run, self.metric, &mut points, &mut damage)?;
            self.reader.warn_of(&damage);
        }
        points.retain(|(point, _)| within.contains(point.step, point.time_us));
        Ok(points)
    }

    /// Goes through the chunks of the index that touch the steps, by their first step.
    fn folded_points(
        &self,
        within: &Within,
        look: &dyn Fn(&Head) -> Look,
        see: &mut dyn FnMut(Found<'_>),
    ) -> Result<()> {
        let Some(tables) = &self.folded else {
            return Ok(());
        };
        let (from, to) = within.steps;
        let damaged = |why| sections::damage(tables, &why);
        let mut values = Vec::new();
        for at in tables.heads(from..=to, i64::MIN..=i64::MAX)? {
            let at = at?;
            let row = ChunkRow::decode(&at.bytes).map_err(damaged)?;
            let steps = (at.steps.first, at.steps.last);
            let head = Head {
                steps,
                rows: row.rows,
                stats: row.stats().map_err(damaged)?,
                is_inside: from <= steps.0
                    && steps.1 <= to
                    && within.times_us == Within::ALL.times_us,
            };
            match look(&head) {
                Look::Skip => {}
                Look::Head => see(Found::Head(&head)),
                Look::Points => {
                    values.clear();
                    let bytes = tables.chunk(&at)?;
                    ChunkRow::decode(&bytes)
                        .and_then(|row| {
                            chunk::decode_values(row.values, row.rows as usize, &mut values)
                        })
                        .map_err(damaged)?;
                    let block = sections::read_block(tables, row.axis)?;
                    let axis = &block.axis;
                    let rows = axis.steps.iter().zip(&axis.times_us).zip(&axis.places);
                    for (((&step, &time_us), &place), &value) in rows.zip(&values) {
                        if !within.contains(step, time_us) {
                            continue;
                        }
                        let point = Point {
                            step,
                            time_us,
                            value,
                        };
                        let place = Place {
                            writer: block.writer,
                            seq: block.seq,
                            row: u32::try_from(place).unwrap_or(u32::MAX),
                        };
                        see(Found::Point(point, place));
                    }
                }
            }
        }
        Ok(())
    }
}

enum Found<'a> {
    Head(&'a Head),
    Point(Point, Place),
}

impl Head {
    fn values(&self) -> u64 {
        u64::from(self.rows).saturating_sub(self.stats.nan_count.into())
    }

    /// Values that are surely finite.
    fn finite_min(&self) -> u64 {
        let Stats { min, max, .. } = self.stats;
        if min.is_finite() && max.is_finite() {
            self.values()
        } else {
            0
        }
    }

    /// The summary of its points, but for ends, steps, squares and how many infinities there are:
    /// that there are any is told.
    fn summary(&self) -> Summary {
        let Stats {
            nan_count,
            min,
            max,
            sum,
        } = self.stats;
        let has_values = self.values() > 0;
        let extreme = |value| {
            has_values.then_some(Extreme {
                step: self.steps.0,
                value,
            })
        };
        let mut summary = Summary {
            count: self.rows.into(),
            nan_count: nan_count.into(),
            pos_inf_count: u64::from(has_values && max == f64::INFINITY),
            neg_inf_count: u64::from(has_values && min == f64::NEG_INFINITY),
            min: extreme(min),
            max: extreme(max),
            ..Summary::default()
        };
        summary.sum.add(sum);
        summary
    }
}

fn add(summary: &mut Summary, point: &Point, place: Place) {
    let stamp = Stamp {
        time_us: point.time_us,
        writer: place.writer,
        seq: place.seq,
        row: place.row,
    };
    summary.add(point.step, stamp, point.value);
}

fn median(points: Vec<Point>) -> Option<f64> {
    let values = points.into_iter().map(|point| point.value);
    let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    let middle = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    if values.is_empty() {
        return None;
    }
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_odd {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(lower / 2.0 + upper / 2.0) // their sum may overflow
}

fn area(points: &[Point]) -> Option<f64> {
    let mut finite = points.iter().filter(|point| point.value.is_finite());
    let mut previous = finite.next()?;
    let mut area = None;
    for point in finite {
        let part = width(previous, point) * (previous.value / 2.0 + point.value / 2.0);
        area = Some(area.unwrap_or(0.0) + part);
        previous = point;
    }
    area
}

/// Steps between two points.
fn width(from: &Point, to: &Point) -> f64 {
    (i128::from(to.step) - i128::from(from.step)) as f64
}

/// The line of least squares through finite points.
fn slope(points: &[Point]) -> Option<f64> {
    let first = points.first()?;
    let n = points.len() as f64;
    // Steps from the first one on, and both centred: large steps would leave no digits.
    let mean_step = points.iter().map(|point| width(first, point)).sum::<f64>() / n;
    let mean = points.iter().map(|point| point.value / n).sum::<f64>();
    let (mut products, mut squares) = (0.0, 0.0);
    for point in points {
        let step = width(first, point) - mean_step;
        products += step * (point.value - mean);
        squares += step * step;
    }
    (squares > 0.0).then(|| products / squares)
}
