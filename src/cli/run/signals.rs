//! Signals while a program runs under `tracker run`.
//!
//! The program should be asked to stop once, and this process must outlive it to finish the run.
//! Both are in one process group, so what a terminal sends (Ctrl-C, Ctrl-\\, hang-up) reaches the
//! program by itself and is not passed on. What a process sends is: it may have meant our id alone.
//! Had it meant the group (`timeout` does both), the program gets the signal a second time at once,
//! which the system or the program's handler takes for the same one; never to get it is worse.
//! Rejected: a process group for the program, which a `kill -9` of the whole job would then miss.
//!
//! A signal that was ignored when we started (`nohup`) stays ignored: the program inherits that,
//! and a handler of ours would undo it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;
use signal_hook::consts::SIGHUP;
use signal_hook::consts::SIGINT;
use signal_hook::consts::SIGQUIT;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use signal_hook::low_level::siginfo::Origin;

const CAUGHT: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Signals that no longer end this process.
pub(super) struct Signals(SignalsInfo<WithOrigin>);

impl Signals {
    /// Begins to catch the signals that ask a program to stop.
    pub(super) fn catch() -> io::Result<Self> {
        let ignored = ignored();
        let caught = CAUGHT.iter().filter(|signal| !is_in(ignored, **signal));
        SignalsInfo::new(caught).map(Self)
    }

    /// Returns a signal that came before there was a program to pass it on to.
    pub(super) fn came_early(&mut self) -> Option<i32> {
        self.0.pending().next().map(|origin| origin.signal)
    }

    /// Waits for the program, passing on what comes to this process alone.
    pub(super) fn pass_on_until_done(mut self, child: &mut Child) -> io::Result<ExitStatus> {
        let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
            return child.wait();
        };
        // Held while a signal is sent and while the program is reaped: after that its id may be
        // somebody else's.
        let alive = Arc::new(Mutex::new(true));
        let handle = self.0.handle();
        let passing = {
            let alive = Arc::clone(&alive);
            std::thread::spawn(move || {
                for origin in self.0.forever() {
                    let alive = alive.lock().unwrap_or_else(PoisonError::into_inner);
                    if *alive && is_news(&origin, pid) {
                        pass_on(pid, origin.signal);
                    }
                }
            })
        };
        let ended = wait_without_reaping(pid);
        *alive.lock().unwrap_or_else(PoisonError::into_inner) = false;
        let status = ended.and_then(|()| child.wait());
        handle.close();
        let _ = passing.join(); // it has nothing to tell
        // The handlers stay: a late Ctrl-C must not keep the run from being finished.
        status
    }
}

/// Lets interrupts pass by this process.
pub(super) fn outlive_interrupts() -> io::Result<()> {
    let came = Arc::new(AtomicBool::new(false)); // nobody asks
    signal_hook::flag::register(SIGINT, came).map(drop)
}

fn wait_without_reaping(pid: Pid) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match rustix::process::waitid(WaitId::Pid(pid), options) {
            Err(rustix::io::Errno::INTR) => {}
            waited => return Ok(waited.map(drop)?),
        }
    }
}

fn pass_on(pid: Pid, signal: i32) {
    let signal = match signal {
        SIGINT => Signal::INT,
        SIGTERM => Signal::TERM,
        SIGHUP => Signal::HUP,
        SIGQUIT => Signal::QUIT,
        _ => return,
    };
    let _ = rustix::process::kill_process(pid, signal); // it may have ended just now
}

/// Whether the program does not know of the signal: neither the terminal nor itself sent it.
fn is_news(origin: &Origin, program: Pid) -> bool {
    let sender = origin.process.and_then(|sender| Pid::from_raw(sender.pid));
    origin.cause != Cause::Kernel && sender.is_some_and(|sender| sender != program)
}

/// The signals this process was started to ignore, one bit each; none where that cannot be told.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0)
}

fn is_in(mask: u64, signal: i32) -> bool {
    u32::try_from(signal - 1)
        .ok()
        .and_then(|bit| mask.checked_shr(bit))
        .is_some_and(|shifted| shifted & 1 == 1)
}

/// Returns the signal that killed a program.
pub(super) fn killed_by(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Returns the signal's name, as `SIGKILL`.
pub(super) fn name(signal: i32) -> Option<&'static str> {
    signal_hook::low_level::signal_name(signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_a_bit_for_each_signal_from_one() {
        assert!(is_in(0x1, SIGHUP) && is_in(0x4002, SIGINT) && is_in(0x4002, SIGTERM));
        assert!(!is_in(0x4002, SIGHUP) && !is_in(u64::MAX, 0) && !is_in(u64::MAX, 65));
    }
}
