//! Smoothing: a moving average that forgets exponentially.
//!
//! As `TensorBoard` and W&B draw it: `s = alpha s + (1 - alpha) v`, begun at zero and divided by
//! the weight that the values so far have together, `1 - alpha^n`. Without that division (the
//! *debiasing*) a curve would begin near zero.

use crate::error::Error;
use crate::error::Result;

/// A debiased exponential moving average of the values so far.
#[derive(Clone, Copy, Debug)]
pub struct Smoother {
    alpha: f64,
    sum: f64,
    weight: f64,
}

impl Smoother {
    /// Begins before the first value.
    ///
    /// - `alpha`: in `0.0..1.0`, how much of the average stays from value to value; at 0 nothing
    ///   is smoothed, and about `1 / (1 - alpha)` values count
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other `alpha`.
    pub fn new(alpha: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&alpha) {
            let why = format!("has alpha {alpha}, want 0 or more and less than 1");
            return Err(Error::invalid("smoothing", why));
        }
        Ok(Self {
            alpha,
            sum: 0.0,
            weight: 0.0,
        })
    }

    /// Takes in the next value and returns the average. NaN and infinities are returned as they
    /// are, and the average goes on after them as if they had not been.
    pub fn add(&mut self, value: f64) -> f64 {
        if !value.is_finite() {
            return value;
        }
        self.sum = self.alpha * self.sum + (1.0 - self.alpha) * value;
        self.weight = self.alpha * self.weight + (1.0 - self.alpha);
        self.sum / self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_weighted_mean_of_the_values_so_far() {
        arbtest::arbtest(|u| {
            let alpha = f64::from(u.int_in_range(0..=999)?) / 1_000.0;
            let mut smoother = Smoother::new(alpha).unwrap();
            let mut finite: Vec<f64> = Vec::new();
            for _ in 0..u.int_in_range(0..=40)? {
                let value = match u.int_in_range(0..=9)? {
                    0 => f64::NAN,
                    1 => f64::NEG_INFINITY,
                    _ => f64::from(u.arbitrary::<i16>()?) / 16.0,
                };
                let have = smoother.add(value);
                if !value.is_finite() {
                    assert_eq!(have.to_bits(), value.to_bits());
                    continue;
                }
                finite.push(value);
                let weights = (0i32..).map(|age| alpha.powi(age));
                let aged = || finite.iter().rev().zip(weights.clone());
                let sum: f64 = aged().map(|(value, weight)| value * weight).sum();
                let weight: f64 = aged().map(|(_, weight)| weight).sum();
                let error = (have - sum / weight).abs();
                assert!(
                    error <= 1e-9 * (1.0 + value.abs().max(4096.0)),
                    "{alpha} {finite:?}"
                );
            }
            Ok(())
        });
    }

    #[test]
    fn at_zero_nothing_is_smoothed_and_from_one_on_nothing_is_left() {
        let mut plain = Smoother::new(0.0).unwrap();
        for value in [3.0, -0.1, f64::MAX, 5e-324] {
            assert_eq!(plain.add(value).to_bits(), value.to_bits());
        }
        for alpha in [1.0, -0.1, 2.0, f64::NAN, f64::INFINITY] {
            assert!(Smoother::new(alpha).is_err());
        }
    }
}
