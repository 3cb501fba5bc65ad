//! `tracker check --salvage DIR`: all that can be read of a damaged store, in a new one.

use std::path::Path;

use serde_json::Value;
use serde_json::json;
use tracker::Store;
use tracker::model::RunId;
use tracker::store::SalvageReport;

use super::check::faults;
use super::context::Ctx;
use super::fail::Outcome;
use super::print::Bar;
use super::print::Format;
use super::print::number;

/// Exit code when the new store stands and lacks something.
const LOSSY: u8 = 3;

pub(super) fn run(ctx: &Ctx, to: &Path) -> Outcome {
    let from = ctx.store_folder()?;
    let bar = Bar::bytes("salvaging");
    let report = Store::salvage(&from, to, &mut |done, total| bar.show(done, total))?;
    drop(bar);
    match ctx.out.format() {
        Format::Json | Format::Jsonl => ctx.out.json([json(&report, &from)].into_iter())?,
        Format::Table | Format::Md | Format::Csv | Format::Parquet | Format::Arrow => {
            let table = faults(&report.lost, &from);
            let people = matches!(ctx.out.format(), Format::Table | Format::Md);
            if !(table.is_empty() && people) {
                ctx.out.table(&table)?;
            }
        }
    }
    ctx.out.flush()?;
    Ok(tell(ctx, &report))
}

/// Says what was done, and returns the exit code.
fn tell(ctx: &Ctx, report: &SalvageReport) -> u8 {
    let messages = ctx.messages();
    messages.say(format!(
        "copied {} in {} with {}, and {}, {} in all, to {}",
        number::counted(report.runs, "run"),
        number::counted(report.segments, "segment"),
        number::counted(report.points, "point"),
        number::counted(report.blobs, "blob"),
        number::bytes(report.bytes),
        report.path.display()
    ));
    if report.rewritten > 0 {
        let segments = number::counted(report.rewritten, "segment");
        messages.note(format!(
            "{segments} damaged in the old store and written anew from what was left"
        ));
    }
    for fault in &report.spared {
        messages.note(format!("damaged, and nothing lost by it: {}", fault.damage));
    }
    for run in &report.live {
        let run = run.short();
        messages.note(format!(
            "run {run} is being logged to; what stood there so far was copied"
        ));
    }
    for warning in &report.warnings {
        messages.warning(warning);
    }
    if report.lost.is_empty() {
        messages.say("nothing was lost");
        return 0;
    }
    messages.error("some of the store could not be copied");
    messages.hint(
        "where another copy of the store has the files listed, copy them over those of the new \
         store and run `tracker rebuild` there",
    );
    LOSSY
}

fn json(report: &SalvageReport, from: &Path) -> Value {
    let SalvageReport {
        path,
        runs,
        segments,
        rewritten,
        points,
        blobs,
        bytes,
        lost,
        spared,
        live,
        warnings,
    } = report;
    json!({
        "path": path.to_string_lossy(),
        "runs": runs,
        "segments": segments,
        "rewritten": rewritten,
        "points": points,
        "blobs": blobs,
        "bytes": bytes,
        "lost": faults(lost, from).to_json().collect::<Vec<_>>(),
        "spared": faults(spared, from).to_json().collect::<Vec<_>>(),
        "live": live.iter().map(RunId::to_string).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}
