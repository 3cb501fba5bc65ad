//! The filter: which runs are meant, in which order, and what comes out of what they have.
//!
//! `MLflow`'s search grammar is a subset. A text is parsed once ([`Filter::parse`], or
//! [`Expression::parse_list`] for values alone), its names are settled once against those the
//! store has ([`Filter::resolve`]), and what comes out ([`Predicate`], [`Calculation`]) asks for
//! values by the number of their leaf, so that 100,000 runs take milliseconds. Pure: no store, no
//! clock, no files.
//!
//! ```text
//! metrics.val/acc > 0.9 and params.model = 'resnet18'
//! status = 'failed' and start > now - 7d
//! metrics.val/loss - metrics.train/loss > 0.1 or metrics.val/loss = nan
//! min(metrics.loss where step < 1000) < 0.5 and slope(metrics.loss, 100) > 0
//! end - start > 1h and count(metrics.loss) / duration < 10
//! ```
//!
//! # Fields
//! - `params.lr` (or `param.`, `parameters.`): a param
//! - `metrics.val/acc` (or `metric.`): the last value of a metric
//! - `tags.team` (or `tag.`): a tag
//! - `status`, also `attributes.status` (or `attribute.`, `attr.`, `run.`): one of `id`, `name`,
//!   `experiment`, `author`, `status`, `start`, `end`, `duration`, `parent`, `note`, `artifacts`;
//!   `MLflow`'s `run_id`, `run_name`, `user_id`, `start_time`, `created` and `end_time` too
//! - `attributes.host`, only with its prefix: `reason`, `source`, `command`, `cwd`, `host`, `os`,
//!   `cpu`, `cpu_count`, `git_commit`, `git_branch`, `git_dirty`, and `env.NAME`, a variable that
//!   was captured
//! - `lr`: an attribute of that name; else a param, metric or tag if just one of the three has it
//!
//! A name runs on over letters, digits and `_ . / - @ :`, so put blanks around a minus and a slash.
//! Any other stands in `"` or `` ` `` (after a prefix also `'`): `params."my param"`. A text in `"`
//! that stands alone on the right side of a comparison is a text, as in `MLflow`.
//!
//! A name that no run in the store has is an error with a guess at what was meant, prefix or not:
//! a typing error must not look like an empty answer. Only `is null` and `is not null` may ask for
//! a name, with its prefix, that nobody has.
//!
//! # Functions
//! Of a metric's series, with or without its prefix; points are read by step, then time.
//!
//! | function | what it says | unit |
//! |---|---|---|
//! | `last`, `first` | value at the largest, the smallest step | that of the metric |
//! | `min`, `max`, `mean`, `median` | NaN aside; infinities count | that of the metric |
//! | `std` | deviation of the sample (n - 1), over the finite values | that of the metric |
//! | `count`, `nan_count` | points, NaN included; points that are NaN | points |
//! | `argmin`, `argmax` | first step that has the smallest, the largest value | steps |
//! | `first_step`, `last_step` | smallest, largest step | steps |
//! | `first_nan` | step of the first NaN | steps |
//! | `at(loss, 1000)` | value logged at that step, the last one there | that of the metric |
//! | `auc` | area below the curve by trapezoids, over the finite points | value × steps |
//! | `slope(loss, 100)` | least squares through the last 100 finite points, or all | value a step |
//! | `smooth(loss, 0.9)` | last value of the debiased moving average | that of the metric |
//!
//! Each takes a restriction of the points: `min(loss where step < 1000)`,
//! `mean(loss where step >= 100 and step < 200)`, `last(loss where step between 0 and 99)`,
//! `count(loss where time > now - 1h)`. Without points `count` and `nan_count` are 0 and all else
//! is absent; so is `min` of only NaN, `auc` of one point, `slope` where steps do not differ.
//!
//! # Arithmetic
//! `+`, `-`, `*`, `/`, `%` (the rest has the sign of the left side), a minus before a value, and
//! parentheses; products bind tighter than sums, these tighter than comparisons. On either side of
//! a comparison, in lists and bounds, in sort keys and columns: `params.a = params.b`,
//! `duration / 60 > 5`, `0.1 < metrics.a - metrics.b`. Values are numbers, durations and times:
//! - time - time is a duration; time ± duration a time; duration / duration a number
//! - a duration is seconds where it meets a number: `duration + 60`, `count(loss) / duration`
//! - what a run has as text (params, tags) is the number that it reads as, else absent
//! - what is absent stays absent; a division by zero is infinite or NaN; whole numbers stay exact
//!   within 64 bits
//!
//! # Conditions
//! `= == != <> < <= > >=`, `in (…)`, `between a and b`, `like` and `ilike` (`%` any text, `_` any
//! character, `\` takes the next as it is), `~` or `=~` (a regular expression found anywhere),
//! `is null`; `not in`, `not between`, `not like`, `not ilike`, `!~`, `is not null`. They join by
//! `and` (`&&`), `or` (`||`), `not` (`!`) and parentheses; `not` binds tightest, `or` least.
//! Keywords and functions in any case.
//!
//! Values: `0.1`, `-1e-3`, `nan`, `inf`; `true`, `false`; bytes `16KB` (by thousands), `4MiB` (by
//! 1,024); text in `'` or `"`, the quote doubled inside; durations `500ms`, `90s`, `5m`, `2h`,
//! `1h30m`, `7d`, `1w`; times `'2024-01-15'`, `'2024-01-15 10:30'`, RFC 3339, with or without
//! quotes, UTC unless they say otherwise, `now`, `now - 7d`.
//!
//! # Meaning
//! - Two-valued: any condition that speaks of a value that is not there is false, `!=` and `not in`
//!   too. But `not (params.x = 1)` is true for a run without `x`. NaN equals `nan`, differs from
//!   all else, and has no order.
//! - Types meet as people mean it. A number without quotes is compared with a text that reads as a
//!   number; a quoted one with a number too, so `params.lr = '0.01'` means the number; a quoted
//!   text that is no number is compared with the number's text. Texts compare with quoted texts as
//!   texts, and two params or tags as numbers if both read as such. `true` is the text `True` and
//!   the number 1. Whole numbers compare exactly. What can never be alike is an error.
//! - A list is its JSON text, `'[64, 32]'` however spaced, and never a number.
//! - A time is as long as it is written: `'2024-01-15'` is that day, `10:30` that minute. `=` means
//!   within it, `<` before it, `>` after it; `between` takes in both its days. In arithmetic it is
//!   its beginning. A plain number is in milliseconds since 1970, as in `MLflow`.
//! - Durations are seconds wherever a number is wanted.
//! - `id` and `parent` equal their first 8 or more digits. `status` takes `MLflow`'s words too.
//! - `artifacts` has many values: a condition holds if any path passes, a negated one if none does.
//! - The order of terms does not matter: what is cheap to tell is told first, so that points are
//!   read only of runs that the rest does not decide.

mod ast;
mod calc;
mod caret;
mod expression;
mod field;
mod lexer;
mod literal;
mod measure;
mod moment;
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
pub use moment::Moment;
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
