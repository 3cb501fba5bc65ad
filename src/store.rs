//! A store: the folder that holds runs.

use std::path::Path;
use std::path::PathBuf;

use crate::error::Damage;
use crate::error::Result;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::RunId;
use crate::query::Reader;
use crate::run::RunOptions;
use crate::run::RunWriter;

/// Told of work as it goes on: `(done, total)` in bytes.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// What a fold did.
#[derive(Clone, Debug, Default)]
pub struct FoldReport {
    /// Segments taken into the index.
    pub segments: u64,
    /// Points in them.
    pub points: u64,
    /// Runs whose writer had died and that were sealed.
    pub recovered: Vec<RunId>,
    /// What could not be read, and was left where it is.
    pub damage: Vec<Damage>,
    /// Whether another process was at it, so that nothing was done.
    pub busy: bool,
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Segments, blobs and bytes looked at.
    pub segments: u64,
    /// Blobs looked at.
    pub blobs: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Points counted.
    pub points: u64,
    /// Records of a kind this version does not know.
    pub unknown_records: u64,
    /// Damage to the journal or to blobs, with the runs it touches.
    pub damage: Vec<(Damage, Vec<RunId>)>,
    /// What differs between index and journal: `rebuild` mends it.
    pub index: Vec<String>,
}

/// The size of a store and its parts.
#[derive(Clone, Debug, Default)]
pub struct StoreStat {
    /// The store's id.
    pub id: String,
    /// Runs by status: running, completed, failed, unknown.
    pub runs: [u64; 4],
    /// Series.
    pub series: u64,
    /// Points.
    pub points: u64,
    /// Journal: files, length, allocated bytes.
    pub journal: (u64, u64, u64),
    /// Live and not yet folded: files, length, allocated bytes.
    pub live: (u64, u64, u64),
    /// Index: files, length, allocated bytes.
    pub index: (u64, u64, u64),
    /// Blobs: files, length, allocated bytes.
    pub blobs: (u64, u64, u64),
    /// Runs whose disk or core did not keep up, as their writers noted.
    pub slowed: Vec<(RunId, String)>,
}

/// The folder that holds runs. Cheap to clone; can be shared between threads.
#[derive(Clone, Debug)]
pub struct Store {}

#[allow(clippy::unused_self)]
impl Store {
    /// Finds the nearest `.tracker` in `from` or a folder above it.
    pub fn find(from: &Path) -> Option<PathBuf> {
        let _ = from;
        unimplemented!()
    }

    /// Opens an existing store.
    ///
    /// # Errors
    /// `Error::NotAStore`, `Error::NewerFormat`, `Error::Io`.
    pub fn open(path: &Path) -> Result<Self> {
        let _ = path;
        unimplemented!()
    }

    /// Opens a store, making it first if nothing is there.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_or_create(path: &Path) -> Result<Self> {
        let _ = path;
        unimplemented!()
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        unimplemented!()
    }

    /// Starts a run.
    ///
    /// # Errors
    /// `Error::Invalid`, `Error::Io`.
    pub fn start_run(&self, options: RunOptions) -> Result<RunWriter> {
        let _ = options;
        unimplemented!()
    }

    /// Adds a writer to a run that somebody else started and will finish: a rank of a distributed
    /// job, a child of `tracker run`, a command of a script.
    ///
    /// # Errors
    /// `Error::Ended` for a detached run that was finished, `Error::NotFound`.
    pub fn join_run(&self, run: RunId) -> Result<RunWriter> {
        let _ = run;
        unimplemented!()
    }

    /// Takes up a run that ended or crashed: it runs again until this writer finishes it.
    ///
    /// # Errors
    /// `Error::NotFound`, `Error::Io`.
    pub fn resume_run(&self, run: RunId) -> Result<RunWriter> {
        let _ = run;
        unimplemented!()
    }

    /// Takes a snapshot to read from.
    ///
    /// # Errors
    /// `Error::Io` when not even the folder can be listed.
    pub fn reader(&self) -> Result<Reader> {
        unimplemented!()
    }

    /// Seals what dead writers left and brings the index up to date, for about `budget`; does
    /// nothing when another process is at it.
    ///
    /// # Errors
    /// `Error::Io`, `Error::is_read_only` on a store that cannot be written.
    pub fn fold(&self, budget: Option<std::time::Duration>) -> Result<FoldReport> {
        let _ = budget;
        unimplemented!()
    }

    /// Makes the index anew from the journal.
    ///
    /// # Errors
    /// `Error::Locked`, `Error::Io`.
    pub fn rebuild(&self, progress: Progress<'_>) -> Result<FoldReport> {
        let _ = progress;
        unimplemented!()
    }

    /// Reads everything and tells all that is not as it was written.
    ///
    /// # Errors
    /// `Error::Io` when the folders cannot be listed.
    pub fn check(&self, progress: Progress<'_>) -> Result<CheckReport> {
        let _ = progress;
        unimplemented!()
    }

    /// Measures the store.
    ///
    /// # Errors
    /// `Error::Io`.
    pub fn stat(&self) -> Result<StoreStat> {
        unimplemented!()
    }

    /// Copies an artifact's bytes out to `to`, verified, written beside it and renamed.
    ///
    /// # Errors
    /// `Error::Corrupt` if the bytes are not those of the hash, `Error::Io`.
    pub fn get_artifact(&self, artifact: &ArtifactRef, to: &Path) -> Result<()> {
        let _ = (artifact, to);
        unimplemented!()
    }

    /// Opens a blob to read.
    ///
    /// # Errors
    /// `Error::NotFound`, `Error::Io`.
    pub fn open_blob(&self, blob: BlobId) -> Result<Box<dyn std::io::Read>> {
        let _ = blob;
        unimplemented!()
    }

    /// Reads a blob and tells whether its bytes are those of its name.
    ///
    /// # Errors
    /// `Error::Corrupt`, `Error::NotFound`, `Error::Io`.
    pub fn verify_blob(&self, blob: BlobId) -> Result<u64> {
        let _ = blob;
        unimplemented!()
    }
}
