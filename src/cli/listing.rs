//! A list of runs, for `ls`, `query` and `best`.

use tracker::Reader;
use tracker::model::Run;

use super::context::Ctx;
use super::fail::Failure;
use super::field::RunColumn;
use super::field::common_metrics;
use super::print::Format;
use super::print::Table;
use tracker::export::run_to_json;
use tracker::export::runs_to_csv;
use tracker::query::filter::Attribute;
use tracker::query::filter::Stat;

/// Most metrics that a table shows by itself.
const METRICS_MAX: usize = 4;

/// Writes the runs in the format that was asked for.
///
/// - `columns`: what is shown after id and name; none lets the format choose. JSON has every run
///   in full either way.
pub(crate) fn print(
    ctx: &Ctx,
    reader: &Reader,
    runs: &[Run],
    columns: Option<&[RunColumn]>,
) -> Result<(), Failure> {
    let now_us = reader.now_us();
    let columns = match (ctx.out.format(), columns) {
        (Format::Json | Format::Jsonl, _) => {
            let runs = runs.iter().map(|run| run_to_json(run, now_us));
            return ctx.out.json(runs);
        }
        (_, Some(columns)) => columns.to_vec(),
        (Format::Csv, None) => {
            return ctx.out.write_through(|out| runs_to_csv(runs, now_us, out));
        }
        (Format::Table | Format::Md, None) => usual_columns(runs),
    };
    ctx.out.table(&table(runs, &columns, now_us))
}

/// Lays runs out below each other.
fn table(runs: &[Run], columns: &[RunColumn], now_us: i64) -> Table {
    let mut table = Table::new(columns.iter().map(RunColumn::head).collect());
    for run in runs {
        let cells = columns.iter().map(|column| column.cell(run, now_us));
        table.push(cells.collect());
    }
    table
}

/// Id and name, and then `columns` without those that stand there already.
pub(crate) fn with_names(columns: impl IntoIterator<Item = RunColumn>) -> Vec<RunColumn> {
    let mut all = vec![
        RunColumn::attribute(Attribute::Id),
        RunColumn::attribute(Attribute::Name),
    ];
    for column in columns {
        if !all.contains(&column) {
            all.push(column);
        }
    }
    all
}

/// What a table shows by itself: how each run stands, and the metrics that most of them have.
///
/// On a narrow screen the last columns go first. An experiment that is the same in all tells
/// nothing.
pub(crate) fn usual_columns(runs: &[Run]) -> Vec<RunColumn> {
    let mut columns = vec![
        RunColumn::attribute(Attribute::Status),
        RunColumn::attribute(Attribute::Start),
    ];
    let metrics = common_metrics(runs).into_iter().take(METRICS_MAX);
    columns.extend(metrics.map(|name| RunColumn::metric(&name, Stat::Last)));
    columns.push(RunColumn::attribute(Attribute::Duration));
    let mut experiments = runs.iter().map(|run| &run.info.experiment);
    let first = experiments.next();
    if experiments.any(|other| Some(other) != first) {
        columns.push(RunColumn::attribute(Attribute::Experiment));
    }
    with_names(columns)
}
