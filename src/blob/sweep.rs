//! Files that are being written, and those that a process left when it died.
//!
//! Whoever writes one holds its lock, or that of the file that stands for a batch, and the kernel
//! drops that with the process. Where the file system has no locks, or none that other machines
//! see, nothing is swept.

use std::path::Path;
use std::path::PathBuf;

use super::Blobs;
use super::batch::batch_of;
use crate::error::Error;
use crate::error::Result;
use crate::sys;
use crate::sys::File;
use crate::sys::Open;

/// Sweepers that may come between the making of a file and its lock before a put gives up.
const TRIES_MAX: u32 = 8;

impl Blobs {
    /// Removes what processes that died have left of their puts.
    ///
    /// - returns: how many files
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep(&self) -> Result<u64> {
        let entries = match self.home.sys.list(&self.home.dir) {
            Err(error) if error.is_missing() => return Ok(0),
            entries => entries?,
        };
        let is_temporary = |path: &Path| path.extension().is_some_and(|end| end == "tmp");
        let mut left = entries
            .into_iter()
            .filter(|entry| !entry.is_dir)
            .map(|entry| self.home.dir.join(entry.name))
            .filter(|path| is_temporary(path))
            .peekable();
        if left.peek().is_none() || !self.home.sys.file_system(&self.home.dir).locks_surely {
            return Ok(0);
        }
        // Files of a batch are written by whoever holds the lock of the file that stands for it.
        let (of_batches, alone): (Vec<PathBuf>, Vec<PathBuf>) =
            left.partition(|path| lock_of(path).is_some());
        let mut swept = 0;
        for path in of_batches {
            swept += u64::from(self.sweep_of_batch(&path)?);
        }
        for path in alone {
            swept += u64::from(self.sweep_one(&path)?);
        }
        Ok(swept)
    }

    /// Makes a file to be written to, and locks it.
    pub(super) fn create_temporary(&self) -> Result<(PathBuf, Box<dyn File>)> {
        for _ in 0..TRIES_MAX {
            let random = u128::from_le_bytes(self.home.sys.random());
            let path = self.home.dir.join(format!("{random:032x}.tmp"));
            let file = self.home.sys.open(&path, Open::New)?;
            match file.try_lock() {
                Ok(true) if sys::still_names(&*self.home.sys, &path, &*file)? => {
                    return Ok((path, file));
                }
                Ok(_) => {} // a sweeper had it before it was locked, and removes it
                Err(_) => return Ok((path, file)), // no locks here, so nobody sweeps either
            }
        }
        Err(Error::Locked {
            what: "the blob to be written",
        })
    }

    fn sweep_of_batch(&self, path: &Path) -> Result<bool> {
        let is_written = match lock_of(path).map(|lock| self.home.sys.open(&lock, Open::Read)) {
            Some(Ok(lock)) => lock.is_locked()?,
            Some(Err(error)) if !error.is_missing() => return Err(error),
            _ => false,
        };
        if is_written {
            return Ok(false);
        }
        sys::remove_if_there(&*self.home.sys, path)
    }

    fn sweep_one(&self, path: &Path) -> Result<bool> {
        let opened = match self.home.sys.open(path, Open::Write) {
            // It is made read-only before it gets its name.
            Err(error) if error.is_read_only() => self.home.sys.open(path, Open::Read),
            opened => opened,
        };
        let file = match opened {
            Err(error) if error.is_missing() || error.is_read_only() => return Ok(false),
            opened => opened?,
        };
        if !file.try_lock()? || !sys::still_names(&*self.home.sys, path, &*file)? {
            return Ok(false); // being written, or renamed before it was locked
        }
        sys::remove_if_there(&*self.home.sys, path)
    }
}

/// The file that stands for the batch of this one, if it is of one.
fn lock_of(path: &Path) -> Option<PathBuf> {
    let batch = batch_of(path.file_name()?.to_str()?)?;
    Some(path.with_file_name(format!("{batch}.tmp")))
}
