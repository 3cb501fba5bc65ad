//! One line of `tracker log RUN -`: a JSON object that is one step.
//!
//! Strict, for its writer is there to be told: numbers, null (skipped), true and false (1 and 0)
//! and the words `NaN`, `Infinity`, `-Infinity`, bare or as strings; anything else is an error.
//! Fast, for it is read at the speed of a pipe: use [`parse_into`] with one [`LogLine`], which
//! knows the shapes of the lines before.

use std::fmt::Display;

use super::flat::Flat;
use super::flat::Scalar;
use super::shape::Shape;
use super::shape::Slot;
use crate::error::Error;
use crate::error::Result;
use crate::model::time_from_text;
use crate::model::time_from_unix;
use crate::model::time_from_unix_integer;

/// Shapes that are remembered: a loop prints a few kinds of lines.
const SHAPES_MAX: usize = 4;

/// What one line says. Reuse it: its buffers are kept.
#[derive(Clone, Debug, Default)]
pub struct LogLine {
    /// The number `step`, if there.
    pub step: Option<i64>,
    /// The entry `time`, in microseconds since 1970, if there; what it may be says
    /// [`time_from_unix`].
    pub time_us: Option<i64>,
    flat: Flat,
    slots: Vec<Slot>,
    shapes: Vec<Shape>,
    /// The shape of this line.
    current: usize,
    /// The shape that was learnt last.
    newest: usize,
}

impl LogLine {
    /// Returns metrics and values in the order of the line; names of nested objects join with `/`.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        // Before a line was read there is no shape.
        static NONE: Shape = Shape::EMPTY;
        self.shapes.get(self.current).unwrap_or(&NONE).values()
    }

    /// Reads a line whose shape is known, the one that is expected first.
    fn read_known(&mut self, text: &[u8]) -> bool {
        let expected = self.shapes.get(self.current).map_or(0, |shape| shape.next);
        let others = (0..self.shapes.len()).filter(|&at| at != expected);
        for at in std::iter::once(expected).chain(others) {
            let Some(shape) = self.shapes.get_mut(at) else {
                continue;
            };
            let step_of = |number| step(number).ok()?;
            let time_of = |number| time(number).ok()?;
            if let Some((step, time_us)) = shape.read(text, step_of, time_of) {
                (self.step, self.time_us) = (step, time_us);
                self.go_to(at);
                return true;
            }
        }
        false
    }

    fn go_to(&mut self, at: usize) {
        if let Some(before) = self.shapes.get_mut(self.current) {
            before.next = at;
        }
        self.current = at;
    }

    /// Reads a line by the whole rules, and learns its shape in place of the oldest.
    fn read_any(&mut self, text: &str) -> Result<(), String> {
        (self.step, self.time_us) = (None, None);
        self.slots.clear();
        if self.shapes.len() < SHAPES_MAX {
            self.newest = self.shapes.len();
            self.shapes.push(Shape::default());
        } else {
            self.newest = (self.newest + 1) % SHAPES_MAX;
        }
        self.go_to(self.newest);
        let Some(shape) = self.shapes.get_mut(self.newest) else {
            return Ok(());
        };
        shape.clear();
        self.flat.read(text)?;
        for (name, value) in self.flat.iter() {
            let slot = match (name, value) {
                ("step", _) => {
                    self.step = step(value)?;
                    Slot::Step
                }
                ("time", _) => {
                    self.time_us = time(value)?;
                    let is_text = matches!(value, Scalar::Text(_));
                    if is_text { Slot::TimeText } else { Slot::Time }
                }
                (_, Scalar::Null) => Slot::Null,
                (_, _) => shape.push(name, number(name, value)?),
            };
            self.slots.push(slot);
        }
        shape.learn(text, &self.slots);
        Ok(())
    }
}

/// Reads one line.
///
/// # Errors
/// [`Error::Invalid`] that says what stands where; the caller knows the number of the line.
pub fn parse(text: &str) -> Result<LogLine> {
    let mut line = LogLine::default();
    parse_into(text.as_bytes(), &mut line)?;
    Ok(line)
}

/// Reads one line into `line`, whose content is replaced.
///
/// # Errors
/// As [`parse`], for bytes that are no UTF-8 too; `line` then holds a part.
pub fn parse_into(text: &[u8], line: &mut LogLine) -> Result<()> {
    if line.read_known(text) {
        return Ok(());
    }
    std::str::from_utf8(text)
        .map_err(|why| why.to_string())
        .and_then(|text| line.read_any(text))
        .map_err(|why| Error::invalid("line", why))
}

fn number(name: &str, value: Scalar<'_>) -> Result<f64, String> {
    match value {
        Scalar::Bool(value) => Ok(f64::from(u8::from(value))),
        Scalar::Int(value) => Ok(value as f64),
        Scalar::Float(value) => Ok(value),
        Scalar::Text("NaN") => Ok(f64::NAN),
        Scalar::Text("Infinity") => Ok(f64::INFINITY),
        Scalar::Text("-Infinity") => Ok(f64::NEG_INFINITY),
        Scalar::Text(text) => {
            let start: String = text.chars().take(40).collect();
            Err(format!("{name:?} is text, want a number: {start:?}"))
        }
        Scalar::List => Err(format!("{name:?} is a list, want a number")),
        Scalar::Null => Err(format!("{name:?} is null, want a number")),
    }
}

fn step(value: Scalar<'_>) -> Result<Option<i64>, String> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Int(step) => Ok(Some(step)),
        Scalar::Float(step) => match whole(step) {
            Some(step) => Ok(Some(step)),
            None => Err(format!("step is {step:?}, want a whole number of 64 bits")),
        },
        Scalar::Bool(_) | Scalar::Text(_) | Scalar::List => {
            Err(format!("step is {}, want a whole number", kind(value)))
        }
    }
}

fn time(value: Scalar<'_>) -> Result<Option<i64>, String> {
    let want = "want RFC 3339 (2024-01-15T10:30:00Z) or Unix seconds";
    let out_of_range = |number: &dyn Display| format!("time is out of range, {want}: {number}");
    match value {
        Scalar::Null => Ok(None),
        Scalar::Int(number) => match time_from_unix_integer(number) {
            Some(time_us) => Ok(Some(time_us)),
            None => Err(out_of_range(&number)),
        },
        Scalar::Float(number) => match time_from_unix(number) {
            Some(time_us) => Ok(Some(time_us)),
            None => Err(out_of_range(&format_args!("{number:?}"))),
        },
        Scalar::Text(text) => match time_from_text(text) {
            Some(time_us) => Ok(Some(time_us)),
            None => Err(format!("time is text, {want}: {text:?}")),
        },
        Scalar::Bool(_) | Scalar::List => Err(format!("time is {}, {want}", kind(value))),
    }
}

fn kind(value: Scalar<'_>) -> &'static str {
    match value {
        Scalar::Null => "null",
        Scalar::Bool(_) => "true or false",
        Scalar::Int(_) | Scalar::Float(_) => "a number",
        Scalar::Text(_) => "text",
        Scalar::List => "a list",
    }
}

/// The integer that a float is; none if it has a fraction or floats are too coarse there.
pub(super) fn whole(value: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    (value.fract() == 0.0 && value.abs() <= EXACT_MAX).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_line_is_a_step_a_time_and_numbers() {
        let text = r#"{"step": 3, "loss": 0.31, "val": {"acc": 9e-1, "deep": {"n": 7}},
            "none": null,
            "time": "2024-01-15T10:30:00Z", "ok": true, "x": "NaN", "y": -Infinity, "ä\u00e9": 1}"#;
        let line = parse(text).unwrap();
        assert_eq!(
            (line.step, line.time_us),
            (Some(3), Some(1_705_314_600_000_000))
        );
        let values: Vec<(String, u64)> = line
            .values()
            .map(|(name, value)| (name.to_owned(), value.to_bits()))
            .collect();
        let want = [
            ("loss", 0.31),
            ("val/acc", 0.9),
            ("val/deep/n", 7.0),
            ("ok", 1.0),
            ("x", f64::NAN),
            ("y", f64::NEG_INFINITY),
            ("äé", 1.0),
        ];
        let want: Vec<(String, u64)> = want
            .map(|(name, value)| (name.to_owned(), value.to_bits()))
            .into();
        assert_eq!(values, want);
        let line = parse(r#"{"step": 2.0, "time": 1705314600.25}"#).unwrap();
        assert_eq!(
            (line.step, line.time_us),
            (Some(2), Some(1_705_314_600_250_000))
        );
        assert_eq!(line.values().count(), 0);
        let line = parse(r#"{"time": 1700000100123}"#).unwrap();
        assert_eq!(line.time_us, Some(1_700_000_100_123_000));
    }

    #[test]
    fn what_is_no_number_is_named() {
        for (text, want) in [
            (
                r#"{"loss": "low"}"#,
                "\"loss\" is text, want a number: \"low\"",
            ),
            (r#"{"a": {"b": [1]}}"#, "\"a/b\" is a list, want a number"),
            (
                r#"{"step": 1.5}"#,
                "step is 1.5, want a whole number of 64 bits",
            ),
            (r#"{"step": "3"}"#, "step is text, want a whole number"),
            (r#"{"step": NaN}"#, "step is text, want a whole number"),
            (r#"{"time": "now"}"#, "time is text, want RFC 3339"),
            (r#"{"time": 1e300}"#, "time is out of range"),
            (r#"{"time": 55840000000}"#, "or Unix seconds: 55840000000"),
            (r#"{"time": -1.5}"#, "or Unix seconds: -1.5"),
            (r#"{"time": true}"#, "time is true or false, want RFC 3339"),
            (r#"{"loss": 1"#, "EOF while parsing an object at column 10"),
            (r#"{"loss": 1} x"#, "trailing characters at column 13"),
            ("[1]", "expected a JSON object at column 0"),
            ("", "EOF while parsing a value at column 0"),
        ] {
            let why = parse(text).unwrap_err().to_string();
            assert!(why.contains(want), "{text}: {why}");
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
        let why = parse(&deep).unwrap_err().to_string();
        assert!(why.contains("nests deeper than 64"), "{why}");
    }

    /// The slow way: a tree first, then its leaves.
    fn leaves(object: &Map<String, Value>, prefix: &str, out: &mut Vec<(String, u64)>) {
        for (key, value) in object {
            let name = format!("{prefix}{key}");
            match value {
                Value::Object(inner) => leaves(inner, &format!("{name}/"), out),
                Value::Number(number) => out.push((name, number.as_f64().unwrap().to_bits())),
                Value::Bool(bool) => out.push((name, f64::from(u8::from(*bool)).to_bits())),
                Value::Null => {}
                Value::String(_) | Value::Array(_) => unreachable!(),
            }
        }
    }

    fn object(
        u: &mut arbitrary::Unstructured<'_>,
        depth: u32,
    ) -> arbitrary::Result<Map<String, Value>> {
        let mut map = Map::new();
        for _ in 0..u.int_in_range(0..=4)? {
            let value = match u.int_in_range(0..=5)? {
                0 => Value::from(u.arbitrary::<i64>()?),
                1 => Value::from(u.arbitrary::<f64>()?), // null if not finite
                2 => Value::from(u.arbitrary::<bool>()?),
                3 => Value::from(u.arbitrary::<u64>()?),
                4 => Value::Null,
                _ if depth < 4 => Value::Object(object(u, depth + 1)?),
                _ => Value::from(0),
            };
            let key: String = u.arbitrary()?;
            if key != "step" && key != "time" {
                map.insert(key, value);
            }
        }
        Ok(map)
    }

    #[test]
    fn a_line_reads_as_its_tree_does() {
        let mut line = LogLine::default();
        arbtest::arbtest(|u| {
            let map = object(u, 0)?;
            let mut want = Vec::new();
            leaves(&map, "", &mut want);
            let text = Value::Object(map.clone()).to_string();
            parse_into(text.as_bytes(), &mut line).unwrap();
            let got: Vec<(String, u64)> = line
                .values()
                .map(|(name, value)| (name.to_owned(), value.to_bits()))
                .collect();
            assert_eq!(got, want, "{map:?}");
            Ok(())
        });
    }

    type Told = std::result::Result<(Option<i64>, Option<i64>, Vec<(String, u64)>), String>;

    fn told(read: Result<()>, line: &LogLine) -> Told {
        read.map_err(|why| why.to_string())?;
        let values = line
            .values()
            .map(|(name, value)| (name.to_owned(), value.to_bits()))
            .collect();
        Ok((line.step, line.time_us, values))
    }

    const KINDS: [&str; 7] = [
        "{'step': #, 'loss': #, 'acc': #}",
        "{'step':#,'val':{'a\\u00e9':#,'':{'deep':#}},'time':#}",
        "{'time': '2024-01-15T10:30:0#Z', 'loss': #}",
        "{'loss': NaN, 'up': true, 'none': null, 'x': '-Infinity', 'y\\'': #}",
        "{'step': #, 'step': null, 'a': #, 'a': #, 'time': #, 'time': #}",
        " {'step': null, 'time': '2024-01-15T10:30:00.#+0#:00', NaN: #, '#': -Infinity } ",
        "{'step': #, 'list': [#, #]}",
    ];
    const NUMBERS: [&str; 24] = [
        "0",
        "-1",
        "0.1",
        "-0",
        "-0.0",
        "1e400",
        "-1e-400",
        "1E+5",
        "01",
        "1.",
        "3.0",
        "1705314600",
        "1705314600.25",
        "9007199254740993",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "+1",
        "NaN",
        "null",
        "2.2250738585072011e-308",
        "0.1000000000000000055511151231257827",
        "123456789012345678901234567890e-20",
    ];

    /// A line of a kind; now and then its numbers are odd, or it is broken.
    fn printed(u: &mut arbitrary::Unstructured<'_>, kind: &str) -> arbitrary::Result<String> {
        let is_odd = u.ratio(1, 4)?;
        let mut text = String::new();
        for part in kind.replace('\'', "\"").split_inclusive('#') {
            let number = match u.int_in_range(0..=2)? {
                0 if is_odd => (*u.choose(&NUMBERS)?).to_owned(),
                1 => format!("{}", u.int_in_range(-1_000..=1_000)?),
                _ => u.int_in_range(0..=9)?.to_string(),
            };
            text.push_str(&part.replace('#', &number));
        }
        if u.ratio(1, 8)? {
            let at = text.floor_char_boundary(u.choose_index(text.len() + 1)?);
            let pieces = ["", " ", "}", "\"", ",", "1", "e", "\\", "é", "{", "x"];
            let tail = text.split_off(at);
            text.push_str(u.choose(&pieces)?);
            text.push_str(if u.arbitrary()? { &tail } else { "" });
        }
        Ok(text)
    }

    #[test]
    fn a_line_reads_alike_whatever_came_before_it() {
        let mut known = 0;
        arbtest::arbtest(|u| {
            let mut warm = LogLine::default();
            let kinds = [*u.choose(&KINDS)?, *u.choose(&KINDS)?];
            for _ in 0..u.int_in_range(2..=12)? {
                let kind = *u.choose(&kinds)?;
                let text = printed(u, kind)?;
                let mut fresh = LogLine::default();
                let want = told(parse_into(text.as_bytes(), &mut fresh), &fresh);
                known += u32::from(warm.clone().read_known(text.as_bytes()));
                let got = told(parse_into(text.as_bytes(), &mut warm), &warm);
                assert_eq!(got, want, "{text}");
            }
            Ok(())
        });
        assert!(known > 0, "no line had a known shape");
    }

    #[test]
    fn any_text_is_a_line_or_an_error() {
        let mut line = LogLine::default();
        arbtest::arbtest(|u| {
            let pieces = [
                "{",
                "}",
                "\"",
                "\\",
                ":",
                ",",
                "NaN",
                "-Infinity",
                "1",
                "é",
                "step",
                "[",
                "]",
            ];
            let mut text = String::new();
            for _ in 0..u.int_in_range(0..=20)? {
                text.push_str(u.choose(&pieces)?);
            }
            let _ = parse_into(text.as_bytes(), &mut line);
            let _ = parse_into(u.arbitrary()?, &mut line);
            Ok(())
        });
    }
}
