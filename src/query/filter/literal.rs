//! Values as a filter writes them: numbers, sizes, texts, dates, durations.

use std::cmp::Ordering;
use std::fmt;

use chrono::DateTime;
use chrono::FixedOffset;
use chrono::NaiveDate;
use chrono::NaiveTime;
use chrono::Utc;

use super::field::Domain;
use super::lexer;

/// A whole or real number; whole ones keep all their digits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// Reads a number, blanks around it aside; a whole one beyond `i64` becomes a float.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(int) = text.parse() {
            return Some(Self::Int(int));
        }
        text.parse().ok().map(Self::Float)
    }

    /// Reads a number of bytes: `16KB`, `1.5GiB`, in any case. `K` to `P` count by thousands, `Ki`
    /// to `Pi` by 1,024.
    pub(super) fn parse_size(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let unit = unit.to_ascii_lowercase();
        let prefix = unit.strip_suffix('b')?;
        let (base, power) = match prefix.as_bytes() {
            [] => (1, 0),
            [letter, rest @ ..] => {
                let power = b"kmgtp".iter().position(|known| known == letter)? + 1;
                match rest {
                    [] => (1_000, power),
                    b"i" => (1_024, power),
                    _ => return None,
                }
            }
        };
        let bytes = i64::checked_pow(base, u32::try_from(power).ok()?)?;
        match Self::parse(number)? {
            Self::Int(count) => count.checked_mul(bytes).map(Self::Int),
            Self::Float(count) => Some(Self::Float(count * bytes as f64)),
        }
    }

    pub(super) fn as_float(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Int(value) => value
                .checked_neg()
                .map_or(Self::Float(-(value as f64)), Self::Int),
            Self::Float(value) => Self::Float(-value),
        }
    }

    /// Compares exactly, integers beyond 2^53 too; NaN equals NaN and is unlike all else.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Int(a), Self::Float(b)) => compare_int(a, b),
            (Self::Float(a), Self::Int(b)) => compare_int(b, a).map(Ordering::reverse),
            (Self::Float(a), Self::Float(b)) if a.is_nan() && b.is_nan() => Some(Ordering::Equal),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Some(Ordering::Equal)
    }
}

/// Compares without rounding the integer to a float.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the whole part was checked to be in the range of i64"
)]
fn compare_int(int: i64, float: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0; // 2^63
    if float.is_nan() {
        None
    } else if float >= BEYOND {
        Some(Ordering::Less)
    } else if float < -BEYOND {
        Some(Ordering::Greater)
    } else {
        let rest = 0.0f64.partial_cmp(&float.fract())?;
        Some(int.cmp(&(float.trunc() as i64)).then(rest))
    }
}

/// A stretch of time, both ends included, in microseconds since 1970: `2024-01-15` is a day,
/// `10:30` a minute, a whole second a second, `now` an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from_us: i64,
    pub(super) to_us: i64,
}

const DAY_US: i64 = 86_400_000_000;
const MINUTE_US: i64 = 60_000_000;
const SECOND_US: i64 = 1_000_000;
const MILLISECOND_US: i64 = 1_000;

/// 0001-01-01 and the end of 9999-12-31: years of four digits.
const TIMES_US: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

impl Span {
    /// An instant; none outside the years 1 to 9999.
    pub(super) fn instant(time_us: i64) -> Option<Self> {
        Self::new(time_us, 1)
    }

    fn new(from_us: i64, width_us: i64) -> Option<Self> {
        let to_us = from_us.checked_add(width_us - 1)?;
        let known = TIMES_US.contains(&from_us) && TIMES_US.contains(&to_us);
        known.then_some(Self { from_us, to_us })
    }

    /// A number that stands for a time is in milliseconds since 1970, as in `MLflow`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float beyond i64 saturates and is then out of range"
    )]
    pub(super) fn from_ms(ms: Number) -> Option<Self> {
        match ms {
            Number::Int(ms) => Self::new(ms.checked_mul(MILLISECOND_US)?, MILLISECOND_US),
            Number::Float(ms) if ms.is_nan() => None,
            Number::Float(ms) => Self::instant((ms * 1e3).round() as i64),
        }
    }

    /// Reads a date, a date and time of day, or RFC 3339; UTC unless it says otherwise.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        let midnight = parse_date(date)?.and_time(NaiveTime::MIN);
        let midnight_us = midnight.and_utc().timestamp_micros();
        let Some(clock) = rest.strip_prefix(['T', 't', ' ']) else {
            return rest
                .is_empty()
                .then_some(midnight_us)
                .and_then(|us| Self::new(us, DAY_US));
        };
        let (clock, offset_s) = split_offset(clock.trim_start())?;
        let (clock_us, width_us) = parse_clock(clock.trim_end())?;
        let local_us = midnight_us.checked_add(clock_us)?;
        Self::new(local_us - offset_s * SECOND_US, width_us)
    }

    /// So much later: a day plus days is a day, plus hours the instant so long after it began.
    /// None past the years 1 to 9999.
    pub(super) fn shifted(self, by_us: i64) -> Option<Self> {
        let from_us = self.from_us.checked_add(by_us)?;
        let width_us = self.to_us - self.from_us + 1;
        let is_alike = by_us % width_us == 0;
        Self::new(from_us, if is_alike { width_us } else { 1 })
    }

    /// Where a time lies: before, within, after.
    pub(super) fn compare(self, time_us: i64) -> Ordering {
        if time_us < self.from_us {
            Ordering::Less
        } else if time_us > self.to_us {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

fn digits_at(text: &str, pattern: &str) -> bool {
    let fits = |(c, p): (u8, u8)| {
        if p == b'0' {
            c.is_ascii_digit()
        } else {
            c == p
        }
    };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    digits_at(text, "0000-00-00").then_some(())?;
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// Splits the time zone off a time of day: `Z`, `+02:00`, `+0200`, `+02`, or none.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (clock, offset) = text.split_at_checked(at)?;
    let known = ["+00", "+0000", "+00:00"];
    let unsigned = offset.replacen('-', "+", 1);
    known
        .iter()
        .any(|pattern| digits_at(&unsigned, pattern))
        .then_some(())?;
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = if digits.len() == 2 {
        (number, 0)
    } else {
        (number / 100, number % 100)
    };
    (minutes < 60).then_some(())?;
    let seconds = (hours * 60 + minutes) * 60;
    let signed = if offset.starts_with('-') {
        -seconds
    } else {
        seconds
    };
    FixedOffset::east_opt(signed).map(|_| (clock, i64::from(signed)))
}

/// The time of day in microseconds, and how long a time so written lasts.
fn parse_clock(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(a, b)| (a, Some(b)));
    let width_us = match fraction.map(str::len) {
        None if digits_at(whole, "00:00") => MINUTE_US,
        None if digits_at(whole, "00:00:00") => SECOND_US,
        Some(1..=3) => MILLISECOND_US,
        Some(4..=9) => 1,
        _ => return None,
    };
    let format = if width_us == MINUTE_US {
        "%H:%M"
    } else {
        "%H:%M:%S%.f"
    };
    let clock = NaiveTime::parse_from_str(text, format).ok()?;
    Some(((clock - NaiveTime::MIN).num_microseconds()?, width_us))
}

/// As [`Span::parse`] reads it, in UTC.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(from) = DateTime::<Utc>::from_timestamp_micros(self.from_us) else {
            return write!(f, "{}", self.from_us);
        };
        let format = match self.to_us - self.from_us + 1 {
            DAY_US => "%Y-%m-%d",
            MINUTE_US => "%Y-%m-%dT%H:%MZ",
            SECOND_US => "%Y-%m-%dT%H:%M:%SZ",
            MILLISECOND_US => "%Y-%m-%dT%H:%M:%S%.3fZ",
            _ => "%Y-%m-%dT%H:%M:%S%.6fZ",
        };
        write!(f, "{}", from.format(format))
    }
}

/// Units of durations and their microseconds, the largest first.
const UNITS: [(&str, i64); 7] = [
    ("w", 7 * DAY_US),
    ("d", DAY_US),
    ("h", 60 * MINUTE_US),
    ("m", MINUTE_US),
    ("s", SECOND_US),
    ("ms", MILLISECOND_US),
    ("us", 1),
];

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duration(pub(super) i64);

impl Duration {
    /// Reads `90s`, `1.5h`, `1h30m`, with an optional minus before it all.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut sum_us = 0i128;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let (number, tail) = rest.split_at_checked(digits)?;
            let letters = tail
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at_checked(letters)?;
            sum_us = sum_us.checked_add(part_us(number, unit)?)?;
            rest = tail;
        }
        let sum_us = if negative { -sum_us } else { sum_us };
        let some = text.ends_with(|c: char| c.is_ascii_alphabetic());
        some.then_some(sum_us)?.try_into().ok().map(Self)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range of i64 was checked"
    )]
    pub(super) fn from_seconds(seconds: f64) -> Option<Self> {
        let us = (seconds * 1e6).round();
        (us.abs() < i64::MAX as f64).then_some(Self(us as i64))
    }

    pub(super) fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond i128 saturates and is then out of range"
)]
fn part_us(number: &str, unit: &str) -> Option<i128> {
    let (_, unit_us) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Ok(whole) = number.parse::<i64>() {
        return Some(i128::from(whole) * i128::from(unit_us));
    }
    let us = number.parse::<f64>().ok()? * unit_us as f64;
    Some(us.round() as i128)
}

/// In the largest unit that divides it.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |(_, us): &(&str, i64)| self.0 % us == 0 && (self.0 != 0 || *us == SECOND_US);
        let (unit, us) = UNITS.into_iter().find(divides).unwrap_or(("us", 1));
        write!(f, "{}{unit}", self.0 / us)
    }
}

/// A value as a filter writes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Bool(bool),
    Number(Number),
    Duration(Duration),
    /// A date without quotes, or `now` with what is added to it. One in quotes is still text: only
    /// the field tells.
    Time(Span),
    Text(String),
}

impl Literal {
    /// The kind of value that it is by itself.
    pub(super) fn domain(&self) -> Domain {
        match self {
            Self::Bool(_) => Domain::Bool,
            Self::Number(_) => Domain::Number,
            Self::Duration(_) => Domain::Duration,
            Self::Time(_) => Domain::Time,
            Self::Text(_) => Domain::Text,
        }
    }

    /// Reads what starts with a digit, or with a minus and one.
    pub(super) fn from_digits(text: &str) -> Option<Self> {
        if let Some(number) = Number::parse(text) {
            return Some(Self::Number(number));
        }
        if let Some(duration) = Duration::parse(text) {
            return Some(Self::Duration(duration));
        }
        if let Some(bytes) = Number::parse_size(text) {
            return Some(Self::Number(bytes));
        }
        Span::parse(text).map(Self::Time)
    }
}

/// As it is written in a filter.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(Number::Int(value)) => write!(f, "{value}"),
            Self::Number(Number::Float(value)) => write!(f, "{value:?}"),
            Self::Duration(value) => write!(f, "{value}"),
            Self::Time(value) => write!(f, "{value}"),
            Self::Text(value) => lexer::write_quoted(f, value, '\''),
        }
    }
}
