//! Curves of groups of runs: mean and range at each step.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tracker::Error;
use tracker::Reader;
use tracker::SeriesQuery;
use tracker::export;
use tracker::export::Datum;
use tracker::export::Fit;
use tracker::export::Frame;
use tracker::export::Type;
use tracker::model::ParamValue;
use tracker::query::Band;
use tracker::query::Group;
use tracker::query::GroupBy;
use tracker::query::GroupQuery;
use tracker::query::Groups;

use super::SeriesArgs;
use super::choose::Patterns;
use super::draw;
use crate::cli::context::Ctx;
use crate::cli::fail::Failure;
use crate::cli::fail::Outcome;
use crate::cli::field::origin;
use crate::cli::groups::head_of;
use crate::cli::groups::key_cell;
use crate::cli::groups::key_datum;
use crate::cli::groups::key_json;
use crate::cli::groups::key_of;
use crate::cli::groups::key_text;
use crate::cli::groups::tells_apart;
use crate::cli::groups::title_of;
use crate::cli::print::Cell;
use crate::cli::print::Column;
use crate::cli::print::Curve;
use crate::cli::print::Format;
use crate::cli::print::Table;
use crate::cli::print::number;

/// Most steps that a table shows people.
const ROWS_MAX: usize = 1_000;

/// One metric of one group.
struct Banded<'a> {
    group: &'a Group,
    metric: &'a str,
    bands: Vec<Band>,
}

pub(super) fn run(
    ctx: &Ctx,
    args: &SeriesArgs,
    patterns: &Patterns,
    reader: &Reader,
    by: GroupBy,
) -> Outcome {
    let (metrics, missing) = patterns.fitting(&reader.metric_names()?);
    if let Some(metric) = missing {
        return Err(no_metric(reader, metric)?);
    }
    let is_over = matches!(by, GroupBy::Over(_));
    let groups = reader.groups(&GroupQuery {
        filter: args.runs.clone(),
        by,
        values: Vec::new(),
        sort: Vec::new(),
        limit: None,
    })?;
    if groups.groups.is_empty() {
        ctx.messages().note("no runs like that");
    }
    let query = SeriesQuery {
        from_step: args.from,
        to_step: args.to,
        ..SeriesQuery::default()
    };
    let mut banded = Vec::new();
    for group in &groups.groups {
        for metric in &metrics {
            match reader.bands(&group.runs, metric, &query) {
                Ok(bands) => banded.push(Banded {
                    group,
                    metric,
                    bands,
                }),
                // Other groups may have it.
                Err(Error::NotFound { what: "metric", .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    ctx.pass_on_warnings(reader);
    let keys: Vec<usize> = (0..groups.keys.len())
        .filter(|at| !is_over || tells_apart(&groups, *at))
        .collect();
    if args.drawing.plot {
        let curves = banded.iter().map(|banded| Curve {
            label: label(&groups, &keys, banded, metrics.len() > 1),
            points: points(&banded.bands),
        });
        return draw::plot(ctx, args, curves.collect());
    }
    write(ctx, &groups, &keys, &banded, metrics.len() > 1)?;
    Ok(0)
}

fn no_metric(reader: &Reader, metric: &str) -> Result<Failure, Failure> {
    let names = reader.metric_names()?.into_iter();
    Ok(Failure::from(Error::NotFound {
        what: "metric",
        name: metric.to_owned(),
        near: tracker::query::near_names(metric, names),
    }))
}

/// What tells a curve from the others.
fn label(groups: &Groups, keys: &[usize], banded: &Banded<'_>, with_metric: bool) -> String {
    let mut parts = Vec::new();
    for at in keys {
        if let (Some(key), Some(value)) = (groups.keys.get(*at), banded.group.key.get(*at)) {
            parts.push(format!("{}={}", title_of(key), key_text(value)));
        }
    }
    if with_metric || parts.is_empty() {
        parts.push(banded.metric.to_owned());
    }
    parts.push(format!(
        "(n={})",
        number::count(banded.group.runs.len() as u64)
    ));
    parts.join(" ")
}

fn points(bands: &[Band]) -> Vec<(f64, f64)> {
    let mean = |band: &Band| Some((band.step as f64, band.mean()?));
    bands.iter().filter_map(mean).collect()
}

/// The statistics of a step by their names for programs.
fn statistics(band: &Band) -> [(&'static str, Value); 6] {
    let number = |n: Option<f64>| n.map_or(Value::Null, |n| ParamValue::Float(n).to_json());
    [
        ("n", Value::from(band.n)),
        ("nan_count", Value::from(band.nan_count)),
        ("mean", number(band.mean())),
        ("std", number(band.std())),
        ("min", number(band.min)),
        ("max", number(band.max)),
    ]
}

fn write(
    ctx: &Ctx,
    groups: &Groups,
    keys: &[usize],
    banded: &[Banded<'_>],
    with_metric: bool,
) -> Result<(), Failure> {
    let names: Vec<String> = groups.keys.iter().map(key_of).collect();
    let steps = || {
        banded
            .iter()
            .flat_map(|of| of.bands.iter().map(move |band| (of, band)))
    };
    match ctx.out.format() {
        Format::Json | Format::Jsonl => ctx.out.json(steps().map(|(of, band)| {
            let key = names.iter().cloned().zip(of.group.key.iter().map(key_json));
            let key: Map<String, Value> = key.collect();
            let mut row = Map::new();
            row.insert("group".to_owned(), Value::Object(key));
            row.insert("metric".to_owned(), json!(of.metric));
            row.insert("step".to_owned(), json!(band.step));
            let pairs = statistics(band).map(|(name, value)| (name.to_owned(), value));
            row.extend(pairs);
            Value::Object(row)
        })),
        Format::Parquet | Format::Arrow => ctx.out.frame(frame(groups, banded)),
        // A table a group, so that not all of them stand in memory as text.
        Format::Csv => {
            let head = full_table(&names, None);
            ctx.out.write(|out| head.write_csv(out))?;
            banded.iter().try_for_each(|of| {
                let table = full_table(&names, Some(of));
                ctx.out.write(|out| table.write_csv_rows(out, false))
            })
        }
        Format::Table | Format::Md => {
            let table = table(groups, keys, steps().take(ROWS_MAX), with_metric);
            ctx.out.table(&table)?;
            let all = steps().count();
            if all > ROWS_MAX {
                ctx.out.flush()?;
                let (shown, all) = (number::count(ROWS_MAX as u64), number::count(all as u64));
                ctx.messages().note(format!(
                    "showing {shown} of {all} steps; `--format csv` has all, `--plot` draws them"
                ));
            }
            Ok(())
        }
    }
}

/// What CSV has, with types; a row is made when it is written.
fn frame<'a>(groups: &'a Groups, banded: &'a [Banded<'a>]) -> Frame<'a> {
    let key = |at: usize| {
        let mut fit = Fit::default();
        let keys = groups.groups.iter().filter_map(|group| group.key.get(at));
        keys.filter_map(key_datum).for_each(|value| fit.add(&value));
        fit.or(Type::Text)
    };
    let keys = groups
        .keys
        .iter()
        .enumerate()
        .map(|(at, value)| export::Column {
            name: key_of(value),
            of: key(at),
            origin: value.as_field().map(origin),
        });
    let own = [("metric", Type::Text), ("step", Type::Int)];
    let counts = [("n", Type::Int), ("nan_count", Type::Int)];
    let numbers = ["mean", "std", "min", "max"].map(|name| (name, Type::Float));
    let rest = own.into_iter().chain(counts).chain(numbers);
    let rest = rest.map(|(name, of)| export::Column {
        name: name.to_owned(),
        of,
        origin: None,
    });
    let count = |count: u64| Some(Datum::Int(i64::try_from(count).unwrap_or(i64::MAX)));
    let rows = banded.iter().flat_map(move |of| {
        of.bands.iter().map(move |band| {
            let mut row: export::Row = of.group.key.iter().map(key_datum).collect();
            row.extend([Some(Datum::text(of.metric)), Some(Datum::Int(band.step))]);
            row.extend([count(band.n), count(band.nan_count)]);
            let numbers = [band.mean(), band.std(), band.min, band.max];
            row.extend(numbers.map(|number| number.map(Datum::Float)));
            row
        })
    });
    Frame {
        columns: keys.chain(rest).collect(),
        rows: Box::new(rows),
        query: None,
    }
}

fn full_table(names: &[String], of: Option<&Banded<'_>>) -> Table {
    let stats = ["n", "nan_count", "mean", "std", "min", "max"];
    let heads = names
        .iter()
        .map(String::as_str)
        .chain(["metric", "step"])
        .chain(stats);
    let mut table = Table::new(heads.map(|name| Column::new(name, name)).collect());
    for (of, band) in of
        .iter()
        .flat_map(|of| of.bands.iter().map(move |band| (of, band)))
    {
        let mut row: Vec<Cell> = of.group.key.iter().map(key_cell).collect();
        row.extend([Cell::text(of.metric), Cell::int(band.step)]);
        row.extend(statistics(band).map(|(_, value)| Cell::new("", value)));
        table.push(row);
    }
    table
}

fn table<'a>(
    groups: &Groups,
    keys: &[usize],
    steps: impl Iterator<Item = (&'a Banded<'a>, &'a Band)>,
    with_metric: bool,
) -> Table {
    let mut heads: Vec<Column> = keys
        .iter()
        .filter_map(|at| groups.keys.get(*at).map(head_of))
        .collect();
    if with_metric {
        heads.push(Column::new("metric", "METRIC").elastic(8));
    }
    for (key, title) in [("step", "STEP"), ("n", "n"), ("mean", "MEAN")] {
        heads.push(Column::new(key, title).right());
    }
    for (key, title) in [("std", "STD"), ("min", "MIN"), ("max", "MAX")] {
        heads.push(Column::new(key, title).right().optional());
    }
    let mut table = Table::new(heads);
    let float = |value: Option<f64>| value.map_or_else(Cell::missing, Cell::float);
    for (of, band) in steps {
        let mut row: Vec<Cell> = keys
            .iter()
            .map(|at| of.group.key.get(*at).map_or_else(Cell::missing, key_cell))
            .collect();
        if with_metric {
            row.push(Cell::text(of.metric));
        }
        row.extend([
            Cell::int(band.step),
            Cell::count(band.n),
            float(band.mean()),
        ]);
        row.extend([band.std(), band.min, band.max].map(float));
        table.push(row);
    }
    table
}
