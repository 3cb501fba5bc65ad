//! Writes a run that has ended elsewhere, as sealed segments at once.
//!
//! Everything is decided by the run: the writer's id by the run's, times by the run's times. So an
//! import that is repeated, or made in two stores that are merged later, makes the same files. The
//! segment that tells start and end is written last: a death before that leaves a run that is not
//! there, and the next try writes the same segments again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::io::ErrorKind;
use std::path::Path;

use super::files::Folders;
use super::files::SegmentId;
use super::record::Event;
use super::rows::EventRow;
use super::rows::Group;
use super::rows::Rows;
use super::seal;
use super::sealed::Encoder;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::model::ArtifactRef;
use crate::model::Name;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Status;
use crate::model::WriterId;
use crate::sys;
use crate::sys::File;
use crate::sys::Open;

/// A segment takes about so many points.
const SEGMENT_POINTS: usize = 1 << 20;
/// Other processes that may come between before adding a run gives up.
const TRIES_MAX: u32 = 8;

/// A run, ready to be written.
#[derive(Debug)]
pub struct Whole<'a> {
    run: RunId,
    time_us: i64,
    end_us: i64,
    events: Vec<Event>,
    series: AllSeries<'a>,
}

impl<'a> Whole<'a> {
    /// Begins with what was fixed at the run's start.
    ///
    /// # Errors
    /// `Error::Invalid` for a bad name.
    pub fn new(run: RunId, info: &RunInfo, end_us: Option<i64>) -> Result<Self> {
        Name::new("run name", &info.name)?;
        let time_us = info.start_us.or(end_us).unwrap_or(0);
        let events = vec![Event::RunStarted(Box::new(info.clone()))];
        Ok(Self {
            run,
            time_us,
            end_us: end_us.unwrap_or(time_us),
            events,
            series: Vec::new(),
        })
    }

    /// Returns the time of the records: the run's start, in microseconds since 1970.
    pub fn time_us(&self) -> i64 {
        self.time_us
    }

    /// Adds a param.
    ///
    /// # Errors
    /// `Error::Invalid` for a bad name.
    pub fn param(&mut self, key: &str, value: &ParamValue) -> Result<()> {
        let (key, value) = (Name::new("param name", key)?, value.clone());
        self.events.push(Event::Param { key, value });
        Ok(())
    }

    /// Adds a tag.
    ///
    /// # Errors
    /// `Error::Invalid` for a bad name.
    pub fn tag(&mut self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (Name::new("tag name", key)?, value.to_owned());
        self.events.push(Event::Tag { key, value });
        Ok(())
    }

    /// Sets the note.
    pub fn note(&mut self, text: &str) {
        self.events.push(Event::Note(text.to_owned()));
    }

    /// Adds an artifact whose blob is in the store.
    pub fn artifact(&mut self, artifact: ArtifactRef) {
        self.events.push(Event::Artifact(artifact));
    }

    /// Adds the points of a metric, in the order logged.
    ///
    /// # Errors
    /// `Error::Invalid` for a bad name.
    pub fn series(&mut self, metric: &str, points: impl Into<Cow<'a, [Point]>>) -> Result<()> {
        let points = points.into();
        if !points.is_empty() {
            self.series
                .push((Name::new("metric name", metric)?, points));
        }
        Ok(())
    }

    /// Writes the run into `live/`, durable when this returns.
    ///
    /// # Errors
    /// `Error::Io`; then the run is not there, or whole.
    pub fn write(
        mut self,
        folders: &Folders,
        status: Status,
        reason: Option<String>,
    ) -> Result<()> {
        let (run, end_us) = (self.run, self.end_us);
        self.events.push(Event::Finished {
            status,
            reason,
            end_us,
        });
        let hash = blake3::derive_key(
            "tracker 2026 writer of an imported run",
            &run.0.to_le_bytes(),
        );
        let writer = WriterId(
            hash.first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes)),
        );
        let mut segments = self.segments();
        let last = segments.pop().unwrap_or_default();
        let id = |seq: usize| SegmentId {
            run,
            writer,
            seq: u32::try_from(seq).unwrap_or(u32::MAX),
        };
        for (seq, rows) in segments.iter().enumerate() {
            write_segment(folders, &id(seq), rows)?;
        }
        write_segment(folders, &id(segments.len()), &last)
    }

    /// Cuts the run into segments; the last one has the events.
    fn segments(&mut self) -> Vec<Rows> {
        let mut segments = vec![Rows::default()];
        let mut in_segment = 0;
        let mut positions: HashMap<Name, u32> = HashMap::new();
        let mut row = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        for (steps, names) in by_axis(std::mem::take(&mut self.series)) {
            let points = steps.len().max(1);
            let rows_each = (SEGMENT_POINTS / names.len().max(1)).max(1);
            for from in (0..points).step_by(rows_each) {
                let to = points.min(from + rows_each);
                if in_segment + (to - from) * names.len() > SEGMENT_POINTS && in_segment > 0 {
                    segments.push(Rows::default());
                    positions.clear();
                    in_segment = 0;
                }
                in_segment += (to - from) * names.len();
                let Some(rows) = segments.last_mut() else {
                    continue;
                };
                let mut group = Group::default();
                for (name, _) in &names {
                    let position = *positions.entry(name.clone()).or_insert_with(|| {
                        rows.metrics.push(name.clone());
                        u32::try_from(rows.metrics.len() - 1).unwrap_or(u32::MAX)
                    });
                    group.metrics.push(position);
                }
                for (at, (step, time_us)) in steps.iter().enumerate().take(to).skip(from) {
                    group.rows.push(row);
                    row = row.wrapping_add(1);
                    group.steps.push(*step);
                    group.times_us.push(*time_us);
                    let values = names.iter().filter_map(|(_, points)| points.get(at));
                    group.values.extend(values.map(|point| point.value));
                }
                rows.groups.push(group);
            }
        }
        let time_us = self.time_us;
        if let Some(last) = segments.last_mut() {
            let events = std::mem::take(&mut self.events);
            last.events = (0u32..)
                .zip(events)
                .map(|(row, event)| EventRow {
                    row,
                    time_us,
                    event,
                })
                .collect();
        }
        segments
    }
}

/// Steps and times of a series.
type Axis = Vec<(i64, i64)>;
/// Series by metric.
type AllSeries<'a> = Vec<(Name, Cow<'a, [Point]>)>;

/// Puts series of equal steps and times together, in order of first appearance.
///
/// A metric that comes twice is two series of one name: they stay apart.
fn by_axis(series: AllSeries<'_>) -> Vec<(Axis, AllSeries<'_>)> {
    let mut groups: Vec<(Axis, AllSeries<'_>)> = Vec::new();
    // Looked up, not looked for: a model may have a metric for each of 100,000 parameters.
    let mut groups_of: HashMap<Axis, Vec<usize>> = HashMap::new();
    let mut members: HashSet<(usize, Name)> = HashSet::new();
    for (name, points) in series {
        let axis: Axis = points
            .iter()
            .map(|point| (point.step, point.time_us))
            .collect();
        let known = groups_of.entry(axis);
        let free = |at: &usize| !members.contains(&(*at, name.clone()));
        let found = match &known {
            Entry::Occupied(groups) => groups.get().iter().copied().find(free),
            Entry::Vacant(_) => None,
        };
        let at = found.unwrap_or_else(|| {
            groups.push((known.key().clone(), Vec::new()));
            known.or_default().push(groups.len() - 1);
            groups.len() - 1
        });
        members.insert((at, name.clone()));
        if let Some((_, group)) = groups.get_mut(at) {
            group.push((name, points));
        }
    }
    groups
}

/// Writes a segment under a name that is swept up if this process dies, and renames it.
fn write_segment(folders: &Folders, id: &SegmentId, rows: &Rows) -> Result<()> {
    let exists = |path: &Path| folders.sys.stat(path).is_ok();
    let is_there = || exists(&folders.settled(id)) || exists(&folders.sealed(id));
    if is_there() {
        return Ok(()); // by an earlier try
    }
    let path = folders.sealed(id);
    let mut encoder = Encoder::default();
    let bytes = encoder
        .encode(rows, id)
        .map_err(|why| Damage::new(&path, 0, "segment", why.to_string()))?;
    let made = folders.rows(id).with_extension("new");
    let file = create_locked(folders, &made)?;
    if is_there() {
        return folders.sys.remove(&made); // another process came before the lock
    }
    let written = file
        .write_at(bytes, 0)
        .and_then(|()| file.sync())
        .and_then(|()| folders.sys.rename(&made, &path))
        .and_then(|()| folders.sys.sync_dir(folders.live()));
    if written.is_err() {
        let _ = folders.sys.remove(&made); // best effort: the error that is returned says more
    }
    written
}

/// Makes the file to write to and locks it.
///
/// Another process may sweep it up before it is locked, or be adding the same run: then again.
fn create_locked(folders: &Folders, made: &Path) -> Result<Box<dyn File>> {
    for _ in 0..TRIES_MAX {
        seal::sweep(folders, made)?; // of an earlier try that died
        let file = match folders.sys.open(made, Open::New) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        if file.try_lock()? && sys::still_names(&*folders.sys, made, &*file)? {
            return Ok(file);
        } // else another process sweeps it up
    }
    Err(Error::Locked {
        what: "the run to be added",
    })
}
