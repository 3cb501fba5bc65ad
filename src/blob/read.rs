//! Out of the store: each byte is hashed on its way, and no caller sees the end of wrong ones.
//!
//! A reader of a blob in chunks hashes each chunk before any of it is given, and the whole too
//! where all of it is read: that the chunks are sound does not tell that they are those of this
//! blob. What is written beside and renamed needs the hash of the whole alone.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use super::Blobs;
use super::batch::Batch;
use super::form::Form;
use super::form::Home;
use super::form::Known;
use super::form::Stored;
use super::form::lacks;
use super::form::want_blob;
use super::manifest::Manifest;
use super::manifest::Piece;
use super::update;
use crate::error::Error;
use crate::error::Result;
use crate::limits::PIECE_BYTES_MAX;
use crate::model::BlobId;
use crate::sys;
use crate::sys::File;
use crate::sys::Kind;
use crate::sys::Open;

/// Read and hashed at once of a blob that is no chunks.
const BUFFER_BYTES: usize = 1 << 20;
/// Chunks that are read ahead of who writes them out.
const AHEAD: usize = 8;

/// What is known of a blob without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobStat {
    /// How it lies on the disk.
    pub form: Form,
    /// How many bytes it has.
    pub bytes: u64,
    /// Length of its files, those of chunks that it shares with others too.
    pub stored: u64,
    /// What they take on the disk.
    pub allocated: u64,
}

impl Blobs {
    /// Tells of a blob.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`] if that is not what its file or those of its chunks
    /// can be; [`Error::Io`].
    pub fn stat(&self, blob: BlobId) -> Result<BlobStat> {
        let stored = self.home.open(blob, &Form::ALL)?;
        let mut stat = BlobStat {
            form: stored.form,
            bytes: 0,
            stored: stored.stat.len,
            allocated: stored.stat.allocated,
        };
        if stored.form != Form::Chunks {
            stat.bytes = stored.plain_len()?;
            return Ok(stat);
        }
        let manifest = stored.manifest(blob)?;
        stat.bytes = manifest.bytes();
        let mut pieces: Vec<BlobId> = manifest.pieces.iter().map(|piece| piece.blob).collect();
        pieces.sort_unstable();
        pieces.dedup();
        for piece in pieces {
            let found = self.home.open(piece, &Form::OF_PIECES);
            let found = found.map_err(|error| chunk_error(&stored, piece, error))?;
            stat.stored += found.stat.len;
            stat.allocated += found.stat.allocated;
        }
        Ok(stat)
    }

    /// Returns the chunks of a blob, in order; none of one that is whole in its file.
    ///
    /// # Errors
    /// As [`Self::stat`].
    pub fn pieces(&self, blob: BlobId) -> Result<Vec<Piece>> {
        let stored = self.home.open(blob, &Form::ALL)?;
        match stored.form {
            Form::Plain | Form::Zstd => Ok(Vec::new()),
            Form::Chunks => Ok(stored.manifest(blob)?.pieces),
        }
    }

    /// Opens a blob to be read from its start to its end.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`] if its name is taken by no file, or by none that
    /// can be it; [`Error::Io`].
    pub fn open(&self, blob: BlobId) -> Result<BlobReader> {
        BlobReader::new(&self.home, blob)
    }

    /// Opens a part of a blob; what of `range` lies behind its end is left out.
    ///
    /// Of a blob in chunks only those are read that have a part in it. One that is whole in its
    /// file is hashed first.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::Corrupt`] if the bytes are not those of the name.
    pub fn open_range(&self, blob: BlobId, range: Range<u64>) -> Result<BlobReader> {
        let mut reader = BlobReader::new(&self.home, blob)?;
        if let Body::Plain(_) = &reader.body {
            self.verify(blob)?;
        }
        reader.hasher = None;
        reader.end = range.end.min(reader.len);
        reader.at = range.start.min(reader.end);
        Ok(reader)
    }

    /// Reads a blob to its end and tells its length.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its bytes are not those of its name, with the file of the chunk whose
    /// fault it is; [`Error::NotFound`]; [`Error::Io`].
    pub fn verify(&self, blob: BlobId) -> Result<u64> {
        self.open(blob)?.copy_out(&mut |_, _| Ok(()))
    }

    /// Reads the one file of a blob; of one in chunks its list, and looks whether they are there.
    ///
    /// Where all files are looked at, this reads each once.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_file(&self, blob: BlobId, form: Form) -> Result<()> {
        let stored = self.home.open(blob, &[form])?;
        if form != Form::Chunks {
            let mut reader = BlobReader::of(&self.home, blob, stored)?;
            return reader.copy_out(&mut |_, _| Ok(())).map(drop);
        }
        let manifest = stored.manifest(blob)?;
        match self.home.lacking(&manifest) {
            Some(piece) => Err(lacks(stored.file.path(), piece)),
            None => Ok(()),
        }
    }

    /// Copies a blob out to `to` and tells its length. Missing folders are made.
    ///
    /// It is written beside `to`, checked, and renamed: `to` is what it was, or the whole blob.
    /// That holds over a power cut where `to` was there before. A new one may be lost or cut by it,
    /// as with any copy that does not wait for the disk; the store has it still.
    ///
    /// - `to`: replaced if it is a file; a link is replaced, not followed. Links among the folders
    ///   above it are followed: who takes the path from elsewhere looks at them first
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the bytes are not those of the name; [`Error::NotFound`];
    /// [`Error::Invalid`] if `to` is a folder or device; [`Error::Io`].
    pub fn get(&self, blob: BlobId, to: &Path) -> Result<u64> {
        let mut reader = self.open(blob)?;
        let sys = &self.home.sys;
        let is_replaced = self.want_replaceable(to)?;
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            sys.create_dir(folder)?;
        }
        let random = u128::from_le_bytes(sys.random());
        let beside = sys::with_suffix(to, &format!(".{random:032x}.tmp"));
        let copied = (|| {
            let copy = sys.open(&beside, Open::New)?;
            let mut written = 0;
            let bytes = reader.copy_out(&mut |bytes, offset| {
                if is_hole(bytes) {
                    return Ok(());
                }
                written = offset + bytes.len() as u64;
                copy.write_at(bytes, offset)
            })?;
            if written < bytes {
                copy.set_len(bytes)?;
            }
            if is_replaced {
                copy.sync()?;
            }
            drop(copy);
            sys.rename(&beside, to)?;
            Ok(bytes)
        })();
        if copied.is_err() {
            let _ = sys.remove(&beside); // best effort: the error that is returned says more
        }
        copied
    }

    /// Copies a blob of another store into this one, in the form it has there, and tells its
    /// length. When this returns, it survives a power cut. One that is known is left as it is.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn copy_from(&self, from: &Self, blob: BlobId) -> Result<u64> {
        let mut reader = from.open(blob)?;
        let bytes = reader.len;
        if self.home.knows(blob, bytes) == Known::Yes {
            self.sync_folders(&blob.0.first().copied().into_iter().collect())?;
            return Ok(bytes);
        }
        let batch = Batch::begin(self)?;
        let copy = |batch: &Batch<'_>, blob| -> Result<()> {
            let stored = from.home.open(blob, &Form::OF_PIECES)?;
            let raw = sys::read_all(&*stored.file, PIECE_BYTES_MAX as u64)?;
            batch.add_file(blob, stored.form, &raw, Known::Damaged)
        };
        match &reader.body {
            Body::Plain(_) if reader.len >= PIECE_BYTES_MAX as u64 => {
                drop(batch);
                let path = self.home.path(blob, Form::Plain);
                self.make_folder(blob)?;
                self.write(&path, &mut |copy| {
                    let mut sink = |bytes: &[u8], offset| copy.write_at(bytes, offset);
                    reader.copy_out(&mut sink).map(drop)
                })?;
                self.sync_folders(&blob.0.first().copied().into_iter().collect())?;
                return Ok(bytes);
            }
            Body::Plain(_) | Body::Frame => {
                reader.copy_out(&mut |_, _| Ok(()))?;
                copy(&batch, blob)?;
            }
            Body::Chunks(manifest) => {
                let manifest = manifest.clone();
                reader.copy_out(&mut |_, _| Ok(()))?;
                for (start, piece) in manifest.spans() {
                    if self.home.knows_chunk(piece.blob, piece.end - start) != Known::Yes {
                        copy(&batch, piece.blob)?;
                    }
                    batch.touch(piece.blob);
                    batch.relieve()?;
                }
                batch.add_manifest(blob, &manifest, Known::Damaged)?;
            }
        }
        batch.finish()?;
        Ok(bytes)
    }

    /// Renaming onto a device would put a file in its place.
    ///
    /// - returns: whether a file is there
    fn want_replaceable(&self, to: &Path) -> Result<bool> {
        let is = match self.home.sys.stat(to).map(|stat| stat.kind) {
            Ok(Kind::Dir) => "is a folder, want the name of a file",
            Ok(Kind::Other) => "is a pipe, socket or device, want the name of a file",
            Ok(Kind::File) => return Ok(true),
            Err(error) if error.is_missing() => return Ok(false),
            Err(error) => return Err(error),
        };
        Err(Error::invalid("target", format!("{is}: {}", to.display())))
    }
}

/// A chunk that is not there is damage of the blob.
fn chunk_error(stored: &Stored, chunk: BlobId, error: Error) -> Error {
    match error {
        Error::NotFound { .. } => lacks(stored.file.path(), chunk),
        error => error,
    }
}

/// Whether the bytes need not be written to read as they are.
fn is_hole(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Takes bytes with their offset.
type Sink<'a> = &'a mut dyn FnMut(&[u8], u64) -> Result<()>;

/// Reads a blob from start to end, or a part of it.
///
/// The last bytes are given only when all of them hash to the blob's name; of a part, when those
/// of its chunks do. If they do not, the read fails with [`io::ErrorKind::InvalidData`] around
/// [`Error::Corrupt`], and so does each later one.
#[derive(Debug)]
pub struct BlobReader {
    home: Home,
    blob: BlobId,
    path: PathBuf,
    body: Body,
    /// Of the whole blob.
    len: u64,
    /// What is still to be read.
    at: u64,
    end: u64,
    /// Of all bytes so far, where all are read.
    hasher: Option<Box<blake3::Hasher>>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that the caller has.
    given: usize,
}

#[derive(Debug)]
enum Body {
    Plain(Box<dyn File>),
    Frame,
    Chunks(Manifest),
}

impl BlobReader {
    fn new(home: &Home, blob: BlobId) -> Result<Self> {
        Self::of(home, blob, home.open(blob, &Form::ALL)?)
    }

    fn of(home: &Home, blob: BlobId, stored: Stored) -> Result<Self> {
        let (len, path) = (stored.plain_len()?, stored.file.path().to_owned());
        let (body, len) = match stored.form {
            Form::Plain => (Body::Plain(stored.file), len),
            Form::Zstd => (Body::Frame, len),
            Form::Chunks => {
                let manifest = stored.manifest(blob)?;
                let len = manifest.bytes();
                (Body::Chunks(manifest), len)
            }
        };
        Ok(Self {
            home: home.clone(),
            blob,
            path,
            body,
            len,
            at: 0,
            end: len,
            hasher: Some(Box::default()),
            buffer: Vec::new(),
            given: 0,
        })
    }

    /// Returns how many bytes the whole blob has.
    #[expect(clippy::len_without_is_empty, reason = "a reader is no collection")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads and hashes on; checks the hash with the last bytes.
    fn fill(&mut self) -> Result<()> {
        self.given = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        let (at, read) = (self.at, self.read_into(&mut buffer));
        self.at += read.inspect_err(|_| self.hasher = None)?;
        if let Some(hasher) = &mut self.hasher {
            update(hasher, &buffer);
            if self.at == self.len || self.at == at {
                let found = BlobId(*hasher.finalize().as_bytes());
                want_blob(&self.path, self.blob, found)?;
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    /// Reads the next bytes in place of what is in `out`, and tells how many.
    fn read_into(&self, out: &mut Vec<u8>) -> Result<u64> {
        let rest = self.end - self.at;
        match &self.body {
            Body::Plain(file) => {
                let most = usize::try_from(rest).unwrap_or(usize::MAX);
                out.resize(most.min(BUFFER_BYTES), 0);
                let read = file.read_at(out, self.at)?;
                out.truncate(read);
            }
            Body::Frame if rest == 0 => out.clear(),
            Body::Frame => {
                self.home.read_piece(self.blob, out)?;
                keep_part(out, 0, self.at..self.end);
            }
            Body::Chunks(manifest) => {
                let next = manifest
                    .pieces
                    .partition_point(|piece| piece.end <= self.at);
                let mut pieces = manifest.spans().skip(next);
                let Some((start, piece)) = pieces.next().filter(|_| rest > 0) else {
                    out.clear();
                    return Ok(0);
                };
                let len = piece.end - start;
                self.home
                    .read_chunk(&self.path, piece.blob, len, true, out)?;
                keep_part(out, start, self.at..self.end);
            }
        }
        Ok(out.len() as u64)
    }

    /// Gives all bytes to `sink`, each part with its offset, and tells how many. The last of them
    /// are given before the hash is checked.
    fn copy_out(&mut self, sink: Sink<'_>) -> Result<u64> {
        let found = match &self.body {
            Body::Chunks(manifest) => self.chunks_out(manifest, sink)?,
            Body::Plain(_) | Body::Frame => {
                let (mut hasher, mut buffer) = (blake3::Hasher::new(), Vec::new());
                while self.read_into(&mut buffer)? > 0 {
                    update(&mut hasher, &buffer);
                    sink(&buffer, self.at)?;
                    self.at += buffer.len() as u64;
                }
                BlobId(*hasher.finalize().as_bytes())
            }
        };
        if found != self.blob {
            self.blame()?;
        }
        want_blob(&self.path, self.blob, found)?;
        Ok(self.len)
    }

    /// A thread reads and hashes while this one writes. The hash of the whole tells whether the
    /// chunks are right; which is not is looked for when one is needed.
    fn chunks_out(&self, manifest: &Manifest, sink: Sink<'_>) -> Result<BlobId> {
        thread::scope(|scope| {
            let (sender, chunks) = mpsc::sync_channel(AHEAD);
            let (back, free) = mpsc::channel::<Vec<u8>>();
            let read = move || {
                let mut hasher = blake3::Hasher::new();
                for (start, piece) in manifest.spans() {
                    let mut chunk = free.try_recv().unwrap_or_default();
                    let len = piece.end - start;
                    let (of, blob) = (&self.path, piece.blob);
                    let read = self.home.read_chunk(of, blob, len, false, &mut chunk);
                    let is_last = read.is_err();
                    hasher.update(&chunk);
                    let sent = sender.send(read.map(|()| (start, chunk)));
                    if sent.is_err() || is_last {
                        break;
                    }
                }
                BlobId(*hasher.finalize().as_bytes())
            };
            let builder = thread::Builder::new().name("tracker-get".to_owned());
            let spawned = builder.spawn_scoped(scope, read);
            let hashing =
                spawned.map_err(|source| Error::io("start a thread for", &self.path, source))?;
            for chunk in chunks {
                let (start, chunk) = chunk?;
                sink(&chunk, start)?;
                let _ = back.send(chunk); // if more are read
            }
            let hashed = hashing.join();
            Ok(hashed.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Fails for the first chunk whose bytes are not those of its name.
    fn blame(&self) -> Result<()> {
        let Body::Chunks(manifest) = &self.body else {
            return Ok(());
        };
        let mut chunk = Vec::new();
        manifest.spans().try_for_each(|(start, piece)| {
            let len = piece.end - start;
            let (of, blob) = (&self.path, piece.blob);
            self.home.read_chunk(of, blob, len, true, &mut chunk)
        })
    }
}

/// Keeps what of the bytes, which begin at `start`, lies in the range.
fn keep_part(bytes: &mut Vec<u8>, start: u64, range: Range<u64>) {
    let within = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
    bytes.truncate(within(range.end));
    bytes.drain(..within(range.start).min(bytes.len()));
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
