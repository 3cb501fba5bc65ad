//! Tokens to a tree: values.
//!
//! ```text
//! sum     = product { (+ | -) product }      product = signed { (* | / | %) signed }
//! signed  = - signed | + number | "(" filter or sum ")" | literal | name
//!         | function "(" name {, number} [ where range { and range } ] ")"
//! range   = (step | time) (cmp literal | between literal and literal)
//! ```

use std::ops::Range;

use super::ast::is_keyword;
use super::field::Attribute;
use super::field::Field;
use super::field::NameKind;
use super::field::Prefix;
use super::field::Stat;
use super::lexer::Fault;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::lexer::Token;
use super::literal::Literal;
use super::literal::Number;
use super::literal::Span;
use super::measure;
use super::measure::Function;
use super::measure::Weight;
use super::measure::Within;
use super::measure::function_names;
use super::names::try_names;
use super::parser::Parser;
use super::parser::Tree;
use super::parser::never_closed;
use super::parser::shown;
use super::term::Leaf;
use super::term::Name;
use super::term::Op;
use super::term::Term;
use super::term::after_now;

impl Parser<'_> {
    /// Reads a value, arithmetic and all.
    pub(super) fn value(&mut self) -> Parsed<Spanned<Term>> {
        let tree = self.sum()?;
        as_value(tree)
    }

    /// Reads a value without sums in it, unless in parentheses.
    pub(super) fn product_value(&mut self) -> Parsed<Spanned<Term>> {
        let tree = self.product()?;
        as_value(tree)
    }

    /// Reads the right side of a comparison: there, as in SQL, double quotes hold a text too.
    pub(super) fn right_side(&mut self) -> Parsed<Spanned<Term>> {
        let Token::Quoted(text, '"') = &self.token.value else {
            return self.value();
        };
        // Within arithmetic it can only be a name.
        let next = self.lexer.clone().next().map(|token| token.value);
        if let Ok(Token::Symbol(symbol)) = next
            && Op::parse(symbol).is_some()
        {
            return self.value();
        }
        let text = Term::Literal(Literal::Text(text.clone()));
        let text = Spanned::new(text, self.token.span.clone());
        self.advance()?;
        Ok(text)
    }

    /// Reads a sum, or what else stands there if no sign follows.
    pub(super) fn sum(&mut self) -> Parsed<Tree> {
        self.chain(true, Self::product)
    }

    fn product(&mut self) -> Parsed<Tree> {
        self.chain(false, Self::signed)
    }

    fn chain(&mut self, sums: bool, inner: fn(&mut Self) -> Parsed<Tree>) -> Parsed<Tree> {
        let first = inner(self)?;
        let Some(mut op) = self.op(sums) else {
            return Ok(first);
        };
        let (first, mut rest) = (as_value(first)?, Vec::new());
        loop {
            self.advance()?;
            rest.push((op, as_value(inner(self)?)?));
            match self.op(sums) {
                Some(next) => op = next,
                None => return Term::chain(first, rest).map(Tree::Value),
            }
        }
    }

    fn op(&self, sums: bool) -> Option<Op> {
        match self.token.value {
            Token::Symbol(symbol) => Op::parse(symbol).filter(|op| op.is_sum() == sums),
            _ => None,
        }
    }

    pub(super) fn signed(&mut self) -> Parsed<Tree> {
        let start = self.token.span.clone();
        let Token::Symbol(sign @ ("-" | "+")) = self.token.value else {
            return self.primary();
        };
        self.advance()?;
        let span = start.start..self.token.span.end;
        let is_number = match self.token.value {
            Token::Number(text) => match Literal::from_digits(&format!("-{text}")) {
                Some(literal) if sign == "-" => {
                    self.advance()?;
                    return Ok(literal_tree(literal, span));
                }
                _ => true,
            },
            Token::Word(word) => is_infinity(word) || word.eq_ignore_ascii_case("nan"),
            _ => false,
        };
        if sign == "+" && !is_number {
            return Err(self.want("a number after +"));
        }
        self.deeper(&start)?;
        let inner = as_value(self.signed()?)?;
        self.depth -= 1;
        let span = start.start..inner.span.end;
        Ok(Tree::Value(match sign {
            "-" => Term::negated(inner, span),
            _ => inner,
        }))
    }

    fn primary(&mut self) -> Parsed<Tree> {
        let span = self.token.span.clone();
        let literal = match self.token.value.clone() {
            Token::Symbol("(") => return self.parenthesis(),
            Token::Number(text) => digits(text, &span)?,
            Token::Quoted(text, '\'') => Literal::Text(text),
            Token::Word(word) => match self.word(word)? {
                Some(literal) => literal,
                None => return self.name_or_function().map(Tree::Value),
            },
            Token::Quoted(..) | Token::Dotted(..) => {
                return self.name_or_function().map(Tree::Value);
            }
            Token::Symbol(_) | Token::End => return Err(self.want("a value")),
        };
        self.advance()?;
        Ok(literal_tree(literal, span))
    }

    /// The literal that a word is, if it is one.
    fn word(&self, word: &str) -> Parsed<Option<Literal>> {
        Ok(Some(match word.to_ascii_lowercase().as_str() {
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            "nan" => Literal::Number(Number::Float(f64::NAN)),
            "inf" | "infinity" => Literal::Number(Number::Float(f64::INFINITY)),
            "null" => return Err(self.want("a value").hint("write: is null, is not null")),
            lower if is_keyword(lower) && lower != "now" => {
                let hint = format!("put it in double quotes to mean a name: \"{word}\"");
                return Err(self.want("a value").hint(hint));
            }
            lower => {
                let Some(shift) = after_now(word).or((lower == "now").then_some(NO_TIME)) else {
                    return Ok(None);
                };
                let time = self.now_us.checked_add(shift.0).and_then(Span::instant);
                let out = "this time is not in the years 1 to 9999";
                Literal::Time(time.ok_or_else(|| Fault::new(self.token.span.clone(), out))?)
            }
        }))
    }

    fn parenthesis(&mut self) -> Parsed<Tree> {
        let start = self.token.span.clone();
        self.advance()?;
        self.deeper(&start)?;
        let inner = self.any()?;
        self.depth -= 1;
        if self.at_end() {
            return Err(never_closed(start));
        }
        let span = start.start..self.token.span.end;
        if !self.take_symbol(")")? {
            return Err(self.want(match inner {
                Tree::Condition(..) => "and, or, or )",
                Tree::Value(_) => "an operator or )",
            }));
        }
        Ok(match inner {
            Tree::Condition(expr, _) => Tree::Condition(expr, span),
            Tree::Value(term) => Tree::Value(Spanned::new(term.value, span)),
        })
    }

    /// Reads a name, or a function of a metric; the place of a function is that of the metric.
    fn name_or_function(&mut self) -> Parsed<Spanned<Term>> {
        let span = self.token.span.clone();
        let name = self.name()?;
        if self.token.value != Token::Symbol("(") {
            return Ok(Spanned::new(Term::Name(name), span));
        }
        let function = self.lexer.source(&span).to_owned();
        let lower = function.to_ascii_lowercase();
        let (start, known) = (self.token.span.clone(), function_names());
        if Stat::parse(&lower).is_none() && !known.contains(&lower.as_str()) {
            let fault = Fault::new(span, format!("no function {:?}", shown(&function)));
            return Err(match try_names(&lower, &known) {
                Some(hint) => fault.hint(hint),
                None => fault.hint(format!("use one of {}", known.join(", "))),
            });
        }
        self.advance()?;
        let inner = self.token.span.clone();
        if self.token.value == Token::Symbol(")") {
            return Err(self
                .want(&format!("a metric after {lower}("))
                .hint(format!("write: {}", example(&lower))));
        }
        let metric = match self.name()? {
            Name::Known(Leaf::Field(Field::Metric(name, _))) | Name::Bare(name) => name,
            Name::Known(leaf) => {
                let why = format!("{lower} works on metrics, {leaf} is none");
                return Err(Fault::new(inner, why).hint(format!("write: {}", example(&lower))));
            }
        };
        let mut arguments = Vec::new();
        while self.take_symbol(",")? {
            arguments.push(self.argument()?);
        }
        let (function, within) = function_of(&lower, &arguments, &inner)?;
        let within = within.and(&self.within()?);
        if self.at_end() {
            return Err(never_closed(start));
        }
        if !self.take_symbol(")")? {
            return Err(self
                .want(match arguments.as_slice() {
                    [] => "where or ) after the metric",
                    _ => "where or ) after the number",
                })
                .hint(format!("write: {}", example(&lower))));
        }
        let leaf = Leaf::of_series(metric, function, within);
        Ok(Spanned::new(Term::Name(Name::Known(leaf)), inner))
    }

    /// Reads a number that a function takes.
    fn argument(&mut self) -> Parsed<Spanned<Number>> {
        let term = self.value()?;
        if let Term::Literal(Literal::Number(number)) = term.value {
            return Ok(Spanned::new(number, term.span));
        }
        let have = self.source(&term.span);
        Err(Fault::new(
            term.span,
            format!("want a number, have {have:?}"),
        ))
    }

    /// Reads `where step >= 100 and step < 200`, if it stands here.
    fn within(&mut self) -> Parsed<Within> {
        let mut within = Within::ALL;
        if !self.take_word("where")? {
            return Ok(within);
        }
        loop {
            within = within.and(&self.range()?);
            if !self.take_word("and")? && !self.take_symbol("&&")? {
                break;
            }
        }
        if self.is_word("or") || self.token.value == Token::Symbol("||") {
            let hint = "write two functions, or a range: where step between 0 and 99";
            return Err(self.want("and or )").hint(hint));
        }
        Ok(within)
    }

    fn range(&mut self) -> Parsed<Within> {
        const HINT: &str = "write: where step >= 100 and step < 200, where time > now - 1h";
        let is_step = self.is_word("step");
        if !is_step && !self.is_word("time") {
            return Err(self.want("step or time").hint(HINT));
        }
        self.advance()?;
        let bounds = if self.take_word("between")? {
            let low = self.bound(">=", is_step)?;
            if !self.take_word("and")? {
                return Err(self.want("and, then the upper bound"));
            }
            low.and(&self.bound("<=", is_step)?)
        } else {
            let order = match self.token.value {
                Token::Symbol(symbol @ ("<" | "<=" | ">" | ">=" | "=")) => symbol,
                Token::Symbol("==") => "=",
                _ => return Err(self.want("< <= > >= = or between").hint(HINT)),
            };
            self.advance()?;
            self.bound(order, is_step)?
        };
        Ok(bounds)
    }

    /// Reads what steps or times are compared with.
    fn bound(&mut self, order: &str, is_step: bool) -> Parsed<Within> {
        let term = self.right_side()?;
        let mut within = Within::ALL;
        if is_step {
            let Term::Literal(Literal::Number(number)) = term.value else {
                let why = format!("a step is a number, {} is none", self.source(&term.span));
                return Err(Fault::new(term.span, why).hint("write: where step < 1000"));
            };
            within.steps = measure::steps(order, number);
            return Ok(within);
        }
        let time = match &term.value {
            Term::Literal(Literal::Time(time)) => Some(*time),
            Term::Literal(Literal::Text(text)) => Span::parse(text),
            _ => None,
        };
        let Some(Span { from_us, to_us }) = time else {
            let why = format!("a time is a date, {} is none", self.source(&term.span));
            let hint = "write: where time > '2024-01-15 10:30', where time > now - 1h";
            return Err(Fault::new(term.span, why).hint(hint));
        };
        let all = Within::ALL.times_us;
        within.times_us = match order {
            "<" => (all.0, from_us - 1),
            "<=" => (all.0, to_us),
            ">" => (to_us + 1, all.1),
            ">=" => (from_us, all.1),
            _ => (from_us, to_us),
        };
        let (from, to) = within.times_us;
        let is_time = |bound, open| bound == open || Span::instant(bound).is_some();
        if is_time(from, all.0) && is_time(to, all.1) {
            Ok(within)
        } else {
            let why = "this time is not in the years 1 to 9999";
            Err(Fault::new(term.span, why))
        }
    }

    fn name(&mut self) -> Parsed<Name> {
        let span = self.token.span.clone();
        let name = match &self.token.value {
            Token::Word(word) if is_keyword(word) => {
                let hint = format!("put it in double quotes to mean a name: \"{word}\"");
                return Err(self.want("a name").hint(hint));
            }
            Token::Word(word) => {
                prefixed(word, None).map(|name| name.unwrap_or_else(|| bare((*word).to_owned())))
            }
            Token::Dotted(head, tail) => prefixed(head, Some(tail))
                .map(|name| name.unwrap_or_else(|| Name::Bare(format!("{head}.{tail}")))),
            Token::Quoted(_, '\'') => {
                let fault = Fault::new(span, "a text stands where a name is needed");
                return Err(fault.hint("write a name bare or in double quotes"));
            }
            Token::Quoted(name, _) if name.is_empty() => Err("a name is empty".to_owned()),
            Token::Quoted(name, _) => Ok(bare(name.clone())),
            Token::Number(_) | Token::Symbol(_) | Token::End => return Err(self.want("a name")),
        };
        let name = name.map_err(|why| {
            let word = self.lexer.source(&span);
            let attribute = word.split_once('.').map_or(word, |(_, rest)| rest);
            let hint = try_names(attribute, &Attribute::ALL.map(Attribute::name));
            Fault {
                hint,
                ..Fault::new(span, why)
            }
        })?;
        self.advance()?;
        Ok(name)
    }
}

const NO_TIME: super::literal::Duration = super::literal::Duration(0);

fn literal_tree(literal: Literal, span: Range<usize>) -> Tree {
    Tree::Value(Spanned::new(Term::Literal(literal), span))
}

/// Takes what was read for a value.
fn as_value(tree: Tree) -> Parsed<Spanned<Term>> {
    match tree {
        Tree::Value(term) => Ok(term),
        Tree::Condition(_, span) => {
            let fault = Fault::new(span, "a condition stands where a value is needed");
            Err(fault.hint("join conditions by and, or"))
        }
    }
}

/// How a function is written.
fn example(function: &str) -> String {
    match function {
        "at" => "at(metrics.loss, 1000)".to_owned(),
        "slope" => "slope(metrics.loss, 100)".to_owned(),
        "smooth" => "smooth(metrics.loss, 0.9)".to_owned(),
        _ => format!("{function}(metrics.loss)"),
    }
}

/// What a function with these arguments asks for, and of which points.
fn function_of(
    name: &str,
    arguments: &[Spanned<Number>],
    metric: &Range<usize>,
) -> Parsed<(Function, Within)> {
    let refuse = |span: &Range<usize>, why: &str| {
        Err(Fault::new(span.clone(), format!("{name} {why}"))
            .hint(format!("write: {}", example(name))))
    };
    let stat = Stat::parse(name);
    let extra = match name {
        "at" | "slope" | "smooth" => arguments.get(1),
        _ => arguments.first(),
    };
    if let Some(extra) = extra {
        let why = match name {
            "at" => "takes a metric and a step, nothing more",
            "slope" => "takes a metric and how many points, nothing more",
            "smooth" => "takes a metric and a weight, nothing more",
            _ => "takes a metric and nothing more",
        };
        return refuse(&extra.span, why);
    }
    let function = match (name, arguments) {
        ("median", _) => Function::Median,
        ("first_nan", _) => Function::FirstNan,
        ("auc", _) => Function::Auc,
        ("slope", []) => Function::Slope(None),
        ("slope", [points, ..]) => match points.value {
            Number::Int(count @ 2..) => Function::Slope(Some(count.cast_unsigned())),
            _ => return refuse(&points.span, "takes a whole number of points, at least 2"),
        },
        ("smooth", [weight, ..]) => match Weight::new(weight.value.as_float()) {
            Some(weight) => Function::Smooth(weight),
            None => return refuse(&weight.span, "takes a weight from 0 to below 1"),
        },
        ("smooth", []) => return refuse(metric, "takes a metric and a weight"),
        ("at", [step, ..]) => match step.value {
            Number::Int(at) => {
                let steps = (at, at);
                let within = Within {
                    steps,
                    ..Within::ALL
                };
                return Ok((Function::Stat(Stat::Last), within));
            }
            Number::Float(_) => return refuse(&step.span, "takes a whole number for a step"),
        },
        ("at", []) => return refuse(metric, "takes a metric and a step"),
        _ => match stat {
            Some(stat) => Function::Stat(stat),
            None => return refuse(metric, "is no function"),
        },
    };
    Ok((function, Within::ALL))
}

fn is_infinity(word: &str) -> bool {
    word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("infinity")
}

/// A name without a prefix: an attribute if there is one, else it is settled with the store.
fn bare(name: String) -> Name {
    match Attribute::parse(&name) {
        Some(attribute) => Name::Known(Leaf::Field(Field::Attribute(attribute))),
        None => Name::Bare(name),
    }
}

/// Splits a known prefix off; none if the word has no such.
fn prefixed(word: &str, tail: Option<&String>) -> Result<Option<Name>, String> {
    let (head, rest) = match word.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (word, None),
    };
    let name = match (rest, tail) {
        (Some(rest), Some(tail)) => format!("{rest}.{tail}"),
        (Some(rest), None) => rest.to_owned(),
        (None, Some(tail)) => tail.clone(),
        (None, None) => return Ok(None),
    };
    let Some(prefix) = Prefix::parse(head) else {
        return Ok(None);
    };
    if name.is_empty() {
        return Err(format!("want a name after {head:?} and its dot"));
    }
    let field = match prefix {
        Prefix::Named(NameKind::Metric) => Field::Metric(name, Stat::Last),
        Prefix::Named(kind) => kind.field(&name),
        Prefix::Attribute => match name.split_once('.') {
            Some(("env" | "variables", variable)) if !variable.is_empty() => {
                Field::Variable(variable.to_owned())
            }
            _ => Attribute::parse_loosely(&name)
                .map(Field::Attribute)
                .ok_or_else(|| format!("no attribute {:?}", shown(&name)))?,
        },
    };
    Ok(Some(Name::Known(Leaf::Field(field))))
}

fn digits(text: &str, span: &Range<usize>) -> Parsed<Literal> {
    Literal::from_digits(text).ok_or_else(|| {
        let why = format!("{:?} is no number, duration or date", shown(text));
        let fault = Fault::new(span.clone(), why);
        let is_digit = |part: &str| Literal::from_digits(part).is_some();
        match text.split_once('-') {
            Some((left, right)) if is_digit(left) && is_digit(right) => {
                fault.hint(format!("put blanks around the minus: {left} - {right}"))
            }
            _ => fault.hint("write 0.1, 90s, 16MB, 2024-01-15, and put text in quotes"),
        }
    })
}
