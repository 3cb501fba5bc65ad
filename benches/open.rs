//! What a command pays before it does anything, and what a short run costs from start to finish.
//!
//! Yardsticks: the store's folders listed and its index opened as a file; a kilobyte written,
//! synced, renamed and its folder synced.

mod common;

use std::fs;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;

use common::Runs;
use tracker::RunOptions;
use tracker::Store;
use tracker::model::Environment;
use tracker::model::ParamValue;
use tracker::model::Status;

/// Runs that are made in one store.
const BATCH_RUNS: u64 = 500;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    open(&mut criterion);
    short_runs(&mut criterion);
    criterion.final_summary();
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(1));
    for count in [0, common::size(1_000, 10)] {
        let (_folder, store) = common::store();
        Runs {
            count,
            params: 5,
            metrics: 5,
            steps: 1,
        }
        .add_to(&store);
        common::fold(&store);
        let path = store.path();
        group.bench_function(BenchmarkId::new("reader", count), |bencher| {
            bencher.iter(|| Store::open(path).unwrap().reader().unwrap());
        });
        group.bench_function(BenchmarkId::new("yardstick-files", count), |bencher| {
            bencher.iter(|| look_at(path));
        });
    }
    group.finish();
}

fn look_at(store: &Path) -> usize {
    let format = fs::read(store.join("format")).unwrap().len();
    let index = File::open(store.join("index.redb")).is_ok();
    let live = fs::read_dir(store.join("live")).unwrap().count();
    let journal = fs::read_dir(store.join("journal")).unwrap();
    let folders = journal.map(|entry| entry.unwrap().metadata().unwrap());
    format + usize::from(index) + live + folders.count()
}

fn short_runs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("run");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Elements(1));
    // Without an environment the process is asked for one, and git.
    for (shape, environment) in [
        ("short", None),
        ("short-told", Some(Environment::default())),
    ] {
        group.bench_function(BenchmarkId::new(shape, 5), |bencher| {
            bencher.iter_custom(|count| {
                common::in_batches(count, BATCH_RUNS, |count| {
                    log_runs(count, environment.as_ref())
                })
            });
        });
    }
    group.bench_function(BenchmarkId::new("yardstick-file", 5), |bencher| {
        let folder = common::folder();
        let (made, named) = (folder.path().join("run.new"), folder.path().join("run"));
        bencher.iter(|| {
            let mut file = File::create(&made).unwrap();
            file.write_all(&[0x5a; 1_024]).unwrap();
            file.sync_data().unwrap();
            fs::rename(&made, &named).unwrap();
            File::open(folder.path()).unwrap().sync_all().unwrap();
        });
    });
    group.finish();
}

fn log_runs(count: u64, environment: Option<&Environment>) -> Duration {
    let (_folder, store) = common::store();
    let began = Instant::now();
    for number in 0..count {
        let environment = environment.cloned();
        let run = store
            .start_run(RunOptions {
                environment,
                ..RunOptions::default()
            })
            .unwrap();
        for param in ["lr", "batch", "layers", "dropout", "seed"] {
            run.param(param, ParamValue::Float(number as f64)).unwrap();
        }
        let value = 1.0 / (number + 1) as f64;
        let names = ["loss", "acc", "val/loss", "val/acc", "f1"];
        run.log(1, &names.map(|name| (name, value))).unwrap();
        run.finish(Status::Completed, None, None).unwrap();
    }
    began.elapsed()
}
