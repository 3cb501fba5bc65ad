//! A filter whose names are settled: fields by number, literals ready to compare.

use std::cmp::Ordering;
use std::collections::HashMap;

use regex::Regex;

use super::ast::Condition;
use super::ast::Expr;
use super::ast::Order;
use super::ast::Test;
use super::field::Domain;
use super::field::Field;
use super::lexer::Fault;
use super::lexer::Parsed;
use super::lexer::Spanned;
use super::names::Names;
use super::names::resolve_field;
use super::operand::Members;
use super::operand::Operand;
use super::value::Value;
use crate::model::Run;

/// Tells of a run whether it is meant.
///
/// It asks for values by the number of their field in [`Self::fields`], and only for those that
/// decide: a false term ends an `and`.
#[derive(Clone, Debug)]
pub struct Predicate {
    fields: Vec<Field>,
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
    field: usize,
    /// Whether the value must fail the check.
    negated: bool,
    check: Check,
}

/// What a value is asked; each is false for an absent one, negated too, save `Null`.
#[derive(Clone, Debug)]
enum Check {
    Equal(Operand),
    Order(Order, Operand),
    In(Members),
    Match(Regex),
    Between(Operand, Operand),
    Null,
}

impl Predicate {
    pub(super) fn new(expr: &Expr, names: &dyn Names) -> Parsed<Self> {
        let mut compiler = Compiler {
            names,
            fields: Vec::new(),
            numbers: HashMap::new(),
        };
        let root = compiler.node(expr)?;
        Ok(Self {
            fields: compiler.fields,
            root,
        })
    }

    /// Returns the fields that it asks for, each once.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns whether a run is meant.
    ///
    /// - `value`: what the run has in a field, by its number in [`Self::fields`]
    pub fn matches<'a>(&self, value: &mut dyn FnMut(usize) -> Value<'a>) -> bool {
        self.root.matches(value)
    }

    /// Returns whether a run in memory is meant; one that still runs has lasted until `now_us`.
    pub fn matches_run(&self, run: &Run, now_us: i64) -> bool {
        self.matches(&mut |field| match self.fields.get(field) {
            Some(field) => Value::of(field, run, now_us),
            None => Value::Absent,
        })
    }
}

impl Node {
    fn matches<'a>(&self, value: &mut dyn FnMut(usize) -> Value<'a>) -> bool {
        match self {
            Self::And(terms) => terms.iter().all(|term| term.matches(value)),
            Self::Or(terms) => terms.iter().any(|term| term.matches(value)),
            Self::Not(inner) => !inner.matches(value),
            Self::Probe(probe) => {
                let value = value(probe.field);
                match &probe.check {
                    Check::Null => value.is_absent() != probe.negated,
                    check => !value.is_absent() && check.holds(&value) != probe.negated,
                }
            }
        }
    }
}

impl Check {
    /// Whether a value that is there passes; of several texts, whether any does.
    fn holds(&self, value: &Value<'_>) -> bool {
        if let Value::Texts(texts) = value {
            let holds = |text| self.holds(&Value::Text(text));
            return texts.iter().map(|text| text.as_ref().into()).any(holds);
        }
        match self {
            Self::Equal(operand) => operand.equals(value),
            Self::Order(order, operand) => in_order(*order, operand.compare(value)),
            Self::In(members) => members.contains(value),
            Self::Match(regex) => regex.is_match(&value.as_text()),
            Self::Between(low, high) => {
                in_order(Order::GreaterOrEqual, low.compare(value))
                    && in_order(Order::LessOrEqual, high.compare(value))
            }
            Self::Null => false,
        }
    }
}

fn in_order(order: Order, found: Option<Ordering>) -> bool {
    found.is_some_and(|found| match order {
        Order::Less => found.is_lt(),
        Order::LessOrEqual => found.is_le(),
        Order::Greater => found.is_gt(),
        Order::GreaterOrEqual => found.is_ge(),
    })
}

struct Compiler<'a> {
    names: &'a dyn Names,
    fields: Vec<Field>,
    numbers: HashMap<Field, usize>,
}

impl Compiler<'_> {
    fn node(&mut self, expr: &Expr) -> Parsed<Node> {
        let nodes = |this: &mut Self, terms: &[Expr]| -> Parsed<Vec<Node>> {
            terms.iter().map(|term| this.node(term)).collect()
        };
        Ok(match expr {
            Expr::And(terms) => Node::And(nodes(self, terms)?),
            Expr::Or(terms) => Node::Or(nodes(self, terms)?),
            Expr::Not(inner) => Node::Not(Box::new(self.node(inner)?)),
            Expr::Test(test) => self.test(test)?,
        })
    }

    fn test(&mut self, test: &Test) -> Parsed<Node> {
        let absence = test.condition == Condition::Null;
        let field = resolve_field(self.names, &test.field, absence)?;
        let operand = |literal| Operand::new(&field, literal);
        let check = match &test.condition {
            Condition::Equal(to) => Check::Equal(operand(to)?),
            Condition::Order(order, to) => {
                ordered(&field, order.symbol(), test)?;
                Check::Order(*order, operand(to)?)
            }
            Condition::In(items) => {
                let items: Parsed<Vec<Operand>> = items.iter().map(operand).collect();
                Check::In(Members::new(items?))
            }
            Condition::Match(pattern) => {
                textual(&field, &pattern.span)?;
                Check::Match(pattern.value.regex.clone())
            }
            Condition::Between(low, high) => {
                ordered(&field, "between", test)?;
                Check::Between(operand(low)?, operand(high)?)
            }
            Condition::Null => Check::Null,
        };
        Ok(Node::Probe(Box::new(Probe {
            field: self.number(field),
            negated: test.negated,
            check,
        })))
    }

    fn number(&mut self, field: Field) -> usize {
        let next = self.fields.len();
        let fields = &mut self.fields;
        *self.numbers.entry(field).or_insert_with_key(|field| {
            fields.push(field.clone());
            next
        })
    }
}

fn ordered(field: &Field, operator: &str, test: &Test) -> Parsed<()> {
    match field.domain() {
        Domain::Any | Domain::Text | Domain::Number | Domain::Duration | Domain::Time => Ok(()),
        Domain::Status | Domain::Id | Domain::Paths => {
            let why = format!("{field} has no order, so {operator} says nothing");
            let Spanned { span, .. } = &test.field;
            Err(Fault::new(span.clone(), why).hint("use =, !=, in or like"))
        }
    }
}

fn textual(field: &Field, pattern: &std::ops::Range<usize>) -> Parsed<()> {
    let (noun, hint) = match field.domain() {
        Domain::Any | Domain::Text | Domain::Status | Domain::Id | Domain::Paths => return Ok(()),
        Domain::Number => ("a number", "compare with =, <, > or between"),
        Domain::Duration => ("a duration", "compare with =, <, > or between"),
        Domain::Time => ("a time", "write: between '2024-01-01' and '2024-01-31'"),
    };
    let why = format!("{field} is {noun}, a pattern needs text");
    Err(Fault::new(pattern.clone(), why).hint(hint))
}
