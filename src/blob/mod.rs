//! Blobs: bytes kept once, under the name that is their BLAKE3 hash.
//!
//! Owns `blobs/` and touches no other path of the store:
//!
//! ```text
//! blobs/<first two digits>/<64 digits>          the bytes as they are
//! blobs/<first two digits>/<64 digits>.zst      the bytes as a frame of Zstandard
//! blobs/<first two digits>/<64 digits>.chunks   a list of blobs that are the bytes' chunks
//! blobs/<32 random digits>.tmp                  being written, or left by a process that died,
//!                                               or stands for those of a batch, with its digits:
//! blobs/<first two digits>/<32 digits>.<number>.tmp
//! ```
//!
//! The name is always the hash of the plain bytes, whatever the form. Files below
//! [`PIECE_BYTES_MAX`](crate::limits::PIECE_BYTES_MAX) are kept whole, larger ones in chunks that
//! they share with others: see `cut` and [`manifest`]. A chunk is a blob like any other and never
//! itself a list, so what copies folders, counts references or reads all files needs to know no
//! more than that a list names chunks. What pays is compressed: see `squeeze`. All files are
//! read-only and never change. Which form a blob has is nobody's promise: if two are there, either
//! will do.
//!
//! Invariants:
//! - a file under a blob's name is whole: it is written beside, synced, then renamed. Two
//!   processes that put the same bytes both rename, the same bytes over the same bytes;
//! - a list of chunks gets its name when all its chunks have theirs and would keep them;
//! - what a put finds there counts as known if its length is right, of a list the lengths of all
//!   chunks too; what has at most a mebibyte is hashed again. What was damaged is then written
//!   anew. To hash more would make a known file cost two reads: damage within large blobs is found
//!   by `verify` and when they are read, and mended by removing the file that is named and putting
//!   the bytes again;
//! - a file being written is locked by its writer until it has its name, so that one without a
//!   lock was left behind and can be swept;
//! - when a put returns, the blob survives a power cut, also one that somebody else wrote and has
//!   not synced yet, so the record that names it may follow at once;
//! - what leaves here is checked against the name: a reader of wrong bytes ends in an error;
//! - folders are made and never removed, so a put may rely on one it has seen.
//!
//! A put that fails removes what it wrote. One that is killed leaves files that are swept, and of
//! a very large file perhaps chunks that no list names.
//!
//! A user's file is copied, never linked: a hard link shares its bytes with the file, and whoever
//! edits that in place would change the blob. Nor are blocks shared where the file system could
//! (reflink): that takes whole files, and those that are large share more, and more lastingly, in
//! chunks, which begin at no multiple of a block.
//!
//! Relies on: rename within a folder tree is atomic, `fsync`. Format: version 1 knew files as they
//! are alone, of any size, and those are read as ever; the other forms are version 2.

mod batch;
mod cut;
mod form;
mod list;
pub mod manifest;
mod media;
mod put;
mod read;
mod squeeze;
mod sweep;
#[cfg(all(test, unix))]
mod tests;
mod tree;
mod walk;

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::error::Result;
use crate::model::BlobId;
use crate::sys;
use crate::sys::File;
use crate::sys::SharedSys;
pub use form::Form;
use form::Home;
use form::Known;
pub use list::Listed;
pub use list::Listing;
pub use media::media_type;
pub use read::BlobReader;
pub use read::BlobStat;
use squeeze::Squeezer;
pub use walk::Source;

/// Below this the threads cost more than they give. Source: documentation of `update_rayon`.
const PARALLEL_BYTES_MIN: usize = 128 << 10;

/// The blobs of one store.
#[derive(Debug)]
pub struct Blobs {
    home: Home,
    store: PathBuf,
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
        let dir = store.join("blobs");
        Self {
            home: Home { sys, dir },
            store: store.to_owned(),
            folders: [const { AtomicBool::new(false) }; 256],
        }
    }

    /// Returns the folder of all blobs.
    pub fn folder(&self) -> &Path {
        &self.home.dir
    }

    /// Returns the path of a blob's file; of one that is not there, where it would be as it is.
    pub fn path(&self, blob: BlobId) -> PathBuf {
        let mut paths = Form::ALL.into_iter().map(|form| self.home.path(blob, form));
        let found = paths.find(|path| self.home.sys.stat(path).is_ok());
        found.unwrap_or_else(|| self.home.path(blob, Form::Plain))
    }

    /// Writes bytes that are fewer than a chunk can have, and waits for the disk.
    fn put_small(&self, content: &[u8]) -> Result<Put> {
        let (blob, bytes) = (hash(content), content.len() as u64);
        let folder: BTreeSet<u8> = blob.0.first().copied().into_iter().collect();
        let known = self.home.knows(blob, bytes);
        let new = known != Known::Yes;
        if new {
            let mut squeezer = Squeezer::new();
            let frame = squeezer
                .pays(content)
                .then(|| squeezer.squeeze(content))
                .flatten();
            let (stored, form) = match &frame {
                Some(frame) => (frame.as_slice(), Form::Zstd),
                None => (content, Form::Plain),
            };
            self.make_folder(blob)?;
            self.write(&self.home.path(blob, form), &mut |copy| {
                copy.write_at(stored, 0)
            })?;
            for other in Form::ALL.into_iter().filter(|other| *other != form) {
                if known == Known::Damaged {
                    sys::remove_if_there(&*self.home.sys, &self.home.path(blob, other))?;
                }
            }
        }
        // Also when the store had it: who renamed it may not have come to this line yet.
        self.sync_folders(&folder)?;
        Ok(Put { blob, bytes, new })
    }

    /// Writes a file beside, and gives it its name when it is on the disk.
    fn write(&self, path: &Path, fill: &mut dyn FnMut(&dyn File) -> Result<()>) -> Result<()> {
        let (beside, copy) = self.create_temporary()?;
        let written = (|| {
            fill(&*copy)?;
            let _ = copy.set_read_only(); // guards against slips; not every file system has it
            copy.sync()?;
            self.home.sys.rename(&beside, path)
        })();
        if written.is_err() {
            let _ = self.home.sys.remove(&beside); // best effort: the error returned says more
        }
        drop(copy); // with its lock: before the rename it would be anybody's to sweep
        written
    }
}

fn hash(bytes: &[u8]) -> BlobId {
    BlobId(*blake3::hash(bytes).as_bytes())
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
