//! Out of the store: each byte is hashed on its way, and no caller sees the end of wrong ones.

use std::io;
use std::path::Path;

use super::BUFFER_BYTES;
use super::Blobs;
use super::hash_through;
use super::missing_blob;
use super::update;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::model::BlobId;
use crate::sys;
use crate::sys::File;
use crate::sys::Kind;
use crate::sys::Open;

impl Blobs {
    /// Opens a blob to be read from its start to its end.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`] if its name is taken by no file; [`Error::Io`].
    pub fn open(&self, blob: BlobId) -> Result<BlobReader> {
        let file = self.open_file(blob)?;
        let len = file.stat()?.len;
        Ok(BlobReader {
            file,
            blob,
            len,
            offset: 0,
            hasher: Box::default(),
            buffer: Vec::new(),
            given: 0,
        })
    }

    /// Reads a blob to its end and tells its length.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its bytes are not those of its name; [`Error::NotFound`];
    /// [`Error::Io`].
    pub fn verify(&self, blob: BlobId) -> Result<u64> {
        let file = self.open_file(blob)?;
        let (found, bytes) = hash_through(&*file, &mut |_, _| Ok(()))?;
        want_blob(&*file, blob, found)?;
        Ok(bytes)
    }

    /// Copies a blob out to `to` and tells its length. Missing folders are made.
    ///
    /// It is written beside `to`, checked, and renamed: `to` is what it was, or the whole blob.
    ///
    /// - `to`: replaced if it is a file; a link is replaced, not followed. Links among the folders
    ///   above it are followed: who takes the path from elsewhere looks at them first
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the bytes are not those of the name; [`Error::NotFound`];
    /// [`Error::Invalid`] if `to` is a folder or device; [`Error::Io`].
    pub fn get(&self, blob: BlobId, to: &Path) -> Result<u64> {
        let file = self.open_file(blob)?;
        self.want_replaceable(to)?;
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            self.sys.create_dir(folder)?;
        }
        let random = u128::from_le_bytes(self.sys.random());
        let beside = sys::with_suffix(to, &format!(".{random:032x}.tmp"));
        let copied = (|| {
            let copy = self.sys.open(&beside, Open::New)?;
            let mut sink = |bytes: &[u8], offset| copy.write_at(bytes, offset);
            let (found, bytes) = hash_through(&*file, &mut sink)?;
            want_blob(&*file, blob, found)?;
            // A name must not survive a power cut that its bytes do not survive.
            copy.sync()?;
            drop(copy);
            self.sys.rename(&beside, to)?;
            Ok(bytes)
        })();
        if copied.is_err() {
            let _ = self.sys.remove(&beside); // best effort: the error that is returned says more
        }
        copied
    }

    /// Copies a blob of another store into this one and tells its length. When this returns, it
    /// survives a power cut.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn copy_from(&self, from: &Self, blob: BlobId) -> Result<u64> {
        let folder = self.durable_folder(blob)?;
        let path = self.path(blob);
        let bytes = from.get(blob, &path)?;
        let copy = self.sys.open(&path, Open::Read)?;
        let _ = copy.set_read_only(); // guards against slips; not every file system has it
        self.sys.sync_dir(&folder)?;
        Ok(bytes)
    }

    fn open_file(&self, blob: BlobId) -> Result<Box<dyn File>> {
        let path = self.path(blob);
        let opened = self.sys.open(&path, Open::Read);
        let file = opened.map_err(|error| missing_blob(error, blob))?;
        if file.stat()?.kind == Kind::File {
            return Ok(file);
        }
        Err(Damage::new(&path, 0, "blob", "is no regular file").into())
    }

    /// Renaming onto a device would put a file in its place.
    fn want_replaceable(&self, to: &Path) -> Result<()> {
        let is = match self.sys.stat(to).map(|stat| stat.kind) {
            Ok(Kind::Dir) => "is a folder, want the name of a file",
            Ok(Kind::Other) => "is a pipe, socket or device, want the name of a file",
            Ok(Kind::File) => return Ok(()),
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) => return Err(error),
        };
        Err(Error::invalid("target", format!("{is}: {}", to.display())))
    }
}

fn want_blob(file: &dyn File, blob: BlobId, found: BlobId) -> Result<()> {
    if found == blob {
        return Ok(());
    }
    let why = format!("bytes hash to {found}, not to its name");
    Err(Damage::new(file.path(), 0, "blob", why).into())
}

/// Reads a blob from start to end.
///
/// The last bytes are given only when all of them hash to the blob's name. If they do not, the
/// read fails with [`io::ErrorKind::InvalidData`] around [`Error::Corrupt`], and so does each
/// later one.
#[derive(Debug)]
pub struct BlobReader {
    file: Box<dyn File>,
    blob: BlobId,
    len: u64,
    /// Where the next buffer starts in the file.
    offset: u64,
    hasher: Box<blake3::Hasher>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that the caller has.
    given: usize,
}

impl BlobReader {
    /// Reads and hashes the next buffer; checks the hash when it is the last.
    fn fill(&mut self) -> Result<()> {
        let rest = usize::try_from(self.len - self.offset).unwrap_or(usize::MAX);
        self.given = 0;
        self.buffer.resize(rest.min(BUFFER_BYTES), 0);
        let read = self.file.read_at(&mut self.buffer, self.offset);
        let read = read.inspect_err(|_| self.buffer.clear())?;
        self.buffer.truncate(read);
        update(&mut self.hasher, &self.buffer);
        self.offset += read as u64;
        if self.offset == self.len || read == 0 {
            let found = BlobId(*self.hasher.finalize().as_bytes());
            return want_blob(&*self.file, self.blob, found).inspect_err(|_| self.buffer.clear());
        }
        Ok(())
    }
}

impl io::Read for BlobReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.buffer.len() {
            self.fill().map_err(|error| match error {
                Error::Io { source, .. } => source,
                error => io::Error::new(io::ErrorKind::InvalidData, error),
            })?;
        }
        let ready = self.buffer.get(self.given..).unwrap_or_default();
        let read = io::Read::read(&mut &*ready, out)?;
        self.given += read;
        Ok(read)
    }
}
