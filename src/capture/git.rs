//! The state of the code: commit, branch, and whether tracked files differ from it.
//!
//! Asks the program `git`, once (`status --porcelain=v2 --branch` tells all three), because only
//! it knows filters, submodules and every format. It takes no lock, runs no hook, fetches
//! nothing, and is given [`ANSWER_MAX`]: a huge repository must not hold up a training. What git
//! does not tell (not installed, not its owner's folder, too slow) is read from `.git` by hand,
//! save `dirty`, which is then none.
//!
//! An answer is kept for a second, so that a sweep of many short runs in one process does not
//! start a git for each. Commit and branch are looked at every time; only `dirty` can be so old.

use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use super::machine::present;
use crate::model::GitState;

/// How long git may take for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long an answer is used again.
const KEPT: Duration = Duration::from_secs(1);
/// How long a git that could not tell is not asked again, and how long a user's name is kept.
const KEPT_LONG: Duration = Duration::from_secs(60);
/// Most of git's answer, of a file of `.git`, and of its list of packed refs that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
const PACKED_REFS_BYTES_MAX: u64 = 16 << 20;

/// A question about the code, asked and not yet answered.
pub(super) struct Inquiry {
    folder: PathBuf,
    head: Head,
    kept: Option<GitState>,
    asked: Option<Asked>,
}

/// What was told of a folder, when, and what its HEAD was then.
struct Told<T> {
    folder: PathBuf,
    head: Head,
    at: Instant,
    what: T,
}

static STATE: Mutex<Option<Told<GitState>>> = Mutex::new(None);
static USER: Mutex<Option<Told<Option<String>>>> = Mutex::new(None);

impl Inquiry {
    /// Asks about the repository that `folder` is in; none outside of one.
    pub(super) fn begin(folder: &Path) -> Option<Self> {
        let head = Head::read(&git_folder(folder)?);
        let kept = told(&STATE, folder, &head, |state| match state.dirty {
            Some(_) => KEPT,
            None => KEPT_LONG,
        });
        let is_entry = |line: &str| !line.starts_with('#');
        let asked = match kept {
            Some(_) => None,
            None => Asked::ask("git", folder, STATUS, is_entry),
        };
        Some(Self {
            folder: folder.to_owned(),
            head,
            kept,
            asked,
        })
    }

    /// Waits for the answer, but not for long.
    pub(super) fn answer(self) -> GitState {
        if let Some(kept) = self.kept {
            return kept;
        }
        let lines = self.asked.and_then(Asked::answer);
        let state = lines
            .and_then(|lines| parse_status(&lines))
            .unwrap_or_else(|| GitState {
                commit: self.head.commit.clone(),
                branch: self.head.branch.clone(),
                dirty: None,
            });
        keep(&STATE, self.folder, self.head, state.clone());
        state
    }
}

/// Returns the user's name as git has it for `folder`.
pub(super) fn user_name(folder: &Path) -> Option<String> {
    if let Some(name) = present(std::env::var("GIT_AUTHOR_NAME").ok()) {
        return Some(name);
    }
    if let Some(kept) = told(&USER, folder, &Head::default(), |_| KEPT_LONG) {
        return kept;
    }
    let asked = Asked::ask("git", folder, &["config", "user.name"], |_| true);
    let lines = asked.and_then(Asked::answer);
    let name = present(lines.and_then(|lines| lines.into_iter().next()));
    keep(&USER, folder.to_owned(), Head::default(), name.clone());
    name
}

/// Returns what was told before, if it is young enough. Never waits: a lock that is taken, also
/// one taken by another thread when this process was forked, means no.
fn told<T: Clone>(
    kept: &Mutex<Option<Told<T>>>,
    folder: &Path,
    head: &Head,
    age_max: impl Fn(&T) -> Duration,
) -> Option<T> {
    let kept = kept.try_lock().ok()?;
    let told = kept.as_ref()?;
    let same = told.folder == folder && told.head == *head;
    (same && told.at.elapsed() < age_max(&told.what)).then(|| told.what.clone())
}

fn keep<T>(kept: &Mutex<Option<Told<T>>>, folder: PathBuf, head: Head, what: T) {
    if let Ok(mut kept) = kept.try_lock() {
        let at = Instant::now();
        *kept = Some(Told {
            folder,
            head,
            at,
            what,
        });
    }
}

/// No monitor is started, no remote branch compared, no rename guessed: only whether all is equal.
const STATUS: &[&str] = &[
    "-c",
    "core.fsmonitor=false",
    "-c",
    "status.aheadBehind=false",
    "-c",
    "status.renames=false",
    "status",
    "--porcelain=v2",
    "--branch",
    "--untracked-files=no",
];

/// Source: git-status(1), porcelain format version 2. Headers come first, then changed entries.
fn parse_status(lines: &[String]) -> Option<GitState> {
    let header = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
    let commit = header("# branch.oid ")?;
    let branch = header("# branch.head ")?;
    Some(GitState {
        commit: (commit != "(initial)").then(|| commit.to_owned()),
        branch: (branch != "(detached)").then(|| branch.to_owned()),
        dirty: Some(lines.iter().any(|line| !line.starts_with('#'))),
    })
}

/// A program that was started and has until its deadline to answer.
struct Asked {
    child: Child,
    lines: mpsc::Receiver<Option<Vec<String>>>,
    deadline: Instant,
}

impl Asked {
    /// Starts a program and reads its lines on a thread, up to the first that is `enough`.
    fn ask(
        program: &str,
        folder: &Path,
        arguments: &[&str],
        enough: fn(&str) -> bool,
    ) -> Option<Self> {
        let deadline = Instant::now() + ANSWER_MAX;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take();
        let read = move || {
            let _ = sender.send(stdout.and_then(|stdout| read_lines(stdout, enough)));
        };
        // Without a thread nothing is sent, and the answer is none at once.
        let _ = thread::Builder::new()
            .name("ask git".to_owned())
            .spawn(read);
        Some(Self {
            child,
            lines,
            deadline,
        })
    }

    /// Returns the lines; none if they did not come in time. The program is over in any case.
    fn answer(self) -> Option<Vec<String>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let lines = self.lines.recv_timeout(left).ok().flatten();
        let mut child = self.child;
        if !matches!(child.try_wait(), Ok(Some(_))) {
            // It only reads and holds no lock. One that hangs in the kernel must not hang us.
            let _ = child.kill();
            let _ = thread::Builder::new().spawn(move || child.wait());
        }
        lines
    }
}

fn read_lines(from: impl std::io::Read, enough: fn(&str) -> bool) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut from = BufReader::new(from.take(ANSWER_BYTES_MAX));
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).ok()? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        let last = enough(&text);
        lines.push(text);
        if last {
            break;
        }
    }
    Some(lines)
}

/// Where the HEAD of a repository points, read by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Head {
    commit: Option<String>,
    branch: Option<String>,
}

impl Head {
    /// Source: gitrepository-layout(5). Refs in the `reftable` format are not read: none.
    fn read(git_folder: &Path) -> Self {
        let head = read_line(&git_folder.join("HEAD")).unwrap_or_default();
        let Some(reference) = head.strip_prefix("ref: ") else {
            return Self {
                commit: commit(&head),
                branch: None,
            };
        };
        // A linked worktree has its own HEAD and shares the refs.
        let shared = match read_line(&git_folder.join("commondir")) {
            Some(shared) => git_folder.join(shared),
            None => git_folder.to_owned(),
        };
        let branch = reference.strip_prefix("refs/heads/");
        Self {
            commit: read_line(&shared.join(reference))
                .and_then(|line| commit(&line))
                .or_else(|| packed(&shared, reference)),
            branch: branch.filter(|&name| name != ".invalid").map(str::to_owned),
        }
    }
}

/// Finds the `.git` of the repository around a folder; in a worktree or submodule it is a file
/// that names the folder.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("GIT_DIR") {
        return Some(folder.join(named));
    }
    folder.ancestors().find_map(|folder| {
        let place = folder.join(".git");
        if place.is_dir() {
            return Some(place);
        }
        let line = read_line(&place)?;
        Some(folder.join(line.strip_prefix("gitdir: ")?))
    })
}

fn read_line(path: &Path) -> Option<String> {
    let file = fs::File::open(path).ok()?;
    let mut line = String::new();
    let mut from = BufReader::new(file.take(ANSWER_BYTES_MAX));
    from.read_line(&mut line).ok()?;
    present(Some(line))
}

fn packed(git_folder: &Path, reference: &str) -> Option<String> {
    let file = fs::File::open(git_folder.join("packed-refs")).ok()?;
    BufReader::new(file.take(PACKED_REFS_BYTES_MAX))
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let (hash, name) = line.split_once(' ')?;
            if name == reference {
                commit(hash)
            } else {
                None
            }
        })
}

/// A hash, SHA-1 or SHA-256, and nothing else.
fn commit(text: &str) -> Option<String> {
    let hash = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hash.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
