//! The command line: arguments in, data to standard output, all else to standard error.

#[expect(dead_code, reason = "the command that calls it is yet to be wired")]
mod demo;

pub(crate) fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
