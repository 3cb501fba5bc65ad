//! Names that never change: of runs, of writers, of blobs.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::error::Error;

/// Identifies a run: 128 bits, ordered by time of start.
///
/// The high half begins with the start in milliseconds, so keys of the index ascend. It is
/// printed with the random half first, so that 6 to 8 digits name a run, as in git.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u128);

impl RunId {
    /// Builds an id from the start of the run and 80 random (or derived) bits.
    ///
    /// - `start_ms`: milliseconds since 1970; only the low 48 bits are kept, negative is 0
    /// - `bits`: 16 bytes, of which 10 are used
    pub fn new(start_ms: i64, bits: [u8; 16]) -> Self {
        let time = u128::try_from(start_ms.max(0)).unwrap_or(0) & 0xffff_ffff_ffff;
        Self(time << 80 | u128::from_le_bytes(bits) >> 48)
    }

    /// Returns the first two printed digits, which name the journal folder.
    pub fn folder(self) -> String {
        format!("{:02x}", (self.0 >> 56) & 0xff)
    }

    /// Returns the first eight printed digits: what tables show.
    pub fn short(self) -> String {
        format!("{:08x}", (self.0 >> 32) & 0xffff_ffff)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0.rotate_left(64))
    }
}

impl FromStr for RunId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() == 32
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && let Ok(printed) = u128::from_str_radix(text, 16)
        {
            return Ok(Self(printed.rotate_right(64)));
        }
        Err(Error::invalid(
            "run id",
            format!("want 32 hex digits, have {text:?}"),
        ))
    }
}

/// Identifies one writer of a run: 64 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriterId(pub u64);

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Identifies a blob: the BLAKE3 hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// Returns the first two printed digits, which name the blob's folder.
    pub fn folder(self) -> String {
        format!("{:02x}", self.0[0])
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl FromStr for BlobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|why| {
                Error::invalid("blob hash", format!("want 64 hex digits: {why}: {text:?}"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_ascend_with_time_and_print_their_random_half_first() {
        let early = RunId::new(1_700_000_000_000, [0xab; 16]);
        let late = RunId::new(1_700_000_000_001, [0x01; 16]);
        assert!(early < late);
        assert_eq!(early.to_string(), "abababababababab018bcfe56800abab");
        assert_eq!(early.folder(), "ab");
        assert_eq!(early.short(), "abababab");
        assert_eq!(early.to_string().parse::<RunId>().unwrap(), early);
        assert!("abab".parse::<RunId>().is_err());
        assert!("+bababababababab018bcfe56800abab".parse::<RunId>().is_err());
    }
}
