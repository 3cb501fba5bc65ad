//! `tracker start`: a run for scripts.

use tracker::RunOptions;
use tracker::model::RunId;
use tracker::model::Status;

use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::new_run::NewRun;
use super::print::Output;

/// Start a run for a script and print its id
///
/// The run is running until `tracker finish`, whoever logs to it and however often. Only its id
/// is printed, so that a script can keep it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 started, 1 failed or the id cannot be printed, 2 called wrongly

Examples:
  RUN=$(tracker start --name baseline --param lr=0.1)
  tracker log $RUN --step 1 loss=0.7
  tracker finish $RUN")]
pub(crate) struct StartArgs {
    #[command(flatten)]
    new_run: NewRun,
}

pub(crate) fn run(ctx: &Ctx, args: &StartArgs) -> Outcome {
    if Output::is_closed() && !args.new_run.is_named() {
        return Err(
            Failure::new("cannot print the run's id: standard output is closed").hint(
                "keep the id with `RUN=$(tracker start)`, or give the run a name with `--name`",
            ),
        );
    }
    let store = ctx.store_or_create()?;
    let writer = store.start_run(RunOptions {
        detached: true,
        ..args.new_run.options(ctx)?
    })?;
    let told = args
        .new_run
        .describe(ctx, &writer)
        .map_err(Failure::from)
        .and_then(|()| tell(ctx, writer.id()));
    if let Err(failure) = told {
        // It would run for ever: nobody has its id to finish it.
        let reason = format!("tracker start failed: {}", failure.message());
        let _ = writer.finish(Status::Failed, Some(&reason), None); // the first error says more
        return Err(failure);
    }
    writer.close()?;
    Ok(0)
}

/// Prints the id; a closed pipe is a failure here, for nobody has the id then.
fn tell(ctx: &Ctx, id: RunId) -> Result<(), Failure> {
    ctx.out
        .line(id)
        .and_then(|()| ctx.out.flush())
        .map_err(|failure| {
            Failure::new(format!("cannot print the run's id: {}", failure.message()))
                .hint("keep the id with `RUN=$(tracker start)`")
        })
}
