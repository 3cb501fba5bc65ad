//! Files of runs: which data made this model, who has this file, what changed, which one is best.

use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;
use snapbox::assert_data_eq;
use snapbox::str;

use crate::harness::Dir;

/// Data, a preparation, a training on what that made, an evaluation of the model.
fn pipeline() -> Dir {
    let dir = Dir::new();
    dir.write("raw.csv", "a,b\n1,2\n3,4\n");
    dir.write("valid.csv", "a,b\n5,6\n");
    let script = "
        tracker run -q --name prepare --input raw.csv -- sh -c '
            tr , \\; <raw.csv >clean.csv && tracker artifact add @this clean.csv --type dataset'
        tracker run -q --name train --input clean.csv -- sh -c '
            (echo weights; cat clean.csv) >model.pt
            tracker artifact add @this model.pt --type model'
        cp model.pt served.pt
        tracker run -q --name evaluate --input served.pt --input valid.csv -- \\
            tracker log @this acc=0.9";
    dir.shell(script).said();
    dir
}

fn column<'a>(rows: &'a Value, key: &str) -> Vec<&'a Value> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| &row[key])
        .collect()
}

#[test]
fn which_data_made_this_model_and_who_read_it() {
    let dir = pipeline();
    assert_data_eq!(
        dir.ok(&["artifact", "lineage", "evaluate", "--up"]),
        str![[r#"
[..] evaluate
├─ read served.pt@v0 99d6fb41 (20 B)
│  └─ made by [..] train
│     └─ read clean.csv@v0 1d3215d4 (12 B)
│        └─ made by [..] prepare
│           └─ read raw.csv@v0 b93a8ab3 (12 B)
└─ read valid.csv@v0 e9848f9c (8 B)

"#]]
    );
    // A copy under another name is the same file; downwards the same ties are told.
    assert_data_eq!(
        dir.ok(&["artifact", "lineage", "raw.csv", "--down"]),
        str![[r#"
raw.csv@v0 b93a8ab3 (12 B)
└─ read by [..] prepare
   └─ made clean.csv@v0 1d3215d4 (12 B, dataset)
      └─ read by [..] train
         └─ made model.pt@v0 99d6fb41 (20 B, model)
            └─ read by [..] evaluate

"#]]
    );
    assert_data_eq!(
        dir.ok(&["artifact", "lineage", "train", "--depth", "1"]),
        str![[r#"
[..] train
├─ read clean.csv@v0 1d3215d4 (12 B)
│  └─ made by [..] prepare
└─ made model.pt@v0 99d6fb41 (20 B, model)
   └─ read by [..] evaluate

"#]]
    );
    let shown = dir.ok(&["show", "train"]);
    let inputs = shown.split_once("inputs\n").unwrap().1;
    assert_data_eq!(
        inputs,
        str![[r#"
PATH       TYPE  SIZE  HASH      MADE BY           WHERE
clean.csv  -     12 B  1d3215d4  [..] prepare  [..]/clean.csv

artifacts
PATH      VERSION  TYPE   SIZE  HASH      ADDED (UTC)
model.pt  v0       model  20 B  99d6fb41  [..]

"#]]
    );
    // For programs: a row for each place, with the row that it follows from.
    let rows = dir.json(&["artifact", "lineage", "evaluate", "--up"]);
    let kinds: Vec<&str> = column(&rows, "kind")
        .into_iter()
        .map(|k| k.as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["run", "file", "run", "file", "run", "file", "file"]);
    assert_eq!(
        column(&rows, "parent"),
        [
            &json!(null),
            &json!(0),
            &json!(1),
            &json!(2),
            &json!(3),
            &json!(4),
            &json!(0)
        ]
    );
    let run = dir.run("evaluate");
    let train = dir.run("train");
    assert_eq!(run["inputs"][0]["made_by"], json!([train["id"]]));
    assert_eq!(run["inputs"][1]["made_by"], json!([]));
    assert_eq!(run["artifacts"], json!([]));
    assert_eq!(train["artifacts"][0]["type"], "model");
    assert_eq!(train["artifacts"][0]["version"], 0);
    let reference = run["inputs"][0]["reference"].as_str().unwrap();
    assert_eq!(Path::new(reference), dir.path("served.pt"));
}

#[test]
fn a_lineage_ends_where_it_meets_itself() {
    let dir = Dir::new();
    // Each epoch goes on from the checkpoint of the one before; the third restores the first.
    let script = "
        for epoch in 1 2 3; do
            test $epoch = 3 && echo 1 >model.pt
            INPUT=$(test -e model.pt && echo --input model.pt)
            tracker run -q --name epoch$epoch $INPUT -- sh -c \\
                \"echo $epoch >model.pt; tracker artifact add @this model.pt\"
        done
        : >empty; tracker artifact add epoch1 empty; tracker artifact add epoch2 --input empty
        tracker artifact add epoch1 --input model.pt";
    dir.shell(script).said();
    assert_data_eq!(
        dir.ok(&["artifact", "lineage", "epoch2"]),
        str![[r#"
[..] epoch2
├─ read empty@v0 af1349b9 (0 B)
├─ read model.pt@v0 50cc1102 (2 B)
│  └─ made by [..] epoch1
│     └─ read model.pt@v0 49124bf4 (2 B)
│        └─ made by [..] epoch3
│           └─ read model.pt@v0 50cc1102 (2 B) (told above)
└─ made model.pt@v0 b9a1a318 (2 B)

"#]]
    );
}

#[test]
fn which_runs_have_this_exact_file() {
    let dir = pipeline();
    let who = dir.json(&["artifact", "who", "model.pt"]);
    assert_eq!(column(&who, "run_name"), ["train", "evaluate"]);
    assert_eq!(column(&who, "direction"), ["output", "input"]);
    assert_eq!(column(&who, "path"), ["model.pt", "served.pt"]);
    let hash = who[0]["hash"].as_str().unwrap();
    for name in [&hash[..6], hash, "train:model.pt", "evaluate:served.pt@v0"] {
        assert_eq!(dir.json(&["artifact", "who", name]), who, "{name}");
    }
    // The same before a fold and after, and from an index made anew.
    dir.ok(&["rebuild"]);
    assert_eq!(dir.json(&["artifact", "who", hash]), who);
    dir.write("new.bin", "nobody has it");
    let (out, said) = dir.call(&["artifact", "who", "new.bin"]).said();
    assert_eq!(out, "");
    assert_data_eq!(
        said,
        str![[r#"
note: no run has these bytes: f74834b0dac033228f41898ea2106901ce2c0175feb03018be93ff67298db399

"#]]
    );
    dir.call(&["artifact", "who", "train:model"]).fails(
        1,
        str![[r#"
error: run [..] train has no artifact "model"
hint: did you mean "model.pt"?

"#]],
    );
    dir.call(&["artifact", "who", "nothing"]).fails(
        1,
        str![[r#"
error: no run, file, hash or alias "nothing"
hint: name a file on the disk, RUN:PATH, an alias, or 4 digits of a hash

"#]],
    );
    dir.call(&["artifact", "who", "."]).fails(
        1,
        str![[r#"
error: "." is a folder
hint: name a file in it, or begin with the run that has it

"#]],
    );
    dir.call(&["artifact", "lineage", "trian"]).fails(
        1,
        str![[r#"
error: no run, file, hash or alias "trian"
hint: did you mean "train"?

"#]],
    );
}

#[test]
fn a_beginning_of_several_hashes_lists_them() {
    let dir = Dir::new();
    let id = dir.start(&["--name", "many"]);
    // Among some hundreds of files two begin alike.
    let (mut seen, mut pair) = (std::collections::BTreeMap::new(), None);
    for number in 0..5_000 {
        let text = number.to_string();
        let prefix = blake3::hash(text.as_bytes()).to_hex()[..4].to_owned();
        if let Some(other) = seen.insert(prefix.clone(), text.clone()) {
            pair = Some((prefix, other, text));
            break;
        }
    }
    let (prefix, a, b) = pair.unwrap();
    dir.write("a", a);
    dir.write("b", b);
    dir.ok(&["artifact", "add", &id, "a", "b"]);
    dir.call(&["artifact", "who", &prefix]).fails(
        1,
        str![[r#"
error: "0f4c" is ambiguous: 2 files have it
  0f4cb217a48a1264 b (3 B) of run [..]
  0f4cd01079870645 a (3 B) of run [..]
hint: give more digits of the hash

"#]],
    );
}

#[test]
fn the_same_path_again_is_a_new_version_and_the_older_ones_stay() {
    let dir = Dir::new();
    let id = dir.start(&["--name", "many"]);
    for weights in ["1", "1", "22", "1"] {
        dir.write("model.pt", weights);
        dir.ok(&["artifact", "add", &id, "model.pt", "--type", "model"]);
    }
    let ls = dir.json(&["artifact", "ls", "many", "--versions"]);
    assert_eq!(column(&ls, "version"), [0, 1, 2]);
    assert_eq!(column(&ls, "bytes"), [1, 2, 1]);
    let newest = dir.json(&["artifact", "ls", "many"]);
    assert_eq!(column(&newest, "version"), [2]);
    assert_eq!(dir.run("many")["artifacts"][0]["version"], 2);
    let get = |name: &str| dir.ok(&["artifact", "get", "many", name, "-o", "-"]);
    assert_eq!(
        (get("model.pt"), get("model.pt@v1")),
        ("1".to_owned(), "22".to_owned())
    );
    assert_eq!(
        dir.ok(&["artifact", "get", "many:model.pt@v1", "-o", "-"]),
        "22"
    );
    dir.call(&["artifact", "get", "many", "model.pt@v3"]).fails(
        1,
        str![[r#"
error: run [..] many has no "model.pt@v3"
hint: its versions are v0 to v2

"#]],
    );
    dir.call(&["artifact", "get", "many", "modle.pt@v0"]).fails(
        1,
        str![[r#"
error: run [..] many has no artifact "modle.pt@v0"
hint: it has model.pt

"#]],
    );
    dir.call(&[
        "artifact",
        "get",
        "many",
        "model.pt@v0",
        "model.pt@v1",
        "-o",
        "x/",
    ])
    .fails(
        2,
        str![[r#"
error: two versions of "model.pt" cannot go to one place
hint: get one after the other, each with a name of its own: `-o FILE`

"#]],
    );
    dir.call(&["artifact", "get", "many"]).fails(
        2,
        str![[r#"
error: which artifact of run [..] many? none is named
hint: list those it has with `tracker artifact ls [..]`

"#]],
    );
    dir.ok(&["artifact", "verify"]);
}

#[test]
fn what_changed_between_two_runs() {
    let dir = Dir::new();
    let script = "
        mkdir out && echo 1 >out/same && echo 22 >out/weights && echo 3 >out/old && echo d >data
        A=$(tracker start --name before); tracker artifact add $A out
        tracker artifact add $A --input data
        rm out/old && echo 4444 >out/weights && echo 5 >out/new && echo dd >data
        B=$(tracker start --name after); tracker artifact add $B out
        tracker artifact add $B --input data";
    dir.shell(script).said();
    let (out, said) = dir.call(&["artifact", "diff", "before", "after"]).said();
    assert_data_eq!(
        out,
        str![[r#"
CHANGE   DIRECTION  PATH         SIZE BEFORE  AFTER  HASH BEFORE  AFTER
added    output     out/new                -    2 B  -            ec2c76a1
removed  output     out/old              2 B      -  49124bf4     -
changed  output     out/weights          3 B    5 B  74029cd6     a215eb60
changed  input      data                 2 B    3 B  3f244656     1f924727

"#]]
    );
    assert_data_eq!(
        said,
        str![[r#"
note: 1 file the same; `--all` shows them

"#]]
    );
    let all = dir.json(&["artifact", "diff", "before", "after"]);
    assert_eq!(
        column(&all, "change"),
        ["added", "removed", "same", "changed", "changed"]
    );
    let (out, said) = dir.call(&["artifact", "diff", "after", "after"]).said();
    assert_eq!(out, "");
    assert_data_eq!(
        said,
        str![[r#"
note: nothing differs: 4 files the same

"#]]
    );
    let both = dir.json(&["compare", "--diff", "before", "after"]);
    assert_eq!(both["inputs"]["changed"].as_object().unwrap().len(), 1);
}

#[test]
fn an_alias_stands_for_a_file_until_it_is_moved() {
    let dir = Dir::new();
    for (name, acc) in [("first", "0.8"), ("second", "0.9")] {
        dir.write("model.pt", name);
        let id = dir.start(&["--name", name]);
        dir.ok(&["log", &id, &format!("acc={acc}")]);
        dir.ok(&["artifact", "add", &id, "model.pt"]);
    }
    let alias = |args: &[&str]| dir.call(&["artifact", "alias"]).args(args).said().1;
    assert_data_eq!(
        alias(&["model:best", "first:model.pt"]),
        str![[r#"
model:best is model.pt@v0 of [..]

"#]]
    );
    let get = || dir.ok(&["artifact", "get", "model:best", "-o", "-"]);
    assert_eq!(get(), "first");
    assert_data_eq!(
        alias(&["model:best", "@best:acc:model.pt"]),
        str![[r#"
model:best is model.pt@v0 of [..]; it was model.pt@v0 of [..]

"#]]
    );
    assert_eq!(get(), "second");
    // A new version of the file is not what the alias was given to.
    dir.write("model.pt", "second, again");
    dir.ok(&["artifact", "add", "second", "model.pt"]);
    assert_eq!(get(), "second");
    assert_data_eq!(
        alias(&["model:prod", "model:best"]),
        str![[r#"
model:prod is model.pt@v0 of [..]

"#]]
    );
    assert_data_eq!(
        dir.ok(&["artifact", "alias"]),
        str![[r#"
ALIAS       RUN       NAME    PATH      VERSION  TYPE  SIZE  HASH      SET (UTC)
model:best  [..]  second  model.pt  v0       -      6 B  cd856376  [..]
model:prod  [..]  second  model.pt  v0       -      6 B  cd856376  [..]

"#]]
    );
    assert_data_eq!(
        dir.ok(&["artifact", "ls", "second", "--versions"]),
        str![[r#"
PATH      VERSION  DIRECTION  TYPE  SIZE  HASH      ALIASES                 ADDED (UTC)
model.pt  v0       output     -      6 B  cd856376  model:best, model:prod  [..]
model.pt  v1       output     -     13 B  34e3b50a                          [..]

"#]]
    );
    dir.ok(&["rebuild"]);
    assert_eq!(get(), "second");
    assert_data_eq!(
        alias(&["model:best", "--remove"]),
        str![[r#"
removed model:best

"#]]
    );
    dir.call(&["artifact", "get", "model:best"]).fails(
        1,
        str![[r#"
error: no run, file, hash or alias "model:best"
hint: did you mean "model:prod"?

"#]],
    );
    dir.call(&["artifact", "alias", "model:best", "--remove"])
        .fails(
            1,
            str![[r#"
error: no alias "model:best"
hint: did you mean "model:prod"?

"#]],
        );
    dir.call(&["artifact", "alias", "best", "first:model.pt"])
        .fails(
            1,
            str![[r#"
error: invalid alias: want one with a colon, as `model:best`: "best"

"#]],
        );
    dir.call(&["artifact", "alias", "model:best", "first"])
        .fails(
            1,
            str![[r#"
error: no file of a run "first"
hint: name it as RUN:PATH or RUN:PATH@vN; `tracker artifact ls` lists files

"#]],
        );
    // Back where it was: the latest word counts, whichever run it was said in.
    alias(&["model:best", "first:model.pt"]);
    assert_eq!(get(), "first");
}

#[test]
fn a_file_that_stays_where_it_is_is_told_to_have_changed() {
    let dir = Dir::new();
    fs::create_dir(dir.path("data")).unwrap();
    for (name, text) in [
        ("data/a.csv", "1"),
        ("data/b.csv", "22"),
        ("data/c.csv", "3"),
    ] {
        dir.write(name, text);
    }
    let (_, said) = dir
        .call(&["run", "--name", "train", "--input", "data", "--", "true"])
        .said();
    assert!(said.contains("completed"), "{said}");
    let ls = dir.json(&["artifact", "ls", "train"]);
    assert_eq!(
        column(&ls, "path"),
        ["data/a.csv", "data/b.csv", "data/c.csv"]
    );
    assert_eq!(dir.files(".tracker/blobs").len(), 0, "the bytes stay");
    let (out, said) = dir.call(&["artifact", "verify", "train"]).said();
    assert_eq!(out, "");
    assert_data_eq!(
        said,
        str![[r#"
0 artifacts in 0 blobs, 0 B; 3 references: all as they were stored

"#]]
    );
    assert_eq!(
        dir.ok(&["artifact", "get", "train", "data/b.csv", "-o", "-"]),
        "22"
    );
    dir.write("data/a.csv", "9");
    fs::remove_file(dir.path("data/c.csv")).unwrap();
    let output = dir.call(&["artifact", "verify", "train"]).output();
    assert_eq!(output.status.code(), Some(1));
    assert_data_eq!(
        String::from_utf8(output.stdout).unwrap(),
        str![[r#"
RESULT   RUN       PATH        SIZE  HASH      WHY
changed  [..]  data/a.csv   1 B  d63bd9a8  its bytes hash to 026ed82c now: [..]/data/a.csv
missing  [..]  data/c.csv   1 B  58d6fd3d  it is gone: [..]/data/c.csv

"#]]
    );
    assert_data_eq!(
        String::from_utf8(output.stderr).unwrap(),
        str![[r#"
error: 0 artifacts in 0 blobs, 0 B; 3 references: those listed are not as they were stored
hint: bring the files back, or note them as they are now with `tracker artifact add --input`

"#]]
    );
    // Nobody is told of files outside the store who did not ask.
    dir.ok(&["artifact", "verify"]);
    dir.call(&["artifact", "get", "train", "data/a.csv", "-o", "copy"])
        .fails(1, str![[r#"
error: invalid reference: changed since "data/a.csv" was logged: [..]/data/a.csv
hint: its bytes were left where they were; look for another copy with `tracker artifact who`, or bring the file back

"#]]);
    dir.call(&["artifact", "get", "train", "data/c.csv", "-o", "-"])
        .fails(1, str![[r#"
error: "data/c.csv" cannot be had from [..]/data/c.csv: it is gone
hint: its bytes were left where they were; look for another copy with `tracker artifact who`, or bring the file back

"#]]);
    assert!(!dir.path("copy").exists());
    dir.ok(&["check"]);
    // A program that reads what is not there is not started.
    dir.call(&["run", "-q", "--input", "gone.csv", "--", "true"])
        .fails(
            1,
            str![[r#"
error: cannot stat gone.csv: No such file or directory (os error 2)

"#]],
        );
    dir.call(&["artifact", "add", "train", "--reference", "s3://bucket/x"])
        .fails(1, str![[r#"
error: s3://bucket/x is no file of this machine
hint: only bytes that can be read here can be told apart; note an address as a tag: `tracker tag RUN data=s3://…`

"#]]);
}

#[cfg(unix)]
#[test]
fn a_file_comes_back_with_its_mode_and_time_and_a_folder_as_a_folder() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    fs::create_dir_all(dir.path("out/bin")).unwrap();
    dir.write("out/bin/run.sh", "#!/bin/sh");
    dir.write("out/notes", "text");
    let modes = [("out/bin/run.sh", 0o4751), ("out/notes", 0o440)];
    for (name, mode) in modes {
        let rights = fs::Permissions::from_mode(mode);
        fs::set_permissions(dir.path(name), rights).unwrap();
    }
    dir.shell("touch -d 2001-02-03T04:05:06Z out/notes").ok();
    let id = dir.start(&[]);
    dir.ok(&["artifact", "add", &id, "out"]);
    dir.ok(&["artifact", "get", &id, "out/", "-o", "back"]);
    for (name, mode) in modes {
        let (was, is) = (dir.path(name), dir.path(&format!("back/{name}")));
        let (was, is) = (fs::metadata(was).unwrap(), fs::metadata(is).unwrap());
        assert_eq!(
            is.mode() & 0o7777,
            mode & 0o777,
            "{name}: no program of another user"
        );
        assert_eq!(is.modified().unwrap(), was.modified().unwrap(), "{name}");
    }
}

#[test]
fn files_are_found_across_runs() {
    let dir = pipeline();
    dir.ok(&["artifact", "alias", "model:best", "train:model.pt"]);
    let paths = |args: &[&str]| -> Vec<String> {
        let call: Vec<&str> = ["artifact", "ls"].iter().chain(args).copied().collect();
        let rows = dir.json(&call);
        let paths = column(&rows, "path").into_iter();
        paths
            .map(|path| path.as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(paths(&["--name", "*.pt"]), ["served.pt", "model.pt"]);
    assert_eq!(paths(&["--type", "dataset"]), ["clean.csv"]);
    assert_eq!(paths(&["--direction", "output"]), ["model.pt", "clean.csv"]);
    assert_eq!(
        paths(&["--filter", "acc > 0.5"]),
        ["served.pt", "valid.csv"]
    );
    assert_eq!(paths(&["-n", "1"]), ["served.pt"]);
    assert_data_eq!(
        dir.ok(&["artifact", "ls", "--type", "model"]),
        str![[r#"
RUN       NAME   PATH      VERSION  DIRECTION  TYPE   SIZE  HASH      ALIASES     ADDED (UTC)
[..]  train  model.pt  v0       output     model  20 B  99d6fb41  model:best  [..]

"#]]
    );
    let (out, said) = dir.call(&["artifact", "ls", "--type", "modle"]).said();
    assert_eq!(
        (out.as_str(), said.as_str()),
        ("", "note: no artifacts like that\n")
    );
}
