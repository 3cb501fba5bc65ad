//! Values to bytes and back: the one door to bincode.
//!
//! Pure: bytes in, a value or [`Malformed`] out. Rare records and footers go through here; points
//! are laid by hand in `journal::record`, for they are many.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::SEGMENT_READ_BYTES_MAX;

/// Why bytes are no value; who owns the file adds path and offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Appends `value` to `out`.
///
/// # Errors
/// [`Malformed`] for a type that bincode cannot write (none of ours).
pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Malformed> {
    bincode::serde::encode_into_std_write(value, out, config())
        .map(drop)
        .map_err(|why| Malformed::new(why.to_string()))
}

/// Reads a value that takes all of `bytes`.
///
/// # Errors
/// [`Malformed`] if the bytes are no such value or more than one; lengths are bounded before
/// memory is reserved.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, config())
        .map_err(|why| Malformed::new(why.to_string()))?;
    if used == bytes.len() {
        Ok(value)
    } else {
        Err(Malformed::new(format!(
            "{} bytes after the value",
            bytes.len() - used
        )))
    }
}

/// No value is longer than the file it stands in.
#[expect(clippy::cast_possible_truncation, reason = "64 MiB")]
const VALUE_BYTES_MAX: usize = SEGMENT_READ_BYTES_MAX as usize;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<VALUE_BYTES_MAX>()
}

/// Reads fixed-size little-endian integers from the front of a slice.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| Malformed::new(format!("want {len} bytes, have {}", self.0.len())))?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| Malformed::new(format!("want {N} bytes, have {}", self.0.len())))?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_le_bytes(self.array()?))
    }
}

/// Bytes as tests freeze them.
#[cfg(test)]
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
