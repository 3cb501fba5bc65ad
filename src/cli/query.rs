//! `tracker query`: the runs that a filter lets through.

use tracker::Query;
use tracker::model::Run;

use super::context::Ctx;
use super::fail::Outcome;
use super::field::RunColumn;
use super::listing;
use super::print::Format;
use tracker::query::filter::Attribute;
use tracker::query::filter::Field;

/// Find runs by their params, metrics and tags
///
/// A filter compares fields: params.NAME, metrics.NAME (its last value), tags.NAME, and id, name,
/// experiment, author, status, start, end, duration, note. A bare NAME is the param, metric or tag
/// that has it. Between them and, or, not and parentheses; =, !=, <, <=, >, >=, in, between, like,
/// ~ (a regular expression), is null. Functions look at a whole series: min, max, mean, std, first,
/// last, count, nan_count, argmin, argmax. Names with blanks go in double quotes, texts in single
/// ones; dates are '2024-01-15', durations 90s, 1h30m, 7d.
///
/// The table shows the fields that filter and sort speak of.
#[derive(Debug, clap::Args)]
#[expect(clippy::doc_markdown, reason = "it is read as plain text")]
#[command(after_help = "\
Exit codes: 0 answered (no runs is an answer), 1 failed, 2 called wrongly

Examples:
  tracker query 'val/acc > 0.9 and params.model = \"resnet18\"'
  tracker query 'status = \"failed\" and start > now - 7d'
  tracker query 'min(metrics.loss) < 0.1 or tags.best is null' --sort -val/acc
  tracker query 'start > 2024-01-15' --columns name,lr,'min(metrics.loss)'")]
pub(crate) struct QueryArgs {
    /// Filter, in quotes for the shell
    filter: String,

    /// Sort by a field; a leading `-` is descending (can be repeated)
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Vec<String>,

    /// Show at most so many runs; 0 is all
    #[arg(long, short = 'n', value_name = "N", default_value_t = 0)]
    limit: usize,

    /// Show these fields; a bare name is a metric, param or tag (JSON has all of them always)
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    columns: Vec<String>,
}

pub(crate) fn run(ctx: &Ctx, args: &QueryArgs) -> Outcome {
    let mut columns = Vec::new();
    for column in &args.columns {
        columns.push(RunColumn::parse(column)?);
    }
    let reader = ctx.reader()?;
    let query = Query {
        filter: Some(args.filter.clone()),
        sort: args.sort.clone(),
        limit: (args.limit > 0).then_some(args.limit),
    };
    let runs = reader.runs(&query)?;
    let people = matches!(ctx.out.format(), Format::Table | Format::Md);
    if runs.is_empty() && people {
        ctx.messages().note("no runs like that");
        return Ok(0);
    }
    let columns = if !columns.is_empty() {
        // Asked for by name, they stand as asked; the id is what other commands take.
        let id = RunColumn::attribute(Attribute::Id);
        let asked = columns.contains(&id);
        Some([if asked { vec![] } else { vec![id] }, columns].concat())
    } else if people {
        Some(asked_about(&reader.fields(&query)?, &runs))
    } else {
        None
    };
    if !args.columns.is_empty() {
        warn_of_empty(ctx, &runs, columns.as_deref().unwrap_or_default());
    }
    listing::print(ctx, &reader, &runs, columns.as_deref())?;
    Ok(0)
}

/// What a table shows by itself: how the runs stand and what was asked about.
fn asked_about(fields: &[Field], runs: &[Run]) -> Vec<RunColumn> {
    let asked = fields.iter().cloned().map(RunColumn::Field);
    let is_attribute = |field: &Field| matches!(field, Field::Attribute(_));
    if fields.iter().all(is_attribute) {
        // Of when and by whom they were run: how they did is as in any list.
        return listing::with_names(listing::usual_columns(runs).into_iter().chain(asked));
    }
    let status = std::iter::once(RunColumn::attribute(Attribute::Status));
    let start = std::iter::once(RunColumn::attribute(Attribute::Start));
    listing::with_names(status.chain(asked).chain(start))
}

/// Says which columns nobody has: a name mistyped looks like a value not there.
fn warn_of_empty(ctx: &Ctx, runs: &[Run], columns: &[RunColumn]) {
    let empty = columns.iter().filter(|column| {
        let is_own_name = !matches!(column, RunColumn::Field(Field::Attribute(_)));
        is_own_name && !runs.iter().any(|run| column.is_in(run))
    });
    for column in empty {
        let key = column.key();
        ctx.messages()
            .warning(format!("none of these runs has {key}"));
    }
}
