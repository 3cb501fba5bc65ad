//! Every file is damaged in every way: each read gives the right answer, or an error or a warning
//! that names the file.
//!
//! What is held here:
//! - `journal/` and `live/*.sealed`: any byte, any length. Where the index has the segment, it
//!   answers; without it the file is left out and named. `check` names it either way.
//! - `live/*.seg`: any byte before its last record. A damaged last record looks as one that was
//!   torn by a death, so it is missing without a word; all others are not.
//! - `blobs/`: wrong bytes are never given away as those of the name; `check` names the file.
//! - `index.redb`: rows have checksums, so wrong ones are errors, but damage that hides a row from
//!   its table may be believed by a reader: redb looks at the checksums of its pages only when it
//!   verifies. `check` finds all that changed an answer, and `rebuild` mends it.
//! - `format`: the line has no checksum. Another id makes the index foreign, and that is said.
//! - a file that is gone is known to be gone from the index alone.
//!
//! How much is damaged: `common::damage`. Of a store of one short run, each byte of each file is
//! damaged and each length tried.

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use common::damage::damage;
use common::damage::files;
use common::damage::id;
use common::damage::overwrite;
use common::damage::put_rows;
use common::damage::start;
use common::real::memory_dir;
use common::tally::Tally;
use tracker::Error;
use tracker::Query;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::model::Sum;
use tracker::store::EndedRun;
use tracker::store::Fault;

fn log_some(run: &RunWriter, salt: i64) {
    run.param("lr", ParamValue::Float(0.1)).unwrap();
    for step in 0..40 {
        let value = ((step + salt) as f64).sqrt();
        run.log_at(step % 30, step * 7, &[("loss", value), ("acc", -value)])
            .unwrap();
    }
    run.log_at(3, 3, &[("other", f64::NAN)]).unwrap();
    run.tag("team", "blue").unwrap();
    run.note("a note").unwrap();
}

/// A store with a file of each kind, and what it answers.
struct Subject {
    _dir: tempfile::TempDir,
    path: PathBuf,
    right: Answers,
}

/// All that a store tells, run by run.
type Answers = Vec<String>;

impl Subject {
    fn new() -> Self {
        let dir = memory_dir();
        let path = dir.path().join(".tracker");
        let store = Store::open_or_create(&path).unwrap();
        for number in 0..2 {
            let run = start(&store, number);
            log_some(&run, i64::from(number));
            run.artifact_bytes("model.pt", &[number; 300]).unwrap();
            let rank = store.join_run(id(number)).unwrap();
            rank.log_at(100, 100, &[("loss", 1.5)]).unwrap();
            rank.close().unwrap();
            run.finish(Status::Completed, None, None).unwrap();
        }
        store.rebuild(&mut |_, _| {}).unwrap();
        // One that died: its rows as they were, without the room that was left in them.
        let run = start(&store, 2);
        log_some(&run, 2);
        run.tag("last", "record").unwrap();
        let live = path.join("live");
        let rows = files(&live).remove(0);
        let mut bytes = fs::read(&rows).unwrap();
        run.close().unwrap();
        assert!(store.fold(None).unwrap().complete);
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 600);
        // It left no room for its sealed file, so to say.
        let name = rows.file_stem().unwrap().to_str().unwrap();
        let sealed = files(&path.join("journal"));
        let sealed = sealed
            .iter()
            .find(|file| file.to_string_lossy().contains(name))
            .unwrap();
        fs::remove_file(sealed).unwrap();
        put_rows(&rows, &bytes[..bytes.len() / 8 * 8]);
        // And one that is sealed and not folded.
        rebuild_without(&store, &rows);
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
            params: vec![("lr".to_owned(), ParamValue::Int(3))],
            series: vec![("loss".to_owned(), points.collect())].into(),
            ..EndedRun::default()
        };
        let reader = store.reader().unwrap();
        assert!(store.add_run(&reader, id(3), &ended).unwrap().is_some());
        let (right, warnings) = answers(&path).unwrap();
        assert_eq!((right.len(), warnings), (4, Vec::new()));
        Self {
            _dir: dir,
            path,
            right,
        }
    }

    fn files(&self, part: &str) -> Vec<PathBuf> {
        files(&self.path.join(part))
    }

    /// Whether the store answers right, or names the file that it does not trust.
    fn verdict(&self, file: &Path, what: &str) -> Verdict {
        let name = file.file_name().unwrap().to_str().unwrap();
        let told = |text: &str| text.contains(name);
        match answers(&self.path) {
            Ok((answers, _)) if answers == self.right => Verdict::Right,
            Ok((_, warnings)) if warnings.iter().any(|text| told(text)) => Verdict::Told,
            Ok((answers, _)) => Verdict::Wrong(answers),
            Err(error) => {
                assert!(told(&error.to_string()), "{what} of {name}: {error}");
                Verdict::Told
            }
        }
    }

    fn want_good(&self, file: &Path, what: &str) {
        if let Verdict::Wrong(answers) = self.verdict(file, what) {
            let differs = answers.iter().zip(&self.right).find(|(a, b)| a != b);
            panic!("{what} of {}: silently {differs:?}", file.display());
        }
    }

    /// Whether a check names the file.
    fn is_reported(&self, file: &Path) -> bool {
        let report = Store::open(&self.path)
            .unwrap()
            .check(&mut |_, _| {})
            .unwrap();
        report.damage.iter().any(|fault| fault.damage.path == file)
    }
}

enum Verdict {
    Right,
    Told,
    Wrong(Answers),
}

/// Makes the index anew and leaves these rows in `live/`.
fn rebuild_without(store: &Store, rows: &Path) {
    let away = store.path().join("away");
    fs::rename(rows, &away).unwrap();
    // A rebuild would not drop what the old one still has of it.
    let _ = fs::remove_file(store.path().join("index.redb"));
    store.rebuild(&mut |_, _| {}).unwrap();
    fs::rename(&away, rows).unwrap();
}

/// Everything a reader tells, with its warnings.
fn answers(path: &Path) -> tracker::Result<(Answers, Vec<String>)> {
    let store = Store::open(path)?;
    let reader = store.reader()?;
    let mut answers = Vec::new();
    let query = Query {
        sort: vec!["id".to_owned()],
        ..Query::default()
    };
    for run in reader.runs(&query)? {
        let mut told = format!("{:?} {:?} {:?}", run.id, run.info, run.status);
        let said = (&run.params, &run.tags, &run.note, &run.artifacts);
        write!(told, "{said:?}").unwrap();
        for (metric, summary) in &run.metrics {
            // Mean and deviation say what its sums say; those are split by the order of folding.
            let mut ends = *summary;
            (ends.sum, ends.sum_of_squares) = (Sum::default(), Sum::default());
            let moments = (summary.mean(), summary.std());
            write!(told, "{metric} {moments:?} {ends:?}").unwrap();
            let points = reader.series(run.id, metric, &SeriesQuery::default())?;
            write!(told, "{points:?}").unwrap();
        }
        answers.push(told);
    }
    Ok((answers, reader.warnings()))
}

#[test]
fn damage_to_the_journal_is_named_and_changes_no_answer_of_the_index() {
    let _tally = Tally;
    let subject = Subject::new();
    for file in subject.files("journal") {
        damage(&file, 150, 20, &mut |what, _| {
            // An index that does not answer in time is told, too; then the file is.
            subject.want_good(&file, what);
            assert!(
                subject.is_reported(&file),
                "{what} of {} is not reported",
                file.display()
            );
        });
    }
}

#[test]
fn without_an_index_damaged_segments_are_named_and_never_believed() {
    let _tally = Tally;
    let subject = Subject::new();
    fs::remove_file(subject.path.join("index.redb")).unwrap();
    let (right, _) = answers(&subject.path).unwrap();
    assert!(right == subject.right);
    for file in subject
        .files("journal")
        .into_iter()
        .chain(subject.files("live"))
    {
        if file.extension().unwrap() == "sealed" {
            damage(&file, 400, 40, &mut |what, _| {
                subject.want_good(&file, what);
            });
        }
    }
}

#[test]
fn damaged_rows_lose_the_damaged_record_and_say_so() {
    let _tally = Tally;
    let subject = Subject::new();
    let file = subject
        .files("live")
        .into_iter()
        .find(|file| file.extension().unwrap() == "seg");
    let file = file.unwrap();
    let bytes = fs::read(&file).unwrap();
    // The last record is a tag with this text.
    let last = bytes
        .windows(6)
        .rposition(|text| text == b"record")
        .unwrap()
        - 32;
    damage(&file, 500, 100, &mut |what, at| {
        if at < last && !what.starts_with("cut") {
            subject.want_good(&file, what);
        }
        // A cut is as a death there: what is before it is told as it was.
        let (told, _) = answers(&subject.path).unwrap();
        let others = |answers: &Answers| {
            let mut others = answers.clone();
            others.retain(|told| !told.contains("run 2") && !told.contains("\"02020202\""));
            others
        };
        assert_eq!(others(&told), others(&subject.right), "{what}");
    });
    // Folding leaves what is damaged where it is, and takes the rest.
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 3] ^= 1;
    overwrite(&file, &damaged);
    let (before, _) = answers(&subject.path).unwrap();
    let report = Store::open(&subject.path).unwrap().fold(None).unwrap();
    assert_eq!(
        report
            .damage
            .iter()
            .filter(|damage| damage.path == file)
            .count(),
        1
    );
    assert_eq!(answers(&subject.path).unwrap().0, before);
    assert!(subject.is_reported(&file));
    overwrite(&file, &bytes);
    Store::open(&subject.path).unwrap().fold(None).unwrap();
    assert_eq!(
        answers(&subject.path).unwrap(),
        (subject.right.clone(), Vec::new())
    );
}

#[test]
fn segments_at_another_name_are_named_and_never_believed() {
    let _tally = Tally;
    let subject = Subject::new();
    fs::remove_file(subject.path.join("index.redb")).unwrap();
    let sealed = subject.files("journal");
    let [a, b, ..] = sealed.as_slice() else {
        panic!("{sealed:?}")
    };
    let rows = subject
        .files("live")
        .into_iter()
        .find(|file| file.extension().unwrap() == "seg");
    let rows = rows.unwrap();
    let (a_bytes, b_bytes) = (fs::read(a).unwrap(), fs::read(b).unwrap());
    overwrite(a, &b_bytes);
    subject.want_good(a, "another in the place");
    overwrite(b, &a_bytes);
    subject.want_good(a, "swap");
    assert!(subject.is_reported(a) && subject.is_reported(b));
    overwrite(a, &a_bytes);
    overwrite(b, &b_bytes);
    overwrite(a, &fs::read(&rows).unwrap());
    subject.want_good(a, "rows in the place");
    overwrite(a, &a_bytes);
    for (name, next) in [("-00000000.", "-00000001."), ("-0", "-1"), ("-a", "-b")] {
        let text = a.to_str().unwrap();
        if !text.contains(name) {
            continue;
        }
        let other = PathBuf::from(text.replacen(name, next, 1));
        fs::copy(a, &other).unwrap();
        let Verdict::Right = subject.verdict(&other, "a copy at another name") else {
            panic!("a copy at another name counts");
        };
        assert!(
            answers(&subject.path)
                .unwrap()
                .1
                .iter()
                .any(|text| text.contains(next))
        );
        assert!(subject.is_reported(&other));
        fs::remove_file(&other).unwrap();
    }
    // The same segment in both folders, or as rows and columns, counts once.
    let twice = subject.path.join("live").join(a.file_name().unwrap());
    fs::copy(a, &twice).unwrap();
    let Verdict::Right = subject.verdict(a, "twice") else {
        panic!("counted twice")
    };
    // If one of the two is damaged, the other is taken.
    for damaged in [a, &twice] {
        overwrite(damaged, &a_bytes[..a_bytes.len() - 1]);
        subject.want_good(damaged, "damaged, with another");
        overwrite(damaged, &a_bytes);
    }
    Store::open(&subject.path)
        .unwrap()
        .rebuild(&mut |_, _| {})
        .unwrap();
    assert_eq!(
        answers(&subject.path).unwrap(),
        (subject.right.clone(), Vec::new())
    );
}

#[test]
fn rows_outlive_a_damaged_sealed_file_of_theirs() {
    let _tally = Tally;
    let subject = Subject::new();
    let rows = subject
        .files("live")
        .into_iter()
        .find(|file| file.extension().unwrap() == "seg");
    let rows = rows.unwrap();
    let sealed = rows.with_extension("sealed");
    for place in 0..2 {
        let bytes = fs::read(&rows).unwrap();
        let store = Store::open(&subject.path).unwrap();
        store.fold(None).unwrap();
        let settled = subject.files("journal");
        let settled = settled
            .iter()
            .find(|file| file.file_name() == sealed.file_name())
            .unwrap();
        // The death came between two names, and then the disk had its way.
        let mut columns = fs::read(settled).unwrap();
        let at = columns.len() / 2;
        columns[at] ^= 1;
        let there = if place == 0 {
            sealed.clone()
        } else {
            settled.clone()
        };
        fs::remove_file(settled).unwrap();
        fs::write(&there, &columns).unwrap();
        put_rows(&rows, &bytes);
        fs::remove_file(subject.path.join("index.redb")).unwrap();
        subject.want_good(&there, "damaged beside its rows");
        store.fold(None).unwrap();
        subject.want_good(&there, "damaged beside its rows, folded");
        assert_eq!(
            answers(&subject.path).unwrap(),
            (subject.right.clone(), Vec::new())
        );
        let mended = subject.files("journal");
        let mended = mended
            .iter()
            .find(|file| file.file_name() == sealed.file_name())
            .unwrap();
        fs::remove_file(mended).unwrap();
        put_rows(&rows, &bytes);
        rebuild_without(&store, &rows);
    }
}

#[test]
fn a_file_that_is_gone_is_told_by_a_check() {
    let _tally = Tally;
    let subject = Subject::new();
    for file in subject
        .files("journal")
        .into_iter()
        .chain(subject.files("blobs"))
    {
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(matches!(subject.verdict(&file, "gone"), Verdict::Right));
        let report = Store::open(&subject.path)
            .unwrap()
            .check(&mut |_, _| {})
            .unwrap();
        let is_named = report.damage.iter().any(|fault| fault.damage.path == file);
        assert!(is_named, "{} is gone", file.display());
        fs::write(&file, &bytes).unwrap();
    }
    for file in ["fold.lock", "index.redb"] {
        let file = subject.path.join(file);
        let _ = fs::remove_file(&file);
        assert!(matches!(subject.verdict(&file, "gone"), Verdict::Right));
    }
    fs::write(subject.path.join("fold.lock"), "nonsense").unwrap();
    Store::open(&subject.path).unwrap().fold(None).unwrap();
    assert_eq!(
        answers(&subject.path).unwrap(),
        (subject.right.clone(), Vec::new())
    );
}

#[test]
fn what_only_the_index_still_has_is_not_dropped() {
    let _tally = Tally;
    let subject = Subject::new();
    let store = Store::open(&subject.path).unwrap();
    let index = subject.path.join("index.redb");
    for file in subject.files("journal") {
        let bytes = fs::read(&file).unwrap();
        for is_gone in [false, true] {
            if is_gone {
                fs::remove_file(&file).unwrap();
            } else {
                overwrite(&file, &bytes[..bytes.len() - 9]);
            }
            // Whatever arrives in the folder makes a fold look at the file again.
            let other = file.with_extension("other");
            fs::write(&other, "").unwrap();
            let name = format!("{}, gone: {is_gone}", file.display());
            store.fold(None).unwrap();
            assert!(matches!(subject.verdict(&file, &name), Verdict::Right));
            assert!(subject.is_reported(&file), "{name}");
            // Also if a process was killed while it wrote the index: redb's flag says so.
            let mut unclean = fs::read(&index).unwrap();
            unclean[9] |= 2;
            for bytes in [None, Some(unclean)] {
                if let Some(bytes) = bytes {
                    overwrite(&index, &bytes);
                }
                let refused = store.rebuild(&mut |_, _| {}).unwrap_err();
                let damage = matches!(&refused, Error::Corrupt(damage) if damage.path == file);
                assert!(damage, "{name}: {refused}");
                assert!(matches!(subject.verdict(&file, &name), Verdict::Right));
            }
            fs::remove_file(&other).unwrap();
            let _ = fs::remove_file(&file);
            fs::write(&file, &bytes).unwrap();
        }
    }
    store.rebuild(&mut |_, _| {}).unwrap();
}

/// A store that was copied because its disk gives up: what a damaged or lost file held is in the
/// index alone, and that is of another place now.
#[test]
fn a_copied_index_keeps_what_only_it_has_until_the_journal_has_it_again() {
    let _tally = Tally;
    let subject = Subject::new();
    let aside = subject.path.join("index.redb.old");
    let index = subject.path.join("index.redb");
    for file in subject.files("journal") {
        let bytes = fs::read(&file).unwrap();
        for is_gone in [false, true] {
            let name = format!("{}, gone: {is_gone}", file.display());
            if is_gone {
                fs::remove_file(&file).unwrap();
            } else {
                overwrite(&file, &bytes[..bytes.len() - 9]);
            }
            let other = subject.path.join("index.other");
            fs::copy(&index, &other).unwrap();
            fs::rename(&other, &index).unwrap();
            let store = Store::open(&subject.path).unwrap();
            for _ in 0..2 {
                store.fold(None).unwrap();
                assert!(subject.is_reported(&file), "{name}");
            }
            let to = subject.path.parent().unwrap().join("salvaged");
            let report = Store::salvage(&subject.path, &to, &mut |_, _| {}).unwrap();
            // Of its events the index keeps what they came to, no point is lost.
            let is_kept = |fault: &Fault| fault.points == Some(0);
            assert!(report.lost.iter().all(is_kept), "{name}: {:?}", report.lost);
            fs::remove_dir_all(&to).unwrap();
            let _ = fs::remove_file(&file);
            fs::write(&file, &bytes).unwrap();
            store.fold(None).unwrap();
            assert!(!aside.exists(), "{name}");
            assert!(matches!(subject.verdict(&file, &name), Verdict::Right));
        }
    }
}

#[test]
fn what_lies_where_no_segment_is_looked_for_is_told_by_a_check() {
    let subject = Subject::new();
    let file = subject.files("journal").remove(0);
    let name = file.file_name().unwrap();
    let other = subject.path.join("journal/fe");
    fs::create_dir_all(&other).unwrap();
    let mut strange = vec![
        other.join(name),
        file.with_extension("sealed.bak"),
        subject.path.join("journal/FE"),
        subject.path.join("live").join("notes.txt"),
    ];
    for path in &strange {
        fs::copy(&file, path).unwrap();
    }
    let report = Store::open(&subject.path)
        .unwrap()
        .check(&mut |_, _| {})
        .unwrap();
    strange.sort();
    assert_eq!(report.strays, strange);
}

#[test]
fn wrong_bytes_are_never_given_as_those_of_a_blob() {
    let _tally = Tally;
    let subject = Subject::new();
    let store = Store::open(&subject.path).unwrap();
    let run = store.reader().unwrap().run(id(1)).unwrap();
    let artifact = &run.artifacts["model.pt"];
    let file = subject
        .files("blobs")
        .into_iter()
        .find(|file| file.ends_with(artifact.blob.to_string()));
    let file = file.unwrap();
    let to = subject.path.parent().unwrap().join("out");
    damage(&file, 300, 40, &mut |what, _| {
        assert!(
            matches!(store.get_artifact(artifact, &to), Err(Error::Corrupt(_))),
            "{what}"
        );
        assert!(!to.exists());
        assert!(store.verify_blob(artifact.blob).is_err());
        let mut bytes = Vec::new();
        let read = store
            .open_blob(artifact.blob)
            .unwrap()
            .read_to_end(&mut bytes);
        assert!(read.is_err() && bytes.len() < 300, "{what}");
        assert!(subject.is_reported(&file), "{what}");
    });
    let report = store.check(&mut |_, _| {}).unwrap();
    assert_eq!(report.damage, []);
    // Put again, it is whole again, also when it was only cut.
    overwrite(&file, &[1; 200]);
    let again = store.resume_run(id(1)).unwrap();
    again.artifact_bytes("model.pt", &[1; 300]).unwrap();
    again.finish(Status::Completed, None, None).unwrap();
    store.get_artifact(artifact, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), [1; 300]);
}

#[test]
fn a_damaged_index_is_found_by_a_check_and_mended_by_a_rebuild() {
    let _tally = Tally;
    let subject = Subject::new();
    let file = subject.path.join("index.redb");
    let good = fs::read(&file).unwrap();
    let store = Store::open(&subject.path).unwrap();
    // It knows which file it is, so the file is kept beside: a reader may make another one.
    let kept = subject.path.parent().unwrap().join("kept");
    fs::hard_link(&file, &kept).unwrap();
    let (mut told, mut believed, mut number) = (0, Vec::new(), 0);
    damage(&kept, 400, 20, &mut |what, _| {
        number += 1;
        let _ = fs::remove_file(&file);
        fs::hard_link(&kept, &file).unwrap();
        let damaged = fs::read(&kept).unwrap();
        let is_wrong = match subject.verdict(&file, what) {
            Verdict::Right => false,
            Verdict::Told => {
                told += 1;
                false
            }
            Verdict::Wrong(_) => true,
        };
        if is_wrong || number % 10 == 0 {
            // What a reader has mended is damaged once more.
            let _ = fs::remove_file(&file);
            fs::hard_link(&kept, &file).unwrap();
            overwrite(&kept, &damaged);
            let report = store.check(&mut |_, _| {}).unwrap();
            assert!(report.damage.is_empty());
            assert!(!is_wrong || !report.index.is_empty(), "{what} is not found");
        }
        if is_wrong {
            // A fold that believes it too must not hide it from the next check.
            let _ = fs::remove_file(&file);
            fs::hard_link(&kept, &file).unwrap();
            overwrite(&kept, &damaged);
            store.fold(None).unwrap();
            if !matches!(subject.verdict(&file, what), Verdict::Right) {
                let report = store.check(&mut |_, _| {}).unwrap();
                assert!(!report.index.is_empty(), "{what} is not found after a fold");
            }
            believed.push(what.to_owned());
        }
    });
    eprintln!("of {number} damages {told} were told, believed were {believed:?}");
    fs::remove_file(&file).unwrap();
    fs::rename(&kept, &file).unwrap();
    for at in (0..good.len()).step_by((good.len() / 10).max(1)) {
        let len = fs::read(&file).unwrap().len();
        let mut bytes = fs::read(&file).unwrap();
        bytes[at.min(len - 1)] ^= 0x55;
        overwrite(&file, &bytes);
        store.rebuild(&mut |_, _| {}).unwrap();
        assert_eq!(
            answers(&subject.path).unwrap(),
            (subject.right.clone(), Vec::new())
        );
    }
    for junk in [vec![], b"junk".to_vec(), vec![0xff; 100_000]] {
        overwrite(&file, &junk);
        subject.want_good(&file, "junk");
        store.fold(None).unwrap();
        assert_eq!(
            answers(&subject.path).unwrap(),
            (subject.right.clone(), Vec::new())
        );
    }
}

#[test]
fn a_damaged_format_is_an_error_or_makes_the_index_foreign() {
    let _tally = Tally;
    let subject = Subject::new();
    let file = subject.path.join("format");
    let line = fs::read_to_string(&file).unwrap();
    damage(&file, 60, 3, &mut |what, _| match answers(&subject.path) {
        Ok((told, warnings)) => {
            assert_eq!(told, subject.right, "{what}");
            let is_same = fs::read_to_string(&file).unwrap().trim() == line.trim();
            let is_foreign = warnings.iter().any(|text| text.contains("another store"));
            assert!(is_same || is_foreign, "{what}");
        }
        Err(error) => {
            assert!(
                matches!(error, Error::Corrupt(_) | Error::NewerFormat { .. }),
                "{error}"
            );
            assert!(error.to_string().contains("format"));
        }
    });
    assert_eq!(
        answers(&subject.path).unwrap(),
        (subject.right.clone(), Vec::new())
    );
}

/// Everything a reader tells that has no index, and its warnings but the one that says so.
fn without_index(path: &Path) -> (Answers, Vec<String>) {
    let (answers, mut warnings) = answers(path).unwrap();
    warnings.retain(|text| !text.contains("there is no index yet"));
    (answers, warnings)
}

/// A store of one short run and nothing else, without an index: its one segment answers.
///
/// - `is_live`: as rows of a writer that died, else sealed
fn short_run(is_live: bool) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = memory_dir();
    let path = dir.path().join(".tracker");
    let store = Store::open_or_create(&path).unwrap();
    let run = start(&store, 0);
    run.param("lr", ParamValue::Float(0.1)).unwrap();
    for step in 0..6 {
        let value = (step as f64).sqrt();
        run.log_at(step, 7 * step, &[("loss", value), ("acc", -value)])
            .unwrap();
    }
    run.artifact_bytes("model.pt", b"some weights").unwrap();
    let rows = files(&path.join("live")).remove(0);
    let mut bytes = fs::read(&rows).unwrap();
    run.finish(Status::Completed, None, None).unwrap();
    store.fold(None).unwrap();
    drop(store);
    fs::remove_file(path.join("index.redb")).unwrap();
    let mut file = files(&path.join("journal")).remove(0);
    if is_live {
        fs::remove_file(&file).unwrap();
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        put_rows(&rows, &bytes);
        file = rows;
    }
    (dir, path, file)
}

#[test]
fn each_byte_and_each_length_of_a_sealed_file_is_right_or_told_with_its_place() {
    let (_dir, path, file) = short_run(false);
    let (right, warnings) = without_index(&path);
    assert_eq!((right.len(), warnings), (1, Vec::new()));
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let len = fs::read(&file).unwrap().len();
    let mut told = 0;
    damage(&file, len, len, &mut |what, _| {
        let (answers, warnings) = without_index(&path);
        let is_told = |text: &String| text.contains(&name) && text.contains(" at byte ");
        if warnings.iter().any(is_told) {
            told += 1;
        } else {
            assert_eq!((&answers, warnings), (&right, Vec::new()), "{what}");
        }
        let report = Store::open(&path).unwrap().check(&mut |_, _| {}).unwrap();
        assert!(
            report.damage.iter().any(|fault| fault.damage.path == file),
            "{what}"
        );
    });
    // All but what only the hash of the whole guards, which readers of a part do not look at.
    assert!(told > len, "{told} of {len} bytes and {len} lengths");
}

#[test]
fn each_byte_and_each_length_of_live_rows_is_right_or_told_or_an_earlier_state() {
    let (_dir, path, file) = short_run(true);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(&file).unwrap();
    // What a reader saw while the run went on.
    let mut earlier = Vec::new();
    for len in 0..=bytes.len() {
        overwrite(&file, &bytes[..len]);
        let (answers, warnings) = without_index(&path);
        assert_eq!(warnings, [""; 0], "a torn tail is no damage: {len}");
        if earlier.last() != Some(&answers) {
            earlier.push(answers);
        }
    }
    assert!(
        (9..=24).contains(&earlier.len()),
        "{} records",
        earlier.len()
    );
    let right = earlier.pop().unwrap();
    let last = earlier.pop().unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        overwrite(&file, &damaged);
        let (answers, warnings) = without_index(&path);
        let is_told = |text: &String| text.contains(&name) && text.contains(" at byte ");
        let is_good = warnings.iter().any(is_told) || answers == right || answers == last;
        assert!(is_good, "byte {at}: {answers:?} {warnings:?}");
    }
}

#[test]
fn each_byte_and_each_length_of_a_blob_is_an_error_that_names_it() {
    let (_dir, path, _) = short_run(false);
    let store = Store::open(&path).unwrap();
    let file = files(&path.join("blobs")).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let artifact = &store.reader().unwrap().run(id(0)).unwrap().artifacts["model.pt"];
    let out = path.join("out");
    damage(&file, 64, 64, &mut |what, _| {
        let error = store.get_artifact(artifact, &out).unwrap_err().to_string();
        assert!(
            error.contains(&name) && error.contains(" at byte 0"),
            "{what}: {error}"
        );
        assert!(
            !out.exists() && store.verify_blob(artifact.blob).is_err(),
            "{what}"
        );
        let mut bytes = Vec::new();
        let read = store
            .open_blob(artifact.blob)
            .unwrap()
            .read_to_end(&mut bytes);
        assert!(read.is_err(), "{what}: {bytes:?}");
    });
    store.get_artifact(artifact, &out).unwrap();
    assert_eq!(fs::read(&out).unwrap(), b"some weights");
}
