//! Tokens to a tree: conditions. The values that they compare are read in [`super::values`].
//!
//! ```text
//! filter  = all { or all }          all   = one { and one }
//! one     = not one | test
//! test    = value [ cmp value | [not] in "(" value {, value} ")" | is [not] null
//!         | [not] (like | ilike) text | (~ | !~) text | [not] between value and value ]
//! ```
//!
//! Conditions and values are read as one language, because a parenthesis may begin either; what
//! stands where the other is needed is refused on the spot.

use std::ops::Range;

use super::ast::Condition;
use super::ast::Expr;
use super::ast::Order;
use super::ast::Pattern;
use super::ast::PatternKind;
use super::ast::Test;
use super::lexer::Fault;
use super::lexer::Lexer;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::lexer::Token;
use super::term::Term;
use crate::limits::NESTING_MAX;

/// Characters of the source that a message repeats.
const SHOWN_CHARS_MAX: usize = 24;

/// What was read: only its end tells which of the two it is.
pub(super) enum Tree {
    /// In parentheses, or joined.
    Condition(Expr, Range<usize>),
    Value(Spanned<Term>),
}

/// Reads a filter, or values, from left to right.
pub(super) struct Parser<'a> {
    pub(super) lexer: Lexer<'a>,
    pub(super) token: Spanned<Token<'a>>,
    pub(super) now_us: i64,
    pub(super) depth: usize,
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
        if self.at_end() {
            return Err(Fault::new(self.token.span, "it is empty")
                .hint("write a condition: metrics.acc > 0.9"));
        }
        let tree = self.any()?;
        let expr = self.condition(tree)?;
        if self.at_end() {
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

    /// Takes what was read for a condition.
    fn condition(&self, tree: Tree) -> Parsed<Expr> {
        match tree {
            Tree::Condition(expr, _) => Ok(expr),
            Tree::Value(term) => {
                let what = format!("an operator after {:?}", self.source(&term.span));
                Err(self
                    .want(&what)
                    .hint("compare: = != < <= > >= in like ~ between is"))
            }
        }
    }

    /// Reads conditions joined by `or`, or a value.
    pub(super) fn any(&mut self) -> Parsed<Tree> {
        let start = self.token.span.start;
        let first = self.all()?;
        if !self.is_word("or") && self.token.value != Token::Symbol("||") {
            return Ok(first);
        }
        let mut terms = vec![self.condition(first)?];
        while self.take_word("or")? || self.take_symbol("||")? {
            let next = self.all()?;
            terms.push(self.condition(next)?);
        }
        Ok(Tree::Condition(
            Expr::or(terms),
            start..self.token.span.start,
        ))
    }

    fn all(&mut self) -> Parsed<Tree> {
        let start = self.token.span.start;
        let first = self.one()?;
        if !self.is_word("and") && self.token.value != Token::Symbol("&&") {
            return Ok(first);
        }
        let mut terms = vec![self.condition(first)?];
        while self.take_word("and")? || self.take_symbol("&&")? {
            let next = self.one()?;
            terms.push(self.condition(next)?);
        }
        Ok(Tree::Condition(
            Expr::and(terms),
            start..self.token.span.start,
        ))
    }

    fn one(&mut self) -> Parsed<Tree> {
        let start = self.token.span.clone();
        if !self.take_word("not")? && !self.take_symbol("!")? {
            return self.test();
        }
        self.deeper(&start)?;
        let inner = self.one()?;
        let inner = self.condition(inner)?;
        self.depth -= 1;
        Ok(Tree::Condition(
            Expr::Not(Box::new(inner)),
            start.start..self.token.span.start,
        ))
    }

    pub(super) fn deeper(&mut self, at: &Range<usize>) -> Parsed<()> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            let why = format!("parentheses, signs and not nest deeper than {NESTING_MAX}");
            return Err(Fault::new(at.clone(), why));
        }
        Ok(())
    }

    /// Reads a value and what it is compared with, if it is.
    fn test(&mut self) -> Parsed<Tree> {
        let start = self.token.span.start;
        let left = match self.sum()? {
            Tree::Value(left) => left,
            condition @ Tree::Condition(..) => return Ok(condition),
        };
        let test = if self.is_word("is") {
            self.null(left)?
        } else if let Token::Symbol(symbol) = self.token.value {
            match self.comparison(symbol, left)? {
                Ok(test) => test,
                Err(left) => return Ok(Tree::Value(left)),
            }
        } else {
            match self.words(left)? {
                Ok(test) => test,
                Err(left) => return Ok(Tree::Value(left)),
            }
        };
        Ok(Tree::Condition(
            Expr::Test(Box::new(test)),
            start..self.token.span.start,
        ))
    }

    fn null(&mut self, value: Spanned<Term>) -> Parsed<Test> {
        self.take_word("is")?;
        let negated = self.take_word("not")?;
        if !self.take_word("null")? {
            let want = if negated { "null" } else { "null or not null" };
            return Err(self.want(want).hint("compare values with ="));
        }
        Ok(Test {
            value,
            negated,
            condition: Condition::Null,
        })
    }

    /// Reads an operator made of signs and what it compares with, or gives `left` back.
    fn comparison(
        &mut self,
        symbol: &str,
        left: Spanned<Term>,
    ) -> Parsed<Result<Test, Spanned<Term>>> {
        let order = match symbol {
            "<" => Some(Order::Less),
            "<=" => Some(Order::LessOrEqual),
            ">" => Some(Order::Greater),
            ">=" => Some(Order::GreaterOrEqual),
            "=" | "==" | "!=" | "<>" | "~" | "=~" | "!~" => None,
            _ => return Ok(Err(left)),
        };
        let negated = matches!(symbol, "!=" | "<>" | "!~");
        let is_pattern = symbol.ends_with('~');
        self.advance()?;
        if is_pattern {
            let condition = self.pattern(PatternKind::Regex)?;
            return Ok(Ok(Test {
                value: left,
                negated,
                condition,
            }));
        }
        let right = self.right_side()?;
        Ok(Ok(match order {
            Some(order) => Test::order(left, order, right),
            None => Test::equal(left, right, negated),
        }))
    }

    /// Reads an operator that is a word and what it compares with, or gives `left` back.
    fn words(&mut self, value: Spanned<Term>) -> Parsed<Result<Test, Spanned<Term>>> {
        let negated = self.take_word("not")?;
        let condition = if self.take_word("in")? {
            self.list()?
        } else if self.take_word("between")? {
            let low = self.right_side()?;
            if !self.take_word("and")? {
                return Err(self.want("and, then the upper bound"));
            }
            Condition::Between(low, self.right_side()?)
        } else if self.take_word("like")? {
            self.pattern(PatternKind::Like)?
        } else if self.take_word("ilike")? {
            self.pattern(PatternKind::Ilike)?
        } else if negated {
            return Err(self.want("in, like, ilike or between"));
        } else {
            return Ok(Err(value));
        };
        Ok(Ok(Test {
            value,
            negated,
            condition,
        }))
    }

    fn list(&mut self) -> Parsed<Condition> {
        let start = self.token.span.clone();
        if !self.take_symbol("(")? {
            return Err(self.want("( after in").hint("write: in ('a', 'b')"));
        }
        let mut items = vec![self.right_side()?];
        while self.take_symbol(",")? {
            items.push(self.right_side()?);
        }
        if self.at_end() {
            return Err(never_closed(start));
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

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.token.value, Token::Word(w) if w.eq_ignore_ascii_case(word))
    }

    pub(super) fn take_word(&mut self, word: &str) -> Parsed<bool> {
        let here = self.is_word(word);
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

    pub(super) fn advance(&mut self) -> Parsed<()> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    /// A place of the text as a message repeats it.
    pub(super) fn source(&self, span: &Range<usize>) -> String {
        shown(self.lexer.source(span).trim_end())
    }

    /// Says what should stand here and what does.
    pub(super) fn want(&self, what: &str) -> Fault {
        let have = match &self.token.value {
            Token::End => "the end".to_owned(),
            _ => format!("{:?}", self.source(&self.token.span)),
        };
        Fault::new(self.token.span.clone(), format!("want {what}, have {have}"))
    }
}

pub(super) fn never_closed(parenthesis: Range<usize>) -> Fault {
    Fault::new(parenthesis, "this ( is never closed").hint("close it with )")
}

/// A text as a message repeats it.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
