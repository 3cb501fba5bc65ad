//! All that lies in `blobs/`.

use std::path::Path;
use std::path::PathBuf;

use super::Blobs;
use super::Form;
use super::batch::batch_of;
use crate::error::Result;
use crate::model::BlobId;
use crate::sys::Stat;

/// A blob that is there; its bytes have not been read.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its name.
    pub blob: BlobId,
    /// How it lies on the disk. A blob in two forms is listed twice.
    pub form: Form,
    /// Length and blocks of this file.
    pub stat: Stat,
}

/// What lies in `blobs/`.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The files of blobs by name.
    pub blobs: Vec<Listed>,
    /// Being written now, or left by a process that died; the time of last change tells which.
    pub temporary: Vec<(PathBuf, Stat)>,
    /// What has no business here: other names, blobs in the wrong folder.
    pub strange: Vec<PathBuf>,
}

impl Blobs {
    /// Lists all blobs, and what else lies beside them.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) for a folder that cannot be listed. One that is not there
    /// is empty.
    pub fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        let entries = match self.home.sys.list(&self.home.dir) {
            Err(error) if error.is_missing() => return Ok(listing),
            entries => entries?,
        };
        for entry in entries {
            let path = self.home.dir.join(&entry.name);
            let has_extension = |want| path.extension().is_some_and(|have| have == want);
            if entry.is_dir && is_folder_name(&entry.name) {
                self.list_folder(&path, &entry.name, &mut listing)?;
            } else if !entry.is_dir && has_extension("tmp") {
                let stat = self.stat_if_there(&path)?;
                listing.temporary.extend(stat.map(|stat| (path, stat)));
            } else {
                listing.strange.push(path);
            }
        }
        listing
            .blobs
            .sort_unstable_by_key(|listed| (listed.blob, listed.form));
        listing.temporary.sort_by(|(a, _), (b, _)| a.cmp(b));
        listing.strange.sort();
        Ok(listing)
    }

    fn list_folder(&self, dir: &Path, name: &str, listing: &mut Listing) -> Result<()> {
        for entry in self.home.sys.list(dir)? {
            let path = dir.join(&entry.name);
            match of_name(&entry.name).filter(|(blob, _)| !entry.is_dir && blob.folder() == name) {
                Some((blob, form)) => {
                    let stat = self.stat_if_there(&path)?;
                    let listed = stat.map(|stat| Listed { blob, form, stat });
                    listing.blobs.extend(listed);
                }
                None if !entry.is_dir && batch_of(&entry.name).is_some() => {
                    let stat = self.stat_if_there(&path)?;
                    listing.temporary.extend(stat.map(|stat| (path, stat)));
                }
                None => listing.strange.push(path),
            }
        }
        Ok(())
    }

    /// What was listed may be renamed or removed before it is asked for.
    fn stat_if_there(&self, path: &Path) -> Result<Option<Stat>> {
        match self.home.sys.stat(path) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Digits in capitals parse too, but no blob is looked for under them.
fn of_name(name: &str) -> Option<(BlobId, Form)> {
    Form::ALL.into_iter().find_map(|form| {
        let digits = name.strip_suffix(form.ending())?;
        let blob = digits.parse::<BlobId>().ok()?;
        (blob.to_string() == digits).then_some((blob, form))
    })
}

pub(super) fn is_folder_name(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.len() == 2 && name.bytes().all(is_digit)
}
