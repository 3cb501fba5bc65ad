//! Numbers, sizes and times as people read them. Machine formats never go through here.

use chrono::DateTime;
use chrono::Utc;

/// Writes a value with six significant digits: plain near 1, with an exponent far from it.
pub(crate) fn compact(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value.fract().abs() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    // Rounded to six digits first: 0.99999999 has the exponent of 1.
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..9).contains(&exponent) {
        return format!("{}e{exponent}", without_zeros(digits));
    }
    let decimals = usize::try_from(5 - exponent).unwrap_or(0);
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// Writes a value with as many significant digits as find room; with one where none does.
pub(crate) fn within(value: f64, width: usize) -> String {
    let shown = compact(value);
    if !value.is_finite() || shown.len() <= width {
        return shown;
    }
    let mut text = shown;
    for decimals in (0..16_usize).rev() {
        let scientific = format!("{value:.decimals$e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let short = format!("{}e{exponent}", without_zeros(digits));
        // Plain where it is one: 0.069303 rather than 6.9303e-2.
        let after_point = i32::try_from(decimals).unwrap_or(0) - exponent;
        let plain = match usize::try_from(after_point) {
            Ok(decimals) if exponent >= -4 => {
                without_zeros(&format!("{value:.decimals$}")).to_owned()
            }
            _ => short.clone(),
        };
        for written in [plain, short] {
            if written.len() <= width {
                return written;
            }
            text = written;
        }
    }
    text
}

/// Writes a mean with its deviation: two digits of the deviation, and the mean to the same place.
pub(crate) fn spread(mean: f64, std: Option<f64>) -> String {
    let Some(std) = std else {
        return compact(mean);
    };
    let plain = |value: f64| value.abs() >= 1e-4 && value.abs() < 1e9;
    if !mean.is_finite() || std == 0.0 || !plain(std) || !(plain(mean) || mean == 0.0) {
        return format!("{} ± {}", compact(mean), compact(std));
    }
    // Rounded to two digits first: 0.0996 has the exponent of 0.10.
    let scientific = format!("{std:.1e}");
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let decimals = usize::try_from(1 - exponent).unwrap_or(0);
    format!("{mean:.decimals$} ± {std:.decimals$}")
}

/// Writes how far a value is from another, absolute and in per cent, after a blank; nothing where
/// one of them is not finite, and no per cent of zero.
pub(crate) fn change(from: f64, to: f64) -> String {
    let Some((difference, percent)) = changed(from, to) else {
        return String::new();
    };
    let sign = if difference < 0.0 { "" } else { "+" };
    let absolute = format!("{sign}{}", compact(difference));
    match percent {
        Some(percent) => {
            let decimals = usize::from(percent.abs() < 1_000.0);
            format!(" {absolute} ({sign}{percent:.decimals$}%)")
        }
        None => format!(" {absolute}"),
    }
}

/// How far a value is from another, absolute and in per cent of that; none where it is not finite.
pub(crate) fn changed(from: f64, to: f64) -> Option<(f64, Option<f64>)> {
    let difference = to - from;
    let percent = 100.0 * difference / from.abs();
    difference.is_finite().then(|| {
        let percent = percent.is_finite().then_some(percent + 0.0);
        (difference + 0.0, percent)
    })
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// Writes a count with its thousands apart: `1,204,000`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Writes a count with its noun: `1 blob`, `1,204 blobs`.
pub(crate) fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

/// Writes a length in binary units: `512 B`, `1.5 MiB`.
pub(crate) fn bytes(len: u64) -> String {
    let mut value = len as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    match unit {
        "B" => format!("{len} B"),
        _ if value < 99.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// Writes a duration in its two largest units: `0.42s`, `12.3s`, `58m10s`, `1h02m`, `3d04h`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "-".to_owned();
    }
    if seconds < 0.0 {
        return format!("-{}", duration(-seconds));
    }
    if seconds < 9.995 {
        return format!("{seconds:.2}s");
    }
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative here; a cast from a float saturates"
    )]
    let whole = seconds.round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m{:02}s", whole % 60),
        (0, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

/// Writes a duration as short as it is round: `0.5s`, `30s`, `1h30m`, `2d`.
pub(crate) fn short_duration(seconds: f64) -> String {
    if seconds < 0.0 {
        return format!("-{}", short_duration(-seconds));
    }
    if !seconds.is_finite() || seconds < 60.0 {
        return format!("{}s", compact(seconds));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative here; a cast from a float saturates"
    )]
    let mut left = seconds.round() as u64;
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let parts = units.into_iter().filter_map(|(unit, length)| {
        let count = left / length;
        left %= length;
        (count > 0).then(|| format!("{count}{unit}"))
    });
    parts.collect()
}

/// Writes a time in UTC to the minute: `2026-11-23 07:40`.
pub(crate) fn time(time_us: i64) -> String {
    utc(time_us, "%Y-%m-%d %H:%M")
}

/// Writes a time in UTC to the millisecond: `2026-11-23 07:40:12.345`.
pub(crate) fn exact_time(time_us: i64) -> String {
    utc(time_us, "%Y-%m-%d %H:%M:%S%.3f")
}

fn utc(time_us: i64, format: &str) -> String {
    match DateTime::<Utc>::from_timestamp_micros(time_us) {
        Some(time) => time.format(format).to_string(),
        None => format!("{time_us} us"),
    }
}

/// Writes how long ago something was: `just now`, `5m ago`, `3d ago`; beyond 30 days the date.
pub(crate) fn age(time_us: i64, now_us: i64) -> String {
    let seconds = now_us.saturating_sub(time_us) / 1_000_000;
    match seconds {
        i64::MIN..-60 => time(time_us),
        -60..10 => "just now".to_owned(),
        10..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3_600),
        86_400..2_592_000 => format!("{}d ago", seconds / 86_400),
        _ => utc(time_us, "%Y-%m-%d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_room_is_rounded_and_keeps_its_size() {
        for (value, width, want) in [
            (0.069_303_1, 9, "0.0693031"),
            (0.069_303_1, 8, "0.069303"),
            (4.223_59e-5, 8, "4.224e-5"),
            (-1.775_35e305, 8, "-1.8e305"),
            (35_505_844_224.0, 8, "3.551e10"),
            (0.000_316_227_766, 10, "3.16228e-4"),
            (-0.000_693, 6, "-7e-4"),
            (1e-300, 2, "1e-300"),
            (f64::NEG_INFINITY, 2, "-inf"),
        ] {
            assert_eq!(within(value, width), want);
        }
    }

    #[test]
    fn values_keep_six_digits_and_drop_what_says_nothing() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333"),
            (0.312_345_678, "0.312346"),
            (0.999_999_99, "1"),
            (123_456.789, "123457"),
            (1_234_567.8, "1234568"),
            (45_000_000.0, "45000000"),
            (0.000_123_456_78, "0.000123457"),
            (1.5e-5, "1.5e-5"),
            (6.02e23, "6.02e23"),
            (-2.5e-310, "-2.5e-310"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(compact(value), want);
        }
    }

    #[test]
    fn a_mean_is_as_long_as_its_deviation_lets_it_be() {
        for (mean, std, want) in [
            (0.912_345, Some(0.004_16), "0.9123 ± 0.0042"),
            (12.3456, Some(0.996), "12.3 ± 1.0"),
            (1_234.56, Some(250.4), "1235 ± 250"),
            (0.5, Some(0.0), "0.5 ± 0"),
            (0.5, None, "0.5"),
            (1e-7, Some(2e-8), "1e-7 ± 2e-8"),
            (f64::INFINITY, Some(1.0), "inf ± 1"),
            (-0.001, Some(0.02), "-0.001 ± 0.020"),
        ] {
            assert_eq!(spread(mean, std), want);
        }
    }

    #[test]
    fn changes_are_told_absolute_and_in_per_cent_where_there_is_one() {
        for (from, to, want) in [
            (0.5, 0.75, " +0.25 (+50.0%)"),
            (0.5, 0.25, " -0.25 (-50.0%)"),
            (-2.0, -1.0, " +1 (+50.0%)"),
            (0.5, 0.5, " +0 (+0.0%)"),
            (0.001, 1.0, " +0.999 (+99900%)"),
            (0.0, 1.0, " +1"),
            (0.0, 0.0, " +0"),
            (f64::NAN, 1.0, ""),
            (1.0, f64::INFINITY, ""),
        ] {
            assert_eq!(change(from, to), want, "{from} {to}");
        }
    }

    #[test]
    fn sizes_and_counts_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(250 << 20), "250 MiB");
        assert_eq!(bytes(u64::MAX), "16384 PiB");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_204_000), "1,204,000");
        assert_eq!(counted(1, "blob"), "1 blob");
        assert_eq!(counted(0, "blob"), "0 blobs");
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        for (seconds, want) in [
            (0.0, "0.00s"),
            (9.999, "10.0s"),
            (59.96, "1m00s"),
            (3_490.0, "58m10s"),
            (3_725.0, "1h02m"),
            (273_600.0, "3d04h"),
            (-3.0, "-3.00s"),
        ] {
            assert_eq!(duration(seconds), want);
        }
    }

    #[test]
    fn times_are_in_utc() {
        let time_us = 1_705_307_400_250_000;
        assert_eq!(exact_time(time_us), "2024-01-15 08:30:00.250");
        assert_eq!(time(time_us), "2024-01-15 08:30");
        assert_eq!(time(i64::MAX), "9223372036854775807 us");
    }

    #[test]
    fn ages_turn_into_dates_when_old() {
        let now = 1_705_307_400_000_000;
        let ago = |seconds: i64| age(now - seconds * 1_000_000, now);
        assert_eq!(ago(3), "just now");
        assert_eq!(ago(59), "59s ago");
        assert_eq!(ago(7_199), "1h ago");
        assert_eq!(ago(86_400 * 3), "3d ago");
        assert_eq!(ago(86_400 * 40), "2023-12-06");
        assert_eq!(ago(-3_600), "2024-01-15 09:30");
    }
}
