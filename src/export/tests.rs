//! What is written is what was, to the bit; the shape of the JSON is frozen.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use serde_json::json;

use super::record;
use super::*;
use crate::import;
use crate::import::ImportOptions;
use crate::import::ImportedRun;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::Environment;
use crate::model::GitState;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::Run;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Stamp;
use crate::model::Status;
use crate::model::Summary;
use crate::model::WriterId;
use crate::query::Curve;

const START_US: i64 = 1_705_314_600_123_456;

pub(super) type Series = BTreeMap<String, Vec<Point>>;

pub(super) fn run_with(params: BTreeMap<String, ParamValue>, series: &Series) -> Run {
    let metrics = series.iter().map(|(name, points)| {
        let mut summary = Summary::default();
        for (point, row) in points.iter().zip(0..) {
            let stamp = Stamp {
                time_us: point.time_us,
                writer: WriterId(1),
                seq: 0,
                row,
            };
            summary.add(point.step, stamp, point.value);
        }
        (name.clone(), summary)
    });
    Run {
        has_started: true,
        id: RunId::new(START_US / 1_000, [7; 16]),
        info: RunInfo {
            name: "brave \"fox\"".to_owned(),
            experiment: Some("e".to_owned()),
            author: Some("Ada".to_owned()),
            parent: Some(RunId::new(1, [9; 16])),
            start_us: Some(START_US),
            detached: false,
            source: None,
            environment: Environment {
                command: vec!["python".to_owned(), "train.py".to_owned()],
                cpu_count: Some(8),
                git: Some(GitState {
                    commit: Some("c0ffee".to_owned()),
                    branch: None,
                    dirty: Some(true),
                }),
                variables: BTreeMap::from([("CUDA".to_owned(), "0".to_owned())]),
                masked: vec!["TOKEN".to_owned()],
                ..Environment::default()
            },
        },
        status: Status::Failed,
        end_us: Some(START_US + 1_500_000),
        params,
        param_conflicts: BTreeMap::new(),
        metrics: metrics.collect(),
        tags: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        note: Some("two\nlines".to_owned()),
        artifacts: BTreeMap::from([(
            "m/w.bin".to_owned(),
            ArtifactRef::new("m/w.bin".to_owned(), BlobId([0xab; 32]), 3, START_US),
        )]),
        inputs: BTreeMap::new(),
        older: BTreeMap::new(),
        aliases: BTreeMap::new(),
        reason: Some("exit code 1".to_owned()),
    }
}

/// Writes a record and reads it as `import` does.
fn through_a_file(run: &Run, series: &Series) -> ImportedRun {
    let mut text = Vec::new();
    let head = record::head(run, 0);
    record::write_with_series(&head, series.keys(), &mut text, |metric| {
        Ok(series[metric].clone())
    })
    .unwrap();
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("run.json");
    fs::write(&path, text).unwrap();
    let mut import = import::read(&path, &ImportOptions::default()).unwrap();
    assert_eq!(import.runs.len(), 1);
    import.runs.remove(0)
}

pub(super) fn point(step: i64, time_us: i64, value: f64) -> Point {
    Point {
        step,
        time_us,
        value,
    }
}

#[test]
fn a_record_reads_back_as_the_same_run() {
    let text = |text: &str| ParamValue::Text(text.to_owned());
    let params = BTreeMap::from([
        ("a.float".to_owned(), ParamValue::Float(1.0)),
        ("b.int".to_owned(), ParamValue::Int(i64::MIN)),
        ("c".to_owned(), ParamValue::Bool(true)),
        ("d".to_owned(), text("NaN")),
        ("e".to_owned(), ParamValue::Float(f64::NEG_INFINITY)),
        (
            "f".to_owned(),
            ParamValue::List(vec![text("Infinity"), ParamValue::Float(-0.0)]),
        ),
        ("g".to_owned(), text("null")),
        ("h".to_owned(), ParamValue::List(Vec::new())),
    ]);
    let series = Series::from([
        (
            "val/acc".to_owned(),
            vec![point(i64::MIN, 0, 0.1), point(5, -1, f64::NAN)],
        ),
        (
            "values".to_owned(),
            vec![point(0, i64::MAX, f64::INFINITY), point(0, 1, -0.0)],
        ),
        (
            "5".to_owned(),
            vec![point(1, START_US, f64::MIN_POSITIVE / 8.0)],
        ),
    ]);
    let run = run_with(params, &series);
    let read = through_a_file(&run, &series);
    assert_eq!(read.id, run.id);
    assert_eq!(
        (&read.name, &read.experiment),
        (&run.info.name, &run.info.experiment)
    );
    assert_eq!(
        (&read.author, read.parent),
        (&run.info.author, run.info.parent)
    );
    assert_eq!(
        (read.start_us, read.end_us),
        (run.info.start_us, run.end_us)
    );
    assert_eq!((read.status, &read.reason), (run.status, &run.reason));
    assert_eq!((&read.note, &read.source), (&run.note, &None));
    assert_eq!(read.environment, run.info.environment);
    assert_eq!(
        read.params.into_iter().collect::<BTreeMap<_, _>>(),
        run.params
    );
    assert_eq!(read.tags.into_iter().collect::<BTreeMap<_, _>>(), run.tags);
    assert_eq!(read.series.into_iter().collect::<BTreeMap<_, _>>(), series);
    assert!(
        read.missing[0].ends_with("m/w.bin"),
        "its file was not exported with it"
    );
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
}

#[test]
fn any_params_and_points_read_back() {
    #[derive(arbitrary::Arbitrary, Debug)]
    enum Param {
        Bool(bool),
        Int(i64),
        Float(f64),
        Text(String),
        Word(u8),
        List(Vec<Param>),
    }
    fn value(param: Param) -> ParamValue {
        match param {
            Param::Bool(value) => ParamValue::Bool(value),
            Param::Int(value) => ParamValue::Int(value),
            // One NaN: JSON cannot tell them apart.
            Param::Float(value) if value.is_nan() => ParamValue::Float(f64::NAN),
            Param::Float(value) => ParamValue::Float(value),
            Param::Text(value) => ParamValue::Text(value),
            Param::Word(at) => {
                let words = ["NaN", "-Infinity", "null", "true", "1", ""];
                ParamValue::Text(words[usize::from(at) % words.len()].to_owned())
            }
            Param::List(items) => ParamValue::List(items.into_iter().map(value).collect()),
        }
    }
    arbtest::arbtest(|u| {
        let param = value(u.arbitrary()?);
        let points: Vec<(i64, i64, u64)> = u.arbitrary()?;
        let points = points.into_iter().map(|(step, time_us, bits)| {
            let value = f64::from_bits(bits);
            point(step, time_us, if value.is_nan() { f64::NAN } else { value })
        });
        let points: Vec<Point> = points.collect();
        if param.check().is_err() || points.is_empty() {
            return Ok(());
        }
        let series = Series::from([("m".to_owned(), points)]);
        let run = run_with(BTreeMap::from([("p".to_owned(), param.clone())]), &series);
        let read = through_a_file(&run, &series);
        assert_eq!(read.params, [("p".to_owned(), param)]);
        assert_eq!(read.series[0].1, series["m"]);
        Ok(())
    });
}

#[test]
fn the_json_of_a_run_is_frozen() {
    let series = Series::from([(
        "loss".to_owned(),
        vec![point(1, 0, 2.0), point(3, 1, f64::NAN)],
    )]);
    let params = BTreeMap::from([("lr".to_owned(), ParamValue::Float(1.0))]);
    let got = run_to_json(&run_with(params, &series), 0);
    let want = json!({
        "id": "0707070707070707018d0cabc4bb0707", "name": "brave \"fox\"", "experiment": "e",
        "author": "Ada", "status": "failed", "start": "2024-01-15T10:30:00.123456Z",
        "end": "2024-01-15T10:30:01.623456Z", "duration_s": 1.5, "params": {"lr": 1.0},
        "metrics": {"loss": {
            "last": "NaN", "last_step": 3, "min": 2.0, "min_step": 1, "max": 2.0, "max_step": 1,
            "mean": 2.0, "count": 2, "nan_count": 1, "first": 2.0, "first_step": 1, "std": null,
            "sum": 2.0, "pos_inf_count": 0, "neg_inf_count": 0,
        }},
        "tags": {"k": "v"}, "note": "two\nlines",
        "artifacts": [{
            "path": "m/w.bin", "hash": "ab".repeat(32), "bytes": 3, "media_type": null,
            "time": "2024-01-15T10:30:00.123456Z", "version": 0, "type": null,
            "direction": "output", "reference": null,
        }],
        "inputs": [],
        "parent": "09090909090909090000000000010909", "reason": "exit code 1",
        "source": null,
        "environment": {
            "command": ["python", "train.py"], "cwd": null, "host": null, "os": null, "cpu": null,
            "cpu_count": 8, "git": {"commit": "c0ffee", "branch": null, "dirty": true},
            "variables": {"CUDA": "0"}, "masked": ["TOKEN"],
        },
    });
    assert_eq!(got, want);
    let order: Vec<&String> = got.as_object().unwrap().keys().collect();
    assert_eq!(order, want.as_object().unwrap().keys().collect::<Vec<_>>());
    let got = point_to_json(&point(-1, START_US, f64::INFINITY)).to_string();
    assert_eq!(
        got,
        r#"{"step":-1,"time":"2024-01-15T10:30:00.123456Z","value":"Infinity"}"#
    );
    assert_eq!(Value::from(1.0).to_string(), "1.0", "a float stays one");
}

#[test]
fn csv_is_one_point_or_one_run_a_row() {
    let series = Series::from([(
        "a,b".to_owned(),
        vec![point(1, 0, 2.0), point(3, 1, f64::NAN)],
    )]);
    let params = BTreeMap::from([("lr".to_owned(), ParamValue::Float(1e-7))]);
    let run = run_with(params, &series);
    let mut out = Vec::new();
    let columns = PointColumns {
        whose: true,
        ..PointColumns::default()
    };
    let (id, metric) = (run.id, "a,b".to_owned());
    let curve = Curve {
        points: series[&metric].clone(),
        ..Curve::default()
    };
    let points = PointSeries {
        run: id,
        metric,
        curve,
    };
    let mut csv = PointsCsv::new(&mut out, columns).unwrap();
    csv.rows(points.rows(columns)).unwrap();
    csv.finish().unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "run,metric,step,time,value\n{id},\"a,b\",1,1970-01-01T00:00:00Z,2.0\n\
             {id},\"a,b\",3,1970-01-01T00:00:00.000001Z,NaN\n"
        )
    );
    let mut out = Vec::new();
    write_csv(runs_frame(&[run], 0), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "id,name,experiment,author,status,start,end,duration_s,note,params.lr,\"metrics.a,b\",\
             tags.k\n{id},\"brave \"\"fox\"\"\",e,Ada,failed,2024-01-15T10:30:00.123456Z,\
             2024-01-15T10:30:01.623456Z,1.5,\"two\nlines\",1e-7,NaN,v\n"
        )
    );
}

#[test]
fn a_column_has_the_type_that_fits_all_its_values() {
    let text = |text: &str| ParamValue::Text(text.to_owned());
    let list =
        |items: &[i64]| ParamValue::List(items.iter().map(|item| ParamValue::Int(*item)).collect());
    let large = (1 << 53) + 1; // between two floats
    for (values, want) in [
        (
            vec![ParamValue::Int(1), ParamValue::Int(i64::MIN)],
            Type::Int,
        ),
        (
            vec![ParamValue::Int(1), ParamValue::Float(0.5)],
            Type::Float,
        ),
        (
            vec![ParamValue::Float(f64::NAN), ParamValue::Int(i64::MIN)],
            Type::Float,
        ),
        (vec![ParamValue::Int(large), ParamValue::Int(1)], Type::Int),
        (
            vec![ParamValue::Int(large), ParamValue::Float(0.5)],
            Type::Mixed,
        ),
        (
            vec![ParamValue::Int(i64::MAX), ParamValue::Float(0.5)],
            Type::Mixed,
        ),
        (
            vec![ParamValue::Bool(true), ParamValue::Bool(false)],
            Type::Bool,
        ),
        (
            vec![ParamValue::Bool(true), ParamValue::Int(1)],
            Type::Mixed,
        ),
        (vec![text("a"), text("1")], Type::Text),
        (vec![text("auto"), ParamValue::Float(0.1)], Type::Mixed),
        (vec![list(&[1]), list(&[])], Type::List),
        (vec![list(&[1]), text("[1]")], Type::Mixed),
    ] {
        for order in [values.clone(), values.iter().rev().cloned().collect()] {
            let runs: Vec<Run> = order
                .into_iter()
                .map(|value| run_with(BTreeMap::from([("p".to_owned(), value)]), &Series::new()))
                .collect();
            let frame = runs_frame(&runs, 0);
            let column = frame
                .columns
                .iter()
                .find(|column| column.name == "params.p");
            assert_eq!(column.unwrap().of, want, "{values:?}");
        }
    }
}
