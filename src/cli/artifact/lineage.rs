//! `tracker artifact lineage`: where something came from, and what came from it.

use std::collections::BTreeMap;

use tracker::Reader;
use tracker::model::RunId;
use tracker::model::Version;
use tracker::query::Lineage;
use tracker::query::LineageQuery;
use tracker::query::Link;
use tracker::query::Node;
use tracker::query::Toward;

use super::named;
use super::named::Named;
use super::table;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Format;
use crate::cli::print::Look;
use crate::cli::print::Table;
use crate::cli::print::escape;
use crate::cli::print::number;

/// Tell what a run or file came from, and what came from it
///
/// Walks from runs to the files that they read and made, and from files to the runs that made and
/// read those bytes. What was told before is marked and not told again. JSON and CSV have a row for
/// each place of the tree, with the number of the row that it follows from.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 told, 1 failed, 2 called wrongly

Examples:
  tracker artifact lineage model:best --up
  tracker artifact lineage data/train.csv --down --depth 2
  tracker artifact lineage @last --format json")]
pub(super) struct LineageArgs {
    /// A run, a file, a hash or 4 digits of it, an alias, or RUN:PATH[@vN]
    #[arg(value_name = "RUN|FILE")]
    from: String,

    /// Only what it came from
    #[arg(long)]
    up: bool,

    /// Only what came from it
    #[arg(long, conflicts_with = "up")]
    down: bool,

    /// At most so many runs away
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    depth: Option<u32>,
}

pub(super) fn run(ctx: &Ctx, args: &LineageArgs) -> Outcome {
    let reader = ctx.reader()?;
    let from = match named::run_or_blob(ctx, &reader, &args.from)? {
        Named::Run(run) => Node::Run(run),
        Named::Blob(blob) => Node::File(blob),
    };
    let query = LineageQuery {
        up: !args.down,
        down: !args.up,
        depth: args.depth.map(|depth| depth as usize),
    };
    let lineage = reader.lineage(from, &query)?;
    let told = Told::new(&reader, &lineage)?;
    match ctx.out.format() {
        Format::Table => ctx.out.line(told.tree(ctx))?,
        _ => ctx.out.table(&told.table())?,
    }
    if lineage.is_cut {
        ctx.out.flush()?;
        ctx.messages()
            .note("there is more; `--depth N` tells what is near");
    } else if lineage.links.len() == 1 {
        ctx.out.flush()?;
        ctx.messages().note(match from {
            Node::Run(_) => {
                "no file ties it to others; `tracker run --input FILE` notes what a run reads"
            }
            Node::File(_) => "no run has made or read it",
        });
    }
    Ok(0)
}

/// A lineage with what is said of its runs and of its first file.
struct Told<'a> {
    links: &'a [Link],
    runs: BTreeMap<RunId, String>,
    /// How some run has the file that it begins with.
    first: Option<Version>,
}

impl<'a> Told<'a> {
    fn new(reader: &Reader, lineage: &'a Lineage) -> Result<Self, Failure> {
        let mut runs = BTreeMap::new();
        for link in &lineage.links {
            if let Node::Run(run) = link.node
                && !runs.contains_key(&run)
            {
                runs.insert(run, reader.head(run)?.info.name);
            }
        }
        let first = match lineage.links.first().map(|link| link.node) {
            Some(Node::File(blob)) => reader.who(blob)?.into_iter().next(),
            _ => None,
        };
        Ok(Self {
            links: &lineage.links,
            runs,
            first: first.map(|file| file.version),
        })
    }

    fn name(&self, run: RunId) -> &str {
        self.runs.get(&run).map_or("", String::as_str)
    }

    fn tree(&self, ctx: &Ctx) -> String {
        // Whether another place follows below the same one.
        let mut later: BTreeMap<usize, usize> = BTreeMap::new();
        for (at, link) in self.links.iter().enumerate() {
            if let Some(parent) = link.parent {
                later.insert(parent, at);
            }
        }
        let is_last = |at: usize, parent: usize| later.get(&parent) == Some(&at);
        let mut lines: Vec<String> = Vec::new();
        let mut stems: Vec<String> = Vec::new();
        for (at, link) in self.links.iter().enumerate() {
            let Some(parent) = link.parent else {
                stems.push(String::new());
                lines.push(self.line(ctx, link));
                continue;
            };
            let stem = stems.get(parent).cloned().unwrap_or_default();
            let (branch, below) = if is_last(at, parent) {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            lines.push(format!("{stem}{branch}{}", self.line(ctx, link)));
            stems.push(stem + below);
        }
        lines.join("\n")
    }

    fn line(&self, ctx: &Ctx, link: &Link) -> String {
        let relation = relation(link).map_or_else(String::new, |relation| format!("{relation} "));
        let again = if link.is_again { " (told above)" } else { "" };
        let told = match link.node {
            Node::Run(run) => {
                let name = escape(self.name(run)).into_owned();
                format!("{} {}", run.short(), ctx.out.styled(Look::Bold, &name))
            }
            Node::File(blob) => {
                let hash = blob.to_string();
                let hash = ctx.out.styled(Look::Dim, table::short(&hash));
                match link.version.as_ref().or(self.first.as_ref()) {
                    Some(version) => {
                        let name = escape(&version.name()).into_owned();
                        let bytes = number::bytes(version.artifact.bytes);
                        let kind = version.artifact.kind.as_deref().map(escape);
                        let kind = kind.map_or_else(String::new, |kind| format!(", {kind}"));
                        format!("{name} {hash} ({bytes}{kind})")
                    }
                    None => hash,
                }
            }
        };
        format!("{relation}{told}{again}")
    }

    fn table(&self) -> Table {
        let mut rows = Table::new(
            [
                "row",
                "parent",
                "toward",
                "kind",
                "relation",
                "run",
                "run_name",
                "path",
                "version",
                "type",
                "bytes",
                "hash",
                "reference",
                "again",
            ]
            .map(|name| Column::new(name, name))
            .into(),
        );
        for (at, link) in self.links.iter().enumerate() {
            let version = match link.node {
                Node::File(_) => link.version.as_ref().or(self.first.as_ref()),
                Node::Run(_) => link.version.as_ref(),
            };
            let artifact = version.map(|version| &version.artifact);
            let text = |text: Option<&str>| Cell::maybe_text(text);
            let (kind, run) = match link.node {
                Node::Run(run) => ("run", Some(run)),
                Node::File(_) => ("file", None),
            };
            let hash = match link.node {
                Node::File(blob) => Some(blob),
                Node::Run(_) => artifact.map(|artifact| artifact.blob),
            };
            let toward = link.toward.map(|toward| match toward {
                Toward::Up => "up",
                Toward::Down => "down",
            });
            let count = |value: Option<u64>| value.map_or_else(Cell::missing, Cell::count);
            rows.push(vec![
                Cell::count(at as u64),
                count(link.parent.map(|parent| parent as u64)),
                text(toward),
                Cell::text(kind),
                text(relation(link)),
                run.map_or_else(Cell::missing, table::run_cell),
                text(run.map(|run| self.name(run))),
                text(artifact.map(|artifact| artifact.path.as_str())),
                count(version.map(|version| version.number.into())),
                text(artifact.and_then(|artifact| artifact.kind.as_deref())),
                count(artifact.map(|artifact| artifact.bytes)),
                hash.map_or_else(Cell::missing, table::hash_cell),
                text(artifact.and_then(|artifact| artifact.reference.as_deref())),
                Cell::new(if link.is_again { "yes" } else { "" }, link.is_again),
            ]);
        }
        rows
    }
}

/// What ties a place to that which it follows from.
fn relation(link: &Link) -> Option<&'static str> {
    Some(match (link.node, link.toward?) {
        (Node::File(_), Toward::Up) => "read",
        (Node::File(_), Toward::Down) => "made",
        (Node::Run(_), Toward::Up) => "made by",
        (Node::Run(_), Toward::Down) => "read by",
    })
}
