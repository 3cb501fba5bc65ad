//! Many blobs written together, so that all of them wait for the disk once.
//!
//! Each is written beside under a name of the batch; at the end all contents are made to survive
//! a power cut, then all get their names, then the names are made to. So a file under a blob's name
//! is whole here too. Manifests come after the chunks they name, and by the same steps.
//!
//! Two ways to wait. One sync a file and folder costs a flush of the disk each, also where one
//! transaction of the file system has carried all of them: 4,096 files took 1.1 s against 0.4 s for
//! one sync of the whole file system (ext4). That one waits for what others wrote too, so it is
//! taken from [`SYNCED_EACH_MAX`] files on, and where the system cannot, each is synced.
//!
//! Files are written in the folder where they will stay: all in one, two threads would wait for
//! each other to make names in it. An empty file beside the folders, locked by its writer, stands
//! for the files of the batch: who finds it without a lock, or them without it, sweeps them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread;

use super::Blobs;
use super::form::Form;
use super::form::Known;
use super::manifest::Manifest;
use super::put::spawn;
use super::put::writers;
use super::squeeze::Squeezer;
use crate::error::Error;
use crate::error::Result;
use crate::model::BlobId;
use crate::sys;
use crate::sys::File;
use crate::sys::Open;

/// Up to so many files and folders are synced one by one.
const SYNCED_EACH_MAX: usize = 16;
/// Files from this length on are on their way to the disk while others are still being read.
const BEGIN_BYTES_MIN: usize = 32 << 10;
/// A thread that gives names to fewer files costs more than it saves.
const NAMED_EACH_MIN: usize = 256;
/// So many files written beside get their names before more are written: about 6 MiB are held.
const WRITTEN_MAX: usize = 1 << 16;

/// Blobs being written.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    blobs: &'a Blobs,
    /// Holds the lock while this lives.
    lock: Box<dyn File>,
    lock_path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Blobs that are being written, or were and wait for their names.
    taken: BTreeSet<BlobId>,
    written: Vec<Written>,
    manifests: Vec<Written>,
    /// Folders with names that may not survive a power cut yet.
    folders: BTreeSet<u8>,
    /// Folders that this batch saw or made.
    made: BTreeSet<u8>,
}

/// A file that waits for its name.
#[derive(Debug)]
struct Written {
    number: u64,
    blob: BlobId,
    form: Form,
    /// Another file stands for the blob and is damaged.
    is_mended: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn begin(blobs: &'a Blobs) -> Result<Self> {
        blobs.home.sys.create_dir(&blobs.home.dir)?;
        let (lock_path, lock) = blobs.create_temporary()?;
        Ok(Self {
            blobs,
            lock,
            lock_path,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a chunk or small blob unless it is there.
    ///
    /// - `known`: asked only for bytes that this batch has not
    /// - returns: whether it was written
    pub(super) fn add(
        &self,
        blob: BlobId,
        bytes: &[u8],
        squeezer: Option<&mut Squeezer>,
        known: impl FnOnce() -> Known,
    ) -> Result<bool> {
        if !self.take(blob) {
            return Ok(false);
        }
        let known = known();
        if known == Known::Yes {
            // Who renamed it may not have made sure of its name yet.
            self.touch(blob);
            self.state().taken.remove(&blob);
            return Ok(false);
        }
        let frame = squeezer.and_then(|squeezer| squeezer.squeeze(bytes));
        let (bytes, form) = match &frame {
            Some(frame) => (frame.as_slice(), Form::Zstd),
            None => (bytes, Form::Plain),
        };
        self.write(blob, form, bytes, known)?;
        Ok(true)
    }

    /// Writes a chunk or small blob as it lies in another store, unless it is there.
    pub(super) fn add_file(
        &self,
        blob: BlobId,
        form: Form,
        bytes: &[u8],
        known: Known,
    ) -> Result<()> {
        if self.take(blob) {
            self.write(blob, form, bytes, known)?;
        }
        Ok(())
    }

    /// Writes the manifest of a large blob, which gets its name after all chunks have theirs.
    pub(super) fn add_manifest(
        &self,
        blob: BlobId,
        manifest: &Manifest,
        known: Known,
    ) -> Result<()> {
        self.add_file(blob, Form::Chunks, &manifest.encode(blob), known)
    }

    /// Makes sure at the end that the name of a blob that is there survives a power cut.
    pub(super) fn touch(&self, blob: BlobId) {
        self.state().folders.extend(blob.0.first());
    }

    fn take(&self, blob: BlobId) -> bool {
        self.state().taken.insert(blob)
    }

    fn write(&self, blob: BlobId, form: Form, bytes: &[u8], known: Known) -> Result<()> {
        let number = {
            let mut state = self.state();
            state.next += 1;
            state.next
        };
        self.make_folder(blob)?;
        let path = self.path(number, blob);
        // Read-only, which guards against slips.
        let file = self.blobs.home.sys.open(&path, Open::NewReadOnly)?;
        let written = file.write_at(bytes, 0);
        if let Err(error) = written {
            let _ = self.blobs.home.sys.remove(&path); // best effort: the error says more
            return Err(error);
        }
        if bytes.len() >= BEGIN_BYTES_MIN {
            file.begin_sync();
        }
        let written = Written {
            number,
            blob,
            form,
            is_mended: known == Known::Damaged,
        };
        let mut state = self.state();
        match form {
            Form::Chunks => state.manifests.push(written),
            Form::Plain | Form::Zstd => state.written.push(written),
        }
        Ok(())
    }

    /// Where a blob is while it has no name.
    fn path(&self, number: u64, blob: BlobId) -> PathBuf {
        let batch = self.lock_path.file_stem().unwrap_or_default();
        let name = format!("{}.{number}.tmp", batch.to_string_lossy());
        self.blobs.home.dir.join(blob.folder()).join(name)
    }

    /// Makes the folder of a blob, unless it was seen before.
    fn make_folder(&self, blob: BlobId) -> Result<()> {
        let is_made = |byte: &u8| self.blobs.is_known(*byte) || self.state().made.contains(byte);
        if !blob.0.first().is_some_and(is_made) {
            let home = &self.blobs.home;
            home.sys.create_dir(&home.dir.join(blob.folder()))?;
            self.state().made.extend(blob.0.first());
        }
        Ok(())
    }

    /// Gives what was written its names, if it is much. What is being written waits.
    pub(super) fn relieve(&self) -> Result<()> {
        if self.state().written.len() < WRITTEN_MAX {
            return Ok(());
        }
        self.publish()
    }

    /// Gives all blobs their names. When this returns, they survive a power cut, and so do those
    /// that were there already.
    pub(super) fn finish(self) -> Result<()> {
        self.publish()?;
        let manifests = std::mem::take(&mut self.state().manifests);
        if let Err(error) = self.name(&manifests) {
            self.state().manifests = manifests; // to be removed
            return Err(error);
        }
        self.sync_names()
    }

    fn publish(&self) -> Result<()> {
        let mut written = std::mem::take(&mut self.state().written);
        written.sort_unstable_by_key(|written| written.blob);
        let paths: Vec<PathBuf> = {
            let state = self.state();
            let all = written.iter().chain(&state.manifests);
            all.map(|written| self.path(written.number, written.blob))
                .collect()
        };
        let named = self
            .sync_contents(&paths)
            .and_then(|()| self.name(&written));
        if let Err(error) = named {
            self.state().written.extend(written); // to be removed
            return Err(error);
        }
        self.sync_names()?;
        let mut state = self.state();
        for written in written {
            state.taken.remove(&written.blob);
        }
        Ok(())
    }

    fn sync_contents(&self, paths: &[PathBuf]) -> Result<()> {
        if paths.len() > SYNCED_EACH_MAX && self.lock.sync_file_system()? {
            return Ok(());
        }
        let sys = &self.blobs.home.sys;
        paths
            .iter()
            .try_for_each(|path| sys.open(path, Open::Read)?.sync())
    }

    /// - `written`: by folder, so that threads keep out of each other's way
    fn name(&self, written: &[Written]) -> Result<()> {
        let share = written.len().div_ceil(writers()).max(NAMED_EACH_MIN);
        let failed = FirstError::default();
        thread::scope(|scope| {
            let mut shares = written.chunks(share);
            let own = shares.next().unwrap_or_default();
            for share in shares {
                let work = || failed.keep(share.iter().try_for_each(|one| self.name_one(one)));
                failed.keep(spawn(scope, &self.blobs.store, work).map(drop));
            }
            failed.keep(own.iter().try_for_each(|one| self.name_one(one)));
        });
        failed.into_result()
    }

    fn name_one(&self, one: &Written) -> Result<()> {
        let home = &self.blobs.home;
        let path = self.path(one.number, one.blob);
        home.sys.rename(&path, &home.path(one.blob, one.form))?;
        let others = Form::ALL.into_iter().filter(|form| *form != one.form);
        for other in others.filter(|_| one.is_mended) {
            sys::remove_if_there(&*home.sys, &home.path(one.blob, other))?;
        }
        self.touch(one.blob);
        Ok(())
    }

    fn sync_names(&self) -> Result<()> {
        let folders = std::mem::take(&mut self.state().folders);
        if folders.len() > SYNCED_EACH_MAX && self.lock.sync_file_system()? {
            self.blobs.know_folders(&folders);
            return Ok(());
        }
        self.blobs.sync_folders(&folders)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let sys = &self.blobs.home.sys;
        let state = self.state();
        for written in state.written.iter().chain(&state.manifests) {
            // Best effort: a sweep finds the rest.
            let _ = sys.remove(&self.path(written.number, written.blob));
        }
        let _ = sys.remove(&self.lock_path);
    }
}

/// Returns the part of a file's name that tells its batch, if it is written by one.
pub(super) fn batch_of(name: &str) -> Option<&str> {
    let (batch, number) = name.strip_suffix(".tmp")?.split_once('.')?;
    number.parse::<u64>().is_ok().then_some(batch)
}

impl Blobs {
    /// Whether a folder is there and survives a power cut.
    fn is_known(&self, byte: u8) -> bool {
        let known = self.folders.get(usize::from(byte));
        known.is_some_and(|known| known.load(Ordering::Relaxed))
    }

    /// Makes the folder of a blob, with its name and those above it safe from a power cut.
    pub(super) fn make_folder(&self, blob: BlobId) -> Result<()> {
        let folder = blob.0.first().copied().into_iter().collect();
        if blob.0.first().is_some_and(|byte| !self.is_known(*byte)) {
            let home = &self.home;
            home.sys.create_dir(&home.dir.join(blob.folder()))?;
            home.sys.sync_dir(&home.dir)?;
            home.sys.sync_dir(&self.store)?;
            self.know_folders(&folder);
        }
        Ok(())
    }

    fn know_folders(&self, folders: &BTreeSet<u8>) {
        let known = folders
            .iter()
            .filter_map(|byte| self.folders.get(usize::from(*byte)));
        known.for_each(|known| known.store(true, Ordering::Relaxed));
    }

    /// Makes the names in folders survive a power cut, and the folders too.
    ///
    /// - `folders`: by the first byte of the hashes
    pub(super) fn sync_folders(&self, folders: &BTreeSet<u8>) -> Result<()> {
        let home = &self.home;
        if folders.iter().any(|byte| !self.is_known(*byte)) {
            home.sys.sync_dir(&home.dir)?;
            home.sys.sync_dir(&self.store)?;
        }
        for byte in folders {
            home.sys.sync_dir(&home.dir.join(format!("{byte:02x}")))?;
        }
        self.know_folders(folders);
        Ok(())
    }
}

/// The error of a batch that several threads write, told once.
#[derive(Debug, Default)]
pub(super) struct FirstError(Mutex<Option<Error>>);

impl FirstError {
    /// Keeps the error of a result and returns its value.
    pub(super) fn of<T>(&self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.keep(Err(error))).ok()
    }

    /// Keeps the error if it is the first.
    pub(super) fn keep(&self, result: Result<()>) {
        if let Err(error) = result {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(error);
        }
    }

    pub(super) fn is_some(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    pub(super) fn into_result(self) -> Result<()> {
        let first = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), Err)
    }
}
