//! `tracker note`: free text beside a run.

use std::io::Read;

use tracker::limits::TEXT_BYTES_MAX;

use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;

/// Write the note of a run
///
/// The text replaces the note that was there; the run may have ended. With `-` it is read from
/// standard input.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 written, 1 failed, 2 called wrongly

Examples:
  tracker note @last 'diverged after the learning rate was raised'
  git log -1 | tracker note $RUN -")]
pub(crate) struct NoteArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Text, or `-` for standard input
    #[arg(value_name = "TEXT|-", allow_hyphen_values = true)]
    text: String,
}

pub(crate) fn run(ctx: &Ctx, args: &NoteArgs) -> Outcome {
    let text = match args.text.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin()
                .lock()
                .take(TEXT_BYTES_MAX as u64 + 1) // shows the library that it is too long
                .read_to_string(&mut text)
                .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
            text.truncate(text.trim_end().len());
            text
        }
        text => text.to_owned(),
    };
    let writer = ctx.join_briefly(&args.run)?;
    let written = writer.note(&text);
    let closed = writer.close();
    written?;
    closed?;
    Ok(0)
}
