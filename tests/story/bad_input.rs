//! What goes wrong: each has a message, what to do about it and its exit status, and loses nothing.

use std::fs;
use std::io::Read;
use std::process::Command;
use std::process::Stdio;

use serde_json::json;
use snapbox::str;
use tracker::Store;

use crate::harness::Call;
use crate::harness::Dir;
use crate::harness::Mount;
use crate::harness::lines;
use crate::harness::text;

/// A store with three runs, two of one name.
fn store() -> Dir {
    let dir = Dir::new();
    for (name, lr) in [("twin", "0.1"), ("twin", "0.2"), ("single", "0.3")] {
        let param = format!("lr={lr}");
        let id = dir.start(&["--name", name, "--param", &param]);
        dir.ok(&["log", &id, "--step", "1", "val/loss=0.5", "acc=0.25"]);
        dir.ok(&["finish", &id]);
    }
    dir
}

#[test]
fn a_run_that_is_not_meant_clearly() {
    let dir = store();
    dir.call(&["show", "singel"]).fails(
        1,
        str![[r#"
error: no run "singel"
hint: did you mean "single"?

"#]],
    );
    dir.call(&["show", "zzzzzz"]).fails(
        1,
        str![[r#"
error: no run "zzzzzz"
hint: list runs with `tracker ls`

"#]],
    );
    dir.call(&["log", "twin", "x=1"]).fails(
        1,
        str![[r#"
error: "twin" is ambiguous: 2 runs have it
  [..] twin
  [..] twin
hint: give more digits of the id

"#]],
    );
    dir.call(&["show", "@first"]).fails(
        1,
        str![[r#"
error: invalid run: want @last or @best:METRIC: "@first"

"#]],
    );
    dir.call(&["tag", "@this", "a=b"]).fails(
        1,
        str![[r#"
error: @this names no run: TRACKER_RUN_ID is not set
hint: `tracker run -- CMD` sets it for CMD; in a script: `export TRACKER_RUN_ID=$(tracker start)`

"#]],
    );
    dir.call(&["tag", "@this", "a=b"])
        .env("TRACKER_RUN_ID", "single")
        .fails(
            1,
            str![[r#"
error: @this names no run: TRACKER_RUN_ID is "single", want the 32 hex digits of an id
hint: `tracker run` and `tracker start` tell it; other commands also take a name

"#]],
        );
    // Every prefix of an id that only one run has is its name.
    let runs = dir.json(&["ls"]);
    let ids: Vec<&str> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["id"].as_str().unwrap())
        .collect();
    for id in &ids {
        for len in 1..=32 {
            let prefix = &id[..len];
            let of = ids.iter().filter(|id| id.starts_with(prefix)).count();
            if of == 1 {
                assert_eq!(dir.run(prefix)["id"], **id);
                break;
            }
            let output = dir.call(&["show", prefix]).output();
            assert_eq!(output.status.code(), Some(1), "{prefix}");
        }
    }
}

#[test]
fn a_metric_that_is_not_there() {
    let dir = store();
    dir.call(&["series", "single", "val/los"]).fails(
        1,
        str![[r#"
error: run [..] single has no metric "val/los"
hint: did you mean "val/loss"?

"#]],
    );
    dir.call(&["series", "single", "reward"]).fails(
        1,
        str![[r#"
error: run [..] single has no metric "reward"
hint: it has acc, val/loss

"#]],
    );
    dir.call(&["show", "@best:loss"]).fails(
        1,
        str![[r#"
error: no metric "loss"
hint: did you mean "val/loss"?

"#]],
    );
    dir.call(&["best", "loss", "--min"]).fails(
        1,
        str![[r#"
error: no metric "loss"
hint: did you mean "val/loss"?

"#]],
    );
    dir.call(&["compare", "single", "--metric", "f1", "--max", "f1"])
        .fails(
            1,
            str![[r#"
error: none of these runs has the metric "f1"
hint: they have acc, val/loss

"#]],
        );
}

#[test]
fn a_filter_with_a_fault_shows_the_place() {
    let dir = store();
    dir.call(&["query", "params.lr > 0.1 adn acc > 0"]).fails(
        1,
        str![[r#"
error: invalid filter: want and, or, or the end, have "adn"
  params.lr > 0.1 adn acc > 0
                  ^^^

"#]],
    );
    dir.call(&["query", "(params.lr > 0.1 and acc > 0"]).fails(
        1,
        str![[r#"
error: invalid filter: [..]
  (params.lr > 0.1 and acc > 0
[..]^
hint: close it with )

"#]],
    );
    dir.call(&["query", "metrics.val/los < 1"]).fails(
        1,
        str![[r#"
error: invalid filter: no run has a metric "val/los"
  metrics.val/los < 1
  ^^^^^^^^^^^^^^^
hint: try metrics.val/loss

"#]],
    );
    dir.call(&["ls", "--sort", "-metrics.ac"]).fails(
        1,
        str![[r#"
error: invalid sort key: no run has a metric "ac"
  -metrics.ac
   ^^^^^^^^^^
hint: try metrics.acc

"#]],
    );
    dir.call(&["query", "acc > 0", "--columns", "name,lrr"])
        .fails(
            1,
            str![[r#"
error: invalid value: no run has a param, metric or tag "lrr", nor is it an attribute
  name,lrr
       ^^^
hint: try params.lr

"#]],
        );
}

#[test]
fn a_function_that_makes_no_sense_is_refused_at_its_place() {
    let dir = store();
    for (filter, said) in [
        (
            "meen(acc) > 0",
            str![[r#"
error: invalid filter: no function "meen"
  meen(acc) > 0
  ^^^^
hint: try mean or min

"#]],
        ),
        (
            "at(acc) > 0",
            str![[r#"
error: invalid filter: at takes a metric and a step
  at(acc) > 0
     ^^^
hint: write: at(metrics.loss, 1000)

"#]],
        ),
        (
            "min(acc, 5) > 0",
            str![[r#"
error: invalid filter: min takes a metric and nothing more
  min(acc, 5) > 0
           ^
hint: write: min(metrics.loss)

"#]],
        ),
    ] {
        dir.call(&["query", filter]).fails(1, said);
    }
}

#[test]
fn arithmetic_that_makes_no_sense_is_refused_at_its_place() {
    let dir = store();
    for (filter, said) in [
        (
            "acc - 'low' > 0",
            str![[r#"
error: invalid filter: 'low' is a text, arithmetic needs a number, time or duration
  acc - 'low' > 0
        ^^^^^
hint: write a name bare, or in double quotes

"#]],
        ),
        (
            "acc + name > 0",
            str![[r#"
error: invalid filter: name is a text, arithmetic needs a number, time or duration
  acc + name > 0
        ^^^^

"#]],
        ),
        (
            "start + 5 > now",
            str![[r#"
error: invalid filter: cannot add a number to a time
  start + 5 > now
          ^
hint: give it a unit: 90s, 2h, 7d, or params.x * 1s

"#]],
        ),
        (
            "acc-val/loss > 0",
            str![[r#"
error: invalid filter: no run has a param, metric or tag "acc-val/loss", nor is it an attribute
  acc-val/loss > 0
  ^^^^^^^^^^^^
hint: a name runs on over -; put blanks around the minus: acc - val/loss

"#]],
        ),
        (
            "min(acc where epoch < 5) > 0",
            str![[r#"
error: invalid filter: want step or time, have "epoch"
  min(acc where epoch < 5) > 0
                ^^^^^
hint: write: where step >= 100 and step < 200, where time > now - 1h

"#]],
        ),
        (
            "(acc - (val/loss) > 0",
            str![[r#"
error: invalid filter: this ( is never closed
  (acc - (val/loss) > 0
  ^
hint: close it with )

"#]],
        ),
        (
            "(acc > 0) + 1 > 0",
            str![[r#"
error: invalid filter: a condition stands where a value is needed
  (acc > 0) + 1 > 0
  ^^^^^^^^^
hint: join conditions by and, or

"#]],
        ),
        (
            "1 + 1 = 2",
            str![[r#"
error: invalid filter: no side of this names anything of a run
  1 + 1 = 2
  ^^^^^
hint: name a param, metric, tag or attribute: metrics.acc > 0.9

"#]],
        ),
    ] {
        dir.call(&["query", filter]).fails(1, said);
    }
}

#[test]
fn sort_keys_and_columns_are_refused_as_filters_are() {
    let dir = store();
    dir.call(&["query", "acc > 0", "--sort", "-acc + params.lr"])
        .fails(
            1,
            str![[r#"
error: invalid sort key: want the end, have "+"
  -acc + params.lr
       ^
hint: write -(a + b) for the largest sum first, or b - a

"#]],
        );
    dir.call(&["query", "acc > 0", "--columns", "name,acc - los"])
        .fails(
            1,
            str![[r#"
error: invalid value: no run has a param, metric or tag "los", nor is it an attribute
  name,acc - los
             ^^^
hint: try attributes.os

"#]],
        );
    dir.call(&["query", "acc > 0", "--columns", "name,at(acc"])
        .fails(
            2,
            str![[r#"
error: invalid value: at takes a metric and a step
  name,at(acc
          ^^^
hint: write: at(metrics.loss, 1000)

"#]],
        );
}

#[test]
fn a_filter_may_be_long_but_neither_endless_nor_deep() {
    let dir = store();
    let deep = format!("{}acc{} > 0", "(".repeat(10_000), ")".repeat(10_000));
    for filter in [deep, format!("acc > {}1", "-".repeat(10_000))] {
        let output = dir.call(&["query", &filter]).output();
        let err = text(output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains("nest deeper than 64"), "{err}");
        assert!(err.lines().all(|line| line.chars().count() < 100), "{err}");
    }
    // As long as an argument may be; the library takes eight times as much.
    let long = |len: usize| format!("acc > 0 and {}acc > 0", "acc + 1 > lr or ".repeat(len / 16));
    let found = dir.json(&["query", &long(120 << 10)]);
    assert!(!found.as_array().unwrap().is_empty());
    let reader = Store::open(&dir.path(".tracker"))
        .unwrap()
        .reader()
        .unwrap();
    let count = found.as_array().unwrap().len();
    assert_eq!(reader.count(Some(&long((1 << 20) - 64))).unwrap(), count);
    let refused = reader.count(Some(&long(1 << 21))).unwrap_err().to_string();
    assert!(refused.contains("at most 1048576"), "{refused}");
}

#[test]
fn a_command_called_wrongly_ends_with_2() {
    let dir = store();
    dir.call(&["log", "single", "--step", "1.5", "x=1"]).fails(
        2,
        str![[r#"
error: invalid value '1.5' for '--step <N>': want a whole number of 64 bits

For more information, try '--help'.

"#]],
    );
    dir.call(&["log", "single", "x=low"]).fails(
        2,
        str![[r#"
error: invalid value 'x=low' for '<K=V|->...': the value is no number: "low"; text belongs in a param or a tag

For more information, try '--help'.

"#]],
    );
    dir.call(&["export", "-o", "all/"]).fails(
        2,
        str![[r#"
error: no run is named and no filter given
hint: name runs, or say which: `--filter 'status = "completed"'`
hint: all runs: `--filter 'id is not null'`

"#]],
    );
    for wrong in [
        &["frobnicate"][..],
        &["compare"],
        &["show"],
        &["ls", "--format", "xml"],
        &["log", "single", "-", "x=1"],
        &["log", "single", "=1"],
        &["run"],
        &["finish", "single", "--reason", "why"],
        &["compare", "single", "--min"],
        &["export", "single", "--format", "md"],
        &["query", "acc > 0", "--columns", "meridian(acc)"],
        &["series", "single", "acc", "--plot", "--format", "csv"],
    ] {
        let output = dir.call(wrong).output();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(
            (output.status.code(), out.as_str()),
            (Some(2), ""),
            "{wrong:?}"
        );
        assert!(err.starts_with("error: "), "{wrong:?}: {err}");
    }
}

#[test]
fn names_that_are_empty_or_too_long() {
    let dir = Dir::new();
    let id = dir.start(&[]);
    let long = "m".repeat(513);
    dir.call(&["log", &id, "--step", "1", "good=1", &format!("{long}=1")])
        .fails(
            1,
            str![[r#"
error: invalid metric name: has 513 bytes, at most 512: "mmm[..]

"#]],
        );
    let (line, good) = (
        format!("{{\"good\": 2}}\n{{\"good\": 3, \"{long}\": 1}}\n"),
        format!("{}=1", &long[..512]),
    );
    dir.call(&["log", &id, "-"]).input(line).fails(
        1,
        str![[r#"
error: line 2 of standard input: invalid metric name: has 513 bytes, at most 512: "mmm[..]
hint: the lines before it were logged

"#]],
    );
    assert_eq!(
        dir.series(&id, "good"),
        [(0, 2.0)],
        "a step is logged whole or not at all"
    );
    dir.ok(&["log", &id, &good]);
    let names = dir.run(&id)["metrics"].as_object().unwrap().len();
    assert_eq!(names, 2);
    for bad in [
        ["tag", &id, &format!("{long}=x")],
        ["param", &id, &format!("{long}=x")],
    ] {
        assert_eq!(dir.call(&bad).output().status.code(), Some(1));
    }
    let long_name = dir.call(&["start", "--name", &long]).output();
    assert_eq!(long_name.status.code(), Some(1));
    assert_eq!(
        dir.json(&["ls"]).as_array().unwrap().len(),
        1,
        "no run was begun"
    );
}

#[test]
fn what_is_no_store() {
    let dir = Dir::new();
    dir.call(&["ls"]).fails(
        1,
        str![[r#"
error: no store in this folder or one above it
hint: point to one with `--store DIR` or TRACKER_STORE
hint: make one here: `tracker run -- CMD`, `tracker start` or `tracker import`

"#]],
    );
    fs::create_dir(dir.path("notes")).unwrap();
    dir.write("notes/todo.txt", "write the paper");
    for (command, path) in [
        ("ls", "notes"),
        ("start", "notes"),
        ("ls", "gone"),
        ("start", "notes/todo.txt"),
        ("stat", "notes/todo.txt"),
    ] {
        let want = format!(
            "error: not a tracker store: [..]{path}\nhint: point to a store with `--store DIR` or \
             TRACKER_STORE; `tracker start` makes one in an empty or new folder\n"
        );
        dir.call(&[command, "--store", path]).fails(1, want);
    }
    dir.call(&["import", "gone.csv"]).fails(
        1,
        str![[r#"
error: cannot read gone.csv: No such file or directory (os error 2)

"#]],
    );
    let left: Vec<_> = dir.files(".").into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, [dir.path("./notes/todo.txt")], "nothing was made");
    // The folder above the store is meant often enough, and one below it.
    dir.start(&[]);
    fs::create_dir(dir.path("below")).unwrap();
    assert_eq!(
        dir.json(&["ls", "--store", "."]).as_array().unwrap().len(),
        1
    );
    let mut below = dir.call(&["ls", "--format", "jsonl"]);
    below.command.current_dir(dir.path("below"));
    assert_eq!(below.ok().lines().count(), 1);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let dir = store();
    let format = fs::read_to_string(dir.path(".tracker/format")).unwrap();
    dir.write(".tracker/format", format.replacen(" 1 ", " 2 ", 1));
    let before = dir.files(".tracker");
    for command in [&["ls"][..], &["start"], &["rebuild"]] {
        dir.call(command).fails(
            1,
            str![[r#"
error: store has format 2, this version reads up to 1: [..]format
hint: upgrade tracker: `cargo install tracker-db`

"#]],
        );
    }
    assert!(dir.files(".tracker") == before);
}

#[test]
fn a_store_whose_format_line_is_lost_says_how_to_write_it() {
    let dir = store();
    let answer = dir.json(&["ls"]);
    let lost = str![[r#"
error: not a tracker store: [..].tracker
hint: its journal is there, its file `format` is not; copy [..] or [..] `tracker 1 ID`, where [..]

"#]];
    fs::remove_file(dir.path(".tracker/format")).unwrap();
    for command in [&["ls"][..], &["start"], &["ls", "--store", ".tracker"]] {
        dir.call(command).fails(1, lost.clone());
    }
    dir.write(".tracker/format", "tracker one\n");
    dir.call(&["ls"]).fails(
        1,
        str![[r#"
error: corrupt format at byte 0: it is no line of a store: "tracker one/n": [..]format
hint: copy [..]/format from another copy of the store, or [..] `tracker 1 ID`, where [..]

"#]],
    );
    dir.write(
        ".tracker/format",
        format!("tracker 1 {}\n", "0a".repeat(16)),
    );
    assert_eq!(dir.json(&["ls"]), answer);
    let (_, said) = dir.call(&["ls"]).said();
    assert_eq!(said, "", "the index was made again");
}

/// The index may still have what a damaged file of the journal had.
#[test]
fn a_damaged_journal_is_to_be_mended_before_a_rebuild() {
    let dir = store();
    dir.ok(&["ls"]); // folds
    let segments = dir.files(".tracker/journal");
    let (path, whole) = &segments[0];
    let mut bytes = whole.clone();
    bytes[60] ^= 0x55;
    fs::write(path, bytes).unwrap();
    let output = dir.call(&["check"]).output();
    let said = text(output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("{what}: {said}"));
    let copy = at("copy the files listed from another copy of the store");
    assert!(copy < at("do not run `tracker rebuild` before that"));
    assert!(!said.contains("make it anew with `tracker rebuild`\n") || said.contains("once the"));
    fs::write(path, whole).unwrap();
    dir.ok(&["check"]);
}

#[test]
fn a_damaged_file_is_told_once_a_command() {
    let dir = Dir::new();
    let id = dir.start(&["--name", "long"]);
    let stream = lines(3_000, |step| format!("{{\"x\": {}}}", (step as f64).sin()));
    dir.call(&["log", &id, "-"]).input(stream).ok();
    dir.ok(&["finish", &id]);
    let answer = dir.run("long");
    let segments = dir.files(".tracker/journal");
    let (path, whole) = segments
        .iter()
        .max_by_key(|(_, bytes)| bytes.len())
        .unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    // A snapshot meets damage of the head, and only the fold after it that of a column.
    for (at, what) in [(10, "header"), (whole.len() / 2, "chunk")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(path, bytes).unwrap();
        fs::remove_file(dir.path(".tracker/index.redb")).unwrap();
        let (_, said) = dir.call(&["ls"]).said();
        let of_file: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert_eq!(of_file.len(), 1, "{said}");
        let want = format!("warning: corrupt {what} at byte ");
        assert!(of_file[0].starts_with(&want), "{said}");
    }
    fs::write(path, whole).unwrap();
    assert_eq!(dir.run("long"), answer);
}

#[test]
fn nobody_reads_the_answer() {
    let dir = store();
    let lines = lines(20_000, |step| format!("{{\"x\": {step}}}"));
    let id = dir.start(&["--name", "long"]);
    dir.call(&["log", &id, "-"]).input(lines).ok();
    for command in [
        &["ls"][..],
        &["series", "long", "x"],
        &["series", "long", "x", "--format", "csv"],
        &["series", "long", "x", "--format", "json"],
        &["export", "long"],
        &["--help"],
    ] {
        let mut call: Call = dir.call(command);
        let mut child = call
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take()); // closed before a byte was written
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{command:?}");
        assert_eq!(said, "", "{command:?}");
    }
}

#[test]
fn a_store_on_a_read_only_mount_is_read_and_not_written() {
    let dir = store();
    let (path, at) = (dir.path(".tracker"), dir.path("mounted"));
    let show = |dir: &Dir| dir.json(&["query", "acc > 0", "--sort", "params.lr"]);
    let before = show(&dir);
    fs::create_dir(&at).unwrap();
    let Some(_mount) = Mount::try_new(&["--bind", "-o", "ro", path.to_str().unwrap()], &at) else {
        return;
    };
    let here = ["--store", "mounted"];
    let call = |args: &[&str]| dir.call(&here).args(args);
    let parsed = |args: &[&str]| -> serde_json::Value {
        let (out, err) = call(args).args(&["--format", "json"]).said();
        assert_eq!(err, "", "{args:?}");
        serde_json::from_str(&out).unwrap()
    };
    assert_eq!(parsed(&["query", "acc > 0", "--sort", "params.lr"]), before);
    assert_eq!(
        parsed(&["series", "single", "acc"])[0]["value"],
        json!(0.25)
    );
    for command in [
        &["ls"][..],
        &["show", "single"],
        &["stat"],
        &["check"],
        &["check", "--salvage", "saved"],
        &["compare", "twin", "single"],
    ] {
        let output = call(command).output();
        let ambiguous = command[0] == "compare";
        assert_eq!(
            output.status.code(),
            Some(i32::from(ambiguous)),
            "{command:?}"
        );
    }
    for command in [
        &["start"][..],
        &["tag", "single", "a=b"],
        &["rebuild"],
        &["demo"],
    ] {
        call(command).fails(
            1,
            str![[r#"
error: cannot [..]: Read-only file system (os error 30)
hint: the store can be read but not written; [..], or write to another with `--store DIR`

"#]],
        );
    }
    assert_eq!(show(&dir), before);
}

#[test]
fn a_store_without_the_right_to_write_is_read() {
    let dir = store();
    let before = dir.json(&["query", "acc > 0", "--sort", "params.lr"]);
    let script = "chmod -R a-w .tracker && chmod a+rx . .tracker && find .tracker -type d -exec chmod a+rx {} +
        find .tracker -type f -exec chmod a+r {} +
        if [ $(id -u) = 0 ]; then echo setpriv --reuid=65534 --regid=65534 --clear-groups --; fi";
    // As root rights do not bind: somebody else asks then.
    let other = dir.shell(script).ok();
    let query = format!(
        "{} tracker query 'acc > 0' --sort params.lr --format json",
        other.trim_end()
    );
    let output = dir.shell(&query).output();
    let (out, err) = (text(output.stdout), text(output.stderr));
    if !output.status.success() && err.contains("setpriv") {
        return eprintln!("skipped: cannot become another user here: {err}");
    }
    assert_eq!(err, "");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&out).unwrap(),
        before
    );
    let write = format!("{} tracker tag single a=b", other.trim_end());
    dir.shell(&write).fails(
        1,
        str![[r#"
error: cannot [..]: Permission denied (os error 13)
hint: the store can be read but not written; [..], or write to another with `--store DIR`

"#]],
    );
    dir.shell("chmod -R u+w .tracker").ok();
}

#[test]
fn a_full_disk_stops_the_writer_and_loses_nothing() {
    let dir = Dir::new();
    let at = dir.path("small");
    fs::create_dir(&at).unwrap();
    let Some(_mount) = Mount::try_new(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"], &at) else {
        return;
    };
    let here = ["--store", "small/store"];
    let call = |args: &[&str]| dir.call(&here).args(args);
    let id = call(&["start", "--name", "full"]).ok();
    let id = id.trim_end();
    // Values that do not compress, until there is no room.
    let noise = |step: i64| (f64::from(u32::try_from(step).unwrap()) + 0.5).sin() * 1e9;
    let lines = lines(400_000, |step| {
        format!("{{\"step\": {step}, \"noise\": {:?}}}", noise(step))
    });
    call(&["log", id, "-"]).input(&lines).fails(
        1,
        str![[r#"
error: cannot [..]: No space left on device (os error 28)
hint: make room on the disk and try again; what was logged before is kept and can be read

"#]],
    );
    // The lines before are there, each with its value.
    let points = || -> Vec<(i64, f64)> {
        let text = call(&["series", id, "noise", "--format", "jsonl"]).ok();
        let point = |line: &str| {
            let point: serde_json::Value = serde_json::from_str(line).unwrap();
            (
                point["step"].as_i64().unwrap(),
                point["value"].as_f64().unwrap(),
            )
        };
        text.lines().map(point).collect()
    };
    let kept = points();
    assert!(kept.len() > 10_000, "{}", kept.len());
    let wrong = kept
        .iter()
        .zip(0..)
        .find(|(point, step)| **point != (*step, noise(*step)));
    assert_eq!(wrong, None);
    assert_eq!(call(&["check"]).output().status.code(), Some(0));
    // With room again the run goes on.
    let remount = Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&at)
        .status();
    assert!(remount.unwrap().success());
    let next = kept.len().to_string();
    call(&["log", id, "-", "--step", &next])
        .input("{\"more\": 1}\n")
        .ok();
    call(&["finish", id]).ok();
    call(&["rebuild"]).ok();
    assert!(points() == kept);
    assert_eq!(call(&["check"]).output().status.code(), Some(0));
}

#[test]
fn a_stream_may_begin_with_a_byte_order_mark_and_has_times_in_any_unit() {
    let dir = Dir::new();
    let id = dir.start(&[]);
    let stream =
        "\u{feff}{\"step\": 1, \"x\": 1, \"time\": 1700000100123}\n{\"step\": 2, \"x\": 2}\n";
    dir.call(&["log", &id, "-"]).input(stream).ok();
    assert_eq!(dir.series(&id, "x"), [(1, 1.0), (2, 2.0)]);
    let points = dir.json(&["series", &id, "x"]);
    assert_eq!(points[0]["time"], "2023-11-14T22:15:00.123Z");
    dir.call(&["log", &id, "-"])
        .input("{\"x\": 1, \"time\": 55840000000}\n")
        .fails(
            1,
            str![[r#"
error: line 1 of standard input: time is out of range, want [..]: 55840000000
hint: the lines before it were logged

"#]],
        );
}
