//! Many processes on one store: they log, read, fold and rebuild, are killed, stopped and copied
//! beside each other. Nothing is lost, nobody fails, nobody waits for one that stands still.
//!
//! Each child is this binary again, playing one of the parts below. A few seconds by default;
//! with `TRACKER_TORTURE=N` there are 64 writers and 16 readers, for N times 15 seconds.
#![cfg(unix)]

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use common::process::Actor;
use common::process::Counter;
use common::process::Random;
use common::process::part;
use common::process::round_dir;
use common::sound::check_sound;
use common::sound::run_options;
use common::tally;
use common::tally::Tally;
use common::tally::torture;
use tracker::Error;
use tracker::Query;
use tracker::Reader;
use tracker::RunOptions;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::index::Index;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::RunInfo;
use tracker::model::Status;
use tracker::store::EndedRun;
use tracker::sys::RealSys;
use tracker::sys::Sys;

/// Runs that many write to.
const SHARED: u64 = 4;
/// Points of a short run.
const SHORT_STEPS: i64 = 20;
/// A process that takes longer than this on any machine hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn shared_id(n: u64) -> RunId {
    RunId::new(1_700_000_000_000, [u8::try_from(n).unwrap(); 16])
}

/// The n-th short run of a life.
fn short_id(life: u64, n: u64) -> RunId {
    let bits = (u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64) | u128::from(life) << 48;
    RunId::new(1_700_000_000_001, bits.to_le_bytes())
}

fn value(step: i64, life: u64) -> f64 {
    (step as f64 * 0.001 + life as f64).sin()
}

/// A part, and where it tells how far it has come: `<what>-<life>` beside the store.
struct Player {
    what: &'static str,
    life: u64,
    actor: Actor,
    counter: Counter,
}

impl Player {
    fn start(dir: &Path, what: &'static str, life: u64) -> Self {
        let told = dir.join("told").join(format!("{what}-{life}"));
        let part = [what, dir.to_str().unwrap(), &life.to_string()];
        Self {
            what,
            life,
            counter: Counter::open(&told),
            actor: Actor::start(&part),
        }
    }

    fn kill(&mut self) {
        let Self { what, life, .. } = self;
        assert!(self.actor.is_there(), "{what}-{life} ended by itself");
        self.actor.kill();
    }

    fn wait_for(&mut self, told: u64) {
        self.counter.wait_for(told, &mut self.actor);
        assert!(self.actor.is_there(), "{} ended by itself", self.what);
    }
}

/// A place for a store and what its crowd tells.
fn place(round: u64) -> (tempfile::TempDir, Store) {
    let (dir, path) = round_dir(round);
    fs::create_dir(dir.path().join("told")).unwrap();
    let store = Store::open_or_create(&path).unwrap();
    (dir, store)
}

/// Plays the part that the parent gave.
#[test]
fn child() {
    let Some(part) = part() else { return };
    let [what, dir, life] = part.as_slice() else {
        panic!("{part:?}")
    };
    let dir = Path::new(dir);
    let counter = Counter::open(&dir.join("told").join(format!("{what}-{life}")));
    let life: u64 = life.parse().unwrap();
    let store = Store::open(&dir.join(".tracker")).unwrap();
    match what.as_str() {
        "log" => part_log(&store, &counter, life),
        "short" => part_short(&store, &counter, life),
        "command" => part_command(&store, &counter, life),
        "read" => part_read(&store, &counter, &dir.join("told")),
        "look" => loop {
            store.reader().unwrap().run_ids().unwrap();
            counter.set(counter.get() + 1);
        },
        "fold" => loop {
            let report = store.fold(None).unwrap();
            assert!(report.damage.is_empty(), "{report:?}");
            counter.set(counter.get() + u64::from(!report.busy));
        },
        "rebuild" => loop {
            match store.rebuild(&mut |_, _| {}) {
                Ok(report) => assert!(report.damage.is_empty(), "{report:?}"),
                Err(Error::Locked { .. }) => continue,
                Err(error) => panic!("{error}"),
            }
            counter.set(counter.get() + 1);
        },
        _ => panic!("no part {what}"),
    }
}

/// Logs to a run that others log to.
fn part_log(store: &Store, counter: &Counter, life: u64) {
    let run = store.join_run(shared_id(life % SHARED)).unwrap();
    let metric = format!("m{life}");
    for step in 0.. {
        run.log(step, &[(&metric, value(step, life)), ("all", 1.0)])
            .unwrap();
        counter.set(u64::try_from(step).unwrap() + 1);
        if step % 64 == 0 {
            std::thread::sleep(Duration::from_millis(50)); // others want to run, too
        }
    }
}

/// Makes one short run after the other.
fn part_short(store: &Store, counter: &Counter, life: u64) {
    for n in 0.. {
        let run = store.start_run(run_options(short_id(life, n))).unwrap();
        run.param("n", ParamValue::Int(i64::try_from(n).unwrap()))
            .unwrap();
        for step in 0..SHORT_STEPS {
            run.log(step, &[("m", value(step, life))]).unwrap();
        }
        run.finish(Status::Completed, None, None).unwrap();
        counter.set(n + 1);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Logs to a detached run by one short command after the other.
fn part_command(store: &Store, counter: &Counter, life: u64) {
    let metric = format!("c{life}");
    for step in 0.. {
        let command = store.join_run_briefly(shared_id(SHARED)).unwrap();
        command.log(step, &[(&metric, value(step, life))]).unwrap();
        counter.set(u64::try_from(step).unwrap() + 1);
        command.close().unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Checks that the steps from 0 on are there, at least `least` of them.
fn check_series(points: &[Point], life: u64, least: u64) {
    let count = points.len() as u64;
    assert!(count >= least, "{count} points of {least}, life {life}");
    for (step, point) in (0..).zip(points) {
        let want = (step, value(step, life).to_bits());
        assert_eq!((point.step, point.value.to_bits()), want);
    }
}

/// Checks what one player has told to have done.
fn check_told(reader: &Reader, what: &str, life: u64, told: u64) -> u64 {
    let all = SeriesQuery::default();
    if told == 0 {
        return 0;
    }
    match what {
        "log" | "command" => {
            let (run, metric) = match what {
                "log" => (shared_id(life % SHARED), format!("m{life}")),
                _ => (shared_id(SHARED), format!("c{life}")),
            };
            let points = reader.series(run, &metric, &all).unwrap();
            check_series(&points, life, told);
            points.len() as u64
        }
        "short" => {
            let run = reader.run(short_id(life, told - 1)).unwrap();
            assert_eq!(run.status, Status::Completed);
            let points = reader.series(run.id, "m", &all).unwrap();
            check_series(&points, life, SHORT_STEPS as u64);
            points.len() as u64
        }
        _ => 0,
    }
}

/// All that players tell: what, life, how far.
fn all_told(folder: &Path) -> Vec<(String, u64, u64)> {
    let mut told = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (what, life) = name.split_once('-').unwrap();
        let count = Counter::open(&path).get();
        told.push((what.to_owned(), life.parse().unwrap(), count));
    }
    told
}

/// Takes one snapshot after the other, and holds it against what was told before.
fn part_read(store: &Store, counter: &Counter, folder: &Path) {
    let mut random = Random::quiet(u64::from(std::process::id()) | 1);
    loop {
        let mut told = all_told(folder);
        let start = Instant::now();
        let reader = store.reader().unwrap();
        let took = u64::try_from(start.elapsed().as_millis()).unwrap();
        for _ in 0..8 {
            let at = random.below(told.len() as u64);
            let (what, life, count) = told.swap_remove(usize::try_from(at).unwrap());
            check_told(&reader, &what, life, count);
            if told.is_empty() {
                break;
            }
        }
        for n in 0..=SHARED {
            assert_eq!(reader.run(shared_id(n)).unwrap().status, Status::Running);
        }
        let warnings = reader.warnings();
        let is_expected = |text: &String| text.contains("index") && !text.contains("corrupt");
        assert!(warnings.iter().all(is_expected), "{warnings:?}");
        counter.set_at(1, counter.get_at(1) + u64::from(!warnings.is_empty()));
        counter.set_at(2, counter.get_at(2).max(took));
        counter.set(counter.get() + 1);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Checks all that was ever told, and tallies it.
fn check_all(store: &Store, folder: &Path) {
    let reader = store.reader().unwrap();
    for (what, life, count) in all_told(folder) {
        tally::POINTS.add(check_told(&reader, &what, life, count));
        for n in 0..count {
            if what == "short" {
                let run = reader.run(short_id(life, n)).unwrap();
                let seen = (run.status, run.metrics["m"].count);
                assert_eq!(seen, (Status::Completed, SHORT_STEPS as u64));
                tally::POINTS.add(SHORT_STEPS as u64);
            }
        }
        if what == "read" {
            let counter = Counter::open(&folder.join(format!("{what}-{life}")));
            tally::READS.add(count);
            tally::WITHOUT_INDEX.add(counter.get_at(1));
            tally::took(Duration::from_millis(counter.get_at(2)));
        }
    }
}

#[test]
fn a_crowd_that_is_killed_at_random_loses_nothing_and_holds_up_nobody() {
    let _tally = Tally;
    let is_long = std::env::var_os("TRACKER_TORTURE").is_some();
    let (writers, readers) = if is_long { (64, 16) } else { (16, 4) };
    let time = Duration::from_secs(if is_long { 15 * torture() } else { 4 });
    let mut random = Random::new("crowd", 0);
    let (dir, store) = place(0);
    let mut shared: Vec<_> = (0..SHARED)
        .map(|n| store.start_run(run_options(shared_id(n))).unwrap())
        .collect();
    let detached = RunOptions {
        detached: true,
        ..run_options(shared_id(SHARED))
    };
    shared.push(store.start_run(detached).unwrap());
    let mut lives = 0..;
    let mut start = |what| Player::start(dir.path(), what, lives.next().unwrap());
    let mut crowd: Vec<Player> = Vec::new();
    for n in 0..writers {
        crowd.push(start(["log", "short", "log", "command"][n % 4]));
    }
    for _ in 0..readers {
        crowd.push(start("read"));
    }
    crowd.extend(["fold", "fold", "rebuild"].map(&mut start));
    for player in &mut crowd {
        if player.what != "fold" && player.what != "rebuild" {
            player.wait_for(1);
        }
    }
    let begun = Instant::now();
    let mut step = 0;
    while begun.elapsed() < time {
        let at = usize::try_from(random.below(crowd.len() as u64)).unwrap();
        if random.below(3) == 0 {
            // It stands still for a while, wherever it is, and all others go on.
            crowd[at].actor.signal("-STOP");
            shared[0].log(step, &[("mine", 1.0)]).unwrap();
            step += 1;
            let seen = store.reader().unwrap().run(shared_id(0)).unwrap();
            assert_eq!(seen.metrics["mine"].count, step.cast_unsigned());
            std::thread::sleep(Duration::from_millis(random.below(60)));
            crowd[at].actor.signal("-CONT");
        } else {
            crowd[at].kill();
            crowd[at] = start(crowd[at].what);
        }
        std::thread::sleep(Duration::from_millis(random.below(20)));
    }
    // Those that were there to the end have come on.
    for player in &mut crowd {
        if player.what == "read" {
            player.wait_for(player.counter.get() + 1);
        }
    }
    for player in &mut crowd {
        player.kill();
    }
    let folder = dir.path().join("told");
    check_all(&store, &folder);
    for (n, run) in (0..).zip(shared) {
        run.finish(Status::Completed, None, None).unwrap();
        let status = store.reader().unwrap().run(shared_id(n)).unwrap().status;
        assert_eq!(status, Status::Completed);
    }
    let report = store.fold(None).unwrap();
    assert!(report.complete && report.damage.is_empty(), "{report:?}");
    for entry in fs::read_dir(store.path().join("live")).unwrap() {
        // Short commands leave their rows to the next one.
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with(&shared_id(SHARED).to_string()), "{name}");
    }
    for _ in 0..2 {
        check_all(&store, &folder);
        check_sound(&store);
        store.rebuild(&mut |_, _| {}).unwrap();
    }
}

/// Adds a run that has ended, for somebody to fold.
fn add(store: &Store, n: u64) {
    let points = (0..200).map(|step| Point {
        step,
        time_us: step,
        value: value(step, n),
    });
    let ended = EndedRun {
        info: RunInfo {
            name: format!("added {n}"),
            ..RunInfo::default()
        },
        params: vec![("n".to_owned(), ParamValue::Int(i64::try_from(n).unwrap()))],
        series: vec![("m".to_owned(), points.collect())].into(),
        ..EndedRun::default()
    };
    let reader = store.reader().unwrap();
    let added = store.add_run(&reader, short_id(7, n), &ended).unwrap();
    assert!(added.is_some());
}

/// Reads all runs that were added.
fn check_added(store: &Store, count: u64) {
    let start = Instant::now();
    let reader = store.reader().unwrap();
    tally::took(start.elapsed());
    tally::READS.add(1);
    let filter = Some(format!("params.n < {count} and count(metrics.m) = 200"));
    let query = Query {
        filter,
        ..Query::default()
    };
    assert_eq!(reader.runs(&query).unwrap().len() as u64, count);
    let last = short_id(7, count - 1);
    let points = reader.series(last, "m", &SeriesQuery::default()).unwrap();
    check_series(&points, count - 1, 200);
    tally::POINTS.add(points.len() as u64);
    let warnings = reader.warnings();
    assert!(
        warnings.iter().all(|text| text.contains("index")),
        "{warnings:?}"
    );
    tally::WITHOUT_INDEX.add(u64::from(!warnings.is_empty()));
}

#[test]
fn beside_rebuilds_and_their_deaths_all_is_read_and_folded() {
    let _tally = Tally;
    let (dir, store) = place(0);
    add(&store, 0);
    let mut makers = [("rebuild", 1), ("rebuild", 2), ("fold", 3)]
        .map(|(what, life)| Player::start(dir.path(), what, life));
    for round in 1..30 * torture() {
        let mut random = Random::new("rebuild", round);
        add(&store, round);
        check_added(&store, round + 1);
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        let at = usize::try_from(random.below(3)).unwrap();
        makers[at].kill();
        check_added(&store, round + 1);
        makers[at] = Player::start(dir.path(), makers[at].what, round * 10);
        if round % 10 == 0 {
            makers[at].wait_for(1); // or none would live long enough
        }
    }
    for maker in &mut makers {
        maker.kill();
    }
    store.fold(None).unwrap();
    check_added(&store, 30 * torture());
    check_sound(&store);
    let beside = store.path().join("index.redb.new");
    assert!(!beside.exists(), "what a dead rebuild left is swept");
}

/// Does `work` while others stand still; that it waits for them shows as a hang.
fn unhindered<T: Send>(what: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        let begun = Instant::now();
        while !working.is_finished() {
            if begun.elapsed() > PATIENCE {
                // Not by a panic: the scope would wait for the thread for good.
                eprintln!("{what} waits for a process that stands still");
                std::process::exit(1);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        working.join().unwrap()
    })
}

/// Stops one of these at a time, at any moment, while a run ends and its store is folded.
fn stand_still(parts: [&'static str; 3]) {
    let (dir, store) = place(0);
    add(&store, 0);
    let mut lives = 0..;
    let mut others = parts.map(|what| Player::start(dir.path(), what, lives.next().unwrap()));
    for other in &mut others {
        other.wait_for(1);
    }
    let (mut busy, rounds) = (0, 30 * torture());
    for round in 1..=rounds {
        let mut random = Random::new("still", round);
        add(&store, round);
        std::thread::sleep(Duration::from_micros(random.below(5_000)));
        let still = &others[usize::try_from(random.below(3)).unwrap()];
        still.actor.signal("-STOP");
        check_added(&store, round + 1);
        let id = short_id(9, round);
        let run = store.start_run(run_options(id)).unwrap();
        run.log(1, &[("m", 1.0)]).unwrap();
        unhindered("the end of a run", || {
            run.finish(Status::Completed, None, None).unwrap();
        });
        // As commands fold, and runs that end.
        let budget = Some(Duration::from_millis(500));
        busy += u64::from(unhindered("a fold", || store.fold(budget).unwrap()).busy);
        still.actor.signal("-CONT");
        let status = store.reader().unwrap().run(id).unwrap().status;
        assert_eq!(status, Status::Completed);
    }
    eprintln!("beside {parts:?} {busy} of {rounds} folds left it to another process");
    for other in &mut others {
        other.kill();
    }
    store.fold(None).unwrap();
    check_sound(&store);
}

#[test]
fn who_stands_still_in_a_fold_holds_up_nobody() {
    let _tally = Tally;
    stand_still(["fold", "rebuild", "look"]);
}

#[test]
fn who_stands_still_while_it_looks_holds_up_no_fold() {
    let _tally = Tally;
    stand_still(["look"; 3]);
}

/// Copies as people do, with what is being made and removed meanwhile.
fn copy(store: &Store, to: &Path) {
    let mut copy = std::process::Command::new("cp");
    copy.arg("-r").arg(store.path().join(".")).arg(to);
    let _ = copy.stderr(std::process::Stdio::null()).status().unwrap(); // a file may be gone
}

#[test]
fn a_store_copied_while_in_use_opens_and_is_whole_when_copied_again_at_the_end() {
    let _tally = Tally;
    for round in 0..2 * torture() {
        tally::ROUNDS.add(1);
        let (dir, store) = place(round);
        let shared: Vec<_> = (0..SHARED)
            .map(|n| store.start_run(run_options(shared_id(n))).unwrap())
            .collect();
        let mut players = [
            ("log", 0),
            ("log", 1),
            ("short", 2),
            ("short", 3),
            ("fold", 4),
        ]
        .map(|(what, life)| Player::start(dir.path(), what, life));
        for player in &mut players {
            player.wait_for(if player.what == "short" { 40 } else { 1 });
        }
        let path = dir.path().join("copy");
        fs::create_dir(&path).unwrap();
        copy(&store, &path);
        let copied = Store::open(&path).unwrap();
        let is_beginning = || {
            let reader = copied.reader().unwrap();
            for run in reader.runs(&Query::default()).unwrap() {
                for metric in run.metrics.keys().filter(|metric| *metric != "all") {
                    let all = SeriesQuery::default();
                    let points = reader.series(run.id, metric, &all).unwrap();
                    // The life of a short run does not stand in its metric.
                    if let Ok(life) = metric[1..].parse() {
                        check_series(&points, life, 0);
                    }
                    tally::POINTS.add(points.len() as u64);
                }
            }
            reader.warnings()
        };
        let warnings = is_beginning();
        assert!(
            warnings.iter().any(|text| text.contains("index")),
            "{warnings:?}"
        );
        copied.fold(None).unwrap();
        // A busy machine may keep a reader from any index, and then it says so.
        let in_time = |text: &&String| !text.ends_with("it did not answer in time");
        let warnings = is_beginning();
        let of_index = |text: &String| text.contains("index");
        assert!(
            !warnings.iter().filter(in_time).any(of_index),
            "{warnings:?}"
        );
        for player in &mut players {
            player.kill();
        }
        for run in shared {
            run.finish(Status::Completed, None, None).unwrap();
        }
        store.fold(None).unwrap();
        copy(&store, &path);
        for _ in 0..2 {
            check_all(&copied, &dir.path().join("told"));
            copied.fold(None).unwrap();
        }
        check_sound(&copied);
    }
}

#[test]
fn what_arrives_in_a_folder_is_found_though_the_copy_sets_its_time_back() {
    let _tally = Tally;
    let stores = [place(1), place(1)];
    for ((_, store), n) in stores.iter().zip(1..) {
        // Runs of one folder of the journal.
        let run = store.start_run(run_options(RunId(n << 64))).unwrap();
        run.log(1, &[("m", 1.0)]).unwrap();
        run.finish(Status::Completed, None, None).unwrap();
        store.fold(None).unwrap();
    }
    let [(_, store), (_, other)] = &stores;
    let folder = store.path().join("journal/00");
    std::thread::sleep(Duration::from_millis(2_100)); // until the time of a folder is trusted
    store.fold(None).unwrap();
    let before = fs::metadata(&folder).unwrap().modified().unwrap();
    // As `rsync -a` and `cp -a` do, of a third store whose folder is as old as this one's was.
    for file in fs::read_dir(other.path().join("journal/00")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    let times = fs::FileTimes::new().set_modified(before);
    fs::File::open(&folder).unwrap().set_times(times).unwrap();
    assert_eq!(store.reader().unwrap().run_ids().unwrap().len(), 2);
    // Where a system's times do not tell, a check does.
    let index = Index::new(
        Arc::new(RealSys),
        store.path().join("index.redb"),
        store.id(),
    );
    let set = |time_ns| index.write(|writer| writer.put_folder(0, time_ns)).unwrap();
    set(RealSys.stat(&folder).unwrap().modified_ns);
    let told = store.check(&mut |_, _| {}).unwrap().index;
    assert!(told[0].contains("passed over"), "{told:?}");
    set(0);
    assert_eq!(store.fold(None).unwrap().segments, 1);
    check_sound(store);
}
