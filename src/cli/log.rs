//! `tracker log`: values of metrics, one step or a stream of them.

use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::IsTerminal;
use std::io::Read;

use memchr::memchr;

use tracker::Error;
use tracker::RunWriter;

use super::arguments;
use super::arguments::Value;
use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::print::number;
use super::run;
use tracker::import::line::LogLine;
use tracker::import::line::parse_into;
use tracker::model::parse_time;

/// Longest line of the stream: far beyond a step of 100,000 metrics.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Most lines that are named of those that are skipped.
const BAD_LINES_SHOWN: u64 = 10;
const READ_BYTES: usize = 256 << 10;
/// As Windows writes it before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Log values of metrics to a run
///
/// With K=V the values of one step. With `-` a stream from standard input, one JSON object a line:
///
/// {"step": 3, "loss": 0.31, "val": {"acc": 0.9}, "time": "2024-01-15T10:30:00Z"}
///
/// Names in nested objects are joined with `/`: val/acc. Values are numbers, true and false (1 and
/// 0) and the strings "NaN", "Infinity" and "-Infinity"; null is skipped. `time` is RFC 3339 or
/// seconds since 1970 (or milli-, micro- or nanoseconds, told by their size), without it now. A
/// line is logged as soon as it is read. At a line that cannot be understood the command fails and
/// names it, and whoever writes the stream meets a closed pipe; the lines before it are kept. With
/// --skip-bad it goes on and fails at the end. Ctrl-C is for who writes the stream: what that still
/// writes is logged.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 logged, 1 failed, 2 called wrongly

Examples:
  tracker log $RUN --step 10 loss=0.31 val/acc=0.9
  python train.py | tracker log @this -")]
pub(crate) struct LogArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    /// Step of the values
    ///
    /// Without it K=V go to the step after the largest that these metrics have in the run, and a
    /// line of a stream to the step after that of the line before; each begins with 0.
    #[arg(long, value_name = "N", value_parser = arguments::step, allow_negative_numbers = true)]
    step: Option<i64>,

    /// Time of the values, RFC 3339 or seconds since 1970; without it now
    #[arg(long, value_name = "T", value_parser = time, allow_negative_numbers = true)]
    time: Option<i64>,

    /// Go on after a line of a stream that cannot be understood, and fail at the end
    #[arg(long)]
    skip_bad: bool,

    /// Values, or `-` for a stream of JSON lines
    #[arg(required = true, value_name = "K=V|-", value_parser = source)]
    values: Vec<Source>,
}

#[derive(Clone, Debug)]
enum Source {
    Stdin,
    Value(Value),
}

fn time(text: &str) -> Result<i64, String> {
    let want = "want RFC 3339, as 2024-01-15T10:30:00Z, or seconds since 1970";
    parse_time(text).ok_or_else(|| want.to_owned())
}

fn source(text: &str) -> Result<Source, String> {
    match text {
        "-" => Ok(Source::Stdin),
        _ => arguments::value(text).map(Source::Value),
    }
}

pub(crate) fn run(ctx: &Ctx, args: &LogArgs) -> Outcome {
    let mut values = Vec::new();
    for source in &args.values {
        match source {
            Source::Stdin if args.values.len() > 1 => {
                return Err(Failure::usage(
                    "`-` stands alone: values come from the stream then",
                ));
            }
            Source::Stdin if args.time.is_some() => {
                return Err(Failure::usage(
                    "--time is for K=V; a stream has times of its own",
                ));
            }
            Source::Stdin => return stream(ctx, args),
            Source::Value(_) if args.skip_bad => {
                return Err(Failure::usage("--skip-bad is for a stream from `-`"));
            }
            Source::Value(value) => values.push((value.metric.as_str(), value.value)),
        }
    }
    let step = match args.step {
        Some(step) => step,
        None => next_step(ctx, &args.run, &values)?,
    };
    let writer = ctx.join_briefly(&args.run)?;
    match args.time {
        Some(time_us) => writer.log_at(step, time_us, &values)?,
        None => writer.log(step, &values)?,
    }
    writer.close()?;
    Ok(0)
}

/// The step after the largest that any of the metrics has.
fn next_step(ctx: &Ctx, run: &str, values: &[(&str, f64)]) -> Result<i64, Failure> {
    let id = ctx.run_id(run)?;
    let run = ctx.store()?.reader()?.run(id)?;
    let last = values
        .iter()
        .filter_map(|(metric, _)| run.metrics.get(*metric)?.last)
        .map(|edge| edge.step)
        .max();
    Ok(last.map_or(0, |last| last.saturating_add(1)))
}

fn stream(ctx: &Ctx, args: &LogArgs) -> Outcome {
    if !io::stdin().is_terminal() {
        run::outlive_interrupts()?;
    }
    let input = BufReader::with_capacity(READ_BYTES, io::stdin().lock());
    let writer = ctx.store()?.join_run(ctx.run_id(&args.run)?)?;
    let mut skipped = 0_u64;
    let logged = log_stream(&writer, input, args.step.unwrap_or(0), |number, why| {
        let message = format!("line {number} of standard input: {why}");
        if !args.skip_bad {
            return Err(Failure::new(message).hint("the lines before it were logged"));
        }
        skipped += 1;
        if skipped <= BAD_LINES_SHOWN {
            ctx.messages().warning(message);
        }
        Ok(())
    });
    let closed = writer.close(); // what was logged before a bad line is kept
    let lines = logged?;
    closed?;
    if skipped > 0 {
        let (skipped, lines) = (number::count(skipped), number::counted(lines, "line"));
        return Err(Failure::new(format!("skipped {skipped} of {lines}"))
            .hint("the other lines were logged"));
    }
    Ok(0)
}

/// Logs line by line, each as soon as it has been read.
///
/// - `bad`: is told number and fault of a line that cannot be understood, and decides whether to
///   go on after it, as if it were not there
/// - returns: how many lines there were
fn log_stream(
    writer: &RunWriter,
    mut input: impl BufRead,
    first_step: i64,
    mut bad: impl FnMut(u64, &str) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let unreadable = |error| Failure::new(format!("cannot read standard input: {error}"));
    let mut stream = Stream::new(writer, first_step);
    let (mut bytes, mut number) = (Vec::new(), 0_u64);
    loop {
        // A line that was read whole is logged where it lies.
        let len = buffered_line(&mut input).map_err(unreadable)?;
        let mut line = match len {
            Some(len) => input.fill_buf().map_err(unreadable)?.get(..len),
            None if !read_line(&mut input, &mut bytes).map_err(unreadable)? => return Ok(number),
            None => Some(bytes.as_slice()),
        }
        .unwrap_or_default();
        number += 1;
        if line.len() > LINE_BYTES_MAX {
            bad(number, &format!("longer than {LINE_BYTES_MAX} bytes"))?;
            input.skip_until(b'\n').map_err(unreadable)?;
            continue;
        }
        if number == 1 {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if let Err(why) = stream.log(line)? {
            bad(number, &why)?;
        }
        input.consume(len.map_or(0, |len| len + 1));
    }
}

/// A run as the lines of a stream go to it; the buffers of a line serve the next one.
struct Stream<'a> {
    writer: &'a RunWriter,
    /// The step of a line that tells none.
    step: i64,
    line: LogLine,
    room: Vec<(&'static str, f64)>,
}

impl<'a> Stream<'a> {
    fn new(writer: &'a RunWriter, step: i64) -> Self {
        Self {
            writer,
            step,
            line: LogLine::default(),
            room: Vec::new(),
        }
    }

    /// Logs a line; returns its fault if it cannot be understood.
    fn log(&mut self, bytes: &[u8]) -> Result<Result<(), String>, Error> {
        match parse_into(bytes, &mut self.line) {
            Ok(()) => {}
            Err(_) if is_blank(bytes) => return Ok(Ok(())),
            Err(Error::Invalid { why, .. }) => return Ok(Err(why)),
            Err(error) => return Err(error),
        }
        let step = self.line.step.unwrap_or(self.step);
        let mut values = emptied(std::mem::take(&mut self.room));
        values.extend(self.line.values());
        let logged = match self.line.time_us {
            Some(time_us) => self.writer.log_at(step, time_us, &values),
            None => self.writer.log(step, &values),
        };
        self.room = emptied(values);
        match logged {
            Ok(()) => {
                self.step = step.saturating_add(1);
                Ok(Ok(()))
            }
            Err(error @ Error::Invalid { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

fn is_blank(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| text.trim().is_empty())
}

/// Returns the length of the next line, if it has been read whole; reads on if nothing is left.
fn buffered_line(input: &mut impl BufRead) -> io::Result<Option<usize>> {
    loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            buffered => return Ok(memchr(b'\n', buffered?)),
        }
    }
}

/// An empty list for names of another line, in the memory of this one: collecting from a list goes
/// in place.
fn emptied<'a>(mut values: Vec<(&str, f64)>) -> Vec<(&'a str, f64)> {
    values.clear();
    values.into_iter().map(|(_, value)| ("", value)).collect()
}

/// Reads one line into `bytes`, without its end; false at the end of the input.
///
/// Of a line that is too long no more is read than shows it; its rest is still to come.
fn read_line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.clear();
    let most = LINE_BYTES_MAX as u64 + 1;
    input.by_ref().take(most).read_until(b'\n', bytes)?;
    if bytes.is_empty() {
        return Ok(false);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_a_break_or_the_input() {
        let mut input = io::Cursor::new(b"one\n\ntwo".to_vec());
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while read_line(&mut input, &mut line).unwrap() {
            lines.push(String::from_utf8(line.clone()).unwrap());
        }
        assert_eq!(lines, ["one", "", "two"]);
    }

    #[test]
    fn an_endless_line_is_not_read_to_its_end() {
        let mut line = Vec::new();
        assert!(read_line(&mut BufReader::new(io::repeat(b'x')), &mut line).unwrap());
        assert!(line.len() > LINE_BYTES_MAX && line.len() < LINE_BYTES_MAX + 8);
    }
}
