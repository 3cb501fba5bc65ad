//! The real system, watched and disturbed by a test.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use super::Clock;
use super::Entry;
use super::File;
use super::FileSystem;
use super::Map;
use super::Open;
use super::RealSys;
use super::Stat;
use super::Sys;
use crate::error::Error;
use crate::error::Result;
use crate::model::Process;

type OnWrite = Box<dyn Fn(&Path) + Send + Sync>;

/// What a test asks of the disk, and what it saw.
#[derive(Default)]
pub(crate) struct Rig {
    /// Reads of user files, and all that changes the store, in order.
    pub(crate) ops: Mutex<Vec<String>>,
    /// Called after each read.
    pub(crate) on_read: Mutex<Option<Box<dyn FnMut() + Send>>>,
    /// Called before each write with the file's path; may wait.
    pub(crate) on_write: Option<OnWrite>,
    /// Bytes that still fit on the disk.
    pub(crate) room: Mutex<Option<usize>>,
}

impl Rig {
    fn saw(&self, op: &str, path: &Path) {
        let is_temporary = path.extension().is_some_and(|extension| extension == "tmp");
        let name = path.file_name().unwrap().to_string_lossy();
        let name = if is_temporary { "tmp" } else { &*name };
        self.ops.lock().unwrap().push(format!("{op} {name}"));
    }
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rig")
    }
}

/// The real system, with a [`Rig`] between.
#[derive(Debug)]
pub(crate) struct RigSys(pub(crate) Arc<Rig>);

#[derive(Debug)]
struct RigFile(Arc<Rig>, Box<dyn File>);

impl Sys for RigSys {
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>> {
        Ok(Box::new(RigFile(self.0.clone(), RealSys.open(path, how)?)))
    }
    fn create_dir(&self, path: &Path) -> Result<()> {
        RealSys.create_dir(path)
    }
    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        RealSys.list(dir)
    }
    fn list_names(&self, dir: &Path) -> Result<Vec<std::ffi::OsString>> {
        RealSys.list_names(dir)
    }
    fn stat(&self, path: &Path) -> Result<Stat> {
        RealSys.stat(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.saw("rename", to);
        RealSys.rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        RealSys.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.0.saw("sync folder", dir);
        RealSys.sync_dir(dir)
    }
    fn file_system(&self, dir: &Path) -> FileSystem {
        RealSys.file_system(dir)
    }
    fn now_us(&self) -> i64 {
        RealSys.now_us()
    }
    fn clock(&self) -> Clock {
        RealSys.clock()
    }
    fn random(&self) -> [u8; 16] {
        RealSys.random()
    }
    fn process(&self) -> Process {
        RealSys.process()
    }
    fn boot_us(&self) -> Option<i64> {
        RealSys.boot_us()
    }
    fn is_alive(&self, process: &Process) -> Option<bool> {
        RealSys.is_alive(process)
    }
    fn lower_priority(&self) {}
}

impl File for RigFile {
    fn path(&self) -> &Path {
        self.1.path()
    }
    fn stat(&self) -> Result<Stat> {
        self.1.stat()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize> {
        let read = self.1.read_at(bytes, offset)?;
        if read > 0 {
            self.0.saw("read", self.path());
        }
        if let Some(on_read) = self.0.on_read.lock().unwrap().as_mut() {
            on_read();
        }
        Ok(read)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        if let Some(on_write) = &self.0.on_write {
            on_write(self.path());
        }
        if let Some(room) = self.0.room.lock().unwrap().as_mut() {
            let full = || Error::io("write", self.path(), io::ErrorKind::StorageFull.into());
            *room = room.checked_sub(bytes.len()).ok_or_else(full)?;
        }
        self.0.saw("write", self.path());
        self.1.write_at(bytes, offset)
    }
    fn allocate(&self, len: u64) -> Result<()> {
        self.1.allocate(len)
    }
    fn is_locked(&self) -> Result<bool> {
        self.1.is_locked()
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.1.set_len(len)
    }
    fn sync(&self) -> Result<()> {
        self.0.saw("sync", self.path());
        self.1.sync()
    }
    fn begin_sync(&self) {
        self.1.begin_sync();
    }
    fn sync_file_system(&self) -> Result<bool> {
        self.0.saw("sync file system", self.path());
        self.1.sync_file_system()
    }
    fn set_read_only(&self) -> Result<()> {
        self.1.set_read_only()
    }
    fn try_lock(&self) -> Result<bool> {
        self.1.try_lock()
    }
    fn map(&self, len: usize) -> Result<Map> {
        self.1.map(len)
    }
}
