//! `tracker compare`: what differs between runs.

use std::collections::BTreeSet;
use std::path::Path;

use tracker::Error;
use tracker::model::Run;

use super::arguments::Better;
use super::arguments::Direction;
use super::best::At;
use super::context::Ctx;
use super::fail::Failure;
use super::fail::Outcome;
use super::field::RunColumn;
use super::field::stat_value;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Look;
use super::print::Table;
use super::print::escape;
use super::print::number;
use super::record;
use tracker::export::run_to_json;
use tracker::export::runs_to_csv;
use tracker::query::filter::Attribute;
use tracker::query::filter::Field;

/// Up to so many runs stand side by side; more stand below each other.
const COLUMNS_MAX: usize = 6;
/// Endings of files that are records of runs rather than names of them.
const RECORDS: [&str; 7] = ["json", "jsonl", "ndjson", "yaml", "yml", "csv", "tsv"];
/// Characters of the summary of what is the same.
const SAME_CHARS_MAX: usize = 400;

/// Compare runs
///
/// Shows the params that differ and the values of the metrics; params that all runs share are told
/// in one line. A run is named as always, or is a record file (JSON, YAML, CSV), which is read
/// and not stored.
///
/// With `--metric` the best run by that metric is marked with `*`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 compared, 1 failed, 2 called wrongly

Examples:
  tracker compare baseline @last
  tracker compare 3f2a91 8c11d0 00c1ff --metric val/acc --at best
  tracker compare @best:val/acc notes/old-run.yaml --all")]
pub(crate) struct CompareArgs {
    /// Runs (ids, prefixes, names, @last, @best:METRIC, @this) or record files
    #[arg(required = true, num_args = 1.., value_name = "RUN|FILE")]
    runs: Vec<String>,

    /// Metric that tells which run is best
    #[arg(long, short, value_name = "METRIC")]
    metric: Option<String>,

    #[command(flatten)]
    better: Better,

    /// Value of a metric that is shown
    #[arg(long, value_enum, default_value_t = At::Last)]
    at: At,

    /// Show params that are the same and metrics that only one run has, too
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(ctx: &Ctx, args: &CompareArgs) -> Outcome {
    if args.better.is_given() && args.metric.is_none() {
        return Err(Failure::usage(
            "--min and --max are about a metric: add `--metric METRIC`",
        ));
    }
    show(ctx, args)
}

/// Compares runs by a metric, as the command does when only that is given.
pub(crate) fn runs(ctx: &Ctx, runs: &[String], metric: &str) -> Outcome {
    let args = CompareArgs {
        runs: runs.to_vec(),
        metric: Some(metric.to_owned()),
        better: Better::default(),
        at: At::Last,
        all: false,
    };
    show(ctx, &args)
}

fn show(ctx: &Ctx, args: &CompareArgs) -> Outcome {
    let (runs, now_us) = find(ctx, &args.runs)?;
    let best = match &args.metric {
        Some(metric) => Some(best(ctx, args, metric, &runs)?),
        None => None,
    };
    match ctx.out.format() {
        Format::Json | Format::Jsonl => {
            ctx.out
                .json(runs.iter().map(|run| run_to_json(run, now_us)))?;
            return Ok(0);
        }
        Format::Csv => {
            ctx.out
                .write_through(|out| runs_to_csv(&runs, now_us, out))?;
            return Ok(0);
        }
        Format::Table | Format::Md => {}
    }
    let fields = fields(&runs, args, args.all);
    let table = match runs.len() {
        ..=COLUMNS_MAX => columns(&runs, &fields, best, now_us),
        _ => rows(&runs, &fields, best, now_us),
    };
    ctx.out.table(&table)?;
    if let (false, Some(same)) = (args.all, same_params(&runs)) {
        let label = ctx.out.styled(Look::Dim, "same in all:");
        ctx.out.line(format!("\n{label} {same}"))?;
    }
    Ok(0)
}

/// Finds the runs in the store or reads them from files.
fn find(ctx: &Ctx, names: &[String]) -> Result<(Vec<Run>, i64), Failure> {
    let mut runs = Vec::new();
    let mut reader = None;
    for name in names {
        if is_record(name) {
            runs.extend(record::read(ctx, Path::new(name))?);
            continue;
        }
        let reader = match &mut reader {
            Some(reader) => reader,
            none => none.insert(ctx.reader()?),
        };
        let found = ctx
            .find_run(reader, name)
            .map_err(|failure| no_run_no_file(name, failure));
        runs.push(reader.run(found?)?);
    }
    // Records alone need no store; of a run that still goes on they cannot tell how long.
    let now_us = reader.map_or(0, |reader| reader.now_us());
    Ok((runs, now_us))
}

fn is_record(name: &str) -> bool {
    looks_like_a_file(name) && Path::new(name).exists()
}

fn looks_like_a_file(name: &str) -> bool {
    let ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str());
    let known =
        ending.is_some_and(|ending| RECORDS.contains(&ending.to_ascii_lowercase().as_str()));
    known || name.contains('/')
}

/// What looks like a file and names no run is a file that is not there.
fn no_run_no_file(name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Library(error)
            if matches!(*error, Error::NotFound { .. }) && looks_like_a_file(name) =>
        {
            Failure::new(format!("no run and no file {name:?}"))
        }
        failure => failure,
    }
}

/// A metric that decides, and the place of the run that is best by it.
#[derive(Clone, Copy)]
struct Best {
    run: usize,
}

fn best(ctx: &Ctx, args: &CompareArgs, metric: &str, runs: &[Run]) -> Result<Best, Failure> {
    let direction = args.better.resolve(metric, ctx.messages());
    let stat = args.at.stat(direction);
    let mut best: Option<(usize, f64)> = None;
    for (at, run) in runs.iter().enumerate() {
        let value = run
            .metrics
            .get(metric)
            .and_then(|summary| stat_value(summary, stat));
        if let Some(value) = value
            && best.is_none_or(|(_, so_far)| direction.better(value, so_far))
        {
            best = Some((at, value));
        }
    }
    let found = best.map(|(run, _)| Best { run });
    found.ok_or_else(|| {
        let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
        let names: Vec<&str> = names.into_iter().map(String::as_str).take(10).collect();
        let failure = Failure::new(format!("none of these runs has the metric {metric:?}"));
        if names.is_empty() {
            failure
        } else {
            failure.hint(format!("they have {}", names.join(", ")))
        }
    })
}

/// What is compared, the metric that decides first among the metrics.
fn fields(runs: &[Run], args: &CompareArgs, all: bool) -> Vec<RunColumn> {
    let mut columns = vec![
        RunColumn::attribute(Attribute::Id),
        RunColumn::attribute(Attribute::Name),
        RunColumn::attribute(Attribute::Status),
    ];
    for (attribute, differs) in [
        (
            Attribute::Experiment,
            differ(runs, |run| run.info.experiment.clone()),
        ),
        (
            Attribute::Author,
            differ(runs, |run| run.info.author.clone()),
        ),
        (Attribute::Duration, true),
    ] {
        if differs || all {
            columns.push(RunColumn::attribute(attribute));
        }
    }
    let params: BTreeSet<&String> = runs.iter().flat_map(|run| run.params.keys()).collect();
    for name in params {
        if all || differ(runs, |run| run.params.get(name).cloned()) {
            columns.push(RunColumn::param(name));
        }
    }
    let tags: BTreeSet<&String> = runs.iter().flat_map(|run| run.tags.keys()).collect();
    for name in tags {
        if all || differ(runs, |run| run.tags.get(name).cloned()) {
            columns.push(RunColumn::tag(name));
        }
    }
    let having = |name: &str| {
        runs.iter()
            .filter(|run| run.metrics.contains_key(name))
            .count()
    };
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    // Where no two runs share a metric, one that a single run has is better than none.
    let shared = names.iter().any(|name| having(name) > 1);
    let decides = |name: &str| args.metric.as_deref() == Some(name);
    let mut metrics: Vec<&String> = names
        .into_iter()
        .filter(|name| all || !shared || decides(name) || having(name) > 1)
        .collect();
    metrics.sort_by_key(|name| !decides(name)); // stable: the others stay in order
    columns.extend(metrics.into_iter().map(|name| {
        let direction = Direction::guess(name);
        RunColumn::metric(name, args.at.stat(direction))
    }));
    columns
}

fn differ<T: PartialEq>(runs: &[Run], of: impl Fn(&Run) -> T) -> bool {
    let mut values = runs.iter().map(of);
    let first = values.next();
    values.any(|value| Some(&value) != first.as_ref())
}

/// Fields below each other, a column a run.
fn columns(runs: &[Run], fields: &[RunColumn], best: Option<Best>, now_us: i64) -> Table {
    let mut heads = vec![Column::new("field", "").elastic_names(12)];
    for (at, run) in runs.iter().enumerate() {
        let mark = if best.is_some_and(|best| best.run == at) {
            " *"
        } else {
            ""
        };
        let title = format!("{}{mark}", run.id.short());
        heads.push(Column::new(&run.id.to_string(), &title).elastic(8));
    }
    let mut table = Table::new(heads);
    for field in fields {
        if *field == RunColumn::attribute(Attribute::Id) {
            continue; // it is the title
        }
        let mut row = vec![Cell::new(&label(field), field.key()).look(Look::Dim)];
        for (at, run) in runs.iter().enumerate() {
            row.push(cell(
                run,
                field,
                best.is_some_and(|best| best.run == at),
                now_us,
            ));
        }
        table.push(row);
    }
    table
}

/// Runs below each other, a column a field.
fn rows(runs: &[Run], fields: &[RunColumn], best: Option<Best>, now_us: i64) -> Table {
    let mut table = Table::new(fields.iter().map(RunColumn::head).collect());
    for (at, run) in runs.iter().enumerate() {
        let is_best = best.is_some_and(|best| best.run == at);
        let cells = fields.iter().map(|field| {
            let cell = cell(run, field, is_best, now_us);
            match field {
                RunColumn::Field(Field::Attribute(Attribute::Name)) if is_best => cell.marked(" *"),
                _ => cell,
            }
        });
        table.push(cells.collect());
    }
    table
}

/// The best run's metrics and name stand out.
fn cell(run: &Run, field: &RunColumn, is_best: bool, now_us: i64) -> Cell {
    let cell = field.cell(run, now_us);
    match field {
        RunColumn::Field(Field::Metric(..) | Field::Attribute(Attribute::Name)) if is_best => {
            cell.look(Look::Bold)
        }
        _ => cell,
    }
}

fn label(field: &RunColumn) -> String {
    match field {
        RunColumn::Field(Field::Attribute(Attribute::Duration)) => "took".to_owned(),
        RunColumn::Field(Field::Param(name)) => format!("param {name}"),
        RunColumn::Field(Field::Tag(name)) => format!("tag {name}"),
        RunColumn::Field(Field::Metric(name, stat)) => format!("{} {name}", stat.name()),
        RunColumn::Field(_) | RunColumn::Named(_) => field.key(),
    }
}

/// Params that all runs share, on one line; none if there are none or one run only.
fn same_params(runs: &[Run]) -> Option<String> {
    let [first, _, ..] = runs else {
        return None;
    };
    let same = first
        .params
        .iter()
        .filter(|(name, value)| runs.iter().all(|run| run.params.get(*name) == Some(*value)));
    let same: Vec<String> = same
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if same.is_empty() {
        return None;
    }
    let mut text = String::new();
    for (at, param) in same.iter().enumerate() {
        let param = escape(param);
        if text.chars().count() + param.chars().count() > SAME_CHARS_MAX {
            let more = number::count((same.len() - at) as u64);
            text.push_str(if at > 0 { " … and " } else { "… and " });
            text.push_str(&more);
            text.push_str(" more (--all)");
            break;
        }
        text.push_str(if at > 0 { ", " } else { "" });
        text.push_str(&param);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tracker::model::ParamValue;
    use tracker::model::RunId;
    use tracker::model::RunInfo;
    use tracker::model::Stamp;
    use tracker::model::Status;
    use tracker::model::Summary;
    use tracker::model::WriterId;

    fn run(id: u128, lr: f64, losses: &[f64]) -> Run {
        let mut summary = Summary::default();
        for (step, loss) in losses.iter().enumerate() {
            let (time_us, writer, seq, row) = (0, WriterId(0), 0, 0);
            let stamp = Stamp {
                time_us,
                writer,
                seq,
                row,
            };
            summary.add(i64::try_from(step).unwrap(), stamp, *loss);
        }
        Run {
            has_started: true,
            id: RunId(id << 32),
            info: RunInfo {
                name: format!("run-{id}"),
                ..RunInfo::default()
            },
            status: Status::Completed,
            end_us: None,
            params: BTreeMap::from([
                ("lr".to_owned(), ParamValue::Float(lr)),
                ("seed".to_owned(), ParamValue::Int(1)),
            ]),
            param_conflicts: BTreeMap::new(),
            metrics: BTreeMap::from([("loss".to_owned(), summary)]),
            tags: BTreeMap::new(),
            note: None,
            artifacts: BTreeMap::new(),
            reason: None,
        }
    }

    fn args(at: At) -> CompareArgs {
        let better = <Better as clap::FromArgMatches>::from_arg_matches(
            &<Better as clap::Args>::augment_args(clap::Command::new("x")).get_matches_from(["x"]),
        );
        CompareArgs {
            runs: Vec::new(),
            metric: Some("loss".to_owned()),
            better: better.unwrap(),
            at,
            all: false,
        }
    }

    #[test]
    fn only_what_differs_is_shown_and_the_best_is_marked() {
        let runs = [run(1, 0.1, &[3.0, 0.5]), run(2, 0.01, &[0.25, 0.75])];
        let fields = fields(&runs, &args(At::Best), false);
        let (text, _) = columns(&runs, &fields, Some(Best { run: 1 }), 0).render(None, false);
        let want = "          \
          00000001   00000002 *
name      run-1      run-2
status    completed  completed
took      -          -
param lr  0.1        0.01
min loss  0.5        0.25
";
        assert_eq!(text, want);
        assert_eq!(same_params(&runs).as_deref(), Some("seed=1"));
        let (text, _) = rows(&runs, &fields, Some(Best { run: 1 }), 0).render(None, false);
        assert!(text.contains("\n00000002  run-2 *  completed"), "{text}");
    }

    #[test]
    fn on_a_narrow_screen_fields_stay_apart_and_numbers_keep_their_size() {
        let mut runs = [
            run(1, 1e-7, &[2_164_472_832.0]),
            run(2, 0.1, &[782_094_336.0]),
        ];
        for run in &mut runs {
            let loss = run.metrics.remove("loss").unwrap();
            for name in ["memory/allocated", "memory/reserved"] {
                run.metrics.insert(name.to_owned(), loss);
            }
        }
        let fields = fields(&runs, &args(At::Last), false);
        let (text, _) = columns(&runs, &fields, None, 0).render(Some(32), false);
        let want = "              \
              00000001  00000002
name          run-1     run-2
status        complet…  complet…
took          -         -
param lr      1e-7      0.1
last …ocated  2.1645e9  7.8209e8
last …served  2.1645e9  7.8209e8
";
        assert_eq!(text, want);
    }

    #[test]
    fn a_long_list_of_what_is_the_same_is_cut_and_counted() {
        let mut runs = [run(1, 0.1, &[]), run(2, 0.1, &[])];
        for run in &mut runs {
            for at in 0..50 {
                let value = ParamValue::Text("x".repeat(40));
                run.params.insert(format!("p{at:02}"), value);
            }
        }
        let same = same_params(&runs).unwrap();
        assert!(same.ends_with(" … and 43 more (--all)"), "{same}");
        assert_eq!(same_params(&runs[..1]), None);
    }
}
