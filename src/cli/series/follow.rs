//! Points as they are logged, until all runs have ended.
//!
//! Each look is a new snapshot: nothing of it stays, so neither writers nor the index wait for who
//! follows. The time between two looks doubles while nothing comes, and is spent waiting for the
//! reader of standard output to go away: a closed pipe ends it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use tracker::Curve;
use tracker::Reader;
use tracker::SeriesQuery;
use tracker::export::PointColumns;
use tracker::export::PointSeries;
use tracker::export::PointsCsv;
use tracker::model::Point;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::query::Cursor;
use tracker::query::Smoother;
use tracker::query::X;

use super::SeriesArgs;
use super::choose::Chosen;
use super::choose::Patterns;
use super::write;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Format;
use crate::cli::print::Output;
use crate::cli::print::number;

/// Time between two looks while points come, and at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often the index is brought up to date, so that looks stay short.
const FOLD_EVERY_US: i64 = 30_000_000;

/// A series that is followed.
struct Followed {
    metric: String,
    cursor: Cursor,
    smoother: Option<Smoother>,
    /// Points that were not printed yet, with their smoothed values.
    waiting: Vec<(Point, Option<f64>)>,
    /// Points that waited in vain for the other metric.
    without_x: u64,
}

/// A run that is followed.
struct FollowedRun {
    id: RunId,
    query: SeriesQuery,
    x: X,
    series: Vec<Followed>,
    /// Whether it ran when it was last looked at.
    is_live: bool,
}

pub(super) fn run(
    ctx: &Ctx,
    args: &SeriesArgs,
    patterns: &Patterns,
    reader: Reader,
    runs: &[Run],
) -> Outcome {
    let is_live = |run: &Run| run.status == Status::Running;
    let chosen = Chosen::of(patterns, runs);
    if !runs.iter().any(is_live) || chosen.is_complete() {
        chosen.tell_missing(ctx, patterns, runs)?;
    } else {
        let waits = "waiting for metrics of which no point is logged yet";
        ctx.messages().note(waits);
    }
    super::tell_smoothed(ctx, args);
    let followed = runs.iter().map(|run| FollowedRun {
        id: run.id,
        query: args.points(run, reader.now_us()),
        x: args.x(run),
        series: Vec::new(),
        is_live: true,
    });
    let mut followed: Vec<FollowedRun> = followed.collect();
    let metrics = chosen.series.iter().map(|(_, metric)| metric.as_str());
    let mut printer = Printer::new(patterns.columns, write::metric_width(metrics));
    let (mut pause, mut folded_us) = (PAUSE_MIN, reader.now_us());
    let mut reader = reader;
    loop {
        let mut news = false;
        for run in followed.iter_mut().filter(|run| run.is_live) {
            news |= run.look(ctx, args, patterns, &reader, &mut printer)?;
        }
        ctx.out.flush()?;
        ctx.pass_on_warnings(&reader);
        if followed.iter().all(|run| !run.is_live) {
            return Ok(0);
        }
        let now_us = reader.now_us();
        drop(reader); // while it lives the index cannot reuse what it sees
        if now_us.saturating_sub(folded_us) > FOLD_EVERY_US {
            folded_us = now_us;
            ctx.fold_after_reading();
        }
        if Output::is_gone_within(pause) {
            return Err(Failure::BrokenPipe);
        }
        pause = if news {
            PAUSE_MIN
        } else {
            (pause * 2).min(PAUSE_MAX)
        };
        reader = ctx.store()?.reader()?;
    }
}

impl FollowedRun {
    /// Prints what is new, and how the run ended if it has; tells whether anything was new.
    fn look(
        &mut self,
        ctx: &Ctx,
        args: &SeriesArgs,
        patterns: &Patterns,
        reader: &Reader,
        printer: &mut Printer,
    ) -> Result<bool, Failure> {
        let run = reader.run(self.id)?;
        for metric in patterns.metrics(&run, &mut |_| {}) {
            if self.series.iter().all(|series| series.metric != metric) {
                let smoother = args.smooth.map(Smoother::new).transpose()?;
                let series = Followed::begin(reader, self.id, metric, smoother, &self.query)?;
                self.series.push(series);
            }
        }
        let mut any = false;
        for series in &mut self.series {
            let news = reader.series_after(self.id, &series.metric, &mut series.cursor)?;
            series.take(news, &self.query);
            any |= !series.waiting.is_empty();
            let curve = series.ready(reader, &run, &self.x)?;
            let (run, metric) = (self.id, series.metric.clone());
            printer.print(ctx, &PointSeries { run, metric, curve })?;
        }
        if run.status != Status::Running {
            self.is_live = false;
            ctx.out.flush()?; // its end comes after its points
            tell_end(ctx, &run);
            self.tell_without_x(ctx);
        }
        Ok(any)
    }

    fn tell_without_x(&self, ctx: &Ctx) {
        let waits = |series: &Followed| series.waiting.len() as u64 + series.without_x;
        let without = self.series.iter().map(waits).sum();
        if let (X::Metric(x), 1..) = (&self.x, without) {
            let points = number::counted(without, "point");
            ctx.messages()
                .warning(format!("left out {points} at steps where {x:?} has none"));
        }
    }
}

fn tell_end(ctx: &Ctx, run: &Run) {
    let (id, name, messages) = (run.id.short(), &run.info.name, ctx.messages());
    let last = || run.end_us.map_or("?".to_owned(), number::exact_time);
    match (run.status, &run.reason) {
        (Status::Completed | Status::Running, _) => {
            messages.note(format!("run {id} {name} completed"));
        }
        (Status::Failed, Some(reason)) => {
            messages.warning(format!("run {id} {name} failed: {reason}"));
        }
        (Status::Failed, None) => messages.warning(format!(
            "run {id} {name} failed; it was last heard of at {} UTC",
            last()
        )),
        (Status::Unknown, _) => messages.warning(format!(
            "run {id} {name} is out of reach: nobody knows whether it still runs"
        )),
    }
}

impl Followed {
    /// Takes what there is so far, of which only the tail is printed.
    fn begin(
        reader: &Reader,
        run: RunId,
        metric: String,
        smoother: Option<Smoother>,
        query: &SeriesQuery,
    ) -> Result<Self, Failure> {
        let mut series = Self {
            metric,
            cursor: Cursor::default(),
            smoother,
            waiting: Vec::new(),
            without_x: 0,
        };
        let Some(tail) = query.tail else {
            return Ok(series);
        };
        if series.smoother.is_none() {
            let points = reader.series(run, &series.metric, query)?;
            series.cursor = reader.series_end(run, &series.metric)?;
            series.take(points, query);
        } else {
            let all = reader.series_after(run, &series.metric, &mut series.cursor)?;
            series.take(all, query);
            let before = series.waiting.len().saturating_sub(tail);
            series.waiting.drain(..before);
        }
        Ok(series)
    }

    /// Smooths points, and has those wait that are within the range.
    fn take(&mut self, points: Vec<Point>, query: &SeriesQuery) {
        for point in points {
            let smoothed = self.smoother.as_mut();
            let smoothed = smoothed.map(|smoother| smoother.add(point.value));
            if query.contains(&point) {
                self.waiting.push((point, smoothed));
            }
        }
    }

    /// Returns the points that can be printed.
    ///
    /// One waits for the other metric until that is at a later step.
    fn ready(&mut self, reader: &Reader, run: &Run, x: &X) -> Result<Curve, Failure> {
        let mut curve = Curve::default();
        let by = match x {
            X::Metric(metric) if !self.waiting.is_empty() => {
                let steps = || self.waiting.iter().map(|(point, _)| point.step);
                let query = SeriesQuery {
                    from_step: steps().min(),
                    ..SeriesQuery::default()
                };
                if run.metrics.contains_key(metric) {
                    reader.series(run.id, metric, &query)?
                } else {
                    Vec::new()
                }
            }
            X::Step | X::Since(_) | X::Metric(_) => Vec::new(),
        };
        let latest = by.last().map(|point| point.step);
        let by: BTreeMap<i64, f64> = by.iter().map(|point| (point.step, point.value)).collect();
        for (point, smoothed) in std::mem::take(&mut self.waiting) {
            let x = match x {
                X::Step => None,
                X::Since(start_us) => Some(point.time_us.saturating_sub(*start_us) as f64 / 1e6),
                X::Metric(_) => {
                    let Some(x) = by.get(&point.step) else {
                        if latest.is_some_and(|latest| latest > point.step) {
                            self.without_x += 1;
                        } else {
                            self.waiting.push((point, smoothed));
                        }
                        continue;
                    };
                    Some(*x)
                }
            };
            curve.points.push(point);
            curve.x.extend(x);
            curve.smoothed.extend(smoothed);
        }
        Ok(curve)
    }
}

/// Prints points as they come, below one head.
struct Printer {
    columns: PointColumns,
    table: write::Columns,
    has_begun: bool,
}

impl Printer {
    fn new(columns: PointColumns, metric_width: usize) -> Self {
        // What comes is not known yet: room for a million steps and six digits.
        let widths = write::Widths {
            metric: metric_width,
            step: 7,
            x: 10,
            value: 11,
        };
        Self {
            columns,
            table: write::Columns::new(columns, widths),
            has_begun: false,
        }
    }

    fn print(&mut self, ctx: &Ctx, series: &PointSeries) -> Result<(), Failure> {
        if series.curve.points.is_empty() {
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let columns = self.columns;
        let rows = || series.rows(columns);
        match ctx.out.format() {
            Format::Jsonl => ctx.out.json(rows()),
            format @ (Format::Json | Format::Parquet | Format::Arrow) => Err(no_end(format)),
            Format::Csv => ctx.out.write_through(|out| {
                let mut csv = if is_first {
                    PointsCsv::new(out, columns)?
                } else {
                    PointsCsv::without_header(out)
                };
                csv.rows(rows())?;
                csv.finish()
            }),
            Format::Table => ctx.out.write(|out| {
                if is_first {
                    self.table.head(out)?;
                }
                rows().try_for_each(|row| self.table.row(out, &row))
            }),
            Format::Md => ctx.out.write(|out| {
                if is_first {
                    write::markdown_head(out, columns)?;
                }
                rows().try_for_each(|row| write::markdown_row(out, &row))
            }),
        }
    }
}

/// Refuses a form that is nothing before its end is written.
pub(super) fn no_end(format: Format) -> Failure {
    let form = match format {
        Format::Json => "an array of JSON".to_owned(),
        format => format!("a file of {}", format.name()),
    };
    Failure::usage(format!("--follow has no end for {form}")).hint("use `--format jsonl`")
}
