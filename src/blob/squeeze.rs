//! Compression where it pays: Zstandard frames that any `zstd -d` reads.
//!
//! Whether it pays is tried on a sample, for what is compressed already, and weights that are
//! noise, would cost time and give nothing. Level 1: on two cores the others would hold up a put
//! of what compresses more than they save.

use zstd::bulk::Compressor;
use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use crate::codec::Malformed;
use crate::limits::PIECE_BYTES_MAX;

const LEVEL: i32 = 1;
/// Below this a file takes one block of the disk either way.
const BYTES_MIN: usize = 4 << 10;
/// Of each length of this many bytes, so many are tried.
const STRIDE_BYTES: usize = 1 << 20;
const SAMPLE_BYTES: usize = 16 << 10;
/// A small file's sample is not so much of it that the trial costs as much as its writing.
const SAMPLE_SHARE: usize = 4;
/// A frame's header is within these.
pub(super) const HEAD_BYTES: usize = 18;

/// Compresses, keeping its memory.
pub(super) struct Squeezer(Option<Compressor<'static>>);

impl Squeezer {
    pub(super) fn new() -> Self {
        Self(Compressor::new(LEVEL).ok()) // out of memory: then all stays as it is
    }

    /// Whether samples of these bytes become smaller by an eighth.
    pub(super) fn pays(&mut self, bytes: &[u8]) -> bool {
        // From the middle: heads of files are often unlike the rest.
        let sample = |part: &[u8]| {
            let share = (part.len() / SAMPLE_SHARE).max(BYTES_MIN);
            let len = share.min(SAMPLE_BYTES).min(part.len());
            let start = (part.len() - len) / 2;
            start..start + len
        };
        let (mut before, mut after) = (0, 0);
        for part in bytes.chunks(STRIDE_BYTES) {
            let part = part.get(sample(part)).unwrap_or_default();
            before += part.len();
            after += self.frame(part).map_or(part.len(), |frame| frame.len());
        }
        before >= BYTES_MIN && is_worth_it(before, after)
    }

    /// Returns the bytes as a frame, if that is smaller by an eighth.
    pub(super) fn squeeze(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let frame = self.frame(bytes)?;
        (bytes.len() > BYTES_MIN && is_worth_it(bytes.len(), frame.len())).then_some(frame)
    }

    fn frame(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.0.as_mut()?.compress(bytes).ok()
    }
}

fn is_worth_it(before: usize, after: usize) -> bool {
    after <= before - before / 8
}

/// Returns how many bytes a frame that begins so has inside; none if it is no frame of ours.
pub(super) fn plain_len(head: &[u8]) -> Option<usize> {
    let len = zstd_safe::get_frame_content_size(head).ok()??;
    usize::try_from(len)
        .ok()
        .filter(|len| *len <= PIECE_BYTES_MAX)
}

/// Opens a frame.
///
/// # Errors
/// [`Malformed`] if it is none, or larger inside than any that is written here.
pub(super) fn expand(frame: &[u8]) -> Result<Vec<u8>, Malformed> {
    let len =
        plain_len(frame).ok_or_else(|| Malformed::new("no frame that this version writes"))?;
    let mut plain = Vec::with_capacity(len);
    let opened = Decompressor::new().and_then(|mut opener| {
        opener.decompress_to_buffer(frame, &mut plain) // writes no more than the capacity
    });
    opened.map_err(|why| Malformed::new(format!("frame cannot be opened: {why}")))?;
    if plain.len() != len {
        return Err(Malformed::new("frame has other bytes inside than it says"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_pays_and_noise_does_not() {
        let mut noise = vec![0; 3 << 20];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let text: Vec<u8> = (0..100_000)
            .flat_map(|n| format!("{n} loss\n").into_bytes())
            .collect();
        let mut squeezer = Squeezer::new();
        assert!(squeezer.pays(&text) && !squeezer.pays(&noise) && !squeezer.pays(b"short short"));
        let frame = squeezer.squeeze(&text).unwrap();
        assert!(frame.len() < text.len() / 2 && squeezer.squeeze(&noise).is_none());
        assert_eq!(expand(&frame), Ok(text.clone()));
        assert_eq!(plain_len(&frame[..HEAD_BYTES]), Some(text.len()));
        assert_eq!(
            zstd::decode_all(&frame[..]).unwrap(),
            text,
            "as any reader of frames"
        );
    }

    #[test]
    fn frames_that_are_cut_or_too_large_or_more_than_one_are_refused() {
        let zeros = vec![0; PIECE_BYTES_MAX + 1];
        let frame = zstd::bulk::compress(&zeros, 1).unwrap();
        assert!(plain_len(&frame).is_none() && expand(&frame).is_err());
        let frame = zstd::bulk::compress(&zeros[1..], 1).unwrap();
        assert!(expand(&frame).is_ok_and(|plain| plain == zeros[1..]));
        assert!(expand(&frame[..frame.len() - 1]).is_err());
        assert!(expand(&[&frame[..], &frame[..]].concat()).is_err());
        assert!(expand(b"").is_err() && expand(b"no frame").is_err());
    }
}
