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
    let is_damage = |warning: &&String| warning.contains("corrupt");
    assert_eq!(reader.warnings().iter().find(is_damage), None);
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
    assert!(store.check(&mut |_, _| {}).unwrap().is_sound());
}
