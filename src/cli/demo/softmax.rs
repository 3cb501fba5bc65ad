//! Softmax regression by mini-batch gradient descent: a small training, and a real one.
//!
//! The same seed draws the same split, start and batches on every machine; the losses then agree
//! to the last digits of the system's `exp`.

use super::iris::CLASSES;
use super::iris::FEATURES;
use super::iris::Flower;

/// Flowers of each species held out for validation: a fifth.
const HELD_OUT: usize = 10;

type Features = [f64; FEATURES.len()];
type PerClass = [f64; CLASSES.len()];
type Weights = [Features; CLASSES.len()];

/// What a training is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    /// Learning rate.
    pub(super) lr: f64,
    /// Weight of half the squared weights in what is descended; the bias is left out.
    pub(super) l2: f64,
    pub(super) seed: u64,
    /// Flowers a step, drawn without replacement until all were seen.
    pub(super) batch_size: usize,
    pub(super) steps: u32,
}

/// How good the model is after a step: mean cross-entropy, and share of right answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Metrics {
    pub(super) train: Score,
    pub(super) val: Score,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Score {
    pub(super) loss: f64,
    pub(super) acc: f64,
}

/// What was learnt: `softmax(weights · (features - mean) / std + bias)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    /// A row a species.
    pub(super) weights: Weights,
    pub(super) bias: PerClass,
    /// Mean of each feature over the flowers trained on.
    pub(super) mean: Features,
    /// Standard deviation, likewise.
    pub(super) std: Features,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trained {
    /// All steps were done.
    Done(Model),
    /// The loss was no longer a finite number after this step, so it was given up.
    Diverged(u32),
}

/// Trains, and tells of each step once it is done.
///
/// # Errors
/// What `on_step` returns; the training then stops.
pub(super) fn train<E>(
    config: Config,
    flowers: &[Flower],
    on_step: &mut dyn FnMut(u32, &Metrics) -> Result<(), E>,
) -> Result<Trained, E> {
    let mut random = SplitMix(config.seed);
    let (mut train, mut val) = split(flowers, &mut random);
    let (mean, std) = mean_and_std(&train);
    for flower in train.iter_mut().chain(&mut val) {
        flower.features = standardised(&flower.features, &mean, &std);
    }
    let mut model = Model {
        mean,
        std,
        ..Model::default()
    };
    for weight in model.weights.iter_mut().flatten() {
        *weight = 0.1 * (2.0 * random.unit() - 1.0);
    }
    let mut batches = Vec::new();
    for step in 0..config.steps {
        let wanted = config.batch_size.clamp(1, train.len().max(1));
        if batches.len() < wanted {
            batches.clone_from(&train);
            random.shuffle(&mut batches);
        }
        let batch = batches.split_off(batches.len().saturating_sub(wanted));
        model.descend(&batch, config);
        let metrics = Metrics {
            train: model.score(&train),
            val: model.score(&val),
        };
        on_step(step, &metrics)?;
        if !metrics.train.loss.is_finite() {
            return Ok(Trained::Diverged(step));
        }
    }
    Ok(Trained::Done(model))
}

impl Model {
    /// Takes one step down the gradient of the batch's loss.
    fn descend(&mut self, batch: &[Flower], config: Config) {
        let mut weights_gradient = Weights::default();
        let mut bias_gradient = PerClass::default();
        let share = 1.0 / batch.len().max(1) as f64;
        for flower in batch {
            let (log_probs, _) = self.log_probs(&flower.features);
            let rows = weights_gradient.iter_mut().zip(&mut bias_gradient);
            for ((class, log_prob), (row, bias)) in log_probs.iter().enumerate().zip(rows) {
                let wanted = if class == flower.class { 1.0 } else { 0.0 };
                let error = share * (log_prob.exp() - wanted);
                *bias += error;
                for (gradient, feature) in row.iter_mut().zip(&flower.features) {
                    *gradient += error * feature;
                }
            }
        }
        let weights = self.weights.iter_mut().flatten();
        for (weight, gradient) in weights.zip(weights_gradient.iter().flatten()) {
            *weight -= config.lr * (gradient + config.l2 * *weight);
        }
        for (bias, gradient) in self.bias.iter_mut().zip(&bias_gradient) {
            *bias -= config.lr * gradient;
        }
    }

    /// The score over flowers whose features are standardised.
    fn score(&self, flowers: &[Flower]) -> Score {
        let mut score = Score::default();
        for flower in flowers {
            let (log_probs, best) = self.log_probs(&flower.features);
            score.loss -= log_probs.get(flower.class).copied().unwrap_or(f64::NAN);
            score.acc += if best == flower.class { 1.0 } else { 0.0 };
        }
        let count = flowers.len().max(1) as f64;
        Score {
            loss: score.loss / count,
            acc: score.acc / count,
        }
    }

    /// Logarithms of the probability of each species, and the likeliest one.
    fn log_probs(&self, features: &Features) -> (PerClass, usize) {
        let mut logits = self.bias;
        for (logit, row) in logits.iter_mut().zip(&self.weights) {
            *logit += row.iter().zip(features).map(|(w, x)| w * x).sum::<f64>();
        }
        let mut top = f64::NEG_INFINITY;
        let mut best = 0;
        for (class, &logit) in logits.iter().enumerate() {
            if logit > top {
                (top, best) = (logit, class);
            }
        }
        // Without the largest no exponential overflows.
        let log_sum = logits
            .iter()
            .map(|logit| (logit - top).exp())
            .sum::<f64>()
            .ln();
        (logits.map(|logit| logit - top - log_sum), best)
    }
}

/// Shuffles each species and holds out the same number of each.
fn split(flowers: &[Flower], random: &mut SplitMix) -> (Vec<Flower>, Vec<Flower>) {
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for class in 0..CLASSES.len() {
        let of_class = flowers.iter().filter(|flower| flower.class == class);
        let mut drawn: Vec<Flower> = of_class.cloned().collect();
        random.shuffle(&mut drawn);
        val.extend(drawn.split_off(drawn.len().saturating_sub(HELD_OUT)));
        train.extend(drawn);
    }
    (train, val)
}

fn mean_and_std(flowers: &[Flower]) -> (Features, Features) {
    let count = flowers.len().max(1) as f64;
    let average = |of: &dyn Fn(f64, usize) -> f64| {
        let mut total = Features::default();
        for flower in flowers {
            for (at, (sum, feature)) in total.iter_mut().zip(&flower.features).enumerate() {
                *sum += of(*feature, at) / count;
            }
        }
        total
    };
    let mean = average(&|feature, _| feature);
    let variance = average(&|feature, at| {
        let centred = feature - mean.get(at).copied().unwrap_or_default();
        centred * centred
    });
    (mean, variance.map(f64::sqrt))
}

fn standardised(features: &Features, mean: &Features, std: &Features) -> Features {
    let mut standardised = *features;
    for ((value, mean), std) in standardised.iter_mut().zip(mean).zip(std) {
        *value = (*value - mean) / std;
    }
    standardised
}

/// Random numbers that a seed fixes on every machine.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to but not 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Fisher and Yates; the high half of the product is below `left`, nearly evenly.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for left in (2..=items.len()).rev() {
            let drawn = (u128::from(self.next()) * left as u128) >> 64;
            items.swap(left - 1, usize::try_from(drawn).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::iris;
    use super::*;

    const SENSIBLE: Config = Config {
        lr: 0.5,
        l2: 0.001,
        seed: 1,
        batch_size: 16,
        steps: 250,
    };

    fn run(config: Config) -> (Trained, Vec<Metrics>) {
        let mut all = Vec::new();
        let mut keep = |step: u32, metrics: &Metrics| {
            assert_eq!(usize::try_from(step), Ok(all.len()));
            all.push(*metrics);
            Ok::<(), Infallible>(())
        };
        let trained = train(config, &iris::flowers().unwrap(), &mut keep).unwrap();
        (trained, all)
    }

    #[test]
    fn a_sensible_training_learns_what_a_flower_is() {
        let mut val_acc = 0.0;
        for seed in 1..=5 {
            let (trained, all) = run(Config { seed, ..SENSIBLE });
            assert!(matches!(trained, Trained::Done(_)));
            assert_eq!(all.len(), 250);
            let (first, last) = (all[0], all[249]);
            assert!(
                last.train.loss < 0.3 * first.train.loss,
                "{first:?} {last:?}"
            );
            assert!(last.val.loss < 0.5 * first.val.loss, "{first:?} {last:?}");
            assert!(last.train.acc > 0.95, "{last:?}");
            val_acc += last.val.acc / 5.0;
        }
        assert!(val_acc > 0.9, "{val_acc}");
    }

    #[test]
    fn a_seed_fixes_every_bit_and_another_seed_differs() {
        assert_eq!(run(SENSIBLE), run(SENSIBLE));
        let other = run(Config {
            seed: 2,
            ..SENSIBLE
        });
        assert_ne!(run(SENSIBLE).1, other.1);
        // The first numbers of SplitMix64 for seed 1234567, as its authors' code prints them.
        let mut random = SplitMix(1_234_567);
        let drawn = [random.next(), random.next()];
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let flowers = iris::flowers().unwrap();
        let mut model = Model::default();
        model.weights[1] = [0.3, -0.2, 0.1, 0.05];
        let step = Config {
            lr: 1.0,
            l2: 0.0,
            ..SENSIBLE
        };
        let mut stepped = model.clone();
        stepped.descend(&flowers, step);
        for (class, feature) in [(0, 0), (1, 2), (2, 3)] {
            let gradient = model.weights[class][feature] - stepped.weights[class][feature];
            let loss_at = |shift: f64| {
                let mut shifted = model.clone();
                shifted.weights[class][feature] += shift;
                shifted.score(&flowers).loss
            };
            let numeric = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
            assert!((gradient - numeric).abs() < 1e-7, "{gradient} {numeric}");
        }
    }

    #[test]
    fn the_split_is_stratified_and_standardised_by_what_is_trained_on() {
        let flowers = iris::flowers().unwrap();
        let (train, val) = split(&flowers, &mut SplitMix(3));
        for class in 0..CLASSES.len() {
            assert_eq!(
                val.iter().filter(|flower| flower.class == class).count(),
                HELD_OUT
            );
        }
        let mut all: Vec<String> = train.iter().chain(&val).map(|f| format!("{f:?}")).collect();
        let mut want: Vec<String> = flowers.iter().map(|f| format!("{f:?}")).collect();
        all.sort();
        want.sort();
        assert_eq!(all, want);
        let (mean, std) = mean_and_std(&train);
        let scaled: Vec<Flower> = train
            .iter()
            .map(|flower| Flower {
                features: standardised(&flower.features, &mean, &std),
                class: flower.class,
            })
            .collect();
        let (mean, std) = mean_and_std(&scaled);
        assert!(mean.iter().all(|mean| mean.abs() < 1e-12), "{mean:?}");
        assert!(std.iter().all(|std| (std - 1.0).abs() < 1e-12), "{std:?}");
    }

    #[test]
    fn too_large_a_step_diverges_and_is_given_up() {
        let wild = Config {
            lr: 100.0,
            l2: 0.5,
            ..SENSIBLE
        };
        let (trained, all) = run(wild);
        let Trained::Diverged(step) = trained else {
            panic!("{trained:?}")
        };
        assert_eq!(all.len(), usize::try_from(step).unwrap() + 1);
        assert!(all.last().is_some_and(|last| !last.train.loss.is_finite()));
    }

    #[test]
    fn a_step_that_cannot_be_noted_ends_the_training() {
        let mut refuse = |step: u32, _: &Metrics| if step == 3 { Err("full") } else { Ok(()) };
        let ended = train(SENSIBLE, &iris::flowers().unwrap(), &mut refuse);
        assert_eq!(ended, Err("full"));
    }
}
