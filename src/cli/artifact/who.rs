//! `tracker artifact who`: which runs have this exact file?

use super::ls;
use super::named;
use crate::cli::context::Ctx;
use crate::cli::fail::Outcome;
use crate::cli::print::Format;

/// Tell which runs have this exact file
///
/// A file is told by its bytes, wherever it lies and whatever it is called: the runs that made it
/// and those that read it, each with path and version.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 told (none is fine), 1 failed, 2 called wrongly

Examples:
  tracker artifact who model.pt
  tracker artifact who 8f3a2b1c
  tracker artifact who model:best")]
pub(super) struct WhoArgs {
    /// A file, a hash or 4 digits of it, an alias, or RUN:PATH[@vN]
    file: String,
}

pub(super) fn run(ctx: &Ctx, args: &WhoArgs) -> Outcome {
    let reader = ctx.reader()?;
    let blob = named::blob(ctx, &reader, &args.file)?;
    let found = reader.who(blob)?.into_iter();
    let found: Vec<_> = found.map(|file| (file.run, file.version)).collect();
    if found.is_empty() && matches!(ctx.out.format(), Format::Table | Format::Md) {
        ctx.messages()
            .note(format!("no run has these bytes: {blob}"));
        return Ok(0);
    }
    ls::print(ctx, &reader, &found, true)?;
    Ok(0)
}
