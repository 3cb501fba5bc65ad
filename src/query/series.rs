//! One series: its points, and the curve they make.

use std::ops::RangeInclusive;

use super::reader::Reader;
use super::reader::near;
use super::sample;
use super::sections;
use super::sections::Loose;
use super::sections::Reach;
use super::sections::Sections;
use super::smooth::Smoother;
use crate::error::Error;
use crate::error::Result;
use crate::index::ChunkTables;
use crate::model::Point;
use crate::model::RunId;
use crate::model::Summary;

/// Room is made for so many points at most before they are read.
const POINTS_RESERVED_MAX: usize = 1 << 24;

/// Which points of a series.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeriesQuery {
    /// Smallest step wanted.
    pub from_step: Option<i64>,
    /// Largest step wanted.
    pub to_step: Option<i64>,
    /// Earliest time wanted, in microseconds since 1970.
    pub since_us: Option<i64>,
    /// Latest time wanted.
    pub until_us: Option<i64>,
    /// Of these only so many at the end.
    pub tail: Option<usize>,
}

/// What a curve is drawn over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum X {
    /// The steps.
    #[default]
    Step,
    /// Seconds since a time, in microseconds since 1970: of a run's start, as a rule.
    Since(i64),
    /// What another metric of the run has at the same step, the last in reading order.
    Metric(String),
}

/// Which points of a series, and how they are drawn.
#[derive(Clone, Debug, Default)]
pub struct CurveQuery {
    /// Which of its points.
    pub points: SeriesQuery,
    /// Over what.
    pub x: X,
    /// Alpha of a [`Smoother`] that goes over the whole series, so that a value does not depend on
    /// the range that is asked for.
    pub smooth: Option<f64>,
    /// Keep at most so many points, at least 1: as [`sample`](super::sample) chooses them by what
    /// is drawn, the smoothed values if there are any.
    pub sample: Option<usize>,
}

/// Points of a series as they are drawn.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// In reading order: by step, then time, then the order logged.
    pub points: Vec<Point>,
    /// `[points]`, or empty for [`X::Step`].
    pub x: Vec<f64>,
    /// `[points]`, or empty if not smoothed.
    pub smoothed: Vec<f64>,
    /// Points there were before they were sampled.
    pub total: usize,
    /// Points that were left out because the other metric has nothing at their step.
    pub without_x: usize,
}

impl SeriesQuery {
    fn steps(&self) -> RangeInclusive<i64> {
        self.from_step.unwrap_or(i64::MIN)..=self.to_step.unwrap_or(i64::MAX)
    }

    /// Tells whether a point is within the steps and times; the tail aside.
    pub fn contains(&self, point: &Point) -> bool {
        self.steps().contains(&point.step) && self.is_within_times(point)
    }

    fn is_within_times(&self, point: &Point) -> bool {
        self.since_us.is_none_or(|since| point.time_us >= since)
            && self.until_us.is_none_or(|until| point.time_us <= until)
    }

    fn has_times(&self) -> bool {
        self.since_us.is_some() || self.until_us.is_some()
    }
}

impl Reader {
    /// Returns the points of a series by step, then time, then the order logged.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown run or metric (with near names); [`Error::Corrupt`],
    /// [`Error::Io`].
    pub fn series(&self, run: RunId, metric: &str, query: &SeriesQuery) -> Result<Vec<Point>> {
        let found = self.ask(|reader| read(reader, run, metric, query))?;
        found.map_or_else(|| Err(self.no_series(run, metric)?), Ok)
    }

    /// Returns the points of a series as they are drawn.
    ///
    /// Sampling reads the heads of all chunks, and decodes those that may have a point which
    /// stays; smoothing, times and another metric for x need all points.
    ///
    /// # Errors
    /// As [`Self::series`], of the metric for x too; [`Error::Invalid`] for a sample of no points
    /// or a smoothing that is none.
    pub fn curve(&self, run: RunId, metric: &str, query: &CurveQuery) -> Result<Curve> {
        if query.sample == Some(0) {
            return Err(Error::invalid("sample", "has no points, want 1 or more"));
        }
        let smoother = query.smooth.map(Smoother::new).transpose()?;
        let found = self.ask(|reader| {
            let Some(source) = Source::open(reader, run, metric)? else {
                return Ok(Err(metric));
            };
            let x = match &query.x {
                X::Step | X::Since(_) => None,
                X::Metric(name) => match Source::open(reader, run, name)? {
                    Some(source) => Some(source),
                    None => return Ok(Err(name)),
                },
            };
            source.curve(query, smoother, x.as_ref()).map(Ok)
        })?;
        found.or_else(|metric| Err(self.no_series(run, metric)?))
    }

    fn no_series(&self, run: RunId, metric: &str) -> Result<Error> {
        let near = near(metric, self.run(run)?.metrics.into_keys());
        Ok(Error::NotFound {
            what: "metric",
            name: metric.to_owned(),
            near,
        })
    }
}

/// Returns the points of a series in reading order; none if the run has no such metric.
pub(super) fn read(
    reader: &Reader,
    run: RunId,
    metric: &str,
    query: &SeriesQuery,
) -> Result<Option<Vec<Point>>> {
    let source = Source::open(reader, run, metric)?;
    source.map(|source| source.points(query)).transpose()
}

/// Where the points of a series are.
struct Source<'a> {
    tables: Option<ChunkTables<'a>>,
    /// Of what is in the index.
    summary: Summary,
    loose: Vec<Loose>,
}

impl<'a> Source<'a> {
    /// Returns none if the run has no such metric.
    fn open(reader: &'a Reader, run: RunId, metric: &str) -> Result<Option<Self>> {
        let mut source = Self {
            tables: None,
            summary: Summary::default(),
            loose: Vec::new(),
        };
        if let (Some(snapshot), Some(number)) = (reader.snapshot(), reader.number(run)?)
            && let Some(name) = snapshot.name_number(metric)?
            && let Some(summary) = snapshot.summary(number, name)?
        {
            source.summary = summary;
            source.tables = snapshot.chunk_tables(number, name)?;
        }
        let mut damage = Vec::new();
        reader
            .unfolded()
            .points_of(run, metric, &mut source.loose, &mut damage)?;
        reader.warn_of(&damage);
        let is_known = source.tables.is_some() || !source.loose.is_empty() || !damage.is_empty();
        sections::sort_loose(&mut source.loose);
        Ok(is_known.then_some(source))
    }

    fn read(&self, steps: RangeInclusive<i64>) -> Result<Vec<Point>> {
        let is_whole = steps == (i64::MIN..=i64::MAX);
        let count = usize::try_from(self.summary.count).unwrap_or(0) + self.loose.len();
        let count = if is_whole { count } else { 0 };
        let mut out = Vec::with_capacity(count.min(POINTS_RESERVED_MAX));
        sections::read_all(self.tables.as_ref(), steps, &self.loose, &mut out)?;
        Ok(out)
    }

    fn sections(&self, steps: RangeInclusive<i64>, last: Option<usize>) -> Result<Sections<'_>> {
        let reach = Reach { steps, last };
        Sections::open(self.tables.as_ref(), &self.summary, &self.loose, &reach)
    }

    fn points(&self, query: &SeriesQuery) -> Result<Vec<Point>> {
        if let (Some(tail), false) = (query.tail, query.has_times()) {
            return self.sections(query.steps(), Some(tail))?.last(tail);
        }
        let mut points = self.read(query.steps())?;
        if query.has_times() {
            points.retain(|point| query.is_within_times(point));
        }
        if let Some(tail) = query.tail {
            points.drain(..points.len().saturating_sub(tail));
        }
        Ok(points)
    }

    /// - `x`: of the metric that the curve is drawn over, if it is
    fn curve(
        &self,
        query: &CurveQuery,
        smoother: Option<Smoother>,
        x: Option<&Source<'_>>,
    ) -> Result<Curve> {
        let mut curve = Curve::default();
        match (smoother, query.sample) {
            (Some(smoother), _) => self.smooth(&query.points, smoother, &mut curve)?,
            (None, Some(most))
                if x.is_none() && !query.points.has_times() && query.points.tail.is_none() =>
            {
                let sections = self.sections(query.points.steps(), None)?;
                curve.total = sections.len();
                curve.points = sample::of_sections(&sections, most)?;
                curve.set_x(&query.x, x)?;
                return Ok(curve);
            }
            (None, _) => curve.points = self.points(&query.points)?,
        }
        curve.set_x(&query.x, x)?;
        curve.total = curve.points.len();
        if let Some(most) = query.sample {
            curve.sample(most);
        }
        Ok(curve)
    }

    /// Smooths all of the series and then takes the points that are asked for.
    fn smooth(&self, query: &SeriesQuery, smoother: Smoother, curve: &mut Curve) -> Result<()> {
        let mut smoother = smoother;
        curve.points = self.read(i64::MIN..=i64::MAX)?;
        let smooth = |point: &Point| smoother.add(point.value);
        curve.smoothed = curve.points.iter().map(smooth).collect();
        let wanted: Vec<bool> = curve.points.iter().map(|p| query.contains(p)).collect();
        if wanted.contains(&false) {
            retain(&mut curve.points, wanted.iter().copied());
            retain(&mut curve.smoothed, wanted.iter().copied());
        }
        if let Some(tail) = query.tail {
            let before = curve.points.len().saturating_sub(tail);
            curve.points.drain(..before);
            curve.smoothed.drain(..before);
        }
        Ok(())
    }
}

impl Curve {
    fn set_x(&mut self, x: &X, source: Option<&Source<'_>>) -> Result<()> {
        match (x, source) {
            (X::Since(start_us), _) => {
                let seconds = |point: &Point| seconds_since(*start_us, point.time_us);
                self.x = self.points.iter().map(seconds).collect();
            }
            (X::Metric(_), Some(source)) => {
                let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
                    return Ok(());
                };
                let by = source.read(first.step..=last.step)?;
                let joined = join(&self.points, &by);
                self.without_x = joined.iter().filter(|x| x.is_none()).count();
                self.keep(|at| joined.get(at).is_some_and(Option::is_some));
                self.x = joined.into_iter().flatten().collect();
            }
            (X::Step | X::Metric(_), _) => {}
        }
        Ok(())
    }

    fn sample(&mut self, most: usize) {
        let values: Vec<f64> = self.points.iter().map(|point| point.value).collect();
        let drawn = if self.smoothed.is_empty() {
            &values
        } else {
            &self.smoothed
        };
        let stay = sample::sample(drawn, most);
        let mut stay = stay.into_iter().peekable();
        self.keep(|at| stay.next_if_eq(&at).is_some());
    }

    /// Keeps points by their place; asked of each in turn.
    fn keep(&mut self, mut stays: impl FnMut(usize) -> bool) {
        let stays: Vec<bool> = (0..self.points.len()).map(&mut stays).collect();
        let kept = || stays.iter().copied();
        retain(&mut self.points, kept());
        retain(&mut self.x, kept());
        retain(&mut self.smoothed, kept());
    }
}

fn retain<T>(items: &mut Vec<T>, stays: impl Iterator<Item = bool>) {
    let mut stays = stays;
    items.retain(|_| stays.next() == Some(true));
}

/// Returns the seconds from one time to another, both in microseconds since 1970.
fn seconds_since(start_us: i64, time_us: i64) -> f64 {
    (i128::from(time_us) - i128::from(start_us)) as f64 / 1e6
}

/// Returns for each point the last value that the other series has at its step.
///
/// - `points`, `by`: in reading order
fn join(points: &[Point], by: &[Point]) -> Vec<Option<f64>> {
    let mut rest = by;
    let mut at: Option<&Point> = None;
    let value_at = |point: &Point| {
        while let Some((next, after)) = rest.split_first().filter(|(by, _)| by.step <= point.step) {
            (at, rest) = (Some(next), after);
        }
        at.filter(|by| by.step == point.step).map(|by| by.value)
    };
    points.iter().map(value_at).collect()
}
