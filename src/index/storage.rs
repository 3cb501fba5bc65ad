//! The file of the index as redb sees it: bytes go through [`Sys`], like all that reaches the disk;
//! only the locks are redb's own.
//!
//! redb waits for a lock for as long as it is held. Nobody holds one for longer than it takes to
//! read or write a header, save a process that was stopped there (`SIGSTOP`), and that may never go
//! on. So a lock is asked for again and again, up to [`LOCK_WAIT`], and then refused: who waits has
//! an error to show, and lets go of what others wait for.

use std::io;
use std::ops::Bound;
use std::path::Path;
use std::thread;
use std::time::Duration;

use redb::BackendError;
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::quiet::Failure;
use crate::error::Error;
use crate::error::Result;
use crate::sys::File;
use crate::sys::Open;
use crate::sys::Sys;

/// How long a lock is waited for. A commit holds one while it syncs, which takes seconds on a slow
/// disk.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Why a lock was refused.
const STANDS_STILL: &str = "a process stands still that holds its lock";
/// Pauses between two tries: from as long as a lock is held for to what is soon enough.
const PAUSES: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(2));

/// An open file of redb.
#[derive(Debug)]
pub(super) struct Storage {
    file: Box<dyn File>,
    locks: FileBackend,
}

impl Storage {
    /// - `how`: [`Open::Read`], [`Open::Write`], or [`Open::Ensure`] to make it if it is missing
    pub(super) fn open(sys: &dyn Sys, path: &Path, how: Open) -> Result<Self, Failure> {
        let file = sys.open(path, how)?;
        let locks = FileBackend::new(sys.open_to_lock(path, how != Open::Read)?)?;
        Ok(Self { file, locks })
    }
}

/// Asks for a lock until it is given, for at most [`LOCK_WAIT`].
fn wait_for(ask: impl Fn() -> Result<bool, BackendError>) -> Result<(), BackendError> {
    let (mut waited, mut pause) = (Duration::ZERO, PAUSES.0);
    while !ask()? {
        if waited > LOCK_WAIT {
            return Err(BackendError::Other(STANDS_STILL.into()));
        }
        thread::sleep(pause);
        waited += pause;
        pause = (pause * 2).min(PAUSES.1);
    }
    Ok(())
}

/// What redb is told of an error of ours.
fn to_io(error: Error) -> io::Error {
    match error {
        Error::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.file.stat().map(|stat| stat.len).map_err(to_io)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let read = self.file.read_at(out, offset).map_err(to_io)?;
        if read == out.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len).map_err(to_io)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync().map_err(to_io)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(data, offset).map_err(to_io)
    }

    fn close(&self) -> io::Result<()> {
        self.locks.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.locks.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        wait_for(|| self.locks.try_lock_range(start, end))
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        wait_for(|| self.locks.try_lock_shared_range(start, end))
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks.query_lock_range(start, end)
    }
}
