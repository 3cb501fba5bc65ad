//! What tests have been through, told in one line each: `tools/torture` adds them up.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Something that is counted over all threads of a test.
#[derive(Debug)]
pub(crate) struct Count(&'static str, AtomicU64);

impl Count {
    const fn new(name: &'static str) -> Self {
        Self(name, AtomicU64::new(0))
    }

    pub(crate) fn add(&self, count: u64) {
        self.1.fetch_add(count, Ordering::Relaxed);
    }
}

pub(crate) static ROUNDS: Count = Count::new("rounds");
pub(crate) static KILLED: Count = Count::new("killed");
pub(crate) static STOPPED: Count = Count::new("stopped");
pub(crate) static POWER_CUTS: Count = Count::new("power_cuts");
/// Operations of the disk that failed, and were told of.
pub(crate) static FAILED: Count = Count::new("failed_operations");
pub(crate) static DAMAGED: Count = Count::new("damaged");
pub(crate) static OPERATIONS: Count = Count::new("operations");
pub(crate) static POINTS: Count = Count::new("points");
pub(crate) static READS: Count = Count::new("reads");
pub(crate) static WITHOUT_INDEX: Count = Count::new("without_index");
/// The longest that a snapshot took.
static SLOWEST: Count = Count::new("slowest_ms");

pub(crate) fn took(time: Duration) {
    let ms = u64::try_from(time.as_millis()).unwrap();
    SLOWEST.1.fetch_max(ms, Ordering::Relaxed);
}

/// Tells the counts when its test ends. Tests beside each other share them, so that one may tell
/// what another counted; the sum is right.
#[derive(Debug)]
pub(crate) struct Tally;

impl Drop for Tally {
    fn drop(&mut self) {
        let all = [
            &ROUNDS,
            &KILLED,
            &STOPPED,
            &POWER_CUTS,
            &FAILED,
            &DAMAGED,
            &OPERATIONS,
            &POINTS,
            &READS,
            &WITHOUT_INDEX,
            &SLOWEST,
        ];
        let told = all.map(|Count(name, count)| (name, count.swap(0, Ordering::Relaxed)));
        let told = told.iter().filter(|(_, count)| *count > 0);
        let told: Vec<String> = told
            .map(|(name, count)| format!("{name}={count}"))
            .collect();
        eprintln!("counts: {}", told.join(" "));
    }
}

/// How often each test goes round.
pub(crate) fn torture() -> u64 {
    std::env::var("TRACKER_TORTURE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}
