//! Fields of a run as columns: what `--columns` names and what a filter speaks of.

use std::collections::BTreeMap;

use tracker::model::ParamValue;
use tracker::model::Run;
use tracker::model::Status;
use tracker::model::Summary;

use super::fail::Failure;
use super::print::Cell;
use super::print::Column;
use super::print::Look;
use super::print::number;
use tracker::model::time_to_text;
use tracker::query::filter::Attribute;
use tracker::query::filter::Field;
use tracker::query::filter::Stat;

/// A column of a list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunColumn {
    /// What filters call the same.
    Field(Field),
    /// A bare name: the metric, else the param, else the tag that has it.
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

    /// Reads a column as typed: `name`, `params.lr`, `metrics."val acc"`, `min(metrics.loss)`, or
    /// the bare name of a metric, param or tag.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        if let Some((function, inner)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            let Some(stat) = Stat::parse(function.trim()) else {
                let names = Stat::ALL.map(Stat::name).join(", ");
                return Err(
                    Failure::usage(format!("no function {function:?} for a column"))
                        .hint(format!("there are {names}")),
                );
            };
            return match Self::parse(inner)? {
                Self::Field(Field::Metric(name, _)) | Self::Named(name) => {
                    Ok(Self::metric(&name, stat))
                }
                Self::Field(_) => Err(Failure::usage(format!("{inner:?} is no metric"))),
            };
        }
        if let Some(attribute) = Attribute::parse(text) {
            return Ok(Self::attribute(attribute));
        }
        let (prefix, rest) = text.split_once('.').unwrap_or(("", text));
        let name = unquoted(rest);
        match prefix {
            "metrics" | "metric" => Ok(Self::metric(&name, Stat::Last)),
            "params" | "param" | "parameters" | "parameter" => Ok(Self::param(&name)),
            "tags" | "tag" => Ok(Self::tag(&name)),
            "attributes" | "attribute" | "attr" | "run" => Self::parse(&name),
            _ => match unquoted(text) {
                name if name.is_empty() => Err(Failure::usage("a column has no name")),
                name => Ok(Self::Named(name)),
            },
        }
    }

    /// Returns what programs call the column.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Field(Field::Attribute(Attribute::Duration)) => "duration_s".to_owned(),
            Self::Field(Field::Attribute(attribute)) => attribute.name().to_owned(),
            Self::Field(Field::Param(name)) => format!("params.{name}"),
            Self::Field(Field::Metric(name, Stat::Last)) => format!("metrics.{name}"),
            Self::Field(Field::Metric(name, stat)) => format!("{}(metrics.{name})", stat.name()),
            Self::Field(Field::Tag(name)) => format!("tags.{name}"),
            Self::Named(name) => name.clone(),
        }
    }

    /// Returns the column's title, and how it gives way on a narrow screen.
    pub(crate) fn head(&self) -> Column {
        let title = match self {
            Self::Field(Field::Attribute(Attribute::Start)) => "STARTED".to_owned(),
            Self::Field(Field::Attribute(Attribute::End)) => "ENDED".to_owned(),
            Self::Field(Field::Attribute(Attribute::Duration)) => "TOOK".to_owned(),
            Self::Field(Field::Attribute(attribute)) => attribute.name().to_uppercase(),
            Self::Field(
                Field::Metric(name, Stat::Last) | Field::Param(name) | Field::Tag(name),
            )
            | Self::Named(name) => name.clone(),
            Self::Field(Field::Metric(name, stat)) => format!("{}({name})", stat.name()),
        };
        let column = Column::new(&self.key(), &title);
        match self {
            Self::Field(Field::Attribute(Attribute::Id | Attribute::Status)) => column,
            Self::Field(Field::Attribute(Attribute::Name)) => column.elastic(12),
            Self::Field(Field::Attribute(Attribute::Start | Attribute::End)) => column.optional(),
            Self::Field(Field::Attribute(Attribute::Duration) | Field::Metric(..)) => {
                column.right().optional()
            }
            Self::Field(Field::Attribute(_)) => column.elastic(10).optional(),
            Self::Field(Field::Param(_) | Field::Tag(_)) | Self::Named(_) => {
                column.elastic(8).optional()
            }
        }
    }

    /// Returns what `run` has in the column.
    pub(crate) fn cell(&self, run: &Run, now_us: i64) -> Cell {
        self.find(run, now_us).unwrap_or_else(Cell::missing)
    }

    /// Whether `run` has something in the column.
    pub(crate) fn is_in(&self, run: &Run) -> bool {
        self.find(run, 0).is_some()
    }

    fn find(&self, run: &Run, now_us: i64) -> Option<Cell> {
        match self {
            Self::Field(Field::Attribute(attribute)) => attribute_cell(*attribute, run, now_us),
            Self::Field(Field::Param(name)) => param_cell(run, name),
            Self::Field(Field::Metric(name, stat)) => metric_cell(run, name, *stat),
            Self::Field(Field::Tag(name)) => tag_cell(run, name),
            Self::Named(name) => metric_cell(run, name, Stat::Last)
                .or_else(|| param_cell(run, name))
                .or_else(|| tag_cell(run, name)),
        }
    }
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
    let text = |text: &Option<String>| text.as_deref().map(Cell::text);
    let time = |us: i64| Cell::new(&number::age(us, now_us), time_to_text(us));
    match attribute {
        Attribute::Id => Some(Cell::new(&run.id.short(), run.id.to_string())),
        Attribute::Name => Some(Cell::text(&run.info.name)),
        Attribute::Experiment => text(&run.info.experiment),
        Attribute::Author => text(&run.info.author),
        Attribute::Status => Some(Cell::text(run.status.as_str()).look(status_look(run.status))),
        Attribute::Start => run.info.start_us.map(time),
        Attribute::End => run.end_us.map(time),
        Attribute::Duration => {
            let seconds = run.duration_s(now_us)?;
            Some(Cell::new(&number::duration(seconds), seconds))
        }
        Attribute::Parent => {
            let parent = run.info.parent?;
            Some(Cell::new(&parent.short(), parent.to_string()))
        }
        Attribute::Note => text(&run.note),
        Attribute::Artifacts => {
            let paths: Vec<&str> = run.artifacts.keys().map(String::as_str).collect();
            (!paths.is_empty()).then(|| Cell::new(&paths.join(", "), paths))
        }
    }
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

/// Takes the quotes off a name; doubled ones inside are single again.
fn unquoted(name: &str) -> String {
    for quote in ['"', '`', '\''] {
        let inner = name.strip_prefix(quote).and_then(|n| n.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_filters_write_them() {
        let parse = |text: &str| RunColumn::parse(text).unwrap();
        assert_eq!(parse("status"), RunColumn::attribute(Attribute::Status));
        assert_eq!(
            parse("attributes.name"),
            RunColumn::attribute(Attribute::Name)
        );
        assert_eq!(parse("params.opt.lr"), RunColumn::param("opt.lr"));
        assert_eq!(
            parse("metrics.`val acc`"),
            RunColumn::metric("val acc", Stat::Last)
        );
        assert_eq!(
            parse("min(metrics.loss)"),
            RunColumn::metric("loss", Stat::Min)
        );
        assert_eq!(
            parse("max(val/acc)"),
            RunColumn::metric("val/acc", Stat::Max)
        );
        assert_eq!(parse("lr"), RunColumn::Named("lr".into()));
        assert_eq!(parse("val.acc"), RunColumn::Named("val.acc".into()));
        for bad in ["", "median(metrics.loss)", "min(name)"] {
            assert!(RunColumn::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_read_back_as_filters_write_them() {
        for name in ["loss", "val \"top\" 5", "it's"] {
            let field = Field::Metric(name.to_owned(), Stat::Min);
            let column = RunColumn::parse(&field.to_string()).unwrap();
            assert_eq!(column, RunColumn::Field(field));
        }
        assert_eq!(quoted_text("it's"), "'it''s'");
    }
}
