//! A file of the user being read: its bytes are hashed and counted on the way.

use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use crate::error::Error;
use crate::error::Result;
use crate::store::Progress;

const BUFFER_BYTES: usize = 256 << 10;
/// Longest line of a log: far beyond a step of 100,000 metrics.
pub(super) const LINE_BYTES_MAX: u64 = 16 << 20;
/// Longest record on a line of its own: one with all points of a long run.
pub(super) const RECORD_BYTES_MAX: u64 = 4 << 30;

/// An open file.
pub(super) struct Source<'a> {
    /// The file, without links and dots.
    pub(super) path: PathBuf,
    /// When its content changed last, in microseconds since 1970.
    pub(super) modified_us: Option<i64>,
    bytes: BufReader<Counted<'a>>,
    lines: u64,
    is_cut: bool,
}

struct Counted<'a> {
    file: File,
    hasher: blake3::Hasher,
    done: u64,
    total: u64,
    progress: Progress<'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or(&[]));
        self.done += read as u64;
        (self.progress)(self.done, self.total.max(self.done));
        Ok(read)
    }
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &Path, progress: Progress<'a>) -> Result<Self> {
        let failed = |why| Error::io("read", path, why);
        let path = path.canonicalize().map_err(failed)?;
        // Before it is opened: a pipe would wait for its writer, a device may never end.
        if !path.metadata().map_err(failed)?.is_file() {
            let why = "is a folder, pipe, socket or device, want a file";
            return Err(invalid_file(&path, why));
        }
        let file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let modified_us = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_micros()).ok());
        let counted = Counted {
            file,
            hasher: blake3::Hasher::new(),
            done: 0,
            total: metadata.len(),
            progress,
        };
        let mut source = Self {
            path,
            modified_us,
            bytes: BufReader::with_capacity(BUFFER_BYTES, counted),
            lines: 0,
            is_cut: false,
        };
        if source.peek()?.starts_with(b"\xef\xbb\xbf") {
            source.bytes.consume(3); // a byte order mark, as Windows writes it
        }
        Ok(source)
    }

    /// Returns what comes next, without taking it: the whole file or many bytes of it.
    pub(super) fn peek(&mut self) -> Result<&[u8]> {
        self.bytes
            .fill_buf()
            .map_err(|why| Error::io("read", &self.path, why))
    }

    /// Takes the next line into `line`, without its end.
    ///
    /// - `bytes_max`: a longer one is an error, and no more is read of it than shows that
    /// - returns: its number from 1; none at the end of the file
    pub(super) fn line(&mut self, line: &mut Vec<u8>, bytes_max: u64) -> Result<Option<u64>> {
        line.clear();
        let mut bytes = self.bytes.by_ref().take(bytes_max + 1);
        let read = bytes.read_until(b'\n', line);
        if read.map_err(|why| Error::io("read", &self.path, why))? == 0 {
            return Ok(None);
        }
        self.lines += 1;
        self.is_cut = !line.ends_with(b"\n");
        if self.is_cut && line.len() as u64 > bytes_max {
            return Err(self.invalid(&too_long(self.lines, bytes_max)));
        }
        while line.ends_with(b"\n") || line.ends_with(b"\r") {
            line.pop();
        }
        Ok(Some(self.lines))
    }

    /// Whether the line taken last has no line break: it may be cut off in its middle.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Takes the rest as text.
    pub(super) fn text(&mut self) -> Result<String> {
        let mut text = Vec::new();
        self.bytes
            .read_to_end(&mut text)
            .map_err(|why| Error::io("read", &self.path, why))?;
        String::from_utf8(text).map_err(|why| {
            let bad = why.utf8_error().valid_up_to();
            let lines = why.as_bytes().iter().take(bad);
            let line = 1 + lines.filter(|byte| **byte == b'\n').count();
            self.invalid(&format!("line {line} is not UTF-8: save it as UTF-8"))
        })
    }

    /// Returns the bytes to read on, for a parser that wants to do so itself.
    pub(super) fn reader(&mut self) -> &mut impl BufRead {
        &mut self.bytes
    }

    /// Returns how many lines were taken.
    pub(super) fn lines_taken(&self) -> u64 {
        self.lines
    }

    /// Returns the BLAKE3 hash of all that was read: of the whole file, when its end was reached.
    pub(super) fn digest(&self) -> blake3::Hash {
        self.bytes.get_ref().hasher.finalize()
    }

    /// Makes an error of this file.
    pub(super) fn invalid(&self, why: &str) -> Error {
        invalid_file(&self.path, why)
    }
}

/// Makes an error of a file whose content is not as it has to be.
pub(super) fn invalid_file(path: &Path, why: &str) -> Error {
    Error::invalid("file", format!("{why}: {}", path.display()))
}

/// Says that a line is longer than it may be.
pub(super) fn too_long(line: u64, bytes_max: u64) -> String {
    format!("line {line} has more than {bytes_max} bytes: it is no line of a log")
}

/// Says that the last line is not whole and left out.
pub(super) fn cut_off(line: u64) -> String {
    format!(
        "line {line}, the last one, is cut off in its middle, as by the end of a program that \
         was writing it: it is left out"
    )
}
