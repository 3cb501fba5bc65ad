//! Times as text: RFC 3339 in UTC out, what people and programs write in.
//!
//! A time is an `i64` of microseconds since 1970. Text keeps every microsecond: what
//! [`time_to_text`] prints, [`parse_time`] reads as the same number, in all years that the calendar
//! knows (262142 before and after our era). What is read from a user is always among these.

use std::ops::Range;

use chrono::DateTime;
use chrono::Datelike;
use chrono::FixedOffset;
use chrono::NaiveDate;
use chrono::NaiveDateTime;
use chrono::SecondsFormat;
use chrono::Utc;

const MICROS: i64 = 1_000_000;
/// The start of the year 2200: later numbers are no seconds, but a finer unit.
const UNIX_SECONDS_MAX: i64 = 7_258_118_400;
/// Dates of September 2001 to 2099: in one unit they are none in another.
const DATE_SECONDS: Range<i64> = 1_000_000_000..4_100_000_000;
/// Milli-, micro- and nanoseconds of a second.
const UNITS: [i64; 3] = [1_000, 1_000_000, 1_000_000_000];

/// Formats a time as `2024-01-15T10:30:00.123456Z`, with 0, 3 or 6 digits of a second.
///
/// A year that RFC 3339 cannot write (before 0 or past 9999) has a sign and six digits, as ISO 8601
/// has it; a time that the calendar does not reach becomes its first or last.
pub fn time_to_text(us: i64) -> String {
    let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    let us = us.clamp(first.timestamp_micros(), last.timestamp_micros());
    let time = DateTime::from_timestamp_micros(us).unwrap_or(last);
    let year = time.year();
    if (0..=9999).contains(&year) {
        return time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    }
    let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let (_, rest) = text
        .trim_start_matches(['+', '-'])
        .split_once('-')
        .unwrap_or_default();
    format!("{year:+07}-{rest}")
}

/// Reads RFC 3339 (`2024-01-15T10:30:00Z`, any offset), to the microsecond; years with a sign too.
pub fn time_from_text(text: &str) -> Option<i64> {
    let time = if text.starts_with(['+', '-']) {
        text.parse().ok()
    } else {
        DateTime::parse_from_rfc3339(text).ok()
    };
    time.map(|time: DateTime<FixedOffset>| time.timestamp_micros())
}

/// Reads a time as people and programs write it.
///
/// RFC 3339, with a space for the `T` too; `2024-01-15 10:30`, with seconds and their fraction or
/// without, and `2024-01-15`, both in UTC; Unix times (`1705314600.25`) as [`time_from_unix`].
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

/// Turns a Unix time into a time: seconds of 1970 to 2200, else the milli-, micro- or nanoseconds
/// of a date of 2001 to 2099; none for what is neither.
pub fn time_from_unix(number: f64) -> Option<i64> {
    if (0.0..=UNIX_SECONDS_MAX as f64).contains(&number) {
        return time_from_seconds(number);
    }
    let mut seconds = UNITS.iter().map(|unit| number / *unit as f64);
    let dates = DATE_SECONDS.start as f64..DATE_SECONDS.end as f64;
    time_from_seconds(seconds.find(|seconds| dates.contains(seconds))?)
}

/// As [`time_from_unix`], exact also beyond what a float holds.
pub fn time_from_unix_integer(number: i64) -> Option<i64> {
    if (0..=UNIX_SECONDS_MAX).contains(&number) {
        return number.checked_mul(MICROS);
    }
    let is_date = |unit: &&i64| DATE_SECONDS.contains(&(number / **unit));
    let unit = UNITS.iter().find(is_date)?;
    let (seconds, part) = (number / unit, number % unit);
    Some(seconds * MICROS + part * (MICROS / 1_000) / (unit / 1_000))
}

/// A Unix time in digits; exact for seconds and whole numbers, not through a float.
fn unix_text(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole.parse().ok()?;
    if whole > UNIX_SECONDS_MAX && !fraction.is_empty() {
        return time_from_unix(text.parse().ok()?);
    }
    let micros: i64 = match whole {
        0..=UNIX_SECONDS_MAX => format!("{fraction:0<6}").get(..6)?.parse().ok()?,
        _ => 0,
    };
    time_from_unix_integer(whole)?.checked_add(micros)
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
    fn every_time_of_the_calendar_survives_text() {
        let ends = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC];
        let [first, last] = ends.map(|end| end.timestamp_micros());
        for us in [0, -1, 1, first, last, -62_167_219_200_000_001] {
            assert_eq!(parse_time(&time_to_text(us)), Some(us), "{us}");
        }
        for (us, want) in [(i64::MIN, first), (i64::MAX, last)] {
            assert_eq!(parse_time(&time_to_text(us)), Some(want), "{us}");
        }
        arbtest::arbtest(|u| {
            let us: i64 = u.arbitrary()?;
            let us = (us >> (us & 31)).clamp(first, last); // all magnitudes alike
            assert_eq!(parse_time(&time_to_text(us)), Some(us), "{us}");
            Ok(())
        });
        for (us, want) in [
            (1_705_314_600_123_456, "2024-01-15T10:30:00.123456Z"),
            (1_705_314_600_000_000, "2024-01-15T10:30:00Z"),
            (253_402_300_800_000_000, "+010000-01-01T00:00:00Z"),
            (-62_198_755_200_000_000, "-000001-01-01T00:00:00Z"),
            (i64::MAX, "+262142-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(time_to_text(us), want);
        }
    }

    #[test]
    fn the_unit_of_a_unix_time_is_told_by_its_size() {
        let at = 1_700_000_100_123_456;
        for (text, want) in [
            ("0", Some(0)),
            ("7258118400", Some(7_258_118_400_000_000)),
            ("1700000100.123456", Some(at)),
            ("1700000100123", Some(at - 456)),
            ("1700000100123.456", Some(at)),
            ("1700000100123456", Some(at)),
            ("1700000100123456000", Some(at)),
            ("7258118401", None),
            ("55840000000", None),
            ("-1", None),
            ("9223372036854775807", None),
            ("9223372036854775808", None),
        ] {
            assert_eq!(parse_time(text), want, "{text}");
            if let Ok(integer) = text.parse() {
                assert_eq!(time_from_unix_integer(integer), want, "{text}");
            }
            let float = time_from_unix(text.parse().unwrap());
            assert_eq!(float, want, "{text}");
        }
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
            ("0.5", 500_000),
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
            "-0.5",
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
