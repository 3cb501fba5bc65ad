//! `tracker artifact`: files of runs.

mod get;
mod verify;

use std::path::PathBuf;

use tracker::Error;

use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::print::Bar;
use super::print::Format;
use super::print::number;
use super::show;

/// Store, list, fetch and verify files of runs
///
/// The same bytes are stored once, however many runs have them.
#[derive(Debug, clap::Args)]
pub(crate) struct ArtifactArgs {
    #[command(subcommand)]
    command: ArtifactCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ArtifactCommand {
    Add(AddArgs),
    Ls(LsArgs),
    Get(get::GetArgs),
    Verify(verify::VerifyArgs),
}

/// Store files or folders as artifacts of a run
///
/// A folder is stored with all files in it; the run may have ended. When the command ends the bytes
/// are safe on the disk.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 stored, 1 failed, 2 called wrongly

Examples:
  tracker artifact add $RUN model.pt
  tracker artifact add @this out/checkpoints --as checkpoints")]
struct AddArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Name inside the run; without it the file's own
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

/// List the artifacts of a run
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "list",
    after_help = "\
Exit codes: 0 listed (none is fine), 1 failed, 2 called wrongly

Examples:
  tracker artifact ls @last"
)]
struct LsArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,
}

pub(crate) fn run(ctx: &Ctx, args: &ArtifactArgs) -> Outcome {
    match &args.command {
        ArtifactCommand::Add(args) => add(ctx, args),
        ArtifactCommand::Ls(args) => ls(ctx, args),
        ArtifactCommand::Get(args) => get::run(ctx, args),
        ArtifactCommand::Verify(args) => verify::run(ctx, args),
    }
}

fn add(ctx: &Ctx, args: &AddArgs) -> Outcome {
    if args.name.is_some() && args.paths.len() > 1 {
        return Err(Failure::usage(
            "--as names one path; add the others by themselves",
        ));
    }
    let writer = ctx.join_briefly(&args.run)?;
    let bar = Bar::items(args.paths.len());
    let mut stored = Vec::new();
    let added = args.paths.iter().enumerate().try_for_each(|(done, path)| {
        bar.item(done, &path.to_string_lossy());
        stored.extend(writer.artifact(path, args.name.as_deref())?);
        Ok::<(), Error>(())
    });
    drop(bar);
    let closed = writer.close(); // what was stored before a failure is kept
    added?;
    closed?;
    let bytes: u64 = stored.iter().map(|artifact| artifact.bytes).sum();
    let (files, bytes) = (
        number::counted(stored.len() as u64, "file"),
        number::bytes(bytes),
    );
    ctx.messages().say(match stored.as_slice() {
        [one] => format!("stored {} ({bytes})", one.path),
        _ => format!("stored {files} ({bytes})"),
    });
    Ok(0)
}

fn ls(ctx: &Ctx, args: &LsArgs) -> Outcome {
    let reader = ctx.reader()?;
    let run = reader.run(ctx.find_run(&reader, &args.run)?)?;
    let table = show::artifacts(&run);
    if table.is_empty() && matches!(ctx.out.format(), Format::Table | Format::Md) {
        ctx.messages().note("the run has no artifacts");
        return Ok(0);
    }
    ctx.out.table(&table)?;
    Ok(0)
}
