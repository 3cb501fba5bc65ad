//! Which files there are, and which format each is.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use super::Format;
use super::Import;
use super::ImportOptions;
use super::ImportedRun;
use super::delimited;
use super::log;
use super::objects;
use super::objects::Want;
use super::source::Source;
use crate::error::Error;
use crate::error::Result;
use crate::limits::NAME_BYTES_MAX;
use crate::limits::NESTING_MAX;
use crate::model::ARTIFACTS_SUFFIX;
use crate::store::Progress;

/// Reads a file, or all files of a folder.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] that names file, line and what to do, if `path` is a file; for
/// a folder [`Error::NotFound`] if nothing in it can be a run.
pub fn read(path: &Path, options: &ImportOptions) -> Result<Import> {
    read_with_progress(path, options, &mut |_, _| {})
}

/// As [`read`]; tells how many bytes were read of how many.
///
/// # Errors
/// As [`read`].
pub fn read_with_progress(
    path: &Path,
    options: &ImportOptions,
    progress: Progress<'_>,
) -> Result<Import> {
    let metadata = fs::metadata(path).map_err(|why| Error::io("read", path, why))?;
    let mut import = Import::default();
    if metadata.is_dir() {
        read_folder(path, options, progress, &mut import)?;
    } else {
        import.runs = read_file(path, Want::File, options, progress)?;
        if import.runs.is_empty() {
            let mut what = "has no run and no step".to_owned();
            if options.format.is_none() {
                what.push_str("; name the format if it should");
            }
            import.warnings.push(format!("{what}: {}", path.display()));
        }
    }
    warn_of_twins(&mut import);
    Ok(import)
}

fn read_folder(
    folder: &Path,
    options: &ImportOptions,
    progress: Progress<'_>,
    import: &mut Import,
) -> Result<()> {
    let mut files = Vec::new();
    walk(folder, 0, &mut files)?;
    files.retain(|(path, _)| could_be(path, options.format));
    let total: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    // Records first: where there are some, other files are theirs or nobody's.
    for want in [Want::Records, Want::Logs] {
        let mut done = 0;
        let mut readable = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            let mut passed = |read, _| progress(done + read, total);
            match read_file(&path, want, options, &mut passed) {
                Ok(mut runs) => {
                    import.runs.append(&mut runs);
                    readable.push((path, bytes));
                }
                Err(failure) => import.failures.push(failure),
            }
            done += bytes;
        }
        if !import.runs.is_empty() {
            break;
        }
        files = readable;
    }
    tell_apart(folder, options, import);
    if !import.runs.is_empty() || !import.failures.is_empty() {
        return Ok(());
    }
    Err(Error::not_found(
        "record or log (.json, .yaml, .jsonl, .csv, .tsv) in folder",
        folder.display().to_string(),
    ))
}

/// Gives logs whose files are called alike their path below the folder for a name.
fn tell_apart(folder: &Path, options: &ImportOptions, import: &mut Import) {
    let Ok(folder) = folder.canonicalize() else {
        return;
    };
    let mut counts: HashMap<String, u32> = HashMap::new();
    for run in &import.runs {
        *counts.entry(run.name.clone()).or_default() += 1;
    }
    for run in &mut import.runs {
        let alike = counts.get(&run.name).is_some_and(|count| *count > 1);
        let Some(path) = run
            .file
            .as_deref()
            .filter(|_| alike && options.name.is_none())
        else {
            continue;
        };
        let Ok(below) = path.strip_prefix(&folder) else {
            continue;
        };
        if log::name_of(path) == run.name {
            let says_nothing = below
                .file_stem()
                .is_none_or(|stem| stem != run.name.as_str());
            let below = if says_nothing {
                below.parent().unwrap_or(below).to_owned()
            } else {
                below.with_extension("")
            };
            let name = below.to_string_lossy().replace('\\', "/");
            if (1..=NAME_BYTES_MAX).contains(&name.len()) {
                run.name = name;
            }
        }
    }
}

/// Lists files with their sizes, sorted by path. Links to folders are not followed.
fn walk(folder: &Path, depth: usize, files: &mut Vec<(PathBuf, u64)>) -> Result<()> {
    let failed = |why| Error::io("list", folder, why);
    if depth > NESTING_MAX {
        let why = format!("nests deeper than {NESTING_MAX}: {}", folder.display());
        return Err(Error::invalid("folder", why));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            // What an exported run keeps is no run, whatever it looks like.
            let stem = name.strip_suffix(ARTIFACTS_SUFFIX);
            let record = stem.map(|stem| path.with_file_name(format!("{stem}.json")));
            if record.is_none_or(|record| !record.is_file()) {
                walk(&path, depth + 1, files)?;
            }
        } else if let Ok(metadata) = fs::metadata(&path) {
            // A link to nowhere is no file.
            if metadata.is_file() {
                files.push((path, metadata.len()));
            }
        }
    }
    Ok(())
}

/// The extension in lower case; empty if there is none.
pub(super) fn extension(path: &Path) -> String {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.unwrap_or("").to_ascii_lowercase()
}

/// Whether a file of a folder is worth a look.
fn could_be(path: &Path, format: Option<Format>) -> bool {
    let extension = extension(path);
    let extensions: &[&str] = match format {
        None => &["json", "yaml", "yml", "jsonl", "ndjson", "csv", "tsv"],
        Some(Format::Record) => &["json", "yaml", "yml", "jsonl", "ndjson"],
        Some(Format::Csv) => &["csv", "tsv"],
        Some(Format::Tsv) => &["tsv"],
        Some(Format::JsonLines) => &["jsonl", "ndjson", "json"],
        Some(Format::TrainerState) => &["json"],
    };
    extensions.contains(&extension.as_str())
}

/// Reads one file; of a folder's file what is not wanted gives no run.
fn read_file(
    path: &Path,
    want: Want,
    options: &ImportOptions,
    progress: Progress<'_>,
) -> Result<Vec<ImportedRun>> {
    let extension = extension(path);
    let format = match (options.format, extension.as_str()) {
        (Some(format), _) => Some(format),
        (None, "csv") => Some(Format::Csv),
        (None, "tsv") => Some(Format::Tsv),
        (None, "json" | "jsonl" | "ndjson" | "yaml" | "yml") => None,
        (None, _) => told_by_content(path)?,
    };
    let (format, tabs) = match format {
        Some(format @ (Format::Csv | Format::Tsv)) => {
            (format, format == Format::Tsv || extension == "tsv")
        }
        Some(Format::Record | Format::JsonLines | Format::TrainerState) | None => {
            let mut source = Source::open(path, progress)?;
            let runs = objects::read(&mut source, want, options)?;
            return checked(runs, &source);
        }
    };
    if want == Want::Records {
        return Ok(Vec::new());
    }
    let mut source = Source::open(path, progress)?;
    let log = delimited::read(&mut source, options, tabs)?;
    let runs = log::into_runs(log, format.as_str(), &source, options)?;
    checked(runs, &source)
}

/// Tells the format of a file whose name does not: JSON by its first character, CSV by its header.
fn told_by_content(path: &Path) -> Result<Option<Format>> {
    let mut ignore = |_, _| {};
    let mut source = Source::open(path, &mut ignore)?;
    let start = source.peek()?.trim_ascii_start();
    let header = start.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    match start.first() {
        Some(b'{' | b'[') => Ok(None),
        _ if header
            .iter()
            .any(|byte| matches!(byte, b',' | b';' | b'\t')) =>
        {
            Ok(Some(Format::Csv))
        }
        _ => {
            let formats = "record, csv, tsv, jsonl or trainer-state";
            let why =
                format!("neither name nor content tells what it is: name the format, {formats}");
            Err(source.invalid(&why))
        }
    }
}

/// Checks names and bounds of runs, with the file in the error.
fn checked(mut runs: Vec<ImportedRun>, source: &Source<'_>) -> Result<Vec<ImportedRun>> {
    for run in &mut runs {
        run.file = Some(source.path.clone());
        run.check()
            .map_err(|why| source.invalid(&format!("run {:?}: {why}", run.name)))?;
    }
    Ok(runs)
}

/// Says which runs came twice: files of one content and name, or a copied record.
fn warn_of_twins(import: &mut Import) {
    let mut seen = std::collections::HashMap::new();
    for run in &import.runs {
        let source = run.source.as_deref().unwrap_or("a record");
        if let Some(first) = seen.insert(run.id, source) {
            let name = &run.name;
            import.warnings.push(format!(
                "run {name:?} is there twice: in {first} and in {source}"
            ));
        }
    }
}
