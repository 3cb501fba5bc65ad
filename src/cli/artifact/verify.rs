//! `tracker artifact verify`: are the files of runs what was stored?

use std::collections::BTreeMap;

use tracker::Error;
use tracker::Query;
use tracker::Store;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::Run;

use crate::cli::context::Ctx;
use crate::cli::fail::FAILED;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Bar;
use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Format;
use crate::cli::print::Look;
use crate::cli::print::Table;
use crate::cli::print::number;

/// Read artifacts back and check them against their hashes
///
/// Prints those that are damaged or missing; none is good.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all are as stored, 1 some are not or it failed, 2 called wrongly

Examples:
  tracker artifact verify
  tracker artifact verify @best:val/acc")]
pub(super) struct VerifyArgs {
    /// Run whose artifacts are read; without it those of all runs
    run: Option<String>,
}

/// A blob, and the artifacts that are its bytes.
type Uses<'a> = BTreeMap<BlobId, Vec<(&'a Run, &'a ArtifactRef)>>;

pub(super) fn run(ctx: &Ctx, args: &VerifyArgs) -> Outcome {
    let reader = ctx.reader()?;
    let runs = match &args.run {
        Some(run) => vec![reader.run(ctx.find_run(&reader, run)?)?],
        None => reader.runs(&Query::default())?,
    };
    let mut uses = Uses::new();
    for run in &runs {
        for artifact in run.artifacts.values() {
            uses.entry(artifact.blob).or_default().push((run, artifact));
        }
    }
    let bytes = uses.values().map(|uses| len(uses)).sum();
    let faults = faults(ctx.store()?, &uses, bytes)?;
    let people = matches!(ctx.out.format(), Format::Table | Format::Md);
    if !(faults.is_empty() && people) {
        ctx.out.table(&faults)?;
        ctx.out.flush()?;
    }
    let artifacts: usize = uses.values().map(Vec::len).sum();
    let sums = format!(
        "{} in {}, {}",
        number::counted(artifacts as u64, "artifact"),
        number::counted(uses.len() as u64, "blob"),
        number::bytes(bytes)
    );
    let messages = ctx.messages();
    if faults.is_empty() {
        messages.say(format!("{sums}: all as they were stored"));
        return Ok(0);
    }
    messages.error(format!("{sums}: those listed are not as they were stored"));
    messages.hint("copy the file from another store to `blobs/`, or add the artifact again");
    Ok(FAILED)
}

fn len(uses: &[(&Run, &ArtifactRef)]) -> u64 {
    uses.first().map_or(0, |(_, artifact)| artifact.bytes)
}

/// Reads each blob once; a row for each artifact that is not what was stored.
fn faults(store: &Store, uses: &Uses<'_>, bytes: u64) -> Result<Table, Failure> {
    let mut table = Table::new(vec![
        Column::new("result", "RESULT"),
        Column::new("run", "RUN"),
        Column::new("path", "PATH").elastic(20),
        Column::new("bytes", "SIZE").right(),
        Column::new("hash", "HASH").optional(),
        Column::new("why", "WHY").elastic(20).optional(),
    ]);
    let bar = Bar::bytes("verifying");
    let mut done = 0;
    for (blob, uses) in uses {
        let fault = match store.verify_blob(*blob) {
            Ok(_) => None,
            Err(error @ Error::Corrupt(_)) => Some(("damaged", error)),
            Err(error @ Error::NotFound { .. }) => Some(("missing", error)),
            Err(error) if error.is_missing() => Some(("missing", error)),
            Err(error) => return Err(error.into()),
        };
        done += len(uses);
        bar.show(done, bytes);
        let Some((result, error)) = fault else {
            continue;
        };
        let hash = blob.to_string();
        for (run, artifact) in uses {
            table.push(vec![
                Cell::text(result).look(Look::Bad),
                Cell::new(&run.id.short(), run.id.to_string()),
                Cell::text(&artifact.path),
                Cell::bytes(artifact.bytes),
                Cell::new(hash.get(..8).unwrap_or_default(), hash.as_str()),
                Cell::text(&error.to_string()),
            ]);
        }
    }
    Ok(table)
}
