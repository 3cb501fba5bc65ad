//! Which files a folder of the user's holds.
//!
//! Links are followed, to files and to folders, for a folder of checkpoints often has a `latest`
//! that is one. Nothing is left out in silence, or an artifact would lack what its run wrote: what
//! cannot be stored is an error that names it. Only the store itself is passed over, so that the
//! folder that holds `.tracker` can be an artifact.

use std::path::Path;
use std::path::PathBuf;

use super::Blobs;
use super::put::want_file;
use crate::error::Error;
use crate::error::Result;
use crate::limits::ARTIFACT_PATH_BYTES_MAX;
use crate::sys::Kind;
use crate::sys::Stat;

/// A file to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its name below what was walked, with `/`; empty for a file that was itself asked for.
    pub name: String,
}

impl Blobs {
    /// Finds all files in a folder and those below it, by name; of a file itself only that.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a pipe, socket or device, a link that leads back to a folder above
    /// it, a name that is not UTF-8 or too long, the store itself; [`Error::Io`] for what cannot
    /// be listed or looked at, a dead link too.
    pub fn walk(&self, path: &Path) -> Result<Vec<Source>> {
        let stat = self.home.sys.stat(path)?;
        if stat.kind != Kind::Dir {
            want_file(path, &stat)?;
            let (path, name) = (path.to_owned(), String::new());
            return Ok(vec![Source { path, name }]);
        }
        if self.is_store(path, &stat) {
            return Err(refused("is the store itself", path));
        }
        let mut found = Vec::new();
        self.descend(path, "", &mut vec![stat], &mut found)?;
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// - `above`: the folders from the first down to `dir`
    fn descend(
        &self,
        dir: &Path,
        name: &str,
        above: &mut Vec<Stat>,
        found: &mut Vec<Source>,
    ) -> Result<()> {
        for entry in self.home.sys.list_names(dir)? {
            let path = dir.join(&entry);
            let Ok(entry) = entry.into_string() else {
                return Err(refused("has a name that is not UTF-8", &path));
            };
            let name = match name {
                "" => entry,
                name => format!("{name}/{entry}"),
            };
            // Ends any loop where folders cannot be told apart.
            if name.len() > ARTIFACT_PATH_BYTES_MAX {
                let why = format!("has a name of more than {ARTIFACT_PATH_BYTES_MAX} bytes");
                return Err(refused(&why, &path));
            }
            let stat = self.home.sys.stat(&path)?;
            if stat.kind != Kind::Dir {
                want_file(&path, &stat)?;
                found.push(Source { path, name });
            } else if above.iter().any(|folder| is_same(folder, &stat)) {
                return Err(refused("leads back to a folder that it is in", &path));
            } else if !self.is_store(&path, &stat) {
                above.push(stat);
                self.descend(&path, &name, above, found)?;
                above.pop();
            }
        }
        Ok(())
    }

    fn is_store(&self, path: &Path, stat: &Stat) -> bool {
        let same = |store: Stat| is_same(&store, stat);
        path == self.store || self.home.sys.stat(&self.store).is_ok_and(same)
    }
}

/// Systems that do not number their files say 0.
fn is_same(a: &Stat, b: &Stat) -> bool {
    a.inode != 0 && (a.device, a.inode) == (b.device, b.inode)
}

fn refused(why: &str, path: &Path) -> Error {
    Error::invalid("artifact", format!("{why}: {}", path.display()))
}
