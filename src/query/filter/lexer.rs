//! Text to tokens: words, names in quotes, numbers and signs.
//!
//! A word runs as far as letters, digits and `_ . / - @ :` go, so `metrics.val/acc` is one. What
//! starts with a digit runs as far and is sorted out later into number, duration and date.

use std::fmt;
use std::ops::Range;

/// What is wrong at a place of the text; with the text it becomes a
/// [`FilterError`](crate::error::FilterError).
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) why: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, why: impl Into<String>) -> Self {
        Self {
            span,
            why: why.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(super) type Parsed<T> = Result<T, Fault>;

/// A value and where it stands in the text; equal when the values are.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<T> Spanned<T> {
    pub(super) fn new(value: T, span: Range<usize>) -> Self {
        Self { value, span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name or keyword without quotes.
    Word(&'a str),
    /// A word up to a dot, then the rest in quotes: `params."my param"`; without the dot.
    Dotted(&'a str, String),
    /// Text in quotes, doubled quotes undone, and which quotes.
    Quoted(String, char),
    /// What starts with a digit: a number, a duration, a date. Without a sign.
    Number(&'a str),
    Symbol(&'static str),
    End,
}

/// Longer ones before those they start with.
const SYMBOLS: [&str; 22] = [
    "==", "=~", "!=", "!~", "<>", "<=", ">=", "&&", "||", "=", "<", ">", "~", "!", "(", ")", ",",
    "+", "-", "*", "/", "%",
];

const QUOTES: [char; 3] = ['\'', '"', '`'];

fn starts_word(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether `c` can stand in a word after its first letter.
pub(super) fn continues_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '@' | ':')
}

/// Whether a whole text is one word.
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(starts_word) && text.chars().all(continues_word)
}

/// Writes `text` between quotes, those inside doubled.
pub(super) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    use fmt::Write;
    f.write_char(quote)?;
    for c in text.chars() {
        f.write_char(c)?;
        if c == quote {
            f.write_char(c)?;
        }
    }
    f.write_char(quote)
}

/// Cuts tokens off the front of a text.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The source of a span that this lexer gave, or between two of them.
    pub(super) fn source(&self, span: &Range<usize>) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Returns the next token; at the end always `End`.
    pub(super) fn next(&mut self) -> Parsed<Spanned<Token<'a>>> {
        let rest = self.rest().trim_start();
        let start = self.text.len() - rest.len();
        self.at = start;
        let token = match rest.chars().next() {
            None => Token::End,
            Some(first) if starts_word(first) => self.word()?,
            Some(first) if QUOTES.contains(&first) => self.quoted(first)?,
            Some(first) if starts_number(first, rest) => self.number(),
            Some(first) => self.symbol(first)?,
        };
        Ok(Spanned::new(token, start..self.at))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes what is before the first character that does not belong.
    fn take_while(&mut self, mut belongs: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn word(&mut self) -> Parsed<Token<'a>> {
        let word = self.take_while(continues_word);
        let quote = self.rest().chars().next().filter(|c| QUOTES.contains(c));
        if let (Some(head), Some(quote)) = (word.strip_suffix('.'), quote) {
            let Token::Quoted(tail, _) = self.quoted(quote)? else {
                return Ok(Token::Word(word));
            };
            return Ok(Token::Dotted(head, tail));
        }
        Ok(Token::Word(word))
    }

    fn quoted(&mut self, quote: char) -> Parsed<Token<'a>> {
        let start = self.at;
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote));
            if self.rest().is_empty() {
                let why = format!("this quote is never closed: {quote}");
                let end = start + quote.len_utf8();
                return Err(Fault::new(start..end, why).hint(format!("close it with {quote}")));
            }
            self.at += quote.len_utf8();
            if !self.rest().starts_with(quote) {
                return Ok(Token::Quoted(text, quote));
            }
            self.at += quote.len_utf8();
            text.push(quote);
        }
    }

    fn number(&mut self) -> Token<'a> {
        // A plus belongs to an exponent, or to the time zone of a date without quotes.
        let (mut previous, mut clock) = (' ', false);
        Token::Number(self.take_while(|c| {
            let plus = c == '+' && (clock || matches!(previous, 'e' | 'E'));
            clock |= c == ':';
            previous = c;
            plus || c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-')
        }))
    }

    fn symbol(&mut self, first: char) -> Parsed<Token<'a>> {
        let rest = self.rest();
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            self.at += symbol.len();
            return Ok(Token::Symbol(symbol));
        }
        let span = self.at..self.at + first.len_utf8();
        let fault = Fault::new(span, format!("unexpected {first:?}"));
        Err(match first {
            '|' => fault.hint("write or"),
            '&' => fault.hint("write and"),
            '‘' | '’' | '“' | '”' => fault.hint("write straight quotes: ' or \""),
            '[' | '{' => fault.hint("write a list in parentheses: (1, 2)"),
            _ => fault.hint("put names and texts with other characters in quotes"),
        })
    }
}

fn starts_number(first: char, rest: &str) -> bool {
    let digit_after_dot = || rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    first.is_ascii_digit() || first == '.' && digit_after_dot()
}
