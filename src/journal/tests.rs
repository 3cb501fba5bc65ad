//! Writers and readers of real segments in a real folder.

mod hostile;

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::files::Folders;
use super::files::LiveFile;
use super::files::LiveKind;
use super::files::SegmentId;
use super::record::Event;
use super::record::Role;
use super::rows;
use super::seal;
use super::sealed::Sealed;
use super::segment;
use super::segment::Append;
use super::whole::Whole;
use super::writer::Options;
use super::writer::Writer;
use crate::error::Error;
use crate::limits::RECORD_METRICS_MAX;
use crate::limits::SEAL_QUEUE_BYTES_MAX;
use crate::limits::SEGMENT_WIDE_BYTES_MAX;
use crate::model::Name;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Status;
use crate::sys::Open;
use crate::sys::RealSys;
use crate::sys::Sys;
use crate::sys::rig::Rig;
use crate::sys::rig::RigSys;

const RUN: RunId = RunId(0x0199_0000_0000_0000_1234_5678_9abc_def0);

struct Temp {
    folders: Folders,
    _dir: tempfile::TempDir,
}

fn temp() -> Temp {
    let dir = tempfile::tempdir().unwrap();
    let folders = Folders::new(Arc::new(RealSys), dir.path());
    folders.create().unwrap();
    Temp { folders, _dir: dir }
}

fn options(role: Role, append: Append) -> Options {
    let process = RealSys.process();
    Options {
        role,
        append,
        sync_interval: Duration::from_millis(5),
        process,
        not_before_us: i64::MIN,
    }
}

/// All points of a metric that stand in `live/`, in the order logged.
fn points(folders: &Folders, metric: &str) -> Vec<Point> {
    let mut all = Vec::new();
    for file in folders.list_live().unwrap() {
        let mut points = Vec::new();
        let open: Arc<dyn crate::sys::File> =
            folders.sys.open(&file.path, Open::Read).unwrap().into();
        match file.kind {
            LiveKind::Rows => {
                let rows = rows::read(&*open, &file.id).unwrap();
                assert!(rows.damage.is_empty());
                rows.points_of(metric, &mut points);
            }
            LiveKind::Sealed => {
                let sealed = Sealed::open(open, &file.id).unwrap();
                sealed.verify().unwrap();
                let mut damage = Vec::new();
                sealed.points_of(metric, &mut points, &mut damage).unwrap();
                assert!(damage.is_empty());
            }
            LiveKind::Unfinished => panic!("{} was left", file.path.display()),
        }
        points.sort_by_key(|(_, row)| *row);
        all.extend(points.into_iter().map(|(point, _)| point));
    }
    all
}

#[test]
fn what_is_logged_reads_back_live_and_sealed() {
    for append in [Append::Mapped, Append::Written] {
        let temp = temp();
        let mut writer = Writer::open(&temp.folders, RUN, options(Role::Owner, append)).unwrap();
        let mut want = Vec::new();
        let name = |step: i64| format!("odd/{}", step % 40);
        for step in 0..120_000i64 {
            let value =
                f64::from_bits(0x3ff0_0000_0000_0000 + step.cast_unsigned().wrapping_mul(0x9e37));
            writer
                .points(step, step * 7, &[("a", value), ("b", -1.0)])
                .unwrap();
            want.push(Point {
                step,
                time_us: step * 7,
                value,
            });
            if step % 11 == 0 {
                writer
                    .points(-step, step, &[(&name(step), 1.0), ("a", f64::NAN)])
                    .unwrap();
                want.push(Point {
                    step: -step,
                    time_us: step,
                    value: f64::NAN,
                });
            }
        }
        let in_order = |mut points: Vec<Point>| {
            points.sort_by_key(|point| (point.step, point.time_us));
            points
        };
        want = in_order(want);
        writer.sync().unwrap();
        assert!(in_order(points(&temp.folders, "a")) == want);
        writer.close_for_good().unwrap();
        assert!(in_order(points(&temp.folders, "a")) == want);
        assert_eq!(points(&temp.folders, "b").len(), 120_000);
        let files = temp.folders.list_live().unwrap();
        assert!(files.len() > 3, "several segments were filled");
        assert!(files.iter().all(|file| file.kind == LiveKind::Sealed));
    }
}

#[test]
fn a_wide_step_and_a_step_of_long_names_fit() {
    let temp = temp();
    let mut writer =
        Writer::open(&temp.folders, RUN, options(Role::Owner, Append::Mapped)).unwrap();
    let names: Vec<String> = (0..20_000).map(|i| format!("{i:0>200}")).collect();
    let values: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.5)).collect();
    for step in 0..20 {
        writer.points(step, step, &values).unwrap();
    }
    writer.close_for_good().unwrap();
    assert_eq!(points(&temp.folders, &names[0]).len(), 20);
    assert_eq!(points(&temp.folders, &names[19_999]).len(), 20);
}

#[test]
fn commands_append_to_one_segment_in_turn() {
    let temp = temp();
    let command = || options(Role::Command, Append::Written);
    for step in 0..20 {
        let mut writer = Writer::open(&temp.folders, RUN, command()).unwrap();
        writer
            .points(step, step, &[("loss", 0.5), ("acc", 0.1)])
            .unwrap();
        let key = Name::new("param name", &format!("p{step}")).unwrap();
        let param = Event::Param {
            key,
            value: ParamValue::Int(step),
        };
        writer.event(step, &param).unwrap();
        if step == 7 {
            let mut second = Writer::open(&temp.folders, RUN, command()).unwrap();
            second.points(100, 0, &[("loss", 1.0)]).unwrap();
        }
        writer.leave().unwrap();
    }
    assert_eq!(points(&temp.folders, "loss").len(), 21);
    assert_eq!(
        temp.folders.list_live().unwrap().len(),
        2,
        "one for each that wrote at once"
    );
}

#[test]
fn a_torn_tail_is_an_answer_and_a_hole_is_damage() {
    let temp = temp();
    let mut writer =
        Writer::open(&temp.folders, RUN, options(Role::Owner, Append::Mapped)).unwrap();
    for step in 0..100 {
        writer.points(step, step, &[("a", 0.25)]).unwrap();
    }
    let file = &temp.folders.list_live().unwrap()[0];
    let bytes = std::fs::read(&file.path).unwrap();
    let whole = rows::parse(&bytes, &file.id, &file.path).unwrap();
    assert!(whole.clean && whole.damage.is_empty());
    let len = usize::try_from(whole.len).unwrap();
    let of = |rows: &rows::Rows| {
        rows.groups
            .iter()
            .map(|group| group.rows.len())
            .sum::<usize>()
    };
    for cut in 64..len {
        let torn = rows::parse(&bytes[..cut], &file.id, &file.path).unwrap();
        assert!(torn.damage.is_empty(), "cut at {cut}");
        assert!(of(&torn) <= 100 && torn.len <= (cut + 7) as u64);
        let mut flipped = bytes.clone();
        flipped[cut] ^= 0x10;
        match rows::parse(&flipped, &file.id, &file.path) {
            Ok(rows) if rows.damage.is_empty() => {
                // Only the last record has nothing behind it, and padding is nobody's.
                let lost = of(&whole) - of(&rows);
                assert!(lost == 0 || (lost == 1 && cut >= len - 40), "flip at {cut}");
            }
            Ok(rows) => assert!(rows.damage.iter().all(|damage| damage.path == file.path)),
            Err(error) => panic!("flip at {cut}: {error}"),
        }
    }
    let other = SegmentId { seq: 9, ..file.id };
    let swapped = rows::parse(&bytes, &other, &file.path);
    assert!(matches!(swapped, Err(Error::Corrupt(_))), "{swapped:?}");
}

#[test]
fn any_flipped_byte_of_a_sealed_file_is_found() {
    let temp = temp();
    let mut writer =
        Writer::open(&temp.folders, RUN, options(Role::Owner, Append::Mapped)).unwrap();
    for step in 0..60 {
        writer
            .points(
                step,
                step * step,
                &[("a", (step as f64).sqrt()), ("b", 2.0)],
            )
            .unwrap();
    }
    writer.close_for_good().unwrap();
    let file = &temp.folders.list_live().unwrap()[0];
    let bytes = std::fs::read(&file.path).unwrap();
    let verify = |bytes: &[u8]| {
        std::fs::write(&file.path, bytes).unwrap();
        let open = temp.folders.sys.open(&file.path, Open::Read).unwrap();
        Sealed::open(open.into(), &file.id).and_then(|sealed| sealed.verify())
    };
    verify(&bytes).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(verify(&flipped).is_err(), "flip at {at}");
        assert!(verify(&bytes[..at]).is_err(), "cut at {at}");
    }
}

/// Puts rows where they were: a file that knows its own number, or it would be a copy.
fn put_rows(file: &LiveFile, bytes: &[u8]) {
    std::fs::write(&file.path, bytes).unwrap();
    let open = RealSys.open(&file.path, Open::Write).unwrap();
    let inode = open.stat().unwrap().inode;
    open.write_at(&segment::header(&file.id, inode), 0).unwrap();
}

#[test]
fn a_copy_of_a_live_segment_is_neither_sealed_nor_continued() {
    let temp = temp();
    let mut writer = Writer::open(&temp.folders, RUN, options(Role::Command, Append::Written));
    writer
        .as_mut()
        .unwrap()
        .points(1, 1, &[("a", 1.0)])
        .unwrap();
    writer.unwrap().leave().unwrap();
    let file = temp.folders.list_live().unwrap().remove(0);
    let original = temp.folders.live().join("original");
    std::fs::rename(&file.path, &original).unwrap();
    std::fs::copy(&original, &file.path).unwrap();
    let recovered = seal::recover(&temp.folders, &file.id).unwrap();
    assert!(matches!(recovered, seal::Recovered::Copied));
    let mut writer = Writer::open(&temp.folders, RUN, options(Role::Command, Append::Written));
    writer
        .as_mut()
        .unwrap()
        .points(2, 2, &[("a", 2.0)])
        .unwrap();
    writer.unwrap().leave().unwrap();
    assert_eq!(
        std::fs::read(&file.path).unwrap(),
        std::fs::read(&original).unwrap()
    );
    assert_eq!(points(&temp.folders, "a").len(), 2);
}

#[test]
fn a_segment_is_recovered_only_when_its_writer_is_gone() {
    let temp = temp();
    let mut writer =
        Writer::open(&temp.folders, RUN, options(Role::Owner, Append::Mapped)).unwrap();
    writer.points(1, 1, &[("a", 1.0)]).unwrap();
    let file = temp.folders.list_live().unwrap().remove(0);
    let recovered = seal::recover(&temp.folders, &file.id).unwrap();
    assert!(matches!(recovered, seal::Recovered::Held));
    // What a kill leaves: the rows, without a lock.
    let bytes = std::fs::read(&file.path).unwrap();
    drop(writer);
    std::fs::remove_file(temp.folders.sealed(&file.id)).unwrap();
    put_rows(&file, &bytes);
    let recovered = seal::recover(&temp.folders, &file.id).unwrap();
    assert!(matches!(recovered, seal::Recovered::Sealed));
    assert_eq!(points(&temp.folders, "a").len(), 1);
    // A death between the two names leaves both: the rows are nobody's loss.
    put_rows(&file, &bytes);
    assert!(matches!(
        seal::recover(&temp.folders, &file.id).unwrap(),
        seal::Recovered::Gone
    ));
    assert_eq!(points(&temp.folders, "a").len(), 1);
}

#[test]
fn a_run_that_another_process_is_adding_is_locked_and_what_it_left_is_no_hindrance() {
    let temp = temp();
    let folders = &temp.folders;
    let add = || {
        let point = Point {
            step: 1,
            time_us: 2,
            value: 0.5,
        };
        let info = RunInfo {
            name: "baseline".to_owned(),
            ..RunInfo::default()
        };
        let mut whole = Whole::new(RUN, &info, Some(3)).unwrap();
        whole.series("loss", vec![point]).unwrap();
        whole.write(folders, Status::Completed, None)
    };
    add().unwrap();
    let sealed = folders.list_live().unwrap().remove(0);
    let other = folders.rows(&sealed.id).with_extension("new");
    folders.sys.remove(&sealed.path).unwrap();
    let held = folders.sys.open(&other, Open::New).unwrap();
    assert!(held.try_lock().unwrap());
    assert!(matches!(add(), Err(Error::Locked { .. })));
    drop(held); // it died
    add().unwrap();
    assert_eq!(points(folders, "loss").len(), 1);
    assert!(folders.sys.stat(&other).is_err());
}

#[test]
fn a_disk_that_does_not_keep_up_slows_the_caller_says_so_once_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Columns reach this disk only when somebody opens the gate.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let closed = Arc::clone(&gate);
    let rig = Rig {
        on_write: Some(Box::new(move |path| {
            if path.extension().is_some_and(|ending| ending == "sealing") {
                let (is_open, changed) = &*closed;
                let is_open = is_open.lock().unwrap();
                drop(changed.wait_while(is_open, |is_open| !*is_open).unwrap());
            }
        })),
        ..Rig::default()
    };
    let folders = Folders::new(Arc::new(RigSys(Arc::new(rig))), dir.path());
    folders.create().unwrap();
    let names: Vec<String> = (0..RECORD_METRICS_MAX)
        .map(|name| format!("m{name}"))
        .collect();
    let values: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.5)).collect();
    let record_bytes = RECORD_METRICS_MAX * size_of::<f64>();
    let steps = i64::try_from(SEAL_QUEUE_BYTES_MAX / record_bytes * 3 / 2).unwrap();
    let mut writer = Writer::open(&folders, RUN, options(Role::Owner, Append::Mapped)).unwrap();
    let logged = AtomicI64::new(0);
    let bytes_of_rows = || {
        let live = folders.list_live().unwrap();
        let rows = live.iter().filter(|file| file.kind == LiveKind::Rows);
        rows.filter_map(|file| RealSys.stat(&file.path).ok())
            .map(|stat| stat.len)
            .sum::<u64>()
    };
    // What may wait, the segment being filled, the next one, and the one that came on top.
    let most = (SEAL_QUEUE_BYTES_MAX + 3 * SEGMENT_WIDE_BYTES_MAX) as u64;
    thread::scope(|scope| {
        let work = || {
            for step in 0..steps {
                writer.points(step, step, &values).unwrap();
                logged.store(step + 1, Ordering::Relaxed);
            }
        };
        let training = scope.spawn(work);
        // Held up for longer than any single sleep, with all waiting that may.
        let mut before = -1;
        while before != logged.load(Ordering::Relaxed)
            || bytes_of_rows() <= SEAL_QUEUE_BYTES_MAX as u64
        {
            before = logged.load(Ordering::Relaxed);
            assert!(before < steps && bytes_of_rows() <= most);
            thread::sleep(Duration::from_millis(500));
        }
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        training.join().unwrap();
    });
    assert!(writer.slowed().is_some());
    writer.close_for_good().unwrap();
    assert_eq!(
        points(&folders, "m0").len(),
        usize::try_from(steps).unwrap()
    );
    let words = folders.list_live().unwrap().into_iter().flat_map(|file| {
        let open = folders.sys.open(&file.path, Open::Read).unwrap();
        Sealed::open(open.into(), &file.id)
            .unwrap()
            .events()
            .unwrap()
    });
    let words = words.filter(|row| matches!(row.event, Event::Slowed(_)));
    assert_eq!(words.count(), 1);
}
