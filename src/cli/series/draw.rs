//! Curves in the terminal.

use tracker::export::PointSeries;
use tracker::export::PointTable;
use tracker::model::Run;

use super::SeriesArgs;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Axis;
use crate::cli::print::Curve;
use crate::cli::print::Empty;
use crate::cli::print::Plot;
use crate::cli::print::number;

/// Lines of a plot, and its columns where there is no terminal.
const LINES: usize = 20;
const COLUMNS: usize = 80;
/// Points of a curve that a screen can show, many times over.
pub(super) const POINTS_MAX: usize = 20_000;

/// Whether and how curves are drawn.
#[derive(Debug, clap::Args)]
pub(super) struct PlotArgs {
    /// Draw the curves in the terminal
    #[arg(long)]
    pub(super) plot: bool,

    /// Plot: make x logarithmic
    #[arg(long, requires = "plot")]
    log_x: bool,

    /// Plot: make y logarithmic
    #[arg(long, requires = "plot")]
    log_y: bool,

    /// Plot: so many columns; those of the terminal without it, or 80
    #[arg(long, requires = "plot", value_name = "COLUMNS", value_parser = extent)]
    width: Option<usize>,

    /// Plot: so many lines without the legend; 20 without it
    #[arg(long, requires = "plot", value_name = "LINES", value_parser = extent)]
    height: Option<usize>,
}

fn extent(text: &str) -> Result<usize, String> {
    let known = 8..=1_000;
    let number = text.parse().ok().filter(|number| known.contains(number));
    number.ok_or_else(|| "want a whole number from 8 to 1000".to_owned())
}

pub(super) fn draw(ctx: &Ctx, args: &SeriesArgs, runs: &[Run], table: &PointTable) -> Outcome {
    let labels = Labels::of(runs, table);
    let mut curves: Vec<Curve> = Vec::new();
    for series in &table.series {
        curves.push(Curve {
            label: labels.label(series),
            points: points(series),
        });
    }
    plot(ctx, args, curves)
}

/// Draws curves.
pub(super) fn plot(ctx: &Ctx, args: &SeriesArgs, mut curves: Vec<Curve>) -> Outcome {
    if curves.len() > Plot::CURVES_MAX {
        let (most, all) = (Plot::CURVES_MAX, number::count(curves.len() as u64));
        ctx.messages().warning(format!(
            "drawing the first {most} of {all} curves: more cannot be told apart"
        ));
        curves.truncate(most);
    }
    let x_name = match args.x.as_str() {
        "step" => None,
        "time" => Some("time since start".to_owned()),
        metric => Some(metric.to_owned()),
    };
    let plot = Plot {
        x: Axis {
            is_log: args.drawing.log_x,
            is_time: args.x == "time",
            least_tick: if args.x == "step" { 1.0 } else { 0.0 },
            name: x_name,
        },
        y: Axis {
            is_log: args.drawing.log_y,
            ..Axis::default()
        },
        width: args.drawing.width.or(ctx.out.width()).unwrap_or(COLUMNS),
        height: args.drawing.height.unwrap_or(LINES),
        colour: ctx.out.colour(),
    };
    match plot.draw(&curves) {
        Ok(text) => ctx.out.write(|out| out.write_all(text.as_bytes()))?,
        Err(Empty::NothingPositive(option)) => {
            return Err(Failure::new(format!(
                "nothing to draw: no value is positive for {option}"
            ))
            .hint(format!("leave out {option}")));
        }
        Err(Empty::NothingFinite) => ctx.messages().note("nothing to draw: no finite point"),
        Err(Empty::NoPoint) => ctx.messages().note("nothing to draw: no point"),
    }
    Ok(0)
}

/// Where the points of a series are drawn; smoothed if they are.
fn points(series: &PointSeries) -> Vec<(f64, f64)> {
    let curve = &series.curve;
    let point = |(at, point): (usize, &tracker::model::Point)| {
        let x = curve.x.get(at).copied().unwrap_or(point.step as f64);
        let y = curve.smoothed.get(at).copied().unwrap_or(point.value);
        (x, y)
    };
    curve.points.iter().enumerate().map(point).collect()
}

/// What tells curves apart: the metric, the run, or both.
struct Labels<'a> {
    runs: &'a [Run],
    one_run: bool,
    one_metric: bool,
}

impl<'a> Labels<'a> {
    fn of(runs: &'a [Run], table: &PointTable) -> Self {
        let all_same = |same: &dyn Fn(&PointSeries, &PointSeries) -> bool| {
            let mut pairs = table.series.windows(2);
            pairs.all(|pair| matches!(pair, [a, b] if same(a, b)))
        };
        Self {
            runs,
            one_run: all_same(&|a, b| a.run == b.run) && runs.len() == 1,
            one_metric: all_same(&|a, b| a.metric == b.metric),
        }
    }

    fn label(&self, series: &PointSeries) -> String {
        let run = self.runs.iter().find(|run| run.id == series.run);
        let name = run.map_or("", |run| run.info.name.as_str());
        match (self.one_run, self.one_metric) {
            (true, _) => series.metric.clone(),
            (false, true) => format!("{} {name}", series.run.short()),
            (false, false) => format!("{name} {}", series.metric),
        }
    }
}
