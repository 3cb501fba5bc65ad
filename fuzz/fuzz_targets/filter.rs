//! Any text as a filter, a sort key and columns: no panic, an error that points into the text, and
//! a canonical form that reads back to the same and is its own canonical form.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tracker::Error;
use tracker::query::filter::Expression;
use tracker::query::filter::Filter;
use tracker::query::filter::KnownNames;
use tracker::query::filter::NameKind;
use tracker::query::filter::SortKey;
use tracker::query::filter::Value;

const NOW_US: i64 = 1_705_276_800_000_000;

static NAMES: LazyLock<KnownNames> = LazyLock::new(|| {
    let mut names = KnownNames::default();
    for (kind, name) in [
        (NameKind::Param, "lr"),
        (NameKind::Param, "model"),
        (NameKind::Param, "x"),
        (NameKind::Metric, "loss"),
        (NameKind::Metric, "val/acc"),
        (NameKind::Metric, "x"),
        (NameKind::Tag, "team"),
        (NameKind::Tag, "my tag"),
    ] {
        names.add(kind, name);
    }
    names
});

fuzz_target!(|text: &str| {
    match SortKey::parse(text, NOW_US, &*NAMES) {
        Err(error) => check_span(text, Some(error)),
        Ok(key) => {
            let canonical = key.to_string();
            let again = SortKey::parse(&canonical, NOW_US, &*NAMES);
            let again = again.unwrap_or_else(|error| panic!("{canonical:?}: {error}"));
            assert!(again == key, "{canonical:?} sorts by something else");
        }
    }
    columns(text);
    let filter = match Filter::parse(text, NOW_US) {
        Ok(filter) => filter,
        Err(error) => return check_span(text, Some(error)),
    };
    let canonical = filter.to_string();
    let again = Filter::parse(&canonical, NOW_US);
    let again = again.unwrap_or_else(|error| panic!("{canonical:?} does not parse: {error}"));
    assert!(again == filter, "{canonical:?} asks something else");
    assert_eq!(again.to_string(), canonical);
    match filter.resolve(&*NAMES) {
        Err(error) => check_span(text, Some(error)),
        Ok(predicate) => {
            for value in values() {
                predicate.matches(&mut |_| value.clone());
            }
            // Of leaves that differ, whatever the order of the terms.
            let values = values();
            predicate.matches(&mut |leaf| values[leaf % values.len()].clone());
            assert!(filter.asked(&*NAMES).is_ok());
        }
    }
});

fn values() -> [Value<'static>; 9] {
    [
        Value::Absent,
        Value::Bool(true),
        Value::Number(f64::NAN),
        Value::Number(0.01),
        Value::Int(i64::MIN),
        Value::Text("0.01".into()),
        Value::Time(NOW_US),
        Value::Duration(1e9),
        Value::Texts(vec!["a".into(), "[1, 2]".into()]),
    ]
}

fn columns(text: &str) {
    let columns = match Expression::parse_list(text, NOW_US) {
        Ok(columns) => columns,
        Err(error) => return check_span(text, Some(error)),
    };
    let shown: Vec<String> = columns.iter().map(Expression::to_string).collect();
    let canonical = shown.join(", ");
    let again = Expression::parse_list(&canonical, NOW_US);
    let again = again.unwrap_or_else(|error| panic!("{canonical:?} does not parse: {error}"));
    assert!(again == columns, "{canonical:?} is something else");
    for column in columns {
        match column.resolve(&*NAMES) {
            Err(error) => check_span(text, Some(error)),
            Ok(calculation) => {
                for value in values() {
                    calculation.value(&mut |_| value.clone());
                }
            }
        }
    }
}

fn check_span(text: &str, error: Option<Error>) {
    match error {
        Some(Error::Filter(fault)) => {
            assert!(
                text.get(fault.span.clone()).is_some(),
                "{fault:?} is not in the text"
            );
            drop(fault.caret());
        }
        Some(error) => assert!(matches!(error, Error::Invalid { .. }), "{error}"),
        None => {}
    }
}
