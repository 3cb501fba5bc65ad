//! `tracker stat`: how large the store is.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracker::store::PartStat;
use tracker::store::StoreStat;

use super::context::Ctx;
use super::fail::Outcome;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Table;
use super::print::escape;
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

const STATUSES: [&str; 4] = ["running", "completed", "failed", "unknown"];

pub(crate) fn run(ctx: &Ctx, _args: &StatArgs) -> Outcome {
    let store = ctx.store()?;
    let stat = store.stat()?;
    let path = store.path().to_string_lossy();
    match ctx.out.format() {
        Format::Json | Format::Jsonl => ctx.out.json(std::iter::once(json(&stat, &path)))?,
        Format::Csv | Format::Md | Format::Parquet | Format::Arrow => {
            ctx.out.table(&table(&stat))?;
        }
        Format::Table => {
            facts(&stat, &path).iter().try_for_each(|(label, fact)| {
                ctx.out.line(format!("{label:<7} {}", escape(fact)))
            })?;
            ctx.out.line("")?;
            ctx.out.table(&table(&stat))?;
        }
    }
    ctx.out.flush()?;
    for (run, why) in &stat.slowed {
        ctx.messages()
            .warning(format!("run {}: {why}", run.short()));
    }
    Ok(0)
}

/// Parts of the store: files, length, bytes on the disk.
fn parts(stat: &StoreStat) -> [(&'static str, PartStat); 4] {
    [
        ("journal", stat.journal),
        ("live", stat.live),
        ("index", stat.index),
        ("blobs", stat.blobs),
    ]
}

fn json(stat: &StoreStat, path: &str) -> Value {
    let count = |status: &str| stat.runs.get(status).copied().unwrap_or_default();
    let runs: Map<String, Value> = STATUSES
        .iter()
        .map(|status| ((*status).to_owned(), count(status).into()))
        .collect();
    let slowed = stat.slowed.iter();
    let slowed = slowed.map(|(run, why)| json!({"run": run.to_string(), "why": why}));
    let mut value = json!({
        "id": stat.id,
        "path": path,
        "runs": runs,
        "series": stat.series,
        "points": stat.points,
        "slowed": slowed.collect::<Vec<_>>(),
    });
    for (
        part,
        PartStat {
            files,
            bytes,
            allocated,
        },
    ) in parts(stat)
    {
        value[part] = json!({"files": files, "bytes": bytes, "allocated_bytes": allocated});
    }
    value
}

fn facts(stat: &StoreStat, path: &str) -> [(&'static str, String); 5] {
    let by_status: Vec<String> = STATUSES
        .iter()
        .filter_map(|status| Some((status, stat.runs.get(status)?)))
        .map(|(status, count)| format!("{} {status}", number::count(*count)))
        .collect();
    let mut runs = number::count(stat.runs.values().sum());
    if !by_status.is_empty() {
        runs = format!("{runs} ({})", by_status.join(", "));
    }
    [
        ("store", path.to_owned()),
        ("id", stat.id.clone()),
        ("runs", runs),
        ("series", number::count(stat.series)),
        ("points", number::count(stat.points)),
    ]
}

fn table(stat: &StoreStat) -> Table {
    let mut table = Table::new(vec![
        Column::new("part", "PART"),
        Column::new("files", "FILES").right(),
        Column::new("bytes", "LENGTH").right(),
        Column::new("allocated_bytes", "ON DISK").right(),
    ]);
    let all = parts(stat)
        .iter()
        .fold(PartStat::default(), |sum, (_, part)| PartStat {
            files: sum.files + part.files,
            bytes: sum.bytes + part.bytes,
            allocated: sum.allocated + part.allocated,
        });
    for (part, stat) in parts(stat).into_iter().chain([("all", all)]) {
        let PartStat {
            files,
            bytes,
            allocated,
        } = stat;
        table.push(vec![
            Cell::text(part),
            Cell::count(files),
            Cell::bytes(bytes),
            Cell::bytes(allocated),
        ]);
    }
    table
}
