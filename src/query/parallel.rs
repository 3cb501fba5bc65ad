//! Work in equal parts on the cores there are.

use std::panic;
use std::thread;

use crate::error::Result;

/// Most threads: what is read here is soon bound by memory.
const THREADS_MAX: usize = 8;

/// Returns how many parts to make of `items`, of which each part should have `least` or more.
pub(super) fn parts(items: usize, least: usize) -> usize {
    let wanted = items / least.max(1);
    if wanted < 2 {
        return 1; // asking for the cores reads files
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    wanted.min(cores).min(THREADS_MAX)
}

/// Returns what `work` makes of each part, in their order. The first runs on this thread; so does
/// one that gets no thread.
pub(super) fn map<T: Send>(
    parts: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = (1..parts)
            .map(|part| {
                let thread = thread::Builder::new().name("tracker-read".to_owned());
                (part, thread.spawn_scoped(scope, move || work(part)))
            })
            .collect();
        let mut done = vec![work(0)?];
        for (part, thread) in others {
            done.push(match thread {
                Ok(thread) => match thread.join() {
                    Ok(result) => result?,
                    Err(panic) => panic::resume_unwind(panic),
                },
                Err(_no_thread) => work(part)?,
            });
        }
        Ok(done)
    })
}
