//! A folder of its own for each story, and `tracker` called in it as its user would.
//!
//! Every call says what it expects: [`Call::ok`] or [`Call::fails`]. The environment is empty but
//! for what a command needs, so that a developer's own store, editor or tokens change nothing.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use snapbox::IntoData;

/// Nothing here takes so long, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of a story; `.tracker` in it is its store.
pub(crate) struct Dir(tempfile::TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Imports records, a line a run, into an experiment.
    pub(crate) fn import_records(&self, lines: impl AsRef<[u8]>, experiment: &str) {
        self.write("runs.jsonl", lines);
        let import = [
            "import",
            "runs.jsonl",
            "--format-in",
            "record",
            "--experiment",
        ];
        self.call(&import).args(&[experiment]).ok();
    }

    /// `tracker` with these arguments.
    pub(crate) fn call(&self, args: &[&str]) -> Call {
        let mut call = self.program(Path::new(env!("CARGO_BIN_EXE_tracker")));
        call.command.args(args);
        call
    }

    /// Another program, which finds `tracker` as any command.
    pub(crate) fn shell(&self, script: &str) -> Call {
        let mut call = self.program(Path::new("sh"));
        call.command.args(["-c", script]);
        call
    }

    fn program(&self, program: &Path) -> Call {
        let bin = Path::new(env!("CARGO_BIN_EXE_tracker")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", format!("{}:{path}", bin.display()));
        Call {
            command,
            input: Vec::new(),
        }
    }

    /// Standard output of `tracker` with these arguments, which must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.call(args).ok()
    }

    /// What it prints as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let text = self.call(args).args(&["--format", "json"]).ok();
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
    }

    /// The one run that is named, as JSON.
    pub(crate) fn run(&self, run: &str) -> Value {
        self.json(&["show", run])[0].take()
    }

    /// Steps and values of a series; what is not finite is NaN.
    pub(crate) fn series(&self, run: &str, metric: &str) -> Vec<(i64, f64)> {
        let points = self.json(&["series", run, metric]);
        let point = |point: &Value| {
            let value = point["value"].as_f64().unwrap_or(f64::NAN);
            (point["step"].as_i64().unwrap(), value)
        };
        points.as_array().unwrap().iter().map(point).collect()
    }

    /// A detached run, as a script begins one; its id.
    pub(crate) fn start(&self, args: &[&str]) -> String {
        let id = self.call(&["start"]).args(args).ok();
        id.trim_end().to_owned()
    }

    /// All bytes of all files below a folder, with their names.
    pub(crate) fn files(&self, below: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut folders, mut files) = (vec![self.path(below)], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        files
    }
}

/// Asks again and again until it is so.
pub(crate) fn wait_until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A line for each step from 0.
pub(crate) fn lines(steps: i64, line: impl FnMut(i64) -> String) -> String {
    let lines: Vec<String> = (0..steps).map(line).collect();
    lines.join("\n") + "\n"
}

/// One command, about to be run.
pub(crate) struct Call {
    pub(crate) command: Command,
    input: Vec<u8>,
}

impl Call {
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, input: impl AsRef<[u8]>) -> Self {
        input.as_ref().clone_into(&mut self.input);
        self
    }

    /// Runs it to its end.
    pub(crate) fn output(mut self) -> Output {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        // A command that fails early leaves its input unread.
        let feeding = std::thread::spawn(move || _ = stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        output
    }

    /// Leaves it running, with its input and output as pipes.
    pub(crate) fn spawn(mut self) -> Child {
        let command = self.command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs it, which must succeed, and returns its standard output.
    pub(crate) fn ok(self) -> String {
        self.said().0
    }

    /// Runs it, which must succeed, and returns its standard output and error.
    pub(crate) fn said(self) -> (String, String) {
        let call = format!("{:?}", self.command);
        let Output {
            status,
            stdout,
            stderr,
        } = self.output();
        let (out, err) = (text(stdout), text(stderr));
        assert_eq!(status.code(), Some(0), "{call}\n{out}\n{err}");
        (out, err)
    }

    /// Runs it, which must end with this exit code and say this on standard error, and nothing on
    /// standard output. `[..]` stands for any text within a line.
    pub(crate) fn fails(self, code: i32, want: impl IntoData) {
        let call = format!("{:?}", self.command);
        let Output {
            status,
            stdout,
            stderr,
        } = self.output();
        let (out, err) = (text(stdout), text(stderr));
        assert_eq!(status.code(), Some(code), "{call}\n{out}\n{err}");
        assert_eq!(out, "", "{call}");
        snapbox::assert_data_eq!(err, want);
    }
}

/// Mounts, which only root may; says so and does nothing where it is not allowed.
pub(crate) struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    pub(crate) fn try_new(args: &[&str], at: &'a Path) -> Option<Self> {
        let mounted = Command::new("mount").args(args).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("skipped: mounting is not allowed here");
        None
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
