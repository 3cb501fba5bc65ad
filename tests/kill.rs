//! Processes die, stop and stumble over each other; what was logged is there.
//!
//! Each child is this binary again, playing one of the parts below, and tells in a [`Counter`] how
//! many of its calls have returned. A round is named by its seed, printed when it fails;
//! `TRACKER_TORTURE=N` goes N times as many rounds.
#![cfg(unix)]

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use common::process::Actor;
use common::process::Counter;
use common::process::Random;
use common::process::part;
use common::process::round_dir;
use common::sound::run_options;
use common::tally;
use common::tally::Tally;
use common::tally::torture;
use tracker::Query;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::journal::segment::Append;
use tracker::model::Environment;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::store::StoreOptions;
use tracker::sys::RealSys;

/// More than a killed child ever comes to.
const STEPS_MAX: u64 = 400_000;
/// Points of a short run.
const SHORT_STEPS: i64 = 20;

/// What is logged at a step: told by nothing else.
fn value(step: i64, salt: u64) -> f64 {
    (step as f64 * 0.001 + salt as f64).sin()
}

fn open(path: &Path, append: &str) -> Store {
    let append = match append {
        "written" => Some(Append::Written),
        _ => None,
    };
    let options = StoreOptions {
        append,
        ..StoreOptions::default()
    };
    Store::open_with(std::sync::Arc::new(RealSys), path, options).unwrap()
}

/// The n-th short run of an actor.
fn short_id(actor: u64, n: u64) -> RunId {
    let bits = (u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64) | u128::from(actor) << 48;
    RunId::new(
        1_700_000_000_000 + i64::try_from(n).unwrap(),
        bits.to_le_bytes(),
    )
}

fn log_step(run: &RunWriter, step: i64, salt: u64) {
    let value = value(step, salt);
    // The shape changes now and then.
    let metric = if step % 1_000 < 990 { "side" } else { "other" };
    run.log(step, &[(&format!("loss{salt}"), value), (metric, -value)])
        .unwrap();
}

/// Plays the part that the parent gave.
#[test]
fn child() {
    let Some(part) = part() else { return };
    let part: Vec<&str> = part.iter().map(String::as_str).collect();
    let [what, store, counter, append, rest @ ..] = part.as_slice() else {
        panic!("{part:?}")
    };
    let store = open(Path::new(store), append);
    let counter = Counter::open(Path::new(counter));
    let number = |at: usize| rest[at].parse::<u64>().unwrap();
    match *what {
        "log" => part_log(
            &store,
            &counter,
            rest[0].parse().unwrap(),
            number(1),
            number(2),
        ),
        "short" => part_short(&store, &counter, number(0), number(1), number(2)),
        "fold" => loop {
            store.fold(None).unwrap();
            counter.set(counter.get() + 1);
        },
        _ => panic!("no part {what}"),
    }
}

/// Logs to a run, and finishes it after `steps` if it started it.
fn part_log(store: &Store, counter: &Counter, id: RunId, salt: u64, steps: u64) {
    let run = match salt {
        0 => store.start_run(run_options(id)).unwrap(),
        _ => store.join_run(id).unwrap(),
    };
    for step in 0..steps {
        log_step(&run, i64::try_from(step).unwrap(), salt);
        counter.set(step + 1);
    }
    run.finish(Status::Completed, None, None).unwrap();
    counter.set(steps + 1);
}

/// Makes one short run after the other.
fn part_short(store: &Store, counter: &Counter, actor: u64, first: u64, last: u64) {
    for n in first..last {
        let run = store.start_run(run_options(short_id(actor, n))).unwrap();
        run.param(
            "n",
            tracker::model::ParamValue::Int(i64::try_from(n).unwrap()),
        )
        .unwrap();
        for step in 0..SHORT_STEPS {
            run.log(step, &[("m", value(step, n))]).unwrap();
        }
        run.finish(Status::Completed, None, None).unwrap();
        counter.set(n + 1);
    }
}

fn series(store: &Store, id: RunId, metric: &str) -> Vec<Point> {
    let reader = store.reader().unwrap();
    let warnings = reader.warnings();
    let corrupt = warnings.iter().find(|text| text.contains("corrupt"));
    assert_eq!(corrupt, None);
    reader.series(id, metric, &SeriesQuery::default()).unwrap()
}

/// Checks that the steps from 0 on are there, at least `least` of them.
fn check_series(points: &[Point], salt: u64, least: u64) {
    assert!(
        points.len() as u64 >= least,
        "{} points of {least}",
        points.len()
    );
    tally::POINTS.add(points.len() as u64);
    for (step, point) in (0..).zip(points) {
        assert_eq!(
            (point.step, point.value.to_bits()),
            (step, value(step, salt).to_bits())
        );
    }
}

fn live_files(store: &Store) -> Vec<String> {
    let live = std::fs::read_dir(store.path().join("live")).unwrap();
    live.map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Reads before and after what died is sealed, folded, and folded from nothing.
fn check_dead_run(store: &Store, id: RunId, least: &[(u64, u64)]) {
    let read = |salt| series(store, id, &format!("loss{salt}"));
    let status = |store: &Store| store.reader().unwrap().run(id).unwrap().status;
    assert_eq!(status(store), Status::Failed);
    let logged = || least.iter().filter(|(_, least)| *least > 0);
    let before: Vec<Vec<Point>> = logged().map(|(salt, _)| read(*salt)).collect();
    for (points, (salt, least)) in before.iter().zip(logged()) {
        check_series(points, *salt, *least);
    }
    let report = store.fold(None).unwrap();
    assert!(report.complete && report.damage.is_empty(), "{report:?}");
    assert_eq!(live_files(store), [""; 0]);
    for _ in 0..2 {
        assert_eq!(status(store), Status::Failed);
        for (points, (salt, _)) in before.iter().zip(logged()) {
            assert!(read(*salt) == *points, "fold changed loss{salt}");
        }
        store.rebuild(&mut |_, _| {}).unwrap();
    }
    let check = store.check(&mut |_, _| {}).unwrap();
    assert!(check.is_sound() && check.strays.is_empty(), "{check:?}");
}

#[test]
fn what_was_logged_survives_the_death_of_its_process() {
    let _tally = Tally;
    for round in 0..4 * torture() {
        let mut random = Random::new("kill", round);
        let (dir, path) = round_dir(round);
        let store = Store::open_or_create(&path).unwrap();
        let id = short_id(0, 0);
        let append = if round % 4 == 3 { "written" } else { "mapped" };
        let writers = [1, 1, 3, 2][usize::try_from(round % 4).unwrap()];
        let mut actors = Vec::new();
        for salt in 0..writers {
            let counter = dir.path().join(format!("counter{salt}"));
            let part = [
                "log",
                path.to_str().unwrap(),
                counter.to_str().unwrap(),
                append,
            ];
            let numbers = [id.to_string(), salt.to_string(), STEPS_MAX.to_string()];
            let part = part.into_iter().chain(numbers.iter().map(String::as_str));
            let mut actor = Actor::start(&part.collect::<Vec<_>>());
            let counter = Counter::open(&counter);
            counter.wait_for(u64::from(salt == 0 && writers > 1), &mut actor);
            actors.push((actor, counter));
        }
        let until = random.any_size(STEPS_MAX / writers);
        let (first, counter) = &mut actors[0];
        counter.wait_for(until, first);
        std::thread::sleep(Duration::from_micros(random.below(2_000)));
        for (actor, _) in &mut actors {
            actor.kill();
        }
        let told: Vec<u64> = actors.iter().map(|(_, counter)| counter.get()).collect();
        if told[0] == 0 {
            continue; // killed before it had a run
        }
        check_dead_run(&store, id, &(0..).zip(told).collect::<Vec<_>>());
    }
}

#[test]
fn a_death_while_runs_end_and_are_folded_leaves_each_run_whole_or_failed() {
    let _tally = Tally;
    let (dir, path) = round_dir(0);
    let store = Store::open_or_create(&path).unwrap();
    let counter = dir.path().join("counter");
    let mut told = Counter::open(&counter).get();
    let mut died = Vec::new();
    for round in 0..12 * torture() {
        let mut random = Random::new("end", round);
        let from = told.to_string();
        let append = if round % 3 == 0 { "written" } else { "mapped" };
        let part = [
            "short",
            path.to_str().unwrap(),
            counter.to_str().unwrap(),
            append,
        ];
        let part: Vec<&str> = part.into_iter().chain(["0", &from, "1000000"]).collect();
        let mut actor = Actor::start(&part);
        Counter::open(&counter).wait_for(told + 1, &mut actor);
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        actor.kill();
        let done = Counter::open(&counter).get();
        let reader = store.reader().unwrap();
        let runs = reader.runs(&Query::default()).unwrap();
        for run in &runs {
            let n = run.info.start_us.map(|_| run.params.get("n").cloned());
            let is_dead = run.id == short_id(0, done);
            let may_fail = is_dead || died.contains(&run.id);
            assert!(
                run.status == Status::Completed || (may_fail && run.status == Status::Failed),
                "{} of {n:?}",
                run.status
            );
        }
        for n in told..done {
            let points = reader
                .series(short_id(0, n), "m", &SeriesQuery::default())
                .unwrap();
            check_series(&points, n, SHORT_STEPS as u64);
        }
        drop(reader);
        died.push(short_id(0, done));
        told = done + 1;
        if round % 2 == 0 {
            store.fold(None).unwrap();
        }
    }
    store.fold(None).unwrap();
    assert_eq!(live_files(&store), [""; 0]);
    let check = store.check(&mut |_, _| {}).unwrap();
    assert!(check.is_sound() && check.strays.is_empty(), "{check:?}");
}

#[test]
fn a_reader_sees_what_was_logged_a_moment_ago_by_each_of_four_processes() {
    let _tally = Tally;
    let (dir, path) = round_dir(1);
    let store = Store::open_or_create(&path).unwrap();
    let mut actors = Vec::new();
    for n in 0..4 {
        let counter = dir.path().join(format!("counter{n}"));
        let id = short_id(n, 0);
        let part = [
            "log",
            path.to_str().unwrap(),
            counter.to_str().unwrap(),
            "mapped",
        ];
        let numbers = [id.to_string(), "0".to_owned(), "100000000".to_owned()];
        let part = part.into_iter().chain(numbers.iter().map(String::as_str));
        let mut actor = Actor::start(&part.collect::<Vec<_>>());
        let counter = Counter::open(&counter);
        counter.wait_for(1, &mut actor);
        actors.push((actor, counter, id));
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3 * torture()) {
        for (_, counter, id) in &actors {
            let told = counter.get();
            let reader = store.reader().unwrap();
            let run = reader.run(*id).unwrap();
            assert_eq!(run.status, Status::Running);
            assert!(run.metrics["loss0"].count >= told);
            let late = SeriesQuery {
                from_step: i64::try_from(told).ok(),
                ..SeriesQuery::default()
            };
            let late = reader.series(*id, "loss0", &late).unwrap();
            assert_eq!(run.metrics["loss0"].count, told + late.len() as u64);
            assert!(
                late.iter()
                    .all(|point| point.value.to_bits() == value(point.step, 0).to_bits())
            );
        }
    }
    for (actor, counter, id) in &mut actors {
        actor.kill();
        check_series(&series(&store, *id, "loss0"), 0, counter.get());
    }
}

#[test]
fn a_stopped_process_holds_up_nobody() {
    let _tally = Tally;
    let (dir, path) = round_dir(0);
    let store = Store::open_or_create(&path).unwrap();
    let counter_path = dir.path().join("counter");
    let part = [
        "short",
        path.to_str().unwrap(),
        counter_path.to_str().unwrap(),
        "mapped",
    ];
    let part: Vec<&str> = part.into_iter().chain(["0", "0", "1000000"]).collect();
    let mut actor = Actor::start(&part);
    let counter = Counter::open(&counter_path);
    counter.wait_for(1, &mut actor);
    let mut slowest = Duration::ZERO;
    for round in 0..12 * torture() {
        let mut random = Random::new("stop", round);
        std::thread::sleep(Duration::from_micros(random.below(30_000)));
        actor.signal("-STOP");
        let done = counter.get();
        let start = Instant::now();
        let reader = store.reader().unwrap();
        slowest = slowest.max(start.elapsed());
        let completed = reader.runs(&Query {
            filter: Some("status = 'completed'".to_owned()),
            ..Query::default()
        });
        let completed = completed
            .unwrap()
            .iter()
            .filter(|run| run.info.name.len() == 8)
            .count();
        assert!(completed as u64 >= done, "{completed} of {done}");
        let last = reader
            .series(short_id(0, done - 1), "m", &SeriesQuery::default())
            .unwrap();
        check_series(&last, done - 1, SHORT_STEPS as u64);
        drop(reader);
        let other = store.start_run(RunOptions {
            name: Some("other".to_owned()),
            environment: Some(Environment::default()),
            ..RunOptions::default()
        });
        let other = other.unwrap();
        other.log(1, &[("m", 1.0)]).unwrap();
        let id = other.id();
        other.finish(Status::Failed, None, None).unwrap();
        assert_eq!(
            store.reader().unwrap().run(id).unwrap().status,
            Status::Failed
        );
        actor.signal("-CONT");
        counter.wait_for(done + 1, &mut actor);
    }
    tally::took(slowest);
}

#[test]
fn runs_that_live_or_ended_well_never_look_failed() {
    let _tally = Tally;
    let (dir, path) = round_dir(0);
    let store = Store::open_or_create(&path).unwrap();
    let mut actors = Vec::new();
    for n in 0..4u64 {
        let counter = dir.path().join(format!("counter{n}"));
        let what = if n < 2 { "short" } else { "fold" };
        let part = [
            what,
            path.to_str().unwrap(),
            counter.to_str().unwrap(),
            "mapped",
        ];
        let n = n.to_string();
        let part: Vec<&str> = part.into_iter().chain([&n, "0", "1000000"]).collect();
        actors.push((Actor::start(&part), Counter::open(&counter)));
    }
    let start = Instant::now();
    let mut reads = 0;
    while start.elapsed() < Duration::from_secs(4 * torture()) {
        let told: Vec<u64> = actors.iter().map(|(_, counter)| counter.get()).collect();
        let reader = store.reader().unwrap();
        // Newest first: all that began since the last read, and then some.
        let newest = Query {
            limit: Some(50),
            ..Query::default()
        };
        let warnings = reader.warnings();
        assert!(
            !warnings.iter().any(|text| text.contains("corrupt")),
            "{warnings:?}"
        );
        for run in reader.runs(&newest).unwrap() {
            assert!(
                matches!(run.status, Status::Running | Status::Completed),
                "read {reads}: {} is {}, {told:?}, ended {:?}",
                run.id,
                run.status,
                run.end_us
            );
        }
        for (actor, told) in told.iter().enumerate().take(2) {
            for n in told.saturating_sub(3)..*told {
                let run = reader.run(short_id(actor as u64, n)).unwrap();
                assert_eq!(
                    (run.status, run.metrics["m"].count),
                    (Status::Completed, 20)
                );
            }
        }
        reads += 1;
    }
    assert!(actors.iter_mut().all(|(actor, _)| actor.is_there()));
    tally::READS.add(reads);
}
