//! Files that stay where they are: what is kept of one, and whether it is still so.
//!
//! A data set is too large to be copied for each run that reads it, so of a reference the record
//! keeps path, hash, length and time of change. The bytes are the user's, who may change or remove
//! them: then that is told, and nothing else is given for them.
//!
//! A file of the same length and time counts as the same, as `make`, `rsync` and git's index have
//! it; whoever does not trust that has it hashed. A file of another time and the same bytes is the
//! same: it was copied or touched.

use std::path::Path;

use crate::error::Error;
use crate::error::Result;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::sys;
use crate::sys::Attributes;
use crate::sys::File;
use crate::sys::Kind;
use crate::sys::Open;
use crate::sys::Stat;
use crate::sys::Sys;

/// Read and hashed at once.
const BUFFER_BYTES: usize = 1 << 20;

/// What is kept of a file.
pub(crate) struct Measured {
    /// Its full path.
    pub(crate) path: String,
    /// Its hash.
    pub(crate) blob: BlobId,
    /// Its length.
    pub(crate) bytes: u64,
    /// Its mode and time.
    pub(crate) attributes: Attributes,
}

/// How the file of a reference stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceState {
    /// It has the bytes that it had.
    Same,
    /// It has others; how that shows.
    Changed(String),
    /// There is no file any more.
    Missing,
}

/// Reads a file and returns what is kept of it.
///
/// # Errors
/// [`Error::Invalid`] for what is no regular file, changes while it is read, or has a path that is
/// not UTF-8; [`Error::Io`].
pub(crate) fn measure(sys: &dyn Sys, path: &Path) -> Result<Measured> {
    let full =
        std::path::absolute(path).map_err(|why| Error::io("find the full path of", path, why))?;
    let Some(text) = full.to_str() else {
        return Err(invalid("has a path that is not UTF-8", path));
    };
    let before = stat_file(sys, path)?;
    let file = sys.open(path, Open::Read)?;
    let (blob, bytes) = hash(&*file, &mut |_, _| Ok(()))?;
    if !is_same(&before, &file.stat()?) {
        let why = "changed while it was read, want one that nobody writes to";
        return Err(invalid(why, path));
    }
    Ok(Measured {
        path: text.to_owned(),
        blob,
        bytes,
        attributes: attributes(sys, path)?,
    })
}

/// Returns mode and time of a file.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn attributes(sys: &dyn Sys, path: &Path) -> Result<Attributes> {
    Ok(Attributes {
        mode: sys.mode(path)?,
        modified_ns: Some(sys.stat(path)?.modified_ns),
    })
}

/// Tells how the file of a reference stands.
///
/// - `at`: its path
/// - `always_hash`: whether a file of the same length and time is read, too
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read.
pub(crate) fn state(
    sys: &dyn Sys,
    artifact: &ArtifactRef,
    at: &Path,
    always_hash: bool,
) -> Result<ReferenceState> {
    let stat = match sys.stat(at) {
        Err(error) if is_gone(&error) => return Ok(ReferenceState::Missing),
        stat => stat?,
    };
    let changed = |why: String| Ok(ReferenceState::Changed(why));
    if stat.kind != Kind::File {
        return changed("it is no file any more".to_owned());
    }
    if stat.len != artifact.bytes {
        return changed(format!("has {} bytes, had {}", stat.len, artifact.bytes));
    }
    if !always_hash && Some(stat.modified_ns) == artifact.modified_ns {
        return Ok(ReferenceState::Same);
    }
    let file = sys.open(at, Open::Read)?;
    let (blob, _) = hash(&*file, &mut |_, _| Ok(()))?;
    if blob == artifact.blob {
        return Ok(ReferenceState::Same);
    }
    let hash = blob.to_string();
    let hash = hash.get(..8).unwrap_or(&hash);
    changed(format!("its bytes hash to {hash} now"))
}

/// Copies the file of a reference to `to`, if it still has the bytes that it had. It is written
/// beside `to`, checked, and renamed.
///
/// # Errors
/// [`Error::Invalid`] if it has changed, or `to` is no file; [`Error::NotFound`] if it is gone;
/// [`Error::Io`].
pub(crate) fn copy_out(sys: &dyn Sys, artifact: &ArtifactRef, at: &Path, to: &Path) -> Result<()> {
    let want_file = |path: &Path| match sys.stat(path).map(|stat| stat.kind) {
        Ok(Kind::Dir | Kind::Other) => Err(invalid("is no regular file", path)),
        Ok(Kind::File) => Ok(()),
        Err(error) if error.is_missing() => Ok(()),
        Err(error) => Err(error),
    };
    want_file(at)?;
    want_file(to)?;
    let from = sys.open(at, Open::Read).map_err(|error| {
        if is_gone(&error) {
            return Error::not_found("file of the reference", at.display().to_string());
        }
        error
    })?;
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        sys.create_dir(folder)?;
    }
    let random = u128::from_le_bytes(sys.random());
    let beside = sys::with_suffix(to, &format!(".{random:032x}.tmp"));
    let copied = (|| {
        let copy = sys.open(&beside, Open::New)?;
        let (blob, bytes) = hash(&*from, &mut |bytes, offset| copy.write_at(bytes, offset))?;
        if (blob, bytes) != (artifact.blob, artifact.bytes) {
            let why = format!("changed since {:?} was logged", artifact.path);
            return Err(invalid(&why, at));
        }
        copy.sync()?;
        drop(copy);
        sys.rename(&beside, to)
    })();
    if copied.is_err() {
        let _ = sys.remove(&beside); // best effort: the error that is returned says more
    }
    copied
}

fn stat_file(sys: &dyn Sys, path: &Path) -> Result<Stat> {
    let stat = sys.stat(path)?;
    match stat.kind {
        Kind::File => Ok(stat),
        Kind::Dir => Err(invalid("is a folder, want a file", path)),
        Kind::Other => Err(invalid("is a pipe, socket or device, want a file", path)),
    }
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.len, a.modified_ns) == (b.len, b.modified_ns)
}

/// Whether nothing is at a path, or a file where a folder above it was.
fn is_gone(error: &Error) -> bool {
    let is_no_folder = |source: &std::io::Error| source.kind() == std::io::ErrorKind::NotADirectory;
    error.is_missing() || matches!(error, Error::Io { source, .. } if is_no_folder(source))
}

fn invalid(why: &str, path: &Path) -> Error {
    Error::invalid("reference", format!("{why}: {}", path.display()))
}

/// Reads a file to its end; `sink` gets each buffer with its offset.
fn hash(file: &dyn File, sink: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<(BlobId, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut buffer, offset)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((BlobId(*hasher.finalize().as_bytes()), offset));
        }
        // A forked child has none of the threads that would hash on all cores.
        if read == BUFFER_BYTES && sys::fork_generation() == 0 {
            hasher.update_rayon(bytes);
        } else {
            hasher.update(bytes);
        }
        sink(bytes, offset)?;
        offset += read as u64;
    }
}
