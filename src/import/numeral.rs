//! A number at the start of bytes, where it is plain: what logs are made of.
//!
//! Only what JSON takes for a number, and only if every reader agrees what it is. All else is left
//! to who asks.

use super::flat::Scalar;

/// So many digits fit an `i64`.
const DIGITS_MAX: usize = 18;
/// Powers of ten that floats hold exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Integers up to this are floats exactly.
const EXACT_MAX: i64 = 1 << 53;

/// Reads a number by the grammar of JSON.
///
/// - returns: the number, an integer if it is written as one, and what follows; none if there is
///   no number, or a minus zero, an integer of more than 18 digits or a float that is infinite
#[inline]
pub(super) fn numeral(bytes: &[u8]) -> Option<(Scalar<'static>, &[u8])> {
    let (is_negative, unsigned) = match bytes {
        [b'-', unsigned @ ..] => (true, unsigned),
        _ => (false, bytes),
    };
    let (integer, mut rest) = digits(unsigned, 0);
    let whole = unsigned.len() - rest.len();
    if whole == 0 || (whole > 1 && unsigned.first() == Some(&b'0')) {
        return None;
    }
    if !matches!(rest, [b'.' | b'e' | b'E', ..]) {
        let integer = if is_negative {
            integer.wrapping_neg()
        } else {
            integer
        };
        let is_plain = whole <= DIGITS_MAX && !(is_negative && integer == 0);
        return is_plain.then_some((Scalar::Int(integer), rest));
    }
    let (mut decimals, mut decimal) = (0, integer);
    if let [b'.', fraction @ ..] = rest {
        (decimal, rest) = digits(fraction, integer);
        decimals = fraction.len() - rest.len();
        if decimals == 0 {
            return None;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            _ => exponent,
        };
        rest = digits(unsigned, 0).1;
        if rest.len() == unsigned.len() {
            return None;
        }
    } else if whole + decimals <= DIGITS_MAX && decimal <= EXACT_MAX {
        // Two exact floats: their quotient is the float nearest to the number.
        let value = decimal as f64 / POWERS.get(decimals)?;
        let value = if is_negative { -value } else { value };
        return Some((Scalar::Float(value), rest));
    }
    let text = bytes.get(..bytes.len() - rest.len())?;
    let float: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    float.is_finite().then_some((Scalar::Float(float), rest))
}

/// Appends the digits at the start to an integer, which wraps, and returns what follows.
#[inline]
fn digits(mut bytes: &[u8], mut integer: i64) -> (i64, &[u8]) {
    while let [digit @ b'0'..=b'9', rest @ ..] = bytes {
        integer = integer
            .wrapping_mul(10)
            .wrapping_add(i64::from(digit - b'0'));
        bytes = rest;
    }
    (integer, bytes)
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
    fn a_float_is_the_nearest_to_what_was_printed() {
        arbtest::arbtest(|u| {
            let value: f64 = u.arbitrary()?;
            if value.is_finite() {
                let fixed = format!("{:.*},", u.int_in_range(1..=20)?, value % 1e6);
                for printed in [format!("{value:?},"), fixed] {
                    let (number, rest) = numeral(printed.as_bytes()).unwrap();
                    let want: f64 = printed.trim_end_matches(',').parse().unwrap();
                    let got = number.as_f64().unwrap();
                    assert_eq!(got.to_bits(), want.to_bits(), "{printed}");
                    assert_eq!(rest, b",");
                }
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
