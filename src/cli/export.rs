//! `tracker export`: runs for other programs.

use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::PathBuf;

use tracker::Query;
use tracker::Reader;
use tracker::model::Run;

use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::listing;
use super::print::Format;
use super::shim;

/// Export runs for other programs
///
/// JSON and JSON lines have every run in full; CSV has a row a run with its params, the last values
/// of its metrics and its tags. The format is `--format`, else follows from the file's name, else
/// is JSON. Points come out with `tracker series`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 exported, 1 failed, 2 called wrongly

Examples:
  tracker export @last -o run.json
  tracker export --filter 'experiment = \"mnist\"' --format csv > mnist.csv")]
pub(crate) struct ExportArgs {
    /// Runs: ids, prefixes, names, @last, @best:METRIC, @this
    #[arg(value_name = "RUN", required_unless_present = "filter")]
    runs: Vec<String>,

    /// Runs that this filter lets through
    #[arg(long, value_name = "FILTER", conflicts_with = "runs")]
    filter: Option<String>,

    /// File to write; without it standard output
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
}

pub(crate) fn run(ctx: &Ctx, args: &ExportArgs) -> Outcome {
    let format = format(ctx, args)?;
    let reader = ctx.reader()?;
    let runs = if let Some(filter) = &args.filter {
        reader.runs(&Query {
            filter: Some(filter.clone()),
            ..Query::default()
        })?
    } else {
        let find = |name: &String| Ok(reader.run(Ctx::find_run(&reader, name)?)?);
        args.runs
            .iter()
            .map(find)
            .collect::<Result<Vec<Run>, Failure>>()?
    };
    match &args.output {
        None => ctx.out.write(|out| write(&reader, &runs, format, out))?,
        Some(path) => {
            let file = File::create(path).map_err(|e| Failure::file("create", path, &e))?;
            let mut out = BufWriter::new(file);
            write(&reader, &runs, format, &mut out)
                .and_then(|()| out.flush())
                .map_err(|error| Failure::file("write", path, &error))?;
        }
    }
    Ok(0)
}

fn format(ctx: &Ctx, args: &ExportArgs) -> Result<Format, Failure> {
    let ending = args
        .output
        .as_deref()
        .and_then(|path| path.extension()?.to_str());
    match (ctx.format_asked(), ending) {
        (Some(Format::Table | Format::Md), _) => Err(Failure::usage(
            "export writes json, jsonl or csv; tables are for `tracker query`",
        )),
        (Some(format), _) => Ok(format),
        (None, Some("csv")) => Ok(Format::Csv),
        (None, Some("jsonl" | "ndjson")) => Ok(Format::Jsonl),
        (None, _) => Ok(Format::Json),
    }
}

fn write(
    reader: &Reader,
    runs: &[Run],
    format: Format,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let now_us = reader.now_us();
    if format == Format::Csv {
        listing::table(runs, &listing::all_fields(runs), now_us).write_csv(out)
    } else {
        let runs = runs.iter().map(|run| shim::run_to_json(run, now_us));
        super::print::write_json(out, runs, format != Format::Jsonl)
    }
}
