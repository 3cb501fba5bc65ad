//! What a run has in a field, and how two such are ordered.

use std::borrow::Cow;
use std::cmp::Ordering;

use chrono::DateTime;
use chrono::SecondsFormat;
use chrono::Utc;

use super::field::Attribute;
use super::field::Field;
use super::field::Stat;
use super::literal::Number;
use crate::model::ParamValue;
use crate::model::Run;
use crate::model::RunId;
use crate::model::Summary;

/// What a run has in a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Absent,
    /// true or false.
    Bool(bool),
    /// A real number.
    Number(f64),
    /// A whole number.
    Int(i64),
    /// Text; a list is given as the text it displays as.
    Text(Cow<'a, str>),
    /// Microseconds since 1970.
    Time(i64),
    /// Seconds.
    Duration(f64),
    /// A run's id.
    Id(RunId),
    /// Several texts; none of them is as good as absent.
    Texts(Vec<Cow<'a, str>>),
}

impl<'a> Value<'a> {
    /// Returns what `run` has in `field`; a run that still runs has lasted until `now_us`.
    pub fn of(field: &Field, run: &'a Run, now_us: i64) -> Self {
        match field {
            Field::Param(name) => run.params.get(name).map_or(Self::Absent, Self::from),
            Field::Metric(name, stat) => run
                .metrics
                .get(name)
                .map_or(Self::Absent, |summary| Self::of_series(summary, *stat)),
            Field::Tag(name) => Self::text(run.tags.get(name)),
            Field::Variable(name) => Self::text(run.info.environment.variables.get(name)),
            Field::Attribute(attribute) => Self::of_attribute(*attribute, run, now_us),
        }
    }

    /// Returns a statistic of a series; absent where there is none, as the minimum of only NaN.
    pub fn of_series(summary: &Summary, stat: Stat) -> Self {
        let number = |number: Option<f64>| number.map_or(Self::Absent, Self::Number);
        let step = |step: Option<i64>| step.map_or(Self::Absent, Self::Int);
        let count = |count: u64| Self::Int(count.try_into().unwrap_or(i64::MAX));
        match stat {
            Stat::Last => number(summary.last.map(|last| last.value)),
            Stat::First => number(summary.first.map(|first| first.value)),
            Stat::Min => number(summary.min.map(|min| min.value)),
            Stat::Max => number(summary.max.map(|max| max.value)),
            Stat::Mean => number(summary.mean()),
            Stat::Std => number(summary.std()),
            Stat::Count => count(summary.count),
            Stat::NanCount => count(summary.nan_count),
            Stat::ArgMin => step(summary.min.map(|min| min.step)),
            Stat::ArgMax => step(summary.max.map(|max| max.step)),
            Stat::FirstStep => step(summary.first.map(|first| first.step)),
            Stat::LastStep => step(summary.last.map(|last| last.step)),
        }
    }

    fn of_attribute(attribute: Attribute, run: &'a Run, now_us: i64) -> Self {
        let time = |time_us: Option<i64>| time_us.map_or(Self::Absent, Self::Time);
        let environment = &run.info.environment;
        let git = environment.git.as_ref();
        match attribute {
            Attribute::Id => Self::Id(run.id),
            Attribute::Name => Self::text(Some(&run.info.name)),
            Attribute::Experiment => Self::text(run.info.experiment.as_ref()),
            Attribute::Author => Self::text(run.info.author.as_ref()),
            Attribute::Status => Self::Text(Cow::Borrowed(run.status.as_str())),
            Attribute::Start => time(run.info.start_us),
            Attribute::End => time(run.end_us),
            Attribute::Duration => run.duration_s(now_us).map_or(Self::Absent, Self::Duration),
            Attribute::Parent => run.info.parent.map_or(Self::Absent, Self::Id),
            Attribute::Note => Self::text(run.note.as_ref()),
            Attribute::Artifacts => Self::Texts(run.artifacts.keys().map(Cow::from).collect()),
            Attribute::Reason => Self::text(run.reason.as_ref()),
            Attribute::Source => Self::text(run.info.source.as_ref()),
            Attribute::Command if environment.command.is_empty() => Self::Absent,
            Attribute::Command => Self::Text(Cow::Owned(environment.command.join(" "))),
            Attribute::Cwd => Self::text(environment.cwd.as_ref()),
            Attribute::Host => Self::text(environment.host.as_ref()),
            Attribute::Os => Self::text(environment.os.as_ref()),
            Attribute::Cpu => Self::text(environment.cpu.as_ref()),
            Attribute::CpuCount => environment
                .cpu_count
                .map_or(Self::Absent, |count| Self::Int(count.into())),
            Attribute::GitCommit => Self::text(git.and_then(|git| git.commit.as_ref())),
            Attribute::GitBranch => Self::text(git.and_then(|git| git.branch.as_ref())),
            Attribute::GitDirty => git
                .and_then(|git| git.dirty)
                .map_or(Self::Absent, Self::Bool),
        }
    }

    fn text(text: Option<&'a String>) -> Self {
        text.map_or(Self::Absent, |text| Self::Text(Cow::Borrowed(text)))
    }

    /// Returns the same with texts of its own.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Absent => Value::Absent,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(value) => Value::Number(value),
            Self::Int(value) => Value::Int(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Time(value) => Value::Time(value),
            Self::Duration(value) => Value::Duration(value),
            Self::Id(value) => Value::Id(value),
            Self::Texts(texts) => Value::Texts(
                texts
                    .into_iter()
                    .map(|text| Cow::Owned(text.into_owned()))
                    .collect(),
            ),
        }
    }

    /// Whether there is nothing: `is null` asks this.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Texts(texts) => texts.is_empty(),
            _ => false,
        }
    }

    /// The value as patterns see it: a number as a param of that value displays.
    pub(super) fn as_text(&self) -> Cow<'_, str> {
        match self {
            Self::Absent => Cow::Borrowed(""),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Number(value) | Self::Duration(value) => Cow::Owned(format!("{value:?}")),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Time(time_us) => {
                let time = DateTime::<Utc>::from_timestamp_micros(*time_us);
                let show = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
                Cow::Owned(time.map_or_else(|| time_us.to_string(), show))
            }
            Self::Id(id) => Cow::Owned(id.to_string()),
            Self::Texts(texts) => Cow::Owned(texts.join("\n")),
        }
    }

    pub(super) fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(value) | Self::Duration(value) => Some(Number::Float(*value)),
            Self::Int(value) => Some(Number::Int(*value)),
            Self::Bool(value) => Some(Number::Int(i64::from(*value))),
            _ => None,
        }
    }
}

impl<'a> From<&'a ParamValue> for Value<'a> {
    fn from(value: &'a ParamValue) -> Self {
        match value {
            ParamValue::Bool(value) => Self::Bool(*value),
            ParamValue::Int(value) => Self::Int(*value),
            ParamValue::Float(value) => Self::Number(*value),
            ParamValue::Text(text) => Self::Text(Cow::Borrowed(text)),
            ParamValue::List(_) => Self::Text(Cow::Owned(value.to_string())),
        }
    }
}

/// Orders two values of a field as a result is sorted: a total order.
///
/// What is absent, and NaN, comes last whichever way the rest runs. Ascending, true and false come
/// before numbers, then times, ids, texts. A text that is a number stands among the numbers, as it
/// does for a filter, behind one that is the same.
pub fn compare_values(a: &Value<'_>, b: &Value<'_>, descending: bool) -> Ordering {
    let read = |value: &Value<'_>| match value {
        Value::Text(text) => match Number::parse(text) {
            Some(Number::Int(int)) => Some(Value::Int(int)),
            Some(Number::Float(float)) => Some(Value::Number(float)),
            None => None,
        },
        _ => None,
    };
    let (read_a, read_b) = (read(a), read(b));
    let (as_a, as_b) = (read_a.as_ref().unwrap_or(a), read_b.as_ref().unwrap_or(b));
    let (rank_a, rank_b) = (rank(as_a), rank(as_b));
    let last = (rank_a == LAST).cmp(&(rank_b == LAST));
    if last.is_ne() || rank_a == LAST {
        return last;
    }
    let order = rank_a.cmp(&rank_b);
    let order = order.then_with(|| compare_alike(as_a, as_b));
    let order = order.then_with(|| match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => read_a.is_some().cmp(&read_b.is_some()),
    });
    if descending { order.reverse() } else { order }
}

const LAST: u8 = u8::MAX;

fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Number(value) | Value::Duration(value) if value.is_nan() => LAST,
        Value::Number(_) | Value::Int(_) | Value::Duration(_) => 1,
        Value::Time(_) => 2,
        Value::Id(_) => 3,
        Value::Text(_) => 4,
        Value::Texts(texts) if texts.is_empty() => LAST,
        Value::Texts(_) => 5,
        Value::Absent => LAST,
    }
}

fn compare_alike(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        // By the digits as they are printed.
        (Value::Id(a), Value::Id(b)) => a.0.rotate_left(64).cmp(&b.0.rotate_left(64)),
        (Value::Texts(a), Value::Texts(b)) => a.cmp(b),
        _ => {
            let (a, b) = (a.as_number(), b.as_number());
            let order = a.zip(b).and_then(|(a, b)| a.compare(b));
            order.unwrap_or(Ordering::Equal)
        }
    }
}
