//! Times as text: RFC 3339 in UTC out, what people and programs write in.
//!
//! A time is an `i64` of microseconds since 1970. Text keeps every microsecond: what
//! [`time_to_text`] prints, [`parse_time`] reads as the same number, whatever the year.

use chrono::DateTime;
use chrono::Datelike;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::SecondsFormat;

const MICROS: i64 = 1_000_000;

/// Formats a time as `2024-01-15T10:30:00.123456Z`, with 0, 3 or 6 digits of a second.
///
/// A year that RFC 3339 cannot write (before 0 or past 9999) gives Unix seconds instead.
pub fn time_to_text(us: i64) -> String {
    match DateTime::from_timestamp_micros(us) {
        Some(time) if (0..=9999).contains(&time.year()) => {
            time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
        }
        _ => {
            let sign = if us < 0 { "-" } else { "" };
            let (seconds, micros) = (us / MICROS, us % MICROS);
            format!("{sign}{}.{:06}", seconds.abs(), micros.abs())
        }
    }
}

/// Reads RFC 3339 (`2024-01-15T10:30:00Z`, any offset), to the microsecond.
pub fn time_from_text(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.timestamp_micros())
}

/// Reads a time as people and programs write it.
///
/// RFC 3339, with a space for the `T` too; `2024-01-15 10:30`, with seconds and their fraction or
/// without, and `2024-01-15`, both in UTC; Unix seconds (`1705314600.25`).
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    time_from_text(text)
        .or_else(|| unix_text(text))
        .or_else(|| utc_text(text))
}

/// Turns Unix seconds into a time; none for what is not finite or out of range.
pub fn time_from_seconds(seconds: f64) -> Option<i64> {
    // Whole seconds and the rest apart: a product would round times of today to a quarter of a
    // microsecond, and those of a `Float` step further on.
    let whole = seconds.floor();
    let micros = ((seconds - whole) * 1e6).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked first"
    )]
    if whole.abs() < 9.2e12 {
        (whole as i64)
            .checked_mul(MICROS)?
            .checked_add(micros as i64)
    } else {
        None
    }
}

/// Unix seconds with at most six digits after the point that count; exact, not through a float.
fn unix_text(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    // Counted downwards, for the smallest number has no positive twin.
    let us = whole
        .parse::<i64>()
        .ok()?
        .checked_mul(-MICROS)?
        .checked_sub(micros)?;
    if negative { Some(us) } else { us.checked_neg() }
}

fn utc_text(text: &str) -> Option<i64> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let spaced = text.replacen(' ', "T", 1);
    if let Some(us) = time_from_text(&spaced) {
        return Some(us);
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(&spaced, form) {
            return Some(time.and_utc().timestamp_micros());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_survives_text() {
        for us in [0, -1, 1, i64::MAX, i64::MIN, -62_167_219_200_000_001] {
            assert_eq!(parse_time(&time_to_text(us)), Some(us), "{us}");
        }
        arbtest::arbtest(|u| {
            let us: i64 = u.arbitrary()?;
            let us = us >> (us & 31); // all magnitudes alike
            assert_eq!(parse_time(&time_to_text(us)), Some(us), "{us}");
            Ok(())
        });
        assert_eq!(
            time_to_text(1_705_314_600_123_456),
            "2024-01-15T10:30:00.123456Z"
        );
        assert_eq!(time_to_text(1_705_314_600_000_000), "2024-01-15T10:30:00Z");
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let at = 1_705_314_600_000_000;
        for (text, want) in [
            ("2024-01-15T10:30:00Z", at),
            ("2024-01-15T12:30:00+02:00", at),
            ("2024-01-15 10:30:00+00:00", at),
            ("2024-01-15 10:30:00 UTC", at),
            ("2024-01-15 10:30", at),
            ("2024-01-15T10:30:00", at),
            ("2024-01-15T10:30:00.250001", at + 250_001),
            ("2024-01-15", at - 37_800_000_000),
            ("1705314600", at),
            (" 1705314600.25 ", at + 250_000),
            ("-0.5", -500_000),
        ] {
            assert_eq!(parse_time(text), Some(want), "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "today",
            "2024-13-01",
            "10:30",
            "1e9",
            "99999999999999999",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        assert_eq!(time_from_seconds(1_705_314_600.25), Some(at + 250_000));
        assert_eq!(time_from_seconds(-0.5), Some(-500_000));
        for bad in [f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(time_from_seconds(bad), None);
        }
    }
}
