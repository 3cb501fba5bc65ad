//! How many bytes a point takes on the disk, by what is logged: a table, not a measurement of time.
//!
//! Ten metrics a step, about 20 ms apart; length of the files and, in brackets, blocks of the disk.
//! A point is 24 bytes in memory: step, time, value. CSV takes about 20 for it.

mod common;

use std::path::Path;
use std::path::PathBuf;

use common::Noise;
use tracker::RunOptions;
use tracker::model::Environment;
use tracker::model::Status;
use tracker::sys::RealSys;
use tracker::sys::Sys;

const METRICS: usize = 10;

/// The value of a metric at `progress` of a training, 0 to 1.
type Value = fn(&mut Noise, usize, f64) -> f64;

fn main() {
    let steps = common::size(100_000, 1_000);
    let points = METRICS * steps;
    println!("\nbytes a point, {points} points, {METRICS} metrics a step");
    println!(
        "{:<26} {:>16} {:>16}",
        "", "sealed journal", "with the index"
    );
    let shapes: [(&str, Value); 6] = [
        ("noisy f32 loss curves", |noise, metric, progress| {
            noise.loss(metric, progress)
        }),
        ("smooth f64 curves", |_, metric, progress| {
            (metric + 1) as f64 * (-3.0 * progress).exp()
        }),
        ("printed decimals, 4 digits", |noise, metric, progress| {
            (noise.loss(metric, progress) * 1e4).round() / 1e4
        }),
        ("accuracies of 1,000", |noise, _, progress| {
            ((0.5 + 0.4 * progress + 0.02 * noise.normal()) * 1e3).round() / 1e3
        }),
        ("constants", |_, metric, _| metric as f64),
        ("f64 noise", |noise, _, _| noise.normal()),
    ];
    for (name, value) in shapes {
        let (sealed, index) = sizes(steps, value);
        let a_point = |bytes: u64| bytes as f64 / points as f64;
        let cell =
            |size: Size| format!("{:.2} ({:.2})", a_point(size.len), a_point(size.allocated));
        println!(
            "{name:<26} {:>16} {:>16}",
            cell(sealed),
            cell(sealed.plus(index))
        );
    }
}

#[derive(Clone, Copy, Default)]
struct Size {
    len: u64,
    allocated: u64,
}

impl Size {
    fn of(paths: &[PathBuf]) -> Self {
        let add = |size: Self, path: &PathBuf| {
            let stat = RealSys.stat(path).unwrap();
            size.plus(Self {
                len: stat.len,
                allocated: stat.allocated,
            })
        };
        paths.iter().fold(Self::default(), add)
    }

    fn plus(self, other: Self) -> Self {
        let (len, allocated) = (self.len + other.len, self.allocated + other.allocated);
        Self { len, allocated }
    }
}

/// Logs a run and measures what it left: sealed files, and the index.
fn sizes(steps: usize, value: Value) -> (Size, Size) {
    let (_folder, store) = common::store();
    let environment = Some(Environment::default());
    let run = store
        .start_run(RunOptions {
            environment,
            ..RunOptions::default()
        })
        .unwrap();
    let (names, mut noise) = (common::names(METRICS), Noise(5));
    for (step, time_us) in (0i64..).zip(common::times(steps)) {
        let progress = step as f64 / steps as f64;
        let names = names.iter().map(String::as_str).enumerate();
        let values: Vec<(&str, f64)> = names
            .map(|(metric, name)| (name, value(&mut noise, metric, progress)))
            .collect();
        run.log_at(step, time_us, &values).unwrap();
    }
    run.finish(Status::Completed, None, None).unwrap();
    assert!(store.fold(None).unwrap().complete);
    let sealed = |folder: &Path| Size::of(&common::files(folder, ".sealed"));
    (
        sealed(store.path()),
        Size::of(&[store.path().join("index.redb")]),
    )
}
