//! `tracker artifact add`: files of the user's logged to a run.

use std::path::PathBuf;

use tracker::ArtifactOptions;
use tracker::Error;
use tracker::model::Flow;

use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Bar;
use crate::cli::print::number;

/// Log files or folders as artifacts of a run
///
/// A folder is logged with all files in it; the run may have ended. What a run made is stored, and
/// when the command ends the bytes are safe on the disk. What it read (--input) stays where it is:
/// hash, size and time are kept, so that `artifact verify` can tell whether it changed. A path that
/// the run has already gets a new version; the older ones stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 logged, 1 failed, 2 called wrongly

Examples:
  tracker artifact add $RUN model.pt --type model
  tracker artifact add @this out/checkpoints --name checkpoints
  tracker artifact add @this --input data/train.csv")]
pub(super) struct AddArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Name inside the run; without it the file's own, of an input the path as it is given
    #[arg(long, alias = "as", value_name = "NAME")]
    name: Option<String>,

    /// What it is, in your words, as `model` or `dataset`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// The run read it; without this the run made it
    #[arg(long)]
    input: bool,

    /// Leave the bytes where they are and keep hash, size and time, as for inputs
    #[arg(long, conflicts_with = "copy")]
    reference: bool,

    /// Store the bytes of an input, too
    #[arg(long)]
    copy: bool,
}

pub(super) fn run(ctx: &Ctx, args: &AddArgs) -> Outcome {
    if args.name.is_some() && args.paths.len() > 1 {
        return Err(Failure::usage(
            "--name names one path; add the others by themselves",
        ));
    }
    let address = args
        .paths
        .iter()
        .find(|path| path.to_string_lossy().contains("://"));
    if let Some(address) = address.filter(|path| !path.exists()) {
        let why = format!("{} is no file of this machine", address.display());
        return Err(Failure::new(why).hint(
            "only bytes that can be read here can be told apart; note an address as a tag: \
             `tracker tag RUN data=s3://…`",
        ));
    }
    let options = ArtifactOptions {
        name: args.name.clone(),
        kind: args.kind.clone(),
        flow: if args.input {
            Flow::Input
        } else {
            Flow::Output
        },
        stays: match (args.reference, args.copy) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
    };
    let writer = ctx.join_briefly(&args.run)?;
    let bar = Bar::items(args.paths.len());
    let mut logged = Vec::new();
    let added = args.paths.iter().enumerate().try_for_each(|(done, path)| {
        bar.item(done, &path.to_string_lossy());
        logged.extend(writer.artifact_with(path, &options)?);
        Ok::<(), Error>(())
    });
    drop(bar);
    let closed = writer.close(); // what was logged before a failure is kept
    added?;
    closed?;
    let bytes: u64 = logged.iter().map(|artifact| artifact.bytes).sum();
    let (files, bytes) = (
        number::counted(logged.len() as u64, "file"),
        number::bytes(bytes),
    );
    let is_stored = options.stays.map_or(!args.input, |stays| !stays);
    let done = if is_stored { "stored" } else { "noted" };
    ctx.messages().say(match logged.as_slice() {
        [one] => format!("{done} {} ({bytes})", one.path),
        _ => format!("{done} {files} ({bytes})"),
    });
    Ok(0)
}
