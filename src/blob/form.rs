//! The forms in which a blob lies on the disk, and how each is opened.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use super::manifest::Manifest;
use super::squeeze;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::limits::PIECE_BYTES_MAX;
use crate::model::BlobId;
use crate::sys;
use crate::sys::File;
use crate::sys::Kind;
use crate::sys::Open;
use crate::sys::SharedSys;
use crate::sys::Stat;

/// Longest manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// What is not longer than this is known only once its bytes were hashed again.
const REREAD_BYTES_MAX: u64 = 1 << 20;

/// How a blob lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// As a frame of Zstandard.
    Zstd,
    /// As a manifest of chunks, each a blob in one of the other forms.
    Chunks,
}

impl Form {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Zstd, Self::Chunks];
    /// Those that a chunk may have.
    pub(super) const OF_PIECES: [Self; 2] = [Self::Plain, Self::Zstd];

    /// Returns what follows the hash in the name of the file.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Zstd => ".zst",
            Self::Chunks => ".chunks",
        }
    }
}

/// What is known of a blob without hashing all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is there.
    Yes,
    /// It is not there.
    No,
    /// Something is there that cannot be it.
    Damaged,
}

/// Where the blobs are.
#[derive(Clone)]
pub(super) struct Home {
    pub(super) sys: SharedSys,
    pub(super) dir: PathBuf,
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dir.fmt(f)
    }
}

/// A blob's file, open.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) form: Form,
    pub(super) file: Box<dyn File>,
    pub(super) stat: Stat,
}

impl Home {
    pub(super) fn path(&self, blob: BlobId, form: Form) -> PathBuf {
        let name = format!("{blob}{}", form.ending());
        self.dir.join(blob.folder()).join(name)
    }

    /// Opens the first of these forms that is there.
    pub(super) fn open(&self, blob: BlobId, forms: &[Form]) -> Result<Stored> {
        for form in forms {
            let path = self.path(blob, *form);
            let file = match self.sys.open(&path, Open::Read) {
                Err(error) if error.is_missing() => continue,
                opened => opened?,
            };
            let stat = file.stat()?;
            if stat.kind != Kind::File {
                return Err(Damage::new(&path, 0, "blob", "is no regular file").into());
            }
            let form = *form;
            return Ok(Stored { form, file, stat });
        }
        Err(Error::not_found("blob", blob.to_string()))
    }

    /// Reads a chunk, or a blob that is as small as one, in place of what is in `out`, and hashes
    /// it.
    pub(super) fn read_piece(&self, blob: BlobId, out: &mut Vec<u8>) -> Result<()> {
        let stored = self.open(blob, &Form::OF_PIECES)?;
        stored.read_plain(out)?;
        want_blob(stored.file.path(), blob, super::hash(out))
    }

    /// Reads a chunk of a large blob, which is damaged if it is not there.
    ///
    /// - `len`: what the manifest says
    /// - `is_hashed`: whether it is to be compared with its name
    pub(super) fn read_chunk(
        &self,
        of: &Path,
        blob: BlobId,
        len: u64,
        is_hashed: bool,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let stored = match self.open(blob, &Form::OF_PIECES) {
            Err(Error::NotFound { .. }) => return Err(lacks(of, blob)),
            stored => stored?,
        };
        stored.read_plain(out)?;
        let path = stored.file.path();
        if is_hashed || out.len() as u64 != len {
            want_blob(path, blob, super::hash(out))?;
        }
        if out.len() as u64 == len {
            return Ok(());
        }
        let why = format!("chunk {blob} has {} bytes, want {len}", out.len());
        Err(Damage::new(of, 0, "blob", why).into())
    }

    /// Looks for a blob of this length, in any form. What is small is hashed.
    pub(super) fn knows(&self, blob: BlobId, bytes: u64) -> Known {
        self.look(blob, bytes, &Form::ALL, REREAD_BYTES_MAX)
    }

    /// Looks for a chunk of this length.
    pub(super) fn knows_chunk(&self, blob: BlobId, bytes: u64) -> Known {
        self.look(blob, bytes, &Form::OF_PIECES, 0)
    }

    /// - `reread_max`: up to this length the bytes are hashed
    fn look(&self, blob: BlobId, bytes: u64, forms: &[Form], reread_max: u64) -> Known {
        let stored = match self.open(blob, forms) {
            Err(Error::NotFound { .. }) => return Known::No,
            // One that cannot be read is of no use to anybody either.
            Err(_) => return Known::Damaged,
            Ok(stored) => stored,
        };
        let is_it = match stored.form {
            _ if bytes <= reread_max => self.read_piece(blob, &mut Vec::new()).is_ok(),
            Form::Plain => stored.stat.len == bytes,
            Form::Zstd => stored.plain_len().is_ok_and(|len| len == bytes),
            Form::Chunks => stored.manifest(blob).is_ok_and(|manifest| {
                manifest.bytes() == bytes && self.lacking(&manifest).is_none()
            }),
        };
        if is_it { Known::Yes } else { Known::Damaged }
    }

    /// Returns the first chunk that is not there in its length.
    pub(super) fn lacking(&self, manifest: &Manifest) -> Option<BlobId> {
        let mut pieces = manifest.spans();
        let lacking = pieces
            .find(|(start, piece)| self.knows_chunk(piece.blob, piece.end - start) != Known::Yes);
        lacking.map(|(_, piece)| piece.blob)
    }
}

impl Stored {
    /// Returns how many bytes the blob has, as far as that is told without its chunks.
    pub(super) fn plain_len(&self) -> Result<u64> {
        if self.form != Form::Zstd {
            return Ok(self.stat.len);
        }
        let mut head = [0; squeeze::HEAD_BYTES];
        let read = self.file.read_at(&mut head, 0)?;
        let len = squeeze::plain_len(head.get(..read).unwrap_or_default());
        let len = len.ok_or_else(|| self.damage("is no frame that this version writes"))?;
        Ok(len as u64)
    }

    /// Reads all of a blob that is as small as a chunk, in place of what is in `out`.
    fn read_plain(&self, out: &mut Vec<u8>) -> Result<()> {
        let len = usize::try_from(self.stat.len).unwrap_or(usize::MAX);
        if len > PIECE_BYTES_MAX {
            return Err(self.damage("is longer than a chunk can be").into());
        }
        out.resize(len, 0);
        let read = self.file.read_at(out, 0)?;
        out.truncate(read);
        if self.form != Form::Plain {
            *out = squeeze::expand(out).map_err(|why| self.damage(&why.0))?;
        }
        Ok(())
    }

    pub(super) fn manifest(&self, blob: BlobId) -> Result<Manifest> {
        let bytes = sys::read_all(&*self.file, MANIFEST_BYTES_MAX)?;
        Manifest::decode(blob, &bytes).map_err(|why| self.damage(&why.0).into())
    }

    pub(super) fn damage(&self, why: &str) -> Damage {
        Damage::new(self.file.path(), 0, "blob", why)
    }
}

pub(super) fn lacks(of: &Path, chunk: BlobId) -> Error {
    Damage::new(of, 0, "blob", format!("chunk {chunk} is missing or cut")).into()
}

pub(super) fn want_blob(path: &Path, blob: BlobId, found: BlobId) -> Result<()> {
    if found == blob {
        return Ok(());
    }
    let why = format!("bytes hash to {found}, not to its name");
    Err(Damage::new(path, 0, "blob", why).into())
}
