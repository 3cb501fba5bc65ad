//! What happens behind a writer: the next segment is made, full ones are sealed, the live one is
//! synced once a while. The caller waits for none of it, unless disk or core fall far behind.
//!
//! Two threads, and a third in a hurry. The one that makes segments has the priority of the
//! training, for a caller may need its work next; the one that seals and syncs has a lower one.
//! With every core busy that is a tenth of a core, too little from 3 M points/s: once a segment
//! fills before the last is sealed, a thread of the training's priority seals too, until none came
//! for a second. At most 8 MiB are sealed at once, which bounds memory.
//!
//! At most 64 MiB wait to be sealed: from half of that each 32 KiB logged sleeps a little, so that
//! no single call waits long, and only at the full bound a caller waits until there is room. Who
//! waits for all to be sealed (`sync`, the end) seals too: the lower priority would hold it up.
//!
//! The lock that they share with the caller is held for moments only, and by nobody who wakes up
//! another, makes a system call or frees memory: whoever has to give up the core in between makes
//! the caller wait for milliseconds.
//!
//! Rows of a full segment are never synced: as columns a quarter of the bytes goes to the disk.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use super::files::Folders;
use super::files::SegmentId;
use super::maker::Maker;
use super::record::Role;
use super::seal::Sealer;
use super::segment::Append;
use super::segment::Segment;
use crate::error::Result;
use crate::limits::PACE_BYTES;
use crate::limits::SEAL_QUEUE_BYTES_MAX;
use crate::limits::SEALING_BYTES_MAX;
use crate::model::Process;
use crate::sys::Clock;
use crate::sys::File;

/// How a writer writes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its part in the run.
    pub role: Role,
    /// How records reach the file.
    pub append: Append,
    /// How often the live segment is synced.
    pub sync_interval: Duration,
    /// The process it lives in.
    pub process: Process,
    /// A time that its own must not lie before: that of what the run's writers said before it.
    pub not_before_us: i64,
}

/// A full segment being sealed; its lock is held until then.
#[derive(Debug)]
struct Full {
    id: SegmentId,
    file: Arc<dyn File>,
}

impl Full {
    /// Unmaps the segment, which takes the caller's thread too long to do it there.
    fn of(segment: Segment) -> Self {
        Self {
            id: segment.id,
            file: segment.into_file(),
        }
    }

    fn seal(&self, folders: &Folders, sealer: &mut Sealer) -> Result<bool> {
        sealer.seal(folders, &self.id, &*self.file)
    }
}

/// The segment being appended.
#[derive(Debug)]
struct Live {
    file: Arc<dyn File>,
    /// Whether the folder was synced since the segment got its name.
    is_named: bool,
}

impl Live {
    fn new(file: Arc<dyn File>) -> Self {
        Self {
            file,
            is_named: false,
        }
    }
}

#[derive(Debug)]
struct State {
    full: VecDeque<Segment>,
    /// Could not be sealed; their rows stay, and are tried again when the writer drains.
    failed: Vec<Full>,
    /// Bytes of the segments being sealed.
    sealing_bytes: usize,
    /// Those not at work, as many as ever were at once.
    sealers: Vec<Sealer>,
    /// The sealer alone does not keep up.
    in_a_hurry: bool,
    live: Live,
    stopping: bool,
}

/// How much of a writer waits to be sealed, told without its lock.
#[derive(Clone, Debug)]
pub struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// Whether it is so much that callers are held up.
    #[inline]
    pub fn is_long(&self) -> bool {
        self.0.load(Ordering::Relaxed) > SEAL_QUEUE_BYTES_MAX / 2
    }
}

#[derive(Debug)]
struct Shared {
    folders: Folders,
    clock: Clock,
    sync_interval: Duration,
    state: Mutex<State>,
    /// Something to do for a thread, or done by one.
    changed: Condvar,
    /// Bytes in `full` and being sealed.
    waiting_bytes: Arc<AtomicUsize>,
    appended_bytes: AtomicU64,
    slept_us: AtomicU64,
}

/// The threads behind one writer.
#[derive(Debug)]
pub(super) struct Background {
    shared: Arc<Shared>,
    append: Append,
    sealer: Option<JoinHandle<()>>,
    /// Seals when the sealer's priority is too low to keep up.
    hurrier: Option<JoinHandle<()>>,
    maker: Option<Maker>,
}

impl Background {
    /// Starts to sync `live`. A short command is over before that pays: it has no threads.
    pub(super) fn start(
        folders: &Folders,
        id: SegmentId,
        options: &Options,
        live: Arc<dyn File>,
        clock: Clock,
    ) -> Self {
        let state = State {
            full: VecDeque::new(),
            failed: Vec::new(),
            sealing_bytes: 0,
            sealers: Vec::new(),
            in_a_hurry: false,
            live: Live::new(live),
            stopping: false,
        };
        let shared = Arc::new(Shared {
            folders: folders.clone(),
            clock,
            sync_interval: options.sync_interval,
            state: Mutex::new(state),
            changed: Condvar::new(),
            waiting_bytes: Arc::default(),
            appended_bytes: AtomicU64::new(0),
            slept_us: AtomicU64::new(0),
        });
        let mut background = Self {
            shared,
            append: options.append,
            sealer: None,
            hurrier: None,
            maker: None,
        };
        if options.role != Role::Command {
            background.sealer =
                background.spawn(&format!("seal {}", id.run.short()), Shared::seal_all);
        }
        background
    }

    /// Without a thread (the system gives none) the caller does the work.
    fn spawn(&self, name: &str, work: fn(&Shared)) -> Option<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&shared))
            .ok()
    }

    #[inline]
    pub(super) fn note_appended(&self, bytes: usize) {
        // One writer appends at a time, so this need not be an atomic addition.
        let appended = self.shared.appended_bytes.load(Ordering::Relaxed) + bytes as u64;
        self.shared
            .appended_bytes
            .store(appended, Ordering::Relaxed);
    }

    /// Asks for the next segment to be made.
    pub(super) fn ask(&mut self, id: SegmentId, capacity: usize) {
        if self.sealer.is_none() {
            return;
        }
        if self.maker.is_none() {
            let name = format!("make {}", id.run.short());
            self.maker = Maker::start(&self.shared.folders, self.append, name);
        }
        if let Some(maker) = &mut self.maker {
            maker.ask(id, capacity);
        }
    }

    /// Takes the next segment, if one was asked for; waits for one that is being made.
    pub(super) fn take(&mut self) -> Option<Segment> {
        self.maker.as_mut()?.take()
    }

    /// Hands over a full segment to be sealed, and the live one to be synced.
    pub(super) fn turned_over(&mut self, full: Segment, live: Arc<dyn File>) {
        if self.sealer.is_none() {
            let full = Full::of(full);
            let mut state = self.shared.lock();
            state.live = Live::new(live);
            if full
                .seal(&self.shared.folders, &mut Sealer::default())
                .is_err()
            {
                state.failed.push(full);
            }
            return;
        }
        let (run, bytes) = (full.id.run, full.end());
        let before = self
            .shared
            .waiting_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && self.hurrier.is_none() {
            self.hurrier = self.spawn(&format!("hurry {}", run.short()), Shared::seal_in_hurry);
        }
        let mut state = self.shared.lock();
        let before_it = std::mem::replace(&mut state.live, Live::new(live));
        state.full.push_back(full);
        state.in_a_hurry |= before > 0 && self.hurrier.is_some();
        drop(state);
        drop(before_it);
        self.shared.changed.notify_all();
        if before + bytes > SEAL_QUEUE_BYTES_MAX {
            self.shared.wait_for_room();
        }
    }

    /// Sleeps a little when much waits to be sealed.
    ///
    /// - `bytes`: of the record that was appended last; a wide one counts for several
    #[inline]
    pub(super) fn pace(&self, bytes: usize) {
        const LONGEST_US: usize = 2_000;
        let half = SEAL_QUEUE_BYTES_MAX / 2;
        let waiting = self.shared.waiting_bytes.load(Ordering::Relaxed);
        let Some(above) = waiting.checked_sub(half).filter(|above| *above > 0) else {
            return;
        };
        let times = (bytes / PACE_BYTES).max(1);
        let sleep_us = (times * LONGEST_US * above / half).max(20) as u64;
        thread::sleep(Duration::from_micros(sleep_us));
        self.shared.note_slept(i64::try_from(sleep_us).unwrap_or(0));
    }

    /// Returns what tells how much waits to be sealed.
    pub(super) fn backlog(&self) -> Backlog {
        Backlog(Arc::clone(&self.shared.waiting_bytes))
    }

    /// Tells for how long callers were held up, if that was worth a word.
    pub(super) fn slowed(&self) -> Option<String> {
        const WORTH_US: u64 = 100_000;
        let slept_us = self.shared.slept_us.load(Ordering::Relaxed);
        let mib = self.shared.appended_bytes.load(Ordering::Relaxed) >> 20;
        (slept_us >= WORTH_US).then(|| {
            let seconds = slept_us as f64 / 1e6;
            format!(
                "logging was held up for {seconds:.1} s within {mib} MiB of rows, as disk or \
                     core did not keep up"
            )
        })
    }

    /// Waits until all full segments are sealed; what cannot be is synced as rows.
    pub(super) fn drain(&self) -> Result<()> {
        let mut state = self.shared.seal_here(self.shared.lock());
        let failed = std::mem::take(&mut state.failed);
        drop(state);
        for full in failed {
            if full
                .seal(&self.shared.folders, &mut Sealer::default())
                .is_err()
            {
                let synced = full.file.sync();
                self.shared.lock().failed.push(full);
                synced?;
            }
        }
        Ok(())
    }

    /// Makes the live segment and its name survive a power cut.
    pub(super) fn sync_live(&self) -> Result<()> {
        self.shared.sync_live()
    }

    /// Ends the threads, after all that waits is sealed.
    ///
    /// - returns: what may seal the rest
    pub(super) fn stop(&mut self) -> Sealer {
        let mut state = self.shared.seal_here(self.shared.lock());
        state.stopping = true;
        drop(state);
        self.shared.changed.notify_all();
        for thread in [self.sealer.take(), self.hurrier.take()] {
            let _ = thread.map(JoinHandle::join); // a panic there was ours; the rows stay
        }
        if let Some(unused) = self.maker.take().and_then(Maker::stop) {
            let path = self.shared.folders.rows(&unused.id);
            drop(unused);
            let _ = self.shared.folders.sys.remove(&path); // a later command sweeps it up
        }
        let _ = self.drain(); // what fails stays as rows
        self.shared.lock().sealers.pop().unwrap_or_default()
    }

    /// Lets go without touching anything: in a forked child all of it is the parent's.
    pub(super) fn forget(&mut self) {
        std::mem::forget((
            self.maker.take(),
            self.sealer.take(),
            self.hurrier.take(),
            Arc::clone(&self.shared),
        ));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, or so long; tells whether the time ran out.
    fn wait_for<'a>(
        &self,
        state: MutexGuard<'a, State>,
        longest: Duration,
    ) -> (MutexGuard<'a, State>, bool) {
        let waited = self.changed.wait_timeout(state, longest);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }

    fn sync_live(&self) -> Result<()> {
        let state = self.lock();
        let (live, is_named) = (Arc::clone(&state.live.file), state.live.is_named);
        drop(state);
        live.sync()?;
        if !is_named {
            self.folders.sys.sync_dir(self.folders.live())?;
            let mut state = self.lock();
            state.live.is_named |= Arc::ptr_eq(&state.live.file, &live);
        }
        Ok(())
    }

    fn wait_for_room(&self) {
        let began_us = self.clock.now_us();
        let mut state = self.lock();
        while self.waiting_bytes.load(Ordering::Relaxed) > SEAL_QUEUE_BYTES_MAX {
            state = self.wait(state);
        }
        drop(state);
        self.note_slept(self.clock.now_us() - began_us);
    }

    fn note_slept(&self, us: i64) {
        self.slept_us
            .fetch_add(u64::try_from(us).unwrap_or(0), Ordering::Relaxed);
    }

    /// Seals full segments, and syncs the live one when there are none.
    fn seal_all(&self) {
        self.folders.sys.lower_priority();
        let mut synced_bytes = 0;
        let mut state = self.lock();
        loop {
            if state.may_seal() {
                state = self.seal_next(state);
            } else if state.stopping {
                return;
            } else {
                let timed_out;
                (state, timed_out) = self.wait_for(state, self.sync_interval);
                let appended = self.appended_bytes.load(Ordering::Relaxed);
                if timed_out && state.full.is_empty() && appended != synced_bytes {
                    drop(state);
                    let _ = self.sync_live(); // tried again in a moment; `sync` tells the caller
                    synced_bytes = appended;
                    state = self.lock();
                }
            }
        }
    }

    /// Seals full segments beside the sealer, until none came for a while.
    fn seal_in_hurry(&self) {
        const CALM: Duration = Duration::from_secs(1);
        let mut state = self.lock();
        loop {
            if state.in_a_hurry && state.may_seal() {
                state = self.seal_next(state);
            } else if state.stopping {
                return;
            } else if state.in_a_hurry {
                let timed_out;
                (state, timed_out) = self.wait_for(state, CALM);
                state.in_a_hurry = !(timed_out && state.full.is_empty());
            } else {
                state = self.wait(state);
            }
        }
    }

    /// Seals all that waits, in the caller's thread.
    fn seal_here<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        loop {
            if state.may_seal() {
                state = self.seal_next(state);
            } else if state.sealing_bytes > 0 {
                state = self.wait(state);
            } else {
                return state;
            }
        }
    }

    fn seal_next<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(full) = state.full.pop_front() else {
            return state;
        };
        let bytes = full.end();
        state.sealing_bytes += bytes;
        let mut sealer = state.sealers.pop().unwrap_or_default();
        drop(state);
        let full = Full::of(full);
        // A panic there would be ours; it must not leave the training waiting.
        let seal = || full.seal(&self.folders, &mut sealer).is_ok();
        let is_sealed = catch_unwind(AssertUnwindSafe(seal)).unwrap_or(false);
        let mut unused = Vec::new();
        state = self.lock();
        state.sealing_bytes -= bytes;
        if bytes > SEALING_BYTES_MAX / 2 {
            unused = std::mem::take(&mut state.sealers); // none will be at work beside this one
        }
        state.sealers.push(sealer);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if !is_sealed {
            state.failed.push(full);
        }
        drop(state);
        drop(unused);
        self.changed.notify_all();
        self.lock()
    }
}

impl State {
    /// Whether a segment waits and can be sealed beside those that are.
    fn may_seal(&self) -> bool {
        self.full.front().is_some_and(|full| {
            self.sealing_bytes == 0 || self.sealing_bytes + full.end() <= SEALING_BYTES_MAX
        })
    }
}
