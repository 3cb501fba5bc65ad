//! Numbers that stand for a series and that no summary holds: they take a look at its points.

use std::fmt;

use super::field::Quotable;
use super::field::Stat;
use super::literal::Number;
use super::literal::Span;

/// A function of a series, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Measure {
    /// Whose series.
    pub metric: String,
    /// What of it.
    pub function: Function,
    /// Of which points.
    pub within: Within,
}

/// What is asked of the points of a series, in reading order: by step, then time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// What a summary of these points would say.
    Stat(Stat),
    /// The value in the middle, or the mean of the two there; NaN aside.
    Median,
    /// Step of the first NaN.
    FirstNan,
    /// Area below the curve by trapezoids, in values times steps: over the finite points, of which
    /// there must be two.
    Auc,
    /// Slope of the line of least squares through the last so many finite points (all, if none is
    /// said), in value a step; there must be two different steps among them.
    Slope(Option<u64>),
    /// The last value of the debiased exponential moving average over the finite points, as
    /// `TensorBoard` draws it.
    Smooth(Weight),
}

/// How much of a moving average is kept at each point: from 0, which smooths nothing, to below 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u64); // bits: floats that are not negative are ordered as these

impl Weight {
    /// Takes a weight; none outside `0.0..1.0`.
    pub fn new(weight: f64) -> Option<Self> {
        (0.0..1.0)
            .contains(&weight)
            .then(|| Self((weight + 0.0).to_bits())) // -0.0 becomes 0.0
    }

    /// Returns the number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// A part of a series: both ends of both ranges belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Within {
    /// Smallest and largest step.
    pub steps: (i64, i64),
    /// Earliest and latest time, in microseconds since 1970.
    pub times_us: (i64, i64),
}

impl Within {
    /// All points.
    pub const ALL: Self = Self {
        steps: (i64::MIN, i64::MAX),
        times_us: (i64::MIN, i64::MAX),
    };

    /// Whether a point belongs to it.
    pub fn contains(&self, step: i64, time_us: i64) -> bool {
        let Self {
            steps: (first, last),
            times_us: (from, to),
        } = *self;
        (first..=last).contains(&step) && (from..=to).contains(&time_us)
    }

    /// What belongs to both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let both = |a: (i64, i64), b: (i64, i64)| (a.0.max(b.0), a.1.min(b.1));
        Self {
            steps: both(self.steps, other.steps),
            times_us: both(self.times_us, other.times_us),
        }
    }
}

/// Names of the functions that are not [`Stat`]s.
const NAMES: [&str; 6] = ["at", "median", "first_nan", "auc", "slope", "smooth"];

/// Names of all functions, as a hint lists them.
pub(super) fn function_names() -> Vec<&'static str> {
    Stat::ALL
        .iter()
        .map(|stat| stat.name())
        .chain(NAMES)
        .collect()
}

/// As it is written in a filter.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            metric,
            function,
            within,
        } = self;
        let metric = Quotable(metric);
        let (first, last) = within.steps;
        let mut shown = *within;
        match function {
            Function::Stat(Stat::Last) if first == last => {
                write!(f, "at(metrics.{metric}, {first}")?;
                shown.steps = Within::ALL.steps;
            }
            Function::Stat(stat) => write!(f, "{}(metrics.{metric}", stat.name())?,
            Function::Median => write!(f, "median(metrics.{metric}")?,
            Function::FirstNan => write!(f, "first_nan(metrics.{metric}")?,
            Function::Auc => write!(f, "auc(metrics.{metric}")?,
            Function::Slope(None) => write!(f, "slope(metrics.{metric}")?,
            Function::Slope(Some(last)) => write!(f, "slope(metrics.{metric}, {last}")?,
            Function::Smooth(weight) => write!(f, "smooth(metrics.{metric}, {:?}", weight.get())?,
        }
        write!(f, "{shown})")
    }
}

/// ` where …`, or nothing for all points.
impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut join = " where";
        for (name, range, all) in [
            ("step", self.steps, Self::ALL.steps),
            ("time", self.times_us, Self::ALL.times_us),
        ] {
            if range == all {
                continue;
            }
            write!(f, "{join} {name} ")?;
            let show = |f: &mut fmt::Formatter<'_>, bound: i64| match Span::instant(bound) {
                Some(time) if name == "time" => write!(f, "{time}"),
                _ => write!(f, "{bound}"),
            };
            match range {
                (first, last) if last == all.1 => {
                    f.write_str(">= ")?;
                    show(f, first)?;
                }
                (first, last) if first == all.0 => {
                    f.write_str("<= ")?;
                    show(f, last)?;
                }
                (first, last) => {
                    f.write_str("between ")?;
                    show(f, first)?;
                    f.write_str(" and ")?;
                    show(f, last)?;
                }
            }
            join = " and";
        }
        Ok(())
    }
}

/// The steps that compare with a number as wanted.
///
/// - `order`: `<`, `<=`, `>`, `>=` or `=`
pub(super) fn steps(order: &str, bound: Number) -> (i64, i64) {
    const NONE: (i64, i64) = (i64::MAX, i64::MIN);
    let all = Within::ALL.steps;
    let (floor, ceil) = match bound {
        Number::Int(bound) => (bound, bound),
        Number::Float(bound) if bound.is_nan() => return NONE,
        Number::Float(bound) => match (whole(bound.floor()), whole(bound.ceil())) {
            (Some(floor), Some(ceil)) => (floor, ceil),
            // Beyond all steps, on one side or the other.
            _ if (bound > 0.0) == order.starts_with('<') && order != "=" => return all,
            _ => return NONE,
        },
    };
    match order {
        "<" => ceil.checked_sub(1).map_or(NONE, |last| (all.0, last)),
        "<=" => (all.0, floor),
        ">" => floor.checked_add(1).map_or(NONE, |first| (first, all.1)),
        ">=" => (ceil, all.1),
        _ => (ceil, floor),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range of i64 was checked"
)]
fn whole(value: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0; // 2^63
    (-BEYOND..BEYOND).contains(&value).then_some(value as i64)
}
