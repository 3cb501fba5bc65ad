//! The filter: which runs are meant, and in which order.
//!
//! `MLflow`'s search grammar is a subset. A text is parsed once ([`Filter::parse`]), its names are
//! settled once against those the store has ([`Filter::resolve`]), and what comes out
//! ([`Predicate`]) asks for values by the number of their field, so that 100,000 runs take
//! milliseconds. Pure: no store, no clock, no files.
//!
//! # Fields
//! - `params.lr` (or `param.`, `parameters.`): a param
//! - `metrics.val/acc` (or `metric.`): the last value of a metric
//! - `min(metrics.loss)`: of `last`, `first`, `min`, `max`, `mean`, `std`, `count`, `nan_count`,
//!   `argmin` and `argmax` (the steps of min and max), `first_step`, `last_step`
//! - `tags.team` (or `tag.`): a tag
//! - `status`, also `attributes.status` (or `attribute.`, `attr.`, `run.`): one of `id`, `name`,
//!   `experiment`, `author`, `status`, `start`, `end`, `duration`, `parent`, `note`, `artifacts`;
//!   `MLflow`'s `run_id`, `run_name`, `user_id`, `start_time`, `created` and `end_time` too
//! - `lr`: an attribute of that name; else a param, metric or tag if just one of the three has it
//!
//! A name runs on over letters, digits and `_ . / - @ :`, so put blanks around a minus. Any other
//! stands in `"` or `` ` `` (after a prefix also `'`): `params."my param"`.
//!
//! A name that no run in the store has is an error with a guess at what was meant, prefix or not:
//! a typing error must not look like an empty answer. Only `is null` and `is not null` may ask for
//! a name, with its prefix, that nobody has.
//!
//! # Conditions
//! `= == != <> < <= > >=`, `in (…)`, `between a and b`, `like` and `ilike` (`%` any text, `_` any
//! character, `\` takes the next as it is), `~` or `=~` (a regular expression found anywhere),
//! `is null`; `not in`, `not between`, `not like`, `not ilike`, `!~`, `is not null`. They join by
//! `and` (`&&`), `or` (`||`), `not` (`!`) and parentheses; `not` binds tightest, `or` least.
//! Keywords and functions in any case.
//!
//! Values: `0.1`, `-1e-3`, `nan`, `inf`; `true`, `false`; text in `'` or `"`, the quote doubled
//! inside; durations `500ms`, `90s`, `5m`, `2h`, `1h30m`, `7d`, `1w`; times `'2024-01-15'`,
//! `'2024-01-15 10:30'`, RFC 3339, with or without quotes, UTC unless they say otherwise, `now`,
//! `now - 7d`.
//!
//! # Meaning
//! - Two-valued: any condition on a value that is not there is false, `!=` and `not in` too. But
//!   `not (params.x = 1)` is true for a run without `x`. NaN equals `nan`, differs from all else,
//!   and has no order.
//! - Types meet as people mean it. A number without quotes is compared with a text that reads as a
//!   number; a quoted one with a number too, so `params.lr = '0.01'` means the number; a quoted
//!   text that is no number is compared with the number's text. Texts compare with quoted texts as
//!   texts. `true` is the text `True` and the number 1. Whole numbers compare exactly.
//! - A list is its JSON text, `'[64, 32]'` however spaced, and never a number.
//! - A time is as long as it is written: `'2024-01-15'` is that day, `10:30` that minute. `=` means
//!   within it, `<` before it, `>` after it; `between` takes in both its days. A plain number is in
//!   milliseconds since 1970, as in `MLflow`.
//! - Durations are seconds wherever a number is wanted.
//! - `id` and `parent` equal their first 8 or more digits. `status` takes `MLflow`'s words too.
//! - `artifacts` has many values: a condition holds if any path passes, a negated one if none does.

mod ast;
mod calc;
mod caret;
mod expression;
mod field;
mod lexer;
mod literal;
mod measure;
mod names;
mod operand;
mod parser;
mod predicate;
mod sort;
mod term;
#[cfg(test)]
mod tests;
mod value;
mod values;

use std::fmt;

use crate::error::Error;
use crate::error::FilterError;
use crate::error::Result;
use crate::limits::TEXT_BYTES_MAX;
use ast::Expr;
pub use expression::Calculation;
pub use expression::Expression;
pub use field::Attribute;
pub use field::Field;
pub use field::NameKind;
pub use field::Stat;
use lexer::Fault;
pub use measure::Function;
pub use measure::Measure;
pub use measure::Weight;
pub use measure::Within;
pub use names::KnownNames;
pub use names::Names;
use parser::Parser;
pub use predicate::Predicate;
pub use sort::SortKey;
pub use term::Leaf;
pub use value::Value;
pub use value::compare_values;

/// A filter that was read. Equal filters ask the same, however they were written.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    expr: Expr,
}

impl Filter {
    /// Reads a filter of at most [`TEXT_BYTES_MAX`] bytes.
    ///
    /// - `now_us`: what `now` means, in microseconds since 1970
    ///
    /// # Errors
    /// [`Error::Filter`] with the place in `text`.
    pub fn parse(text: &str, now_us: i64) -> Result<Self> {
        if text.len() > TEXT_BYTES_MAX {
            let why = format!("has {} bytes, at most {TEXT_BYTES_MAX}", text.len());
            return Err(Error::invalid("filter", why));
        }
        let expr = Parser::new(text, now_us).and_then(Parser::filter);
        Ok(Self {
            expr: expr.map_err(|fault| to_error("filter", text, fault))?,
            text: text.to_owned(),
        })
    }

    /// Decides what its names mean and makes its values ready for their fields.
    ///
    /// # Errors
    /// [`Error::Filter`] for a name that no run has or that two kinds have, and for a value that
    /// its field cannot have.
    pub fn resolve(&self, names: &dyn Names) -> Result<Predicate> {
        Predicate::new(&self.expr, names).map_err(|fault| to_error("filter", &self.text, fault))
    }

    /// Returns the values that it asks about, in its order: whole sides of comparisons.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn asked(&self, names: &dyn Names) -> Result<Vec<Calculation>> {
        let mut asked = Vec::new();
        self.expr
            .asked(names, &mut asked)
            .map_err(|fault| to_error("filter", &self.text, fault))?;
        Ok(asked)
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

/// The canonical form, which parses back to the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

fn to_error(what: &'static str, text: &str, fault: Fault) -> Error {
    Error::Filter(Box::new(FilterError {
        what,
        text: text.to_owned(),
        span: fault.span,
        why: fault.why,
        hint: fault.hint,
    }))
}
