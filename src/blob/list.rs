//! All that lies in `blobs/`.

use std::path::Path;
use std::path::PathBuf;

use super::Blobs;
use crate::error::Result;
use crate::model::BlobId;
use crate::sys::Stat;

/// A blob that is there; its bytes have not been read.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its name.
    pub blob: BlobId,
    /// Its length and the blocks it takes.
    pub stat: Stat,
}

/// What lies in `blobs/`.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The blobs by name.
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
        let entries = match self.sys.list(&self.dir) {
            Err(error) if error.is_missing() => return Ok(listing),
            entries => entries?,
        };
        for entry in entries {
            let path = self.dir.join(&entry.name);
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
        listing.blobs.sort_unstable_by_key(|listed| listed.blob);
        listing.temporary.sort_by(|(a, _), (b, _)| a.cmp(b));
        listing.strange.sort();
        Ok(listing)
    }

    fn list_folder(&self, dir: &Path, name: &str, listing: &mut Listing) -> Result<()> {
        for entry in self.sys.list(dir)? {
            let path = dir.join(&entry.name);
            let blob = entry.name.parse::<BlobId>().ok().filter(|blob| {
                // Digits in capitals parse too, but no blob is looked for under them.
                !entry.is_dir && blob.folder() == name && blob.to_string() == entry.name
            });
            match blob {
                Some(blob) => {
                    let stat = self.stat_if_there(&path)?;
                    listing.blobs.extend(stat.map(|stat| Listed { blob, stat }));
                }
                None => listing.strange.push(path),
            }
        }
        Ok(())
    }

    /// What was listed may be renamed or removed before it is asked for.
    fn stat_if_there(&self, path: &Path) -> Result<Option<Stat>> {
        match self.sys.stat(path) {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_folder_name(name: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.len() == 2 && name.bytes().all(is_digit)
}
