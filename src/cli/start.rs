//! `tracker start`: a run for scripts.

use tracker::RunOptions;

use super::context::Ctx;
use super::fail::Outcome;
use super::new_run::NewRun;

/// Start a run for a script and print its id
///
/// The run is running until `tracker finish`, whoever logs to it and however often. Only its id
/// is printed, so that a script can keep it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 started, 1 failed, 2 called wrongly

Examples:
  RUN=$(tracker start --name baseline --param lr=0.1)
  tracker log $RUN --step 1 loss=0.7
  tracker finish $RUN")]
pub(crate) struct StartArgs {
    #[command(flatten)]
    new_run: NewRun,
}

pub(crate) fn run(ctx: &Ctx, args: &StartArgs) -> Outcome {
    let store = ctx.store_or_create()?;
    let writer = store.start_run(RunOptions {
        detached: true,
        ..args.new_run.options(ctx)?
    })?;
    let id = writer.id();
    args.new_run.describe(ctx, &writer)?;
    writer.close()?;
    ctx.out.line(id)?;
    Ok(0)
}
