//! Groups and their statistics are what a naive computation over all runs says, folded or not.

use std::collections::BTreeMap;
use std::path::Path;

use arbitrary::Unstructured;
use tracker::Query;
use tracker::Reader;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::ParamValue;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::query::Aggregate;
use tracker::query::Group;
use tracker::query::GroupBy;
use tracker::query::GroupQuery;
use tracker::query::Groups;
use tracker::query::filter::Value;

const PARAMS: [&str; 4] = ["lr", "model", "seed", "deep.list"];
const METRICS: [&str; 2] = ["loss", "val/acc"];

fn param(u: &mut Unstructured<'_>) -> arbitrary::Result<ParamValue> {
    Ok(match u.int_in_range(0..=11)? {
        0 => ParamValue::Float(f64::NAN),
        1 => ParamValue::Float(-f64::NAN),
        2 => ParamValue::Float(-0.0),
        3 => ParamValue::Int(0),
        4 => ParamValue::Float(0.1),
        5 => ParamValue::Text("0.1".to_owned()),
        6 => ParamValue::Text("x".repeat(600)), // too long for a column
        7 => ParamValue::List(vec![ParamValue::Int(64), ParamValue::Int(32)]),
        8 => ParamValue::Bool(true),
        9 => ParamValue::Int((1 << 53) + 1), // no float is the same
        10 => ParamValue::Float(9.0),
        _ => ParamValue::Int(9),
    })
}

fn number(u: &mut Unstructured<'_>) -> arbitrary::Result<f64> {
    Ok(match u.int_in_range(0..=9)? {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => 1e9,
        _ => f64::from(u.int_in_range(-30..=30)?) / 7.0,
    })
}

/// Says some things of a run.
fn say(u: &mut Unstructured<'_>, run: &RunWriter) -> arbitrary::Result<()> {
    for name in PARAMS {
        if u.ratio(2, 3)? {
            let _ = run.param(name, param(u)?); // set before: the first stays
        }
    }
    for metric in METRICS {
        for _ in 0..u.int_in_range(0..=3)? {
            run.log(u.int_in_range(-1..=3)?, &[(metric, number(u)?)])
                .unwrap();
        }
    }
    Ok(())
}

/// Makes runs of which some are folded, some not, and some in part.
fn fill(u: &mut Unstructured<'_>, store: &Store) -> arbitrary::Result<()> {
    let mut ids = Vec::new();
    for _ in 0..u.int_in_range(1..=12)? {
        if u.ratio(1, 4)? {
            store.fold(None).unwrap();
        }
        if u.ratio(1, 4)? && !ids.is_empty() {
            let member = store.join_run(*u.choose(&ids)?).unwrap();
            say(u, &member)?;
            member.close().unwrap();
            continue;
        }
        let experiment = u.choose(&[None, Some("a"), Some("b")])?.map(str::to_owned);
        let options = RunOptions {
            experiment,
            ..RunOptions::default()
        };
        let run = store.start_run(options).unwrap();
        ids.push(run.id());
        say(u, &run)?;
        run.finish(Status::Completed, None, None).unwrap();
    }
    Ok(())
}

/// What a person would call the same.
fn same(value: Option<&ParamValue>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(ParamValue::Float(value)) if value.fract() == 0.0 && value.abs() < 1e15 => {
            format!("number {}", value + 0.0)
        }
        Some(ParamValue::Float(value)) if value.is_nan() => "nan".to_owned(),
        Some(ParamValue::Float(value)) => format!("number {value:?}"),
        Some(ParamValue::Int(value)) => format!("number {value}"),
        Some(ParamValue::Bool(value)) => format!("bool {value}"),
        Some(text @ ParamValue::Text(_)) => match ParamValue::parse(&text.to_string()) {
            ParamValue::Text(_) => format!("text {text}"),
            read if read.to_string() == text.to_string() => same(Some(&read)),
            _ => format!("text {text}"),
        },
        Some(list) => format!("text {list}"),
    }
}

fn key_of(run: &Run, by: &GroupBy) -> Vec<String> {
    match by {
        GroupBy::Fields(fields) => {
            let names = fields
                .iter()
                .map(|field| field.trim_start_matches("params."));
            names.map(|name| same(run.params.get(name))).collect()
        }
        GroupBy::Over(params) => {
            let others = PARAMS
                .iter()
                .filter(|name| !params.iter().any(|p| p == *name));
            let experiment = format!("{:?}", run.info.experiment);
            let keys = others.map(|name| same(run.params.get(*name)));
            std::iter::once(experiment).chain(keys).collect()
        }
    }
}

fn told_key(group: &Group) -> Vec<String> {
    let told = |value: &Value<'_>| match value {
        Value::Absent => "absent".to_owned(),
        Value::Bool(value) => format!("bool {value}"),
        Value::Number(value) if value.is_nan() => "nan".to_owned(),
        Value::Number(value) => format!("number {value:?}"),
        Value::Int(value) => format!("number {value}"),
        Value::Text(text) => format!("text {text}"),
        other => panic!("{other:?}"),
    };
    group.key.iter().map(told).collect()
}

fn naive(values: &[f64]) -> (f64, Option<f64>, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let centre = finite.iter().sum::<f64>() / finite.len() as f64;
    let squares: f64 = finite.iter().map(|v| (v - centre).powi(2)).sum();
    let std = (finite.len() > 1).then(|| (squares / (finite.len() - 1) as f64).sqrt());
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    (mean, std, f64::midpoint(low, high))
}

fn near(a: f64, b: f64) -> bool {
    let is_alike = (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    is_alike || a.total_cmp(&b).is_eq() || (a.is_nan() && b.is_nan())
}

fn check_aggregate(told: &Aggregate, all: &[f64]) {
    let values: Vec<f64> = all.iter().copied().filter(|v| !v.is_nan()).collect();
    assert_eq!(
        (told.n, told.nan_count, told.other_count),
        (values.len() as u64, (all.len() - values.len()) as u64, 0)
    );
    if values.is_empty() {
        assert!(told.mean.is_none() && told.min.is_none() && told.median.is_none());
        return;
    }
    let (mean, std, median) = naive(&values);
    assert!(near(told.mean.unwrap(), mean), "{told:?} {values:?}");
    assert_eq!(told.std.is_some(), std.is_some(), "{told:?} {values:?}");
    assert!(
        near(told.std.unwrap_or(0.0), std.unwrap_or(0.0)),
        "{told:?} {values:?}"
    );
    assert!(near(told.median.unwrap(), median), "{told:?} {values:?}");
    let finite = values.iter().filter(|v| v.is_finite()).count() as f64;
    let sem = std.map_or(0.0, |std| std / finite.sqrt());
    assert!(near(told.sem.unwrap_or(0.0), sem), "{told:?} {values:?}");
    let (min, max) = (
        values.iter().copied().reduce(f64::min),
        values.iter().copied().reduce(f64::max),
    );
    assert_eq!((told.min, told.max), (min, max));
}

fn check_groups(reader: &Reader, by: &GroupBy, values: &[String]) -> Groups {
    let told = reader
        .groups(&GroupQuery {
            filter: None,
            by: by.clone(),
            values: values.to_vec(),
            sort: Vec::new(),
            limit: None,
        })
        .unwrap();
    let runs = reader.runs(&Query::default()).unwrap();
    let mut want: BTreeMap<Vec<String>, Vec<&Run>> = BTreeMap::new();
    for run in &runs {
        want.entry(key_of(run, by)).or_default().push(run);
    }
    assert_eq!(told.count, want.len());
    assert_eq!(told.groups.len(), want.len());
    for group in &told.groups {
        let first = runs.iter().find(|run| run.id == group.runs[0]).unwrap();
        let key = key_of(first, by);
        let members = &want[&key];
        if matches!(by, GroupBy::Fields(_)) {
            assert_eq!(told_key(group), key);
        }
        let mut ids: Vec<RunId> = members.iter().map(|run| run.id).collect();
        ids.sort_by(|a, b| b.cmp(a));
        assert_eq!(group.runs, ids, "the newest first");
        for (name, value) in values.iter().zip(&group.values) {
            let metric = name.trim_start_matches("metrics.");
            let last = |run: &&Run| Some(run.metrics.get(metric)?.last?.value);
            let all: Vec<f64> = members.iter().filter_map(last).collect();
            check_aggregate(value, &all);
        }
    }
    told
}

fn check_bands(reader: &Reader, group: &Group, metric: &str) {
    let query = SeriesQuery::default();
    let mut want: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    let mut any = false;
    for run in &group.runs {
        let points = reader.series(*run, metric, &query).unwrap_or_default();
        any |= !points.is_empty();
        let last: BTreeMap<i64, f64> = points.iter().map(|p| (p.step, p.value)).collect();
        for (step, value) in last {
            want.entry(step).or_default().push(value);
        }
    }
    let told = reader.bands(&group.runs, metric, &query);
    assert_eq!(told.is_ok(), any);
    let told = told.unwrap_or_default();
    assert_eq!(told.len(), want.len());
    for (band, (step, all)) in told.iter().zip(&want) {
        assert_eq!(band.step, *step);
        let values: Vec<f64> = all.iter().copied().filter(|v| !v.is_nan()).collect();
        assert_eq!(
            (band.n, band.nan_count),
            (values.len() as u64, (all.len() - values.len()) as u64)
        );
        assert_eq!(band.min, values.iter().copied().reduce(f64::min));
        assert_eq!(band.max, values.iter().copied().reduce(f64::max));
        if values.is_empty() {
            assert!(band.mean().is_none() && band.std().is_none());
            continue;
        }
        let (mean, std, _) = naive(&values);
        assert!(near(band.mean().unwrap(), mean), "{values:?}");
        assert_eq!(band.std().is_some(), std.is_some());
        assert!(
            near(band.std().unwrap_or(0.0), std.unwrap_or(0.0)),
            "{values:?}"
        );
    }
}

fn known(reader: &Reader, names: &[&str], prefix: &str) -> Vec<String> {
    let runs = reader.runs(&Query::default()).unwrap();
    let is_known = |name: &&&str| {
        let has = |run: &Run| run.params.contains_key(**name) || run.metrics.contains_key(**name);
        runs.iter().any(has)
    };
    let names = names.iter().filter(is_known);
    names.map(|name| format!("{prefix}{name}")).collect()
}

#[test]
fn groups_and_bands_are_those_of_a_naive_computation_folded_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut round = 0;
    arbtest::arbtest(|u| {
        round += 1;
        let path = dir.path().join(round.to_string());
        let store = Store::open_or_create(&path).unwrap();
        fill(u, &store)?;
        let mut before: Option<Vec<String>> = None;
        for fold in [false, true] {
            if fold {
                store.fold(None).unwrap();
            }
            let reader = store.reader().unwrap();
            let values = known(&reader, &METRICS, "metrics.");
            let params = known(&reader, &PARAMS, "params.");
            let mut told = Vec::new();
            for chosen in [&params[..], &params[..params.len().min(1)]] {
                let by = GroupBy::Fields(chosen.to_vec());
                let groups = check_groups(&reader, &by, &values);
                told.push(format!("{groups:?}"));
                for metric in known(&reader, &METRICS, "") {
                    groups
                        .groups
                        .iter()
                        .for_each(|group| check_bands(&reader, group, &metric));
                }
            }
            for over in known(&reader, &PARAMS, "") {
                let groups = check_groups(&reader, &GroupBy::Over(vec![over]), &values);
                told.push(format!("{groups:?}"));
            }
            match &before {
                Some(before) => assert_eq!(*before, told, "folding changes nothing"),
                None => before = Some(told),
            }
        }
        std::fs::remove_dir_all(&path).unwrap();
        Ok(())
    })
    .budget_ms(3_000);
}

fn ask(store: &Path, by: GroupBy, values: &[&str], sort: &[&str], limit: Option<usize>) -> Groups {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let query = GroupQuery {
        filter: None,
        by,
        values: owned(values),
        sort: owned(sort),
        limit,
    };
    let reader = Store::open(store).unwrap().reader().unwrap();
    reader.groups(&query).unwrap()
}

#[test]
fn groups_are_sorted_by_size_by_key_and_by_mean_and_limited() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = Store::open_or_create(&path).unwrap();
    for (lr, loss) in [(0.1, 3.0), (0.1, 5.0), (0.2, 1.0), (0.3, f64::NAN)] {
        let run = store.start_run(RunOptions::default()).unwrap();
        run.param("lr", ParamValue::Float(lr)).unwrap();
        run.log(0, &[("loss", loss)]).unwrap();
        run.finish(Status::Completed, None, None).unwrap();
    }
    let by = || GroupBy::Fields(vec!["lr".to_owned()]);
    let order = |sort: &[&str], limit| -> Vec<String> {
        let groups = ask(&path, by(), &[], sort, limit);
        assert_eq!(groups.count, 3);
        groups
            .groups
            .iter()
            .map(|group| told_key(group).concat())
            .collect()
    };
    let [a, b, c] = ["number 0.1", "number 0.2", "number 0.3"];
    assert_eq!(order(&[], None), [a, b, c]);
    assert_eq!(order(&["-lr"], None), [c, b, a]);
    assert_eq!(order(&["-n"], None), [a, b, c]);
    assert_eq!(order(&["n", "-params.lr"], None), [c, b, a]);
    assert_eq!(
        order(&["loss"], None),
        [b, a, c],
        "what has no mean comes last"
    );
    assert_eq!(order(&["-min(loss)"], Some(2)), [a, b]);
    let groups = ask(&path, by(), &["lr"], &[], None);
    assert_eq!(groups.groups[0].values[0].std, Some(0.0));
    assert_eq!(
        groups.groups[1].values[0].std, None,
        "of one there is no deviation"
    );
}
