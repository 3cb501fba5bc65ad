//! `tracker query`: the runs that a filter lets through.

use tracker::Query;
use tracker::model::Run;

use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::RunColumn;
use super::listing;
use super::listing::ListColumn;
use super::listing::Listing;
use super::print::Format;
use tracker::query::filter::Attribute;
use tracker::query::filter::Calculation;
use tracker::query::filter::Expression;
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

    /// Sort by a value; a leading `-` is descending (can be repeated)
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    sort: Vec<String>,

    /// Show at most so many runs; 0 is all
    #[arg(long, short = 'n', value_name = "N", default_value_t = 0)]
    limit: usize,

    /// Show these values, with commas between them; a bare name is a metric, param or tag. JSON has
    /// every run in full always, and as `columns` what has to be worked out
    #[arg(long, value_name = "VALUES", allow_hyphen_values = true)]
    columns: Vec<String>,
}

pub(crate) fn run(ctx: &Ctx, args: &QueryArgs) -> Outcome {
    let reader = ctx.reader()?;
    let mut columns = Vec::new();
    for text in &args.columns {
        let read = Expression::parse_list(text, reader.now_us());
        columns.extend(read.map_err(|error| Failure::argument(&error))?);
    }
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
    if columns.is_empty() {
        let asked = people.then(|| reader.asked(&query)).transpose()?;
        let columns = asked.map(|asked| asked_about(asked, &runs));
        listing::print(ctx, &reader, &runs, columns.as_deref())?;
        return Ok(0);
    }
    let mut columns = ListColumn::resolve(&reader, &columns, &runs)?;
    // Asked for by name, they stand as asked; the id is what other commands take.
    let id = RunColumn::attribute(Attribute::Id).into();
    if !columns.contains(&id) {
        columns.insert(0, id);
    }
    let listing = Listing::new(&reader, &runs, columns)?;
    listing.warn_of_empty(ctx);
    listing.print(ctx)?;
    Ok(0)
}

/// What a table shows by itself: how the runs stand and what was asked about.
fn asked_about(asked: Vec<Calculation>, runs: &[Run]) -> Vec<ListColumn> {
    let is_attribute = |value: &Calculation| matches!(value.as_field(), Some(Field::Attribute(_)));
    let are_attributes = asked.iter().all(is_attribute);
    let asked = asked.into_iter().map(ListColumn::from);
    if are_attributes {
        // Of when and by whom they were run: how they did is as in any list.
        return listing::with_names(listing::usual_columns(runs).into_iter().chain(asked));
    }
    let held = |attribute| std::iter::once(ListColumn::Held(RunColumn::attribute(attribute)));
    let columns = held(Attribute::Status)
        .chain(asked)
        .chain(held(Attribute::Start));
    listing::with_names(columns)
}
