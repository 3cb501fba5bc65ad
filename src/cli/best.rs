//! `tracker best`: the run that did best by one metric, and with which params.

use tracker::Error;
use tracker::Query;
use tracker::Reader;

use super::arguments::Better;
use super::arguments::Direction;
use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::Attribute;
use super::field::Field;
use super::field::Stat;
use super::field::common_metrics;
use super::field::quoted_metric;
use super::listing;

/// Runs that are looked at for the names of their metrics when one is not found.
const NEAR_RUNS_MAX: usize = 1_000;

/// Find the run that is best by a metric
///
/// Compares the last values; with `--at best` each run's best value. Without `--min` or `--max` the
/// direction is guessed from the name and told: losses, errors, perplexities and times are better
/// small, all else large.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 found, 1 failed or no run has the metric, 2 called wrongly

Examples:
  tracker best val/acc
  tracker best val/loss --at best --filter 'params.model = \"resnet18\"' -n 5
  tracker best reward --format json")]
pub(crate) struct BestArgs {
    /// Metric that decides
    metric: String,

    #[command(flatten)]
    better: Better,

    /// Value of a run that counts
    #[arg(long, value_enum, default_value_t = At::Last)]
    at: At,

    /// Only runs that this filter lets through
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

    /// Show so many runs, the best first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1)]
    limit: usize,
}

/// Which value of a series stands for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum At {
    /// The last one
    Last,
    /// The best one
    Best,
}

impl At {
    pub(crate) fn stat(self, direction: Direction) -> Stat {
        match (self, direction) {
            (Self::Last, _) => Stat::Last,
            (Self::Best, Direction::Min) => Stat::Min,
            (Self::Best, Direction::Max) => Stat::Max,
        }
    }
}

pub(crate) fn run(ctx: &Ctx, args: &BestArgs) -> Outcome {
    let direction = args.better.resolve(&args.metric, ctx.messages());
    let stat = args.at.stat(direction);
    let field = quoted_metric(&args.metric);
    let key = match stat {
        Stat::Min => format!("min({field})"),
        Stat::Max => format!("max({field})"),
        _ => field,
    };
    let has_metric = format!("{key} is not null");
    let reader = ctx.reader()?;
    // The user's filter alone first: its errors are shown with the place in the text as typed.
    let filter = match &args.filter {
        Some(filter) => {
            reader.runs(&Query {
                filter: Some(filter.clone()),
                sort: Vec::new(),
                limit: Some(1),
            })?;
            format!("({filter}) and {has_metric}")
        }
        None => has_metric,
    };
    let runs = reader.runs(&Query {
        filter: Some(filter),
        sort: vec![match direction {
            Direction::Min => key,
            Direction::Max => format!("-{key}"),
        }],
        limit: Some(args.limit.max(1)),
    })?;
    if runs.is_empty() {
        return Err(missing(&reader, args));
    }
    let params = runs.iter().flat_map(|run| run.params.keys());
    let params: std::collections::BTreeSet<&String> = params.collect();
    let metric = match stat {
        Stat::Last => Field::Metric(args.metric.clone(), Stat::Last),
        stat => Field::Metric(args.metric.clone(), stat),
    };
    let columns = listing::with_names(
        [
            metric,
            Field::Attribute(Attribute::Status),
            Field::Attribute(Attribute::Start),
        ]
        .into_iter()
        .chain(params.into_iter().map(|name| Field::Param(name.clone()))),
    );
    listing::print(ctx, &reader, &runs, Some(&columns))?;
    Ok(0)
}

/// Why there is no best run: the metric is called otherwise, or the filter lets none through.
fn missing(reader: &Reader, args: &BestArgs) -> Failure {
    let sample = reader.runs(&Query {
        limit: Some(NEAR_RUNS_MAX),
        ..Query::default()
    });
    let names = common_metrics(&sample.unwrap_or_default());
    if args.filter.is_some() && names.contains(&args.metric) {
        return Failure::new(format!(
            "no run that the filter lets through has the metric {:?}",
            args.metric
        ));
    }
    let wanted = args.metric.to_lowercase();
    let near = names
        .into_iter()
        .filter(|name| {
            let name = name.to_lowercase();
            name.contains(&wanted) || wanted.contains(&name) || is_one_slip_away(&name, &wanted)
        })
        .take(3)
        .collect();
    Error::NotFound {
        what: "metric",
        name: args.metric.clone(),
        near,
    }
    .into()
}

/// Whether the names differ by one letter added, left out, changed or swapped with its neighbour.
fn is_one_slip_away(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let before = a.iter().zip(&b).take_while(|pair| pair.0 == pair.1).count();
    let (a, b) = (&a[before..], &b[before..]);
    let backwards = a.iter().rev().zip(b.iter().rev());
    let after = backwards.take_while(|pair| pair.0 == pair.1).count();
    // What is left of each between their common beginning and end.
    match (&a[..a.len() - after], &b[..b.len() - after]) {
        ([first, second], swapped @ [_, _]) => swapped == [*second, *first],
        (a, b) => a.len() <= 1 && b.len() <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_of_the_finger_is_near() {
        for (a, b) in [
            ("loss", "los"),
            ("loss", "looss"),
            ("acc", "axc"),
            ("val", "avl"),
            ("same", "same"),
            ("aa", "aaa"),
        ] {
            assert!(is_one_slip_away(a, b) && is_one_slip_away(b, a), "{a} {b}");
        }
        for (a, b) in [("loss", "acc"), ("abcd", "badc"), ("f1", "loss")] {
            assert!(!is_one_slip_away(a, b), "{a} {b}");
        }
    }
}
