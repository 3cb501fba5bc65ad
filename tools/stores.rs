//! Makes large stores to ask: `cargo run --release --example stores -- DIR KIND [RUNS]`.
//!
//! | kind | what is in `DIR/.tracker` |
//! |---|---|
//! | `runs` | 100,000 runs of 20 params and 10 metrics of 10 steps: a grid, ten seeds a cell |
//! | `wide` | 1,000 runs of 1,500 metrics of 20 steps |
//! | `long` | a run of ten metrics of 10,000,000 steps, and one with a series of 1,000 points |
//!
//! Of `runs` the same is written to `DIR/runs.csv` and `DIR/points.csv`, for who asks another
//! database the same questions: a row a run with `start` in microseconds since 1970, its params
//! and of each metric the last and the least value; a row a point with the position of its run.
//! The same arguments make the same runs, to the id.

#[path = "../benches/common/mod.rs"]
mod common;

use std::error::Error;
use std::fs;
use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use common::Noise;
use tracker::RunOptions;
use tracker::Store;
use tracker::journal::Folders;
use tracker::journal::whole::Whole;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::sys::RealSys;

const USAGE: &str = "usage: stores DIR runs|wide|long [RUNS]";
/// Steps of each metric of `runs`.
const STEPS: u32 = 10;
/// Trainings that differ in their seed alone.
const SEEDS: usize = 10;
const MODELS: [&str; 5] = ["resnet18", "resnet50", "vit-b16", "convnext-t", "mlp"];
const OPTIMIZERS: [&str; 3] = ["adamw", "sgd", "lion"];
const RATES: [f64; 6] = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.1];
const BATCHES: [i64; 4] = [32, 64, 128, 256];
const DATASETS: [&str; 4] = ["cifar10", "cifar100", "imagenet", "svhn"];
const METRICS: [&str; 10] = [
    "train/loss",
    "train/acc",
    "val/loss",
    "val/acc",
    "val/f1",
    "grad_norm",
    "lr_now",
    "tokens_per_s",
    "gpu/memory_gb",
    "gpu/use",
];

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let made = match words.as_slice() {
        [dir, "runs"] => runs(Path::new(dir), 100_000),
        [dir, "runs", count] => count
            .parse()
            .map_err(Into::into)
            .and_then(|count| runs(Path::new(dir), count)),
        [dir, "wide"] => wide(Path::new(dir), 1_000),
        [dir, "wide", count] => count
            .parse()
            .map_err(Into::into)
            .and_then(|count| wide(Path::new(dir), count)),
        [dir, "long"] => long(Path::new(dir)),
        // `cargo test` builds the examples; it does not run them.
        _ => Err(USAGE.into()),
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stores: {error}");
            ExitCode::FAILURE
        }
    }
}

fn create(dir: &Path) -> Fallible<Store> {
    fs::create_dir_all(dir)?;
    let path = dir.join(".tracker");
    if path.exists() {
        return Err(format!("{} is there already: remove it first", path.display()).into());
    }
    Ok(Store::open_or_create(&path)?)
}

/// One training of the grid.
struct Training {
    name: String,
    start_us: i64,
    status: Status,
    params: Vec<(&'static str, ParamValue)>,
    /// Of each metric, a value a step.
    curves: Vec<Vec<f64>>,
}

impl Training {
    /// The training at a position of the grid: neighbours differ in their seed.
    fn new(at: usize) -> Self {
        let mut noise = Noise(at as u64 + 1);
        let (cell, seed) = (at / SEEDS, at % SEEDS);
        let model = cell % MODELS.len();
        let rate = cell / MODELS.len() % RATES.len();
        let optimizer = cell / (MODELS.len() * RATES.len()) % OPTIMIZERS.len();
        let batch = cell / (MODELS.len() * RATES.len() * OPTIMIZERS.len()) % BATCHES.len();
        // The same for the seeds of a cell.
        let mut cell_noise = Noise(cell as u64 + 0x5eed);
        let mut pick = |from: f64, to: f64| {
            let value = from + (to - from) * cell_noise.uniform();
            (value * 1e4).round() / 1e4
        };
        let (dropout, decay, warmup) = (pick(0.0, 0.5), pick(0.0, 0.1), pick(0.0, 0.2));
        let smoothing = pick(0.0, 0.2);
        let text = |text: &str| ParamValue::Text(text.to_owned());
        let int = |value: usize| ParamValue::Int(i64::try_from(value).unwrap_or(i64::MAX));
        let params = vec![
            ("model.name", text(MODELS[model])),
            ("model.depth", int([18, 50, 12, 28, 4][model])),
            ("model.width", int(64 << (cell % 3))),
            ("optimizer", text(OPTIMIZERS[optimizer])),
            ("lr", ParamValue::Float(RATES[rate])),
            ("batch_size", ParamValue::Int(BATCHES[batch])),
            ("weight_decay", ParamValue::Float(decay)),
            ("warmup", ParamValue::Float(warmup)),
            ("dropout", ParamValue::Float(dropout)),
            ("label_smoothing", ParamValue::Float(smoothing)),
            ("dataset", text(DATASETS[cell / 7 % DATASETS.len()])),
            ("data.version", text(["v1", "v2"][cell / 11 % 2])),
            ("augment", ParamValue::Bool(cell.is_multiple_of(2))),
            ("amp", ParamValue::Bool(cell % 3 != 0)),
            ("epochs", int(10 + cell % 5 * 10)),
            ("clip", ParamValue::Float(1.0)),
            ("scheduler", text(["cosine", "step"][cell / 3 % 2])),
            ("workers", int(8)),
            ("team", text(["vision", "platform", "speech"][cell % 3])),
            ("seed", int(seed)),
        ];
        // Rates near 1e-3 do best; deeper is better, dropout helps a little.
        let miss = (RATES[rate] / 1e-3).log10().abs();
        let quality = 0.9 - 0.1 * miss - 0.02 * model as f64 - 0.1 * (dropout - 0.2).abs();
        let curves = METRICS
            .iter()
            .map(|metric| {
                let value = |step: u32| {
                    let left = (-0.4 * f64::from(step)).exp();
                    let acc = quality * (1.0 - left);
                    let value = match *metric {
                        "train/loss" => 2.3 * left + 2.0 * (1.0 - quality),
                        "val/loss" => 2.3 * left + 2.2 * (1.0 - quality),
                        "train/acc" => acc + 0.03,
                        "val/acc" => acc,
                        "val/f1" => acc - 0.01,
                        "grad_norm" => 1.0 + left,
                        "lr_now" => return RATES[rate] * left,
                        "tokens_per_s" => return (51_000.0 + 900.0 * noise.normal()).round(),
                        "gpu/memory_gb" => return 61.5,
                        _ => return (92.0 + 3.0 * noise.normal()).round(),
                    };
                    value + 0.01 * noise.normal()
                };
                (0..STEPS).map(value).collect()
            })
            .collect();
        let position = i64::try_from(at).unwrap_or(i64::MAX);
        Self {
            name: format!("{}-{at}", MODELS[model]),
            start_us: common::START_US + 60_000_000 * position,
            status: if at % 20 == 7 {
                Status::Failed
            } else {
                Status::Completed
            },
            params,
            curves,
        }
    }

    fn time_us(&self, step: u32) -> i64 {
        self.start_us + 1_000_000 * i64::from(step)
    }

    fn write(&self, at: usize, folders: &Folders) -> Fallible<()> {
        let mut noise = Noise(at as u64 + 0x1d);
        let mut bits = [0; 16];
        for half in bits.chunks_mut(8) {
            half.copy_from_slice(&noise.bits().to_le_bytes());
        }
        let info = RunInfo {
            name: self.name.clone(),
            experiment: Some(format!("exp-{}", at / 1_000)),
            author: Some(["ada", "grace", "alan"][at % 3].to_owned()),
            start_us: Some(self.start_us),
            ..RunInfo::default()
        };
        let id = RunId::new(self.start_us / 1_000, bits);
        let mut whole = Whole::new(id, &info, Some(self.time_us(STEPS)))?;
        for (key, value) in &self.params {
            whole.param(key, value)?;
        }
        for (metric, curve) in METRICS.iter().zip(&self.curves) {
            let points = (0..).zip(curve).map(|(step, &value)| Point {
                step: i64::from(step),
                time_us: self.time_us(step),
                value,
            });
            whole.series(metric, points.collect::<Vec<_>>())?;
        }
        whole.write(folders, self.status, None)?;
        Ok(())
    }

    fn row(&self, at: usize, runs: &mut impl Write, points: &mut impl Write) -> Fallible<()> {
        let (status, start_us) = (self.status.as_str(), self.start_us);
        write!(
            runs,
            "{at},{},exp-{},{status},{start_us}",
            self.name,
            at / 1_000
        )?;
        for (_, value) in &self.params {
            write!(runs, ",{value}")?;
        }
        for curve in &self.curves {
            let last = curve.last().copied().unwrap_or(f64::NAN);
            let min = curve.iter().copied().fold(f64::INFINITY, f64::min);
            write!(runs, ",{last},{min}")?;
        }
        writeln!(runs)?;
        for (metric, curve) in METRICS.iter().zip(&self.curves) {
            for (step, value) in curve.iter().enumerate() {
                writeln!(points, "{at},{metric},{step},{value}")?;
            }
        }
        Ok(())
    }
}

fn runs(dir: &Path, count: usize) -> Fallible<()> {
    let store = create(dir)?;
    let folders = Folders::new(Arc::new(RealSys), store.path());
    let csv = |name: &str| File::create(dir.join(name)).map(BufWriter::new);
    let (mut runs, mut points) = (csv("runs.csv")?, csv("points.csv")?);
    write!(runs, "run,name,experiment,status,start")?;
    for (key, _) in &Training::new(0).params {
        write!(runs, ",{key}")?;
    }
    for metric in METRICS {
        write!(runs, ",{metric},min {metric}")?;
    }
    writeln!(runs)?;
    writeln!(points, "run,metric,step,value")?;
    for at in 0..count {
        let training = Training::new(at);
        training.write(at, &folders)?;
        training.row(at, &mut runs, &mut points)?;
        if at % 4_096 == 0 {
            store.fold(None)?; // as an import does
        }
    }
    runs.flush()?;
    points.flush()?;
    common::fold(&store);
    Ok(())
}

fn wide(dir: &Path, count: usize) -> Fallible<()> {
    let store = create(dir)?;
    let runs = common::Runs {
        count,
        params: 10,
        metrics: 1_500,
        steps: 20,
    };
    runs.add_to(&store);
    common::fold(&store);
    Ok(())
}

fn long(dir: &Path) -> Fallible<()> {
    const LONG_STEPS: usize = 10_000_000;
    let store = create(dir)?;
    let names = common::names(10);
    for (name, steps) in [("short", 1_000), ("long", LONG_STEPS)] {
        let run = store.start_run(RunOptions {
            name: Some(name.to_owned()),
            ..RunOptions::default()
        })?;
        let mut noise = Noise(1);
        let mut row: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.0)).collect();
        for step in 0..steps {
            for (metric, (_, value)) in row.iter_mut().enumerate() {
                *value = noise.loss(metric, step as f64 / steps as f64);
            }
            run.log(i64::try_from(step)?, &row)?;
        }
        run.finish(Status::Completed, None, None)?;
    }
    common::fold(&store);
    Ok(())
}
