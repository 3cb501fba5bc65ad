//! `tracker series`: the points of metrics.

use std::io;
use std::io::Write;

use serde::Serialize;
use tracker::Error;
use tracker::SeriesQuery;
use tracker::model::Point;
use tracker::model::Run;

use super::arguments;
use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::fail::alternatives;
use super::print::Curve;
use super::print::Format;
use super::print::escape;
use super::print::number;
use super::print::plot;
use tracker::export::PointsCsv;
use tracker::model::time_to_text;

/// Lines of a plot, and its columns where there is no terminal.
const PLOT_LINES: usize = 20;
const PLOT_COLUMNS: usize = 80;
/// Most metrics that a hint lists.
const METRICS_MAX: usize = 12;

/// Print the points of metrics of a run
///
/// Points come in the order of their steps; points of one step by time, then as they were logged.
/// With several metrics or runs each point says whose it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 printed, 1 failed, 2 called wrongly

Examples:
  tracker series @last loss --tail 5
  tracker series baseline train/loss val/loss --plot
  tracker series 3f2a91 loss --with 8c11d0 --plot
  tracker series @last loss --from 1000 --to 2000 --format csv > loss.csv")]
pub(crate) struct SeriesArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Metrics
    #[arg(required = true, value_name = "METRIC")]
    metrics: Vec<String>,

    /// Add the same metrics of another run (can be repeated)
    #[arg(long, value_name = "RUN")]
    with: Vec<String>,

    /// First step to print
    #[arg(long, value_name = "STEP", value_parser = arguments::step, allow_negative_numbers = true)]
    from: Option<i64>,

    /// Last step to print
    #[arg(long, value_name = "STEP", value_parser = arguments::step, allow_negative_numbers = true)]
    to: Option<i64>,

    /// Only the last N points of each
    #[arg(long, value_name = "N")]
    tail: Option<usize>,

    /// Draw the curves in the terminal
    #[arg(long)]
    plot: bool,
}

/// The points of one metric of one run.
struct Series {
    run: Run,
    metric: String,
    points: Vec<Point>,
}

pub(crate) fn run(ctx: &Ctx, args: &SeriesArgs) -> Outcome {
    if args.plot
        && ctx
            .format_asked()
            .is_some_and(|format| format != Format::Table)
    {
        return Err(Failure::usage(
            "--plot draws for people; leave out --format",
        ));
    }
    let reader = ctx.reader()?;
    let query = SeriesQuery {
        from_step: args.from,
        to_step: args.to,
    };
    let mut all = Vec::new();
    for name in std::iter::once(&args.run).chain(&args.with) {
        let run = reader.run(ctx.find_run(&reader, name)?)?;
        for metric in &args.metrics {
            // A run beside the first may lack one of the metrics.
            if !all.is_empty() && args.with.contains(name) && !run.metrics.contains_key(metric) {
                let run = run.id.short();
                ctx.messages()
                    .warning(format!("run {run} has no metric {metric:?}"));
                continue;
            }
            let mut points = match reader.series(run.id, metric, &query) {
                Err(Error::NotFound { near, .. }) => return Err(no_metric(&run, metric, &near)),
                points => points?,
            };
            if let Some(tail) = args.tail {
                points.drain(..points.len().saturating_sub(tail));
            }
            let (run, metric) = (run.clone(), metric.clone());
            all.push(Series {
                run,
                metric,
                points,
            });
        }
    }
    ctx.pass_on_warnings(&reader);
    if args.plot {
        return draw(ctx, args, &all);
    }
    let named = args.metrics.len() > 1 || !args.with.is_empty();
    match ctx.out.format() {
        Format::Json | Format::Jsonl => {
            let rows = all.iter().flat_map(|series| {
                let run = named.then(|| series.run.id.to_string());
                let metric = named.then_some(series.metric.as_str());
                series
                    .points
                    .iter()
                    .map(move |point| Row::new(run.clone(), metric, point))
            });
            ctx.out.json(rows)?;
        }
        Format::Csv => ctx.out.write_through(|out| write_csv(out, &all, named))?,
        Format::Table => ctx.out.write(|out| write_columns(out, &all, named))?,
        Format::Md => ctx.out.write(|out| write_markdown(out, &all, named))?,
    }
    Ok(0)
}

/// Why there is no series, and which there are.
fn no_metric(run: &Run, metric: &str, near: &[String]) -> Failure {
    let (id, name) = (run.id.short(), &run.info.name);
    let failure = Failure::new(format!("run {id} {name} has no metric {metric:?}"));
    if !near.is_empty() {
        return failure.hint(format!("did you mean {}?", alternatives(near)));
    }
    failure.hint(match run.metrics.len() {
        0 => "it has none yet".to_owned(),
        count => {
            let names: Vec<&str> = run.metrics.keys().map(String::as_str).collect();
            let shown = names.get(..METRICS_MAX).unwrap_or(&names).join(", ");
            match count.saturating_sub(METRICS_MAX) {
                0 => format!("it has {shown}"),
                more => format!("it has {shown} and {more} more: `tracker show {id}`"),
            }
        }
    })
}

fn draw(ctx: &Ctx, args: &SeriesArgs, all: &[Series]) -> Outcome {
    let curves: Vec<Curve> = all
        .iter()
        .map(|series| Curve {
            label: match (args.with.is_empty(), args.metrics.len()) {
                (true, _) => series.metric.clone(),
                (false, 1) => format!("{} {}", series.run.id.short(), series.run.info.name),
                (false, _) => format!("{} {}", series.run.info.name, series.metric),
            },
            points: series
                .points
                .iter()
                .map(|point| (point.step as f64, point.value))
                .collect(),
        })
        .collect();
    let width = ctx.out.width().unwrap_or(PLOT_COLUMNS);
    match plot(&curves, width, PLOT_LINES + curves.len(), ctx.out.colour()) {
        Some(text) => ctx.out.write(|out| out.write_all(text.as_bytes()))?,
        None => ctx.messages().note("nothing to draw: no finite point"),
    }
    Ok(0)
}

/// A point as programs read it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<&'a str>,
    step: i64,
    time: String,
    value: Number,
}

/// JSON has no word for numbers that are not finite.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(&'static str),
}

impl<'a> Row<'a> {
    fn new(run: Option<String>, metric: Option<&'a str>, point: &Point) -> Self {
        Self {
            run,
            metric,
            step: point.step,
            time: time_to_text(point.time_us),
            value: Number::of(point.value),
        }
    }
}

impl Number {
    fn of(value: f64) -> Self {
        match value {
            _ if value.is_finite() => Self::Finite(value),
            _ if value.is_nan() => Self::Word("NaN"),
            _ if value > 0.0 => Self::Word("Infinity"),
            _ => Self::Word("-Infinity"),
        }
    }
}

fn write_csv(out: &mut dyn Write, all: &[Series], named: bool) -> tracker::Result<()> {
    let mut csv = PointsCsv::new(out, named)?;
    for series in all {
        csv.series(series.run.id, &series.metric, &series.points)?;
    }
    csv.finish()
}

/// Aligned columns, written as they come: a series may have millions of points.
fn write_columns(out: &mut dyn Write, all: &[Series], named: bool) -> io::Result<()> {
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let metric_width = widest(
        &mut all
            .iter()
            .map(|series| escape(&series.metric).chars().count()),
    );
    let metric_width = metric_width.max("METRIC".len());
    let steps = all.iter().flat_map(|series| &series.points);
    let step_width = widest(&mut steps.map(|point| digits(point.step))).max("STEP".len());
    if named {
        write!(out, "RUN       {:<metric_width$}  ", "METRIC")?;
    }
    writeln!(out, "{:>step_width$}  {:<23}  VALUE", "STEP", "TIME (UTC)")?;
    for series in all {
        let whose = if named {
            let (run, metric) = (series.run.id.short(), escape(&series.metric));
            format!("{run}  {metric:<metric_width$}  ")
        } else {
            String::new()
        };
        for point in &series.points {
            let time = number::exact_time(point.time_us);
            let value = number::compact(point.value);
            writeln!(
                out,
                "{whose}{:>step_width$}  {time:<23}  {value}",
                point.step
            )?;
        }
    }
    Ok(())
}

fn digits(step: i64) -> usize {
    let sign = usize::from(step < 0);
    sign + step
        .unsigned_abs()
        .checked_ilog10()
        .map_or(1, |log| log as usize + 1)
}

fn write_markdown(out: &mut dyn Write, all: &[Series], named: bool) -> io::Result<()> {
    if named {
        writeln!(out, "| run | metric | step | time (UTC) | value |")?;
        writeln!(out, "| --- | --- | ---: | --- | ---: |")?;
    } else {
        writeln!(out, "| step | time (UTC) | value |\n| ---: | --- | ---: |")?;
    }
    for series in all {
        let metric = escape(&series.metric).replace('|', "\\|");
        for point in &series.points {
            if named {
                write!(out, "| {} | {metric} ", series.run.id.short())?;
            }
            let (time, value) = (
                number::exact_time(point.time_us),
                number::compact(point.value),
            );
            writeln!(out, "| {} | {time} | {value} |", point.step)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_as_json_keeps_every_digit_and_names_what_is_not_finite() {
        let row = |value: f64| {
            let point = Point {
                step: -3,
                time_us: 1_705_307_400_000_000,
                value,
            };
            serde_json::to_string(&Row::new(None, None, &point)).unwrap()
        };
        assert_eq!(
            row(0.1 + 0.2),
            r#"{"step":-3,"time":"2024-01-15T08:30:00Z","value":0.30000000000000004}"#
        );
        assert!(row(f64::NEG_INFINITY).ends_with(r#""value":"-Infinity"}"#));
        assert!(row(f64::NAN).ends_with(r#""value":"NaN"}"#));
    }

    #[test]
    fn steps_are_as_wide_as_they_print() {
        for step in [0, 9, 10, -1, 999, i64::MAX, i64::MIN] {
            assert_eq!(digits(step), step.to_string().len());
        }
    }
}
