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

/// Appends words without the zeros at their high end: of each in four bits how many bytes it has,
/// of two words in a byte, and then those bytes of all, little-endian.
pub(crate) fn put_words(words: &[u64], out: &mut Vec<u8>) {
    let len = |word: &u64| 8 - word.leading_zeros() / 8;
    for pair in words.chunks(2) {
        let lens = pair
            .iter()
            .rev()
            .fold(0, |lens, word| lens << 4 | len(word));
        out.push(lens.to_le_bytes()[0]);
    }
    for word in words {
        out.extend(word.to_le_bytes().iter().take(len(word) as usize));
    }
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

    /// Reads what [`put_words`] put.
    pub(crate) fn words<const N: usize>(&mut self) -> Result<[u64; N], Malformed> {
        let mut words = [0; N];
        let lens = self.take(N.div_ceil(2))?;
        let lens = lens.iter().flat_map(|pair| [pair & 0xf, pair >> 4]);
        for (word, len) in words.iter_mut().zip(lens) {
            let mut whole = [0; 8];
            let place = whole.get_mut(..len.into());
            let place = place.ok_or_else(|| Malformed::new(format!("a word of {len} bytes")))?;
            place.copy_from_slice(self.take(len.into())?);
            *word = u64::from_le_bytes(whole);
        }
        Ok(words)
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

/// What [`hex`] was made of.
#[cfg(test)]
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let pair = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_were_put() {
        let mut bytes = Vec::new();
        put_words(&[0, 0x1_00ff, 7], &mut bytes);
        assert_eq!(hex(&bytes), "3001ff000107");
        arbtest::arbtest(|u| {
            let mut words: [u64; 5] = u.arbitrary()?;
            for word in &mut words {
                *word >>= u.int_in_range(0..=63)?;
            }
            let mut bytes = Vec::new();
            put_words(&words, &mut bytes);
            let mut rest = Bytes(&bytes);
            assert_eq!(rest.words(), Ok(words));
            assert!(rest.0.is_empty());
            let mut short = Bytes(&bytes[..bytes.len() - 1]);
            assert!(short.words::<5>().is_err());
            Ok(())
        });
        assert!(Bytes(&[9; 20]).words::<1>().is_err());
    }
}
