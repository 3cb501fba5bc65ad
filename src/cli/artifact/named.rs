//! Files as users name them: `ALIAS`, `RUN:PATH[@vN]`, a file on the disk, a hash or its beginning.

use std::path::Path;

use tracker::Error;
use tracker::Reader;
use tracker::model::BlobId;
use tracker::model::RunId;
use tracker::query::RunFile;

use super::get;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::alternatives;
use crate::cli::print::escape;
use crate::cli::print::number;

/// Fewer digits name too many files.
const PREFIX_DIGITS_MIN: usize = 4;
/// Digits of a whole hash.
const HASH_DIGITS: usize = 64;
/// Most candidates that are listed.
const CANDIDATES_MAX: usize = 10;

/// What a lineage may begin with.
pub(super) enum Named {
    Run(RunId),
    Blob(BlobId),
}

/// Finds what `text` names if it is an alias or `RUN:PATH[@vN]`; none if it is neither.
///
/// # Errors
/// [`Failure`] for a run that has no such file, and where it cannot be told which run is meant.
pub(super) fn run_file(ctx: &Ctx, reader: &Reader, text: &str) -> Result<Option<RunFile>, Failure> {
    match reader.find_alias(text) {
        Ok(alias) => {
            let run = alias.run;
            let lost = || {
                Failure::new(format!(
                    "the file that {text:?} stands for is not known to run {}",
                    run.short()
                ))
                .hint("its record is damaged or has not arrived: see `tracker check`")
            };
            let version = alias.version.ok_or_else(lost)?;
            return Ok(Some(RunFile { run, version }));
        }
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // A run may be named `@best:METRIC`, and both names may have colons.
    for (at, _) in text.match_indices(':') {
        let (run, path) = (&text[..at], &text[at + 1..]);
        if run.is_empty() || path.is_empty() {
            continue;
        }
        let run = match ctx.find_run(reader, run) {
            Ok(run) => run,
            Err(Failure::Library(error)) if matches!(*error, Error::Ambiguous { .. }) => {
                return Err(Failure::Library(error));
            }
            Err(_) => continue,
        };
        return match reader.artifact(run, path) {
            Ok(version) => Ok(Some(RunFile { run, version })),
            Err(Error::NotFound { .. }) => Err(get::not_found(&reader.run(run)?, path)),
            Err(error) => Err(error.into()),
        };
    }
    Ok(None)
}

/// Finds the bytes that `text` names.
pub(super) fn blob(ctx: &Ctx, reader: &Reader, text: &str) -> Result<BlobId, Failure> {
    match named(ctx, reader, text, false)? {
        Named::Blob(blob) => Ok(blob),
        Named::Run(_) => Err(unknown(reader, text, Vec::new())),
    }
}

/// Finds the bytes, or the run, that `text` names.
pub(super) fn run_or_blob(ctx: &Ctx, reader: &Reader, text: &str) -> Result<Named, Failure> {
    named(ctx, reader, text, true)
}

fn named(ctx: &Ctx, reader: &Reader, text: &str, or_run: bool) -> Result<Named, Failure> {
    if let Some(file) = run_file(ctx, reader, text)? {
        return Ok(Named::Blob(file.version.artifact.blob));
    }
    let path = Path::new(text);
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() && !or_run => {
            return Err(Failure::new(format!("{text:?} is a folder"))
                .hint("name a file in it, or begin with the run that has it"));
        }
        Ok(there) if !there.is_dir() => {
            return Ok(Named::Blob(ctx.store()?.hash_file(path)?));
        }
        Ok(_) | Err(_) => {}
    }
    let mut near = Vec::new();
    let digits = text.len();
    let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if or_run && !(is_hex && digits == HASH_DIGITS) {
        match ctx.find_run(reader, text) {
            Ok(run) => return Ok(Named::Run(run)),
            Err(Failure::Library(error)) => match *error {
                Error::NotFound { near: runs, .. } => near = runs,
                error => return Err(error.into()),
            },
            Err(failure) => return Err(failure),
        }
    }
    if is_hex && (PREFIX_DIGITS_MIN..=HASH_DIGITS).contains(&digits) {
        let blobs = reader.blobs_with_prefix(text)?;
        match blobs.as_slice() {
            [] => {}
            [blob] => return Ok(Named::Blob(*blob)),
            several => return Err(ambiguous(reader, text, several)?),
        }
    }
    Err(unknown(reader, text, near))
}

fn ambiguous(reader: &Reader, text: &str, blobs: &[BlobId]) -> Result<Failure, Failure> {
    let mut lines = vec![format!(
        "{text:?} is ambiguous: {} files have it",
        blobs.len()
    )];
    for blob in blobs.iter().take(CANDIDATES_MAX) {
        let hash = blob.to_string();
        let hash = hash.get(..16).unwrap_or(&hash);
        lines.push(match reader.who(*blob)?.first() {
            Some(file) => {
                let (run, artifact) = (file.run.short(), &file.version.artifact);
                let (path, bytes) = (escape(&artifact.path), number::bytes(artifact.bytes));
                format!("  {hash} {path} ({bytes}) of run {run}")
            }
            None => format!("  {hash}"),
        });
    }
    if blobs.len() > CANDIDATES_MAX {
        lines.push(format!("  … and {} more", blobs.len() - CANDIDATES_MAX));
    }
    Ok(Failure::new(lines.join("\n")).hint("give more digits of the hash"))
}

/// Says that nothing is called so, and what may be meant.
///
/// - `near`: names of runs that may be
pub(super) fn unknown(reader: &Reader, text: &str, mut near: Vec<String>) -> Failure {
    if let Err(Error::NotFound { near: aliases, .. }) = reader.find_alias(text) {
        near.splice(0..0, aliases);
    }
    let failure = Failure::new(format!("no run, file, hash or alias {text:?}"));
    failure.hint(if near.is_empty() {
        "name a file on the disk, RUN:PATH, an alias, or 4 digits of a hash".to_owned()
    } else {
        format!("did you mean {}?", alternatives(&near))
    })
}
