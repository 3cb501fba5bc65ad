//! A value on its own: a column of a list, a key to sort by.

use std::fmt;

use super::calc::Calc;
use super::calc::Compiler;
use super::field::Field;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::names::Names;
use super::parser::Parser;
use super::term::Leaf;
use super::term::Name;
use super::term::Term;
use super::to_error;
use super::value::Value;
use crate::error::Error;
use crate::error::Result;
use crate::limits::TEXT_BYTES_MAX;

/// A value that was read: a field, a function of a series, or arithmetic with such.
#[derive(Clone, Debug)]
pub struct Expression {
    /// All that was read, for the places of errors.
    source: String,
    text: String,
    term: Spanned<Term>,
}

impl Expression {
    /// Reads values with commas between them.
    ///
    /// - `now_us`: what `now` means, in microseconds since 1970
    ///
    /// # Errors
    /// [`Error::Filter`] with the place in `text`; [`Error::Invalid`] for a text that is too long.
    pub fn parse_list(text: &str, now_us: i64) -> Result<Vec<Self>> {
        if text.len() > TEXT_BYTES_MAX {
            let why = format!("has {} bytes, at most {TEXT_BYTES_MAX}", text.len());
            return Err(Error::invalid("value", why));
        }
        let terms = parse_list(text, now_us).map_err(|fault| to_error("value", text, fault))?;
        let typed = |term: &Spanned<Term>| text.get(term.span.clone()).unwrap_or_default();
        Ok(terms
            .into_iter()
            .map(|(whole, term)| Self {
                source: text.to_owned(),
                text: typed(&whole).trim().to_owned(),
                term,
            })
            .collect())
    }

    /// Returns it as it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the field that it is, if it is nothing else.
    pub fn as_field(&self) -> Option<&Field> {
        match &self.term.value {
            Term::Name(Name::Known(Leaf::Field(field))) => Some(field),
            _ => None,
        }
    }

    /// Decides what its names mean.
    ///
    /// # Errors
    /// [`Error::Filter`] for a name that no run has or that two kinds have, and for arithmetic
    /// that has no meaning.
    pub fn resolve(&self, names: &dyn Names) -> Result<Calculation> {
        Calculation::new(&self.term, names, false)
            .map_err(|fault| to_error("value", &self.source, fault))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.term == other.term
    }
}

/// The canonical form, which parses back to the same.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.term.value)
    }
}

/// A value whose names are settled: it asks for what it is made of by number.
#[derive(Clone, Debug)]
pub struct Calculation {
    /// All else follows from it.
    term: Term,
    leaves: Vec<Leaf>,
    calc: Calc,
}

impl Calculation {
    pub(super) fn new(term: &Spanned<Term>, names: &dyn Names, absence: bool) -> Parsed<Self> {
        let mut compiler = Compiler::new(names);
        let typed = compiler.value(term, absence)?;
        Ok(Self {
            term: typed.term.value,
            leaves: compiler.leaves,
            calc: typed.calc,
        })
    }

    /// Returns what it looks up, each once.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Returns the field that it is, if it is nothing else.
    pub fn as_field(&self) -> Option<&Field> {
        match &self.term {
            Term::Name(Name::Known(Leaf::Field(field))) => Some(field),
            _ => None,
        }
    }

    pub(super) fn is_sum(&self) -> bool {
        matches!(&self.term, Term::Chain(chain) if chain.is_sum())
    }

    /// Returns what comes out for a run.
    ///
    /// - `value`: what the run has in a leaf, by its number in [`Self::leaves`]
    pub fn value<'a>(&self, value: &mut dyn FnMut(usize) -> Value<'a>) -> Value<'a> {
        self.calc.value(value)
    }
}

impl PartialEq for Calculation {
    fn eq(&self, other: &Self) -> bool {
        self.term == other.term
    }
}

/// A field's.
impl From<Field> for Calculation {
    fn from(field: Field) -> Self {
        let leaf = Leaf::Field(field);
        Self {
            term: Term::Name(Name::Known(leaf.clone())),
            leaves: vec![leaf],
            calc: Calc::Leaf(0),
        }
    }
}

/// As it is written in a filter.
impl fmt::Display for Calculation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.term)
    }
}

/// Reads values, each with the place of all that it was written with.
fn parse_list(text: &str, now_us: i64) -> Parsed<Vec<(Spanned<Term>, Spanned<Term>)>> {
    let mut parser = Parser::new(text, now_us)?;
    let mut terms = Vec::new();
    loop {
        let start = parser.token.span.start;
        let term = parser.value()?;
        let whole = Spanned::new(term.value.clone(), start..parser.token.span.start);
        terms.push((whole, term));
        if !parser.take_symbol(",")? {
            break;
        }
    }
    if !parser.at_end() {
        return Err(parser
            .want("a comma or the end")
            .hint("put blanks and signs of a name in double quotes"));
    }
    Ok(terms)
}
