//! The curve of a group: how a metric of several runs went together, step by step.

use super::reader::Reader;
use super::series::SeriesQuery;
use crate::error::Error;
use crate::error::Result;
use crate::model::Point;
use crate::model::RunId;

/// What several runs have at one step.
///
/// A run counts once, with the last value that it logged there. NaN is counted and otherwise left
/// out; where a value is infinite, so is the mean, and the deviation is that of the finite ones.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// The step.
    pub step: i64,
    /// Runs that have a value there, NaN aside.
    pub n: u64,
    /// Runs that have NaN there.
    pub nan_count: u64,
    /// Smallest value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Sum of the infinite values.
    infinite: f64,
    finite: u64,
    /// Mean of the finite values, and the sum of the squares of their distances from it.
    mean: f64,
    squares: f64,
}

impl Band {
    fn new(step: i64) -> Self {
        Self {
            step,
            n: 0,
            nan_count: 0,
            min: None,
            max: None,
            infinite: 0.0,
            finite: 0,
            mean: 0.0,
            squares: 0.0,
        }
    }

    /// Source: Welford 1962.
    fn add(&mut self, value: f64) {
        if value.is_nan() {
            self.nan_count += 1;
            return;
        }
        self.n += 1;
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
        if value.is_infinite() {
            self.infinite += value;
            return;
        }
        self.finite += 1;
        let before = value - self.mean;
        self.mean += before / self.finite as f64;
        self.squares += before * (value - self.mean);
    }

    /// Returns the mean; none if no run has a value.
    pub fn mean(&self) -> Option<f64> {
        match (self.n, self.infinite) {
            (0, _) => None,
            (_, 0.0) => Some(self.mean),
            (_, infinite) => Some(infinite),
        }
    }

    /// Returns the standard deviation of the sample (n - 1); none below two finite values or when
    /// squares overflow.
    pub fn std(&self) -> Option<f64> {
        if self.finite < 2 {
            return None;
        }
        let variance = self.squares / (self.finite - 1) as f64;
        variance.is_finite().then(|| variance.max(0.0).sqrt())
    }
}

impl Reader {
    /// Returns mean and spread of a metric over several runs, by step: of each step that any of
    /// them has. Runs without the metric add nothing.
    ///
    /// One run after another: memory is that of the longest series and of the steps.
    ///
    /// # Errors
    /// As [`Self::series`]; [`Error::NotFound`] if none of the runs has the metric.
    pub fn bands(&self, runs: &[RunId], metric: &str, query: &SeriesQuery) -> Result<Vec<Band>> {
        let mut bands = Vec::new();
        let mut missing = None;
        let mut is_known = false;
        for run in runs {
            match self.series(*run, metric, query) {
                Ok(points) => {
                    is_known = true;
                    add(&mut bands, &points);
                }
                Err(error @ Error::NotFound { what: "metric", .. }) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(missing) if !is_known => Err(missing),
            _ => Ok(bands),
        }
    }
}

/// Adds a series, which comes by step, to bands, which do too.
fn add(bands: &mut Vec<Band>, points: &[Point]) {
    let known = bands.len();
    let mut at = 0;
    let mut fresh = Vec::new();
    for (place, point) in points.iter().enumerate() {
        if points
            .get(place + 1)
            .is_some_and(|next| next.step == point.step)
        {
            continue; // a later one of this step counts
        }
        while bands.get(at).is_some_and(|band| band.step < point.step) {
            at += 1;
        }
        match bands.get_mut(at) {
            Some(band) if band.step == point.step => band.add(point.value),
            _ => {
                let mut band = Band::new(point.step);
                band.add(point.value);
                fresh.push(band);
            }
        }
    }
    bands.extend(fresh);
    if known > 0 && bands.len() > known {
        bands.sort_by_key(|band| band.step); // two ascending parts: one pass
    }
}
