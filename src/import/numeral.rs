//! A number at the start of bytes, where it is plain: what logs are made of.
//!
//! Only what JSON takes for a number, and only if every reader agrees what it is. All else is left
//! to who asks.

use super::flat::Scalar;

/// So many digits fit an `i64`.
const DIGITS_MAX: usize = 18;

/// Reads a number by the grammar of JSON.
///
/// - returns: the number, an integer if it is written as one, and what follows; none if there is
///   no number, or a minus zero, an integer of more than 18 digits or a float that is infinite
#[inline]
pub(super) fn numeral(bytes: &[u8]) -> Option<(Scalar<'static>, &[u8])> {
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let is_negative = unsigned.len() < bytes.len();
    let (integer, whole) = digits(unsigned);
    if whole == 0 || (whole > 1 && unsigned.starts_with(b"0")) {
        return None;
    }
    let mut rest = unsigned.get(whole..)?;
    if !matches!(rest.first(), Some(b'.' | b'e' | b'E')) {
        if whole > DIGITS_MAX || (is_negative && integer == 0) {
            return None;
        }
        let integer = if is_negative { -integer } else { integer };
        return Some((Scalar::Int(integer), rest));
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = after_digits(fraction)?;
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        let sign = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-"));
        rest = after_digits(sign.unwrap_or(exponent))?;
    }
    let text = bytes.get(..bytes.len() - rest.len())?;
    let float: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    float.is_finite().then_some((Scalar::Float(float), rest))
}

/// The integer that the digits at the start are, as far as they fit, and how many there are.
#[inline]
fn digits(bytes: &[u8]) -> (i64, usize) {
    let mut integer = 0_i64;
    let mut count = 0;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        integer = integer.wrapping_mul(10).wrapping_add(i64::from(digit));
        count += 1;
    }
    (integer, count)
}

#[inline]
fn after_digits(bytes: &[u8]) -> Option<&[u8]> {
    let count = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    bytes.get(count..).filter(|_| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeral_is_what_json_says_it_is() {
        arbtest::arbtest(|u| {
            let mut text = String::new();
            for _ in 0..u.int_in_range(1..=24)? {
                let pieces = ["0", "1", "9", "-", "+", ".", "e", "E", "308", "52", "x"];
                text.push_str(u.choose(&pieces)?);
            }
            let Some((number, rest)) = numeral(text.as_bytes()) else {
                return Ok(());
            };
            let read = &text[..text.len() - rest.len()];
            let told: serde_json::Value = serde_json::from_str(read).unwrap();
            let is_int = matches!(number, Scalar::Int(_));
            assert_eq!(told.as_i64().is_some(), is_int, "{read}");
            let value = number.as_f64().unwrap();
            assert_eq!(told.as_f64().unwrap().to_bits(), value.to_bits(), "{read}");
            Ok(())
        });
    }

    #[test]
    fn a_float_reads_as_it_was_printed() {
        arbtest::arbtest(|u| {
            let value: f64 = u.arbitrary()?;
            if value.is_finite() {
                let printed = format!("{value:?},");
                let (number, rest) = numeral(printed.as_bytes()).unwrap();
                assert_eq!(number.as_f64().unwrap().to_bits(), value.to_bits());
                assert_eq!(rest, b",");
            }
            Ok(())
        });
    }

    #[test]
    fn what_readers_may_differ_in_is_left_to_them() {
        for text in [
            "",
            "-",
            "-0",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e400",
            "NaN",
            "1234567890123456789",
        ] {
            assert_eq!(numeral(text.as_bytes()), None, "{text}");
        }
    }
}
