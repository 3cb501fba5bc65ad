//! Runs that are read from files and not stored, for a comparison.

use std::path::Path;

use tracker::model::Run;
use tracker::model::RunInfo;
use tracker::model::Stamp;
use tracker::model::Summary;
use tracker::model::WriterId;

use super::context::Ctx;
use super::fail::Failure;
use tracker::import;
use tracker::import::ImportOptions;
use tracker::import::ImportedRun;

/// Reads the runs of a file.
pub(crate) fn read(ctx: &Ctx, path: &Path) -> Result<Vec<Run>, Failure> {
    let read = import::read(path, &ImportOptions::default())?;
    let of_runs = read.runs.iter().flat_map(|run| &run.warnings);
    for warning in read.warnings.iter().chain(of_runs) {
        ctx.messages().warning(warning);
    }
    if let Some(failure) = read.failures.into_iter().next() {
        return Err(failure.into());
    }
    Ok(read.runs.into_iter().map(to_run).collect())
}

/// A run as if it had been stored; its artifacts stay files.
fn to_run(read: ImportedRun) -> Run {
    let metrics = read.series.iter().map(|(metric, points)| {
        let mut summary = Summary::default();
        for (point, row) in points.iter().zip(0..) {
            let (time_us, writer, seq) = (point.time_us, WriterId(0), 0);
            let stamp = Stamp {
                time_us,
                writer,
                seq,
                row,
            };
            summary.add(point.step, stamp, point.value);
        }
        (metric.clone(), summary)
    });
    Run {
        id: read.id,
        metrics: metrics.collect(),
        info: RunInfo {
            name: read.name,
            experiment: read.experiment,
            author: read.author,
            parent: read.parent,
            start_us: read.start_us,
            detached: false,
            source: read.source,
            environment: read.environment,
        },
        has_started: true,
        status: read.status,
        end_us: read.end_us,
        params: read.params.into_iter().collect(),
        param_conflicts: std::collections::BTreeMap::new(),
        tags: read.tags.into_iter().collect(),
        note: read.note,
        artifacts: std::collections::BTreeMap::new(),
        inputs: std::collections::BTreeMap::new(),
        older: std::collections::BTreeMap::new(),
        aliases: std::collections::BTreeMap::new(),
        reason: read.reason,
    }
}
