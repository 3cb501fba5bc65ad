//! What a single call of `log` costs at its worst, and the memory of the writer behind it: a table.
//!
//! `10 M points/s` is a training that logs ten metrics a step, one million steps a second, while
//! another thread keeps the other core busy: segments turn over, are sealed and synced in what is
//! left. Calls begin when a clock says so; a call that was held up is followed at once by those
//! that it made late, so the rate stays. `flat out` is one call after the other on a free machine.
//!
//! Yardstick of each: the same loop storing the same bytes into anonymous memory, in turn with it,
//! so that what the system does to any thread is seen in both. A reading of the clock is in all.
//!
//! A writer's memory is what the process has of its own (`RssAnon`) beyond what it had before the
//! run, at its peak: mapped segments are the file system's pages and not in it.

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use hdrhistogram::Histogram;

use tracker::RunOptions;
use tracker::journal::frame::frame_bytes;
use tracker::journal::record::points_bytes;
use tracker::limits::SEGMENT_BYTES_MAX;
use tracker::model::Environment;
use tracker::model::Status;

/// Calls a second of a training that logs 10 M points/s, ten at a time.
const RATE: u64 = 1_000_000;
/// The log and the memory take turns so many times.
const ROUNDS: usize = 3;
/// A call that took longer was slowed.
const SLOWED_NS: u64 = 10_000;
const P999_NS_MAX: u64 = 2_000;
const ABOVE_MEMORY_NS_MAX: u64 = 5_000_000;
const OWN_BYTES_MAX: u64 = 64 << 20;

fn main() {
    let calls = |measured| common::size(measured, 20) as u64;
    let own = OwnMemory::watch();
    println!(
        "\n{:<37} {:>6} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>6} {:>6}",
        "calls",
        "M pt/s",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
        "> 10 us",
        "own",
        "finish"
    );
    let busy = Busy::start();
    let paced = measure(
        "10 M points/s, other core busy",
        10,
        calls(4_000_000),
        Some(RATE),
        &own,
    );
    busy.stop();
    let free = measure(
        "10 M points/s, free machine",
        10,
        calls(4_000_000),
        Some(RATE),
        &own,
    );
    let narrow = measure("flat out, 10 metrics", 10, calls(8_000_000), None, &own);
    let wide = measure("flat out, 10,000 metrics", 10_000, calls(8_000), None, &own);
    own.stop();
    if common::size(1, 0) == 0 {
        return; // a tiny round tells nothing of time
    }
    println!("\n{:<37} {:>8} {:>8}", "", "measured", "at most");
    let [log, memory] = [&paced.log, &paced.memory];
    let above = log.max().saturating_sub(memory.max());
    judge(
        "p99.9, busy",
        log.value_at_quantile(0.999),
        P999_NS_MAX,
        time,
    );
    judge(
        "longest above memory's, busy",
        above,
        ABOVE_MEMORY_NS_MAX,
        time,
    );
    let peak = |load: &Load| load.own.max(load.own_to_end);
    let loads = [paced, free, narrow, wide];
    let peak = loads.iter().map(peak).max().unwrap_or(0);
    judge("own memory, highest of all", peak, OWN_BYTES_MAX, mebibytes);
}

/// What the calls of one load took, and the same bytes into memory.
struct Load {
    log: Histogram<u64>,
    memory: Histogram<u64>,
    /// Bytes of its own that the writer had while it logged.
    own: u64,
    /// The same to the end of `finish`.
    own_to_end: u64,
}

fn measure(name: &str, width: usize, calls: u64, rate: Option<u64>, own: &OwnMemory) -> Load {
    let (names, losses) = (common::names(width), common::losses(width, 40_960 / width));
    let step = |values: &Vec<f64>| {
        let names = names.iter().map(String::as_str);
        names.zip(values.clone()).collect()
    };
    let rows: Vec<Vec<(&str, f64)>> = losses.iter().map(step).collect();
    let bytes = vec![0x5a; frame_bytes(points_bytes(width))];
    let mut memory_place = vec![1; SEGMENT_BYTES_MAX];
    let mut load = Load {
        log: histogram(),
        memory: histogram(),
        own: 0,
        own_to_end: 0,
    };
    let [mut log_time, mut memory_time] = [Duration::ZERO; 2];
    for _ in 0..ROUNDS {
        let (_folder, store) = common::store();
        let before = own.begin();
        let environment = Some(Environment::default());
        let options = RunOptions {
            environment,
            ..RunOptions::default()
        };
        let run = store.start_run(options).unwrap();
        let mut steps = (0i64..).zip(rows.iter().cycle());
        log_time += timed(calls, rate, &mut load.log, || {
            let (step, row) = steps.next().unwrap();
            run.log(step, black_box(row)).unwrap();
        });
        load.own = load.own.max(own.peak() - before);
        run.finish(Status::Completed, None, None).unwrap();
        load.own_to_end = load.own_to_end.max(own.peak() - before);
        let mut at = 0;
        memory_time += timed(calls, rate, &mut load.memory, || {
            if at + bytes.len() > memory_place.len() {
                at = 0;
            }
            memory_place[at..at + bytes.len()].copy_from_slice(black_box(&bytes));
            at += bytes.len();
        });
        black_box(&memory_place);
    }
    let points = (ROUNDS * width) as f64 * calls as f64;
    let own = [load.own, load.own_to_end].map(mebibytes);
    line(name, points / log_time.as_secs_f64(), &load.log, &own);
    line(
        "  the same bytes into memory",
        points / memory_time.as_secs_f64(),
        &load.memory,
        &[],
    );
    load
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap()
}

/// Times each call by itself; with a `rate` it begins at its time, or at once if that has passed.
fn timed(
    calls: u64,
    rate: Option<u64>,
    into: &mut Histogram<u64>,
    mut call: impl FnMut(),
) -> Duration {
    let gap = Duration::from_secs(1) / u32::try_from(rate.unwrap_or(u64::from(u32::MAX))).unwrap();
    let began = Instant::now();
    let (mut now, mut due) = (began, began);
    for _ in 0..calls {
        while rate.is_some() && now < due {
            now = Instant::now();
        }
        due += gap;
        call();
        let ended = Instant::now();
        let nanos = u64::try_from((ended - now).as_nanos()).unwrap();
        into.saturating_record(nanos);
        now = ended;
    }
    began.elapsed()
}

fn line(name: &str, rate: f64, calls: &Histogram<u64>, own: &[String]) {
    let quantile = |at| time(calls.value_at_quantile(at));
    let slowed = calls.len() - calls.count_between(0, SLOWED_NS);
    print!("{name:<37} {:>6.1}", rate / 1e6);
    for at in [0.5, 0.9, 0.99, 0.999, 0.9999] {
        print!(" {:>7}", quantile(at));
    }
    let slowed = 100.0 * slowed as f64 / calls.len() as f64;
    print!(" {:>8} {slowed:>7.4}%", time(calls.max()));
    for own in own {
        print!(" {own:>6}");
    }
    println!();
}

fn judge(name: &str, measured: u64, most: u64, print: fn(u64) -> String) {
    let verdict = if measured <= most {
        "reached"
    } else {
        "MISSED"
    };
    println!(
        "{name:<37} {:>8} {:>8}   {verdict}",
        print(measured),
        print(most)
    );
}

fn time(nanos: u64) -> String {
    match nanos as f64 {
        small if small < 1e3 => format!("{small:.0} ns"),
        micro if micro < 1e6 => format!("{:.1} us", micro / 1e3),
        milli => format!("{:.1} ms", milli / 1e6),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / f64::from(1 << 20))
}

/// A thread that does nothing and takes all the time it gets.
struct Busy(Arc<AtomicBool>, JoinHandle<()>);

impl Busy {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self(
            stop,
            thread::spawn(move || while !stopped.load(Ordering::Relaxed) {}),
        )
    }

    fn stop(self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.join().unwrap();
    }
}

/// A thread that looks at the memory of the process.
struct OwnMemory {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl OwnMemory {
    fn watch() -> Self {
        let (peak, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (seen, stopped) = (Arc::clone(&peak), Arc::clone(&stop));
        let look = move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.fetch_max(own_bytes(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        };
        let thread = thread::spawn(look);
        Self { peak, stop, thread }
    }

    /// Begins a peak anew; returns what there is.
    fn begin(&self) -> u64 {
        let now = own_bytes();
        self.peak.store(now, Ordering::Relaxed);
        now
    }

    fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Bytes of memory that are this process's alone; 0 where the system does not tell.
fn own_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kibibytes.map_or(0, |kibibytes: u64| kibibytes << 10)
}
