//! Summaries as words, most of whose high bytes are zero, and back to the very same bits.
//!
//! What is alike is said as a difference: the last point of a series mostly has the writer of its
//! first, and steps near it. Floats are turned around, for of those that were `f32` the last bytes
//! are zero. Differences wrap, so that nothing is too large for them.

use super::id::WriterId;
use super::summary::Edge;
use super::summary::Extreme;
use super::summary::RowAt;
use super::summary::RowSpan;
use super::summary::Stamp;
use super::summary::Sum;
use super::summary::Summary;

/// Words of a [`Summary`].
pub(crate) const SUMMARY_WORDS: usize = 27;
/// Words of an [`Edge`].
pub(crate) const EDGE_WORDS: usize = 6;
/// Words of a [`RowSpan`].
pub(crate) const SPAN_WORDS: usize = 8;
/// Words of a summary beside the span and the number of its rows.
pub(crate) const VALUE_WORDS: usize = 13;

/// Small numbers of either sign as small words.
fn of_int(int: i64) -> u64 {
    ((int << 1) ^ (int >> 63)).cast_unsigned()
}

fn to_int(word: u64) -> i64 {
    (word >> 1).cast_signed() ^ -(word & 1).cast_signed()
}

fn of_difference(int: i64, from: i64) -> u64 {
    of_int(int.wrapping_sub(from))
}

fn to_sum(word: u64, from: i64) -> i64 {
    to_int(word).wrapping_add(from)
}

fn of_float(value: f64) -> u64 {
    value.to_bits().swap_bytes()
}

fn to_float(word: u64) -> f64 {
    f64::from_bits(word.swap_bytes())
}

/// The low half; what else there is was not written by anybody.
fn to_u32(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0)
}

/// What is told of two rows that differ in their places.
fn of_row(row: u32, from: u32) -> u64 {
    of_difference(row.into(), from.into())
}

fn to_row(word: u64, from: u32) -> u32 {
    to_u32(to_sum(word, from.into()).cast_unsigned())
}

impl Sum {
    fn words(&self) -> [u64; 2] {
        [of_float(self.high), of_float(self.low)]
    }

    fn from_words([high, low]: [u64; 2]) -> Self {
        Self {
            high: to_float(high),
            low: to_float(low),
        }
    }
}

impl Extreme {
    /// - `near`: a step and a value that it may be like
    fn words(&self, near: (i64, f64)) -> [u64; 2] {
        [
            of_difference(self.step, near.0),
            of_float(self.value) ^ of_float(near.1),
        ]
    }

    fn from_words([step, value]: [u64; 2], near: (i64, f64)) -> Self {
        Self {
            step: to_sum(step, near.0),
            value: to_float(value ^ of_float(near.1)),
        }
    }
}

impl Edge {
    const NONE: Self = Self {
        step: 0,
        stamp: Stamp {
            time_us: 0,
            writer: WriterId(0),
            seq: 0,
            row: 0,
        },
        value: 0.0,
    };

    /// Returns the point as words.
    pub(crate) fn words(&self) -> [u64; EDGE_WORDS] {
        self.words_from(&Self::NONE)
    }

    /// Returns the point that has these words.
    pub(crate) fn from_words(words: [u64; EDGE_WORDS]) -> Self {
        Self::NONE.plus(words)
    }

    fn words_from(&self, near: &Self) -> [u64; EDGE_WORDS] {
        let Self { step, stamp, value } = self;
        let Stamp {
            time_us,
            writer,
            seq,
            row,
        } = stamp;
        [
            of_difference(*step, near.step),
            of_difference(*time_us, near.stamp.time_us),
            writer.0 ^ near.stamp.writer.0,
            of_row(*seq, near.stamp.seq),
            of_row(*row, near.stamp.row),
            of_float(*value) ^ of_float(near.value),
        ]
    }

    fn plus(&self, words: [u64; EDGE_WORDS]) -> Self {
        let [step, time_us, writer, seq, row, value] = words;
        Self {
            step: to_sum(step, self.step),
            stamp: Stamp {
                time_us: to_sum(time_us, self.stamp.time_us),
                writer: WriterId(writer ^ self.stamp.writer.0),
                seq: to_row(seq, self.stamp.seq),
                row: to_row(row, self.stamp.row),
            },
            value: to_float(value ^ of_float(self.value)),
        }
    }
}

impl Summary {
    /// Returns the summary as words.
    pub(crate) fn words(&self) -> [u64; SUMMARY_WORDS] {
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
        let missing = [
            first.is_none(),
            last.is_none(),
            min.is_none(),
            max.is_none(),
            times_us.is_none(),
        ];
        let missing = missing.iter().rev();
        let missing = missing.fold(0, |bits, is_none| bits << 1 | u64::from(*is_none));
        let first = first.unwrap_or(Edge::NONE);
        let near = (first.step, first.value);
        let last = last.unwrap_or(first);
        let extreme = |extreme: &Option<Extreme>| extreme.map_or([0; 2], |it| it.words(near));
        let (first_us, last_us) = (first.stamp.time_us, last.stamp.time_us);
        let (from_us, to_us) = times_us.unwrap_or((first_us, last_us));
        let counts = [missing, *count, *nan_count, *pos_inf_count, *neg_inf_count];
        let times = [
            of_difference(from_us, first_us),
            of_difference(to_us, last_us),
        ];
        let parts: [&[u64]; 8] = [
            &counts,
            &first.words(),
            &last.words_from(&first),
            &extreme(min),
            &extreme(max),
            &times,
            &sum.words(),
            &sum_of_squares.words(),
        ];
        joined(&parts)
    }

    /// Returns the summary that has these words.
    pub(crate) fn from_words(words: &[u64; SUMMARY_WORDS]) -> Self {
        let mut rest = words.as_slice();
        let [missing, count, nan_count, pos_inf_count, neg_inf_count] = split(&mut rest);
        let has = |bit: u32| missing >> bit & 1 == 0;
        let first = Edge::from_words(split(&mut rest));
        let near = (first.step, first.value);
        let last = first.plus(split(&mut rest));
        let min = Extreme::from_words(split(&mut rest), near);
        let max = Extreme::from_words(split(&mut rest), near);
        let [from_us, to_us] = split(&mut rest);
        let times_us = (
            to_sum(from_us, first.stamp.time_us),
            to_sum(to_us, last.stamp.time_us),
        );
        Self {
            count,
            nan_count,
            pos_inf_count,
            neg_inf_count,
            first: has(0).then_some(first),
            last: has(1).then_some(last),
            min: has(2).then_some(min),
            max: has(3).then_some(max),
            times_us: has(4).then_some(times_us),
            sum: Sum::from_words(split(&mut rest)),
            sum_of_squares: Sum::from_words(split(&mut rest)),
        }
    }

    /// Returns what the summary of a column says beyond the span and the number of its rows.
    pub(crate) fn value_words(&self) -> [u64; VALUE_WORDS] {
        let (first, last) = (
            self.first.unwrap_or(Edge::NONE),
            self.last.unwrap_or(Edge::NONE),
        );
        let near = (first.step, first.value);
        let extreme = |extreme: &Option<Extreme>| extreme.map_or([0; 2], |it| it.words(near));
        let counts = [self.nan_count, self.pos_inf_count, self.neg_inf_count];
        let ends = [
            of_float(first.value),
            of_float(last.value) ^ of_float(first.value),
        ];
        let parts: [&[u64]; 6] = [
            &counts,
            &ends,
            &extreme(&self.min),
            &extreme(&self.max),
            &self.sum.words(),
            &self.sum_of_squares.words(),
        ];
        joined(&parts)
    }

    /// Returns the summary of a column; none if it tells of more odd values than there are.
    ///
    /// - `rows`: how many values it has
    /// - `words`: what the summary says beyond that
    pub(crate) fn of_column(rows: u32, span: &RowSpan, words: &[u64; VALUE_WORDS]) -> Option<Self> {
        let mut rest = words.as_slice();
        let [nan_count, pos_inf_count, neg_inf_count] = split(&mut rest);
        let odd = nan_count.checked_add(pos_inf_count)?;
        if odd.checked_add(neg_inf_count)? > rows.into() {
            return None;
        }
        let [first, last] = split(&mut rest);
        let edge = |row: &RowAt, word| Edge {
            step: row.step,
            stamp: row.stamp,
            value: to_float(word),
        };
        let (first, last) = (edge(&span.first, first), edge(&span.last, first ^ last));
        let near = (first.step, first.value);
        let (min, max) = (split(&mut rest), split(&mut rest));
        let has_values = nan_count < u64::from(rows);
        let extreme = |words| has_values.then(|| Extreme::from_words(words, near));
        Some(Self {
            count: rows.into(),
            nan_count,
            pos_inf_count,
            neg_inf_count,
            first: Some(first),
            last: Some(last),
            min: extreme(min),
            max: extreme(max),
            times_us: Some(span.times_us),
            sum: Sum::from_words(split(&mut rest)),
            sum_of_squares: Sum::from_words(split(&mut rest)),
        })
    }
}

impl RowSpan {
    /// Returns the span as words; that all is of one segment is known to whoever keeps them.
    pub(crate) fn words(&self) -> [u64; SPAN_WORDS] {
        let (first, last) = (&self.first, &self.last);
        let (first_us, last_us) = (first.stamp.time_us, last.stamp.time_us);
        [
            of_int(first.step),
            of_difference(last.step, first.step),
            of_int(first_us),
            of_difference(last_us, first_us),
            first.stamp.row.into(),
            of_row(last.stamp.row, first.stamp.row),
            of_difference(self.times_us.0, first_us),
            of_difference(self.times_us.1, last_us),
        ]
    }

    /// Returns the span that has these words, but for the positions of its rows.
    ///
    /// - `writer`, `seq`: of the segment
    pub(crate) fn from_words(words: [u64; SPAN_WORDS], writer: WriterId, seq: u32) -> Self {
        let [
            first,
            last,
            first_us,
            last_us,
            first_row,
            last_row,
            from,
            to,
        ] = words;
        let stamp = |time_us, row| Stamp {
            time_us,
            writer,
            seq,
            row,
        };
        let row_at = |step, stamp| RowAt {
            position: 0,
            step,
            stamp,
        };
        let first_step = to_int(first);
        let first_us = to_int(first_us);
        let last_us = to_sum(last_us, first_us);
        let first_row = to_u32(first_row);
        Self {
            first: row_at(first_step, stamp(first_us, first_row)),
            last: row_at(
                to_sum(last, first_step),
                stamp(last_us, to_row(last_row, first_row)),
            ),
            times_us: (to_sum(from, first_us), to_sum(to, last_us)),
        }
    }

    /// Returns the smallest and the largest step.
    pub(crate) fn steps(&self) -> (i64, i64) {
        (self.first.step, self.last.step)
    }
}

fn joined<const N: usize>(parts: &[&[u64]]) -> [u64; N] {
    let mut words = [0; N];
    let all = parts.iter().copied().flatten();
    for (word, value) in words.iter_mut().zip(all) {
        *word = *value;
    }
    words
}

/// Takes words off the front; zeros where there are none, as none of ours asks for more.
fn split<const N: usize>(rest: &mut &[u64]) -> [u64; N] {
    let Some((words, left)) = rest.split_first_chunk::<N>() else {
        return [0; N];
    };
    *rest = left;
    *words
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;

    use super::*;

    type Drawn<T> = arbitrary::Result<T>;

    fn drawn_edge(u: &mut Unstructured<'_>) -> Drawn<Edge> {
        Ok(Edge {
            step: u.arbitrary()?,
            stamp: Stamp {
                time_us: u.arbitrary()?,
                writer: WriterId(u.arbitrary()?),
                seq: u.arbitrary()?,
                row: u.arbitrary()?,
            },
            value: f64::from_bits(u.arbitrary()?),
        })
    }

    fn drawn<T>(
        u: &mut Unstructured<'_>,
        draw: impl Fn(&mut Unstructured<'_>) -> Drawn<T>,
    ) -> Drawn<Option<T>> {
        u.arbitrary::<bool>()?.then(|| draw(u)).transpose()
    }

    /// All that it says, with floats as bits: NaN is not itself.
    fn bits(summary: &Summary) -> String {
        let edge = |edge: Option<Edge>| edge.map(|it| (it.step, it.stamp, it.value.to_bits()));
        let extreme = |extreme: Option<Extreme>| extreme.map(|it| (it.step, it.value.to_bits()));
        let sum = |sum: Sum| (sum.high.to_bits(), sum.low.to_bits());
        let Summary {
            count,
            nan_count,
            pos_inf_count,
            neg_inf_count,
            first,
            last,
            min,
            max,
            times_us,
            sum: of_values,
            sum_of_squares,
        } = *summary;
        format!(
            "{:?}",
            (
                (count, nan_count, pos_inf_count, neg_inf_count),
                (edge(first), edge(last)),
                (extreme(min), extreme(max), times_us),
                (sum(of_values), sum(sum_of_squares)),
            )
        )
    }

    #[test]
    fn any_summary_is_its_words() {
        arbtest::arbtest(|u| {
            let float = |u: &mut Unstructured<'_>| u.arbitrary().map(f64::from_bits);
            let extreme = |u: &mut Unstructured<'_>| {
                let (step, value) = (u.arbitrary()?, float(u)?);
                Ok(Extreme { step, value })
            };
            let sum = |u: &mut Unstructured<'_>| {
                let (high, low) = (float(u)?, float(u)?);
                Ok(Sum { high, low })
            };
            let summary = Summary {
                count: u.arbitrary()?,
                nan_count: u.arbitrary()?,
                pos_inf_count: u.arbitrary()?,
                neg_inf_count: u.arbitrary()?,
                first: drawn(u, drawn_edge)?,
                last: drawn(u, drawn_edge)?,
                min: drawn(u, extreme)?,
                max: drawn(u, extreme)?,
                times_us: drawn(u, |u| Ok((u.arbitrary()?, u.arbitrary()?)))?,
                sum: sum(u)?,
                sum_of_squares: sum(u)?,
            };
            let again = Summary::from_words(&summary.words());
            assert_eq!(bits(&again), bits(&summary));
            Ok(())
        });
    }

    #[test]
    fn the_summary_of_a_column_is_its_span_and_words() {
        arbtest::arbtest(|u| {
            let (writer, seq) = (WriterId(u.arbitrary()?), u.arbitrary()?);
            let (mut steps, mut stamps, mut values) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..u.int_in_range(1..=40)? {
                steps.push(u.arbitrary()?);
                stamps.push(Stamp {
                    time_us: u.arbitrary()?,
                    writer,
                    seq,
                    row: u.arbitrary()?,
                });
                let nan = f64::from_bits(f64::NAN.to_bits() | u.int_in_range(0..=3)?);
                let any = f64::from_bits(u.arbitrary()?);
                values.push(if u.ratio(1, 3)? { nan } else { any });
            }
            let rows = steps.iter().copied().zip(stamps.iter().copied());
            let span = RowSpan::of(rows).unwrap();
            let mut summary = Summary::default();
            summary.add_column(&span, &steps, &values);
            let span = RowSpan::from_words(span.words(), writer, seq);
            let rows = u32::try_from(values.len()).unwrap();
            let again = Summary::of_column(rows, &span, &summary.value_words()).unwrap();
            assert_eq!(bits(&again), bits(&summary));
            Ok(())
        });
    }
}
