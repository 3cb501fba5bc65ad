//! How a command fails: what went wrong, what to do about it, and the exit code.
//!
//! The library says what and where; only here is added what to type next.

use std::io;
use std::path::Path;

use tracker::Error;
use tracker::store::FORMAT;

use super::print::Messages;
use super::print::escape;

/// Exit code of a command that failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code of a command that was called wrongly.
pub(crate) const USAGE: u8 = 2;

/// What a command gives back: its exit code, or why it failed.
pub(crate) type Outcome = Result<u8, Failure>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads the answer any more, as in `tracker ls | head -1`.
    BrokenPipe,
    /// What the library answered.
    Library(Box<Error>),
    /// What this command found by itself.
    Said {
        message: String,
        hints: Vec<String>,
        code: u8,
    },
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Said {
            message: message.into(),
            hints: Vec::new(),
            code: FAILED,
        }
    }

    /// Arguments that do not go together, as only the command can tell.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Said {
            message: message.into(),
            hints: Vec::new(),
            code: USAGE,
        }
    }

    /// An argument that cannot be read, as the library says.
    pub(crate) fn argument(error: &Error) -> Self {
        Self::Said {
            message: message(error),
            hints: hints(error),
            code: USAGE,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Said {
                message,
                mut hints,
                code,
            } => {
                hints.push(hint.into());
                Self::Said {
                    message,
                    hints,
                    code,
                }
            }
            Self::BrokenPipe | Self::Library(_) => self,
        }
    }

    /// Standard output cannot be written.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::new(format!("cannot write to standard output: {error}")),
        }
    }

    /// A file of the user cannot be read or written.
    pub(crate) fn file(op: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(format!("cannot {op} {}: {error}", path.display()))
    }

    /// Returns what went wrong, without what to do about it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::BrokenPipe => "nobody reads standard output".to_owned(),
            Self::Said { message, .. } => message.clone(),
            Self::Library(error) => error.to_string(),
        }
    }

    /// Says it on standard error and returns the exit code.
    pub(crate) fn report(&self, messages: Messages) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Said {
                message,
                hints,
                code,
            } => {
                messages.error(message);
                for hint in hints {
                    messages.hint(hint);
                }
                *code
            }
            Self::Library(error) => {
                messages.error(message(error));
                for hint in hints(error) {
                    messages.hint(hint);
                }
                FAILED
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // The library writes answers too, in formats of its own.
            Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                Self::BrokenPipe
            }
            error => Self::Library(Box::new(error)),
        }
    }
}

/// The error, and below it the place it is about where there is one to show.
fn message(error: &Error) -> String {
    match error {
        Error::Filter(filter) => {
            let caret = filter.caret().replace('\n', "\n  ");
            format!("{error}\n  {caret}")
        }
        Error::Ambiguous { runs, .. } => {
            let shown = runs.iter().take(CANDIDATES_MAX);
            let mut lines = vec![error.to_string()];
            lines.extend(shown.map(|run| format!("  {}", escape(run))));
            if runs.len() > CANDIDATES_MAX {
                lines.push(format!("  … and {} more", runs.len() - CANDIDATES_MAX));
            }
            lines.join("\n")
        }
        _ => error.to_string(),
    }
}

/// Most candidates that are listed.
const CANDIDATES_MAX: usize = 10;

/// What to do about it; may be nothing.
fn hints(error: &Error) -> Vec<String> {
    let said = |text: &str| vec![text.to_owned()];
    match error {
        Error::Filter(filter) => filter.hint.iter().cloned().collect(),
        Error::NotFound { what, near, .. } => match near.as_slice() {
            [] if *what == "run" => said("list runs with `tracker ls`"),
            [] => Vec::new(),
            near => vec![format!("did you mean {}?", alternatives(near))],
        },
        Error::Ambiguous { .. } => said("give more digits of the id"),
        Error::ParamConflict { .. } => said(
            "params are set once; log what changes as a metric, or set it as a tag with \
             `tracker tag`",
        ),
        Error::Ended(_) => said("start another run with `tracker start` or `tracker run`"),
        Error::NewerFormat { .. } => said("upgrade tracker: `cargo install tracker-db`"),
        Error::NotAStore(path) if has_journal(path) => vec![format!(
            "its journal is there, its file `format` is not; {}",
            mend_format(&path.join("format"))
        )],
        Error::NotAStore(_) => said(
            "point to a store with `--store DIR` or TRACKER_STORE; `tracker start` makes one in \
             an empty or new folder",
        ),
        Error::Locked { .. } => said("wait until it is done, then try again"),
        Error::Corrupt(damage) if damage.what == "format" => vec![mend_format(&damage.path)],
        Error::Corrupt(_) => {
            said("see how far it goes with `tracker check`; the rest of the store can be read")
        }
        Error::Invalid { what, .. } if *what == tracker::settings::FILE => {
            said("mend the file, or move it away: the store works without it")
        }
        Error::Invalid { what: "params", .. } => {
            said("the store's tracker.toml asks for it: `severity = \"warning\"` there only warns")
        }
        Error::Poisoned(_) => said("what was logged before is kept; start the command again"),
        Error::Io { .. } if error.is_disk_full() => said(
            "make room on the disk and try again; what was logged before is kept and can be read",
        ),
        Error::Io { .. } if error.is_read_only() => said(
            "the store can be read but not written; check its rights and its mount, or write to \
             another with `--store DIR`",
        ),
        _ => Vec::new(),
    }
}

/// Whether a folder is a store but for its one line of text.
pub(crate) fn has_journal(path: &Path) -> bool {
    path.join("journal").is_dir()
}

/// How the one line of a store is written again by hand.
fn mend_format(path: &Path) -> String {
    format!(
        "copy {} from another copy of the store, or write it: one line, `tracker {FORMAT} ID`, \
         where ID may be any 32 hex digits; with a new ID the index is made again",
        path.display()
    )
}

/// Names as a question offers them: `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
pub(crate) fn alternatives(names: &[String]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(3)
        .map(|name| format!("{name:?}"))
        .collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_become_a_question() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        assert_eq!(alternatives(&names[..1]), "\"a\"");
        assert_eq!(alternatives(&names[..2]), "\"a\" or \"b\"");
        assert_eq!(alternatives(&names), "\"a\", \"b\" or \"c\"");
    }

    #[test]
    fn a_broken_pipe_is_no_failure() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::output(&gone), Failure::BrokenPipe));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(
            Failure::output(&full),
            Failure::Said { code: 1, .. }
        ));
    }

    #[test]
    fn hints_name_the_next_step() {
        let near = vec!["val/loss".to_owned()];
        let missing = Error::NotFound {
            what: "metric",
            name: "val/los".to_owned(),
            near,
        };
        assert_eq!(hints(&missing), ["did you mean \"val/loss\"?"]);
        let full = Error::Io {
            op: "write",
            path: "x".into(),
            source: io::Error::from(io::ErrorKind::StorageFull),
        };
        assert!(hints(&full)[0].starts_with("make room"));
    }
}
