//! By what results are sorted.

use std::cmp::Ordering;
use std::fmt;

use super::expression::Calculation;
use super::lexer::Parsed;
use super::lexer::Token;
use super::names::Names;
use super::parser::Parser;
use super::term::Op;
use super::to_error;
use super::value::Value;
use super::value::compare_values;
use crate::error::Result;

/// A value to sort by, and which way.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// The value.
    pub value: Calculation,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl SortKey {
    /// Reads `metrics.acc desc`, `-metrics.acc`, `-min(metrics.loss)`, `start`,
    /// `-(metrics.val - metrics.train)`; ascending where neither a minus nor `desc` says otherwise.
    /// Names mean what they mean in a filter.
    ///
    /// - `now_us`: what `now` means, in microseconds since 1970
    ///
    /// # Errors
    /// [`Error::Filter`](crate::Error::Filter) with the place in `text`; a name that no run has is
    /// one.
    pub fn parse(text: &str, now_us: i64, names: &dyn Names) -> Result<Self> {
        parse(text, now_us, names).map_err(|fault| to_error("sort key", text, fault))
    }

    /// Orders two runs by their values; absent and NaN last either way.
    pub fn compare(&self, a: &Value<'_>, b: &Value<'_>) -> Ordering {
        compare_values(a, b, self.descending)
    }
}

fn parse(text: &str, now_us: i64, names: &dyn Names) -> Parsed<SortKey> {
    let mut parser = Parser::new(text, now_us)?;
    let minus = parser.take_symbol("-")?;
    let term = if minus {
        parser.product_value()?
    } else {
        parser.value()?
    };
    let is_sum = |symbol| Op::parse(symbol).is_some_and(Op::is_sum);
    if minus && matches!(parser.token.value, Token::Symbol(symbol) if is_sum(symbol)) {
        // `-a + b`: the sum downwards, or upwards by what is less than `b` by `a`?
        return Err(parser
            .want("the end")
            .hint("write -(a + b) for the largest sum first, or b - a"));
    }
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
            .hint("give each value to sort by on its own"));
    }
    Ok(SortKey {
        value: Calculation::new(&term, names, false)?,
        descending,
    })
}

/// As it is parsed.
impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, descending } = self;
        match (descending, value.is_sum()) {
            (true, true) => write!(f, "-({value})"),
            (true, false) => write!(f, "-{value}"),
            (false, _) => write!(f, "{value}"),
        }
    }
}
