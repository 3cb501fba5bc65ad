//! Stores of every format there was, kept as they were written: each reads as it did on that day.
//!
//! `tests/data/store-N` is never made again. A version that cannot read it is wrong, whatever its
//! own tests say; a new format gets a folder of its own beside it. Those of columns are 1 and 2;
//! since 3 records tell more of files, and aliases.

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::elsewhere::Elsewhere;
use common::real::copy_folder;
use common::real::memory_dir;
use serde_json::Value;
use serde_json::json;
use tracker::ArtifactOptions;
use tracker::Reader;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::journal::Event;
use tracker::journal::Folders;
use tracker::journal::Role;
use tracker::journal::SegmentId;
use tracker::journal::frame::Seed;
use tracker::journal::rows::parse;
use tracker::journal::segment;
use tracker::journal::segment::Append;
use tracker::journal::writer;
use tracker::model::AliasTarget;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::Environment;
use tracker::model::Flow;
use tracker::model::GitState;
use tracker::model::Name;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::model::Version;
use tracker::store::EndedRun;
use tracker::store::StoreOptions;
use tracker::sys::RealSys;
use tracker::sys::Sys;

/// All points of a series up to so many stand in the answers; of a longer one its ends and a hash.
const POINTS_TOLD: usize = 24;
/// A number that no file system gives to a file, so that every copy of the store is a copy.
const NO_INODE: u64 = u64::MAX;

/// The formats that there were, and the one that is written.
const FORMATS: [u32; 3] = [1, 2, 3];
/// One that nobody knows yet.
const NEWER: u32 = 9;

fn kept(format: u32) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    data.join(format!("store-{format}"))
}

fn id(number: u8) -> RunId {
    RunId::new(1_700_000_000_000 + i64::from(number), [number; 16])
}

/// All that a store tells, in the words of `tracker show --format json`, with bits of values.
fn answers(store: &Store) -> Value {
    let reader = store.reader().unwrap();
    let ids = reader.run_ids().unwrap();
    ids.into_iter().map(|id| run_answer(&reader, id)).collect()
}

fn run_answer(reader: &Reader, id: RunId) -> Value {
    let run = reader.run(id).unwrap();
    let mut told = tracker::export::run_to_json(&run, reader.now_us());
    if run.status == Status::Running {
        told["duration_s"] = Value::Null; // until now
    }
    let exact: BTreeMap<&String, String> = run
        .params
        .iter()
        .map(|(key, value)| (key, format!("{value:?}")))
        .collect();
    told["exact_params"] = json!(exact);
    let versions = reader.versions(id).unwrap();
    told["versions"] = versions.iter().map(version_answer).collect();
    let aliases = run.aliases.iter();
    let aliases: BTreeMap<_, _> = aliases
        .map(|(name, to)| (name, format!("{to:?}")))
        .collect();
    told["aliases"] = json!(aliases);
    let mut series = BTreeMap::new();
    for metric in run.metrics.keys() {
        let points = reader.series(id, metric, &SeriesQuery::default()).unwrap();
        let bits = |point: &Point| {
            let bits = format!("{:016x}", point.value.to_bits());
            json!([point.step, point.time_us, bits])
        };
        let mut hasher = blake3::Hasher::new();
        for point in &points {
            hasher.update(&point.step.to_le_bytes());
            hasher.update(&point.time_us.to_le_bytes());
            hasher.update(&point.value.to_bits().to_le_bytes());
        }
        let all: Vec<Value> = points.iter().map(bits).collect();
        let (first, last) = match all.len() {
            0..=POINTS_TOLD => (&all[..], &all[..0]),
            count => (&all[..4], &all[count - 4..]),
        };
        let hash = hasher.finalize().to_hex().to_string();
        let told = json!({ "points": all.len(), "first": first, "last": last, "blake3": hash });
        series.insert(metric, told);
    }
    told["series"] = json!(series);
    told
}

/// All that is told of a file but when.
fn version_answer(version: &Version) -> Value {
    let mut artifact = version.artifact.clone();
    artifact.time_us = 0;
    json!([version.number, version.is_newest, format!("{artifact:?}")])
}

/// Whether an answer has all that was told, and the same: fields may be added and never change.
/// How sums round depends on the order of folding.
fn check_same(want: &Value, have: &Value, at: &str) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, want) in want {
                let at = format!("{at}.{key}");
                check_same(want, have.get(key).unwrap_or(&Value::Null), &at);
            }
        }
        (Value::Array(want), Value::Array(have)) => {
            assert_eq!(want.len(), have.len(), "{at}");
            for (number, (want, have)) in want.iter().zip(have).enumerate() {
                check_same(want, have, &format!("{at}[{number}]"));
            }
        }
        (Value::Number(a), Value::Number(b)) if at.ends_with("mean") || at.ends_with("std") => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-12 * a.abs(), "{at}: want {a}, have {b}");
        }
        _ => assert_eq!(want, have, "{at}"),
    }
}

/// A copy to work on, and what it should answer.
struct Subject {
    _dir: tempfile::TempDir,
    store: Store,
    want: Value,
}

impl Subject {
    fn new(format: u32) -> Self {
        let dir = memory_dir();
        let path = dir.path().join(".tracker");
        copy_folder(&kept(format).join("store"), &path);
        let text = fs::read_to_string(kept(format).join("answers.json")).unwrap();
        Self {
            store: Store::open(&path).unwrap(),
            want: serde_json::from_str(&text).unwrap(),
            _dir: dir,
        }
    }

    fn check(&self, when: &str) {
        check_same(&self.want, &answers(&self.store), when);
    }

    /// The only file in `live/` of this run with this ending.
    fn live(&self, run: u8, ending: &str) -> PathBuf {
        let files = fs::read_dir(self.store.path().join("live")).unwrap();
        let mut paths = files.map(|entry| entry.unwrap().path());
        let is_it = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&id(run).to_string()) && name.ends_with(ending)
        };
        paths.find(is_it).unwrap()
    }

    fn settled(&self, run: u8) -> PathBuf {
        let folder = self.store.path().join("journal").join(id(run).folder());
        let mut files = fs::read_dir(folder).unwrap();
        files.next().unwrap().unwrap().path()
    }

    /// How many records of a kind that this version does not know are kept, if all is well.
    fn unknown_records(&self) -> u64 {
        let check = self.store.check(&mut |_, _| {}).unwrap();
        assert!(check.is_sound() && check.strays.is_empty(), "{check:?}");
        check.unknown_records
    }
}

fn segment_of(path: &Path) -> SegmentId {
    let name = path.file_name().unwrap().to_str().unwrap();
    SegmentId::parse(name).unwrap().0
}

#[test]
fn a_store_of_any_format_reads_as_on_the_day_it_was_written() {
    FORMATS.into_iter().for_each(read_as_written);
}

fn read_as_written(format: u32) {
    let subject = Subject::new(format);
    let reader = subject.store.reader().unwrap();
    let news = ["there is no index yet; reading the journal"];
    assert_eq!(reader.warnings(), news, "a torn tail is an answer");
    drop(reader);
    subject.check("before a fold");
    let live = |subject: &Subject| {
        let files = fs::read_dir(subject.store.path().join("live")).unwrap();
        files.count()
    };
    assert_eq!(live(&subject), 3, "two of rows, one of columns");
    let report = subject.store.fold(None).unwrap();
    assert!(report.complete && report.damage.is_empty(), "{report:?}");
    subject.check("after a fold");
    assert_eq!(
        live(&subject),
        2,
        "nobody seals the rows of another machine"
    );
    subject.store.rebuild(&mut |_, _| {}).unwrap();
    subject.check("after a rebuild");
    assert_eq!(subject.unknown_records(), 1);
    // What the blobs' names promise.
    let run = subject.store.reader().unwrap().run(id(1)).unwrap();
    for artifact in run.artifacts.values() {
        assert_eq!(
            subject.store.verify_blob(artifact.blob).unwrap(),
            artifact.bytes
        );
    }
    assert_eq!(run.artifacts.len(), 3);
}

/// The rows of a copy are read and never sealed; at home the same rows are a dead writer's.
#[test]
fn rows_of_any_format_are_sealed_where_they_were_written() {
    FORMATS.into_iter().for_each(seal_at_home);
}

fn seal_at_home(format: u32) {
    let mut subject = Subject::new(format);
    let rows = subject.live(2, ".seg");
    set_inode(&rows, RealSys.stat(&rows).unwrap().inode);
    let of_run = |want: &mut Value| {
        let runs = want.as_array_mut().unwrap();
        let is_it = |run: &&mut Value| run["id"] == id(2).to_string();
        let run = runs.iter_mut().find(is_it).unwrap();
        assert_eq!(run["status"], "unknown", "of a copy");
        run["status"] = "failed".into();
    };
    of_run(&mut subject.want);
    subject.check("before a fold");
    let report = subject.store.fold(None).unwrap();
    assert_eq!(report.recovered, [id(2)]);
    assert!(!rows.exists() && report.damage.is_empty(), "{report:?}");
    subject.check("sealed");
    subject.store.rebuild(&mut |_, _| {}).unwrap();
    subject.check("after a rebuild");
    // What a later version said is kept, and counted.
    assert_eq!(subject.unknown_records(), 1);
    let sealed = fs::read(subject.settled(2)).unwrap();
    assert!(sealed.windows(FUTURE.len()).any(|bytes| bytes == FUTURE));
}

/// Gives rows the number of a file, as if they had been written there.
fn set_inode(rows: &Path, inode: u64) {
    let mut bytes = fs::read(rows).unwrap();
    bytes[..segment::HEADER_BYTES].copy_from_slice(&segment::header(&segment_of(rows), inode));
    fs::write(rows, bytes).unwrap();
}

/// Says in its header that a segment is of a newer format.
fn make_newer(segment: &Path) -> Vec<u8> {
    let mut bytes = fs::read(segment).unwrap();
    bytes[8..12].copy_from_slice(&NEWER.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    fs::write(segment, &bytes).unwrap();
    bytes
}

#[test]
fn a_segment_of_a_newer_version_is_named_left_out_and_left_alone() {
    let subject = Subject::new(1);
    for (number, known) in [(4, 2), (5, 2), (2, 1)] {
        let path = match number {
            4 => subject.live(4, ".sealed"),
            5 => subject.settled(5),
            _ => subject.live(2, ".seg"),
        };
        if number == 2 {
            // Or nobody would try to seal it.
            set_inode(&path, RealSys.stat(&path).unwrap().inode);
        }
        let before = fs::read(&path).unwrap();
        let newer = make_newer(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_named = |text: &str| {
            let why = format!("has format {NEWER}, this version reads up to {known}");
            text.contains(&why) && text.contains(name)
        };
        let others: Value = {
            let runs = subject.want.as_array().unwrap().iter();
            runs.filter(|run| run["id"] != id(number).to_string())
                .cloned()
                .collect()
        };
        let check = |when: &str| {
            let reader = subject.store.reader().unwrap();
            let warnings = reader.warnings();
            assert!(
                warnings.iter().any(|text| is_named(text)),
                "{when}: {warnings:?}"
            );
            check_same(&others, &answers(&subject.store), when);
        };
        check("before a fold");
        let report = subject.store.fold(None).unwrap();
        assert!(
            report
                .damage
                .iter()
                .any(|damage| is_named(&damage.to_string())),
            "{report:?}"
        );
        check("after a fold");
        subject.store.rebuild(&mut |_, _| {}).unwrap();
        check("after a rebuild");
        let report = subject.store.check(&mut |_, _| {}).unwrap();
        let fault = &report.damage[0];
        assert!(is_named(&fault.damage.to_string()), "{}", fault.damage);
        assert_eq!(
            (report.damage.len(), &fault.runs[..]),
            (1, &[id(number)][..])
        );
        // It may have been settled; nobody has changed it.
        let path = if path.exists() {
            path
        } else {
            subject.settled(number)
        };
        assert_eq!(fs::read(&path).unwrap(), newer);
        fs::write(&path, before).unwrap();
        fs::remove_file(subject.store.path().join("index.redb")).unwrap();
    }
}

#[test]
fn a_new_store_is_of_this_format() {
    let dir = memory_dir();
    let store = Store::open_or_create(&dir.path().join("new")).unwrap();
    let line = fs::read_to_string(store.path().join("format")).unwrap();
    assert_eq!(line, format!("tracker 1 {}\n", store.id())); // frozen
    assert!(store.id().len() == 32 && store.id().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let kept = FORMATS.map(|format| fs::read_to_string(kept(format).join("store/format")).unwrap());
    assert_eq!(kept, ["tracker 1 000102030405060708090a0b0c0d0e0f\n"; 3]);
}

/// The body of a record of a kind that this version does not know.
const FUTURE: &[u8] = b"\xc8\x01what a later version says";

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

fn options(number: u8, name: &str) -> RunOptions {
    RunOptions {
        id: Some(id(number)),
        name: Some(name.to_owned()),
        author: Some("somebody".to_owned()),
        start_us: Some(1_700_000_000_000_000),
        environment: Some(Environment::default()),
        ..RunOptions::default()
    }
}

fn environment() -> Environment {
    let text = |text: &str| Some(text.to_owned());
    Environment {
        command: ["python3", "train.py", "--lr", "a b"]
            .map(str::to_owned)
            .into(),
        cwd: text("/home/somebody/größe"),
        host: text("laptop"),
        os: text("Linux 6.1"),
        cpu: text("a processor"),
        cpu_count: Some(8),
        git: Some(GitState {
            commit: text("0123456789abcdef0123456789abcdef01234567"),
            branch: text("main"),
            dirty: Some(true),
        }),
        variables: [("CUDA_VISIBLE_DEVICES".to_owned(), "0".to_owned())].into(),
        masked: vec!["API_KEY".to_owned()],
    }
}

/// Numbers that do not compress. Source: Marsaglia 2003, xorshift64.
fn noise(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

/// Points in every encoding and every shape.
#[expect(clippy::cast_possible_truncation, reason = "values that a `f32` holds")]
fn log_all_kinds(run: &RunWriter) {
    let at = |step: i64| 1_700_000_000_000_000 + step * 1_003 + step % 7;
    let mut state = 88_172_645_463_325_252;
    for step in 0..4_200i64 {
        let x = step as f64;
        let values = [
            ("constant", 3e-4),
            ("decimals", (x * 0.7).sin().mul_add(1e3, 0.0).round() / 1e3),
            ("f32", f64::from((x * 0.01).cos() as f32)),
            ("accuracy", (step * 37 % 257) as f64 / 256.0),
            ("smooth", x.mul_add(1e-3, 1.0).ln()),
        ];
        run.log_at(step, at(step), &values).unwrap();
        if step < 300 {
            run.log_at(step, at(step), &[("noise", noise(&mut state))])
                .unwrap();
        }
        if step % 200 == 0 {
            // Ever other shapes of a row or two.
            let name = format!("odd/{}", step / 400);
            run.log_at(step, at(step), &[(&name, x), ("constant", 3e-4)])
                .unwrap();
        }
    }
    let bits = [
        0x7ff8_0000_0000_0000, // NaN
        0xfff8_0000_0000_0001, // with a sign and a payload
        0x7ff0_0000_0000_0001, // signalling
        0x7ff0_0000_0000_0000, // infinities
        0xfff0_0000_0000_0000,
        0x8000_0000_0000_0000, // -0
        1,                     // the smallest
        0x7fef_ffff_ffff_ffff, // the largest
    ];
    for (step, bits) in (0..).zip(bits) {
        let value = f64::from_bits(bits);
        run.log_at(step, at(step), &[("few odd", value)]).unwrap();
    }
    for (step, bits) in (0..).zip(bits.into_iter().cycle().take(40)) {
        let value = f64::from_bits(bits);
        run.log_at(step, at(step), &[("many odd", value)]).unwrap();
    }
    for step in [5, -3, 5, i64::MAX, i64::MIN, 5, 0] {
        // Two at one step and time: the order logged decides.
        run.log_at(step, 1_000, &[("disorder", step as f64 / 2.0)])
            .unwrap();
        run.log_at(step, 1_000, &[("disorder", 0.25)]).unwrap();
    }
    run.log_at(1, -1, &[("twice", 1.0), ("twice", 2.0)])
        .unwrap();
    run.log(1, &[("größe/μ", 1.5)]).unwrap();
    run.log_points(
        "by points",
        &[Point {
            step: 1,
            time_us: 2,
            value: 0.5,
        }],
    )
    .unwrap();
    run.metric("by handle").unwrap().log(3, 0.75).unwrap();
}

fn say_all_kinds(run: &RunWriter, dir: &Path) {
    let list = ParamValue::List(vec![
        ParamValue::Int(1),
        ParamValue::List(vec![ParamValue::Bool(false)]),
        ParamValue::Text("x".to_owned()),
    ]);
    for (key, value) in [
        ("bool", ParamValue::Bool(true)),
        ("int", ParamValue::Int(i64::MIN)),
        ("float", ParamValue::Float(0.1)),
        (
            "nan",
            ParamValue::Float(f64::from_bits(0x7ff8_0000_0000_0007)),
        ),
        ("-inf", ParamValue::Float(f64::NEG_INFINITY)),
        ("text", ParamValue::Text("größe \"q\"\n2".to_owned())),
        ("text like a number", ParamValue::Text("NaN".to_owned())),
        ("empty", ParamValue::Text(String::new())),
        ("list", list),
        ("empty list", ParamValue::List(Vec::new())),
    ] {
        run.param(key, value).unwrap();
    }
    for text in ["first", "second"] {
        run.tag("replaced", text).unwrap();
        run.note(&format!("{text} note\nof two lines")).unwrap();
    }
    run.tag("empty", "").unwrap();
    let folder = dir.join("checkpoints");
    fs::create_dir_all(folder.join("step-1")).unwrap();
    write(&folder.join("step-1/model.pt"), "some weights");
    write(&folder.join("config.json"), "{\"lr\": 0.1}");
    run.artifact(&folder, None).unwrap();
    let config = ArtifactOptions {
        name: Some("checkpoints/config.json".to_owned()),
        kind: Some("config".to_owned()),
        ..ArtifactOptions::default()
    };
    run.artifact_with(&folder.join("config.json"), &config)
        .unwrap();
    run.artifact_bytes("notes.txt", b"to be replaced").unwrap();
    run.artifact_bytes("notes.txt", &[7; 3_000]).unwrap();
}

/// What is said of files that stay where they are, and of aliases.
fn of_files() -> [Event; 4] {
    let data = |byte: u8| {
        let blob = BlobId([byte; 32]);
        let path = "data/train.csv".to_owned();
        Event::Artifact(ArtifactRef {
            media_type: Some("text/csv".to_owned()),
            kind: Some("dataset".to_owned()),
            flow: Flow::Input,
            reference: Some("/data/größe/train.csv".to_owned()),
            mode: Some(0o640),
            modified_ns: Some(1_600_000_000_123_456_789),
            ..ArtifactRef::new(path, blob, 70_000, 1_700_000_000_000_003)
        })
    };
    let alias = |name: &str, target| Event::Alias {
        name: Name::new("alias", name).unwrap(),
        target,
    };
    let target = AliasTarget {
        flow: Flow::Input,
        path: "data/train.csv".to_owned(),
        blob: BlobId([7; 32]),
    };
    [
        data(7),
        data(8),
        alias("data:train", Some(target)),
        alias("data:old", None),
    ]
}

/// Makes the folder of the newest format with the version that is there. Not to be done again: what
/// it made is what later versions are held to.
#[test]
#[ignore = "made once; it refuses to write over what is there"]
#[expect(clippy::too_many_lines, reason = "a list of what there is, done once")]
fn make_the_store() {
    let kept = kept(FORMATS[FORMATS.len() - 1]);
    assert!(!kept.exists(), "{} is there, and stays", kept.display());
    let dir = memory_dir();
    let path = dir.path().join("store");
    fs::create_dir(&path).unwrap();
    for folder in ["live", "journal", "blobs"] {
        fs::create_dir(path.join(folder)).unwrap();
    }
    write(
        &path.join("format"),
        "tracker 1 000102030405060708090a0b0c0d0e0f\n",
    );
    let sys = Arc::new(Elsewhere::default());
    let store = Store::open_with(sys.clone(), &path, StoreOptions::default()).unwrap();

    // Run 1: all there is, by three writers, one of which takes it up again.
    let everything = RunOptions {
        experiment: Some("all there is".to_owned()),
        environment: Some(environment()),
        ..options(1, "everything")
    };
    let run = store.start_run(everything).unwrap();
    say_all_kinds(&run, dir.path());
    log_all_kinds(&run);
    let rank = store.join_run(id(1)).unwrap();
    rank.log_at(0, 5, &[("rank", 1.0), ("few odd", 2.0)])
        .unwrap();
    rank.param("bool", ParamValue::Bool(true)).unwrap();
    rank.close().unwrap();
    run.finish(Status::Failed, Some("it stopped"), None)
        .unwrap();
    let again = store.resume_run(id(1)).unwrap();
    again.log_at(4_200, 6, &[("rank", 3.0)]).unwrap();
    let end_us = Some(1_700_000_100_000_000);
    again.finish(Status::Completed, None, end_us).unwrap();

    // Run 5: failed for a reason. Run 6: its writer went without a word, and was held up.
    let run = store.start_run(options(5, "failed")).unwrap();
    run.finish(
        Status::Failed,
        Some("loss is not finite"),
        Some(1_700_000_000_500_000),
    )
    .unwrap();
    let run = store.start_run(options(6, "closed")).unwrap();
    run.log_at(1, 1_700_000_000_000_001, &[("loss", 0.5)])
        .unwrap();
    run.close().unwrap();
    let folders = Folders::new(sys.clone(), &path);
    let slowed = writer::Options {
        role: Role::Member,
        append: Append::Mapped,
        sync_interval: Duration::from_secs(1),
        process: sys.process(),
        not_before_us: i64::MIN,
    };
    let mut slowed = writer::Writer::open(&folders, id(6), slowed).unwrap();
    let event = Event::Slowed("held up for 1.5 s in 20 waits".to_owned());
    slowed.event(1_700_000_000_000_002, &event).unwrap();
    for event in of_files() {
        slowed.event(1_700_000_000_000_003, &event).unwrap();
    }
    slowed.close_for_good().unwrap();
    assert!(store.fold(None).unwrap().complete);

    // Run 4: added, and not folded.
    let points = |count: i64| {
        (0..count).map(|n| Point {
            step: n * 10,
            time_us: n,
            value: n as f64,
        })
    };
    let model = dir.path().join("checkpoints/config.json");
    let added = EndedRun {
        info: RunInfo {
            name: "added".to_owned(),
            parent: Some(id(1)),
            source: Some("results.csv".to_owned()),
            ..RunInfo::default()
        },
        end_us: Some(1_600_000_000_000_000),
        params: vec![("lr".to_owned(), ParamValue::Float(0.5))],
        tags: vec![("from".to_owned(), "elsewhere".to_owned())],
        note: Some("imported".to_owned()),
        series: vec![
            ("a".to_owned(), points(50).collect()),
            ("b".to_owned(), points(9).collect()),
        ]
        .into(),
        artifacts: vec![("config.json".to_owned(), model)],
        ..EndedRun::default()
    };
    let reader = store.reader().unwrap();
    store.add_run(&reader, id(4), &added).unwrap().unwrap();
    drop(reader);

    // Run 3: fed by short commands, whose rows wait for the next one.
    let detached = RunOptions {
        detached: true,
        ..options(3, "detached")
    };
    store.start_run(detached).unwrap().close().unwrap();
    for step in 0..3 {
        let command = store.join_run_briefly(id(3)).unwrap();
        command
            .log_at(step, step + 10, &[("loss", 0.5), ("acc", 0.25)])
            .unwrap();
        command.tag("step", &step.to_string()).unwrap();
        command.close().unwrap();
    }
    let live = path.join("live");
    let rows_of = |run: u8| {
        let files = fs::read_dir(&live)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let is_it =
            |path: &PathBuf| segment_of(path).run == id(run) && path.extension().unwrap() == "seg";
        files.filter(is_it).collect::<Vec<_>>().remove(0)
    };
    set_inode(&rows_of(3), NO_INODE);

    // Run 2: a child of run 1 that died at its first record but one, in the middle of the last.
    let child = RunOptions {
        parent: Some(id(1)),
        ..options(2, "died")
    };
    let run = store.start_run(child).unwrap();
    run.param("lr", ParamValue::Float(0.01)).unwrap();
    for step in 0..30 {
        let time_us = 1_700_000_000_000_000 + step * 1_000;
        run.log_at(
            step,
            time_us,
            &[("loss", 1.0 / (step + 1) as f64), ("acc", 0.5)],
        )
        .unwrap();
    }
    run.artifact_bytes("model.pt", b"of the child").unwrap();
    let rows = rows_of(2);
    let mut bytes = fs::read(&rows).unwrap();
    run.close().unwrap();
    fs::remove_file(rows.with_extension("sealed")).unwrap();
    let end = parse(&bytes, &segment_of(&rows), &rows).unwrap().len;
    bytes.truncate(usize::try_from(end).unwrap());
    let seed = Seed::of(&segment_of(&rows));
    let whole = [&seed.header(FUTURE).encode()[..], FUTURE].concat();
    bytes.extend_from_slice(&whole);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let torn = [&seed.header(&[1; 40]).encode()[..], &[1; 17]].concat();
    bytes.extend_from_slice(&torn);
    bytes.resize(bytes.len().next_multiple_of(4_096), 0);
    fs::write(&rows, bytes).unwrap();
    set_inode(&rows, NO_INODE);

    fs::remove_file(path.join("index.redb")).unwrap();
    fs::remove_file(path.join("fold.lock")).unwrap();
    fs::create_dir(&kept).unwrap();
    copy_folder(&path, &kept.join("store"));
    let store = Store::open(&kept.join("store")).unwrap();
    let text = serde_json::to_string_pretty(&answers(&store)).unwrap();
    write(&kept.join("answers.json"), &(text + "\n"));
}
