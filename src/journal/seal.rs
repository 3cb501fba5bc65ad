//! Turns the rows of a segment into columns: behind a writer, at its end, or after its death.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::Folders;
use super::files::SegmentId;
use super::rows;
use super::rows::Spare;
use super::sealed::Encoder;
use super::sealed::Sealed;
use super::segment;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::sys::File;
use crate::sys::Open;

/// What sealing one segment after another goes on with.
#[derive(Debug, Default)]
pub struct Sealer {
    spare: Spare,
    encoder: Encoder,
}

/// A sealed file that is written but not synced, and has no name to stay under.
#[derive(Debug)]
pub struct Made {
    path: PathBuf,
    file: Box<dyn File>,
}

impl Made {
    /// Encodes and writes a segment whose lock the caller holds and to which nobody appends any
    /// more. Rows that carry nothing are removed, and nothing is made.
    ///
    /// # Errors
    /// `Error::Corrupt` if the rows are damaged: they stay for `check` to speak of. `Error::Io`,
    /// with the rows still there.
    pub fn write(
        folders: &Folders,
        id: &SegmentId,
        rows_file: &Arc<dyn File>,
        sealer: &mut Sealer,
    ) -> Result<Option<Self>> {
        let sys = &*folders.sys;
        let mut rows = rows::read_into(&**rows_file, id, &mut sealer.spare)?;
        if let Some(damage) = rows.damage.pop() {
            return Err(damage.into());
        }
        if rows.is_empty() {
            sys.remove(&folders.rows(id))?;
            return Ok(None);
        }
        let encoded = sealer.encoder.encode(&rows, id);
        sealer.spare.take_back(rows);
        let bytes =
            encoded.map_err(|why| Damage::new(rows_file.path(), 0, "segment", why.to_string()))?;
        let path = folders.sealed(id).with_extension("sealing");
        // One left by a process that died here is ours now: the lock on the rows says so.
        match sys.remove(&path) {
            Err(error) if !error.is_missing() => return Err(error),
            _ => {}
        }
        let file = sys.open(&path, Open::New)?;
        match file.write_at(bytes, 0) {
            Ok(()) => Ok(Some(Self { path, file })),
            Err(error) => {
                let _ = sys.remove(&path); // best effort: the error that is returned says more
                Err(error)
            }
        }
    }

    /// Puts it in the place of the rows: it is synced, gets its name, the folder is synced, then
    /// the rows go.
    ///
    /// # Errors
    /// `Error::Io`, with the rows still there.
    pub fn replace_rows(self, folders: &Folders, id: &SegmentId) -> Result<()> {
        let sys = &*folders.sys;
        let Self { path, file } = self;
        let named = file
            .sync()
            .and_then(|()| sys.rename(&path, &folders.sealed(id)))
            .and_then(|()| sys.sync_dir(folders.live()));
        if let Err(error) = named {
            let _ = sys.remove(&path);
            return Err(error);
        }
        sys.remove(&folders.rows(id))
    }
}

/// Seals a segment; returns whether a sealed file was made.
///
/// # Errors
/// As [`Made::write`] and [`Made::replace_rows`].
pub fn seal(
    folders: &Folders,
    id: &SegmentId,
    rows_file: &Arc<dyn File>,
    sealer: &mut Sealer,
) -> Result<bool> {
    let Some(made) = Made::write(folders, id, rows_file, sealer)? else {
        return Ok(false);
    };
    made.replace_rows(folders, id)?;
    Ok(true)
}

/// What became of a segment that may have lost its writer.
#[derive(Debug)]
pub enum Recovered {
    /// Its writer lives, or another process is at it.
    Held,
    /// It was sealed, or held nothing and was removed.
    Sealed,
    /// It has gone meanwhile, or was sealed already and only lay about.
    Gone,
    /// It is a copy of a segment that is written elsewhere, and stays as it is.
    Copied,
    /// It is damaged and stays.
    Damaged(Damage),
}

/// Seals a segment if its writer is dead.
///
/// # Errors
/// `Error::Io`.
pub fn recover(folders: &Folders, id: &SegmentId) -> Result<Recovered> {
    let path = folders.rows(id);
    let Some(file) = lock(folders, &path)? else {
        return Ok(Recovered::Held);
    };
    if !still_names(folders, &path, &*file)? {
        return Ok(Recovered::Gone); // another was faster
    }
    if is_sealed(folders, id, &folders.sealed(id))? || is_sealed(folders, id, &folders.settled(id))?
    {
        folders.sys.remove(&path)?; // its maker died between the two names
        return Ok(Recovered::Gone);
    }
    if !segment::is_at_home(&*file)? {
        return Ok(Recovered::Copied);
    }
    match seal(folders, id, &file, &mut Sealer::default()) {
        Ok(_) => Ok(Recovered::Sealed),
        Err(Error::Corrupt(damage)) => Ok(Recovered::Damaged(*damage)),
        Err(error) => Err(error),
    }
}

/// Whether a sealed file stands there whole. One that was damaged since is made again from its
/// rows, while they are there.
fn is_sealed(folders: &Folders, id: &SegmentId, path: &std::path::Path) -> Result<bool> {
    let file = match folders.sys.open(path, Open::Read) {
        Err(error) if error.is_missing() => return Ok(false),
        file => file?,
    };
    match Sealed::open(file.into(), id).and_then(|sealed| sealed.verify()) {
        Err(Error::Corrupt(_)) => Ok(false),
        verified => verified.map(|()| true),
    }
}

/// Removes a file that was being made when its maker died.
///
/// # Errors
/// `Error::Io`.
pub fn sweep(folders: &Folders, path: &std::path::Path) -> Result<()> {
    // A sealing file is locked by nobody: it belongs to who holds the lock on the rows.
    if path.extension().is_some_and(|ending| ending == "sealing") {
        let rows = path.with_extension("seg");
        if folders.sys.stat(&rows).is_ok() && lock(folders, &rows)?.is_none() {
            return Ok(());
        }
        return remove(folders, path);
    }
    match lock(folders, path)? {
        Some(file) if still_names(folders, path, &*file)? => remove(folders, path),
        _ => Ok(()),
    }
}

fn remove(folders: &Folders, path: &std::path::Path) -> Result<()> {
    match folders.sys.remove(path) {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(()),
    }
}

/// Opens and locks a file; none if it is gone or held.
pub(super) fn lock(folders: &Folders, path: &std::path::Path) -> Result<Option<Arc<dyn File>>> {
    match folders.sys.open(path, Open::Write) {
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
        Ok(file) => Ok(file.try_lock()?.then(|| Arc::from(file))),
    }
}

/// Whether the path still names this file: it may have been renamed or replaced before the lock.
pub(super) fn still_names(
    folders: &Folders,
    path: &std::path::Path,
    file: &dyn File,
) -> Result<bool> {
    let named = match folders.sys.stat(path) {
        Err(error) if error.is_missing() => return Ok(false),
        stat => stat?,
    };
    let held = file.stat()?;
    Ok((named.device, named.inode) == (held.device, held.inode))
}
