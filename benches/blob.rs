//! Files into the store and out again, each beside its yardstick of the same minute.
//!
//! - a new file: the slower of writing its bytes to one file with a sync, and BLAKE3 of it; a known
//!   one: BLAKE3 of the file, read, and mapped as `b3sum` does on all cores: a put never maps,
//!   since a peer that cuts a mapped file would kill the process;
//! - copies of a checkpoint with a twentieth of it changed in place, or with bytes inserted: what
//!   the store grows by, of the length of the file;
//! - many small files: `cp -r` of their folder, which waits for no disk; a put does;
//! - out again: `cp`, which does not either;
//! - memory above what the process had.
//!
//! Times are the best of [`ROUNDS`], and a ratio is the yardstick's time by ours: above 1 is faster
//! than it. `TRACKER_BLOB_MIB` sets the length of the large file; folders are removed at the end
//! alone, for a file system takes its time to use anew what was just removed. One part alone:
//! `cargo bench --bench blob -- large`, `checkpoints` or `small`.

mod common;

use std::fs;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use common::Noise;
use tracker::blob::Blobs;
use tracker::sys::RealSys;

const ROUNDS: usize = 3;

fn main() {
    let mib = std::env::var("TRACKER_BLOB_MIB").ok();
    let mib = mib.map_or(common::size(512, 9), |mib| mib.parse().unwrap());
    let folder = common::folder();
    let at = folder.path();
    println!("\n{mib} MiB, best of {ROUNDS}\n");
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let is_wanted = |name| wanted.as_deref().is_none_or(|wanted| wanted == name);
    if is_wanted("large") {
        large(at, mib << 20);
    }
    if is_wanted("checkpoints") {
        checkpoints(at, mib << 20);
    }
    if is_wanted("small") {
        small(at, common::size(10_000, 50));
    }
}

fn store(at: &Path, name: &str) -> Blobs {
    let store = at.join(name);
    fs::create_dir_all(store.join("blobs")).unwrap();
    Blobs::new(Arc::new(RealSys), &store)
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut noise = Noise(seed);
    let words = std::iter::repeat_with(|| noise.bits().to_le_bytes());
    words.take(len / 8).flatten().collect()
}

fn below(random: &mut Noise, end: usize) -> usize {
    usize::try_from(random.bits() % end as u64).unwrap()
}

/// Writes a file and waits for the disk.
fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    for part in bytes.chunks(1 << 20) {
        file.write_all(part).unwrap();
    }
    file.sync_all().unwrap();
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn best(times: &[Duration]) -> Duration {
    times.iter().copied().min().unwrap()
}

fn row(what: &str, ours: &[Duration], yardstick: &str, its: &[Duration], target: f64) {
    let (ours, its) = (best(ours).as_secs_f64(), best(its).as_secs_f64());
    let ratio = its / ours;
    println!(
        "{what:<22} {ours:8.3} s   {yardstick:<14} {its:8.3} s   {ratio:5.2}   target {target}"
    );
}

fn large(at: &Path, len: usize) {
    let (mut puts, mut writes, mut hashes, mut reads) = (vec![], vec![], vec![], vec![]);
    let (mut knowns, mut gets, mut copies) = (vec![], vec![], vec![]);
    let (mut put_memory, mut get_memory) = (0, 0);
    let path = at.join("model.bin");
    for round in 0..ROUNDS {
        let bytes = noise(len, round as u64);
        write(&path, &bytes);
        writes.push(time(|| write(&at.join(format!("written-{round}")), &bytes)));
        reads.push(time(|| {
            let file = File::open(&path).unwrap();
            blake3::Hasher::new()
                .update_reader(file)
                .unwrap()
                .finalize()
        }));
        hashes.push(time(|| {
            blake3::Hasher::new()
                .update_mmap_rayon(&path)
                .unwrap()
                .finalize()
        }));
        drop(bytes);
        let blobs = store(at, &format!("store-{round}"));
        let memory = Memory::start();
        puts.push(time(|| blobs.put_file(&path).unwrap()));
        put_memory = put_memory.max(memory.peak());
        let mut put = None;
        knowns.push(time(|| put = Some(blobs.put_file(&path).unwrap())));
        let put = put.unwrap();
        assert!(!put.new && put.bytes == len as u64);
        let [copy, out] = ["copy", "out"].map(|name| at.join(format!("{name}-{round}")));
        copies.push(time(|| run(Command::new("cp").arg(&path).arg(&copy))));
        let memory = Memory::start();
        gets.push(time(|| blobs.get(put.blob, &out).unwrap()));
        get_memory = get_memory.max(memory.peak());
        for path in [copy, out, at.join(format!("written-{round}"))] {
            fs::remove_file(path).unwrap();
        }
    }
    let slower = if best(&writes) > best(&hashes) {
        ("write + fsync", &writes)
    } else {
        ("BLAKE3", &hashes)
    };
    row("put of a new file", &puts, slower.0, slower.1, 0.8);
    row("put of a known file", &knowns, "BLAKE3, read", &reads, 0.8);
    row("", &knowns, "BLAKE3, mapped", &hashes, 0.8);
    row("get", &gets, "cp", &copies, 0.8);
    let [put, get] = [put_memory, get_memory].map(|bytes| bytes as f64 / f64::from(1 << 20));
    println!("memory                 put {put:.0} MiB, get {get:.0} MiB   at most 64");
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success());
}

/// What the store grows by with each changed copy of a checkpoint.
fn checkpoints(at: &Path, len: usize) {
    let bytes = noise(len, 1);
    let path = at.join("checkpoint.bin");
    let blobs = store(at, "checkpoints");
    let put = |bytes: &[u8]| {
        write(&path, bytes);
        let before = stored(&blobs);
        blobs.put_file(&path).unwrap();
        stored(&blobs) - before
    };
    put(&bytes);
    for places in [1, 10, 50, 200] {
        let mut changed = bytes.clone();
        let each = len / 20 / places;
        let mut random = Noise(places as u64);
        for place in 0..places {
            let slot = len / places;
            let start = place * slot + below(&mut random, slot - each);
            let new = noise(each / 8 * 8, random.bits());
            changed[start..start + new.len()].copy_from_slice(&new);
        }
        growth(&format!("5 % in {places} places"), put(&changed), len);
    }
    let mut inserted = bytes;
    inserted.splice(len / 3..len / 3, noise(4_104, 9));
    growth("4 KiB inserted", put(&inserted), len);
}

fn growth(what: &str, bytes: u64, len: usize) {
    let share = bytes as f64 / len as f64 * 100.0;
    println!("{what:<22} {share:8.2} % more   target 8");
}

fn stored(blobs: &Blobs) -> u64 {
    let listed = blobs.list().unwrap().blobs;
    listed.iter().map(|listed| listed.stat.len).sum()
}

fn small(at: &Path, count: usize) {
    let files = at.join("files");
    let mut random = Noise(5);
    for number in 0..count {
        let folder = files.join((number % 100).to_string());
        fs::create_dir_all(&folder).unwrap();
        let len = 8 + below(&mut random, 16_384);
        fs::write(folder.join(number.to_string()), noise(len, random.bits())).unwrap();
    }
    run(&mut Command::new("sync"));
    let (mut puts, mut copies, mut synced) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let to: PathBuf = at.join(format!("copied-{round}"));
        copies.push(time(|| {
            run(Command::new("cp").arg("-r").arg(&files).arg(&to));
        }));
        synced.push(copies[round] + time(|| run(&mut Command::new("sync"))));
        let blobs = store(at, &format!("small-{round}"));
        puts.push(time(|| {
            let sources = blobs.walk(&files).unwrap();
            blobs.put_files(&sources, &mut |_| ()).unwrap()
        }));
    }
    row(
        &format!("{count} small files"),
        &puts,
        "cp -r",
        &copies,
        1.0,
    );
    row("", &puts, "cp -r; sync", &synced, 1.0);
}

/// Memory of the process above what it had at the start.
struct Memory(u64);

impl Memory {
    fn start() -> Self {
        // Sets the peak back to what there is now.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self(Self::told("VmRSS:"))
    }

    fn peak(&self) -> u64 {
        Self::told("VmHWM:").saturating_sub(self.0)
    }

    fn told(name: &str) -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
    }
}
