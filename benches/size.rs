//! How many bytes a point takes on the disk, by what is logged: tables, not measurements of time.
//!
//! Length of the files and, in brackets, blocks of the disk; then what is what in the journal: the
//! values, the steps, the times, and all else (names, summaries, params, how a run began and ended,
//! the order of the rows). A point is 24 bytes in memory: step, time, value. CSV takes about 20.
//!
//! First curves that are made here, logged ten metrics a step, about 20 ms apart; then real logs,
//! imported: those of `tests/data`, or files and folders named in
//! `cargo bench --bench size -- FILE..`. A short log pays for all else; an index grows in leaps, so
//! real logs share one.

mod common;

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use common::Noise;
use tempfile::TempDir;
use tracker::RunOptions;
use tracker::Store;
use tracker::import;
use tracker::import::ImportOptions;
use tracker::journal::SegmentId;
use tracker::journal::sealed::Sealed;
use tracker::model::Environment;
use tracker::model::Status;
use tracker::sys::Open;
use tracker::sys::RealSys;
use tracker::sys::Sys;

const METRICS: usize = 10;

/// The value of a metric at `progress` of a training, 0 to 1.
type Value = fn(&mut Noise, usize, f64) -> f64;

fn main() {
    let steps = common::size(100_000, 1_000);
    let curves: [(&str, Value); 7] = [
        ("noisy f32 loss curves", |noise, metric, progress| {
            noise.loss(metric, progress)
        }),
        ("noisy f64 loss curves", |noise, metric, progress| {
            noise.exact_loss(metric, progress)
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
        ("normal f64 noise", |noise, _, _| noise.normal()),
    ];
    println!("\nbytes a point");
    heading("curves");
    for (name, value) in curves {
        let (_folder, store) = log(steps, value);
        row(name, &Size::of_journal(&store), &Size::of_index(&store));
    }
    heading("real logs");
    let (_folder, store) = common::store();
    let mut before = Size::default();
    for path in real_logs() {
        let read = import::read(&path, &ImportOptions::default()).unwrap();
        for run in &read.runs {
            import::store(&store, run).unwrap();
        }
        let after = Size::of_journal(&store);
        let name = path.file_name().unwrap().to_string_lossy();
        row(&name, &after.minus(&before), &Size::default());
        before = after;
    }
    common::fold(&store);
    row("all of them", &before, &Size::of_index(&store));
}

fn real_logs() -> Vec<PathBuf> {
    let named = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'));
    let named: Vec<PathBuf> = named.map(PathBuf::from).collect();
    if !named.is_empty() {
        return named;
    }
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let entries = std::fs::read_dir(data).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| !folder.join("store").exists()); // of stores there is no log
    folders.sort();
    folders
}

fn heading(name: &str) {
    println!(
        "{name:<28} {:>9} {:>15} {:>15} {:>7} {:>7} {:>7} {:>7}",
        "points", "sealed journal", "with the index", "values", "steps", "times", "else"
    );
}

/// `index` of no length is left out: there is none yet.
fn row(name: &str, journal: &Size, index: &Size) {
    let a_point = |bytes: u64| bytes as f64 / journal.points as f64;
    let both =
        |len: u64, allocated: u64| format!("{:.2} ({:.2})", a_point(len), a_point(allocated));
    let with_index = if index.len == 0 {
        "–".to_owned()
    } else {
        both(journal.len + index.len, journal.allocated + index.allocated)
    };
    print!(
        "{name:<28} {:>9} {:>15} {with_index:>15}",
        journal.points,
        both(journal.len, journal.allocated),
    );
    let rest = journal.len - journal.values - journal.steps - journal.times;
    for part in [journal.values, journal.steps, journal.times, rest] {
        print!(" {:>7.3}", a_point(part));
    }
    println!();
}

/// Bytes, and what they hold.
#[derive(Default)]
struct Size {
    points: u64,
    len: u64,
    allocated: u64,
    values: u64,
    steps: u64,
    times: u64,
}

impl Size {
    fn of_index(store: &Store) -> Self {
        let stat = RealSys.stat(&store.path().join("index.redb")).unwrap();
        Self {
            len: stat.len,
            allocated: stat.allocated,
            ..Self::default()
        }
    }

    fn of_journal(store: &Store) -> Self {
        let mut size = Self::default();
        for path in common::files(store.path(), ".sealed") {
            let stat = RealSys.stat(&path).unwrap();
            size.len += stat.len;
            size.allocated += stat.allocated;
            let (id, _) = SegmentId::parse(path.file_name().unwrap().to_str().unwrap()).unwrap();
            let sealed = Sealed::open(Arc::from(RealSys.open(&path, Open::Read).unwrap()), &id);
            let footer = sealed.unwrap().footer;
            size.points += footer.points;
            for block in footer.groups.iter().flat_map(|group| &group.blocks) {
                let (places, steps) = block.axis_split;
                let columns = block
                    .columns
                    .iter()
                    .map(|column| u64::from(column.part.len));
                size.values += columns.sum::<u64>();
                size.steps += u64::from(steps);
                size.times += u64::from(block.axis.len - places - steps);
            }
        }
        size
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            points: self.points - other.points,
            len: self.len - other.len,
            allocated: self.allocated - other.allocated,
            values: self.values - other.values,
            steps: self.steps - other.steps,
            times: self.times - other.times,
        }
    }
}

/// A store with one run, folded.
fn log(steps: usize, value: Value) -> (TempDir, Store) {
    let (folder, store) = common::store();
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
    (folder, store)
}
