//! What guards a record: its length and a checksum that only checks in its own segment.
//!
//! The checksum is seeded with run, writer and segment number, so a frame of another file, or of
//! what was on a reused block before, never checks. A text that holds a frame of the very segment
//! it is written to is taken for a record if the one around it is damaged: who can write it knows
//! the run and its writer, and could as well log what it says.

use super::files::SegmentId;
use crate::limits::RECORD_ALIGN_BYTES;
use crate::limits::RECORD_BYTES_MAX;

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 8;

/// The header of a record. Integers are little-endian.
///
/// | offset | bytes | field | meaning                                                       |
/// |-------:|------:|-------|---------------------------------------------------------------|
/// |      0 |     4 | `len` | length of the body in bytes, `1..=RECORD_BYTES_MAX`           |
/// |      4 |     4 | `crc` | CRC-32C of the body, begun with the segment's seed xor `len`  |
/// |      8 | `len` | body  | a kind byte, then the fields of that record                   |
///
/// Zero bytes follow up to a multiple of 8, so the header is one aligned word and can be stored
/// last. A header of zeros is the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the body in bytes.
    pub len: u32,
    /// Checksum of the body.
    pub crc: u32,
}

impl Header {
    /// Returns the bytes of the header.
    #[inline]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        (u64::from(self.crc) << 32 | u64::from(self.len)).to_le_bytes()
    }

    /// Reads the bytes of a header.
    #[inline]
    pub fn decode(bytes: [u8; HEADER_BYTES]) -> Self {
        let ([len, crc], _) = bytes.as_chunks::<4>() else {
            return Self { len: 0, crc: 0 };
        };
        Self {
            len: u32::from_le_bytes(*len),
            crc: u32::from_le_bytes(*crc),
        }
    }
}

/// Where the checksums of one segment begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u32);

impl Seed {
    /// Returns the seed of a segment.
    pub fn of(id: &SegmentId) -> Self {
        let crc = crc32c::crc32c(&id.run.0.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &id.writer.0.to_le_bytes());
        Self(crc32c::crc32c_append(crc, &id.seq.to_le_bytes()))
    }

    /// Returns the header of a body of 1 to [`RECORD_BYTES_MAX`] bytes.
    #[inline]
    pub fn header(self, body: &[u8]) -> Header {
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        Header {
            len,
            crc: self.checksum(body),
        }
    }

    /// Returns the checksum of bytes of this segment.
    #[inline]
    pub fn checksum(self, body: &[u8]) -> u32 {
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        crc32c::crc32c_append(self.0 ^ len, body)
    }
}

/// Returns the bytes that a frame with a body of `len` bytes takes.
#[inline]
pub fn frame_bytes(len: usize) -> usize {
    (HEADER_BYTES + len).next_multiple_of(RECORD_ALIGN_BYTES)
}

/// Returns the body of the frame at `offset`, if one stands there whole.
pub fn body_at(bytes: &[u8], offset: usize, seed: Seed) -> Option<&[u8]> {
    let rest = bytes.get(offset..)?;
    let (header, rest) = rest.split_first_chunk::<HEADER_BYTES>()?;
    let header = Header::decode(*header);
    let len = usize::try_from(header.len)
        .ok()
        .filter(|len| (1..=RECORD_BYTES_MAX).contains(len))?;
    let body = rest.get(..len)?;
    (seed.header(body) == header).then_some(body)
}

/// Looks for whole frames behind bytes that are none.
///
/// One for a segment: what it looks through is bounded for the whole of it. Any word may pass for
/// the length of a record, and bytes made to hurt have one at every eighth byte: to sum a record's
/// length for each would take hours.
#[derive(Debug)]
pub struct Search<'a> {
    bytes: &'a [u8],
    seed: Seed,
    end: usize,
    /// Bytes that may still be summed for frames that are longer than [`Self::SHORT_BYTES`].
    budget: u64,
}

impl<'a> Search<'a> {
    /// Random words let each byte be summed about 40 times; this is beyond.
    const SUMS_A_BYTE: u64 = 64;
    /// Frames up to this are always found.
    const SHORT_BYTES: usize = 4_096;

    /// Knows the bytes of a segment.
    pub fn new(bytes: &'a [u8], seed: Seed) -> Self {
        Self {
            bytes,
            seed,
            end: content_end(bytes),
            budget: Self::SUMS_A_BYTE * bytes.len() as u64,
        }
    }

    /// Returns where nothing but zeros follows.
    pub fn content_end(&self) -> usize {
        self.end
    }

    /// Returns where the next whole frame begins at or after `from`, if there is one.
    ///
    /// Beyond a tail there is none: what follows is zero or torn. If there is one, the bytes before
    /// it were damaged.
    pub fn next_frame(&mut self, from: usize) -> Option<usize> {
        let mut at = from.next_multiple_of(RECORD_ALIGN_BYTES);
        while let Some(word) = self.bytes.get(at..).and_then(|rest| rest.first_chunk())
            && at < self.end
        {
            let len = usize::try_from(Header::decode(*word).len).unwrap_or(usize::MAX);
            let is_long = (Self::SHORT_BYTES + 1..=RECORD_BYTES_MAX).contains(&len);
            let cost = if is_long { len as u64 } else { 0 };
            if *word != [0; HEADER_BYTES] && cost <= self.budget {
                if body_at(self.bytes, at, self.seed).is_some() {
                    return Some(at);
                }
                self.budget -= cost;
            }
            at += RECORD_ALIGN_BYTES;
        }
        None
    }
}

/// Returns where the zeros begin that stand behind all else: most of a young segment is made ahead.
fn content_end(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    let (pages, rest) = bytes.as_chunks::<{ ZEROS.len() }>();
    let last = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0);
    let before_rest = bytes.len() - rest.len();
    if let Some(at) = last(rest) {
        return before_rest + at + 1;
    }
    let Some(page) = pages.iter().rposition(|page| *page != ZEROS) else {
        return 0;
    };
    page * ZEROS.len()
        + pages
            .get(page)
            .and_then(|page| last(page))
            .map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SEGMENT_BYTES_MAX;
    use crate::model::RunId;
    use crate::model::WriterId;

    #[test]
    fn golden_bytes() {
        let id = SegmentId {
            run: RunId(1),
            writer: WriterId(2),
            seq: 3,
        };
        let header = Seed::of(&id).header(b"a").encode();
        assert_eq!(
            header,
            [1, 0, 0, 0, 0x41, 0x4a, 0x74, 0xf4],
            "{header:02x?}"
        ); // version 1
        let other = SegmentId { seq: 4, ..id };
        assert_ne!(Seed::of(&other).header(b"a").encode(), header);
    }

    #[test]
    fn a_word_at_each_place_that_passes_for_a_length_takes_no_hours() {
        let id = SegmentId {
            run: RunId(1),
            writer: WriterId(2),
            seq: 3,
        };
        let seed = Seed::of(&id);
        // Each word is the header of a record of the greatest length, with a wrong checksum.
        let word = Header {
            len: u32::try_from(RECORD_BYTES_MAX).unwrap(),
            crc: 1,
        };
        let mut bytes = word.encode().repeat(SEGMENT_BYTES_MAX / HEADER_BYTES);
        let short = bytes.len();
        bytes.extend_from_slice(&seed.header(b"a").encode());
        bytes.extend_from_slice(b"a\0\0\0\0\0\0\0");
        let mut search = Search::new(&bytes, seed);
        assert_eq!(search.next_frame(0), Some(short));
        assert_eq!(search.next_frame(short + 8), None);
        assert!(
            search.budget < u64::from(word.len),
            "that many were looked at"
        );
    }

    #[test]
    fn content_ends_behind_the_last_byte_that_is_not_zero() {
        for len in [0, 1, 4095, 4096, 4097, 3 * 4096 + 5] {
            let mut bytes = vec![0; len];
            assert_eq!(content_end(&bytes), 0);
            for at in [0, 1, len / 2, len.saturating_sub(1)] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = 1;
                    assert_eq!(
                        content_end(&bytes),
                        bytes.iter().rposition(|b| *b != 0).unwrap() + 1
                    );
                }
            }
        }
    }
}
