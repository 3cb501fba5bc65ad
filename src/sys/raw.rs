//! What cannot be said without `unsafe`: the mapped segment and the hook that runs in a fork.
//!
//! A map is private to its writer: the file below it is preallocated, nobody cuts it, and readers
//! use `read` on the file, so no reference in this process is ever to memory that changes under it.
#![expect(
    unsafe_code,
    reason = "memory maps, an aligned atomic store into them, the fork hook"
)]

use std::fs;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use memmap2::MmapMut;
use memmap2::MmapOptions;

/// Memory that is a file's pages: what is stored here survives the death of this process.
#[derive(Debug)]
pub struct Map(MmapMut);

impl Map {
    /// Maps the first `len` bytes of `file`.
    pub(super) fn new(file: &fs::File, len: usize) -> io::Result<Self> {
        // SAFETY: the caller holds the only writer's lock of this file and has allocated `len`
        // bytes; our programs never shorten a segment that is locked.
        let map = unsafe { MmapOptions::new().len(len).map_mut(file)? };
        // A map keeps the file open, and with it the lock: a forked child would hold both for as
        // long as it lives. It never looks at the map, so it gets none. Refusal (no Linux kernel
        // of this age) only means that a dead writer's segment is sealed when its children end.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::DontFork);
        Ok(Self(map))
    }

    /// Returns the mapped bytes.
    #[inline]
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Stores 8 bytes at `offset`, after all that was stored before: a reader that sees them sees
    /// what they speak of. Does nothing out of bounds or off alignment.
    #[inline]
    pub fn publish(&mut self, offset: usize, word: [u8; 8]) {
        let Some(place) = self
            .0
            .get_mut(offset..)
            .and_then(|tail| tail.first_chunk_mut::<8>())
        else {
            return;
        };
        #[expect(clippy::cast_ptr_alignment, reason = "checked in the next line")]
        let place = place.as_mut_ptr().cast::<u64>();
        if !place.is_aligned() {
            return;
        }
        // SAFETY: 8 bytes in bounds, checked above, aligned for u64, exclusively borrowed; the
        // native-endian word below keeps the order of the bytes as given.
        #[expect(clippy::host_endian_bytes, reason = "the bytes are laid out already")]
        unsafe {
            AtomicU64::from_ptr(place).store(u64::from_ne_bytes(word), Ordering::Release);
        }
    }

    /// Makes each page writable, so that no store of the caller waits for a fault.
    pub fn touch(&mut self) {
        // In one call, without two faults a page: it halves the cost of making a segment.
        #[cfg(target_os = "linux")]
        if self.0.advise(memmap2::Advice::PopulateWrite).is_ok() {
            return;
        }
        for page in self.0.chunks_mut(4096) {
            if let Some(first) = page.first_mut() {
                // SAFETY: a plain store through a valid exclusive reference; volatile only keeps
                // the compiler from dropping a store of the value that is there.
                unsafe { std::ptr::from_mut(first).write_volatile(*first) };
            }
        }
    }
}

#[cfg(unix)]
mod fork {
    //! After a fork the child holds copies of every descriptor, and a lock lives as long as any
    //! copy. A `DataLoader` worker would so keep a dead training "running". The hook replaces the
    //! child's copies by `/dev/null`: that closes them without freeing the number for reuse.
    //!
    //! A fork waits while another thread is in a [`NoFork`] section: between opening a file and
    //! noting it here, or inside a mutex that the child would find locked for good.

    use std::os::fd::AsRawFd;
    use std::os::fd::RawFd;
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicI32;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    /// More files open for writing than this in one process are not replaced in its children.
    const WRITABLE_MAX: usize = 4_096;
    /// So often a fork looks whether all sections are over, a millisecond apart; then it goes on,
    /// since its own thread may be in one, interrupted by a signal.
    const LOOKS_MAX: u32 = 1_000;
    const LOOK_EVERY: Duration = Duration::from_millis(1);

    static GENERATION: AtomicU32 = AtomicU32::new(0);
    static WRITABLE: [AtomicI32; WRITABLE_MAX] = [const { AtomicI32::new(-1) }; WRITABLE_MAX];
    static NULL: OnceLock<Option<std::fs::File>> = OnceLock::new();
    static FORKS: AtomicU32 = AtomicU32::new(0);
    static SECTIONS: AtomicU32 = AtomicU32::new(0);

    extern "C" fn before() {
        FORKS.fetch_add(1, Ordering::SeqCst);
        for _ in 0..LOOKS_MAX {
            if SECTIONS.load(Ordering::SeqCst) == 0 {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    extern "C" fn in_parent() {
        FORKS.fetch_sub(1, Ordering::SeqCst);
    }

    /// Runs in the child, where only calls that are safe in a signal handler are allowed.
    extern "C" fn in_child() {
        FORKS.store(0, Ordering::SeqCst);
        SECTIONS.store(0, Ordering::SeqCst);
        GENERATION.fetch_add(1, Ordering::Relaxed);
        let null = NULL.get().and_then(Option::as_ref).map(AsRawFd::as_raw_fd);
        for slot in &WRITABLE {
            let writable = slot.swap(-1, Ordering::Relaxed);
            if let (Some(null), 0..) = (null, writable) {
                // SAFETY: dup2 is async-signal-safe; both numbers are open descriptors of ours.
                unsafe { libc::dup2(null, writable) };
            }
        }
    }

    pub(in crate::sys) fn watch() {
        NULL.get_or_init(|| {
            let null = std::fs::File::open("/dev/null").ok();
            // SAFETY: the handlers live as long as the program; the child's only makes
            // async-signal-safe calls on statics. A failure (no memory) leaves forks unwatched.
            unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
            null
        });
    }

    pub(in crate::sys) fn generation() -> u32 {
        GENERATION.load(Ordering::Relaxed)
    }

    /// Holds up forks of other threads while it lives. Sections are short and do not nest.
    #[derive(Debug)]
    pub(crate) struct NoFork(());

    impl NoFork {
        /// Waits for a fork that is under way, then begins a section.
        pub(crate) fn enter() -> Self {
            watch();
            loop {
                SECTIONS.fetch_add(1, Ordering::SeqCst);
                if FORKS.load(Ordering::SeqCst) == 0 {
                    return Self(());
                }
                leave();
                std::thread::yield_now();
            }
        }
    }

    impl Drop for NoFork {
        fn drop(&mut self) {
            leave();
        }
    }

    fn leave() {
        // Not below 0: a child begins with none, also where its parent was in one.
        let one_less = |sections: u32| sections.checked_sub(1);
        let _ = SECTIONS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
    }

    /// Notes a file that children shall not share.
    pub(in crate::sys) fn opened(fd: RawFd) {
        for slot in &WRITABLE {
            let free = slot.compare_exchange(-1, fd, Ordering::Relaxed, Ordering::Relaxed);
            if free.is_ok() {
                return;
            }
        }
    }

    /// Takes that back; returns whether it was noted in this process.
    pub(in crate::sys) fn closing(fd: RawFd) -> bool {
        for slot in &WRITABLE {
            // Most slots are of other files: a look costs a tenth of an exchange.
            let is_ours = slot.load(Ordering::Relaxed) == fd;
            if is_ours
                && slot
                    .compare_exchange(fd, -1, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                return true;
            }
        }
        false
    }
}

#[cfg(not(unix))]
mod fork {
    pub(in crate::sys) fn watch() {}

    pub(in crate::sys) fn generation() -> u32 {
        0
    }

    /// There is no fork here.
    #[derive(Debug)]
    pub(crate) struct NoFork(());

    impl NoFork {
        /// Does nothing.
        pub(crate) fn enter() -> Self {
            Self(())
        }
    }
}

pub(crate) use fork::NoFork;
#[cfg(unix)]
pub(super) use fork::closing;
#[cfg(unix)]
pub(super) use fork::opened;

/// Returns how many forks lie between this process and the one that first opened a file: a value
/// that was made at another generation belongs to a parent and must not be touched.
#[inline]
pub fn fork_generation() -> u32 {
    fork::generation()
}

/// Starts to count forks now. Writing a file does so too; who starts threads and writes nothing
/// asks for it, since a child has none of its parent's threads.
pub fn watch_forks() {
    fork::watch();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn file_of(len: u64) -> fs::File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(len).unwrap();
        file
    }

    fn content(file: &fs::File, len: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; len];
        std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn what_is_stored_in_a_map_is_in_its_file_also_when_the_map_is_gone() {
        for len in [1, 4_096, 10_000] {
            let file = file_of(len);
            let len = usize::try_from(len).unwrap();
            let mut map = Map::new(&file, len).unwrap();
            assert_eq!(map.bytes(), vec![0; len]);
            map.bytes().fill(7);
            assert_eq!(content(&file, len), vec![7; len]);
            map.touch();
            drop(map);
            assert_eq!(content(&file, len), vec![7; len]);
        }
    }

    #[test]
    fn a_word_is_published_where_it_fits_and_nowhere_else() {
        let file = file_of(4_099);
        let mut map = Map::new(&file, 4_099).unwrap();
        let word = *b"abcdefgh";
        for offset in [1, 7, 4_092, 4_096, 4_099, 5_000, usize::MAX] {
            map.publish(offset, word);
            assert_eq!(content(&file, 4_099), vec![0; 4_099], "at {offset}");
        }
        for offset in [0, 8, 4_088] {
            map.publish(offset, word);
            assert_eq!(content(&file, 4_099)[offset..offset + 8], word);
        }
        assert_eq!(content(&file, 4_099)[4_096..], [0; 3]);
    }

    /// What is published last is seen last, so who sees it sees what it speaks of.
    #[test]
    fn who_sees_the_word_sees_what_was_stored_before_it() {
        let file = file_of(4_096);
        let mut map = Map::new(&file, 4_096).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                loop {
                    let bytes = content(&file, 8);
                    if bytes != [0; 8] {
                        return (content(&file, 4_096)[8..].to_vec(), bytes);
                    }
                }
            });
            map.bytes()[8..].fill(3);
            map.publish(0, *b"whole...");
            let (body, word) = reader.join().unwrap();
            assert_eq!((body, word), (vec![3; 4_088], b"whole...".to_vec()));
        });
    }

    #[test]
    fn a_file_is_noted_until_it_is_closed_once() {
        // No descriptor has such a number, so no other test meets it.
        let fd = i32::MAX;
        assert!(!closing(fd));
        opened(fd);
        opened(fd);
        assert!(closing(fd) && closing(fd) && !closing(fd));
        assert_eq!(fork_generation(), 0, "no fork lies behind this process");
    }
}
