//! Where there are no signals: the program is waited for, and the console asks both to stop.

use std::io;
use std::process::Child;
use std::process::ExitStatus;

/// Stands for the signals that other systems have.
pub(super) struct Signals;

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn came_early(&mut self) -> Option<i32> {
        None
    }

    pub(super) fn pass_on_until_done(self, child: &mut Child) -> io::Result<ExitStatus> {
        child.wait()
    }
}

pub(super) fn outlive_interrupts() -> io::Result<()> {
    Ok(())
}

pub(super) fn killed_by(_status: ExitStatus) -> Option<i32> {
    None
}

pub(super) fn name(_signal: i32) -> Option<&'static str> {
    None
}
