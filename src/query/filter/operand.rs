//! A literal made ready for the values of one field, whatever type a run gives them.
//!
//! All conversions that do not depend on the run are done here, once: a quoted number is parsed,
//! a date becomes a stretch of time, the start of an id a range.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::field::Domain;
use super::lexer::Fault;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::literal::Duration;
use super::literal::Literal;
use super::literal::Number;
use super::literal::Span;
use super::term::Term;
use super::value::Value;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::Status;

/// What a literal is to values of each type.
#[derive(Clone, Debug, Default)]
pub(super) struct Operand {
    /// Set if the literal is text: then a text value is compared as text alone.
    text: Option<Box<str>>,
    /// The text as a param that is a list of these items displays.
    list: Option<Box<str>>,
    bool: Option<bool>,
    number: Option<Number>,
    time: Option<Span>,
    id: Option<IdRange>,
}

impl Operand {
    /// Makes `literal` ready to be compared with the values of `term`.
    ///
    /// # Errors
    /// When none of these can compare with it.
    pub(super) fn new(term: &Term, domain: Domain, literal: &Spanned<Literal>) -> Parsed<Self> {
        let made = match domain {
            Domain::Any | Domain::Tag | Domain::Text | Domain::Paths => {
                Some(Self::any(&literal.value))
            }
            Domain::Bool => bool(&literal.value).map(|value| Self::any(&Literal::Bool(value))),
            Domain::Number => number(&literal.value).map(Self::of_number),
            Domain::Duration => duration(&literal.value).map(Self::of_number),
            Domain::Time => time(&literal.value).map(|time| Self {
                time: Some(time),
                ..Self::default()
            }),
            Domain::Status => status(&literal.value).map(|status| Self {
                text: Some(status.as_str().into()),
                ..Self::default()
            }),
            Domain::Id => id(&literal.value).map(|id| Self {
                id: Some(id),
                ..Self::default()
            }),
        };
        made.ok_or_else(|| mismatch(term, domain, literal))
    }

    fn of_number(number: Number) -> Self {
        Self {
            number: Some(number),
            ..Self::default()
        }
    }

    fn any(literal: &Literal) -> Self {
        match literal {
            Literal::Bool(value) => Self {
                bool: Some(*value),
                ..Self::of_number(Number::Int(i64::from(*value)))
            },
            Literal::Number(value) => Self::of_number(*value),
            Literal::Duration(value) => Self::of_number(Number::Float(value.as_seconds())),
            Literal::Time(value) => Self {
                time: Some(*value),
                ..Self::default()
            },
            Literal::Text(text) => Self {
                text: Some(text.as_str().into()),
                list: list(text),
                bool: parse_bool(text),
                number: Number::parse(text),
                ..Self::default()
            },
        }
    }

    /// Orders a value against the literal; none if they are unlike.
    pub(super) fn compare(&self, value: &Value<'_>) -> Option<Ordering> {
        match value {
            Value::Absent | Value::Texts(_) => None,
            Value::Text(text) => self.compare_text(text),
            Value::Time(time_us) => self.time.map(|time| time.compare(*time_us)),
            Value::Id(id) => self.id.map(|range| range.compare(*id)),
            Value::Bool(value) if self.bool.is_some() => self.bool.map(|bool| value.cmp(&bool)),
            Value::Bool(_) | Value::Number(_) | Value::Int(_) | Value::Duration(_) => {
                match (self.number, &self.text) {
                    (Some(number), _) => value.as_number()?.compare(number),
                    (None, Some(text)) => Some(value.as_text().as_ref().cmp(text)),
                    (None, None) => None,
                }
            }
        }
    }

    fn compare_text(&self, value: &str) -> Option<Ordering> {
        if let Some(text) = &self.text {
            return Some(match &self.list {
                Some(list) if **list == *value => Ordering::Equal,
                _ => value.cmp(text),
            });
        }
        if let Some(bool) = self.bool {
            return parse_bool(value).map(|value| value.cmp(&bool));
        }
        if let Some(number) = self.number {
            return Number::parse(value)?.compare(number);
        }
        self.time
            .and_then(|time| Some(time.compare(Span::parse(value)?.from_us)))
    }

    pub(super) fn equals(&self, value: &Value<'_>) -> bool {
        self.compare(value) == Some(Ordering::Equal)
    }
}

/// Ids whose printed digits start alike: the first and the last of them, as printed numbers.
#[derive(Clone, Copy, Debug)]
struct IdRange {
    first: u128,
    last: u128,
}

/// Fewest digits that stand for a run's id: what tables show.
const ID_DIGITS_MIN: usize = 8;
const ID_DIGITS_MAX: usize = 32;

impl IdRange {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.len();
        let fits = (ID_DIGITS_MIN..=ID_DIGITS_MAX).contains(&digits)
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let head = u128::from_str_radix(text, 16).ok().filter(|_| fits)?;
        let free = 4 * (ID_DIGITS_MAX - digits);
        let first = head << free;
        Some(Self {
            first,
            last: first | ((1 << free) - 1),
        })
    }

    fn compare(self, id: RunId) -> Ordering {
        let printed = id.0.rotate_left(64);
        if printed < self.first {
            Ordering::Less
        } else if printed > self.last {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// What stands after `in`; texts and ids are found without going through all.
#[derive(Clone, Debug)]
pub(super) struct Members {
    texts: HashSet<Box<str>>,
    /// Ascending and apart.
    ids: Vec<IdRange>,
    /// What is not text, and so has to be compared with a text value one by one.
    plain: Vec<Operand>,
    all: Vec<Operand>,
}

impl Members {
    pub(super) fn new(all: Vec<Operand>) -> Self {
        let text = |operand: &Operand| [operand.text.clone(), operand.list.clone()];
        let mut ids: Vec<IdRange> = all.iter().filter_map(|operand| operand.id).collect();
        ids.sort_unstable_by_key(|range| range.first);
        ids.dedup_by(|next, kept| {
            let overlaps = next.first <= kept.last;
            if overlaps {
                kept.last = kept.last.max(next.last);
            }
            overlaps
        });
        Self {
            texts: all.iter().flat_map(text).flatten().collect(),
            ids,
            plain: all
                .iter()
                .filter(|operand| operand.text.is_none())
                .cloned()
                .collect(),
            all,
        }
    }

    pub(super) fn contains(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(text) => {
                self.texts.contains(text.as_ref())
                    || self.plain.iter().any(|operand| operand.equals(value))
            }
            Value::Id(id) => {
                let order = |range: &IdRange| range.compare(*id).reverse();
                self.ids.binary_search_by(order).is_ok()
            }
            _ => self.all.iter().any(|operand| operand.equals(value)),
        }
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The text of a list however it was spaced: `[64, 32]` is the param `[64,32]`.
fn list(text: &str) -> Option<Box<str>> {
    if !text.trim_start().starts_with('[') {
        return None;
    }
    match ParamValue::parse(text.trim_start()) {
        value @ ParamValue::List(_) => Some(value.to_string().into()),
        _ => None,
    }
}

fn number(literal: &Literal) -> Option<Number> {
    match literal {
        Literal::Bool(value) => Some(Number::Int(i64::from(*value))),
        Literal::Number(value) => Some(*value),
        Literal::Duration(value) => Some(Number::Float(value.as_seconds())),
        Literal::Time(_) => None,
        Literal::Text(text) => Number::parse(text),
    }
}

fn duration(literal: &Literal) -> Option<Number> {
    match literal {
        Literal::Bool(_) | Literal::Time(_) => None,
        Literal::Number(value) => Some(*value),
        Literal::Duration(value) => Some(Number::Float(value.as_seconds())),
        Literal::Text(text) => Number::parse(text)
            .or_else(|| Duration::parse(text).map(|value| Number::Float(value.as_seconds()))),
    }
}

fn time(literal: &Literal) -> Option<Span> {
    match literal {
        Literal::Bool(_) | Literal::Duration(_) => None,
        Literal::Number(value) => Span::from_ms(*value),
        Literal::Time(value) => Some(*value),
        Literal::Text(text) => Span::parse(text),
    }
}

fn status(literal: &Literal) -> Option<Status> {
    match literal {
        Literal::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn id(literal: &Literal) -> Option<IdRange> {
    match literal {
        Literal::Text(text) => IdRange::parse(text),
        _ => None,
    }
}

fn bool(literal: &Literal) -> Option<bool> {
    match literal {
        Literal::Bool(value) => Some(*value),
        Literal::Number(value) if *value == Number::Int(0) => Some(false),
        Literal::Number(value) if *value == Number::Int(1) => Some(true),
        Literal::Text(text) => parse_bool(text),
        Literal::Number(_) | Literal::Duration(_) | Literal::Time(_) => None,
    }
}

fn mismatch(term: &Term, domain: Domain, literal: &Spanned<Literal>) -> Fault {
    let hint = match (domain, &literal.value) {
        (Domain::Number, _) => "compare params and tags with text",
        (Domain::Bool, _) => "write true or false",
        (Domain::Duration, _) => "write 90s, 5m, 1.5h, 7d, or seconds: 5400",
        (Domain::Time, Literal::Duration(_)) => "count back from now: now - 7d",
        (Domain::Time, Literal::Number(_)) => "give milliseconds since 1970, or a date",
        (Domain::Time, _) => "write '2024-01-15', '2024-01-15 10:30' or now - 7d",
        (Domain::Status, _) => "write 'running', 'completed', 'failed' or 'unknown'",
        (Domain::Id, Literal::Text(_)) => {
            "give its 32 hex digits or at least the first 8; for fewer use like 'abc%'"
        }
        // These others take any literal.
        (Domain::Id | Domain::Any | Domain::Tag | Domain::Text | Domain::Paths, _) => {
            "put it in quotes"
        }
    };
    let shown = |what: String| what.chars().take(40).collect::<String>();
    let (term, value) = (shown(term.to_string()), shown(literal.value.to_string()));
    let why = format!("{term} is {}, {value} is none", domain.noun());
    Fault::new(literal.span.clone(), why).hint(hint)
}

/// Orders what a run has in two places against each other; none if they are unlike.
///
/// - `numbers`: whether two texts that both read as numbers are meant as these
pub(super) fn compare(a: &Value<'_>, b: &Value<'_>, numbers: bool) -> Option<Ordering> {
    match (a, b) {
        (Value::Absent | Value::Texts(_), _) | (_, Value::Absent | Value::Texts(_)) => None,
        (Value::Text(a), Value::Text(b)) => {
            let both = Number::parse(a).zip(Number::parse(b)).filter(|_| numbers);
            both.map_or_else(|| Some(a.cmp(b)), |(a, b)| a.compare(b))
        }
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (Value::Time(time_us), Value::Text(text)) => {
            Span::parse(text).map(|span| span.compare(*time_us))
        }
        (Value::Id(a), Value::Id(b)) => Some(a.0.rotate_left(64).cmp(&b.0.rotate_left(64))),
        (Value::Id(id), Value::Text(text)) => IdRange::parse(text).map(|ids| ids.compare(*id)),
        (Value::Bool(bool), Value::Text(text)) => parse_bool(text).map(|other| bool.cmp(&other)),
        (_, Value::Text(text)) => a.as_number()?.compare(Number::parse(text)?),
        (Value::Text(_), _) => compare(b, a, numbers).map(Ordering::reverse),
        _ => a.as_number()?.compare(b.as_number()?),
    }
}
