//! A model file into the store and out again.
//!
//! Yardsticks: BLAKE3 of the bytes in memory, on all cores; a copy of the file, synced.

mod common;

use std::fs;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::BatchSize;
use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::SamplingMode;
use criterion::Throughput;

use common::Noise;
use tracker::blob::Blobs;
use tracker::model::BlobId;
use tracker::sys::RealSys;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let (_folder, store) = common::store();
    let blobs = Blobs::new(Arc::new(RealSys), store.path());
    let len = common::size(64 << 20, 3 << 20);
    let mut noise = Noise(4);
    let mut bytes: Vec<u8> = (0..len / 8)
        .flat_map(|_| noise.bits().to_le_bytes())
        .collect();
    let files = common::folder();
    let path = files.path().join("model.bin");
    let copy = files.path().join("copy.bin");
    write(&path, &bytes);

    let mut group = criterion.benchmark_group("blob");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Bytes(len as u64));
    let known = blobs.put_file(&path).unwrap().blob;
    group.bench_function(BenchmarkId::new("put-known", len), |bencher| {
        bencher.iter(|| blobs.put_file(&path).unwrap());
    });
    group.bench_function(BenchmarkId::new("get", len), |bencher| {
        bencher.iter(|| blobs.get(known, &copy).unwrap());
    });
    group.bench_function(BenchmarkId::new("put-new", len), |bencher| {
        let mut last = None;
        let renew = || {
            if let Some(blob) = last {
                fs::remove_file(blobs.path(blob)).unwrap(); // or the disk would fill
            }
            bytes[..8].copy_from_slice(&noise.bits().to_le_bytes());
            write(&path, &bytes);
            last = Some(BlobId(blake3::hash(&bytes).into()));
        };
        bencher.iter_batched(
            renew,
            |()| blobs.put_file(&path).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function(BenchmarkId::new("yardstick-hash", len), |bencher| {
        bencher.iter(|| {
            blake3::Hasher::new()
                .update_rayon(black_box(&bytes))
                .finalize()
        });
    });
    group.bench_function(BenchmarkId::new("yardstick-copy", len), |bencher| {
        let remove = || drop(fs::remove_file(&copy));
        let copy = |()| {
            fs::copy(&path, &copy).unwrap();
            File::open(&copy).unwrap().sync_all().unwrap();
        };
        bencher.iter_batched(remove, copy, BatchSize::PerIteration);
    });
    group.finish();
    criterion.final_summary();
}

/// Writes a file and waits for the disk, so that a timed sync pays for nothing else.
fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}
