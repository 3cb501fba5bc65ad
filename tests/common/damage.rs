//! Stores of a few runs, and harm that is done to their files.
//!
//! `TRACKER_TORTURE=N` harms N times as many bytes, and others in each process; `TRACKER_SEED`
//! tells which.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::OnceLock;

use tracker::RunOptions;
use tracker::RunWriter;
use tracker::Store;
use tracker::journal::SegmentId;
use tracker::journal::segment::header;
use tracker::model::Environment;
use tracker::model::RunId;
use tracker::sys::RealSys;
use tracker::sys::Sys as _;

use super::tally;

pub(crate) fn id(number: u8) -> RunId {
    RunId::new(1_700_000_000_000 + i64::from(number), [number; 16])
}

pub(crate) fn start(store: &Store, number: u8) -> RunWriter {
    let options = RunOptions {
        id: Some(id(number)),
        name: Some(format!("run {number}")),
        author: Some("a".to_owned()),
        environment: Some(Environment::default()),
        ..RunOptions::default()
    };
    store.start_run(options).unwrap()
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Puts rows where they were: a file that knows its own number, or it would be a copy.
pub(crate) fn put_rows(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let (id, _) = SegmentId::parse(name).unwrap();
    let inode = RealSys.stat(path).unwrap().inode;
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&header(&id, inode), 0).unwrap();
}

/// Puts bytes in a file without changing which file it is.
pub(crate) fn overwrite(file: &Path, bytes: &[u8]) {
    let mut rights = fs::metadata(file).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test")]
    rights.set_readonly(false);
    fs::set_permissions(file, rights).unwrap();
    fs::write(file, bytes).unwrap();
}

pub(crate) fn torture() -> usize {
    usize::try_from(tally::torture()).unwrap()
}

/// How many bytes are passed over before the first that is damaged: `TRACKER_SEED`; else none in
/// the short form, and others in each process of the long one.
pub(crate) fn offset() -> usize {
    static OFFSET: OnceLock<usize> = OnceLock::new();
    *OFFSET.get_or_init(|| {
        let given = std::env::var("TRACKER_SEED").ok();
        let given = given.and_then(|text| text.parse().ok());
        let told = if std::env::var_os("TRACKER_TORTURE").is_some() {
            std::process::id() as usize
        } else {
            0
        };
        let seed = given.unwrap_or(told);
        eprintln!("damage: TRACKER_SEED={seed}");
        seed
    })
}

/// Flips a bit of one byte and calls `see`; the file stays damaged.
pub(crate) fn flip(file: &Path, bytes: &[u8], at: usize, see: &mut dyn FnMut(&str, usize)) {
    tally::DAMAGED.add(1);
    let mut damaged = bytes.to_owned();
    damaged[at] ^= 1 << (at % 8);
    overwrite(file, &damaged);
    see(&format!("bit {} of byte {at}", at % 8), at);
}

/// Damages a file in many ways, one at a time, calls `see` for each, and mends it.
///
/// - `flips`: about so many bytes
/// - `cuts`: about so many lengths
pub(crate) fn damage(file: &Path, flips: usize, cuts: usize, see: &mut dyn FnMut(&str, usize)) {
    let bytes = fs::read(file).unwrap();
    let stride = |count: usize| (bytes.len() / (count * torture())).max(1);
    // Each process begins elsewhere, unless it is told where.
    let begin = |stride: usize| offset() % stride;
    for at in (begin(stride(flips))..bytes.len()).step_by(stride(flips)) {
        flip(file, &bytes, at, see);
    }
    for len in (begin(stride(cuts))..bytes.len()).step_by(stride(cuts)) {
        tally::DAMAGED.add(1);
        overwrite(file, &bytes[..len]);
        see(&format!("cut to {len} bytes"), len);
    }
    overwrite(file, &bytes);
}
