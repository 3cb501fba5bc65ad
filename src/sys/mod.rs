//! The one door to the operating system: files, locks, the clock, random bits.
//!
//! All that reaches the disk goes through [`Sys`] and [`File`], so that a test can put a disk of
//! its own below the store. [`RealSys`] is the machine we run on. Errors name operation and path.
//!
//! `raw` is the only file with `unsafe`: memory maps and the hook that a fork runs.

mod raw;
mod real;
#[cfg(test)]
pub(crate) mod rig;

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::error::Result;
use crate::model::Process;
pub use raw::Map;
pub(crate) use raw::NoFork;
pub use raw::fork_generation;
pub use raw::watch_forks;
pub use real::RealSys;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// A file that must not exist yet, to read and write.
    New,
    /// As `New`; whoever opens it later may only read it, where files have such rights.
    NewReadOnly,
    /// To read and write, created if missing; nothing is cut off.
    Ensure,
}

/// What a folder has at one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File name without the folder. A name that is not UTF-8 is none of ours and is left out.
    pub name: String,
    /// Whether it is a folder, or a link to one.
    pub is_dir: bool,
}

/// What the system tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Length in bytes.
    pub len: u64,
    /// Bytes that the file takes on the disk.
    pub allocated: u64,
    /// Device, and number of the file on it: together the file's identity on this machine.
    pub device: u64,
    /// Number of the file on its device.
    pub inode: u64,
    /// Last change of the content, in nanoseconds since 1970; of a folder also of its attributes,
    /// where the system tells, for that time cannot be set back.
    pub modified_ns: i64,
    /// Whether it is a regular file, a folder, or neither.
    pub kind: Kind,
}

/// What a file of the user's had beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits; none leaves them.
    pub mode: Option<u32>,
    /// Last change of the content, in nanoseconds since 1970; none leaves it.
    pub modified_ns: Option<i64>,
}

/// Kinds of thing a path can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A device, socket, pipe.
    Other,
}

/// What a file system can be trusted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Preallocated blocks stay ours, so a store into a mapped page cannot meet a full disk.
    pub maps_safely: bool,
    /// Locks are seen by every process that can open the file.
    pub locks_surely: bool,
}

/// The operating system, as the store sees it.
pub trait Sys: Debug + Send + Sync + 'static {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`], with `is_missing` where the file has to exist and does not.
    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn File>>;

    /// Opens a file that exists for a library that brings locks of its own; bytes go through
    /// [`Self::open`].
    ///
    /// # Errors
    /// [`Error::Io`].
    fn open_to_lock(&self, path: &Path, write: bool) -> Result<std::fs::File> {
        let mut options = std::fs::OpenOptions::new();
        let opened = options.read(true).write(write).open(path);
        opened.map_err(|source| Error::io("open to lock", path, source))
    }

    /// Creates a folder and those above it; one that exists is fine.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Lists a folder in no particular order.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn list(&self, dir: &Path) -> Result<Vec<Entry>>;

    /// Lists all names in a folder of the user's, those that are not UTF-8 too.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn list_names(&self, dir: &Path) -> Result<Vec<OsString>> {
        let entries = self.list(dir)?;
        Ok(entries.into_iter().map(|entry| entry.name.into()).collect())
    }

    /// Tells of a file or folder, following links.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn stat(&self, path: &Path) -> Result<Stat>;

    /// Returns the permission bits of a file; none where files have no such.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn mode(&self, _path: &Path) -> Result<Option<u32>> {
        Ok(None)
    }

    /// Gives a file permission bits and a time of change, where files have such. The bits that let
    /// a program run as somebody else are left out.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn set_attributes(&self, _path: &Path, _attributes: Attributes) -> Result<()> {
        Ok(())
    }

    /// Renames a file within a file system; what was at `to` is replaced.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes the names in a folder survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Tells what the file system of `dir` can be trusted with.
    fn file_system(&self, dir: &Path) -> FileSystem;

    /// Returns the wall clock in microseconds since 1970.
    fn now_us(&self) -> i64;

    /// Returns a clock that never steps back, in microseconds since 1970 as the wall clock stood
    /// when it was made.
    fn clock(&self) -> Clock;

    /// Returns 16 random bytes that no other process gets.
    fn random(&self) -> [u8; 16];

    /// Returns what tells this process from others, now and later.
    fn process(&self) -> Process;

    /// Returns when the machine was started, in microseconds since 1970; none if nobody tells.
    fn boot_us(&self) -> Option<i64>;

    /// Tells whether the process lives; none if it cannot be told from here.
    fn is_alive(&self, process: &Process) -> Option<bool>;

    /// Lowers the priority of the calling thread below that of a training.
    fn lower_priority(&self);
}

/// An open file; its path is in its errors.
pub trait File: Debug + Send + Sync {
    /// Returns the path it was opened by.
    fn path(&self) -> &Path;

    /// Tells of the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn stat(&self) -> Result<Stat>;

    /// Reads up to `bytes.len()` bytes at `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// [`Error::Io`], with `is_disk_full` when there is no room; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()>;

    /// Makes the file `len` bytes long and its blocks its own. New bytes read as zero.
    ///
    /// # Errors
    /// [`Error::Io`], with `is_disk_full` when there is no room.
    fn allocate(&self, len: u64) -> Result<()>;

    /// Cuts or extends the file to `len` bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn set_len(&self, len: u64) -> Result<()>;

    /// Makes content and length survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn sync(&self) -> Result<()>;

    /// Lets the system begin to write the content out, and waits for nothing.
    fn begin_sync(&self) {}

    /// Makes all that anybody wrote to the file's file system survive a power cut, names too.
    ///
    /// - returns: whether the system can; if not, nothing was done
    ///
    /// # Errors
    /// [`Error::Io`], also for what failed to be written since the file was opened.
    fn sync_file_system(&self) -> Result<bool> {
        Ok(false)
    }

    /// Takes away the right to open the file for writing; what is open stays so. Where files have
    /// no such right nothing happens.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn set_read_only(&self) -> Result<()> {
        Ok(())
    }

    /// Tries to take the file's lock, which dies with this process. Closing the file gives it
    /// back; a forked child loses its copy, so that it cannot hold the lock for its parent.
    ///
    /// - returns: whether it is now held
    ///
    /// # Errors
    /// [`Error::Io`] where the file system has no locks.
    fn try_lock(&self) -> Result<bool>;

    /// Tells whether any process holds the file's lock, without taking it from anybody.
    ///
    /// It is taken shared for a moment, so ask on a file opened for this question alone.
    ///
    /// # Errors
    /// [`Error::Io`] where the file system has no locks.
    fn is_locked(&self) -> Result<bool>;

    /// Maps the first `len` bytes to read and write. The file must be that long and allocated.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn map(&self, len: usize) -> Result<Map>;
}

/// The wall clock at one moment plus the monotonic time since: never steps back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start_us: i64,
    start: std::time::Instant,
}

impl Clock {
    /// Returns a clock that is not behind `us`, however far the wall clock is.
    #[must_use]
    pub fn not_before(self, us: i64) -> Self {
        let behind_us = us.saturating_sub(self.now_us()).max(0);
        Self {
            start_us: self.start_us.saturating_add(behind_us),
            ..self
        }
    }

    /// Returns the time in microseconds since 1970.
    #[inline]
    pub fn now_us(&self) -> i64 {
        let passed = self.start.elapsed();
        // Seconds and nanoseconds apart: a division of 128 bits would cost more than the clock.
        let micros = passed.as_secs() * 1_000_000 + u64::from(passed.subsec_micros());
        self.start_us
            .saturating_add(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// Reads a whole file of at most `bytes_max` bytes.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] if it is longer.
pub fn read_all(file: &dyn File, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_all_into(file, bytes_max, &mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file in place of what is in `bytes`.
///
/// # Errors
/// As [`read_all`].
pub fn read_all_into(file: &dyn File, bytes_max: u64, bytes: &mut Vec<u8>) -> Result<()> {
    let len = file.stat()?.len;
    if len > bytes_max {
        let why = format!(
            "has {len} bytes, at most {bytes_max}: {}",
            file.path().display()
        );
        return Err(Error::invalid("file", why));
    }
    bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
    let read = file.read_at(bytes, 0)?;
    bytes.truncate(read);
    Ok(())
}

/// Writes a small file so that it is there whole or not at all, also after a power cut.
///
/// # Errors
/// [`Error::Io`].
pub fn write_whole(sys: &dyn Sys, path: &Path, bytes: &[u8]) -> Result<()> {
    let random = u128::from_le_bytes(sys.random());
    let beside = with_suffix(path, &format!(".{random:032x}.tmp"));
    let written = (|| {
        let file = sys.open(&beside, Open::New)?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        sys.rename(&beside, path)?;
        path.parent().map_or(Ok(()), |dir| sys.sync_dir(dir))
    })();
    if written.is_err() {
        let _ = sys.remove(&beside); // best effort: the error that is returned says more
    }
    written
}

/// Creates a folder and those above it, so that they survive a power cut with what is in them.
///
/// # Errors
/// [`Error::Io`].
pub fn make_dir(sys: &dyn Sys, path: &Path) -> Result<()> {
    let is_missing = |folder: &&Path| sys.stat(folder).is_err_and(|error| error.is_missing());
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    sys.create_dir(path)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        let here = Path::new(".");
        let parent = if parent.as_os_str().is_empty() {
            here
        } else {
            parent
        };
        match sys.sync_dir(parent) {
            // A folder of the user's where one may make folders and not look.
            Err(error) if error.is_read_only() => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Removes a file if it is there.
///
/// - returns: whether it was
///
/// # Errors
/// [`Error::Io`].
pub fn remove_if_there(sys: &dyn Sys, path: &Path) -> Result<bool> {
    match sys.remove(path) {
        Err(error) if error.is_missing() => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Whether the path still names this file: it may have been renamed or replaced before it was
/// locked.
///
/// # Errors
/// [`Error::Io`].
pub fn still_names(sys: &dyn Sys, path: &Path, file: &dyn File) -> Result<bool> {
    let named = match sys.stat(path) {
        Err(error) if error.is_missing() => return Ok(false),
        stat => stat?,
    };
    let held = file.stat()?;
    Ok((named.device, named.inode) == (held.device, held.inode))
}

/// Does work on a thread of its own and waits for it, but no longer than that; a thread that takes
/// longer is left behind, and nobody hears of what it did.
///
/// - `name`: of the thread
/// - `path`: what it works on, for an error
///
/// # Errors
/// [`Error::Io`] when no thread can be started.
pub(crate) fn within<T: Send + 'static>(
    longest: Duration,
    name: &str,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _ = sender.send(work()); // if anybody still waits
        })
        .map_err(|source| Error::io("start a thread for", path, source))?;
    Ok(receiver.recv_timeout(longest).ok())
}

/// Appends text to a path's last name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The system shared by all parts of one store.
pub type SharedSys = Arc<dyn Sys>;
