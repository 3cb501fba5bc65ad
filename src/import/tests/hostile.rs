//! Files made to take time or memory far beyond their size. Each took minutes, or gigabytes.

use std::fmt::Write;

use super::*;
use crate::limits::NAME_BYTES_MAX;

const NONE: fn() -> ImportOptions = ImportOptions::default;

#[test]
fn a_header_of_very_many_columns_is_read_at_once() {
    let names: Vec<String> = (0..100_000).map(|at| format!("metric/{at}")).collect();
    let text = format!("step,{}\n0{}\n", names.join(","), ",1".repeat(names.len()));
    assert_eq!(run_of("wide.csv", &text).series.len(), names.len());
}

#[test]
fn columns_called_alike_have_names_of_their_own() {
    let run = run_of("twins.csv", "a 3,a,a,,column 4\n1,2,3,4,5\n");
    let want = ["a 3", "a", "a 3 3", "column 4", "column 4 5"];
    assert_eq!(metrics(&run), want);
}

#[test]
fn very_many_tags_are_read_at_once() {
    let mut text = r#"{"run_id": "r", "metrics": {"a": 1}"#.to_owned();
    for at in 0..100_000 {
        write!(text, ",\"tag {at}\":{at}").unwrap();
    }
    text.push_str(r#", "tags": {"tag 7": "first"}}"#);
    let run = run_of("r.json", &text);
    assert_eq!(run.tags.len(), 100_000);
    assert_eq!(tag(&run, "tag 7").unwrap(), "first");
}

#[test]
fn one_file_named_as_many_artifacts_is_kept_under_as_many_names() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("model"), "weights").unwrap();
    let path = dir.path().join("r.json");
    let names = vec!["\"model\""; 3_000].join(",");
    let text = format!(r#"{{"run_id": "r", "metrics": {{"a": 1}}, "artifacts": [{names}]}}"#);
    fs::write(&path, text).unwrap();
    let run = read(&path, &NONE()).unwrap().runs.remove(0);
    let names: Vec<&str> = run
        .artifacts
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(
        (names.len(), &names[..3]),
        (3_000, &["model", "2/model", "3/model"][..])
    );
}

/// A long name above many others: joined, they would be the product of both.
#[test]
fn a_name_that_is_too_long_is_not_joined_with_those_below_it() {
    let (long, many) = ("n".repeat(1 << 20), "\"x\":1,\"x\":1,".repeat(50_000));
    let below = format!("{{{many}\"y\":1}}");
    let want = format!("has {} bytes, at most {NAME_BYTES_MAX}", long.len());
    for (name, text) in [
        ("log.jsonl", format!("{{\"{long}\":{below}}}")),
        (
            "r.json",
            format!("{{\"run_id\":\"r\",\"metrics\":{{\"{long}\":{below}}}}}"),
        ),
        (
            "r.json",
            format!("{{\"run_id\":\"r\",\"params\":{{\"{long}\":{below}}}}}"),
        ),
        (
            "r.json",
            format!("{{\"run_id\":\"r\",\"metrics\":{{}},\"{long}\":{below}}}"),
        ),
        (
            "r.json",
            format!("{{\"run_id\":\"r\",\"metrics\":{{\"{long}\":[\"x\",\"x\"]}}}}"),
        ),
        ("log.csv", format!("#{{\"{long}\":{below}}}\na\n1\n")),
    ] {
        let why = error_of(name, &text, &NONE());
        assert!(why.contains(&want) && why.contains(name), "{why}");
    }
    let why = line::parse(&format!("{{\"{long}\":{below}}}")).unwrap_err();
    assert!(why.to_string().contains(&want), "{why}");
}

#[test]
fn of_very_many_values_that_are_no_numbers_the_first_are_told() {
    let values = vec!["\"low\""; 10_000].join(",");
    let run = run_of(
        "r.json",
        &format!(r#"{{"run_id": "r", "metrics": {{"a": [{values}]}}}}"#),
    );
    assert_eq!(run.warnings.len(), 101);
    assert_eq!(
        run.warnings[100],
        "9900 more values are no numbers and left out"
    );
}

#[test]
fn params_of_very_many_runs_are_not_multiplied() {
    let params: Vec<String> = (0..5_000).map(|at| format!("\"p{at}\":{at}")).collect();
    let mut text = format!("#{{{}}}\nrun,a\n", params.join(","));
    for run in 0..5_000 {
        writeln!(text, "{run},1").unwrap();
    }
    let why = error_of("log.csv", &text, &NONE());
    assert!(why.contains("has 5000 runs with 5000 params"), "{why}");
}

#[test]
fn a_param_file_that_says_a_name_twice_says_the_first() {
    let dir = TempDir::new().unwrap();
    let beside = dir.path().join("params.json");
    fs::write(beside, r#"{"a.b": 1, "a": {"b": 2}}"#).unwrap();
    let path = dir.path().join("log.csv");
    fs::write(&path, "loss\n0.5\n").unwrap();
    let run = read(&path, &NONE()).unwrap().runs.remove(0);
    assert_eq!(param(&run, "a.b"), Some(ParamValue::Int(1)));
}
