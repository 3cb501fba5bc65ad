//! The first minutes with tracker, and the way of runs out of one store and into another.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use snapbox::str;

use crate::harness::Dir;

#[test]
fn the_demo_leads_from_training_to_the_model_file() {
    let dir = Dir::new();
    let (out, err) = dir.call(&["demo"]).said();
    assert!(out.starts_with("ID        NAME"), "{out}");
    let is_best = |line: &&str| line.split_whitespace().nth(2) == Some("*");
    assert_eq!(
        out.lines().filter(is_best).count(),
        1,
        "one run is the best: {out}"
    );
    let best_line = out.lines().find(is_best).unwrap();
    // The commands it proposes are commands that work.
    let proposed: Vec<&str> = err
        .lines()
        .filter_map(|line| line.strip_prefix("  tracker "))
        .filter(|line| !line.starts_with("run"))
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(proposed.len(), 4, "{err}");
    for command in proposed {
        dir.shell(&format!("tracker {command}")).ok();
    }
    let best = dir.run("@best:-val/loss");
    let id = best["id"].as_str().unwrap();
    assert!(best_line.starts_with(&id[..8]));
    assert_eq!(best["status"], "completed");
    assert_eq!(best["metrics"]["val/loss"]["count"], 250);
    assert_eq!(dir.json(&["best", "val/loss"])[0]["id"], id);
    let found = dir.json(&["query", "val/loss < 0.1", "--sort", "val/loss"]);
    assert_eq!(found[0]["id"], id);
    // A run whose loss is not finite has failed and says why.
    let failed = dir.json(&["query", "status = 'failed'"]);
    assert_eq!(failed.as_array().unwrap().len(), 1);
    let reason = failed[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("loss is not finite"), "{reason}");

    let model = fs::read(dir.path("model.json")).unwrap();
    let artifact = &best["artifacts"][0];
    assert_eq!(artifact["bytes"], model.len());
    assert_eq!(
        artifact["hash"],
        blake3::hash(&model).to_hex().as_str(),
        "the file is the one that was trained"
    );
    assert!(serde_json::from_slice::<Value>(&model).unwrap().is_object());
    dir.call(&["artifact", "get", id, "model.json"]).fails(
        1,
        str![[r#"
error: there is a file already: model.json
hint: replace it with `--force`, or write elsewhere with `-o`

"#]],
    );
    let bytes = dir.call(&["artifact", "get", id, "model.json", "-o", "-"]);
    assert_eq!(bytes.output().stdout, model);
    dir.ok(&["artifact", "verify"]);
    dir.ok(&["check"]);
}

/// Records of all runs of a store with all their points, one a line.
fn lines(dir: &Dir, store: &str) -> String {
    let all = ["--store", store, "export", "--filter", "name is not null"];
    dir.ok(&[&all[..], &["--format", "jsonl"]].concat())
}

/// The records by id, without when their artifacts were stored.
fn everything(dir: &Dir, store: &str) -> BTreeMap<String, Value> {
    let run = |line: &str| {
        let mut run: Value = serde_json::from_str(line).unwrap();
        for artifact in run["artifacts"].as_array_mut().unwrap() {
            artifact.as_object_mut().unwrap().remove("time");
        }
        (run["id"].as_str().unwrap().to_owned(), run)
    };
    lines(dir, store).lines().map(run).collect()
}

/// Not by `assert_eq`, which would print megabytes.
fn assert_same(have: &BTreeMap<String, Value>, want: &BTreeMap<String, Value>) {
    assert!(have.keys().eq(want.keys()));
    for (id, want) in want {
        for (key, want) in want.as_object().unwrap() {
            let have = &have[id][key];
            let cut = |value: &Value| value.to_string().chars().take(400).collect::<String>();
            assert!(have == want, "{id} {key}: {} {}", cut(have), cut(want));
        }
    }
}

#[test]
fn runs_go_out_and_come_into_another_store_as_they_were() {
    let dir = Dir::new();
    dir.ok(&["demo"]);
    let odd = dir.start(&["--name", "odd ones", "--note", "two\nlines", "--tag", "k=ä"]);
    dir.call(&["log", &odd, "-"])
        .input(
            r#"{"step": 9223372036854775807, "a/b c": 0.1, "x": -0.0}
               {"step": -9223372036854775808, "a/b c": 5e-324, "x": "NaN"}
               {"step": 0, "a/b c": "-Infinity", "time": 1705314600.123456}
               {"step": 0, "a/b c": 0.30000000000000004, "time": 1705314600.123457}"#,
        )
        .ok();
    dir.ok(&[
        "param",
        &odd,
        "n=1",
        "f=1.0",
        "s=\"1\"",
        "l=[1, 2.5, \"x\"]",
    ]);
    dir.ok(&["finish", &odd, "--status", "failed", "--reason", "by hand"]);
    let before = everything(&dir, ".tracker");
    assert_eq!(before.len(), 14);

    let out = ["export", "--filter", "name is not null", "-o", "out/"];
    dir.ok(&out);
    let import =
        |store: &str, from: &str| -> Value { dir.json(&["--store", store, "import", from]) };
    let first = import("other", "out");
    assert!(
        first
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["result"] == "new")
    );
    assert_same(&everything(&dir, "other"), &before);
    let model = [
        "artifact",
        "get",
        "@best:-val/loss",
        "model.json",
        "-o",
        "-",
    ];
    assert_eq!(
        dir.ok(&[&["--store", "other"][..], &model].concat()),
        dir.ok(&model)
    );
    let again = import("other", "out");
    assert!(
        again
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["result"] == "unchanged")
    );
    assert_eq!(import(".tracker", "out")[0]["result"], "unchanged");
    assert_same(&everything(&dir, "other"), &before);
    dir.ok(&["--store", "other", "rebuild"]);
    assert_same(&everything(&dir, "other"), &before);

    // As one file of lines, without the artifacts; what is missing is named.
    dir.write("runs.jsonl", lines(&dir, ".tracker"));
    let (_, err) = dir
        .call(&["--store", "third", "import", "runs.jsonl"])
        .said();
    assert_eq!(
        err.lines()
            .filter(|line| line.contains("model.json"))
            .count(),
        12,
        "{err}"
    );
    let points = |store| dir.json(&["--store", store, "series", "odd ones", "a/b c"]);
    assert_eq!(points("third"), points(".tracker"));
    let values: Vec<String> = points("third")
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["value"].to_string())
        .collect();
    let want = ["5e-324", "\"-Infinity\"", "0.30000000000000004", "0.1"];
    assert_eq!(values, want);
}
