//! What a run holds as columns: what `--columns` names and what a filter speaks of.

use std::collections::BTreeMap;

use tracker::model::ParamValue;
use tracker::model::Run;
use tracker::model::Status;
use tracker::model::Summary;

use super::print::Cell;
use super::print::Column;
use super::print::Look;
use super::print::number;
use tracker::export::Kind;
use tracker::export::Origin;
use tracker::query::filter::Attribute;
use tracker::query::filter::Field;
use tracker::query::filter::Stat;
use tracker::query::filter::Value;

/// A column of a list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunColumn {
    /// What filters call the same.
    Field(Field),
    /// A name of which no run can tell what it is.
    Named(String),
}

impl RunColumn {
    pub(crate) fn attribute(attribute: Attribute) -> Self {
        Self::Field(Field::Attribute(attribute))
    }

    pub(crate) fn metric(name: &str, stat: Stat) -> Self {
        Self::Field(Field::Metric(name.to_owned(), stat))
    }

    pub(crate) fn param(name: &str) -> Self {
        Self::Field(Field::Param(name.to_owned()))
    }

    pub(crate) fn tag(name: &str) -> Self {
        Self::Field(Field::Tag(name.to_owned()))
    }

    /// Returns what programs call the column.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Field(Field::Attribute(Attribute::Duration)) => "duration_s".to_owned(),
            Self::Field(Field::Attribute(attribute)) => attribute.to_string(),
            Self::Field(Field::Variable(name)) => format!("attributes.env.{name}"),
            Self::Field(Field::Param(name)) => format!("params.{name}"),
            Self::Field(Field::Metric(name, Stat::Last)) => format!("metrics.{name}"),
            Self::Field(Field::Metric(name, stat)) => format!("{}(metrics.{name})", stat.name()),
            Self::Field(Field::Tag(name)) => format!("tags.{name}"),
            Self::Named(name) => name.clone(),
        }
    }

    /// Returns what stands above the column.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Field(Field::Attribute(Attribute::Start)) => "STARTED".to_owned(),
            Self::Field(Field::Attribute(Attribute::End)) => "ENDED".to_owned(),
            Self::Field(Field::Attribute(Attribute::Duration)) => "TOOK".to_owned(),
            Self::Field(Field::Attribute(attribute)) => attribute.name().to_uppercase(),
            Self::Field(
                Field::Metric(name, Stat::Last)
                | Field::Param(name)
                | Field::Tag(name)
                | Field::Variable(name),
            )
            | Self::Named(name) => name.clone(),
            Self::Field(Field::Metric(name, stat)) => format!("{}({name})", stat.name()),
        }
    }

    /// Returns the column's head, and how it gives way on a narrow screen.
    pub(crate) fn head(&self) -> Column {
        let title = self.title();
        let mut column = Column::new(&self.key(), &title);
        if let Self::Field(field) = self {
            column = column.of(origin(field));
        }
        match self {
            Self::Field(Field::Attribute(Attribute::Id)) => column,
            Self::Field(Field::Attribute(Attribute::Name)) => column.elastic(12),
            Self::Field(Field::Attribute(
                Attribute::Status | Attribute::Start | Attribute::End,
            )) => column.optional(),
            Self::Field(Field::Attribute(Attribute::Duration) | Field::Metric(..)) => {
                column.right().optional()
            }
            Self::Field(Field::Attribute(_)) => column.elastic(10).optional(),
            Self::Field(Field::Param(_) | Field::Tag(_) | Field::Variable(_)) | Self::Named(_) => {
                column.elastic(8).optional()
            }
        }
    }

    /// Returns what `run` has in the column.
    pub(crate) fn cell(&self, run: &Run, now_us: i64) -> Cell {
        self.find(run, now_us).unwrap_or_else(Cell::missing)
    }

    fn find(&self, run: &Run, now_us: i64) -> Option<Cell> {
        match self {
            Self::Field(Field::Attribute(attribute)) => attribute_cell(*attribute, run, now_us),
            Self::Field(Field::Param(name)) => param_cell(run, name),
            Self::Field(Field::Metric(name, stat)) => metric_cell(run, name, *stat),
            Self::Field(Field::Tag(name)) => tag_cell(run, name),
            Self::Field(field @ Field::Variable(_)) => {
                value_cell(&Value::of(field, run, now_us), now_us)
            }
            Self::Named(_) => None,
        }
    }
}

/// What a field is to programs.
pub(crate) fn origin(field: &Field) -> Origin {
    let (kind, name, stat) = match field {
        Field::Attribute(Attribute::Duration) => (Kind::Attribute, "duration_s".to_owned(), None),
        Field::Attribute(attribute) => (Kind::Attribute, attribute.to_string(), None),
        Field::Variable(name) => (Kind::Attribute, format!("env.{name}"), None),
        Field::Param(name) => (Kind::Param, name.clone(), None),
        Field::Metric(name, stat) => (Kind::Metric, name.clone(), Some(stat.name().to_owned())),
        Field::Tag(name) => (Kind::Tag, name.clone(), None),
    };
    Origin { kind, name, stat }
}

/// Writes a text for a filter.
pub(crate) fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the number that stands for a series.
pub(crate) fn stat_value(summary: &Summary, stat: Stat) -> Option<f64> {
    match stat {
        Stat::Last => summary.last.map(|last| last.value),
        Stat::First => summary.first.map(|first| first.value),
        Stat::Min => summary.min.map(|min| min.value),
        Stat::Max => summary.max.map(|max| max.value),
        Stat::Mean => summary.mean(),
        Stat::Std => summary.std(),
        Stat::Count => Some(summary.count as f64),
        Stat::NanCount => Some(summary.nan_count as f64),
        Stat::ArgMin => summary.min.map(|min| min.step as f64),
        Stat::ArgMax => summary.max.map(|max| max.step as f64),
        Stat::FirstStep => summary.first.map(|first| first.step as f64),
        Stat::LastStep => summary.last.map(|last| last.step as f64),
    }
}

/// Counts how many of the runs have each metric; the most common first, then by name.
pub(crate) fn common_metrics(runs: &[Run]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in runs.iter().flat_map(|run| run.metrics.keys()) {
        *counts.entry(name).or_default() += 1;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count)); // stable: names stay in order
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// How a status looks.
pub(crate) fn status_look(status: Status) -> Look {
    match status {
        Status::Running => Look::Warn,
        Status::Completed => Look::Good,
        Status::Failed => Look::Bad,
        Status::Unknown => Look::Dim,
    }
}

fn attribute_cell(attribute: Attribute, run: &Run, now_us: i64) -> Option<Cell> {
    let value = Value::of(&Field::Attribute(attribute), run, now_us);
    let cell = value_cell(&value, now_us)?;
    match attribute {
        Attribute::Status => Some(cell.look(status_look(run.status))),
        _ => Some(cell),
    }
}

/// Shows a value; none if it is absent.
pub(crate) fn value_cell(value: &Value<'_>, now_us: i64) -> Option<Cell> {
    Some(match value {
        Value::Absent => return None,
        Value::Bool(value) => Cell::new(&value.to_string(), *value),
        Value::Number(value) => Cell::float(*value),
        Value::Int(value) => Cell::int(*value),
        Value::Text(text) => Cell::text(text),
        Value::Time(us) => Cell::time(&number::age(*us, now_us), *us),
        Value::Duration(seconds) => Cell::seconds(&number::duration(*seconds), *seconds),
        Value::Id(id) => Cell::new(&id.short(), id.to_string()),
        Value::Texts(texts) if texts.is_empty() => return None,
        Value::Texts(texts) => Cell::new(&texts.join(", "), texts.as_slice()),
    })
}

/// A param is shown as it was typed: rounding would hide what differs between two runs.
fn param_cell(run: &Run, name: &str) -> Option<Cell> {
    let value = run.params.get(name)?;
    let (shown, json) = (value.to_string(), value.to_json());
    Some(match value {
        ParamValue::Int(int) => Cell::number(&shown, json, *int as f64),
        ParamValue::Float(float) => Cell::number(&shown, json, *float),
        ParamValue::Bool(_) | ParamValue::Text(_) | ParamValue::List(_) => Cell::new(&shown, json),
    })
}

fn tag_cell(run: &Run, name: &str) -> Option<Cell> {
    run.tags.get(name).map(|text| Cell::text(text))
}

fn metric_cell(run: &Run, name: &str, stat: Stat) -> Option<Cell> {
    let summary = run.metrics.get(name)?;
    match stat {
        Stat::Count => Some(Cell::count(summary.count)),
        Stat::NanCount => Some(Cell::count(summary.nan_count)),
        Stat::ArgMin => summary.min.map(|min| Cell::int(min.step)),
        Stat::ArgMax => summary.max.map(|max| Cell::int(max.step)),
        Stat::FirstStep => summary.first.map(|first| Cell::int(first.step)),
        Stat::LastStep => summary.last.map(|last| Cell::int(last.step)),
        Stat::Last | Stat::First | Stat::Min | Stat::Max | Stat::Mean | Stat::Std => {
            stat_value(summary, stat).map(Cell::float)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_for_a_filter() {
        assert_eq!(quoted_text("it's"), "'it''s'");
    }
}
