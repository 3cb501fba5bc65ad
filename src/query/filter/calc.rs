//! Values whose names are settled: which arithmetic has a meaning, and what comes out for a run.
//!
//! Numbers, durations and times: a duration is seconds to a number, and two times differ by a
//! duration. What a run gives as text counts as the number that it reads as, and else as absent;
//! what is absent stays so through all arithmetic. Whole numbers stay exact while they fit `i64`;
//! all else is IEEE: a division by zero is infinite or NaN, not an error.

use std::collections::HashMap;
use std::ops::Range;

use super::field::Domain;
use super::lexer::Fault;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::literal::Duration;
use super::literal::Literal;
use super::literal::Number;
use super::literal::Span;
use super::names::Names;
use super::names::settle;
use super::term::Chain;
use super::term::Leaf;
use super::term::Name;
use super::term::Op;
use super::term::Term;
use super::value::Value;

/// A value to be worked out, leaves by number.
#[derive(Clone, Debug)]
pub(super) enum Calc {
    Leaf(usize),
    Fixed(Value<'static>),
    Negate(Box<Calc>),
    Chain(Box<Calc>, Vec<(Op, Calc)>),
}

impl Calc {
    /// What it takes to look up the dearest of its leaves.
    pub(super) fn cost(&self, leaves: &[Leaf]) -> u8 {
        match self {
            Self::Leaf(number) => leaves.get(*number).map_or(0, Leaf::cost),
            Self::Fixed(_) => 0,
            Self::Negate(inner) => inner.cost(leaves),
            Self::Chain(first, rest) => {
                let others = rest.iter().map(|(_, operand)| operand.cost(leaves));
                others.fold(first.cost(leaves), u8::max)
            }
        }
    }

    /// Returns the value for a run.
    ///
    /// - `ask`: what the run has in a leaf, by its number
    #[inline]
    pub(super) fn value<'a>(&self, ask: &mut dyn FnMut(usize) -> Value<'a>) -> Value<'a> {
        match self {
            Self::Leaf(number) => ask(*number), // nearly all, and asked for each run
            Self::Fixed(_) | Self::Negate(_) | Self::Chain(..) => self.work_out(ask),
        }
    }

    fn work_out<'a>(&self, ask: &mut dyn FnMut(usize) -> Value<'a>) -> Value<'a> {
        match self {
            Self::Leaf(number) => ask(*number),
            Self::Fixed(value) => value.clone(),
            Self::Negate(inner) => match quantity(&inner.value(ask)) {
                Some(Quantity::Number(number)) => number_value(number.negated()),
                Some(Quantity::Duration(seconds)) => Value::Duration(-seconds),
                Some(Quantity::Time(_)) | None => Value::Absent,
            },
            Self::Chain(first, rest) => {
                let mut value = first.value(ask);
                for (op, operand) in rest {
                    if value.is_absent() {
                        return Value::Absent; // and nothing more need be looked up
                    }
                    value = combine(*op, &value, &operand.value(ask));
                }
                value
            }
        }
    }
}

/// A value as arithmetic sees it.
#[derive(Clone, Copy)]
enum Quantity {
    Number(Number),
    /// Seconds.
    Duration(f64),
    /// Microseconds since 1970.
    Time(i64),
}

impl Quantity {
    fn number(self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Duration(seconds) => Some(Number::Float(seconds)),
            Self::Time(_) => None,
        }
    }
}

fn quantity(value: &Value<'_>) -> Option<Quantity> {
    match value {
        Value::Number(value) => Some(Quantity::Number(Number::Float(*value))),
        Value::Int(value) => Some(Quantity::Number(Number::Int(*value))),
        Value::Bool(value) => Some(Quantity::Number(Number::Int(i64::from(*value)))),
        Value::Text(text) => Number::parse(text).map(Quantity::Number),
        Value::Duration(seconds) => Some(Quantity::Duration(*seconds)),
        Value::Time(time_us) => Some(Quantity::Time(*time_us)),
        Value::Absent | Value::Id(_) | Value::Texts(_) => None,
    }
}

fn number_value(number: Number) -> Value<'static> {
    match number {
        Number::Int(value) => Value::Int(value),
        Number::Float(value) => Value::Number(value),
    }
}

fn combine<'a>(op: Op, left: &Value<'_>, right: &Value<'_>) -> Value<'a> {
    let (Some(left), Some(right)) = (quantity(left), quantity(right)) else {
        return Value::Absent;
    };
    match (op, left, right) {
        (Op::Subtract, Quantity::Time(left), Quantity::Time(right)) => {
            Value::Duration((i128::from(left) - i128::from(right)) as f64 / 1e6)
        }
        (Op::Add, Quantity::Time(time), Quantity::Duration(by))
        | (Op::Add, Quantity::Duration(by), Quantity::Time(time)) => later(time, by),
        (Op::Subtract, Quantity::Time(time), Quantity::Duration(by)) => later(time, -by),
        _ => {
            let (Some(a), Some(b)) = (left.number(), right.number()) else {
                return Value::Absent;
            };
            let lasts = |side| matches!(side, Quantity::Duration(_));
            let is_duration = match op {
                Op::Add | Op::Subtract => lasts(left) || lasts(right),
                Op::Multiply => lasts(left) != lasts(right),
                Op::Divide => lasts(left) && !lasts(right),
                Op::Remainder => lasts(left),
            };
            match calculate(op, a, b) {
                number if is_duration => Value::Duration(number.as_float()),
                number => number_value(number),
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a duration beyond i64 saturates and then overflows"
)]
fn later(time_us: i64, by_s: f64) -> Value<'static> {
    let shift = (by_s * 1e6).round();
    let moved = (!shift.is_nan()).then(|| time_us.checked_add(shift as i64));
    moved.flatten().map_or(Value::Absent, Value::Time)
}

fn calculate(op: Op, a: Number, b: Number) -> Number {
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        let exact = match op {
            Op::Add => a.checked_add(b),
            Op::Subtract => a.checked_sub(b),
            Op::Multiply => a.checked_mul(b),
            Op::Remainder => a.checked_rem(b),
            Op::Divide => None,
        };
        if let Some(exact) = exact {
            return Number::Int(exact);
        }
    }
    let (a, b) = (a.as_float(), b.as_float());
    Number::Float(match op {
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        Op::Remainder => a % b,
    })
}

/// Settles names, numbers the leaves, and refuses what has no meaning.
pub(super) struct Compiler<'a> {
    names: &'a dyn Names,
    pub(super) leaves: Vec<Leaf>,
    numbers: HashMap<Leaf, usize>,
}

/// A value whose names are settled, and what comes out of it.
pub(super) struct Typed {
    pub(super) calc: Calc,
    pub(super) domain: Domain,
    pub(super) term: Spanned<Term>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(names: &'a dyn Names) -> Self {
        Self {
            names,
            leaves: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// Makes a value ready.
    ///
    /// - `absence`: whether the question is if it is there, so that a name nobody has is fine
    pub(super) fn value(&mut self, term: &Spanned<Term>, absence: bool) -> Parsed<Typed> {
        let (settled, calc, domain) = match &term.value {
            Term::Literal(literal) => (
                term.value.clone(),
                Calc::Fixed(fixed(literal)),
                literal.domain(),
            ),
            Term::Name(name) => {
                let leaf = settle(self.names, name, &term.span, absence)?;
                let (number, domain) = (self.number(&leaf), leaf.domain());
                (Term::Name(Name::Known(leaf)), Calc::Leaf(number), domain)
            }
            Term::Negate(inner) => {
                let inner = self.value(inner, false)?;
                let kind = kind(&inner)?;
                if kind == Kind::Time {
                    let why = "a time has no opposite";
                    return Err(Fault::new(term.span.clone(), why));
                }
                (
                    Term::Negate(Box::new(inner.term)),
                    Calc::Negate(Box::new(inner.calc)),
                    kind.domain(),
                )
            }
            Term::Chain(chain) => self.chain(chain)?,
        };
        let term = Spanned::new(settled, term.span.clone());
        Ok(Typed { calc, domain, term })
    }

    fn chain(&mut self, chain: &Chain) -> Parsed<(Term, Calc, Domain)> {
        let mut first = self.value(&chain.first, false)?;
        let mut rest = Vec::new();
        for (op, operand) in &chain.rest {
            rest.push((*op, self.value(operand, false)?));
        }
        // A date in quotes is a time where it meets one.
        if let Some((op, second)) = rest.first_mut() {
            first = meeting(first, second.domain, *op);
        }
        let mut left = kind(&first)?;
        let mut operands = Vec::new();
        let mut terms = Vec::new();
        for (op, operand) in rest {
            let operand = meeting(operand, left.domain(), op);
            let right = kind(&operand)?;
            left = left
                .combined(op, right)
                .ok_or_else(|| no_meaning(op, left, right, &operand.term.span))?;
            operands.push((op, operand.calc));
            terms.push((op, operand.term));
        }
        let chain = Chain {
            first: first.term,
            rest: terms,
        };
        Ok((
            Term::Chain(Box::new(chain)),
            Calc::Chain(Box::new(first.calc), operands),
            left.domain(),
        ))
    }

    fn number(&mut self, leaf: &Leaf) -> usize {
        let next = self.leaves.len();
        let leaves = &mut self.leaves;
        *self.numbers.entry(leaf.clone()).or_insert_with_key(|leaf| {
            leaves.push(leaf.clone());
            next
        })
    }
}

impl Typed {
    /// The literal that this is, or comes to: then it is compared as the other side needs it.
    pub(super) fn as_literal(&self) -> Option<Literal> {
        if let Term::Literal(literal) = &self.term.value {
            return Some(literal.clone());
        }
        if self.term.value.has_names() {
            return None;
        }
        match self.calc.value(&mut |_| Value::Absent) {
            Value::Int(value) => Some(Literal::Number(Number::Int(value))),
            Value::Number(value) => Some(Literal::Number(Number::Float(value))),
            Value::Duration(seconds) => Duration::from_seconds(seconds).map(Literal::Duration),
            Value::Time(time_us) => Span::instant(time_us).map(Literal::Time),
            _ => None,
        }
    }
}

fn fixed(literal: &Literal) -> Value<'static> {
    match literal {
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Number(value) => number_value(*value),
        Literal::Duration(value) => Value::Duration(value.as_seconds()),
        Literal::Time(value) => Value::Time(value.from_us),
        Literal::Text(text) => Value::Text(text.clone().into()),
    }
}

/// Takes a text for the time that it writes, where a time stands on the other side.
fn meeting(operand: Typed, other: Domain, op: Op) -> Typed {
    match &operand.term.value {
        Term::Literal(Literal::Text(text)) if other == Domain::Time && op.is_sum() => {
            match Span::parse(text) {
                Some(time) => Typed {
                    calc: Calc::Fixed(Value::Time(time.from_us)),
                    domain: Domain::Time,
                    ..operand
                },
                None => operand,
            }
        }
        _ => operand,
    }
}

/// What arithmetic can be done with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Duration,
    Time,
}

impl Kind {
    fn domain(self) -> Domain {
        match self {
            Self::Number => Domain::Number,
            Self::Duration => Domain::Duration,
            Self::Time => Domain::Time,
        }
    }

    fn noun(self) -> &'static str {
        self.domain().noun()
    }

    /// The kind of what comes out; none if it has no meaning.
    fn combined(self, op: Op, right: Self) -> Option<Self> {
        use Kind::Duration;
        use Kind::Number;
        use Kind::Time;
        Some(match (op, self, right) {
            (_, Number, Number) | (Op::Divide, Duration | Number, Duration) => Number,
            (Op::Add | Op::Subtract | Op::Remainder, Duration, Duration | Number)
            | (Op::Add | Op::Subtract | Op::Multiply, Number, Duration)
            | (Op::Multiply | Op::Divide, Duration, Number)
            | (Op::Subtract, Time, Time) => Duration,
            (Op::Add | Op::Subtract, Time, Duration) | (Op::Add, Duration, Time) => Time,
            _ => return None,
        })
    }
}

fn kind(operand: &Typed) -> Parsed<Kind> {
    match operand.domain {
        Domain::Any | Domain::Tag | Domain::Number => Ok(Kind::Number),
        Domain::Duration => Ok(Kind::Duration),
        Domain::Time => Ok(Kind::Time),
        domain @ (Domain::Text | Domain::Bool | Domain::Status | Domain::Id | Domain::Paths) => {
            let Spanned { value, span } = &operand.term;
            let shown: String = value.to_string().chars().take(40).collect();
            let why = format!(
                "{shown} is {}, arithmetic needs a number, time or duration",
                domain.noun()
            );
            let fault = Fault::new(span.clone(), why);
            Err(match value {
                Term::Literal(Literal::Text(text)) if Literal::from_digits(text).is_some() => {
                    fault.hint(format!("write it without quotes: {text}"))
                }
                Term::Literal(Literal::Text(_)) => {
                    fault.hint("write a name bare, or in double quotes")
                }
                _ => fault,
            })
        }
    }
}

fn no_meaning(op: Op, left: Kind, right: Kind, span: &Range<usize>) -> Fault {
    let (a, b) = (left.noun(), right.noun());
    let why = match op {
        Op::Add => format!("cannot add {b} to {a}"),
        Op::Subtract => format!("cannot subtract {b} from {a}"),
        Op::Multiply => format!("cannot multiply {a} by {b}"),
        Op::Divide | Op::Remainder => format!("cannot divide {a} by {b}"),
    };
    let fault = Fault::new(span.clone(), why);
    if op.is_sum() && (left, right) == (Kind::Time, Kind::Number) {
        fault.hint("give it a unit: 90s, 2h, 7d, or params.x * 1s")
    } else {
        fault
    }
}
