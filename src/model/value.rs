//! Names, params and points.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use serde::de::SeqAccess;
use serde::de::Visitor;

use crate::error::Error;
use crate::limits::LIST_ITEMS_MAX;
use crate::limits::NAME_BYTES_MAX;
use crate::limits::NESTING_MAX;
use crate::limits::TEXT_BYTES_MAX;

/// The name of a metric, param, tag, run or experiment: 1 to [`NAME_BYTES_MAX`] bytes of UTF-8
/// without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is empty, too long or has a control character.
    pub fn new(what: &'static str, text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::invalid(what, "it is empty"));
        }
        if text.len() > NAME_BYTES_MAX {
            let start: String = text.chars().take(24).collect();
            let why = format!(
                "has {} bytes, at most {NAME_BYTES_MAX}: {start:?}…",
                text.len()
            );
            return Err(Error::invalid(what, why));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::invalid(
                what,
                format!("has a control character: {text:?}"),
            ));
        }
        Ok(Self(text.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new("name", &text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The value of a param.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ParamValue {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A real number, kept bit for bit.
    Float(f64),
    /// Text, at most [`TEXT_BYTES_MAX`] bytes.
    Text(String),
    /// Several values in order, at most [`LIST_ITEMS_MAX`].
    List(#[serde(deserialize_with = "shallow_items")] Vec<ParamValue>),
}

/// Reads the items of a list, unless lists nest too deep: bytes that say so would else overflow
/// the stack of whoever reads them.
fn shallow_items<'de, D>(deserializer: D) -> Result<Vec<ParamValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    thread_local! {
        static DEPTH: Cell<usize> = const { Cell::new(0) };
    }
    let depth = DEPTH.get();
    if depth >= NESTING_MAX {
        let why = format!("lists nest deeper than {NESTING_MAX}");
        return Err(serde::de::Error::custom(why));
    }
    DEPTH.set(depth + 1);
    let items = deserializer.deserialize_seq(Items);
    DEPTH.set(depth);
    items
}

/// Takes items as they come: room for as many as a list says it has would be a mebibyte for each of
/// the lists that stand in each other.
struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<ParamValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(values)
    }
}

/// Equal means set to the same: type and bits alike, so that NaN equals itself.
impl PartialEq for ParamValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for ParamValue {}

impl ParamValue {
    /// Checks the bounds of text and lists.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a text or list that is too long, or lists nested too deep.
    pub fn check(&self) -> Result<(), Error> {
        let mut budget = LIST_ITEMS_MAX;
        self.check_within(NESTING_MAX, &mut budget)
    }

    fn check_within(&self, depth: usize, budget: &mut usize) -> Result<(), Error> {
        match self {
            Self::Text(text) if text.len() > TEXT_BYTES_MAX => {
                let why = format!("has {} bytes, at most {TEXT_BYTES_MAX}", text.len());
                Err(Error::invalid("param value", why))
            }
            Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Text(_) => Ok(()),
            Self::List(_) if depth == 0 => Err(Error::invalid(
                "param value",
                format!("lists nest deeper than {NESTING_MAX}"),
            )),
            Self::List(items) => items.iter().try_for_each(|item| {
                *budget = budget.checked_sub(1).ok_or_else(|| {
                    Error::invalid("param value", format!("more than {LIST_ITEMS_MAX} items"))
                })?;
                item.check_within(depth - 1, budget)
            }),
        }
    }

    /// Reads a value as people type it on a command line.
    ///
    /// `true`, `false`, whole and real numbers (`nan`, `inf` too) and `[…]` in JSON are what they
    /// look like; all else, also what stands in double quotes, is text. So is a whole number that
    /// neither type can hold: a seed of 64 bits would become another.
    pub fn parse(text: &str) -> Self {
        match text {
            "true" | "True" => return Self::Bool(true),
            "false" | "False" => return Self::Bool(false),
            _ => {}
        }
        let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            || matches!(text, "nan" | "NaN" | "inf" | "Infinity");
        if numeric {
            if let Ok(int) = text.parse::<i64>() {
                return Self::Int(int);
            }
            if let Ok(float) = text.parse::<f64>() {
                return Self::whole_or_text(text, float);
            }
        }
        if text.starts_with(['[', '"'])
            && let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
        {
            return Self::from_json(&value);
        }
        Self::Text(text.to_owned())
    }

    /// Writes the value as people type it on a command line: as it displays, and in double quotes a
    /// text that would be read as something else.
    pub fn typed(&self) -> String {
        match self {
            Self::Text(text) if Self::parse(text) != *self => {
                serde_json::Value::from(text.as_str()).to_string()
            }
            value => value.to_string(),
        }
    }

    /// Turns a JSON value into a param: null becomes the text `null`, an object inside a list its
    /// JSON text; `NaN`, `Infinity` and `-Infinity`, which JSON cannot write as numbers, become
    /// those numbers.
    pub fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Text("null".to_owned()),
            Value::Bool(bool) => Self::Bool(*bool),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Self::Int(int),
                (None, Some(float)) => Self::whole_or_text(&number.to_string(), float),
                (None, None) => Self::Text(number.to_string()),
            },
            Value::String(text) => match text.as_str() {
                "NaN" => Self::Float(f64::NAN),
                "Infinity" => Self::Float(f64::INFINITY),
                "-Infinity" => Self::Float(f64::NEG_INFINITY),
                _ => Self::Text(text.clone()),
            },
            Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Value::Object(_) => Self::Text(value.to_string()),
        }
    }

    /// Takes a number that is no `i64`: as it is written if it is whole and `float` is not that.
    fn whole_or_text(written: &str, float: f64) -> Self {
        let digits = written.trim_start_matches(['+', '-', '0']);
        let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole && format!("{:.0}", float.abs()) != digits {
            return Self::Text(written.to_owned());
        }
        Self::Float(float)
    }

    /// Turns the value into JSON; non-finite numbers become `"NaN"`, `"Infinity"`, `"-Infinity"`.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Int(int) => Value::from(*int),
            Self::Float(float) => float_to_json(*float),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
        }
    }
}

/// A number as JSON; JSON has no word for the non-finite ones, so they are strings.
pub(crate) fn float_to_json(value: f64) -> serde_json::Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => serde_json::Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// As typed on a command line; text is shown bare.
impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
            Self::List(_) => write!(f, "{}", self.to_json()),
        }
    }
}

/// One value of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Any step; steps may repeat and come in any order.
    pub step: i64,
    /// When it was logged, in microseconds since 1970.
    pub time_us: i64,
    /// Any value, NaN and infinities too, kept bit for bit.
    pub value: f64,
}

/// Equal means the same bits.
impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        let bits = |point: &Self| (point.step, point.time_us, point.value.to_bits());
        bits(self) == bits(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_text_becomes_the_value_it_looks_like() {
        for (text, want) in [
            ("true", ParamValue::Bool(true)),
            ("-3", ParamValue::Int(-3)),
            ("1e-3", ParamValue::Float(0.001)),
            ("0.10", ParamValue::Float(0.1)),
            ("nan", ParamValue::Float(f64::NAN)),
            (
                "9223372036854775808",
                ParamValue::Float(9_223_372_036_854_775_808.0),
            ),
            (
                "18446744073709551615",
                ParamValue::Text("18446744073709551615".into()),
            ),
            (
                "[-9223372036854775809]",
                ParamValue::List(vec![ParamValue::Float(-9_223_372_036_854_775_808.0)]),
            ),
            (
                "[18446744073709551615]",
                ParamValue::List(vec![ParamValue::Text("18446744073709551615".into())]),
            ),
            ("1e30", ParamValue::Float(1e30)),
            ("resnet", ParamValue::Text("resnet".into())),
            ("\"3\"", ParamValue::Text("3".into())),
            ("", ParamValue::Text(String::new())),
            ("infinite", ParamValue::Text("infinite".into())),
            (
                "[1, 2.5]",
                ParamValue::List(vec![ParamValue::Int(1), ParamValue::Float(2.5)]),
            ),
            ("[1, ", ParamValue::Text("[1, ".into())),
        ] {
            assert_eq!(ParamValue::parse(text), want, "{text}");
        }
    }

    #[test]
    fn a_name_is_short_printable_and_not_empty() {
        assert!(Name::new("metric name", "val/acc größe").is_ok());
        assert!(Name::new("metric name", &"n".repeat(NAME_BYTES_MAX)).is_ok());
        for bad in ["", "a\nb", &"n".repeat(NAME_BYTES_MAX + 1)] {
            assert!(matches!(
                Name::new("metric name", bad),
                Err(Error::Invalid { .. })
            ));
        }
    }

    #[test]
    fn lists_are_bounded_in_length_and_depth() {
        let mut deep = ParamValue::Int(0);
        for _ in 0..=NESTING_MAX {
            deep = ParamValue::List(vec![deep]);
        }
        assert!(deep.check().is_err());
        let long = ParamValue::List(vec![ParamValue::Int(0); LIST_ITEMS_MAX + 1]);
        assert!(long.check().is_err());
    }

    #[test]
    fn bytes_of_lists_that_nest_too_deep_are_an_error_and_no_overflow() {
        let nested = |depth: usize| [[4, 1].repeat(depth), vec![0, 1]].concat();
        let decode = |depth| crate::codec::decode::<ParamValue>(&nested(depth));
        let mut want = ParamValue::Bool(true);
        for _ in 0..NESTING_MAX {
            want = ParamValue::List(vec![want]);
        }
        assert_eq!(decode(NESTING_MAX), Ok(want));
        for depth in [NESTING_MAX + 1, 500_000] {
            assert!(decode(depth).is_err(), "{depth}");
        }
        assert!(
            decode(NESTING_MAX).is_ok(),
            "an error leaves no depth behind"
        );
    }
}
