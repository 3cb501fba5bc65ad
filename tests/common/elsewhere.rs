//! The real system as another machine would see it: a process of its own, a clock of its own.

use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use tracker::Result;
use tracker::model::Process;
use tracker::sys::Clock;
use tracker::sys::Entry;
use tracker::sys::File;
use tracker::sys::FileSystem;
use tracker::sys::Open;
use tracker::sys::RealSys;
use tracker::sys::Stat;
use tracker::sys::Sys;

/// A machine that no other one can ask about its processes, and whose clock may be set.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// How far its wall clock is ahead of ours; to set it back is to let it step back.
    pub(crate) ahead_us: AtomicI64,
}

impl Sys for Elsewhere {
    fn now_us(&self) -> i64 {
        RealSys.now_us() + self.ahead_us.load(Ordering::Relaxed)
    }
    fn clock(&self) -> Clock {
        RealSys.clock().not_before(self.now_us())
    }
    fn process(&self) -> Process {
        Process {
            pid: 4_242,
            boot_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            pid_namespace: "pid:[1]".to_owned(),
            host: "a machine elsewhere".to_owned(),
        }
    }
    fn boot_us(&self) -> Option<i64> {
        None
    }
    fn is_alive(&self, process: &Process) -> Option<bool> {
        (*process == self.process()).then_some(true)
    }
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        RealSys.open(path, how)
    }
    fn create_dir(&self, path: &Path) -> Result<()> {
        RealSys.create_dir(path)
    }
    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        RealSys.list(dir)
    }
    fn stat(&self, path: &Path) -> Result<Stat> {
        RealSys.stat(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        RealSys.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        RealSys.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> Result<()> {
        RealSys.sync_dir(dir)
    }
    fn file_system(&self, dir: &Path) -> FileSystem {
        RealSys.file_system(dir)
    }
    fn random(&self) -> [u8; 16] {
        RealSys.random()
    }
    fn lower_priority(&self) {}
}
