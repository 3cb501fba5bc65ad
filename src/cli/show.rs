//! `tracker show`: all that is known of one run.

use std::fmt::Write;

use serde_json::Value;
use tracker::Reader;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::Environment;
use tracker::model::GitState;
use tracker::model::Run;
use tracker::model::RunId;

use super::arguments::OutputFile;
use super::artifact::table::hash_cell;
use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::status_look;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Look;
use super::print::Table;
use super::print::escape;
use super::print::escape_lines;
use super::print::number;
use super::print::shell_words;
use tracker::export::run_to_json;
use tracker::export::runs_frame;

/// Show all that is known of a run
///
/// How it stands, its code and machine, what was masked, params, metrics, tags, note, artifacts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 shown, 1 failed, 2 called wrongly

Examples:
  tracker show @last
  tracker show @best:val/acc --format json")]
pub(crate) struct ShowArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    run: String,

    #[command(flatten)]
    pub(crate) output: OutputFile,
}

pub(crate) fn run(ctx: &Ctx, args: &ShowArgs) -> Outcome {
    let reader = ctx.reader()?;
    let run = reader.run(ctx.find_run(&reader, &args.run)?)?;
    match ctx.out.format() {
        Format::Table => screen(ctx, &reader, &run)?,
        Format::Md => markdown(ctx, &reader, &run)?,
        Format::Json | Format::Jsonl => {
            let mut told = run_to_json(&run, reader.now_us());
            tell_makers(&mut told, &inputs_of(&reader, &run)?);
            ctx.out.json(std::iter::once(told))?;
        }
        Format::Csv | Format::Parquet | Format::Arrow => {
            let run = std::slice::from_ref(&run);
            ctx.out.frame(runs_frame(run, reader.now_us()))?;
        }
    }
    for (name, refused) in &run.param_conflicts {
        if let Some(kept) = run.params.get(name) {
            ctx.out.flush()?; // the warning comes after what it is about
            ctx.messages().warning(format!(
                "param {name:?} was set to {kept} and to {refused}; the first stays"
            ));
        }
    }
    Ok(0)
}

fn screen(ctx: &Ctx, reader: &Reader, run: &Run) -> Result<(), Failure> {
    let title = ctx.out.styled(Look::Bold, &escape(&run.info.name));
    let mut text = format!("{title}  {}\n", run.id);
    for (label, value) in facts(run, reader.now_us()) {
        let value = match label {
            "status" => ctx.out.styled(status_look(run.status), &escape(&value)),
            _ => escape(&value).into_owned(),
        };
        let label = ctx.out.styled(Look::Dim, &format!("{label:<11}"));
        let _ = writeln!(text, "{label} {value}"); // a String takes all
    }
    if let Some(note) = &run.note {
        let note = escape_lines(note).replace('\n', "\n  ");
        let _ = write!(text, "\n{}\n  {note}\n", ctx.out.styled(Look::Bold, "note"));
    }
    ctx.out.write(|out| out.write_all(text.as_bytes()))?;
    for (heading, table) in sections(reader, run)? {
        ctx.out
            .line(format!("\n{}", ctx.out.styled(Look::Bold, heading)))?;
        ctx.out.screen_table(&table)?;
    }
    Ok(())
}

fn markdown(ctx: &Ctx, reader: &Reader, run: &Run) -> Result<(), Failure> {
    ctx.out.line(format!("# {}\n", escape(&run.info.name)))?;
    let mut table = Table::new(vec![Column::new("fact", ""), Column::new("value", "")]);
    table.push(vec![Cell::text("id"), Cell::text(&run.id.to_string())]);
    for (label, value) in facts(run, reader.now_us()) {
        table.push(vec![Cell::text(label), Cell::text(&value)]);
    }
    ctx.out.table(&table)?;
    if let Some(note) = &run.note {
        ctx.out
            .line(format!("\n## note\n\n{}", escape_lines(note)))?;
    }
    for (heading, table) in sections(reader, run)? {
        ctx.out.line(format!("\n## {heading}\n"))?;
        ctx.out.table(&table)?;
    }
    Ok(())
}

/// What is known of the run as a whole, label and text; what is not known is left out.
fn facts(run: &Run, now_us: i64) -> Vec<(&'static str, String)> {
    let info = &run.info;
    let time = |us: i64| format!("{} UTC ({})", number::time(us), number::age(us, now_us));
    let status = match &run.reason {
        Some(reason) => format!("{}: {reason}", run.status),
        None => run.status.to_string(),
    };
    let mut facts = vec![("status", status)];
    let mut add = |label, value: Option<String>| {
        if let Some(value) = value {
            facts.push((label, value));
        }
    };
    add("experiment", info.experiment.clone());
    add("author", info.author.clone());
    add("parent", info.parent.map(|id| id.to_string()));
    add("started", info.start_us.map(time));
    add("ended", run.end_us.map(time));
    add("took", run.duration_s(now_us).map(number::duration));
    add("from", info.source.clone());
    let environment = &info.environment;
    add("command", shell_words(&environment.command));
    add("folder", environment.cwd.clone());
    add("code", environment.git.as_ref().map(code));
    add("machine", machine(environment));
    for (name, value) in &environment.variables {
        add("variable", Some(format!("{name}={value}")));
    }
    let masked = environment.masked.join(", ");
    add("masked", (!masked.is_empty()).then_some(masked));
    facts
}

fn code(git: &GitState) -> String {
    let commit = git.commit.as_deref().unwrap_or("no commit yet");
    let branch = git.branch.as_deref().unwrap_or("detached");
    let dirty = match git.dirty {
        Some(true) => ", with changes not committed",
        Some(false) => "",
        None => ", changes not told in time",
    };
    format!("{commit} ({branch}{dirty})")
}

fn machine(environment: &Environment) -> Option<String> {
    let cpu = match (&environment.cpu, environment.cpu_count) {
        (Some(cpu), Some(count)) => Some(format!("{count} x {cpu}")),
        (None, Some(count)) => Some(format!("{count} processors")),
        (cpu, None) => cpu.clone(),
    };
    let parts = [environment.host.clone(), environment.os.clone(), cpu];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The tables of a run that are not empty, under their headings.
fn sections(reader: &Reader, run: &Run) -> Result<Vec<(&'static str, Table)>, Failure> {
    let tables = [
        ("params", params(run)),
        ("metrics", metrics(run)),
        ("tags", tags(run)),
        ("inputs", inputs(reader, run)?),
        ("artifacts", artifacts(run)),
    ];
    let sections = tables.into_iter();
    Ok(sections.filter(|(_, table)| !table.is_empty()).collect())
}

/// Two writers may have set a param at once, each to another value: both are shown.
fn params(run: &Run) -> Table {
    let mut columns = vec![
        Column::new("param", "NAME"),
        Column::new("value", "VALUE").elastic(20),
    ];
    let conflicts = !run.param_conflicts.is_empty();
    if conflicts {
        columns.push(Column::new("refused", "REFUSED").elastic(10));
    }
    let mut table = Table::new(columns);
    for (name, value) in &run.params {
        let mut row = vec![
            Cell::text(name),
            Cell::new(&value.to_string(), value.to_json()),
        ];
        if conflicts {
            row.push(match run.param_conflicts.get(name) {
                Some(other) => Cell::new(&other.to_string(), other.to_json()).look(Look::Warn),
                None => Cell::new("", serde_json::Value::Null),
            });
        }
        table.push(row);
    }
    table
}

fn metrics(run: &Run) -> Table {
    let number = |key: &str, title: &str| Column::new(key, title).right();
    let mut table = Table::new(vec![
        Column::new("metric", "NAME").elastic_names(12),
        number("last", "LAST"),
        number("last_step", "AT STEP"),
        number("min", "MIN"),
        number("min_step", "AT STEP").optional(),
        number("max", "MAX"),
        number("max_step", "AT STEP").optional(),
        number("mean", "MEAN").optional(),
        number("count", "POINTS").optional(),
        number("nan_count", "NAN").optional(),
    ]);
    let float = |value: Option<f64>| value.map_or_else(Cell::missing, Cell::float);
    let step = |step: Option<i64>| step.map_or_else(Cell::missing, Cell::int);
    for (name, summary) in &run.metrics {
        table.push(vec![
            Cell::text(name),
            float(summary.last.map(|last| last.value)),
            step(summary.last.map(|last| last.step)),
            float(summary.min.map(|min| min.value)),
            step(summary.min.map(|min| min.step)),
            float(summary.max.map(|max| max.value)),
            step(summary.max.map(|max| max.step)),
            float(summary.mean()),
            Cell::count(summary.count),
            match summary.nan_count {
                0 => Cell::count(0).look(Look::Dim),
                count => Cell::count(count).look(Look::Warn),
            },
        ]);
    }
    table
}

fn tags(run: &Run) -> Table {
    let mut table = Table::new(vec![
        Column::new("tag", "NAME"),
        Column::new("value", "VALUE").elastic(20),
    ]);
    for (name, value) in &run.tags {
        table.push(vec![Cell::text(name), Cell::text(value)]);
    }
    table
}

/// What the run made.
fn artifacts(run: &Run) -> Table {
    let mut table = Table::new(vec![
        Column::new("path", "PATH").elastic_names(20),
        Column::new("version", "VERSION").optional(),
        Column::new("type", "TYPE").optional(),
        Column::new("bytes", "SIZE").right(),
        Column::new("hash", "HASH").optional(),
        Column::new("time", "ADDED (UTC)").optional(),
    ]);
    for artifact in run.artifacts.values() {
        let version = run.version(artifact);
        table.push(vec![
            Cell::text(&artifact.path),
            Cell::new(&format!("v{version}"), version),
            Cell::maybe_text(artifact.kind.as_deref()),
            Cell::bytes(artifact.bytes),
            hash_cell(artifact.blob),
            Cell::time(&number::time(artifact.time_us), artifact.time_us),
        ]);
    }
    table
}

/// A file that the run read, and the runs that made it.
type Input<'a> = (&'a ArtifactRef, Vec<RunId>);

/// What the run read: of each file the runs that have it as their own, the first made first.
fn inputs_of<'a>(reader: &Reader, run: &'a Run) -> Result<Vec<Input<'a>>, Failure> {
    let blobs: Vec<BlobId> = run.inputs.values().map(|input| input.blob).collect();
    let makers = reader.makers(&blobs)?;
    let inputs = run.inputs.values().zip(makers).map(|(input, mut makers)| {
        // Empty files are the same everywhere.
        makers.retain(|maker| input.bytes > 0 && *maker != run.id);
        (input, makers)
    });
    Ok(inputs.collect())
}

fn inputs(reader: &Reader, run: &Run) -> Result<Table, Failure> {
    let mut table = Table::new(vec![
        Column::new("path", "PATH").elastic_names(20),
        Column::new("type", "TYPE").optional(),
        Column::new("bytes", "SIZE").right(),
        Column::new("hash", "HASH"),
        Column::new("made_by", "MADE BY").elastic(16),
        Column::new("reference", "WHERE").elastic(16).optional(),
    ]);
    for (input, makers) in inputs_of(reader, run)? {
        let maker = match makers.as_slice() {
            [] => Cell::missing(),
            [first, others @ ..] => {
                let name = reader.head(*first)?.info.name;
                let more = match others.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                Cell::text(&format!("{} {name}{more}", first.short()))
            }
        };
        table.push(vec![
            Cell::text(&input.path),
            Cell::maybe_text(input.kind.as_deref()),
            Cell::bytes(input.bytes),
            hash_cell(input.blob),
            maker,
            Cell::maybe_text(input.reference.as_deref()),
        ]);
    }
    Ok(table)
}

/// Adds to each input in the JSON of a run the ids of the runs that made it.
fn tell_makers(run: &mut Value, inputs: &[Input<'_>]) {
    let told = run.get_mut("inputs").and_then(Value::as_array_mut);
    for (told, (_, makers)) in told.into_iter().flatten().zip(inputs) {
        if let Value::Object(told) = told {
            let makers: Vec<String> = makers.iter().map(ToString::to_string).collect();
            told.insert("made_by".to_owned(), makers.into());
        }
    }
}
