//! A store grown by habit is looked through for what will hurt later.

use serde_json::Value;
use serde_json::json;
use snapbox::assert_data_eq;
use snapbox::str;

use crate::harness::Dir;
use crate::harness::lines;

/// Four runs of an experiment, each with habits of its own.
fn runs() -> Dir {
    let dir = Dir::new();
    let record = |name: &str, params: Value, metrics: Value| {
        json!({"run_id": name, "parameters": params, "metrics": metrics, "status": "completed"})
            .to_string()
    };
    let nan = ["NaN", "NaN"];
    let records = [
        record(
            "one",
            json!({"n_estimators": 10, "lr": 0.1, "dataset": "v1", "seed": 1}),
            json!({"val/acc": [0.1, 0.9], "ece": nan, "rate": vec![0.5; 12]}),
        ),
        record(
            "two",
            json!({"num_estimators": 20, "lr": "0.1", "dataset": "v1", "seed": 2}),
            json!({"val_acc": [0.2, 0.8]}),
        ),
        record(
            "three",
            json!({"numTrees": 30, "lr": 0.2, "dataset": "v2"}),
            json!({"val/acc": [0.5, 0.7]}),
        ),
        record("four", json!({}), json!({"val/acc": [0.3, 0.4]})),
    ];
    dir.import_records(records.join("\n"), "old");
    dir
}

#[test]
fn pitfalls_are_found_with_the_runs_they_are_in_and_what_to_do() {
    let dir = runs();
    let look = |more: &[&str]| {
        let output = dir.call(&["lint"]).args(more).output();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_data_eq!(
        look(&["--experiment", "old"]),
        str![[r#"
mixed-type: param "lr" has several types: number in 2 runs, text in 1 run
  1 run: b9eea012
  log it with one type in all runs
param-in-some: experiment "old": only some runs have "lr" (3 of 4), "dataset" (3 of 4), "seed" (2 of 4), "num_estimators" (1 of 4), "numTrees" (1 of 4) and 1 more
  1 run: 5df7f940
  log every param in every run, defaults too; examples lack the first
no-params: runs without a param: nobody can tell what they tried
  1 run: 5df7f940
  log params: `run.param(..)`, `tracker start --param K=V`
only-nan: metric "ece" is NaN in every point
  1 run: aab818da
  find where it becomes NaN; a metric that cannot be had is better not logged
constant-metric: metric "rate" never changes
  1 run: aab818da
  log what is fixed for a run as a param
same-name: params that seem to mean the same: "n_estimators" (1), "numTrees" (1), "num_estimators" (1)
  2 runs: b9eea012, e837ac6b
  log all as "n_estimators"; [aliases] in tracker.toml warns of the others
same-name: metrics that seem to mean the same: "val/acc" (3), "val_acc" (1)
  1 run: b9eea012
  log all as "val/acc"
no-data: runs that do not tell which data they used
  1 run: 5df7f940
  say which files they read: `tracker run --input data.csv`; or log a param or tag `dataset`

"#]]
    );
    // What was run here, by scripts that forgot some things.
    let failed = dir.start(&["--param", "lr=1", "--tag", "dataset=v1"]);
    dir.ok(&["finish", &failed, "--status", "failed"]);
    dir.write(
        ".tracker/tracker.toml",
        "[aliases]\nlr = \"learning_rate\"\n",
    );
    assert_data_eq!(
        look(&["experiment is null"]),
        str![[r#"
agreed-name: param "lr" is called "learning_rate" in this store
  1 run: [..]
  log it as "learning_rate"
no-code: runs without a state of the code: nobody can tell what ran
  1 run: [..]
  start them in a git repository with a commit
no-reason: failed runs that do not say why: killed, crashed, or never finished
  1 run: [..]
  finish with a reason, or say it now: `tracker note RUN TEXT`

"#]]
    );
    let found: Vec<Value> = serde_json::from_str(&look(&["--format", "json"])).unwrap();
    let rules: Vec<&str> = found
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .collect();
    assert_eq!(
        rules,
        [
            "mixed-type",
            "agreed-name",
            "param-in-some",
            "no-params",
            "only-nan",
            "constant-metric",
            "same-name",
            "same-name",
            "no-code",
            "no-reason",
            "no-data",
        ]
    );
    assert_eq!(found[0]["examples"][0].as_str().unwrap().len(), 32);
    assert!(look(&["--format", "csv"]).starts_with("rule,runs,what,examples,advice\n"));
    dir.call(&["lint", "lr >"]).fails(
        1,
        str![[r#"
error: invalid filter: want a value, have the end
  lr >
      ^

"#]],
    );
}

#[test]
fn names_that_a_run_has_together_are_two_things() {
    let dir = Dir::new();
    let names = ["val/loss", "val_loss", "validation/loss"];
    let start = |metrics: &[&str]| {
        let id = dir.start(&["--param", "lr=1"]);
        for metric in metrics {
            dir.ok(&["log", &id, &format!("{metric}=1")]);
        }
        dir.ok(&["finish", &id]);
    };
    for name in names {
        start(&[name]);
    }
    start(&names[..2]);
    let same_names = || -> Vec<String> {
        let output = dir.call(&["lint", "--format", "json"]).output();
        let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let same = found
            .iter()
            .filter(|finding| finding["rule"] == "same-name");
        same.map(|finding| finding["what"].as_str().unwrap().to_owned())
            .collect()
    };
    let want = "metrics that seem to mean the same: \"val/loss\" (2), \"validation/loss\" (1)";
    assert_eq!(same_names(), [want]);
    start(&names);
    assert_eq!(same_names(), [""; 0]);
}

#[test]
fn a_store_in_order_has_no_pitfalls() {
    let dir = Dir::new();
    let git = "git init -q . && echo '.tracker\nsteps' > .gitignore && git add .gitignore && \
               git -c user.name=n -c user.email=e commit -q -m one";
    dir.write(
        "steps",
        lines(20, |step| json!({"step": step, "loss": step}).to_string()),
    );
    let run = "tracker run -q --experiment e --param lr=0.1 --param dataset=v1 -- \
               sh -c 'tracker log @this - < steps'";
    dir.shell(&format!("{git} && {run} && {run}")).ok();
    let (out, err) = dir.call(&["lint"]).said();
    assert_eq!((out.as_str(), err.as_str()), ("", "note: nothing found\n"));
    assert_eq!(dir.ok(&["lint", "--format", "json"]), "[]\n");
}
