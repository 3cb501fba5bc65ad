//! What the benches share: stores on the disk of the build, and training logs from fixed seeds.
//!
//! `cargo test --benches` runs each bench once to see that it works; then sizes are small.
#![expect(dead_code, reason = "each bench takes the part that it needs")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tracker::Store;
use tracker::journal::Folders;
use tracker::journal::whole::Whole;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::sys::RealSys;

/// Start of the first run that is made here: 2024-01-15 in microseconds since 1970.
pub(crate) const START_US: i64 = 1_705_276_800_000_000;

/// Returns `measured` under `cargo bench`, else `once`.
pub(crate) fn size(measured: usize, once: usize) -> usize {
    if std::env::args().any(|argument| argument == "--bench") {
        measured
    } else {
        once
    }
}

/// Makes a folder on the file system of the build; `/tmp` may be memory.
pub(crate) fn folder() -> TempDir {
    // None for an example, which makes its stores where it is told.
    let build = option_env!("CARGO_TARGET_TMPDIR").unwrap_or(".");
    tempfile::tempdir_in(build).unwrap()
}

/// Makes an empty store; it goes away with its folder.
pub(crate) fn store() -> (TempDir, Store) {
    let folder = folder();
    let store = Store::open_or_create(&folder.path().join(".tracker")).unwrap();
    (folder, store)
}

/// Folds all, and leaves the store as it is when it has been left alone for a while: a folder that
/// changed just now is looked into by every reader until a later fold.
pub(crate) fn fold(store: &Store) {
    store.fold(None).unwrap();
    std::thread::sleep(Duration::from_millis(2_100));
    assert!(store.fold(None).unwrap().complete);
}

/// Times `iterations`, at most `batch` at once.
pub(crate) fn in_batches(
    iterations: u64,
    batch: u64,
    time: impl FnMut(u64) -> Duration,
) -> Duration {
    let whole = (0..iterations / batch).map(|_| batch);
    let rest = Some(iterations % batch).filter(|rest| *rest > 0);
    whole.chain(rest).map(time).sum()
}

/// Random numbers that are the same in every run of a bench: `SplitMix64`.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Around 0 with a deviation of 1; near enough to normal for noise.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// A loss at `progress` of a training, 0 to 1: it decays under 5 % of noise and was an `f32`.
    #[expect(clippy::cast_possible_truncation, reason = "trainings compute in f32")]
    pub(crate) fn loss(&mut self, metric: usize, progress: f64) -> f64 {
        f64::from(self.exact_loss(metric, progress) as f32)
    }

    /// The same, computed in `f64`.
    pub(crate) fn exact_loss(&mut self, metric: usize, progress: f64) -> f64 {
        let level = 0.1 * (metric % 10 + 1) as f64 + 2.5 / (1.0 + 100.0 * progress).sqrt();
        level * (1.0 + 0.05 * self.normal())
    }
}

pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|metric| format!("train/metric_{metric}"))
        .collect()
}

/// `[steps][metrics]` values as a training logs them.
pub(crate) fn losses(metrics: usize, steps: usize) -> Vec<Vec<f64>> {
    let mut noise = Noise(1);
    let progress = |step| step as f64 / steps as f64;
    (0..steps)
        .map(|step| {
            (0..metrics)
                .map(|metric| noise.loss(metric, progress(step)))
                .collect()
        })
        .collect()
}

/// Times of steps of about 20 ms, in microseconds since 1970.
#[expect(clippy::cast_possible_truncation, reason = "microseconds")]
pub(crate) fn times(steps: usize) -> Vec<i64> {
    let mut noise = Noise(2);
    let mut time_us = START_US;
    let mut next = || {
        time_us += (20_000.0 * (1.0 + 0.1 * noise.normal().abs())) as i64;
        time_us
    };
    (0..steps).map(|_| next()).collect()
}

/// How many runs a store gets, and what each has.
#[derive(Clone, Copy)]
pub(crate) struct Runs {
    pub(crate) count: usize,
    pub(crate) params: usize,
    pub(crate) metrics: usize,
    pub(crate) steps: usize,
}

impl Runs {
    pub(crate) fn points(self) -> u64 {
        (self.count * self.metrics * self.steps) as u64
    }

    /// Puts the runs into a store, sealed and not yet folded.
    pub(crate) fn add_to(self, store: &Store) {
        let folders = Folders::new(Arc::new(RealSys), store.path());
        let (times, names) = (times(self.steps), names(self.metrics));
        let mut noise = Noise(3);
        for run in 0..self.count {
            let start_us = START_US + 60_000_000 * i64::try_from(run).unwrap();
            let mut bits = [0; 16];
            bits[..8].copy_from_slice(&noise.bits().to_le_bytes());
            bits[8..].copy_from_slice(&noise.bits().to_le_bytes());
            let info = RunInfo {
                name: format!("run-{run}"),
                experiment: Some("bench".to_owned()),
                start_us: Some(start_us),
                ..RunInfo::default()
            };
            let id = RunId::new(start_us / 1_000, bits);
            let mut whole = Whole::new(id, &info, Some(start_us + 1_000_000)).unwrap();
            let model = ["rf", "mlp", "gbm", "cnn"][run % 4];
            whole
                .param("model", &ParamValue::Text(model.to_owned()))
                .unwrap();
            for param in 1..self.params {
                let value = ParamValue::Float(noise.uniform());
                whole.param(&format!("param_{param}"), &value).unwrap();
            }
            for (metric, name) in names.iter().enumerate() {
                let points: Vec<Point> = (0i64..)
                    .zip(&times)
                    .map(|(step, &time_us)| {
                        let progress = step as f64 / self.steps as f64;
                        Point {
                            step,
                            time_us,
                            value: noise.loss(metric, progress),
                        }
                    })
                    .collect();
                whole.series(name, points).unwrap();
            }
            whole.write(&folders, Status::Completed, None).unwrap();
        }
    }
}

/// Paths of all files below `folder` whose names end in `ending`.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}
