//! Processes of a test: its own binary, started again with a part to play.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use super::tally;

/// Says which part a process has; not there in the test itself.
const PART: &str = "TRACKER_TEST_PART";

/// Returns the part of this process with its arguments, if it has one.
pub(crate) fn part() -> Option<Vec<String>> {
    let part = std::env::var(PART).ok()?;
    Some(part.split('\n').map(str::to_owned).collect())
}

/// A process with a part. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Actor(Child);

impl Actor {
    /// Starts this binary again; its test `child` plays the part.
    pub(crate) fn start(part: &[&str]) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(PART, part.join("\n"))
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Kills it as the out-of-memory killer does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        tally::KILLED.add(1);
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        tally::STOPPED.add(u64::from(name == "-STOP"));
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until it ends by itself, as it should.
    pub(crate) fn wait(mut self) {
        assert!(self.0.wait().unwrap().success());
    }

    /// Whether it is still there.
    pub(crate) fn is_there(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A number in a file, by which one process tells others how far it has come.
#[derive(Debug)]
pub(crate) struct Counter(fs::File);

impl Counter {
    pub(crate) fn open(path: &Path) -> Self {
        let mut options = fs::OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        Self(file.unwrap())
    }

    pub(crate) fn set(&self, value: u64) {
        self.set_at(0, value);
    }

    pub(crate) fn get(&self) -> u64 {
        self.get_at(0)
    }

    /// Sets another number of the same file.
    pub(crate) fn set_at(&self, place: u64, value: u64) {
        self.0
            .write_all_at(&value.to_le_bytes(), place * 8)
            .unwrap();
    }

    pub(crate) fn get_at(&self, place: u64) -> u64 {
        let mut bytes = [0; 8];
        match self.0.read_at(&mut bytes, place * 8).unwrap() {
            8 => u64::from_le_bytes(bytes),
            _ => 0, // nothing was told yet
        }
    }

    /// Waits until the number is reached, or `actor` has ended.
    pub(crate) fn wait_for(&self, value: u64, actor: &mut Actor) {
        while self.get() < value && actor.is_there() {
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

/// Numbers that look random; a round is told by its seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Begins with `TRACKER_SEED`, or with the time.
    pub(crate) fn new(what: &str, round: u64) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.unwrap();
        let now = now.as_secs() << 32 | u64::from(now.subsec_nanos());
        let given = std::env::var("TRACKER_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(now | 1);
        eprintln!("{what}, round {round}: TRACKER_SEED={seed}");
        tally::ROUNDS.add(1);
        Self(seed)
    }

    /// Begins with a number, and says nothing.
    pub(crate) fn quiet(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `end`. Source: Marsaglia 2003, xorshift64.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) % end
    }

    /// Returns a number below `end`, small ones as often as large ones.
    pub(crate) fn any_size(&mut self, end: u64) -> u64 {
        let bits = u64::from(end.ilog2()) + 1;
        let shift = self.below(bits);
        self.below((end >> shift).max(1))
    }
}

/// A folder on the disk, or in memory for every other round.
pub(crate) fn round_dir(round: u64) -> (tempfile::TempDir, PathBuf) {
    let dir = match round % 2 {
        0 => super::real::memory_dir(),
        _ => tempfile::tempdir().unwrap(),
    };
    let store = dir.path().join(".tracker");
    (dir, store)
}
