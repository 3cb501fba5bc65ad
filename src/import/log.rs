//! A log (CSV, JSON lines, `trainer_state.json`) becomes runs: what its formats have in common.

use std::collections::HashMap;
use std::collections::HashSet;
use std::path::Path;

use super::ImportOptions;
use super::ImportedRun;
use super::document;
use super::identity;
use super::source::Source;
use super::table::Table;
use super::table::plain;
use crate::error::Result;
use crate::model::ParamValue;
use crate::model::Status;

/// Names of columns that tell runs apart, where none is named; compared as those of steps.
pub const RUN_NAMES: [&str; 3] = ["run_id", "run", "run_name"];

/// Files beside a log whose content are its params: of Lightning, of `DVC`, of sweeps made by hand.
pub const PARAM_FILES: [&str; 5] = [
    "hparams.yaml",
    "hparams.json",
    "params.yaml",
    "params.json",
    "parameters.json",
];

/// File names that say nothing of a run, so that the folder names it.
const PLAIN_STEMS: [&str; 12] = [
    "metrics",
    "metric",
    "progress",
    "result",
    "results",
    "history",
    "log",
    "logs",
    "train",
    "training",
    "monitor",
    "trainer_state",
];

/// Most params, tags and warnings that the runs of a log come to, which all have the same.
const SHARED_MAX: usize = 4 << 20;

/// What a log holds.
#[derive(Default)]
pub(super) struct Log {
    pub(super) tables: Tables,
    pub(super) params: Vec<(String, ParamValue)>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) warnings: Vec<String>,
}

/// The rows of each run, in the order the runs come.
#[derive(Default)]
pub(super) struct Tables {
    runs: Vec<(String, Table)>,
    index: HashMap<String, usize>,
    last: usize,
}

impl Tables {
    /// Returns the table of a run, made by `new` if it is the first row of it.
    pub(super) fn of(&mut self, run: &str, new: impl FnOnce() -> Table) -> Option<&mut Table> {
        // Without a column of runs all rows are of one: two empty texts are not compared, for the
        // C library may take 100 ns for none of their bytes where a page is missing behind them.
        let is_same = |name: &String| name.len() == run.len() && (run.is_empty() || name == run);
        if self
            .runs
            .get(self.last)
            .is_none_or(|(name, _)| !is_same(name))
        {
            self.last = self.index.get(run).copied().unwrap_or_else(|| {
                self.index.insert(run.to_owned(), self.runs.len());
                self.runs.push((run.to_owned(), new()));
                self.runs.len() - 1
            });
        }
        self.runs.get_mut(self.last).map(|(_, table)| table)
    }
}

/// Whether a column of this name tells runs apart.
pub(super) fn is_run_column(name: &str, options: &ImportOptions) -> bool {
    match &options.run_column {
        Some(column) => plain(column) == plain(name),
        None => RUN_NAMES.contains(&plain(name).as_str()),
    }
}

/// Makes runs of what was read.
pub(super) fn into_runs(
    mut log: Log,
    kind: &str,
    source: &Source<'_>,
    options: &ImportOptions,
) -> Result<Vec<ImportedRun>> {
    let digest = source.digest();
    let path = source.path.as_path();
    // A log that tells no time was last added to when the file was.
    let modified_us = source.modified_us.unwrap_or_default();
    params_beside(path, &mut log);
    let base = options.name.clone().unwrap_or_else(|| name_of(path));
    let several = log.tables.runs.len() > 1;
    let shared = log.params.len() + log.tags.len() + log.warnings.len();
    if shared.saturating_mul(log.tables.runs.len()) > SHARED_MAX {
        let runs = log.tables.runs.len();
        let why = format!(
            "has {runs} runs with {shared} params, tags and warnings each, at most {SHARED_MAX} \
             together: split the file"
        );
        return Err(source.invalid(&why));
    }
    let mut runs: Vec<ImportedRun> = Vec::with_capacity(log.tables.runs.len());
    let mut has_numbers = false;
    for (key, table) in log.tables.runs {
        let mut rows = table
            .finish(options, modified_us)
            .map_err(|why| source.invalid(&why))?;
        has_numbers |= rows.has_numbers;
        let start_us = rows.times_us.map(|(first, _)| first);
        let name = match (&options.name, key.is_empty()) {
            (_, true) => base.clone(),
            (Some(name), false) if several => format!("{name}/{key}"),
            (Some(name), false) => name.clone(),
            (None, false) => key.clone(),
        };
        // What a log says itself goes before what a file beside it says.
        let said: HashSet<&String> = rows.params.iter().map(|(name, _)| name).collect();
        let shared = log.params.iter().filter(|(name, _)| !said.contains(name));
        let mut params: Vec<(String, ParamValue)> = shared.cloned().collect();
        params.append(&mut rows.params);
        let mut run = ImportedRun {
            id: identity::of_log(kind, path, &digest, &key, start_us, options),
            name,
            experiment: options.experiment.clone(),
            start_us,
            end_us: Some(rows.times_us.map_or(modified_us, |(_, last)| last)),
            status: Status::Completed,
            params,
            tags: log.tags.clone(),
            series: rows.series,
            source: Some(identity::source_text(kind, path, &digest)),
            warnings: rows.warnings,
            ..ImportedRun::new()
        };
        run.warnings.splice(0..0, log.warnings.iter().cloned());
        runs.push(run);
    }
    want_points(&mut runs, has_numbers).map_err(|why| source.invalid(&why))?;
    Ok(runs)
}

/// Refuses a log with steps and no number, which is not what it was taken for.
fn want_points(runs: &mut [ImportedRun], has_numbers: bool) -> Result<(), String> {
    let Some((first, others)) = runs.split_first_mut() else {
        return Ok(());
    };
    if !first.series.is_empty() || others.iter().any(|run| !run.series.is_empty()) {
        return Ok(());
    }
    if !has_numbers {
        let advice = "name the delimiter if they are between other characters";
        return Err(format!("has rows and not one number in them: {advice}"));
    }
    let what = "has no points: its numbers are steps, times and params only";
    first.warnings.push(what.to_owned());
    Ok(())
}

fn params_beside(path: &Path, log: &mut Log) {
    for name in PARAM_FILES {
        let beside = path.with_file_name(name);
        if beside == path || !beside.is_file() {
            continue;
        }
        let mut params = Vec::new();
        let read = document::read(&beside).map_err(|why| why.to_string());
        let read = read.and_then(|value| {
            document::params(&value, "", &mut params)
                .map_err(|why| format!("{why}: {}", beside.display()))
        });
        if let Err(why) = read {
            log.warnings.push(format!("its params are not read: {why}"));
            continue;
        }
        let known = log.params.iter().map(|(name, _)| name.clone());
        let mut known: HashSet<String> = known.collect();
        params.retain(|(name, _)| known.insert(name.clone()));
        log.params.append(&mut params);
    }
}

/// Names a run after its file, or its folder where the file's name says nothing.
pub(super) fn name_of(path: &Path) -> String {
    let text = |name: Option<&std::ffi::OsStr>| {
        let name = name.map(|name| name.to_string_lossy().into_owned());
        name.filter(|name| !name.is_empty())
    };
    let stem = text(path.file_stem());
    let folder = text(path.parent().and_then(Path::file_name));
    let says_nothing = |stem: &String| PLAIN_STEMS.contains(&plain(stem).as_str());
    match stem {
        Some(stem) if says_nothing(&stem) => folder.unwrap_or(stem),
        Some(stem) => stem,
        None => folder.unwrap_or_else(|| "imported".to_owned()),
    }
}
