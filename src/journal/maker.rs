//! The next segment is made before the caller needs it.
//!
//! The thread shares no lock with the caller, only two channels. It has the caller's priority: the
//! caller may need its work next.

use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::thread;
use std::thread::JoinHandle;

use super::files::Folders;
use super::files::SegmentId;
use super::segment::Append;
use super::segment::Segment;

/// Makes segments, one after the other, in a thread of its own.
#[derive(Debug)]
pub(super) struct Maker {
    asked: Sender<(SegmentId, usize)>,
    /// None was made: the caller makes its own and meets the reason.
    made: Receiver<Option<Segment>>,
    /// How many were asked for and not taken: none or one.
    awaited: usize,
    thread: JoinHandle<()>,
}

impl Maker {
    /// None without a thread: the system gives none.
    pub(super) fn start(folders: &Folders, append: Append, name: String) -> Option<Self> {
        let (asked, asks) = mpsc::channel();
        let (makes, made) = mpsc::channel();
        let folders = folders.clone();
        let make_all = move || {
            for (id, capacity) in asks {
                let segment = Segment::create(&folders, id, capacity, append).ok();
                if makes.send(segment).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name(name).spawn(make_all).ok()?;
        Some(Self {
            asked,
            made,
            awaited: 0,
            thread,
        })
    }

    pub(super) fn ask(&mut self, id: SegmentId, capacity: usize) {
        if self.asked.send((id, capacity)).is_ok() {
            self.awaited += 1;
        }
    }

    /// Returns the segment that was asked for; waits for one that is being made.
    pub(super) fn take(&mut self) -> Option<Segment> {
        self.awaited = self.awaited.checked_sub(1)?;
        self.made.recv().ok().flatten()
    }

    /// Ends the thread; returns what nobody took.
    pub(super) fn stop(mut self) -> Option<Segment> {
        let unused = self.take();
        drop(self.asked);
        let _ = self.thread.join(); // a panic there was ours; `take` got none then
        unused
    }
}
