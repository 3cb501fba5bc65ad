//! `tracker import`: runs that others recorded.

use std::path::PathBuf;

use super::context::Ctx;
use super::fail::Outcome;
use super::print::Bar;
use super::print::Cell;
use super::print::Column;
use super::print::Look;
use super::print::Table;
use super::print::number;
use super::shim;

/// Import runs from files
///
/// Reads records kept by hand or by other programs: JSON, YAML, CSV, TSV, JSON lines. A run's id
/// follows from where it came from, so importing twice changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 imported, 1 failed (runs before the failure are kept), 2 called wrongly

Examples:
  tracker import runs/*.yaml --experiment old
  tracker import progress.csv --name ppo-seed-1 --step-column iteration
  tracker import all-runs.csv --run-column run_id --time-column timestamp")]
pub(crate) struct ImportArgs {
    /// Files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Format of the files; without it told by their names and contents
    #[arg(long, value_name = "FORMAT")]
    format_in: Option<String>,

    /// Column or field that has the step
    #[arg(long, value_name = "NAME")]
    step_column: Option<String>,

    /// Column or field that tells runs apart
    #[arg(long, value_name = "NAME")]
    run_column: Option<String>,

    /// Column or field that has the time
    #[arg(long, value_name = "NAME")]
    time_column: Option<String>,

    /// Name of the run
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Experiment that the runs belong to
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
}

pub(crate) fn run(ctx: &Ctx, args: ImportArgs) -> Outcome {
    let options = shim::ImportOptions {
        format: args.format_in,
        step_column: args.step_column,
        run_column: args.run_column,
        time_column: args.time_column,
        name: args.name,
        experiment: args.experiment,
    };
    let mut table = Table::new(vec![
        Column::new("id", "ID"),
        Column::new("name", "NAME").elastic(12),
        Column::new("result", "RESULT"),
        Column::new("points", "POINTS").right(),
        Column::new("missing_artifacts", "MISSING").right(),
        Column::new("source", "FROM").elastic(16).optional(),
    ]);
    let bar = Bar::items(args.paths.len());
    let (mut new, mut points) = (0_u64, 0_u64);
    let imported = args.paths.iter().enumerate().try_for_each(|(done, path)| {
        let source = path.to_string_lossy();
        bar.item(done, &source);
        // Read before a store is made: a wrong path must not leave an empty one behind.
        let runs = shim::read(path, &options)?;
        let store = ctx.store_or_create()?;
        for imported in &runs {
            let stored = shim::store(store, imported)?;
            for missing in &stored.missing_artifacts {
                let path = missing.display();
                bar.suspend(|| {
                    ctx.messages()
                        .warning(format!("artifact is not there: {path}"));
                });
            }
            let missing: Vec<String> = stored
                .missing_artifacts
                .iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect();
            new += u64::from(stored.is_new);
            points += if stored.is_new { stored.points } else { 0 };
            table.push(vec![
                Cell::new(&stored.id.short(), stored.id.to_string()),
                Cell::text(&imported.run.info.name),
                if stored.is_new {
                    Cell::text("new").look(Look::Good)
                } else {
                    Cell::text("unchanged").look(Look::Dim)
                },
                Cell::count(stored.points),
                match missing.len() {
                    0 => Cell::new("-", missing).look(Look::Dim),
                    count => Cell::new(&count.to_string(), missing).look(Look::Warn),
                },
                Cell::text(&source),
            ]);
        }
        Ok(())
    });
    drop(bar);
    if !table.is_empty() {
        ctx.out.table(&table)?;
        ctx.out.flush()?;
        let (new, points) = (number::count(new), number::count(points));
        ctx.messages()
            .say(format!("imported {new} new runs with {points} points"));
    }
    imported.map(|()| 0)
}
