//! What holds for any filter and any values.

use std::borrow::Cow;
use std::cmp::Ordering;

use arbitrary::Unstructured;
use arbtest::arbtest;

use super::super::ast::Condition;
use super::super::ast::Order;
use super::super::ast::Pattern;
use super::super::ast::PatternKind;
use super::super::ast::Test;
use super::super::lexer::Spanned;
use super::super::literal::Duration;
use super::super::literal::Literal;
use super::super::literal::Number;
use super::super::literal::Span;
use super::super::term::Name;
use super::super::term::Op;
use super::super::term::Term;
use super::*;
use crate::model::RunId;

#[test]
fn any_text_is_read_or_refused_with_a_place_inside_it() {
    const PIECES: [&str; 54] = [
        "*",
        "/",
        "%",
        "loss",
        "at(",
        "slope(",
        "smooth(",
        "where",
        "step",
        "time",
        "16KB",
        "0.9",
        "start",
        "duration",
        "params.",
        "metrics.",
        "x",
        "lr",
        "min(",
        "(",
        ")",
        ",",
        "=",
        "!=",
        "<",
        ">=",
        "~",
        "!",
        "and",
        "or",
        "not",
        "in",
        "like",
        "between",
        "is",
        "null",
        "now",
        "-",
        "+",
        "7d",
        "1e-3",
        "2024-01-15",
        "'",
        "\"",
        "`",
        "''",
        "'a'",
        "ö",
        "損",
        "\n",
        "|",
        ".",
        "nan",
        "9",
    ];
    arbtest(|u| {
        let now_us = u.arbitrary()?;
        let text: String = if u.arbitrary()? {
            u.arbitrary()?
        } else {
            let mut text = String::new();
            for _ in 0..u.int_in_range(0..=24)? {
                text.push_str(u.choose(&PIECES)?);
                text.push_str(u.choose(&["", " "])?);
            }
            text
        };
        match Filter::parse(&text, now_us) {
            Ok(filter) => {
                let again = Filter::parse(&filter.to_string(), 0);
                assert_eq!(again.unwrap(), filter, "{text:?} -> {filter}");
                let _ = filter.resolve(&names());
            }
            Err(Error::Filter(fault)) => {
                assert!(
                    text.get(fault.span.clone()).is_some(),
                    "{text:?}: {fault:?}"
                );
                assert!(fault.caret().contains('^'), "{text:?}");
            }
            Err(other) => panic!("{text:?}: {other}"),
        }
        if let Ok(values) = Expression::parse_list(&text, now_us) {
            let shown: Vec<String> = values.iter().map(Expression::to_string).collect();
            let again = Expression::parse_list(&shown.join(", "), 0);
            assert_eq!(again.unwrap(), values, "{text:?} -> {shown:?}");
        }
        let _ = SortKey::parse(&text, now_us, &names());
        Ok(())
    });
}

fn any_text(u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(1..=6)? {
        text.push(*u.choose(&[
            'a', 'N', '0', '.', '/', '-', ' ', '\'', '"', '`', '%', '_', '\\', '損',
        ])?);
    }
    Ok(text)
}

fn any_literal(u: &mut Unstructured<'_>) -> arbitrary::Result<Literal> {
    Ok(match u.int_in_range(0..=7)? {
        0 => Literal::Bool(u.arbitrary()?),
        1 => Literal::Number(Number::Int(u.arbitrary()?)),
        2 => Literal::Number(Number::Int(u.int_in_range(-2..=2)?)),
        3 => Literal::Number(Number::Float(u.arbitrary()?)),
        4 => Literal::Duration(Duration(u.arbitrary()?)),
        5 => Literal::Time(Span::instant(u.int_in_range(0..=NOW_US)?).unwrap()),
        6 => Literal::Text((*u.choose(&["0.5", "true", "2024-01-15", "", "[1, 2]"])?).to_owned()),
        _ => Literal::Text(any_text(u)?),
    })
}

fn any_within(u: &mut Unstructured<'_>) -> arbitrary::Result<Within> {
    let mut within = Within::ALL;
    if u.arbitrary()? {
        within.steps = (
            *u.choose(&[i64::MIN, -5, 0])?,
            *u.choose(&[i64::MAX, -5, 9])?,
        );
    }
    if u.ratio(1, 4)? {
        within.times_us = (
            *u.choose(&[i64::MIN, 0, NOW_US])?,
            *u.choose(&[i64::MAX, NOW_US])?,
        );
    }
    Ok(within)
}

fn any_name(u: &mut Unstructured<'_>) -> arbitrary::Result<Name> {
    let field = |field| Name::Known(Leaf::Field(field));
    Ok(match u.int_in_range(0..=5)? {
        0 => field(Field::Attribute(*u.choose(&Attribute::ALL)?)),
        1 => field(u.choose(&NameKind::ALL)?.field(&any_text(u)?)),
        2 => field(Field::Variable(any_text(u)?)),
        3 => {
            let function = match u.int_in_range(0..=6)? {
                0 => Function::Median,
                1 => Function::FirstNan,
                2 => Function::Auc,
                3 => Function::Slope(*u.choose(&[None, Some(2), Some(100)])?),
                4 => Function::Smooth(Weight::new(*u.choose(&[0.0, 0.5, 0.999])?).unwrap()),
                _ => Function::Stat(*u.choose(&Stat::ALL)?),
            };
            Name::Known(Leaf::of_series(any_text(u)?, function, any_within(u)?))
        }
        _ => {
            let odd = [
                "and", "now", "params.x", "run.id", "min", "a.b", "now-7d", "step", "3d",
            ];
            Name::Bare((*u.choose(&odd)?).to_owned())
        }
    })
}

fn any_term(u: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Spanned<Term>> {
    let leaf = Term::Name(any_name(u)?);
    if depth == 0 || u.ratio(1, 2)? {
        let is_name = u.arbitrary()?;
        let literal = Term::Literal(any_literal(u)?);
        return Ok(Spanned::new(if is_name { leaf } else { literal }, 0..0));
    }
    if u.ratio(1, 5)? {
        return Ok(Term::negated(any_term(u, depth - 1)?, 0..0));
    }
    let ops = *u.choose(&[
        [Op::Add, Op::Subtract, Op::Add],
        [Op::Multiply, Op::Divide, Op::Remainder],
    ])?;
    let (first, mut rest) = (any_term(u, depth - 1)?, Vec::new());
    for _ in 0..u.int_in_range(1..=3)? {
        rest.push((*u.choose(&ops)?, any_term(u, depth - 1)?));
    }
    // Too late a time is refused.
    Ok(Term::chain(first, rest).unwrap_or_else(|_| Spanned::new(leaf, 0..0)))
}

/// A test of values that may be anything, or as the properties want it: of a name and literals.
fn any_test(u: &mut Unstructured<'_>, plain: bool) -> arbitrary::Result<Test> {
    let name = |u: &mut Unstructured<'_>| Ok(Spanned::new(Term::Name(any_name(u)?), 0..0));
    let literal = |u: &mut Unstructured<'_>| Ok(Spanned::new(Term::Literal(any_literal(u)?), 0..0));
    let left = |u: &mut Unstructured<'_>| if plain { name(u) } else { any_term(u, 2) };
    let right = |u: &mut Unstructured<'_>| if plain { literal(u) } else { any_term(u, 2) };
    let patterns = ["a|0", "^N", r"\d+'", "(?i)n", "."];
    let value = left(u)?;
    let condition = match u.int_in_range(0..=7)? {
        0 => {
            let right = right(u)?;
            return Ok(Test::equal(value, right, u.arbitrary()?));
        }
        1 => {
            let order = *u.choose(&[
                Order::Less,
                Order::LessOrEqual,
                Order::Greater,
                Order::GreaterOrEqual,
            ])?;
            return Ok(Test::order(value, order, right(u)?));
        }
        2 => {
            let mut items = vec![right(u)?];
            for _ in 0..u.int_in_range(0..=3)? {
                items.push(right(u)?);
            }
            Condition::In(items)
        }
        3 => Condition::Between(right(u)?, right(u)?),
        4 => Condition::Null,
        kind => {
            let (kind, text) = match kind {
                5 => (PatternKind::Like, any_text(u)?),
                6 => (PatternKind::Ilike, any_text(u)?),
                _ => (PatternKind::Regex, (*u.choose(&patterns)?).to_owned()),
            };
            Condition::Match(Spanned::new(Pattern::new(kind, text).unwrap(), 0..0))
        }
    };
    Ok(Test {
        value,
        negated: u.arbitrary()?,
        condition,
    })
}

fn any_expr(u: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Expr> {
    if depth == 0 || u.ratio(1, 3)? {
        let plain = u.arbitrary()?;
        return Ok(Expr::Test(Box::new(any_test(u, plain)?)));
    }
    match u.int_in_range(0..=2)? {
        0 => Ok(Expr::Not(Box::new(any_expr(u, depth - 1)?))),
        join => {
            let mut terms = Vec::new();
            for _ in 0..u.int_in_range(1..=3)? {
                terms.push(any_expr(u, depth - 1)?);
            }
            Ok(if join == 1 {
                Expr::and(terms)
            } else {
                Expr::or(terms)
            })
        }
    }
}

#[test]
fn what_is_displayed_parses_back_to_the_same_filter() {
    arbtest(|u| {
        let expr = any_expr(u, 6)?;
        let text = expr.to_string();
        let parsed = Filter::parse(&text, 0).unwrap_or_else(|why| panic!("{text}: {why:?}"));
        assert_eq!(parsed.expr, expr, "{text}");
        assert_eq!(parsed.to_string(), text);
        Ok(())
    });
}

/// A store that has every name.
struct AllNames;

impl Names for AllNames {
    fn contains(&self, _: NameKind, _: &str) -> bool {
        true
    }

    fn visit(&self, _: NameKind, _: &mut dyn FnMut(&str)) {}
}

fn any_value(u: &mut Unstructured<'_>) -> arbitrary::Result<Value<'static>> {
    Ok(match u.int_in_range(0..=8)? {
        0 => Value::Absent,
        1 => Value::Bool(u.arbitrary()?),
        2 => Value::Number(u.arbitrary()?),
        3 => Value::Int(u.int_in_range(-2..=2)?),
        4 => Value::Text(Cow::Owned(any_text(u)?)),
        5 => Value::Time(u.int_in_range(0..=NOW_US)?),
        6 => Value::Duration(f64::from(u.int_in_range(0..=3u8)?)),
        7 => Value::Id(RunId(u.arbitrary()?)),
        _ => Value::Texts(vec!["0.5".into(), any_text(u)?.into()]),
    })
}

/// Whether `expr` is true when its fields have these values, by number and round again.
fn holds(expr: &Expr, values: &[Value<'static>]) -> Option<bool> {
    let predicate = Predicate::new(expr, &AllNames).ok()?;
    Some(predicate.matches(&mut |field| values[field % values.len()].clone()))
}

#[test]
fn conditions_agree_with_what_they_are_short_for() {
    arbtest(|u| {
        let values = [any_value(u)?, any_value(u)?];
        let not = |expr: Expr| Expr::Not(Box::new(expr));
        let (a, b) = (any_expr(u, 2)?, any_expr(u, 2)?);
        if let Some(whole) = holds(&a, &values) {
            assert_eq!(holds(&not(not(a.clone())), &values), Some(whole), "{a}");
        }
        let both = not(Expr::and(vec![a.clone(), b.clone()]));
        let either = Expr::or(vec![not(a), not(b)]);
        assert_eq!(holds(&both, &values), holds(&either, &values), "{both}");

        // Of one value only: a run's artifacts may meet two conditions by different paths.
        let test = any_test(u, true)?;
        let one = [any_value(u)?];
        let part = |condition: Condition| {
            Expr::Test(Box::new(Test {
                value: test.value.clone(),
                negated: false,
                condition,
            }))
        };
        let null = holds(&part(Condition::Null), &one).unwrap_or(true);
        let plain = part(test.condition.clone());
        if test.negated && test.condition != Condition::Null {
            let expected = holds(&plain, &one).map(|plain| !plain && !null);
            assert_eq!(
                holds(&Expr::Test(Box::new(test.clone())), &one),
                expected,
                "{test}"
            );
        }
        let same = match &test.condition {
            Condition::In(items) => Expr::or(
                items
                    .iter()
                    .cloned()
                    .map(|item| part(Condition::Equal(item)))
                    .collect(),
            ),
            Condition::Between(low, high) if !matches!(one, [Value::Texts(_)]) => Expr::and(vec![
                part(Condition::Order(Order::GreaterOrEqual, low.clone())),
                part(Condition::Order(Order::LessOrEqual, high.clone())),
            ]),
            _ => plain.clone(),
        };
        assert_eq!(
            holds(&plain, &one),
            holds(&same, &one),
            "{plain} | {same} of {one:?}"
        );
        Ok(())
    });
}

#[test]
fn sorting_is_a_total_order() {
    arbtest(|u| {
        let (a, b, c) = (any_value(u)?, any_value(u)?, any_value(u)?);
        for down in [false, true] {
            let order = |a: &Value<'_>, b: &Value<'_>| compare_values(a, b, down);
            assert_eq!(order(&a, &b), order(&b, &a).reverse());
            if order(&a, &b) != Ordering::Greater && order(&b, &c) != Ordering::Greater {
                assert_ne!(order(&a, &c), Ordering::Greater, "{a:?} {b:?} {c:?}");
            }
        }
        Ok(())
    });
}
