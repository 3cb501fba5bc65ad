//! `tracker rebuild`: the index anew from the journal.

use super::context::Ctx;
use super::fail::FAILED;
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
    let report = store.rebuild(&mut |done, total| bar.show(done, total))?;
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
