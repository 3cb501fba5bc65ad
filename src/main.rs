//! The command `tracker`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
