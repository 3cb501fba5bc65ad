//! A list of runs, for `ls`, `query` and `best`.

use std::collections::BTreeSet;

use tracker::Reader;
use tracker::model::Run;

use super::context::Ctx;
use super::fail::Failure;
use super::field::Attribute;
use super::field::Field;
use super::field::Stat;
use super::field::common_metrics;
use super::print::Format;
use super::print::Table;
use super::shim;

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
    columns: Option<&[Field]>,
) -> Result<(), Failure> {
    let now_us = reader.now_us();
    let fields = match (ctx.out.format(), columns) {
        (Format::Json | Format::Jsonl, _) => {
            let runs = runs.iter().map(|run| shim::run_to_json(run, now_us));
            return ctx.out.json(runs);
        }
        (_, Some(columns)) => columns.to_vec(),
        (Format::Csv, None) => all_fields(runs),
        (Format::Table | Format::Md, None) => usual_fields(runs),
    };
    ctx.out.table(&table(runs, &fields, now_us))
}

/// Lays runs out under fields.
pub(crate) fn table(runs: &[Run], fields: &[Field], now_us: i64) -> Table {
    let mut table = Table::new(fields.iter().map(Field::column).collect());
    for run in runs {
        table.push(fields.iter().map(|field| field.cell(run, now_us)).collect());
    }
    table
}

/// Id and name, and then `fields` without those that stand there already.
pub(crate) fn with_names(fields: impl IntoIterator<Item = Field>) -> Vec<Field> {
    let mut all = vec![
        Field::Attribute(Attribute::Id),
        Field::Attribute(Attribute::Name),
    ];
    for field in fields {
        if !all.contains(&field) {
            all.push(field);
        }
    }
    all
}

/// What a table shows by itself: how each run stands, and the metrics that most of them have.
pub(crate) fn usual_fields(runs: &[Run]) -> Vec<Field> {
    let mut fields = vec![Field::Attribute(Attribute::Status)];
    if runs.iter().any(|run| run.info.experiment.is_some()) {
        fields.push(Field::Attribute(Attribute::Experiment));
    }
    fields.push(Field::Attribute(Attribute::Start));
    fields.push(Field::Attribute(Attribute::Duration));
    let metrics = common_metrics(runs).into_iter().take(METRICS_MAX);
    fields.extend(metrics.map(|name| Field::Metric(name, Stat::Last)));
    with_names(fields)
}

/// All that the runs have and that fits a cell, for a spreadsheet or a data frame.
pub(crate) fn all_fields(runs: &[Run]) -> Vec<Field> {
    let attributes = [
        Attribute::Experiment,
        Attribute::Author,
        Attribute::Status,
        Attribute::Start,
        Attribute::End,
        Attribute::Duration,
        Attribute::Note,
    ];
    let params: BTreeSet<&String> = runs.iter().flat_map(|run| run.params.keys()).collect();
    let metrics: BTreeSet<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
    let tags: BTreeSet<&String> = runs.iter().flat_map(|run| run.tags.keys()).collect();
    let attributes = attributes.into_iter().map(Field::Attribute);
    let params = params.into_iter().map(|name| Field::Param(name.clone()));
    let metrics = metrics
        .into_iter()
        .map(|name| Field::Metric(name.clone(), Stat::Last));
    let tags = tags.into_iter().map(|name| Field::Tag(name.clone()));
    with_names(attributes.chain(params).chain(metrics).chain(tags))
}
