//! JSON and YAML: which of records, logs and states of a trainer a file holds.

use serde_json::Map;
use serde_json::Value;

use super::Format;
use super::ImportOptions;
use super::ImportedRun;
use super::document;
use super::files::extension;
use super::lines;
use super::log;
use super::log::Log;
use super::record;
use super::source::RECORD_BYTES_MAX;
use super::source::Source;
use super::source::cut_off;
use super::trainer;
use crate::error::Error;
use crate::error::Result;

/// What is looked for in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// The file was named: whatever it is.
    File,
    /// Records among the files of a folder.
    Records,
    /// Logs among the files of a folder.
    Logs,
}

/// What is looked for, and how it is read.
#[derive(Clone, Copy)]
struct Sought<'a> {
    want: Want,
    options: &'a ImportOptions,
}

impl Sought<'_> {
    fn records(self) -> bool {
        self.want != Want::Logs && matches!(self.options.format, None | Some(Format::Record))
    }

    fn logs(self, format: Format) -> bool {
        self.want != Want::Records && self.options.format.is_none_or(|asked| asked == format)
    }
}

/// A part of a document that is a run.
enum Part<'a> {
    Record(&'a Map<String, Value>),
    /// Metrics by name and nothing else.
    Metrics(&'a Value),
    State(&'a Map<String, Value>),
    Steps(&'a [Value]),
}

/// Reads all runs of a file.
pub(super) fn read(
    source: &mut Source<'_>,
    want: Want,
    options: &ImportOptions,
) -> Result<Vec<ImportedRun>> {
    let sought = Sought { want, options };
    let yaml = document::is_yaml(&source.path);
    if yaml && !sought.records() {
        return match want {
            Want::File => Err(source.invalid("is YAML, which holds records only")),
            Want::Records | Want::Logs => Ok(Vec::new()),
        };
    }
    if !yaml && is_lines(source)? {
        return read_lines(source, sought);
    }
    let text = source.text()?;
    let documents = if yaml {
        document::yaml(&text)
    } else if text.trim().is_empty() {
        Ok(Vec::new()) // a file that was made and not written to
    } else {
        document::json(&text).map(|value| vec![value])
    };
    let documents = documents.map_err(|why| source.invalid(&why))?;
    drop(text);
    let mut runs = Vec::new();
    for document in &documents {
        let parts = parts(document, sought).map_err(|why| source.invalid(&why))?;
        let several = parts.len() > 1;
        for (part, number) in parts.into_iter().zip(1..) {
            let failed = |why: String| {
                let at = if several {
                    format!("entry {number}: ")
                } else {
                    String::new()
                };
                source.invalid(&format!("{at}{why}"))
            };
            read_part(&part, source, sought, &failed, &mut runs)?;
        }
    }
    if want == Want::File && runs.is_empty() {
        return Err(source.invalid(
            "holds no run, want an object with run_id, parameters or metrics, an array of such, a \
             trainer's state, or one object a line",
        ));
    }
    Ok(runs)
}

fn read_part(
    part: &Part<'_>,
    source: &Source<'_>,
    sought: Sought<'_>,
    failed: &dyn Fn(String) -> Error,
    runs: &mut Vec<ImportedRun>,
) -> Result<()> {
    let place = record::Place::new(source, sought.options);
    let (log, kind) = match part {
        Part::Record(map) => {
            runs.push(record::read(map, &place).map_err(failed)?);
            return Ok(());
        }
        Part::Metrics(metrics) => {
            let map = Map::from_iter([("metrics".to_owned(), (*metrics).clone())]);
            runs.push(record::read(&map, &place).map_err(failed)?);
            return Ok(());
        }
        Part::State(map) => (trainer::read(map, sought.options), Format::TrainerState),
        Part::Steps(items) => {
            let tables = lines::rows(items, sought.options);
            let log = tables.map(|tables| Log {
                tables,
                ..Log::default()
            });
            (log, Format::JsonLines)
        }
    };
    let log = log.map_err(failed)?;
    runs.append(&mut log::into_runs(
        log,
        kind.as_str(),
        source,
        sought.options,
    )?);
    Ok(())
}

/// Finds the runs in a tree.
fn parts<'a>(value: &'a Value, sought: Sought<'_>) -> Result<Vec<Part<'a>>, String> {
    let Value::Array(items) = value else {
        return Ok(part(value, sought).into_iter().collect());
    };
    let parts: Vec<_> = items.iter().map(|item| part(item, sought)).collect();
    if parts.iter().any(Option::is_some) {
        let none = parts.iter().position(Option::is_none);
        return match none {
            Some(at) => Err(format!("entry {} is no record, which others are", at + 1)),
            None => Ok(parts.into_iter().flatten().collect()),
        };
    }
    // An array of steps, as programs dump a history; of a folder it may be anything.
    let is_history = !items.is_empty() && items.iter().all(Value::is_object);
    let asked = sought.want == Want::File || sought.options.format == Some(Format::JsonLines);
    Ok(if is_history && asked && sought.logs(Format::JsonLines) {
        vec![Part::Steps(items)]
    } else {
        Vec::new()
    })
}

fn part<'a>(value: &'a Value, sought: Sought<'_>) -> Option<Part<'a>> {
    let map = value.as_object()?;
    let named = sought.want == Want::File;
    if sought.logs(Format::TrainerState) && trainer::is_state(map) {
        Some(Part::State(map))
    } else if sought.records() && record::is_record(map, named) {
        Some(Part::Record(map))
    } else if sought.logs(Format::Record) && record::is_metrics(map) {
        Some(Part::Metrics(value))
    } else if sought.options.format == Some(Format::JsonLines) && sought.want != Want::Records {
        Some(Part::Steps(std::slice::from_ref(value))) // a log that has just begun
    } else {
        None
    }
}

/// Whether the file is one object a line, by its name or because another follows the first.
fn is_lines(source: &mut Source<'_>) -> Result<bool> {
    if matches!(extension(&source.path).as_str(), "jsonl" | "ndjson") {
        return Ok(true);
    }
    let start = source.peek()?.trim_ascii_start();
    let mut lines = start.splitn(2, |byte| *byte == b'\n');
    let first = lines.next().unwrap_or(&[]).trim_ascii();
    let rest = lines.next().unwrap_or(&[]).trim_ascii_start();
    Ok(first.starts_with(b"{") && first.ends_with(b"}") && rest.starts_with(b"{"))
}

/// Reads lines that are records, or else steps.
fn read_lines(source: &mut Source<'_>, sought: Sought<'_>) -> Result<Vec<ImportedRun>> {
    let of_records = match sought.options.format {
        Some(format) => format == Format::Record,
        None => begins_with_record(source)?,
    };
    if !of_records {
        if !sought.logs(Format::JsonLines) {
            return Ok(Vec::new());
        }
        let log = lines::read(source, sought.options)?;
        return log::into_runs(log, Format::JsonLines.as_str(), source, sought.options);
    }
    let mut runs: Vec<ImportedRun> = Vec::new();
    if !sought.records() {
        return Ok(runs);
    }
    let mut bytes = Vec::new();
    while let Some(number) = source.line(&mut bytes, RECORD_BYTES_MAX)? {
        let read = std::str::from_utf8(&bytes)
            .map_err(|why| why.to_string())
            .and_then(|text| match text.trim() {
                "" => Ok(None),
                text => document::json(text).map(Some),
            })
            .and_then(|value| match value {
                None => Ok(None),
                Some(Value::Object(map)) => {
                    let place = record::Place::new(source, sought.options);
                    record::read(&map, &place).map(Some)
                }
                Some(_) => Err("is no JSON object".to_owned()),
            });
        match (read, runs.last_mut()) {
            (Err(_), Some(last)) if source.is_cut() && lines::is_torn(&bytes) => {
                last.warnings.push(cut_off(number));
            }
            (read, _) => {
                let run = read.map_err(|why| source.invalid(&format!("line {number}: {why}")))?;
                runs.extend(run);
            }
        }
    }
    Ok(runs)
}

fn begins_with_record(source: &mut Source<'_>) -> Result<bool> {
    let start = source.peek()?.trim_ascii_start();
    let first = start.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    Ok(match serde_json::from_slice(first) {
        Ok(Value::Object(map)) => record::is_record(&map, false),
        Ok(_) => false,
        // A record with its series may be longer than what is seen of it; a step hardly is.
        Err(_) => first.len() == start.len() && first.starts_with(b"{\"id\":\""),
    })
}
