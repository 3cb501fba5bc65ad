//! The command line: arguments in, data to standard output, all else to standard error.
//!
//! One file a subcommand: an `Args` struct whose documentation is the help, and one `run`.
//! Arguments stay as typed; [`Ctx`](context::Ctx) gives them meaning. The library is used only
//! through what it exports; hints and exit codes are made here ([`fail`]).
//!
//! A command that reads answers first and brings the index up to date after that.

mod arguments;
mod artifact;
mod best;
mod check;
mod compare;
mod completions;
mod context;
mod demo;
mod direction;
mod export;
mod fail;
mod field;
mod finish;
mod groups;
mod import;
mod lint;
mod listing;
mod log;
mod ls;
mod new_run;
mod note;
mod param;
mod print;
mod query;
mod rebuild;
mod record;
mod run;
mod salvage;
mod series;
mod show;
mod start;
mod stat;
mod tag;

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use clap::Subcommand;

use context::Ctx;
use context::Global;
use fail::Outcome;

/// Track machine-learning experiments in a folder
///
/// Runs, params, metrics and artifacts are kept in the folder `.tracker`: no server, no account,
/// no network. What was logged survives the death of the process that logged it.
#[derive(Debug, Parser)]
#[command(
    name = "tracker",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    global: Global,
}

const AFTER_HELP: &str = "\
Naming a run:
  An id, a prefix that only one run has, a unique name, or
  @last          the run that started last
  @best:METRIC   the run whose last value is largest (@best:-METRIC smallest)
  @this          the run in $TRACKER_RUN_ID

Exit codes:
  0 done (a closed pipe too), 1 failed, 2 called wrongly;
  `run` gives back that of its command,
  `lint` 1 if it found something,
  `check --salvage` 3 if not all could be copied

Examples:
  tracker run --param lr=0.1 -- python train.py
  tracker ls
  tracker query 'metrics.val/acc > 0.9 and params.model = \"resnet18\"'
  tracker series @last loss --plot";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Run(run::RunArgs),
    Start(start::StartArgs),
    Log(log::LogArgs),
    Param(param::ParamArgs),
    Tag(tag::TagArgs),
    Note(note::NoteArgs),
    Finish(finish::FinishArgs),
    Ls(ls::LsArgs),
    Show(show::ShowArgs),
    Query(query::QueryArgs),
    Series(Box<series::SeriesArgs>),
    Compare(compare::CompareArgs),
    Best(best::BestArgs),
    Artifact(artifact::ArtifactArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    Lint(lint::LintArgs),
    Check(check::CheckArgs),
    Rebuild(rebuild::RebuildArgs),
    Stat(stat::StatArgs),
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Returns the file that the answer goes to.
    fn output(&self) -> Option<&Path> {
        match self {
            Self::Ls(args) => args.output.file.as_deref(),
            Self::Show(args) => args.output.file.as_deref(),
            Self::Query(args) => args.output.file.as_deref(),
            Self::Series(args) => args.output.file.as_deref(),
            Self::Compare(args) => args.output.file.as_deref(),
            Self::Best(args) => args.output.file.as_deref(),
            Self::Lint(args) => args.output.file.as_deref(),
            Self::Export(args) => args.file(),
            _ => None,
        }
    }
}

/// Runs the command that a process was called with and returns its exit code.
///
/// - `arguments`: the program's name first
pub(crate) fn main(arguments: Vec<OsString>) -> u8 {
    let told = arguments.iter().skip(1);
    let told: Vec<_> = told
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(stop) => {
            let _ = stop.print(); // help into a closed pipe is no failure
            return u8::try_from(stop.exit_code()).unwrap_or(fail::USAGE);
        }
    };
    cli.global.line = print::shell_words(&told);
    let messages = cli.global.messages();
    let ctx = match Ctx::new(cli.global, cli.command.output()) {
        Ok(ctx) => ctx,
        Err(failure) => return failure.report(messages),
    };
    let outcome = dispatch(&ctx, cli.command).and_then(|code| {
        ctx.out.finish()?;
        ctx.fold_after_reading();
        Ok(code)
    });
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            let _ = ctx.out.flush(); // what was answered before it failed
            failure.report(messages)
        }
    }
}

fn dispatch(ctx: &Ctx, command: Command) -> Outcome {
    match command {
        Command::Demo(args) => demo::run(ctx, &args),
        Command::Run(args) => run::run(ctx, &args),
        Command::Start(args) => start::run(ctx, &args),
        Command::Log(args) => log::run(ctx, &args),
        Command::Param(args) => param::run(ctx, &args),
        Command::Tag(args) => tag::run(ctx, &args),
        Command::Note(args) => note::run(ctx, &args),
        Command::Finish(args) => finish::run(ctx, &args),
        Command::Ls(args) => ls::run(ctx, &args),
        Command::Show(args) => show::run(ctx, &args),
        Command::Query(args) => query::run(ctx, &args),
        Command::Series(args) => series::run(ctx, &args),
        Command::Compare(args) => compare::run(ctx, &args),
        Command::Best(args) => best::run(ctx, &args),
        Command::Artifact(args) => artifact::run(ctx, &args),
        Command::Import(args) => import::run(ctx, &args),
        Command::Export(args) => export::run(ctx, &args),
        Command::Lint(args) => lint::run(ctx, &args),
        Command::Check(args) => check::run(ctx, &args),
        Command::Rebuild(args) => rebuild::run(ctx, &args),
        Command::Stat(args) => stat::run(ctx, &args),
        Command::Completions(args) => completions::run(ctx, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_argument_is_declared_soundly() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_begins_with_a_plain_imperative_line_and_shows_an_example() {
        let mut commands: Vec<clap::Command> = Cli::command().get_subcommands().cloned().collect();
        let nested: Vec<clap::Command> = commands
            .iter()
            .flat_map(|command| command.get_subcommands().cloned())
            .collect();
        commands.retain(|command| !command.has_subcommands());
        for command in commands.iter().chain(&nested) {
            let name = command.get_name();
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                !about.is_empty() && !about.ends_with('.'),
                "{name}: {about:?}"
            );
            let after = command.get_after_help().map(ToString::to_string);
            let after = after.unwrap_or_default();
            assert!(
                after.contains("Example") && after.contains("tracker "),
                "{name}"
            );
            assert!(after.contains("Exit codes:"), "{name}");
            let long = after.lines().find(|line| line.chars().count() > 80);
            assert_eq!(long, None, "{name}: it would be broken anywhere");
            for argument in command.get_arguments() {
                let help = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let id = argument.get_id();
                assert!(
                    !help.is_empty() && !help.ends_with('.'),
                    "{name} {id}: {help:?}"
                );
            }
        }
    }
}
