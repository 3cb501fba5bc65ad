//! What can go wrong, one variant for each thing the caller can do about it.

use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Result of the calls of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is not acceptable. Nothing was done; mend the argument.
    #[error("invalid {what}: {why}")]
    Invalid {
        /// The kind of argument: `metric name`, `filter`, `step`.
        what: &'static str,
        /// What it is, what it should be; the value itself last.
        why: String,
    },
    /// A filter or a sort key cannot be understood.
    #[error("invalid {what}: {0}", what = .0.what)]
    Filter(Box<FilterError>),
    /// No such run, metric, artifact, store or file.
    #[error("no {what} {name:?}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// How the caller named it.
        name: String,
        /// The nearest names there are, best first; may be empty.
        near: Vec<String>,
    },
    /// A prefix or name stands for several runs.
    #[error("{name:?} is ambiguous: {} runs have it", .runs.len())]
    Ambiguous {
        /// How the caller named it.
        name: String,
        /// The runs it may mean, as `id name`.
        runs: Vec<String>,
    },
    /// The param has another value already. The first one stays.
    #[error("param {key:?} of this run is {old} and cannot become {new}")]
    ParamConflict {
        /// The param's name.
        key: String,
        /// The value that was set first.
        old: Box<str>,
        /// The value that was refused.
        new: Box<str>,
    },
    /// The run has ended and takes nothing more. Resume it first.
    #[error("run {0} has ended")]
    Ended(crate::model::RunId),
    /// The store was written by a newer version of this program.
    #[error("store has format {found}, this version reads up to {known}: {}", .path.display())]
    NewerFormat {
        /// Format version in the store.
        found: u32,
        /// Newest version known here.
        known: u32,
        /// The file that says so.
        path: PathBuf,
    },
    /// The folder is not a store.
    #[error("not a tracker store: {}", .0.display())]
    NotAStore(PathBuf),
    /// Another process holds what this call needs. Wait and try again.
    #[error("{what} is in use by another process")]
    Locked {
        /// What is held.
        what: &'static str,
    },
    /// Bytes on disk are not the bytes written. `check` shows how far it goes.
    #[error("corrupt {0}")]
    Corrupt(Box<Damage>),
    /// An earlier write of this writer failed; it takes nothing more. Start another.
    #[error("writer stopped after an earlier failed write: {0}")]
    Poisoned(String),
    /// The operating system refused.
    #[error("cannot {op} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

/// Bytes on disk that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}: {why}: {}", .path.display())]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, in bytes from its start.
    pub offset: u64,
    /// The kind of thing found damaged: `record`, `chunk`, `footer`, `blob`.
    pub what: &'static str,
    /// How it shows.
    pub why: String,
}

/// Where and why a filter or a sort key cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct FilterError {
    /// The kind of text: `filter`, `sort key`.
    pub what: &'static str,
    /// The whole text as it was given.
    pub text: String,
    /// Bytes of `text` that the message is about; the caret goes under its start.
    pub span: std::ops::Range<usize>,
    /// What is wrong there.
    pub why: String,
    /// What could be meant instead, when there is a guess.
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn invalid(what: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid {
            what,
            why: why.into(),
        }
    }

    pub(crate) fn io(op: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            op,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound {
            what,
            name: name.into(),
            near: Vec::new(),
        }
    }

    /// Says of one file why it cannot be taken in, so that all others still are.
    pub(crate) fn into_damage(self, path: &Path, offset: u64) -> Damage {
        let why = match self {
            Self::Corrupt(damage) => return *damage,
            // The path comes last, and once.
            Self::NewerFormat { found, known, .. } => {
                format!("it has format {found}, this version reads up to {known}")
            }
            Self::Io { op, source, .. } => format!("cannot {op} it: {source}"),
            error => error.to_string(),
        };
        Damage::new(path, offset, "file", why)
    }

    /// Whether a file or folder named by this error is simply not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the disk is full or a quota is used up: what was stored stays readable.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ))
    }

    /// Whether the store cannot be written because of its rights or its mount.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
        ))
    }
}

impl Damage {
    pub(crate) fn new(
        path: &Path,
        offset: u64,
        what: &'static str,
        why: impl Into<String>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            offset,
            what,
            why: why.into(),
        }
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        Self::Corrupt(Box::new(damage))
    }
}

const _: () = assert!(size_of::<Error>() <= 72, "box a large field");
