//! What must come of operations: lists and maps, and the rules of the store said once more.

use std::collections::BTreeMap;

use tracker::Reader;
use tracker::SeriesQuery;
use tracker::model::BlobId;
use tracker::model::Flow;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::model::Summary;
use tracker::model::Version;

/// A point with what decides its place.
#[derive(Clone, Debug)]
pub(crate) struct ModelPoint {
    pub(crate) step: i64,
    /// None until it was read: it was logged now.
    pub(crate) time_us: Option<i64>,
    pub(crate) value: f64,
    pub(crate) writer: u64,
    /// Counts all that was logged.
    pub(crate) order: u64,
}

/// How a run was finished.
#[derive(Clone, Debug)]
pub(crate) struct ModelFinish {
    pub(crate) order: u64,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) end_us: Option<i64>,
}

/// A run.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelRun {
    pub(crate) name: String,
    pub(crate) detached: bool,
    /// Set to which value by how-manieth record.
    pub(crate) params: BTreeMap<String, Vec<ParamValue>>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) note: Option<String>,
    /// Versions of its files.
    pub(crate) files: BTreeMap<(Flow, String), Vec<Vec<u8>>>,
    pub(crate) series: BTreeMap<String, Vec<ModelPoint>>,
    /// When an owner opened it last.
    pub(crate) opened: Option<u64>,
    pub(crate) finished: Option<ModelFinish>,
    /// Owners and members that are there.
    pub(crate) alive: usize,
    /// An owner that stayed open after an end by another may have told again that it is there.
    pub(crate) blurred: bool,
}

/// All runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) runs: BTreeMap<RunId, ModelRun>,
    /// What each stands for.
    pub(crate) aliases: BTreeMap<String, (RunId, Flow, String, BlobId)>,
    order: u64,
}

impl Model {
    /// Counts one more thing that happened.
    pub(crate) fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// Compares all with a reader.
    pub(crate) fn check(&mut self, reader: &Reader) {
        let warnings = reader.warnings();
        assert!(
            !warnings.iter().any(|text| text.contains("corrupt")),
            "{warnings:?}"
        );
        let ids: Vec<RunId> = self.runs.keys().copied().collect();
        assert_eq!(reader.run_ids().unwrap(), ids);
        for (id, run) in &mut self.runs {
            for (metric, points) in &mut run.series {
                let query = SeriesQuery::default();
                let have = reader.series(*id, metric, &query).unwrap();
                learn_times(points, &have);
                points.sort_by_key(|point| (point.step, point.time_us, point.writer, point.order));
                assert_eq!(bits(&have), model_bits(points), "series {metric} of {id}");
                check_range(reader, *id, metric, points);
            }
            run.check(&reader.run(*id).unwrap());
        }
        self.check_queries(reader);
        self.check_files(reader);
    }

    /// Versions, who has which bytes, and aliases.
    fn check_files(&self, reader: &Reader) {
        let mut owners: BTreeMap<BlobId, Vec<Told>> = BTreeMap::new();
        for (id, run) in &self.runs {
            let mut want = Vec::new();
            for ((flow, path), versions) in &run.files {
                for (bytes, number) in versions.iter().zip(0..) {
                    want.push((*id, *flow, path.clone(), number));
                    let blob = blob(bytes);
                    let told = (*id, *flow, path.clone(), number);
                    owners.entry(blob).or_default().push(told);
                }
            }
            let have = reader.versions(*id).unwrap();
            let have: Vec<Told> = have.iter().map(|version| told(*id, version)).collect();
            assert_eq!(have, want, "versions of {id}");
        }
        for (blob, want) in owners {
            let have = reader.who(blob).unwrap().into_iter();
            let have: Vec<Told> = have.map(|file| told(file.run, &file.version)).collect();
            assert_eq!(have, want, "who has {blob}");
            let prefix = &blob.to_string()[..12];
            assert_eq!(reader.blobs_with_prefix(prefix).unwrap(), [blob]);
        }
        assert!(reader.who(BlobId([1; 32])).unwrap().is_empty());
        let have = reader.aliases().unwrap().into_iter().map(|alias| {
            let file = alias.version.unwrap().artifact;
            (alias.name, (alias.run, file.flow, file.path, file.blob))
        });
        assert_eq!(have.collect::<BTreeMap<_, _>>(), self.aliases);
    }

    fn check_queries(&self, reader: &Reader) {
        let query = tracker::Query::default();
        assert_eq!(reader.runs(&query).unwrap().len(), self.runs.len());
        let last = |run: &ModelRun| run.series.get("loss")?.last().map(|point| point.value);
        let lasts = || self.runs.iter().map(|(id, run)| (*id, last(run)));
        if lasts().any(|(_, last)| last.is_some()) {
            for bound in [-1.0, 0.0, 0.5] {
                let filter = format!("metrics.loss > {bound}");
                let want = lasts().filter(|(_, last)| last.is_some_and(|last| last > bound));
                let want: Vec<RunId> = want.map(|(id, _)| id).collect();
                assert_eq!(ids(reader, &filter, "-metrics.loss"), want, "{filter}");
            }
            let sorted = tracker::Query {
                sort: vec!["-metrics.loss".to_owned()],
                ..tracker::Query::default()
            };
            let sorted = reader.runs(&sorted).unwrap();
            let values: Vec<f64> = sorted
                .iter()
                .filter_map(|run| last(&self.runs[&run.id]))
                .map(|value| {
                    if value.is_nan() {
                        f64::NEG_INFINITY
                    } else {
                        value
                    }
                })
                .collect();
            assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
        }
        let key = "lr";
        if self.runs.values().any(|run| run.params.contains_key(key)) {
            let want = self.runs.iter().filter(|(_, run)| {
                run.params
                    .get(key)
                    .is_some_and(|values| values[0] == ParamValue::Int(1))
            });
            let want: Vec<RunId> = want.map(|(id, _)| *id).collect();
            let found = ids(reader, "params.lr = 1", "params.lr");
            assert!(
                want.iter().all(|id| found.contains(id)),
                "{want:?} in {found:?}"
            );
        }
    }
}

fn ids(reader: &Reader, filter: &str, sort: &str) -> Vec<RunId> {
    let query = tracker::Query {
        filter: Some(filter.to_owned()),
        sort: vec![sort.to_owned()],
        limit: None,
    };
    let mut ids: Vec<RunId> = reader
        .runs(&query)
        .unwrap()
        .iter()
        .map(|run| run.id)
        .collect();
    assert_eq!(reader.count(Some(filter)).unwrap(), ids.len());
    ids.sort_unstable();
    ids
}

/// Takes over the times of points that were logged now; each has a value that no other has.
fn learn_times(points: &mut [ModelPoint], have: &[Point]) {
    for point in points.iter_mut().filter(|point| point.time_us.is_none()) {
        let bits = point.value.to_bits();
        let found = have.iter().find(|read| read.value.to_bits() == bits);
        let found = found.unwrap_or_else(|| panic!("{point:?} is lost"));
        assert_eq!(found.step, point.step);
        point.time_us = Some(found.time_us);
    }
}

fn bits(points: &[Point]) -> Vec<(i64, i64, u64)> {
    points
        .iter()
        .map(|point| (point.step, point.time_us, point.value.to_bits()))
        .collect()
}

fn model_bits(points: &[ModelPoint]) -> Vec<(i64, i64, u64)> {
    let known = |point: &ModelPoint| (point.step, point.time_us.unwrap(), point.value.to_bits());
    points.iter().map(known).collect()
}

fn check_range(reader: &Reader, id: RunId, metric: &str, points: &[ModelPoint]) {
    for (from, to) in [(Some(0), Some(2)), (None, Some(-1)), (Some(3), None)] {
        let query = SeriesQuery {
            from_step: from,
            to_step: to,
            ..SeriesQuery::default()
        };
        let have = reader.series(id, metric, &query).unwrap();
        let within = |point: &&ModelPoint| {
            from.is_none_or(|from| point.step >= from) && to.is_none_or(|to| point.step <= to)
        };
        let want: Vec<ModelPoint> = points.iter().filter(within).cloned().collect();
        assert_eq!(
            bits(&have),
            model_bits(&want),
            "{metric} in {from:?}..={to:?}"
        );
    }
}

/// A version of a file of a run.
type Told = (RunId, Flow, String, u32);

fn told(run: RunId, version: &Version) -> Told {
    let file = &version.artifact;
    (run, file.flow, file.path.clone(), version.number)
}

fn blob(bytes: &[u8]) -> BlobId {
    BlobId(*blake3::hash(bytes).as_bytes())
}

impl ModelRun {
    /// Logs a file: the same bytes again in succession are no new version.
    pub(crate) fn log_file(&mut self, flow: Flow, path: &str, bytes: Vec<u8>) {
        let versions = self.files.entry((flow, path.to_owned())).or_default();
        if versions.last() != Some(&bytes) {
            versions.push(bytes);
        }
    }

    /// How the run stands by what was said, if nobody is there to ask.
    fn told(&self) -> (Status, Option<&ModelFinish>) {
        match (&self.finished, self.opened) {
            (Some(finish), opened) if opened.is_none_or(|opened| finish.order > opened) => {
                (finish.status, Some(finish))
            }
            (_, None) if self.detached => (Status::Running, None),
            _ => (Status::Failed, None),
        }
    }

    pub(crate) fn status(&self) -> Status {
        if self.alive > 0 {
            Status::Running
        } else {
            self.told().0
        }
    }

    fn check(&self, run: &Run) {
        let Run {
            id,
            info,
            status,
            end_us,
            params,
            param_conflicts,
            ..
        } = run;
        let Run {
            metrics,
            tags,
            note,
            artifacts,
            inputs,
            reason,
            ..
        } = run;
        assert_eq!(info.name, self.name);
        let (_, finish) = self.told();
        // A copy tells the same: the process that writes the original can be asked.
        let want = self.status();
        let is_open = self.blurred && want != Status::Running;
        if !is_open {
            assert_eq!(*status, want, "of {id}");
            assert_eq!(end_us.is_some(), want != Status::Running);
            if want != Status::Running {
                let end = finish.and_then(|finish| finish.end_us);
                assert!(end.is_none() || *end_us == end, "{end_us:?}, want {end:?}");
                assert_eq!(*reason, self.reason(want));
            }
        }
        let first = |values: &Vec<ParamValue>| values[0].clone();
        let other = |values: &Vec<ParamValue>| values.iter().find(|v| **v != values[0]).cloned();
        let all = self.params.iter();
        assert_eq!(
            *params,
            all.clone().map(|(k, v)| (k.clone(), first(v))).collect()
        );
        let conflicts = all.filter_map(|(k, v)| Some((k.clone(), other(v)?)));
        assert_eq!(*param_conflicts, conflicts.collect());
        assert_eq!((tags, note), (&self.tags, &self.note));
        for (flow, files) in [(Flow::Output, artifacts), (Flow::Input, inputs)] {
            let have = files.iter().map(|(path, a)| (path, a.blob, a.bytes));
            let want = self.files.iter().filter(|((of, _), _)| *of == flow);
            let want = want.map(|((_, path), versions)| {
                let newest = versions.last().unwrap();
                (path, blob(newest), newest.len() as u64)
            });
            assert_eq!(have.collect::<Vec<_>>(), want.collect::<Vec<_>>());
        }
        let names: Vec<&String> = metrics.keys().collect();
        assert_eq!(names, self.series.keys().collect::<Vec<_>>());
        for (metric, summary) in metrics {
            check_summary(summary, &self.series[metric], metric);
        }
    }

    fn reason(&self, status: Status) -> Option<String> {
        let (_, finish) = self.told();
        finish
            .and_then(|finish| finish.reason.clone())
            .filter(|_| status == Status::Failed)
    }
}

/// - `points`: in reading order
fn check_summary(summary: &Summary, points: &[ModelPoint], metric: &str) {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let nan_count = values.iter().filter(|value| value.is_nan()).count();
    assert_eq!(summary.count, points.len() as u64, "{metric}");
    assert_eq!(summary.nan_count, nan_count as u64);
    for (edge, point) in [
        (summary.first, points.first()),
        (summary.last, points.last()),
    ] {
        let have = edge.map(|edge| (edge.step, edge.stamp.time_us, edge.value.to_bits()));
        let want = point.map(|point| (point.step, point.time_us.unwrap(), point.value.to_bits()));
        assert_eq!(have, want, "an end of {metric}");
    }
    let key = |value: f64, step: i64| (value.to_bits(), step);
    let present = || points.iter().filter(|point| !point.value.is_nan());
    let least = present()
        .min_by(|a, b| a.value.total_cmp(&b.value).then(a.step.cmp(&b.step)))
        .map(|point| key(point.value, point.step));
    let most = present()
        .max_by(|a, b| a.value.total_cmp(&b.value).then(b.step.cmp(&a.step)))
        .map(|point| key(point.value, point.step));
    assert_eq!(
        summary.min.map(|min| key(min.value, min.step)),
        least,
        "min of {metric}"
    );
    assert_eq!(
        summary.max.map(|max| key(max.value, max.step)),
        most,
        "max of {metric}"
    );
    check_moments(summary, &values, metric);
}

fn check_moments(summary: &Summary, values: &[f64], metric: &str) {
    let has = |infinity| values.contains(&infinity);
    let finite: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    let n = finite.len() as f64;
    let mean = match (has(f64::INFINITY), has(f64::NEG_INFINITY)) {
        (true, true) => Some(f64::NAN),
        (true, false) => Some(f64::INFINITY),
        (false, true) => Some(f64::NEG_INFINITY),
        (false, false) if finite.is_empty() => None,
        (false, false) => Some(exact_sum(&finite) / n),
    };
    // Single precision reaches so far that squares of squares stay finite.
    let size = finite.iter().map(|value| value.abs()).sum::<f64>() / n.max(1.0);
    let near = |a: Option<f64>, b: Option<f64>, relative: f64, absolute: f64| match (a, b) {
        (Some(a), Some(b)) => {
            a.to_bits() == b.to_bits()
                || (a.is_nan() && b.is_nan())
                || (a - b).abs() <= relative * b.abs() + absolute
        }
        (a, b) => a.is_none() && b.is_none(),
    };
    assert!(
        near(
            summary.mean(),
            mean,
            4.0 * f64::EPSILON,
            f64::EPSILON * size * 1e-12
        ),
        "mean of {metric}: {:?}, want {mean:?}",
        summary.mean()
    );
    let std = (finite.len() >= 2).then(|| {
        let mean = exact_sum(&finite) / n;
        let squares: Vec<f64> = finite.iter().map(|value| (value - mean).powi(2)).collect();
        (exact_sum(&squares) / (n - 1.0)).sqrt()
    });
    assert!(
        near(summary.std(), std, 1e-9, size * 1e-13),
        "std of {metric}: {:?}, want {std:?} of {finite:?}",
        summary.std()
    );
}

/// The sum of all without any rounding before the last. Source: Shewchuk 1997, as `math.fsum`.
fn exact_sum(values: &[f64]) -> f64 {
    let mut parts: Vec<f64> = Vec::new();
    for value in values {
        let mut x = *value;
        let mut kept = Vec::new();
        for &part in &parts {
            let (mut high, mut low) = (x, part);
            if high.abs() < low.abs() {
                std::mem::swap(&mut high, &mut low);
            }
            let sum = high + low;
            let rest = low - (sum - high);
            if rest != 0.0 {
                kept.push(rest);
            }
            x = sum;
        }
        kept.push(x);
        parts = kept;
    }
    parts.iter().sum()
}
