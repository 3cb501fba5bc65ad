//! A folder of runs is asked which were good, in the words of the filter and in every format.

use serde_json::Value;
use serde_json::json;
use snapbox::assert_data_eq;
use snapbox::str;
use tracker::Store;
use tracker::model::ParamValue;

use crate::harness::Dir;

/// Nine runs that differ in all that can be asked for, imported from records with fixed times.
fn runs() -> Dir {
    let dir = Dir::new();
    let mut lines = String::new();
    for n in 0..9_u8 {
        let model = ["resnet18", "resnet50", "vit \"large\""][usize::from(n % 3)];
        let mut metrics = json!({
            "val/acc": [0.5, 0.5 + f64::from(n) / 20.0],
            "loss": [2.0, 1.0 / f64::from(n + 1), 1.5],
        });
        if n == 4 {
            metrics["loss"] = json!([1.0, "NaN"]);
            metrics["val/acc"] = json!(["-Infinity"]);
        }
        let lr = [0.1, 0.01, 0.001][usize::from(n / 3)];
        let mut params = json!({"lr": lr, "model": model});
        if n < 8 {
            params["seed"] = n.into();
        }
        let day = 10 + n;
        let record = json!({
            "run_id": format!("r{n}"),
            "start": format!("2024-01-{day}T10:00:00Z"),
            "end": format!("2024-01-{day}T{}:30:00Z", 10 + n / 4),
            "status": if n == 5 { "failed" } else { "completed" },
            "parameters": params,
            "metrics": metrics,
            "tags": {"team": if n % 2 == 0 { "vision" } else { "speech" }, "my tag": n.to_string()},
        });
        lines.push_str(&record.to_string());
        lines.push('\n');
    }
    dir.import_records(lines, "e");
    dir
}

#[test]
fn filters_find_the_runs_that_they_mean() {
    let dir = runs();
    let ask = |filter: &str| -> String {
        let found = dir.json(&["query", filter, "--sort", "name"]);
        let names = found
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["name"].as_str().unwrap());
        names.map(|name| &name[1..]).collect()
    };
    for (filter, want) in [
        // Comparisons of numbers, texts, names with blanks.
        ("metrics.val/acc > 0.8", "78"),
        ("val/acc >= 0.8 and params.lr = 0.001", "678"),
        ("params.model = 'resnet18'", "036"),
        ("params.model = 'vit \"large\"'", "258"),
        ("tags.\"my tag\" = '3' or tags.`my tag` = 4", "34"),
        ("params.lr = '0.01'", "345"),
        ("seed != 3", "0124567"),
        // And binds tighter than or, not tightest of all.
        ("seed = 0 or seed = 1 and team = 'speech'", "01"),
        ("(seed = 0 or seed = 1) and team = 'speech'", "1"),
        ("not team = 'vision' and not (lr = 0.1)", "357"),
        ("seed in (1, 3, 99)", "13"),
        ("seed not in (0, 1, 2, 3, 4)", "567"),
        ("params.model like 'resnet%'", "013467"),
        ("params.model not like '%50'", "023568"),
        ("params.model ilike 'VIT%'", "258"),
        ("model ~ '^res.*(18|50)$'", "013467"),
        ("params.seed is null", "8"),
        ("params.seed is not null and seed between 6 and 7", "67"),
        // Functions of a series; NaN and infinities.
        ("min(metrics.loss) < 0.2", "5678"),
        ("max(loss) = 1", "4"),
        ("count(metrics.loss) = 2", "4"),
        ("metrics.loss = nan", "4"),
        ("nan_count(loss) > 0", "4"),
        ("val/acc < -1e300", "4"),
        ("argmin(loss) = 0", "4"),
        // Attributes, dates, durations.
        ("status = 'failed'", "5"),
        ("status != 'failed' and name in ('r5', 'r6')", "6"),
        ("start >= '2024-01-17'", "78"),
        ("start = 2024-01-12", "2"),
        ("start between '2024-01-12' and '2024-01-14'", "234"),
        ("start < 2024-01-10T12:00:00+02:00", ""),
        ("start < now - 7d", "012345678"),
        ("duration > 1h", "45678"),
        ("duration > 1h30m", "8"),
        ("duration <= 1800", "0123"),
        ("experiment = 'e' and author is null", "012345678"),
    ] {
        assert_eq!(ask(filter), want, "{filter}");
    }
}

#[test]
fn values_are_worked_out_and_series_looked_into() {
    let dir = runs();
    let ask = |filter: &str| -> String {
        let found = dir.json(&["query", filter, "--sort", "name"]);
        let names = found.as_array().unwrap().iter();
        let names = names.map(|run| run["name"].as_str().unwrap()[1..].to_owned());
        names.collect()
    };
    for (filter, want) in [
        // Arithmetic, fields against fields, times against times.
        ("metrics.loss - metrics.val/acc > 0.8", "0123"),
        ("1.16 < max(loss) - metrics.val/acc", "0123456"),
        ("params.lr * 100 = 1", "345"),
        ("seed % 3 = 1 and team = 'vision'", "4"),
        ("(seed + 1) * 2 <= -seed + 8", "012"),
        ("params.seed = tags.\"my tag\"", "01234567"),
        ("end - start > 1h", "45678"),
        ("duration / 60 >= 90", "45678"),
        ("start + 1d between '2024-01-12' and '2024-01-13'", "12"),
        ("count(loss) / duration * 1h > 5", "0123"),
        ("metrics.loss / 0 = inf", "01235678"),
        ("2KB = 2000 * lr / 0.1", "012"),
        // Points: at a step, of a range, of the shape of a curve.
        ("at(metrics.loss, 1) < 0.2", "5678"),
        ("at(loss, 7) is null", "012345678"),
        ("min(metrics.loss where step < 1) = 2", "01235678"),
        ("max(loss where step >= 1 and step < 3) = 1.5", "01235678"),
        ("count(loss where step between 1 and 9) = 2", "01235678"),
        ("count(loss where step > 9) = 0", "012345678"),
        ("count(loss where time > '2024-01-01') = 0", ""),
        ("first_nan(metrics.loss) = 1", "4"),
        ("median(loss) = 1.5", "01235678"),
        ("auc(val/acc) > 0.6", "5678"),
        ("slope(val/acc) < 0.101 and slope(val/acc) > -inf", "012"),
        ("smooth(loss, 0) = metrics.loss", "01235678"),
        ("slope(loss, 2) > 1.3 and params.lr = 0.001", "678"),
        // A metric of only NaN has nothing but how many there are.
        ("min(loss where step = 1) is null", "4"),
        ("nan_count(loss where step = 1) = 1", "4"),
        // What was captured of where it ran; nothing, of what was imported.
        (
            "attributes.host is null and attributes.source is not null",
            "012345678",
        ),
    ] {
        assert_eq!(ask(filter), want, "{filter}");
    }
}

#[test]
fn columns_and_sort_keys_take_what_a_filter_takes() {
    let dir = runs();
    let table = dir.ok(&[
        "query",
        "loss - val/acc > 0.7 and seed < 4",
        "--sort",
        "-(metrics.loss - metrics.val/acc)",
        "-n",
        "2",
    ]);
    assert_data_eq!(
        table,
        str![[r#"
ID        NAME  metrics.loss - metrics.val/acc  seed  STATUS     STARTED
[..]  r0                                 1  0     completed  2024-01-10
[..]  r1                              0.95  1     completed  2024-01-11

"#]]
    );
    let columns = "name,'fixed' , at(metrics.loss, 1),metrics.loss - val/acc,end - start";
    let ask = |format: &str| {
        let args = [
            "query",
            "seed in (3, 4)",
            "--sort",
            "slope(loss)",
            "--format",
            format,
        ];
        dir.call(&args).args(&["--columns", columns]).ok()
    };
    assert_data_eq!(
        ask("table"),
        str![[r#"
ID        NAME  'fixed'  at(metrics.loss, 1)  metrics.loss - val/acc  end - start
[..]  r3      fixed                 0.25                    0.85       30m00s
[..]  r4      fixed                  NaN                     NaN        1h30m

"#]]
    );
    assert_data_eq!(
        ask("csv"),
        str![[r#"
id,name,'fixed',"at(metrics.loss, 1)",metrics.loss - val/acc,end - start
[..],r3,fixed,0.25,0.85,1800.0
[..],r4,fixed,NaN,NaN,5400.0

"#]]
    );
    let run: Value = serde_json::from_str(ask("jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(
        run["columns"],
        json!({
            "'fixed'": "fixed",
            "at(metrics.loss, 1)": 0.25,
            "metrics.loss - val/acc": 0.85,
            "end - start": 1800.0,
        })
    );
    // What a run holds is in it already.
    let held = dir.ok(&[
        "query",
        "seed = 3",
        "--columns",
        "lr,min(loss)",
        "--format",
        "json",
    ]);
    assert!(!held.contains("\"columns\""), "{held}");
    let (_, said) = dir
        .call(&["query", "seed = 4", "--columns", "slope(loss),name"])
        .said();
    assert_eq!(said, "warning: none of these runs has slope(loss)\n");
    let none = [
        "query",
        "seed = 99",
        "--columns",
        "at(loss, 1),lr / 2",
        "--format",
        "csv",
    ];
    assert_eq!(dir.ok(&none), "id,\"at(loss, 1)\",lr / 2\n");
}

#[test]
fn answers_are_sorted_limited_and_show_what_was_asked_about() {
    let dir = runs();
    let table = dir.ok(&[
        "query",
        "val/acc > 0.6 and params.seed > 1",
        "--sort",
        "-val/acc",
        "--sort",
        "lr",
        "-n",
        "3",
    ]);
    assert_data_eq!(
        table,
        str![[r#"
ID        NAME  val/acc  seed  lr     STATUS     STARTED
[..]  r7       0.85  7     0.001  completed  2024-01-17
[..]  r6        0.8  6     0.001  completed  2024-01-16
[..]  r5       0.75  5     0.01   failed     2024-01-15

"#]]
    );
    // What has no value comes last, whichever way; NaN too.
    let order = |sort: &str| -> String {
        let found = dir.json(&["ls", "--sort", sort]);
        let names = found
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["name"].as_str().unwrap());
        names.map(|name| &name[1..]).collect()
    };
    assert_eq!(order("params.seed"), "012345678");
    assert_eq!(order("-params.seed"), "765432108");
    assert!(order("metrics.loss").ends_with('4') && order("-metrics.loss").ends_with('4'));
    assert_eq!(order("-duration")[..1], *"8");

    let columns = [
        "--columns",
        "name,lr,min(loss),team,duration,count(metrics.loss)",
    ];
    let ask = |format: &str| {
        let args = [
            "query",
            "seed in (3, 4)",
            "--sort",
            "name",
            "--format",
            format,
        ];
        dir.call(&args).args(&columns).ok()
    };
    assert_data_eq!(
        ask("csv"),
        str![[r#"
id,name,params.lr,min(metrics.loss),tags.team,duration_s,count(metrics.loss)
[..],r3,0.01,0.25,speech,1800.0,3
[..],r4,0.01,1.0,vision,5400.0,2

"#]]
    );
    assert_data_eq!(
        ask("md"),
        str![[r#"
| ID | NAME | lr | min(loss) | team | TOOK | count(loss) |
| --- | --- | --- | ---: | --- | ---: | ---: |
| [..] | r3 | 0.01 | 0.25 | speech | 30m00s | 3 |
| [..] | r4 | 0.01 | 1 | vision | 1h30m | 2 |

"#]]
    );
    let (json, jsonl) = (ask("json"), ask("jsonl"));
    let array: Vec<Value> = serde_json::from_str(&json).unwrap();
    let lines: Vec<Value> = jsonl
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(array, lines);
    assert_eq!(ask("json"), json, "the same answer twice");
    assert_eq!(dir.ok(&["query", "seed = 99", "--format", "json"]), "[]\n");
    assert_eq!(dir.ok(&["query", "seed = 99", "--format", "jsonl"]), "");
}

#[test]
fn a_run_as_json_keeps_its_contract() {
    let dir = runs();
    let run = dir.run("r4");
    let keys: Vec<&str> = run
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys[..13],
        [
            "id",
            "name",
            "experiment",
            "author",
            "status",
            "start",
            "end",
            "duration_s",
            "params",
            "metrics",
            "tags",
            "note",
            "artifacts"
        ]
    );
    assert_eq!(run["id"].as_str().unwrap().len(), 32);
    assert_eq!(
        (&run["author"], &run["note"], &run["artifacts"]),
        (&json!(null), &json!(null), &json!([]))
    );
    assert_eq!(
        (&run["start"], &run["end"], &run["duration_s"]),
        (
            &json!("2024-01-14T10:00:00Z"),
            &json!("2024-01-14T11:30:00Z"),
            &json!(5400.0)
        )
    );
    assert_eq!(
        run["params"],
        json!({"lr": 0.01, "model": "resnet50", "seed": 4})
    );
    let loss = run["metrics"]["loss"].as_object().unwrap();
    let told: Vec<(&str, &Value)> = loss
        .iter()
        .take(9)
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    assert_eq!(
        told,
        [
            ("last", &json!("NaN")),
            ("last_step", &json!(1)),
            ("min", &json!(1.0)),
            ("min_step", &json!(0)),
            ("max", &json!(1.0)),
            ("max_step", &json!(0)),
            ("mean", &json!(1.0)),
            ("count", &json!(2)),
            ("nan_count", &json!(1)),
        ]
    );
    assert_eq!(run["metrics"]["val/acc"]["last"], "-Infinity");
    // A point says whose it is where several are asked for.
    let one = dir.ok(&["series", "r3", "loss", "--format", "jsonl", "--tail", "1"]);
    assert!(one.starts_with("{\"step\":2,\"time\":\""), "{one}");
    let several = dir.ok(&[
        "series", "r3", "loss", "--with", "r4", "--format", "jsonl", "--tail", "1",
    ]);
    let id = run["id"].as_str().unwrap();
    let last = several.lines().last().unwrap();
    assert!(
        last.starts_with(&format!(
            "{{\"run\":\"{id}\",\"metric\":\"loss\",\"step\":1,"
        )),
        "{last}"
    );
    assert!(last.ends_with("\"value\":\"NaN\"}"), "{last}");
}

#[test]
fn runs_are_compared_with_each_other_and_with_records_in_files() {
    let dir = runs();
    let (out, err) = dir
        .call(&["compare", "r3", "r7", "--metric", "val/acc"])
        .said();
    assert_eq!(
        err,
        "note: took large val/acc for the better; `--min METRIC` or `--max METRIC` decides, and is \
         remembered\n"
    );
    assert_data_eq!(
        out,
        str![[r#"
              [..]   [..] *
name          r3         r7
status        completed  completed
took          30m00s     1h30m
param lr      0.01       0.001
param model   resnet18   resnet50
param seed    3          7
tag my tag    3          7
last val/acc  0.65       0.85 *
last loss     1.5        1.5

"#]]
    );
    // A record that was never imported stands beside them.
    dir.write(
        "old.yaml",
        "run_id: old\nparameters: {lr: 0.5}\nmetrics: {val/acc: 0.9, loss: 0.2}\n",
    );
    let (out, _) = dir
        .call(&["compare", "r7", "old.yaml", "--metric", "loss"])
        .said();
    let line = |label: &str| out.lines().find(|line| line.starts_with(label)).unwrap();
    assert!(out.lines().next().unwrap().ends_with(" *"), "{out}");
    assert!(line("param lr").ends_with("0.001      0.5"), "{out}");
    assert!(line("last loss").ends_with("1.5        0.2 *"), "{out}");
    dir.call(&["compare", "r7", "new.yaml"]).fails(
        1,
        str![[r#"
error: no run and no file "new.yaml"

"#]],
    );
    assert_eq!(
        dir.json(&["ls"]).as_array().unwrap().len(),
        9,
        "it was read and not stored"
    );
}

#[test]
fn a_seed_of_64_bits_stays_what_it_was() {
    let dir = Dir::new();
    let record = r#"{"run_id": "imported", "parameters": {"seed": 18446744073709551615}}"#;
    dir.write("record.json", record);
    dir.ok(&["import", "record.json"]);
    dir.start(&["--name", "typed", "--param", "seed=18446744073709551615"]);
    dir.start(&["--name", "other", "--param", "seed=18446744073709551614"]);
    for name in ["imported", "typed"] {
        assert_eq!(dir.run(name)["params"]["seed"], "18446744073709551615");
    }
    let found = dir.json(&["query", "seed = '18446744073709551615'"]);
    assert_eq!(found.as_array().unwrap().len(), 2);
}

#[test]
fn who_asks_for_the_best_loss_and_gets_the_largest_is_told() {
    let dir = runs();
    let said_of = |run: &str| dir.call(&["show", run]).said().1;
    assert_eq!(
        said_of("@best:loss"),
        "note: @best:loss is the run with the largest loss; @best:-loss has the smallest\n"
    );
    assert_eq!(said_of("@best:-loss") + &said_of("@best:val/acc"), "");
    // A command that writes tells, too.
    let best = |metric: &str| dir.run(&format!("@best:{metric}"))["name"].clone();
    let (largest, smallest) = (best("val/acc"), best("-val/acc"));
    let (_, said) = dir.call(&["tag", "@best:loss", "stage=worst"]).said();
    assert!(said.starts_with("note: @best:loss is"), "{said}");
    // Unless the store knows better.
    assert_ne!(largest, smallest);
    dir.ok(&["best", "val/acc", "--min"]);
    assert_eq!(best("val/acc"), smallest);
    assert_eq!(said_of("@best:val/acc"), "");
}

#[test]
fn names_of_others_cannot_speak_to_the_terminal() {
    let dir = Dir::new();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}x";
    for command in [
        ["start", "--name", evil],
        ["start", "--param", &format!("{evil}=1")],
    ] {
        let output = dir.call(&command).output();
        assert_eq!(
            output.status.code(),
            Some(1),
            "a name has no control characters"
        );
    }
    let name = "\u{202e}gnp.exe";
    let (param, tag) = (format!("{name}={evil}"), format!("{name}={evil}"));
    let id = dir.start(&[
        "--name", name, "--param", &param, "--note", evil, "--tag", &tag,
    ]);
    dir.ok(&["log", &id, &format!("{name}=1")]);
    dir.write("weights", evil);
    dir.ok(&["artifact", "add", &id, "weights", "--as", name]);
    dir.ok(&["finish", &id, "--status", "failed", "--reason", evil]);
    let (filter, wrong) = (format!("metrics.`{name}` > 0"), format!("`{evil}` > 0"));
    for command in [
        &["ls"][..],
        &["show", &id],
        &["show", &id, "--format", "md"],
        &["compare", &id, &id],
        &["best", name],
        &["best", evil],
        &["series", &id, name],
        &["series", &id, name, "--plot"],
        &["series", &id, evil],
        &["show", evil],
        &["query", &filter],
        &["query", &wrong],
        &["query", evil],
        &["param", &id, &param.replace('=', "=x")],
        &["artifact", "ls", &id],
        &["artifact", "get", &id, evil],
        &["artifact", "get", &id, name],
        &["run", "--name", "no", "--", evil],
        &["stat", "--store", evil],
        &["import", evil],
    ] {
        let output = dir.call(command).output();
        for bytes in [output.stdout, output.stderr] {
            let text = String::from_utf8(bytes).unwrap();
            let bad = text
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(bad, None, "{command:?}: {text:?}");
        }
    }
    // Programs get the name as it is.
    let run = dir.run(&id);
    assert_eq!(
        (&run["name"], &run["params"][name]),
        (&json!(name), &json!(evil))
    );
}

#[test]
fn a_program_gets_all_runs_and_a_person_the_latest_20() {
    let dir = Dir::new();
    for _ in 0..21 {
        dir.start(&[]);
    }
    assert_eq!(dir.json(&["ls"]).as_array().unwrap().len(), 21);
    assert_eq!(dir.ok(&["ls", "--format", "jsonl"]).lines().count(), 21);
    assert_eq!(dir.ok(&["ls", "--format", "csv"]).lines().count(), 1 + 21);
    assert_eq!(dir.json(&["ls", "-n", "2"]).as_array().unwrap().len(), 2);
    let (table, said) = dir.call(&["ls"]).said();
    assert_eq!(table.lines().count(), 1 + 20);
    assert_eq!(said, "note: showing 20 of 21 runs; `--limit 0` shows all\n");
}

#[test]
fn a_param_that_two_writers_set_at_once_is_shown_with_both_values() {
    let dir = Dir::new();
    let id = dir.start(&["--name", "twice", "--param", "seed=1"]);
    let store = Store::open(&dir.path(".tracker")).unwrap();
    let id = id.parse().unwrap();
    let (first, second) = (store.join_run(id).unwrap(), store.join_run(id).unwrap());
    first.param("lr", ParamValue::Float(0.1)).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2));
    second.param("lr", ParamValue::Float(0.2)).unwrap();
    first.close().unwrap();
    second.close().unwrap();
    let (out, err) = dir.call(&["show", "twice"]).said();
    assert_eq!(
        err,
        "warning: param \"lr\" was set to 0.1 and to 0.2; the first stays\n"
    );
    assert!(
        out.contains("NAME  VALUE  REFUSED\nlr    0.1    0.2\nseed  1\n"),
        "{out}"
    );
    let run = dir.run("twice");
    assert_eq!(run["params"], json!({"lr": 0.1, "seed": 1}));
    assert_eq!(run["param_conflicts"], json!({"lr": 0.2}));
}
