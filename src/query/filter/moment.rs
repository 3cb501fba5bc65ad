//! A moment as people type it: a time as in a filter, or how long before another it was.

use super::literal::Duration;
use super::literal::Literal;
use super::literal::Span;

/// When something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time, as long as it is written: `2024-01-15` is a day. Both ends in microseconds since
    /// 1970, both included.
    At {
        /// Its beginning.
        from_us: i64,
        /// Its end.
        to_us: i64,
    },
    /// So many microseconds before a time that the reader knows; not negative.
    Before(i64),
}

impl Moment {
    /// Reads `2024-01-15`, `2024-01-15 10:30`, RFC 3339 (UTC unless it says otherwise), or a
    /// duration as `90s`, `10m`, `1h30m`, `7d`.
    pub fn parse(text: &str) -> Option<Self> {
        match Literal::from_digits(text.trim())? {
            Literal::Time(Span { from_us, to_us }) => Some(Self::At { from_us, to_us }),
            Literal::Duration(Duration(us)) if us >= 0 => Some(Self::Before(us)),
            // A plain number is many things.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_duration() {
        let minute = Moment::At {
            from_us: 1_705_314_600_000_000,
            to_us: 1_705_314_659_999_999,
        };
        assert_eq!(Moment::parse("2024-01-15 10:30"), Some(minute));
        assert_eq!(Moment::parse("2024-01-15T11:30+01:00"), Some(minute));
        assert_eq!(Moment::parse("1h30m"), Some(Moment::Before(5_400_000_000)));
        for wrong in ["", "10", "-5m", "yesterday", "2024-13-01", "5 parsecs"] {
            assert_eq!(Moment::parse(wrong), None, "{wrong}");
        }
    }
}
