//! What text costs on its way in: lines of JSON into a live run, a CSV into a store.
//!
//! `stream/log/W` reads lines of W metrics, as Python prints them, and logs each. Yardsticks: the
//! same lines read into a `serde_json::Value` each, and only looked through for their ends.
//!
//! `stream/import/10` takes a CSV of ten metrics from its file to a run in the store, synced.
//! Yardstick: the same bytes read by the `csv` crate, field by field, and no number made of them.

mod common;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;

use tracker::RunOptions;
use tracker::import;
use tracker::import::ImportOptions;
use tracker::import::line::LogLine;
use tracker::import::line::parse_into;
use tracker::model::Environment;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    log(&mut criterion);
    import(&mut criterion);
    criterion.final_summary();
}

fn log(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    for width in [1, 3, 10] {
        let lines = lines(width, common::size(1_000_000 / width, 100));
        let points = lines.lines().count() * width;
        group.throughput(Throughput::Elements(points as u64));
        group.bench_function(BenchmarkId::new("log", width), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| log_lines(&lines)).sum());
        });
        group.bench_function(BenchmarkId::new("yardstick-value", width), |bencher| {
            bencher.iter(|| {
                for line in lines.lines() {
                    black_box(serde_json::from_str::<serde_json::Value>(line).unwrap());
                }
            });
        });
        group.bench_function(BenchmarkId::new("yardstick-lines", width), |bencher| {
            bencher.iter(|| black_box(&lines).lines().map(str::len).sum::<usize>());
        });
    }
    group.finish();
}

fn lines(width: usize, steps: usize) -> String {
    let names = common::names(width);
    let mut text = String::new();
    for (step, values) in common::losses(width, steps).iter().enumerate() {
        write!(text, "{{\"step\": {step}").unwrap();
        for (name, value) in names.iter().zip(values) {
            write!(text, ", \"{name}\": {value:?}").unwrap();
        }
        text.push_str("}\n");
    }
    text
}

/// As `tracker log RUN -` does.
fn log_lines(lines: &str) -> Duration {
    let (_folder, store) = common::store();
    let environment = Some(Environment::default());
    let run = store
        .start_run(RunOptions {
            environment,
            ..RunOptions::default()
        })
        .unwrap();
    let began = Instant::now();
    let mut line = LogLine::default();
    for text in lines.lines() {
        parse_into(text.as_bytes(), &mut line).unwrap();
        let values: Vec<(&str, f64)> = line.values().collect();
        run.log(line.step.unwrap(), &values).unwrap();
    }
    began.elapsed() // what is left to seal is sealed as `run` is dropped
}

fn import(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(5));
    let (width, rows) = (10, common::size(200_000, 100));
    let folder = common::folder();
    let path = folder.path().join("log.csv");
    std::fs::write(&path, table(width, rows)).unwrap();
    group.throughput(Throughput::Elements((width * rows) as u64));
    group.bench_function(BenchmarkId::new("import", width), |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| import_file(&path)).sum());
    });
    group.bench_function(BenchmarkId::new("yardstick-csv", width), |bencher| {
        bencher.iter(|| {
            let mut reader = csv::Reader::from_path(&path).unwrap();
            let mut record = csv::StringRecord::new();
            while reader.read_record(&mut record).unwrap() {
                black_box(record.iter().map(str::len).sum::<usize>());
            }
        });
    });
    group.finish();
}

fn table(width: usize, rows: usize) -> String {
    let mut text = format!("step,{}\n", common::names(width).join(","));
    for (step, values) in common::losses(width, rows).iter().enumerate() {
        write!(text, "{step}").unwrap();
        for value in values {
            write!(text, ",{value:.6}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn import_file(path: &Path) -> Duration {
    let (_folder, store) = common::store();
    let began = Instant::now();
    let read = import::read(path, &ImportOptions::default()).unwrap();
    for run in &read.runs {
        import::store(&store, run).unwrap();
    }
    began.elapsed()
}
