//! Tokens to a tree.
//!
//! ```text
//! filter  = all { or all }          all   = one { and one }
//! one     = not one | "(" filter ")" | test
//! test    = field cmp value | field [not] in "(" value {, value} ")" | field is [not] null
//!         | field [not] (like | ilike) text | field (~ | !~) text
//!         | field [not] between value and value
//! field   = name | function "(" name ")"
//! ```

use std::ops::Range;

use super::ast::Condition;
use super::ast::Expr;
use super::ast::FieldName;
use super::ast::Order;
use super::ast::Pattern;
use super::ast::PatternKind;
use super::ast::Test;
use super::ast::is_keyword;
use super::field::Attribute;
use super::field::Field;
use super::field::NameKind;
use super::field::Prefix;
use super::field::Stat;
use super::lexer::Fault;
use super::lexer::Lexer;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::lexer::Token;
use super::literal::Duration;
use super::literal::Literal;
use super::literal::Number;
use super::literal::Span;
use super::names::try_names;
use crate::limits::NESTING_MAX;

/// Characters of the source that a message repeats.
const SHOWN_CHARS_MAX: usize = 24;

/// Reads a filter, or a sort key, from left to right.
pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Spanned<Token<'a>>,
    now_us: i64,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, now_us: i64) -> Parsed<Self> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Self {
            lexer,
            token,
            now_us,
            depth: 0,
        })
    }

    /// Reads a whole filter to the end of the text.
    pub(super) fn filter(mut self) -> Parsed<Expr> {
        if self.token.value == Token::End {
            return Err(Fault::new(self.token.span, "it is empty")
                .hint("write a condition: metrics.acc > 0.9"));
        }
        let expr = self.any()?;
        if self.token.value == Token::End {
            return Ok(expr);
        }
        Err(self.leftover())
    }

    /// What follows a whole filter without belonging to it.
    fn leftover(&self) -> Fault {
        let fault = self.want("and, or, or the end");
        match &self.token.value {
            Token::Symbol(")") => Fault::new(self.token.span.clone(), "no ( belongs to this )")
                .hint("remove it or add the missing ("),
            Token::Symbol("<" | "<=" | ">" | ">=") => fault.hint("write: x between 0 and 1"),
            Token::Symbol(",") => fault.hint("join conditions by and, or"),
            _ => fault,
        }
    }

    fn any(&mut self) -> Parsed<Expr> {
        let mut terms = vec![self.all()?];
        while self.take_word("or")? || self.take_symbol("||")? {
            terms.push(self.all()?);
        }
        Ok(Expr::or(terms))
    }

    fn all(&mut self) -> Parsed<Expr> {
        let mut terms = vec![self.one()?];
        while self.take_word("and")? || self.take_symbol("&&")? {
            terms.push(self.one()?);
        }
        Ok(Expr::and(terms))
    }

    fn one(&mut self) -> Parsed<Expr> {
        let start = self.token.span.clone();
        if self.take_word("not")? || self.take_symbol("!")? {
            self.deeper(&start)?;
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if !self.take_symbol("(")? {
            return self.test().map(Expr::Test);
        }
        self.deeper(&start)?;
        let inner = self.any()?;
        self.depth -= 1;
        if self.token.value == Token::End {
            return Err(Fault::new(start, "this ( is never closed").hint("close it with )"));
        }
        if self.token.value != Token::Symbol(")") {
            return Err(self.want("and, or, or )"));
        }
        self.advance()?;
        Ok(inner)
    }

    fn deeper(&mut self, at: &Range<usize>) -> Parsed<()> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            let why = format!("parentheses and not nest deeper than {NESTING_MAX}");
            return Err(Fault::new(at.clone(), why));
        }
        Ok(())
    }

    fn test(&mut self) -> Parsed<Test> {
        let start = self.token.span.start;
        let field = self.field()?;
        let written = start..self.token.span.start;
        if let Some((negated, condition)) = self.comparison()? {
            return Ok(Test {
                field,
                negated,
                condition,
            });
        }
        if self.take_word("is")? {
            let negated = self.take_word("not")?;
            if !self.take_word("null")? {
                let want = if negated { "null" } else { "null or not null" };
                return Err(self.want(want).hint("compare values with ="));
            }
            return Ok(Test {
                field,
                negated,
                condition: Condition::Null,
            });
        }
        let negated = self.take_word("not")?;
        let condition = if self.take_word("in")? {
            self.list()?
        } else if self.take_word("between")? {
            let low = self.literal()?;
            if !self.take_word("and")? {
                return Err(self.want("and, then the upper bound"));
            }
            Condition::Between(low, self.literal()?)
        } else if self.take_word("like")? {
            self.pattern(PatternKind::Like)?
        } else if self.take_word("ilike")? {
            self.pattern(PatternKind::Ilike)?
        } else if negated {
            return Err(self.want("in, like, ilike or between"));
        } else {
            let written = self.lexer.source(&written).trim_end();
            let what = format!("an operator after {:?}", shown(written));
            return Err(self
                .want(&what)
                .hint("compare: = != < <= > >= in like ~ between is"));
        };
        Ok(Test {
            field,
            negated,
            condition,
        })
    }

    /// Reads an operator made of signs and what it compares with.
    fn comparison(&mut self) -> Parsed<Option<(bool, Condition)>> {
        let Token::Symbol(symbol) = self.token.value else {
            return Ok(None);
        };
        let order = match symbol {
            "<" => Some(Order::Less),
            "<=" => Some(Order::LessOrEqual),
            ">" => Some(Order::Greater),
            ">=" => Some(Order::GreaterOrEqual),
            "=" | "==" | "!=" | "<>" | "~" | "=~" | "!~" => None,
            _ => return Ok(None),
        };
        self.advance()?;
        let negated = matches!(symbol, "!=" | "<>" | "!~");
        let condition = match order {
            Some(order) => Condition::Order(order, self.literal()?),
            None if symbol.ends_with('~') => self.pattern(PatternKind::Regex)?,
            None => Condition::Equal(self.literal()?),
        };
        Ok(Some((negated, condition)))
    }

    fn list(&mut self) -> Parsed<Condition> {
        let start = self.token.span.clone();
        if !self.take_symbol("(")? {
            return Err(self.want("( after in").hint("write: in ('a', 'b')"));
        }
        let mut items = vec![self.literal()?];
        while self.take_symbol(",")? {
            items.push(self.literal()?);
        }
        if self.token.value == Token::End {
            return Err(Fault::new(start, "this ( is never closed").hint("close it with )"));
        }
        if !self.take_symbol(")")? {
            return Err(self.want("a comma or )"));
        }
        Ok(Condition::In(items))
    }

    fn pattern(&mut self, kind: PatternKind) -> Parsed<Condition> {
        let span = self.token.span.clone();
        let Token::Quoted(text, '\'' | '"') = self.token.value.clone() else {
            let what = format!("a text in quotes after {}", kind.word());
            return Err(self.want(&what));
        };
        self.advance()?;
        let pattern = Pattern::new(kind, text)
            .map_err(|why| Fault::new(span.clone(), format!("bad pattern: {why}")))?;
        Ok(Condition::Match(Spanned::new(pattern, span)))
    }

    /// Reads a field: a name, or a function of a metric. Its place is that of the name.
    pub(super) fn field(&mut self) -> Parsed<Spanned<FieldName>> {
        let span = self.token.span.clone();
        let name = self.name()?;
        let Token::Symbol("(") = self.token.value else {
            return Ok(Spanned::new(name, span));
        };
        let function = self.lexer.source(&span);
        let Some(stat) = Stat::parse(function) else {
            let known = Stat::ALL.map(Stat::name);
            let fault = Fault::new(span, format!("no function {:?}", shown(function)));
            return Err(match try_names(function, &known) {
                Some(hint) => fault.hint(hint),
                None => fault.hint(format!("use one of {}", known.join(", "))),
            });
        };
        self.advance()?;
        let inner = self.token.span.clone();
        let name = match self.name()? {
            FieldName::Known(Field::Metric(name, _)) => FieldName::Known(Field::Metric(name, stat)),
            FieldName::Bare(name, _) => FieldName::Bare(name, Some(stat)),
            FieldName::Known(field) => {
                let why = format!("{} works on metrics, {field} is none", stat.name());
                let hint = format!("write: {}(metrics.loss)", stat.name());
                return Err(Fault::new(inner, why).hint(hint));
            }
        };
        if !self.take_symbol(")")? {
            return Err(self.want(") after the metric"));
        }
        Ok(Spanned::new(name, inner))
    }

    fn name(&mut self) -> Parsed<FieldName> {
        let span = self.token.span.clone();
        let name = match &self.token.value {
            Token::Word(word) if is_keyword(word) => {
                let hint = format!("put it in double quotes to mean a name: \"{word}\"");
                return Err(self.want("a name").hint(hint));
            }
            Token::Word(word) => {
                prefixed(word, None).map(|name| name.unwrap_or_else(|| bare((*word).to_owned())))
            }
            Token::Dotted(head, tail) => prefixed(head, Some(tail)).map(|name| {
                name.unwrap_or_else(|| FieldName::Bare(format!("{head}.{tail}"), None))
            }),
            Token::Quoted(_, '\'') => {
                let fault = Fault::new(span, "a text stands where a name is needed");
                return Err(fault.hint("write the name first, bare or in double quotes"));
            }
            Token::Quoted(name, _) if name.is_empty() => Err("a name is empty".to_owned()),
            Token::Quoted(name, _) => Ok(bare(name.clone())),
            Token::Number(_) => {
                return Err(self
                    .want("a name")
                    .hint("write the name first: metrics.acc > 0.9"));
            }
            Token::Symbol(_) | Token::End => return Err(self.want("a name")),
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

    /// Reads a value.
    fn literal(&mut self) -> Parsed<Spanned<Literal>> {
        let span = self.token.span.clone();
        let literal = match self.token.value.clone() {
            Token::Number(text) => digits(text, &span)?,
            Token::Quoted(text, '\'' | '"') => Literal::Text(text),
            Token::Quoted(..) => {
                return Err(self
                    .want("a value")
                    .hint("put text in single quotes: 'text'"));
            }
            Token::Symbol(sign @ ("-" | "+")) => return self.signed(sign),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "nan" => Literal::Number(Number::Float(f64::NAN)),
                "inf" | "infinity" => Literal::Number(Number::Float(f64::INFINITY)),
                "null" => return Err(self.want("a value").hint("write: is null, is not null")),
                lower if lower == "now" || lower.starts_with("now-") => return self.now(word),
                _ => return Err(self.unquoted(word)),
            },
            Token::Dotted(..) | Token::Symbol(_) | Token::End => return Err(self.want("a value")),
        };
        self.advance()?;
        Ok(Spanned::new(literal, span))
    }

    fn unquoted(&self, word: &str) -> Fault {
        let fault = self.want("a value");
        match prefixed(word, None) {
            Ok(None) => fault.hint(format!("put text in quotes: '{}'", shown(word))),
            _ => fault.hint("compare a field with a value, not with another field"),
        }
    }

    fn signed(&mut self, sign: &str) -> Parsed<Spanned<Literal>> {
        let start = self.token.span.start;
        self.advance()?;
        let span = start..self.token.span.end;
        let literal = match self.token.value.clone() {
            Token::Number(text) if sign == "-" => digits(&format!("-{text}"), &span)?,
            Token::Number(text) => digits(text, &span)?,
            Token::Word(word) if is_infinity(word) => {
                let one = if sign == "-" { -1.0 } else { 1.0f64 };
                Literal::Number(Number::Float(f64::INFINITY.copysign(one)))
            }
            Token::Word(word) if word.eq_ignore_ascii_case("nan") => {
                Literal::Number(Number::Float(f64::NAN))
            }
            _ => return Err(self.want(&format!("a number after {sign}"))),
        };
        self.advance()?;
        Ok(Spanned::new(literal, span))
    }

    /// Reads `now`, `now - 7d`, `now-7d`, `now + 1h`.
    fn now(&mut self, word: &str) -> Parsed<Spanned<Literal>> {
        let mut span = self.token.span.clone();
        let mut time_us = Some(self.now_us);
        if let Some(duration) = word.get(3..).filter(|rest| !rest.is_empty()) {
            let Some(duration) = Duration::parse(duration) else {
                return Err(self.want("a duration after now").hint("write: now - 7d"));
            };
            time_us = self.now_us.checked_add(duration.0);
        }
        self.advance()?;
        while let Token::Symbol(sign @ ("-" | "+")) = self.token.value {
            self.advance()?;
            let duration = match self.token.value {
                Token::Number(text) => Duration::parse(text),
                _ => None,
            };
            let Some(Duration(us)) = duration else {
                let want = self.want(&format!("a duration after now {sign}"));
                return Err(want.hint("write one with its unit: 500ms, 90s, 5m, 2h, 7d, 1w"));
            };
            time_us = time_us.and_then(|time_us| match sign {
                "-" => time_us.checked_sub(us),
                _ => time_us.checked_add(us),
            });
            span.end = self.token.span.end;
            self.advance()?;
        }
        let time = time_us
            .and_then(Span::instant)
            .ok_or_else(|| Fault::new(span.clone(), "this time is not in the years 1 to 9999"))?;
        Ok(Spanned::new(Literal::Time(time), span))
    }

    pub(super) fn take_word(&mut self, word: &str) -> Parsed<bool> {
        let here = matches!(self.token.value, Token::Word(w) if w.eq_ignore_ascii_case(word));
        if here {
            self.advance()?;
        }
        Ok(here)
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> Parsed<bool> {
        let here = matches!(self.token.value, Token::Symbol(s) if s == symbol);
        if here {
            self.advance()?;
        }
        Ok(here)
    }

    pub(super) fn at_end(&self) -> bool {
        self.token.value == Token::End
    }

    fn advance(&mut self) -> Parsed<()> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    /// Says what should stand here and what does.
    pub(super) fn want(&self, what: &str) -> Fault {
        let have = match &self.token.value {
            Token::End => "the end".to_owned(),
            _ => format!("{:?}", shown(self.lexer.source(&self.token.span))),
        };
        Fault::new(self.token.span.clone(), format!("want {what}, have {have}"))
    }
}

/// A text as a message repeats it.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn is_infinity(word: &str) -> bool {
    word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("infinity")
}

/// A name without a prefix: an attribute if there is one, else it is settled with the store.
fn bare(name: String) -> FieldName {
    match Attribute::parse(&name) {
        Some(attribute) => FieldName::Known(Field::Attribute(attribute)),
        None => FieldName::Bare(name, None),
    }
}

/// Splits a known prefix off; none if the word has no such.
fn prefixed(word: &str, tail: Option<&String>) -> Result<Option<FieldName>, String> {
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
    Ok(Some(FieldName::Known(match prefix {
        Prefix::Named(NameKind::Metric) => Field::Metric(name, Stat::Last),
        Prefix::Named(kind) => kind.field(&name),
        Prefix::Attribute => Attribute::parse_loosely(&name)
            .map(Field::Attribute)
            .ok_or_else(|| format!("no attribute {:?}", shown(&name)))?,
    })))
}

fn digits(text: &str, span: &Range<usize>) -> Parsed<Literal> {
    Literal::from_digits(text).ok_or_else(|| {
        let why = format!("{:?} is no number, duration or date", shown(text));
        let hint = "write 0.1, 90s, 2024-01-15, and put text in quotes";
        Fault::new(span.clone(), why).hint(hint)
    })
}
