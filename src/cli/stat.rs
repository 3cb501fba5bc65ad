//! `tracker stat`: how large the store is.

use serde_json::json;

use super::context::Ctx;
use super::fail::Outcome;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Table;
use super::print::number;

/// Tell what the store holds and how large it is
///
/// ON DISK is what the files take, LENGTH how long they are; the two differ for files with holes
/// and for those made ahead of time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 told, 1 failed, 2 called wrongly

Examples:
  tracker stat
  tracker stat --format json")]
pub(crate) struct StatArgs {}

pub(crate) fn run(ctx: &Ctx, _args: &StatArgs) -> Outcome {
    let store = ctx.store()?;
    let stat = store.stat()?;
    let parts = [
        ("journal", stat.journal),
        ("live", stat.live),
        ("index", stat.index),
        ("blobs", stat.blobs),
    ];
    let statuses = ["running", "completed", "failed", "unknown"];
    if matches!(ctx.out.format(), Format::Json | Format::Jsonl) {
        let part = |(files, bytes, allocated): (u64, u64, u64)| json!({"files": files, "bytes": bytes, "allocated_bytes": allocated});
        let runs: serde_json::Map<_, _> = statuses
            .iter()
            .zip(stat.runs)
            .map(|(status, count)| ((*status).to_owned(), count.into()))
            .collect();
        let slowed = stat
            .slowed
            .iter()
            .map(|(run, why)| json!({"run": run.to_string(), "why": why}));
        let mut value = json!({
            "id": stat.id,
            "path": store.path().to_string_lossy(),
            "runs": runs,
            "series": stat.series,
            "points": stat.points,
            "slowed": slowed.collect::<Vec<_>>(),
        });
        for (name, sizes) in parts {
            value[name] = part(sizes);
        }
        ctx.out.json(std::iter::once(value))?;
        return Ok(0);
    }
    let mut table = Table::new(vec![
        Column::new("part", "PART"),
        Column::new("files", "FILES").right(),
        Column::new("bytes", "LENGTH").right(),
        Column::new("allocated_bytes", "ON DISK").right(),
    ]);
    let mut total = (0_u64, 0_u64, 0_u64);
    let mut add = |name: &str, (files, bytes, allocated): (u64, u64, u64)| {
        table.push(vec![
            Cell::text(name),
            Cell::count(files),
            Cell::bytes(bytes),
            Cell::bytes(allocated),
        ]);
    };
    for (name, (files, bytes, allocated)) in parts {
        add(name, (files, bytes, allocated));
        total = (total.0 + files, total.1 + bytes, total.2 + allocated);
    }
    add("all", total);
    if ctx.out.format() == Format::Table {
        let runs: u64 = stat.runs.iter().sum();
        let by_status: Vec<String> = statuses
            .iter()
            .zip(stat.runs)
            .filter(|(_, count)| *count > 0)
            .map(|(status, count)| format!("{} {status}", number::count(count)))
            .collect();
        let by_status = if by_status.is_empty() {
            String::new()
        } else {
            format!(" ({})", by_status.join(", "))
        };
        let path = store.path().to_string_lossy();
        ctx.out
            .line(format!("store   {}", super::print::escape(&path)))?;
        ctx.out
            .line(format!("id      {}", super::print::escape(&stat.id)))?;
        ctx.out
            .line(format!("runs    {}{by_status}", number::count(runs)))?;
        ctx.out
            .line(format!("series  {}", number::count(stat.series)))?;
        ctx.out
            .line(format!("points  {}\n", number::count(stat.points)))?;
    }
    ctx.out.table(&table)?;
    ctx.out.flush()?;
    for (run, why) in &stat.slowed {
        ctx.messages()
            .warning(format!("run {}: {why}", run.short()));
    }
    Ok(0)
}
