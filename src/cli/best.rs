//! `tracker best`: the run that did best by one metric, and with which params.

use std::collections::BTreeSet;

use tracker::Error;
use tracker::Query;
use tracker::Reader;

use super::arguments::OutputFile;
use super::context::Ctx;
use super::direction::Better;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::RunColumn;
use super::groups::Asked;
use super::groups::Grouping;
use super::listing;
use super::print::Format;
use tracker::query::filter::Attribute;
use tracker::query::filter::Field;
use tracker::query::filter::Stat;
use tracker::settings::Direction;

/// Find the run that is best by a metric
///
/// Compares the last values; with `--at best` each run's best value. `--min` or `--max` is
/// remembered for the metric. Where nothing is, the direction is guessed from the name and told:
/// losses, errors, perplexities and times are better small, all else large.
///
/// With --over or --group-by the best group is found, by the mean of its runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 found, 1 failed or no run has the metric, 2 called wrongly

Examples:
  tracker best val/acc
  tracker best val/loss --at best --filter 'params.model = \"resnet18\"' -n 5
  tracker best reward --format json
  tracker best val/acc --over seed -n 3")]
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

    /// Show so many runs, the best first; 0 is all
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1)]
    limit: usize,

    #[command(flatten)]
    grouping: Grouping,

    #[command(flatten)]
    pub(crate) output: OutputFile,
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
    let direction = args.better.resolve(ctx, &args.metric)?;
    let stat = args.at.stat(direction);
    let field = Field::Metric(args.metric.clone(), stat);
    let reader = ctx.reader()?;
    let mut filter = format!("{field} is not null");
    if let Some(asked) = &args.filter {
        // Alone first: its errors show the text as it was typed.
        reader.asked(&Query {
            filter: Some(asked.clone()),
            ..Query::default()
        })?;
        filter = format!("({asked}) and {filter}");
    }
    // A name that nobody has would be an error of the sort key, which nobody typed.
    if reader.count(Some(&filter))? == 0 {
        return Err(missing(&reader, args));
    }
    args.better.remember(ctx, &args.metric)?;
    let sort = match direction {
        Direction::Min => field.to_string(),
        Direction::Max => format!("-{field}"),
    };
    if args.grouping.is_asked()? {
        let asked = Asked {
            filter: Some(filter),
            values: &[field.to_string()],
            sort: &[sort],
            limit: (args.limit > 0).then_some(args.limit),
            all_keys: true,
        };
        args.grouping.print(ctx, &reader, &asked)?;
        return Ok(0);
    }
    let runs = reader.runs(&Query {
        filter: Some(filter),
        sort: vec![sort],
        limit: (args.limit > 0).then_some(args.limit),
    })?;
    let params: BTreeSet<&String> = runs.iter().flat_map(|run| run.params.keys()).collect();
    let mut columns = vec![
        RunColumn::Field(field),
        RunColumn::attribute(Attribute::Status),
        RunColumn::attribute(Attribute::Start),
    ];
    columns.extend(params.into_iter().map(|name| RunColumn::param(name)));
    let columns = listing::with_names(columns);
    let people = matches!(ctx.out.format(), Format::Table | Format::Md);
    listing::print(ctx, &reader, &runs, people.then_some(&columns))?;
    Ok(0)
}

/// Why there is no best run: the metric is called otherwise, or the filter lets none through.
fn missing(reader: &Reader, args: &BestArgs) -> Failure {
    let names = reader.metric_names().unwrap_or_default();
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
