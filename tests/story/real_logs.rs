//! Logs of real trainings go in, and what is read back agrees with what was counted from the files
//! apart from this project: while the run is live, when it has ended, and after a rebuild.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::harness::Dir;
use crate::harness::wait_until;

fn data(specimen: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(specimen)
}

/// What was counted for one file: by series.
fn truth(specimen: &str, file: &str) -> Map<String, Value> {
    let text = fs::read_to_string(data(specimen).join("truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&text).unwrap();
    let file = &truth["files"][file];
    let series = file["columns"].as_object().or(file["series"].as_object());
    series.unwrap().clone()
}

/// Compares a run with the truth; returns the series that the run has not.
fn differences(run: &Value, truth: &Map<String, Value>, what: &str) -> BTreeSet<String> {
    let metrics = run["metrics"].as_object().unwrap();
    let extra: Vec<_> = metrics
        .keys()
        .filter(|name| !truth.contains_key(*name))
        .collect();
    assert!(extra.is_empty(), "{what}: {extra:?}");
    let mut missing = BTreeSet::new();
    for (name, want) in truth {
        let Some(have) = metrics.get(name) else {
            missing.insert(name.clone());
            continue;
        };
        let count = want.get("count").unwrap_or(&want["non_empty"]);
        assert_eq!(&have["count"], count, "{what}: {name} count");
        for (ours, theirs) in [
            ("nan_count", "nan"),
            ("pos_inf_count", "pos_inf"),
            ("neg_inf_count", "neg_inf"),
            ("first_step", "first_step"),
            ("last_step", "last_step"),
        ] {
            if let Some(want) = want.get(theirs) {
                assert_eq!(&have[ours], want, "{what}: {name} {ours}");
            }
        }
        for (ours, theirs) in [
            ("first", "first"),
            ("last", "last"),
            ("min", "min"),
            ("max", "max"),
            ("sum", "sum_finite"),
        ] {
            let (have, want) = (have[ours].as_f64(), want[theirs].as_f64());
            assert_eq!(have, want, "{what}: {name} {ours}");
        }
    }
    missing
}

#[test]
fn imported_logs_agree_with_their_truth_before_and_after_a_rebuild() {
    let dir = Dir::new();
    let none: &[&str] = &[];
    let files = [
        // Specimen, file, run, and the column that became the steps.
        (
            "ppo-pytorch",
            "PPO_logs/CartPole-v1/PPO_CartPole-v1_log_0.csv",
            "PPO_CartPole-v1_log_0",
            &["timestep"][..],
        ),
        (
            "gail-ppo",
            "sample_result/human/progress.csv",
            "human",
            none,
        ),
        (
            "ml-pws",
            "neurons/neuron_220/metrics.csv",
            "neuron_220",
            &["step"],
        ),
        ("ml-pws", "runs/1/metrics.json", "1", none),
        (
            "detectron2-medical",
            "output/metrics.json",
            "output",
            &["iteration"],
        ),
    ];
    let check = |what: &str| {
        let runs = dir.json(&["ls"]);
        for (specimen, file, name, steps) in files {
            let runs = runs.as_array().unwrap();
            let run = runs.iter().find(|run| run["name"] == name).unwrap();
            let missing = differences(run, &truth(specimen, file), what);
            let steps: BTreeSet<String> = steps.iter().map(|step| (*step).to_owned()).collect();
            let missing: BTreeSet<String> = missing.difference(&steps).cloned().collect();
            assert_eq!(missing, BTreeSet::new(), "{what}: {file}");
        }
    };
    let folders: BTreeSet<&str> = files.iter().map(|file| file.0).collect();
    for specimen in folders {
        let path = data(specimen).join("data");
        dir.ok(&["import", path.to_str().unwrap()]);
    }
    check("imported");
    let params = &dir.run("neuron_220")["params"];
    assert!(
        !params.as_object().unwrap().is_empty(),
        "hparams.yaml stands beside it"
    );
    fs::remove_file(dir.path(".tracker/index.redb")).unwrap();
    check("without an index");
    dir.ok(&["rebuild"]);
    check("rebuilt");
    dir.ok(&["check"]);
}

/// A few lines of script: rows of a CSV become JSON lines with their step.
fn csv_as_lines(path: &Path, step_column: &str) -> Vec<String> {
    let mut rows = csv::Reader::from_path(path).unwrap();
    let names = rows.headers().unwrap().clone();
    let line = |row: csv::StringRecord| {
        let fields = names.iter().zip(&row).filter(|(_, text)| !text.is_empty());
        let fields = fields.map(|(name, text)| {
            let number: f64 = text.parse().unwrap();
            let name = if name == step_column { "step" } else { name };
            (name.to_owned(), json!(number))
        });
        Value::Object(fields.collect()).to_string()
    };
    rows.records().map(|row| line(row.unwrap())).collect()
}

#[test]
fn logs_piped_into_a_run_agree_with_their_truth_while_it_is_live() {
    let dir = Dir::new();
    for (specimen, file, step_column) in [
        (
            "ppo-pytorch",
            "PPO_logs/CartPole-v1/PPO_CartPole-v1_log_0.csv",
            "timestep",
        ),
        ("ml-pws", "neurons/neuron_220/metrics.csv", "step"),
    ] {
        let truth = truth(specimen, file);
        let lines = csv_as_lines(&data(specimen).join("data").join(file), step_column);
        let id = dir.start(&["--name", specimen]);
        let mut stream = dir.call(&["log", &id, "-"]).spawn();
        let mut pipe = stream.stdin.take().unwrap();
        for line in &lines {
            writeln!(pipe, "{line}").unwrap();
        }
        let points = |run: &Value| -> u64 {
            let metrics = run["metrics"].as_object().unwrap().values();
            metrics
                .map(|metric| metric["count"].as_u64().unwrap())
                .sum()
        };
        let want: u64 = truth
            .iter()
            .filter(|(name, _)| *name != step_column)
            .map(|(_, series)| series["non_empty"].as_u64().unwrap())
            .sum();
        wait_until("all is logged", || points(&dir.run(&id)) == want);
        let check = |status: &str, what: &str| {
            let run = dir.run(&id);
            assert_eq!(run["status"], status);
            let missing = differences(&run, &truth, what);
            assert_eq!(missing, BTreeSet::from([step_column.to_owned()]), "{what}");
        };
        check("running", "live");
        drop(pipe);
        assert!(stream.wait().unwrap().success());
        check("running", "sealed");
        dir.ok(&["finish", &id]);
        check("completed", "ended");
        dir.ok(&["rebuild"]);
        check("completed", "rebuilt");
    }
}
