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
    /// Why it failed.
    Reason,
    /// Where it was imported from.
    Source,
    /// Command line, its words joined by blanks.
    Command,
    /// Folder that it was started in.
    Cwd,
    /// Host name.
    Host,
    /// Operating system.
    Os,
    /// Model of the processor.
    Cpu,
    /// Logical processors.
    CpuCount,
    /// Full hash of the commit.
    GitCommit,
    /// Branch.
    GitBranch,
    /// Whether files differed from the commit.
    GitDirty,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Self; 22] = [
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
        Self::Reason,
        Self::Source,
        Self::Command,
        Self::Cwd,
        Self::Host,
        Self::Os,
        Self::Cpu,
        Self::CpuCount,
        Self::GitCommit,
        Self::GitBranch,
        Self::GitDirty,
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
            Self::Reason => "reason",
            Self::Source => "source",
            Self::Command => "command",
            Self::Cwd => "cwd",
            Self::Host => "host",
            Self::Os => "os",
            Self::Cpu => "cpu",
            Self::CpuCount => "cpu_count",
            Self::GitCommit => "git_commit",
            Self::GitBranch => "git_branch",
            Self::GitDirty => "git_dirty",
        }
    }

    /// Whether it is meant without a prefix. The others are words that people give their params.
    pub fn is_bare(self) -> bool {
        match self {
            Self::Id
            | Self::Name
            | Self::Experiment
            | Self::Author
            | Self::Status
            | Self::Start
            | Self::End
            | Self::Duration
            | Self::Parent
            | Self::Note
            | Self::Artifacts => true,
            Self::Reason
            | Self::Source
            | Self::Command
            | Self::Cwd
            | Self::Host
            | Self::Os
            | Self::Cpu
            | Self::CpuCount
            | Self::GitCommit
            | Self::GitBranch
            | Self::GitDirty => false,
        }
    }

    /// Reads a name that stands without a prefix, or one of those that `MLflow` has for it.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "run_id" => Some(Self::Id),
            "run_name" => Some(Self::Name),
            "user" | "user_id" => Some(Self::Author),
            "start_time" | "created" => Some(Self::Start),
            "end_time" => Some(Self::End),
            "duration_s" => Some(Self::Duration),
            "artifact" => Some(Self::Artifacts),
            _ => Self::ALL
                .into_iter()
                .find(|known| known.is_bare() && known.name() == word),
        }
    }

    /// Reads a name after an explicit prefix: all of them, and `Run Name` can mean nothing else.
    pub(super) fn parse_loosely(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase().replace(' ', "_");
        let known = || Self::ALL.into_iter().find(|known| known.name() == word);
        Self::parse(&word).or_else(known)
    }
}

/// As it is written in a filter.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_bare() {
            f.write_str("attributes.")?;
        }
        f.write_str(self.name())
    }
}

/// What a run holds: its points aside, all that can be asked of it.
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
    /// A variable of the environment that it was started in.
    Variable(String),
}

/// The values that a field can have, as far as the field alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// Params: a type for each run.
    Any,
    /// Text that may be meant as a number: tags, variables.
    Tag,
    Text,
    Bool,
    Number,
    Duration,
    Time,
    Status,
    Id,
    /// Several texts.
    Paths,
}

impl Domain {
    /// Whether its values can be texts.
    pub(super) fn has_text(self) -> bool {
        match self {
            Self::Any | Self::Tag | Self::Text | Self::Status | Self::Id | Self::Paths => true,
            Self::Bool | Self::Number | Self::Duration | Self::Time => false,
        }
    }

    /// The word for one of its values in a sentence.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Any => "a param",
            Self::Tag => "a tag",
            Self::Text => "a text",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Duration => "a duration",
            Self::Time => "a time",
            Self::Status => "a status",
            Self::Id => "a run's id",
            Self::Paths => "a list of paths",
        }
    }
}

impl Field {
    /// The name and its kind, unless it is an attribute.
    pub(super) fn named(&self) -> Option<(NameKind, &str)> {
        match self {
            Self::Param(name) => Some((NameKind::Param, name)),
            Self::Metric(name, _) => Some((NameKind::Metric, name)),
            Self::Tag(name) => Some((NameKind::Tag, name)),
            Self::Attribute(_) | Self::Variable(_) => None,
        }
    }

    /// Whether it takes a look at rows of each run, where others have a column of all runs.
    pub(super) fn is_slow(&self) -> bool {
        match self {
            Self::Metric(_, Stat::FirstStep)
            | Self::Variable(_)
            | Self::Attribute(Attribute::Note | Attribute::Artifacts) => true,
            Self::Param(_) | Self::Metric(..) | Self::Tag(_) => false,
            Self::Attribute(attribute) => !attribute.is_bare(),
        }
    }

    pub(super) fn domain(&self) -> Domain {
        match self {
            Self::Param(_) => Domain::Any,
            Self::Metric(..) => Domain::Number,
            Self::Tag(_) | Self::Variable(_) => Domain::Tag,
            Self::Attribute(attribute) => match attribute {
                Attribute::Id | Attribute::Parent => Domain::Id,
                Attribute::Name
                | Attribute::Experiment
                | Attribute::Author
                | Attribute::Note
                | Attribute::Reason
                | Attribute::Source
                | Attribute::Command
                | Attribute::Cwd
                | Attribute::Host
                | Attribute::Os
                | Attribute::Cpu
                | Attribute::GitCommit
                | Attribute::GitBranch => Domain::Text,
                Attribute::CpuCount => Domain::Number,
                Attribute::GitDirty => Domain::Bool,
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
            Self::Attribute(attribute) => write!(f, "{attribute}"),
            Self::Variable(name) => write!(f, "attributes.env.{}", Quotable(name)),
        }
    }
}

/// A name after a prefix and its dot.
pub(super) struct Quotable<'a>(pub(super) &'a str);

impl fmt::Display for Quotable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.chars().all(lexer::continues_word) && !self.0.is_empty() {
            f.write_str(self.0)
        } else {
            lexer::write_quoted(f, self.0, '"')
        }
    }
}
