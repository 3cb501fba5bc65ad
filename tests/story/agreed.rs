//! A team agrees on what its runs are called, which way is better, and what differs between two.

use std::fs;

use serde_json::Value;
use serde_json::json;
use snapbox::assert_data_eq;
use snapbox::str;

use crate::harness::Dir;

/// Three runs that differ in params, tags and values; of one a metric is NaN, of one it is zero.
fn runs() -> Dir {
    let dir = Dir::new();
    let record = |name: &str, params: Value, metrics: Value, tags: Value| {
        json!({"run_id": name, "parameters": params, "metrics": metrics, "tags": tags,
            "status": "completed"})
        .to_string()
    };
    let lines = [
        record(
            "plain",
            json!({"lr": 0.1, "model": "mlp", "warmup": 3}),
            json!({"acc": [0.5], "loss": [0.4], "gap": [0.0], "ece": ["NaN"]}),
            json!({"team": "x"}),
        ),
        record(
            "slow",
            json!({"lr": 0.01, "model": "mlp"}),
            json!({"acc": [0.75], "loss": [0.5], "gap": [0.25], "ece": [0.1]}),
            json!({"team": "y"}),
        ),
        record(
            "clipped",
            json!({"lr": 0.01, "model": "mlp", "clip": 1}),
            json!({"acc": [0.625], "loss": [0.1], "gap": [0.5], "ece": [0.2]}),
            json!({}),
        ),
    ];
    dir.write("runs.jsonl", lines.join("\n"));
    dir.ok(&["import", "runs.jsonl", "--format-in", "record"]);
    dir
}

fn settings(dir: &Dir) -> String {
    fs::read_to_string(dir.path(".tracker/tracker.toml")).unwrap()
}

#[test]
fn the_better_of_each_metric_is_marked_and_its_direction_remembered() {
    let dir = runs();
    let compare = [
        "compare", "plain", "slow", "clipped", "--max", "acc", "--min", "gap",
    ];
    let (out, err) = dir.call(&compare).said();
    assert_data_eq!(
        out,
        str![[r#"
              ba699413   dd4fe447   59d8ae52
name          plain      slow       clipped
status        completed  completed  completed
took          -          -          -
param clip    -          -          1
param lr      0.1        0.01       0.01
param warmup  3          -          -
tag team      x          y          -
last acc      0.5        0.75 *     0.625
last ece      NaN        0.1 *      0.2
last gap      0 *        0.25       0.5
last loss     0.4        0.5        0.1 *

same in all: model=mlp

"#]]
    );
    assert_data_eq!(
        err,
        str![[r#"
note: remembered in tracker.toml: large acc is better
note: remembered in tracker.toml: small gap is better
note: took small ece, small loss for the better; `--min METRIC` or [..]

"#]]
    );
    assert_eq!(settings(&dir), "[better]\nacc = \"max\"\ngap = \"min\"\n");
    // What is remembered need not be said, nor told, again; what was guessed is.
    let (_, err) = dir
        .call(&["compare", "plain", "slow", "--metric", "gap"])
        .said();
    assert_data_eq!(
        err,
        str![[r#"
note: took small ece, small loss for the better; `--min METRIC` or [..]

"#]]
    );
    let (out, err) = dir.call(&["best", "gap", "--format", "csv"]).said();
    assert_eq!(err, "");
    assert!(out.lines().nth(1).unwrap().contains(",plain,"), "{out}");
    let (_, err) = dir.call(&["best", "gap", "--max"]).said();
    assert_eq!(
        err,
        "note: remembered in tracker.toml: large gap is better\n"
    );
    assert_eq!(settings(&dir), "[better]\nacc = \"max\"\ngap = \"max\"\n");
    dir.call(&["compare", "plain", "slow", "--max", "acc", "--min", "acc"])
        .fails(
            2,
            str![[r#"
error: "acc" cannot be better both small and large

"#]],
        );
    dir.call(&["compare", "plain", "slow", "--max", "accc"])
        .fails(
            1,
            str![[r#"
error: none of these runs has the metric "accc"
hint: they have acc, ece, gap, loss

"#]],
        );
}

#[test]
fn runs_are_measured_from_a_baseline() {
    let dir = runs();
    let compare = [
        "compare",
        "slow",
        "clipped",
        "--baseline",
        "plain",
        "--max",
        "acc",
        "--min",
        "gap",
    ];
    assert_data_eq!(
        dir.ok(&compare),
        str![[r#"
              ba699413 (baseline)  dd4fe447               59d8ae52
name          plain                slow                   clipped
status        completed            completed              completed
took          -                    -                      -
param clip    -                    -                      1
param lr      0.1                  0.01                   0.01
param warmup  3                    -                      -
tag team      x                    y                      -
last acc      0.5                  0.75 * +0.25 (+50.0%)  0.625 +0.125 (+25.0%)
last ece      NaN                  0.1 *                  0.2
last gap      0 *                  0.25 +0.25             0.5 +0.5
last loss     0.4                  0.5 +0.1 (+25.0%)      0.1 * -0.3 (-75.0%)

same in all: model=mlp

"#]]
    );
    let runs: Value = dir.json(&["compare", "slow", "--baseline", "plain"]);
    let names = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["name"].as_str().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["plain", "slow"],
        "for programs runs are runs"
    );
    assert_eq!(
        runs[1]["compared"]["acc"],
        json!({"stat": "last", "value": 0.75, "better": "max", "is_best": true,
            "difference": 0.25, "percent": 50.0})
    );
    assert_eq!(runs[1]["compared"]["gap"]["percent"], Value::Null);
    assert_eq!(runs[1]["compared"]["ece"]["difference"], Value::Null);
}

#[test]
fn what_changed_between_two_runs_is_shown_as_one_view() {
    let dir = runs();
    assert_data_eq!(
        dir.ok(&["compare", "plain", "slow", "--diff"]),
        str![[r#"
--- ba699413 plain
+++ dd4fe447 slow
@@ params @@
- lr = 0.1
+ lr = 0.01
- warmup = 3
@@ tags @@
- team = x
+ team = y

"#]]
    );
    let diff: Value = serde_json::from_str(
        &dir.ok(&["compare", "slow", "clipped", "--diff", "--format", "json"]),
    )
    .unwrap();
    assert_eq!(
        (
            &diff["params"],
            &diff["tags"]["removed"],
            &diff["b"]["name"]
        ),
        (
            &json!({"added": {"clip": 1}, "removed": {}, "changed": {}, "same": {"lr": 0.01, "model": "mlp"}}),
            &json!({"team": "y"}),
            &json!("clipped")
        )
    );
    assert_data_eq!(
        dir.ok(&[
            "compare", "slow", "clipped", "--diff", "--all", "--format", "md"
        ]),
        str![[r#"
| section | name | change | from | to |
| --- | --- | --- | --- | --- |
| params | lr | same | 0.01 | 0.01 |
| params | model | same | mlp | mlp |
| params | clip | added | - | 1 |
| tags | team | removed | y | - |

"#]]
    );
    let (out, err) = dir.call(&["compare", "plain", "plain", "--diff"]).said();
    assert_eq!(out.lines().count(), 2);
    assert!(err.starts_with("note: nothing differs"), "{err}");
    dir.call(&["compare", "plain", "slow", "clipped", "--diff"])
        .fails(
            2,
            str![[r#"
error: --diff is about two runs, have 3

"#]],
        );
    // Code and machine of what was run here.
    let git = "git init -q . && git -c user.name=n -c user.email=e commit -q --allow-empty -m one";
    let run = "tracker run -q --name one -- true && echo x > file && git add file && \
               SEED=2 tracker run -q --name two -- true";
    dir.shell(&format!("{git} && {run}")).ok();
    let diff: Value =
        serde_json::from_str(&dir.ok(&["compare", "one", "two", "--diff", "--format", "json"]))
            .unwrap();
    assert_eq!(
        diff["code"]["changed"]["dirty"],
        json!({"from": false, "to": true})
    );
    assert_eq!(
        diff["code"]["same"].as_object().unwrap().len(),
        2,
        "commit and branch"
    );
}

#[test]
fn rules_of_the_store_are_told_at_the_start_or_keep_a_run_from_it() {
    let dir = Dir::new();
    dir.start(&["--name", "first"]);
    let agreed = "# agreed in March\n[experiments.mnist]\nrequired_params = [\"lr\", \"seed\"]\n\n\
                  [params]\nallowed = [\"lr\", \"seed\", \"n_estimators\"]\n\n\
                  [aliases]\nnum_estimators = \"n_estimators\"\n";
    dir.write(".tracker/tracker.toml", agreed);
    let start = [
        "start",
        "--experiment",
        "mnist",
        "--param",
        "lr=1",
        "--param",
    ];
    let (id, err) = dir.call(&start).args(&["num_estimators=3"]).said();
    assert_data_eq!(
        err,
        str![[r#"
warning: param "num_estimators" is called "n_estimators" in this store
warning: experiment "mnist" requires the param "seed"

"#]]
    );
    let (_, err) = dir.call(&["param", id.trim(), "sed=1"]).said();
    assert_data_eq!(
        err,
        str![[r#"
warning: param "sed" is not among those allowed in this store; is "seed" meant?

"#]]
    );
    dir.ok(&["param", id.trim(), "seed=1"]);
    let (_, err) = dir.call(&["finish", id.trim()]).said();
    assert!(!err.contains("requires"), "{err}");
    // What a program sets by itself counts at its end.
    let run = [
        "run",
        "-q",
        "--experiment",
        "mnist",
        "--param",
        "lr=1",
        "--",
        "sh",
        "-c",
    ];
    let (_, err) = dir
        .call(&run)
        .args(&["tracker param @this x=1 seed=2"])
        .said();
    assert_data_eq!(
        err,
        str![[r#"
warning: experiment "mnist" requires the param "seed"
warning: param "x" is not among those allowed in this store
warning: param "x" is not among those allowed in this store

"#]]
    );
    // An error refuses, and nothing is made.
    let before = dir.json(&["ls"]).as_array().unwrap().len();
    let strict = agreed.replace("\"seed\"]\n\n", "\"seed\"]\nseverity = \"error\"\n\n");
    dir.write(".tracker/tracker.toml", &strict);
    dir.call(&start).args(&["num_estimators=3"]).fails(
        1,
        str![[r#"
error: invalid params: experiment "mnist" requires the param "seed"
hint: the store's tracker.toml asks for it: `severity = "warning"` there only warns

"#]],
    );
    assert_eq!(dir.json(&["ls"]).as_array().unwrap().len(), before);
    dir.call(&start).args(&["seed=3"]).ok();
    // Unknown keys are told; a file that is no settings keeps nobody from logging.
    dir.write(".tracker/tracker.toml", "[param]\nallowed = []\n");
    let (_, err) = dir.call(&["start"]).said();
    assert_data_eq!(
        err,
        str![[r#"
warning: tracker.toml line 1: unknown "param", known are better, experiments, params, aliases: [..]/.tracker/tracker.toml

"#]]
    );
    dir.write(".tracker/tracker.toml", "[params]\nallowed = \"lr\"\n");
    let (id, err) = dir.call(&["start"]).said();
    assert_data_eq!(
        err,
        str![[r#"
warning: invalid tracker.toml: line 2, column 11: want a list of names, as ["lr", "seed"], have "lr": [..]/.tracker/tracker.toml

"#]]
    );
    dir.ok(&["log", id.trim(), "loss=1"]);
    dir.ok(&["finish", id.trim()]);
    dir.call(&["best", "loss"]).fails(
        1,
        str![[r#"
error: invalid tracker.toml: line 2, column 11: want a list of names, as ["lr", "seed"], have "lr": [..]/.tracker/tracker.toml
hint: mend the file, or move it away: the store works without it

"#]],
    );
    dir.ok(&["ls"]);
    // A copy keeps it, also of a damaged store.
    dir.write(".tracker/tracker.toml", &strict);
    dir.ok(&["check", "--salvage", "copy"]);
    assert_eq!(
        fs::read_to_string(dir.path("copy/tracker.toml")).unwrap(),
        strict
    );
}
