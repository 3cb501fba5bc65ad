//! Fewer points that draw the same curve.
//!
//! The points of a series are cut by their place in it into buckets of equal size. Of each bucket
//! stay the smallest and the largest finite value (of several the first) and the first that is
//! not finite, so that a gap shows; of the series its first and last point. So no peak is lost, and
//! what stays are points that were logged, in their order. Rejected: means of buckets, which hide
//! what a plot is looked at for, and largest triangles, which need every point.
//!
//! Of a series in the index only the chunks are decoded that may hold a point which stays: heads
//! tell the extremes of each. [`sample`] is the same by looking at all.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::parallel;
use super::sections::Sections;
use super::sections::Stats;
use crate::error::Result;
use crate::model::Point;

/// A thread has as many points to look through, or more.
const POINTS_A_THREAD: usize = 200_000;

/// How some points are cut into buckets.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    points: usize,
    count: usize,
}

impl Buckets {
    /// - `most`: points that may stay, at least 1 and fewer than there are
    /// - `odd_count`: at most so many points are not finite, of which each bucket keeps one at most
    fn new(points: usize, most: usize, odd_count: usize) -> Self {
        let room = most.saturating_sub(2); // first and last stay besides
        let count = (room.saturating_sub(odd_count) / 2).max(room / 3);
        Self { points, count }
    }

    fn ranks(self, bucket: usize) -> Range<usize> {
        let cut = |bucket: usize| {
            let cut = self.points as u128 * bucket as u128 / self.count.max(1) as u128;
            usize::try_from(cut).unwrap_or(self.points)
        };
        cut(bucket)..cut(bucket + 1)
    }
}

/// Which points of a bucket stay, by what was seen of it so far.
#[derive(Clone, Copy, Debug)]
struct Kept<P> {
    min: Option<(f64, P)>,
    max: Option<(f64, P)>,
    /// The first that is not finite.
    odd: Option<P>,
}

impl<P: Copy> Kept<P> {
    const NONE: Self = Self {
        min: None,
        max: None,
        odd: None,
    };

    /// Takes in a value that comes after all that were seen.
    fn add(&mut self, value: f64, place: P) {
        if !value.is_finite() {
            self.odd = self.odd.or(Some(place));
            return;
        }
        let beats = |best: &Option<(f64, P)>, order| {
            best.is_none_or(|(best, _)| value.total_cmp(&best) == order)
        };
        if beats(&self.min, Ordering::Less) {
            self.min = Some((value, place));
        }
        if beats(&self.max, Ordering::Greater) {
            self.max = Some((value, place));
        }
    }

    fn places(&self) -> impl Iterator<Item = P> {
        let extremes = [self.min, self.max].map(|kept| kept.map(|(_, place)| place));
        extremes.into_iter().chain([self.odd]).flatten()
    }
}

/// Returns which of some values stay, ascending; all of them if there are no more than `most`.
///
/// - `values`: `[n]`, in reading order, NaN and infinities too
/// - `most`: at least 1; where that leaves no room for a bucket only the last and the first stay
/// - returns: `[m]` with `m <= most`
pub fn sample(values: &[f64], most: usize) -> Vec<usize> {
    if values.len() <= most {
        return (0..values.len()).collect();
    }
    let odd_count = if values.iter().any(|value| value.is_infinite()) {
        values.len()
    } else {
        values.iter().filter(|value| value.is_nan()).count()
    };
    let buckets = Buckets::new(values.len(), most, odd_count);
    let mut stay = ends(values.len(), most);
    for bucket in 0..buckets.count {
        let ranks = buckets.ranks(bucket);
        let mut kept = Kept::NONE;
        let within = values.get(ranks.clone()).unwrap_or_default();
        for (rank, value) in ranks.zip(within) {
            kept.add(*value, rank);
        }
        stay.extend(kept.places());
    }
    stay.sort_unstable();
    stay.dedup();
    stay
}

/// The last point and the first, if there is room for both.
fn ends(points: usize, most: usize) -> Vec<usize> {
    let last = points.saturating_sub(1);
    if most < 2 { vec![last] } else { vec![0, last] }
}

/// Returns the points of a series that stay, in reading order, as [`sample`] chooses them.
///
/// - `most`: at least 1
pub(super) fn of_sections(sections: &Sections<'_>, most: usize) -> Result<Vec<Point>> {
    let all = sections.len();
    if all <= most {
        return sections.last(all);
    }
    // Heads count NaN; of infinities they tell that there are some.
    let is_known = |at| {
        let stats = sections.stats(at);
        stats.nan_count >= sections.ranks(at).len() || is_finite(&stats)
    };
    let odd_count = if (0..sections.at(all)).all(is_known) {
        sections.nan_count()
    } else {
        all
    };
    let buckets = Buckets::new(all, most, odd_count);
    let parts = parallel::parts(all, POINTS_A_THREAD).min(buckets.count.max(1));
    let lists = parallel::map(parts, |part| {
        let mut sampler = Sampler::new(sections);
        for bucket in buckets.count * part / parts..buckets.count * (part + 1) / parts {
            sampler.bucket(buckets.ranks(bucket))?;
        }
        Ok(sampler.stay)
    })?;
    let mut stay: Vec<(usize, Point)> = lists.into_iter().flatten().collect();
    let mut sampler = Sampler::new(sections);
    for rank in ends(all, most) {
        sampler.keep(rank)?;
    }
    stay.append(&mut sampler.stay);
    stay.sort_unstable_by_key(|(rank, _)| *rank);
    stay.dedup_by_key(|(rank, _)| *rank);
    Ok(stay.into_iter().map(|(_, point)| point).collect())
}

/// Goes through buckets from left to right.
struct Sampler<'a> {
    sections: &'a Sections<'a>,
    /// Sections decoded, from that of the bucket on.
    decoded: BTreeMap<usize, Rc<Vec<Point>>>,
    /// Points that stay, each with its rank.
    stay: Vec<(usize, Point)>,
}

/// Whether a section's extremes are those of its finite values.
fn is_finite(stats: &Stats) -> bool {
    stats.min.is_finite() && stats.max.is_finite()
}

/// Where a value that may stay is: at a rank, or somewhere in a section.
#[derive(Clone, Copy, Debug)]
enum Place {
    At(usize, Point),
    Within(usize),
}

impl<'a> Sampler<'a> {
    fn new(sections: &'a Sections<'a>) -> Self {
        Self {
            sections,
            decoded: BTreeMap::new(),
            stay: Vec::new(),
        }
    }

    fn decode(&mut self, at: usize) -> Result<Rc<Vec<Point>>> {
        if let Some(points) = self.decoded.get(&at) {
            return Ok(Rc::clone(points));
        }
        let mut points = Vec::with_capacity(self.sections.ranks(at).len());
        self.sections.read(at, &mut points)?;
        let points = Rc::new(points);
        self.decoded.insert(at, Rc::clone(&points));
        Ok(points)
    }

    fn keep(&mut self, rank: usize) -> Result<()> {
        let at = self.sections.at(rank);
        let points = self.decode(at)?;
        let point = points.get(rank - self.sections.ranks(at).start);
        self.stay.extend(point.map(|point| (rank, *point)));
        Ok(())
    }

    /// Adds the points of a bucket that stay.
    fn bucket(&mut self, ranks: Range<usize>) -> Result<()> {
        let (first, end) = (self.sections.at(ranks.start), self.sections.at(ranks.end));
        self.decoded.retain(|at, _| *at >= first);
        // What the heads say of sections that are in it whole, to pass over the others by.
        let is_whole = |sections: &Sections<'_>, at| {
            let inner = sections.ranks(at);
            !inner.is_empty() && inner.start >= ranks.start && inner.end <= ranks.end
        };
        let mut known = Kept::NONE;
        for at in (first..=end).filter(|at| is_whole(self.sections, *at)) {
            self.head(at, &mut known);
        }
        // In their order, for of equal values the first stays.
        let mut kept = Kept::NONE;
        for at in first..=end {
            if is_whole(self.sections, at) && self.head(at, &mut kept) {
                continue;
            }
            self.cut(at, &ranks, &mut kept, &known)?;
        }
        self.settle(kept)
    }

    /// Takes in what the head of a section says, if that is all there is to know.
    fn head(&self, at: usize, kept: &mut Kept<Place>) -> bool {
        let stats = self.sections.stats(at);
        if stats.nan_count < self.sections.ranks(at).len() {
            if !is_finite(&stats) {
                return false;
            }
            kept.add(stats.min, Place::Within(at));
            kept.add(stats.max, Place::Within(at));
        }
        if stats.nan_count > 0 {
            kept.odd = kept.odd.or(Some(Place::Within(at)));
        }
        true
    }

    /// Looks through the part of a section that lies in a bucket, if that may matter.
    fn cut(
        &mut self,
        at: usize,
        ranks: &Range<usize>,
        kept: &mut Kept<Place>,
        known: &Kept<Place>,
    ) -> Result<()> {
        let inner = self.sections.ranks(at);
        let part = ranks.start.max(inner.start)..ranks.end.min(inner.end);
        let stats = self.sections.stats(at);
        let is_beaten = |best: Option<(f64, Place)>, value: f64, order| {
            best.is_some_and(|(best, _)| value.total_cmp(&best) == order)
        };
        let is_idle = stats.nan_count == 0
            && is_beaten(known.min, stats.min, Ordering::Greater)
            && is_beaten(known.max, stats.max, Ordering::Less);
        if part.is_empty() || is_idle {
            return Ok(());
        }
        let points = self.decode(at)?;
        let within = part.start - inner.start..part.end - inner.start;
        let within = points.get(within).unwrap_or_default();
        for (rank, point) in part.zip(within) {
            kept.add(point.value, Place::At(rank, *point));
        }
        Ok(())
    }

    /// Finds the points that stay in the sections that have them.
    fn settle(&mut self, kept: Kept<Place>) -> Result<()> {
        let is = |want: f64| move |value: f64| value.total_cmp(&want) == Ordering::Equal;
        for (want, place) in kept.min.into_iter().chain(kept.max) {
            self.find(place, is(want))?;
        }
        kept.odd
            .map_or(Ok(()), |place| self.find(place, |value| !value.is_finite()))
    }

    fn find(&mut self, place: Place, is: impl Fn(f64) -> bool) -> Result<()> {
        match place {
            Place::At(rank, point) => self.stay.push((rank, point)),
            Place::Within(at) => {
                let points = self.decode(at)?;
                let start = self.sections.ranks(at).start;
                let found = points.iter().position(|point| is(point.value));
                let found = found.and_then(|row| Some((start + row, *points.get(row)?)));
                self.stay.extend(found);
            }
        }
        Ok(())
    }
}
