//! What was read goes into a store, through the calls that everybody has.
//!
//! A run that is there is left as it is, with one exception: an import that was killed half-way is
//! completed. Then what is there is the beginning of what is to come, bit for bit, since an import
//! logs in the order of the file and dying loses no point that was logged.

use std::collections::HashMap;

use super::ImportedRun;
use super::identity;
use crate::error::Error;
use crate::error::Result;
use crate::model::Point;
use crate::model::Run;
use crate::model::RunId;
use crate::model::Status;
use crate::query::Reader;
use crate::query::SeriesQuery;
use crate::run::RunOptions;
use crate::run::RunWriter;
use crate::store::Store;

/// Points logged in one call.
const BATCH_POINTS: usize = 1 << 16;

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    New,
    /// An import of it had been cut short; now it is whole.
    Completed,
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
        let mut imported = Imported {
            id: run.id,
            outcome: Outcome::New,
            points: 0,
            artifacts: 0,
            warnings: Vec::new(),
        };
        if let Some(source) = self.since.get(&run.id) {
            imported.outcome = if same_content(source.as_deref(), run.source.as_deref()) {
                Outcome::Unchanged
            } else {
                Outcome::Differs
            };
            return Ok(imported);
        }
        let there = match self.before.run(run.id) {
            Ok(there) => Some(there),
            Err(Error::NotFound { .. }) => None,
            Err(failure) => return Err(failure),
        };
        let done = match &there {
            Some(there) => {
                imported.outcome = self.compare(there, run)?;
                there
                    .metrics
                    .iter()
                    .map(|(name, summary)| (name.as_str(), summary.count))
                    .collect()
            }
            None => HashMap::new(),
        };
        let writer = match imported.outcome {
            Outcome::New => self.store.start_run(options(run))?,
            Outcome::Completed => self.store.resume_run(run.id)?,
            Outcome::Unchanged | Outcome::Differs => return Ok(imported),
        };
        write(&writer, run, &done, &mut imported)?;
        writer.finish(run.status, run.reason.as_deref(), run.end_us)?;
        self.since.insert(run.id, run.source.clone());
        Ok(imported)
    }

    fn compare(&self, there: &Run, run: &ImportedRun) -> Result<Outcome> {
        if !same_content(there.info.source.as_deref(), run.source.as_deref()) {
            return Ok(Outcome::Differs);
        }
        let counts = run.series.iter().map(|(name, points)| {
            let there = there.metrics.get(name).map_or(0, |summary| summary.count);
            (there, points.len() as u64)
        });
        let (mut fewer, mut more) = (false, false);
        for (there, here) in counts {
            fewer |= there < here;
            more |= there > here;
        }
        // Our own import died: what it was to say of the end is not there.
        let crashed = there.status == Status::Failed && run.status == Status::Completed;
        match there.status {
            // Somebody has logged on since: it is theirs now.
            _ if more && !fewer => Ok(Outcome::Unchanged),
            Status::Running if fewer => Err(Error::Locked {
                what: "the run to import",
            }),
            Status::Completed | Status::Failed | Status::Unknown if fewer || crashed => {
                let begun = self.is_beginning(there, run)?;
                Ok(if begun {
                    Outcome::Completed
                } else {
                    Outcome::Differs
                })
            }
            Status::Running | Status::Completed | Status::Failed | Status::Unknown => {
                Ok(Outcome::Unchanged)
            }
        }
    }

    /// Whether all points that are there are the first ones of what was read.
    fn is_beginning(&self, there: &Run, run: &ImportedRun) -> Result<bool> {
        for (name, summary) in &there.metrics {
            let Some((_, points)) = run.series.iter().find(|(other, _)| other == name) else {
                return Ok(false);
            };
            let Some(first) = usize::try_from(summary.count)
                .ok()
                .and_then(|n| points.get(..n))
            else {
                return Ok(false);
            };
            let mut first = first.to_vec();
            first.sort_by_key(|point| (point.step, point.time_us));
            if self.before.series(run.id, name, &SeriesQuery::default())? != first {
                return Ok(false);
            }
        }
        Ok(true)
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

fn options(run: &ImportedRun) -> RunOptions {
    RunOptions {
        id: Some(run.id),
        name: Some(run.name.clone()),
        experiment: run.experiment.clone(),
        author: run.author.clone(),
        parent: run.parent,
        start_us: run.start_us,
        start_unknown: run.start_us.is_none(),
        detached: false,
        source: run.source.clone(),
        environment: Some(run.environment.clone()),
    }
}

/// Writes what is not there yet; `done` tells how many points of a metric are.
fn write(
    writer: &RunWriter,
    run: &ImportedRun,
    done: &HashMap<&str, u64>,
    imported: &mut Imported,
) -> Result<()> {
    for (key, value) in &run.params {
        writer.param(key, value.clone())?;
    }
    for (key, value) in &run.tags {
        writer.tag(key, value)?;
    }
    if let Some(note) = &run.note {
        writer.note(note)?;
    }
    for (metric, points) in &run.series {
        let done = done.get(metric.as_str()).copied().unwrap_or_default();
        let rest = usize::try_from(done)
            .ok()
            .and_then(|done| points.get(done..));
        let rest: &[Point] = rest.unwrap_or(&[]);
        for batch in rest.chunks(BATCH_POINTS) {
            writer.log_points(metric, batch)?;
        }
        imported.points += rest.len() as u64;
    }
    for artifact in &run.artifacts {
        let stored = writer.artifact(&artifact.file, Some(&artifact.name))?;
        imported.artifacts += stored.len() as u64;
        for other in stored
            .iter()
            .filter(|stored| artifact.hash.is_some_and(|h| h != stored.blob))
        {
            imported.warnings.push(format!(
                "artifact {:?} has not the bytes that its record tells of, but those of {}: {}",
                other.path,
                other.blob,
                artifact.file.display()
            ));
        }
    }
    Ok(())
}
