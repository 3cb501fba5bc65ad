//! As `tracker::query`: the fields of the filter language.

pub(crate) mod filter {
    use std::fmt;

    /// A number that stands for a whole series.
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
        ArgMin,
        ArgMax,
        FirstStep,
        LastStep,
    }

    impl Stat {
        pub(crate) const ALL: [Self; 12] = [
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

        pub(crate) fn name(self) -> &'static str {
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

        pub(crate) fn parse(word: &str) -> Option<Self> {
            Self::ALL.into_iter().find(|stat| stat.name() == word)
        }
    }

    /// What every run has, or can have, by itself.
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
        Artifacts,
    }

    impl Attribute {
        const ALL: [Self; 11] = [
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

        pub(crate) fn name(self) -> &'static str {
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

        pub(crate) fn parse(word: &str) -> Option<Self> {
            Self::ALL.into_iter().find(|known| known.name() == word)
        }
    }

    /// One thing that a filter or a sort key asks of a run.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) enum Field {
        Param(String),
        Metric(String, Stat),
        Tag(String),
        Attribute(Attribute),
    }

    impl fmt::Display for Field {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Param(name) => write!(f, "params.{}", quoted(name)),
                Self::Metric(name, Stat::Last) => write!(f, "metrics.{}", quoted(name)),
                Self::Metric(name, stat) => write!(f, "{}(metrics.{})", stat.name(), quoted(name)),
                Self::Tag(name) => write!(f, "tags.{}", quoted(name)),
                Self::Attribute(attribute) => f.write_str(attribute.name()),
            }
        }
    }

    fn quoted(name: &str) -> String {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '@' | ':');
        if name.chars().all(plain) && !name.is_empty() {
            name.to_owned()
        } else {
            format!("\"{}\"", name.replace('"', "\"\""))
        }
    }
}
