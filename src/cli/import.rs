//! `tracker import`: runs that others recorded.

use std::path::Path;
use std::path::PathBuf;

use super::context::Ctx;
use super::fail::FAILED;
use super::fail::Failure;
use super::fail::Outcome;
use super::print::Bar;
use super::print::Cell;
use super::print::Column;
use super::print::Look;
use super::print::Table;
use super::print::number;
use tracker::import;
use tracker::import::ImportOptions;
use tracker::import::Imported;
use tracker::import::ImportedRun;
use tracker::import::Importer;

/// Import runs from files
///
/// Reads records kept by hand or by other programs (JSON, YAML; one run an object), logs (CSV, TSV,
/// JSON lines; one step a line) and what `tracker export` wrote. A folder is read with all below
/// it. A run's id follows from where it came from, so importing twice changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 imported, 1 failed (what was imported is kept), 2 called wrongly

Examples:
  tracker import runs/*.yaml --experiment old
  tracker import progress.csv --name ppo-seed-1 --step-column iteration
  tracker import all-runs.csv --run-column run_id --param-column lr")]
pub(crate) struct ImportArgs {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Format of the files: record, csv, tsv, jsonl or trainer-state; without it told by their
    /// names and contents
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format_in: Option<import::Format>,

    /// Column or field that has the step
    #[arg(long, value_name = "NAME")]
    step_column: Option<String>,

    /// Column or field that tells runs apart
    #[arg(long, value_name = "NAME")]
    run_column: Option<String>,

    /// Column or field that has the time
    #[arg(long, value_name = "NAME")]
    time_column: Option<String>,

    /// Column that has one value a run, which becomes a param (can be repeated)
    #[arg(long = "param-column", value_name = "NAME")]
    param_columns: Vec<String>,

    /// Character between the columns; without it told by the header
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<char>,

    /// Keep the steps as a metric as well
    #[arg(long)]
    keep_step: bool,

    /// Name of the run; without it its own or the file's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Experiment that the runs belong to
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
}

fn format(text: &str) -> Result<import::Format, String> {
    text.parse()
        .map_err(|_long| "want record, csv, tsv, jsonl or trainer-state".to_owned())
}

pub(crate) fn run(ctx: &Ctx, args: &ImportArgs) -> Outcome {
    let options = ImportOptions {
        format: args.format_in,
        step_column: args.step_column.clone(),
        run_column: args.run_column.clone(),
        time_column: args.time_column.clone(),
        delimiter: args.delimiter,
        name: args.name.clone(),
        experiment: args.experiment.clone(),
        param_columns: args.param_columns.clone(),
        keep_step: args.keep_step,
    };
    let mut done = Done::new();
    let mut importer = None;
    let outcome = args
        .paths
        .iter()
        .try_for_each(|path| import_path(ctx, path, &options, &mut importer, &mut done));
    if done.new > 0 {
        ctx.fold_whole(done.new);
    }
    if !done.table.is_empty() {
        ctx.out.table(&done.table)?;
        ctx.out.flush()?;
        let new = number::counted(done.new, "new run");
        let points = number::counted(done.points, "point");
        ctx.messages().say(format!("imported {new} with {points}"));
    }
    outcome?;
    Ok(if done.failed { FAILED } else { 0 })
}

/// What has been done so far.
struct Done {
    table: Table,
    new: u64,
    points: u64,
    failed: bool,
}

impl Done {
    fn new() -> Self {
        let table = Table::new(vec![
            Column::new("id", "ID"),
            Column::new("name", "NAME").elastic(12),
            Column::new("result", "RESULT"),
            Column::new("points", "POINTS").right(),
            Column::new("artifacts", "FILES").right(),
            Column::new("missing", "MISSING").right(),
            Column::new("file", "FROM").elastic(16).optional(),
        ]);
        Self {
            table,
            new: 0,
            points: 0,
            failed: false,
        }
    }

    fn add(&mut self, run: &ImportedRun, stored: &Imported, path: &Path) {
        let (word, look) = match stored.outcome {
            import::Outcome::New => ("new", Look::Good),
            import::Outcome::Unchanged => ("unchanged", Look::Dim),
            import::Outcome::Differs => ("differs", Look::Bad),
        };
        self.new += u64::from(stored.outcome == import::Outcome::New);
        self.points += stored.points;
        self.failed |= stored.outcome == import::Outcome::Differs;
        let missing: Vec<String> = run
            .missing
            .iter()
            .chain(&run.outside)
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        let file = run.file.as_deref().unwrap_or(path);
        self.table.push(vec![
            Cell::new(&stored.id.short(), stored.id.to_string()),
            Cell::text(&run.name),
            Cell::text(word).look(look),
            Cell::count(run.points()),
            Cell::count(stored.artifacts),
            match missing.len() {
                0 => Cell::new("-", missing).look(Look::Dim),
                count => Cell::new(&count.to_string(), missing).look(Look::Warn),
            },
            Cell::text(&file.to_string_lossy()),
        ]);
    }
}

fn import_path<'a>(
    ctx: &'a Ctx,
    path: &Path,
    options: &ImportOptions,
    importer: &mut Option<Importer<'a>>,
    done: &mut Done,
) -> Result<(), Failure> {
    let messages = ctx.messages();
    let bar = Bar::bytes("reading");
    let read = import::read_with_progress(path, options, &mut |read, all| bar.show(read, all))?;
    drop(bar);
    for warning in &read.warnings {
        messages.warning(warning);
    }
    for failure in read.failures {
        done.failed = true;
        Failure::from(failure).report(messages);
    }
    // Only now: a wrong path must not leave an empty store behind.
    let importer = match importer {
        Some(importer) => importer,
        none => none.insert(Importer::new(ctx.store_or_create()?)?),
    };
    let bar = Bar::items(read.runs.len());
    for (at, run) in read.runs.iter().enumerate() {
        bar.item(at, &run.name);
        let stored = importer.store(run)?;
        bar.suspend(|| {
            for missing in &run.missing {
                let (name, missing) = (&run.name, missing.display());
                messages.warning(format!("artifact of {name} is not there: {missing}"));
            }
            for outside in &run.outside {
                let (name, outside) = (&run.name, outside.display());
                messages.warning(format!(
                    "artifact of {name} is not kept, for it leads out of the folder of its \
                     record: {outside}"
                ));
            }
            for warning in run.warnings.iter().chain(&stored.warnings) {
                messages.warning(warning);
            }
            if stored.outcome == import::Outcome::Differs {
                let name = &run.name;
                messages.warning(format!(
                    "{name} is in the store with another content and was left as it is; \
                     import it as another run with `--name` or `--experiment`"
                ));
            }
        });
        done.add(run, &stored, path);
    }
    Ok(())
}
