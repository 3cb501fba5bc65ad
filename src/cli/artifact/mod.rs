//! `tracker artifact`: files of runs.

mod add;
mod alias;
mod diff;
mod get;
mod lineage;
mod ls;
mod named;
pub(super) mod table;
mod verify;
mod who;

use super::context::Ctx;
use super::fail::Outcome;

/// Log, list, fetch, name and verify files of runs
///
/// The same bytes are stored once, however many runs have them.
#[derive(Debug, clap::Args)]
pub(crate) struct ArtifactArgs {
    #[command(subcommand)]
    command: ArtifactCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ArtifactCommand {
    Add(add::AddArgs),
    Ls(ls::LsArgs),
    Get(get::GetArgs),
    Who(who::WhoArgs),
    Diff(diff::DiffArgs),
    Alias(alias::AliasArgs),
    Lineage(lineage::LineageArgs),
    Verify(verify::VerifyArgs),
}

pub(crate) fn run(ctx: &Ctx, args: &ArtifactArgs) -> Outcome {
    match &args.command {
        ArtifactCommand::Add(args) => add::run(ctx, args),
        ArtifactCommand::Ls(args) => ls::run(ctx, args),
        ArtifactCommand::Get(args) => get::run(ctx, args),
        ArtifactCommand::Who(args) => who::run(ctx, args),
        ArtifactCommand::Diff(args) => diff::run(ctx, args),
        ArtifactCommand::Alias(args) => alias::run(ctx, args),
        ArtifactCommand::Lineage(args) => lineage::run(ctx, args),
        ArtifactCommand::Verify(args) => verify::run(ctx, args),
    }
}
