//! A damaged store: what is damaged, what that touches, and all the rest in a new store.

use std::fs;

use serde_json::json;
use snapbox::str;

use crate::harness::Dir;
use crate::harness::lines;
use crate::harness::text;

/// A run of 6,000 points, with a file, and another one.
fn store() -> Dir {
    let dir = Dir::new();
    dir.write("model.pt", "weights");
    for name in ["long", "short"] {
        let id = dir.start(&["--name", name, "--param", "lr=0.1"]);
        let count = if name == "long" { 3_000 } else { 3 };
        let lines = lines(count, |step| {
            format!("{{\"loss\": {}, \"acc\": 0.5}}", f64::sin(step as f64))
        });
        dir.call(&["log", &id, "-"]).input(lines).ok();
        dir.ok(&["artifact", "add", &id, "model.pt"]);
        dir.ok(&["finish", &id]);
    }
    dir.ok(&["rebuild"]);
    dir
}

/// Damages the middle of the largest file of the journal: the points of `loss`.
fn damage(dir: &Dir) {
    let segments = dir.files(".tracker/journal");
    let largest = segments.iter().max_by_key(|(_, bytes)| bytes.len());
    let (path, bytes) = largest.unwrap();
    let mut bytes = bytes.clone();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_can_be_read_of_a_damaged_store_is_copied_into_a_new_one() {
    let dir = store();
    let answers = |store: &str| {
        let all = ["export", "--filter", "name is not null", "--format", "json"];
        let points = dir.call(&["--store", store]).args(&all).ok();
        let list = dir.ok(&["--store", store, "ls", "--format", "json"]);
        (points, list)
    };
    let before = answers(".tracker");
    damage(&dir);
    // The index has what the journal has lost.
    let (out, said) = dir.call(&["check", "--salvage", "saved"]).said();
    assert_eq!(out, "");
    snapbox::assert_data_eq!(
        said,
        str![[r#"
copied 2 runs in 4 segments with 6,006 points, and 1 blob, [..] in all, to [..]saved
note: 1 segment damaged in the old store and written anew from what was left
note: damaged, and nothing lost by it: chunk at byte [..]: the checksum is wrong: [..].sealed
nothing was lost

"#]]
    );
    assert!(answers("saved") == before);
    dir.ok(&["--store", "saved", "check"]);
    // Without it the points in the damaged part are lost, and named.
    fs::remove_file(dir.path(".tracker/index.redb")).unwrap();
    let output = dir.call(&["check", "--salvage", "rest"]).output();
    assert_eq!(output.status.code(), Some(3));
    snapbox::assert_data_eq!(
        text(output.stdout),
        str![[r#"
WHAT   FILE[..]AT BYTE  WHY                    RUNS      TOUCHES
chunk  journal/[..]  the checksum is wrong  [..]  3,000 points of loss at steps 0 to 2999

"#]]
    );
    snapbox::assert_data_eq!(
        text(output.stderr),
        str![[r#"
copied 2 runs in 4 segments with 3,006 points, and 1 blob, [..] in all, to [..]rest
note: 1 segment damaged in the old store and written anew from what was left
error: some of the store could not be copied
hint: where another copy of the store has the files listed, copy them over those of the new store and run `tracker rebuild` there

"#]]
    );
    dir.ok(&["--store", "rest", "check"]);
    let here = [
        "--store", "rest", "series", "long", "acc", "--format", "jsonl",
    ];
    assert_eq!(dir.call(&here).ok().lines().count(), 3_000);
    dir.call(&["check", "--salvage", "rest"]).fails(
        1,
        str![[r#"
error: invalid target: the folder is not empty: [..]rest

"#]],
    );
    dir.call(&["check", "--salvage", ".tracker/live/new"])
        .fails(
            1,
            str![[r#"
error: invalid target: it lies in the store that is to be copied: [..]

"#]],
        );
}

#[test]
fn what_was_salvaged_is_told_as_json() {
    let dir = store();
    damage(&dir);
    fs::remove_file(dir.path(".tracker/index.redb")).unwrap();
    let call = ["check", "--salvage", "saved", "--format", "json"];
    let output = dir.call(&call).output();
    assert_eq!(output.status.code(), Some(3));
    let told: serde_json::Value = serde_json::from_str(&text(output.stdout)).unwrap();
    let told = &told[0];
    assert_eq!(
        (&told["runs"], &told["segments"], &told["rewritten"]),
        (&json!(2), &json!(4), &json!(1))
    );
    assert_eq!(
        (&told["points"], &told["blobs"]),
        (&json!(3_006), &json!(1))
    );
    let touches = json!({
        "what": "points", "metrics": ["loss"], "steps": [0, 2_999], "points": 3_000,
        "artifacts": [], "in_index": false
    });
    assert_eq!(told["lost"][0]["touches"], touches);
    // The check says the same of it.
    let output = dir.call(&["check", "--format", "json"]).output();
    assert_eq!(output.status.code(), Some(1));
    let checked: serde_json::Value = serde_json::from_str(&text(output.stdout)).unwrap();
    assert_eq!(checked[0], told["lost"][0]);
}

#[test]
fn a_store_without_its_line_of_text_is_salvaged_and_gets_another_id() {
    let dir = store();
    fs::remove_file(dir.path(".tracker/format")).unwrap();
    dir.call(&["ls"]).fails(
        1,
        str![[r#"
error: not a tracker store: [..]
hint: its journal is there, its file `format` is not; [..]

"#]],
    );
    let (_, said) = dir.call(&["check", "--salvage", "saved"]).said();
    snapbox::assert_data_eq!(
        said,
        str![[r#"
copied 2 runs in 4 segments with 6,006 points, and 1 blob, [..] in all, to [..]saved
warning: the new store has an id of its own: cannot open [..]format: No such file [..]
nothing was lost

"#]]
    );
    dir.ok(&["--store", "saved", "check"]);
}

#[test]
fn a_damaged_artifact_is_named_with_its_runs() {
    let dir = store();
    let (path, _) = dir.files(".tracker/blobs").remove(0);
    dir.shell(&format!("chmod u+w {}", path.display())).ok();
    fs::write(&path, "wrong").unwrap();
    let output = dir.call(&["check", "--format", "json"]).output();
    let told: serde_json::Value = serde_json::from_str(&text(output.stdout)).unwrap();
    let artifacts = told[0]["touches"]["artifacts"].as_array().unwrap();
    assert_eq!(artifacts.len(), 2, "both runs have it: {told}");
    assert!(
        artifacts
            .iter()
            .all(|artifact| artifact["path"] == "model.pt")
    );
    let said = text(output.stderr);
    assert!(said.contains("`tracker artifact add`"), "{said}");
    assert!(!said.contains("rebuild"), "{said}");
    let output = dir.call(&["check", "--salvage", "saved"]).output();
    assert_eq!(output.status.code(), Some(3));
    // It is missing there until it is put back.
    let check = || {
        dir.call(&["--store", "saved", "check"])
            .output()
            .status
            .code()
    };
    assert_eq!(check(), Some(1));
    dir.ok(&["--store", "saved", "artifact", "add", "long", "model.pt"]);
    assert_eq!(check(), Some(0));
}
