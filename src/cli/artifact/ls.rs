//! `tracker artifact ls`: files of a run, or of many.

use std::collections::BTreeMap;

use tracker::Query;
use tracker::Reader;
use tracker::model::Flow;
use tracker::model::RunId;
use tracker::model::Version;
use tracker::query::Glob;

use super::table::Files;
use super::table::Shown;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::print::Format;

/// List artifacts of a run, or of all
///
/// Shows the newest version of each file that the run made or read, and the aliases that stand for
/// it. Without a run it shows those of all runs, the latest run first.
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "list",
    after_help = "\
Exit codes: 0 listed (none is fine), 1 failed, 2 called wrongly

Examples:
  tracker artifact ls @last --versions
  tracker artifact ls --name '*.pt' --type model
  tracker artifact ls --filter 'val/acc > 0.9' --direction output"
)]
pub(super) struct LsArgs {
    /// Run id, a prefix of one, a unique name, or @last, @best:METRIC, @this; without it all runs
    run: Option<String>,

    /// Show all versions, the oldest first
    #[arg(long)]
    versions: bool,

    /// Only files with this path or last name; `*` and `?` stand for any text and any character
    #[arg(long, value_name = "GLOB")]
    name: Option<String>,

    /// Only files of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,

    /// Only files that runs made (output) or read (input)
    #[arg(long, value_name = "DIRECTION", value_parser = flow)]
    direction: Option<Flow>,

    /// Only those of runs that a filter lets through, as of `tracker query`
    #[arg(long, value_name = "FILTER", conflicts_with = "run")]
    filter: Option<String>,

    /// Show at most so many files; 0 is all, and so it is without it but for tables: 50
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

/// Most files of many runs that people are shown who did not say how many.
const FILES_MAX: usize = 50;

fn flow(text: &str) -> Result<Flow, String> {
    match text {
        "output" | "out" => Ok(Flow::Output),
        "input" | "in" => Ok(Flow::Input),
        _ => Err("want output or input".to_owned()),
    }
}

impl LsArgs {
    /// Whether a version is asked for.
    fn wants(&self, version: &Version) -> bool {
        let artifact = &version.artifact;
        let name = |wanted: &String| {
            let last = artifact.path.rsplit('/').next().unwrap_or_default();
            match Glob::parse(wanted) {
                Some(glob) => glob.matches(&artifact.path) || glob.matches(last),
                None => *wanted == artifact.path || wanted == last,
            }
        };
        (self.versions || version.is_newest)
            && self.name.as_ref().is_none_or(name)
            && (self.kind.is_none() || self.kind == artifact.kind)
            && self.direction.is_none_or(|flow| flow == artifact.flow)
    }
}

pub(super) fn run(ctx: &Ctx, args: &LsArgs) -> Outcome {
    let reader = ctx.reader()?;
    let people = matches!(ctx.out.format(), Format::Table | Format::Md);
    let across = args.run.is_none();
    let by_default = if people && across { FILES_MAX } else { 0 };
    let limit = args.limit.unwrap_or(by_default);
    let runs = match &args.run {
        Some(run) => vec![ctx.find_run(&reader, run)?],
        None => reader.ids(&Query {
            filter: args.filter.clone(),
            ..Query::default()
        })?,
    };
    let (mut found, mut any) = (Vec::new(), false);
    for run in runs {
        let versions = reader.versions(run)?;
        any |= !versions.is_empty();
        let wanted = versions.into_iter().filter(|version| args.wants(version));
        found.extend(wanted.map(|version| (run, version)));
        if limit > 0 && found.len() > limit {
            break; // one more than is shown tells that there are more
        }
    }
    if found.is_empty() && people {
        ctx.messages().note(match (&args.run, any) {
            (Some(_), false) => "the run has no artifacts",
            (None, false) => "no run has artifacts",
            (_, true) => "no artifacts like that",
        });
        return Ok(0);
    }
    let more = limit > 0 && found.len() > limit;
    if more {
        found.truncate(limit);
    }
    print(ctx, &reader, &found, across)?;
    if more && people {
        ctx.out.flush()?;
        ctx.messages()
            .note(format!("showing {limit} files; `--limit 0` shows all"));
    }
    Ok(0)
}

/// Prints versions of files with the aliases that stand for them.
pub(super) fn print(
    ctx: &Ctx,
    reader: &Reader,
    found: &[(RunId, Version)],
    with_runs: bool,
) -> Result<(), Failure> {
    let mut aliases: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for alias in reader.aliases()? {
        if let Some(version) = alias.version {
            let place = (alias.run, version.artifact.flow, version.name());
            aliases.entry(place).or_default().push(alias.name);
        }
    }
    let of = |run: RunId, version: &Version| -> &[String] {
        let found = aliases.get(&(run, version.artifact.flow, version.name()));
        found.map(Vec::as_slice).unwrap_or_default()
    };
    // Programs get all columns, people those that say something.
    let all = !matches!(ctx.out.format(), Format::Table | Format::Md);
    let any = |so: &dyn Fn(RunId, &Version) -> bool| {
        let mut found = found.iter();
        all || found.any(|(run, version)| so(*run, version))
    };
    let shown = Shown {
        runs: with_runs,
        aliases: any(&|run, version| !of(run, version).is_empty()),
        places: any(&|_, version| version.artifact.reference.is_some()),
    };
    let mut files = Files::new(shown, all);
    let mut names: BTreeMap<RunId, String> = BTreeMap::new();
    for (run, version) in found {
        if with_runs && !names.contains_key(run) {
            names.insert(*run, reader.head(*run)?.info.name);
        }
        let name = names.get(run).map_or("", String::as_str);
        let aliases = of(*run, version);
        files.push(*run, name, version.number, &version.artifact, aliases);
    }
    ctx.out.table(&files.into_table())
}

/// A version of a file of a run.
type Place = (RunId, Flow, String);
