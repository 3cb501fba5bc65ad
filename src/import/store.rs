//! What was read goes into a store: each run whole, or not at all.
//!
//! What is written is decided by what was read alone, so the same import, repeated or made in two
//! stores that are merged later, is the same run once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use super::ImportedRun;
use super::identity;
use crate::error::Error;
use crate::error::Result;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::query::Reader;
use crate::store::EndedRun;
use crate::store::Store;

/// New runs that are folded at once. With more of them the folder of what is live would stay large,
/// and so slow to list, when it is long empty.
const FOLD_AT: usize = 4_096;
/// Longest time that one such fold takes.
const FOLD_BUDGET: Duration = Duration::from_secs(5);

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    New,
    /// It was there: nothing was done.
    Unchanged,
    /// A run of its id was there with another content, from another file or an edited one: nothing
    /// was done. Another name of the run, or an experiment, makes it another run.
    Differs,
}

/// What storing did.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The run.
    pub id: RunId,
    /// What became of it.
    pub outcome: Outcome,
    /// Points written now.
    pub points: u64,
    /// Artifacts stored now, in files.
    pub artifacts: u64,
    /// What the user should know of storing it.
    pub warnings: Vec<String>,
}

/// Stores one run. For many use one [`Importer`], which looks once what is there.
///
/// # Errors
/// As [`Importer::store`].
pub fn store(store: &Store, run: &ImportedRun) -> Result<Imported> {
    Importer::new(store)?.store(run)
}

/// Stores runs, knowing what was there when it began and what it has stored since.
#[derive(Debug)]
pub struct Importer<'a> {
    store: &'a Store,
    before: Reader,
    since: HashMap<RunId, Option<String>>,
}

impl<'a> Importer<'a> {
    /// Looks at what is there.
    ///
    /// # Errors
    /// As [`Store::reader`].
    pub fn new(store: &'a Store) -> Result<Self> {
        Ok(Self {
            store,
            before: store.reader()?,
            since: HashMap::new(),
        })
    }

    /// Stores a run, or leaves what is there.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Locked`] if another process is importing the run.
    pub fn store(&mut self, run: &ImportedRun) -> Result<Imported> {
        let known = match self.since.get(&run.id) {
            Some(source) => Some(source.clone()),
            None => match self.before.run(run.id) {
                Ok(there) if there.has_started => Some(there.info.source),
                Ok(_) | Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            },
        };
        let mut imported = Imported {
            id: run.id,
            outcome: match known {
                None => Outcome::New,
                Some(there) if same_content(there.as_deref(), run.source.as_deref()) => {
                    Outcome::Unchanged
                }
                Some(_) => Outcome::Differs,
            },
            points: 0,
            artifacts: 0,
            warnings: Vec::new(),
        };
        if imported.outcome != Outcome::New {
            return Ok(imported);
        }
        let Some(stored) = self.store.add_run(&self.before, run.id, &ended(run))? else {
            imported.outcome = Outcome::Unchanged;
            return Ok(imported);
        };
        for artifact in &run.artifacts {
            let Some(stored) = stored.iter().find(|stored| stored.path == artifact.name) else {
                continue; // a folder, which has no hash
            };
            if artifact.hash.is_some_and(|hash| hash != stored.blob) {
                imported.warnings.push(format!(
                    "artifact {:?} has not the bytes that its record tells of, but those of {}: {}",
                    stored.path,
                    stored.blob,
                    artifact.file.display()
                ));
            }
        }
        imported.artifacts = stored.len() as u64;
        imported.points = run
            .series
            .iter()
            .map(|(_, points)| points.len() as u64)
            .sum();
        self.since.insert(run.id, run.source.clone());
        if self.since.len() >= FOLD_AT {
            let _ = self.store.fold(Some(FOLD_BUDGET)); // else a later one does it
            if let Ok(reader) = self.store.reader() {
                self.before = reader;
                self.since.clear();
            }
        }
        Ok(imported)
    }
}

/// Whether two sources tell of the same content; a run that tells of none is known by its id.
fn same_content(there: Option<&str>, here: Option<&str>) -> bool {
    match (
        there.and_then(identity::content_of),
        here.and_then(identity::content_of),
    ) {
        (Some(there), Some(here)) => there == here,
        (_, _) => true,
    }
}

fn ended(run: &ImportedRun) -> EndedRun<'_> {
    let kinds = run.artifacts.iter();
    let kinds = kinds.filter_map(|file| Some((file.name.clone(), file.kind.clone()?)));
    EndedRun {
        info: RunInfo {
            name: run.name.clone(),
            experiment: run.experiment.clone(),
            author: run.author.clone(),
            parent: run.parent,
            start_us: run.start_us,
            detached: false,
            source: run.source.clone(),
            environment: run.environment.clone(),
        },
        status: Some(run.status),
        reason: run.reason.clone(),
        end_us: run.end_us,
        params: run.params.clone(),
        tags: run.tags.clone(),
        note: run.note.clone(),
        series: Cow::Borrowed(&run.series),
        artifacts: run
            .artifacts
            .iter()
            .map(|artifact| (artifact.name.clone(), artifact.file.clone()))
            .collect(),
        kinds: kinds.collect(),
        inputs: run.inputs.clone(),
    }
}
