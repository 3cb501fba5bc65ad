//! Blobs: bytes kept once, under the name that is their BLAKE3 hash.
//!
//! Owns `blobs/` and touches no other path of the store:
//!
//! ```text
//! blobs/<first two digits>/<64 digits>   the bytes as they are, read-only
//! blobs/<32 random digits>.tmp           being written, or left by a process that died
//! ```
//!
//! Invariants:
//! - a file under a blob's name is whole: it is written beside, synced, then renamed. Two
//!   processes that put the same bytes both rename, the same bytes over the same bytes;
//! - what a put finds there is hashed before it counts as known: one that was damaged since is
//!   written anew, for its bytes are at hand just now;
//! - a file being written is locked by its writer until it has its name, so that one without a
//!   lock was left behind and can be swept;
//! - when a put returns, the blob survives a power cut, also one that somebody else wrote and has
//!   not synced yet, so the record that names it may follow at once;
//! - what leaves here is checked against the name: a reader of wrong bytes ends in an error;
//! - folders are made and never removed, so a put may rely on one it has seen.
//!
//! A user's file is copied, never linked: a hard link shares its bytes with the file, and whoever
//! edits that in place would change the blob. A file larger than a buffer is hashed first and
//! copied, hashing again, only if it is new: a known one costs a read of it and of the blob and no
//! write, and a file that changes in between is found out. It is read, not mapped: a peer that cuts
//! a mapped file kills the process that reads it.
//!
//! Relies on: rename within a folder tree is atomic, `fsync`. Format: whole files, version 1.

mod list;
mod media;
mod read;
mod sweep;
#[cfg(all(test, unix))]
mod tests;
mod walk;

use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use crate::error::Error;
use crate::error::Result;
use crate::model::BlobId;
use crate::sys;
use crate::sys::File;
use crate::sys::Kind;
use crate::sys::Open;
use crate::sys::SharedSys;
use crate::sys::Stat;
pub use list::Listed;
pub use list::Listing;
pub use media::media_type;
pub use read::BlobReader;
pub use walk::Source;

/// Read and hashed at once; also the largest file that is taken whole into memory.
const BUFFER_BYTES: usize = 1 << 20;
/// Below this the threads cost more than they give. Source: documentation of `update_rayon`.
const PARALLEL_BYTES_MIN: usize = 128 << 10;

/// The blobs of one store.
#[derive(Debug)]
pub struct Blobs {
    sys: SharedSys,
    store: PathBuf,
    dir: PathBuf,
    /// By the first byte of the hash: folders that are there and survive a power cut.
    folders: [AtomicBool; 256],
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// The name of the bytes.
    pub blob: BlobId,
    /// How many there are.
    pub bytes: u64,
    /// Whether they were written now; else the store had them.
    pub new: bool,
}

impl Blobs {
    /// Speaks for the blobs of the store in the folder `store`; touches nothing yet.
    pub fn new(sys: SharedSys, store: &Path) -> Self {
        sys::watch_forks();
        Self {
            sys,
            store: store.to_owned(),
            dir: store.join("blobs"),
            folders: [const { AtomicBool::new(false) }; 256],
        }
    }

    /// Returns the folder of all blobs.
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of a blob, whether or not it is there.
    pub fn path(&self, blob: BlobId) -> PathBuf {
        self.dir.join(blob.folder()).join(blob.to_string())
    }

    /// Tells of a blob's file.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Io`].
    pub fn stat(&self, blob: BlobId) -> Result<Stat> {
        let stat = self.sys.stat(&self.path(blob));
        stat.map_err(|error| missing_blob(error, blob))
    }

    /// Copies a file into the store. When this returns, the blob survives a power cut.
    ///
    /// - `path`: a regular file; links are followed
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no regular file or changes while it is read; [`Error::Io`].
    /// Nothing is left behind then.
    pub fn put_file(&self, path: &Path) -> Result<Put> {
        want_file(path, &self.sys.stat(path)?)?;
        let file = self.sys.open(path, Open::Read)?;
        let before = file.stat()?;
        want_file(path, &before)?;
        if before.len < BUFFER_BYTES as u64 {
            let mut bytes = vec![0; BUFFER_BYTES];
            let read = file.read_at(&mut bytes, 0)?;
            if read < BUFFER_BYTES {
                bytes.truncate(read);
                want_unchanged(&*file, &before, read as u64)?;
                return self.put_bytes(&bytes);
            } // else it is longer than it says, as files of /proc are
        }
        let (blob, bytes) = hash_through(&*file, &mut |_, _| Ok(()))?;
        want_unchanged(&*file, &before, bytes)?;
        self.put(blob, bytes, &|copy| {
            let copied = hash_through(&*file, &mut |bytes, offset| copy.write_at(bytes, offset))?;
            want_unchanged(&*file, &before, bytes)?;
            if copied == (blob, bytes) {
                return Ok(());
            }
            Err(changed(path))
        })
    }

    /// Writes bytes into the store. When this returns, the blob survives a power cut.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing is left behind then.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Put> {
        let mut hasher = blake3::Hasher::new();
        update(&mut hasher, bytes);
        let blob = BlobId(*hasher.finalize().as_bytes());
        self.put(blob, bytes.len() as u64, &|copy| copy.write_at(bytes, 0))
    }

    fn put(&self, blob: BlobId, bytes: u64, fill: Fill<'_>) -> Result<Put> {
        let folder = self.durable_folder(blob)?;
        let new = !self.has_whole(blob, bytes)?;
        if new {
            self.write(blob, fill)?;
        }
        // Also when the store had it: who renamed it may not have come to this line yet.
        self.sys.sync_dir(&folder)?;
        Ok(Put { blob, bytes, new })
    }

    /// Whether the blob is there and its bytes are those of its name.
    fn has_whole(&self, blob: BlobId, bytes: u64) -> Result<bool> {
        match self.sys.stat(&self.path(blob)) {
            // One that cannot be read is of no use to anybody either.
            Ok(stat) if stat.kind == Kind::File && stat.len == bytes => {
                Ok(self.verify(blob).is_ok())
            }
            Ok(_) => Ok(false),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write(&self, blob: BlobId, fill: Fill<'_>) -> Result<()> {
        let (beside, copy) = self.create_temporary()?;
        let written = (|| {
            fill(&*copy)?;
            let _ = copy.set_read_only(); // guards against slips; not every file system has it
            copy.sync()?;
            self.sys.rename(&beside, &self.path(blob))
        })();
        if written.is_err() {
            let _ = self.sys.remove(&beside); // best effort: the error that is returned says more
        }
        drop(copy); // with its lock: before the rename it would be anybody's to sweep
        written
    }

    /// Makes the folder of a blob, with its name and those above it safe from a power cut.
    fn durable_folder(&self, blob: BlobId) -> Result<PathBuf> {
        let folder = self.dir.join(blob.folder());
        let known = blob
            .0
            .first()
            .and_then(|byte| self.folders.get(usize::from(*byte)));
        if !known.is_some_and(|known| known.load(Ordering::Relaxed)) {
            self.sys.create_dir(&folder)?;
            self.sys.sync_dir(&self.dir)?;
            self.sys.sync_dir(&self.store)?;
            if let Some(known) = known {
                known.store(true, Ordering::Relaxed);
            }
        }
        Ok(folder)
    }
}

/// Writes the bytes of a blob into the empty file it is given.
type Fill<'a> = &'a dyn Fn(&dyn File) -> Result<()>;

/// Reads a file to its end, a buffer at a time; `sink` gets each with its offset.
fn hash_through(
    file: &dyn File,
    sink: &mut dyn FnMut(&[u8], u64) -> Result<()>,
) -> Result<(BlobId, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut buffer, offset)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((BlobId(*hasher.finalize().as_bytes()), offset));
        }
        update(&mut hasher, bytes);
        sink(bytes, offset)?;
        offset += read as u64;
    }
}

/// Hashes on all cores where that pays; on this one in a forked child, which has none of the
/// threads of its parent's pool and would wait for them forever.
fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    if bytes.len() >= PARALLEL_BYTES_MIN && sys::fork_generation() == 0 {
        hasher.update_rayon(bytes);
    } else {
        hasher.update(bytes);
    }
}

fn want_file(path: &Path, stat: &Stat) -> Result<()> {
    let is = match stat.kind {
        Kind::File => return Ok(()),
        Kind::Dir => "is a folder, want a file",
        Kind::Other => "is a pipe, socket or device, want a file",
    };
    Err(Error::invalid(
        "artifact",
        format!("{is}: {}", path.display()),
    ))
}

/// Refuses a file that was written to, cut or grown while `read` bytes were taken from it.
///
/// Files that the kernel makes up as they are read have length 0, and any content.
fn want_unchanged(file: &dyn File, before: &Stat, read: u64) -> Result<()> {
    let same = |after: &Stat| (after.len, after.modified_ns) == (before.len, before.modified_ns);
    if same(&file.stat()?) && (read == before.len || before.len == 0) {
        return Ok(());
    }
    Err(changed(file.path()))
}

fn changed(path: &Path) -> Error {
    let why = "changed while it was read, want one that nobody writes to";
    Error::invalid("artifact", format!("{why}: {}", path.display()))
}

fn missing_blob(error: Error, blob: BlobId) -> Error {
    if error.is_missing() {
        return Error::not_found("blob", blob.to_string());
    }
    error
}
