//! From sealed segments into the index: what `finish` and the next command do, and `rebuild`.
//!
//! Yardstick: the same sealed files read whole and held against their BLAKE3.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use criterion::BatchSize;
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;
use tempfile::TempDir;

use common::Runs;
use tracker::Store;

/// Behind the hash in a sealed file: the hash itself and the magic.
const HASH_FROM_END: usize = 40;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let steps = common::size(100_000, 1_000);
    let long = Runs {
        count: 1,
        params: 5,
        metrics: 10,
        steps,
    };
    let several = Runs {
        count: common::size(10, 2),
        ..long
    };
    let count = common::size(1_000, 10);
    let short = Runs {
        count,
        params: 5,
        metrics: 5,
        steps: 1,
    };
    fold(&mut criterion, "points", long, long.points());
    fold(&mut criterion, "runs", short, count as u64);
    rebuild(&mut criterion, "points", several, several.points());
    rebuild(&mut criterion, "runs", short, count as u64);
    criterion.final_summary();
}

fn fold(criterion: &mut Criterion, shape: &str, runs: Runs, elements: u64) {
    let (folder, store) = common::store();
    runs.add_to(&store);
    let mut group = criterion.benchmark_group("fold");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(elements));
    group
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(3));
    group.bench_function(BenchmarkId::new(shape, elements), |bencher| {
        let fold = |(folder, store): (TempDir, Store)| {
            assert!(store.fold(None).unwrap().complete);
            (folder, store)
        };
        bencher.iter_batched(|| unfolded(store.path()), fold, BatchSize::PerIteration);
    });
    let yardstick = BenchmarkId::new("yardstick-verify", elements);
    group.bench_function(yardstick, |bencher| bencher.iter(|| verify(folder.path())));
    group.finish();
}

fn rebuild(criterion: &mut Criterion, shape: &str, runs: Runs, elements: u64) {
    let (folder, store) = common::store();
    runs.add_to(&store);
    store.fold(None).unwrap();
    let mut group = criterion.benchmark_group("rebuild");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(elements));
    group
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(3));
    group.bench_function(BenchmarkId::new(shape, elements), |bencher| {
        bencher.iter(|| assert!(store.rebuild(&mut |_, _| {}).unwrap().complete));
    });
    let yardstick = BenchmarkId::new("yardstick-verify", elements);
    group.bench_function(yardstick, |bencher| bencher.iter(|| verify(folder.path())));
    group.finish();
}

/// A store with the sealed files of another, none of them folded.
fn unfolded(from: &Path) -> (TempDir, Store) {
    let (folder, store) = common::store();
    for path in common::files(&from.join("live"), ".sealed") {
        let to = store.path().join("live").join(path.file_name().unwrap());
        fs::hard_link(&path, to).unwrap();
    }
    (folder, store)
}

fn verify(folder: &Path) {
    for path in common::files(folder, ".sealed") {
        let bytes = fs::read(&path).unwrap();
        let (head, tail) = bytes.split_at(bytes.len() - HASH_FROM_END);
        assert_eq!(blake3::hash(head).as_bytes(), &tail[..32]);
    }
}
