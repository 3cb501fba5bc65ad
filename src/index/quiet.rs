//! Calls into redb that may fail in its own ways: by an error, or by a panic on a damaged file.
//!
//! Both become [`Error`], a panic as damage of the index. A panic would also print, by the
//! process's panic hook, and a library must not print. There is one hook for the whole process,
//! so while an index is open ([`Quiet`]) a hook of ours stands before the one that was there: it
//! is silent on a thread that is inside [`caught`] and passes everything else on. When the last
//! index is closed the old hook is put back, unless somebody else has set one meanwhile.
//!
//! Rejected: to set such a hook for good (it is the program's, not ours); to let it print (a
//! damaged index is nothing to act on, it is made again); a process of its own for redb.
//! In a program built with `panic = "abort"` nothing can be caught, and such a panic ends it.

use std::any::Any;
use std::cell::Cell;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::thread;

use crate::codec::Malformed;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::sys::NoFork;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The hook that was there before ours; ours holds one reference as long as it exists.
type Previous = Arc<RwLock<Option<Hook>>>;

struct Installed {
    users: usize,
    ours: Option<(Previous, usize)>,
}

static INSTALLED: Mutex<Installed> = Mutex::new(Installed {
    users: 0,
    ours: None,
});

/// Keeps panics of redb silent while it lives.
#[derive(Debug)]
pub(super) struct Quiet(());

impl Quiet {
    pub(super) fn enter() -> Self {
        let _section = NoFork::enter();
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        installed.users += 1;
        // Hooks cannot be changed by a thread that panics; then messages are printed.
        if installed.ours.is_none() && !thread::panicking() {
            let previous: Previous = Arc::new(RwLock::new(Some(panic::take_hook())));
            let inner = Arc::clone(&previous);
            let ours: Hook = Box::new(move |info| {
                if !INSIDE.get() {
                    let hook = inner.read().unwrap_or_else(PoisonError::into_inner);
                    if let Some(hook) = hook.as_ref() {
                        hook(info);
                    }
                }
            });
            installed.ours = Some((previous, address(&ours)));
            panic::set_hook(ours);
        }
        Self(())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _section = NoFork::enter();
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        installed.users = installed.users.saturating_sub(1);
        if installed.users > 0 || thread::panicking() {
            return;
        }
        let Some((previous, ours)) = installed.ours.take() else {
            return;
        };
        let current = panic::take_hook();
        // While ours exists nothing else has its address.
        if Arc::strong_count(&previous) > 1 && address(&current) == ours {
            let hook = previous
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(hook) = hook {
                panic::set_hook(hook);
            }
        } else {
            panic::set_hook(current);
        }
    }
}

fn address(hook: &Hook) -> usize {
    std::ptr::from_ref(&**hook).addr()
}

/// Why a call failed; the path is added by [`caught`].
#[derive(Debug)]
pub(super) enum Failure {
    Redb(Box<redb::Error>),
    Damaged(String),
    Ready(Error),
}

macro_rules! from_redb {
    ($($error:ident)*) => {$(
        impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::Redb(Box::new(error.into()))
            }
        }
    )*};
}
from_redb!(StorageError TableError TransactionError CommitError DatabaseError CompactionError);

impl From<Malformed> for Failure {
    fn from(why: Malformed) -> Self {
        Self::Damaged(why.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ready(error)
    }
}

impl Failure {
    pub(super) fn into_error(self, path: &Path) -> Error {
        let damaged = |why| Error::from(Damage::new(path, 0, "index", why));
        match self {
            Self::Ready(error) => error,
            Self::Damaged(why) => damaged(why),
            Self::Redb(error) => match *error {
                // What redb says of a file that is none of its own, or ends too early.
                redb::Error::Io(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::InvalidData
                            | std::io::ErrorKind::UnexpectedEof
                            | std::io::ErrorKind::InvalidInput
                    ) =>
                {
                    damaged(error.to_string())
                }
                redb::Error::Io(error) => Error::io("read or write index", path, error),
                // What `storage` says in its own words: of a lock that it waited for in vain.
                redb::Error::Backend(_)
                | redb::Error::DatabaseAlreadyOpen
                | redb::Error::LockProtocolMismatch => Error::Locked { what: "the index" },
                redb::Error::Unsupported => {
                    let source = std::io::ErrorKind::Unsupported.into();
                    Error::io("lock index", path, source)
                }
                redb::Error::PreviousIo => Error::Poisoned(path.display().to_string()),
                error => damaged(error.to_string()),
            },
        }
    }
}

/// Runs a call into redb; a panic in it is damage of the index at `path`.
///
/// What `call` was working on must not be used again after an error.
pub(super) fn caught<T>(path: &Path, call: impl FnOnce() -> Result<T, Failure>) -> Result<T> {
    let before = INSIDE.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(before);
    match result {
        Ok(result) => result.map_err(|failure| failure.into_error(path)),
        Err(panic) => {
            let why = format!("redb panicked: {}", message(panic.as_ref()));
            Err(Failure::Damaged(why).into_error(path))
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;

    use super::*;

    /// Tells a child of this test binary that it is one: hooks belong to the whole process.
    const ALONE: &str = "TRACKER_TEST_ALONE";
    const TEST: &str = "index::quiet::tests::only_panics_inside_are_silent_and_the_hook_comes_back";

    static FIRST: AtomicU32 = AtomicU32::new(0);
    static SECOND: AtomicU32 = AtomicU32::new(0);

    fn count_on(counter: &'static AtomicU32) {
        panic::set_hook(Box::new(|_| {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
    }

    fn panic_outside() -> u32 {
        let _ = panic::catch_unwind(|| panic!("outside"));
        FIRST.load(Ordering::Relaxed)
    }

    #[test]
    fn only_panics_inside_are_silent_and_the_hook_comes_back() {
        if std::env::var_os(ALONE).is_none() {
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", TEST])
                .env(ALONE, "1")
                .output()
                .unwrap();
            assert!(child.status.success(), "{child:?}");
            return;
        }
        count_on(&FIRST);
        let (outer, inner) = (Quiet::enter(), Quiet::enter());
        let inside = caught(Path::new("index"), || -> Result<(), Failure> {
            panic!("page 7 is not a page")
        });
        let why = inside.unwrap_err().to_string();
        assert!(why.contains("page 7 is not a page"), "{why}");
        assert_eq!(FIRST.load(Ordering::Relaxed), 0);
        assert_eq!(panic_outside(), 1);
        drop(outer);
        assert_eq!(panic_outside(), 2);
        drop(inner);
        assert_eq!(panic_outside(), 3);

        let quiet = Quiet::enter();
        count_on(&SECOND); // the program changes its mind
        drop(quiet);
        assert_eq!(panic_outside(), 3);
        assert_eq!(SECOND.load(Ordering::Relaxed), 1);
        let _ = panic::take_hook();
    }
}
