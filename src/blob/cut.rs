//! Where a large blob is cut: at places that its content chooses (`FastCDC`, 2020).
//!
//! Bytes that stand together in two blobs are cut alike in both, wherever they stand, so a changed
//! or inserted part costs itself and about one chunk on each of its sides.
//!
//! Sizes, measured on 1 GiB of noise with 5 % of it changed in place (extra bytes stored):
//!
//! | least / wanted / most KiB, level | mean KiB | 50 places | 200 places |
//! |----------------------------------|---------:|----------:|-----------:|
//! | 64 / 256 / 1,024, 1              |      315 |     7.7 % |     14.8 % |
//! | 16 / 128 / 1,024, 1              |      148 |     6.3 % |      9.6 % |
//! | 32 / 64 / 512, 0 (taken)         |       96 |     5.7 % |      7.9 % |
//! | 16 / 32 / 256, 0                 |       47 |     5.4 % |      6.4 % |
//!
//! Normalized levels make equal sizes and find back late: level 3 of the third row costs 18 % at
//! 200 places. Chunks of this size would be too many for the largest files, so far into a blob
//! they are larger: a manifest is held in memory, and one of half a tebibyte takes 28 MB.
//!
//! Where cuts fall is no part of the format: other sizes read the same and only share less.

use std::ops::Range;

use fastcdc::v2020::FastCDC;
use fastcdc::v2020::Normalization;

use crate::limits::PIECE_BYTES_MAX;

/// Least, wanted and most bytes of a chunk.
struct Sizes {
    least: usize,
    wanted: usize,
    most: usize,
}

const FINE: Sizes = Sizes {
    least: 32 << 10,
    wanted: 64 << 10,
    most: 512 << 10,
};
const COARSE: Sizes = Sizes {
    least: 256 << 10,
    wanted: 512 << 10,
    most: 2 << 20,
};
/// From here into a blob chunks are coarse.
const COARSE_FROM_BYTES: u64 = 8 << 30;

const _: () = assert!(COARSE.most <= PIECE_BYTES_MAX);

/// Returns the first chunk of `bytes`; none where the cut depends on bytes that come later.
///
/// - `start`: where `bytes` begins in the blob
/// - `is_end`: whether the blob ends with them
pub(super) fn first_chunk(bytes: &[u8], start: u64, is_end: bool) -> Option<Range<usize>> {
    let sizes = if start < COARSE_FROM_BYTES {
        FINE
    } else {
        COARSE
    };
    if bytes.is_empty() || (bytes.len() < sizes.most && !is_end) {
        return None;
    }
    let level = Normalization::Level0;
    let mut cutter = FastCDC::with_level(bytes, sizes.least, sizes.wanted, sizes.most, level);
    let end = cutter.next().map_or(bytes.len(), |chunk| chunk.length);
    Some(0..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut output = blake3::Hasher::new().finalize_xof();
        output.fill(&mut bytes);
        bytes
    }

    fn ends(bytes: &[u8]) -> Vec<usize> {
        let mut ends = vec![0];
        while let Some(range) = first_chunk(&bytes[ends[ends.len() - 1]..], 0, true) {
            ends.push(ends[ends.len() - 1] + range.end);
        }
        ends
    }

    #[test]
    fn the_same_bytes_are_cut_where_they_always_were() {
        let all = ends(&noise(1 << 20));
        let want = [
            0, 149_670, 185_714, 220_847, 531_215, 577_236, 624_992, 825_639, 877_118, 1_048_576,
        ];
        assert_eq!(all, want); // else stores of before share nothing with new puts
        let zeros = vec![0; 2 << 20];
        assert!(
            ends(&zeros)
                .windows(2)
                .all(|pair| pair[1] - pair[0] == FINE.most)
        );
    }

    #[test]
    fn inserted_bytes_move_few_cuts() {
        let bytes = noise(8 << 20);
        let mut other = bytes.clone();
        other.splice(1_000_000..1_000_000, [7; 12_345]);
        let (before, after) = (ends(&bytes), ends(&other));
        let kept = before
            .iter()
            .filter(|end| after.contains(end) || after.contains(&(**end + 12_345)));
        assert!(kept.count() + 4 > before.len());
    }

    #[test]
    fn a_cut_waits_for_the_bytes_that_decide_it() {
        let bytes = noise(FINE.most);
        assert_eq!(first_chunk(&bytes[..FINE.most - 1], 0, false), None);
        assert_eq!(first_chunk(&[], 0, true), None);
        assert_eq!(first_chunk(b"x", 0, true), Some(0..1));
        let early = first_chunk(&bytes, 0, false).unwrap();
        assert_eq!(first_chunk(&noise(FINE.most * 2), 0, false), Some(early));
    }
}
