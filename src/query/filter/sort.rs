//! By what results are sorted.

use std::cmp::Ordering;
use std::fmt;

use super::field::Field;
use super::lexer::Parsed;
use super::names::Names;
use super::names::resolve_field;
use super::parser::Parser;
use super::to_error;
use super::value::Value;
use super::value::compare_values;
use crate::error::Result;

/// A field to sort by, and which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The field.
    pub field: Field,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl SortKey {
    /// Reads `metrics.acc desc`, `-metrics.acc`, `-min(metrics.loss)`, `start`; ascending where
    /// neither a minus nor `desc` says otherwise. Names mean what they mean in a filter.
    ///
    /// # Errors
    /// [`Error::Filter`](crate::Error::Filter) with the place in `text`; a name that no run has is
    /// one.
    pub fn parse(text: &str, names: &dyn Names) -> Result<Self> {
        parse(text, names).map_err(|fault| to_error("sort key", text, fault))
    }

    /// Orders two runs by what they have in the field; absent and NaN last either way.
    pub fn compare(&self, a: &Value<'_>, b: &Value<'_>) -> Ordering {
        compare_values(a, b, self.descending)
    }
}

fn parse(text: &str, names: &dyn Names) -> Parsed<SortKey> {
    let mut parser = Parser::new(text, 0)?;
    let minus = parser.take_symbol("-")?;
    let field = parser.field()?;
    let descending = minus || parser.take_word("desc")?;
    if !descending {
        parser.take_word("asc")?;
    }
    if !parser.at_end() {
        let want = if minus {
            "the end"
        } else {
            "asc, desc or the end"
        };
        return Err(parser
            .want(want)
            .hint("give each field to sort by on its own"));
    }
    Ok(SortKey {
        field: resolve_field(names, &field, false)?,
        descending,
    })
}

/// As it is parsed.
impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            if self.descending { "-" } else { "" },
            self.field
        )
    }
}
