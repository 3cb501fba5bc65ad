//! A record that somebody kept of a run, and the record that `tracker export` writes.
//!
//! A record is an object with `run_id` and any of `parameters`, `metrics`, `artifacts`; or with
//! parameters and metrics and no name. Entries that are not known become tags, so that nothing is
//! lost. Paths of artifacts are relative to the record's file, and what leads out of its folder is
//! not kept.
//!
//! What `tracker export` writes (it has `id` and `series`) comes back as the same run: same id,
//! same bits. Not kept, for no call can set them: the payload of a NaN, the time and media type of
//! an artifact, and params that were refused for their first value.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Map;
use serde_json::Value;

use super::ImportOptions;
use super::ImportedArtifact;
use super::ImportedRun;
use super::document;
use super::document::check_prefix;
use super::document::first;
use super::document::join;
use super::identity;
use super::log::name_of;
use super::metrics::Metrics;
use super::metrics::time;
use super::source::Source;
use super::table::shorten;
use crate::model::ArtifactRef;
use crate::model::BlobId;
use crate::model::Flow;
use crate::model::ParamValue;
use crate::model::RunId;
use crate::model::Status;
use crate::model::param_from_exact;

const PARAMS: [&str; 5] = [
    "parameters",
    "params",
    "hyperparameters",
    "hparams",
    "config",
];

/// Whether an object is a record; surely, or (`named`) because the user named its file.
pub(super) fn is_record(map: &Map<String, Value>, named: bool) -> bool {
    let object = |key: &&str| map.get(*key).is_some_and(Value::is_object);
    let list = |key: &&str| map.get(*key).is_some_and(Value::is_array);
    let any = |has: &dyn Fn(&&str) -> bool| PARAMS.iter().any(has) || has(&"metrics");
    if export_id(map).is_some() {
        return true;
    }
    if named || map.contains_key("run_id") {
        // A line of a log may have a run's name and an object of metrics too; but it has a step.
        return !map.contains_key("step") && (any(&object) || any(&list) || list(&"artifacts"));
    }
    PARAMS.iter().any(object) && object(&"metrics")
}

/// Whether an object is metrics by name, each with its values: of Sacred, of tests of a trainer.
pub(super) fn is_metrics(map: &Map<String, Value>) -> bool {
    let values = |value: &Value| {
        value
            .get("values")
            .is_some_and(|v| v.is_array() || v.is_object())
    };
    !map.is_empty() && map.values().all(values)
}

/// The id in a record that `tracker export` wrote.
fn export_id(map: &Map<String, Value>) -> Option<RunId> {
    map.get("series").filter(|series| series.is_object())?;
    map.get("id")?.as_str()?.parse().ok()
}

/// Where a record stands.
pub(super) struct Place<'a> {
    /// Its file, whose folder its artifacts are relative to.
    pub(super) path: &'a Path,
    /// When that changed last, for what has no time of its own.
    pub(super) modified_us: i64,
    pub(super) options: &'a ImportOptions,
}

impl<'a> Place<'a> {
    pub(super) fn new(source: &'a Source<'_>, options: &'a ImportOptions) -> Self {
        Self {
            path: &source.path,
            modified_us: source.modified_us.unwrap_or_default(),
            options,
        }
    }
}

/// The entries of a record that are still to be read.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    taken: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// Takes the first of several entries that is there.
    fn take(&mut self, keys: &[&str]) -> Option<(&'a str, &'a Value)> {
        let found = keys.iter().find_map(|key| self.map.get_key_value(*key));
        let (key, value) = found?;
        self.taken.push(key);
        (!value.is_null()).then_some((key.as_str(), value))
    }

    fn text(&mut self, keys: &[&str]) -> Option<String> {
        let text = self.take(keys).map(|(_, value)| text_of(value));
        text.filter(|text| !text.is_empty())
    }

    /// Takes a time; one that cannot be read stays, to become a tag.
    fn time(&mut self, keys: &[&str], warnings: &mut Vec<String>) -> Option<i64> {
        let (key, value) = self.take(keys)?;
        let read = time(value);
        if read.is_none() {
            self.taken.retain(|taken| *taken != key);
            let want = "want RFC 3339 or Unix seconds; kept as a tag";
            warnings.push(format!("{key} is {}, {want}", shorten(&value.to_string())));
        }
        read
    }
}

/// Reads a record. Errors say what is wrong in it; the caller names the file.
pub(super) fn read(map: &Map<String, Value>, place: &Place<'_>) -> Result<ImportedRun, String> {
    let digest = blake3::hash(Value::Object(map.clone()).to_string().as_bytes());
    let exported = export_id(map);
    let mut fields = Fields {
        map,
        taken: Vec::new(),
    };
    let mut run = ImportedRun::new();
    let run_id = fields.text(&["run_id", "id"]);
    let told_name = fields.text(&["name", "run_name"]);
    let name = told_name.or_else(|| run_id.clone());
    let name = name.unwrap_or_else(|| name_of(place.path));
    run.name = place.options.name.clone().unwrap_or(name);
    let experiment = fields.text(&["experiment", "experiment_name"]);
    run.experiment = place.options.experiment.clone().or(experiment);
    run.author = fields.text(&["author", "user"]);
    run.note = fields.text(&["note", "notes", "description"]);
    read_times(&mut fields, &mut run);
    run.id = exported.unwrap_or_else(|| {
        let unnamed = run_id.is_none().then(|| digest.as_bytes().as_slice());
        let start = run.start_us.map(i64::to_le_bytes);
        let parts: [(&str, &[u8]); 5] = [
            ("kind", b"record"),
            ("run_id", run_id.as_deref().unwrap_or(&run.name).as_bytes()),
            (
                "start",
                start.as_ref().map_or(&[], |start| start.as_slice()),
            ),
            (
                "experiment",
                run.experiment.as_deref().unwrap_or("").as_bytes(),
            ),
            ("content", unnamed.unwrap_or(&[])),
        ];
        identity::derive(run.start_us, &parts)
    });
    read_params(&mut fields, &mut run)?;
    read_metrics(&mut fields, place, exported.is_some(), &mut run)?;
    if let Some((_, value)) = fields.take(&["artifacts"]) {
        read_artifacts(value, place.path, &mut run)?;
    }
    let mut tags = Tags::default();
    if let Some((_, value)) = fields.take(&["tags"]) {
        read_tags(value, "", &mut tags)?;
    }
    run.source = Some(identity::source_text("record", place.path, &digest));
    if exported.is_some() {
        read_exported(&mut fields, &mut run);
    }
    for (key, value) in map {
        if !value.is_null() && !fields.taken.contains(&key.as_str()) {
            read_tags(value, key, &mut tags)?;
        }
    }
    run.tags = tags.list;
    Ok(run)
}

fn read_times(fields: &mut Fields<'_>, run: &mut ImportedRun) {
    let warnings = &mut run.warnings;
    let starts = [
        "start",
        "timestamp",
        "start_time",
        "started_at",
        "created_at",
    ];
    run.start_us = fields.time(&starts, warnings);
    run.end_us = fields.time(&["end", "end_time", "ended_at", "finished_at"], warnings);
    let duration = fields.take(&["duration_s", "duration", "duration_seconds"]);
    match (duration, duration.and_then(|(_, value)| value.as_f64())) {
        (Some((key, _)), None) => fields.taken.retain(|taken| *taken != key),
        (_, Some(seconds)) if run.end_us.is_none() => {
            let micros = crate::model::time_from_seconds(seconds);
            run.end_us = run.start_us.zip(micros).map(|(a, b)| a.saturating_add(b));
        }
        (_, _) => {}
    }
    run.status = Status::Completed;
    if let Some((_, value)) = fields.take(&["status"]) {
        let text = text_of(value);
        run.status = match text.parse() {
            Ok(Status::Running) => {
                let what = "it was running when it was written down, which it is not here";
                warnings.push(format!("status becomes unknown: {what}"));
                Status::Unknown
            }
            Ok(status) => status,
            Err(why) => {
                warnings.push(format!("status becomes unknown: {why}"));
                Status::Unknown
            }
        };
    }
    run.reason = fields.text(&["reason"]);
}

fn read_params(fields: &mut Fields<'_>, run: &mut ImportedRun) -> Result<(), String> {
    for key in PARAMS {
        let Some((_, value)) = fields.take(&[key]) else {
            continue;
        };
        match value {
            Value::Object(_) => document::params(value, "", &mut run.params)?,
            Value::Array(items) => {
                for item in items {
                    let map = item.as_object();
                    let name = map.and_then(|map| first(map, &["key", "name"]));
                    let (Some(map), Some(name)) = (map, name.and_then(Value::as_str)) else {
                        return Err(format!("{key} is a list of things without a name"));
                    };
                    let value = map.get("value").unwrap_or(&Value::Null);
                    run.params
                        .push((name.to_owned(), ParamValue::from_json(value)));
                }
            }
            _ => run
                .params
                .push((key.to_owned(), ParamValue::from_json(value))),
        }
    }
    Ok(())
}

fn read_metrics(
    fields: &mut Fields<'_>,
    place: &Place<'_>,
    exported: bool,
    run: &mut ImportedRun,
) -> Result<(), String> {
    let mut metrics = Metrics::new(run.start_us.unwrap_or(place.modified_us));
    // Of an exported run they are summaries of the series.
    if let Some((_, value)) = fields.take(&["metrics"]).filter(|_| !exported) {
        metrics.add_all(value)?;
    }
    if let Some((_, Value::Object(series))) = fields.take(&["series"]) {
        for (name, value) in series {
            metrics.add(name, value)?;
        }
    }
    run.warnings.append(&mut metrics.take_warnings());
    run.series = metrics.into_series();
    let times = run.series.iter().flat_map(|(_, points)| points);
    let last = times.map(|point| point.time_us).max();
    // An end that is not told is the last time that is.
    run.end_us = run
        .end_us
        .or(last)
        .or(run.start_us)
        .or(Some(place.modified_us));
    Ok(())
}

/// What only our own record has.
fn read_exported(fields: &mut Fields<'_>, run: &mut ImportedRun) {
    run.source = fields.text(&["source"]);
    run.parent = fields.text(&["parent"]).and_then(|text| text.parse().ok());
    if let Some((key, value)) = fields.take(&["environment"]) {
        match serde_json::from_value(value.clone()) {
            Ok(environment) => run.environment = environment,
            Err(why) => {
                fields.taken.retain(|taken| *taken != key);
                run.warnings
                    .push(format!("environment becomes tags: {why}"));
            }
        }
    }
    if let Some((_, Value::Object(exact))) = fields.take(&["exact_params"]) {
        for (key, value) in &mut run.params {
            if let Some(exact) = exact.get(key.as_str()).and_then(param_from_exact) {
                *value = exact;
            }
        }
    }
    if let Some((_, value)) = fields.take(&["param_conflicts"]) {
        let text = shorten(&value.to_string());
        run.warnings
            .push(format!("params that were refused are not kept: {text}"));
    }
    if let Some((key, value)) = fields.take(&["inputs"]) {
        match value
            .as_array()
            .map(|list| list.iter().map(input).collect())
        {
            Some(Some(inputs)) => run.inputs = inputs,
            None | Some(None) => fields.taken.retain(|taken| *taken != key),
        }
    }
    fields.take(&["record_version"]);
}

/// A file that the run read: what is known of it tells where it is from, wherever it is.
fn input(value: &Value) -> Option<ArtifactRef> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let (path, blob) = (text("path")?, text("hash")?.parse().ok()?);
    let bytes = value.get("bytes")?.as_u64()?;
    // Bytes that the store had are not among the files of the record.
    let reference = text("reference").unwrap_or_else(|| path.clone());
    Some(ArtifactRef {
        media_type: text("media_type"),
        kind: text("type"),
        flow: Flow::Input,
        reference: Some(reference),
        ..ArtifactRef::new(path, blob, bytes, 0)
    })
}

/// Tags in the order they come, each name once.
#[derive(Default)]
struct Tags {
    list: Vec<(String, String)>,
    known: HashSet<String>,
}

impl Tags {
    fn push(&mut self, key: String, text: String) {
        if self.known.insert(key.clone()) {
            self.list.push((key, text));
        }
    }
}

fn read_tags(value: &Value, prefix: &str, tags: &mut Tags) -> Result<(), String> {
    check_prefix(prefix)?;
    match value {
        Value::Object(map) if !map.is_empty() || prefix.is_empty() => {
            for (key, value) in map {
                read_tags(value, &join(prefix, key, '.'), tags)?;
            }
        }
        // Tags without values, as most trackers have them.
        Value::Array(items) if prefix.is_empty() => {
            for item in items {
                tags.push(text_of(item), "true".to_owned());
            }
        }
        _ if prefix.is_empty() => tags.push(text_of(value), "true".to_owned()),
        _ => tags.push(prefix.to_owned(), text_of(value)),
    }
    Ok(())
}

fn read_artifacts(value: &Value, record: &Path, run: &mut ImportedRun) -> Result<(), String> {
    let folder = record.parent().unwrap_or(Path::new(""));
    let mut known = HashSet::new();
    // The number that the next file called like another gets.
    let mut numbers: HashMap<String, u64> = HashMap::new();
    let mut add = |name: Option<&str>, value: &Value| {
        let mut artifact = artifact(name, value, folder).ok_or_else(|| {
            let text = shorten(&value.to_string());
            format!("artifact is {text}, want a path or an object with path")
        })?;
        if !artifact.file.exists() {
            run.missing.push(artifact.file);
            return Ok(());
        }
        if let Some(outside) = outside(&artifact.file, folder, &mut BTreeSet::new()) {
            run.outside.push(outside);
            return Ok(());
        }
        let name = artifact.name.clone();
        // Files of other folders may be called alike; both are kept.
        while !known.insert(artifact.name.clone()) {
            let number = numbers.entry(name.clone()).or_insert(2);
            artifact.name = format!("{number}/{name}");
            *number += 1;
        }
        run.artifacts.push(artifact);
        Ok::<(), String>(())
    };
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| add(None, item)),
        Value::Object(map) => map
            .iter()
            .try_for_each(|(name, item)| add(Some(name), item)),
        _ => add(None, value),
    }
}

/// Finds what leads out of `folder`, which is without links: the path itself, or one below it.
///
/// - `seen`: folders that were looked through, for links may go round
fn outside(path: &Path, folder: &Path, seen: &mut BTreeSet<PathBuf>) -> Option<PathBuf> {
    // A dead link has no bytes to keep; storing it says so.
    let real = path.canonicalize().ok()?;
    if !real.starts_with(folder) {
        return Some(path.to_owned());
    }
    if !real.is_dir() || !seen.insert(real) {
        return None;
    }
    let entries = std::fs::read_dir(path).ok()?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().find_map(|path| outside(path, folder, seen))
}

fn artifact(name: Option<&str>, value: &Value, folder: &Path) -> Option<ImportedArtifact> {
    let object = value.as_object();
    let entry = |keys: &[&str]| {
        object
            .and_then(|map| first(map, keys))
            .and_then(Value::as_str)
    };
    let path = value.as_str().or_else(|| entry(&["path", "name"]))?;
    let file = entry(&["file"]).unwrap_or(path);
    let file = if file.contains("://") {
        PathBuf::from(file) // no file of this machine; named as it stands
    } else {
        folder.join(file)
    };
    let name = name.map_or_else(|| inner_path(path), str::to_owned);
    (!name.is_empty()).then_some(())?;
    Some(ImportedArtifact {
        name,
        file,
        hash: entry(&["hash"]).and_then(|hash| hash.parse::<BlobId>().ok()),
        kind: entry(&["type"]).map(str::to_owned),
    })
}

/// The path inside a run for a file: as written if it lies below the record, else its own name.
fn inner_path(path: &str) -> String {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                let name = Path::new(path).file_name();
                return name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            }
        }
    }
    parts.join("/")
}

/// A value as text; strings without their quotes.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    }
}
