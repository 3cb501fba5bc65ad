//! The id of an imported run: a BLAKE3 derivation of where it came from.
//!
//! Importing the same thing twice changes nothing, on whatever machine, so that two stores that
//! imported it hold one run when they are merged.
//!
//! - A *record* that names its run is known by that name, its start and its experiment; so it may
//!   be moved and renamed. A record of another content under the same three is not taken silently:
//!   [`source_text`] keeps the content's hash, and storing compares it.
//! - A *log* (CSV, JSON lines, …) does not name its run. It is known by its bytes, the names of the
//!   file and its folder, and the options that change what is read. A log that has grown since is
//!   another run. Rejected: the path alone (a grown log would be taken for known, and its new
//!   points lost silently), the bytes alone (two seeds that failed alike would be one run).

use std::path::Path;

use super::ImportOptions;
use crate::model::RunId;

const CONTEXT: &str = "tracker-db 2025-01 id of an imported run";

/// Builds an id from parts, each with its name, in a fixed order.
pub(super) fn derive(start_us: Option<i64>, parts: &[(&str, &[u8])]) -> RunId {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for text in parts
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value])
    {
        // The length first, so that no two lists of parts give the same bytes.
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    let mut bits = [0; 16];
    hasher.finalize_xof().fill(&mut bits);
    RunId::new(start_us.unwrap_or(0).div_euclid(1_000), bits)
}

/// Derives the id of a run that a log holds.
///
/// - `run`: the value of the run column; empty where there is none
pub(super) fn of_log(
    kind: &str,
    path: &Path,
    digest: &blake3::Hash,
    run: &str,
    start_us: Option<i64>,
    options: &ImportOptions,
) -> RunId {
    let name = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name);
        name.map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let (folder, file) = (name(path.parent()), name(Some(path)));
    let mut delimiter = [0; 4];
    let mut parts: Vec<(&str, &[u8])> = vec![
        ("kind", kind.as_bytes()),
        ("folder", folder.as_bytes()),
        ("file", file.as_bytes()),
        ("content", digest.as_bytes()),
        ("run", run.as_bytes()),
    ];
    let texts = [
        ("step column", &options.step_column),
        ("run column", &options.run_column),
        ("time column", &options.time_column),
        ("name", &options.name),
        ("experiment", &options.experiment),
    ];
    for (name, text) in &texts {
        if let Some(text) = text {
            parts.push((name, text.as_bytes()));
        }
    }
    if let Some(char) = options.delimiter {
        parts.push(("delimiter", char.encode_utf8(&mut delimiter).as_bytes()));
    }
    if options.keep_step {
        parts.push(("keep step", &[]));
    }
    for column in &options.param_columns {
        parts.push(("param column", column.as_bytes()));
    }
    derive(start_us, &parts)
}

/// Says where a run came from, with the start of the content's hash last.
pub(super) fn source_text(kind: &str, path: &Path, digest: &blake3::Hash) -> String {
    let hex = digest.to_hex();
    let short = hex.get(..16).unwrap_or(&hex);
    format!("{kind} {} blake3:{short}", path.display())
}

/// Returns the hash at the end of a [`source_text`].
pub(super) fn content_of(source: &str) -> Option<&str> {
    let (_, last) = source.rsplit_once(' ')?;
    last.strip_prefix("blake3:")
}
