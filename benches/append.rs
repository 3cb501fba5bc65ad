//! What a call of `log` costs, and what a second of logging comes to once all is sealed.
//!
//! `append/log/W` is one step of W metrics through the whole public call: clock, checksum, segments
//! turned over, the sealer at work behind it. `pwrite` is the same where files cannot be mapped.
//! Yardsticks: the same bytes copied into files of the same size, preallocated and mapped before
//! (`copy`: no program can do less) or on the way (`files`), or written with a call each (`write`);
//! the line of JSON that people write by hand.
//!
//! `threads/*/4` is the same work by four threads, ten metrics a step: all through one writer, or
//! each through its own writer of the run. Yardstick: one thread (`alone`).
//!
//! `sustained/log/W` goes from the first step to the end of `finish`: sealed, synced and folded.
//! Yardsticks: a segment encoded in memory by one core; the rows written and synced as they are.

mod common;

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;
use tempfile::TempDir;

use tracker::RunOptions;
use tracker::RunWriter;
use tracker::Store;
use tracker::journal::SegmentId;
use tracker::journal::frame::frame_bytes;
use tracker::journal::record::points_bytes;
use tracker::journal::rows::Group;
use tracker::journal::rows::Rows;
use tracker::journal::sealed;
use tracker::journal::segment::Append;
use tracker::limits::SEGMENT_BYTES_MAX;
use tracker::model::Environment;
use tracker::model::Name;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::model::WriterId;
use tracker::store::StoreOptions;
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
const THREADS: u64 = 4;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    call(&mut criterion);
    threads(&mut criterion);
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
    for width in [1, 10, 100, 10_000] {
        let (names, losses) = (common::names(width), common::losses(width, kept(width)));
        let rows = steps(&names, &losses);
        let record = frame_bytes(points_bytes(width));
        let batch = common::size(BATCH_BYTES / record, 10) as u64;
        group.throughput(Throughput::Elements(width as u64));
        let shapes: [(&str, &dyn Fn(u64) -> Duration); 7] = [
            ("log", &|count| log(common::store(), &rows, count)),
            ("pwrite", &|count| log(pwrite_store(), &rows, count)),
            ("metric", &|count| log_metric(&names[0], &losses, count)),
            ("yardstick-copy", &|count| copy(record, count)),
            ("yardstick-files", &|count| make_and_copy(record, count)),
            ("yardstick-write", &|count| write(record, count)),
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

/// So many steps are kept in memory of rows so wide.
fn kept(width: usize) -> usize {
    STEPS.min(common::size(2_000_000, 20_000) / width)
}

/// Values with their names, as `log` takes them.
fn steps<'a>(names: &'a [String], losses: &[Vec<f64>]) -> Vec<Vec<(&'a str, f64)>> {
    let step = |values: &Vec<f64>| {
        names
            .iter()
            .map(String::as_str)
            .zip(values.clone())
            .collect()
    };
    losses.iter().map(step).collect()
}

/// The timed steps, each with its number.
fn cycle<T>(rows: &[T], count: u64) -> impl Iterator<Item = (i64, &T)> {
    (0..i64::try_from(count).unwrap()).zip(rows.iter().cycle())
}

/// A store whose segments are not mapped.
fn pwrite_store() -> (TempDir, Store) {
    let folder = common::folder();
    let options = StoreOptions {
        append: Some(Append::Written),
        ..StoreOptions::default()
    };
    let path = folder.path().join(".tracker");
    let store = Store::create_with(Arc::new(RealSys), &path, options).unwrap();
    (folder, store)
}

fn log((_folder, store): (TempDir, Store), rows: &[Vec<(&str, f64)>], count: u64) -> Duration {
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

fn threads(criterion: &mut Criterion) {
    const WIDTH: usize = 10;
    let mut group = criterion.benchmark_group("threads");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(WIDTH as u64));
    let (names, losses) = (common::names(WIDTH), common::losses(WIDTH, STEPS));
    let rows = steps(&names, &losses);
    let batch = common::size(BATCH_BYTES / frame_bytes(points_bytes(WIDTH)), 10) as u64;
    let shapes: [(&str, &dyn Fn(u64) -> Duration); 3] = [
        ("one-writer", &|count| log_by_all(&rows, count, false)),
        ("own-writers", &|count| log_by_all(&rows, count, true)),
        ("yardstick-alone", &|count| {
            log(common::store(), &rows, count)
        }),
    ];
    for (shape, time) in shapes {
        group.bench_function(BenchmarkId::new(shape, THREADS), |bencher| {
            bencher.iter_custom(|count| common::in_batches(count, batch, time));
        });
    }
    group.finish();
}

/// Logs from several threads, each a part of `count` steps, with a writer each or one for all.
fn log_by_all(rows: &[Vec<(&str, f64)>], count: u64, each_its_own: bool) -> Duration {
    let (_folder, store) = common::store();
    let run = start(&store);
    let join = |_| store.join_run(run.id()).unwrap();
    let joined: Vec<RunWriter> = (0..if each_its_own { THREADS } else { 0 })
        .map(join)
        .collect();
    let share = |thread| count / THREADS + u64::from(thread < count % THREADS);
    let parts: Vec<(&RunWriter, u64)> = (0..THREADS)
        .zip(joined.iter().chain(std::iter::repeat(&run)))
        .map(|(thread, writer)| (writer, share(thread)))
        .collect();
    for (writer, _) in &parts {
        let untimed = rows.iter().take(UNTIMED);
        untimed.for_each(|row| writer.log(-1, row).unwrap());
    }
    let began = Instant::now();
    thread::scope(|scope| {
        for (writer, count) in parts {
            scope.spawn(move || {
                for (step, row) in cycle(rows, count) {
                    writer.log(step, black_box(row)).unwrap();
                }
            });
        }
    });
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

/// Writes records with a call each.
fn write(record: usize, count: u64) -> Duration {
    let folder = common::folder();
    let mut file = File::create(folder.path().join("rows")).unwrap();
    let bytes = vec![0x5a; record];
    let began = Instant::now();
    for _ in 0..count {
        file.write_all(black_box(&bytes)).unwrap();
    }
    began.elapsed()
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
        let (names, losses) = (common::names(width), common::losses(width, kept(width)));
        let rows = self::steps(&names, &losses);
        group.throughput(Throughput::Elements(points as u64));
        group.bench_function(BenchmarkId::new("log", width), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| whole_run(&rows, steps)).sum());
        });
        let record = frame_bytes(points_bytes(width));
        group.bench_function(BenchmarkId::new("yardstick-rows", width), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| write_rows(record * steps)).sum());
        });
        let (segment, id) = segment(&names, &losses);
        group.throughput(Throughput::Elements((losses.len() * width) as u64));
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
