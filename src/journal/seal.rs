//! Turns the rows of a segment into columns: behind a writer, at its end, or after its death.

use std::sync::Arc;

use super::files::Folders;
use super::files::SegmentId;
use super::rows;
use super::rows::Rows;
use super::rows::Spare;
use super::sealed::Encoder;
use super::sealed::Sealed;
use super::segment;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::sys;
use crate::sys::File;
use crate::sys::Open;

/// What sealing one segment after another goes on with: memory, and how metrics are encoded.
#[derive(Debug, Default)]
pub struct Sealer {
    spare: Spare,
    encoder: Encoder,
}

impl Sealer {
    /// Seals a segment whose lock the caller holds and to which nobody appends any more.
    ///
    /// Order: the sealed file is synced, gets its name, the folder is synced, then the rows go.
    /// Rows that carry nothing just go.
    ///
    /// - returns: whether a sealed file was made
    ///
    /// # Errors
    /// `Error::Corrupt` if the rows are damaged: they stay for `check` to speak of. `Error::Io`,
    /// with the rows still there.
    pub fn seal(&mut self, folders: &Folders, id: &SegmentId, file: &dyn File) -> Result<bool> {
        let rows = rows::read_into(file, id, &mut self.spare)?;
        match rows.damage.first() {
            Some(damage) => Err(damage.clone().into()),
            None => self.seal_rows(folders, id, file, rows),
        }
    }

    fn seal_rows(
        &mut self,
        folders: &Folders,
        id: &SegmentId,
        file: &dyn File,
        rows: Rows,
    ) -> Result<bool> {
        let sys = &*folders.sys;
        if rows.is_empty() {
            sys.remove(&folders.rows(id))?;
            return Ok(false);
        }
        let encoded = self.encoder.encode(&rows, id);
        self.spare.take_back(rows);
        let bytes =
            encoded.map_err(|why| Damage::new(file.path(), 0, "segment", why.to_string()))?;
        let made = folders.sealed(id).with_extension("sealing");
        let written = (|| {
            // One left by a process that died here is ours now: the lock on the rows says so.
            sys::remove_if_there(sys, &made)?;
            let file = sys.open(&made, Open::New)?;
            file.write_at(bytes, 0)?;
            file.sync()?;
            sys.rename(&made, &folders.sealed(id))?;
            sys.sync_dir(folders.live())
        })();
        if let Err(error) = written {
            let _ = sys.remove(&made); // best effort: the error that is returned says more
            return Err(error);
        }
        sys.remove(&folders.rows(id))?;
        Ok(true)
    }
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
    if !sys::still_names(&*folders.sys, &path, &*file)? {
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
    match Sealer::default().seal(folders, id, &*file) {
        Ok(_) => Ok(Recovered::Sealed),
        Err(Error::Corrupt(_)) if segment::predates_boot(&*file, &*folders.sys) => {
            let rows = rows::read_left(&*file, id, &*folders.sys)?;
            Sealer::default().seal_rows(folders, id, &*file, rows)?;
            Ok(Recovered::Sealed)
        }
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
        return sys::remove_if_there(&*folders.sys, path).map(drop);
    }
    match lock(folders, path)? {
        Some(file) if sys::still_names(&*folders.sys, path, &*file)? => {
            sys::remove_if_there(&*folders.sys, path).map(drop)
        }
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
