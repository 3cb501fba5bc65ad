//! `kill -9`: nothing that was logged is lost, and nobody takes the dead for running.

use std::io::Write;
use std::process::Child;

use serde_json::json;

use crate::harness::Dir;
use crate::harness::lines;
use crate::harness::wait_until;

fn kill(child: &mut Child) {
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
}

#[test]
fn a_killed_stream_has_lost_nothing() {
    let dir = Dir::new();
    let id = dir.start(&["--name", "stream"]);
    let mut stream = dir.call(&["log", &id, "-"]).spawn();
    let mut pipe = stream.stdin.take().unwrap();
    let value = |step: i64| f64::from(i32::try_from(step).unwrap()) / 8.0;
    let lines = lines(5_000, |step| {
        format!("{{\"step\": {step}, \"loss\": {}}}", value(step))
    });
    pipe.write_all(lines.as_bytes()).unwrap();
    let logged = || {
        let run = dir.run(&id);
        run["metrics"]["loss"]["count"].as_u64()
    };
    wait_until("all lines are logged", || logged() == Some(5_000));
    kill(&mut stream);
    let check = || {
        let points = dir.series(&id, "loss");
        let want = (0..5_000).map(|step| (step, value(step)));
        assert!(points.into_iter().eq(want));
    };
    check();
    // The script that fed it lives on and goes on with another stream.
    assert_eq!(dir.run(&id)["status"], "running");
    dir.call(&["log", &id, "-", "--step", "5000"])
        .input("{\"loss\": 7}\n")
        .ok();
    dir.ok(&["finish", &id]);
    assert_eq!(dir.series(&id, "loss").len(), 5_001);
    dir.ok(&["rebuild"]);
    assert_eq!(dir.run(&id)["metrics"]["loss"]["count"], 5_001);
    dir.ok(&["check"]);
}

#[test]
fn a_run_whose_tracker_was_killed_has_failed() {
    let dir = Dir::new();
    let script = "tracker log @this loss=0.5; touch logged; exec cat";
    // The program itself ends with its input, which is ours.
    let run = ["run", "--name", "killed", "--", "sh", "-c", script];
    let mut child = dir.call(&run).spawn();
    wait_until("it has logged", || dir.path("logged").exists());
    assert_eq!(dir.run("killed")["status"], "running");
    kill(&mut child);
    let run = dir.run("killed");
    assert_eq!(run["status"], "failed");
    assert!(run["end"].is_string(), "the time of its last record");
    assert_eq!(dir.series("killed", "loss"), [(0, 0.5)]);
    // The next command that may write seals what it left.
    dir.ok(&["ls"]);
    dir.ok(&["rebuild"]);
    let after = dir.run("killed");
    assert_eq!(
        (&after["status"], &after["end"], &after["metrics"]),
        (&json!("failed"), &run["end"], &run["metrics"])
    );
}

#[test]
fn killed_at_any_moment_the_lines_read_are_a_beginning_of_the_lines_sent() {
    let dir = Dir::new();
    for round in 0..6 {
        let id = dir.start(&[]);
        let mut stream = dir.call(&["log", &id, "-"]).spawn();
        let mut pipe = stream.stdin.take().unwrap();
        let feeding = std::thread::spawn(move || {
            for step in 0.. {
                let line = format!("{{\"step\": {step}, \"a\": {step}, \"b\": -{step}}}\n");
                if pipe.write_all(line.as_bytes()).is_err() {
                    return; // the reader is dead
                }
            }
        });
        wait_until("it logs", || {
            dir.run(&id)["metrics"]["b"]["count"].as_i64() > Some(round * 3_000)
        });
        kill(&mut stream);
        feeding.join().unwrap();
        let (a, b) = (dir.series(&id, "a"), dir.series(&id, "b"));
        assert_eq!(a.len(), b.len(), "a line is there whole or not at all");
        let wrong = a.iter().zip(&b).zip(0_i32..).find(|((a, b), step)| {
            let (step, value) = (i64::from(*step), f64::from(*step));
            **a != (step, value) || **b != (step, -value)
        });
        assert_eq!(wrong, None);
        dir.ok(&["check"]);
    }
}
