//! The machine's clock is set back: what is said later still counts as said later.

#[expect(dead_code, reason = "each test uses some of it")]
mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::elsewhere::Elsewhere;
use common::real::memory_dir;
use tracker::Query;
use tracker::RunOptions;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::Environment;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::store::StoreOptions;

const HOUR_US: i64 = 3_600_000_000;

fn options() -> RunOptions {
    RunOptions {
        environment: Some(Environment::default()),
        ..RunOptions::default()
    }
}

/// What a run that was taken up again with an earlier clock must say.
fn check(store: &Store, id: RunId) {
    let reader = store.reader().unwrap();
    let run = reader.run(id).unwrap();
    assert_eq!(run.status, Status::Completed);
    assert_eq!(
        (&*run.tags["phase"], run.note.as_deref()),
        ("second", Some("second"))
    );
    assert_eq!(run.artifacts["state"].bytes, 2);
    let loss = run.metrics["loss"];
    assert_eq!((loss.count, loss.last.unwrap().value), (20, 19.0));
    let points = reader.series(id, "loss", &SeriesQuery::default()).unwrap();
    assert!((0..20).eq(points.iter().map(|point| point.step)));
}

#[test]
fn a_clock_that_steps_back_makes_no_earlier_word_the_last() {
    let dir = memory_dir();
    let sys = Arc::new(Elsewhere::default());
    let path = dir.path().join(".tracker");
    let store = Store::create_with(sys.clone(), &path, StoreOptions::default()).unwrap();
    for ends in [true, false] {
        sys.ahead_us.store(HOUR_US, Ordering::Relaxed);
        let run = store.start_run(options()).unwrap();
        let id = run.id();
        run.log(0, &[("loss", 0.0)]).unwrap();
        std::thread::sleep(Duration::from_millis(30)); // it speaks some time after it began
        run.tag("phase", "first").unwrap();
        run.note("first").unwrap();
        run.artifact_bytes("state", b"1").unwrap();
        sys.ahead_us.store(0, Ordering::Relaxed);
        let times = |store: &Store| {
            let reader = store.reader().unwrap();
            let points = reader.series(id, "loss", &SeriesQuery::default()).unwrap();
            points.iter().map(|point| point.time_us).collect::<Vec<_>>()
        };
        for step in 1..10 {
            run.log(step, &[("loss", step as f64)]).unwrap();
        }
        assert!(
            times(&store).is_sorted(),
            "within a writer it never steps back"
        );
        if ends {
            run.finish(Status::Failed, Some("why"), None).unwrap();
        } else {
            run.close().unwrap();
        }
        assert_eq!(
            store.reader().unwrap().run(id).unwrap().status,
            Status::Failed
        );
        store.fold(None).unwrap();
        let again = store.resume_run(id).unwrap();
        assert_eq!(
            store.reader().unwrap().run(id).unwrap().status,
            Status::Running
        );
        again.tag("phase", "second").unwrap();
        again.note("second").unwrap();
        again.artifact_bytes("state", b"22").unwrap();
        for step in 10..20 {
            again.log(step, &[("loss", step as f64)]).unwrap();
        }
        again.finish(Status::Completed, None, None).unwrap();
        check(&store, id);
        store.fold(None).unwrap();
        check(&store, id);
        store.rebuild(&mut |_, _| {}).unwrap();
        check(&store, id);
    }
    // What comes after the step is found beside folders that were looked through before it.
    let next = store.start_run(options()).unwrap();
    next.finish(Status::Completed, None, None).unwrap();
    assert_eq!(
        store
            .reader()
            .unwrap()
            .runs(&Query::default())
            .unwrap()
            .len(),
        3
    );
    assert!(store.check(&mut |_, _| {}).unwrap().is_sound());
}
