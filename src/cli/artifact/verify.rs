//! `tracker artifact verify`: are the files of runs what was stored?

use std::collections::BTreeMap;

use tracker::Error;
use tracker::Query;
use tracker::Store;
use tracker::model::ArtifactRef;
use tracker::model::BlobId;
use tracker::model::RunId;
use tracker::store::ReferenceState;

use super::table;
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
/// Prints those that are damaged or missing; none is good. With a run, or --references, also files
/// that were left where they were: a changed or missing one is printed. One of the same size and
/// time counts as the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 all are as stored, 1 some are not or it failed, 2 called wrongly

Examples:
  tracker artifact verify
  tracker artifact verify @best:val/acc
  tracker artifact verify @last --hash")]
pub(super) struct VerifyArgs {
    /// Run whose artifacts are read; without it those of all runs
    run: Option<String>,

    /// Look at references, too, as it is done where a run is named
    #[arg(long)]
    references: bool,

    /// Read references of the same size and time, too
    #[arg(long)]
    hash: bool,
}

/// A blob, and the artifacts that are its bytes.
type Uses<'a> = BTreeMap<BlobId, Vec<(RunId, &'a ArtifactRef)>>;

/// What is not as it was: which result, and why.
type Fault = Option<(&'static str, String)>;

pub(super) fn run(ctx: &Ctx, args: &VerifyArgs) -> Outcome {
    let reader = ctx.reader()?;
    let runs = match &args.run {
        Some(run) => vec![ctx.find_run(&reader, run)?],
        None => reader.ids(&Query::default())?,
    };
    let of_runs = runs.into_iter();
    let of_runs = of_runs.map(|run| Ok((run, reader.versions(run)?)));
    let of_runs = of_runs.collect::<Result<Vec<_>, Error>>()?;
    let (mut uses, mut references) = (Uses::new(), Vec::new());
    for (run, versions) in &of_runs {
        for version in versions {
            let artifact = &version.artifact;
            match artifact.reference {
                Some(_) => references.push((*run, artifact)),
                None => uses
                    .entry(artifact.blob)
                    .or_default()
                    .push((*run, artifact)),
            }
        }
    }
    if args.run.is_none() && !args.references && !args.hash {
        references.clear();
    }
    let blob_bytes: u64 = uses.values().map(|uses| len(uses)).sum();
    let bytes = references
        .iter()
        .map(|(_, artifact)| artifact.bytes)
        .fold(blob_bytes, u64::saturating_add);
    let mut faults = new_table();
    let bar = Bar::bytes("verifying");
    let blobs = add_blobs(&mut faults, ctx.store()?, &uses, bytes, &bar)?;
    let done = blob_bytes;
    let at_large = add_references(&mut faults, ctx.store()?, &references, args.hash, |more| {
        bar.show(done + more, bytes);
    });
    drop(bar);
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
        number::bytes(blob_bytes)
    );
    let sums = match references.len() {
        0 => sums,
        count => format!("{sums}; {}", number::counted(count as u64, "reference")),
    };
    let messages = ctx.messages();
    if faults.is_empty() {
        messages.say(format!("{sums}: all as they were stored"));
        return Ok(0);
    }
    messages.error(format!("{sums}: those listed are not as they were stored"));
    if blobs {
        messages.hint(
            "copy the file named from another store to `blobs/`, or remove it and add the artifact \
             again",
        );
    }
    if at_large {
        messages.hint(
            "bring the files back, or note them as they are now with `tracker artifact add --input`",
        );
    }
    Ok(FAILED)
}

fn len(uses: &[(RunId, &ArtifactRef)]) -> u64 {
    uses.first().map_or(0, |(_, artifact)| artifact.bytes)
}

fn new_table() -> Table {
    Table::new(vec![
        Column::new("result", "RESULT"),
        Column::new("run", "RUN"),
        Column::new("path", "PATH").elastic(20),
        Column::new("bytes", "SIZE").right(),
        Column::new("hash", "HASH").optional(),
        Column::new("why", "WHY").elastic(20).optional(),
    ])
}

fn push(table: &mut Table, run: RunId, artifact: &ArtifactRef, (result, why): (&str, &str)) {
    table.push(vec![
        Cell::text(result).look(Look::Bad),
        table::run_cell(run),
        Cell::text(&artifact.path),
        Cell::bytes(artifact.bytes),
        table::hash_cell(artifact.blob),
        Cell::text(why),
    ]);
}

/// Reads each blob once; a row for each artifact that is not what was stored. Tells whether there
/// are any.
fn add_blobs(
    faults: &mut Table,
    store: &Store,
    uses: &Uses<'_>,
    bytes: u64,
    bar: &Bar,
) -> Result<bool, Failure> {
    let (mut done, mut found) = (0, false);
    for (blob, uses) in uses {
        let fault: Fault = match store.verify_blob(*blob) {
            Ok(_) => None,
            Err(error @ Error::Corrupt(_)) => Some(("damaged", error.to_string())),
            Err(error @ Error::NotFound { .. }) => Some(("missing", error.to_string())),
            Err(error) if error.is_missing() => Some(("missing", error.to_string())),
            Err(error) => return Err(error.into()),
        };
        done += len(uses);
        bar.show(done, bytes);
        let Some((result, why)) = fault else {
            continue;
        };
        found = true;
        for (run, artifact) in uses {
            push(faults, *run, artifact, (result, &why));
        }
    }
    Ok(found)
}

/// Looks at each file that was left where it was; a row for each that has changed or is gone. Tells
/// whether there are any.
fn add_references(
    faults: &mut Table,
    store: &Store,
    references: &[(RunId, &ArtifactRef)],
    always_hash: bool,
    mut show: impl FnMut(u64),
) -> bool {
    let (mut done, mut found): (u64, bool) = (0, false);
    for (run, artifact) in references {
        let at = artifact.reference.as_deref().unwrap_or_default();
        let fault: Fault = match store.verify_reference(artifact, always_hash) {
            Ok(ReferenceState::Same) => None,
            Ok(ReferenceState::Changed(why)) => Some(("changed", format!("{why}: {at}"))),
            Ok(ReferenceState::Missing) => Some(("missing", format!("it is gone: {at}"))),
            // One that this user may not read is no reason to keep back the others.
            Err(error) => Some(("unread", error.to_string())),
        };
        done = done.saturating_add(artifact.bytes);
        show(done);
        if let Some((result, why)) = fault {
            found = true;
            push(faults, *run, artifact, (result, &why));
        }
    }
    found
}
