//! The hash of a file that is read by several threads at once.
//!
//! BLAKE3 is a tree: each thread reads and hashes parts of a power of two, and the parts are joined
//! as the tree has them. On two cores that takes two thirds of the time of reading on one and
//! hashing on both.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

use blake3::hazmat;
use blake3::hazmat::ChainingValue;
use blake3::hazmat::HasherExt;
use blake3::hazmat::Mode;

use super::batch::FirstError;
use super::put::spawn;
use super::put::writers;
use crate::error::Result;
use crate::model::BlobId;
use crate::sys::File;

/// A whole subtree, small enough to stay in the caches between reading and hashing.
const PART_BYTES: u64 = 1 << 20;

/// Reads a file to its end.
///
/// - `progress`: called now and then with how many bytes were read so far
/// - returns: its hash and length; none if it is no longer than one part, or changes meanwhile
pub(super) fn hash_file(
    file: &dyn File,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<(BlobId, u64)>> {
    let (next, failed) = (AtomicU64::new(0), FirstError::default());
    let parts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let work = || {
            let mut buffer = vec![0; usize::try_from(PART_BYTES).unwrap_or(0)];
            while !failed.is_some() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let start = number * PART_BYTES;
                let Some(read) = failed.of(file.read_at(&mut buffer, start)) else {
                    return;
                };
                let bytes = buffer.get(..read).unwrap_or_default();
                if !bytes.is_empty() {
                    let mut hasher = blake3::Hasher::new();
                    hasher.set_input_offset(start).update(bytes);
                    let part = (number, read as u64, hasher.finalize_non_root());
                    let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
                    parts.push(part);
                }
                if read < buffer.len() {
                    return;
                }
            }
        };
        let threads: Vec<_> = (1..writers())
            .filter_map(|_| failed.of(spawn(scope, file.path(), work)))
            .collect();
        work();
        for thread in threads {
            let _ = thread.join(); // a panic is passed on by the scope
        }
    });
    failed.into_result()?;
    let mut parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
    parts.sort_unstable_by_key(|(number, _, _)| *number);
    let bytes = parts.iter().map(|(_, bytes, _)| bytes).sum();
    progress(bytes);
    let is_whole = (0..)
        .zip(&parts)
        .all(|(want, (number, _, _))| want == *number)
        && bytes > (parts.len() as u64).saturating_sub(1) * PART_BYTES;
    let values: Vec<ChainingValue> = parts.into_iter().map(|(_, _, value)| value).collect();
    let root = split(&values)
        .filter(|_| is_whole)
        .map(|(left, right)| hazmat::merge_subtrees_root(&join(left), &join(right), Mode::Hash));
    Ok(root.map(|root| (BlobId(*root.as_bytes()), bytes)))
}

fn join(values: &[ChainingValue]) -> ChainingValue {
    match split(values) {
        Some((left, right)) => {
            hazmat::merge_subtrees_non_root(&join(left), &join(right), Mode::Hash)
        }
        None => values.first().copied().unwrap_or_default(),
    }
}

/// The left subtree is the largest whole one that leaves something to the right.
fn split(values: &[ChainingValue]) -> Option<(&[ChainingValue], &[ChainingValue])> {
    let half = values.len().next_power_of_two() / 2;
    values
        .split_at_checked(half)
        .filter(|(left, _)| !left.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Open;
    use crate::sys::RealSys;
    use crate::sys::Sys;

    #[test]
    fn parts_hash_as_the_whole_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let part = usize::try_from(PART_BYTES).unwrap();
        let mut bytes = vec![0; 9 * part];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        for len in [
            part + 1,
            2 * part,
            2 * part + 1,
            3 * part - 1,
            5 * part,
            8 * part + 7,
        ] {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let file = RealSys.open(&path, Open::Read).unwrap();
            let want = BlobId(*blake3::hash(&bytes[..len]).as_bytes());
            let found = hash_file(&*file, &mut |_| ()).unwrap();
            assert_eq!(found, Some((want, len as u64)), "{len}");
        }
        for len in [0, 1, part] {
            std::fs::write(&path, &bytes[..len]).unwrap();
            let file = RealSys.open(&path, Open::Read).unwrap();
            assert_eq!(hash_file(&*file, &mut |_| ()).unwrap(), None, "{len}");
        }
    }
}
