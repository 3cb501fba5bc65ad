//! A training logs, and reads back what it logged: live, after its end, after a rebuild.

use tracker::Query;
use tracker::RunOptions;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::Status;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(&dir.path().join(".tracker")).unwrap();
    (dir, store)
}

fn options(name: &str) -> RunOptions {
    let environment = Some(tracker::model::Environment::default());
    RunOptions {
        name: Some(name.to_owned()),
        environment,
        ..RunOptions::default()
    }
}

fn points(store: &Store, run: RunId, metric: &str) -> Vec<Point> {
    let reader = store.reader().unwrap();
    // On a busy machine, or in a copy, there may be no index to answer; the journal then does.
    let warnings = reader.warnings();
    assert_eq!(
        warnings.iter().find(|warning| warning.contains("corrupt")),
        None
    );
    reader.series(run, metric, &SeriesQuery::default()).unwrap()
}

fn run(store: &Store, id: RunId) -> Run {
    store.reader().unwrap().run(id).unwrap()
}

#[test]
fn a_point_is_read_back_the_moment_it_is_logged_and_ever_after() {
    let (_dir, store) = store();
    let writer = store.start_run(options("first")).unwrap();
    let id = writer.id();
    writer.param("lr", ParamValue::Float(0.1)).unwrap();
    for step in 0..10u32 {
        writer
            .log(
                step.into(),
                &[("loss", 1.0 / f64::from(step + 1)), ("acc", 0.5)],
            )
            .unwrap();
        assert_eq!(points(&store, id, "loss").len(), step as usize + 1);
    }
    let live = run(&store, id);
    assert_eq!(live.status, Status::Running);
    assert_eq!(live.params["lr"], ParamValue::Float(0.1));
    assert_eq!(live.metrics["loss"].count, 10);
    let before = points(&store, id, "loss");
    writer.finish(Status::Completed, None, None).unwrap();
    let done = run(&store, id);
    assert_eq!(
        (done.status, done.end_us.is_some()),
        (Status::Completed, true)
    );
    assert!(points(&store, id, "loss") == before);
    store.rebuild(&mut |_, _| {}).unwrap();
    assert!(points(&store, id, "loss") == before);
    assert_eq!(
        run(&store, id).metrics["loss"].mean(),
        live.metrics["loss"].mean()
    );
}

#[test]
fn steps_in_any_order_read_by_step_then_time_then_as_logged() {
    let (_dir, store) = store();
    let writer = store.start_run(options("order")).unwrap();
    let id = writer.id();
    for (step, time_us, value) in [
        (5, 10, 1.0),
        (-3, 20, 2.0),
        (5, 5, 3.0),
        (5, 10, f64::NAN),
        (0, 0, f64::INFINITY),
    ] {
        writer.log_at(step, time_us, &[("m", value)]).unwrap();
    }
    let want = |points: &[Point]| {
        let have: Vec<_> = points
            .iter()
            .map(|p| (p.step, p.time_us, p.value.to_bits()))
            .collect();
        let bits = f64::to_bits;
        assert_eq!(
            have,
            [
                (-3, 20, bits(2.0)),
                (0, 0, bits(f64::INFINITY)),
                (5, 5, bits(3.0)),
                (5, 10, bits(1.0)),
                (5, 10, bits(f64::NAN)),
            ]
        );
    };
    want(&points(&store, id, "m"));
    writer.finish(Status::Completed, None, None).unwrap();
    want(&points(&store, id, "m"));
    let summary = run(&store, id).metrics["m"];
    assert_eq!(
        (summary.count, summary.nan_count, summary.pos_inf_count),
        (5, 1, 1)
    );
    assert!(summary.last.unwrap().value.is_nan());
    let range = SeriesQuery {
        from_step: Some(0),
        to_step: Some(4),
        ..SeriesQuery::default()
    };
    let some = store.reader().unwrap().series(id, "m", &range).unwrap();
    assert_eq!(some.len(), 1);
}

#[test]
fn a_param_is_set_once() {
    let (_dir, store) = store();
    let writer = store.start_run(options("params")).unwrap();
    writer.param("lr", ParamValue::Float(0.1)).unwrap();
    writer.param("lr", ParamValue::Float(0.1)).unwrap();
    let error = writer
        .param("lr", ParamValue::Float(0.2))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "param \"lr\" of this run is 0.1 and cannot become 0.2"
    );
    let other = store.join_run(writer.id()).unwrap();
    assert!(other.param("lr", ParamValue::Int(1)).is_err());
    other.param("seed", ParamValue::Int(1)).unwrap();
    other.close().unwrap();
    let id = writer.id();
    writer.finish(Status::Completed, None, None).unwrap();
    let run = run(&store, id);
    assert_eq!(run.params["lr"], ParamValue::Float(0.1));
    assert_eq!(run.params["seed"], ParamValue::Int(1));
}

#[test]
fn a_dropped_run_has_failed_and_can_be_resumed() {
    let (_dir, store) = store();
    let writer = store.start_run(options("crash")).unwrap();
    let id = writer.id();
    writer.log(1, &[("m", 1.0)]).unwrap();
    drop(writer);
    assert_eq!(run(&store, id).status, Status::Failed);
    let writer = store.resume_run(id).unwrap();
    assert_eq!(run(&store, id).status, Status::Running);
    writer.log(2, &[("m", 2.0)]).unwrap();
    writer.finish(Status::Completed, None, None).unwrap();
    let run = run(&store, id);
    assert_eq!((run.status, run.metrics["m"].count), (Status::Completed, 2));
}

#[test]
fn a_detached_run_runs_until_it_is_finished() {
    let (_dir, store) = store();
    let started = store
        .start_run(RunOptions {
            detached: true,
            ..options("script")
        })
        .unwrap();
    let id = started.id();
    started.close().unwrap();
    for step in 0..5 {
        let command = store.join_run_briefly(id).unwrap();
        command.log(step, &[("m", 0.5)]).unwrap();
        command.close().unwrap();
    }
    assert_eq!(run(&store, id).status, Status::Running);
    let command = store.join_run_briefly(id).unwrap();
    command
        .finish(Status::Failed, Some("by hand"), None)
        .unwrap();
    let done = run(&store, id);
    assert_eq!((done.status, done.metrics["m"].count), (Status::Failed, 5));
    assert_eq!(done.reason.as_deref(), Some("by hand"));
    let late = store.join_run_briefly(id).unwrap();
    assert!(matches!(
        late.log(9, &[("m", 1.0)]),
        Err(tracker::Error::Ended(_))
    ));
    late.tag("verdict", "keep").unwrap();
    late.close().unwrap();
    let tagged = run(&store, id);
    assert_eq!(
        (tagged.status, tagged.tags["verdict"].as_str()),
        (Status::Failed, "keep")
    );
}

#[test]
fn a_query_sees_folded_and_live_runs_alike() {
    let (_dir, store) = store();
    let mut live = Vec::new();
    for n in 0..30 {
        let writer = store.start_run(options(&format!("run{n}"))).unwrap();
        writer
            .param("lr", ParamValue::Float(f64::from(n) / 100.0))
            .unwrap();
        writer.log(0, &[("acc", f64::from(n % 7))]).unwrap();
        if n % 3 == 0 {
            live.push(writer);
        } else {
            writer.finish(Status::Completed, None, None).unwrap();
        }
    }
    let ask = |filter: &str, sort: &str| -> Vec<String> {
        let query = Query {
            filter: Some(filter.to_owned()),
            sort: vec![sort.to_owned()],
            limit: Some(4),
        };
        let runs = store.reader().unwrap().runs(&query).unwrap();
        runs.into_iter().map(|run| run.info.name).collect()
    };
    assert_eq!(
        ask("metrics.acc > 4 and params.lr < 0.2", "-params.lr"),
        ["run19", "run13", "run12", "run6"]
    );
    assert_eq!(
        ask("status = 'running' and acc = 6", "params.lr"),
        ["run6", "run27"]
    );
    drop(live);
    assert_eq!(
        ask("status = 'failed' and acc = 6", "params.lr"),
        ["run6", "run27"]
    );
    store.fold(None).unwrap();
    assert_eq!(
        ask("status = 'failed' and acc = 6", "params.lr"),
        ["run6", "run27"]
    );
    let reader = store.reader().unwrap();
    let run3 = reader.find_run("run3").unwrap();
    assert_eq!(reader.find_run(&run3.to_string()[..12]).unwrap(), run3);
    assert_eq!(
        reader
            .run(reader.find_run("@best:acc").unwrap())
            .unwrap()
            .info
            .name,
        "run27"
    );
    assert_eq!(
        reader
            .run(reader.find_run("@last").unwrap())
            .unwrap()
            .info
            .name,
        "run29"
    );
    let error = reader.find_run("run33").unwrap_err();
    assert!(matches!(error, tracker::Error::NotFound { near, .. } if near[0].starts_with("run3")));
}

/// Copies a folder as `cp -r` does: what is there is replaced.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_store_copied_in_the_middle_of_a_run_is_whole_when_it_is_copied_again() {
    let (dir, store) = store();
    let writer = store.start_run(options("copied")).unwrap();
    let id = writer.id();
    for step in 0..100 {
        writer.log(step, &[("m", 0.5)]).unwrap();
    }
    let there = dir.path().join("there");
    copy(store.path(), &there);
    let other = Store::open(&there).unwrap();
    for _ in 0..2 {
        assert_eq!(points(&other, id, "m").len(), 100);
        // The process that writes it can be asked, also about a copy.
        assert_eq!(run(&other, id).status, Status::Running);
        other.fold(None).unwrap();
    }
    for step in 100..200 {
        writer.log(step, &[("m", 0.5)]).unwrap();
    }
    writer.finish(Status::Completed, None, None).unwrap();
    for part in ["live", "journal"] {
        copy(&store.path().join(part), &there.join(part));
        copy(&there.join(part), &store.path().join(part)); // and back
    }
    for store in [&other, &store] {
        for _ in 0..2 {
            assert_eq!(points(store, id, "m").len(), 200);
            assert_eq!(run(store, id).status, Status::Completed);
            store.fold(None).unwrap();
        }
    }
    let check = store.check(&mut |_, _| {}).unwrap();
    assert!(check.is_sound(), "{check:?}");
}
