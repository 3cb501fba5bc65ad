//! The power is cut before every operation of a workload, and again while what is left is taken up.
//!
//! What was synced is there, what was never logged is not, each point once and bit for bit; params
//! and statuses are those that were told; blobs that records name exist; the check finds all sound.
//! See `common/disk.rs` for what a cut leaves. A few dozen cuts by default, spread over all
//! operations; `TRACKER_TORTURE=N` makes N times as many, up to one before each operation.

#[expect(dead_code, reason = "the model and other tests use the rest")]
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::disk::Disk;
use common::disk::DiskSys;
use common::disk::Fault;
use common::process::Random;
use common::tally;
use common::tally::Tally;
use common::tally::torture;
use tracker::Error;
use tracker::Result;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::Environment;
use tracker::model::ParamValue;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::store::StoreOptions;

const METRICS: usize = 10;

/// What the workload was told of one run.
#[derive(Clone, Debug, Default)]
struct RunTold {
    /// Bits of the values by metric and step, as they were handed over.
    logged: BTreeMap<(String, i64), u64>,
    /// Those of them that a sync or the end made sure of.
    synced: Vec<(String, i64)>,
    params: BTreeMap<String, ParamValue>,
    synced_params: Vec<String>,
    artifacts: BTreeMap<String, Vec<u8>>,
    synced_artifacts: Vec<String>,
    /// The end was asked for; then that it was told to be there.
    ending: Option<Status>,
    ended: bool,
}

impl RunTold {
    fn synced(&mut self) {
        self.synced = self.logged.keys().cloned().collect();
        self.synced_params = self.params.keys().cloned().collect();
        self.synced_artifacts = self.artifacts.keys().cloned().collect();
    }

    /// Whether the run must be known after a cut.
    fn must_be_there(&self) -> bool {
        self.ended || !self.synced.is_empty() || !self.synced_params.is_empty()
    }
}

#[derive(Clone, Debug, Default)]
struct Told {
    runs: BTreeMap<RunId, RunTold>,
}

fn run_id(number: u8) -> RunId {
    RunId::new(1_700_000_000_000 + i64::from(number), [number * 41; 16])
}

fn options() -> StoreOptions {
    // The threads behind a writer sync when they like; a workload that does it repeats itself.
    StoreOptions {
        sync_interval: Duration::from_secs(3_600),
        ..StoreOptions::default()
    }
}

fn open(disk: &Arc<Disk>) -> Result<Store> {
    let sys = Arc::new(DiskSys(Arc::clone(disk)));
    Store::create_with(sys, &disk.path().join("store"), options())
}

impl Told {
    fn run(&mut self, run: RunId) -> &mut RunTold {
        self.runs.entry(run).or_default()
    }

    fn start(&mut self, store: &Store, number: u8) -> Result<RunWriter> {
        let id = Some(run_id(number));
        let environment = Some(Environment::default());
        self.run(run_id(number));
        store.start_run(RunOptions {
            id,
            environment,
            ..RunOptions::default()
        })
    }

    fn log(&mut self, writer: &RunWriter, prefix: &str, steps: std::ops::Range<i64>) -> Result<()> {
        let names: Vec<String> = (0..METRICS)
            .map(|metric| format!("{prefix}{metric}"))
            .collect();
        for step in steps {
            let value = |metric: usize| (step * 31 + i64::try_from(metric).unwrap()) as f64 * 0.37;
            let values: Vec<(&str, f64)> = names
                .iter()
                .enumerate()
                .map(|(metric, name)| (name.as_str(), value(metric)))
                .collect();
            let run = self.run(writer.id());
            for (name, value) in &values {
                run.logged
                    .insert(((*name).to_owned(), step), value.to_bits());
            }
            writer.log(step, &values)?;
        }
        Ok(())
    }

    fn say(&mut self, writer: &RunWriter, key: &str) -> Result<()> {
        let run = self.run(writer.id());
        let value = ParamValue::Text(format!("value of {key}"));
        run.params.insert(key.to_owned(), value.clone());
        writer.param(key, value)?;
        let bytes: Vec<u8> = key.bytes().cycle().take(3_000).collect();
        let run = self.run(writer.id());
        run.artifacts.insert(format!("{key}.bin"), bytes.clone());
        writer.artifact_bytes(&format!("{key}.bin"), &bytes)?;
        writer.tag(key, "tagged")
    }

    fn finish(&mut self, writer: RunWriter, status: Status) -> Result<()> {
        let id = writer.id();
        self.run(id).ending = Some(status);
        writer.finish(status, None, None)?;
        let run = self.run(id);
        run.synced();
        run.ended = true;
        Ok(())
    }

    /// Does a bit of everything; ends with the first error.
    fn work(&mut self, disk: &Arc<Disk>) -> Result<()> {
        let store = open(disk)?;
        let first = self.start(&store, 1)?;
        self.say(&first, "lr")?;
        self.log(&first, "a", 0..50)?;
        first.sync()?;
        self.run(first.id()).synced();
        // Beyond one segment, with a second writer on the same run.
        self.log(&first, "a", 50..2_700)?;
        let second = store.join_run(first.id())?;
        self.log(&second, "b", 0..40)?;
        second.sync()?;
        let run = self.run(first.id());
        let said: Vec<(String, i64)> = run
            .logged
            .keys()
            .filter(|(name, _)| name.starts_with('b'))
            .cloned()
            .collect();
        run.synced.extend(said);
        self.log(&second, "b", 40..80)?;
        second.close()?;
        // A short run to its end, and a fold beside a live writer.
        let short = self.start(&store, 2)?;
        self.say(&short, "model")?;
        self.log(&short, "s", 0..3)?;
        self.finish(short, Status::Completed)?;
        store.fold(None)?;
        self.log(&first, "a", 2_700..2_900)?;
        self.finish(first, Status::Completed)?;
        store.fold(None)?;
        // A run that nobody ends, resumed by another, which fails.
        let lost = self.start(&store, 3)?;
        self.log(&lost, "l", 0..20)?;
        lost.sync()?;
        self.run(lost.id()).synced();
        self.log(&lost, "l", 20..30)?;
        let id = lost.id();
        drop(lost);
        let again = store.resume_run(id)?;
        self.log(&again, "r", 0..10)?;
        self.say(&again, "note")?;
        self.finish(again, Status::Failed)?;
        store.rebuild(&mut |_, _| {})?;
        let newest = self.start(&store, 4)?;
        self.log(&newest, "z", 0..10)?;
        self.finish(newest, Status::Completed)?;
        store.fold(None)?;
        Ok(())
    }

    /// Asserts that a store reads what it was told, no more and no less than it may.
    fn assert_reads(&self, store: &Store, what: &str) {
        let reader = store.reader().unwrap();
        let ids = reader.run_ids().unwrap();
        for id in &ids {
            assert!(
                self.runs.contains_key(id),
                "{what}: run {id} was never started"
            );
        }
        for (id, told) in &self.runs {
            if !ids.contains(id) {
                assert!(!told.must_be_there(), "{what}: run {id} is gone");
                continue;
            }
            let run = reader.run(*id).unwrap();
            let mut seen = BTreeMap::new();
            for name in run.metrics.keys() {
                for point in reader.series(*id, name, &SeriesQuery::default()).unwrap() {
                    let before = seen.insert((name.clone(), point.step), point.value.to_bits());
                    assert_eq!(
                        before, None,
                        "{what}: {name} at {} of {id} twice",
                        point.step
                    );
                }
                let count = seen.keys().filter(|(seen, _)| seen == name).count();
                assert_eq!(
                    run.metrics[name].count, count as u64,
                    "{what}: count of {name} of {id}"
                );
            }
            for (key, bits) in &seen {
                assert_eq!(
                    told.logged.get(key),
                    Some(bits),
                    "{what}: {key:?} of {id} was never logged"
                );
            }
            for key in &told.synced {
                assert!(seen.contains_key(key), "{what}: {key:?} of {id} is gone");
            }
            for (key, value) in &run.params {
                assert_eq!(
                    told.params.get(key),
                    Some(value),
                    "{what}: param {key} of {id}"
                );
            }
            for key in &told.synced_params {
                assert!(
                    run.params.contains_key(key),
                    "{what}: param {key} of {id} is gone"
                );
            }
            for artifact in run.artifacts.values() {
                let bytes = &told.artifacts[&artifact.path];
                assert_eq!(
                    store.verify_blob(artifact.blob).unwrap(),
                    bytes.len() as u64,
                    "{what}"
                );
            }
            for path in &told.synced_artifacts {
                let has = run
                    .artifacts
                    .values()
                    .any(|artifact| artifact.path == *path);
                assert!(has, "{what}: artifact {path} of {id} is gone");
            }
            match (run.status, told.ending) {
                (status, Some(ending)) if told.ended => assert_eq!(status, ending, "{what}: {id}"),
                // Asked to end and cut: either.
                (status, Some(ending)) if status == ending => {}
                (status, _) => assert_eq!(status, Status::Failed, "{what}: {id}"),
            }
        }
        // Without an index all is there, too.
        let of_index = |warning: &String| warning.contains("index");
        let warnings: Vec<String> = reader
            .warnings()
            .into_iter()
            .filter(|warning| !of_index(warning))
            .collect();
        assert_eq!(warnings, [""; 0], "{what}");
    }
}

/// Takes up what a cut left: reads it, folds it, checks it, makes the index anew.
fn take_up(disk: &Arc<Disk>, told: &Told, what: &str) {
    let store = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    told.assert_reads(&store, &format!("{what}, as it was left"));
    let folded = store
        .fold(None)
        .unwrap_or_else(|error| panic!("{what}: fold: {error}"));
    assert!(folded.complete, "{what}");
    told.assert_reads(&store, &format!("{what}, folded"));
    let report = store.check(&mut |_, _| {}).unwrap();
    assert!(
        report.is_sound(),
        "{what}: {:?} {:?}",
        report.damage,
        report.index
    );
    store.rebuild(&mut |_, _| {}).unwrap();
    told.assert_reads(&store, &format!("{what}, rebuilt"));
    // And it goes on.
    let mut told = told.clone();
    let next = told.start(&store, 5).unwrap();
    told.log(&next, "n", 0..5).unwrap();
    told.finish(next, Status::Completed).unwrap();
    told.assert_reads(&store, &format!("{what}, gone on"));
}

fn is_injected(error: &Error) -> bool {
    let text = error.to_string();
    text.contains("the power is cut")
        || text.contains("broken")
        || error.is_disk_full()
        || matches!(error, Error::Poisoned(_))
}

/// Runs the workload with a fault at an operation; returns how it went.
fn with_fault(seed: u64, maps: bool, at: u64, fault: Fault) -> (Arc<Disk>, Told, Result<()>) {
    let disk = Disk::new(seed, maps);
    disk.at(at, fault);
    let mut told = Told::default();
    let done = told.work(&disk);
    disk.at(0, fault); // never, if the workload was shorter this time
    if let Err(error) = &done {
        assert!(disk.is_cut() || is_injected(error), "at {at}: {error}");
    }
    (disk, told, done)
}

fn operations(maps: bool) -> u64 {
    let disk = Disk::new(0, maps);
    let mut told = Told::default();
    told.work(&disk).unwrap();
    let store = open(&disk).unwrap();
    told.assert_reads(&store, "without a cut");
    disk.operations()
}

/// So many numbers up to `most`, spread evenly, others in each round.
fn spread(most: u64, count: u64, random: &mut Random) -> Vec<u64> {
    if count >= most {
        return (1..=most).collect();
    }
    let offset = random.below(most);
    (0..count)
        .map(|number| 1 + (offset + number * most / count) % most)
        .collect()
}

#[test]
fn a_power_cut_before_any_operation_loses_nothing_that_was_synced() {
    let _tally = Tally;
    let mut random = Random::new("power cuts", 0);
    for maps in [true, false] {
        let most = operations(maps);
        let mut cuts = 0;
        for at in spread(most, 12 * torture(), &mut random) {
            let seed = random.below(u64::MAX);
            let (disk, told, _) = with_fault(seed, maps, at, Fault::PowerCut);
            let what = format!("cut before operation {at} of {most}, seed {seed}, maps {maps}");
            let left = disk.after_power_cut(seed);
            // Once more while it is taken up.
            let store_operations = left.operations();
            left.at(store_operations + 1 + random.below(40), Fault::PowerCut);
            let again = open(&left).and_then(|store| {
                store.reader()?;
                store.fold(None)?;
                store.rebuild(&mut |_, _| {}).map(drop)
            });
            if let Err(error) = &again {
                assert!(left.is_cut() || is_injected(error), "{what}: {error}");
            }
            take_up(
                &left.after_power_cut(seed ^ 1),
                &told,
                &format!("{what}, and once more"),
            );
            cuts += 2;
        }
        tally::POWER_CUTS.add(cuts);
    }
}

/// One operation fails, the disk stays: what was told to be there is, and the store goes on.
#[test]
fn an_operation_that_fails_loses_nothing_and_the_store_goes_on() {
    let _tally = Tally;
    let mut random = Random::new("failing operations", 0);
    let most = operations(true);
    let mut failed = 0;
    for at in spread(most, 15 * torture(), &mut random) {
        let fault = [Fault::Broken, Fault::Full][usize::from(random.below(2) == 0)];
        let (disk, told, done) = with_fault(at, true, at, fault);
        failed += u64::from(done.is_err());
        take_up(
            &disk,
            &told,
            &format!("{fault:?} at operation {at} of {most}"),
        );
    }
    tally::FAILED.add(failed);
}
