//! What holds for any filter and any values.

use std::borrow::Cow;
use std::cmp::Ordering;

use arbitrary::Unstructured;
use arbtest::arbtest;

use super::super::ast::Condition;
use super::super::ast::FieldName;
use super::super::ast::Order;
use super::super::ast::Pattern;
use super::super::ast::PatternKind;
use super::super::ast::Test;
use super::super::lexer::Spanned;
use super::super::literal::Duration;
use super::super::literal::Literal;
use super::super::literal::Number;
use super::super::literal::Span;
use super::*;
use crate::model::RunId;

#[test]
fn any_text_is_read_or_refused_with_a_place_inside_it() {
    const PIECES: [&str; 40] = [
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
        let _ = SortKey::parse(&text, &names());
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

fn any_literal(u: &mut Unstructured<'_>) -> arbitrary::Result<Spanned<Literal>> {
    let literal = match u.int_in_range(0..=7)? {
        0 => Literal::Bool(u.arbitrary()?),
        1 => Literal::Number(Number::Int(u.arbitrary()?)),
        2 => Literal::Number(Number::Int(u.int_in_range(-2..=2)?)),
        3 => Literal::Number(Number::Float(u.arbitrary()?)),
        4 => Literal::Duration(Duration(u.arbitrary()?)),
        5 => Literal::Time(Span::instant(u.int_in_range(0..=NOW_US)?).unwrap()),
        6 => Literal::Text((*u.choose(&["0.5", "true", "2024-01-15", "", "[1, 2]"])?).to_owned()),
        _ => Literal::Text(any_text(u)?),
    };
    Ok(Spanned::new(literal, 0..0))
}

fn any_test(u: &mut Unstructured<'_>) -> arbitrary::Result<Test> {
    let name = match u.int_in_range(0..=4)? {
        0 => FieldName::Known(Field::Attribute(*u.choose(&Attribute::ALL)?)),
        1 => FieldName::Known(u.choose(&NameKind::ALL)?.field(&any_text(u)?)),
        2 => FieldName::Known(Field::Metric(any_text(u)?, *u.choose(&Stat::ALL)?)),
        3 => FieldName::Bare(any_text(u)?, Some(*u.choose(&Stat::ALL)?)),
        _ => {
            let odd = *u.choose(&["and", "now", "params.x", "run.id", "min", "a.b"])?;
            FieldName::Bare(odd.to_owned(), None)
        }
    };
    let patterns = ["a|0", "^N", r"\d+'", "(?i)n", "."];
    let condition = match u.int_in_range(0..=7)? {
        0 => Condition::Equal(any_literal(u)?),
        1 => {
            let orders = [
                Order::Less,
                Order::LessOrEqual,
                Order::Greater,
                Order::GreaterOrEqual,
            ];
            Condition::Order(*u.choose(&orders)?, any_literal(u)?)
        }
        2 => {
            let mut items = vec![any_literal(u)?];
            for _ in 0..u.int_in_range(0..=3)? {
                items.push(any_literal(u)?);
            }
            Condition::In(items)
        }
        3 => Condition::Between(any_literal(u)?, any_literal(u)?),
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
        field: Spanned::new(name, 0..0),
        negated: !matches!(condition, Condition::Order(..)) && u.arbitrary()?,
        condition,
    })
}

fn any_expr(u: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Expr> {
    if depth == 0 || u.ratio(1, 3)? {
        return any_test(u).map(Expr::Test);
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
        let test = any_test(u)?;
        let one = [any_value(u)?];
        let part = |condition: Condition| {
            Expr::Test(Test {
                field: test.field.clone(),
                negated: false,
                condition,
            })
        };
        let null = holds(&part(Condition::Null), &one).unwrap_or(true);
        let plain = part(test.condition.clone());
        if test.negated && test.condition != Condition::Null {
            let expected = holds(&plain, &one).map(|plain| !plain && !null);
            assert_eq!(holds(&Expr::Test(test.clone()), &one), expected, "{test}");
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
