//! Files in, runs out: formats, shapes, errors, and real logs against figures computed elsewhere.

mod hostile;

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::model::time_from_text;

/// Reads one file of this name and content.
fn read_named(name: &str, content: impl AsRef<[u8]>, options: &ImportOptions) -> Result<Import> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    read(&path, options)
}

fn run_of(name: &str, content: &str) -> ImportedRun {
    let mut import = read_named(name, content, &ImportOptions::default()).unwrap();
    assert_eq!(import.runs.len(), 1, "{content}");
    import.runs.remove(0)
}

fn error_of(name: &str, content: &str, options: &ImportOptions) -> String {
    read_named(name, content, options).unwrap_err().to_string()
}

fn points(run: &ImportedRun, metric: &str) -> Vec<(i64, f64)> {
    let found = run.series.iter().find(|(name, _)| name == metric);
    let (_, points) = found.unwrap_or_else(|| panic!("no {metric} in {:?}", run.series));
    points
        .iter()
        .map(|point| (point.step, point.value))
        .collect()
}

fn param(run: &ImportedRun, key: &str) -> Option<ParamValue> {
    let found = run.params.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value.clone())
}

fn tag(run: &ImportedRun, key: &str) -> Option<String> {
    let found = run.tags.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value.clone())
}

fn metrics(run: &ImportedRun) -> Vec<&str> {
    run.series.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_record_is_params_metrics_and_artifacts() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    fs::write(dir.path().join("out/model.bin"), b"weights").unwrap();
    let path = dir.path().join("r1.json");
    fs::write(
        &path,
        r#"{"run_id": "r1", "timestamp": "2024-01-15T10:30:00Z", "status": "failed",
            "parameters": {"lr": 1e-3, "opt": {"name": "adam", "betas": [0.9, 1]}, "w": 1.0},
            "metrics": {"acc": 0.9, "val": {"loss": [0.5, null, NaN]}, "h": {"10": 1, "20": 2},
                "s": {"steps": [5, 3], "values": [1, 2],
                    "times": ["2024-01-15T10:31:00Z", 1705314720]},
                "p": [{"step": 7, "value": 0.25, "time": 1705314600.5}], "t": [[1, 0.5]],
                "bad": "low"},
            "artifacts": ["out/model.bin", {"path": "gone.txt"}], "tags": ["base"],
            "notes": "first try", "git_commit": "abc", "machine": {"gpus": 2}}"#,
    )
    .unwrap();
    let run = read(&path, &ImportOptions::default())
        .unwrap()
        .runs
        .remove(0);
    let at = time_from_text("2024-01-15T10:30:00Z").unwrap();
    assert_eq!((run.name.as_str(), run.status), ("r1", Status::Failed));
    assert_eq!(
        (run.start_us, run.end_us),
        (Some(at), Some(at + 120_000_000))
    );
    assert_eq!(
        param(&run, "opt.name"),
        Some(ParamValue::Text("adam".into()))
    );
    let betas = vec![ParamValue::Float(0.9), ParamValue::Int(1)];
    assert_eq!(param(&run, "opt.betas"), Some(ParamValue::List(betas)));
    assert_eq!(param(&run, "w"), Some(ParamValue::Float(1.0)));
    assert_eq!(points(&run, "acc"), [(0, 0.9)]);
    let loss = points(&run, "val/loss");
    assert_eq!(
        (loss[0], loss[1].0, loss[1].1.is_nan()),
        ((0, 0.5), 2, true)
    );
    assert_eq!(points(&run, "h"), [(10, 1.0), (20, 2.0)]);
    assert_eq!(points(&run, "s"), [(5, 1.0), (3, 2.0)]);
    assert_eq!(points(&run, "t"), [(1, 0.5)]);
    let times = |name: &str| {
        let (_, points) = run.series.iter().find(|(other, _)| other == name).unwrap();
        points
            .iter()
            .map(|point| point.time_us - at)
            .collect::<Vec<_>>()
    };
    assert_eq!(times("s"), [60_000_000, 120_000_000]);
    assert_eq!((times("p"), times("acc")), (vec![500_000], vec![0]));
    assert!(
        run.warnings
            .iter()
            .any(|warning| warning.contains("\"bad\""))
    );
    assert_eq!(run.artifacts[0].name, "out/model.bin");
    assert_eq!(fs::read(&run.artifacts[0].file).unwrap(), b"weights");
    assert_eq!(
        run.missing,
        [dir.path().canonicalize().unwrap().join("gone.txt")]
    );
    assert_eq!(run.note.as_deref(), Some("first try"));
    assert_eq!(tag(&run, "git_commit").as_deref(), Some("abc"));
    assert_eq!(tag(&run, "machine.gpus").as_deref(), Some("2"));
    assert_eq!(tag(&run, "base").as_deref(), Some("true"));
}

#[test]
fn yaml_reads_as_json_does() {
    let run = run_of(
        "r.yaml",
        "run_id: r9\nstart: 2024-01-15 10:30:00\nend: 2024-01-15T11:30:00Z\nparams:\n  lr: 1e-3\n  \
         net: &net {depth: 3, act: relu}\n  other: *net\nmetrics:\n  loss: [.nan, -.inf, 0.5]\n  \
         by_step: {1: 0.5, 2: 0.25}\n",
    );
    assert_eq!(run.end_us.unwrap() - run.start_us.unwrap(), 3_600_000_000);
    assert_eq!(param(&run, "lr"), Some(ParamValue::Float(0.001)));
    assert_eq!(param(&run, "other.depth"), Some(ParamValue::Int(3)));
    let loss = points(&run, "loss");
    assert!(loss[0].1.is_nan() && loss[1].1 == f64::NEG_INFINITY && loss[2] == (2, 0.5));
    assert_eq!(points(&run, "by_step"), [(1, 0.5), (2, 0.25)]);
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        let level = level.to_string();
        bomb += &["a", &level, ": &a", &level, " [", &below, "]\n"].concat();
    }
    let why = error_of("bomb.yaml", &bomb, &ImportOptions::default());
    assert!(why.contains("limit") || why.contains("budget"), "{why}");
    let deep = format!(
        "{{\"run_id\": 1, \"params\": {}{}}}",
        "[".repeat(70),
        "]".repeat(70)
    );
    let why = error_of("deep.json", &deep, &ImportOptions::default());
    assert!(why.contains("nests deeper than 64"), "{why}");
}

#[test]
fn a_folder_is_the_union_of_its_records() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("b.json", r#"{"run_id": "b", "metrics": {"x": 1}}"#);
    file("a/1.yml", "run_id: a\nmetrics: {x: 1}\n");
    file(
        "c.jsonl",
        "{\"run_id\": \"c\", \"metrics\": {\"x\": 1}}\n\n{\"run_id\": \"d\", \"params\": {}}\n",
    );
    file(
        "e.json",
        r#"[{"run_id": "e", "params": {}}, {"run_id": "f", "params": {}}]"#,
    );
    file("settings.json", r#"{"theme": "dark"}"#);
    file("predictions.csv", "x,y\n1,2\n");
    file(".hidden.json", r#"{"run_id": "h", "params": {}}"#);
    file(".git/x.json", r#"{"run_id": "h", "params": {}}"#);
    file("broken.json", "{\"run_id\": \n");
    let import = read(dir.path(), &ImportOptions::default()).unwrap();
    let names: Vec<&str> = import.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(import.failures.len(), 1);
    assert!(import.failures[0].to_string().ends_with("broken.json"));
    fs::remove_file(dir.path().join("predictions.csv")).unwrap();
    let again = read(&dir.path().join("settings.json"), &ImportOptions::default());
    assert!(again.unwrap_err().to_string().contains("holds no run"));
}

#[test]
fn where_a_run_came_from_is_its_id() {
    let options = ImportOptions::default();
    let in_folder = |folder: &str, name: &str, text: &str, options: &ImportOptions| {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join(folder)).unwrap();
        let path = dir.path().join(folder).join(name);
        fs::write(&path, text).unwrap();
        read(&path, options).unwrap().runs.remove(0).id
    };
    let csv = in_folder("f", "log.csv", "step,loss\n1,2\n", &options);
    assert_eq!(
        csv,
        in_folder("f", "log.csv", "step,loss\n1,2\n", &options),
        "wherever it lies"
    );
    assert_ne!(
        csv,
        in_folder("g", "log.csv", "step,loss\n1,2\n", &options),
        "another folder"
    );
    assert_ne!(
        csv,
        in_folder("f", "log.csv", "step,loss\n1,2\n2,3\n", &options),
        "it has grown"
    );
    let other = ImportOptions {
        step_column: Some("loss".into()),
        ..ImportOptions::default()
    };
    assert_ne!(
        csv,
        in_folder("f", "log.csv", "step,loss\n1,2\n", &other),
        "read otherwise"
    );
    let record = r#"{"run_id": "r", "start": "2024-01-15", "metrics": {"x": 1}}"#;
    let known = in_folder("f", "a.json", record, &options);
    assert_eq!(
        known,
        in_folder("g", "b.json", &record.replace("1}", "2}"), &options)
    );
    assert_ne!(
        known,
        in_folder("f", "a.json", &record.replace("-15", "-16"), &options)
    );
    let elsewhere = ImportOptions {
        experiment: Some("e".into()),
        ..ImportOptions::default()
    };
    assert_ne!(known, in_folder("f", "a.json", record, &elsewhere));
}

#[test]
fn csv_as_it_is_found_in_the_wild() {
    let run = run_of(
        "log.csv",
        "\u{feff}Global Step,Timestamp,\"loss, total\",acc,model,note\r\n\
         10,2024-01-15T10:30:00Z,nan,,resnet,a\r\n\
         \r\n\
         20,2024-01-15 10:31:00,-inf,0.5,resnet,\"b \"\"q\"\"\"\r\n\
         20,,1e-3,True,,\r\n",
    );
    let at = time_from_text("2024-01-15T10:30:00Z").unwrap();
    assert_eq!(
        (run.start_us, run.end_us),
        (Some(at), Some(at + 60_000_000))
    );
    assert_eq!(metrics(&run), ["loss, total", "acc"]);
    let loss = points(&run, "loss, total");
    assert!(loss[0].0 == 10 && loss[0].1.is_nan());
    assert_eq!(loss[1..], [(20, f64::NEG_INFINITY), (20, 0.001)]);
    assert_eq!(points(&run, "acc"), [(20, 0.5), (20, 1.0)]);
    assert_eq!(
        param(&run, "model"),
        Some(ParamValue::Text("resnet".into()))
    );
    assert!(run.warnings[0].contains("column \"note\" has text on 2 rows, first on line 2"));
}

#[test]
fn delimiters_are_told_from_the_header() {
    for (name, text) in [
        ("a.csv", "step;loss,x\n1;2\n"),
        ("a.csv", "step\tloss,x\n1\t2\n"),
        ("a.tsv", "step\tloss,x\n1\t2\n"),
        ("a.csv", "step,\"loss,x\"\n1,2\n"),
    ] {
        assert_eq!(points(&run_of(name, text), "loss,x"), [(1, 2.0)], "{text}");
    }
}

#[test]
fn runs_are_told_apart_by_a_column() {
    let text = "run_id,lr,step,loss\na,0.1,1,5\nb,0.2,1,6\na,0.1,2,4\n";
    let options = ImportOptions {
        param_columns: vec!["lr".into()],
        ..ImportOptions::default()
    };
    let import = read_named("sweep.csv", text, &options).unwrap();
    let [a, b] = import.runs.as_slice() else {
        panic!("two runs");
    };
    assert_eq!(
        (a.name.as_str(), points(a, "loss")),
        ("a", vec![(1, 5.0), (2, 4.0)])
    );
    assert_eq!(
        (b.name.as_str(), param(b, "lr")),
        ("b", Some(ParamValue::Float(0.2)))
    );
    assert_ne!(a.id, b.id);
    let why = error_of("x.csv", "lr,step\n1,1\n2,2\n", &options);
    assert!(
        why.contains("column \"lr\" varies: line 3 has 2.0 after 1.0"),
        "{why}"
    );
}

#[test]
fn a_row_may_be_one_point() {
    let text = "run,metric,step,time,value\n\
                r,step,1,2024-01-15T10:30:00Z,0.5\nr,time,1,2024-01-15T10:30:01Z,NaN\n\
                r,step,2,2024-01-15T10:30:02Z,0.25\n";
    let run = run_of("points.csv", text);
    assert_eq!(metrics(&run), ["step", "time"]);
    assert_eq!(points(&run, "step"), [(1, 0.5), (2, 0.25)]);
    let times: Vec<i64> = run.series[0]
        .1
        .iter()
        .map(|point| point.time_us % 60_000_000)
        .collect();
    assert_eq!(times, [0, 2_000_000]);
}

#[test]
fn steps_come_from_the_best_column_there_is() {
    let named = |column: &str| ImportOptions {
        step_column: Some(column.into()),
        ..ImportOptions::default()
    };
    let both = "epoch,step,loss\n1,10,5\n1,20,4\n";
    assert_eq!(
        points(&run_of("a.csv", both), "loss"),
        [(10, 5.0), (20, 4.0)]
    );
    let import = read_named("a.csv", both, &named("Epoch")).unwrap();
    assert_eq!(points(&import.runs[0], "loss"), [(1, 5.0), (1, 4.0)]);
    // A fraction is no step: the rows are counted and the column stays.
    let run = run_of("a.csv", "epoch,loss\n0.5,5\n1.0,4\n");
    assert_eq!(points(&run, "epoch"), [(0, 0.5), (1, 1.0)]);
    assert!(run.warnings[0].contains("line 2: step column \"epoch\" has 0.5"));
    let why = error_of("a.csv", "epoch,loss\n0.5,5\n1.0,4\n", &named("epoch"));
    assert!(
        why.contains("line 2: step column \"epoch\" has 0.5, want whole numbers"),
        "{why}"
    );
    let why = error_of(
        "a.csv",
        "step,loss\n1,5\nx,4\n2,3\n",
        &ImportOptions::default(),
    );
    assert!(
        why.contains("line 3: step column \"step\" is not a whole number: \"x\""),
        "{why}"
    );
    let why = error_of("a.csv", both, &named("stop"));
    assert!(
        why.contains("has no step column \"stop\", only \"epoch\", \"step\""),
        "{why}"
    );
    // Large steps keep every digit.
    let run = run_of("a.csv", "step,loss\n1705314600123456789,5\n");
    assert_eq!(points(&run, "loss"), [(1_705_314_600_123_456_789, 5.0)]);
    let run = run_of("a.csv", "step,loss\n5,1\n,2\n7,3\n");
    assert_eq!(points(&run, "loss"), [(5, 1.0), (5, 2.0), (7, 3.0)]);
}

#[test]
fn broken_files_are_named_with_line_and_advice() {
    let options = ImportOptions::default();
    for (name, text, want) in [
        (
            "a.csv",
            "a,b\n1,2\n1\n",
            "line 3 has 1 fields, the header has 2: mend that line",
        ),
        ("a.csv", "", "is empty, want a header"),
        (
            "a.csv",
            "1,2\n3,4\n",
            "numbers only, want a header of column names",
        ),
        (
            "a.jsonl",
            "{\"step\": 1}\n{\"step\": \n",
            "line 2 is no JSON object",
        ),
        (
            "a.jsonl",
            "{\"step\": 1}\n\n[1]\n",
            "line 3 is no JSON object",
        ),
        (
            "a.json",
            "{\"run_id\": 1,\n \"metrics\": }",
            "line 2 column 13",
        ),
        ("a.json", "", "holds no run"),
        (
            "a.json",
            r#"{"run_id": 1, "metrics": {"x": {"steps": [1], "values": []}}}"#,
            "metric \"x\" has 0 values and 1 steps",
        ),
        (
            "a.json",
            r#"{"run_id": 1, "metrics": {"x": {"0.5": [[0.5, 1]]}}}"#,
            "metric \"x/0.5\" has the step 0.5, want a whole number",
        ),
        (
            "a.json",
            r#"{"run_id": 1, "params": {"a": {"b": 1}, "a.b": 2}}"#,
            "written twice with different values: \"a.b\"",
        ),
        (
            "a.json",
            r#"{"run_id": 1, "metrics": {"a\nb": 1}}"#,
            "has a control character",
        ),
        ("a.yaml", "run_id: [1\n", "a.yaml"),
        ("a.txt", "some text\n", "name the format"),
        (
            "a.json",
            r#"{"run_id": 1, "artifacts": [".."]}"#,
            "artifact is \"..\", want a path",
        ),
    ] {
        let why = error_of(name, text, &options);
        assert!(why.contains(want) && why.contains(name), "{text}: {why}");
    }
    let why = read_named("a.csv", b"a,b\n1,2\n\xff,1\n", &options)
        .unwrap_err()
        .to_string();
    assert!(why.contains("line 3 is not UTF-8"), "{why}");
    assert!(
        read(Path::new("nowhere"), &options)
            .unwrap_err()
            .is_missing()
    );
}

#[test]
fn json_lines_hold_steps() {
    let run = run_of(
        "log.jsonl",
        concat!(
            r#"{"_step": 1, "_timestamp": 1705314600.5, "a": {"b": 1, "c": null}, "mode": "fit"}"#,
            "\n",
            r#"{"_step": 2, "_timestamp": 1705314601.5, "a": {"b": NaN}, "mode": "val", "l": [1]}"#,
        ),
    );
    assert_eq!(metrics(&run), ["a/b"]);
    assert_eq!(run.start_us, Some(1_705_314_600_500_000));
    assert_eq!(points(&run, "a/b")[0], (1, 1.0));
    assert!(points(&run, "a/b")[1].1.is_nan());
    let warned: Vec<bool> = ["\"mode\"", "\"a list\""]
        .map(|word| run.warnings.iter().any(|warning| warning.contains(word)))
        .into();
    assert_eq!(
        warned,
        [true, false],
        "a constant text is a param: {:?}",
        run.params
    );
    let array = run_of(
        "log.json",
        r#"[{"epoch": 1, "loss": 2}, {"epoch": 2, "loss": 1}]"#,
    );
    assert_eq!(points(&array, "loss"), [(1, 2.0), (2, 1.0)]);
}

#[test]
fn a_trainers_state_is_its_history() {
    let run = run_of(
        "trainer_state.json",
        r#"{"log_history": [{"step": 10, "epoch": 0.5, "loss": 2.5}, {"step": 20, "eval_loss": 2}],
            "max_steps": 20, "best_metric": 2.0, "trial_params": {"lr": 0.1}}"#,
    );
    assert_eq!(points(&run, "loss"), [(10, 2.5)]);
    assert_eq!(points(&run, "eval_loss"), [(20, 2.0)]);
    assert_eq!(param(&run, "max_steps"), Some(ParamValue::Int(20)));
    assert_eq!(param(&run, "trial_params.lr"), Some(ParamValue::Float(0.1)));
    assert_eq!(tag(&run, "best_metric").as_deref(), Some("2.0"));
}

/// Real logs against figures that other programs computed.
#[test]
fn real_logs_read_as_they_are() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut series = 0;
    for specimen in ["ppo-pytorch", "gail-ppo", "ml-pws", "detectron2-medical"] {
        let truth = fs::read(data.join(specimen).join("truth.json")).unwrap();
        let truth: Value = serde_json::from_slice(&truth).unwrap();
        for (file, truth) in truth["files"].as_object().unwrap() {
            let path = data.join(specimen).join("data").join(file);
            series += check_against(&path, truth);
        }
    }
    assert_eq!(series, 3 + 16 + 6 + 1 + 18);
    let neuron = data.join("ml-pws/data/neurons/neuron_220/metrics.csv");
    let run = read(&neuron, &ImportOptions::default())
        .unwrap()
        .runs
        .remove(0);
    assert_eq!(run.name, "neuron_220");
    assert_eq!(param(&run, "kernel_size"), Some(ParamValue::Int(20)));
}

/// Returns how many series agree.
fn check_against(path: &Path, truth: &Value) -> usize {
    let options = ImportOptions {
        keep_step: true,
        ..ImportOptions::default()
    };
    let run = read(path, &options).unwrap().runs.remove(0);
    let series = truth.get("columns").or(truth.get("series")).unwrap();
    let series = series.as_object().unwrap();
    assert_eq!(run.series.len(), series.len(), "{}", path.display());
    for (name, want) in series {
        let points = points(&run, name);
        let count = want.get("count").or(want.get("non_empty")).unwrap();
        assert_eq!(points.len() as u64, count.as_u64().unwrap(), "{name}");
        let number = |key: &str| want[key].as_f64().unwrap();
        let values = points.iter().map(|(_, value)| *value);
        let ends = [points[0].1, points[points.len() - 1].1];
        assert_eq!(
            ends.map(f64::to_bits),
            ["first", "last"].map(number).map(f64::to_bits)
        );
        let extremes = [
            values.clone().fold(f64::INFINITY, f64::min),
            values.clone().fold(f64::NEG_INFINITY, f64::max),
        ];
        let ends = ["min", "max"].map(number);
        assert_eq!(extremes.map(f64::to_bits), ends.map(f64::to_bits), "{name}");
        let scale: f64 = values.clone().map(f64::abs).sum();
        let off = values.sum::<f64>() - number("sum_finite");
        assert!(off.abs() <= 1e-12 * scale, "{name}");
        if let (Some(first), Some(last)) = (want.get("first_step"), want.get("last_step")) {
            assert_eq!(points[0].0, first.as_i64().unwrap(), "{name}");
            assert_eq!(points[points.len() - 1].0, last.as_i64().unwrap(), "{name}");
        }
    }
    series.len()
}

#[test]
fn any_bytes_are_runs_or_an_error() {
    let dir = TempDir::new().unwrap();
    let names = ["x.json", "x.yaml", "x.csv", "x.tsv", "x.jsonl", "x"];
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        "\"",
        "step",
        "\"metrics\":",
        "run_id",
        "NaN",
        "1.5",
        "- ",
        "&a",
        "*a",
        "\"values\":",
        "#",
        "\\",
        "é",
        "\t",
        ";",
        "{\"run_id\":1,\"metrics\":{\"x\":[1]}}",
        "\"series\":",
        "\"log_history\":[",
        "step,loss\n1,2\n",
        "'",
        "|",
        "\u{feff}",
    ];
    let paths: Vec<PathBuf> = names.iter().map(|name| dir.path().join(name)).collect();
    arbtest::arbtest(|u| {
        let mut bytes: Vec<u8> = Vec::new();
        for _ in 0..u.int_in_range(0..=24)? {
            if u.ratio(1, 20)? {
                bytes.extend(u.arbitrary::<[u8; 3]>()?);
            } else {
                bytes.extend(u.choose(&pieces)?.as_bytes());
            }
        }
        let path = u.choose(&paths)?;
        fs::write(path, &bytes).unwrap();
        if let Ok(import) = read(path, &ImportOptions::default()) {
            for run in &import.runs {
                run.check().unwrap();
            }
        }
        Ok(())
    });
}

/// A log of 1,000 steps with one row in place of that of step 498, on line 500.
fn rows_with(row: &str) -> String {
    let rows = (0..1_000).map(|step| match step {
        498 => format!("{row}\n"),
        _ => format!("{step},0.{step:03}\n"),
    });
    "step,loss\n".to_owned() + &rows.collect::<String>()
}

#[test]
fn a_stray_quote_eats_no_rows() {
    let options = ImportOptions::default();
    let why = error_of("a.csv", &rows_with("498,\"oops"), &options);
    assert!(why.contains("line 500 opens a quote"), "{why}");
    for text in ["step,loss\n1,\"0.5\n2,3\n", "step,loss\n1,\"0.5\r\n2,3"] {
        let why = error_of("a.csv", text, &options);
        assert!(why.contains("line 2 opens a quote"), "{why}");
    }
    // Another quote closes it five hundred lines on; the fields come out right.
    let text = rows_with("498,\"oops") + "1000,\"\n1001,0.5\n";
    let why = error_of("a.csv", &text, &options);
    assert!(why.contains("line 500: column \"loss\""), "{why}");
    let text = "loss,note\n0.5,a\n\"0.25,b\n0.5\",c\n";
    let why = error_of("a.csv", text, &options);
    assert!(why.contains("line 3: column \"loss\""), "{why}");
    let run = run_of(
        "a.csv",
        "step,loss,note\n1,0.5,\"two\nlines, \"\"quoted\"\"\"\n2,0.25,\"\"\n3,\"1\",5\" long\n",
    );
    assert_eq!(points(&run, "loss"), [(1, 0.5), (2, 0.25), (3, 1.0)]);
}

#[test]
fn of_a_log_whose_writer_was_killed_all_but_the_torn_line_is_read() {
    for (name, text) in [
        ("a.csv", "step,loss\n1,0.5\n2,0.25\n3"),
        ("a.csv", "step,loss,note\n1,0.5,x\n2,0.25,x\n3,0.1,\"un"),
        (
            "a.jsonl",
            "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n{\"step\":3,\"lo",
        ),
        (
            "a.jsonl",
            "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n{\"x\":{\"y\":1}",
        ),
    ] {
        let run = run_of(name, text);
        assert_eq!(points(&run, "loss"), [(1, 0.5), (2, 0.25)], "{text}");
        let line = text.lines().count();
        let want = format!("line {line}, the last one, is cut off");
        let named = run.warnings.iter().any(|why| why.starts_with(&want));
        assert!(named, "{text}: {:?}", run.warnings);
    }
    for (name, start, letter) in [
        ("a.csv", "step,loss,note\n1,0.5,x\n2,0.25,", "é"),
        ("a.jsonl", "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"ä", "é"),
    ] {
        let text = [start.as_bytes(), &letter.as_bytes()[..1]].concat();
        let import = read_named(name, text, &ImportOptions::default()).unwrap();
        assert_eq!(points(&import.runs[0], "loss"), [(1, 0.5)]);
    }
    let records = "{\"run_id\":\"a\",\"metrics\":{\"x\":1}}\n{\"run_id\":\"b\",\"met";
    let run = run_of("a.jsonl", records);
    assert!(run.name == "a" && run.warnings[0].starts_with("line 2, the last one"));
    // With a line break after it, or before others, it is no torn line but a broken one.
    for (name, text) in [
        ("a.csv", "step,loss\n1,0.5\n2\n"),
        ("a.csv", "step,loss\n1,0.5\n2\n3,0.5"),
        ("a.csv", "step,loss\n1,0.5\n2,0.5,7"),
        ("a.csv", "step;loss,x\n1,0.5,2"),
        ("a.csv", "step,loss\n1,\"0.5"),
        ("a.jsonl", "{\"loss\":1}\n{\"loss\n"),
        ("a.jsonl", "{\"loss\":1}\n{\"loss\":oh}"),
        ("a.jsonl", "{\"loss\":1"),
    ] {
        let why = error_of(name, text, &ImportOptions::default());
        assert!(why.contains("line"), "{text}: {why}");
    }
}

#[test]
fn a_line_has_a_bound_and_is_named() {
    let long = "1".repeat(17 << 20);
    let csv = ImportOptions {
        format: Some(Format::Csv),
        ..ImportOptions::default()
    };
    let lines = ImportOptions {
        format: Some(Format::JsonLines),
        ..ImportOptions::default()
    };
    for (options, text, line) in [
        (&csv, format!("a,b\n1,2\n3,{long}\n"), 3),
        (&csv, long.clone(), 1),
        (&csv, format!("a,b\n1,\"{}\n", "x\n".repeat(9 << 20)), 2),
        (&lines, format!("{{\"a\":1}}\n{{\"b\":{long}}}\n"), 2),
    ] {
        let why = error_of("a", &text, options);
        let want = format!("line {line} has more than 16777216 bytes");
        assert!(why.contains(&want), "{why}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_unopened() {
    let dir = TempDir::new().unwrap();
    let pipe = dir.path().join("pipe.csv");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [&pipe, Path::new("/dev/zero")] {
        let options = ImportOptions {
            format: Some(Format::Csv),
            ..ImportOptions::default()
        };
        let why = read(path, &options).unwrap_err().to_string();
        assert!(why.contains("pipe, socket or device"), "{why}");
        let why = read(path, &ImportOptions::default())
            .unwrap_err()
            .to_string();
        assert!(why.contains("pipe, socket or device"), "{why}");
    }
}

#[test]
fn a_comma_is_the_decimal_point_where_it_parts_no_fields() {
    let run = run_of("a.csv", "step;loss;lr\n1;0,5;1\n2;-1,25e-3;0,1\n");
    assert_eq!(points(&run, "loss"), [(1, 0.5), (2, -1.25e-3)]);
    assert_eq!(points(&run, "lr"), [(1, 1.0), (2, 0.1)]);
    let run = run_of("a.tsv", "step\tloss\tgpus\n1\t0.5\t0,1\n2\t0.25\t0,1\n");
    assert_eq!(metrics(&run), ["loss"]);
    assert_eq!(param(&run, "gpus"), Some(ParamValue::Text("0,1".into())));
    let run = run_of("a.csv", "step;loss;text\n1;0,5;1,2\n2;0,25;x\n");
    assert_eq!(metrics(&run), ["loss"]);
}

#[test]
fn a_log_without_one_number_is_no_log() {
    let options = ImportOptions::default();
    for (name, text) in [
        ("a.csv", "step|loss,x\n1|0.5,a\n2|0.4,b\n"),
        ("a.csv", "a,b\nNone,\n"),
        ("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n"),
    ] {
        let why = error_of(name, text, &options);
        assert!(why.contains("not one number"), "{why}");
    }
    let run = run_of("a.csv", "step,note\n1,a\n2,b\n");
    assert!(run.warnings.iter().any(|why| why.contains("no points")));
}

#[test]
fn one_step_that_cannot_be_is_a_mistake_of_its_line() {
    let options = ImportOptions::default();
    for (name, odd) in [
        ("step", "9223372036854775808"),
        ("step", "nan"),
        ("iteration", "498.5"),
        ("epoch", "1e300"),
    ] {
        let text = rows_with(&format!("{odd},0.5")).replacen("step", name, 1);
        let why = error_of("a.csv", &text, &options);
        assert!(
            why.contains(&format!("line 500: step column {name:?}")),
            "{why}"
        );
    }
    let run = run_of("a.csv", "epoch,loss\n0.5,3\n1.0,2\n1.5,1\n");
    assert_eq!(metrics(&run), ["epoch", "loss"]);
}

#[cfg(unix)]
#[test]
fn artifacts_outside_the_folder_of_a_record_are_named_and_not_kept() {
    use std::os::unix::fs::symlink;
    let dir = TempDir::new().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (inside, out) = (dir.join("in"), dir.join("outside"));
    fs::create_dir_all(inside.join("ckpt")).unwrap();
    fs::create_dir_all(inside.join("round")).unwrap();
    fs::write(&out, "secret").unwrap();
    fs::write(inside.join("fine"), "fine").unwrap();
    symlink(&out, inside.join("link")).unwrap();
    symlink(inside.join("fine"), inside.join("near")).unwrap();
    symlink(&inside, inside.join("round/again")).unwrap();
    symlink(&out, inside.join("ckpt/last")).unwrap();
    let names = [
        "../outside",
        "/etc",
        "link",
        "near",
        "ckpt",
        "./x/../fine",
        "round",
    ];
    let record = serde_json::json!({"run_id": "r", "params": {}, "artifacts": names});
    fs::create_dir(inside.join("x")).unwrap();
    fs::write(inside.join("r.json"), record.to_string()).unwrap();
    let run = read(&inside.join("r.json"), &ImportOptions::default())
        .unwrap()
        .runs
        .remove(0);
    let want = [
        inside.join("../outside"),
        PathBuf::from("/etc"),
        inside.join("link"),
        inside.join("ckpt/last"),
        inside.join("round/again/ckpt/last"),
    ];
    assert_eq!(run.outside, want);
    let kept: Vec<&Path> = run
        .artifacts
        .iter()
        .map(|kept| kept.file.as_path())
        .collect();
    assert_eq!(kept, [inside.join("near"), inside.join("./x/../fine")]);
    assert!(run.missing.is_empty());
}
