//! While trainings run: questions are answered at once, and with what was logged a moment ago.

use std::io::Write;

use serde_json::Value;

use crate::harness::Dir;
use crate::harness::lines;
use crate::harness::wait_until;

const STREAMS: usize = 4;
const STEPS: i64 = 60_000;

#[test]
fn while_four_streams_log_at_full_speed_every_question_is_answered() {
    let dir = Dir::new();
    let name = |n: usize| format!("s{n}");
    let ids: Vec<String> = (0..STREAMS)
        .map(|n| dir.start(&["--name", &name(n)]))
        .collect();
    let aside = dir.start(&["--name", "aside"]);
    let text = lines(STEPS, |step| {
        format!("{{\"step\": {step}, \"loss\": 0.5, \"acc\": {step}}}")
    });
    let logged = || -> Vec<i64> {
        let filter = "count(metrics.loss) > 0 and status = 'running'";
        let runs = dir.json(&["query", filter, "--sort", "name"]);
        let count = |run: &Value| run["metrics"]["loss"]["count"].as_i64().unwrap();
        runs.as_array().unwrap().iter().map(count).collect()
    };
    let mut streams = Vec::new();
    for id in &ids {
        let mut stream = dir.call(&["log", id, "-"]).spawn();
        let mut pipe = stream.stdin.take().unwrap();
        pipe.write_all(b"{\"step\": -1, \"loss\": 0, \"acc\": -1}\n")
            .unwrap();
        streams.push((stream, pipe));
    }
    wait_until("all log", || {
        let runs = dir.json(&["ls"]);
        let has_begun = |run: &&Value| run["metrics"]["loss"].is_object();
        runs.as_array().unwrap().iter().filter(has_begun).count() == STREAMS
    });
    std::thread::scope(|threads| {
        let feeders: Vec<_> = streams
            .into_iter()
            .map(|(mut stream, mut pipe)| {
                let text = text.as_bytes();
                threads.spawn(move || {
                    pipe.write_all(text).unwrap();
                    drop(pipe);
                    assert!(stream.wait().unwrap().success());
                })
            })
            .collect();
        let (mut before, mut round) = (logged(), 0);
        while round < 3
            || !feeders
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
        {
            // What was logged a moment ago is there, and what was there stays.
            let value = format!("fresh={round}");
            dir.ok(&["log", &aside, "--step", &round.to_string(), &value]);
            round += 1;
            assert_eq!(dir.series(&aside, "fresh").len(), round);
            let now = logged();
            let lost = now.iter().zip(&before).find(|(now, before)| now < before);
            assert_eq!((now.len(), lost), (STREAMS, None));
            let tail = ["series", &ids[round % STREAMS], "acc", "--tail", "500"];
            let points = dir.json(&tail);
            let points = points.as_array().unwrap();
            let first = points[0]["step"].as_i64().unwrap();
            let gap = points
                .iter()
                .zip(first..)
                .find(|(point, step)| point["step"] != *step);
            assert_eq!(gap, None, "in the order of the steps, none left out");
            before = now;
        }
    });
    assert_eq!(logged(), [STEPS + 1; STREAMS]);
    dir.ok(&["rebuild"]);
    assert_eq!(logged(), [STEPS + 1; STREAMS]);
    dir.ok(&["check"]);
}
