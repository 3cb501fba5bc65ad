//! Values as they are read: fields, functions, literals, and arithmetic between them.
//!
//! A chain holds all operands of one level (`a + b - c`, or `a * b / c`), so depth comes from
//! parentheses and signs alone. A constructor brings each term into the one form that Display
//! writes: a sign before a number is part of it, and a time with durations added is a time.

use std::fmt;

use super::ast::is_keyword;
use super::field::Attribute;
use super::field::Domain;
use super::field::Field;
use super::field::NameKind;
use super::field::Prefix;
use super::field::Stat;
use super::lexer;
use super::lexer::Fault;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::literal::Duration;
use super::literal::Literal;
use super::measure::Function;
use super::measure::Measure;
use super::measure::Within;

/// What is looked up of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leaf {
    /// What the run holds.
    Field(Field),
    /// What takes a look at its points.
    Measure(Box<Measure>),
}

impl Leaf {
    /// A function of a series: a field where a summary answers it.
    pub(super) fn of_series(metric: String, function: Function, within: Within) -> Self {
        match function {
            Function::Stat(stat) if within == Within::ALL => {
                Self::Field(Field::Metric(metric, stat))
            }
            _ => Self::Measure(Box::new(Measure {
                metric,
                function,
                within,
            })),
        }
    }

    /// The name and its kind, unless it is an attribute.
    pub(super) fn named(&self) -> Option<(NameKind, &str)> {
        match self {
            Self::Field(field) => field.named(),
            Self::Measure(measure) => Some((NameKind::Metric, &measure.metric)),
        }
    }

    pub(super) fn domain(&self) -> Domain {
        match self {
            Self::Field(field) => field.domain(),
            Self::Measure(_) => Domain::Number,
        }
    }

    /// What it takes to look it up: 0 in a column of all runs, 1 in rows of the run, 2 in some of
    /// its points, 3 in all that are asked for.
    pub(super) fn cost(&self) -> u8 {
        match self {
            Self::Field(field) => u8::from(field.is_slow()),
            Self::Measure(measure) => match measure.function {
                Function::Stat(Stat::Std)
                | Function::Median
                | Function::Auc
                | Function::Slope(None)
                | Function::Smooth(_) => 3,
                Function::Stat(_) | Function::FirstNan | Function::Slope(Some(_)) => 2,
            },
        }
    }
}

/// What is looked up, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Name {
    Known(Leaf),
    /// A name without a prefix that is no attribute.
    Bare(String),
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Literal(Literal),
    Name(Name),
    Negate(Box<Spanned<Term>>),
    Chain(Box<Chain>),
}

/// Operands of one level, taken from left to right.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) first: Spanned<Term>,
    /// At least one, all sums or all products.
    pub(super) rest: Vec<(Op, Spanned<Term>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Op {
    pub(super) fn parse(symbol: &str) -> Option<Self> {
        match symbol {
            "+" => Some(Self::Add),
            "-" => Some(Self::Subtract),
            "*" => Some(Self::Multiply),
            "/" => Some(Self::Divide),
            "%" => Some(Self::Remainder),
            _ => None,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    pub(super) fn is_sum(self) -> bool {
        matches!(self, Self::Add | Self::Subtract)
    }
}

impl Term {
    /// Puts a minus before a term.
    pub(super) fn negated(term: Spanned<Self>, span: std::ops::Range<usize>) -> Spanned<Self> {
        let negated = match &term.value {
            Self::Literal(Literal::Number(value)) => {
                Some(Self::Literal(Literal::Number(value.negated())))
            }
            Self::Literal(Literal::Duration(Duration(us))) => us
                .checked_neg()
                .map(|us| Self::Literal(Literal::Duration(Duration(us)))),
            _ => None,
        };
        Spanned::new(
            negated.unwrap_or_else(|| Self::Negate(Box::new(term))),
            span,
        )
    }

    /// Joins operands of one level.
    ///
    /// # Errors
    /// If a time and the durations added to it leave the years that can be written.
    pub(super) fn chain(
        first: Spanned<Self>,
        rest: Vec<(Op, Spanned<Self>)>,
    ) -> Parsed<Spanned<Self>> {
        let mut rest = rest.into_iter().peekable();
        let mut first = first;
        // What is added to a time that is written out makes another such time.
        while let Term::Literal(Literal::Time(time)) = &first.value
            && let Some((op, added)) = rest.peek()
            && op.is_sum()
            && let Term::Literal(Literal::Duration(Duration(us))) = &added.value
        {
            let span = first.span.start..added.span.end;
            let us = match op {
                Op::Subtract => us.checked_neg(),
                _ => Some(*us),
            };
            let Some(time) = us.and_then(|us| time.shifted(us)) else {
                return Err(Fault::new(span, "this time is not in the years 1 to 9999"));
            };
            first = Spanned::new(Term::Literal(Literal::Time(time)), span);
            rest.next();
        }
        let Some((op, last)) = rest.peek() else {
            return Ok(first);
        };
        let is_sum = op.is_sum();
        let mut span = first.span.start..last.span.end;
        let mut chain = match first.value {
            Term::Chain(chain) if chain.is_sum() == is_sum => *chain,
            _ => Chain {
                first,
                rest: Vec::new(),
            },
        };
        for (op, operand) in rest {
            span.end = operand.span.end;
            chain.rest.push((op, operand));
        }
        Ok(Spanned::new(Term::Chain(Box::new(chain)), span))
    }

    pub(super) fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Calls `see` with each name in it.
    pub(super) fn names(&self, see: &mut dyn FnMut(&Name)) {
        match self {
            Self::Literal(_) => {}
            Self::Name(name) => see(name),
            Self::Negate(inner) => inner.value.names(see),
            Self::Chain(chain) => {
                chain.first.value.names(see);
                for (_, operand) in &chain.rest {
                    operand.value.names(see);
                }
            }
        }
    }

    pub(super) fn has_names(&self) -> bool {
        let mut any = false;
        self.names(&mut |_| any = true);
        any
    }
}

impl Chain {
    pub(super) fn is_sum(&self) -> bool {
        self.rest.first().is_some_and(|(op, _)| op.is_sum())
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => write!(f, "{field}"),
            Self::Measure(measure) => write!(f, "{measure}"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => write!(f, "{literal}"),
            Self::Name(name) => write!(f, "{name}"),
            Self::Negate(inner) => {
                f.write_str("-")?;
                inner.value.write_inside(f, |_| true)
            }
            Self::Chain(chain) => {
                // The first may be of a level that binds tighter, the others must be.
                let is_sum = chain.is_sum();
                chain
                    .first
                    .value
                    .write_inside(f, |inner| inner && !is_sum)?;
                for (op, operand) in &chain.rest {
                    write!(f, " {} ", op.symbol())?;
                    operand.value.write_inside(f, |inner| inner || !is_sum)?;
                }
                Ok(())
            }
        }
    }
}

impl Term {
    /// Writes it as an operand, in parentheses if it is a chain that `parted` says so of.
    ///
    /// - `parted`: told whether the chain is a sum
    fn write_inside(
        &self,
        f: &mut fmt::Formatter<'_>,
        parted: impl Fn(bool) -> bool,
    ) -> fmt::Result {
        match self {
            Self::Chain(chain) if parted(chain.is_sum()) => write!(f, "({self})"),
            _ => write!(f, "{self}"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(leaf) => write!(f, "{leaf}"),
            Self::Bare(name) if reads_as_bare(name) => f.write_str(name),
            // Between double quotes it would be a text where it stands alone on the right.
            Self::Bare(name) => lexer::write_quoted(f, name, '`'),
        }
    }
}

/// Whether a name without quotes is read as a bare name and as nothing else.
fn reads_as_bare(name: &str) -> bool {
    let prefix = name
        .split_once('.')
        .and_then(|(head, _)| Prefix::parse(head));
    lexer::is_word(name)
        && !is_keyword(name)
        && prefix.is_none()
        && after_now(name).is_none()
        && Attribute::parse(name).is_none()
}

/// The duration of `now-7d` written without blanks.
pub(super) fn after_now(word: &str) -> Option<Duration> {
    let head = word
        .get(..3)
        .filter(|head| head.eq_ignore_ascii_case("now"))?;
    Duration::parse(word.get(head.len()..)?)
}
