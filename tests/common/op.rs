//! What can be done to a store.

use arbitrary::Arbitrary;

/// How many runs there may be.
pub(crate) const RUNS: u8 = 5;
/// Metrics by number.
pub(crate) const METRICS: [&str; 6] = ["loss", "val/acc", "m 2", "größe", "loss.x", "λ`"];
/// Keys of params and tags by number.
pub(crate) const KEYS: [&str; 4] = ["lr", "model", "loss", "a b"];

/// One thing done. Numbers are taken modulo what there is.
#[derive(Clone, Debug, Arbitrary)]
pub(crate) enum Op {
    /// Starts a run, unless it is there.
    Start { run: u8, detached: bool },
    /// Adds a member to a run.
    Join { run: u8 },
    /// Adds an owner to a run.
    Resume { run: u8 },
    /// Logs now. The values are the model's, each of them once in a test.
    Log {
        writer: u8,
        step: Step,
        metrics: Metrics,
    },
    /// Logs at a given time.
    LogAt {
        writer: u8,
        step: Step,
        time: Time,
        metrics: Metrics,
        values: [Number; 5],
    },
    /// Logs many points of one metric.
    LogPoints {
        writer: u8,
        metric: u8,
        step: Step,
        time: Time,
        value: Number,
        many: bool,
    },
    /// Logs through a handle.
    Handle { writer: u8, first: u8, second: u8 },
    /// Sets something else.
    Say { writer: u8, what: Saying },
    /// Syncs.
    Sync { writer: u8 },
    /// Ends a run through a writer.
    Finish {
        writer: u8,
        failed: bool,
        reason: bool,
        end: Option<Time>,
    },
    /// Ends a writer, not its run.
    Close { writer: u8 },
    /// Lets a writer go without a word, as an error in a training does.
    Drop { writer: u8 },
    /// A short command that logs and says something.
    Command {
        run: u8,
        step: Step,
        metrics: Metrics,
        what: Option<Saying>,
    },
    /// A short command that ends a run.
    CommandFinish { run: u8, failed: bool },
    /// Adds a run that ended elsewhere; twice, for the second changes nothing.
    Add {
        run: u8,
        points: Vec<(Step, Time, Number)>,
        metrics: Metrics,
        failed: bool,
    },
    /// Makes an alias stand for the newest version of a file of a run, if it has one.
    Alias { name: u8, run: u8, which: u8 },
    /// Removes an alias, if it is there.
    Unalias { name: u8 },
    /// Opens the store anew.
    Reopen,
    /// Brings the index up to date.
    Fold,
    /// Makes the index anew.
    Rebuild,
    /// Copies the store while it is in use and reads the copy.
    Copy,
    /// Copies what is settled into another store.
    Merge,
    /// Reads and compares.
    Check,
}

/// Something said of a run.
#[derive(Clone, Debug, Arbitrary)]
pub(crate) enum Saying {
    /// Sets a param.
    Param { key: u8, value: Param },
    /// Sets a tag.
    Tag { key: u8, text: u8 },
    /// Sets the note.
    Note { text: u8 },
    /// Stores bytes: few, so that the same ones come again.
    Artifact { path: u8, bytes: u8 },
    /// Notes a file that is read.
    Input { path: u8, bytes: u8 },
}

/// A value of a param: few, so that the same one comes again.
#[derive(Clone, Debug, Arbitrary)]
pub(crate) enum Param {
    Int(u8),
    LargeInt(bool),
    Float(Number),
    Text(u8),
    Bool(bool),
    List,
}

/// A step: near zero, or at the ends of the range.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub(crate) enum Step {
    Small(i8),
    Large(i32),
    Last,
    First,
}

impl Step {
    pub(crate) fn value(self) -> i64 {
        match self {
            Self::Small(step) => i64::from(step % 8),
            Self::Large(step) => i64::from(step) << 31,
            Self::Last => i64::MAX,
            Self::First => i64::MIN,
        }
    }
}

/// A time: few, so that points share one.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub(crate) enum Time {
    Early(u8),
    Recent(u8),
    Last,
    First,
}

impl Time {
    pub(crate) fn value_us(self) -> i64 {
        match self {
            Self::Early(time) => i64::from(time % 4),
            Self::Recent(time) => 1_700_000_000_000_000 + i64::from(time % 16),
            Self::Last => i64::MAX,
            Self::First => i64::MIN,
        }
    }
}

/// A value: the awkward ones, and some that compress.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub(crate) enum Number {
    Small(i8),
    Decimal(i16),
    Single(f32),
    Noise(u32),
    NegativeZero,
    Nan(u16),
    Infinity(bool),
}

impl Number {
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Small(value) => f64::from(value),
            Self::Decimal(value) => f64::from(value) / 1000.0,
            Self::Single(value) => f64::from(value),
            Self::Noise(value) => (f64::from(value) + 0.1).sqrt() - 3e4,
            Self::NegativeZero => -0.0,
            // Quiet and signalling ones, of either sign.
            Self::Nan(bits) => {
                let sign = u64::from(bits & 1) << 63;
                f64::from_bits(sign | 0x7ff0_0000_0000_0001 | u64::from(bits) << 36)
            }
            Self::Infinity(negative) => {
                if negative {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                }
            }
        }
    }
}

/// One to five metrics, one maybe twice.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub(crate) struct Metrics {
    count: u8,
    numbers: [u8; 5],
}

impl Metrics {
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let count = usize::from(self.count % 5) + 1;
        self.numbers.into_iter().take(count).map(metric)
    }
}

pub(crate) fn metric(number: u8) -> &'static str {
    METRICS[usize::from(number) % METRICS.len()]
}

pub(crate) fn key(number: u8) -> &'static str {
    KEYS[usize::from(number) % KEYS.len()]
}

pub(crate) fn alias(number: u8) -> &'static str {
    ["model:best", "model:bad", "a:b"][usize::from(number) % 3]
}

pub(crate) fn path(number: u8) -> &'static str {
    ["model.pt", "a/b.txt"][usize::from(number) % 2]
}

pub(crate) fn bytes(number: u8) -> Vec<u8> {
    vec![number % 5; usize::from(number % 5) * 30]
}

pub(crate) fn text(number: u8) -> String {
    ["", "a", "b\nc", "ünï", "1.0"][usize::from(number) % 5].to_owned()
}
