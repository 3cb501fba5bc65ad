//! What people have agreed on for a store: the file `tracker.toml` in its folder, optional.
//!
//! ```toml
//! [better]                       # which way a metric is better, for `best` and `compare`
//! loss = "min"
//! "val/acc" = "max"
//!
//! [experiments.mnist]
//! required_params = ["lr", "seed"]
//! severity = "error"             # a run without them is not started; "warning" if left out
//!
//! [params]
//! allowed = ["lr", "seed", "n_estimators"]
//! severity = "warning"           # of other names, and of those in [aliases]
//!
//! [aliases]                      # a name that is not to be used, and what it is called here
//! num_estimators = "n_estimators"
//! ```
//!
//! People edit the file; only directions that somebody asked for by name are written into it, and
//! then all else of it stays as it is, to the blank. It is written whole or not at all.
//!
//! Rules are held against the params that a run starts with. A run that breaks one of severity
//! `error` is not started; what breaks a warning is told by [`RunWriter::warnings`]. Nothing that
//! is logged later is refused, and a file that cannot be read keeps nobody from logging: it is a
//! warning there, and an error where it is asked for.
//!
//! [`RunWriter::warnings`]: crate::RunWriter::warnings

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use toml_edit::Document;
use toml_edit::DocumentMut;
use toml_edit::Item;
use toml_edit::Table;
use toml_edit::TableLike;
use toml_edit::TomlError;
use toml_edit::value;

use crate::error::Error;
use crate::error::Result;
use crate::sys;
use crate::sys::Open;
use crate::sys::Sys;

/// Name of the file in the store's folder.
pub const FILE: &str = "tracker.toml";
/// Longest file that is read.
pub(crate) const BYTES_MAX: u64 = 1 << 20;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Small values are good.
    Min,
    /// Large values are good.
    Max,
}

impl Direction {
    /// Returns the word for it in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// Guesses from the words of a metric's name: losses, errors and times are better small, but
    /// not where a word says that they were negated (`neg_log_loss`).
    pub fn guess(metric: &str) -> Self {
        const SMALL: [&str; 23] = [
            "loss",
            "losses",
            "nll",
            "ce",
            "bpb",
            "bpc",
            "bpd",
            "error",
            "errors",
            "err",
            "perplexity",
            "ppl",
            "mse",
            "mae",
            "rmse",
            "mape",
            "wer",
            "cer",
            "fid",
            "ece",
            "eer",
            "time",
            "latency",
        ];
        let lower = metric.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        let negated = |word| word == "neg" || word == "negative";
        if words.clone().any(negated) {
            // The negative log-likelihood is no negated score but a loss.
            let is_loss = lower.contains("likelihood");
            return if is_loss { Self::Min } else { Self::Max };
        }
        let small = words.any(|word| SMALL.contains(&word) || word.ends_with("loss"));
        // Names run together, as `valLoss`, `trainerror`, have no words to split at.
        if small || lower.contains("loss") || lower.contains("error") || lower.contains("perplex") {
            Self::Min
        } else {
            Self::Max
        }
    }

    /// Whether `a` is better than `b`; NaN is worse than all.
    pub fn better(self, a: f64, b: f64) -> bool {
        match self {
            _ if b.is_nan() => !a.is_nan(),
            Self::Min => a < b,
            Self::Max => a > b,
        }
    }
}

/// How much a broken rule matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is told.
    #[default]
    Warning,
    /// The run is not started.
    Error,
}

/// A rule that the params of a run break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong.
    pub text: String,
}

/// Params that runs of an experiment must have.
#[derive(Clone, Debug, Default)]
struct Required {
    params: Vec<String>,
    severity: Severity,
}

/// What the file says; nothing if there is none.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    better: BTreeMap<String, Direction>,
    experiments: BTreeMap<String, Required>,
    allowed: Option<BTreeSet<String>>,
    aliases: BTreeMap<String, String>,
    names_severity: Severity,
    unknown: Vec<String>,
}

impl Settings {
    /// Reads the file of a store's folder.
    pub(crate) fn load(sys: &dyn Sys, folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        match read(sys, &path)? {
            Some(text) => Self::parse(&text, &path),
            None => Ok(Self::default()),
        }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`Error::Invalid`] with line, column and `path`.
    fn parse(text: &str, path: &Path) -> Result<Self> {
        let source = Source { text, path };
        let document = Document::parse(text).map_err(|error| source.malformed(&error))?;
        let mut settings = Self::default();
        for (name, item) in document.iter() {
            let at = document.as_table().key(name).and_then(toml_edit::Key::span);
            match name {
                "better" => source.each(item, &mut |name, item| {
                    let direction = match item.as_str() {
                        Some("min") => Direction::Min,
                        Some("max") => Direction::Max,
                        _ => return Err(source.want("\"min\" or \"max\"", item)),
                    };
                    settings.better.insert(name, direction);
                    Ok(())
                })?,
                "aliases" => source.each(item, &mut |name, item| {
                    let Some(to) = item.as_str() else {
                        return Err(source.want("the name to use, in quotes", item));
                    };
                    settings.aliases.insert(name, to.to_owned());
                    Ok(())
                })?,
                "params" => settings.read_params(&source, item)?,
                "experiments" => {
                    for (name, item) in source.table(item)?.iter() {
                        settings.read_experiment(&source, name, item)?;
                    }
                }
                _ => settings.warn_of(&source, name, at, "better, experiments, params, aliases"),
            }
        }
        Ok(settings)
    }

    fn read_params(&mut self, source: &Source<'_>, item: &Item) -> Result<()> {
        let table = source.table(item)?;
        for (name, item) in table.iter() {
            match name {
                "allowed" => self.allowed = Some(source.names(item)?.into_iter().collect()),
                "severity" => self.names_severity = source.severity(item)?,
                _ => {
                    let at = table.key(name).and_then(toml_edit::Key::span);
                    self.warn_of(source, &format!("params.{name}"), at, "allowed, severity");
                }
            }
        }
        Ok(())
    }

    fn read_experiment(
        &mut self,
        source: &Source<'_>,
        experiment: &str,
        item: &Item,
    ) -> Result<()> {
        let table = source.table(item)?;
        let mut required = Required::default();
        for (name, item) in table.iter() {
            match name {
                "required_params" => required.params = source.names(item)?,
                "severity" => required.severity = source.severity(item)?,
                _ => {
                    let name_in_full = format!("experiments.{experiment}.{name}");
                    let at = table.key(name).and_then(toml_edit::Key::span);
                    self.warn_of(source, &name_in_full, at, "required_params, severity");
                }
            }
        }
        self.experiments.insert(experiment.to_owned(), required);
        Ok(())
    }

    fn warn_of(&mut self, source: &Source<'_>, name: &str, at: Option<Range<usize>>, known: &str) {
        let (line, _) = source.place(at.unwrap_or_default().start);
        let path = source.path.display();
        self.unknown.push(format!(
            "{FILE} line {line}: unknown {name:?}, known are {known}: {path}"
        ));
    }

    /// Returns what of the file is not understood.
    pub fn warnings(&self) -> &[String] {
        &self.unknown
    }

    /// Returns which way a metric is better, if the file says.
    pub fn better(&self, metric: &str) -> Option<Direction> {
        self.better.get(metric).copied()
    }

    /// Returns the name that stands for another here, if the file says.
    pub fn alias(&self, name: &str) -> Option<&str> {
        self.aliases.get(name).map(String::as_str)
    }

    /// Returns the params that runs of an experiment must have.
    pub fn required_params(&self, experiment: &str) -> &[String] {
        let required = self.experiments.get(experiment);
        required.map_or(&[], |required| required.params.as_slice())
    }

    /// Whether there is nothing that a run could break.
    pub fn has_no_rules(&self) -> bool {
        self.experiments.is_empty() && self.allowed.is_none() && self.aliases.is_empty()
    }

    /// Holds the rules against the params of a run.
    pub fn complaints<'a>(
        &self,
        experiment: Option<&str>,
        params: impl IntoIterator<Item = &'a str>,
    ) -> Vec<Complaint> {
        let params: BTreeSet<&str> = params.into_iter().collect();
        let names = params.iter().filter_map(|name| self.complaint(name));
        let mut complaints: Vec<Complaint> = names.collect();
        let required = experiment.and_then(|name| Some((name, self.experiments.get(name)?)));
        if let Some((
            experiment,
            Required {
                params: required,
                severity,
            },
        )) = required
        {
            let missing = required
                .iter()
                .filter(|name| !params.contains(name.as_str()));
            let missing: Vec<String> = missing.map(|name| format!("{name:?}")).collect();
            if !missing.is_empty() {
                let plural = if missing.len() == 1 { "" } else { "s" };
                let names = missing.join(", ");
                complaints.push(Complaint {
                    severity: *severity,
                    text: format!("experiment {experiment:?} requires the param{plural} {names}"),
                });
            }
        }
        complaints
    }

    /// Holds the rules of names against one param.
    pub fn complaint(&self, param: &str) -> Option<Complaint> {
        let text = if let Some(name) = self.alias(param) {
            format!("param {param:?} is called {name:?} in this store")
        } else if let Some(allowed) = &self.allowed
            && !allowed.contains(param)
        {
            let near = allowed
                .iter()
                .map(|name| (strsim::jaro_winkler(name, param), name))
                .filter(|(likeness, _)| *likeness > 0.85)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let near = near.map_or_else(String::new, |(_, name)| format!("; is {name:?} meant?"));
            format!("param {param:?} is not among those allowed in this store{near}")
        } else {
            return None;
        };
        let severity = self.names_severity;
        Some(Complaint { severity, text })
    }
}

/// Writes down which way a metric is better; all else of the file stays as it is.
pub(crate) fn remember(
    sys: &dyn Sys,
    folder: &Path,
    metric: &str,
    direction: Direction,
) -> Result<()> {
    let path = folder.join(FILE);
    let text = read(sys, &path)?.unwrap_or_default();
    // What is wrong elsewhere in the file is told before anything is written.
    if Settings::parse(&text, &path)?.better(metric) == Some(direction) {
        return Ok(());
    }
    let source = Source {
        text: &text,
        path: &path,
    };
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: TomlError| source.malformed(&error))?;
    let better = document
        .entry("better")
        .or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = better.as_table_like_mut() else {
        return Err(source.want("a table", better));
    };
    match table.get_mut(metric) {
        Some(Item::Value(old)) => {
            let decor = old.decor().clone(); // blanks and a comment behind it
            *old = direction.as_str().into();
            *old.decor_mut() = decor;
        }
        _ => _ = table.insert(metric, value(direction.as_str())),
    }
    sys::write_whole(sys, &path, document.to_string().as_bytes())
}

fn read(sys: &dyn Sys, path: &Path) -> Result<Option<String>> {
    let bytes = match sys.open(path, Open::Read) {
        Ok(file) => sys::read_all(&*file, BYTES_MAX)?,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes().get(..offset).unwrap_or_default());
        Source { text: &text, path }.error(offset, "it is no UTF-8 text here")
    })?;
    Ok(Some(text))
}

/// The file's text, to say where in it something is.
struct Source<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Source<'_> {
    /// Line and column of an offset in bytes, from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    }

    fn error(&self, offset: usize, why: &str) -> Error {
        let (line, column) = self.place(offset);
        let path = self.path.display();
        Error::invalid(FILE, format!("line {line}, column {column}: {why}: {path}"))
    }

    fn malformed(&self, error: &TomlError) -> Error {
        let why = error.message().trim().replace('\n', ", ");
        self.error(error.span().unwrap_or_default().start, &why)
    }

    fn want(&self, what: &str, have: &Item) -> Error {
        let span = have.span().unwrap_or_default();
        let text = self.text.get(span.clone()).unwrap_or_default();
        let shown: String = text.chars().take_while(|c| *c != '\n').take(40).collect();
        self.error(span.start, &format!("want {what}, have {shown}"))
    }

    fn table<'a>(&self, item: &'a Item) -> Result<&'a dyn TableLike> {
        item.as_table_like()
            .ok_or_else(|| self.want("a table", item))
    }

    fn names(&self, item: &Item) -> Result<Vec<String>> {
        let want = || self.want("a list of names, as [\"lr\", \"seed\"]", item);
        let list = item.as_array().ok_or_else(want)?;
        let names = list.iter().map(|name| name.as_str().map(str::to_owned));
        names.collect::<Option<_>>().ok_or_else(want)
    }

    fn severity(&self, item: &Item) -> Result<Severity> {
        match item.as_str() {
            Some("warning") => Ok(Severity::Warning),
            Some("error") => Ok(Severity::Error),
            _ => Err(self.want("\"warning\" or \"error\"", item)),
        }
    }

    /// Shows the entries of a table by their names; `opt.lr = …` is the name `opt.lr`.
    fn each(&self, item: &Item, see: &mut dyn FnMut(String, &Item) -> Result<()>) -> Result<()> {
        each_below("", self.table(item)?, see)
    }
}

fn each_below(
    prefix: &str,
    table: &dyn TableLike,
    see: &mut dyn FnMut(String, &Item) -> Result<()>,
) -> Result<()> {
    for (name, item) in table.iter() {
        let name = format!("{prefix}{name}");
        match item.as_table_like() {
            Some(inner) => each_below(&format!("{name}."), inner, see)?,
            None => see(name, item)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::RealSys;

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, Path::new("tracker.toml"))
    }

    #[test]
    fn losses_errors_and_times_are_better_small() {
        let small = "loss val/loss valLoss train_ppl RMSE top1.err trainerror wer val_bpb loss_ce \
                     negative_log_likelihood glossary"; // the last is the price of run-together names
        for name in small.split(' ').chain(["step time"]) {
            assert_eq!(Direction::guess(name), Direction::Min, "{name}");
        }
        let large = "acc val/accuracy f1 reward mAP lifetime power mean_test_neg_log_loss";
        for name in large.split(' ') {
            assert_eq!(Direction::guess(name), Direction::Max, "{name}");
        }
    }

    #[test]
    fn nan_is_never_better() {
        for direction in [Direction::Min, Direction::Max] {
            assert!(!direction.better(f64::NAN, 1.0));
            assert!(direction.better(1.0, f64::NAN));
            assert!(!direction.better(f64::NAN, f64::NAN));
        }
        assert!(Direction::Min.better(1.0, 2.0) && Direction::Max.better(2.0, 1.0));
    }

    #[test]
    fn rules_are_held_against_the_params_of_a_run() {
        let settings = parse("better.loss = 'min'\n[better]\n");
        assert!(settings.is_err(), "a table twice");
        let settings = parse(
            "better = {loss = 'min', \"val/acc\" = 'max', val.err = 'min'}\n\
             [experiments.mnist]\nrequired_params = ['lr', 'seed']\nseverity = 'error'\n\
             [params]\nallowed = ['lr', 'seed', 'n_estimators']\n\
             [aliases]\nnum_estimators = 'n_estimators'\nopt.lr = 'lr'\n",
        )
        .unwrap();
        assert_eq!(settings.better("val/acc"), Some(Direction::Max));
        assert_eq!(settings.better("val.err"), Some(Direction::Min));
        assert_eq!(settings.better("acc"), None);
        let told = |experiment, params: &[&str]| -> Vec<String> {
            let complaints = settings.complaints(experiment, params.iter().copied());
            let told = complaints.into_iter();
            told.map(|c| format!("{:?}: {}", c.severity, c.text))
                .collect()
        };
        assert_eq!(told(None, &["lr"]), [""; 0]);
        assert_eq!(
            told(Some("mnist"), &["seeed", "num_estimators", "opt.lr"]),
            [
                "Warning: param \"num_estimators\" is called \"n_estimators\" in this store",
                "Warning: param \"opt.lr\" is called \"lr\" in this store",
                "Warning: param \"seeed\" is not among those allowed in this store; is \"seed\" \
                 meant?",
                "Error: experiment \"mnist\" requires the params \"lr\", \"seed\"",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column_and_what_is_unknown_as_a_warning() {
        for (text, want) in [
            (
                "[better]\nloss = \"low\"\n",
                "line 2, column 8: want \"min\" or \"max\"",
            ),
            ("[better\n", "line 1, column 8: "),
            (
                "x = 1\n\n[params]\nallowed = 'lr'\n",
                "line 4, column 11: want a list of names",
            ),
            (
                "[params]\nseverity = 3\n",
                "line 2, column 12: want \"warning\" or \"error\"",
            ),
            ("experiments = 3\n", "line 1, column 15: want a table"),
            (
                "[aliases]\n\"é\" = 1\n",
                "line 2, column 7: want the name to use",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("invalid tracker.toml: {want}")),
                "{error}"
            );
            assert!(error.ends_with(": tracker.toml"), "{error}");
        }
        let odd = "beter.loss = 'min'\n[params]\nallow = []\n[experiments.a]\nrequired = []\n";
        let lines: Vec<String> = parse(odd)
            .unwrap()
            .warnings()
            .iter()
            .map(|warning| warning.split(", known").next().unwrap().to_owned())
            .collect();
        assert_eq!(
            lines,
            [
                "tracker.toml line 1: unknown \"beter\"",
                "tracker.toml line 3: unknown \"params.allow\"",
                "tracker.toml line 5: unknown \"experiments.a.required\"",
            ]
        );
    }

    #[test]
    fn a_direction_is_remembered_and_all_else_stays_to_the_blank() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let remember = |metric, direction| {
            remember(&RealSys, dir.path(), metric, direction).unwrap();
            std::fs::read_to_string(&path).unwrap()
        };
        assert_eq!(
            remember("loss", Direction::Min),
            "[better]\nloss = \"min\"\n"
        );
        let edited =
            "# ours\n[better]   # ways\n  loss  =  'max'  # why not\n\n[params]\nallowed=[]\n";
        std::fs::write(&path, edited).unwrap();
        assert_eq!(
            remember("val/acc", Direction::Max),
            edited.replace("why not\n", "why not\n\"val/acc\" = \"max\"\n")
        );
        std::fs::write(&path, edited).unwrap();
        assert_eq!(
            remember("loss", Direction::Min),
            edited.replace("'max'", "\"min\"")
        );
        assert_eq!(
            remember("loss", Direction::Max),
            edited.replace("'max'", "\"max\"")
        );
        std::fs::write(&path, "[better\n").unwrap();
        let refused = super::remember(&RealSys, dir.path(), "loss", Direction::Min);
        assert!(refused.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[better\n");
    }
}
