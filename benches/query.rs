//! Questions to a folded store: which runs, and how a series went.
//!
//! `query/runs` opens a reader, filters, sorts and takes twenty; `query/groups` opens one and takes
//! mean and deviation of two metrics by a param. Yardsticks: the same questions to a plain list in
//! memory. `series/read` is a million points of one series. Yardsticks: as many points copied, and
//! read from bytes that were never encoded. `series/sample` keeps a thousand points of ten million,
//! with the extremes of each bucket, by the heads of chunks. Yardstick: all points read and looked
//! at. `live/tail` is from the call that
//! logs a step to its point in the hand of somebody who looks anew, with so many steps before it
//! not yet sealed. Yardstick: the file of these rows read whole.

mod common;

use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::time::Duration;

use criterion::BenchmarkId;
use criterion::Criterion;
use criterion::Throughput;

use common::Runs;
use tempfile::TempDir;
use tracker::CurveQuery;
use tracker::Query;
use tracker::RunOptions;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::model::Point;
use tracker::query::GroupBy;
use tracker::query::GroupQuery;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    runs(&mut criterion);
    series(&mut criterion);
    sample(&mut criterion);
    live(&mut criterion);
    criterion.final_summary();
}

fn runs(criterion: &mut Criterion) {
    let (_folder, store) = common::store();
    let count = common::size(10_000, 50);
    Runs {
        count,
        params: 10,
        metrics: 10,
        steps: 2,
    }
    .add_to(&store);
    common::fold(&store);
    let query = Query {
        filter: Some("metrics.train/metric_0 > 0.2 and params.model = 'rf'".to_owned()),
        sort: vec!["-metrics.train/metric_1".to_owned()],
        limit: Some(20),
    };
    let mut group = criterion.benchmark_group("query");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(BenchmarkId::new("open", count), |bencher| {
        bencher.iter(|| store.reader().unwrap());
    });
    group.bench_function(BenchmarkId::new("runs", count), |bencher| {
        bencher.iter(|| store.reader().unwrap().runs(&query).unwrap());
    });
    let reader = store.reader().unwrap();
    let ids = reader.run_ids().unwrap();
    let prefixes: Vec<String> = ids.iter().map(|id| id.short()).collect();
    let mut turn = prefixes.iter().cycle();
    group.bench_function(BenchmarkId::new("prefix", count), |bencher| {
        bencher.iter(|| reader.find_run(turn.next().unwrap()).unwrap());
    });
    let table: Vec<(f64, f64, String)> = reader
        .runs(&Query::default())
        .unwrap()
        .iter()
        .map(|run| {
            let last = |name| run.metrics[name].last.unwrap().value;
            let model = run.params["model"].to_json().to_string();
            (last("train/metric_0"), last("train/metric_1"), model)
        })
        .collect();
    group.bench_function(BenchmarkId::new("yardstick-memory", count), |bencher| {
        bencher.iter(|| {
            let matches = table.iter().filter(|row| row.0 > 0.2 && row.2 == "\"rf\"");
            let mut found: Vec<_> = matches.collect();
            found.sort_by(|a, b| b.1.total_cmp(&a.1));
            found.into_iter().take(20).cloned().collect::<Vec<_>>()
        });
    });
    let groups = GroupQuery {
        filter: None,
        by: GroupBy::Fields(vec!["params.model".to_owned()]),
        values: ["train/metric_0", "train/metric_1"]
            .map(|name| format!("metrics.{name}"))
            .into(),
        sort: Vec::new(),
        limit: None,
    };
    group.bench_function(BenchmarkId::new("groups", count), |bencher| {
        bencher.iter(|| store.reader().unwrap().groups(&groups).unwrap());
    });
    group.bench_function(BenchmarkId::new("yardstick-groups", count), |bencher| {
        bencher.iter(|| {
            let mut groups: HashMap<&str, [Vec<f64>; 2]> = HashMap::new();
            for (first, second, model) in &table {
                let [firsts, seconds] = groups.entry(model).or_default();
                firsts.push(*first);
                seconds.push(*second);
            }
            let spread = |values: &Vec<f64>| {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
                (mean, (squares / (values.len() - 1) as f64).sqrt())
            };
            groups
                .into_iter()
                .map(|(model, values)| (model.to_owned(), values.each_ref().map(spread)))
                .collect::<Vec<_>>()
        });
    });
    group.finish();
}

/// A folded store with a run of one metric.
fn one_series(steps: usize) -> (TempDir, Store) {
    let (folder, store) = common::store();
    Runs {
        count: 1,
        params: 1,
        metrics: 1,
        steps,
    }
    .add_to(&store);
    common::fold(&store);
    (folder, store)
}

fn series(criterion: &mut Criterion) {
    let steps = common::size(1_000_000, 10_000);
    let (_folder, store) = one_series(steps);
    let reader = store.reader().unwrap();
    let (run, metric) = (reader.run_ids().unwrap()[0], &common::names(1)[0]);
    let mut group = criterion.benchmark_group("series");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(steps as u64));
    group.bench_function(BenchmarkId::new("read", steps), |bencher| {
        bencher.iter(|| {
            let points = reader.series(run, metric, &SeriesQuery::default()).unwrap();
            assert_eq!(points.len(), steps);
            points
        });
    });
    let middle = i64::try_from(steps / 2).unwrap();
    let range = SeriesQuery {
        from_step: Some(middle),
        to_step: Some(middle + 999),
        ..SeriesQuery::default()
    };
    group.bench_function(BenchmarkId::new("thousand", steps), |bencher| {
        bencher.iter(|| reader.series(run, metric, &range).unwrap());
    });
    let points = reader.series(run, metric, &SeriesQuery::default()).unwrap();
    group.bench_function(BenchmarkId::new("yardstick-copy", steps), |bencher| {
        bencher.iter(|| black_box(&points).clone());
    });
    let bytes: Vec<u8> = points
        .iter()
        .flat_map(
            |Point {
                 step,
                 time_us,
                 value,
             }| {
                [
                    step.to_le_bytes(),
                    time_us.to_le_bytes(),
                    value.to_le_bytes(),
                ]
                .concat()
            },
        )
        .collect();
    group.bench_function(BenchmarkId::new("yardstick-raw", steps), |bencher| {
        bencher.iter(|| decode(black_box(&bytes)));
    });
    group.finish();
}

fn sample(criterion: &mut Criterion) {
    const MOST: usize = 1_000;
    let steps = common::size(10_000_000, 20_000);
    let (_folder, store) = one_series(steps);
    let reader = store.reader().unwrap();
    let (run, metric) = (reader.run_ids().unwrap()[0], &common::names(1)[0]);
    let query = CurveQuery {
        sample: Some(MOST),
        ..CurveQuery::default()
    };
    let by_points = || {
        let points = reader.series(run, metric, &SeriesQuery::default()).unwrap();
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let stay = tracker::query::sample(&values, MOST);
        stay.into_iter().map(|at| points[at]).collect::<Vec<_>>()
    };
    assert_eq!(
        reader.curve(run, metric, &query).unwrap().points,
        by_points()
    );
    let mut group = criterion.benchmark_group("series");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(steps as u64));
    group.bench_function(BenchmarkId::new("sample", steps), |bencher| {
        bencher.iter(|| reader.curve(run, metric, &query).unwrap());
    });
    group.bench_function(BenchmarkId::new("yardstick-points", steps), |bencher| {
        bencher.iter(by_points);
    });
    group.finish();
}

fn live(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("live");
    group.measurement_time(Duration::from_secs(1));
    let (names, losses) = (common::names(10), common::losses(10, 1_000));
    let names = names.iter().map(String::as_str);
    let rows: Vec<Vec<(&str, f64)>> = losses
        .iter()
        .map(|losses| names.clone().zip(losses.iter().copied()).collect())
        .collect();
    for unsealed in [100, 1_000, 10_000].map(|steps| common::size(steps, steps / 50)) {
        let (_folder, store) = common::store();
        let run = store.start_run(RunOptions::default()).unwrap();
        let mut steps = (0i64..).zip(rows.iter().cycle());
        let mut log = || {
            let (step, row) = steps.next().unwrap();
            run.log(step, row).unwrap();
            step
        };
        for _ in 0..unsealed {
            log();
        }
        group.bench_function(BenchmarkId::new("tail", unsealed), |bencher| {
            bencher.iter(|| {
                let step = Some(log());
                let range = SeriesQuery {
                    from_step: step,
                    ..SeriesQuery::default()
                };
                let reader = store.reader().unwrap();
                let points = reader.series(run.id(), rows[0][0].0, &range).unwrap();
                assert_eq!(points.last().map(|point| point.step), step);
            });
        });
        group.bench_function(BenchmarkId::new("yardstick-file", unsealed), |bencher| {
            bencher.iter(|| {
                let files = common::files(&store.path().join("live"), ".seg");
                files
                    .iter()
                    .map(|file| fs::read(file).unwrap().len())
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

fn decode(bytes: &[u8]) -> Vec<Point> {
    let (words, _) = bytes.as_chunks::<8>();
    let (points, _) = words.as_chunks::<3>();
    let point = |&[step, time, value]: &[[u8; 8]; 3]| Point {
        step: i64::from_le_bytes(step),
        time_us: i64::from_le_bytes(time),
        value: f64::from_le_bytes(value),
    };
    points.iter().map(point).collect()
}
