//! Files that are being written, and those that a process left when it died.
//!
//! Whoever writes one holds its lock, or that of the file that stands for a batch, and the kernel
//! drops that with the process. Where the file system has no locks, or none that other machines
//! see, nothing is swept.

use std::path::Path;
use std::path::PathBuf;

use super::Blobs;
use super::batch::batch_of;
use super::list::is_folder_name;
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
    /// All folders are looked into only if one has died in a batch, so that this costs nothing.
    ///
    /// - returns: how many files
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep(&self) -> Result<u64> {
        self.sweep_if(false)
    }

    /// As [`Self::sweep`], and all folders are looked into: a power cut may take the file that
    /// stands for a batch and leave those of the batch.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep_all(&self) -> Result<u64> {
        self.sweep_if(true)
    }

    fn sweep_if(&self, all: bool) -> Result<u64> {
        let home = &self.home;
        let entries = match home.sys.list(&home.dir) {
            Err(error) if error.is_missing() => return Ok(0),
            entries => entries?,
        };
        let (folders, files): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.is_dir);
        let files = files.iter().map(|entry| home.dir.join(&entry.name));
        let left: Vec<PathBuf> = files.filter(|path| is_temporary(path)).collect();
        if (left.is_empty() && !all) || !home.sys.file_system(&home.dir).locks_surely {
            return Ok(0);
        }
        let mut swept = 0;
        let mut is_dead = all;
        for lock in &left {
            is_dead |= !self.is_written(lock)?;
        }
        // Before what stands for them, so that who is killed here leaves it for the next.
        let is_ours = |name: &str| is_dead && is_folder_name(name);
        for folder in folders.iter().filter(|folder| is_ours(&folder.name)) {
            let dir = home.dir.join(&folder.name);
            for entry in home.sys.list(&dir)? {
                let Some(batch) = batch_of(&entry.name).filter(|_| !entry.is_dir) else {
                    continue;
                };
                if !self.is_written(&home.dir.join(format!("{batch}.tmp")))? {
                    let path = dir.join(&entry.name);
                    swept += u64::from(sys::remove_if_there(&*home.sys, &path)?);
                }
            }
        }
        for path in left {
            swept += u64::from(self.sweep_one(&path)?);
        }
        Ok(swept)
    }

    /// Whether somebody holds the lock of a file.
    fn is_written(&self, lock: &Path) -> Result<bool> {
        match self.home.sys.open(lock, Open::Read) {
            Err(error) if error.is_missing() => Ok(false),
            Err(error) if error.is_read_only() => Ok(true), // another user's, who may be at it
            lock => lock?.is_locked(),
        }
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

fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "tmp")
}
