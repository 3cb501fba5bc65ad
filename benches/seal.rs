//! What the sealer does to a full segment: rows of a file into the bytes of a sealed one.
//!
//! `seal/rows/W` reads a segment of steps of W metrics back, checks each record and encodes the
//! columns. `seal/file/W` is all of it: the sealed file is synced and gets its name, the rows go.
//! Yardsticks: the same columns, in memory and in chunks of the same length, through pco alone,
//! the same way for all (`pco`); the bytes of the rows read from their file (`read`).

mod common;

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::BatchSize;
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;
use pco::ChunkConfig;
use pco::DeltaSpec;
use pco::ModeSpec;
use pco::data_types::Number;
use pco::standalone::simple_compress;
use tempfile::TempDir;

use tracker::journal::Folders;
use tracker::journal::SegmentId;
use tracker::journal::frame::frame_bytes;
use tracker::journal::record;
use tracker::journal::rows;
use tracker::journal::rows::Spare;
use tracker::journal::seal::Sealer;
use tracker::journal::sealed::Encoder;
use tracker::journal::segment::Append;
use tracker::journal::segment::Segment;
use tracker::limits::CHUNK_ROWS_MAX;
use tracker::limits::SEGMENT_BYTES_MAX;
use tracker::limits::SEGMENT_WIDE_BYTES_MAX;
use tracker::limits::WIDE_METRICS;
use tracker::model::Name;
use tracker::model::RunId;
use tracker::model::WriterId;
use tracker::sys::File;
use tracker::sys::RealSys;

const ID: SegmentId = SegmentId {
    run: RunId(1),
    writer: WriterId(2),
    seq: 0,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("seal");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for width in [1, 10, 10_000] {
        let logged = Logged::new(width);
        let (_folder, folders, file) = logged.write();
        group.throughput(Throughput::Elements((logged.losses.len() * width) as u64));
        group.bench_function(BenchmarkId::new("rows", width), |bencher| {
            let (mut spare, mut encoder) = (Spare::default(), Encoder::default());
            bencher.iter(|| {
                let rows = rows::read_into(&*file, &ID, &mut spare).unwrap();
                let len = encoder.encode(&rows, &ID).unwrap().len();
                spare.take_back(rows);
                len
            });
        });
        group.bench_function(BenchmarkId::new("file", width), |bencher| {
            let mut sealer = Sealer::default();
            let seal = |(folder, folders, file): (TempDir, Folders, Arc<dyn File>)| {
                assert!(sealer.seal(&folders, &ID, &*file).unwrap());
                folder
            };
            bencher.iter_batched(|| logged.write(), seal, BatchSize::PerIteration);
        });
        let columns = logged.columns();
        group.bench_function(BenchmarkId::new("yardstick-pco", width), |bencher| {
            bencher.iter(|| columns.by_pco());
        });
        group.bench_function(BenchmarkId::new("yardstick-read", width), |bencher| {
            bencher.iter(|| fs::read(folders.rows(&ID)).unwrap());
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Steps that fill a segment as a writer of that width makes it.
struct Logged {
    names: Vec<Name>,
    losses: Vec<Vec<f64>>,
    times: Vec<i64>,
}

impl Logged {
    fn new(width: usize) -> Self {
        let bytes = if width < WIDE_METRICS {
            SEGMENT_BYTES_MAX
        } else {
            SEGMENT_WIDE_BYTES_MAX
        };
        let most = bytes / frame_bytes(record::points_bytes(width));
        let steps = common::size(most, most.min(10));
        let name = |name: &String| Name::new("metric name", name).unwrap();
        Self {
            names: common::names(width).iter().map(name).collect(),
            losses: common::losses(width, steps),
            times: common::times(steps),
        }
    }

    /// Writes the steps into a segment of their own.
    fn write(&self) -> (TempDir, Folders, Arc<dyn File>) {
        let folder = common::folder();
        let folders = Folders::new(Arc::new(RealSys), folder.path());
        folders.create().unwrap();
        let capacity = 2 * SEGMENT_WIDE_BYTES_MAX; // names stand in it too
        let mut segment = Segment::create(&folders, ID, capacity, Append::Written).unwrap();
        let mut append = |body: &[u8]| {
            let copy = |place: &mut [u8]| place.copy_from_slice(body);
            segment.append(body.len(), copy).unwrap();
        };
        let numbers: Vec<u32> = (0..).take(self.names.len()).collect();
        for (number, name) in numbers.iter().zip(&self.names) {
            append(&record::metric(*number, name));
        }
        append(&record::shape(0, &numbers));
        for ((step, time_us), values) in (0i64..).zip(&self.times).zip(&self.losses) {
            let mut body = record::points_header(values.len(), 0, step, *time_us).to_vec();
            body.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            append(&body);
        }
        (folder, folders, segment.into_file())
    }

    #[expect(clippy::cast_possible_truncation, reason = "losses were f32")]
    fn columns(&self) -> Columns {
        let column = |metric| {
            self.losses
                .iter()
                .map(move |row: &Vec<f64>| row[metric] as f32)
        };
        Columns {
            steps: (0i64..).take(self.times.len()).collect(),
            times: self.times.clone(),
            values: (0..self.names.len())
                .map(|metric| column(metric).collect())
                .collect(),
        }
    }
}

/// What pco is given: the numbers as they are encoded, column by column.
struct Columns {
    steps: Vec<i64>,
    times: Vec<i64>,
    values: Vec<Vec<f32>>,
}

impl Columns {
    fn by_pco(&self) -> usize {
        let values = self
            .values
            .iter()
            .map(|column| encode(column, DeltaSpec::NoOp));
        let axis =
            [&self.steps, &self.times].map(|axis| encode(axis, DeltaSpec::TryConsecutive(1)));
        values.chain(axis).sum()
    }
}

/// Encodes a column in chunks; returns how many bytes that made.
fn encode<T: Number>(column: &[T], delta: DeltaSpec) -> usize {
    let config = ChunkConfig::default()
        .with_compression_level(0)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(delta);
    let encode = |chunk| simple_compress(black_box(chunk), &config).unwrap().len();
    column.chunks(CHUNK_ROWS_MAX).map(encode).sum()
}
