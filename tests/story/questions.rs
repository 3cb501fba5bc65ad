//! Thirty questions that practitioners ask of a folder of trainings, and what they are told.
//!
//! `tools/questions` asks the same kinds of a hundred thousand runs, and two databases with it.

use serde_json::json;
use snapbox::IntoData;
use snapbox::assert_data_eq;
use snapbox::str;

use crate::harness::Dir;

/// Two models, three rates, three seeds: 18 trainings of six epochs, one of which diverged, and
/// one that somebody started without a seed.
fn study() -> Dir {
    let dir = Dir::new();
    let mut lines = String::new();
    let mut add = |n: usize, model: &str, lr: f64, seed: Option<usize>| {
        let quality = [0.9, 0.8][usize::from(model == "vit")] - if lr > 0.05 { 0.2 } else { 0.0 };
        let luck = [0.0, 0.02, -0.01, 0.05][seed.unwrap_or(3)];
        let is_lost = model == "vit" && lr > 0.05 && seed == Some(2);
        let left = |step: i32| (1.0_f64 - 0.4).powi(step + 1);
        let mut curves = [Vec::new(), Vec::new(), Vec::new()];
        for step in 0..6 {
            let overfit = if step > 3 {
                0.04 * lr.log10().abs()
            } else {
                0.0
            };
            let acc = (quality + luck) * (1.0 - left(step)) - overfit;
            let loss = (2.0 - luck) * left(step) + 0.1 * (1.0 - quality - luck);
            let values = [loss, loss + 0.05 + 2.0 * overfit - luck, acc];
            for (curve, value) in curves.iter_mut().zip(values) {
                let value = (value * 1e4).round() / 1e4;
                curve.push(if is_lost && step > 1 {
                    json!("NaN")
                } else {
                    json!(value)
                });
            }
        }
        let [train, val, acc] = curves;
        let mut params = json!({
            "model": model, "lr": lr, "batch_size": 64 << (n % 2),
            "data": if n < 9 { "v1" } else { "v2" },
        });
        if n == 4 {
            params["lr"] = json!("0.01"); // somebody's script passed it on as text
        }
        if let Some(seed) = seed {
            params["seed"] = json!(seed);
        }
        let record = json!({
            "run_id": match seed {
                Some(seed) => format!("{model}-{lr}-{seed}"),
                None => format!("{model}-{lr}-try"),
            },
            "start": format!("2024-01-{:02}T10:00:00Z", 10 + n),
            "end": format!("2024-01-{:02}T{}:30:00Z", 10 + n, 10 + n % 3),
            "status": if is_lost { "failed" } else { "completed" },
            "reason": if is_lost { "loss is NaN" } else { "" },
            "parameters": params,
            "metrics": {"train/loss": train, "val/loss": val, "val/acc": acc},
            "tags": {"team": if n.is_multiple_of(2) { "vision" } else { "speech" }},
        });
        lines += &(record.to_string() + "\n");
    };
    let mut n = 0;
    for model in ["cnn", "vit"] {
        for lr in [0.1, 0.01, 0.001] {
            for seed in 0..3 {
                add(n, model, lr, Some(seed));
                n += 1;
            }
        }
    }
    add(n, "cnn", 0.01, None);
    dir.import_records(lines, "digits");
    dir
}

/// Asks as in a shell.
fn ask(dir: &Dir, question: &str, answer: impl IntoData) {
    assert_data_eq!(dir.shell(question).ok(), answer);
}

#[test]
fn which_run_was_it() {
    let dir = study();
    // Which was best, and with exactly which params?
    ask(
        &dir,
        "tracker best val/acc --max",
        str![[r#"
ID        NAME          val/acc  STATUS     STARTED     batch_size  data  lr    model
ff5a39e6  cnn-0.01-try   0.8257  completed  2024-01-28  64          v2    0.01  cnn

"#]],
    );
    // Which had the lowest loss at any epoch, not just at the last?
    ask(
        &dir,
        "tracker best val/loss --min --at best -n 2",
        str![[r#"
ID        NAME       min(val/loss)  STATUS     STARTED     batch_size  data  lr   model  seed
debee459  cnn-0.1-1         0.2304  completed  2024-01-11  128         v1    0.1  cnn    1
e14a9c59  vit-0.1-1         0.2404  completed  2024-01-20  64          v2    0.1  vit    1

"#]],
    );
    // Which were the latest?
    ask(
        &dir,
        "tracker ls -n 3",
        str![[r#"
ID        NAME          STATUS     STARTED     train/loss  val/acc  val/loss    TOOK
ff5a39e6  cnn-0.01-try  completed  2024-01-28       0.096   0.8257     0.256  30m00s
d00f20b2  vit-0.001-2   completed  2024-01-27      0.1148   0.6331    0.4148   2h30m
d9fa0ca0  vit-0.001-1   completed  2024-01-26      0.1104   0.6617    0.3804   1h30m

"#]],
    );
    // What failed, and why?
    ask(
        &dir,
        "tracker query \"status = 'failed'\" --columns name,attributes.reason",
        str![[r#"
ID        NAME       REASON
c406cb65  vit-0.1-2  loss is NaN

"#]],
    );
    // Which transformers came above 66 %?
    ask(
        &dir,
        "tracker query \"model = 'vit' and val/acc > 0.66\" --sort -val/acc -n 4",
        str![[r#"
ID        NAME         model  val/acc  STATUS     STARTED
930ece37  vit-0.01-1   vit     0.7017  completed  2024-01-23
15779841  vit-0.01-0   vit     0.6827  completed  2024-01-22
fcc4a37c  vit-0.01-2   vit     0.6731  completed  2024-01-24
d9fa0ca0  vit-0.001-1  vit     0.6617  completed  2024-01-26

"#]],
    );
}

#[test]
fn what_did_we_run() {
    let dir = study();
    // Which rates between two bounds, with the large batches?
    ask(
        &dir,
        "tracker query 'lr between 0.001 and 0.01 and batch_size in (128, 256)' --sort name --columns name,lr,batch_size",
        str![[r#"
ID        NAME         lr     batch_size
f2043128  cnn-0.001-1  0.001  128
3c11f7de  cnn-0.01-0   0.01   128
de1d95fd  cnn-0.01-2   0.01   128
7a93cdf6  vit-0.001-0  0.001  128
d00f20b2  vit-0.001-2  0.001  128
930ece37  vit-0.01-1   0.01   128

"#]],
    );
    // Where did someone pass the rate as text? It counts as the number all the same.
    ask(
        &dir,
        "tracker query \"lr = 0.01 and model = 'cnn'\" --sort name --columns name,lr",
        str![[r#"
ID        NAME          lr
3c11f7de  cnn-0.01-0    0.01
a669cfaa  cnn-0.01-1    0.01
de1d95fd  cnn-0.01-2    0.01
ff5a39e6  cnn-0.01-try  0.01

"#]],
    );
    // And it stands among the numbers.
    ask(
        &dir,
        "tracker query 'model = \"cnn\" and seed = 1' --sort -lr --columns name,lr",
        str![[r#"
ID        NAME         lr
debee459  cnn-0.1-1    0.1
a669cfaa  cnn-0.01-1   0.01
f2043128  cnn-0.001-1  0.001

"#]],
    );
    // What ran that week and took more than an hour?
    ask(
        &dir,
        "tracker query \"start >= '2024-01-15' and start < '2024-01-22' and duration > 1h\" --sort start --columns name,start,duration",
        str![[r#"
ID        NAME         STARTED      TOOK
de1d95fd  cnn-0.01-2   2024-01-15  2h30m
f2043128  cnn-0.001-1  2024-01-17  1h30m
33105901  cnn-0.001-2  2024-01-18  2h30m
e14a9c59  vit-0.1-1    2024-01-20  1h30m
c406cb65  vit-0.1-2    2024-01-21  2h30m

"#]],
    );
    // Which were called like this, whatever the case?
    ask(
        &dir,
        "tracker query \"name ilike 'CNN-%' and name ~ '-(0|try)$'\" --sort name --columns name,team",
        str![[r#"
ID        NAME          team
1cf7bdb8  cnn-0.001-0   vision
3c11f7de  cnn-0.01-0    speech
ff5a39e6  cnn-0.01-try  vision
b20b2b68  cnn-0.1-0     vision

"#]],
    );
    // Who forgot the seed?
    ask(
        &dir,
        "tracker query 'params.seed is null' --columns name,author",
        str![[r#"
ID        NAME          AUTHOR
ff5a39e6  cnn-0.01-try  -

"#]],
    );
    // And what is all that is known of the best one?
    ask(
        &dir,
        "tracker show @best:val/acc",
        str![[r#"
cnn-0.01-try  ff5a39e6c938392b018d4f82f900d8a8
status      completed
experiment  digits
started     2024-01-28 10:00 UTC (2024-01-28)
ended       2024-01-28 10:30 UTC (2024-01-28)
took        30m00s
from        record [..]runs.jsonl blake3:04775e75144d2fb3

params
NAME        VALUE
batch_size  64
data        v2
lr          0.01
model       cnn

metrics
NAME          LAST  AT STEP    MIN  AT STEP     MAX  AT STEP      MEAN  POINTS  NAN
train/loss   0.096        5  0.096        5   1.175        0   0.46975       6    0
val/acc     0.8257        5   0.38        0  0.8269        3  0.696917       6    0
val/loss     0.256        5  0.256        5   1.175        0  0.523083       6    0

tags
NAME  VALUE
team  vision

"#]],
    );
}

#[test]
fn how_did_the_curves_go() {
    let dir = study();
    // Who overfits: by how much is the validation worse?
    ask(
        &dir,
        "tracker query 'val/loss - train/loss > 0.2' --sort '-(val/loss - train/loss)' -n 3 --columns name,'val/loss - train/loss'",
        str![[r#"
ID        NAME         val/loss - train/loss
d00f20b2  vit-0.001-2                    0.3
33105901  cnn-0.001-2                    0.3
7a93cdf6  vit-0.001-0                   0.29

"#]],
    );
    // Who was better before the last epoch?
    ask(
        &dir,
        "tracker query 'max(val/acc) - val/acc > 0.05' --sort name --columns name,'max(val/acc)','argmax(val/acc)',val/acc",
        str![[r#"
ID        NAME         max(val/acc)  argmax(val/acc)  val/acc
7a93cdf6  vit-0.001-0        0.6963                3   0.6427
d9fa0ca0  vit-0.001-1        0.7137                3   0.6617
d00f20b2  vit-0.001-2        0.6876                3   0.6331

"#]],
    );
    // How far was each after three epochs?
    ask(
        &dir,
        "tracker query \"model = 'vit' and seed = 0\" --sort name --columns name,'at(val/acc, 2)'",
        str![[r#"
ID        NAME         at(val/acc, 2)
7a93cdf6  vit-0.001-0          0.6272
15779841  vit-0.01-0           0.6272
21ae4403  vit-0.1-0            0.4704

"#]],
    );
    // What is the mean of the second half?
    ask(
        &dir,
        "tracker query \"model = 'cnn' and seed = 0\" --sort name --columns name,'mean(val/loss where step >= 3)'",
        str![[r#"
ID        NAME         mean(val/loss where step >= 3)
1cf7bdb8  cnn-0.001-0                        0.389333
3c11f7de  cnn-0.01-0                            0.336
b20b2b68  cnn-0.1-0                          0.302667

"#]],
    );
    // Which diverged, and when?
    ask(
        &dir,
        "tracker query 'first_nan(train/loss) is not null' --columns name,'first_nan(train/loss)','nan_count(train/loss)',lr",
        str![[r#"
ID        NAME       first_nan(train/loss)  nan_count(train/loss)  lr
c406cb65  vit-0.1-2                      2                      4  0.1

"#]],
    );
}

#[test]
fn and_what_is_behind_the_curves() {
    let dir = study();
    // Whose loss rises again?
    ask(
        &dir,
        "tracker query 'slope(val/loss, 3) > 0' --sort name --columns name,'slope(val/loss, 3)'",
        str![[r#"
ID        NAME         slope(val/loss, 3)
1cf7bdb8  cnn-0.001-0             0.03705
f2043128  cnn-0.001-1              0.0379
33105901  cnn-0.001-2             0.03665
7a93cdf6  vit-0.001-0             0.03705
d9fa0ca0  vit-0.001-1              0.0379
d00f20b2  vit-0.001-2             0.03665

"#]],
    );
    // Who learned fastest: the smallest area below the curve?
    ask(
        &dir,
        "tracker query 'seed = 1' --sort 'auc(train/loss)' -n 3 --columns name,'auc(train/loss)'",
        str![[r#"
ID        NAME         auc(train/loss)
f2043128  cnn-0.001-1           2.2313
a669cfaa  cnn-0.01-1            2.2313
d9fa0ca0  vit-0.001-1           2.2813

"#]],
    );
    // And without the noise of the last epochs?
    ask(
        &dir,
        "tracker query 'seed = 1' --sort '-smooth(val/acc, 0.5)' -n 2 --columns name,'smooth(val/acc, 0.5)'",
        str![[r#"
ID        NAME         smooth(val/acc, 0.5)
a669cfaa  cnn-0.01-1                0.77207
f2043128  cnn-0.001-1              0.741594

"#]],
    );
    // What are the numbers of one curve?
    ask(
        &dir,
        "tracker series cnn-0.01-1 val/acc --from 3 --format csv",
        str![[r#"
step,time,value
3,2024-01-14T10:00:00Z,0.8008
4,2024-01-14T10:00:00Z,0.7685
5,2024-01-14T10:00:00Z,0.7971

"#]],
    );
    // How do two of them look together?
    ask(
        &dir,
        "tracker series cnn-0.01-1 val/acc --with vit-0.01-1 --plot --width 60 --height 8",
        str![[r#"
0.8 ┤                       ••••••••••••••••••••••••••••••••
    │                •••••••++++++++++++++++++++++++++++++++
0.6 ┤          ••••++++++++++
    │      ••+++++++
0.4 ┤  ••+++++
    │++++
    └───────────────────────────────────────────────────────
     0          1          2         3          4          5
• a669cfaa cnn-0.01-1
+ 930ece37 vit-0.01-1

"#]],
    );
}

#[test]
fn what_do_the_settings_do() {
    let dir = study();
    // How good is each rate?
    ask(
        &dir,
        "tracker ls --group-by lr",
        str![[r#"
lr     n             train/loss              val/acc             val/loss
0.001  6        0.1078 ± 0.0058        0.694 ± 0.054        0.395 ± 0.017
0.01   7        0.1061 ± 0.0070        0.747 ± 0.060        0.306 ± 0.027
0.1    6  0.1264 ± 0.0053 (n=5)  0.595 ± 0.050 (n=5)  0.250 ± 0.015 (n=5)

"#]],
    );
    // Each model with each rate, in all statistics?
    ask(
        &dir,
        "tracker query 'seed is not null' --group-by model,lr --columns val/acc --stats n,mean,sem,max --sort -val/acc",
        str![[r#"
model  lr     n  val/acc n  val/acc mean  val/acc sem  val/acc max
cnn    0.01   3          3        0.7812   0.00840972       0.7971
cnn    0.001  3          3        0.7412   0.00840972       0.7571
vit    0.01   3          3      0.685833   0.00840344       0.7017
vit    0.001  3          3      0.645833   0.00840344       0.6617
cnn    0.1    3          3        0.6305   0.00840972       0.6464
vit    0.1    3          2       0.54155      0.00955       0.5511

"#]],
    );
    // Which setting is best over its seeds?
    ask(
        &dir,
        "tracker best val/acc --max --over seed,batch_size,data -n 3",
        str![[r#"
EXPERIMENT  lr     model  n        val/acc
digits      0.01   cnn    4  0.792 ± 0.025
digits      0.001  cnn    3  0.741 ± 0.015
digits      0.01   vit    3  0.686 ± 0.015

"#]],
    );
    // How often did each rate fail?
    ask(
        &dir,
        "tracker query \"status = 'failed'\" --group-by lr,model --columns val/acc",
        str![[r#"
lr   model  n  val/acc
0.1  vit    1        -

"#]],
    );
    // What is the mean curve of each model, and its band?
    ask(
        &dir,
        "tracker series --runs 'lr = 0.01' val/acc --group-by model --from 4",
        str![[r#"
model  STEP  n      MEAN        STD     MIN     MAX
cnn       4  4   0.76385  0.0243913  0.7408  0.7961
cnn       5  4  0.792325  0.0252291  0.7685  0.8257
vit       4  3  0.660867  0.0140532  0.6486  0.6762
vit       5  3  0.685833  0.0145552  0.6731  0.7017

"#]],
    );
}

#[test]
fn how_do_they_differ() {
    let dir = study();
    // What is the difference between these two?
    ask(
        &dir,
        "tracker compare cnn-0.01-1 vit-0.01-1",
        str![[r#"
                  a669cfaa    930ece37
name              cnn-0.01-1  vit-0.01-1
status            completed   completed
took              1h30m       1h30m
param batch_size  64          128
param data        v1          v2
param lr          "0.01"      0.01
param model       cnn         vit
tag team          vision      speech
last train/loss   0.1004 *    0.1104
last val/acc      0.7971 *    0.7017
last val/loss     0.2904 *    0.3004

same in all: seed=1

"#]],
    );
    // How much better than the baseline, in per cent?
    ask(
        &dir,
        "tracker compare cnn-0.1-0 cnn-0.01-0 cnn-0.001-0 --baseline cnn-0.1-0",
        str![[r#"
                  b20b2b68 (baseline)  3c11f7de                  1cf7bdb8
name              cnn-0.1-0            cnn-0.01-0                cnn-0.001-0
status            completed            completed                 completed
took              30m00s               30m00s                    30m00s
param batch_size  64                   128                       64
param lr          0.1                  0.01                      0.001
tag team          vision               speech                    vision
last train/loss   0.1233               0.1033 * -0.02 (-16.2%)   0.1033 * -0.02 (-16.2%)
last val/acc      0.6273               0.778 * +0.1507 (+24.0%)  0.738 +0.1107 (+17.6%)
last val/loss     0.2533 *             0.3133 +0.06 (+23.7%)     0.3933 +0.14 (+55.3%)

same in all: data=v1, model=cnn, seed=0

"#]],
    );
    // What exactly would I have to set to get from one to the other?
    ask(
        &dir,
        "tracker compare cnn-0.1-0 cnn-0.01-1 --diff",
        str![[r#"
--- b20b2b68 cnn-0.1-0
+++ a669cfaa cnn-0.01-1
@@ params @@
- lr = 0.1
+ lr = "0.01"
- seed = 0
+ seed = 1

"#]],
    );
    // Is there anything in this folder that I shall regret?
    ask(
        &dir,
        "tracker lint || test $? = 1",
        str![[r#"
mixed-type: param "lr" has several types: number in 18 runs, text in 1 run
  1 run: a669cfaa
  log it with one type in all runs
param-in-some: experiment "digits": only some runs have "seed" (18 of 19)
  1 run: ff5a39e6
  log every param in every run, defaults too; examples lack the first

"#]],
    );
    // May I have all of it as a table elsewhere?
    ask(
        &dir,
        "tracker query 'lr < 0.05 and seed = 0' --sort name --columns name,lr,val/acc --format md",
        str![[r#"
| ID | NAME | lr | val/acc |
| --- | --- | --- | ---: |
| 1cf7bdb8 | cnn-0.001-0 | 0.001 | 0.738 |
| 3c11f7de | cnn-0.01-0 | 0.01 | 0.778 |
| 7a93cdf6 | vit-0.001-0 | 0.001 | 0.6427 |
| 15779841 | vit-0.01-0 | 0.01 | 0.6827 |

"#]],
    );
}
