//! `tracker finish`: the end of a run that a script started.

use tracker::model::Status;

use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;

/// Finish a run that `tracker start` began
///
/// A finished run takes no more points; what is said of it, as tags and a note, may still change.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 finished, 1 failed, 2 called wrongly

Examples:
  tracker finish $RUN
  tracker finish $RUN --status failed --reason 'loss is NaN'")]
pub(crate) struct FinishArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// How it went
    #[arg(long, value_enum, default_value_t = Fate::Completed)]
    status: Fate,

    /// Why it failed
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Fate {
    /// All went well
    Completed,
    /// It went wrong
    Failed,
}

pub(crate) fn run(ctx: &Ctx, args: &FinishArgs) -> Outcome {
    let status = match args.status {
        Fate::Completed if args.reason.is_some() => {
            return Err(Failure::usage("--reason tells why a run failed")
                .hint("add `--status failed`, or use `tracker note`"));
        }
        Fate::Completed => Status::Completed,
        Fate::Failed => Status::Failed,
    };
    let writer = ctx.join_briefly(&args.run)?;
    let id = writer.id();
    writer.finish(status, args.reason.as_deref(), None)?;
    ctx.warn_of_rules(id, &[]);
    Ok(0)
}
