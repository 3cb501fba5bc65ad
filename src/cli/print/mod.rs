//! What reaches the user: data on standard output, all else on standard error.
//!
//! A closed standard output is no failure (`tracker ls | head -1`); a closed standard error is
//! ignored. Nothing here panics on either.

mod axis;
mod escape;
mod format;
pub(crate) mod number;
mod plot;
mod progress;
mod table;
mod target;
mod title;

use std::cell::RefCell;
use std::fmt::Display;
use std::io;
use std::io::BufWriter;
use std::io::IsTerminal;
use std::io::StdoutLock;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anstream::AutoStream;
use anstyle::AnsiColor;
use anstyle::Style;
use serde::Serialize;
use tracker::Error;
use tracker::export;
use tracker::export::Frame;

use super::fail::Failure;
pub(crate) use axis::Axis;
pub(crate) use escape::escape;
pub(crate) use escape::escape_lines;
pub(crate) use escape::shell_words;
pub(crate) use format::Format;
pub(crate) use plot::Curve;
pub(crate) use plot::Empty;
pub(crate) use plot::Plot;
pub(crate) use progress::Bar;
pub(crate) use table::Cell;
pub(crate) use table::Column;
pub(crate) use table::Look;
pub(crate) use table::Table;
use target::Target;

/// So many columns without room are named.
const NAMED_MAX: usize = 8;

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    fn on<S: anstream::stream::RawStream>(self, stream: &S) -> bool {
        match self {
            Self::Auto => AutoStream::choice(stream) != anstream::ColorChoice::Never,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Where the answer goes, and standard error of this process.
pub(crate) struct Output {
    sink: RefCell<Sink>,
    format: Format,
    /// Columns of the terminal that standard output is; none if it is a file or a pipe.
    width: Option<usize>,
    colour: bool,
    stderr: Messages,
    /// What the command was called with, for files that tell it.
    query: Option<String>,
}

enum Sink {
    Stdout(BufWriter<AutoStream<StdoutLock<'static>>>),
    File(Target),
}

impl Sink {
    fn out(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(out) => out,
            Self::File(out) => out,
        }
    }
}

impl Output {
    /// Answers to standard output, or to `file`, which is made when all is written.
    ///
    /// - `query`: what was asked, for files that tell it
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be written, or the format not go there.
    pub(crate) fn new(
        format: Format,
        colour: Colour,
        file: Option<&Path>,
        query: Option<String>,
    ) -> Result<Self, Failure> {
        let stdout = io::stdout();
        format.check(file.is_none() && stdout.is_terminal())?;
        let (on, width) = match file {
            Some(_) => (colour == Colour::Always, None),
            None => (colour.on(&stdout), comfy_table::Table::new().width()),
        };
        let sink = match file {
            Some(file) => Sink::File(Target::open(file)?),
            // Colours are written only where they are wanted, so nothing has to be taken out.
            None => Sink::Stdout(BufWriter::with_capacity(
                64 << 10,
                AutoStream::always_ansi(stdout.lock()),
            )),
        };
        Ok(Self {
            sink: RefCell::new(sink),
            format,
            width: width.map(usize::from),
            colour: on,
            stderr: Messages::new(colour),
            query,
        })
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether standard output may be coloured.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    /// Returns the columns of the terminal; none for a file or a pipe.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Whether standard output was closed by the caller (`>&-`), so that what is written is lost.
    ///
    /// Rust's start-up puts `/dev/null`, open for reading and writing, in the place of a closed
    /// one. Some callers hand over the same on purpose; a shell's `>/dev/null` only writes.
    pub(crate) fn is_closed() -> bool {
        is_null_device(&io::stdout())
    }

    /// Waits so long, or until nobody reads standard output any more; tells whether that is so.
    pub(crate) fn is_gone_within(pause: Duration) -> bool {
        is_hung_up_within(&io::stdout(), pause)
    }

    /// Returns what talks to the user beside the answer.
    pub(crate) fn messages(&self) -> Messages {
        self.stderr
    }

    /// Writes through `write`.
    pub(crate) fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let written = write(self.sink.borrow_mut().out());
        written.map_err(|error| self.failed(&error))
    }

    /// Writes through a call of the library.
    pub(crate) fn write_through(
        &self,
        write: impl FnOnce(&mut dyn Write) -> tracker::Result<()>,
    ) -> Result<(), Failure> {
        let written = write(self.sink.borrow_mut().out());
        match written {
            // The library knows no name for what it was given to write to.
            Err(Error::Io { path, source, .. }) if path == Path::new(export::OUTPUT) => {
                Err(self.failed(&source))
            }
            written => Ok(written?),
        }
    }

    /// Why an answer cannot be written.
    fn failed(&self, error: &io::Error) -> Failure {
        match &*self.sink.borrow() {
            Sink::File(target) => {
                let failure = Failure::file("write", target.named(), error);
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        failure.hint("make room on the disk, or write elsewhere")
                    }
                    _ => failure,
                }
            }
            Sink::Stdout(_) => Failure::output(error),
        }
    }

    /// Whether the answer goes to a file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(&*self.sink.borrow(), Sink::File(_))
    }

    /// Whether `file`, which is read, would be replaced by the answer.
    pub(crate) fn replaces(&self, file: &Path) -> bool {
        matches!(&*self.sink.borrow(), Sink::File(target) if target.replaces(file))
    }

    /// Hands over all that was written; a file gets its name.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        self.flush()?;
        let finished = match &mut *self.sink.borrow_mut() {
            Sink::Stdout(_) => return Ok(()),
            Sink::File(target) => target.finish(),
        };
        if let Some(said) = finished.map_err(|error| self.failed(&error))? {
            self.stderr.say(said);
        }
        Ok(())
    }

    /// Writes one line, as it is.
    pub(crate) fn line(&self, line: impl Display) -> Result<(), Failure> {
        self.write(|out| writeln!(out, "{line}"))
    }

    pub(crate) fn flush(&self) -> Result<(), Failure> {
        self.write(|out| out.flush())
    }

    /// Writes a table in the format that was asked for.
    pub(crate) fn table(&self, table: &Table) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.screen_table(table),
            Format::Md => self.write(|out| table.write_markdown(out)),
            Format::Csv => self.write(|out| table.write_csv(out)),
            Format::Json | Format::Jsonl => self.json(table.to_json()),
            Format::Parquet | Format::Arrow => self.frame(table.to_frame()),
        }
    }

    /// Writes a frame as CSV, Parquet or Arrow.
    pub(crate) fn frame(&self, frame: Frame<'_>) -> Result<(), Failure> {
        let frame = Frame {
            query: self.query.clone(),
            ..frame
        };
        #[cfg(feature = "arrow")]
        if self.format.is_binary() {
            return self.write_through(|out| match self.format {
                Format::Parquet => export::write_parquet(frame, out),
                _ => export::write_arrow(frame, out),
            });
        }
        self.write_through(|out| export::write_csv(frame, out))
    }

    /// Writes a table for people, and says what found no room.
    pub(crate) fn screen_table(&self, table: &Table) -> Result<(), Failure> {
        let (text, hidden) = table.render(self.width, self.colour);
        self.write(|out| out.write_all(text.as_bytes()))?;
        if !hidden.is_empty() {
            self.flush()?; // the note comes after what it is about
            let mut names = hidden.get(..NAMED_MAX).unwrap_or(&hidden).join(", ");
            if let Some(more) = hidden.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
                names = format!("{names} and {} more", number::count(more as u64));
            }
            self.stderr.note(format!(
                "no room for {names}; widen the terminal or use `--format csv`"
            ));
        }
        Ok(())
    }

    /// Writes JSON values: one array with a value a line, or bare lines for `jsonl`.
    pub(crate) fn json<T: Serialize>(
        &self,
        values: impl Iterator<Item = T>,
    ) -> Result<(), Failure> {
        self.write(|out| write_json(out, values, self.format != Format::Jsonl))
    }

    /// Returns `text` in `look` if standard output shows colours.
    pub(crate) fn styled(&self, look: Look, text: &str) -> String {
        if self.colour {
            paint(style_of(look), text)
        } else {
            text.to_owned()
        }
    }
}

#[cfg(unix)]
fn is_null_device(stdout: &io::Stdout) -> bool {
    use rustix::fs::OFlags;
    let flags = rustix::fs::fcntl_getfl(stdout).unwrap_or(OFlags::empty());
    let device = |stat: Result<rustix::fs::Stat, _>| stat.ok().map(|stat| stat.st_rdev);
    let null = device(rustix::fs::stat("/dev/null"));
    flags & OFlags::RWMODE == OFlags::RDWR
        && null.is_some()
        && device(rustix::fs::fstat(stdout)) == null
}

#[cfg(unix)]
fn is_hung_up_within(stdout: &io::Stdout, pause: Duration) -> bool {
    use rustix::event::PollFd;
    use rustix::event::PollFlags;
    use rustix::event::Timespec;
    // Nothing is asked for: the end of a pipe is told unasked.
    let mut fds = [PollFd::new(stdout, PollFlags::empty())];
    let timeout = Timespec::try_from(pause).ok();
    let begun = match (timeout, rustix::event::poll(&mut fds, timeout.as_ref())) {
        (Some(_), Ok(0)) => return false,
        (Some(_), Ok(_)) => true,
        (None, _) | (_, Err(_)) => false,
    };
    let gone = PollFlags::ERR | PollFlags::HUP;
    let is_gone = begun && fds.iter().any(|fd| fd.revents().intersects(gone));
    if !is_gone {
        std::thread::sleep(pause); // what is no file to wait for
    }
    is_gone
}

#[cfg(not(unix))]
fn is_hung_up_within(_stdout: &io::Stdout, pause: Duration) -> bool {
    std::thread::sleep(pause); // a write tells
    false
}

#[cfg(not(unix))]
fn is_null_device(_stdout: &io::Stdout) -> bool {
    false
}

/// Writes values as one array with a value a line, or as bare lines.
pub(crate) fn write_json<T: Serialize>(
    out: &mut dyn Write,
    values: impl Iterator<Item = T>,
    array: bool,
) -> io::Result<()> {
    let (open, between, close) = if array {
        ("[", ",\n", "]\n")
    } else {
        ("", "\n", "")
    };
    out.write_all(open.as_bytes())?;
    let mut any = false;
    for value in values {
        if any {
            out.write_all(between.as_bytes())?;
        }
        serde_json::to_writer(&mut *out, &value)?;
        any = true;
    }
    if any && !array {
        out.write_all(b"\n")?;
    }
    out.write_all(close.as_bytes())
}

/// What is said beside the answer, on standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages {
    colour: bool,
}

impl Messages {
    pub(crate) fn new(colour: Colour) -> Self {
        let colour = colour.on(&io::stderr());
        Self { colour }
    }

    /// Says a thing without a label: progress, a summary.
    pub(crate) fn say(self, text: impl Display) {
        self.write("", Style::new(), &text.to_string());
    }

    pub(crate) fn note(self, text: impl Display) {
        let style = AnsiColor::Cyan.on_default();
        self.write("note", style, &text.to_string());
    }

    pub(crate) fn warning(self, text: impl Display) {
        let style = AnsiColor::Yellow.on_default().bold();
        self.write("warning", style, &text.to_string());
    }

    pub(crate) fn error(self, text: impl Display) {
        let style = AnsiColor::Red.on_default().bold();
        self.write("error", style, &text.to_string());
    }

    pub(crate) fn hint(self, text: impl Display) {
        let style = AnsiColor::Cyan.on_default();
        self.write("hint", style, &text.to_string());
    }

    fn write(self, label: &str, style: Style, text: &str) {
        let text = escape_lines(text);
        let label = match (label.is_empty(), self.colour) {
            (true, _) => String::new(),
            (false, true) => paint(style, &format!("{label}: ")),
            (false, false) => format!("{label}: "),
        };
        // One write, so that lines of several processes do not mix; nobody may be listening.
        let _ = AutoStream::always_ansi(io::stderr().lock())
            .write_all(format!("{label}{text}\n").as_bytes());
    }
}

fn style_of(look: Look) -> Style {
    match look {
        Look::Plain => Style::new(),
        Look::Dim => Style::new().dimmed(),
        Look::Bold => Style::new().bold(),
        Look::Good => AnsiColor::Green.on_default(),
        Look::Bad => AnsiColor::Red.on_default(),
        Look::Warn => AnsiColor::Yellow.on_default(),
    }
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
