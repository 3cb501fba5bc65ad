//! The file of the index as redb sees it: bytes go through [`Sys`], like all that reaches the disk;
//! only the locks are redb's own.

use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::BackendError;
use redb::StorageBackend;
use redb::backends::FileBackend;

use super::quiet::Failure;
use crate::error::Error;
use crate::error::Result;
use crate::sys::File;
use crate::sys::Open;
use crate::sys::Sys;

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
        self.locks.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locks.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locks.query_lock_range(start, end)
    }
}
