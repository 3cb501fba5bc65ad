//! `tracker export`: runs for other programs, and for other stores.

use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use tracker::Query;
use tracker::Reader;
use tracker::model::RunId;

use super::context::Ctx;
use super::fail::FAILED;
use super::fail::Failure;
use super::fail::Outcome;
use super::print::Bar;
use super::print::Format;
use super::print::number;
use tracker::export;

/// Export runs with all their points
///
/// JSON and JSON lines have every run in full with its points, and `tracker import` reads them
/// back as the same runs. CSV has a row a run: params, the last values of metrics, tags; points as
/// CSV come from `tracker series`. The format is `--format`, else follows from the file's name,
/// else is JSON.
///
/// Into a folder goes a file ID.json for each run, with its artifacts beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 exported, 1 failed, 2 called wrongly

Examples:
  tracker export @last -o run.json
  tracker export @best:val/acc -o handover/
  tracker export --filter 'experiment = \"mnist\"' --format csv > mnist.csv")]
pub(crate) struct ExportArgs {
    /// Runs: ids, prefixes, names, @last, @best:METRIC, @this
    #[arg(value_name = "RUN")]
    runs: Vec<String>,

    /// Runs that this filter lets through
    #[arg(long, value_name = "FILTER", conflicts_with = "runs")]
    filter: Option<String>,

    /// File to write, or folder (one that is there or ends in `/`); without it standard output
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
}

pub(crate) fn run(ctx: &Ctx, args: &ExportArgs) -> Outcome {
    let format = format(ctx, args)?;
    if args.runs.is_empty() && args.filter.is_none() {
        return Err(Failure::usage("no run is named and no filter given")
            .hint("name runs, or say which: `--filter 'status = \"completed\"'`")
            .hint("all runs: `--filter 'id is not null'`"));
    }
    let reader = ctx.reader()?;
    let mut runs = Vec::new();
    if let Some(filter) = &args.filter {
        let filter = Some(filter.clone());
        let found = reader.runs(&Query {
            filter,
            ..Query::default()
        })?;
        runs.extend(found.iter().map(|run| run.id));
    }
    for name in &args.runs {
        runs.push(ctx.find_run(&reader, name)?);
    }
    match &args.output {
        None => ctx
            .out
            .write_through(|out| write(&reader, &runs, format, out))?,
        Some(folder) if is_folder(folder) => {
            let done = to_folder(ctx, &reader, &runs, folder)?;
            ctx.pass_on_warnings(&reader);
            return Ok(done);
        }
        Some(path) => {
            let file = File::create(path).map_err(|e| Failure::file("create", path, &e))?;
            let mut out = BufWriter::new(file);
            write(&reader, &runs, format, &mut out)?;
            out.flush()
                .map_err(|error| Failure::file("write", path, &error))?;
        }
    }
    ctx.pass_on_warnings(&reader);
    Ok(0)
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with(['/', '\\'])
}

fn format(ctx: &Ctx, args: &ExportArgs) -> Result<Format, Failure> {
    let output = args.output.as_deref();
    let ending = output.and_then(|path| path.extension()?.to_str());
    match (ctx.format_asked(), ending) {
        (Some(Format::Table | Format::Md), _) => Err(Failure::usage(
            "export writes json, jsonl or csv; tables are for `tracker query`",
        )),
        (Some(Format::Csv | Format::Jsonl), _) if output.is_some_and(is_folder) => Err(
            Failure::usage("into a folder go JSON files; leave out --format"),
        ),
        (Some(format), _) => Ok(format),
        (None, Some("csv")) => Ok(Format::Csv),
        (None, Some("jsonl" | "ndjson")) => Ok(Format::Jsonl),
        (None, _) => Ok(Format::Json),
    }
}

fn write(
    reader: &Reader,
    runs: &[RunId],
    format: Format,
    mut out: &mut dyn Write,
) -> tracker::Result<()> {
    if format == Format::Csv {
        let runs: Result<Vec<_>, _> = runs.iter().map(|run| reader.run(*run)).collect();
        return export::runs_to_csv(&runs?, reader.now_us(), out);
    }
    let array = format == Format::Json;
    let failed = |source| tracker::Error::Io {
        op: "write",
        path: PathBuf::from("output"),
        source,
    };
    for (at, run) in runs.iter().enumerate() {
        let before = match (array, at) {
            (true, 0) => "[",
            (true, _) => ",\n",
            (false, 0) => "",
            (false, _) => "\n",
        };
        out.write_all(before.as_bytes()).map_err(failed)?;
        export::write_record(reader, *run, &mut out)?; // a series at a time is in memory
    }
    let after = match (array, runs) {
        (true, []) => "[]\n",
        (true, _) => "]\n",
        (false, []) => "",
        (false, _) => "\n",
    };
    out.write_all(after.as_bytes()).map_err(failed)
}

fn to_folder(ctx: &Ctx, reader: &Reader, runs: &[RunId], folder: &Path) -> Outcome {
    let store = ctx.store()?;
    let bar = Bar::items(runs.len());
    let (mut artifacts, mut bytes, mut failed) = (0, 0, false);
    for (at, run) in runs.iter().enumerate() {
        bar.item(at, &run.to_string());
        let exported = export::export_run(store, reader, *run, folder)?;
        artifacts += exported.artifacts;
        bytes += exported.bytes;
        for failure in exported.failures {
            failed = true;
            bar.suspend(|| Failure::from(failure).report(ctx.messages()));
        }
    }
    drop(bar);
    ctx.messages().say(format!(
        "wrote {} and {} ({}) to {}",
        number::counted(runs.len() as u64, "run"),
        number::counted(artifacts, "artifact"),
        number::bytes(bytes),
        folder.display()
    ));
    Ok(if failed { FAILED } else { 0 })
}
