//! `tracker artifact diff`: what differs between the files of two runs.

use std::collections::BTreeMap;

use tracker::model::ArtifactRef;
use tracker::model::Flow;
use tracker::model::Run;

use super::table;
use crate::cli::context::Ctx;
use crate::cli::fail::Outcome;
use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Format;
use crate::cli::print::Look;
use crate::cli::print::Table;
use crate::cli::print::number;

/// Tell what differs between the files of two runs
///
/// The newest versions are compared, path by path, of what the runs made and of what they read.
/// JSON and CSV have the files that are the same, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 told (nothing differs is fine), 1 failed, 2 called wrongly

Examples:
  tracker artifact diff @last baseline
  tracker artifact diff 239df9d1 8a7c48d0 --all")]
pub(super) struct DiffArgs {
    /// Run before: id, a prefix of one, a unique name, or @last, @best:METRIC, @this
    from: String,

    /// Run after, named likewise
    to: String,

    /// Show the files that are the same, too
    #[arg(long)]
    all: bool,
}

pub(super) fn run(ctx: &Ctx, args: &DiffArgs) -> Outcome {
    let reader = ctx.reader()?;
    let from = reader.run(ctx.find_run(&reader, &args.from)?)?;
    let to = reader.run(ctx.find_run(&reader, &args.to)?)?;
    let people = matches!(ctx.out.format(), Format::Table | Format::Md);
    let mut table = Table::new(vec![
        Column::new("change", "CHANGE"),
        Column::new("direction", "DIRECTION").optional(),
        Column::new("path", "PATH").elastic_names(16),
        Column::new("from_bytes", "SIZE BEFORE").right(),
        Column::new("to_bytes", "AFTER").right(),
        Column::new("from_hash", "HASH BEFORE"),
        Column::new("to_hash", "AFTER"),
    ]);
    let mut same = 0;
    for ((flow, path), (from, to)) in pairs(&from, &to) {
        let (change, look) = match (from, to) {
            (None, _) => ("added", Look::Good),
            (_, None) => ("removed", Look::Bad),
            (Some(from), Some(to)) if from.blob != to.blob => ("changed", Look::Warn),
            _ => ("same", Look::Dim),
        };
        if change == "same" {
            same += 1;
            if people && !args.all {
                continue;
            }
        }
        let bytes = |file: Option<&ArtifactRef>| {
            file.map_or_else(Cell::missing, |file| Cell::bytes(file.bytes))
        };
        let hash = |file: Option<&ArtifactRef>| {
            file.map_or_else(Cell::missing, |file| table::hash_cell(file.blob))
        };
        table.push(vec![
            Cell::text(change).look(look),
            Cell::text(flow.as_str()),
            Cell::text(path),
            bytes(from),
            bytes(to),
            hash(from),
            hash(to),
        ]);
    }
    if !(people && table.is_empty()) {
        ctx.out.table(&table)?;
        ctx.out.flush()?;
    }
    let same_files = number::counted(same, "file");
    if people && table.is_empty() {
        ctx.messages()
            .note(format!("nothing differs: {same_files} the same"));
    } else if people && same > 0 && !args.all {
        ctx.messages()
            .note(format!("{same_files} the same; `--all` shows them"));
    }
    Ok(0)
}

/// The newest version of a file in each of two runs.
type Pair<'a> = (Option<&'a ArtifactRef>, Option<&'a ArtifactRef>);

fn pairs<'a>(from: &'a Run, to: &'a Run) -> BTreeMap<(Flow, &'a str), Pair<'a>> {
    let mut pairs: BTreeMap<_, Pair<'_>> = BTreeMap::new();
    for file in from.files() {
        pairs.entry((file.flow, file.path.as_str())).or_default().0 = Some(file);
    }
    for file in to.files() {
        pairs.entry((file.flow, file.path.as_str())).or_default().1 = Some(file);
    }
    pairs
}
