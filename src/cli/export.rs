//! `tracker export`: runs for other programs, and for other stores.

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
/// back as the same runs. CSV, Parquet and Arrow have a row a run: params, the last values of
/// metrics, tags; points in these forms come from `tracker series`. The form is `--format`, else
/// follows from the file's name; without a file it is JSON.
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

    /// File to write, or folder (one that is there or ends in `/`); without it, or for `-`,
    /// standard output
    #[arg(long, short, value_name = "PATH|-")]
    output: Option<PathBuf>,
}

impl ExportArgs {
    /// Returns the file to write.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| !is_folder(path))
    }

    fn folder(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| is_folder(path))
    }
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
    if let Some(folder) = args.folder() {
        let done = to_folder(ctx, &reader, &runs, folder)?;
        ctx.pass_on_warnings(&reader);
        return Ok(done);
    }
    write(ctx, &reader, &runs, format)?;
    ctx.pass_on_warnings(&reader);
    Ok(0)
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with(['/', '\\'])
}

fn format(ctx: &Ctx, args: &ExportArgs) -> Result<Format, Failure> {
    match ctx.format_asked() {
        Some(Format::Table | Format::Md) => Err(Failure::usage(
            "export writes json, jsonl, csv, parquet or arrow; tables are for `tracker query`",
        )),
        None | Some(Format::Json) => Ok(Format::Json),
        Some(_) if args.folder().is_some() => Err(Failure::usage(
            "into a folder go JSON files; leave out --format",
        )),
        Some(format) => Ok(format),
    }
}

fn write(ctx: &Ctx, reader: &Reader, runs: &[RunId], format: Format) -> Result<(), Failure> {
    if !matches!(format, Format::Json | Format::Jsonl) {
        let runs: Result<Vec<_>, _> = runs.iter().map(|run| reader.run(*run)).collect();
        return ctx.out.frame(export::runs_frame(&runs?, reader.now_us()));
    }
    let array = format == Format::Json;
    for (at, run) in runs.iter().enumerate() {
        let before = match (array, at) {
            (true, 0) => "[",
            (true, _) => ",\n",
            (false, 0) => "",
            (false, _) => "\n",
        };
        ctx.out.write(|out| out.write_all(before.as_bytes()))?;
        // A series at a time is in memory.
        ctx.out
            .write_through(|mut out| export::write_record(reader, *run, &mut out))?;
    }
    let after = match (array, runs) {
        (true, []) => "[]\n",
        (true, _) => "]\n",
        (false, []) => "",
        (false, _) => "\n",
    };
    ctx.out.write(|out| out.write_all(after.as_bytes()))
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
