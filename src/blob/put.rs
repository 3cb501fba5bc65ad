//! Into the store: one pass over the bytes, whatever form they get.
//!
//! What is smaller than a chunk can be is taken whole into memory, hashed, and written if it is
//! new. Of what is larger this thread reads and cuts, one hashes the whole, others hash, compress
//! and write the chunks; a fixed number of buffers goes round between them, so memory is bounded
//! whatever the size. Where the first chunk of a file is known the file may be: it is then hashed
//! first, by all threads, and only if it is new read again. Nothing else is read twice.
//!
//! The threads are made for one put and end with it, so a forked child can put as its parent does.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;

use super::Blobs;
use super::Put;
use super::batch::Batch;
use super::batch::FirstError;
use super::cut::first_chunk;
use super::form::Known;
use super::hash;
use super::manifest::Manifest;
use super::manifest::Piece;
use super::squeeze::Squeezer;
use super::tree;
use super::walk::Source;
use crate::error::Error;
use crate::error::Result;
use crate::limits::PIECE_BYTES_MAX;
use crate::model::BlobId;
use crate::sys::File;
use crate::sys::Kind;
use crate::sys::Open;
use crate::sys::Stat;

/// Buffers of [`PIECE_BYTES_MAX`] that go round.
const SEGMENTS: usize = 6;
/// Chunks that wait for a thread that writes them.
const QUEUE: usize = 64;
/// More threads than this wait for the disk, or for the one that cuts.
const WRITERS_MAX: usize = 4;

impl Blobs {
    /// Copies a file into the store. When this returns, the blob survives a power cut.
    ///
    /// - `path`: a regular file; links are followed
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no regular file or changes while it is read; [`Error::Io`].
    /// Nothing is left behind then.
    pub fn put_file(&self, path: &Path) -> Result<Put> {
        self.put_file_and_tell(path, &mut |_| ())
    }

    /// Copies a file into the store as [`Self::put_file`] does.
    ///
    /// - `progress`: called now and then with how many bytes were taken so far
    ///
    /// # Errors
    /// As [`Self::put_file`].
    pub fn put_file_and_tell(&self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<Put> {
        let mut file = UserFile::open(self, path)?;
        let mut head = vec![0; PIECE_BYTES_MAX];
        let read = file.read(&mut head)?;
        let put = if read < PIECE_BYTES_MAX {
            file.want_unchanged()?;
            head.truncate(read);
            self.put_small(&head)?
        } else {
            let batch = Batch::begin(self)?;
            let put = self.put_large(&batch, &mut file, head, progress)?;
            batch.finish()?;
            put
        };
        progress(put.bytes);
        Ok(put)
    }

    /// Copies many files into the store and waits for the disk once. When this returns, all survive
    /// a power cut.
    ///
    /// - `progress`: called now and then with how many bytes were taken so far
    /// - returns: what was done with each, in their order
    ///
    /// # Errors
    /// As [`Self::put_file`], for the first file that fails; of the others some may be stored.
    pub fn put_files(&self, sources: &[Source], progress: &mut dyn FnMut(u64)) -> Result<Vec<Put>> {
        if let [only] = sources {
            return Ok(vec![self.put_file_and_tell(&only.path, progress)?]);
        }
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let batch = Batch::begin(self)?;
        let mut puts = vec![None; sources.len()];
        let (next, failed) = (AtomicUsize::new(0), FirstError::default());
        let mut taken = 0;
        thread::scope(|scope| {
            let (sender, small) = mpsc::channel();
            for _ in 0..writers() {
                let sender = sender.clone();
                let (batch, next, failed) = (&batch, &next, &failed);
                let work = move || self.put_smalls(batch, sources, next, failed, &sender);
                failed.keep(spawn(scope, &self.store, work).map(drop));
            }
            drop(sender);
            for (number, put) in small {
                let (source, place) = (sources.get(number), puts.get_mut(number));
                let put = match (put, source) {
                    (None, Some(source)) if !failed.is_some() => {
                        let mut tell = |bytes| progress(taken + bytes);
                        failed.of(self.put_one_large(&batch, &source.path, &mut tell))
                    }
                    (put, _) => put,
                };
                taken += put.map_or(0, |put: Put| put.bytes);
                progress(taken);
                if let Some(place) = place {
                    *place = put;
                }
                failed.keep(batch.relieve());
            }
        });
        failed.into_result()?;
        batch.finish()?;
        Ok(puts.into_iter().flatten().collect())
    }

    /// Copies what a reader gives into the store. When this returns, the blob survives a power cut.
    ///
    /// - `name`: of what is read, for an error
    /// - `progress`: called now and then with how many bytes were taken so far
    ///
    /// # Errors
    /// [`Error::Io`], also of the reader; nothing is left behind then.
    pub fn put_reader(
        &self,
        reader: &mut dyn io::Read,
        name: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Put> {
        let mut stream = Stream { reader, name };
        let mut head = vec![0; PIECE_BYTES_MAX];
        let read = stream.read(&mut head)?;
        if read < PIECE_BYTES_MAX {
            head.truncate(read);
            return self.put_small(&head);
        }
        let batch = Batch::begin(self)?;
        let put = self.put_large(&batch, &mut stream, head, progress)?;
        batch.finish()?;
        Ok(put)
    }

    /// Writes bytes into the store. When this returns, the blob survives a power cut.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing is left behind then.
    pub fn put_bytes(&self, mut bytes: &[u8]) -> Result<Put> {
        if bytes.len() < PIECE_BYTES_MAX {
            return self.put_small(bytes);
        }
        self.put_reader(&mut bytes, Path::new("memory"), &mut |_| ())
    }

    /// Takes files by turns; those that are large are left to the caller.
    fn put_smalls(
        &self,
        batch: &Batch<'_>,
        sources: &[Source],
        next: &AtomicUsize,
        failed: &FirstError,
        done: &mpsc::Sender<(usize, Option<Put>)>,
    ) {
        let mut buffer = vec![0; PIECE_BYTES_MAX];
        let mut squeezer = Squeezer::new();
        while !failed.is_some() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(source) = sources.get(number) else {
                return;
            };
            let put = self.put_one_small(batch, &source.path, &mut buffer, &mut squeezer);
            match put {
                Ok(put) => drop(done.send((number, put))), // if anybody still waits
                Err(error) => failed.keep(Err(error)),
            }
        }
    }

    /// - returns: none of a file that is large
    fn put_one_small(
        &self,
        batch: &Batch<'_>,
        path: &Path,
        buffer: &mut [u8],
        squeezer: &mut Squeezer,
    ) -> Result<Option<Put>> {
        let mut file = UserFile::open_found(self, path)?;
        if file.before.len >= buffer.len() as u64 {
            return Ok(None);
        }
        // No more than there is, for a second call would only find the end; the kernel's own files
        // do not tell.
        let len = usize::try_from(file.before.len).unwrap_or(buffer.len());
        let most = if len == 0 { buffer.len() } else { len };
        let read = file.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == buffer.len() {
            return Ok(None);
        }
        file.want_unchanged()?;
        let content = buffer.get(..read).unwrap_or_default();
        let (blob, bytes) = (hash(content), read as u64);
        let squeezer = squeezer.pays(content).then_some(squeezer);
        let new = batch.add(blob, content, squeezer, || self.home.knows(blob, bytes))?;
        Ok(Some(Put { blob, bytes, new }))
    }

    fn put_one_large(
        &self,
        batch: &Batch<'_>,
        path: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Put> {
        let mut file = UserFile::open(self, path)?;
        let mut head = vec![0; PIECE_BYTES_MAX];
        let read = file.read(&mut head)?;
        head.truncate(read); // it may have become small
        self.put_large(batch, &mut file, head, progress)
    }

    /// Cuts, and adds chunks and manifest to the batch, unless the whole turns out to be known.
    ///
    /// - `head`: the first bytes, as many as a buffer has
    fn put_large(
        &self,
        batch: &Batch<'_>,
        supply: &mut dyn Supply,
        head: Vec<u8>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Put> {
        if self.may_be_known(&head)
            && let Some((blob, bytes)) = supply.hash_all(&head, progress)?
            && self.home.knows(blob, bytes) == Known::Yes
        {
            batch.touch(blob);
            let new = false;
            return Ok(Put { blob, bytes, new });
        }
        let mut cutting = Cutting {
            blobs: self,
            batch,
            supply,
            progress,
        };
        let (blob, manifest) = cutting.cut(head)?;
        supply.want_unchanged()?;
        let bytes = manifest.bytes();
        let known = self.home.knows(blob, bytes);
        let new = known != Known::Yes;
        if new {
            batch.add_manifest(blob, &manifest, known)?;
        } else {
            batch.touch(blob);
        }
        Ok(Put { blob, bytes, new })
    }

    fn may_be_known(&self, head: &[u8]) -> bool {
        let first = first_chunk(head, 0, false).and_then(|range| head.get(range));
        first.is_some_and(|first| {
            self.home.knows_chunk(hash(first), first.len() as u64) == Known::Yes
        })
    }
}

/// Where the bytes of a put come from.
trait Supply {
    /// Reads on; fewer bytes than asked for only at the end.
    fn read(&mut self, out: &mut [u8]) -> Result<usize>;

    /// Hashes all, of which `head` was read, and goes back to there; none if it cannot.
    fn hash_all(
        &mut self,
        head: &[u8],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<(BlobId, u64)>>;

    /// Fails if it was written to since it was opened.
    fn want_unchanged(&self) -> Result<()>;
}

/// A file of the user's. It is read, not mapped: a peer that cuts a mapped file kills the process
/// that reads it.
struct UserFile {
    file: Box<dyn File>,
    before: Stat,
    offset: u64,
}

impl UserFile {
    fn open(blobs: &Blobs, path: &Path) -> Result<Self> {
        // Opening a device may do something.
        want_file(path, &blobs.home.sys.stat(path)?)?;
        Self::open_found(blobs, path)
    }

    /// Opens what a walk has found to be a file.
    fn open_found(blobs: &Blobs, path: &Path) -> Result<Self> {
        let file = blobs.home.sys.open(path, Open::Read)?;
        let before = file.stat()?;
        want_file(path, &before)?;
        Ok(Self {
            file,
            before,
            offset: 0,
        })
    }
}

impl Supply for UserFile {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let read = self.file.read_at(out, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }

    fn hash_all(
        &mut self,
        head: &[u8],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<(BlobId, u64)>> {
        let hashed = tree::hash_file(&*self.file, progress)?;
        if let Some((_, bytes)) = hashed {
            self.offset = bytes;
            self.want_unchanged()?;
            self.offset = head.len() as u64;
        }
        Ok(hashed)
    }

    /// Files that the kernel makes up as they are read have length 0, and any content.
    fn want_unchanged(&self) -> Result<()> {
        let (before, after) = (&self.before, self.file.stat()?);
        let is_same = (after.len, after.modified_ns) == (before.len, before.modified_ns);
        let is_all = self.offset == before.len || before.len == 0;
        if is_same && is_all {
            return Ok(());
        }
        let why = "changed while it was read, want one that nobody writes to";
        let path = self.file.path().display();
        Err(Error::invalid("artifact", format!("{why}: {path}")))
    }
}

struct Stream<'a> {
    reader: &'a mut dyn io::Read,
    name: &'a Path,
}

impl Supply for Stream<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut read = 0;
        while let Some(rest) = out.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(some) => read += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::io("read", self.name, source)),
            }
        }
        Ok(read)
    }

    fn hash_all(
        &mut self,
        _head: &[u8],
        _progress: &mut dyn FnMut(u64),
    ) -> Result<Option<(BlobId, u64)>> {
        Ok(None)
    }

    fn want_unchanged(&self) -> Result<()> {
        Ok(())
    }
}

/// One large blob on its way into the store.
struct Cutting<'a, 'b> {
    blobs: &'a Blobs,
    batch: &'a Batch<'b>,
    supply: &'a mut dyn Supply,
    progress: &'a mut dyn FnMut(u64),
}

/// A buffer that goes back to where it came from when nobody needs it any more.
struct Segment {
    bytes: Vec<u8>,
    /// What of it is new, behind what was left of the one before.
    fresh: Range<usize>,
    /// Whether its chunks are worth compressing.
    pays: bool,
    back: mpsc::Sender<Vec<u8>>,
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = self.back.send(std::mem::take(&mut self.bytes)); // if it is still waited for
    }
}

struct Chunk {
    segment: Arc<Segment>,
    range: Range<usize>,
    end: u64,
}

impl Cutting<'_, '_> {
    fn cut(&mut self, head: Vec<u8>) -> Result<(BlobId, Manifest)> {
        let (chunk_sender, chunks) = mpsc::sync_channel::<Chunk>(QUEUE);
        let chunks = Mutex::new(chunks);
        let (pieces, failed) = (Mutex::new(Vec::new()), FirstError::default());
        let (blobs, batch) = (self.blobs, self.batch);
        let hash = thread::scope(|scope| {
            let chunk_sender = chunk_sender; // ends with this scope, and so do the threads
            let (segment_sender, segments) = mpsc::sync_channel::<Arc<Segment>>(SEGMENTS);
            let hashing = spawn(scope, &blobs.store, move || {
                let mut hasher = blake3::Hasher::new();
                for segment in segments {
                    hasher.update(segment.bytes.get(segment.fresh.clone()).unwrap_or_default());
                }
                BlobId(*hasher.finalize().as_bytes())
            })?;
            for _ in 0..writers() {
                spawn(scope, &blobs.store, || {
                    let mut squeezer = Squeezer::new();
                    while let Some(chunk) = receive(&chunks) {
                        if !failed.is_some() {
                            failed.keep(add(blobs, batch, &mut squeezer, &chunk, &pieces));
                        }
                    }
                })?;
            }
            self.feed(head, &failed, &segment_sender, &chunk_sender)?;
            drop(segment_sender);
            let hashed = hashing.join();
            Ok::<_, Error>(hashed.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        failed.into_result()?;
        let mut pieces = pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        pieces.sort_unstable_by_key(|piece: &Piece| piece.end);
        Ok((hash, Manifest { pieces }))
    }

    /// Reads and cuts to the end, or until a thread fails.
    fn feed(
        &mut self,
        head: Vec<u8>,
        failed: &FirstError,
        segments: &mpsc::SyncSender<Arc<Segment>>,
        chunks: &mpsc::SyncSender<Chunk>,
    ) -> Result<()> {
        let (back, free) = mpsc::channel();
        for _ in 1..SEGMENTS {
            let _ = back.send(Vec::new()); // the receiver is here
        }
        let mut squeezer = Squeezer::new();
        let mut fresh = 0..head.len();
        let mut bytes = head;
        let mut start = 0;
        loop {
            let is_end = fresh.end < PIECE_BYTES_MAX;
            let filled = bytes.get(..fresh.end).unwrap_or_default();
            let pays = squeezer.pays(filled);
            let segment = Arc::new(Segment {
                fresh: fresh.clone(),
                pays,
                back: back.clone(),
                bytes,
            });
            let filled = segment.bytes.get(..fresh.end).unwrap_or_default();
            let _ = segments.send(Arc::clone(&segment)); // its thread ends only with this sender
            let mut at = 0;
            while let Some(range) = first_chunk(filled.get(at..).unwrap_or_default(), start, is_end)
            {
                let (range, len) = (at..at + range.end, range.end);
                at += len;
                start += len as u64;
                let segment = Arc::clone(&segment);
                let end = start;
                let _ = chunks.send(Chunk {
                    segment,
                    range,
                    end,
                }); // as above
            }
            (self.progress)(start);
            if is_end || failed.is_some() {
                return Ok(());
            }
            self.batch.relieve()?;
            let rest = filled.get(at..).unwrap_or_default();
            let mut next = free.recv().unwrap_or_default(); // one is always on its way
            next.resize(PIECE_BYTES_MAX, 0);
            if let Some(place) = next.get_mut(..rest.len()) {
                place.copy_from_slice(rest);
            }
            let read = self
                .supply
                .read(next.get_mut(rest.len()..).unwrap_or_default())?;
            fresh = rest.len()..rest.len() + read;
            bytes = next;
        }
    }
}

/// Hashes a chunk and has it written if it is new.
fn add(
    blobs: &Blobs,
    batch: &Batch<'_>,
    squeezer: &mut Squeezer,
    chunk: &Chunk,
    pieces: &Mutex<Vec<Piece>>,
) -> Result<()> {
    let Chunk {
        segment,
        range,
        end,
    } = chunk;
    let bytes = segment.bytes.get(range.clone()).unwrap_or_default();
    let blob = hash(bytes);
    let squeezer = segment.pays.then_some(squeezer);
    let known = || blobs.home.knows_chunk(blob, bytes.len() as u64);
    batch.add(blob, bytes, squeezer, known)?;
    let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
    pieces.push(Piece { blob, end: *end });
    Ok(())
}

fn receive(chunks: &Mutex<mpsc::Receiver<Chunk>>) -> Option<Chunk> {
    let chunks = chunks.lock().unwrap_or_else(PoisonError::into_inner);
    chunks.recv().ok()
}

pub(super) fn writers() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.min(WRITERS_MAX)
}

pub(super) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    store: &Path,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, T>> {
    let builder = thread::Builder::new().name("tracker-put".to_owned());
    let spawned = builder.spawn_scoped(scope, work);
    spawned.map_err(|source| Error::io("start a thread for", store, source))
}

pub(super) fn want_file(path: &Path, stat: &Stat) -> Result<()> {
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
