//! A run and a point as JSON.
//!
//! Times are RFC 3339 in UTC, what is absent is null, and numbers that JSON cannot write are the
//! strings `NaN`, `Infinity` and `-Infinity`.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::model::ArtifactRef;
use crate::model::Environment;
use crate::model::Point;
use crate::model::Run;
use crate::model::Summary;
use crate::model::float_to_json;
use crate::model::time_to_text;

/// Turns all that is known of a run into JSON, save its points.
///
/// - `now_us`: until when a run that still runs has taken
pub fn run_to_json(run: &Run, now_us: i64) -> Value {
    let time = |us: Option<i64>| us.map(time_to_text);
    let params = run
        .params
        .iter()
        .map(|(key, value)| (key.clone(), value.to_json()));
    let metrics = run
        .metrics
        .iter()
        .map(|(key, value)| (key.clone(), summary(value)));
    let mut object = json!({
        "id": run.id.to_string(),
        "name": run.info.name,
        "experiment": run.info.experiment,
        "author": run.info.author,
        "status": run.status.as_str(),
        "start": time(run.info.start_us),
        "end": time(run.end_us),
        "duration_s": run.duration_s(now_us),
        "params": params.collect::<Map<_, _>>(),
        "metrics": metrics.collect::<Map<_, _>>(),
        "tags": run.tags,
        "note": run.note,
        "artifacts": files(run, &run.artifacts),
        "inputs": files(run, &run.inputs),
        "parent": run.info.parent.map(|parent| parent.to_string()),
        "reason": run.reason,
        "source": run.info.source,
        "environment": environment(&run.info.environment),
    });
    if let (Value::Object(map), false) = (&mut object, run.param_conflicts.is_empty()) {
        let refused = run.param_conflicts.iter();
        let refused = refused.map(|(key, value)| (key.clone(), value.to_json()));
        map.insert(
            "param_conflicts".to_owned(),
            Value::Object(refused.collect()),
        );
    }
    object
}

/// Turns a point into JSON.
pub fn point_to_json(point: &Point) -> Value {
    json!({
        "step": point.step,
        "time": time_to_text(point.time_us),
        "value": float_to_json(point.value),
    })
}

fn summary(summary: &Summary) -> Value {
    let number = |value: Option<f64>| value.map(float_to_json);
    let (first, last) = (summary.first, summary.last);
    json!({
        "last": number(last.map(|edge| edge.value)),
        "last_step": last.map(|edge| edge.step),
        "min": number(summary.min.map(|min| min.value)),
        "min_step": summary.min.map(|min| min.step),
        "max": number(summary.max.map(|max| max.value)),
        "max_step": summary.max.map(|max| max.step),
        "mean": number(summary.mean()),
        "count": summary.count,
        "nan_count": summary.nan_count,
        "first": number(first.map(|edge| edge.value)),
        "first_step": first.map(|edge| edge.step),
        "std": number(summary.std()),
        "sum": float_to_json(summary.sum.value()),
        "pos_inf_count": summary.pos_inf_count,
        "neg_inf_count": summary.neg_inf_count,
    })
}

/// The newest version of each file.
fn files(run: &Run, files: &BTreeMap<String, ArtifactRef>) -> Vec<Value> {
    let file = |file| file_to_json(file, run.version(file));
    files.values().map(file).collect()
}

/// Turns a version of a file of a run into JSON.
fn file_to_json(file: &ArtifactRef, version: u32) -> Value {
    json!({
        "path": file.path,
        "hash": file.blob.to_string(),
        "bytes": file.bytes,
        "media_type": file.media_type,
        "time": time_to_text(file.time_us),
        "version": version,
        "type": file.kind,
        "direction": file.flow.as_str(),
        "reference": file.reference,
    })
}

/// Written out, so that a field added to the type does not change the contract unseen.
fn environment(environment: &Environment) -> Value {
    let Environment {
        command,
        cwd,
        host,
        os,
        cpu,
        cpu_count,
        git,
        variables,
        masked,
    } = environment;
    let git = git
        .as_ref()
        .map(|git| json!({ "commit": git.commit, "branch": git.branch, "dirty": git.dirty }));
    json!({
        "command": command,
        "cwd": cwd,
        "host": host,
        "os": os,
        "cpu": cpu,
        "cpu_count": cpu_count,
        "git": git,
        "variables": variables,
        "masked": masked,
    })
}
