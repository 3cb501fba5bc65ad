//! What is known of a series without its points.

use serde::Deserialize;
use serde::Serialize;

use super::id::WriterId;

/// When and where something was logged: the total order of what happened to a run.
///
/// By time first; within a time by writer, segment and place in it, so that any two folds of the
/// same journal, in whatever order files arrive, agree which of two records came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Microseconds since 1970.
    pub time_us: i64,
    /// Who logged it.
    pub writer: WriterId,
    /// In which of the writer's segments.
    pub seq: u32,
    /// At which place of that segment, counted in records.
    pub row: u32,
}

/// First or last point of a series.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Edge {
    /// Its step.
    pub step: i64,
    /// Its time, and its place among points of the same step and time.
    pub stamp: Stamp,
    /// Its value, NaN too.
    pub value: f64,
}

impl Edge {
    fn key(&self) -> (i64, Stamp) {
        (self.step, self.stamp)
    }
}

/// Smallest or largest value of a series, at the first step that has it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Extreme {
    /// The step.
    pub step: i64,
    /// The value; never NaN.
    pub value: f64,
}

/// A sum kept in twice the precision of its terms.
///
/// So its value hardly depends on the order in which parts of a series are folded: it is right to
/// about 2⁻¹⁰⁰ of the sum of the terms' sizes. Source: Dekker 1971, Knuth TAOCP 4.2.2 (error-free
/// sum of two floats).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sum {
    pub(super) high: f64,
    pub(super) low: f64,
}

impl Sum {
    /// Adds a finite value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        let sum = self.high + value;
        let part = sum - self.high;
        self.low += (self.high - (sum - part)) + (value - part);
        self.high = sum;
    }

    /// Adds the square of a finite value, without the rounding of the product.
    #[inline]
    pub fn add_square(&mut self, value: f64) {
        // Veltkamp's split: the halves have 26 bits, so their products are exact.
        let scaled = value * 134_217_729.0;
        let high = scaled - (scaled - value);
        let low = value - high;
        let square = value * value;
        self.add(square);
        self.low += ((high * high - square) + 2.0 * high * low) + low * low;
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.add(other.high);
        self.low += other.low;
        let high = self.high + self.low;
        self.low -= high - self.high;
        self.high = high;
    }

    /// Returns the sum rounded to a float.
    pub fn value(&self) -> f64 {
        if self.high.is_finite() {
            self.high + self.low
        } else {
            self.high
        }
    }
}

/// Count, extremes, ends, mean and deviation of a series or a part of one.
///
/// Parts merge in any order to the same result, but for the last digits of sums. These take finite
/// values only; NaN is counted and otherwise ignored, except that it may be the first or last
/// point.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Points, NaN included.
    pub count: u64,
    /// Points that are NaN.
    pub nan_count: u64,
    /// Points that are plus infinity.
    pub pos_inf_count: u64,
    /// Points that are minus infinity.
    pub neg_inf_count: u64,
    /// First point in reading order: smallest step, then earliest.
    pub first: Option<Edge>,
    /// Last point in reading order: largest step, then latest.
    pub last: Option<Edge>,
    /// Smallest value; none when all are NaN.
    pub min: Option<Extreme>,
    /// Largest value; none when all are NaN.
    pub max: Option<Extreme>,
    /// Earliest and latest time of any point, in microseconds since 1970.
    pub times_us: Option<(i64, i64)>,
    /// Sum of the finite values.
    pub sum: Sum,
    /// Sum of the squares of the finite values.
    pub sum_of_squares: Sum,
}

impl Summary {
    /// Takes in one point.
    #[inline]
    pub fn add(&mut self, step: i64, stamp: Stamp, value: f64) {
        self.count += 1;
        let edge = Edge { step, stamp, value };
        if self.first.is_none_or(|first| edge.key() < first.key()) {
            self.first = Some(edge);
        }
        // Also at the same place: a metric may come twice in a step, and the later is read last.
        if self.last.is_none_or(|last| edge.key() >= last.key()) {
            self.last = Some(edge);
        }
        self.times_us = Some(match self.times_us {
            None => (stamp.time_us, stamp.time_us),
            Some((from, to)) => (from.min(stamp.time_us), to.max(stamp.time_us)),
        });
        if value.is_nan() {
            self.nan_count += 1;
            return;
        }
        self.min = smaller(self.min, Some(Extreme { step, value }));
        self.max = larger(self.max, Some(Extreme { step, value }));
        if value.is_finite() {
            self.sum.add(value);
            self.sum_of_squares.add_square(value);
        } else if value > 0.0 {
            self.pos_inf_count += 1;
        } else {
            self.neg_inf_count += 1;
        }
    }

    /// Takes in the values of a metric in some rows; as [`Self::add`] for each, several times as
    /// fast.
    ///
    /// - `steps`: `[n]`
    /// - `values`: `[n]`
    /// - `span`: of the same rows
    pub fn add_column(&mut self, span: &RowSpan, steps: &[i64], values: &[f64]) {
        let mut part = Self {
            count: values.len() as u64,
            first: span.first.edge(values),
            last: span.last.edge(values),
            times_us: Some(span.times_us),
            ..Self::default()
        };
        part.add_values(values);
        let mut least = i64::MAX;
        let mut most = i64::MIN;
        for value in values.iter().filter(|value| !value.is_nan()) {
            least = least.min(total_order(*value));
            most = most.max(total_order(*value));
        }
        if part.nan_count < part.count {
            let step_of = |order: i64| {
                let same = |(value, _): &(&f64, &i64)| total_order(**value) == order;
                let rows = values.iter().zip(steps).filter(same);
                rows.min_by_key(|(_, step)| **step)
                    .map(|(value, step)| Extreme {
                        step: *step,
                        value: *value,
                    })
            };
            (part.min, part.max) = (step_of(least), step_of(most));
        }
        self.merge(&part);
    }

    /// Counts and adds up values: neither ends nor extremes, and not how many they are.
    pub(crate) fn add_values(&mut self, values: &[f64]) {
        if values.iter().any(|value| !value.is_finite()) {
            for value in values {
                if value.is_nan() {
                    self.nan_count += 1;
                } else if value.is_finite() {
                    self.sum.add(*value);
                    self.sum_of_squares.add_square(*value);
                } else if *value > 0.0 {
                    self.pos_inf_count += 1;
                } else {
                    self.neg_inf_count += 1;
                }
            }
            return;
        }
        // An addition waits for the one before it; four sums go on beside each other.
        let mut sums = [(Sum::default(), Sum::default()); 4];
        let (fours, rest) = values.as_chunks::<4>();
        for four in fours {
            for ((sum, squares), value) in sums.iter_mut().zip(four) {
                sum.add(*value);
                squares.add_square(*value);
            }
        }
        for value in rest {
            self.sum.add(*value);
            self.sum_of_squares.add_square(*value);
        }
        for (sum, squares) in &sums {
            self.sum.merge(sum);
            self.sum_of_squares.merge(squares);
        }
    }

    /// Takes in the summary of another part of the same series. Of two that end in the same row,
    /// as a metric may that is logged twice in a step, the other is the later.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            count,
            nan_count,
            pos_inf_count,
            neg_inf_count,
            first,
            last,
            min,
            max,
            times_us,
            sum,
            sum_of_squares,
        } = self;
        *count += other.count;
        *nan_count += other.nan_count;
        *pos_inf_count += other.pos_inf_count;
        *neg_inf_count += other.neg_inf_count;
        if other
            .first
            .is_some_and(|b| first.is_none_or(|a| b.key() < a.key()))
        {
            *first = other.first;
        }
        if other
            .last
            .is_some_and(|b| last.is_none_or(|a| b.key() >= a.key()))
        {
            *last = other.last;
        }
        *min = smaller(*min, other.min);
        *max = larger(*max, other.max);
        *times_us = match (*times_us, other.times_us) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        sum.merge(&other.sum);
        sum_of_squares.merge(&other.sum_of_squares);
    }

    /// Returns the number of finite values.
    pub fn finite_count(&self) -> u64 {
        self.count - self.nan_count - self.pos_inf_count - self.neg_inf_count
    }

    /// Returns the mean without NaN: infinite if infinities of one sign are among the values, NaN
    /// if of both; none if there is no value.
    pub fn mean(&self) -> Option<f64> {
        match (self.pos_inf_count > 0, self.neg_inf_count > 0) {
            (true, true) => Some(f64::NAN),
            (true, false) => Some(f64::INFINITY),
            (false, true) => Some(f64::NEG_INFINITY),
            (false, false) if self.finite_count() == 0 => None,
            (false, false) => Some(self.sum.value() / self.finite_count() as f64),
        }
    }

    /// Returns the standard deviation of the sample (n - 1) over the finite values; none below
    /// two of them or when squares overflow. It is right to about 1e-13 of the largest value.
    pub fn std(&self) -> Option<f64> {
        let n = self.finite_count();
        if n < 2 {
            return None;
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min.value.total_cmp(&max.value).is_eq()
        {
            return Some(0.0); // what the sums leave of it is their rounding
        }
        let n = n as f64;
        // sum of squares - sum² / n, in double precision of floats: nearly all digits may cancel.
        let mean = self.sum.value() / n;
        let mut centred = self.sum_of_squares;
        let mut product = |factor: f64, by: f64| {
            let exact = two_product(factor, by);
            centred.add(-exact.0);
            centred.add(-exact.1);
        };
        product(self.sum.high, mean);
        product(self.sum.low, mean);
        // The mean was rounded: sum = n * mean + rest, so sum * rest / n is still to be taken off.
        let mut rest = self.sum;
        let (high, low) = two_product(n, mean);
        rest.add(-high);
        rest.add(-low);
        centred.add(-(self.sum.value() * (rest.value() / n)));
        let variance = centred.value() / (n - 1.0);
        variance.is_finite().then(|| variance.max(0.0).sqrt())
    }
}

/// A row among others.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowAt {
    pub(super) position: usize,
    pub(super) step: i64,
    pub(super) stamp: Stamp,
}

impl RowAt {
    fn edge(&self, values: &[f64]) -> Option<Edge> {
        values.get(self.position).map(|value| Edge {
            step: self.step,
            stamp: self.stamp,
            value: *value,
        })
    }
}

/// Which of some rows come first and last in reading order, and when they were logged: the same
/// for all metrics that the rows have.
#[derive(Clone, Copy, Debug)]
pub struct RowSpan {
    pub(super) first: RowAt,
    pub(super) last: RowAt,
    pub(super) times_us: (i64, i64),
}

impl RowSpan {
    /// Takes in rows, each as its step and stamp; none if there are none.
    pub fn of(rows: impl Iterator<Item = (i64, Stamp)>) -> Option<Self> {
        let mut span: Option<Self> = None;
        for (position, (step, stamp)) in rows.enumerate() {
            let row = RowAt {
                position,
                step,
                stamp,
            };
            let time_us = stamp.time_us;
            let Some(span) = &mut span else {
                span = Some(Self {
                    first: row,
                    last: row,
                    times_us: (time_us, time_us),
                });
                continue;
            };
            if (step, stamp) < (span.first.step, span.first.stamp) {
                span.first = row;
            }
            if (step, stamp) >= (span.last.step, span.last.stamp) {
                span.last = row;
            }
            let (from, to) = span.times_us;
            span.times_us = (from.min(time_us), to.max(time_us));
        }
        span
    }
}

/// A float's place in the total order, as `f64::total_cmp` has it.
fn total_order(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// The product of two floats and its rounding error.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// The smaller value, at the smaller step; in total order, so that -0.0 comes before 0.0.
fn smaller(a: Option<Extreme>, b: Option<Extreme>) -> Option<Extreme> {
    let (Some(x), Some(y)) = (a, b) else {
        return a.or(b);
    };
    let order = y.value.total_cmp(&x.value).then(y.step.cmp(&x.step));
    if order.is_lt() { b } else { a }
}

/// The larger value, at the smaller step.
fn larger(a: Option<Extreme>, b: Option<Extreme>) -> Option<Extreme> {
    let (Some(x), Some(y)) = (a, b) else {
        return a.or(b);
    };
    let order = x.value.total_cmp(&y.value).then(y.step.cmp(&x.step));
    if order.is_lt() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(row: u32) -> Stamp {
        Stamp {
            time_us: i64::from(row),
            writer: WriterId(7),
            seq: 0,
            row,
        }
    }

    fn summary(values: &[f64]) -> Summary {
        let mut summary = Summary::default();
        for (row, value) in (0u32..).zip(values) {
            summary.add(i64::from(row), stamp(row), *value);
        }
        summary
    }

    #[test]
    fn parts_merge_to_the_same_bits_in_any_order() {
        let values: Vec<f64> = (0..5_000)
            .map(|i| (f64::from(i) * 0.37).sin() * 10f64.powi(i % 30 - 15))
            .collect();
        let whole = summary(&values);
        for cuts in [1, 7, 640] {
            let parts: Vec<Summary> = values
                .chunks(cuts)
                .zip(0u32..)
                .map(|(chunk, part)| {
                    let mut summary = Summary::default();
                    for (at, value) in (part * u32::try_from(cuts).unwrap()..).zip(chunk) {
                        summary.add(i64::from(at), stamp(at), *value);
                    }
                    summary
                })
                .collect();
            let mut merged = Summary::default();
            parts.iter().rev().for_each(|part| merged.merge(part));
            assert_eq!(
                merged.mean().unwrap().to_bits(),
                whole.mean().unwrap().to_bits()
            );
            assert_eq!(
                merged.std().unwrap().to_bits(),
                whole.std().unwrap().to_bits()
            );
            assert_eq!(merged.last.unwrap().step, 4_999);
            assert_eq!(merged.first.unwrap().step, 0);
        }
    }

    #[test]
    fn a_column_at_once_is_its_points_one_by_one() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 2.5];
        arbtest::arbtest(|u| {
            let count = u.int_in_range(1..=40)?;
            let (mut steps, mut stamps, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for row in 0..count {
                steps.push(u.int_in_range(-3..=3)?);
                // A metric that is logged twice in a step has two values in one row.
                stamps.push(stamp(u.int_in_range(row / 2..=row)?));
                let plain = f64::from(u.int_in_range(-9..=9)?) / 3.0;
                values.push(if u.ratio(1, 4)? {
                    *u.choose(&odd)?
                } else {
                    plain
                });
            }
            stamps.sort();
            let (mut one_by_one, mut at_once) = (summary(&[1.0, 2.0]), summary(&[1.0, 2.0]));
            for ((step, stamp), value) in steps.iter().zip(&stamps).zip(&values) {
                one_by_one.add(*step, *stamp, *value);
            }
            let rows = steps.iter().copied().zip(stamps.iter().copied());
            at_once.add_column(&RowSpan::of(rows).unwrap(), &steps, &values);
            let bits = |value: Option<f64>| value.map(f64::to_bits);
            let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) if a.is_finite() => (a - b).abs() < 1e-14,
                _ => bits(a) == bits(b),
            };
            assert!(near(one_by_one.mean(), at_once.mean()), "{values:?}");
            assert!(near(one_by_one.std(), at_once.std()), "{values:?}");
            for summary in [&mut one_by_one, &mut at_once] {
                (summary.sum, summary.sum_of_squares) = (Sum::default(), Sum::default());
            }
            assert_eq!(format!("{one_by_one:?}"), format!("{at_once:?}"));
            Ok(())
        });
    }

    #[test]
    fn deviation_survives_a_large_mean() {
        let values: Vec<f64> = (0..1_000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let std = summary(&values).std().unwrap();
        assert!((std - (250.0f64 / 999.0).sqrt()).abs() < 1e-12, "{std}");
        assert_eq!(summary(&[0.1; 100]).std(), Some(0.0));
    }

    #[test]
    fn nan_is_counted_and_infinities_carry_into_the_mean() {
        let mixed = summary(&[f64::NAN, 1.0, f64::INFINITY, 3.0, f64::NAN]);
        assert_eq!(
            (mixed.count, mixed.nan_count, mixed.finite_count()),
            (5, 2, 2)
        );
        assert_eq!(mixed.mean(), Some(f64::INFINITY));
        assert_eq!(mixed.min.map(|min| (min.step, min.value)), Some((1, 1.0)));
        assert!(mixed.last.unwrap().value.is_nan());
        let none = summary(&[f64::NAN]);
        assert!(none.mean().is_none() && none.min.is_none() && none.std().is_none());
    }

    #[test]
    fn the_first_step_that_has_an_extreme_is_kept() {
        let both = summary(&[2.0, 1.0, 2.0, 1.0]);
        assert_eq!(both.min.unwrap().step, 1);
        assert_eq!(both.max.unwrap().step, 0);
    }
}
