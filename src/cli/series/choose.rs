//! Which series are meant: runs by name or filter, metrics by name or wildcard.

use std::collections::BTreeSet;

use tracker::Query;
use tracker::Reader;
use tracker::export::PointColumns;
use tracker::model::Run;
use tracker::query::Glob;
use tracker::query::near_names;

use super::SeriesArgs;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::alternatives;

/// Most metrics that a hint lists.
const METRICS_MAX: usize = 12;
/// Most runs that a warning lists.
const RUNS_MAX: usize = 4;

/// Returns the runs that are meant, in the order asked, each once.
pub(super) fn runs(ctx: &Ctx, reader: &Reader, args: &SeriesArgs) -> Result<Vec<Run>, Failure> {
    let (mut runs, mut chosen) = (Vec::new(), BTreeSet::new());
    let mut add = |run: Run| {
        if chosen.insert(run.id) {
            runs.push(run);
        }
    };
    let named = args.named_run().into_iter().chain(&args.with);
    for name in named {
        add(reader.run(ctx.find_run(reader, name)?)?);
    }
    if args.named_run().is_none() {
        let query = Query {
            filter: args.runs.clone(),
            sort: Vec::new(), // the newest first
            limit: args.last,
        };
        reader.runs(&query)?.into_iter().for_each(&mut add);
    }
    Ok(runs)
}

impl SeriesArgs {
    /// The run before the metrics; none where a filter or a group chooses the runs.
    fn named_run(&self) -> Option<&String> {
        let is_chosen = self.runs.is_some() || self.last.is_some() || self.by.is_asked();
        (!is_chosen).then_some(&self.run)
    }
}

/// The metrics as typed.
pub(super) struct Patterns {
    patterns: Vec<(String, Option<Glob>)>,
    pub(super) columns: PointColumns,
}

impl Patterns {
    pub(super) fn of(args: &SeriesArgs) -> Result<Self, Failure> {
        let first = args.named_run().is_none().then_some(&args.run);
        let names: Vec<&String> = first.into_iter().chain(&args.metrics).collect();
        if names.is_empty() {
            return Err(Failure::usage("no METRIC is named")
                .hint("`tracker series RUN METRIC`, or '*' for all of its metrics")
                .hint("without a RUN: `tracker series --last 1 METRIC`"));
        }
        let mut patterns: Vec<(String, Option<Glob>)> = Vec::new();
        for name in names {
            if patterns.iter().all(|(other, _)| other != name) {
                patterns.push((name.clone(), Glob::parse(name)));
            }
        }
        let mut patterns = Self {
            patterns,
            columns: PointColumns::default(),
        };
        patterns.columns = args.columns(&patterns);
        Ok(patterns)
    }

    pub(super) fn may_be_several(&self) -> bool {
        self.patterns.len() > 1 || self.patterns.iter().any(|(_, glob)| glob.is_some())
    }

    /// Returns the names that are meant of those there are, and the first pattern that fits none.
    pub(super) fn fitting(&self, names: &[String]) -> (Vec<String>, Option<&str>) {
        let mut metrics: Vec<String> = Vec::new();
        let mut missing = None;
        for (pattern, glob) in &self.patterns {
            let is_meant = |name: &&String| match glob {
                _ if names.contains(pattern) => *name == pattern,
                Some(glob) => glob.matches(name),
                None => false,
            };
            let meant: Vec<&String> = names.iter().filter(is_meant).collect();
            if meant.is_empty() {
                missing = missing.or(Some(pattern.as_str()));
            }
            for name in meant {
                if !metrics.contains(name) {
                    metrics.push(name.clone());
                }
            }
        }
        (metrics, missing)
    }

    /// Returns the metrics of a run that are meant, as asked and then by name, and calls `missing`
    /// with the place of each pattern that none of them fits.
    pub(super) fn metrics(&self, run: &Run, missing: &mut dyn FnMut(usize)) -> Vec<String> {
        let mut metrics: Vec<String> = Vec::new();
        let mut taken = BTreeSet::new();
        for (at, (name, glob)) in self.patterns.iter().enumerate() {
            let mut fits = false;
            let mut take = |metric: &String| {
                fits = true;
                if taken.insert(metric.clone()) {
                    metrics.push(metric.clone());
                }
            };
            // A name that has a `*` of its own is meant as it is.
            match glob {
                _ if run.metrics.contains_key(name) => take(name),
                Some(glob) => run
                    .metrics
                    .keys()
                    .filter(|metric| glob.matches(metric))
                    .for_each(take),
                None => {}
            }
            if !fits {
                missing(at);
            }
        }
        metrics
    }
}

/// The series that are meant.
pub(super) struct Chosen {
    pub(super) columns: PointColumns,
    /// Place of the run, and metric.
    pub(super) series: Vec<(usize, String)>,
    /// For each pattern the runs where nothing fits it.
    missing: Vec<Vec<usize>>,
    runs: usize,
}

impl Chosen {
    pub(super) fn of(patterns: &Patterns, runs: &[Run]) -> Self {
        let mut missing = vec![Vec::new(); patterns.patterns.len()];
        let mut series = Vec::new();
        for (at, run) in runs.iter().enumerate() {
            let mut miss = |pattern: usize| {
                if let Some(runs) = missing.get_mut(pattern) {
                    runs.push(at);
                }
            };
            let metrics = patterns.metrics(run, &mut miss);
            series.extend(metrics.into_iter().map(|metric| (at, metric)));
        }
        Self {
            columns: patterns.columns,
            series,
            missing,
            runs: runs.len(),
        }
    }

    /// Whether each metric that is asked for is there in some run.
    pub(super) fn is_complete(&self) -> bool {
        let lists = || self.missing.iter().map(Vec::len);
        self.runs == 0 || lists().all(|missing| missing < self.runs)
    }

    /// Says which runs lack a metric that others have.
    ///
    /// # Errors
    /// For a metric that none of the runs has.
    pub(super) fn tell_missing(
        &self,
        ctx: &Ctx,
        patterns: &Patterns,
        runs: &[Run],
    ) -> Result<(), Failure> {
        if runs.is_empty() {
            ctx.messages().note("no runs like that");
            return Ok(());
        }
        for ((name, _), missing) in patterns.patterns.iter().zip(&self.missing) {
            if missing.len() == runs.len() {
                return Err(without(name, runs));
            }
            let missing: Vec<&Run> = missing.iter().filter_map(|at| runs.get(*at)).collect();
            if !missing.is_empty() {
                warn_of_missing(ctx, name, &missing);
            }
        }
        Ok(())
    }
}

/// Says once which runs lack a metric.
pub(super) fn warn_of_missing(ctx: &Ctx, metric: &str, runs: &[&Run]) {
    let ids = runs.iter().take(RUNS_MAX).map(|run| run.id.short());
    let mut ids = ids.collect::<Vec<_>>().join(", ");
    if runs.len() > RUNS_MAX {
        ids = format!("{ids} and {} more", runs.len() - RUNS_MAX);
    }
    let has = if runs.len() == 1 { "run" } else { "runs" };
    let have = if runs.len() == 1 { "has" } else { "have" };
    ctx.messages()
        .warning(format!("{has} {ids} {have} no metric {metric:?}"));
}

/// Why there is no series of any of the runs, and which there are.
pub(super) fn without(metric: &str, runs: &[Run]) -> Failure {
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    let near = || near_names(metric, names.iter().copied().cloned());
    let near = if Glob::parse(metric).is_some() {
        Vec::new()
    } else {
        near()
    };
    if let [run] = runs {
        return no_metric(run, metric, &near);
    }
    let count = runs.len();
    let failure = Failure::new(format!(
        "none of these {count} runs has a metric {metric:?}"
    ));
    hint_at(
        failure,
        &near,
        &names.into_iter().collect::<Vec<_>>(),
        "they have",
    )
}

/// Why there is no series, and which there are.
pub(super) fn no_metric(run: &Run, metric: &str, near: &[String]) -> Failure {
    let (id, name) = (run.id.short(), &run.info.name);
    let failure = Failure::new(format!("run {id} {name} has no metric {metric:?}"));
    let names: Vec<&String> = run.metrics.keys().collect();
    hint_at(failure, near, &names, "it has")
}

fn hint_at(failure: Failure, near: &[String], names: &[&String], have: &str) -> Failure {
    if !near.is_empty() {
        return failure.hint(format!("did you mean {}?", alternatives(near)));
    }
    let shown: Vec<&str> = names
        .iter()
        .take(METRICS_MAX)
        .map(|name| name.as_str())
        .collect();
    let shown = shown.join(", ");
    failure.hint(match names.len().saturating_sub(METRICS_MAX) {
        _ if names.is_empty() => format!("{have} none yet"),
        0 => format!("{have} {shown}"),
        more => format!("{have} {shown} and {more} more; `tracker show RUN` lists them"),
    })
}
