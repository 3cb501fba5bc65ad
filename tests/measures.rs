//! Each function of a series is what a naive computation over its points says: folded, not folded,
//! and half of it folded; worked out for a run, and asked by a filter.

use arbitrary::Unstructured;
use tracker::Query;
use tracker::RunOptions;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::Point;
use tracker::query::filter::Expression;
use tracker::query::filter::Value;

type Arbitrary<T> = arbitrary::Result<T>;

/// 2024-01-15T10:00:00Z
const TIME_US: i64 = 1_705_312_800_000_000;
const METRIC: &str = "val loss";

fn any_value(u: &mut Unstructured<'_>) -> Arbitrary<f64> {
    const ODD: [f64; 5] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0];
    if u.ratio(1, 6)? {
        return Ok(*u.choose(&ODD)?);
    }
    Ok(f64::from(u.int_in_range(-40..=40)?) / 4.0)
}

/// Points as one writer logs them: mostly by step, sometimes far apart, out of order or repeated;
/// as often as not behind all that was logged before.
///
/// - `next`: one more than the largest step so far
fn any_points(u: &mut Unstructured<'_>, next: &mut i64) -> Arbitrary<Vec<Point>> {
    let near = u.int_in_range(-50..=200)?;
    let mut step = if u.arbitrary()? { *next } else { near };
    let stride = *u.choose(&[0, 1, 1, 7, 1_000_000])?;
    let mut points = Vec::new();
    // Now and then more than one chunk has of rows.
    let (count, repeats) = if u.ratio(1, 20)? {
        (5_000, 50)
    } else {
        (u.int_in_range(1..=30)?, 1)
    };
    for at in 0..count {
        let value = match at % repeats {
            0 => any_value(u)?,
            _ => f64::from(at % 97),
        };
        points.push(Point {
            step,
            time_us: TIME_US + u.int_in_range(0..=3)? * 60_000_000,
            value,
        });
        step += stride;
        if repeats == 1 && u.ratio(1, 10)? {
            step = u.int_in_range(-60..=250)?;
        }
    }
    let last = points.iter().map(|point| point.step).max();
    *next = (*next).max(last.map_or(0, |last| last + 1));
    Ok(points)
}

/// A restriction as it is written, and what it means.
struct Part {
    text: String,
    steps: (i64, i64),
    times_us: (i64, i64),
}

fn any_part(u: &mut Unstructured<'_>, points: &[Point]) -> Arbitrary<Part> {
    let bound = |u: &mut Unstructured<'_>| -> Arbitrary<i64> {
        let near = u.choose(points)?.step + u.int_in_range(-2..=2)?;
        Ok(*u.choose(&[near, near, near, -1_000, 20_000_000])?)
    };
    let (low, high) = (bound(u)?, bound(u)?);
    let all = (i64::MIN, i64::MAX);
    let (mut text, steps) = match u.int_in_range(0..=5)? {
        0 | 1 => (String::new(), all),
        2 => (format!("step < {high}"), (all.0, high - 1)),
        3 => (format!("step >= {low}"), (low, all.1)),
        4 => (format!("step between {low} and {high}"), (low, high)),
        _ => (format!("step > {low} and step <= {high}"), (low + 1, high)),
    };
    let mut times_us = all;
    if u.ratio(1, 4)? {
        let join = if text.is_empty() { "" } else { " and " };
        text.push_str(join);
        text.push_str("time < '2024-01-15 10:02'");
        times_us.1 = TIME_US + 120_000_000 - 1;
    }
    if !text.is_empty() {
        text.insert_str(0, " where ");
    }
    Ok(Part {
        text,
        steps,
        times_us,
    })
}

/// What a function should say of points in reading order.
fn naive(function: &str, points: &[Point]) -> Option<f64> {
    let numbers = || points.iter().filter(|point| !point.value.is_nan());
    let finite: Vec<&Point> = points.iter().filter(|p| p.value.is_finite()).collect();
    let best = |less: fn(f64, f64) -> bool| {
        let mut best: Option<&Point> = None;
        for point in numbers() {
            let is_better = |best: &Point| {
                less(point.value, best.value)
                    || point.value.to_bits() == best.value.to_bits() && point.step < best.step
            };
            if best.is_none_or(is_better) {
                best = Some(point);
            }
        }
        best
    };
    let smallest = || best(|a, b| a.total_cmp(&b).is_lt());
    let largest = || best(|a, b| a.total_cmp(&b).is_gt());
    let mean = |values: &[&Point]| {
        let sum: f64 = values.iter().map(|point| point.value).sum();
        (!values.is_empty()).then(|| sum / values.len() as f64)
    };
    let slope = |points: &[&Point]| {
        let n = points.len() as f64;
        let x = points.iter().map(|p| p.step as f64).sum::<f64>() / n;
        let y = points.iter().map(|p| p.value).sum::<f64>() / n;
        let xy: f64 = points
            .iter()
            .map(|p| (p.step as f64 - x) * (p.value - y))
            .sum();
        let xx: f64 = points.iter().map(|p| (p.step as f64 - x).powi(2)).sum();
        (xx > 0.0).then(|| xy / xx)
    };
    match function {
        "last" => points.last().map(|point| point.value),
        "first" => points.first().map(|point| point.value),
        "last_step" => points.last().map(|point| point.step as f64),
        "first_step" => points.first().map(|point| point.step as f64),
        "count" => Some(points.len() as f64),
        "nan_count" => Some((points.len() - numbers().count()) as f64),
        "min" => smallest().map(|point| point.value),
        "max" => largest().map(|point| point.value),
        "argmin" => smallest().map(|point| point.step as f64),
        "argmax" => largest().map(|point| point.step as f64),
        "mean" => mean(&numbers().collect::<Vec<_>>()),
        "std" => {
            let mean = mean(&finite)?;
            let sum: f64 = finite.iter().map(|p| (p.value - mean).powi(2)).sum();
            (finite.len() > 1).then(|| (sum / (finite.len() as f64 - 1.0)).sqrt())
        }
        "median" => {
            let mut values: Vec<f64> = numbers().map(|point| point.value).collect();
            values.sort_by(f64::total_cmp);
            let middle = values.len() / 2;
            match values.len() % 2 {
                1 => Some(values[middle]),
                _ => Some(values.get(middle.checked_sub(1)?)? / 2.0 + values[middle] / 2.0),
            }
        }
        "first_nan" => {
            let nan = points.iter().find(|point| point.value.is_nan());
            nan.map(|point| point.step as f64)
        }
        "auc" => {
            let area = |p: &[&Point]| (p[1].step - p[0].step) as f64 * (p[0].value + p[1].value);
            let areas = finite.windows(2).map(|pair| area(pair) / 2.0);
            (finite.len() > 1).then(|| areas.sum())
        }
        "slope" => slope(&finite),
        "slope 5" => slope(&finite[finite.len().saturating_sub(5)..]),
        "slope 40" => slope(&finite[finite.len().saturating_sub(40)..]),
        "smooth" => {
            let mut mean = 0.0;
            for point in &finite {
                mean = mean * 0.9 + 0.1 * point.value;
            }
            let weight = 1.0 - 0.9f64.powi(i32::try_from(finite.len()).unwrap());
            (!finite.is_empty()).then(|| mean / weight)
        }
        at => {
            let step: i64 = at.strip_prefix("at ").unwrap().parse().unwrap();
            let at = points.iter().rev().find(|point| point.step == step);
            at.map(|point| point.value)
        }
    }
}

const FUNCTIONS: [&str; 22] = [
    "last",
    "first",
    "last_step",
    "first_step",
    "count",
    "nan_count",
    "min",
    "max",
    "argmin",
    "argmax",
    "mean",
    "std",
    "median",
    "first_nan",
    "auc",
    "slope",
    "slope 5",
    "slope 40",
    "smooth",
    "at 0",
    "at 3",
    "at 60",
];

/// As a filter has it.
fn written(function: &str, part: &str) -> String {
    let (name, argument) = match function {
        "smooth" => ("smooth", ", 0.9".to_owned()),
        _ => match function.split_once(' ') {
            Some((name, argument)) => (name, format!(", {argument}")),
            None => (function, String::new()),
        },
    };
    format!("{name}(metrics.\"{METRIC}\"{argument}{part})")
}

fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Absent => None,
        Value::Number(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        other => panic!("{other:?}"),
    }
}

/// Whether they are the same, but for the rounding of sums.
fn is_near(function: &str, a: Option<f64>, b: Option<f64>, scale: f64) -> bool {
    let is_sum = ["mean", "std", "auc", "slope", "smooth"];
    let is_sum = is_sum.iter().any(|name| function.starts_with(name));
    match (a, b) {
        (Some(a), Some(b)) if a.is_nan() && b.is_nan() => true,
        (Some(a), Some(b)) if is_sum && a.is_finite() => (a - b).abs() <= 1e-9 * scale,
        _ => a.map(f64::to_bits) == b.map(f64::to_bits),
    }
}

fn check(u: &mut Unstructured<'_>, store: &Store, state: &str) -> Arbitrary<()> {
    let reader = store.reader().unwrap();
    let runs = reader.runs(&Query::default()).unwrap();
    let all = reader
        .series(runs[0].id, METRIC, &SeriesQuery::default())
        .unwrap();
    for _ in 0..3 {
        let mut filters = Vec::new();
        let Part {
            text,
            steps,
            times_us,
        } = any_part(u, &all)?;
        let is_in = |p: &&Point| {
            (steps.0..=steps.1).contains(&p.step) && (times_us.0..=times_us.1).contains(&p.time_us)
        };
        let points: Vec<Point> = all.iter().filter(is_in).copied().collect();
        let span = points.last().map_or(0, |last| last.step - points[0].step);
        for function in FUNCTIONS {
            let written = written(function, &text);
            let read = Expression::parse_list(&written, 0).unwrap();
            let value = reader
                .values(&runs, &reader.resolve(&read).unwrap())
                .unwrap();
            let (found, want) = (number(&value[0][0]), naive(function, &points));
            let scale = if function == "auc" {
                10.0 * span as f64
            } else {
                100.0
            };
            assert!(
                is_near(function, found, want, scale),
                "{state}: {written}: {found:?}, want {want:?} of {points:?}"
            );
            filters.push(match found {
                None => format!("{written} is null"),
                Some(found) => format!("{written} = {found:?}"),
            });
        }
        // By the way that a filter goes, which looks columns and summaries up itself.
        let found = |filter: &str| reader.count(Some(filter)).unwrap() == 1;
        if !found(&filters.join(" and ")) {
            let wrong: Vec<&String> = filters.iter().filter(|filter| !found(filter)).collect();
            panic!("{state}: {wrong:?}");
        }
    }
    Ok(())
}

fn play(u: &mut Unstructured<'_>) -> Arbitrary<()> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(folder.path()).unwrap();
    let run = store.start_run(RunOptions::default()).unwrap();
    let batches = u.int_in_range(1..=4)?;
    let folds_after = u.int_in_range(0..=batches)?;
    let mut next = 0;
    run.log_points(METRIC, &any_points(u, &mut next)?).unwrap();
    for batch in 0..batches {
        let writer = store.join_run(run.id()).unwrap();
        writer
            .log_points(METRIC, &any_points(u, &mut next)?)
            .unwrap();
        if u.arbitrary()? {
            // With another metric in the same rows, and twice in one.
            for step in 0..u.int_in_range(1..=5)? {
                let values = [
                    ("other", 1.0),
                    (METRIC, any_value(u)?),
                    (METRIC, any_value(u)?),
                ];
                writer.log_at(step, TIME_US, &values).unwrap();
            }
        }
        writer.close().unwrap();
        if batch == folds_after {
            store.fold(None).unwrap();
        }
        let state = if batch < folds_after {
            "not folded"
        } else {
            "half folded"
        };
        check(u, &store, state)?;
    }
    run.close().unwrap();
    store.fold(None).unwrap();
    check(u, &store, "folded")
}

#[test]
fn a_function_is_the_same_folded_or_not_and_as_counted_by_hand() {
    arbtest::arbtest(play)
        .size_min(512)
        .size_max(4_000)
        .budget_ms(4_000);
}
