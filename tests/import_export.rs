//! Runs of others come in, runs go out and come in again: the same, and once.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tracker::Query;
use tracker::RunOptions;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::export;
use tracker::import;
use tracker::import::ImportOptions;
use tracker::import::Importer;
use tracker::import::Outcome;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::Status;

fn store_in(dir: &TempDir, name: &str) -> Store {
    Store::open_or_create(&dir.path().join(name)).unwrap()
}

fn outcomes(store: &Store, path: &Path, options: &ImportOptions) -> Vec<Outcome> {
    let import = import::read(path, options).unwrap();
    assert!(import.failures.is_empty(), "{:?}", import.failures);
    let mut importer = Importer::new(store).unwrap();
    let runs = import.runs.iter();
    runs.map(|run| importer.store(run).unwrap().outcome)
        .collect()
}

#[test]
fn importing_twice_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let records = dir.path().join("records");
    fs::create_dir_all(records.join("out")).unwrap();
    fs::write(records.join("out/w.bin"), b"weights").unwrap();
    fs::write(
        records.join("r1.json"),
        r#"{"run_id": "r1", "timestamp": "2024-01-15T10:30:00Z", "parameters": {"lr": 0.1},
            "metrics": {"loss": [2, 1], "acc": 0.5}, "artifacts": ["out/w.bin"]}"#,
    )
    .unwrap();
    fs::write(records.join("r2.yaml"), "run_id: r2\nmetrics: {loss: 3}\n").unwrap();
    let store = store_in(&dir, "store");
    let options = ImportOptions::default();
    assert_eq!(outcomes(&store, &records, &options), [Outcome::New; 2]);
    let before = store.reader().unwrap().runs(&Query::default()).unwrap();
    assert_eq!(
        outcomes(&store, &records, &options),
        [Outcome::Unchanged; 2]
    );
    let reader = store.reader().unwrap();
    let after = reader.runs(&Query::default()).unwrap();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    let run = reader.run(reader.find_run("r1").unwrap()).unwrap();
    assert_eq!(run.status, Status::Completed);
    assert_eq!(run.params["lr"], ParamValue::Float(0.1));
    assert_eq!(run.metrics["loss"].count, 2);
    let artifact = &run.artifacts["out/w.bin"];
    store
        .get_artifact(artifact, &dir.path().join("back"))
        .unwrap();
    assert_eq!(fs::read(dir.path().join("back")).unwrap(), b"weights");
    assert_eq!(
        reader
            .run(reader.find_run("r2").unwrap())
            .unwrap()
            .info
            .start_us,
        None
    );
    // Edited, or another project's r2: it is said, and nothing is done.
    fs::write(records.join("r2.yaml"), "run_id: r2\nmetrics: {loss: 4}\n").unwrap();
    assert_eq!(
        outcomes(&store, &records, &options),
        [Outcome::Unchanged, Outcome::Differs]
    );
    let named = ImportOptions {
        experiment: Some("other".to_owned()),
        ..ImportOptions::default()
    };
    assert_eq!(
        outcomes(&store, &records.join("r2.yaml"), &named),
        [Outcome::New]
    );
}

#[test]
fn logs_read_back_from_a_store_as_they_were() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let dir = TempDir::new().unwrap();
    let store = store_in(&dir, "store");
    for folder in [
        "ppo-pytorch/data",
        "gail-ppo/data",
        "ml-pws/data",
        "detectron2-medical/data",
    ] {
        let import = import::read(&data.join(folder), &ImportOptions::default()).unwrap();
        for run in &import.runs {
            let imported = import::store(&store, run).unwrap();
            assert_eq!(
                (imported.outcome, imported.points),
                (Outcome::New, run.points())
            );
            let reader = store.reader().unwrap();
            let there = reader.run(run.id).unwrap();
            assert_eq!(there.metrics.len(), run.series.len());
            for (metric, points) in &run.series {
                let read = reader
                    .series(run.id, metric, &SeriesQuery::default())
                    .unwrap();
                let mut points = points.clone();
                points.sort_by_key(|point| (point.step, point.time_us));
                assert_eq!(read, points, "{metric}");
            }
            assert_eq!(
                import::store(&store, run).unwrap().outcome,
                Outcome::Unchanged
            );
        }
    }
}

#[test]
fn an_import_that_died_is_made_whole_by_the_next() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log.csv");
    fs::write(&path, "step,a\n3,1\n").unwrap();
    let mut run = import::read(&path, &ImportOptions::default())
        .unwrap()
        .runs
        .remove(0);
    // Too many points for one segment; the one that tells of the start is written last.
    let point = |step: i64| Point {
        step,
        time_us: step,
        value: f64::from(u16::try_from(step % 1_000).unwrap()),
    };
    run.series[0].1 = (0..1_100_000).map(point).collect();
    let store = store_in(&dir, "store");
    assert_eq!(import::store(&store, &run).unwrap().outcome, Outcome::New);
    let whole = store.reader().unwrap().run(run.id).unwrap();
    let points = |store: &Store| {
        let reader = store.reader().unwrap();
        reader.series(run.id, "a", &SeriesQuery::default()).unwrap()
    };
    let want = points(&store);
    // As if it had died before its last file.
    fs::remove_file(dir.path().join("store/index.redb")).ok();
    let mut files = segments(&dir.path().join("store/live"));
    files.extend(segments(&dir.path().join("store/journal")));
    assert_eq!(files.len(), 2);
    let name = b"log.csv";
    files.retain(|path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(name.len()).any(|at| at == name)
    });
    assert_eq!(files.len(), 1, "one tells what the run is called");
    fs::remove_file(&files[0]).unwrap();
    let half = store_in(&dir, "store");
    let listed = half.reader().unwrap().runs(&Query::default()).unwrap();
    assert!(listed.iter().all(|run| !run.has_started));
    assert_eq!(import::store(&half, &run).unwrap().outcome, Outcome::New);
    assert!(points(&half) == want);
    let again = half.reader().unwrap().run(run.id).unwrap();
    assert_eq!(format!("{whole:?}"), format!("{again:?}"));
    assert_eq!(
        import::store(&half, &run).unwrap().outcome,
        Outcome::Unchanged
    );
}

/// The files of segments below a folder.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(segments(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Logs a run with everything a run can have.
fn log_all(store: &Store, dir: &Path) -> RunId {
    let parent = store.start_run(RunOptions::default()).unwrap();
    let run = store
        .start_run(RunOptions {
            name: Some("all \"of\" it".to_owned()),
            experiment: Some("e".to_owned()),
            author: Some("Ada".to_owned()),
            parent: Some(parent.id()),
            start_us: Some(1_705_314_600_123_456),
            ..RunOptions::default()
        })
        .unwrap();
    parent.finish(Status::Completed, None, None).unwrap();
    let text = |text: &str| ParamValue::Text(text.to_owned());
    for (key, value) in [
        ("float", ParamValue::Float(1.0)),
        ("int", ParamValue::Int(1)),
        ("word", text("NaN")),
        ("inf", ParamValue::Float(f64::INFINITY)),
        (
            "list",
            ParamValue::List(vec![text("NaN"), ParamValue::Float(f64::NAN)]),
        ),
    ] {
        run.param(key, value).unwrap();
    }
    run.tag("k", "v").unwrap();
    run.note("two\nlines").unwrap();
    let values = [0.1, f64::NAN, f64::NEG_INFINITY, -0.0, 5e-324];
    let points: Vec<Point> = (0..)
        .zip(values)
        .map(|(at, value)| Point {
            step: 3 - at,
            time_us: 1_705_314_600_123_456 + at,
            value,
        })
        .collect();
    run.log_points("val/loss", &points).unwrap();
    run.log(7, &[("values", 1.0), ("5", 2.0)]).unwrap();
    fs::create_dir_all(dir.join("m")).unwrap();
    fs::write(dir.join("m/w.bin"), vec![0; 100_000]).unwrap();
    fs::write(
        dir.join("report.json"),
        r#"{"run_id": "no run", "metrics": {"x": 1}}"#,
    )
    .unwrap();
    run.artifact(&dir.join("m/w.bin"), Some("m/w.bin")).unwrap();
    run.artifact(&dir.join("report.json"), None).unwrap();
    let id = run.id();
    run.finish(Status::Failed, Some("exit code 1"), None)
        .unwrap();
    id
}

#[test]
fn a_run_goes_out_and_comes_in_as_it_was() {
    let dir = TempDir::new().unwrap();
    let here = store_in(&dir, "here");
    let id = log_all(&here, dir.path());
    let reader = here.reader().unwrap();
    let out = dir.path().join("out");
    let exported = export::export_run(&here, &reader, id, &out).unwrap();
    assert!(exported.failures.is_empty());
    assert_eq!(exported.artifacts, 2);
    let there = store_in(&dir, "there");
    assert_eq!(
        outcomes(&there, &out, &ImportOptions::default()),
        [Outcome::New]
    );
    let other = there.reader().unwrap();
    // All but what no call can set.
    let plain = |mut record: Value| {
        for artifact in record["artifacts"].as_array_mut().unwrap() {
            artifact
                .as_object_mut()
                .unwrap()
                .retain(|key, _| key == "path" || key == "hash");
        }
        record
    };
    let before = plain(export::run_record(&reader, id).unwrap());
    assert_eq!(before, plain(export::run_record(&other, id).unwrap()));
    let (before, after) = (reader.run(id).unwrap(), other.run(id).unwrap());
    assert_eq!(before.params, after.params);
    for metric in before.metrics.keys() {
        let all = SeriesQuery::default();
        let points = reader.series(id, metric, &all).unwrap();
        assert_eq!(points, other.series(id, metric, &all).unwrap(), "{metric}");
    }
    assert_eq!(
        outcomes(&there, &out, &ImportOptions::default()),
        [Outcome::Unchanged]
    );
    assert_eq!(
        outcomes(&here, &out, &ImportOptions::default()),
        [Outcome::Unchanged]
    );
    // As lines, without the artifacts.
    let mut lines = Vec::new();
    for run in reader.runs(&Query::default()).unwrap() {
        export::write_record(&reader, run.id, &mut lines).unwrap();
        lines.push(b'\n');
    }
    let path = dir.path().join("runs.jsonl");
    fs::write(&path, lines).unwrap();
    let third = store_in(&dir, "third");
    assert_eq!(
        outcomes(&third, &path, &ImportOptions::default()),
        [Outcome::New; 2]
    );
}
