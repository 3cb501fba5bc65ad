//! Each file of a store is damaged in many ways, one at a time; what is salvaged is held against
//! the store as it was.
//!
//! What is held here, with the index and without:
//! - the source is the same afterwards, byte for byte;
//! - the new store is sound; only blobs that the report names may be missing in it;
//! - each point, param, tag, note and artifact in it is one of the original, bit for bit, each
//!   once and in the same order;
//! - what is missing is what the report names, no more; and nothing of other files is missing;
//! - where the index has a segment, no point of it is lost;
//! - rows whose end is damaged or cut look as torn by a death: that is a warning, or, when they are
//!   cut between two records, nothing at all.
//!
//! How much is damaged: `common::damage`.

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use common::damage::damage;
use common::damage::files;
use common::damage::flip;
use common::damage::id;
use common::damage::overwrite;
use common::damage::put_rows;
use common::damage::start;
use common::real::memory_dir;
use common::tally::Tally;
use tracker::Query;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::error::Damage;
use tracker::journal::SegmentId;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::store::EndedRun;
use tracker::store::Fault;
use tracker::store::SalvageReport;
use tracker::store::Touched;

/// A tag that each run sets first, as facts tell it.
const REPLACED: &str = "tag (\"team\", \"blue\")";

/// Logs some of everything.
///
/// - `rows`: more than 4,096 make several chunks of a metric
fn log_some(run: &RunWriter, rows: i64) {
    run.param("lr", ParamValue::Float(0.1)).unwrap();
    for step in 0..rows {
        let value = (step as f64).sqrt();
        // Some steps come twice and out of order.
        run.log_at(
            step % (rows - 9),
            step * 7,
            &[("loss", value), ("acc", -value)],
        )
        .unwrap();
    }
    run.log_at(3, 3, &[("other", f64::NAN)]).unwrap();
    run.tag("team", "blue").unwrap();
    run.tag("team", "red").unwrap();
    run.note("a note").unwrap();
    run.log_at(4, 4, &[("other", -0.0)]).unwrap();
}

/// A store with a file of each kind, and what stands in it.
struct Subject {
    dir: tempfile::TempDir,
    path: PathBuf,
    right: Facts,
    /// The file of the rows, as it was.
    rows: (PathBuf, Vec<u8>),
}

impl Subject {
    fn new() -> Self {
        let dir = memory_dir();
        let path = dir.path().join("store");
        let store = Store::open_or_create(&path).unwrap();
        for number in 0..2 {
            let run = start(&store, number);
            log_some(&run, if number == 0 { 40 } else { 4_200 });
            run.artifact_bytes("model.pt", &[number; 300]).unwrap();
            let rank = store.join_run(id(number)).unwrap();
            rank.log_at(100, 100, &[("loss", 1.5)]).unwrap();
            rank.close().unwrap();
            run.finish(Status::Completed, None, None).unwrap();
        }
        store.rebuild(&mut |_, _| {}).unwrap();
        // One that died: its rows, without the room that was left in them.
        let run = start(&store, 2);
        log_some(&run, 40);
        let rows = files(&path.join("live")).remove(0);
        let mut bytes = fs::read(&rows).unwrap();
        run.close().unwrap();
        for file in files(&path.join("live")) {
            fs::remove_file(file).unwrap();
        }
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 600);
        put_rows(&rows, &bytes[..bytes.len() / 8 * 8]);
        // And one that is sealed and not folded.
        let points = (0..50).map(|step| Point {
            step,
            time_us: step,
            value: 0.5 * step as f64,
        });
        let ended = EndedRun {
            info: RunInfo {
                name: "added".to_owned(),
                start_us: Some(5),
                ..RunInfo::default()
            },
            series: vec![("loss".to_owned(), points.collect())].into(),
            ..EndedRun::default()
        };
        let reader = store.reader().unwrap();
        assert!(store.add_run(&reader, id(3), &ended).unwrap().is_some());
        let right = Facts::of(&path);
        assert_eq!(right.runs.len(), 4);
        let rows = fs::read(&rows).map(|bytes| (rows, bytes)).unwrap();
        Self {
            dir,
            path,
            right,
            rows,
        }
    }

    /// Fails if a check does not tell the same of the damage.
    fn is_checked_alike(&self, report: &SalvageReport, what: &str) {
        let store = Store::open(&self.path).unwrap();
        let check = store.check(&mut |_, _| {}).unwrap();
        let mut told = check.damage;
        let mut salvaged = [&report.lost[..], &report.spared].concat();
        let by_place = |fault: &Fault| (fault.damage.path.clone(), fault.damage.offset);
        told.sort_by_key(by_place);
        salvaged.sort_by_key(by_place);
        assert_eq!(told, salvaged, "{what}");
    }

    /// Whether its rows are not as they were.
    fn has_torn_rows(&self) -> bool {
        let live = contents(&self.path.join("live"));
        live.iter().find(|(path, _)| is_rows(path)) != Some(&self.rows)
    }

    /// What may have been lost without a word.
    fn torn(&self) -> Fault {
        Fault {
            damage: Damage {
                path: self.rows.0.clone(),
                offset: 0,
                what: "record",
                why: "it may have been torn".to_owned(),
            },
            touched: Touched::Records,
            runs: vec![id(2)],
            metrics: Vec::new(),
            steps: None,
            points: None,
            artifacts: Vec::new(),
            in_index: false,
        }
    }

    /// Salvages the store as it is now and holds what comes out against what was there.
    fn salvage(&self, what: &str) -> Outcome {
        let to = tempfile::tempdir_in(self.dir.path()).unwrap();
        let before = contents(&self.path);
        let report = Store::salvage(&self.path, to.path(), &mut |_, _| {}).unwrap();
        assert!(contents(&self.path) == before, "{what}: the source changed");
        let store = Store::open(to.path()).unwrap();
        let check = store.check(&mut |_, _| {}).unwrap();
        assert_eq!(check.index, [""; 0], "{what}");
        let mut lost = report.lost.clone();
        if lost.is_empty() && self.has_torn_rows() {
            lost.push(self.torn());
        }
        let lost_blobs: BTreeSet<_> = blobs(&report.lost).collect();
        let missing: BTreeSet<_> = blobs(&check.damage).collect();
        assert!(missing.is_subset(&lost_blobs), "{what}: {check:?}");
        assert_eq!(check.damage.len(), missing.len(), "{what}: {check:?}");
        assert!(check.strays.is_empty(), "{what}: {:?}", check.strays);
        assert!(!to.path().join("index.copy").exists());
        let facts = Facts::of(to.path());
        self.right.hold(&facts, &lost, what);
        let points = facts.points.values().map(Vec::len).sum::<usize>();
        assert_eq!(report.points, points as u64, "{what}: {report:?}");
        Outcome { facts, report }
    }
}

/// What came out, and what was said of it.
struct Outcome {
    facts: Facts,
    report: SalvageReport,
}

/// The blobs that faults are about, by file name.
fn blobs(faults: &[Fault]) -> impl Iterator<Item = String> {
    let blobs = faults
        .iter()
        .filter(|fault| fault.touched == Touched::Artifacts);
    blobs.map(|fault| {
        let name = fault.damage.path.file_name().unwrap();
        name.to_str().unwrap().to_owned()
    })
}

/// Step, time and bits of a point.
type Bits = (i64, i64, u64);

/// All that a store tells, piece by piece.
#[derive(Default, PartialEq)]
struct Facts {
    /// Points as step, time and bits, as they are read.
    points: BTreeMap<(RunId, String), Vec<Bits>>,
    /// Everything else that a run says, each as text; its end too.
    said: BTreeSet<(RunId, String)>,
    /// How runs stand.
    runs: BTreeMap<RunId, String>,
    /// Artifacts whose bytes are those of their hash.
    whole: BTreeSet<(RunId, String)>,
}

impl Facts {
    fn of(path: &Path) -> Self {
        let store = Store::open(path).unwrap();
        let reader = store.reader().unwrap();
        let mut facts = Self::default();
        for run in reader.runs(&Query::default()).unwrap() {
            let id = run.id;
            facts
                .runs
                .insert(id, format!("{:?} {:?}", run.status, run.end_us));
            let mut say = |text: String| assert!(facts.said.insert((id, text)));
            if run.has_started {
                say(format!("{:?}", run.info));
            }
            run.params
                .iter()
                .for_each(|param| say(format!("param {param:?}")));
            run.tags.iter().for_each(|tag| say(format!("tag {tag:?}")));
            run.note.iter().for_each(|note| say(format!("note {note}")));
            for (path, artifact) in &run.artifacts {
                say(format!("artifact {artifact:?}"));
                if store.verify_blob(artifact.blob).is_ok() {
                    facts.whole.insert((id, path.clone()));
                }
            }
            for metric in run.metrics.keys() {
                let points = reader.series(id, metric, &SeriesQuery::default()).unwrap();
                let points: Vec<_> = points
                    .iter()
                    .map(|point| (point.step, point.time_us, point.value.to_bits()))
                    .collect();
                assert_eq!(points.len() as u64, run.metrics[metric].count);
                facts.points.insert((id, metric.clone()), points);
            }
        }
        facts
    }

    /// Fails if `found` has what is not here, or lacks what `lost` does not name.
    fn hold(&self, found: &Self, lost: &[Fault], what: &str) {
        let of = |run: &RunId| {
            let run = *run;
            lost.iter().filter(move |fault| fault.runs.contains(&run))
        };
        // A segment or a record may be of anything.
        let is_vague =
            |fault: &&Fault| matches!(fault.touched, Touched::Segment | Touched::Records);
        let nothing = Vec::new();
        for key in found.points.keys() {
            assert!(self.points.contains_key(key), "{what}: made up {key:?}");
        }
        let mut missing: BTreeMap<RunId, u64> = BTreeMap::new();
        for (key, right) in &self.points {
            let (run, metric) = key;
            let mut found = found.points.get(key).unwrap_or(&nothing).iter().peekable();
            for point in right {
                if found.next_if_eq(&point).is_some() {
                    continue;
                }
                *missing.entry(*run).or_default() += 1;
                let names_it = |fault: &Fault| {
                    fault.touched == Touched::Points
                        && fault.metrics.contains(metric)
                        && fault.steps.is_some_and(|(a, b)| (a..=b).contains(&point.0))
                };
                let is_named = of(run).any(|fault| names_it(fault) || is_vague(&fault));
                assert!(is_named, "{what}: {key:?} {point:?} is missing: {lost:?}");
            }
            assert_eq!(
                found.next(),
                None,
                "{what}: {key:?} has more, or in another order"
            );
        }
        for (run, missing) in missing {
            let named: u64 = of(&run).filter_map(|fault| fault.points).sum();
            let is_exact = !of(&run).any(|fault| is_vague(&fault));
            assert!(
                !is_exact || named == missing,
                "{what}: {missing} of {lost:?}"
            );
        }
        // What was replaced by a record that is lost is said again.
        let mut made_up = found.said.difference(&self.said);
        assert!(
            made_up.all(|(_, text)| text == REPLACED),
            "{what}: made up {:?}",
            found.said
        );
        let of_events = |fault: &Fault| fault.touched == Touched::Events || is_vague(&fault);
        for (run, text) in self.said.difference(&found.said) {
            assert!(
                of(run).any(of_events),
                "{what}: {text} is missing: {lost:?}"
            );
        }
        for (run, state) in &self.runs {
            let is_same = found.runs.get(run) == Some(state);
            assert!(is_same || of(run).next().is_some(), "{what}: {run}");
        }
        for artifact in self.whole.difference(&found.whole) {
            let (run, _) = artifact;
            let is_named =
                of(run).any(|fault| fault.artifacts.contains(artifact) || of_events(fault));
            assert!(is_named, "{what}: {artifact:?} is missing: {lost:?}");
        }
    }
}

fn is_rows(path: &Path) -> bool {
    path.extension().unwrap() == "seg"
}

/// All files with their bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    files(folder).into_iter().map(read).collect()
}

/// Damages a file in many ways, and each part of the end of a sealed one, where all hangs on it.
fn damage_with_end(file: &Path, flips: usize, see: &mut dyn FnMut(&str)) {
    let name = file.file_name().unwrap().display().to_string();
    let see = &mut |what: &str, _| see(&format!("{what} of {name}"));
    damage(file, flips, 3, see);
    let bytes = fs::read(file).unwrap();
    // Footer, its length, its checksum, the hash of the file, and the magic.
    for back in [60, 48, 44, 20, 1] {
        if let Some(at) = bytes.len().checked_sub(back) {
            flip(file, &bytes, at, see);
        }
    }
    overwrite(file, &bytes);
}

#[test]
fn a_whole_store_is_copied_whole() {
    let subject = Subject::new();
    for with_index in [true, false] {
        let Outcome { facts, report } = subject.salvage("whole");
        assert_eq!((report.lost, report.spared), (vec![], vec![]));
        assert_eq!((report.runs, report.rewritten), (4, 0));
        assert_eq!(report.warnings, [""; 0]);
        assert!(facts == subject.right);
        // What was sealed is the same file, so that a copy of the old store merges with it.
        let to = subject.dir.path().join(format!("again {with_index}"));
        Store::salvage(&subject.path, &to, &mut |_, _| {}).unwrap();
        for part in ["journal", "blobs"] {
            let old = subject.path.join(part);
            for (path, bytes) in contents(&old) {
                let copy = to.join(part).join(path.strip_prefix(&old).unwrap());
                assert!(fs::read(&copy).unwrap() == bytes, "{}", copy.display());
            }
        }
        let format = |store: &Path| fs::read(store.join("format")).unwrap();
        assert_eq!(format(&to), format(&subject.path));
        if with_index {
            fs::remove_file(subject.path.join("index.redb")).unwrap();
        }
    }
}

#[test]
fn of_a_damaged_segment_is_lost_what_is_named() {
    let _tally = Tally;
    let subject = Subject::new();
    let index = subject.path.join("index.redb");
    let aside = subject.dir.path().join("index");
    for part in ["journal", "live"] {
        for file in files(&subject.path.join(part)) {
            let run = SegmentId::parse(file.file_name().unwrap().to_str().unwrap());
            let run = run.unwrap().0.run;
            // Nothing of any other file goes with it.
            let away = subject.dir.path().join("away");
            fs::rename(&index, &aside).unwrap();
            fs::rename(&file, &away).unwrap();
            let others = Facts::of(&subject.path);
            fs::rename(&away, &file).unwrap();
            fs::rename(&aside, &index).unwrap();
            for with_index in [true, false] {
                if !with_index {
                    fs::rename(&index, &aside).unwrap();
                }
                let mut rewritten = 0;
                damage_with_end(&file, 10, &mut |what| {
                    let Outcome { facts, report } = subject.salvage(what);
                    let told = report.lost.iter().chain(&report.spared);
                    let is_of_it = |fault: &Fault| fault.damage.path == file;
                    assert!(told.clone().all(is_of_it), "{what}: {report:?}");
                    assert!(
                        report.lost.iter().all(|fault| fault.runs == [run]),
                        "{what}"
                    );
                    let is_warned = report.warnings.iter().any(|text| text.contains("behind"));
                    let is_told = told.count() > 0 || is_warned;
                    // Zeros that fill a record up to a multiple of 8 say nothing and guard nothing.
                    let is_nothing = is_rows(&file) && facts == subject.right;
                    let is_cut = is_rows(&file) && what.contains("cut");
                    assert!(is_told || is_nothing || is_cut, "{what}: {report:?}");
                    assert!(!is_warned || is_rows(&file));
                    others.hold_at_least(&facts, what);
                    if !with_index {
                        subject.is_checked_alike(&report, what);
                    }
                    if part == "journal" && with_index {
                        assert!(facts.points == subject.right.points, "{what}: {report:?}");
                    }
                    rewritten += report.rewritten;
                });
                assert!(rewritten > 0, "{} is never salvaged", file.display());
            }
            fs::rename(&aside, &index).unwrap();
        }
    }
    // All at once: each file lacks something else.
    for (number, file) in files(&subject.path.join("journal")).iter().enumerate() {
        let mut bytes = fs::read(file).unwrap();
        let at = bytes.len() * (number + 1) / 6;
        bytes[at] ^= 0x10;
        overwrite(file, &bytes);
    }
    let lossless = subject.salvage("all damaged").facts;
    assert!(lossless.points == subject.right.points);
    // An index that was copied, of a store that does not know its id, is as good.
    fs::copy(&index, &aside).unwrap();
    fs::rename(&aside, &index).unwrap();
    fs::remove_file(subject.path.join("format")).unwrap();
    let lossless = subject.salvage("all damaged, in a copy").facts;
    assert!(lossless.points == subject.right.points);
    fs::remove_file(&index).unwrap();
    subject.salvage("all damaged, no index");
}

impl Facts {
    /// Fails if `found` lacks any of this.
    fn hold_at_least(&self, found: &Self, what: &str) {
        for (key, points) in &self.points {
            let mut found = found.points[key].iter();
            let all = points.iter().all(|point| found.any(|other| other == point));
            assert!(all, "{what}: {key:?} lacks points of another file");
        }
        assert!(self.said.is_subset(&found.said), "{what}: {:?}", found.said);
    }
}

#[test]
fn rows_are_taken_up_to_a_hole_and_behind_it() {
    let _tally = Tally;
    let subject = Subject::new();
    let live = files(&subject.path.join("live"));
    let file = live.iter().find(|file| is_rows(file));
    let file = file.unwrap();
    let bytes = fs::read(file).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    overwrite(file, &damaged);
    let Outcome { facts, report } = subject.salvage("a hole");
    let [fault] = report.lost.as_slice() else {
        panic!("{:?}", report.lost)
    };
    assert_eq!((fault.touched, fault.points), (Touched::Records, None));
    assert_eq!(fault.metrics, ["loss", "acc"]);
    let (before, after) = fault.steps.unwrap();
    assert_eq!(after - before, 2, "one step is lost between these");
    let count = |facts: &Facts| facts.points[&(id(2), "loss".to_owned())].len();
    assert_eq!(count(&facts) + 1, count(&subject.right));
    assert_eq!(facts.said, subject.right.said);
}

#[test]
fn segments_with_names_exchanged_are_told_apart() {
    let subject = Subject::new();
    let journal = files(&subject.path.join("journal"));
    let (a, b) = (&journal[0], &journal[1]);
    let (a_bytes, b_bytes) = (fs::read(a).unwrap(), fs::read(b).unwrap());
    fs::remove_file(subject.path.join("index.redb")).unwrap();
    overwrite(a, &b_bytes);
    overwrite(b, &a_bytes);
    let Outcome { facts, report } = subject.salvage("exchanged");
    assert!(facts == subject.right, "{report:?}");
    assert_eq!(report.lost, []);
    assert_eq!(report.spared.len(), 2);
}

#[test]
fn damaged_and_missing_blobs_are_left_out_and_named() {
    let _tally = Tally;
    let subject = Subject::new();
    for file in files(&subject.path.join("blobs")) {
        damage_with_end(&file, 3, &mut |what| {
            let Outcome { facts, report } = subject.salvage(what);
            let [fault] = report.lost.as_slice() else {
                panic!("{what}: {:?}", report.lost)
            };
            assert_eq!(fault.damage.path, file);
            assert_eq!(fault.artifacts.len(), 1);
            assert_eq!(fault.artifacts[0].1, "model.pt");
            assert_eq!(facts.whole.len(), 1);
            // The record is kept, so the bytes are known when they are found.
            assert!(facts.said == subject.right.said);
        });
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let report = subject.salvage("gone").report;
        assert_eq!(report.lost.len(), 1);
        fs::write(&file, bytes).unwrap();
    }
}

#[test]
fn index_format_and_lock_are_not_needed() {
    let subject = Subject::new();
    for name in ["index.redb", "format", "fold.lock"] {
        let file = subject.path.join(name);
        let bytes = fs::read(&file).unwrap();
        damage_with_end(&file, 6, &mut |what| {
            let Outcome { facts, report } = subject.salvage(what);
            assert!(facts == subject.right, "{what}");
            assert_eq!(report.lost, [], "{what}");
        });
        fs::remove_file(&file).unwrap();
        let Outcome { facts, report } = subject.salvage("gone");
        assert!(facts == subject.right);
        assert_eq!(report.warnings.len(), usize::from(name == "format"));
        fs::write(&file, bytes).unwrap();
    }
}

#[test]
fn a_segment_that_is_gone_comes_back_from_the_index() {
    let subject = Subject::new();
    for file in files(&subject.path.join("journal")) {
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let Outcome { facts, report } = subject.salvage("gone");
        assert!(facts == subject.right, "{report:?}");
        assert_eq!(report.lost[0].touched, Touched::Events);
        fs::write(&file, bytes).unwrap();
    }
}

#[test]
fn rows_beside_damaged_columns_make_up_for_them_only_if_they_are_all() {
    let subject = Subject::new();
    let (rows, bytes) = &subject.rows;
    let store = Store::open(&subject.path).unwrap();
    store.fold(None).unwrap();
    let columns = files(&subject.path.join("journal"));
    let is_of_rows = |file: &&PathBuf| file.file_stem() == rows.file_stem();
    let columns = columns.iter().find(is_of_rows).unwrap();
    let mut damaged = fs::read(columns).unwrap();
    damaged[100] ^= 1;
    fs::write(columns, &damaged).unwrap();
    fs::remove_file(subject.path.join("index.redb")).unwrap();
    // Its maker died between the two names.
    put_rows(rows, bytes);
    let Outcome { facts, report } = subject.salvage("all rows");
    assert!(facts == subject.right);
    assert_eq!((report.lost.len(), report.spared.len()), (0, 1));
    // A copy of the rows as they were early on.
    for len in [0, 64, bytes.len() / 3, bytes.len() - 640] {
        fs::write(rows, &bytes[..len / 8 * 8]).unwrap();
        let report = subject.salvage("early rows").report;
        assert!(!report.lost.is_empty(), "{len}: {report:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_listed_is_named() {
    let subject = Subject::new();
    for name in ["journal", "live", "blobs"] {
        let folder = subject.path.join(name);
        let aside = subject.dir.path().join("aside");
        fs::rename(&folder, &aside).unwrap();
        fs::write(&folder, "no folder").unwrap();
        let to = subject.dir.path().join(format!("without {name}"));
        let report = Store::salvage(&subject.path, &to, &mut |_, _| {}).unwrap();
        let named = |fault: &Fault| fault.touched == Touched::Folder && fault.damage.path == folder;
        assert!(report.lost.iter().any(named), "{name}: {report:?}");
        // All that the index has of the journal is there; what `live` had it never had.
        let points = Facts::of(&to).points;
        let is_of_live = |run: RunId| run == id(2) || run == id(3);
        let right = subject.right.points.iter();
        let mut kept = right.filter(|((run, _), _)| name != "live" || !is_of_live(*run));
        assert!(
            kept.all(|(key, of_run)| points.get(key) == Some(of_run)),
            "{name}"
        );
        fs::remove_file(&folder).unwrap();
        fs::rename(&aside, &folder).unwrap();
    }
}

#[test]
fn beside_a_living_writer_what_it_wrote_is_copied_and_the_rest_may_follow() {
    let dir = memory_dir();
    let (path, to) = (dir.path().join("store"), dir.path().join("saved"));
    let store = Store::open_or_create(&path).unwrap();
    let run = start(&store, 1);
    log_some(&run, 40);
    let report = Store::salvage(&path, &to, &mut |_, _| {}).unwrap();
    assert_eq!(report.live, [id(1)]);
    assert_eq!((report.lost, report.rewritten), (vec![], 0));
    let so_far = Facts::of(&path);
    assert!(Facts::of(&to) == so_far);
    log_some(&run, 40);
    run.finish(Status::Completed, None, None).unwrap();
    assert!(Facts::of(&to).points == so_far.points);
    store.rebuild(&mut |_, _| {}).unwrap();
    // The ended run arrives, as with any copy.
    let sealed = files(&path.join("journal")).remove(0);
    let there = to.join(sealed.strip_prefix(&path).unwrap());
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    fs::copy(&sealed, &there).unwrap();
    assert!(Facts::of(&to) == Facts::of(&path));
}

#[test]
fn a_target_that_could_harm_is_refused() {
    let subject = Subject::new();
    let outside = subject.dir.path().join("outside");
    std::os::unix::fs::symlink(subject.path.join("live"), &outside).unwrap();
    let full = subject.dir.path().join("full");
    fs::create_dir_all(full.join("x")).unwrap();
    let before = contents(&subject.path);
    let in_full = full.join("x/../../store/new");
    for to in [
        &subject.path,
        &subject.path.join("new/one"),
        &outside.join("new"),
        &in_full,
        &full,
        &subject.path.join("format"),
    ] {
        let refused = Store::salvage(&subject.path, to, &mut |_, _| {});
        assert!(
            matches!(refused, Err(tracker::Error::Invalid { .. })),
            "{}: {refused:?}",
            to.display()
        );
    }
    assert!(contents(&subject.path) == before);
    let nothing = Store::salvage(&full, &full.join("x"), &mut |_, _| {});
    assert!(matches!(nothing, Err(tracker::Error::NotAStore(_))));
}
