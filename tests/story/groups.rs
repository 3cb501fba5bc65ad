//! Runs are repeated with other seeds, and asked for the mean and its spread.

use serde_json::Value;
use serde_json::json;
use snapbox::assert_data_eq;
use snapbox::str;

use crate::harness::Dir;

/// Two models with two rates and three seeds each; one run diverged, one has no rate.
fn runs() -> Dir {
    let dir = Dir::new();
    let mut lines = String::new();
    let mut add = |name: String, params: Value, acc: Value| {
        let record = json!({"run_id": name, "parameters": params, "status": "completed",
            "metrics": {"val/acc": [0.1, acc], "loss": [1.0, 0.25]}});
        lines += &record.to_string();
        lines.push('\n');
    };
    for (m, model) in ["mlp", "cnn"].into_iter().enumerate() {
        for (r, lr) in [0.1, 0.01].into_iter().enumerate() {
            for seed in 0..3_u8 {
                let acc = 0.7 + (m * 10 + r * 5) as f64 / 100.0 + f64::from(seed) / 100.0;
                let acc = if (m, r, seed) == (0, 0, 2) {
                    json!("NaN")
                } else {
                    json!(acc)
                };
                let params = json!({"model": model, "lr": lr, "seed": seed, "epochs": 5});
                add(format!("{model}-{lr}-{seed}"), params, acc);
            }
        }
    }
    add(
        "plain".to_owned(),
        json!({"model": "mlp", "epochs": 5}),
        json!(0.5),
    );
    dir.import_records(lines, "e");
    dir
}

#[test]
fn repetitions_are_told_as_mean_and_deviation() {
    let dir = runs();
    let (out, err) = dir.call(&["ls", "--over", "seed"]).said();
    assert_data_eq!(
        out,
        str![[r#"
lr    model  n      loss                val/acc
0.01  cnn    3  0.25 ± 0          0.860 ± 0.010
0.01  mlp    3  0.25 ± 0          0.760 ± 0.010
0.1   cnn    3  0.25 ± 0          0.810 ± 0.010
0.1   mlp    3  0.25 ± 0  0.7050 ± 0.0071 (n=2)
-     mlp    1      0.25                    0.5

same in all: experiment=e, epochs=5

"#]]
    );
    assert_eq!(err, "note: left out of metrics.val/acc: NaN of 1 run\n");
    // The best of them, by the mean.
    let (out, _) = dir
        .call(&["best", "val/acc", "--over", "seed", "-n", "2"])
        .said();
    assert_data_eq!(
        out,
        str![[r#"
EXPERIMENT  epochs  lr    model  n        val/acc
e           5       0.01  cnn    3  0.860 ± 0.010
e           5       0.1   cnn    3  0.810 ± 0.010

"#]]
    );
}

#[test]
fn groups_are_chosen_sorted_and_told_in_every_form() {
    let dir = runs();
    let ask = |more: &[&str]| {
        let query = ["query", "epochs = 5", "--group-by", "params.model"];
        dir.call(&query).args(more).ok()
    };
    assert_data_eq!(
        ask(&[
            "--sort",
            "-val/acc",
            "--stats",
            "n,mean,sem,median",
            "--columns",
            "val/acc",
            "-n",
            "1"
        ]),
        str![[r#"
model  n  val/acc n  val/acc mean  val/acc sem  val/acc median
cnn    6          6         0.835    0.0117615           0.835

"#]]
    );
    let csv = ask(&["--columns", "max(loss)", "--format", "csv"]);
    let mut csv = csv.lines();
    let stats = [
        "n",
        "nan_count",
        "mean",
        "std",
        "sem",
        "min",
        "max",
        "median",
    ];
    let stats = stats
        .map(|stat| format!("max(metrics.loss).{stat}"))
        .join(",");
    assert_eq!(csv.next().unwrap(), format!("params.model,n,{stats}"));
    let cnn = csv.next().unwrap();
    assert_eq!(cnn, "cnn,6,6,0,1.0,0.0,0.0,1.0,1.0,1.0");
    assert_data_eq!(
        ask(&["--columns", "loss", "--sort", "-n", "--format", "md"]),
        str![[r#"
| model | n | loss |
| --- | ---: | ---: |
| mlp | 7 | 0.25 ± 0 |
| cnn | 6 | 0.25 ± 0 |

"#]]
    );
    let groups: Vec<Value> = serde_json::from_str(&ask(&["--format", "json"])).unwrap();
    let lines = ask(&["--format", "jsonl"]);
    assert_eq!(lines.lines().count(), groups.len());
    let mlp = &groups[1];
    assert_eq!(mlp["group"], json!({"params.model": "mlp"}));
    assert_eq!(
        (&mlp["n"], mlp["runs"].as_array().unwrap().len()),
        (&json!(7), 7)
    );
    let acc = &mlp["values"]["metrics.val/acc"];
    assert_eq!(
        (&acc["n"], &acc["nan_count"], &acc["max"]),
        (&json!(6), &json!(1), &json!(0.77))
    );
    // What has to be worked out groups and counts like what is held.
    let args = ["query", "seed = 0", "--group-by", "lr * 10 >= 1, model"];
    dir.call(&args).fails(
        2,
        str![[r#"
error: invalid value: want a comma or the end, have ">="
  lr * 10 >= 1, model
          ^^
hint: put blanks and signs of a name in double quotes

"#]],
    ); // a condition is no value
    let worked_out = [
        "--group-by",
        "lr * 10, model, at(loss, 1)",
        "--columns",
        "at(loss, 0), -loss + 1",
    ];
    let found = dir
        .call(&["query", "seed = 0", "--format", "json"])
        .args(&worked_out)
        .ok();
    let found: Vec<Value> = serde_json::from_str(&found).unwrap();
    assert_eq!(
        found[0]["group"],
        json!({"params.lr * 10": 0.1, "params.model": "cnn", "at(metrics.loss, 1)": 0.25})
    );
    assert_eq!(found[0]["values"]["-metrics.loss + 1"]["mean"], json!(0.75));
    assert_eq!(
        found[0]["values"]["at(metrics.loss, 0)"]["mean"],
        json!(1.0)
    );
    assert_eq!(found.len(), 4);
    // Of one run there is no deviation; an absent key is a group of its own.
    let one = dir.json(&["query", "lr is null", "--group-by", "lr"]);
    assert_eq!(one[0]["group"], json!({"params.lr": null}));
    assert_eq!(one[0]["values"]["metrics.loss"]["std"], Value::Null);
    assert_eq!(one[0]["values"]["metrics.loss"]["mean"], json!(0.25));
}

#[test]
fn groups_that_make_no_sense_are_answered_with_what_does() {
    let dir = runs();
    dir.call(&["ls", "--over", "sed"]).fails(
        1,
        str![[r#"
error: invalid value: no run has a param "sed"
  params.sed
  ^^^^^^^^^^
hint: try params.seed

"#]],
    );
    dir.call(&["ls", "--over", "loss"]).fails(
        1,
        str![[r#"
error: invalid param: loss is no param

"#]],
    );
    dir.call(&["query", "lr > 0", "--stats", "mean"]).fails(
        2,
        str![[r#"
error: --stats is about groups of runs
hint: add `--group-by FIELDS` or `--over PARAMS`

"#]],
    );
    let (out, err) = dir
        .call(&[
            "query",
            "lr > 0",
            "--group-by",
            "lr",
            "--columns",
            "params.model",
        ])
        .said();
    assert!(
        out.lines().count() == 3 && out.contains("0.01  6      -"),
        "{out}"
    );
    assert_eq!(
        err,
        "warning: left out of params.model: what is no number, of 12 runs\n"
    );
    let (out, err) = dir.call(&["query", "lr > 9", "--group-by", "lr"]).said();
    assert_eq!(
        (out.as_str(), err.as_str()),
        ("", "note: no runs like that\n")
    );
    let args = ["query", "lr > 9", "--group-by", "lr", "--format", "json"];
    assert_eq!(dir.ok(&args), "[]\n");
    let empty = Dir::new();
    empty.ok(&["start"]);
    assert_eq!(
        empty.json(&["ls", "--group-by", "status"])[0]["n"],
        json!(1)
    );
}

#[test]
fn a_curve_of_repetitions_has_a_mean_and_a_range_at_each_step() {
    let dir = runs();
    let series = [
        "series",
        "--runs",
        "model = 'mlp' and lr > 0.05",
        "val/acc",
        "--over",
        "seed",
    ];
    assert_data_eq!(
        dir.ok(&series),
        str![[r#"
STEP  n   MEAN         STD  MIN   MAX
   0  3    0.1           0  0.1   0.1
   1  2  0.705  0.00707107  0.7  0.71

"#]]
    );
    let csv = dir.call(&series).args(&["--format", "csv"]).ok();
    let (head, rows) = csv.split_once('\n').unwrap();
    assert!(
        head.ends_with("metric,step,n,nan_count,mean,std,min,max"),
        "{head}"
    );
    assert!(rows.lines().all(|row| row.contains(",val/acc,")), "{rows}");
    assert_eq!(rows.lines().count(), 2);
    let by_model = [
        "series",
        "val/acc",
        "loss",
        "--group-by",
        "model",
        "--from",
        "1",
    ];
    assert_data_eq!(
        dir.ok(&by_model),
        str![[r#"
model  METRIC   STEP  n      MEAN        STD   MIN   MAX
cnn    val/acc     1  6     0.835  0.0288097   0.8  0.87
cnn    loss        1  6      0.25          0  0.25  0.25
mlp    val/acc     1  6  0.698333   0.101078   0.5  0.77
mlp    loss        1  7      0.25          0  0.25  0.25

"#]]
    );
    let rows: Value = dir.json(&by_model);
    assert_eq!(
        (
            &rows[0]["group"],
            &rows[0]["metric"],
            &rows[0]["step"],
            &rows[0]["n"]
        ),
        (
            &json!({"params.model": "cnn"}),
            &json!("val/acc"),
            &json!(1),
            &json!(6)
        )
    );
    let plot = dir
        .call(&by_model[..2])
        .args(&["--over", "seed", "--plot"])
        .ok();
    assert!(plot.contains("lr=0.01 model=cnn (n=3)"), "{plot}");
    dir.call(&["series", "val/acc", "--over", "seed", "--smooth", "0.5"])
        .fails(
            2,
            str![[r#"
error: --smooth is about single runs; leave it out, or --over and --group-by

"#]],
        );
    dir.call(&["series", "val/ac", "--over", "seed"]).fails(
        1,
        str![[r#"
error: no metric "val/ac"
hint: did you mean "val/acc"?

"#]],
    );
}
