//! `tracker completions`: what a shell needs to complete our commands.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::context::Ctx;
use super::fail::Outcome;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 printed, 1 failed, 2 called wrongly

Examples:
  tracker completions bash > ~/.local/share/bash-completion/completions/tracker
  tracker completions zsh > ~/.zfunc/_tracker
  tracker completions fish > ~/.config/fish/completions/tracker.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(ctx: &Ctx, args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new(); // the generator panics on a closed pipe, memory never closes
    clap_complete::generate(args.shell, &mut Cli::command(), "tracker", &mut script);
    ctx.out.write(|out| out.write_all(&script))?;
    Ok(0)
}
