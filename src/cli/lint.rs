//! `tracker lint`: what will hurt later.

use serde_json::json;
use tracker::lint::Finding;
use tracker::lint::lint;
use tracker::model::RunId;

use super::arguments::OutputFile;
use super::context::Ctx;
use super::fail::FAILED;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::quoted_text;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Look;
use super::print::Table;
use super::print::escape;
use super::print::number;

/// Look for pitfalls in what was logged
///
/// Params and metrics that seem to be the same under several names, one param with several types,
/// params that only some runs of an experiment have; runs without params, without a version of
/// their data or a state of their code; metrics that never change, are only NaN, or are logged far
/// more often than anyone can use; runs that failed without a reason or were never finished; and
/// what breaks the rules in the store's tracker.toml.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 nothing found, 1 something found (or failed), 2 called wrongly

Examples:
  tracker lint
  tracker lint --experiment mnist
  tracker lint 'start > now - 7d' --format json")]
pub(crate) struct LintArgs {
    /// Only runs that this filter lets through
    filter: Option<String>,

    /// Only runs of this experiment
    #[arg(long, short, value_name = "NAME")]
    experiment: Option<String>,

    #[command(flatten)]
    pub(crate) output: OutputFile,
}

pub(crate) fn run(ctx: &Ctx, args: &LintArgs) -> Outcome {
    let reader = ctx.reader()?;
    let settings = ctx.store()?.settings()?;
    for warning in settings.warnings() {
        ctx.messages().warning(warning);
    }
    let experiment = args.experiment.as_deref().map(quoted_text);
    let experiment = experiment.map(|name| format!("experiment = {name}"));
    let filter = match (&args.filter, experiment) {
        (Some(filter), Some(experiment)) => {
            reader.count(Some(filter))?; // alone first: its errors show the text as it was typed
            Some(format!("({filter}) and {experiment}"))
        }
        (filter, experiment) => filter.clone().or(experiment),
    };
    let findings = lint(&reader, &settings, filter.as_deref())?;
    match ctx.out.format() {
        Format::Table => blocks(ctx, &findings)?,
        Format::Json | Format::Jsonl => ctx.out.json(findings.iter().map(|finding| {
            let Finding {
                rule,
                what,
                runs,
                examples,
                advice,
            } = finding;
            let examples: Vec<String> = examples.iter().map(ToString::to_string).collect();
            json!({"rule": rule, "what": what, "runs": runs, "examples": examples,
                "advice": advice})
        }))?,
        Format::Csv | Format::Md | Format::Parquet | Format::Arrow => {
            ctx.out.table(&table(&findings))?;
        }
    }
    if findings.is_empty() && ctx.out.format() == Format::Table {
        ctx.messages().note("nothing found");
    }
    Ok(if findings.is_empty() { 0 } else { FAILED })
}

/// What, where, and what to do, below each other: sentences fit no column.
fn blocks(ctx: &Ctx, findings: &[Finding]) -> Result<(), Failure> {
    for finding in findings {
        let rule = ctx.out.styled(Look::Warn, finding.rule);
        ctx.out.line(format!("{rule}: {}", escape(&finding.what)))?;
        let runs = number::counted(finding.runs, "run");
        let more = if finding.runs > finding.examples.len() as u64 {
            ", …"
        } else {
            ""
        };
        ctx.out
            .line(format!("  {runs}: {}{more}", short(&finding.examples)))?;
        let advice = format!("  {}", escape(&finding.advice));
        ctx.out.line(ctx.out.styled(Look::Dim, &advice))?;
    }
    Ok(())
}

fn short(runs: &[RunId]) -> String {
    let runs: Vec<String> = runs.iter().map(|run| run.short()).collect();
    runs.join(", ")
}

fn table(findings: &[Finding]) -> Table {
    let heads = ["rule", "runs", "what", "examples", "advice"];
    let mut table = Table::new(heads.map(|name| Column::new(name, name)).into());
    for finding in findings {
        let full: Vec<String> = finding.examples.iter().map(ToString::to_string).collect();
        table.push(vec![
            Cell::text(finding.rule),
            Cell::count(finding.runs),
            Cell::text(&finding.what),
            Cell::new(&short(&finding.examples), full.join(" ")),
            Cell::text(&finding.advice),
        ]);
    }
    table
}
