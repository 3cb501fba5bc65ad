//! What a filter can ask of a run: its fields, how they are written, what kind of value they have.

use std::fmt;

use super::lexer;

/// Kinds of name that a run gives itself, each with a space of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// Params, written `params.x`.
    Param,
    /// Metrics, written `metrics.x`.
    Metric,
    /// Tags, written `tags.x`.
    Tag,
}

impl NameKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Param, Self::Metric, Self::Tag];

    /// Returns the word for one of them in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Param => "param",
            Self::Metric => "metric",
            Self::Tag => "tag",
        }
    }

    /// Returns the field of this kind with the given name; of a metric, its last value.
    pub fn field(self, name: &str) -> Field {
        match self {
            Self::Param => Field::Param(name.to_owned()),
            Self::Metric => Field::Metric(name.to_owned(), Stat::Last),
            Self::Tag => Field::Tag(name.to_owned()),
        }
    }
}

/// What stands before the first dot of a field.
#[derive(Clone, Copy)]
pub(super) enum Prefix {
    Named(NameKind),
    Attribute,
}

impl Prefix {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "params" | "param" | "parameters" | "parameter" => Some(Self::Named(NameKind::Param)),
            "metrics" | "metric" => Some(Self::Named(NameKind::Metric)),
            "tags" | "tag" => Some(Self::Named(NameKind::Tag)),
            "attributes" | "attribute" | "attr" | "run" => Some(Self::Attribute),
            _ => None,
        }
    }
}

/// A number that stands for a whole series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stat {
    /// Value at the largest step: what a metric means where no function is named.
    Last,
    /// Value at the smallest step.
    First,
    /// Smallest value, NaN aside.
    Min,
    /// Largest value, NaN aside.
    Max,
    /// Mean, NaN aside.
    Mean,
    /// Standard deviation of the sample over the finite values.
    Std,
    /// Points, NaN included.
    Count,
    /// Points that are NaN.
    NanCount,
    /// Step of the smallest value.
    ArgMin,
    /// Step of the largest value.
    ArgMax,
    /// Smallest step.
    FirstStep,
    /// Largest step.
    LastStep,
}

impl Stat {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Last,
        Self::First,
        Self::Min,
        Self::Max,
        Self::Mean,
        Self::Std,
        Self::Count,
        Self::NanCount,
        Self::ArgMin,
        Self::ArgMax,
        Self::FirstStep,
        Self::LastStep,
    ];

    /// Returns the function's name in a filter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::First => "first",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Count => "count",
            Self::NanCount => "nan_count",
            Self::ArgMin => "argmin",
            Self::ArgMax => "argmax",
            Self::FirstStep => "first_step",
            Self::LastStep => "last_step",
        }
    }

    /// Reads a function's name in any case; `min_step` and `max_step`, as runs are printed, too.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "min_step" => Some(Self::ArgMin),
            "max_step" => Some(Self::ArgMax),
            _ => Self::ALL.into_iter().find(|stat| stat.name() == word),
        }
    }
}

/// What every run has, or can have, by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// Its id.
    Id,
    /// Its name.
    Name,
    /// Experiment it belongs to.
    Experiment,
    /// Who started it.
    Author,
    /// How it stands.
    Status,
    /// When it started.
    Start,
    /// When it ended.
    End,
    /// How long it took, or has taken.
    Duration,
    /// Id of the run it is part of.
    Parent,
    /// Free text.
    Note,
    /// Paths of its artifacts.
    Artifacts,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Id,
        Self::Name,
        Self::Experiment,
        Self::Author,
        Self::Status,
        Self::Start,
        Self::End,
        Self::Duration,
        Self::Parent,
        Self::Note,
        Self::Artifacts,
    ];

    /// Returns the name that is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Experiment => "experiment",
            Self::Author => "author",
            Self::Status => "status",
            Self::Start => "start",
            Self::End => "end",
            Self::Duration => "duration",
            Self::Parent => "parent",
            Self::Note => "note",
            Self::Artifacts => "artifacts",
        }
    }

    /// Reads a name, or one of those that `MLflow` has for it.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "run_id" => Some(Self::Id),
            "run_name" => Some(Self::Name),
            "user" | "user_id" => Some(Self::Author),
            "start_time" | "created" => Some(Self::Start),
            "end_time" => Some(Self::End),
            "duration_s" => Some(Self::Duration),
            "artifact" => Some(Self::Artifacts),
            _ => Self::ALL.into_iter().find(|known| known.name() == word),
        }
    }

    /// As [`Self::parse`] after an explicit prefix, where `Run Name` can mean nothing else.
    pub(super) fn parse_loosely(word: &str) -> Option<Self> {
        Self::parse(&word.to_ascii_lowercase().replace(' ', "_"))
    }
}

/// One thing that a filter or a sort key asks of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// A param.
    Param(String),
    /// A number that stands for a series.
    Metric(String, Stat),
    /// A tag.
    Tag(String),
    /// What the run has by itself.
    Attribute(Attribute),
}

/// The values that a field can have, as far as the field alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// Params: a type for each run.
    Any,
    Text,
    Number,
    Duration,
    Time,
    Status,
    Id,
    /// Several texts.
    Paths,
}

impl Field {
    /// The name and its kind, unless it is an attribute.
    pub(super) fn named(&self) -> Option<(NameKind, &str)> {
        match self {
            Self::Param(name) => Some((NameKind::Param, name)),
            Self::Metric(name, _) => Some((NameKind::Metric, name)),
            Self::Tag(name) => Some((NameKind::Tag, name)),
            Self::Attribute(_) => None,
        }
    }

    pub(super) fn domain(&self) -> Domain {
        match self {
            Self::Param(_) => Domain::Any,
            Self::Metric(..) => Domain::Number,
            Self::Tag(_) => Domain::Text,
            Self::Attribute(attribute) => match attribute {
                Attribute::Id | Attribute::Parent => Domain::Id,
                Attribute::Name | Attribute::Experiment | Attribute::Author | Attribute::Note => {
                    Domain::Text
                }
                Attribute::Status => Domain::Status,
                Attribute::Start | Attribute::End => Domain::Time,
                Attribute::Duration => Domain::Duration,
                Attribute::Artifacts => Domain::Paths,
            },
        }
    }
}

/// As it is written in a filter, quoted where it must be.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(name) => write!(f, "params.{}", Quotable(name)),
            Self::Metric(name, Stat::Last) => write!(f, "metrics.{}", Quotable(name)),
            Self::Metric(name, stat) => write!(f, "{}(metrics.{})", stat.name(), Quotable(name)),
            Self::Tag(name) => write!(f, "tags.{}", Quotable(name)),
            Self::Attribute(attribute) => f.write_str(attribute.name()),
        }
    }
}

/// A name after a prefix and its dot.
struct Quotable<'a>(&'a str);

impl fmt::Display for Quotable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.chars().all(lexer::continues_word) && !self.0.is_empty() {
            f.write_str(self.0)
        } else {
            lexer::write_quoted(f, self.0, '"')
        }
    }
}
