//! Pitfalls that people fall into, found in what is logged: names that mean the same, runs that
//! nobody can repeat, metrics that say nothing.
//!
//! Answered from names, columns and the heads of runs, never from points, so that 100,000 runs take
//! a second. One pass over a column each; of names only those that may mean the same are looked at
//! run by run.

mod names;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::error::Result;
use crate::model::Flow;
use crate::model::Run;
use crate::model::RunId;
use crate::model::Status;
use crate::query::Reader;
use crate::query::Survey;
use crate::query::filter::Attribute;
use crate::query::filter::Field;
use crate::query::filter::NameKind;
use crate::query::filter::Stat;
use crate::query::filter::Value;
use crate::settings::Settings;

/// Runs that a finding names.
const EXAMPLES_MAX: usize = 3;
/// Names that a finding lists.
const NAMES_MAX: usize = 5;
/// From so many points on a metric that never changes says nothing.
const CONSTANT_POINTS: i64 = 10;
/// More points than a screen, or a person, can tell apart …
const MANY_POINTS: i64 = 100_000;
/// … logged faster than anything they could be compared with.
const OFTEN_PER_S: f64 = 100.0;
/// A run for scripts that was started so long ago was forgotten.
const FORGOTTEN_US: i64 = 7 * 24 * 3_600 * 1_000_000;
/// Words of params, tags and artifacts that tell which data was used.
const DATA_WORDS: [&str; 8] = [
    "data", "dataset", "datasets", "corpus", "input", "inputs", "dvc", "split",
];

/// Something that will hurt later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The pitfall, a word for programs: `same-name`, `no-params`.
    pub rule: &'static str,
    /// What was found.
    pub what: String,
    /// How many runs it is about.
    pub runs: u64,
    /// Some of them, the newest first.
    pub examples: Vec<RunId>,
    /// What to do about it.
    pub advice: String,
}

/// Looks for pitfalls in the runs that a filter lets through, the worst for most first.
///
/// - `settings`: aliases, allowed and required params of the store
///
/// # Errors
/// [`Error::Filter`](crate::Error::Filter); [`Error::Corrupt`](crate::Error::Corrupt),
/// [`Error::Io`](crate::Error::Io).
pub fn lint(reader: &Reader, settings: &Settings, filter: Option<&str>) -> Result<Vec<Finding>> {
    reader.survey(filter, |survey| {
        let mut lint = Lint::new(survey, reader.now_us(), settings);
        lint.params()?;
        lint.metrics()?;
        lint.tags()?;
        lint.same_names()?;
        lint.heads()?;
        lint.data()?;
        Ok(lint.findings)
    })
}

struct Lint<'a> {
    survey: &'a Survey<'a>,
    settings: &'a Settings,
    now_us: i64,
    ids: Vec<RunId>,
    /// The experiment of each run, by its number.
    experiment: Vec<u32>,
    experiments: Vec<Option<String>>,
    has_params: Vec<bool>,
    has_data: Vec<bool>,
    findings: Vec<Finding>,
}

/// Runs that something was found in: how many, and the first few.
#[derive(Clone, Debug, Default)]
struct Found {
    count: u64,
    places: BTreeSet<usize>,
}

impl Found {
    /// Takes in a run; the newest are kept.
    fn add(&mut self, place: usize) {
        self.count += 1;
        self.places.insert(place);
        if self.places.len() > EXAMPLES_MAX {
            self.places.pop_last();
        }
    }
}

fn metric(name: &str, stat: Stat) -> Field {
    Field::Metric(name.to_owned(), stat)
}

fn speaks_of_data(name: &str) -> bool {
    names::words(name)
        .iter()
        .any(|word| DATA_WORDS.contains(&word.as_str()))
}

/// Names as a sentence lists them.
fn listed<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown: Vec<String> = names
        .take(NAMES_MAX)
        .map(|name| format!("{name:?}"))
        .collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl<'a> Lint<'a> {
    fn new(survey: &'a Survey<'a>, now_us: i64, settings: &'a Settings) -> Self {
        let ids: Vec<RunId> = survey.ids().collect();
        let runs = ids.len();
        Self {
            survey,
            settings,
            now_us,
            ids,
            experiment: vec![0; runs],
            experiments: Vec::new(),
            has_params: vec![false; runs],
            has_data: vec![false; runs],
            findings: Vec::new(),
        }
    }

    fn add(&mut self, rule: &'static str, found: &Found, what: String, advice: impl Into<String>) {
        if found.count == 0 {
            return;
        }
        let examples = found.places.iter();
        let examples = examples.filter_map(|place| self.ids.get(*place).copied());
        self.findings.push(Finding {
            rule,
            what,
            runs: found.count,
            examples: examples.collect(),
            advice: advice.into(),
        });
    }

    fn names(&self, kind: NameKind) -> Vec<String> {
        let mut names = Vec::new();
        self.survey
            .names(kind, &mut |name| names.push(name.to_owned()));
        names
    }

    /// Numbers the experiments.
    fn read_experiments(&mut self) -> Result<()> {
        let mut numbers: HashMap<Option<String>, u32> = HashMap::new();
        let (experiment, experiments) = (&mut self.experiment, &mut self.experiments);
        let field = Field::Attribute(Attribute::Experiment);
        self.survey.values(&field, &mut |place, value| {
            let name = match value {
                Value::Text(name) => Some(name.into_owned()),
                _ => None,
            };
            let number = *numbers.entry(name).or_insert_with_key(|name| {
                experiments.push(name.clone());
                u32::try_from(experiments.len() - 1).unwrap_or(u32::MAX)
            });
            if let Some(slot) = experiment.get_mut(place) {
                *slot = number;
            }
        })
    }

    /// Params: their types, who has them, the rules of the store.
    fn params(&mut self) -> Result<()> {
        self.read_experiments()?;
        let mut size = vec![0_u64; self.experiments.len()];
        for experiment in &self.experiment {
            if let Some(size) = size.get_mut(*experiment as usize) {
                *size += 1;
            }
        }
        // By experiment the params that some of its runs have and some have not.
        let mut partial: BTreeMap<usize, Vec<(u64, String)>> = BTreeMap::new();
        for name in self.names(NameKind::Param) {
            let field = Field::Param(name.clone());
            let mut having = vec![0_u64; size.len()];
            let mut types: BTreeMap<&'static str, Found> = BTreeMap::new();
            let mut all = Found::default();
            let speaks_of_data = speaks_of_data(&name);
            self.survey.values(&field, &mut |place, value| {
                if value.is_absent() {
                    return;
                }
                all.add(place);
                types.entry(type_of(&value)).or_default().add(place);
                let experiment = self.experiment.get(place).map(|number| *number as usize);
                if let Some(having) = experiment.and_then(|number| having.get_mut(number)) {
                    *having += 1;
                }
                if let Some(has) = self.has_params.get_mut(place) {
                    *has = true;
                }
                if speaks_of_data && let Some(has) = self.has_data.get_mut(place) {
                    *has = true;
                }
            })?;
            self.mixed_types(&name, &types);
            if let Some(complaint) = self.settings.complaint(&name) {
                let advice = match self.settings.alias(&name) {
                    Some(to) => format!("log it as {to:?}"),
                    None => "rename it, or allow it in tracker.toml".to_owned(),
                };
                self.add("agreed-name", &all, complaint.text, advice);
            }
            for (number, (having, size)) in having.iter().zip(&size).enumerate() {
                let is_named = self.experiments.get(number).is_some_and(Option::is_some);
                if is_named && *having > 0 && having < size {
                    partial
                        .entry(number)
                        .or_default()
                        .push((*having, name.clone()));
                }
            }
        }
        for (number, mut params) in partial {
            params.sort_by(|a, b| b.cmp(a)); // what most have first: it was forgotten
            self.partial_params(number, &params, &size)?;
        }
        self.required_params()?;
        let mut bare = Found::default();
        let without = self.has_params.iter().enumerate().filter(|(_, has)| !**has);
        without.for_each(|(place, _)| bare.add(place));
        let what = "runs without a param: nobody can tell what they tried".to_owned();
        let advice = "log params: `run.param(..)`, `tracker start --param K=V`";
        self.add("no-params", &bare, what, advice);
        Ok(())
    }

    fn mixed_types(&mut self, name: &str, types: &BTreeMap<&'static str, Found>) {
        if types.len() < 2 {
            return;
        }
        let told: Vec<String> = types
            .iter()
            .map(|(kind, found)| format!("{kind} in {}", runs(found.count)))
            .collect();
        let rare = types.values().min_by_key(|found| found.count);
        let rare = rare.cloned().unwrap_or_default();
        let what = format!("param {name:?} has several types: {}", told.join(", "));
        self.add(
            "mixed-type",
            &rare,
            what,
            "log it with one type in all runs",
        );
    }

    fn partial_params(
        &mut self,
        number: usize,
        params: &[(u64, String)],
        size: &[u64],
    ) -> Result<()> {
        let Some((_, most)) = params.first() else {
            return Ok(());
        };
        let mut lacking = Found::default();
        let field = Field::Param(most.clone());
        self.survey.values(&field, &mut |place, value| {
            let is_here = self.experiment.get(place).map(|at| *at as usize) == Some(number);
            if is_here && value.is_absent() {
                lacking.add(place);
            }
        })?;
        let experiment = self.experiments.get(number).cloned().flatten();
        let size = size.get(number).copied().unwrap_or_default();
        let told = params.iter().take(NAMES_MAX);
        let told: Vec<String> = told
            .map(|(having, name)| format!("{name:?} ({having} of {size})"))
            .collect();
        let more = params.len().saturating_sub(NAMES_MAX);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let what = format!(
            "experiment {:?}: only some runs have {}{more}",
            experiment.unwrap_or_default(),
            told.join(", ")
        );
        let advice = "log every param in every run, defaults too; examples lack the first";
        self.add("param-in-some", &lacking, what, advice);
        Ok(())
    }

    /// Runs that lack what their experiment requires.
    fn required_params(&mut self) -> Result<()> {
        for number in 0..self.experiments.len() {
            let experiment = self.experiments.get(number).cloned().flatten();
            let Some(experiment) = experiment else {
                continue;
            };
            for name in self.settings.required_params(&experiment) {
                let mut lacking = Found::default();
                let field = Field::Param(name.clone());
                self.survey.values(&field, &mut |place, value| {
                    let is_here = self.experiment.get(place).map(|at| *at as usize) == Some(number);
                    if is_here && value.is_absent() {
                        lacking.add(place);
                    }
                })?;
                let what = format!("experiment {experiment:?} requires the param {name:?}");
                let advice = "set it: `tracker param RUN K=V`, or no more require it";
                self.add("required-param", &lacking, what, advice);
            }
        }
        Ok(())
    }

    /// Metrics that say nothing, or too much.
    fn metrics(&mut self) -> Result<()> {
        let runs = self.ids.len();
        let mut seconds = vec![0.0; runs];
        let duration = Field::Attribute(Attribute::Duration);
        self.survey.values(&duration, &mut |place, value| {
            if let (Value::Duration(value), Some(slot)) = (value, seconds.get_mut(place)) {
                *slot = value;
            }
        })?;
        let mut often: Vec<(String, Found)> = Vec::new();
        for name in self.names(NameKind::Metric) {
            let counts = self.whole_numbers(&metric(&name, Stat::Count))?;
            let nans = self.whole_numbers(&metric(&name, Stat::NanCount))?;
            let (mut only_nan, mut constant) = (Found::default(), Found::default());
            let mut too_often = Found::default();
            let mut smallest = vec![f64::NAN; runs];
            self.survey
                .values(&metric(&name, Stat::Min), &mut |place, value| {
                    if let (Value::Number(value), Some(slot)) = (value, smallest.get_mut(place)) {
                        *slot = value;
                    }
                })?;
            self.survey
                .values(&metric(&name, Stat::Max), &mut |place, value| {
                    let at = |numbers: &[i64]| numbers.get(place).copied().unwrap_or_default();
                    let (count, nans) = (at(&counts), at(&nans));
                    if count > 0 && count == nans {
                        only_nan.add(place);
                    }
                    let is_flat = match value {
                        Value::Number(largest) => smallest.get(place) == Some(&largest),
                        _ => false,
                    };
                    if is_flat && count - nans >= CONSTANT_POINTS {
                        constant.add(place);
                    }
                    let seconds = seconds.get(place).copied().unwrap_or_default();
                    if count >= MANY_POINTS && count as f64 > OFTEN_PER_S * seconds && seconds > 0.0
                    {
                        too_often.add(place);
                    }
                })?;
            let what = format!("metric {name:?} is NaN in every point");
            let advice =
                "find where it becomes NaN; a metric that cannot be had is better not logged";
            self.add("only-nan", &only_nan, what, advice);
            let what = format!("metric {name:?} never changes");
            self.add(
                "constant-metric",
                &constant,
                what,
                "log what is fixed for a run as a param",
            );
            if too_often.count > 0 {
                often.push((name, too_often));
            }
        }
        // Metrics of one loop are logged together: one finding for all.
        often.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
        if let Some((_, found)) = often.first() {
            let what = format!(
                "more than {MANY_POINTS} points, over {OFTEN_PER_S} a second: {}",
                listed(often.iter().map(|(name, _)| name.as_str()))
            );
            let advice = "log every so many steps, or the mean of them";
            self.add("too-often", &found.clone(), what, advice);
        }
        Ok(())
    }

    fn whole_numbers(&self, field: &Field) -> Result<Vec<i64>> {
        let mut numbers = vec![0; self.ids.len()];
        self.survey.values(field, &mut |place, value| {
            if let (Value::Int(value), Some(slot)) = (value, numbers.get_mut(place)) {
                *slot = value;
            }
        })?;
        Ok(numbers)
    }

    /// Tags matter here only where they tell the data.
    fn tags(&mut self) -> Result<()> {
        for name in self.names(NameKind::Tag) {
            if !speaks_of_data(&name) {
                continue;
            }
            self.survey.values(&Field::Tag(name), &mut |place, value| {
                if let Some(has) = self.has_data.get_mut(place) {
                    *has |= !value.is_absent();
                }
            })?;
        }
        Ok(())
    }

    /// Names that mean the same and that no run has together: with both they are two things.
    fn same_names(&mut self) -> Result<()> {
        for kind in [NameKind::Param, NameKind::Metric] {
            let mut by_meaning: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for name in self.names(kind) {
                if self.settings.alias(&name).is_none() {
                    by_meaning
                        .entry(names::meaning(&name))
                        .or_default()
                        .push(name);
                }
            }
            for names in by_meaning.into_values().filter(|names| names.len() > 1) {
                let mut seen = vec![0_u64; self.ids.len()]; // of each run the bits of its names
                let mut uses = Vec::new();
                for (name, bit) in names.into_iter().zip((0..u64::BITS).map(|at| 1_u64 << at)) {
                    let field = match kind {
                        NameKind::Metric => metric(&name, Stat::Count),
                        NameKind::Param | NameKind::Tag => kind.field(&name),
                    };
                    let mut found = Found::default();
                    self.survey.values(&field, &mut |place, value| {
                        if !value.is_absent() {
                            found.add(place);
                            if let Some(seen) = seen.get_mut(place) {
                                *seen |= bit;
                            }
                        }
                    })?;
                    if found.count > 0 {
                        uses.push((name, found, bit));
                    }
                }
                uses.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
                let mut told = 0; // bits of the names that are told
                uses.retain(|(.., bit)| {
                    let is_together = |names: &u64| names & bit != 0 && names & told != 0;
                    let is_told = !seen.iter().any(is_together);
                    told |= if is_told { *bit } else { 0 };
                    is_told
                });
                if uses.len() < 2 {
                    continue;
                }
                let told = uses.iter().take(NAMES_MAX);
                let told: Vec<String> = told
                    .map(|(name, found, _)| format!("{name:?} ({})", found.count))
                    .collect();
                let most = uses
                    .first()
                    .map(|(name, ..)| name.clone())
                    .unwrap_or_default();
                let mut rest = Found::default();
                for (_, found, _) in uses.iter().skip(1) {
                    found.places.iter().for_each(|place| rest.add(*place));
                }
                rest.count = uses.iter().skip(1).map(|(_, found, _)| found.count).sum();
                let noun = kind.noun();
                let what = format!("{noun}s that seem to mean the same: {}", told.join(", "));
                let advice = match kind {
                    NameKind::Param => {
                        format!(
                            "log all as {most:?}; [aliases] in tracker.toml warns of the others"
                        )
                    }
                    NameKind::Metric | NameKind::Tag => format!("log all as {most:?}"),
                };
                self.add("same-name", &rest, what, advice);
            }
        }
        Ok(())
    }

    /// Code, and ends.
    fn heads(&mut self) -> Result<()> {
        let [
            mut no_code,
            mut dirty,
            mut no_reason,
            mut unknown,
            mut forgotten,
        ] = [const {
            Found {
                count: 0,
                places: BTreeSet::new(),
            }
        }; 5];
        let long_ago = self.now_us.saturating_sub(FORGOTTEN_US);
        self.survey.heads(&mut |place, run: &Run| {
            let info = &run.info;
            match &info.environment.git {
                // What was imported ran elsewhere.
                None if info.source.is_none() => no_code.add(place),
                Some(git) if git.dirty == Some(true) => dirty.add(place),
                _ => {}
            }
            match run.status {
                Status::Failed if run.reason.is_none() => no_reason.add(place),
                Status::Unknown => unknown.add(place),
                Status::Running
                    if info.detached && info.start_us.is_some_and(|us| us < long_ago) =>
                {
                    forgotten.add(place);
                }
                _ => {}
            }
        })?;
        for (rule, found, what, advice) in [
            (
                "no-code",
                no_code,
                "runs without a state of the code: nobody can tell what ran",
                "start them in a git repository with a commit",
            ),
            (
                "dirty-code",
                dirty,
                "runs of code that was not committed: the commit does not tell what ran",
                "commit before a run that matters",
            ),
            (
                "no-reason",
                no_reason,
                "failed runs that do not say why: killed, crashed, or never finished",
                "finish with a reason, or say it now: `tracker note RUN TEXT`",
            ),
            (
                "unknown-end",
                unknown,
                "runs of which nobody can tell how they ended",
                "say it: `tracker finish RUN`",
            ),
            (
                "unfinished",
                forgotten,
                "runs that a script began more than a week ago and never finished",
                "end them: `tracker finish RUN`",
            ),
        ] {
            self.add(rule, &found, what.to_owned(), advice);
        }
        Ok(())
    }

    /// Runs of which nothing tells the data.
    fn data(&mut self) -> Result<()> {
        let lacks = |place: usize| self.has_data.get(place) == Some(&false);
        let mut told = BTreeSet::new();
        self.survey.files(&lacks, &mut |place, file| {
            if file.flow == Flow::Input || speaks_of_data(&file.path) {
                told.insert(place);
            }
        })?;
        let mut found = Found::default();
        for place in 0..self.ids.len() {
            if lacks(place) && !told.contains(&place) {
                found.add(place);
            }
        }
        let what = "runs that do not tell which data they used".to_owned();
        let advice = "say which files they read: `tracker run --input data.csv`; or log a param or tag `dataset`";
        self.add("no-data", &found, what, advice);
        Ok(())
    }
}

fn runs(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} run{plural}")
}

/// The type of a param as people tell types apart; whole and real numbers are one.
fn type_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Bool(_) => "true or false",
        Value::Number(_) | Value::Int(_) | Value::Duration(_) => "number",
        Value::Text(text) if text.starts_with('[') && text.ends_with(']') => "list",
        _ => "text",
    }
}
