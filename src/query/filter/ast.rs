//! A filter as it was read, before anybody has asked what its names mean.
//!
//! `and` and `or` hold all their terms at once, so depth comes from parentheses and `not` alone.
//! Display is the canonical form: it parses back to the same tree.

use std::fmt;

use regex::Regex;
use regex::RegexBuilder;

use super::expression::Calculation;
use super::lexer;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::names::Names;
use super::term::Term;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Test(Box<Test>),
}

impl Expr {
    /// Joins terms by `and`; one that is itself a conjunction is spread out.
    pub(super) fn and(terms: Vec<Self>) -> Self {
        let spread = terms.into_iter().flat_map(|term| match term {
            Self::And(terms) => terms,
            other => vec![other],
        });
        Self::one_or(spread.collect(), Self::And)
    }

    /// Joins terms by `or`, likewise.
    pub(super) fn or(terms: Vec<Self>) -> Self {
        let spread = terms.into_iter().flat_map(|term| match term {
            Self::Or(terms) => terms,
            other => vec![other],
        });
        Self::one_or(spread.collect(), Self::Or)
    }

    /// Adds the values that it asks about, as they are looked up.
    pub(super) fn asked(&self, names: &dyn Names, out: &mut Vec<Calculation>) -> Parsed<()> {
        match self {
            Self::And(terms) | Self::Or(terms) => {
                terms.iter().try_for_each(|term| term.asked(names, out))
            }
            Self::Not(inner) => inner.asked(names, out),
            Self::Test(test) => {
                let absence = test.condition == Condition::Null;
                for term in test.terms().filter(|term| term.value.has_names()) {
                    out.push(Calculation::new(term, names, absence)?);
                }
                Ok(())
            }
        }
    }

    fn one_or(mut terms: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match terms.pop() {
            Some(only) if terms.is_empty() => only,
            last => {
                terms.extend(last);
                join(terms)
            }
        }
    }
}

/// One value and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    pub(super) value: Spanned<Term>,
    /// Whether all values must be there and fail the condition.
    pub(super) negated: bool,
    pub(super) condition: Condition,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Equal(Spanned<Term>),
    /// Never negated: it has an opposite of its own.
    Order(Order, Spanned<Term>),
    In(Vec<Spanned<Term>>),
    Match(Spanned<Pattern>),
    Between(Spanned<Term>, Spanned<Term>),
    Null,
}

impl Test {
    /// Asks whether two values are equal; a literal always comes second.
    pub(super) fn equal(left: Spanned<Term>, right: Spanned<Term>, negated: bool) -> Self {
        let (value, other) = if is_turned(&left, &right) {
            (right, left)
        } else {
            (left, right)
        };
        Self {
            value,
            negated,
            condition: Condition::Equal(other),
        }
    }

    /// Orders two values; a literal always comes second.
    pub(super) fn order(left: Spanned<Term>, order: Order, right: Spanned<Term>) -> Self {
        let (value, condition) = if is_turned(&left, &right) {
            (right, Condition::Order(order.turned(), left))
        } else {
            (left, Condition::Order(order, right))
        };
        Self {
            value,
            negated: false,
            condition,
        }
    }

    /// The values that it is about, the first one first.
    pub(super) fn terms(&self) -> impl Iterator<Item = &Spanned<Term>> {
        let others: Vec<&Spanned<Term>> = match &self.condition {
            Condition::Equal(other) | Condition::Order(_, other) => vec![other],
            Condition::In(items) => items.iter().collect(),
            Condition::Between(low, high) => vec![low, high],
            Condition::Match(_) | Condition::Null => Vec::new(),
        };
        std::iter::once(&self.value).chain(others)
    }
}

fn is_turned(left: &Spanned<Term>, right: &Spanned<Term>) -> bool {
    left.value.is_literal() && !right.value.is_literal()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The same with its sides exchanged.
    pub(super) fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatternKind {
    Like,
    Ilike,
    Regex,
}

impl PatternKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Like => "like",
            Self::Ilike => "ilike",
            Self::Regex => "~",
        }
    }
}

/// A pattern, compiled; equal when written the same.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    kind: PatternKind,
    text: String,
    pub(super) regex: Regex,
}

/// Memory that one pattern may take; a counted repetition can ask for any amount.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Pattern {
    /// Compiles a pattern; of `like` all characters but `%`, `_` and `\` stand for themselves.
    ///
    /// # Errors
    /// What is wrong with it, in the words of the regex crate.
    pub(super) fn new(kind: PatternKind, text: String) -> Result<Self, String> {
        let regex = match kind {
            PatternKind::Regex => build(&text, false),
            PatternKind::Like => build(&like_to_regex(&text), false),
            PatternKind::Ilike => build(&like_to_regex(&text), true),
        };
        match regex {
            Ok(regex) => Ok(Self { kind, text, regex }),
            Err(regex::Error::CompiledTooBig(_)) => Err("the pattern is too large".to_owned()),
            Err(why) => {
                let why = why.to_string();
                let last = why.lines().next_back().unwrap_or_default();
                Err(last.trim_start_matches("error: ").to_owned())
            }
        }
    }
}

fn build(text: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .case_insensitive(ignore_case)
        .size_limit(REGEX_BYTES_MAX)
        .build()
}

fn like_to_regex(text: &str) -> String {
    let mut regex = String::from(r"(?s)\A");
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            // A backslash at the end has nothing to escape and stands for itself.
            '\\' => regex.push_str(&regex::escape(
                chars.next().unwrap_or(c).encode_utf8(&mut [0; 4]),
            )),
            _ => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push_str(r"\z");
    regex
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.text) == (other.kind, &other.text)
    }
}

/// Words that cannot be a name without quotes.
const KEYWORDS: [&str; 16] = [
    "and", "or", "not", "in", "like", "ilike", "between", "is", "null", "true", "false", "nan",
    "inf", "infinity", "now", "where",
];

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word))
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(terms) => join(f, terms, " or ", false),
            Self::And(terms) => join(f, terms, " and ", true),
            Self::Not(inner) => {
                f.write_str("not ")?;
                write_term(f, inner, true)
            }
            Self::Test(test) => write!(f, "{test}"),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, terms: &[Expr], between: &str, tight: bool) -> fmt::Result {
    for (at, term) in terms.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        write_term(f, term, tight)?;
    }
    Ok(())
}

/// Writes a term, in parentheses where its neighbours hold tighter than it does.
fn write_term(f: &mut fmt::Formatter<'_>, term: &Expr, tight: bool) -> fmt::Result {
    if tight && matches!(term, Expr::Or(_) | Expr::And(_)) {
        write!(f, "({term})")
    } else {
        write!(f, "{term}")
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "not " } else { "" };
        write!(f, "{} ", self.value.value)?;
        match &self.condition {
            Condition::Equal(to) => {
                write!(f, "{} {}", if self.negated { "!=" } else { "=" }, to.value)
            }
            Condition::Order(order, to) => write!(f, "{} {}", order.symbol(), to.value),
            Condition::In(items) => {
                write!(f, "{not}in (")?;
                for (at, item) in items.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(f, "{comma}{}", item.value)?;
                }
                f.write_str(")")
            }
            Condition::Match(pattern) => {
                match (pattern.value.kind, self.negated) {
                    (PatternKind::Regex, true) => f.write_str("!~ ")?,
                    (kind, _) => write!(f, "{not}{} ", kind.word())?,
                }
                lexer::write_quoted(f, &pattern.value.text, '\'')
            }
            Condition::Between(low, high) => {
                write!(f, "{not}between {} and {}", low.value, high.value)
            }
            Condition::Null => write!(f, "is {not}null"),
        }
    }
}
