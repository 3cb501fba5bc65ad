//! Axes of a plot: where a value lies, and which values are labelled.

use super::number;

/// Lengths of time that people count in, in seconds; beyond them round numbers of days.
const TIME_STEPS: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 432_000.0,
];
const DAY_S: f64 = 86_400.0;

/// How an axis is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Axis {
    pub(crate) is_log: bool,
    /// Whether values are seconds, and labelled as `1h30m`.
    pub(crate) is_time: bool,
    /// Labels are so far apart at least.
    pub(crate) least_tick: f64,
    /// What it shows, if that needs saying.
    pub(crate) name: Option<String>,
}

/// An axis with its ends.
#[derive(Clone, Debug)]
pub(super) struct Scale<'a> {
    axis: &'a Axis,
    range: Range,
}

impl Axis {
    /// Returns where on a straight axis a value lies; none if it cannot be shown.
    fn straight(&self, value: f64) -> Option<f64> {
        let straight = if self.is_log { value.log10() } else { value };
        straight.is_finite().then_some(straight)
    }

    /// Tells whether only the logarithm keeps a value from being shown.
    pub(super) fn is_too_small(&self, value: f64) -> bool {
        self.is_log && value <= 0.0 && value.is_finite()
    }

    /// Tells whether a value can be shown.
    pub(super) fn shows(&self, value: f64) -> bool {
        self.straight(value).is_some()
    }
}

impl<'a> Scale<'a> {
    /// Makes an axis that holds all of some values that it can show; none if it can show none.
    pub(super) fn of(axis: &'a Axis, values: impl Iterator<Item = f64>) -> Option<Self> {
        let range = Range::of(values.filter_map(|value| axis.straight(value)))?;
        Some(Self { axis, range })
    }

    /// Widens a range of one value, so that a flat curve lies in the middle.
    pub(super) fn with_room(self) -> Self {
        let range = self.range.with_room();
        Self { range, ..self }
    }

    /// Where a value lies, 0 at the start and 1 at the end.
    pub(super) fn share(&self, value: f64) -> Option<f64> {
        let straight = self.axis.straight(value)?;
        Some(self.range.share(straight))
    }

    /// Returns round values, at most about `most`, each with its share and its label.
    pub(super) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let Range { from, to } = self.range;
        let values = if self.axis.is_log {
            self.log_ticks(most)
        } else if self.axis.is_time {
            // Divided first: the width of a range may overflow where its ends do not.
            let raw = to / most.max(2) as f64 - from / most.max(2) as f64;
            let step = TIME_STEPS.into_iter().find(|step| *step >= raw);
            match step.filter(|_| raw >= 0.5) {
                Some(step) => multiples(self.range, step, most),
                None if raw > 0.5 => {
                    let days = Range {
                        from: from / DAY_S,
                        to: to / DAY_S,
                    };
                    let ticks = ticks(days, most, 1.0).into_iter();
                    ticks.map(|days| (days * DAY_S).clamp(from, to)).collect()
                }
                None => ticks(self.range, most, 0.0),
            }
        } else {
            ticks(self.range, most, self.axis.least_tick)
        };
        let labelled = |value: f64| Some((self.share(value)?, self.label(value)));
        values.into_iter().filter_map(labelled).collect()
    }

    /// Powers of ten; where there are too few their multiples, too.
    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let Range { from, to } = self.range;
        let decades = Range {
            from: from - 1e-9,
            to: to + 1e-9,
        };
        let within = |values: Vec<f64>| -> Vec<f64> {
            let inside = |value: &f64| (decades.from..=decades.to).contains(&value.log10());
            values.into_iter().filter(inside).collect()
        };
        if to - from >= 2.0 {
            return ticks(self.range, most, 1.0)
                .into_iter()
                .map(|decade| 10_f64.powf(decade))
                .collect();
        }
        let first = from.floor();
        let tens = (0..4).map(|at| 10_f64.powf(first + f64::from(at)));
        let all: Vec<f64> = tens
            .flat_map(|ten| [1.0, 2.0, 5.0].map(|n| n * ten))
            .collect();
        let round = within(all);
        if round.len() >= 2 && round.len() <= most.max(2) {
            return round;
        }
        let straight = Range {
            from: 10_f64.powf(from),
            to: 10_f64.powf(to),
        };
        within(ticks(straight, most, 0.0))
    }

    fn label(&self, value: f64) -> String {
        if self.axis.is_time {
            number::short_duration(value)
        } else if self.axis.is_log && value >= 1e6 {
            format!("{value:e}")
        } else {
            // What rounding leaves of 0.1 + 0.2 says nothing.
            number::compact(value)
        }
    }

    /// Returns the longest label that is to be expected.
    pub(super) fn label_width(&self) -> usize {
        let most = 4;
        let labels = self.ticks(most).into_iter().map(|(_, label)| label.len());
        labels.max().unwrap_or(1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Range {
    from: f64,
    to: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        values.fold(None, |range: Option<Self>, value| {
            Some(match range {
                None => Self {
                    from: value,
                    to: value,
                },
                Some(Self { from, to }) => Self {
                    from: from.min(value),
                    to: to.max(value),
                },
            })
        })
    }

    /// Widens a range of one value, so that a flat curve lies in the middle.
    fn with_room(self) -> Self {
        if self.from < self.to {
            return self;
        }
        let room = (self.from.abs() * 0.1).max(f64::MIN_POSITIVE);
        let room = if self.from == 0.0 { 1.0 } else { room };
        Self {
            from: self.from - room,
            to: self.to + room,
        }
    }

    /// Where `value` lies, 0 at the start and 1 at the end.
    fn share(self, value: f64) -> f64 {
        // Halved first: the width of a range may overflow where its ends do not.
        let width = self.to / 2.0 - self.from / 2.0;
        if width > 0.0 {
            ((value / 2.0 - self.from / 2.0) / width).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// Round values within a range, at most about `most`, a step of `least` apart or more.
fn ticks(range: Range, most: usize, least: f64) -> Vec<f64> {
    let most = most.max(2);
    // Divided first: the width of a range may overflow where its ends do not.
    let raw = (range.to / most as f64 - range.from / most as f64).max(least);
    let magnitude = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * magnitude);
    let Some(step) = round
        .into_iter()
        .find(|step| *step >= raw && step.is_normal())
    else {
        return vec![range.from, range.to];
    };
    multiples(range, step, most)
}

/// The multiples of a step within a range, at most `most` and one.
fn multiples(range: Range, step: f64, most: usize) -> Vec<f64> {
    // A little beyond the ends: 0.3 / 0.1 is less than 3.
    let (first, end) = (range.from / step - 1e-9, range.to / step + 1e-9);
    let (first, end) = (first.ceil(), end.floor());
    let multiples = (0..=most).map(|at| first + at as f64);
    multiples
        .take_while(|multiple| *multiple <= end)
        .map(|multiple| (multiple * step + 0.0).clamp(range.from, range.to)) // no -0
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_round_and_within_their_range() {
        let range = |from, to| Range { from, to };
        assert_eq!(ticks(range(-0.04, 1.03), 5, 0.0), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(range(0.0, 0.3), 3, 0.0).last(), Some(&0.3));
        assert_eq!(ticks(range(0.0, 999.0), 8, 1.0)[..3], [0.0, 200.0, 400.0]);
        assert_eq!(ticks(range(3.0, 5.0), 8, 1.0), [3.0, 4.0, 5.0]);
        for range in [
            range(1e18, 1e18 + 512.0),
            range(f64::MIN, f64::MAX),
            range(0.0, 5e-324),
        ] {
            let ticks = ticks(range, 4, 0.0);
            assert!(ticks.len() <= 5, "{ticks:?}");
            assert!(
                ticks.iter().all(|at| (range.from..=range.to).contains(at)),
                "{ticks:?}"
            );
        }
    }

    fn labels(axis: &Axis, from: f64, to: f64, most: usize) -> Vec<String> {
        let scale = Scale::of(axis, [from, to].into_iter()).unwrap();
        scale
            .ticks(most)
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn times_are_labelled_as_people_count_them() {
        let axis = Axis {
            is_time: true,
            ..Axis::default()
        };
        let of = |to: f64| labels(&axis, 0.0, to, 5);
        assert_eq!(of(0.3), ["0s", "0.1s", "0.2s", "0.3s"]);
        assert_eq!(of(50.0), ["0s", "10s", "20s", "30s", "40s", "50s"]);
        assert_eq!(of(6_000.0), ["0s", "30m", "1h", "1h30m"]);
        assert_eq!(of(200_000.0), ["0s", "12h", "1d", "1d12h", "2d"]);
        assert_eq!(of(8.0e6), ["0s", "20d", "40d", "60d", "80d"]);
    }

    #[test]
    fn powers_of_ten_are_labelled_and_more_where_they_are_few() {
        let axis = Axis {
            is_log: true,
            ..Axis::default()
        };
        let of = |from: f64, to: f64| labels(&axis, from, to, 5);
        assert_eq!(
            of(1e-5, 1.0),
            ["1e-5", "0.0001", "0.001", "0.01", "0.1", "1"]
        );
        assert_eq!(of(3.0, 70.0), ["5", "10", "20", "50"]);
        assert_eq!(of(2.0, 3.0), ["2", "2.2", "2.4", "2.6", "2.8", "3"]);
        assert_eq!(of(1e-300, 1e300), ["1e-200", "1", "1e200"]);
        assert!(axis.is_too_small(0.0) && axis.is_too_small(-1.0) && !axis.is_too_small(f64::NAN));
    }
}
