//! The folder is the store: copied, carried and merged, it answers as before.

use std::fs;

use serde_json::Value;

use crate::harness::Dir;
use crate::harness::lines;

fn fill(dir: &Dir, store: &str, name: &str) {
    let here = ["--store", store];
    let call = |args: &[&str]| dir.call(&here).args(args);
    let id = call(&["start", "--name", name, "--param", "lr=0.1"]).ok();
    let id = id.trim_end();
    let lines = lines(3_000, |step| {
        format!("{{\"loss\": 0.{step:04}, \"acc\": 0.5}}")
    });
    call(&["log", id, "-"]).input(lines).ok();
    dir.write("weights", name);
    call(&["artifact", "add", id, "weights"]).ok();
    call(&["finish", id]).ok();
}

/// All that can be asked of a store, with every point.
fn answers(dir: &Dir, store: &str) -> Vec<Value> {
    let all = ["export", "--filter", "name is not null", "--format", "json"];
    let text = dir.call(&["--store", store]).args(&all).ok();
    let mut runs: Vec<Value> = serde_json::from_str(&text).unwrap();
    runs.sort_by_key(|run| run["id"].to_string());
    let ls = dir
        .call(&["--store", store, "ls", "--format", "json", "--sort", "id"])
        .ok();
    runs.push(serde_json::from_str(&ls).unwrap());
    runs
}

#[test]
fn a_copied_store_answers_the_same_with_and_without_its_index() {
    let dir = Dir::new();
    fill(&dir, "here", "one");
    fill(&dir, "here", "two");
    dir.ok(&["--store", "here", "rebuild"]);
    let want = answers(&dir, "here");
    dir.shell("cp -r here whole; cp -r here bare; rm bare/index.redb bare/fold.lock")
        .ok();
    for copy in ["whole", "bare"] {
        assert!(answers(&dir, copy) == want, "{copy}");
        // An index that finds itself elsewhere is made anew: the next answer comes from it.
        assert!(answers(&dir, copy) == want, "{copy}, again");
        assert!(dir.path(copy).join("index.redb").exists());
        dir.ok(&["--store", copy, "artifact", "verify"]);
        dir.ok(&["--store", copy, "check"]);
    }
    // A copy lives its own life.
    fill(&dir, "whole", "three");
    assert!(answers(&dir, "here") == want);
    assert_eq!(answers(&dir, "whole").len(), want.len() + 1);
}

#[test]
fn runs_that_arrive_as_files_are_found_by_the_next_command() {
    let dir = Dir::new();
    fill(&dir, "laptop", "on the laptop");
    fill(&dir, "cluster", "on the cluster");
    for store in ["laptop", "cluster"] {
        dir.ok(&["--store", store, "rebuild"]); // seals what is left live
    }
    let theirs = answers(&dir, "cluster");
    // As rsync does it: journal files and blobs, no index, each file whole under its name.
    let arrive = "cd cluster && find journal live blobs -type f | while read f; do
        mkdir -p ../laptop/$(dirname $f); cp -n $f ../laptop/$f; done";
    dir.shell(arrive).ok();
    let run = |store: &str| {
        let show = ["show", "on the cluster", "--format", "json"];
        let text = dir.call(&["--store", store]).args(&show).ok();
        serde_json::from_str::<Vec<Value>>(&text).unwrap().remove(0)
    };
    assert_eq!(run("laptop"), run("cluster"));
    dir.shell(arrive).ok(); // a second time changes nothing
    let merged = answers(&dir, "laptop");
    assert_eq!(merged.len(), 3);
    assert!(merged.contains(&theirs[0]));
    dir.ok(&["--store", "laptop", "rebuild"]);
    assert!(answers(&dir, "laptop") == merged);
    dir.ok(&["--store", "laptop", "check"]);
    assert!(!fs::exists(dir.path("laptop/journal/journal")).unwrap());
}

#[test]
fn more_files_than_a_process_may_open_are_answered() {
    let dir = Dir::new();
    let records = lines(120, |run| {
        format!("{{\"run_id\": \"r{run}\", \"metrics\": {{\"acc\": {run}}}}}")
    });
    dir.write("runs.jsonl", records);
    dir.ok(&["import", "runs.jsonl"]);
    dir.shell("for i in $(seq 80); do tracker start --tag of=script >>ids; done")
        .ok();
    // Nothing is folded now, and 80 runs are rows.
    fs::remove_file(dir.path(".tracker/index.redb")).unwrap();
    for _ in 0..2 {
        let out = dir.shell("ulimit -n 90; tracker query \"tags.of = 'script' or acc >= 0\" --limit 0 --format json");
        let runs: Value = serde_json::from_str(&out.ok()).unwrap();
        assert_eq!(runs.as_array().unwrap().len(), 200);
        let best = dir.shell("ulimit -n 90; tracker series @best:acc acc --format csv");
        assert!(best.ok().contains(",119"));
    }
}
