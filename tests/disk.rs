//! A small disk that is full to the brim: what is asked of a store there is done or refused, never
//! half done, and all goes on when there is room.
//!
//! Disks are mounted, which only root may: a file system in memory, and a real one in a file, which
//! gives out its blocks in other ways. Where that is not allowed a test says so and does nothing.
#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

use common::sound::run_options;
use common::tally;
use common::tally::Tally;
use tracker::Result;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::journal::segment::Append;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::store::EndedRun;
use tracker::store::StoreOptions;
use tracker::sys::RealSys;

/// How a disk is made, with the file of an image as `$1` and the place as `$2`.
type Kind = (&'static str, &'static str);

const TMPFS: Kind = ("tmpfs", "mount -t tmpfs -o size=12m tracker-test $2");
const EXT4: Kind = (
    "ext4",
    "truncate -s 20m $1 && mkfs.ext4 -q -m 0 $1 && mount -o loop $1 $2",
);

/// A small disk of its own; unmounted when dropped.
struct Disk {
    dir: tempfile::TempDir,
    at: PathBuf,
}

impl Disk {
    /// Returns none where this process may not mount.
    fn mount((name, script): Kind) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("disk");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("sh");
        mount.args([
            "-c",
            &format!("PATH=$PATH:/usr/sbin:/sbin; {script}"),
            "mount",
        ]);
        mount.args([&dir.path().join("image"), &at]);
        let mounted = mount.stderr(Stdio::null()).status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("skipped: this process may not mount a small {name}");
            return None;
        }
        Some(Self { dir, at })
    }

    fn store(&self) -> PathBuf {
        self.at.join(".tracker")
    }

    /// Leaves room for so many bytes.
    fn fill(&self, leave: u64) {
        let mut bytes = vec![0; 64 << 10];
        let mut file = fs::File::create(self.at.join("filler")).unwrap();
        while !bytes.is_empty() {
            // What is only promised to be written takes no room yet.
            while file
                .write_all(&bytes)
                .and_then(|()| file.sync_all())
                .is_ok()
            {}
            bytes.truncate(bytes.len() / 2);
        }
        let len = file.metadata().unwrap().len();
        file.set_len(len.saturating_sub(leave)).unwrap();
        file.sync_all().unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.at.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.dir.path(); // goes after the disk in it
        let _ = Command::new("umount").arg(&self.at).status();
    }
}

fn id(number: u8) -> RunId {
    RunId::new(1_700_000_000_000, [number; 16])
}

fn value(step: i64) -> f64 {
    (step as f64 * 0.001).sin()
}

/// Names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Checks that the steps from 0 up to `count` are there and no other.
fn check_series(store: &Store, id: RunId, count: i64) {
    let reader = store.reader().unwrap();
    let corrupt = |text: &String| text.contains("corrupt");
    assert!(
        !reader.warnings().iter().any(corrupt),
        "{:?}",
        reader.warnings()
    );
    let points = reader.series(id, "loss0", &SeriesQuery::default()).unwrap();
    tally::POINTS.add(points.len() as u64);
    let bits = |point: &Point| (point.step, point.value.to_bits());
    let want = (0..count).map(|step| (step, value(step).to_bits()));
    assert!(
        want.eq(points.iter().map(bits)),
        "{} of {count}",
        points.len()
    );
}

#[test]
fn on_a_full_disk_logging_fails_with_an_error_and_goes_on_when_there_is_room() {
    let _tally = Tally;
    for (round, (append, kind)) in (0..).zip([
        (Append::Mapped, TMPFS),
        (Append::Written, TMPFS),
        (Append::Written, TMPFS),
        (Append::Written, TMPFS),
        (Append::Mapped, EXT4),
        (Append::Written, EXT4),
    ]) {
        let Some(disk) = Disk::mount(kind) else {
            continue;
        };
        tally::ROUNDS.add(1);
        let append = Some(append);
        let store_options = StoreOptions {
            append,
            ..StoreOptions::default()
        };
        let sys = Arc::new(RealSys);
        let store = Store::create_with(sys, &disk.store(), store_options).unwrap();
        let id = id(0);
        let run = store.start_run(run_options(id)).unwrap();
        for step in 0..100 {
            run.log(step, &[("loss0", value(step))]).unwrap();
        }
        // What is left ends at pages, so that a name, a shape or a point is the first to fail.
        let room = [0, 0, 4096, 8192, 0, 0][round];
        disk.fill(room);
        let mut logged = 100;
        let (mut failed, mut extra) = (0, Vec::new());
        while failed < 50 {
            let name = format!("a metric of some length, number {}", extra.len() + failed);
            match run.log(logged, &[("loss0", value(logged))]) {
                Ok(()) => logged += 1,
                Err(error) => {
                    assert!(error.is_disk_full(), "{error}");
                    failed += 1;
                }
            }
            match run.log(0, &[(&name, 0.5)]) {
                Ok(()) => extra.push(name),
                Err(error) => assert!(error.is_disk_full(), "{error}"),
            }
        }
        let refused = store.start_run(run_options(self::id(1)));
        assert!(refused.is_err_and(|error| error.is_disk_full()));
        check_series(&store, id, logged);
        let folded = store.fold(None);
        assert!(folded.is_ok() || folded.is_err_and(|error| error.is_disk_full()));
        disk.make_room();
        // Names that failed before come again.
        for name in (0..200).map(|n| format!("a metric of some length, number {n}")) {
            run.log(1, &[(&name, 0.5)]).unwrap();
            extra.push(name);
        }
        for step in logged..logged + 20_000 {
            run.log(step, &[("loss0", value(step))]).unwrap();
        }
        run.finish(Status::Completed, None, None).unwrap();
        store.fold(None).unwrap();
        check_series(&store, id, logged + 20_000);
        let run = store.reader().unwrap().run(id).unwrap();
        assert_eq!(run.status, Status::Completed);
        for name in &extra {
            let want = extra.iter().filter(|other| *other == name).count();
            assert_eq!(run.metrics[name].count, want as u64, "{name}");
        }
        assert_eq!(names(&store.path().join("live")), [""; 0]);
        let check = store.check(&mut |_, _| {}).unwrap();
        assert!(check.is_sound(), "{check:?}");
    }
}

/// Refused for want of room, or done where little room was enough.
fn refused<T>(what: &str, result: Result<T>) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => {
            assert!(error.is_disk_full(), "{what}: {error}");
            true
        }
    }
}

/// What is being made carries such an ending.
fn check_nothing_is_half_made(store: &Store) {
    let mut folders = vec![store.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            let is_half = matches!(ending, Some("tmp" | "new" | "sealing"));
            assert!(!is_half, "{} was left", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

/// Adds a run that has ended, with so many points.
fn add(store: &Store, id: RunId, count: i64) -> Result<bool> {
    let point = |step| Point {
        step,
        time_us: step,
        value: value(step),
    };
    let points: Vec<Point> = (0..count).map(point).collect();
    let added = EndedRun {
        info: RunInfo {
            name: "added".to_owned(),
            ..RunInfo::default()
        },
        series: vec![("loss0".to_owned(), points)].into(),
        ..EndedRun::default()
    };
    let reader = store.reader()?;
    store.add_run(&reader, id, &added).map(|new| new.is_some())
}

/// Asks a store on a full disk for all that takes room; `check` is called after each.
fn ask_for_room(disk: &Disk, store: &Store, run: &RunWriter, check: &dyn Fn()) {
    let model = store.reader().unwrap().run(run.id()).unwrap().artifacts["model.pt"].clone();
    let out = disk.at.join("out");
    let bytes = vec![2; 3_000_000];
    assert!(refused("artifact", run.artifact_bytes("b.pt", &bytes)));
    check();
    let large = run.artifact(&disk.at.join("filler"), None);
    assert!(refused("artifact of a file", large));
    check();
    assert!(refused("get", store.get_artifact(&model, &out)));
    let left = names(&disk.at);
    assert!(!left.iter().any(|name| name.starts_with("out")), "{left:?}");
    assert!(refused("adding", add(store, id(21), 5_000)));
    check();
    assert!(refused("start", store.start_run(run_options(id(2)))));
    check();
    assert!(refused("rebuild", store.rebuild(&mut |_, _| {})));
    check();
    refused("fold", store.fold(None));
    check();
    let other = Store::open_or_create(&disk.at.join("other"));
    assert!(refused("a new store", other));
    let artifacts = store.reader().unwrap().run(run.id()).unwrap().artifacts;
    assert_eq!(artifacts.len(), 1, "no record without its blob");
}

#[test]
fn on_a_full_disk_nothing_is_half_done_and_all_is_read() {
    let _tally = Tally;
    for kind in [TMPFS, EXT4] {
        let Some(disk) = Disk::mount(kind) else {
            continue;
        };
        tally::ROUNDS.add(1);
        let store = Store::open_or_create(&disk.store()).unwrap();
        for number in 10..20 {
            assert!(add(&store, id(number), 500).unwrap());
        }
        assert!(store.fold(None).unwrap().complete);
        assert!(add(&store, id(20), 500).unwrap()); // and this one is not folded
        let run = store.start_run(run_options(id(1))).unwrap();
        for step in 0..100 {
            run.log(step, &[("loss0", value(step))]).unwrap();
        }
        let artifact = run.artifact_bytes("model.pt", &vec![1; 300_000]).unwrap();
        let check = || {
            for number in 10..=20 {
                check_series(&store, id(number), 500);
            }
            check_series(&store, id(1), 100);
            assert_eq!(store.reader().unwrap().run_ids().unwrap().len(), 12);
            assert_eq!(store.verify_blob(artifact.blob).unwrap(), 300_000);
            check_nothing_is_half_made(&store);
        };
        disk.fill(0);
        check();
        ask_for_room(&disk, &store, &run, &check);
        let finished = !refused("finish", run.finish(Status::Completed, None, None));
        check();
        let status = || store.reader().unwrap().run(id(1)).unwrap().status;
        assert!(status() == Status::Completed || !finished && status() == Status::Failed);

        disk.make_room();
        if status() == Status::Failed {
            let again = store.resume_run(id(1)).unwrap();
            again.finish(Status::Completed, None, None).unwrap();
        }
        for round in 0..3 {
            check();
            assert_eq!(status(), Status::Completed);
            match round {
                0 => assert!(store.fold(None).unwrap().complete),
                _ => _ = store.rebuild(&mut |_, _| {}).unwrap(),
            }
        }
        let report = store.check(&mut |_, _| {}).unwrap();
        assert!(report.is_sound() && report.strays.is_empty(), "{report:?}");
        assert_eq!(names(&store.path().join("live")), [""; 0]);
        assert!(add(&store, id(21), 5_000).unwrap());
        check_series(&store, id(21), 5_000);
        store.get_artifact(&artifact, &disk.at.join("out")).unwrap();
        let other = Store::open_or_create(&disk.at.join("other")).unwrap();
        other
            .start_run(run_options(id(1)))
            .unwrap()
            .close()
            .unwrap();
    }
}
