//! Fields of a run as columns: what `--columns` names and what a filter speaks of.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use tracker::model::Run;
use tracker::model::Status;
use tracker::model::Summary;

use super::fail::Failure;
use super::print::Cell;
use super::print::Column;
use super::print::Look;
use super::print::number;

/// One thing that can be asked of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Attribute(Attribute),
    Param(String),
    Metric(String, Stat),
    Tag(String),
    /// A bare name: the metric, else the param, else the tag that has it.
    Named(String),
}

/// What every run has by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Id,
    Name,
    Experiment,
    Author,
    Status,
    Start,
    End,
    Duration,
    Parent,
    Note,
    Reason,
}

/// A number that stands for a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stat {
    Last,
    First,
    Min,
    Max,
    Mean,
    Std,
    Count,
    NanCount,
}

const ATTRIBUTES: [(&str, Attribute); 12] = [
    ("id", Attribute::Id),
    ("name", Attribute::Name),
    ("experiment", Attribute::Experiment),
    ("author", Attribute::Author),
    ("status", Attribute::Status),
    ("start", Attribute::Start),
    ("end", Attribute::End),
    ("duration", Attribute::Duration),
    ("duration_s", Attribute::Duration),
    ("parent", Attribute::Parent),
    ("note", Attribute::Note),
    ("reason", Attribute::Reason),
];

const STATS: [(&str, Stat); 8] = [
    ("last", Stat::Last),
    ("first", Stat::First),
    ("min", Stat::Min),
    ("max", Stat::Max),
    ("mean", Stat::Mean),
    ("std", Stat::Std),
    ("count", Stat::Count),
    ("nan_count", Stat::NanCount),
];

impl Field {
    /// Reads a column as typed: `name`, `params.lr`, `metrics."val acc"`, `min(metrics.loss)`, or
    /// the bare name of a metric, param or tag.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let text = text.trim();
        if let Some((stat, inner)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            let known = STATS.iter().find(|(name, _)| *name == stat.trim());
            let Some((_, stat)) = known else {
                let names: Vec<&str> = STATS.iter().map(|(name, _)| *name).collect();
                return Err(Failure::usage(format!("no function {stat:?} for a column"))
                    .hint(format!("there are {}", names.join(", "))));
            };
            return match Self::parse(inner)? {
                Self::Metric(name, _) | Self::Named(name) => Ok(Self::Metric(name, *stat)),
                _ => Err(Failure::usage(format!("{inner:?} is no metric"))),
            };
        }
        if let Some((_, attribute)) = ATTRIBUTES.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Attribute(*attribute));
        }
        let Some((prefix, name)) = text.split_once('.') else {
            return Self::named(text);
        };
        let name = unquoted(name);
        match prefix {
            "metrics" | "metric" => Ok(Self::Metric(name, Stat::Last)),
            "params" | "param" => Ok(Self::Param(name)),
            "tags" | "tag" => Ok(Self::Tag(name)),
            "attributes" | "attribute" | "attr" => Self::parse(&name),
            _ => Self::named(text),
        }
    }

    fn named(text: &str) -> Result<Self, Failure> {
        match unquoted(text) {
            name if name.is_empty() => Err(Failure::usage("a column has no name")),
            name => Ok(Self::Named(name)),
        }
    }

    /// Finds the params, metrics and tags that a filter or a sort key speaks of, each once.
    pub(crate) fn mentioned(text: &str) -> Vec<Self> {
        static MENTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
            let function = r"(?:\b(\w+)\(\s*)?";
            let name = r#"\b(metrics?|params?|tags?)\.("[^"]*"|`[^`]*`|'[^']*'|[\w./@:-]+)"#;
            Regex::new(&format!("{function}{name}")).ok()
        });
        let mut fields = Vec::new();
        for found in MENTION
            .iter()
            .flat_map(|mention| mention.captures_iter(text))
        {
            let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
            let name = format!("{}.{}", part(2), part(3));
            let with_stat = format!("{}({name})", part(1));
            let field = if STATS.iter().any(|(stat, _)| *stat == part(1)) {
                Self::parse(&with_stat)
            } else {
                Self::parse(&name)
            };
            if let Ok(field) = field
                && !fields.contains(&field)
            {
                fields.push(field);
            }
        }
        fields
    }

    /// Returns how the field is written in filters and for programs.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Attribute(Attribute::Duration) => "duration_s".to_owned(),
            Self::Attribute(attribute) => attribute_name(*attribute).to_owned(),
            Self::Param(name) => format!("params.{name}"),
            Self::Metric(name, Stat::Last) => format!("metrics.{name}"),
            Self::Metric(name, stat) => format!("{}(metrics.{name})", stat_name(*stat)),
            Self::Tag(name) => format!("tags.{name}"),
            Self::Named(name) => name.clone(),
        }
    }

    /// Returns the column that shows the field.
    pub(crate) fn column(&self) -> Column {
        let title = match self {
            Self::Attribute(Attribute::Start) => "STARTED".to_owned(),
            Self::Attribute(Attribute::End) => "ENDED".to_owned(),
            Self::Attribute(Attribute::Duration) => "TOOK".to_owned(),
            Self::Attribute(attribute) => attribute_name(*attribute).to_uppercase(),
            Self::Metric(name, Stat::Last)
            | Self::Param(name)
            | Self::Tag(name)
            | Self::Named(name) => name.clone(),
            Self::Metric(name, stat) => format!("{}({name})", stat_name(*stat)),
        };
        let column = Column::new(&self.key(), &title);
        match self {
            Self::Attribute(Attribute::Id | Attribute::Status) => column,
            Self::Attribute(Attribute::Name) => column.elastic(12),
            Self::Attribute(Attribute::Start | Attribute::End) => column.optional(),
            Self::Attribute(Attribute::Duration) | Self::Metric(..) => column.right().optional(),
            Self::Attribute(_) => column.elastic(10).optional(),
            Self::Param(_) | Self::Tag(_) | Self::Named(_) => column.elastic(8).optional(),
        }
    }

    /// Returns what the field is in `run`.
    pub(crate) fn cell(&self, run: &Run, now_us: i64) -> Cell {
        match self {
            Self::Attribute(attribute) => attribute_cell(*attribute, run, now_us),
            Self::Param(name) => param_cell(run, name).unwrap_or_else(Cell::missing),
            Self::Metric(name, stat) => metric_cell(run, name, *stat).unwrap_or_else(Cell::missing),
            Self::Tag(name) => Cell::maybe_text(run.tags.get(name).map(String::as_str)),
            Self::Named(name) => metric_cell(run, name, Stat::Last)
                .or_else(|| param_cell(run, name))
                .unwrap_or_else(|| Cell::maybe_text(run.tags.get(name).map(String::as_str))),
        }
    }
}

/// Writes a metric's field for a filter or a sort key, in quotes that any name fits.
pub(crate) fn quoted_metric(name: &str) -> String {
    format!("metrics.\"{}\"", name.replace('"', "\"\""))
}

/// Writes a text for a filter.
pub(crate) fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the value that `stat` takes in a series.
pub(crate) fn stat_value(summary: &Summary, stat: Stat) -> Option<f64> {
    match stat {
        Stat::Last => summary.last.map(|edge| edge.value),
        Stat::First => summary.first.map(|edge| edge.value),
        Stat::Min => summary.min.map(|min| min.value),
        Stat::Max => summary.max.map(|max| max.value),
        Stat::Mean => summary.mean(),
        Stat::Std => summary.std(),
        Stat::Count => Some(summary.count as f64),
        Stat::NanCount => Some(summary.nan_count as f64),
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

/// The status in its colour.
pub(crate) fn status_cell(status: Status) -> Cell {
    Cell::text(status.as_str()).look(status_look(status))
}

pub(crate) fn status_look(status: Status) -> Look {
    match status {
        Status::Running => Look::Warn,
        Status::Completed => Look::Good,
        Status::Failed => Look::Bad,
        Status::Unknown => Look::Dim,
    }
}

fn attribute_cell(attribute: Attribute, run: &Run, now_us: i64) -> Cell {
    let text = |text: &Option<String>| Cell::maybe_text(text.as_deref());
    match attribute {
        Attribute::Id => Cell::new(&run.id.short(), run.id.to_string()),
        Attribute::Name => Cell::text(&run.info.name),
        Attribute::Experiment => text(&run.info.experiment),
        Attribute::Author => text(&run.info.author),
        Attribute::Status => status_cell(run.status),
        Attribute::Start => age_cell(run.info.start_us, now_us),
        Attribute::End => age_cell(run.end_us, now_us),
        Attribute::Duration => match run.duration_s(now_us) {
            Some(seconds) => Cell::new(&number::duration(seconds), seconds),
            None => Cell::missing(),
        },
        Attribute::Parent => match run.info.parent {
            Some(id) => Cell::new(&id.short(), id.to_string()),
            None => Cell::missing(),
        },
        Attribute::Note => text(&run.note),
        Attribute::Reason => text(&run.reason),
    }
}

fn age_cell(time_us: Option<i64>, now_us: i64) -> Cell {
    match time_us {
        Some(us) => Cell::new(&number::age(us, now_us), number::rfc3339(us)),
        None => Cell::missing(),
    }
}

/// A param is shown as it was typed: rounding would hide what differs between two runs.
fn param_cell(run: &Run, name: &str) -> Option<Cell> {
    let value = run.params.get(name)?;
    Some(Cell::new(&value.to_string(), value.to_json()))
}

fn metric_cell(run: &Run, name: &str, stat: Stat) -> Option<Cell> {
    let summary = run.metrics.get(name)?;
    match stat {
        Stat::Count => Some(Cell::count(summary.count)),
        Stat::NanCount => Some(Cell::count(summary.nan_count)),
        _ => stat_value(summary, stat).map(Cell::float),
    }
}

fn attribute_name(attribute: Attribute) -> &'static str {
    let named = ATTRIBUTES.iter().find(|(_, known)| *known == attribute);
    named.map_or("", |(name, _)| name)
}

fn stat_name(stat: Stat) -> &'static str {
    let named = STATS.iter().find(|(_, known)| *known == stat);
    named.map_or("", |(name, _)| name)
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

    fn metric(name: &str, stat: Stat) -> Field {
        Field::Metric(name.to_owned(), stat)
    }

    #[test]
    fn columns_are_read_as_filters_write_them() {
        let parse = |text: &str| Field::parse(text).unwrap();
        assert_eq!(parse("status"), Field::Attribute(Attribute::Status));
        assert_eq!(parse("attributes.name"), Field::Attribute(Attribute::Name));
        assert_eq!(parse("params.opt.lr"), Field::Param("opt.lr".into()));
        assert_eq!(parse("metrics.`val acc`"), metric("val acc", Stat::Last));
        assert_eq!(parse("min(metrics.loss)"), metric("loss", Stat::Min));
        assert_eq!(parse("max(val/acc)"), metric("val/acc", Stat::Max));
        assert_eq!(parse("lr"), Field::Named("lr".into()));
        assert_eq!(parse("val.acc"), Field::Named("val.acc".into()));
        for bad in ["", "median(metrics.loss)", "min(name)"] {
            assert!(Field::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_filter_speaks_of_is_found_once() {
        let filter = r#"metrics.val/acc > 0.9 and min(metrics."a b") < 1 or params.lr = 3
                        and metrics.val/acc < 1 and tags.team like 'x%'"#;
        let want = [
            metric("val/acc", Stat::Last),
            metric("a b", Stat::Min),
            Field::Param("lr".into()),
            Field::Tag("team".into()),
        ];
        assert_eq!(Field::mentioned(filter), want);
        assert_eq!(
            Field::mentioned("-metrics.loss"),
            [metric("loss", Stat::Last)]
        );
    }

    #[test]
    fn quoted_names_read_back() {
        for name in ["loss", "val \"top\" 5", "it's"] {
            assert_eq!(
                Field::parse(&quoted_metric(name)).unwrap(),
                metric(name, Stat::Last)
            );
        }
        assert_eq!(quoted_text("it's"), "'it''s'");
    }
}
