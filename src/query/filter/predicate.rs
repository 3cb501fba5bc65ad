//! A filter whose names are settled: what is looked up by number, literals ready to compare.

use std::cmp::Ordering;

use regex::Regex;

use super::ast::Condition;
use super::ast::Expr;
use super::ast::Order;
use super::ast::Test;
use super::calc::Calc;
use super::calc::Compiler;
use super::calc::Typed;
use super::field::Domain;
use super::lexer::Fault;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::literal::Literal;
use super::names::Names;
use super::operand;
use super::operand::Members;
use super::operand::Operand;
use super::parser::shown;
use super::term::Leaf;
use super::term::Name;
use super::term::Term;
use super::value::Value;

/// Tells of a run whether it is meant.
///
/// It asks for values by the number of their leaf in [`Self::leaves`], and only for those that
/// decide: a false term ends an `and`. Terms that are cheap to tell come first.
#[derive(Clone, Debug)]
pub struct Predicate {
    leaves: Vec<Leaf>,
    root: Node,
}

#[derive(Clone, Debug)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Probe(Box<Probe>),
}

/// One value to ask for and what it is asked.
#[derive(Clone, Debug)]
struct Probe {
    value: Calc,
    /// Whether the value must fail the check.
    negated: bool,
    check: Check,
}

/// What a value is asked; each is false for an absent one, negated too, save `Null`.
#[derive(Clone, Debug)]
enum Check {
    Equal(Against),
    Order(Order, Against),
    In(Members),
    /// Some of the items differ from run to run.
    InAny(Vec<Against>),
    Match(Regex),
    Between(Against, Against),
    Null,
}

/// What a value is compared with.
#[derive(Clone, Debug)]
enum Against {
    /// The same for all runs.
    Fixed(Operand),
    /// Another value of the run; the flag is that of [`operand::compare`].
    Value(Calc, bool),
    /// Another value of the run, where the first one is the same for all.
    Turned(Operand, Calc),
}

impl Predicate {
    pub(super) fn new(expr: &Expr, names: &dyn Names) -> Parsed<Self> {
        let mut compiler = Compiler::new(names);
        let mut root = node(&mut compiler, expr)?;
        let leaves = compiler.leaves;
        root.order_by_cost(&leaves);
        Ok(Self { leaves, root })
    }

    /// Returns what it looks up, each once.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Returns whether a run is meant.
    ///
    /// - `value`: what the run has in a leaf, by its number in [`Self::leaves`]
    pub fn matches<'a>(&self, value: &mut dyn FnMut(usize) -> Value<'a>) -> bool {
        self.root.matches(value)
    }
}

impl Node {
    fn matches<'a>(&self, ask: &mut dyn FnMut(usize) -> Value<'a>) -> bool {
        match self {
            Self::And(terms) => terms.iter().all(|term| term.matches(ask)),
            Self::Or(terms) => terms.iter().any(|term| term.matches(ask)),
            Self::Not(inner) => !inner.matches(ask),
            Self::Probe(probe) => {
                let value = probe.value.value(ask);
                match &probe.check {
                    Check::Null => value.is_absent() != probe.negated,
                    check => !value.is_absent() && check.holds(&value, probe.negated, ask),
                }
            }
        }
    }

    /// Puts the cheap terms of each `and` and `or` first; what holds stays the same.
    fn order_by_cost(&mut self, leaves: &[Leaf]) -> u8 {
        match self {
            Self::And(terms) | Self::Or(terms) => {
                let mut ordered: Vec<(u8, Node)> = std::mem::take(terms)
                    .into_iter()
                    .map(|mut term| (term.order_by_cost(leaves), term))
                    .collect();
                ordered.sort_by_key(|(cost, _)| *cost);
                let most = ordered.last().map_or(0, |(cost, _)| *cost);
                terms.extend(ordered.into_iter().map(|(_, term)| term));
                most
            }
            Self::Not(inner) => inner.order_by_cost(leaves),
            Self::Probe(probe) => probe.cost(leaves),
        }
    }
}

impl Probe {
    fn cost(&self, leaves: &[Leaf]) -> u8 {
        let of_check = match &self.check {
            Check::Equal(other) | Check::Order(_, other) => other.cost(leaves),
            Check::InAny(items) => items
                .iter()
                .map(|item| item.cost(leaves))
                .max()
                .unwrap_or(0),
            Check::Between(low, high) => low.cost(leaves).max(high.cost(leaves)),
            Check::In(_) | Check::Match(_) | Check::Null => 0,
        };
        self.value.cost(leaves).max(of_check)
    }
}

impl Check {
    /// Whether a value that is there passes; of several texts, whether any does.
    fn holds<'a>(
        &self,
        value: &Value<'a>,
        negated: bool,
        ask: &mut dyn FnMut(usize) -> Value<'a>,
    ) -> bool {
        let found = match self {
            Self::Equal(other) => other.compare(value, ask, Ordering::is_eq),
            Self::Order(order, other) => other.compare(value, ask, |found| order.has(found)),
            Self::In(members) => Some(any(value, &mut |value| members.contains(value))),
            Self::InAny(items) => {
                let mut found = Some(false);
                for item in items {
                    match item.compare(value, ask, Ordering::is_eq) {
                        Some(true) => return !negated,
                        Some(false) => {}
                        None => found = None, // so that `not in` is false, as `!=` is
                    }
                }
                found
            }
            Self::Match(regex) => Some(any(value, &mut |value| regex.is_match(&value.as_text()))),
            Self::Between(low, high) => {
                // Both bounds are met by the same one of several texts.
                let (low, high) = (low.ready(ask), high.ready(ask));
                low.zip(high).map(|(low, high)| {
                    any(value, &mut |value| {
                        let above = low.compare(value);
                        let below = high.compare(value);
                        Order::GreaterOrEqual.has_any(above) && Order::LessOrEqual.has_any(below)
                    })
                })
            }
            Self::Null => Some(false),
        };
        found.is_some_and(|found| found != negated)
    }
}

/// Whether a value passes, or any of several texts.
fn any(value: &Value<'_>, passes: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
    match value {
        Value::Texts(texts) => texts
            .iter()
            .any(|text| passes(&Value::Text(text.as_ref().into()))),
        value => passes(value),
    }
}

/// What a value is compared with, looked up for one run.
enum Ready<'p, 'a> {
    Fixed(&'p Operand),
    Value(Value<'a>, bool),
    Turned(&'p Operand, Value<'a>),
}

impl Against {
    fn ready<'a>(&self, ask: &mut dyn FnMut(usize) -> Value<'a>) -> Option<Ready<'_, 'a>> {
        match self {
            Self::Fixed(operand) => Some(Ready::Fixed(operand)),
            Self::Value(calc, numbers) => {
                let other = calc.value(ask);
                (!other.is_absent()).then_some(Ready::Value(other, *numbers))
            }
            Self::Turned(operand, calc) => {
                let other = calc.value(ask);
                (!other.is_absent()).then_some(Ready::Turned(operand, other))
            }
        }
    }

    /// Whether the value, or any of several texts, compares as wanted; none if there is nothing to
    /// compare it with.
    fn compare<'a>(
        &self,
        value: &Value<'a>,
        ask: &mut dyn FnMut(usize) -> Value<'a>,
        wanted: impl Fn(Ordering) -> bool,
    ) -> Option<bool> {
        if let (Self::Fixed(operand), false) = (self, matches!(value, Value::Texts(_))) {
            return Some(operand.compare(value).is_some_and(wanted)); // nearly all
        }
        let other = self.ready(ask)?;
        Some(any(value, &mut |value| {
            other.compare(value).is_some_and(&wanted)
        }))
    }

    fn cost(&self, leaves: &[Leaf]) -> u8 {
        match self {
            Self::Fixed(_) => 0,
            Self::Value(calc, _) | Self::Turned(_, calc) => calc.cost(leaves),
        }
    }
}

impl Ready<'_, '_> {
    fn compare(&self, value: &Value<'_>) -> Option<Ordering> {
        match self {
            Self::Fixed(operand) => operand.compare(value),
            Self::Value(other, numbers) => {
                of_any(other, |other| operand::compare(value, other, *numbers))
            }
            Self::Turned(operand, other) => {
                of_any(other, |other| operand.compare(other).map(Ordering::reverse))
            }
        }
    }
}

/// How a value compares with another, or with any of several texts: equal if one of them is.
fn of_any(other: &Value<'_>, compare: impl Fn(&Value<'_>) -> Option<Ordering>) -> Option<Ordering> {
    let Value::Texts(texts) = other else {
        return compare(other);
    };
    let orders = texts
        .iter()
        .map(|text| compare(&Value::Text(text.as_ref().into())));
    orders.flatten().min_by_key(|order| order.is_ne())
}

impl Order {
    fn has(self, found: Ordering) -> bool {
        match self {
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }

    fn has_any(self, found: Option<Ordering>) -> bool {
        found.is_some_and(|found| self.has(found))
    }
}

fn node(compiler: &mut Compiler<'_>, expr: &Expr) -> Parsed<Node> {
    let mut nodes = |terms: &[Expr]| -> Parsed<Vec<Node>> {
        terms.iter().map(|term| node(compiler, term)).collect()
    };
    Ok(match expr {
        Expr::And(terms) => Node::And(nodes(terms)?),
        Expr::Or(terms) => Node::Or(nodes(terms)?),
        Expr::Not(inner) => Node::Not(Box::new(node(compiler, inner)?)),
        Expr::Test(test) => Node::Probe(Box::new(probe(compiler, test)?)),
    })
}

fn probe(compiler: &mut Compiler<'_>, test: &Test) -> Parsed<Probe> {
    if !test.terms().any(|term| term.value.has_names()) {
        return Err(without_names(&test.value));
    }
    let absence = test.condition == Condition::Null;
    let left = compiler.value(&test.value, absence)?;
    let mut against = |term| against(compiler, &left, term);
    let check = match &test.condition {
        Condition::Equal(to) => Check::Equal(against(to)?),
        Condition::Order(order, to) => {
            ordered(&left, order.symbol())?;
            Check::Order(*order, against(to)?)
        }
        Condition::In(items) => {
            let items = items
                .iter()
                .map(against)
                .collect::<Parsed<Vec<Against>>>()?;
            let fixed = items.iter().map(|item| match item {
                Against::Fixed(operand) => Some(operand.clone()),
                Against::Value(..) | Against::Turned(..) => None,
            });
            match fixed.collect::<Option<Vec<Operand>>>() {
                Some(all) => Check::In(Members::new(all)),
                None => Check::InAny(items),
            }
        }
        Condition::Match(pattern) => {
            textual(&left, &pattern.span)?;
            Check::Match(pattern.value.regex.clone())
        }
        Condition::Between(low, high) => {
            ordered(&left, "between")?;
            Check::Between(against(low)?, against(high)?)
        }
        Condition::Null => Check::Null,
    };
    Ok(Probe {
        value: left.calc,
        negated: test.negated,
        check,
    })
}

fn against(compiler: &mut Compiler<'_>, left: &Typed, term: &Spanned<Term>) -> Parsed<Against> {
    let right = compiler.value(term, false);
    let right = right.map_err(|fault| match &term.value {
        Term::Name(Name::Bare(name)) if left.domain.has_text() => {
            fault.hint(format!("put text in quotes: '{}'", shown(name)))
        }
        _ => fault,
    })?;
    if let Some(literal) = right.as_literal() {
        let literal = Spanned::new(literal, term.span.clone());
        return Operand::new(&left.term.value, left.domain, &literal).map(Against::Fixed);
    }
    if let Some(literal) = left.as_literal() {
        // `'x' in (name, author)`: the other side tells what the literal is.
        let literal = Spanned::new(literal, left.term.span.clone());
        let operand = Operand::new(&right.term.value, right.domain, &literal)?;
        return Ok(Against::Turned(operand, right.calc));
    }
    if !comparable(left.domain, right.domain) {
        let why = format!(
            "{} is {}, {} is {}",
            shown(&left.term.value.to_string()),
            left.domain.noun(),
            shown(&right.term.value.to_string()),
            right.domain.noun()
        );
        return Err(Fault::new(term.span.clone(), why).hint("compare what is alike"));
    }
    let may_be_number = |domain| matches!(domain, Domain::Any | Domain::Tag);
    let numbers = may_be_number(left.domain) && may_be_number(right.domain);
    Ok(Against::Value(right.calc, numbers))
}

/// Whether values of these two can be alike.
fn comparable(a: Domain, b: Domain) -> bool {
    use Domain::Any;
    use Domain::Bool;
    use Domain::Duration;
    use Domain::Id;
    use Domain::Number;
    use Domain::Paths;
    use Domain::Status;
    use Domain::Tag;
    use Domain::Text;
    use Domain::Time;
    matches!(
        (a, b),
        (Any | Tag, _)
            | (_, Any | Tag)
            | (Number | Duration | Bool, Number | Duration | Bool)
            | (Text | Status | Paths, Text | Status | Paths)
            | (Id, Id | Text)
            | (Text, Id)
            | (Time, Time)
    )
}

fn without_names(value: &Spanned<Term>) -> Fault {
    let span = value.span.clone();
    match &value.value {
        Term::Literal(Literal::Text(_)) => Fault::new(span, "a text stands where a name is needed")
            .hint("write a name bare or in double quotes"),
        _ => Fault::new(span, "no side of this names anything of a run")
            .hint("name a param, metric, tag or attribute: metrics.acc > 0.9"),
    }
}

fn ordered(left: &Typed, operator: &str) -> Parsed<()> {
    match left.domain {
        Domain::Any
        | Domain::Tag
        | Domain::Text
        | Domain::Number
        | Domain::Duration
        | Domain::Time => Ok(()),
        Domain::Bool | Domain::Status | Domain::Id | Domain::Paths => {
            let Spanned { value, span } = &left.term;
            let why = format!("{value} has no order, so {operator} says nothing");
            Err(Fault::new(span.clone(), why).hint("use =, !=, in or like"))
        }
    }
}

fn textual(left: &Typed, pattern: &std::ops::Range<usize>) -> Parsed<()> {
    let hint = match left.domain {
        Domain::Any | Domain::Tag | Domain::Text | Domain::Status | Domain::Id | Domain::Paths => {
            return Ok(());
        }
        Domain::Number | Domain::Duration => "compare with =, <, > or between",
        Domain::Bool => "compare with = true or = false",
        Domain::Time => "write: between '2024-01-01' and '2024-01-31'",
    };
    let why = format!(
        "{} is {}, a pattern needs text",
        left.term.value,
        left.domain.noun()
    );
    Err(Fault::new(pattern.clone(), why).hint(hint))
}
