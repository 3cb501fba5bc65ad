//! `tracker rebuild`: the index anew from the journal.

use tracker::Error;

use super::context::Ctx;
use super::fail::FAILED;
use super::fail::Failure;
use super::fail::Outcome;
use super::print::Bar;
use super::print::number;

/// Make the index anew from the journal
///
/// The index holds nothing that the journal does not; readers use the old one until the new one
/// stands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 made, 1 failed or not all could be read, 2 called wrongly

Examples:
  tracker rebuild")]
pub(crate) struct RebuildArgs {}

pub(crate) fn run(ctx: &Ctx, _args: &RebuildArgs) -> Outcome {
    let store = ctx.store()?;
    let bar = Bar::bytes("rebuilding");
    let report = match store.rebuild(&mut |done, total| bar.show(done, total)) {
        Err(error @ Error::Corrupt(_)) => return Err(refused(&error)),
        report => report?,
    };
    drop(bar);
    let messages = ctx.messages();
    for run in &report.recovered {
        let run = run.short();
        messages.note(format!(
            "run {run} had no living writer; what it logged is kept"
        ));
    }
    messages.say(format!(
        "made the index from {} with {}",
        number::counted(report.segments, "segment"),
        number::counted(report.points, "point")
    ));
    for damage in &report.damage {
        messages.warning(format!("left out {damage}"));
    }
    if report.damage.is_empty() {
        return Ok(0);
    }
    messages
        .hint("copy these files from another copy of the store, then run `tracker rebuild` again");
    Ok(FAILED)
}

/// A new index would lack what only the old one still has.
fn refused(error: &Error) -> Failure {
    Failure::new(error.to_string())
        .hint("only the index still has what it held: the index stays as it is")
        .hint(
            "copy the file from another copy of the store; where there is none, \
             `tracker check --salvage DIR` copies all that can be read into a new store",
        )
        .hint("to go on without it, remove index.redb and run `tracker rebuild` again")
}
