//! Files of runs out of the store, and the names that stand for them across runs.

use std::ops::Range;
use std::path::Path;

use super::Store;
use crate::blob::BlobReader;
use crate::error::Error;
use crate::error::Result;
use crate::journal::Role;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::Name;
use crate::model::RunId;
use crate::model::Stamp;
use crate::reference;
use crate::reference::ReferenceState;
use crate::sys::Attributes;

impl Store {
    /// Copies an artifact's bytes out to `to`, verified, written beside it and renamed, with the
    /// mode and time that the file had. Those of a reference come from where it is, unless the
    /// store has them.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the bytes are not those of the hash; [`Error::Invalid`] for a
    /// reference that has changed since; [`Error::NotFound`]; [`Error::Io`].
    pub fn get_artifact(&self, artifact: &ArtifactRef, to: &Path) -> Result<()> {
        let (sys, blobs) = (&*self.0.sys, &self.0.source.blobs);
        match (blobs.get(artifact.blob, to), &artifact.reference) {
            (Err(Error::NotFound { .. }), Some(at)) => {
                reference::copy_out(sys, artifact, Path::new(at), to)?;
            }
            (got, _) => _ = got?,
        }
        // The bytes are what counts, and not every file system has the rest.
        let _ = sys.set_attributes(
            to,
            Attributes {
                mode: artifact.mode,
                modified_ns: artifact.modified_ns,
            },
        );
        Ok(())
    }

    /// Tells whether the file of a reference still has the bytes that it had; of what is no
    /// reference, that nothing has changed.
    ///
    /// - `always_hash`: whether a file of the same length and time is read, too
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read.
    pub fn verify_reference(
        &self,
        artifact: &ArtifactRef,
        always_hash: bool,
    ) -> Result<ReferenceState> {
        match &artifact.reference {
            Some(at) => reference::state(&*self.0.sys, artifact, Path::new(at), always_hash),
            None => Ok(ReferenceState::Same),
        }
    }

    /// Hashes a file of the user's: what it would be called as a blob. Stores nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no regular file or changes while it is read; [`Error::Io`].
    pub fn hash_file(&self, path: &Path) -> Result<BlobId> {
        Ok(reference::measure(&*self.0.sys, path)?.blob)
    }

    /// Makes an alias stand for a version of a file of a run, whatever it stood for.
    ///
    /// It is recorded in that run, later than all that was said of the alias before, by the clock
    /// of whoever said it. When this returns it survives a power cut.
    ///
    /// - `name`: as `model:best`; with a colon, so that it is told from a run or a file
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name; [`Error::NotFound`] for a run that is not there;
    /// [`Error::Io`].
    pub fn set_alias(&self, name: &str, run: RunId, file: &ArtifactRef) -> Result<()> {
        let (alias, reader) = (alias_name(name)?, self.reader()?);
        let known = reader.alias_said(name)?;
        let target = AliasTarget {
            flow: file.flow,
            path: file.path.clone(),
            blob: file.blob,
        };
        self.say_of_alias(run, alias, Some(target), known.map(|(_, stamp)| stamp))
    }

    /// Removes an alias. What it stood for stays.
    ///
    /// # Errors
    /// [`Error::NotFound`], with near names; [`Error::Io`].
    pub fn remove_alias(&self, name: &str) -> Result<()> {
        let (alias, reader) = (alias_name(name)?, self.reader()?);
        reader.find_alias(name)?; // or the error names those that are near
        match reader.alias_said(name)? {
            Some((run, stamp)) => self.say_of_alias(run, alias, None, Some(stamp)),
            None => Ok(()),
        }
    }

    fn say_of_alias(
        &self,
        run: RunId,
        alias: Name,
        target: Option<AliasTarget>,
        after: Option<Stamp>,
    ) -> Result<()> {
        let after_us = after.map_or(i64::MIN, |stamp| stamp.time_us.saturating_add(1));
        let writer = self.join_after(run, Role::Command, after_us)?;
        let said = writer.alias(alias, target).and_then(|()| writer.sync());
        let closed = writer.close();
        said.and(closed)
    }

    /// Opens a blob to read; its last bytes come only if all were those of its name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`].
    pub fn open_blob(&self, blob: BlobId) -> Result<BlobReader> {
        self.0.source.blobs.open(blob)
    }

    /// Opens a part of a blob, of which a large one reads only the chunks that have a share in it;
    /// what of `range` lies behind the end is left out.
    ///
    /// # Errors
    /// As [`Self::open_blob`]; [`Error::Corrupt`].
    pub fn open_blob_range(&self, blob: BlobId, range: Range<u64>) -> Result<BlobReader> {
        self.0.source.blobs.open_range(blob, range)
    }

    /// Reads a blob and tells its length if its bytes are those of its name.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::NotFound`], [`Error::Io`].
    pub fn verify_blob(&self, blob: BlobId) -> Result<u64> {
        self.0.source.blobs.verify(blob)
    }
}

/// Checks the name of an alias.
fn alias_name(name: &str) -> Result<Name> {
    let alias = Name::new("alias", name)?;
    let refuse = |why: &str| Err(Error::invalid("alias", format!("{why}: {name:?}")));
    match name.split_once(':') {
        None | Some(("", _) | (_, "")) => refuse("want one with a colon, as `model:best`"),
        Some(_) if name.starts_with('@') => refuse("begins with `@`, as names of runs do"),
        Some(_) if name.chars().any(char::is_whitespace) => refuse("has a blank"),
        Some(_) => Ok(alias),
    }
}
