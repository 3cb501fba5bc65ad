//! A segment being appended: rows in a preallocated, mapped file, or through `pwrite`.
//!
//! Mapped: a record is stored into pages of the file, so it outlives the process as soon as the
//! call returns, for the price of a copy. Blocks are real (`fallocate`), so that a full disk is an
//! error when the segment is made and not a signal in somebody's training. Where a file system
//! cannot promise that (network, FUSE, copy-on-write), and for short commands, records are written.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::files::Folders;
use super::files::SegmentId;
use super::frame;
use super::frame::Seed;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::model::RunId;
use crate::model::WriterId;
use crate::sys::File;
use crate::sys::Map;
use crate::sys::Open;
use crate::sys::Sys;

/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 64;

/// Version of the layout of rows.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"trk-rows";

/// Lays out the header of a segment. Integers are little-endian.
///
/// | offset | bytes | field                                  |
/// |-------:|------:|----------------------------------------|
/// |      0 |     8 | `trk-rows`                             |
/// |      8 |     4 | version                                |
/// |     12 |     4 | number of the segment, from 0          |
/// |     16 |    16 | run                                    |
/// |     32 |     8 | writer                                 |
/// |     40 |     8 | number of the file on its device       |
/// |     48 |    12 | zero                                   |
/// |     60 |     4 | CRC-32C of the 60 bytes before         |
///
/// The file's number tells a copy from the segment itself: nobody appends to a copy or seals it,
/// for the whole segment may still arrive from where it is written.
pub fn header(id: &SegmentId, inode: u64) -> [u8; HEADER_BYTES] {
    header_of(MAGIC, VERSION, id, inode)
}

/// Whether a file is the one that its header was written for, and not a copy of it.
///
/// # Errors
/// `Error::Io`.
pub fn is_at_home(file: &dyn File) -> Result<bool> {
    let mut header = [0; HEADER_BYTES];
    let read = file.read_at(&mut header, 0)?;
    // What has no whole header is nobody's copy: it was just made, or a power cut tore it.
    let is_told = read == HEADER_BYTES && header.starts_with(&MAGIC) && is_whole(&header);
    Ok(!is_told || inode_of(&header) == file.stat()?.inode)
}

/// Whether the checksum at a header's end is right.
fn is_whole(header: &[u8]) -> bool {
    header
        .split_last_chunk()
        .is_some_and(|(fields, crc)| u32::from_le_bytes(*crc) == crc32c::crc32c(fields))
}

fn inode_of(header: &[u8]) -> u64 {
    let field = header.get(40..).and_then(|tail| tail.first_chunk());
    field.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Returns the segment that a whole header is of, whichever kind of file it heads.
pub(super) fn id_of(header: &[u8; HEADER_BYTES]) -> Option<SegmentId> {
    if !is_whole(header) {
        return None;
    }
    let field = |at: usize| header.get(at..);
    Some(SegmentId {
        run: RunId(u128::from_le_bytes(*field(16)?.first_chunk()?)),
        writer: WriterId(u64::from_le_bytes(*field(32)?.first_chunk()?)),
        seq: u32::from_le_bytes(*field(12)?.first_chunk()?),
    })
}

/// Lays out a header with the magic of its kind of file.
pub(super) fn header_of(
    magic: [u8; 8],
    version: u32,
    id: &SegmentId,
    inode: u64,
) -> [u8; HEADER_BYTES] {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&id.seq.to_le_bytes());
    bytes.extend_from_slice(&id.run.0.to_le_bytes());
    bytes.extend_from_slice(&id.writer.0.to_le_bytes());
    bytes.extend_from_slice(&inode.to_le_bytes());
    bytes.resize(HEADER_BYTES - 4, 0);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let mut header = [0; HEADER_BYTES];
    header.copy_from_slice(&bytes);
    header
}

/// Checks that `header` is that of rows of segment `id`.
///
/// # Errors
/// `Error::Corrupt` if it is damaged or of another segment; `Error::NewerFormat`.
pub fn check_header(header: &[u8], id: &SegmentId, path: &Path) -> Result<()> {
    check_header_of(header, MAGIC, VERSION, id, path)
}

/// Checks a header against the magic of its kind of file and the newest version of that.
pub(super) fn check_header_of(
    header: &[u8],
    magic: [u8; 8],
    known: u32,
    id: &SegmentId,
    path: &Path,
) -> Result<()> {
    let damaged = |why: &str| Err(Damage::new(path, 0, "header", why).into());
    if !is_whole(header) {
        return damaged("the checksum is wrong");
    }
    if !header.starts_with(&magic) {
        return damaged("it is of another kind of file");
    }
    let version = header.get(8..).and_then(|tail| tail.first_chunk::<4>());
    let found = version.map_or(0, |bytes| u32::from_le_bytes(*bytes));
    if !(1..=known).contains(&found) {
        return Err(Error::NewerFormat {
            found,
            known,
            path: path.to_owned(),
        });
    }
    if header != header_of(magic, found, id, inode_of(header)) {
        return damaged("it is of another segment than the file's name");
    }
    Ok(())
}

/// How records reach the file.
#[derive(Debug)]
enum Tape {
    /// Stored into mapped pages.
    Mapped(Map),
    /// Laid out here, then written.
    Written(Vec<u8>),
}

/// A segment that this process appends to. Dropping it gives the lock back.
#[derive(Debug)]
pub struct Segment {
    /// Which one.
    pub id: SegmentId,
    file: Arc<dyn File>,
    tape: Tape,
    seed: Seed,
    len: usize,
    capacity: usize,
}

/// Whether a file of rows was last changed before the machine was started.
///
/// Then its end may be torn in any way, for a disk writes what was not synced in any order: gaps
/// between records are what the power cut left there, and no damage. By the time of the file, not
/// by what stands in it, which may be torn itself.
pub fn predates_boot(file: &dyn File, sys: &dyn Sys) -> bool {
    let changed_us = file.stat().map(|stat| stat.modified_ns / 1_000);
    sys.boot_us()
        .is_some_and(|boot_us| changed_us.is_ok_and(|changed_us| changed_us < boot_us))
}

/// Whether a segment is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// Preallocated and mapped.
    Mapped,
    /// Written record by record.
    Written,
}

impl Segment {
    /// Makes a segment: locked, preallocated and mapped before it gets its name, so that nobody
    /// takes it for one whose writer has died.
    ///
    /// - `capacity`: bytes of the file
    ///
    /// # Errors
    /// `Error::Io`, with `is_disk_full` when there is no room for `capacity`.
    pub fn create(
        folders: &Folders,
        id: SegmentId,
        capacity: usize,
        append: Append,
    ) -> Result<Self> {
        // A sweep may take the file for a dead writer's before it is locked: then another try.
        const TRIES: usize = 8;
        for _ in 1..TRIES {
            match Self::try_create(folders, id, capacity, append) {
                Err(Error::Locked { .. }) => {}
                Err(error) if error.is_missing() => folders.create()?,
                created => return created,
            }
        }
        Self::try_create(folders, id, capacity, append)
    }

    fn try_create(
        folders: &Folders,
        id: SegmentId,
        capacity: usize,
        append: Append,
    ) -> Result<Self> {
        let path = folders.rows(&id);
        let made = path.with_extension("new");
        let file: Arc<dyn File> = match folders.sys.open(&made, Open::New) {
            // Ours, of a try that failed and could not be cleared up: nobody else has this name.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                folders.sys.remove(&made)?;
                folders.sys.open(&made, Open::New)?
            }
            opened => opened?,
        }
        .into();
        let created = Self::prepare(folders, id, file, capacity, append);
        if created.is_err() {
            let _ = folders.sys.remove(&made); // best effort: the error that is returned says more
        }
        created
    }

    fn prepare(
        folders: &Folders,
        id: SegmentId,
        file: Arc<dyn File>,
        capacity: usize,
        append: Append,
    ) -> Result<Self> {
        // Without locks (some network file systems) the process in the segment tells who lives.
        let locked = file.try_lock();
        if matches!(locked, Ok(false)) {
            return Err(Error::Locked {
                what: "a new segment",
            });
        }
        let header = header(&id, file.stat()?.inode);
        let tape = match append {
            Append::Mapped => {
                file.allocate(capacity as u64)?;
                let mut map = file.map(capacity)?;
                map.touch();
                if let Some(place) = map.bytes().get_mut(..HEADER_BYTES) {
                    place.copy_from_slice(&header);
                }
                Tape::Mapped(map)
            }
            Append::Written => {
                file.write_at(&header, 0)?;
                Tape::Written(Vec::new())
            }
        };
        folders.sys.rename(file.path(), &folders.rows(&id))?;
        Ok(Self {
            id,
            file,
            tape,
            seed: Seed::of(&id),
            len: HEADER_BYTES,
            capacity,
        })
    }

    /// Takes up a segment that a short command left, to append behind its last record.
    ///
    /// - `file`: locked by this process
    /// - `len`: where its tail is; nothing may stand behind it
    pub fn reopen(id: SegmentId, file: Arc<dyn File>, len: usize, capacity: usize) -> Self {
        let tape = Tape::Written(Vec::new());
        Self {
            id,
            file,
            tape,
            seed: Seed::of(&id),
            len,
            capacity,
        }
    }

    /// Returns where the next record goes: bytes of header and records so far.
    pub fn end(&self) -> usize {
        self.len
    }

    /// Whether a record with a body of `len` bytes fits.
    #[inline]
    pub fn fits(&self, len: usize) -> bool {
        self.len + frame::frame_bytes(len) <= self.capacity
    }

    /// Appends a record whose body `fill` lays out in the `len` bytes that it is given.
    ///
    /// When this returns, the record survives the death of this process.
    ///
    /// # Errors
    /// `Error::Io` if the record could not be written; the segment then ends before it.
    #[inline]
    pub fn append(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let end = self.len + frame::frame_bytes(len);
        let body = self.len + frame::HEADER_BYTES..self.len + frame::HEADER_BYTES + len;
        match &mut self.tape {
            Tape::Mapped(map) => {
                let Some(bytes) = map.bytes().get_mut(body) else {
                    return Err(Error::invalid("record", "does not fit its segment"));
                };
                fill(bytes);
                let header = self.seed.header(bytes).encode();
                map.publish(self.len, header);
            }
            Tape::Written(bytes) => {
                bytes.clear();
                bytes.resize(end - self.len, 0);
                let Some((header, rest)) = bytes.split_first_chunk_mut::<{ frame::HEADER_BYTES }>()
                else {
                    return Err(Error::invalid("record", "does not fit its segment"));
                };
                if let Some(body) = rest.get_mut(..len) {
                    fill(body);
                    *header = self.seed.header(body).encode();
                }
                if let Err(error) = self.file.write_at(bytes, self.len as u64) {
                    // A part may stand there. Cut it off, so that no later tail is behind it.
                    let _ = self.file.set_len(self.len as u64);
                    return Err(error);
                }
            }
        }
        self.len = end;
        Ok(())
    }

    /// Returns the file, to sync it from another thread.
    pub fn file(&self) -> Arc<dyn File> {
        Arc::clone(&self.file)
    }

    /// Gives up the map and keeps file and lock: what is mapped must not be synced, for each page
    /// written back would be protected under the caller's feet.
    pub fn into_file(self) -> Arc<dyn File> {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;
    use crate::model::RunId;
    use crate::model::WriterId;

    #[test]
    fn golden_bytes() {
        let id = SegmentId {
            run: RunId(1),
            writer: WriterId(2),
            seq: 3,
        };
        let bytes = header(&id, 4);
        let want = "74726b2d726f77730100000003000000010000000000000000000000000000000200000000000000040000000000000000000000000000000000000034823b3f"; // version 1
        assert_eq!(hex(&bytes), want);
        let path = Path::new("x.seg");
        check_header(&bytes, &id, path).unwrap();
        let newer = header_of(MAGIC, VERSION + 1, &id, 4);
        let refused = check_header(&newer, &id, path);
        assert!(matches!(refused, Err(Error::NewerFormat { found: 2, .. })));
    }
}
