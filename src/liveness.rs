//! Does a segment's writer still live? Asked of the kernel, not of a server.
//!
//! A writer holds an OS lock on its live segment, and the kernel drops it on death. A held lock
//! may for a moment be that of a process which seals after a death; the process named in the
//! segment tells the two apart. Where locks cannot be trusted (network and FUSE file systems) only
//! that process is asked; from another machine it cannot be, and a segment silent for long is
//! unknown rather than dead. So is a copy of a segment, whose lock tells nothing.

use std::path::Path;

use crate::model::Process;
use crate::sys::FileSystem;
use crate::sys::Open;
use crate::sys::Sys;

/// A writer that cannot be asked is believed alive for so long after its last write.
const SILENCE_US: i64 = 300_000_000;

/// What is known of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// It lives.
    Alive,
    /// It has died, or has let go.
    Gone,
    /// It is out of reach and silent.
    Unknown,
}

/// Tells whether the writer of the segment at `path` lives.
///
/// - `process`: who the segment says writes it; none if nothing stands there yet
/// - `is_copy`: whether it is a copy of the segment: its lock then tells nothing
pub(crate) fn of_writer(
    sys: &dyn Sys,
    file_system: FileSystem,
    path: &Path,
    process: Option<&Process>,
    is_copy: bool,
) -> Liveness {
    let alive = process.and_then(|process| sys.is_alive(process));
    if is_copy {
        return match alive {
            Some(true) => Liveness::Alive,
            Some(false) => Liveness::Gone,
            None => Liveness::Unknown,
        };
    }
    // Sealed in the meantime: whoever did that had its lock.
    if sys.stat(path).is_err_and(|error| error.is_missing()) {
        return Liveness::Gone;
    }
    let locked = sys.open(path, Open::Read).and_then(|file| file.is_locked());
    if file_system.locks_surely && matches!(locked, Ok(false)) {
        return Liveness::Gone;
    }
    match (locked, alive) {
        (_, Some(false)) => Liveness::Gone,
        (_, Some(true)) | (Ok(true), None) => Liveness::Alive,
        (Ok(false) | Err(_), None) => match sys.stat(path) {
            Ok(stat) if sys.now_us() - stat.modified_ns / 1_000 < SILENCE_US => Liveness::Alive,
            _ => Liveness::Unknown,
        },
    }
}
