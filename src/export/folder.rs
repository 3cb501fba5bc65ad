//! A run as files in a folder of the user: `ID.json`, its record, and `ID.artifacts/`, its files.
//!
//! The record is written last and renamed into its place, so who sees it sees a run whole. A path
//! of an artifact that would lead out of the folder is not followed.

use std::fs;
use std::io::BufWriter;
use std::io::Write;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use super::record;
use crate::error::Error;
use crate::error::Result;
use crate::model::ARTIFACTS_SUFFIX;
use crate::model::ArtifactRef;
use crate::model::RunId;
use crate::query::Reader;
use crate::query::SeriesQuery;
use crate::store::Store;

/// What exporting a run did.
#[derive(Debug)]
pub struct ExportedRun {
    /// Its record.
    pub record: PathBuf,
    /// Artifacts copied.
    pub artifacts: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Artifacts that could not be copied; the record tells of them without a file.
    pub failures: Vec<Error>,
}

/// Writes a run with all its points and files into a folder, which is made if it is not there.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Io`] if the folder cannot be written.
pub fn export_run(store: &Store, reader: &Reader, id: RunId, folder: &Path) -> Result<ExportedRun> {
    let run = reader.run(id)?;
    fs::create_dir_all(folder).map_err(|why| Error::io("create", folder, why))?;
    let mut exported = ExportedRun {
        record: folder.join(format!("{id}.json")),
        artifacts: 0,
        bytes: 0,
        failures: Vec::new(),
    };
    let inner = format!("{id}{ARTIFACTS_SUFFIX}");
    let mut head = record::head(&run, reader.now_us());
    let entries = head.get_mut("artifacts").and_then(Value::as_array_mut);
    for (artifact, entry) in run.artifacts.values().zip(entries.into_iter().flatten()) {
        match copy(store, artifact, &folder.join(&inner)) {
            Ok(()) => {
                exported.artifacts += 1;
                exported.bytes += artifact.bytes;
                let file = format!("{inner}/{}", artifact.path);
                if let Value::Object(entry) = entry {
                    entry.insert("file".to_owned(), file.into());
                }
            }
            Err(failure) => exported.failures.push(failure),
        }
    }
    let beside = folder.join(format!(".{id}.json.tmp"));
    let written = (|| {
        let failed = |why| Error::io("write", &beside, why);
        let mut out = BufWriter::new(fs::File::create(&beside).map_err(failed)?);
        record::write_with_series(&head, run.metrics.keys(), &mut out, |metric| {
            reader.series(id, metric, &SeriesQuery::default())
        })?;
        out.write_all(b"\n").map_err(failed)?;
        let file = out.into_inner().map_err(|why| failed(why.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&beside, &exported.record).map_err(|why| Error::io("rename", &beside, why))
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside); // best effort: the error that is returned says more
    }
    written.map(|()| exported)
}

fn copy(store: &Store, artifact: &ArtifactRef, folder: &Path) -> Result<()> {
    let inside = |part| matches!(part, Component::Normal(_));
    if artifact.path.is_empty() || !Path::new(&artifact.path).components().all(inside) {
        let why = format!("leads out of the folder: {:?}", artifact.path);
        return Err(Error::invalid("artifact path", why));
    }
    let to = folder.join(&artifact.path);
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|why| Error::io("create", parent, why))?;
    }
    store.get_artifact(artifact, &to)
}
