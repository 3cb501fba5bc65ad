//! A list of runs, for `ls`, `query` and `best`.

use serde_json::Map;
use serde_json::Value;
use tracker::Reader;
use tracker::model::Run;

use super::context::Ctx;
use super::fail::Failure;
use super::field::RunColumn;
use super::field::common_metrics;
use super::field::value_cell;
use super::print::Cell;
use super::print::Column;
use super::print::Format;
use super::print::Table;
use tracker::export::run_to_json;
use tracker::export::runs_frame;
use tracker::query::filter::Attribute;
use tracker::query::filter::Calculation;
use tracker::query::filter::Expression;
use tracker::query::filter::Field;
use tracker::query::filter::Stat;

/// Most metrics that a table shows by itself.
const METRICS_MAX: usize = 4;

/// A column of a list of runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ListColumn {
    /// What each run holds.
    Held(RunColumn),
    /// What has to be worked out, and how it was typed.
    Computed(String, Calculation),
}

impl From<RunColumn> for ListColumn {
    fn from(column: RunColumn) -> Self {
        Self::Held(column)
    }
}

impl From<Calculation> for ListColumn {
    fn from(value: Calculation) -> Self {
        match value.as_field() {
            Some(field) => Self::Held(RunColumn::Field(field.clone())),
            None => Self::Computed(value.to_string(), value),
        }
    }
}

impl ListColumn {
    /// Decides what columns mean in this store.
    pub(crate) fn resolve(
        reader: &Reader,
        expressions: &[Expression],
        runs: &[Run],
    ) -> Result<Vec<Self>, Failure> {
        let mut columns = Vec::new();
        for expression in expressions {
            if let Some(field) = expression.as_field() {
                columns.push(RunColumn::Field(field.clone()).into());
            } else if runs.is_empty() {
                // No run is there to have it, nor a name to be right or wrong.
                columns.push(RunColumn::Named(expression.text().to_owned()).into());
            } else {
                let values = reader.resolve(std::slice::from_ref(expression))?;
                columns.extend(values.into_iter().map(|value| match Self::from(value) {
                    Self::Computed(_, value) => Self::Computed(expression.text().to_owned(), value),
                    held @ Self::Held(_) => held,
                }));
            }
        }
        Ok(columns)
    }

    fn key(&self) -> String {
        match self {
            Self::Held(column) => column.key(),
            Self::Computed(typed, _) => typed.clone(),
        }
    }

    fn head(&self) -> Column {
        match self {
            Self::Held(column) => column.head(),
            Self::Computed(typed, _) => Column::new(typed, typed).right().optional(),
        }
    }

    /// Whether it is a name that somebody gave, which may be mistyped.
    fn is_given(&self) -> bool {
        !matches!(
            self,
            Self::Held(RunColumn::Field(Field::Attribute(_) | Field::Variable(_)))
        )
    }
}

/// Runs and what they have in columns.
pub(crate) struct Listing<'a> {
    runs: &'a [Run],
    columns: Vec<ListColumn>,
    /// `[runs][columns]`
    cells: Vec<Vec<Cell>>,
    now_us: i64,
}

impl<'a> Listing<'a> {
    /// Works out what the runs have in the columns.
    pub(crate) fn new(
        reader: &Reader,
        runs: &'a [Run],
        columns: Vec<ListColumn>,
    ) -> Result<Self, Failure> {
        let now_us = reader.now_us();
        let computed: Vec<Calculation> = columns.iter().filter_map(computed).cloned().collect();
        let values = reader.values(runs, &computed)?;
        let rows = runs.iter().zip(&values).map(|(run, values)| {
            let mut values = values.iter();
            let cells = columns.iter().map(|column| match column {
                ListColumn::Held(column) => column.cell(run, now_us),
                ListColumn::Computed(..) => values
                    .next()
                    .and_then(|value| value_cell(value, now_us))
                    .unwrap_or_else(Cell::missing),
            });
            cells.collect()
        });
        let cells = rows.collect();
        Ok(Self {
            runs,
            columns,
            cells,
            now_us,
        })
    }

    /// Says which columns nobody has: a name mistyped looks like a value not there.
    pub(crate) fn warn_of_empty(&self, ctx: &Ctx) {
        for (at, column) in self.columns.iter().enumerate() {
            let is_empty = |row: &Vec<Cell>| row.get(at).is_none_or(|cell| cell.value().is_null());
            if column.is_given() && self.cells.iter().all(is_empty) {
                let key = column.key();
                ctx.messages()
                    .warning(format!("none of these runs has {key}"));
            }
        }
    }

    /// Writes it in the format that was asked for. JSON has every run in full, and what had to be
    /// worked out as `columns` beside that.
    pub(crate) fn print(&self, ctx: &Ctx) -> Result<(), Failure> {
        if matches!(ctx.out.format(), Format::Json | Format::Jsonl) {
            let rows = self.runs.iter().zip(&self.cells);
            return ctx.out.json(rows.map(|(run, cells)| self.json(run, cells)));
        }
        let mut table = Table::new(self.columns.iter().map(ListColumn::head).collect());
        for row in &self.cells {
            table.push(row.clone());
        }
        ctx.out.table(&table)
    }

    fn json(&self, run: &Run, cells: &[Cell]) -> Value {
        let mut run = run_to_json(run, self.now_us);
        let columns = self.columns.iter().zip(cells);
        let computed = columns.filter(|(column, _)| computed(column).is_some());
        let computed: Map<String, Value> = computed
            .map(|(column, cell)| (column.key(), cell.value().clone()))
            .collect();
        if let (Value::Object(run), false) = (&mut run, computed.is_empty()) {
            run.insert("columns".to_owned(), Value::Object(computed));
        }
        run
    }
}

fn computed(column: &ListColumn) -> Option<&Calculation> {
    match column {
        ListColumn::Held(_) => None,
        ListColumn::Computed(_, value) => Some(value),
    }
}

/// Writes the runs in the format that was asked for.
///
/// - `columns`: what is shown after id and name; none lets the format choose. JSON has every run
///   in full either way.
pub(crate) fn print(
    ctx: &Ctx,
    reader: &Reader,
    runs: &[Run],
    columns: Option<&[ListColumn]>,
) -> Result<(), Failure> {
    let columns = match (ctx.out.format(), columns) {
        (_, Some(columns)) => columns.to_vec(),
        (Format::Json | Format::Jsonl, None) => Vec::new(),
        (Format::Csv | Format::Parquet | Format::Arrow, None) => {
            return ctx.out.frame(runs_frame(runs, reader.now_us()));
        }
        (Format::Table | Format::Md, None) => usual_columns(runs),
    };
    Listing::new(reader, runs, columns)?.print(ctx)
}

/// Id and name, and then `columns` without those that stand there already.
pub(crate) fn with_names<T: Into<ListColumn>>(
    columns: impl IntoIterator<Item = T>,
) -> Vec<ListColumn> {
    let mut all: Vec<ListColumn> = vec![
        RunColumn::attribute(Attribute::Id).into(),
        RunColumn::attribute(Attribute::Name).into(),
    ];
    for column in columns.into_iter().map(Into::into) {
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
pub(crate) fn usual_columns(runs: &[Run]) -> Vec<ListColumn> {
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
