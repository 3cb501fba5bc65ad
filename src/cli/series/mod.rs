//! `tracker series`: the points of metrics.

mod choose;
mod draw;
mod follow;
mod groups;
mod write;

use tracker::Curve;
use tracker::CurveQuery;
use tracker::Error;
use tracker::Reader;
use tracker::SeriesQuery;
use tracker::export::PointColumns;
use tracker::export::PointSeries;
use tracker::export::PointTable;
use tracker::model::Run;
use tracker::model::Status;
use tracker::query::Smoother;
use tracker::query::X;
use tracker::query::filter::Moment;

use super::arguments;
use super::arguments::OutputFile;
use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::groups::By;
use super::print::Format;
use super::print::number;
use choose::Chosen;
use choose::Patterns;

/// Print the points of metrics
///
/// Points come in the order of their steps; points of one step by time, then as they were logged.
/// With several metrics or runs each point says whose it is. A METRIC may have wildcards: `val/*`.
///
/// With --over or --group-by, of all runs or those of --runs, each step tells mean, deviation and
/// range over the runs of a group that have it, and how many these are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 printed, 1 failed, 2 called wrongly

Examples:
  tracker series @last loss --tail 5
  tracker series baseline train/loss 'val/*' --plot
  tracker series --runs 'lr < 0.1' val/loss --smooth 0.9 --plot --log-y
  tracker series @last loss --sample 1000 --format csv > loss.csv
  tracker series @last loss --x time --since 10m
  tracker series @last loss --tail 3 --follow
  tracker series val/loss --over seed --plot
  tracker series --runs 'lr < 0.1' val/loss --group-by model --format csv")]
pub(crate) struct SeriesArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this; none where `--runs`
    /// or `--last` chooses the runs, or groups of runs are asked for
    run: String,

    /// Metrics, by name or with the wildcards `*` and `?`
    #[arg(value_name = "METRIC")]
    metrics: Vec<String>,

    /// Add the same metrics of another run (can be repeated)
    #[arg(long, value_name = "RUN")]
    with: Vec<String>,

    /// Of all runs that a filter lets through, the latest first
    #[arg(long, value_name = "FILTER")]
    runs: Option<String>,

    /// Of the latest N runs, or of those that `--runs` lets through
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    last: Option<usize>,

    /// First step to print
    #[arg(long, value_name = "STEP", value_parser = arguments::step, allow_negative_numbers = true)]
    from: Option<i64>,

    /// Last step to print
    #[arg(long, value_name = "STEP", value_parser = arguments::step, allow_negative_numbers = true)]
    to: Option<i64>,

    /// Only from this time on: 2024-01-15T10:30, or 10m before the run's end, or now if it runs
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,

    /// Only until this time, likewise
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,

    /// Only the last N points of each
    #[arg(long, value_name = "N")]
    tail: Option<usize>,

    /// Go on with points as they are logged, until all of these runs have ended
    #[arg(long, short)]
    follow: bool,

    /// Draw over steps, over the time since the run's start, or over another metric's values
    #[arg(
        long,
        value_name = "step|time|METRIC",
        default_value = "step",
        hide_default_value = true
    )]
    x: String,

    /// Keep at most N points of each, with the extremes of every stretch
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    sample: Option<usize>,

    /// Smooth by a debiased exponential moving average; ALPHA from 0 (not at all) to below 1
    #[arg(long, value_name = "ALPHA", value_parser = alpha, allow_negative_numbers = true)]
    smooth: Option<f64>,

    #[command(flatten)]
    by: By,

    #[command(flatten)]
    drawing: draw::PlotArgs,

    #[command(flatten)]
    pub(crate) output: OutputFile,
}

fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("want a whole number from 1 on".to_owned()),
        Ok(count) => Ok(count),
    }
}

fn alpha(text: &str) -> Result<f64, String> {
    let alpha = text
        .parse()
        .ok()
        .filter(|alpha| Smoother::new(*alpha).is_ok());
    alpha.ok_or_else(|| "want a number from 0 (not at all) to below 1, as 0.9".to_owned())
}

fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text)
        .ok_or_else(|| "want a time as 2024-01-15T10:30, or a duration as 10m or 1h30m".to_owned())
}

pub(crate) fn run(ctx: &Ctx, args: &SeriesArgs) -> Outcome {
    args.check(ctx)?;
    let patterns = Patterns::of(args)?;
    let reader = ctx.reader()?;
    if let Some(by) = args.by.parsed(reader.now_us())? {
        return groups::run(ctx, args, &patterns, &reader, by);
    }
    let runs = choose::runs(ctx, &reader, args)?;
    if args.follow {
        return follow::run(ctx, args, &patterns, reader, &runs);
    }
    let chosen = Chosen::of(&patterns, &runs);
    chosen.tell_missing(ctx, &patterns, &runs)?;
    let table = gather(ctx, args, &reader, &runs, &chosen)?;
    ctx.pass_on_warnings(&reader);
    if args.drawing.plot {
        return draw::draw(ctx, args, &runs, &table);
    }
    write::table(ctx, &table)?;
    Ok(0)
}

impl SeriesArgs {
    /// Refuses what does not go together.
    fn check(&self, ctx: &Ctx) -> Result<(), Failure> {
        let refuse = |why: &str| Err(Failure::usage(why));
        let format = ctx.format_asked();
        if self.drawing.plot && format.is_some_and(|format| format != Format::Table) {
            return refuse("--plot draws for people; leave out --format");
        }
        if self.follow && self.drawing.plot {
            return refuse("--follow prints points as they come; leave out --plot");
        }
        if self.follow && self.sample.is_some() {
            return refuse("--sample needs the end of a series; leave out --follow");
        }
        if self.follow && ctx.out.is_file() {
            return Err(
                Failure::usage("--follow has no end, and a file appears at the end")
                    .hint("leave out --output, and redirect what is printed: `> FILE`"),
            );
        }
        if let (true, Some(Format::Json | Format::Parquet | Format::Arrow)) = (self.follow, format)
        {
            return Err(follow::no_end(ctx.out.format()));
        }
        if self.by.is_asked() {
            for (is_given, option) in [
                (!self.with.is_empty(), "--with"),
                (self.last.is_some(), "--last"),
                (self.since.is_some(), "--since"),
                (self.until.is_some(), "--until"),
                (self.tail.is_some(), "--tail"),
                (self.follow, "--follow"),
                (self.x != "step", "--x"),
                (self.sample.is_some(), "--sample"),
                (self.smooth.is_some(), "--smooth"),
            ] {
                if is_given {
                    return Err(Failure::usage(format!(
                        "{option} is about single runs; leave it out, or --over and --group-by"
                    )));
                }
            }
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return refuse(&format!(
                "--from {from} is after --to {to}: no step is both"
            ));
        }
        Ok(())
    }

    /// Whether each point says whose it is: by what was asked for, not by what was found.
    fn names_each(&self, patterns: &Patterns) -> bool {
        patterns.may_be_several()
            || !self.with.is_empty()
            || self.runs.is_some()
            || self.last.is_some()
    }

    fn columns(&self, patterns: &Patterns) -> PointColumns {
        PointColumns {
            whose: self.names_each(patterns),
            x: self.x != "step",
            smoothed: self.smooth.is_some(),
        }
    }

    /// Returns which points of a run are asked for.
    fn points(&self, run: &Run, now_us: i64) -> SeriesQuery {
        let ago = |us: i64| end_us(run, now_us).saturating_sub(us);
        SeriesQuery {
            from_step: self.from,
            to_step: self.to,
            since_us: self.since.map(|moment| match moment {
                Moment::At { from_us, to_us: _ } => from_us,
                Moment::Before(us) => ago(us),
            }),
            until_us: self.until.map(|moment| match moment {
                Moment::At { from_us: _, to_us } => to_us,
                Moment::Before(us) => ago(us),
            }),
            tail: self.tail,
        }
    }

    /// Returns what the curves of a run are drawn over.
    fn x(&self, run: &Run) -> X {
        match self.x.as_str() {
            "step" => X::Step,
            "time" => X::Since(start_us(run)),
            metric => X::Metric(metric.to_owned()),
        }
    }
}

/// The times of all points of a run.
fn times_us(run: &Run) -> impl Iterator<Item = (i64, i64)> {
    run.metrics.values().filter_map(|summary| summary.times_us)
}

/// The start of a run, or its first point where that is earlier or all that is known.
fn start_us(run: &Run) -> i64 {
    let first = times_us(run).map(|(first, _)| first).min();
    run.info
        .start_us
        .into_iter()
        .chain(first)
        .min()
        .unwrap_or(0)
}

/// The end of a run: now while it runs, its last point if nothing better is known.
fn end_us(run: &Run, now_us: i64) -> i64 {
    if run.status == Status::Running {
        return now_us;
    }
    let last = || times_us(run).map(|(_, last)| last).max();
    run.end_us.or_else(last).unwrap_or(now_us)
}

/// Reads what was chosen, and says how it was changed.
fn gather(
    ctx: &Ctx,
    args: &SeriesArgs,
    reader: &Reader,
    runs: &[Run],
    chosen: &Chosen,
) -> Result<PointTable, Failure> {
    let mut table = PointTable {
        columns: chosen.columns,
        series: Vec::new(),
    };
    let (mut total, mut kept, mut sampled, mut without_x) = (0, 0, 0, 0);
    let mut no_x: Vec<&Run> = Vec::new();
    for (run, metric) in &chosen.series {
        let Some(run) = runs.get(*run) else { continue };
        let query = CurveQuery {
            points: args.points(run, reader.now_us()),
            x: args.x(run),
            smooth: args.smooth,
            sample: args
                .sample
                .or(args.drawing.plot.then_some(draw::POINTS_MAX)),
        };
        if let X::Metric(x) = &query.x
            && !run.metrics.contains_key(x)
        {
            if no_x.last().is_none_or(|last| last.id != run.id) {
                no_x.push(run);
            }
            continue;
        }
        let curve = match reader.curve(run.id, metric, &query) {
            Err(Error::NotFound { near, .. }) => return Err(choose::no_metric(run, metric, &near)),
            curve => curve?,
        };
        without_x += curve.without_x;
        if curve.points.len() < curve.total {
            sampled += 1;
            total += curve.total;
            kept += curve.points.len();
        }
        let (run, metric) = (run.id, metric.clone());
        table.series.push(PointSeries { run, metric, curve });
    }
    if !no_x.is_empty() && table.series.is_empty() {
        return Err(choose::without(&args.x, runs));
    }
    if !no_x.is_empty() {
        choose::warn_of_missing(ctx, &args.x, &no_x);
    }
    if without_x > 0 {
        let points = number::counted(without_x as u64, "point");
        ctx.messages().warning(format!(
            "left out {points} at steps where {:?} has none",
            args.x
        ));
    }
    if sampled > 0 {
        let (kept, total) = (number::count(kept as u64), number::count(total as u64));
        let of = if sampled > 1 {
            format!(
                " of {}",
                number::counted(sampled, "series").replace("seriess", "series")
            )
        } else {
            String::new()
        };
        ctx.messages().note(format!(
            "sampled: {kept} of {total} points{of}, with the extremes of every stretch"
        ));
    }
    tell_smoothed(ctx, args);
    tell_empty(ctx, args, runs, &table);
    Ok(table)
}

fn tell_smoothed(ctx: &Ctx, args: &SeriesArgs) {
    if let Some(alpha) = args.smooth {
        ctx.messages().note(format!(
            "smoothed: debiased exponential moving average from each first point on, alpha {alpha}"
        ));
    }
}

/// Says what there is where the range that was asked for has nothing.
fn tell_empty(ctx: &Ctx, args: &SeriesArgs, runs: &[Run], table: &PointTable) {
    let is_empty = |curve: &Curve| curve.points.is_empty() && curve.without_x == 0;
    if args.tail == Some(0) || !table.series.iter().all(|series| is_empty(&series.curve)) {
        return;
    }
    let summaries = table.series.iter().filter_map(|series| {
        let run = runs.iter().find(|run| run.id == series.run)?;
        run.metrics.get(&series.metric)
    });
    let (mut steps, mut times) = (None, None);
    let wider = |span: Option<(i64, i64)>, (from, to): (i64, i64)| {
        let (a, b) = span.unwrap_or((from, to));
        Some((a.min(from), b.max(to)))
    };
    for summary in summaries {
        if let (Some(first), Some(last)) = (summary.first, summary.last) {
            steps = wider(steps, (first.step, last.step));
        }
        times = summary.times_us.map_or(times, |span| wider(times, span));
    }
    let (Some((from, to)), Some((since, until))) = (steps, times) else {
        return;
    };
    let (since, until) = (number::exact_time(since), number::exact_time(until));
    ctx.messages().note(format!(
        "no points in this range; there are steps {from} to {to}, from {since} to {until} UTC"
    ));
}
