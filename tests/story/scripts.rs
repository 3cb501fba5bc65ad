//! A script in any language: it starts a run, feeds it with short commands or a stream, ends it.

use std::io::Write;

use serde_json::json;
use snapbox::str;

use crate::harness::Dir;
use crate::harness::lines;
use crate::harness::text;
use crate::harness::wait_until;

#[test]
fn a_script_keeps_the_id_and_feeds_its_run_with_short_commands() {
    let dir = Dir::new();
    let script = "
        RUN=$(tracker start --name baseline --experiment e1 --param lr=0.1 --tag team=vision)
        export TRACKER_RUN_ID=$RUN
        tracker log $RUN --step 10 loss=0.5 val/acc=0.8
        tracker log @this loss=0.25 ok=true
        tracker log baseline --step -3 --time 2024-01-15T10:30:00Z loss=nan
        tracker param @this model.depth=18 augment=true 'widths=[64, 128]' 'version=\"1.10\"' lr=0.1
        tracker tag @this stage=candidate
        echo 'two lines
of text' | tracker note @this -
        echo weights > model.pt; mkdir out; echo 1 > out/a; echo 2 > out/b
        tracker artifact add @this model.pt out 2>/dev/null
        tracker finish @this
        echo $RUN";
    let id = dir.shell(script).ok();
    let run = dir.run(id.trim_end());
    assert_eq!(run["name"], "baseline");
    assert_eq!(
        (&run["experiment"], &run["status"]),
        (&json!("e1"), &json!("completed"))
    );
    assert_eq!(
        run["params"],
        json!({"augment": true, "lr": 0.1, "model.depth": 18, "version": "1.10", "widths": [64, 128]})
    );
    assert_eq!(run["tags"], json!({"stage": "candidate", "team": "vision"}));
    assert_eq!(run["note"], "two lines\nof text");
    let paths: Vec<_> = run["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["path"])
        .collect();
    assert_eq!(paths, ["model.pt", "out/a", "out/b"]);
    let loss = &run["metrics"]["loss"];
    // Without a step it is the one after the largest.
    assert_eq!(
        (&loss["last"], &loss["last_step"]),
        (&json!(0.25), &json!(11))
    );
    assert_eq!((&loss["count"], &loss["nan_count"]), (&json!(3), &json!(1)));
    assert_eq!(loss["first"], "NaN");
    let points = dir.json(&["series", "baseline", "loss", "--to", "0"]);
    assert_eq!(
        points,
        json!([{"step": -3, "time": "2024-01-15T10:30:00Z", "value": "NaN"}])
    );
    // A run that has ended takes no points, and what is said of it may change.
    dir.call(&["log", "baseline", "loss=1"]).fails(
        1,
        str![[r#"
error: run [..] has ended
hint: start another run with `tracker start` or `tracker run`

"#]],
    );
    dir.call(&["log", "baseline", "-"])
        .input("{\"loss\": 1}\n")
        .fails(
            1,
            str![[r#"
error: run [..] has ended
hint: start another run with `tracker start` or `tracker run`

"#]],
        );
    dir.ok(&["tag", "baseline", "stage=production"]);
    dir.ok(&["note", "baseline", "shipped"]);
    let after = dir.run("baseline");
    assert_eq!(
        (&after["metrics"], &after["end"]),
        (&run["metrics"], &run["end"])
    );
    assert_eq!(
        (&after["note"], &after["tags"]["stage"]),
        (&json!("shipped"), &json!("production"))
    );
}

/// Nobody has the id of such a run: it must not run for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_run_whose_id_cannot_be_printed_does_not_stay_running() {
    let dir = Dir::new();
    dir.shell("tracker start >&-").fails(
        1,
        str![[r#"
error: cannot print the run's id: standard output is closed
hint: keep the id with `RUN=$(tracker start)`, or give the run a name with `--name`

"#]],
    );
    assert!(!dir.path(".tracker").exists(), "no run was begun");
    dir.shell("tracker start >/dev/full").fails(
        1,
        str![[r#"
error: cannot print the run's id: cannot write to standard output: No space left [..]
hint: keep the id with `RUN=$(tracker start)`

"#]],
    );
    let (reader, pipe) = std::io::pipe().unwrap();
    drop(reader);
    let mut nobody = dir.call(&["start"]).command;
    assert_eq!(nobody.stdout(pipe).status().unwrap().code(), Some(1));
    let bad = format!("{}=1", "p".repeat(513));
    for option in ["--tag", "--param"] {
        let output = dir.call(&["start", option, &bad]).output();
        assert!(!output.status.success()); // with a bad param no run is begun
    }
    let runs = dir.json(&["ls"]);
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run["status"] == "failed"), "{runs:?}");
    assert!(
        dir.ok(&["show", "@last"])
            .contains("tracker start failed: invalid tag name")
    );
    // Thrown away on purpose, or found by its name.
    dir.shell("tracker start >/dev/null").ok();
    dir.shell("tracker start --name known >&-").ok();
    assert_eq!(dir.run("known")["status"], "running");
}

#[test]
fn a_param_that_changes_is_refused_and_the_first_value_stays() {
    let dir = Dir::new();
    let id = dir.start(&["--param", "lr=0.1"]);
    dir.call(&["param", &id, "seed=1", "lr=0.2", "late=1"])
        .fails(
            1,
            str![[r#"
error: param "lr" of this run is 0.1 and cannot become 0.2
hint: params are set once; log what changes as a metric, or set it as a tag with `tracker tag`

"#]],
        );
    assert_eq!(dir.run(&id)["params"], json!({"lr": 0.1, "seed": 1}));
}

#[test]
fn a_stream_is_one_json_object_a_line() {
    let dir = Dir::new();
    let id = dir.start(&[]);
    dir.call(&["log", &id, "-", "--step", "7"])
        .input(
            r#"{"loss": 1, "val": {"acc": 0.5, "top 5": {"x": 2}}, "skipped": null, "ok": true}
{"loss": "NaN", "grad": "-Infinity"}

{"step": 100, "loss": 1e-3, "time": "2024-01-15T10:30:00.5Z"}
{"loss": Infinity, "time": 1705314600}
{"step": -1, "loss": 3}"#,
        )
        .ok();
    let points = dir.ok(&["series", &id, "loss", "--format", "csv"]);
    let lines: Vec<(String, String)> = points
        .lines()
        .map(|line| {
            let (step, rest) = line.split_once(',').unwrap();
            (step.to_owned(), rest.rsplit(',').next().unwrap().to_owned())
        })
        .collect();
    let want = [
        ("step", "value"),
        ("-1", "3.0"),
        ("7", "1.0"),
        ("8", "NaN"),
        ("100", "0.001"),
        ("101", "Infinity"),
    ];
    assert_eq!(
        lines,
        want.map(|(step, value)| (step.to_owned(), value.to_owned()))
    );
    assert!(
        points.contains("100,2024-01-15T10:30:00.500Z,0.001"),
        "{points}"
    );
    let metrics = &dir.run(&id)["metrics"];
    let names: Vec<&String> = metrics.as_object().unwrap().keys().collect();
    assert_eq!(names, ["grad", "loss", "ok", "val/acc", "val/top 5/x"]);
    assert_eq!(metrics["grad"]["last"], "-Infinity");
}

#[test]
fn a_bad_line_is_named_and_what_came_before_it_is_kept() {
    let dir = Dir::new();
    for (line, why) in [
        ("{\"loss\": 1", "EOF while parsing an object at column 10"),
        (
            "{\"loss\": \"low\"}",
            "\"loss\" is text, want a number: \"low\"",
        ),
        (
            "{\"step\": 1.5, \"loss\": 1}",
            "step is 1.5, want a whole number of 64 bits",
        ),
        ("{\"a\": [1]}", "\"a\" is a list, want a number"),
        ("{\"\": 1}", "invalid metric name: it is empty"),
        ("loss=1", "expected value at column 1"),
    ] {
        let id = dir.start(&[]);
        let stream = format!("{{\"loss\": 1}}\n\n{{\"loss\": 2}}\n{line}\n{{\"loss\": 4}}\n");
        let want = format!(
            "error: line 4 of standard input: {why}\nhint: the lines before it were logged\n"
        );
        dir.call(&["log", &id, "-"]).input(stream).fails(1, want);
        assert_eq!(dir.series(&id, "loss"), [(0, 1.0), (1, 2.0)], "{line}");
    }
    let id = dir.start(&[]);
    let bytes = [&b"{\"loss\": 1}\n"[..], b"{\"lo\xffss\": 1}\n"].concat();
    dir.call(&["log", &id, "-"]).input(bytes).fails(
        1,
        str![[r#"
error: line 2 of standard input: invalid utf-8 sequence of 1 bytes from index 4
hint: the lines before it were logged

"#]],
    );
    assert_eq!(dir.series(&id, "loss"), [(0, 1.0)]);
}

/// So that a training is not killed by the pipe that it writes to.
#[test]
fn bad_lines_are_skipped_where_that_is_asked_for() {
    let dir = Dir::new();
    let id = dir.start(&[]);
    let long_name = format!("{{\"step\": 50, \"{}\": 1}}", "m".repeat(513));
    let long_line = format!("{{\"loss\": 1, \"pad\": \"{}\"}}", "x".repeat(17 << 20));
    let stream = format!(
        "{{\"loss\": 0}}\nEpoch 1\n{{\"loss\": 1}}\n{long_name}\n{long_line}\n{{\"loss\": 2}}"
    );
    let call = dir.call(&["log", &id, "-", "--skip-bad"]);
    call.input(stream).fails(
        1,
        str![[r#"
warning: line 2 of standard input: expected value at column 1
warning: line 4 of standard input: invalid metric name: has 513 bytes, at most 512: "m[..]
warning: line 5 of standard input: longer than 16777216 bytes
error: skipped 3 of 6 lines
hint: the other lines were logged

"#]],
    );
    assert_eq!(dir.series(&id, "loss"), [(0, 0.0), (1, 1.0), (2, 2.0)]);
    let many = lines(2_000, |n| format!("{{\"acc\": {n}}}\nno line {n}"));
    let output = dir
        .call(&["log", &id, "-", "--skip-bad"])
        .input(many)
        .output();
    let said = text(output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said.matches("warning: ").count(), 10, "{said}");
    assert!(
        said.contains("error: skipped 2,000 of 4,000 lines\n"),
        "{said}"
    );
    assert_eq!(dir.series(&id, "acc").len(), 2_000);
    let good = dir.call(&["log", &id, "-", "--skip-bad"]);
    good.input("{\"acc\": 1}\n\n").ok();
    let values = dir.call(&["log", &id, "acc=1", "--skip-bad"]).output();
    assert_eq!(values.status.code(), Some(2));
}

#[test]
fn a_slow_stream_is_seen_line_by_line() {
    let dir = Dir::new();
    let id = dir.start(&[]);
    let mut stream = dir.call(&["log", &id, "-"]).spawn();
    let mut pipe = stream.stdin.take().unwrap();
    pipe.write_all(b"{\"loss\": 0}\n").unwrap();
    wait_until("there is a series", || {
        dir.run(&id)["metrics"]["loss"].is_object()
    });
    for lines in 1..4 {
        pipe.write_all(b"{\"loss\": 0.5}\r\n{\"lo").unwrap();
        wait_until("the whole line is logged", || {
            dir.series(&id, "loss").len() == 2 * lines
        });
        pipe.write_all(b"ss\": 1}\n").unwrap();
        wait_until("the rest is logged", || {
            dir.series(&id, "loss").len() == 2 * lines + 1
        });
    }
    assert_eq!(dir.run(&id)["status"], "running");
    drop(pipe);
    assert!(stream.wait().unwrap().success());
    assert_eq!(dir.run(&id)["status"], "running", "until it is finished");
}

#[test]
fn commands_that_write_at_once_all_succeed() {
    const AT_ONCE: usize = 50;
    let dir = Dir::new();
    let id = dir.start(&["--param", "lr=0.1"]);
    let calls: Vec<_> = (0..AT_ONCE)
        .flat_map(|n| {
            let (step, tag) = (n.to_string(), format!("t{n}=x"));
            let param = format!("p{n}={n}");
            let mut calls = vec![dir.call(&["log", &id, "--step", &step, "loss=0.5"]).spawn()];
            if n % 5 == 0 {
                calls.push(dir.call(&["param", &id, &param, "lr=0.1"]).spawn());
                calls.push(dir.call(&["tag", &id, &tag]).spawn());
                calls.push(dir.call(&["ls"]).spawn());
            }
            calls
        })
        .collect();
    for call in calls {
        let done = call.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success() && said.is_empty(), "{said}");
    }
    let check = || {
        let run = dir.run(&id);
        let steps: Vec<i64> = dir
            .series(&id, "loss")
            .iter()
            .map(|point| point.0)
            .collect();
        assert!(steps.iter().copied().eq((0..).take(AT_ONCE)), "{steps:?}");
        assert_eq!(run["params"].as_object().unwrap().len(), 1 + AT_ONCE / 5);
        assert_eq!(run["tags"].as_object().unwrap().len(), AT_ONCE / 5);
    };
    check();
    dir.ok(&["finish", &id]);
    dir.ok(&["rebuild"]);
    check();
}
