//! As `tracker::export`, without the points in a run's record.

use std::collections::BTreeSet;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracker::Error;
use tracker::Reader;
use tracker::Result;
use tracker::Store;
use tracker::model::ParamValue;
use tracker::model::Point;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::Summary;

use super::model::time_to_text;

pub(crate) fn run_to_json(run: &Run, now_us: i64) -> Value {
    let time = |us: Option<i64>| us.map(time_to_text);
    let params: Map<String, Value> = run
        .params
        .iter()
        .map(|(key, value)| (key.clone(), value.to_json()))
        .collect();
    let metrics: Map<String, Value> = run
        .metrics
        .iter()
        .map(|(name, summary)| (name.clone(), summary_to_json(summary)))
        .collect();
    let artifacts: Vec<Value> = run
        .artifacts
        .values()
        .map(|a| json!({"path": a.path, "hash": a.blob.to_string(), "bytes": a.bytes}))
        .collect();
    json!({
        "id": run.id.to_string(),
        "name": run.info.name,
        "experiment": run.info.experiment,
        "author": run.info.author,
        "status": run.status.as_str(),
        "start": time(run.info.start_us),
        "end": time(run.end_us),
        "duration_s": run.duration_s(now_us),
        "params": params,
        "metrics": metrics,
        "tags": run.tags,
        "note": run.note,
        "artifacts": artifacts,
    })
}

fn summary_to_json(summary: &Summary) -> Value {
    let float = |value: Option<f64>| value.map(|value| ParamValue::Float(value).to_json());
    json!({
        "last": float(summary.last.map(|edge| edge.value)),
        "last_step": summary.last.map(|edge| edge.step),
        "min": float(summary.min.map(|min| min.value)),
        "min_step": summary.min.map(|min| min.step),
        "max": float(summary.max.map(|max| max.value)),
        "max_step": summary.max.map(|max| max.step),
        "mean": float(summary.mean()),
        "count": summary.count,
        "nan_count": summary.nan_count,
    })
}

pub(crate) fn runs_to_csv(runs: &[Run], now_us: i64, out: impl Write) -> Result<()> {
    let _: BTreeSet<&String> = runs.iter().flat_map(|run| run.params.keys()).collect();
    let mut csv = csv::Writer::from_writer(out);
    for run in runs {
        let text = run_to_json(run, now_us).to_string();
        csv.write_record([text])
            .map_err(|why| cannot_write(why.into()))?;
    }
    csv.flush().map_err(cannot_write)
}

pub(crate) fn write_record(reader: &Reader, id: RunId, out: &mut impl Write) -> Result<()> {
    let run = run_to_json(&reader.run(id)?, reader.now_us());
    write!(out, "{run}").map_err(cannot_write)
}

#[derive(Debug)]
pub(crate) struct ExportedRun {
    pub(crate) record: PathBuf,
    pub(crate) artifacts: u64,
    pub(crate) bytes: u64,
    pub(crate) failures: Vec<Error>,
}

pub(crate) fn export_run(
    _store: &Store,
    reader: &Reader,
    id: RunId,
    folder: &Path,
) -> Result<ExportedRun> {
    let record = folder.join(format!("{id}.json"));
    let mut out = Vec::new();
    write_record(reader, id, &mut out)?;
    std::fs::write(&record, out).map_err(cannot_write)?;
    Ok(ExportedRun {
        record,
        artifacts: 0,
        bytes: 0,
        failures: Vec::new(),
    })
}

pub(crate) struct PointsCsv<W: Write> {
    out: W,
    several: bool,
}

impl<W: Write> PointsCsv<W> {
    pub(crate) fn new(mut out: W, several: bool) -> Result<Self> {
        let names = if several { "run,metric," } else { "" };
        writeln!(out, "{names}step,time,value").map_err(cannot_write)?;
        Ok(Self { out, several })
    }

    pub(crate) fn series(&mut self, run: RunId, metric: &str, points: &[Point]) -> Result<()> {
        for point in points {
            let value = ParamValue::Float(point.value).to_json();
            let (step, time) = (point.step, time_to_text(point.time_us));
            let names = if self.several {
                format!("{run},{metric},")
            } else {
                String::new()
            };
            writeln!(self.out, "{names}{step},{time},{value}").map_err(cannot_write)?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(cannot_write)
    }
}

fn cannot_write(source: io::Error) -> Error {
    Error::Io {
        op: "write",
        path: PathBuf::from("output"),
        source,
    }
}
