//! `tracker run`: any program as a run.
//!
//! The run is finished whatever becomes of the program, and the program's fate is never this
//! command's doing: signals are passed on and waited out, the exit status is given back.

#[cfg(unix)]
mod signals;
#[cfg(not(unix))]
#[path = "no_signals.rs"]
mod signals;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;

use tracker::RunWriter;
use tracker::model::Status;

use super::context::Ctx;
use super::context::RUN_VARIABLE;
use super::context::STORE_VARIABLE;
use super::fail::Failure;
use super::fail::Outcome;
use super::new_run::NewRun;
use super::print::Messages;
use signals::Signals;
use tracker::capture::environment_of;

/// Exit codes of a shell for a command that is not there, and one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Run a program as a run
///
/// Starts a run, runs the program with its own input and output, and finishes the run with the
/// program's fate: completed if it exits with 0, else failed. The program finds the store and the
/// run in `TRACKER_STORE` and `TRACKER_RUN_ID`; what it logs joins this run. Command line, folder,
/// code and machine are recorded, with secrets masked. Inside another program's run it becomes a
/// part of that, as the trials of a sweep do.
///
/// Signals are passed on to the program, and the run is finished after it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  That of the program; 128+N if signal N killed it; 127 not found,
  126 not executable, 1 if the run cannot be started, 2 called wrongly

Examples:
  tracker run -- python train.py --lr 0.1
  tracker run --input data/train.csv -- python train.py
  tracker run --experiment mnist --param lr=0.1 --tag team=vision -- ./train.sh")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    new_run: NewRun,

    /// File or folder that the program reads: hash, size and time are kept (can be repeated)
    #[arg(long, value_name = "PATH")]
    input: Vec<PathBuf>,

    /// Say nothing of the run
    #[arg(long, short)]
    quiet: bool,

    /// Program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) fn run(ctx: &Ctx, args: &RunArgs) -> Outcome {
    let store = ctx.store_or_create()?;
    let mut options = args.new_run.options(ctx)?;
    if options.parent.is_none() {
        options.parent = ctx.surrounding_run();
    }
    options.environment = Some(environment_of(args.command.iter().cloned()));
    // From here on no signal ends this process: a run that was started is finished.
    let mut signals =
        Signals::catch().map_err(|error| Failure::new(format!("cannot catch signals: {error}")))?;
    let writer = store.start_run(options)?;
    if let Err(error) = args.new_run.describe(ctx, &writer) {
        let reason = format!("tracker could not describe it: {error}");
        let _ = writer.finish(Status::Failed, Some(&reason), None); // the first error says more
        return Err(error.into());
    }
    for input in &args.input {
        if let Err(error) = writer.input(input, None) {
            let reason = format!("tracker could not note what it reads: {error}");
            let _ = writer.finish(Status::Failed, Some(&reason), None); // as above
            return Err(error.into());
        }
    }
    let said = Said {
        quiet: args.quiet,
        run: format!("run {} {}", writer.id().short(), writer.name()),
        messages: ctx.messages(),
    };
    said.say("");
    if let Some(signal) = signals.came_early() {
        let (status, reason, code) = killed(signal);
        writer.finish(status, reason.as_deref(), None)?;
        return Ok(code);
    }
    let spawned = program(&args.command).and_then(|mut program| {
        let path = std::path::absolute(store.path()).unwrap_or_else(|_| store.path().to_owned());
        program.env(STORE_VARIABLE, path);
        program.env(RUN_VARIABLE, writer.id().to_string());
        program.spawn()
    });
    match spawned {
        Ok(child) => {
            let (id, known) = (writer.id(), writer.warnings());
            let outcome = follow(child, signals, writer, &said);
            ctx.warn_of_rules(id, &known); // what the program itself has set
            outcome
        }
        Err(error) => give_up(&args.command, &error, writer),
    }
}

/// What is said of the run on standard error.
struct Said {
    quiet: bool,
    run: String,
    messages: Messages,
}

impl Said {
    fn say(&self, what: &str) {
        if !self.quiet {
            self.messages.say(format!("{}{what}", self.run));
        }
    }
}

fn program(command: &[OsString]) -> io::Result<Command> {
    match command {
        [program, arguments @ ..] if !program.is_empty() => {
            let mut command = Command::new(program);
            command.args(arguments);
            Ok(command)
        }
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

/// Lets a Ctrl-C pass by a process that another one feeds.
///
/// A terminal sends it to both. Who catches it, to write what is left, must not find its reader
/// dead; who dies of it closes the pipe, which ends the reader.
pub(crate) fn outlive_interrupts() -> Result<(), Failure> {
    signals::outlive_interrupts()
        .map_err(|error| Failure::new(format!("cannot catch signals: {error}")))
}

/// Waits for the program and finishes the run as it ended.
fn follow(mut child: Child, signals: Signals, writer: RunWriter, said: &Said) -> Outcome {
    let waited = signals.pass_on_until_done(&mut child);
    let (status, reason, code) = match &waited {
        Ok(status) => fate(*status),
        Err(error) => (
            Status::Failed,
            Some(format!("cannot wait for the program: {error}")),
            super::fail::FAILED,
        ),
    };
    let finished = writer.finish(status, reason.as_deref(), None);
    match &reason {
        Some(reason) => said.say(&format!(" {status}: {reason}")),
        None => said.say(&format!(" {status}")),
    }
    match (finished, code) {
        (Ok(()), code) => Ok(code),
        (Err(error), 0) => Err(error.into()),
        (Err(error), code) => {
            // The program's own failure is what the caller has to hear.
            let _ = Failure::from(error).report(said.messages);
            Ok(code)
        }
    }
}

/// Finishes the run of a program that could not be started.
fn give_up(command: &[OsString], error: &io::Error, writer: RunWriter) -> Outcome {
    let name = command.first().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    let (code, message) = match error.kind() {
        io::ErrorKind::NotFound => (NOT_FOUND, format!("command not found: {name}")),
        _ => (NOT_EXECUTABLE, format!("cannot run {name}: {error}")),
    };
    let finished = writer.finish(Status::Failed, Some(&message), None);
    let mut hints = Vec::new();
    if code == NOT_FOUND && name.contains(' ') {
        hints.push("give program and arguments apart: `tracker run -- CMD ARG`".to_owned());
    }
    if let Err(error) = finished {
        hints.push(format!("the run could not be finished either: {error}"));
    }
    Err(Failure::Said {
        message,
        hints,
        code,
    })
}

/// How a run ends whose program ended with `status`: status, reason, exit code.
fn fate(status: ExitStatus) -> (Status, Option<String>, u8) {
    if let Some(signal) = signals::killed_by(status) {
        return killed(signal);
    }
    match status.code() {
        Some(0) => (Status::Completed, None, 0),
        Some(code) => {
            let reason = format!("exit status {code}");
            let code = u8::try_from(code).unwrap_or(u8::MAX); // Windows has wider ones
            (Status::Failed, Some(reason), code)
        }
        None => (Status::Failed, Some("no exit status".to_owned()), u8::MAX),
    }
}

fn killed(signal: i32) -> (Status, Option<String>, u8) {
    let name = signals::name(signal).map_or_else(String::new, |name| format!(" ({name})"));
    let reason = format!("killed by signal {signal}{name}");
    let code = u8::try_from(128 + signal).unwrap_or(u8::MAX);
    (Status::Failed, Some(reason), code)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn the_end_of_a_program_becomes_the_end_of_its_run() {
        let reason = |text: &str| Some(text.to_owned());
        assert_eq!(fate(ExitStatus::from_raw(0)), (Status::Completed, None, 0));
        assert_eq!(
            fate(ExitStatus::from_raw(3 << 8)),
            (Status::Failed, reason("exit status 3"), 3)
        );
        assert_eq!(
            fate(ExitStatus::from_raw(9)),
            (Status::Failed, reason("killed by signal 9 (SIGKILL)"), 137)
        );
    }
}
