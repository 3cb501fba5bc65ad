//! One JSON object as names and values in a row, without a tree of values.
//!
//! Nested names join with `/`. The buffers are kept from line to line, so that a stream of a
//! million lines allocates for the longest of them only.
//!
//! Python prints `NaN`, `Infinity` and `-Infinity` bare, which is no JSON. Such a text fails first,
//! is mended and read again: who does not print them pays nothing for it.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;

use super::document::check_prefix;
use crate::limits::NESTING_MAX;

/// A value that is not an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    List,
}

impl Scalar<'_> {
    /// The value of a number.
    #[inline]
    pub(super) fn as_f64(self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::List => None,
        }
    }
}

#[derive(Clone, Debug)]
enum Item {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Range<usize>),
    List,
}

/// The names and values of one object, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Flat {
    text: String,
    items: Vec<(Range<usize>, Item)>,
    prefix: String,
}

impl Flat {
    /// Replaces what is here by the object that `text` is; says why not.
    pub(super) fn read(&mut self, text: &str) -> Result<(), String> {
        let mut parse = |text: &str| {
            let mut json = serde_json::Deserializer::from_str(text);
            self.fill(&mut json)?;
            json.end()
        };
        let Err(why) = parse(text) else {
            return Ok(());
        };
        match quote_bare_non_finite(text).map(|mended| parse(&mended)) {
            Some(Ok(())) => Ok(()),
            Some(Err(why)) => Err(place(&why)),
            None => Err(place(&why)),
        }
    }

    /// Replaces what is here by the object that `source` gives.
    pub(super) fn fill<'de, D: Deserializer<'de>>(&mut self, source: D) -> Result<(), D::Error> {
        self.text.clear();
        self.items.clear();
        self.prefix.clear();
        Fill {
            flat: self,
            depth: 0,
        }
        .deserialize(source)
    }

    /// Returns the names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Scalar<'_>)> {
        self.items.iter().map(|(name, item)| {
            let value = match item {
                Item::Null => Scalar::Null,
                Item::Bool(value) => Scalar::Bool(*value),
                Item::Int(value) => Scalar::Int(*value),
                Item::Float(value) => Scalar::Float(*value),
                Item::Text(range) => Scalar::Text(self.slice(range)),
                Item::List => Scalar::List,
            };
            (self.slice(name), value)
        })
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or("")
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    fn push(&mut self, item: Item) {
        let start = self.text.len();
        self.text.push_str(&self.prefix);
        self.items.push((start..self.text.len(), item));
    }
}

/// Where in the line, in the line's own words: the parser was given no other line.
fn place(why: &serde_json::Error) -> String {
    why.to_string().replace(" at line 1 column ", " at column ")
}

struct Fill<'a> {
    flat: &'a mut Flat,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        if self.depth == 0 {
            source.deserialize_map(self)
        } else {
            source.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.flat.push(Item::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.flat.push(Item::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.flat.push(Item::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.flat
            .push(i64::try_from(value).map_or(Item::Float(value as f64), Item::Int));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.flat.push(Item::Float(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let range = self.flat.keep(value);
        self.flat.push(Item::Text(range));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.flat.push(Item::List);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if self.depth == NESTING_MAX {
            return Err(A::Error::custom(format!("nests deeper than {NESTING_MAX}")));
        }
        check_prefix(&self.flat.prefix).map_err(A::Error::custom)?;
        let outer = self.flat.prefix.len();
        if self.depth > 0 {
            self.flat.prefix.push('/');
        }
        let inner = self.flat.prefix.len();
        while entries.next_key_seed(Key(&mut self.flat.prefix))?.is_some() {
            entries.next_value_seed(Fill {
                flat: &mut *self.flat,
                depth: self.depth + 1,
            })?;
            self.flat.prefix.truncate(inner);
        }
        self.flat.prefix.truncate(outer);
        Ok(())
    }
}

/// Appends a key to the prefix.
struct Key<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.push_str(key);
        Ok(())
    }
}

/// Puts `NaN`, `Infinity` and `-Infinity` in quotes where they stand bare; none if none does.
pub(super) fn quote_bare_non_finite(text: &str) -> Option<String> {
    let mut mended = String::new();
    let mut rest = text;
    let mut found = false;
    let mut in_string = false;
    while let Some(at) = rest.find(['"', '\\', 'N', 'I', '-']) {
        let (before, tail) = rest.split_at(at);
        mended.push_str(before);
        let word = ["NaN", "-Infinity", "Infinity"]
            .into_iter()
            .find(|word| !in_string && tail.starts_with(word));
        let len = if let Some(word) = word {
            found = true;
            mended.push('"');
            mended.push_str(word);
            mended.push('"');
            word.len()
        } else {
            in_string ^= tail.starts_with('"');
            // A backslash takes the next character with it, which may be a quote.
            let width = if tail.starts_with('\\') { 2 } else { 1 };
            let len = tail.chars().take(width).map(char::len_utf8).sum();
            mended.push_str(tail.get(..len).unwrap_or(tail));
            len
        };
        rest = tail.get(len..).unwrap_or("");
    }
    mended.push_str(rest);
    found.then_some(mended)
}

/// A number that JSON has no word for, as programs spell it in a string.
pub(super) fn non_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" | "nan" | ".nan" | ".NaN" => Some(f64::NAN),
        "Infinity" | "inf" | "+inf" | ".inf" => Some(f64::INFINITY),
        "-Infinity" | "-inf" | "-.inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_of_python_are_quoted_outside_strings_only() {
        assert_eq!(
            quote_bare_non_finite(r#"{"NaN": NaN, "a\"": -Infinity, "b": [Infinity, -1]}"#)
                .unwrap(),
            r#"{"NaN": "NaN", "a\"": "-Infinity", "b": ["Infinity", -1]}"#
        );
        assert_eq!(quote_bare_non_finite(r#"{"NaN \" Infinity": -1}"#), None);
    }
}
