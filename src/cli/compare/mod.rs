//! `tracker compare`: what differs between runs, and which is best by what.

mod diff;
mod facts;
mod table;

use std::collections::BTreeSet;
use std::path::Path;

use tracker::Error;
use tracker::model::Run;

use super::arguments::OutputFile;
use super::best::At;
use super::context::Ctx;
use super::direction::Directions;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::stat_value;
use super::print::Format;
use super::print::Look;
use super::record;
use table::Shown;
use tracker::export::run_to_json;
use tracker::export::runs_frame;
use tracker::settings::Direction;

/// Endings of files that are records of runs rather than names of them.
const RECORDS: [&str; 7] = ["json", "jsonl", "ndjson", "yaml", "yml", "csv", "tsv"];

/// Compare runs
///
/// Shows the params, tags, code and machine that differ, and the values of the metrics; params that
/// all runs share are told in one line. A run is named as always, or is a record file (JSON, YAML,
/// CSV), which is read and not stored.
///
/// The best value of each metric is marked with `*`. Which way is better says `--min` or `--max`,
/// which is remembered in the store, else its name. With `--metric` the run that is best by that
/// metric is marked, too. JSON has every run in full and, as `compared`, the same of each metric.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 compared, 1 failed, 2 called wrongly

Examples:
  tracker compare baseline @last --max val/acc --min latency
  tracker compare 3f2a91 8c11d0 00c1ff --metric val/acc --at best
  tracker compare 8c11d0 00c1ff --baseline 3f2a91
  tracker compare 3f2a91 8c11d0 --diff
  tracker compare @best:val/acc notes/old-run.yaml --all")]
pub(crate) struct CompareArgs {
    /// Runs (ids, prefixes, names, @last, @best:METRIC, @this) or record files
    #[arg(required = true, num_args = 1.., value_name = "RUN|FILE")]
    runs: Vec<String>,

    /// Metric that tells which run is best
    #[arg(long, short, value_name = "METRIC")]
    metric: Option<String>,

    /// Large values of this metric are better, from now on (can be repeated)
    #[arg(long, value_name = "METRIC")]
    max: Vec<String>,

    /// Small values of this metric are better, from now on (can be repeated)
    #[arg(long, value_name = "METRIC")]
    min: Vec<String>,

    /// Value of a metric that is shown
    #[arg(long, value_enum, default_value_t = At::Last)]
    at: At,

    /// Show how far the metrics of the others are from those of this run
    #[arg(long, value_name = "RUN|FILE")]
    baseline: Option<String>,

    /// Show what changed from the first of two runs to the second: params, tags, code, machine,
    /// artifacts
    #[arg(long, conflicts_with_all = ["metric", "baseline"])]
    diff: bool,

    /// Show what is the same and metrics that only one run has, too
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    pub(crate) output: OutputFile,
}

pub(crate) fn run(ctx: &Ctx, args: &CompareArgs) -> Outcome {
    if let Some(both) = args.max.iter().find(|metric| args.min.contains(metric)) {
        return Err(Failure::usage(format!(
            "{both:?} cannot be better both small and large"
        )));
    }
    show(ctx, args)
}

/// Compares runs by a metric, as the command does when only that is given.
pub(crate) fn runs(ctx: &Ctx, runs: &[String], metric: &str) -> Outcome {
    let args = CompareArgs {
        runs: runs.to_vec(),
        metric: Some(metric.to_owned()),
        max: Vec::new(),
        min: Vec::new(),
        at: At::Last,
        baseline: None,
        diff: false,
        all: false,
        output: OutputFile::default(),
    };
    show(ctx, &args)
}

fn show(ctx: &Ctx, args: &CompareArgs) -> Outcome {
    let mut names = args.runs.clone();
    if let Some(baseline) = &args.baseline {
        names.retain(|name| name != baseline);
        names.insert(0, baseline.clone());
    }
    let (runs, now_us) = find(ctx, &names)?;
    if args.diff {
        return diff::show(ctx, &runs, args.all);
    }
    let asked = [(&args.max, Direction::Max), (&args.min, Direction::Min)];
    let asked = asked.into_iter().flat_map(|(metrics, direction)| {
        metrics
            .iter()
            .map(move |metric| (metric.clone(), direction))
    });
    let directions = Directions::new(ctx, asked)?;
    for metric in args.max.iter().chain(&args.min).chain(&args.metric) {
        if !runs.iter().any(|run| run.metrics.contains_key(metric)) {
            return Err(no_metric(metric, &runs));
        }
    }
    directions.remember(ctx)?;
    if matches!(
        ctx.out.format(),
        Format::Csv | Format::Parquet | Format::Arrow
    ) {
        ctx.out.frame(runs_frame(&runs, now_us))?;
        return Ok(0);
    }
    let best = match &args.metric {
        Some(metric) => {
            let best = best(&runs, metric, args.at, &directions);
            let none = || Failure::new(format!("none of these runs has a number for {metric:?}"));
            Some(best.ok_or_else(none)?.0)
        }
        None => None,
    };
    let shown = Shown {
        fields: table::fields(&runs, args, &directions),
        runs: &runs,
        best,
        baseline: args.baseline.is_some(),
        now_us,
    };
    if matches!(ctx.out.format(), Format::Json | Format::Jsonl) {
        let marks = shown.marks(args.at, &directions);
        ctx.out.json(runs.iter().enumerate().map(|(place, run)| {
            let mut json = run_to_json(run, now_us);
            json["compared"] = shown.told(place, &marks, &directions).into();
            json
        }))?;
        return Ok(0);
    }
    ctx.out.table(&shown.table(args.at, &directions))?;
    if let (false, Some(same)) = (args.all, table::same_params(&runs)) {
        let label = ctx.out.styled(Look::Dim, "same in all:");
        ctx.out.line(format!("\n{label} {same}"))?;
    }
    ctx.out.flush()?;
    directions.tell_guesses(ctx);
    Ok(0)
}

/// The best value of a metric and the first run that has it, if any has a number.
fn best(runs: &[Run], metric: &str, at: At, directions: &Directions) -> Option<(usize, f64)> {
    let direction = directions.of(metric);
    let stat = at.stat(direction);
    let mut best: Option<(usize, f64)> = None;
    for (place, run) in runs.iter().enumerate() {
        let value = run
            .metrics
            .get(metric)
            .and_then(|summary| stat_value(summary, stat));
        if let Some(value) = value
            && best.is_none_or(|(_, so_far)| direction.better(value, so_far))
        {
            best = Some((place, value));
        }
    }
    best.filter(|(_, value)| !value.is_nan())
}

fn no_metric(metric: &str, runs: &[Run]) -> Failure {
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    let names: Vec<&str> = names.into_iter().map(String::as_str).take(10).collect();
    let failure = Failure::new(format!("none of these runs has the metric {metric:?}"));
    if names.is_empty() {
        failure
    } else {
        failure.hint(format!("they have {}", names.join(", ")))
    }
}

/// Finds the runs in the store or reads them from files.
fn find(ctx: &Ctx, names: &[String]) -> Result<(Vec<Run>, i64), Failure> {
    let mut runs = Vec::new();
    let mut reader = None;
    for name in names {
        if is_record(name) {
            if ctx.out.replaces(Path::new(name)) {
                let why = format!("--output would replace {name}, which is compared");
                return Err(Failure::usage(why).hint("name another file"));
            }
            runs.extend(record::read(ctx, Path::new(name))?);
            continue;
        }
        let reader = match &mut reader {
            Some(reader) => reader,
            none => none.insert(ctx.reader()?),
        };
        let found = ctx
            .find_run(reader, name)
            .map_err(|failure| no_run_no_file(name, failure));
        runs.push(reader.run(found?)?);
    }
    // Records alone need no store; of a run that still goes on they cannot tell how long.
    let now_us = reader.map_or(0, |reader| reader.now_us());
    Ok((runs, now_us))
}

fn is_record(name: &str) -> bool {
    looks_like_a_file(name) && Path::new(name).exists()
}

fn looks_like_a_file(name: &str) -> bool {
    let ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str());
    let known =
        ending.is_some_and(|ending| RECORDS.contains(&ending.to_ascii_lowercase().as_str()));
    known || name.contains('/')
}

/// What looks like a file and names no run is a file that is not there.
fn no_run_no_file(name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Library(error)
            if matches!(*error, Error::NotFound { .. }) && looks_like_a_file(name) =>
        {
            Failure::new(format!("no run and no file {name:?}"))
        }
        failure => failure,
    }
}
