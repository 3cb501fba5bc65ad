//! The runs that all tests ask for, and how they ask.

mod faults;
mod meaning;
mod properties;

use std::collections::BTreeMap;

use super::*;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::GitState;
use crate::model::ParamValue;
use crate::model::Run;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Status;
use crate::model::Summary;
use crate::model::WriterId;

/// 2024-01-20T12:00:00Z.
const NOW_US: i64 = 1_705_752_000_000_000;
const HOUR_US: i64 = 3_600_000_000;

fn run(name: &str, id: &str, start_us: i64, status: Status) -> Run {
    Run {
        has_started: true,
        id: id.parse().unwrap(),
        info: RunInfo {
            name: name.to_owned(),
            start_us: Some(start_us),
            ..RunInfo::default()
        },
        status,
        end_us: None,
        params: BTreeMap::new(),
        param_conflicts: BTreeMap::new(),
        metrics: BTreeMap::new(),
        tags: BTreeMap::new(),
        note: None,
        artifacts: BTreeMap::new(),
        inputs: BTreeMap::new(),
        older: BTreeMap::new(),
        aliases: BTreeMap::new(),
        reason: None,
    }
}

fn series(values: &[f64]) -> Summary {
    let mut summary = Summary::default();
    for (row, value) in (0u32..).zip(values) {
        let stamp = Stamp {
            time_us: NOW_US,
            writer: WriterId(1),
            seq: 0,
            row,
        };
        summary.add(i64::from(row) * 10, stamp, *value);
    }
    summary
}

fn artifact(path: &str) -> (String, ArtifactRef) {
    let artifact = ArtifactRef::new(path.to_owned(), BlobId([0; 32]), 1, NOW_US);
    (path.to_owned(), artifact)
}

/// Three runs: `a` typed by hand, `b` as `MLflow` writes them, all text, `c` nearly empty.
fn runs() -> [Run; 3] {
    let text = |text: &str| ParamValue::Text(text.to_owned());
    // 2024-01-15T10:30:20.5Z
    let mut a = run(
        "alpha",
        "3fa9c2d1000000000000000000000001",
        1_705_314_620_500_000,
        Status::Completed,
    );
    a.info.experiment = Some("mnist".into());
    a.info.author = Some("ada".into());
    a.end_us = a.info.start_us.map(|start_us| start_us + 3 * HOUR_US);
    a.note = Some("first try, 100% done".into());
    a.info.environment.command = vec!["python3".into(), "train.py".into()];
    a.info.environment.host = Some("gpu-7".into());
    a.info.environment.cpu_count = Some(64);
    a.info.environment.git = Some(GitState {
        commit: Some("8d3c2f".into()),
        branch: None,
        dirty: Some(true),
    });
    a.info.environment.variables = [("CUDA_VISIBLE_DEVICES".into(), "3".into())].into();
    a.params = BTreeMap::from([
        ("lr".into(), ParamValue::Float(0.01)),
        ("batch".into(), ParamValue::Int(9_007_199_254_740_993)),
        ("model".into(), text("ResNet_50")),
        ("flag".into(), ParamValue::Bool(true)),
        ("my param".into(), ParamValue::Int(7)),
        ("size".into(), ParamValue::Int(1)),
        (
            "layers".into(),
            ParamValue::List(vec![ParamValue::Int(64), ParamValue::Int(32)]),
        ),
        ("since".into(), text("2024-01-10")),
    ]);
    a.metrics = BTreeMap::from([
        ("val/acc".into(), series(&[0.5, 0.95, 0.9])),
        ("loss".into(), series(&[2.0, 0.1, 0.4])),
        ("size".into(), series(&[10.0])),
    ]);
    a.tags = BTreeMap::from([("team".into(), "vision".into()), ("x y".into(), "1".into())]);
    a.artifacts = BTreeMap::from([artifact("model.pt"), artifact("logs/out.txt")]);

    let mut b = run(
        "beta's",
        "3fa9c2d2ffffffffffffffffffffffff",
        NOW_US - 2 * HOUR_US,
        Status::Running,
    );
    b.info.parent = Some(a.id);
    b.params = BTreeMap::from([
        ("lr".into(), text("0.01")),
        ("batch".into(), text("9007199254740992")),
        ("model".into(), text("RF")),
        ("flag".into(), text("True")),
    ]);
    b.metrics = BTreeMap::from([
        ("val/acc".into(), series(&[0.7])),
        ("loss".into(), series(&[1.0, f64::NAN])),
    ]);
    b.tags = BTreeMap::from([("team".into(), "audio".into())]);

    let c = run(
        "gamma",
        "00000000000000000000000000000003",
        0,
        Status::Failed,
    );
    [a, b, c]
}

fn names() -> KnownNames {
    let mut names = KnownNames::default();
    for run in &runs() {
        names.add_run(run);
    }
    names
}

/// What a run has in a leaf; these runs have no points.
fn value_in<'a>(leaf: &Leaf, run: &'a Run) -> Value<'a> {
    match leaf {
        Leaf::Field(field) => Value::of(field, run, NOW_US),
        Leaf::Measure(_) => Value::Absent,
    }
}

/// What an expression comes to for the three runs.
fn values(expression: &str) -> [Value<'static>; 3] {
    let parsed = Expression::parse_list(expression, NOW_US);
    let parsed = parsed.unwrap_or_else(|why| panic!("{expression}: {why}"));
    let resolved = parsed[0].resolve(&names());
    let resolved = resolved.unwrap_or_else(|why| panic!("{expression}: {why}"));
    runs().map(|run| {
        let leaves = resolved.leaves();
        let value = resolved.value(&mut |leaf| value_in(&leaves[leaf], &run));
        value.into_owned()
    })
}

/// First letters of the runs that a filter means.
fn found(filter: &str) -> String {
    let filter = Filter::parse(filter, NOW_US).unwrap_or_else(|why| panic!("{filter}: {why}"));
    let predicate = filter
        .resolve(&names())
        .unwrap_or_else(|why| panic!("{filter}: {why}"));
    let runs = runs();
    let meant = runs.iter().filter(|run| {
        let leaves = predicate.leaves();
        predicate.matches(&mut |leaf| value_in(&leaves[leaf], run))
    });
    meant.map(|run| &run.info.name[..1]).collect()
}

/// What is wrong with a filter, found when parsed or when resolved.
fn fault(filter: &str) -> FilterError {
    let result = Filter::parse(filter, NOW_US).and_then(|filter| filter.resolve(&names()));
    match result {
        Err(Error::Filter(fault)) => *fault,
        other => panic!("{filter}: {other:?}"),
    }
}
