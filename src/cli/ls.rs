//! `tracker ls`: the latest runs.

use tracker::Query;
use tracker::model::Status;

use super::arguments::OutputFile;
use super::context::Ctx;
use super::fail::Outcome;
use super::field::quoted_text;
use super::groups::Asked;
use super::groups::Grouping;
use super::listing;
use super::print::Format;
use super::print::number;

/// List runs, the latest first
///
/// Shows how each run stands and the last values of the metrics that most of them have. JSON has
/// every run in full. With --group-by or --over it shows groups of runs, as `tracker query` does.
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "list",
    after_help = "\
Exit codes: 0 listed (none is fine), 1 failed, 2 called wrongly

Examples:
  tracker ls
  tracker ls --experiment mnist --sort -metrics.val/acc
  tracker ls --status running --format json
  tracker ls --experiment mnist --over seed"
)]
pub(crate) struct LsArgs {
    /// Show at most so many runs; 0 is all, and so it is without it but for tables: 20
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,

    /// Only runs of this experiment
    #[arg(long, short, value_name = "NAME")]
    experiment: Option<String>,

    /// Only runs that stand like this: running, completed, failed or unknown
    #[arg(long, short, value_name = "STATUS", value_parser = status)]
    status: Option<Status>,

    /// Sort by a value, as `start` or `metrics.loss`; a leading `-` is descending (can be repeated)
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    sort: Vec<String>,

    #[command(flatten)]
    grouping: Grouping,

    #[command(flatten)]
    pub(crate) output: OutputFile,
}

/// Most runs that people are shown who did not say how many.
const RUNS_MAX: usize = 20;

fn status(text: &str) -> Result<Status, String> {
    text.parse()
        .map_err(|_long| "want running, completed, failed or unknown".to_owned())
}

pub(crate) fn run(ctx: &Ctx, args: &LsArgs) -> Outcome {
    let experiment = args.experiment.as_deref().map(quoted_text);
    let parts: Vec<String> = [
        experiment.map(|name| format!("experiment = {name}")),
        args.status.map(|status| format!("status = '{status}'")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let people = matches!(ctx.out.format(), Format::Table | Format::Md);
    // A program must not take a part for the whole.
    let limit = args.limit.unwrap_or(if people { RUNS_MAX } else { 0 });
    let filter = (!parts.is_empty()).then(|| parts.join(" and "));
    if args.grouping.is_asked()? {
        let asked = Asked {
            filter,
            values: &[],
            sort: &args.sort,
            limit: (limit > 0).then_some(limit),
            all_keys: false,
        };
        args.grouping.print(ctx, &ctx.reader()?, &asked)?;
        return Ok(0);
    }
    let query = Query {
        filter: filter.clone(),
        sort: args.sort.clone(),
        // One more than is shown tells whether there are more.
        limit: (limit > 0).then(|| limit.saturating_add(1)),
    };
    let reader = ctx.reader()?;
    let mut runs = reader.runs(&query)?;
    let more = limit > 0 && runs.len() > limit;
    if more {
        runs.truncate(limit);
    }
    if runs.is_empty() && people {
        ctx.messages().note(if parts.is_empty() {
            "there are no runs yet; begin with `tracker run -- CMD`"
        } else {
            "no runs like that"
        });
        return Ok(0);
    }
    let columns = if people && !args.sort.is_empty() {
        let sorted_by = reader.asked(&query)?.into_iter().map(Into::into);
        Some(listing::with_names(
            listing::usual_columns(&runs).into_iter().chain(sorted_by),
        ))
    } else {
        None
    };
    listing::print(ctx, &reader, &runs, columns.as_deref())?;
    if more && people {
        let (shown, all) = (runs.len(), reader.count(filter.as_deref())?);
        let all = number::count(all as u64);
        ctx.out.flush()?;
        ctx.messages().note(format!(
            "showing {shown} of {all} runs; `--limit 0` shows all"
        ));
    }
    Ok(0)
}
