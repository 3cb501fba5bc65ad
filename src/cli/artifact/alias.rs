//! `tracker artifact alias`: names that stand for a version of a file of a run.

use tracker::Reader;
use tracker::query::Alias;

use super::named;
use super::table;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Format;
use crate::cli::print::Look;
use crate::cli::print::Table;
use crate::cli::print::number;

/// Give a file of a run a name, move it, or show what it stands for
///
/// A name has a colon, as `model:best`. It stands for one version of a file until it is moved, and
/// is taken wherever a file is named: `artifact get model:best`. Without a name all are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 done, 1 failed, 2 called wrongly

Examples:
  tracker artifact alias model:best @best:val/acc:model.pt
  tracker artifact alias model:prod baseline:model.pt@v2
  tracker artifact alias model:best
  tracker artifact alias model:old --remove")]
pub(super) struct AliasArgs {
    /// The alias, as `model:best`
    name: Option<String>,

    /// The file that it is to stand for: RUN:PATH, RUN:PATH@vN, or another alias
    #[arg(value_name = "RUN:PATH[@vN]")]
    file: Option<String>,

    /// Remove the alias; the file stays
    #[arg(long, conflicts_with = "file", requires = "name")]
    remove: bool,
}

pub(super) fn run(ctx: &Ctx, args: &AliasArgs) -> Outcome {
    match (&args.name, &args.file) {
        (Some(name), None) if args.remove => {
            ctx.store()?.remove_alias(name)?;
            ctx.messages().say(format!("removed {name}"));
        }
        (Some(name), Some(file)) => set(ctx, name, file)?,
        (Some(name), None) => {
            let reader = ctx.reader()?;
            let alias = reader.find_alias(name)?;
            show(ctx, &reader, &[alias])?;
        }
        (None, _) => {
            let reader = ctx.reader()?;
            let aliases = reader.aliases()?;
            let people = matches!(ctx.out.format(), Format::Table | Format::Md);
            if aliases.is_empty() && people {
                let how = "`tracker artifact alias model:best RUN:PATH` makes one";
                ctx.messages().note(format!("there are no aliases; {how}"));
                return Ok(0);
            }
            show(ctx, &reader, &aliases)?;
        }
    }
    Ok(0)
}

fn set(ctx: &Ctx, name: &str, file: &str) -> Result<(), Failure> {
    let reader = ctx.reader()?;
    let Some(found) = named::run_file(ctx, &reader, file)? else {
        return Err(Failure::new(format!("no file of a run {file:?}"))
            .hint("name it as RUN:PATH or RUN:PATH@vN; `tracker artifact ls` lists files"));
    };
    let before = reader.find_alias(name).ok();
    drop(reader);
    let artifact = &found.version.artifact;
    ctx.store()?.set_alias(name, found.run, artifact)?;
    let told = |run: String, version: String| format!("{version} of {run}");
    let now = told(found.run.short(), found.version.name());
    let before = before.and_then(|alias| {
        let version = alias.version?.name();
        Some(told(alias.run.short(), version))
    });
    ctx.messages().say(match before {
        Some(before) if before == now => format!("{name} is {now}, as before"),
        Some(before) => format!("{name} is {now}; it was {before}"),
        None => format!("{name} is {now}"),
    });
    Ok(())
}

fn show(ctx: &Ctx, reader: &Reader, aliases: &[Alias]) -> Result<(), Failure> {
    let mut shown = Table::new(vec![
        Column::new("alias", "ALIAS"),
        Column::new("run", "RUN"),
        Column::new("run_name", "NAME").elastic_names(12).optional(),
        Column::new("path", "PATH").elastic_names(16),
        Column::new("version", "VERSION"),
        Column::new("type", "TYPE").optional(),
        Column::new("bytes", "SIZE").right(),
        Column::new("hash", "HASH"),
        Column::new("time", "SET (UTC)").optional(),
    ]);
    for alias in aliases {
        let run = reader.head(alias.run)?;
        let mut row = vec![
            Cell::text(&alias.name).look(Look::Good),
            table::run_cell(alias.run),
            Cell::text(&run.info.name),
        ];
        match &alias.version {
            Some(version) => row.extend([
                Cell::text(&version.artifact.path),
                Cell::new(&format!("v{}", version.number), version.number),
                Cell::maybe_text(version.artifact.kind.as_deref()),
                Cell::bytes(version.artifact.bytes),
                table::hash_cell(version.artifact.blob),
            ]),
            None => row.extend((0..5).map(|_| Cell::missing())),
        }
        row.push(Cell::time(&number::time(alias.time_us), alias.time_us));
        shown.push(row);
    }
    ctx.out.table(&shown)
}
