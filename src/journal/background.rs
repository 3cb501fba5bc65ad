//! What happens behind a writer: the next segment is made, full ones are sealed, the live one is
//! synced once a while. The caller waits for none of it, unless disk or core fall far behind.
//!
//! Three threads. The one that makes segments has the priority of the training, for a caller may
//! need its work next; the one that seals has a lower one, and goes on with the next segment while
//! a third waits for the disk. At most 64 MiB wait to be sealed: from half of that each 32 KiB
//! logged sleeps a little, so that no single call waits long, and only at the full bound a caller
//! waits until there is room.
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
use super::record::Role;
use super::seal;
use super::seal::Made;
use super::seal::Sealer;
use super::segment::Append;
use super::segment::Segment;
use crate::error::Result;
use crate::limits::SEAL_QUEUE_BYTES_MAX;
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

/// A full segment on its way to be sealed; its lock is held until then.
#[derive(Debug)]
struct Full {
    id: SegmentId,
    file: Arc<dyn File>,
    bytes: usize,
}

/// The segment being appended.
#[derive(Debug)]
struct Live {
    file: Arc<dyn File>,
    /// Whether the folder was synced since the segment got its name.
    is_named: bool,
}

/// So many sealed files wait for the disk before the sealer does.
const MADE_MAX: usize = 2;

impl State {
    /// Whether full segments are on their way.
    fn is_busy(&self) -> bool {
        self.in_hand > 0 || !self.full.is_empty() || !self.made.is_empty()
    }
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
    full: VecDeque<Full>,
    /// Could not be sealed; their rows stay, and are tried again when the writer drains.
    failed: Vec<Full>,
    /// Segments that a thread is at.
    in_hand: usize,
    /// Written, to be synced.
    made: VecDeque<(Full, Made)>,
    /// Whether there is a thread to sync; without it the sealer does.
    has_syncer: bool,
    live: Live,
    asked: Option<(SegmentId, usize)>,
    making: bool,
    ready: Option<Segment>,
    stopping: bool,
}

#[derive(Debug)]
struct Shared {
    folders: Folders,
    append: Append,
    clock: Clock,
    sync_interval: Duration,
    state: Mutex<State>,
    /// Something to do for a thread, or done by one.
    changed: Condvar,
    /// Bytes in `full` and being sealed.
    waiting_bytes: AtomicUsize,
    appended_bytes: AtomicU64,
    slept_us: AtomicU64,
}

/// The threads behind one writer.
#[derive(Debug)]
pub(super) struct Background {
    shared: Arc<Shared>,
    sealer: Option<JoinHandle<()>>,
    syncer: Option<JoinHandle<()>>,
    maker: Option<JoinHandle<()>>,
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
            in_hand: 0,
            made: VecDeque::new(),
            has_syncer: false,
            live: Live::new(live),
            asked: None,
            making: false,
            ready: None,
            stopping: false,
        };
        let shared = Arc::new(Shared {
            folders: folders.clone(),
            append: options.append,
            clock,
            sync_interval: options.sync_interval,
            state: Mutex::new(state),
            changed: Condvar::new(),
            waiting_bytes: AtomicUsize::new(0),
            appended_bytes: AtomicU64::new(0),
            slept_us: AtomicU64::new(0),
        });
        let mut background = Self {
            shared,
            sealer: None,
            syncer: None,
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
        self.shared.lock().asked = Some((id, capacity));
        if self.maker.is_none() {
            self.maker = self.spawn(&format!("make {}", id.run.short()), Shared::make_all);
        }
        self.shared.changed.notify_all();
    }

    /// Takes the next segment, if one was asked for; waits for one that is being made.
    pub(super) fn take(&self, id: SegmentId) -> Option<Segment> {
        let mut state = self.shared.lock();
        state.asked = None;
        while state.making {
            state = self.shared.wait(state);
        }
        state.ready.take().filter(|segment| segment.id == id)
    }

    /// Hands over a full segment to be sealed, and the live one to be synced.
    pub(super) fn turned_over(&mut self, id: SegmentId, full: Segment, live: Arc<dyn File>) {
        let bytes = full.end();
        let full = Full {
            id,
            file: full.into_file(),
            bytes,
        };
        if self.sealer.is_none() {
            let mut state = self.shared.lock();
            state.live = Live::new(live);
            let sealer = &mut Sealer::default();
            if seal::seal(&self.shared.folders, &full.id, &full.file, sealer).is_err() {
                state.failed.push(full);
            }
            return;
        }
        if self.syncer.is_none() {
            self.syncer = self.spawn(&format!("sync {}", id.run.short()), Shared::sync_all);
            self.shared.lock().has_syncer = self.syncer.is_some();
        }
        let mut state = self.shared.lock();
        state.live = Live::new(live);
        state.full.push_back(full);
        self.shared
            .waiting_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        self.shared.changed.notify_all();
        let began_us = self.shared.clock.now_us();
        while self.shared.waiting_bytes.load(Ordering::Relaxed) > SEAL_QUEUE_BYTES_MAX {
            state = self.shared.wait(state);
        }
        self.shared
            .note_slept(self.shared.clock.now_us() - began_us);
    }

    /// Sleeps a little when much waits to be sealed.
    #[inline]
    pub(super) fn pace(&self) {
        const LONGEST_US: usize = 2_000;
        let half = SEAL_QUEUE_BYTES_MAX / 2;
        let waiting = self.shared.waiting_bytes.load(Ordering::Relaxed);
        let Some(above) = waiting.checked_sub(half).filter(|above| *above > 0) else {
            return;
        };
        let sleep_us = (LONGEST_US * above / half).max(20) as u64;
        thread::sleep(Duration::from_micros(sleep_us));
        self.shared.note_slept(i64::try_from(sleep_us).unwrap_or(0));
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
        let mut state = self.shared.lock();
        while self.sealer.is_some() && state.is_busy() {
            state = self.shared.wait(state);
        }
        let failed = std::mem::take(&mut state.failed);
        drop(state);
        for full in failed {
            let sealer = &mut Sealer::default();
            if seal::seal(&self.shared.folders, &full.id, &full.file, sealer).is_err() {
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
    pub(super) fn stop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        for thread in [self.maker.take(), self.sealer.take(), self.syncer.take()]
            .into_iter()
            .flatten()
        {
            let _ = thread.join(); // a panic there was ours; the rows stay for a later command
        }
        let unused = self.shared.lock().ready.take();
        if let Some(unused) = unused {
            let path = self.shared.folders.rows(&unused.id);
            drop(unused);
            let _ = self.shared.folders.sys.remove(&path); // a later command sweeps it up
        }
        let _ = self.drain(); // what fails stays as rows
    }

    /// Lets go without touching anything: in a forked child all of it is the parent's.
    pub(super) fn forget(&mut self) {
        std::mem::forget((
            self.maker.take(),
            self.sealer.take(),
            self.syncer.take(),
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

    fn note_slept(&self, us: i64) {
        self.slept_us
            .fetch_add(u64::try_from(us).unwrap_or(0), Ordering::Relaxed);
    }

    /// Makes segments as they are asked for.
    fn make_all(&self) {
        let mut state = self.lock();
        loop {
            if let Some((id, capacity)) = state.asked.take() {
                state.making = true;
                drop(state);
                // A failure is the caller's to meet: it finds none and makes its own.
                let made = Segment::create(&self.folders, id, capacity, self.append).ok();
                state = self.lock();
                state.ready = made;
                state.making = false;
                self.changed.notify_all();
            } else if state.stopping {
                return;
            } else {
                state = self.wait(state);
            }
        }
    }

    /// Seals full segments, and syncs the live one when there are none.
    fn seal_all(&self) {
        self.folders.sys.lower_priority();
        let mut sealer = Sealer::default();
        let mut synced_bytes = 0;
        let mut state = self.lock();
        loop {
            if let Some(full) = state.full.pop_front() {
                state.in_hand += 1;
                drop(state);
                // A panic there would be ours; it must not leave the training waiting.
                let write = || Made::write(&self.folders, &full.id, &full.file, &mut sealer);
                let made = catch_unwind(AssertUnwindSafe(write));
                state = self.lock();
                while state.made.len() >= MADE_MAX {
                    state = self.wait(state);
                }
                match made {
                    Ok(Ok(Some(made))) if state.has_syncer => state.made.push_back((full, made)),
                    Ok(Ok(Some(made))) => {
                        drop(state);
                        let is_sealed = made.replace_rows(&self.folders, &full.id).is_ok();
                        state = self.lock();
                        self.is_done(&mut state, full, is_sealed);
                    }
                    Ok(Ok(None)) => self.is_done(&mut state, full, true),
                    Ok(Err(_)) | Err(_) => self.is_done(&mut state, full, false),
                }
                state.in_hand -= 1;
                self.changed.notify_all();
            } else if state.stopping {
                return;
            } else {
                let waited = self.changed.wait_timeout(state, self.sync_interval);
                let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = guard;
                let appended = self.appended_bytes.load(Ordering::Relaxed);
                if timeout.timed_out() && !state.is_busy() && appended != synced_bytes {
                    drop(state);
                    let _ = self.sync_live(); // tried again in a moment; `sync` tells the caller
                    synced_bytes = appended;
                    state = self.lock();
                }
            }
        }
    }

    /// Syncs what is sealed, and lets it replace its rows.
    fn sync_all(&self) {
        let mut state = self.lock();
        loop {
            if let Some((full, made)) = state.made.pop_front() {
                state.in_hand += 1;
                self.changed.notify_all(); // the sealer may wait for room
                drop(state);
                let sync = || made.replace_rows(&self.folders, &full.id).is_ok();
                let is_sealed = catch_unwind(AssertUnwindSafe(sync)).unwrap_or(false);
                state = self.lock();
                state.in_hand -= 1;
                self.is_done(&mut state, full, is_sealed);
                self.changed.notify_all();
            } else if state.stopping && !state.is_busy() {
                return;
            } else {
                state = self.wait(state);
            }
        }
    }

    fn is_done(&self, state: &mut State, full: Full, is_sealed: bool) {
        self.waiting_bytes.fetch_sub(full.bytes, Ordering::Relaxed);
        if !is_sealed {
            state.failed.push(full);
        }
    }
}
