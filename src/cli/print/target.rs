//! The file that an answer goes to: replaced whole, or not at all.
//!
//! What is written stands in a file beside it until all of it is on the disk, and then takes its
//! name. So a reader sees the old file or the new one, never a half, and a full disk costs nothing.
//! What is no file (`/dev/full`, a pipe with a name) cannot be replaced, and is written as it is.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use super::number;
use crate::cli::fail::Failure;
use crate::cli::fail::has_journal;

const BUFFER_BYTES: usize = 64 << 10;
/// So many names are tried for the file beside the target.
const TRIES_MAX: u32 = 100;

/// A file being written.
#[derive(Debug)]
pub(super) struct Target {
    out: BufWriter<File>,
    /// As the user named it.
    named: PathBuf,
    replacement: Option<Replacement>,
}

/// The file that takes the target's name in the end; removed if it does not come to that.
#[derive(Debug)]
struct Replacement {
    beside: PathBuf,
    /// The target, where links lead to it.
    target: PathBuf,
}

impl Drop for Replacement {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside); // gone already where it took its name
    }
}

impl Target {
    /// Makes sure that the target can be written, without touching it.
    pub(super) fn open(named: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::file("write", named, &error);
        let there = match fs::metadata(named) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            there => Some(there.map_err(failed)?),
        };
        let ends_as_folder = named.as_os_str().to_string_lossy().ends_with(['/', '\\']);
        if ends_as_folder || there.as_ref().is_some_and(fs::Metadata::is_dir) {
            let why = format!("cannot write {}: it is a folder", named.display());
            return Err(Failure::new(why).hint("name a file in it"));
        }
        let (file, replacement) = match &there {
            Some(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(named);
                (file.map_err(failed)?, None)
            }
            Some(there) if there.permissions().readonly() => {
                let why = format!("cannot write {}: it is read-only", named.display());
                return Err(Failure::new(why).hint("name another file"));
            }
            _ => {
                let (file, replacement) = beside(named)?;
                if let Some(there) = &there {
                    // Who may read the old file may read the new one, and nobody else.
                    file.set_permissions(there.permissions()).map_err(failed)?;
                }
                (file, Some(replacement))
            }
        };
        Ok(Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, file),
            named: named.to_owned(),
            replacement,
        })
    }

    pub(super) fn named(&self) -> &Path {
        &self.named
    }

    /// Whether it will stand where that file is.
    pub(super) fn replaces(&self, file: &Path) -> bool {
        let target = self.replacement.as_ref().map(|new| new.target.as_path());
        target.is_some() && fs::canonicalize(file).ok().as_deref() == target
    }

    /// Puts what was written in its place and says so; none of what is no file.
    pub(super) fn finish(&mut self) -> io::Result<Option<String>> {
        self.out.flush()?;
        let Some(Replacement { beside, target }) = &self.replacement else {
            return Ok(None);
        };
        let file = self.out.get_ref();
        let len = number::bytes(file.metadata()?.len());
        file.sync_all()?; // a name must not come to stand for bytes that a power cut takes
        fs::rename(beside, target)?;
        Ok(Some(format!("wrote {} ({len})", self.named.display())))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Makes a new file in the folder of the target.
fn beside(named: &Path) -> Result<(File, Replacement), Failure> {
    let failed = |error: io::Error| Failure::file("write", named, &error);
    // Through a link the file is replaced that it leads to, not the link.
    let target = fs::canonicalize(named).or_else(|_not_there| {
        let folder = named.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
        let folder =
            folder.map_err(|error| failed(error).hint("the folder must be there before"))?;
        let name = named.file_name();
        let name = name.ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        Ok::<_, Failure>(folder.join(name))
    })?;
    let is_store = |folder: &&Path| has_journal(folder) && folder.join("format").is_file();
    if let Some(store) = target.ancestors().find(is_store) {
        let (named, store) = (named.display(), store.display());
        let why = format!("cannot write {named}: it is inside the store {store}");
        return Err(Failure::new(why).hint("name a file elsewhere"));
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    // Part of the name tells people whose it is; it must not grow past what a name may have.
    let name: String = name.chars().take(32).collect();
    let process = std::process::id();
    let mut tries = 0;
    loop {
        let beside = target.with_file_name(format!(".{name}.{process}-{tries}.tmp"));
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&beside)
        {
            Ok(file) => return Ok((file, Replacement { beside, target })),
            // Left by a process that was killed and had the same number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < TRIES_MAX => {
                tries += 1;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}
