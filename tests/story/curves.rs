//! Curves: points of many runs and metrics, in ranges, sampled, smoothed, followed and drawn.

use std::io::BufRead;
use std::io::BufReader;

use arbitrary::Unstructured;
use serde_json::Value;
use serde_json::json;
use snapbox::assert_data_eq;
use snapbox::str;
use tracker::CurveQuery;
use tracker::Reader;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::Environment;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::query::Cursor;
use tracker::query::X;

use crate::harness::Dir;
use crate::harness::lines;
use crate::harness::text;

type Bits = (i64, i64, u64);

fn bits(points: &[Point]) -> Vec<Bits> {
    let bits = |point: &Point| (point.step, point.time_us, point.value.to_bits());
    points.iter().map(bits).collect()
}

/// Which of some values stay, by the definition; checks what is promised of them.
fn sampled(values: &[f64], most: usize) -> Vec<usize> {
    if values.len() <= most {
        return (0..values.len()).collect();
    }
    let nan_count = values.iter().filter(|value| value.is_nan()).count();
    let odd_count = if values.iter().any(|value| value.is_infinite()) {
        values.len()
    } else {
        nan_count
    };
    let room = most.saturating_sub(2);
    let buckets = (room.saturating_sub(odd_count) / 2).max(room / 3);
    let mut stay = vec![values.len() - 1];
    if most > 1 {
        stay.push(0);
    }
    for bucket in 0..buckets {
        let cut = |bucket| values.len() * bucket / buckets;
        let ranks = || cut(bucket)..cut(bucket + 1);
        let numbers = || ranks().filter(|rank| values[*rank].is_finite());
        let order = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
        stay.extend(numbers().min_by(order)); // the first of equals
        stay.extend(numbers().rev().max_by(order)); // the last of equals, from behind
        stay.extend(ranks().find(|rank| !values[*rank].is_finite()));
    }
    stay.sort_unstable();
    stay.dedup();
    assert!(stay.len() <= most, "{} of at most {most}", stay.len());
    let finite = |ranks: &[usize]| {
        let values = ranks.iter().map(|rank| values[*rank]);
        let values = values.filter(|value| value.is_finite());
        values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)))
    };
    let all: Vec<usize> = (0..values.len()).collect();
    assert!(
        buckets == 0 || finite(&stay) == finite(&all),
        "a peak is lost"
    );
    stay
}

fn smoothed(points: &[Point], alpha: f64) -> Vec<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let smooth = |point: &Point| {
        if !point.value.is_finite() {
            return point.value;
        }
        sum = alpha * sum + (1.0 - alpha) * point.value;
        weight = alpha * weight + (1.0 - alpha);
        sum / weight
    };
    points.iter().map(smooth).collect()
}

/// Holds all that can be asked of a series against its points.
fn check(reader: &Reader, run: RunId, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let all = reader.series(run, "m", &SeriesQuery::default()).unwrap();
    let x_all = reader.series(run, "x", &SeriesQuery::default());
    let some = |u: &mut Unstructured<'_>, range: std::ops::RangeInclusive<i64>| {
        let bound = u.int_in_range(range)?;
        Ok(u.ratio(1, 2)?.then_some(bound))
    };
    let query = SeriesQuery {
        from_step: some(u, -2..=130)?,
        to_step: some(u, -2..=130)?,
        since_us: some(u, -1..=30)?,
        until_us: some(u, -1..=30)?,
        tail: some(u, 0..=90)?.map(|tail| usize::try_from(tail).unwrap()),
    };
    let no_times = SeriesQuery {
        since_us: None,
        until_us: None,
        ..query
    };
    let no_tail = SeriesQuery {
        tail: None,
        ..no_times
    };
    for query in [query, no_times, no_tail, SeriesQuery::default()] {
        let alpha = [0.0, 0.5, 0.9][u.choose_index(3)?];
        let smooth = smoothed(&all, alpha);
        let is_wanted = |point: &Point| {
            query.from_step.is_none_or(|from| point.step >= from)
                && query.to_step.is_none_or(|to| point.step <= to)
                && query.since_us.is_none_or(|since| point.time_us >= since)
                && query.until_us.is_none_or(|until| point.time_us <= until)
        };
        let mut want: Vec<(Point, f64)> = all.iter().copied().zip(smooth).collect();
        want.retain(|(point, _)| is_wanted(point));
        let tail = query.tail.unwrap_or(usize::MAX).min(want.len());
        want.drain(..want.len() - tail);
        let points = |list: &[(Point, f64)]| list.iter().map(|(p, _)| *p).collect::<Vec<_>>();
        let have = reader.series(run, "m", &query).unwrap();
        assert_eq!(bits(&have), bits(&points(&want)), "{query:?}");

        for most in [1, 2, 4, 5, 7, 12, 25, 60] {
            let mut curve_query = CurveQuery {
                points: query,
                sample: Some(most),
                ..CurveQuery::default()
            };
            let values: Vec<f64> = want.iter().map(|(point, _)| point.value).collect();
            let thin: Vec<_> = sampled(&values, most).iter().map(|at| want[*at]).collect();
            let curve = reader.curve(run, "m", &curve_query).unwrap();
            assert_eq!(bits(&curve.points), bits(&points(&thin)), "{curve_query:?}");
            assert_eq!(curve.total, want.len());

            curve_query.smooth = Some(alpha);
            let values: Vec<f64> = want.iter().map(|(_, smooth)| *smooth).collect();
            let thin: Vec<_> = sampled(&values, most).iter().map(|at| want[*at]).collect();
            let curve = reader.curve(run, "m", &curve_query).unwrap();
            assert_eq!(bits(&curve.points), bits(&points(&thin)));
            for (have, (_, want)) in curve.smoothed.iter().zip(&thin) {
                assert_eq!(have.to_bits(), want.to_bits());
            }
        }

        let curve_query = CurveQuery {
            points: query,
            x: X::Metric("x".to_owned()),
            ..CurveQuery::default()
        };
        let curve = reader.curve(run, "m", &curve_query);
        let Ok(x_all) = &x_all else {
            assert!(curve.is_err());
            continue;
        };
        let curve = curve.unwrap();
        let last_at = |step| x_all.iter().rev().find(|x| x.step == step);
        let joined: Vec<(Point, f64)> = want
            .iter()
            .filter_map(|(point, _)| Some((*point, last_at(point.step)?.value)))
            .collect();
        assert_eq!(bits(&curve.points), bits(&points(&joined)));
        let xs: Vec<f64> = joined.iter().map(|(_, x)| *x).collect();
        assert_eq!(curve.x, xs);
        assert_eq!(curve.without_x, want.len() - joined.len());
    }
    Ok(())
}

/// - `base`: about which steps
fn log(writer: &RunWriter, u: &mut Unstructured<'_>, base: i64) -> arbitrary::Result<()> {
    let begin = base + u.int_in_range(0..=5)?;
    let ascends = u.ratio(1, 2)?;
    for n in 0..u.int_in_range(0..=9)? {
        let step = if ascends {
            begin + n / 2
        } else {
            base + u.int_in_range(0..=9)?
        };
        let value = match u.int_in_range(0..=19)? {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -0.0,
            _ => f64::from(u.int_in_range(-9..=9)?),
        };
        let time_us = u.int_in_range(0..=25)?;
        let values = [("m", value), ("x", step as f64 / 2.0)];
        let metrics = if u.ratio(2, 3)? { 2 } else { 1 };
        writer.log_at(step, time_us, &values[..metrics]).unwrap();
    }
    Ok(())
}

#[test]
fn a_curve_is_what_its_points_say_folded_or_not_or_in_part() {
    arbtest::arbtest(|u| {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(&dir.path().join(".tracker")).unwrap();
        let options = RunOptions {
            environment: Some(Environment::default()),
            ..RunOptions::default()
        };
        let owner = store.start_run(options).unwrap();
        let run = owner.id();
        owner.log_at(0, 0, &[("m", 1.0)]).unwrap();
        let (mut cursor, mut followed) = (Cursor::default(), Vec::new());
        // Segments lie one behind the other, or over each other.
        let (mut base, stride) = (0, u.int_in_range(0..=10)?);
        for _ in 0..u.int_in_range(1..=12)? {
            base += stride;
            let other = store.join_run(run).unwrap();
            log(&other, u, base)?;
            if u.ratio(1, 3)? {
                followed.extend(bits(&after(&store, run, &mut cursor)));
            }
            log(&other, u, base)?;
            other.close().unwrap();
            log(&owner, u, base)?;
            if u.ratio(1, 2)? {
                store.fold(None).unwrap();
            }
            if u.ratio(1, 2)? {
                followed.extend(bits(&after(&store, run, &mut cursor)));
            }
        }
        check(&store.reader().unwrap(), run, u)?;
        drop(owner); // its writer is gone: the run has failed, and is folded whole
        store.fold(None).unwrap();
        let reader = store.reader().unwrap();
        check(&reader, run, u)?;
        // Who follows is told each point once.
        followed.extend(bits(&after(&store, run, &mut cursor)));
        let mut all = bits(&reader.series(run, "m", &SeriesQuery::default()).unwrap());
        all.sort_unstable();
        followed.sort_unstable();
        assert_eq!(followed, all);
        let mut end = reader.series_end(run, "m").unwrap();
        assert_eq!(after(&store, run, &mut end), []);
        Ok(())
    })
    .size_min(4_096) // with less the later choices would all be the first
    .budget_ms(4_000);
}

fn after(store: &Store, run: RunId, cursor: &mut Cursor) -> Vec<Point> {
    let reader = store.reader().unwrap();
    reader.series_after(run, "m", cursor).unwrap()
}

#[test]
fn a_long_series_is_sampled_by_the_heads_of_its_chunks_as_by_its_points() {
    const POINTS: i64 = 120_000;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(&dir.path().join(".tracker")).unwrap();
    let writer = store.start_run(RunOptions::default()).unwrap();
    let run = writer.id();
    let metric = writer.metric("m").unwrap();
    for step in 0..POINTS {
        // A curve with noise, flat stretches, a peak each 10,007 steps and NaN each 20,011.
        let noise = (step.wrapping_mul(2_654_435_761) % 1_000) as f64 / 1_000.0;
        metric
            .log(
                step,
                match step {
                    _ if step % 20_011 == 5 => f64::NAN,
                    _ if step % 10_007 == 9 => 100.0 + noise,
                    30_000..50_000 => 0.25,
                    _ => 1.0 / (1.0 + step as f64 / 1e4) + noise,
                },
            )
            .unwrap();
    }
    let compare = |what: &str| {
        let reader = store.reader().unwrap();
        let all = reader.series(run, "m", &SeriesQuery::default()).unwrap();
        for (from, to) in [(0, POINTS), (7_000, 99_999), (40_000, 40_100)] {
            let points = SeriesQuery {
                from_step: Some(from),
                to_step: Some(to),
                ..SeriesQuery::default()
            };
            let within = |point: &&Point| (from..=to).contains(&point.step);
            let want: Vec<Point> = all.iter().filter(within).copied().collect();
            let values: Vec<f64> = want.iter().map(|point| point.value).collect();
            for most in [1, 2, 3, 4, 10, 99, 1_000, 30_000, 200_000] {
                let query = CurveQuery {
                    points,
                    sample: Some(most),
                    ..CurveQuery::default()
                };
                let curve = reader.curve(run, "m", &query).unwrap();
                let stay = sampled(&values, most);
                let stay: Vec<Point> = stay.iter().map(|at| want[*at]).collect();
                assert_eq!(
                    bits(&curve.points),
                    bits(&stay),
                    "{what}: {most} of {from}..={to}"
                );
            }
            for tail in [0, 1, 4_096, 5_000, 500_000] {
                let points = SeriesQuery {
                    tail: Some(tail),
                    ..points
                };
                let have = reader.series(run, "m", &points).unwrap();
                let last = &want[want.len().saturating_sub(tail)..];
                assert_eq!(
                    bits(&have),
                    bits(last),
                    "{what}: the last {tail} of {from}..={to}"
                );
            }
        }
    };
    compare("live");
    writer.close().unwrap();
    store.fold(None).unwrap();
    compare("folded");
}

/// Three runs with known times; the last lacks a metric, and has one of its own.
fn runs() -> Dir {
    let dir = Dir::new();
    let mut records = String::new();
    for (n, name) in (0..).zip(["first", "second", "third"]) {
        let start = 1_705_312_800_000_000_i64 + n * 3_600_000_000;
        let steps: Vec<i64> = (0..40).collect();
        let times: Vec<i64> = steps.iter().map(|step| start + step * 90_000_000).collect();
        let series = |value: &dyn Fn(i64) -> Value| {
            let values: Vec<Value> = steps.iter().map(|step| value(*step)).collect();
            json!({"steps": steps, "times_us": times, "values": values})
        };
        let mut all = json!({
            "loss": series(&|step| json!(1.0 / (1.0 + step as f64) + n as f64 / 10.0)),
            "val/acc": series(&|step| json!(step as f64 / 40.0)),
            "val/f1": series(&|step| if step == 20 { json!("NaN") } else { json!(step - 5) }),
            "epoch": series(&|step| json!(step / 10)),
        });
        if n == 2 {
            let series = all.as_object_mut().unwrap();
            series.remove("val/f1");
            series.insert(
                "never".to_owned(),
                json!({
                    "steps": [0, 1], "times_us": [start, start + 1], "values": ["NaN", "NaN"],
                }),
            );
        }
        let record = json!({
            "record_version": 1,
            "id": format!("{:032x}", n + 1),
            "name": name,
            "status": "completed",
            "start": format!("2024-01-15T1{n}:00:00Z"),
            "end": format!("2024-01-15T1{}:00:00Z", n + 1),
            "params": {"lr": 0.1 * (n + 1) as f64},
            "series": all,
        });
        records.push_str(&record.to_string());
        records.push('\n');
    }
    dir.write("runs.jsonl", records);
    dir.ok(&["import", "runs.jsonl"]);
    dir
}

#[test]
fn many_runs_and_metrics_are_read_in_one_call() {
    let dir = runs();
    let (out, err) = dir
        .call(&["series", "--last", "3", "loss", "val/*", "--tail", "1"])
        .said();
    assert_data_eq!(
        out,
        str![[r#"
RUN       METRIC   STEP  TIME (UTC)               VALUE
00000000  loss       39  2024-01-15 12:58:30.000  0.225
00000000  val/acc    39  2024-01-15 12:58:30.000  0.975
00000000  loss       39  2024-01-15 11:58:30.000  0.125
00000000  val/acc    39  2024-01-15 11:58:30.000  0.975
00000000  val/f1     39  2024-01-15 11:58:30.000  34
00000000  loss       39  2024-01-15 10:58:30.000  0.025
00000000  val/acc    39  2024-01-15 10:58:30.000  0.975
00000000  val/f1     39  2024-01-15 10:58:30.000  34

"#]]
    );
    assert_eq!(err, "");
    // A run that lacks what others have is named once.
    let (out, err) = dir
        .call(&[
            "series", "second", "val/f1", "loss", "val/f1", "--with", "third",
        ])
        .args(&["--with", "second", "--from", "39", "--format", "csv"])
        .said();
    let row = |line: &str| line.split_once(',').unwrap().1.to_owned();
    let rows: Vec<String> = out.lines().map(row).collect();
    let time = |hour| format!("39,2024-01-15T{hour}:58:30Z");
    assert_eq!(
        rows,
        [
            "metric,step,time,value".to_owned(),
            format!("val/f1,{},34.0", time(11)),
            format!("loss,{},0.125", time(11)),
            format!("loss,{},0.225", time(12)),
        ]
    );
    assert_eq!(err, "warning: run 00000000 has no metric \"val/f1\"\n");
    // The runs of a filter, and of these the latest.
    let names = |args: &[&str]| {
        let points = dir.json(&[&["series"], args, &["epoch", "--tail", "1"]].concat());
        let run = |point: &Value| point["run"].as_str().unwrap().to_owned();
        points
            .as_array()
            .unwrap()
            .iter()
            .map(run)
            .collect::<Vec<_>>()
    };
    let id = |n: u8| dir.run(["first", "second", "third"][usize::from(n)])["id"].clone();
    assert_eq!(names(&["--runs", "lr < 0.25"]), [id(1), id(0)]);
    assert_eq!(names(&["--runs", "lr < 0.25", "--last", "1"]), [id(1)]);
    assert_eq!(names(&["--runs", "lr > 7"]), [""; 0]);
    // A single name asks for one series, a wildcard for any number.
    assert_eq!(
        dir.json(&["series", "first", "loss", "--to", "0"])[0]["run"],
        Value::Null
    );
    assert!(dir.json(&["series", "first", "loss*", "--to", "0"])[0]["run"].is_string());
}

#[test]
fn points_are_smoothed_sampled_and_told_over_time_or_another_metric() {
    let dir = runs();
    let (out, err) = dir
        .call(&[
            "series", "first", "loss", "--smooth", "0.5", "--x", "time", "--to", "2",
        ])
        .said();
    assert_data_eq!(
        out,
        str![[r#"
STEP  TIME (UTC)                 X  VALUE     SMOOTHED
   0  2024-01-15 10:00:00.000    0  1         1
   1  2024-01-15 10:01:30.000   90  0.5       0.666667
   2  2024-01-15 10:03:00.000  180  0.333333  0.47619

"#]]
    );
    assert_eq!(
        err,
        "note: smoothed: debiased exponential moving average from each first point on, alpha 0.5\n"
    );
    // Smoothed from the first point on, whatever part is shown; the value stays beside it.
    let tail = ["series", "first", "loss", "--smooth", "0.5", "--tail", "1"];
    let (last, whole) = (dir.json(&tail), dir.json(&tail[..5]));
    assert_eq!(last[0], whole[39]);
    assert_eq!(last[0]["value"], 0.025);
    let csv = dir.ok(&[&tail[..], &["--format", "csv", "--x", "epoch"]].concat());
    assert!(csv.starts_with("step,time,x,value,smoothed\n39,2024-01-15T10:58:30Z,3.0,0.025,0.02"));
    let md = dir.ok(&[&tail[..], &["--format", "md", "--x", "epoch"]].concat());
    assert!(md.starts_with("| step | time (UTC) | x | value | smoothed |\n| ---: | --- | ---: |"));

    let (out, err) = dir
        .call(&[
            "series", "first", "val/f1", "--sample", "9", "--format", "jsonl",
        ])
        .said();
    assert_eq!(
        err,
        "note: sampled: 7 of 40 points, with the extremes of every stretch\n"
    );
    let points: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<i64> = points
        .iter()
        .map(|point| point["step"].as_i64().unwrap())
        .collect();
    assert_eq!(steps, [0, 12, 13, 20, 25, 26, 39]);
}

#[test]
fn a_range_is_of_steps_or_of_time() {
    let dir = runs();
    let steps = |args: &[&str]| {
        let points = dir.json(&[&["series", "first", "loss"], args].concat());
        let step = |point: &Value| point["step"].as_i64().unwrap();
        points
            .as_array()
            .unwrap()
            .iter()
            .map(step)
            .collect::<Vec<_>>()
    };
    assert_eq!(steps(&["--since", "2024-01-15T10:57"]), [38, 39]);
    assert_eq!(steps(&["--until", "2024-01-15 10:01:30"]), [0, 1]);
    assert_eq!(steps(&["--until", "2024-01-15 10:01"]), [0, 1]); // that minute is within it
    assert_eq!(steps(&["--since", "3m"]), [38, 39]); // before its end at 11:00
    assert_eq!(steps(&["--since", "1h", "--until", "58m30s"]), [0, 1]);
    assert_eq!(
        steps(&["--from", "3", "--to", "30", "--until", "10m", "--tail", "2"]),
        [29, 30]
    );
    let (out, err) = dir
        .call(&["series", "first", "loss", "--since", "2025-01-01"])
        .said();
    assert_eq!(out, "STEP  TIME (UTC)               VALUE\n");
    assert_eq!(
        err,
        "note: no points in this range; there are steps 0 to 39, \
         from 2024-01-15 10:00:00.000 to 2024-01-15 10:58:30.000 UTC\n"
    );
}

#[test]
fn curves_are_drawn_on_forty_columns_without_colour() {
    let dir = runs();
    let (out, err) = dir
        .call(&[
            "series", "--last", "2", "loss", "--plot", "--log-y", "--x", "time",
        ])
        .args(&["--width", "40", "--height", "10"])
        .said();
    assert_eq!(err, "");
    assert_data_eq!(
        out,
        str![[r#"
  1 ┤+
    │+•
    │ +•
0.5 ┤ ++•
    │  ++••••••
    │    +++  ••••••••••••••••••••••••••
0.2 ┤      ++++++++
    │              +++++++++++++++++++++
    └───────────────────────────────────
     0s      15m     30m      45m
x: time since start; y: log
• 00000000 third
+ 00000000 second

"#]]
    );
    let (out, _) = dir
        .call(&["series", "first", "val/f1", "--plot", "--log-y", "--log-x"])
        .args(&["--width", "40", "--height", "8"])
        .said();
    assert_data_eq!(
        out,
        str![[r#"
20 ┤                           ⣀⣀⣀⠤⠤⠔⠒⠊⠉
   │                  ⢀⣀⣀⠤⠄ ⠒⠊⠉
   │           ⢀⡠⠤⠒⠒⠒⠉⠁
   │      ⢀⡠⠤⠒⠊⠁
   │  ⢀⠤⠒⠉⠁
   │⡠⠒⠁
   └────────────────────────────────────
             10           20
x: log; y: log
── val/f1
   (1 NaN or infinite, not drawn)
   (6 not positive, not drawn)

"#]]
    );
}

#[test]
fn what_cannot_be_answered_says_why_and_what_to_do() {
    let dir = runs();
    dir.call(&["series", "--last", "3", "val/ac"]).fails(
        1,
        str![[r#"
error: none of these 3 runs has a metric "val/ac"
hint: did you mean "val/acc" or "val/f1"?

"#]],
    );
    dir.call(&["series", "first", "loss", "test/*"]).fails(
        1,
        str![[r#"
error: run 00000000 first has no metric "test/*"
hint: it has epoch, loss, val/acc, val/f1

"#]],
    );
    dir.call(&["series", "first", "loss", "--x", "epochs"])
        .fails(
            1,
            str![[r#"
error: run 00000000 first has no metric "epochs"
hint: did you mean "epoch"?

"#]],
        );
    let id = dir.start(&["--name", "bare"]);
    dir.call(&["series", &id, "loss"]).fails(
        1,
        str![[r#"
error: run [..] bare has no metric "loss"
hint: it has none yet

"#]],
    );
    let zeros = ["series", "first", "epoch", "--to", "9", "--plot", "--log-y"];
    dir.call(&zeros).fails(
        1,
        str![[r#"
error: nothing to draw: no value is positive for --log-y
hint: leave out --log-y

"#]],
    );
    let never = ["series", "third", "never", "--plot", "--log-x", "--log-y"];
    let said = (
        String::new(),
        "note: nothing to draw: no finite point\n".to_owned(),
    );
    assert_eq!(dir.call(&never).said(), said);
    for (wrong, why) in [
        (&["first"][..], "no METRIC is named"),
        (
            &["first", "loss", "--smooth", "1"],
            "invalid value '1' for '--smooth <ALPHA>'",
        ),
        (
            &["first", "loss", "--smooth", "-0.1"],
            "invalid value '-0.1' for '--smooth <ALPHA>'",
        ),
        (
            &["first", "loss", "--sample", "0"],
            "invalid value '0' for '--sample <N>'",
        ),
        (
            &["--last", "0", "loss"],
            "invalid value '0' for '--last <N>'",
        ),
        (
            &["first", "loss", "--since", "later"],
            "invalid value 'later' for '--since <TIME>'",
        ),
        (
            &["first", "loss", "--from", "5", "--to", "4"],
            "--from 5 is after --to 4",
        ),
        (
            &["first", "loss", "--follow", "--plot"],
            "--follow prints points as they come",
        ),
        (
            &["first", "loss", "--follow", "--sample", "9"],
            "--sample needs the end",
        ),
        (
            &["first", "loss", "-f", "--format", "json"],
            "--follow has no end",
        ),
        (
            &["first", "loss", "--log-y"],
            "the following required arguments were not provided",
        ),
    ] {
        let output = dir.call(&[&["series"], wrong].concat()).output();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(
            (output.status.code(), out.as_str()),
            (Some(2), ""),
            "{wrong:?}"
        );
        assert!(
            err.starts_with(&format!("error: {why}")),
            "{wrong:?}: {err}"
        );
    }
}

#[test]
fn a_live_run_is_followed_until_it_ends() {
    let dir = Dir::new();
    let (live, late) = (
        dir.start(&["--name", "live"]),
        dir.start(&["--name", "late"]),
    );
    dir.call(&["log", &live, "-"])
        .input(lines(5, |step| {
            format!("{{\"loss\": {step}, \"epoch\": {}}}", step / 2)
        }))
        .ok();
    let call = dir.call(&[
        "series", &live, "loss", "--with", &late, "--format", "jsonl",
    ]);
    let mut child = call
        .args(&["--tail", "2", "-f", "--smooth", "0.5", "--x", "epoch"])
        .spawn();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || {
        let point: Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
        let of = if point["run"] == *live {
            "live"
        } else {
            "late"
        };
        (
            of,
            point["step"].as_i64().unwrap(),
            point["x"].as_f64().unwrap(),
        )
    };
    assert_eq!([next(), next()], [("live", 3, 1.0), ("live", 4, 2.0)]);
    dir.ok(&["log", &live, "--step", "5", "loss=0.5"]); // waits for its epoch
    dir.ok(&["log", &late, "--step", "9", "loss=1", "epoch=7"]);
    assert_eq!(next(), ("late", 9, 7.0));
    dir.ok(&["log", &live, "--step", "5", "epoch=2"]);
    assert_eq!(next(), ("live", 5, 2.0));
    dir.ok(&[
        "finish",
        &late,
        "--status",
        "failed",
        "--reason",
        "out of memory",
    ]);
    dir.ok(&["log", &live, "--step", "6", "loss=0.25", "epoch=3"]);
    assert_eq!(next(), ("live", 6, 3.0));
    dir.ok(&["log", &live, "--step", "7", "loss=0.125"]);
    dir.ok(&["finish", &live]);
    assert!(said.next().is_none());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_data_eq!(
        text(output.stderr),
        str![[r#"
warning: run [..] has no metric "loss"
note: smoothed: debiased exponential moving average from each first point on, alpha 0.5
warning: run [..] late failed: out of memory
note: run [..] live completed
warning: left out 1 point at steps where "epoch" has none

"#]]
    );
}

#[cfg(unix)]
#[test]
fn who_follows_is_told_of_a_death_and_goes_when_nobody_reads() {
    let dir = Dir::new();
    let script = "tracker log @this --step 1 loss=1; echo begun; cat > rest";
    let mut training = dir
        .call(&["run", "--name", "doomed", "--", "sh", "-c", script])
        .spawn();
    let mut said = BufReader::new(training.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "begun");
    let follow = || {
        dir.call(&["series", "doomed", "loss", "-f", "--format", "csv"])
            .spawn()
    };
    let (mut first, second) = (follow(), follow());
    let mut points = BufReader::new(first.stdout.take().unwrap()).lines();
    assert_eq!(points.next().unwrap().unwrap(), "step,time,value");
    assert!(points.next().unwrap().unwrap().ends_with(",1.0"));
    drop(points); // nobody reads the first any more
    let output = first.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(output.stderr)),
        (Some(0), String::new())
    );
    training.kill().unwrap();
    training.wait().unwrap();
    let output = second.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_data_eq!(
        text(output.stderr),
        str![[r#"
warning: run [..] doomed failed; it was last heard of at [..] UTC

"#]]
    );
}
