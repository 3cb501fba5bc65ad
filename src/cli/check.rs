//! `tracker check`: is everything as it was written?

use std::path::Path;

use tracker::model::RunId;
use tracker::store::CheckReport;

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

/// Read the whole store and report all that is not as it was written
///
/// Checks journal and artifacts against their checksums and the index against the journal. Nothing
/// is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all is well, 1 something is damaged or it failed, 2 called wrongly

Examples:
  tracker check
  tracker check --format json")]
pub(crate) struct CheckArgs {}

/// Most files that are listed of those that are no part of the store.
const STRAYS_MAX: usize = 10;

pub(crate) fn run(ctx: &Ctx, _args: &CheckArgs) -> Outcome {
    let store = ctx.store()?;
    let bar = Bar::bytes("checking");
    let report = store.check(&mut |done, total| bar.show(done, total))?;
    drop(bar);
    let table = faults(&report, store.path());
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
    if !report.damage.is_empty() {
        messages.error("some of the store is not as it was written");
        messages.hint("the rest can be read; copy the files listed from another copy of the store");
    }
    let lacks_journal = report
        .damage
        .iter()
        .any(|(damage, _)| is_of_journal(&damage.path, store.path()));
    if lacks_journal {
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
    Ok(FAILED)
}

/// Whether a file holds what the index is made from.
fn is_of_journal(path: &Path, store: &Path) -> bool {
    ["journal", "live"]
        .iter()
        .any(|folder| path.starts_with(store.join(folder)))
}

/// A row for each thing that is not as it was written.
fn faults(report: &CheckReport, store: &Path) -> Table {
    let mut table = Table::new(vec![
        Column::new("what", "WHAT"),
        Column::new("path", "FILE").elastic(24),
        Column::new("offset", "AT BYTE").right().optional(),
        Column::new("why", "WHY").elastic(16),
        Column::new("runs", "RUNS").elastic(8).optional(),
    ]);
    for (damage, runs) in &report.damage {
        let path = damage.path.strip_prefix(store).unwrap_or(&damage.path);
        let ids: Vec<String> = runs.iter().map(ToString::to_string).collect();
        let short: Vec<String> = runs.iter().map(|run: &RunId| run.short()).collect();
        table.push(vec![
            Cell::text(damage.what).look(Look::Bad),
            Cell::text(&path.to_string_lossy()),
            Cell::count(damage.offset),
            Cell::text(&damage.why),
            Cell::new(&short.join(" "), ids),
        ]);
    }
    for difference in &report.index {
        table.push(vec![
            Cell::text("index").look(Look::Warn),
            Cell::text("index.redb"),
            Cell::missing(),
            Cell::text(difference),
            Cell::new("", Vec::<String>::new()),
        ]);
    }
    table
}
