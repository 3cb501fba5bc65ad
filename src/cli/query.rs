//! `tracker query`: the runs that a filter lets through.

use tracker::Query;
use tracker::model::Run;

use super::arguments::OutputFile;
use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::RunColumn;
use super::groups::Asked;
use super::groups::Grouping;
use super::listing;
use super::listing::ListColumn;
use super::listing::Listing;
use super::print::Format;
use tracker::query::filter::Attribute;
use tracker::query::filter::Calculation;
use tracker::query::filter::Expression;
use tracker::query::filter::Field;

/// Find runs by their params, metrics and tags, and by what comes out of these
///
/// A filter compares values: params.NAME, metrics.NAME (its last value), tags.NAME, and id, name,
/// experiment, author, status, start, end, duration, parent, note, artifacts. A bare NAME is the
/// param, metric or tag that has it. Names with blanks or signs go in double quotes.
///
/// The table shows the values that filter and sort speak of.
///
/// With --group-by or --over it shows groups of runs instead: how many runs each has, and of its
/// metrics (those of --columns) mean ± standard deviation. --sort then takes n, a value of
/// --group-by, or any other, which means its mean.
#[derive(Debug, clap::Args)]
#[command(after_long_help = LANGUAGE, after_help = EXAMPLES)]
pub(crate) struct QueryArgs {
    /// Filter, in quotes for the shell
    #[arg(allow_hyphen_values = true)]
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

    #[command(flatten)]
    grouping: Grouping,

    #[command(flatten)]
    pub(crate) output: OutputFile,
}

const EXAMPLES: &str = "\
Exit codes: 0 answered (no runs is an answer), 1 failed, 2 called wrongly

Examples:
  tracker query 'val/acc > 0.9 and params.model = \"resnet18\"'
  tracker query 'status = \"failed\" and start > now - 7d'
  tracker query 'min(metrics.loss) < 0.1 or tags.best is null' --sort -val/acc
  tracker query 'val - train > 0.1' --sort '-(val - train)'
  tracker query 'lr > 0.1' --columns name,'at(loss, 1000)','loss / lr'
  tracker query 'lr < 0.1' --over seed --sort -val/acc --stats n,mean,sem

`tracker query --help` tells the whole language.";

const LANGUAGE: &str = "\
Conditions:
  =  !=  <  <=  >  >=   between values of any kind; both sides may be worked out
  in (1, 2)   not in    any of a list         between 0 and 1    both bounds belong to it
  like 'res%' ilike     % any text, _ one     ~ '^res'  !~       a regular expression
  is null, is not null  whether it is there   and, or, not, ( )  join them
  A condition on a value that a run does not have is false.

Values:
  0.1  -1e-3  nan  inf  true     16KB  4MiB (bytes)      'text'  \"text\"
  90s  5m  1h30m  7d  1w         '2024-01-15'  '2024-01-15 10:30'  now  now - 7d

Arithmetic, with blanks around - and /, as names run on over these:
  + - * / %  and ( )             metrics.val - metrics.train > 0.1
  times and durations            end - start > 1h, duration / 60 > 5, start + 1d < now
  A param that is the text 0.01 counts as the number.

Functions of a metric:
  last first min max mean median std count nan_count
  argmin argmax first_step last_step first_nan      a step
  at(metrics.loss, 1000)         the value logged at that step
  auc(metrics.loss)              area below the curve, in value times steps
  slope(metrics.loss, 100)       of the last 100 points, in value a step
  smooth(metrics.loss, 0.9)      last value of the debiased moving average
  Each of some points only:      min(metrics.loss where step < 1000)
                                 mean(loss where step >= 100 and step < 200)
                                 count(loss where time > now - 1h)

More attributes, with their prefix:
  attributes.reason source command cwd host os cpu cpu_count git_commit git_branch git_dirty,
  attributes.env.NAME

Exit codes: 0 answered (no runs is an answer), 1 failed, 2 called wrongly

Examples:
  tracker query 'val/acc > 0.9 and params.model = \"resnet18\"'
  tracker query 'status = \"failed\" and start > now - 7d'
  tracker query 'min(metrics.loss) < 0.1 or tags.best is null' --sort -val/acc
  tracker query 'val - train > 0.1' --sort '-(val - train)'
  tracker query 'first_nan(metrics.loss) is not null' --columns name,'first_nan(loss)',lr
  tracker query 'slope(metrics.loss, 100) > 0 and status = \"running\"'
  tracker query 'params.lr = params.warmup_lr or attributes.git_dirty = true'
  tracker query 'lr > 0.1' --columns name,'at(loss, 1000)','loss / lr'
  tracker query 'tags.sweep = \"b\"' --group-by lr,model --columns val/acc
  tracker query 'lr < 0.1' --over seed --sort -val/acc --stats n,mean,sem";

pub(crate) fn run(ctx: &Ctx, args: &QueryArgs) -> Outcome {
    let reader = ctx.reader()?;
    let mut columns = Vec::new();
    for text in &args.columns {
        let read = Expression::parse_list(text, reader.now_us());
        columns.extend(read.map_err(|error| Failure::argument(&error))?);
    }
    if args.grouping.is_asked()? {
        let asked = Asked {
            filter: Some(args.filter.clone()),
            values: &columns.iter().map(ToString::to_string).collect::<Vec<_>>(),
            sort: &args.sort,
            limit: (args.limit > 0).then_some(args.limit),
            all_keys: false,
        };
        args.grouping.print(ctx, &reader, &asked)?;
        return Ok(0);
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
    // What was asked about goes last where the screen is narrow.
    let columns = asked
        .chain(held(Attribute::Status))
        .chain(held(Attribute::Start));
    listing::with_names(columns)
}
