//! The forms of an answer.

use std::path::Path;

use crate::cli::fail::Failure;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for people; rounded, and cut to the width of a terminal
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
    /// A Markdown table
    Md,
    /// A Parquet file: typed columns, compressed
    Parquet,
    /// An Arrow IPC file, which is also Feather version 2: typed columns
    #[value(alias = "feather")]
    Arrow,
}

/// What the endings of files stand for.
const ENDINGS: [(&str, Format); 9] = [
    ("csv", Format::Csv),
    ("json", Format::Json),
    ("jsonl", Format::Jsonl),
    ("ndjson", Format::Jsonl),
    ("md", Format::Md),
    ("parquet", Format::Parquet),
    ("arrow", Format::Arrow),
    ("feather", Format::Arrow),
    ("txt", Format::Table),
];

impl Format {
    /// Returns the format that a file's ending stands for.
    ///
    /// # Errors
    /// [`Failure`] that lists the endings there are.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Failure> {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        let is_it = |(known, _): &&(&str, _)| ending.eq_ignore_ascii_case(known);
        if let Some((_, format)) = ENDINGS.iter().find(is_it) {
            return Ok(*format);
        }
        let known = ENDINGS.map(|(ending, _)| format!(".{ending}")).join(" ");
        let path = path.display();
        let why = format!("no form follows from the name {path}");
        Err(Failure::usage(why).hint(format!("say it with `--format`, or end it with {known}")))
    }

    /// Whether it is for programs alone: no text.
    pub(super) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    /// Returns its name: `csv`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// Refuses what this program was built without, and what would only disturb a terminal.
    pub(super) fn check(self, on_terminal: bool) -> Result<(), Failure> {
        let name = self.name();
        if self.is_binary() && cfg!(not(feature = "arrow")) {
            let why = format!("this tracker was built without {name}");
            return Err(Failure::usage(why).hint("build it whole: `cargo install --path .`"));
        }
        if self.is_binary() && on_terminal {
            return Err(Failure::usage(format!("{name} is nothing for a terminal"))
                .hint(format!("write it to a file: `--output FILE.{name}`")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_filled_with_bytes() {
        for format in [Format::Parquet, Format::Arrow] {
            let refused = format.check(true).unwrap_err().message();
            let is_built = cfg!(feature = "arrow");
            assert_eq!(refused.ends_with("nothing for a terminal"), is_built);
            assert_eq!(format.check(false).is_ok(), is_built);
        }
        assert!(Format::Table.check(true).is_ok());
    }
}
