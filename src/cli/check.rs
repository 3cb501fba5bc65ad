//! `tracker check`: is everything as it was written?

use std::path::Path;
use std::path::PathBuf;

use serde_json::json;
use tracker::model::RunId;
use tracker::store::CheckReport;
use tracker::store::Fault;
use tracker::store::Touched;

use super::context::Ctx;
use super::fail::FAILED;
use super::fail::Outcome;
use super::print::Bar;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Look;
use super::print::Table;
use super::print::number;
use super::salvage;

/// Read the whole store and report all that is not as it was written
///
/// Checks journal and artifacts against their checksums and the index against the journal. Nothing
/// is changed. What is damaged is listed with what it touches: runs, metrics and steps, artifacts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all is well, 1 something is damaged or it failed, 2 called wrongly
  with --salvage: 0 all was copied, 3 all but what is listed, 1 it failed

Examples:
  tracker check
  tracker check --format json
  tracker check --salvage ../saved")]
pub(crate) struct CheckArgs {
    /// Copy all that can be read into a new store in this folder, and list what cannot
    ///
    /// The folder is new or empty, and not in the store. Nothing is written to the store that is
    /// read; it may be read-only, or lack its index or its file `format`. Runs that are being
    /// logged to are copied as they are by then.
    #[arg(long, value_name = "DIR")]
    salvage: Option<PathBuf>,
}

/// Most names that stand in a cell for people.
const NAMES_MAX: usize = 3;
/// Most files that are listed of those that are no part of the store.
const STRAYS_MAX: usize = 10;

pub(crate) fn run(ctx: &Ctx, args: &CheckArgs) -> Outcome {
    if let Some(to) = &args.salvage {
        return salvage::run(ctx, to);
    }
    let store = ctx.store()?;
    let bar = Bar::bytes("checking");
    let report = store.check(&mut |done, total| bar.show(done, total))?;
    drop(bar);
    let mut table = faults(&report.damage, store.path());
    for difference in &report.index {
        table.push(vec![
            Cell::text("index").look(Look::Warn),
            Cell::text("index.redb"),
            Cell::missing(),
            Cell::text(difference),
            Cell::new("", Vec::<String>::new()),
            Cell::missing(),
        ]);
    }
    let people = matches!(ctx.out.format(), Format::Table | Format::Md);
    if !(table.is_empty() && people) {
        ctx.out.table(&table)?;
        ctx.out.flush()?;
    }
    let messages = ctx.messages();
    messages.say(format!(
        "read {} with {} and {}, {} in all",
        number::counted(report.segments, "segment"),
        number::counted(report.points, "point"),
        number::counted(report.blobs, "blob"),
        number::bytes(report.bytes)
    ));
    if report.unknown_records > 0 {
        let records = number::counted(report.unknown_records, "record");
        messages.note(format!(
            "{records} of kinds that only a newer version knows; kept as they are"
        ));
    }
    if !report.strays.is_empty() {
        let files = number::counted(report.strays.len() as u64, "file");
        let paths = report.strays.iter().take(STRAYS_MAX);
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        let paths = paths.join("\n  ");
        messages.note(format!(
            "{files} in the folder that are no part of the store:\n  {paths}"
        ));
    }
    if report.is_sound() {
        messages.say("all is as it was written");
        return Ok(0);
    }
    advise(ctx, &report, store.path());
    Ok(FAILED)
}

/// Says what is wrong and what to do about it.
fn advise(ctx: &Ctx, report: &CheckReport, store: &Path) {
    let messages = ctx.messages();
    if !report.damage.is_empty() {
        messages.error("some of the store is not as it was written");
        messages.hint("the rest can be read; copy the files listed from another copy of the store");
    }
    let is_of_journal = |fault: &Fault| is_of_journal(&fault.damage.path, store);
    let lacks_journal = report.damage.iter().any(is_of_journal);
    if !report.damage.iter().all(is_of_journal) {
        messages.hint("the file of an artifact is also put back by `tracker artifact add`");
    }
    if lacks_journal {
        messages.hint(
            "where there is no other copy, `tracker check --salvage DIR` copies all that can be \
             read into a new store",
        );
        messages.hint(
            "do not run `tracker rebuild` before that: the index may still have what a damaged \
             file had",
        );
    }
    if !report.index.is_empty() {
        messages.error("the index does not say what the journal says");
        messages.hint(if lacks_journal {
            "once the journal is whole, make it anew with `tracker rebuild`"
        } else {
            "make it anew with `tracker rebuild`"
        });
    }
}

/// Whether a file holds what the index is made from.
fn is_of_journal(path: &Path, store: &Path) -> bool {
    ["journal", "live"]
        .iter()
        .any(|folder| path.starts_with(store.join(folder)))
}

/// A row for each thing that is not as it was written.
pub(super) fn faults(faults: &[Fault], store: &Path) -> Table {
    let mut table = Table::new(vec![
        Column::new("what", "WHAT"),
        Column::new("path", "FILE").elastic(24),
        Column::new("offset", "AT BYTE").right().optional(),
        Column::new("why", "WHY").elastic(16),
        Column::new("runs", "RUNS").elastic(8).optional(),
        Column::new("touches", "TOUCHES").elastic(16),
    ]);
    for fault in faults {
        let damage = &fault.damage;
        let path = damage.path.strip_prefix(store).unwrap_or(&damage.path);
        let ids: Vec<String> = fault.runs.iter().map(ToString::to_string).collect();
        let short: Vec<String> = fault.runs.iter().map(|run: &RunId| run.short()).collect();
        table.push(vec![
            Cell::text(damage.what).look(Look::Bad),
            Cell::text(&path.to_string_lossy()),
            Cell::count(damage.offset),
            Cell::text(&damage.why),
            Cell::new(&short.join(" "), ids),
            touches(fault),
        ]);
    }
    table
}

/// What a fault takes with it, as far as that is known.
fn touches(fault: &Fault) -> Cell {
    let Fault {
        damage: _,
        touched,
        runs: _,
        metrics,
        steps,
        points,
        artifacts,
        in_index,
    } = fault;
    let steps_text = match steps {
        Some((a, b)) if a == b => format!(" at step {a}"),
        Some((a, b)) => format!(" at steps {a} to {b}"),
        None => String::new(),
    };
    let of_metrics = format!("{}{steps_text}", some_of(metrics));
    let count = points.map(|points| number::counted(points, "point"));
    let mut text = match (touched, count) {
        (Touched::Nothing, _) => "nothing that is not told elsewhere".to_owned(),
        (Touched::Points, count) => {
            format!("{} of {of_metrics}", count.unwrap_or_default())
        }
        (Touched::Events, _) => "params, tags, artifacts, start and end".to_owned(),
        (Touched::Records, _) if metrics.is_empty() => "some records".to_owned(),
        (Touched::Records, _) => format!("some records next to {of_metrics}"),
        (Touched::Segment, Some(count)) => format!("the segment: {count} of {of_metrics}"),
        (Touched::Segment, None) => "the segment".to_owned(),
        (Touched::Folder, _) => "all files in it".to_owned(),
        (Touched::Artifacts, _) if artifacts.is_empty() => "no artifact".to_owned(),
        (Touched::Artifacts, _) => {
            let paths: Vec<String> = artifacts.iter().map(|(_, path)| path.clone()).collect();
            some_of(&paths)
        }
    };
    match touched {
        Touched::Points | Touched::Segment if *in_index => {
            text.push_str("; the index still has them");
        }
        Touched::Events if *in_index => text.push_str("; the index still has the last of each"),
        _ => {}
    }
    let artifacts = artifacts.iter();
    let artifacts = artifacts.map(|(run, path)| json!({"run": run.to_string(), "path": path}));
    let value = json!({
        "what": touched.as_str(),
        "metrics": metrics,
        "steps": steps.map(|(a, b)| [a, b]),
        "points": points,
        "artifacts": artifacts.collect::<Vec<_>>(),
        "in_index": in_index,
    });
    Cell::new(&text, value)
}

/// The first names, and how many more there are.
fn some_of(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>();
    if names.len() > NAMES_MAX {
        text.push(format!("… and {} more", names.len() - NAMES_MAX));
    }
    text.join(" ")
}
