//! The list of chunks that stands for a large blob.

use crate::codec::Malformed;
use crate::limits::PIECE_BYTES_MAX;
use crate::model::BlobId;

/// Begins a manifest; the last byte is the format version.
const MAGIC: [u8; 8] = *b"TRKCHNK\x01";
const HASH_BYTES: usize = 32;
const ENTRY_BYTES: usize = HASH_BYTES + 8;

/// A chunk of a large blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The name of its bytes.
    pub blob: BlobId,
    /// Where it ends in the large blob; it begins where the one before it ends.
    pub end: u64,
}

/// The chunks of a large blob, in order. Integers are little-endian.
///
/// | bytes | field    | meaning                                                              |
/// |------:|----------|----------------------------------------------------------------------|
/// |     8 | magic    | `TRKCHNK`, then the format version                                   |
/// |    40 | piece    | hash of its bytes (32), where it ends in the blob (8); of each chunk |
/// |    32 | checksum | BLAKE3 of the blob's name and all bytes before this                  |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// At least one, each of 1 to [`PIECE_BYTES_MAX`] bytes.
    pub pieces: Vec<Piece>,
}

impl Manifest {
    /// Returns the length of the blob.
    pub fn bytes(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    /// Returns each piece with where it begins.
    pub fn spans(&self) -> impl Iterator<Item = (u64, Piece)> + '_ {
        let starts = std::iter::once(0).chain(self.pieces.iter().map(|piece| piece.end));
        starts.zip(self.pieces.iter().copied())
    }

    /// Lays the manifest of `blob` out.
    pub fn encode(&self, blob: BlobId) -> Vec<u8> {
        let len = MAGIC.len() + self.pieces.len() * ENTRY_BYTES + HASH_BYTES;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&MAGIC);
        for piece in &self.pieces {
            bytes.extend_from_slice(&piece.blob.0);
            bytes.extend_from_slice(&piece.end.to_le_bytes());
        }
        let sum = checksum(blob, &bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }

    /// Reads the manifest of `blob`.
    ///
    /// # Errors
    /// [`Malformed`] if it is none, or of another blob, or its lengths cannot be.
    pub fn decode(blob: BlobId, bytes: &[u8]) -> Result<Self, Malformed> {
        let (body, sum) = bytes
            .split_last_chunk::<HASH_BYTES>()
            .ok_or_else(|| Malformed::new("manifest is cut"))?;
        if *sum != checksum(blob, body) {
            return Err(Malformed::new("checksum of the manifest does not fit"));
        }
        let entries = body
            .strip_prefix(&MAGIC)
            .ok_or_else(|| Malformed::new("no manifest that this version knows"))?;
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        if entries.is_empty() || !rest.is_empty() {
            return Err(Malformed::new("manifest has no whole number of chunks"));
        }
        let mut pieces = Vec::with_capacity(entries.len());
        let mut start = 0;
        for entry in entries {
            let (Some((hash, _)), Some((_, end))) = (
                entry.split_first_chunk::<HASH_BYTES>(),
                entry.split_last_chunk::<8>(),
            ) else {
                continue; // an entry has these 40 bytes
            };
            let (hash, end) = (BlobId(*hash), u64::from_le_bytes(*end));
            let len = end.saturating_sub(start);
            if len == 0 || len > PIECE_BYTES_MAX as u64 {
                return Err(Malformed::new(format!("chunk from {start} to {end}")));
            }
            pieces.push(Piece { blob: hash, end });
            start = end;
        }
        Ok(Self { pieces })
    }
}

/// The name is part of it, so that the manifest of one blob is none of another.
fn checksum(blob: BlobId, body: &[u8]) -> [u8; HASH_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&blob.0).update(body);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(byte: u8, end: u64) -> Piece {
        let blob = BlobId([byte; 32]);
        Piece { blob, end }
    }

    #[test]
    fn golden_bytes() {
        let pieces = vec![piece(1, 3), piece(2, 0x1_0003)];
        let bytes = Manifest { pieces }.encode(BlobId([9; 32]));
        let mut want = b"TRKCHNK\x01".to_vec();
        want.extend([1; 32]);
        want.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        want.extend([2; 32]);
        want.extend([3, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[..88], want); // frozen: version 1
        let sum = blake3::Hash::from_slice(&bytes[88..]).unwrap();
        assert_eq!(
            sum.to_hex().as_str(),
            "48036e3c5efbd5497e1beed01dc6fc4ab67db4d8030cdf1643fbf78010dd0e84"
        );
    }

    #[test]
    fn no_other_bytes_and_no_other_name_are_read_as_it() {
        let name = BlobId([9; 32]);
        let manifest = Manifest {
            pieces: vec![piece(1, 3), piece(2, 8)],
        };
        let bytes = manifest.encode(name);
        assert_eq!(Manifest::decode(name, &bytes).as_ref(), Ok(&manifest));
        assert!(Manifest::decode(BlobId([8; 32]), &bytes).is_err());
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(Manifest::decode(name, &other).is_err(), "at {at}");
            assert!(Manifest::decode(name, &bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_also_when_the_checksum_fits() {
        let name = BlobId([9; 32]);
        let far = PIECE_BYTES_MAX as u64;
        for (ends, is_good) in [
            (&[][..], false),
            (&[0], false),
            (&[far], true),
            (&[far + 1], false),
            (&[5, 5], false),
            (&[5, 4], false),
            (&[5, 5 + far], true),
            (&[u64::MAX], false),
        ] {
            let pieces = ends.iter().map(|end| piece(1, *end)).collect();
            let bytes = Manifest { pieces }.encode(name);
            assert_eq!(Manifest::decode(name, &bytes).is_ok(), is_good, "{ends:?}");
        }
    }
}
