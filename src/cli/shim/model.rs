//! As `tracker::model`: times as text.

use chrono::DateTime;
use chrono::Utc;

/// Formats a time as `2024-01-15T10:30:00.123456Z`, with 0, 3 or 6 digits of a second.
pub(crate) fn time_to_text(us: i64) -> String {
    match DateTime::<Utc>::from_timestamp_micros(us) {
        Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => us.to_string(),
    }
}

/// Reads a time as people and programs write it.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let seconds = text.parse::<f64>().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "bounded before")]
    (seconds.abs() < 8.2e12).then(|| (seconds * 1e6).round() as i64)
}
