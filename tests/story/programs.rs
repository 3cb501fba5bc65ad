//! `tracker run`: any program as a run, whose fate becomes the fate of the run.

use std::io::Read;
use std::io::Write;
use std::process::Child;

use serde_json::json;
use snapbox::str;

use crate::harness::Dir;
use crate::harness::wait_until;

#[test]
fn what_the_program_logs_joins_its_run_and_its_exit_status_comes_back() {
    let dir = Dir::new();
    let run = [
        "run", "--name", "train", "--param", "lr=0.1", "--", "sh", "-c",
    ];
    let script = "
        echo out; echo err >&2; read line; echo \"got $line\"
        tracker log $TRACKER_RUN_ID --step 3 loss=0.5
        echo '{\"loss\": 0.25}' | tracker log @this - --step 4
        tracker param @this seed=7
        cd /; tracker ls --format jsonl | wc -l
        exit $CODE";
    let call = dir.call(&run).args(&[script]).env("CODE", "0");
    let (out, err) = call.input("input\n").said();
    assert_eq!(out, "out\ngot input\n1\n");
    let said: Vec<&str> = err.lines().collect();
    let id = dir.run("train")["id"].as_str().unwrap().to_owned();
    let short = &id[..8];
    assert_eq!(
        said,
        [
            &format!("run {short} train"),
            "err",
            &format!("run {short} train completed")
        ]
    );
    let run_of_it = dir.run(&id);
    assert_eq!(run_of_it["status"], "completed");
    assert_eq!(run_of_it["params"], json!({"lr": 0.1, "seed": 7}));
    assert_eq!(dir.series(&id, "loss"), [(3, 0.5), (4, 0.25)]);
    assert_eq!(
        run_of_it["environment"]["command"],
        json!(["sh", "-c", script])
    );

    let call = dir.call(&["run", "-q", "--name", "bad", "--", "sh", "-c", "exit 3"]);
    let output = call.output();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(3), 0));
    let run_of_it = dir.run("bad");
    assert_eq!(
        (&run_of_it["status"], &run_of_it["reason"]),
        (&json!("failed"), &json!("exit status 3"))
    );
}

#[test]
fn a_run_inside_a_run_is_a_part_of_it() {
    let dir = Dir::new();
    let sweep = "
        tracker run --name trial -- sh -c 'tracker log @this loss=0.5'
        TRACKER_RUN_ID=$OTHER tracker run --name other -- true";
    let other = "0190d3a0000070008000000000000001";
    let call = dir.call(&["run", "-q", "--name", "sweep", "--", "sh", "-c", sweep]);
    call.env("OTHER", other).ok();
    let sweep = dir.run("sweep");
    assert_eq!(dir.run("trial")["parent"], sweep["id"]);
    assert_eq!(dir.run("trial")["metrics"]["loss"]["last"], 0.5);
    assert_eq!(
        (&sweep["parent"], &dir.run("other")["parent"]),
        (&json!(null), &json!(null))
    );
}

#[test]
fn a_program_that_cannot_be_started_is_a_failed_run() {
    let dir = Dir::new();
    dir.call(&["run", "--", "no-such-program"]).fails(
        127,
        str![[r#"
run [..]
error: command not found: no-such-program

"#]],
    );
    dir.call(&["run", "--", "python train.py"]).fails(
        127,
        str![[r#"
run [..]
error: command not found: python train.py
hint: give program and arguments apart: `tracker run -- CMD ARG`

"#]],
    );
    dir.write("data.txt", "no program");
    dir.call(&["run", "--", "./data.txt"]).fails(
        126,
        str![[r#"
run [..]
error: cannot run ./data.txt: Permission denied (os error 13)

"#]],
    );
    let runs = dir.json(&["query", "status = 'failed'", "--sort", "start"]);
    let reasons: Vec<_> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["reason"])
        .collect();
    assert_eq!(reasons[0], "command not found: no-such-program");
    assert_eq!(reasons.len(), 3);
}

/// Reads standard output until the program has said that it is ready.
fn wait_for_ready(child: &mut Child) {
    let mut line = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut line)
        .unwrap();
    assert_eq!(&line, b"ready\n");
}

#[test]
fn a_signal_reaches_the_program_and_the_run_has_failed() {
    let dir = Dir::new();
    // One program dies of it, one cleans up and ends as it likes.
    for (name, trap, code, reason) in [
        ("dies", "", 143, "killed by signal 15 (SIGTERM)"),
        (
            "cleans",
            "trap 'echo cleaned > cleaned; exit 5' TERM;",
            5,
            "exit status 5",
        ),
    ] {
        let script = format!("{trap} echo ready; while :; do sleep 0.02; done");
        let run = ["run", "--name", name, "--", "sh", "-c", &script];
        let mut child = dir.call(&run).spawn();
        wait_for_ready(&mut child);
        assert_eq!(dir.run(name)["status"], "running");
        dir.shell(&format!("kill -TERM {}", child.id())).ok();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        let run = dir.run(name);
        assert_eq!(
            (&run["status"], &run["reason"]),
            (&json!("failed"), &json!(reason))
        );
    }
    assert!(dir.path("cleaned").exists());
}

#[test]
fn what_a_script_logs_when_it_is_interrupted_is_kept() {
    let dir = Dir::new();
    let id = dir.start(&[]);
    let mut stream = dir.call(&["log", &id, "-"]).spawn();
    let mut pipe = stream.stdin.take().unwrap();
    pipe.write_all(b"{\"loss\": 0.5}\n").unwrap();
    wait_until("it logs", || dir.run(&id)["metrics"]["loss"].is_object());
    // A terminal sends it to the script and to its reader; the script has a last word.
    dir.shell(&format!("kill -INT {}", stream.id())).ok();
    pipe.write_all(b"{\"loss\": 0.25}\n").unwrap();
    drop(pipe);
    assert_eq!(stream.wait().unwrap().code(), Some(0));
    assert_eq!(dir.series(&id, "loss"), [(0, 0.5), (1, 0.25)]);
}

#[test]
fn secrets_never_reach_the_disk_and_it_is_shown_that_they_were_masked() {
    const SECRETS: [&str; 5] = [
        "sk-proj-Zz81hQ0LmNop42",
        "hunter2-hunter2",
        "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        "correct-horse-battery",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    ];
    let dir = Dir::new();
    let [key, url, token, password, jwt] = SECRETS;
    let (api_key, database) = (
        format!("--api-key={key}"),
        format!("--db=postgres://ada:{url}@db/x"),
    );
    let run = ["run", "--name", "hidden", "--", "true", &api_key, &database];
    dir.call(&run)
        .args(&["--password", password, "--seed", "42", jwt])
        .env("HF_TOKEN", token)
        .env("CUDA_VISIBLE_DEVICES", "0,1")
        .ok();
    dir.ok(&["demo"]);
    dir.ok(&["export", "hidden", "-o", "out/"]);
    for (path, bytes) in [dir.files(".tracker"), dir.files("out")].concat() {
        for secret in SECRETS {
            let found = bytes
                .windows(secret.len())
                .any(|at| at == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }
    let shown = dir.ok(&["show", "hidden"]);
    let line = |label: &str| {
        let line = shown.lines().find(|line| line.starts_with(label));
        line.unwrap_or_else(|| panic!("{shown}")).to_owned()
    };
    let command = line("command");
    assert!(
        command.contains("postgres://ada:[masked]@db/x"),
        "{command}"
    );
    assert!(
        command.contains("--seed 42"),
        "what is no secret stays: {command}"
    );
    assert!(shown.contains("HF_TOKEN=[masked]"), "{shown}");
    assert!(shown.contains("CUDA_VISIBLE_DEVICES=0,1"), "{shown}");
    let masked = line("masked");
    for name in ["--api-key", "--password", "HF_TOKEN", "URL password"] {
        assert!(masked.contains(name), "{masked}");
    }
}
