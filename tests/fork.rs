//! A training forks: its data loaders live on, log, read, end, while it logs, folds and dies.
//!
//! Forking happens in a process of its own, this binary playing one of the parts below. A child
//! that hangs is ended by an alarm, and its parent finds that it did not exit well.
#![cfg(unix)]
#![expect(unsafe_code, reason = "fork, wait, exit and alarm have no safe face")]

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::process::Actor;
use common::process::Counter;
use common::process::part;
use common::sound;
use common::tally;
use common::tally::Tally;
use common::tally::torture;
use tracker::Error;
use tracker::Query;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::Environment;
use tracker::model::ParamValue;
use tracker::model::RunId;
use tracker::model::Status;

/// A child that takes longer hangs.
const ALARM_S: u32 = 20;

fn id() -> RunId {
    RunId::new(1_700_000_000_000, [7; 16])
}

fn start(store: &Store) -> RunWriter {
    let options = RunOptions {
        id: Some(id()),
        name: Some("forks".to_owned()),
        environment: Some(Environment::default()),
        ..RunOptions::default()
    };
    store.start_run(options).unwrap()
}

/// Runs `child` in a fork of this process and returns its id.
fn fork(child: impl FnOnce()) -> i32 {
    // SAFETY: the child runs plain code of ours and leaves by `_exit`, past this test's harness.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: no precondition.
            unsafe { libc::alarm(ALARM_S) };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            // SAFETY: no precondition.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        pid => {
            assert!(pid > 0);
            pid
        }
    }
}

/// The child's copy of what it has from its parent, to be ended there.
fn copy<T>(of: &T) -> T {
    // SAFETY: called in a child, which leaves by `_exit`: nothing drops the other copy.
    unsafe { std::ptr::read(of) }
}

/// Waits for a child and checks that all went well in it.
fn wait(pid: i32) {
    let mut status = 0;
    // SAFETY: `status` is a place for an int; `pid` is a child of ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    if status != 0 {
        // Not by a panic: the other threads of this process would go on for good.
        eprintln!("a forked child hung or failed: {status:#x}");
        std::process::exit(1);
    }
}

fn log(run: &RunWriter, metric: &str, steps: std::ops::Range<i64>) {
    for step in steps {
        run.log(step, &[(metric, step as f64)]).unwrap();
    }
}

/// Plays the part that the parent gave.
#[test]
fn child() {
    let Some(part) = part() else { return };
    let [what, store, counter] = part.as_slice() else {
        panic!("{part:?}")
    };
    let store = Store::open(Path::new(store)).unwrap();
    let counter = Counter::open(Path::new(counter));
    match what.as_str() {
        "outlive" => part_outlive(&store, &counter),
        "orphan" => part_orphan(&store, &counter),
        "log" => part_log(&store),
        "end" => part_end(&store, &counter),
        "storm" => part_storm(&store),
        "fold" => part_fold(&store, &counter),
        _ => panic!("no part {what}"),
    }
    counter.set(u64::MAX);
}

fn sleep_forever() {
    std::thread::sleep(Duration::from_secs(u64::from(ALARM_S)));
}

/// A data loader that never logs outlives its training.
fn part_outlive(store: &Store, counter: &Counter) {
    let run = start(store);
    log(&run, "m", 0..10_000); // a next segment is there, too
    let pid = fork(sleep_forever);
    log(&run, "m", 10_000..20_000);
    counter.set(u64::try_from(pid).unwrap());
    sleep_forever();
}

/// A child goes on logging, and its training will be killed.
fn part_orphan(store: &Store, counter: &Counter) {
    let run = start(store);
    log(&run, "m", 0..10_000);
    fork(|| {
        // Before it counts: its parent may be killed as soon as it does.
        counter.set_at(1, u64::from(std::process::id()));
        for step in 0.. {
            log(&run, "child", step..step + 1);
            counter.set(u64::try_from(step).unwrap() + 1);
        }
    });
    sleep_forever();
}

/// Child and grandchild log.
fn part_log(store: &Store) {
    let run = start(store);
    run.param("lr", ParamValue::Float(0.5)).unwrap();
    let handle = run.metric("handle").unwrap();
    log(&run, "parent", 0..10);
    let pid = fork(|| {
        log(&run, "child", 0..10_000);
        handle.log(1, 1.0).unwrap();
        run.param("lr", ParamValue::Float(0.5)).unwrap();
        assert!(matches!(
            run.param("lr", ParamValue::Int(1)),
            Err(Error::ParamConflict { .. })
        ));
        run.param("workers", ParamValue::Int(1)).unwrap();
        run.tag("from", "child").unwrap();
        run.artifact_bytes("child.txt", &vec![1; 6_000_000])
            .unwrap();
        wait(fork(|| {
            log(&run, "grandchild", 0..10);
            run.sync().unwrap();
            // It exits without a word.
        }));
        wait(fork(|| {
            log(&run, "grandchild", 10..20);
            copy(&run).close().unwrap();
        }));
        copy(&run).close().unwrap();
    });
    log(&run, "parent", 10..10_000);
    handle.log(0, 0.0).unwrap();
    wait(pid);
    run.finish(Status::Completed, None, None).unwrap();
}

/// Children end their copies in each way there is.
fn part_end(store: &Store, counter: &Counter) {
    let run = start(store);
    let reader = store.reader().unwrap();
    log(&run, "m", 0..10_000);
    for way in 0..4 {
        wait(fork(|| {
            let (run, reader) = (copy(&run), copy(&reader));
            match way {
                0 => drop(run),
                1 => run.close().unwrap(),
                2 => {
                    let finished = run.finish(Status::Failed, None, None);
                    assert!(matches!(finished, Err(Error::Invalid { .. })));
                }
                _ => {
                    run.log(-1, &[("m", -1.0)]).unwrap();
                    let finished = run.finish(Status::Failed, None, None);
                    assert!(matches!(finished, Err(Error::Invalid { .. })));
                }
            }
            drop(reader);
            let reader = store.reader().unwrap();
            assert_eq!(reader.run(id()).unwrap().status, Status::Running);
            assert!(
                reader
                    .series(id(), "m", &SeriesQuery::default())
                    .unwrap()
                    .len()
                    >= 10_000
            );
        }));
        log(&run, "m", 10_000 * (way + 1)..10_000 * (way + 2));
    }
    assert!(reader.run(id()).is_ok());
    counter.set(1);
    while counter.get() == 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    run.finish(Status::Completed, None, None).unwrap();
}

/// Forks while another thread logs flat out and a third sets params.
fn part_storm(store: &Store) {
    let run = start(store);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while !stop.load(Ordering::Relaxed) {
                log(&run, "m", next..next + 1_000);
                next += 1_000;
            }
            run.tag("steps", &next.to_string()).unwrap();
        });
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                run.param(&format!("p{}", n % 500), ParamValue::Int(n % 500))
                    .unwrap();
                run.artifact_bytes("a.bin", &vec![0; 200_000]).unwrap();
            }
        });
        for n in 0..20 * i64::try_from(torture()).unwrap() {
            let pid = fork(|| {
                log(&run, "child", n * 100..(n + 1) * 100);
                run.artifact_bytes("b.bin", &vec![1; 200_000]).unwrap();
                copy(&run).close().unwrap();
            });
            std::thread::sleep(Duration::from_millis(5));
            wait(pid);
        }
        stop.store(true, Ordering::Relaxed);
    });
    run.finish(Status::Completed, None, None).unwrap();
}

/// Forks while another thread reads and another makes runs that end, so that the index is written.
/// Its children live on and read.
fn part_fold(store: &Store, counter: &Counter) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                store.reader().unwrap().runs(&Query::default()).unwrap();
            }
        });
        let ends = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let environment = Some(Environment::default());
                let run = store.start_run(RunOptions {
                    environment,
                    ..RunOptions::default()
                });
                let run = run.unwrap();
                log(&run, "m", 0..10);
                run.finish(Status::Completed, None, None).unwrap();
            }
        });
        let mut idle = Vec::new();
        for _ in 0..20 * torture() {
            idle.push(fork(sleep_forever));
            wait(fork(|| {
                let reader = store.reader().unwrap();
                for run in reader.runs(&Query::default()).unwrap() {
                    assert!(matches!(run.status, Status::Completed | Status::Running));
                }
                drop(reader);
                store.fold(None).unwrap();
            }));
            std::thread::sleep(Duration::from_millis(3));
        }
        stop.store(true, Ordering::Relaxed);
        reads.join().unwrap();
        ends.join().unwrap();
        counter.set(1);
        while counter.get() == 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        for pid in idle {
            // SAFETY: `pid` is a child of ours that is still there.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            // SAFETY: a null status is allowed.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        }
    });
}

struct Stage {
    _dir: tempfile::TempDir,
    store: Store,
    counter: Counter,
    actor: Actor,
}

fn stage(part: &str) -> Stage {
    tally::ROUNDS.add(1);
    let dir = common::real::memory_dir();
    let path = dir.path().join(".tracker");
    let store = Store::open_or_create(&path).unwrap();
    let counter = dir.path().join("counter");
    let actor = Actor::start(&[part, path.to_str().unwrap(), counter.to_str().unwrap()]);
    Stage {
        _dir: dir,
        store,
        counter: Counter::open(&counter),
        actor,
    }
}

fn count(store: &Store, metric: &str) -> u64 {
    store.reader().unwrap().run(id()).unwrap().metrics[metric].count
}

fn status(store: &Store) -> Status {
    store.reader().unwrap().run(id()).unwrap().status
}

fn check_sound(store: &Store) {
    let report = store.fold(None).unwrap();
    assert!(report.complete && report.damage.is_empty(), "{report:?}");
    let live = std::fs::read_dir(store.path().join("live")).unwrap();
    let live: Vec<_> = live.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(live, [""; 0]);
    sound::check_sound(store);
}

#[test]
fn a_child_that_lives_on_does_not_keep_a_dead_training_running() {
    let _tally = Tally;
    let Stage {
        _dir,
        store,
        counter,
        mut actor,
    } = stage("outlive");
    counter.wait_for(1, &mut actor);
    assert_eq!(status(&store), Status::Running);
    actor.kill();
    let pid = counter.get().to_string();
    let is_there = Path::new("/proc").join(&pid).exists() || !cfg!(target_os = "linux");
    assert!(is_there, "the child should live on");
    assert_eq!(status(&store), Status::Failed);
    assert_eq!(count(&store, "m"), 20_000);
    check_sound(&store);
    assert_eq!(
        (status(&store), count(&store, "m")),
        (Status::Failed, 20_000)
    );
    assert!(
        std::process::Command::new("kill")
            .arg(&pid)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_child_that_logs_on_after_its_training_was_killed_loses_nothing() {
    let _tally = Tally;
    let Stage {
        _dir,
        store,
        counter,
        mut actor,
    } = stage("orphan");
    counter.wait_for(1_000, &mut actor);
    actor.kill();
    let told = counter.get();
    while counter.get() < told + 1_000 {
        std::thread::sleep(Duration::from_millis(1)); // it has an alarm, should it hang
    }
    // It has what its parent logged sealed beside it, and goes on.
    assert_eq!(
        (status(&store), count(&store, "m")),
        (Status::Running, 10_000)
    );
    store.fold(None).unwrap();
    assert_eq!(status(&store), Status::Running);
    let pid = i32::try_from(counter.get_at(1)).unwrap();
    assert!(pid > 1, "0 would be all of us");
    // SAFETY: the child was there a moment ago; its alarm is far off.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
    // Nobody can wait for the child of a child: its locks go with it.
    while status(&store) == Status::Running {
        std::thread::sleep(Duration::from_millis(1));
    }
    let told = counter.get();
    assert_eq!(
        (status(&store), count(&store, "m")),
        (Status::Failed, 10_000)
    );
    assert!(count(&store, "child") >= told, "{told}");
    check_sound(&store);
    assert!(count(&store, "child") >= told, "{told}");
    tally::POINTS.add(told);
}

#[test]
fn a_child_that_logs_gets_a_writer_of_its_own() {
    let _tally = Tally;
    let Stage {
        _dir, store, actor, ..
    } = stage("log");
    actor.wait();
    assert_eq!(status(&store), Status::Completed);
    check_sound(&store);
    let run = store.reader().unwrap().run(id()).unwrap();
    let counts: Vec<_> = run
        .metrics
        .iter()
        .map(|(name, m)| (name.as_str(), m.count))
        .collect();
    assert_eq!(
        counts,
        [
            ("child", 10_000),
            ("grandchild", 20),
            ("handle", 2),
            ("parent", 10_000)
        ]
    );
    assert_eq!(run.params["lr"], ParamValue::Float(0.5));
    assert_eq!(run.params["workers"], ParamValue::Int(1));
    assert_eq!(run.tags["from"], "child");
    assert_eq!(run.artifacts["child.txt"].bytes, 6_000_000);
    assert_eq!(run.param_conflicts.len(), 0);
}

#[test]
fn a_child_that_ends_its_copy_does_not_end_the_run() {
    let _tally = Tally;
    let Stage {
        _dir,
        store,
        counter,
        mut actor,
    } = stage("end");
    counter.wait_for(1, &mut actor);
    assert_eq!(status(&store), Status::Running);
    store.fold(None).unwrap();
    assert_eq!(
        (status(&store), count(&store, "m")),
        (Status::Running, 50_001)
    );
    counter.set(2);
    actor.wait();
    assert_eq!(
        (status(&store), count(&store, "m")),
        (Status::Completed, 50_001)
    );
    check_sound(&store);
}

#[test]
fn children_log_while_their_parent_logs_and_seals() {
    let _tally = Tally;
    let Stage {
        _dir, store, actor, ..
    } = stage("storm");
    actor.wait();
    let run = store.reader().unwrap().run(id()).unwrap();
    assert_eq!(run.status, Status::Completed);
    assert_eq!(run.metrics["m"].count.to_string(), run.tags["steps"]);
    assert_eq!(run.metrics["child"].count, 2_000 * torture());
    check_sound(&store);
    let points = store
        .reader()
        .unwrap()
        .series(id(), "m", &SeriesQuery::default())
        .unwrap();
    assert!(
        (0..)
            .zip(&points)
            .all(|(step, point)| { (point.step, point.value) == (step, step as f64) })
    );
}

#[test]
fn children_of_a_process_that_folds_hold_no_lock_of_it() {
    let _tally = Tally;
    let Stage {
        _dir,
        store,
        counter,
        mut actor,
    } = stage("fold");
    counter.wait_for(1, &mut actor);
    assert!(actor.is_there());
    // The parent rests and its children are still there, with copies of all it had open.
    let run = store.start_run(RunOptions::default()).unwrap();
    let new = run.id();
    run.finish(Status::Completed, None, None).unwrap();
    check_sound(&store);
    let reader = store.reader().unwrap();
    // A busy machine may keep a reader from the index for its 50 ms.
    let in_time = |text: &&String| !text.ends_with("it did not answer in time");
    let warnings = reader.warnings();
    assert_eq!(warnings.iter().find(in_time), None);
    assert_eq!(reader.run(new).unwrap().status, Status::Completed);
    let completed = reader.count(Some("status = 'completed'")).unwrap();
    assert_eq!(completed, reader.run_ids().unwrap().len());
    store.rebuild(&mut |_, _| {}).unwrap();
    counter.set(2);
    actor.wait();
    check_sound(&store);
}
