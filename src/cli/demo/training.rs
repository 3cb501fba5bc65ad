//! The trainings of the demo: a small grid of real runs.
//!
//! Each run learns to tell three species of iris by four measurements ([`softmax`]), logs loss
//! and accuracy at each step, and keeps its model as an artifact. One of them has a learning rate
//! that is far too large, and fails as such a run does.

use serde_json::json;
use tracker::Result;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::Store;
use tracker::model::ParamValue;
use tracker::model::RunId;
use tracker::model::Status;

use super::iris;
use super::iris::Flower;
use super::softmax;
use super::softmax::Config;
use super::softmax::Metrics;
use super::softmax::Model;
use super::softmax::Trained;

/// Experiment that the runs belong to.
pub(crate) const EXPERIMENT: &str = "iris-softmax";
/// Metric by which the runs are compared; smaller is better.
pub(crate) const METRIC: &str = "val/loss";
/// Path of the model in each run that has one.
pub(crate) const MODEL_PATH: &str = "model.json";

const LEARNING_RATES: [f64; 3] = [0.03, 0.3, 3.0];
const L2: [f64; 2] = [0.0, 0.01];
const SEEDS: [u64; 2] = [1, 2];
const BATCH_SIZE: usize = 16;
const STEPS: u32 = 250;
/// The run that fails: each step multiplies its weights by -49.
const WILD: Config = Config {
    lr: 100.0,
    l2: 0.5,
    seed: 1,
    batch_size: BATCH_SIZE,
    steps: STEPS,
};

/// How many runs there are.
pub(crate) const RUNS: usize = LEARNING_RATES.len() * L2.len() * SEEDS.len() + 1;

/// Trains all runs of the grid and logs them to a store.
///
/// - `progress`: told how many runs are done, before the first and after each
/// - returns: the runs, in the order they were trained
///
/// # Errors
/// As the store's writers; the runs that were done stay.
pub(crate) fn train_all(store: &Store, progress: &mut dyn FnMut(usize)) -> Result<Vec<RunId>> {
    let flowers = iris::flowers()?;
    let mut runs = Vec::with_capacity(RUNS);
    progress(0);
    for config in grid() {
        runs.push(run_one(store, config, &flowers)?);
        progress(runs.len());
    }
    Ok(runs)
}

fn grid() -> Vec<Config> {
    let mut configs = Vec::new();
    for lr in LEARNING_RATES {
        for l2 in L2 {
            for seed in SEEDS {
                configs.push(Config {
                    lr,
                    l2,
                    seed,
                    batch_size: BATCH_SIZE,
                    steps: STEPS,
                });
            }
        }
    }
    configs.push(WILD);
    configs
}

fn run_one(store: &Store, config: Config, flowers: &[Flower]) -> Result<RunId> {
    let run = store.start_run(RunOptions {
        experiment: Some(EXPERIMENT.to_owned()),
        ..RunOptions::default()
    })?;
    let id = run.id();
    run.tag("dataset", "iris")?;
    run.tag("source", "demo")?;
    for (key, value) in params(config) {
        run.param(key, value)?;
    }
    match softmax::train(config, flowers, &mut |step, metrics| {
        log(&run, step, metrics)
    })? {
        Trained::Done(model) => {
            let json = format!("{:#}\n", to_json(&model, config));
            run.artifact_bytes(MODEL_PATH, json.as_bytes())?;
            run.finish(Status::Completed, None, None)?;
        }
        Trained::Diverged(step) => {
            let reason = format!("loss is not finite after step {step}");
            run.finish(Status::Failed, Some(&reason), None)?;
        }
    }
    Ok(id)
}

fn log(run: &RunWriter, step: u32, metrics: &Metrics) -> Result<()> {
    let values = [
        ("train/loss", metrics.train.loss),
        ("train/acc", metrics.train.acc),
        (METRIC, metrics.val.loss),
        ("val/acc", metrics.val.acc),
    ];
    run.log(i64::from(step), &values)
}

fn params(config: Config) -> [(&'static str, ParamValue); 5] {
    let int = |value: u64| ParamValue::Int(i64::try_from(value).unwrap_or(i64::MAX));
    [
        ("lr", ParamValue::Float(config.lr)),
        ("l2", ParamValue::Float(config.l2)),
        ("seed", int(config.seed)),
        ("batch_size", int(config.batch_size as u64)),
        ("steps", int(u64::from(config.steps))),
    ]
}

/// All that is needed to use the model elsewhere.
fn to_json(model: &Model, config: Config) -> serde_json::Value {
    let params: serde_json::Map<String, serde_json::Value> = params(config)
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.to_json()))
        .collect();
    json!({
        "kind": "softmax regression",
        "formula": "softmax(weights * (features - mean) / std + bias)",
        "features": iris::FEATURES,
        "classes": iris::CLASSES,
        "weights": model.weights,
        "bias": model.bias,
        "mean": model.mean,
        "std": model.std,
        "params": params,
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn numbers(json: &serde_json::Value) -> Vec<f64> {
        let items = json.as_array().unwrap();
        items.iter().map(|item| item.as_f64().unwrap()).collect()
    }

    #[test]
    fn the_model_file_alone_tells_the_flowers_apart() {
        let flowers = iris::flowers().unwrap();
        let config = grid()[4];
        let trained = softmax::train(config, &flowers, &mut |_, _| Ok::<(), Infallible>(()));
        let Ok(Trained::Done(model)) = trained else {
            panic!("{trained:?}")
        };
        let text = to_json(&model, config).to_string();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(file["params"]["lr"], 0.3);
        let (mean, std, bias) = (
            numbers(&file["mean"]),
            numbers(&file["std"]),
            numbers(&file["bias"]),
        );
        let right = flowers.iter().filter(|flower| {
            let logit = |class: usize| {
                let row = numbers(&file["weights"][class]);
                let terms = (0..4).map(|i| row[i] * (flower.features[i] - mean[i]) / std[i]);
                terms.sum::<f64>() + bias[class]
            };
            (0..3).all(|other| logit(flower.class) >= logit(other))
        });
        assert!(right.count() > 140);
    }

    #[test]
    fn the_grid_differs_in_its_params_and_only_the_last_run_diverges() {
        let flowers = iris::flowers().unwrap();
        let configs = grid();
        assert_eq!(configs.len(), RUNS);
        let mut losses: Vec<u64> = Vec::new();
        for (place, &config) in configs.iter().enumerate() {
            let mut last = Metrics::default();
            let mut keep = |_: u32, metrics: &Metrics| {
                last = *metrics;
                Ok::<(), Infallible>(())
            };
            let trained = softmax::train(config, &flowers, &mut keep).unwrap();
            let diverged = matches!(trained, Trained::Diverged(_));
            assert_eq!(diverged, place + 1 == configs.len(), "{config:?}");
            losses.push(last.val.loss.to_bits());
        }
        losses.sort_unstable();
        losses.dedup();
        assert_eq!(losses.len(), configs.len(), "no two runs end alike");
    }
}
