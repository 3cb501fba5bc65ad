//! What a call of `log` costs, and what a second of logging comes to once all is sealed.
//!
//! `append/log/W` is one step of W metrics through the whole public call: clock, checksum, segments
//! turned over, the sealer at work behind it. Yardsticks: the same bytes copied into files of the
//! same size, preallocated and mapped before (`copy`: no program can do less) or on the way
//! (`files`); the line of JSON that people write by hand.
//!
//! `sustained/log/W` goes from the first step to the end of `finish`: sealed, synced and folded.
//! Yardsticks: a segment encoded in memory by one core; the rows written and synced as they are.

mod common;

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;

use tracker::RunOptions;
use tracker::RunWriter;
use tracker::Store;
use tracker::journal::SegmentId;
use tracker::journal::frame::frame_bytes;
use tracker::journal::record::points_bytes;
use tracker::journal::rows::Group;
use tracker::journal::rows::Rows;
use tracker::journal::sealed;
use tracker::limits::SEGMENT_BYTES_MAX;
use tracker::model::Environment;
use tracker::model::Name;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::model::WriterId;
use tracker::sys::Map;
use tracker::sys::Open;
use tracker::sys::RealSys;
use tracker::sys::Sys;

/// Values are taken in turn from so many steps.
const STEPS: usize = 4_096;
/// Rows logged into one run: less than may wait to be sealed, so that nobody is slowed.
const BATCH_BYTES: usize = 24 << 20;
/// Calls that are made before the clock runs.
const UNTIMED: usize = 64;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    call(&mut criterion);
    sustained(&mut criterion);
    criterion.final_summary();
}

fn start(store: &Store) -> RunWriter {
    let environment = Some(Environment::default());
    store
        .start_run(RunOptions {
            environment,
            ..RunOptions::default()
        })
        .unwrap()
}

fn call(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(1));
    for width in [1, 10, 100] {
        let (names, losses) = (common::names(width), common::losses(width, STEPS));
        let step = |values: &Vec<f64>| {
            names
                .iter()
                .map(String::as_str)
                .zip(values.clone())
                .collect()
        };
        let rows: Vec<Vec<(&str, f64)>> = losses.iter().map(step).collect();
        let record = frame_bytes(points_bytes(width));
        let batch = common::size(BATCH_BYTES / record, 10) as u64;
        group.throughput(Throughput::Elements(width as u64));
        let shapes: [(&str, &dyn Fn(u64) -> Duration); 5] = [
            ("log", &|count| log(&rows, count)),
            ("metric", &|count| log_metric(&names[0], &losses, count)),
            ("yardstick-copy", &|count| copy(record, count)),
            ("yardstick-files", &|count| make_and_copy(record, count)),
            ("yardstick-json", &|count| json(&rows, count)),
        ];
        for (shape, time) in shapes {
            if shape == "metric" && width > 1 {
                continue; // a handle is of one metric
            }
            group.bench_function(BenchmarkId::new(shape, width), |bencher| {
                bencher.iter_custom(|count| common::in_batches(count, batch, time));
            });
        }
    }
    group.finish();
}

/// The timed steps, each with its number.
fn cycle<T>(rows: &[T], count: u64) -> impl Iterator<Item = (i64, &T)> {
    (0..i64::try_from(count).unwrap()).zip(rows.iter().cycle())
}

fn log(rows: &[Vec<(&str, f64)>], count: u64) -> Duration {
    let (_folder, store) = common::store();
    let run = start(&store);
    rows.iter()
        .take(UNTIMED)
        .for_each(|row| run.log(-1, row).unwrap());
    let began = Instant::now();
    for (step, row) in cycle(rows, count) {
        run.log(step, black_box(row)).unwrap();
    }
    began.elapsed() // what is left to seal is sealed as `run` is dropped
}

fn log_metric(name: &str, rows: &[Vec<f64>], count: u64) -> Duration {
    let (_folder, store) = common::store();
    let run = start(&store);
    let metric = run.metric(name).unwrap();
    rows.iter()
        .take(UNTIMED)
        .for_each(|row| metric.log(-1, row[0]).unwrap());
    let began = Instant::now();
    for (step, row) in cycle(rows, count) {
        metric.log(step, black_box(row[0])).unwrap();
    }
    began.elapsed()
}

/// Copies records into mapped files that were made before.
fn copy(record: usize, count: u64) -> Duration {
    let folder = common::folder();
    let fit = SEGMENT_BYTES_MAX / record;
    let files = usize::try_from(count).unwrap().div_ceil(fit);
    let mut maps: Vec<Map> = (0..files)
        .map(|number| mapped(folder.path(), number))
        .collect();
    let bytes = vec![0x5a; record];
    let began = Instant::now();
    let mut left = usize::try_from(count).unwrap();
    for map in &mut maps {
        fill(map, &bytes, &mut left);
    }
    began.elapsed()
}

/// Makes mapped files one after the other and copies records into each.
fn make_and_copy(record: usize, count: u64) -> Duration {
    let folder = common::folder();
    let bytes = vec![0x5a; record];
    let began = Instant::now();
    let mut left = usize::try_from(count).unwrap();
    for number in 0.. {
        if left == 0 {
            break;
        }
        fill(&mut mapped(folder.path(), number), &bytes, &mut left);
    }
    began.elapsed()
}

fn fill(map: &mut Map, record: &[u8], left: &mut usize) {
    for place in map.bytes().chunks_exact_mut(record.len()).take(*left) {
        place.copy_from_slice(black_box(record));
    }
    *left = left.saturating_sub(SEGMENT_BYTES_MAX / record.len());
}

/// A file as segments are: preallocated, mapped, each page touched.
fn mapped(folder: &Path, number: usize) -> Map {
    let file = RealSys
        .open(&folder.join(number.to_string()), Open::New)
        .unwrap();
    file.allocate(SEGMENT_BYTES_MAX as u64).unwrap();
    let mut map = file.map(SEGMENT_BYTES_MAX).unwrap();
    map.touch();
    map
}

fn json(rows: &[Vec<(&str, f64)>], count: u64) -> Duration {
    let folder = common::folder();
    let mut file = File::create(folder.path().join("log.jsonl")).unwrap();
    let mut line = String::new();
    let began = Instant::now();
    for (step, row) in cycle(rows, count) {
        line.clear();
        write!(line, "{{\"step\":{step}").unwrap();
        for (name, value) in row {
            write!(line, ",\"{name}\":{value}").unwrap();
        }
        line.push_str("}\n");
        file.write_all(line.as_bytes()).unwrap();
    }
    began.elapsed()
}

fn sustained(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sustained");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(8));
    for width in [10, common::size(10_000, 1_000)] {
        let points = common::size(20_000_000, 20_000);
        let steps = points / width;
        let kept = STEPS.min(2_000_000 / width);
        let (names, losses) = (common::names(width), common::losses(width, kept));
        let step = |values: &Vec<f64>| {
            names
                .iter()
                .map(String::as_str)
                .zip(values.clone())
                .collect()
        };
        let rows: Vec<Vec<(&str, f64)>> = losses.iter().map(step).collect();
        group.throughput(Throughput::Elements(points as u64));
        group.bench_function(BenchmarkId::new("log", width), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| whole_run(&rows, steps)).sum());
        });
        let record = frame_bytes(points_bytes(width));
        group.bench_function(BenchmarkId::new("yardstick-rows", width), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| write_rows(record * steps)).sum());
        });
        let (segment, id) = segment(&names, &losses);
        group.throughput(Throughput::Elements((kept * width) as u64));
        let mut encoder = sealed::Encoder::default();
        group.bench_function(BenchmarkId::new("yardstick-encode", width), |bencher| {
            bencher.iter(|| encoder.encode(black_box(&segment), &id).unwrap().len());
        });
    }
    group.finish();
}

fn whole_run(rows: &[Vec<(&str, f64)>], steps: usize) -> Duration {
    let (_folder, store) = common::store();
    let run = start(&store);
    let began = Instant::now();
    for (step, row) in cycle(rows, steps as u64) {
        run.log(step, row).unwrap();
    }
    run.finish(Status::Completed, None, None).unwrap();
    began.elapsed()
}

fn write_rows(bytes: usize) -> Duration {
    let folder = common::folder();
    let mut file = File::create(folder.path().join("rows")).unwrap();
    let buffer = vec![0x5a; bytes.min(SEGMENT_BYTES_MAX)];
    let began = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let now = left.min(buffer.len());
        file.write_all(&buffer[..now]).unwrap();
        left -= now;
    }
    file.sync_data().unwrap();
    began.elapsed()
}

/// The rows of a segment, as its sealer reads them.
fn segment(names: &[String], losses: &[Vec<f64>]) -> (Rows, SegmentId) {
    let count = u32::try_from(losses.len()).unwrap();
    let group = Group {
        metrics: (0..u32::try_from(names.len()).unwrap()).collect(),
        rows: (0..count).collect(),
        steps: (0..i64::from(count)).collect(),
        times_us: common::times(losses.len()),
        values: losses.concat(),
    };
    let name = |name: &String| Name::new("metric name", name).unwrap();
    let metrics = names.iter().map(name).collect();
    let rows = Rows {
        metrics,
        groups: vec![group],
        ..Rows::default()
    };
    (
        rows,
        SegmentId {
            run: RunId(1),
            writer: WriterId(2),
            seq: 0,
        },
    )
}
