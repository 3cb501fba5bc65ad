//! A run being logged: what a training holds.
//!
//! Each call becomes a record of the journal and waits for nobody. The index is not touched: a
//! process that logs does not open it while its run is live.
//!
//! After a fork the child must not touch what is its parent's: file, lock and threads. Every call
//! therefore looks at the fork generation first; a child that logs gets a writer of its own in the
//! same run, and cannot end it.

use std::collections::BTreeMap;
use std::io;
use std::path::Component;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::TryLockError;

use crate::blob::Blobs;
use crate::blob::media_type;
use crate::error::Error;
use crate::error::Result;
use crate::journal::Event;
use crate::journal::Folders;
use crate::journal::Role;
use crate::journal::writer::Backlog;
use crate::journal::writer::Options;
use crate::journal::writer::Writer;
use crate::limits::ARTIFACT_PATH_BYTES_MAX;
use crate::limits::TEXT_BYTES_MAX;
use crate::model::AliasTarget;
use crate::model::ArtifactRef;
use crate::model::Environment;
use crate::model::Flow;
use crate::model::Name;
use crate::model::ParamValue;
use crate::model::Point;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Status;
use crate::reference;
use crate::settings::Settings;
use crate::sys::fork_generation;

/// What a run starts with. All may be left out.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Id, for a run that was known elsewhere; none makes a new one.
    pub id: Option<RunId>,
    /// Name for people; none makes a readable one.
    pub name: Option<String>,
    /// Experiment it belongs to.
    pub experiment: Option<String>,
    /// Author; none asks git, then the system.
    pub author: Option<String>,
    /// Run it is part of.
    pub parent: Option<RunId>,
    /// Params that it starts with: rules of the store are held against these.
    pub params: Vec<(String, ParamValue)>,
    /// Start in microseconds since 1970; none is now.
    pub start_us: Option<i64>,
    /// Whether it is fed by short commands and only ends when it is finished.
    pub detached: bool,
    /// Where and how it runs; none captures this process.
    pub environment: Option<Environment>,
}

/// How a file is logged. All may be left out.
#[derive(Clone, Debug, Default)]
pub struct ArtifactOptions {
    /// Name inside the run; none is the file's own, of an input the path as it is given.
    pub name: Option<String>,
    /// What it is, in words of the user's: `model`, `dataset`.
    pub kind: Option<String>,
    /// Whether the run made it or reads it.
    pub flow: Flow,
    /// Whether the bytes stay where they are and only hash, length and time are kept; none: those
    /// of an input do, those of an output are stored.
    pub stays: Option<bool>,
}

/// Called when a writer has ended, so that the index can be brought up to date.
pub(crate) type AfterEnd = Arc<dyn Fn() + Send + Sync>;

/// What a writer of a run needs of its store.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) folders: Folders,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) options: Options,
    pub(crate) after_end: AfterEnd,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            folders,
            blobs: _,
            options,
            after_end: _,
        } = self;
        f.debug_struct("Parts")
            .field("folders", folders)
            .field("options", options)
            .finish()
    }
}

/// What is known of a run that is there.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) params: BTreeMap<String, ParamValue>,
    pub(crate) has_ended: bool,
    pub(crate) rules: Rules,
}

/// What the store has to say of a run that is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) settings: Settings,
    pub(crate) experiment: Option<String>,
    /// Why the settings cannot be read, if so.
    pub(crate) unread: Option<String>,
}

#[derive(Debug)]
struct Shared {
    parts: Parts,
    id: RunId,
    name: String,
    generation: u32,
    /// Whether the run has ended: it then takes tags and notes, and no points.
    has_ended: bool,
    writer: Mutex<Option<Writer>>,
    backlog: Backlog,
    rules: Rules,
    /// Params that the run is known to have.
    params: Mutex<BTreeMap<String, ParamValue>>,
    /// The writer of a process that was forked from this one.
    child: OnceLock<Arc<Shared>>,
}

/// Logs to a run. Cheap to clone, and each clone is the same writer; can be shared between threads;
/// each call is whole.
///
/// Dropping the last of them without [`finish`](Self::finish) leaves a run that has failed.
#[derive(Clone, Debug)]
pub struct RunWriter(Arc<Shared>);

/// One metric of a run, looked up once.
#[derive(Clone, Debug)]
pub struct Metric {
    run: Arc<Shared>,
    name: Name,
    shape: u32,
}

impl Metric {
    /// Appends a point with the time of now.
    ///
    /// # Errors
    /// As [`RunWriter::log`].
    #[inline]
    pub fn log(&self, step: i64, value: f64) -> Result<()> {
        if self.run.generation != fork_generation() {
            return RunWriter(self.run.here()?).log(step, &[(self.name.as_str(), value)]);
        }
        self.run.while_open(|writer| {
            let time_us = writer.clock().now_us();
            writer.points_of_shape(self.shape, step, time_us, std::iter::once(value))
        })
    }
}

impl Shared {
    /// The writer of this process: its own, or the one it makes after a fork.
    fn here(self: &Arc<Self>) -> Result<Arc<Self>> {
        if self.generation == fork_generation() {
            return Ok(Arc::clone(self));
        }
        if let Some(child) = self.child.get() {
            return child.here();
        }
        let mut parts = self.parts.clone();
        parts.options.role = Role::Member;
        parts.options.process = parts.folders.sys.process();
        // The parent may have held this lock when it forked; then the child begins with nothing.
        let params = self
            .params
            .try_lock()
            .map(|params| params.clone())
            .unwrap_or_default();
        let writer = Writer::open(&parts.folders, self.id, parts.options.clone())?;
        let known = Known {
            name: self.name.clone(),
            params,
            has_ended: self.has_ended,
            rules: self.rules.clone(),
        };
        let child = Self::new(parts, self.id, known, writer);
        self.child.get_or_init(|| Arc::new(child)).here()
    }

    fn new(parts: Parts, id: RunId, known: Known, writer: Writer) -> Self {
        let Known {
            name,
            params,
            has_ended,
            rules,
        } = known;
        Self {
            parts,
            id,
            name,
            generation: fork_generation(),
            has_ended,
            backlog: writer.backlog(),
            writer: Mutex::new(Some(writer)),
            rules,
            params: Mutex::new(params),
            child: OnceLock::new(),
        }
    }

    /// Calls the writer with what only a run takes that has not ended.
    #[inline]
    fn while_open<T>(&self, call: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        if self.has_ended {
            Err(Error::Ended(self.id))
        } else {
            self.with(call)
        }
    }

    #[inline]
    fn with<T>(&self, call: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        let mut writer = lock_soon(&self.writer);
        match writer.as_mut() {
            Some(writer) => call(writer),
            None => Err(Error::Ended(self.id)),
        }
    }

    fn params(&self) -> MutexGuard<'_, BTreeMap<String, ParamValue>> {
        self.params.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, event: &Event) -> Result<()> {
        self.with(|writer| {
            let time_us = writer.clock().now_us();
            writer.event(time_us, event)
        })
    }
}

impl RunWriter {
    /// Starts a run: its first record survives the death of the process when this returns.
    pub(crate) fn start(parts: Parts, id: RunId, info: RunInfo, rules: Rules) -> Result<Self> {
        let name = info.name.clone();
        let mut writer = Writer::open(&parts.folders, id, parts.options.clone())?;
        let time_us = writer.clock().now_us();
        writer.event(time_us, &Event::RunStarted(Box::new(info)))?;
        let known = Known {
            name,
            params: BTreeMap::new(),
            has_ended: false,
            rules,
        };
        Ok(Self(Arc::new(Shared::new(parts, id, known, writer))))
    }

    /// Writes to a run that is there already.
    pub(crate) fn join(parts: Parts, id: RunId, known: Known) -> Result<Self> {
        let writer = Writer::open(&parts.folders, id, parts.options.clone())?;
        Ok(Self(Arc::new(Shared::new(parts, id, known, writer))))
    }

    /// Returns the run's id.
    pub fn id(&self) -> RunId {
        self.0.id
    }

    /// Returns the run's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns what the store's [`tracker.toml`](crate::settings) has to say of a run that was
    /// started here, with the params that it has by now; and why that file cannot be read, if so.
    pub fn warnings(&self) -> Vec<String> {
        let Rules {
            settings,
            experiment,
            unread,
        } = &self.0.rules;
        let params = self.0.params();
        let params = params.keys().map(String::as_str);
        let complaints = settings.complaints(experiment.as_deref(), params);
        let complaints = complaints.into_iter().map(|complaint| complaint.text);
        let of_file = unread.iter().chain(settings.warnings()).cloned();
        of_file.chain(complaints).collect()
    }

    /// Appends the values of one step, with the time of now.
    ///
    /// When this returns they survive the death of this process; a power cut, after
    /// [`sync`](Self::sync), or a second later.
    ///
    /// - `step`: any `i64`; steps may repeat and come in any order
    /// - `values`: names of 1 to [`NAME_BYTES_MAX`](crate::limits::NAME_BYTES_MAX) bytes; any
    ///   `f64`, NaN and infinities too, kept bit for bit
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, and nothing is logged; [`Error::Io`] if there was no
    /// room, and a later call may succeed; [`Error::Ended`].
    #[inline]
    pub fn log(&self, step: i64, values: &[(&str, f64)]) -> Result<()> {
        let log = |writer: &mut Writer| {
            let time_us = writer.clock().now_us();
            writer.points(step, time_us, values)
        };
        if self.0.generation == fork_generation() {
            self.0.while_open(log)
        } else {
            self.0.here()?.while_open(log)
        }
    }

    /// Appends the values of one step at a given time in microseconds since 1970.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn log_at(&self, step: i64, time_us: i64, values: &[(&str, f64)]) -> Result<()> {
        self.0
            .here()?
            .while_open(|writer| writer.points(step, time_us, values))
    }

    /// Appends many points of one metric, in the order given.
    ///
    /// # Errors
    /// As [`Self::log`]; points before the one that failed are kept.
    pub fn log_points(&self, metric: &str, points: &[Point]) -> Result<()> {
        self.0.here()?.while_open(|writer| {
            let shape = writer.shape_of(metric)?;
            points.iter().try_for_each(|point| {
                let value = std::iter::once(point.value);
                writer.points_of_shape(shape, point.step, point.time_us, value)
            })
        })
    }

    /// Appends many points of one metric with the time of now, in the order given.
    ///
    /// - `steps`, `values`: `[points]`; of the longer one the rest is left out
    ///
    /// # Errors
    /// As [`Self::log_points`].
    pub fn log_series(&self, metric: &str, steps: &[i64], values: &[f64]) -> Result<()> {
        self.0.here()?.while_open(|writer| {
            let shape = writer.shape_of(metric)?;
            let time_us = writer.clock().now_us();
            steps.iter().zip(values).try_for_each(|(step, value)| {
                writer.points_of_shape(shape, *step, time_us, std::iter::once(*value))
            })
        })
    }

    /// Returns a handle that skips the look-up of the name.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub fn metric(&self, name: &str) -> Result<Metric> {
        let run = self.0.here()?;
        let shape = run.while_open(|writer| writer.shape_of(name))?;
        Ok(Metric {
            run,
            name: Name::new("metric name", name)?,
            shape,
        })
    }

    /// Sets a param once: the same value again is fine.
    ///
    /// # Errors
    /// [`Error::ParamConflict`] if it has another value, which stays; [`Error::Invalid`];
    /// [`Error::Io`].
    pub fn param(&self, key: &str, value: ParamValue) -> Result<()> {
        let run = self.0.here()?;
        let name = Name::new("param name", key)?;
        value.check()?;
        let mut params = run.params();
        match params.get(key) {
            Some(old) if *old == value => return Ok(()),
            Some(old) => return Err(conflict(key, old, &value)),
            None => {}
        }
        run.event(&Event::Param {
            key: name,
            value: value.clone(),
        })?;
        params.insert(key.to_owned(), value);
        Ok(())
    }

    /// Sets or replaces a tag.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Io`].
    pub fn tag(&self, key: &str, value: &str) -> Result<()> {
        check_text("tag", value)?;
        let event = Event::Tag {
            key: Name::new("tag name", key)?,
            value: value.to_owned(),
        };
        self.0.here()?.event(&event)
    }

    /// Sets or replaces the note.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Io`].
    pub fn note(&self, text: &str) -> Result<()> {
        check_text("note", text)?;
        self.0.here()?.event(&Event::Note(text.to_owned()))
    }

    /// Stores a file, or all files of a folder, under `name` (none: its own name).
    ///
    /// A path that is there already gets a new version, if the bytes are others; the older ones
    /// stay. Bytes are on the disk before the record that names them. What the store has already
    /// is not written again.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no file; [`Error::Io`]. Of a folder nothing is added then.
    pub fn artifact(&self, path: &Path, name: Option<&str>) -> Result<Vec<ArtifactRef>> {
        let name = name.map(str::to_owned);
        let options = ArtifactOptions {
            name,
            ..ArtifactOptions::default()
        };
        self.artifact_with(path, &options)
    }

    /// Notes that the run reads a file, or all files of a folder. They stay where they are: hash,
    /// length and time are kept, so that it can be told later whether they changed.
    ///
    /// - `name`: none is the path as it is given
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub fn input(&self, path: &Path, name: Option<&str>) -> Result<Vec<ArtifactRef>> {
        let options = ArtifactOptions {
            name: name.map(str::to_owned),
            flow: Flow::Input,
            ..ArtifactOptions::default()
        };
        self.artifact_with(path, &options)
    }

    /// Logs a file, or all files of a folder.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub fn artifact_with(
        &self,
        path: &Path,
        options: &ArtifactOptions,
    ) -> Result<Vec<ArtifactRef>> {
        let ArtifactOptions {
            name,
            kind,
            flow,
            stays,
        } = options;
        if let Some(kind) = kind {
            Name::new("artifact type", kind)?;
        }
        let run = self.0.here()?;
        let top = match name {
            Some(name) => name.clone(),
            None => own_name(path, *flow)?,
        };
        let sys = &*run.parts.folders.sys;
        let sources = run.parts.blobs.walk(path)?;
        let names = sources
            .iter()
            .map(|source| artifact_path(&top, &source.name));
        let names = names.collect::<Result<Vec<String>>>()?;
        let mut artifacts = Vec::with_capacity(names.len());
        if stays.unwrap_or(*flow == Flow::Input) {
            for (path, source) in names.into_iter().zip(&sources) {
                let file = reference::measure(sys, &source.path)?;
                artifacts.push(ArtifactRef {
                    reference: Some(file.path),
                    mode: file.attributes.mode,
                    modified_ns: file.attributes.modified_ns,
                    ..ArtifactRef::new(path, file.blob, file.bytes, 0)
                });
            }
        } else {
            let had = sources.iter();
            let had = had.map(|source| reference::attributes(sys, &source.path));
            let had = had.collect::<Result<Vec<_>>>()?;
            let puts = run.parts.blobs.put_files(&sources, &mut |_| ())?;
            for ((path, had), put) in names.into_iter().zip(had).zip(puts) {
                artifacts.push(ArtifactRef {
                    mode: had.mode,
                    modified_ns: had.modified_ns,
                    ..ArtifactRef::new(path, put.blob, put.bytes, 0)
                });
            }
        }
        let added = artifacts.into_iter().map(|artifact| {
            run.add_artifact(ArtifactRef {
                kind: kind.clone(),
                flow: *flow,
                ..artifact
            })
        });
        added.collect()
    }

    /// Stores bytes as an artifact.
    ///
    /// # Errors
    /// As [`Self::artifact`].
    pub fn artifact_bytes(&self, name: &str, bytes: &[u8]) -> Result<ArtifactRef> {
        check_artifact_path(name)?;
        let run = self.0.here()?;
        let put = run.parts.blobs.put_bytes(bytes)?;
        run.add_artifact(ArtifactRef::new(name.to_owned(), put.blob, put.bytes, 0))
    }

    /// Sets an alias to a file of this run, or removes it.
    pub(crate) fn alias(&self, name: Name, target: Option<AliasTarget>) -> Result<()> {
        self.0.here()?.event(&Event::Alias { name, target })
    }

    /// Stores what a reader gives as an artifact, such as standard input, in memory that is bounded
    /// whatever the length.
    ///
    /// # Errors
    /// As [`Self::artifact`]; [`Error::Io`] of the reader.
    pub fn artifact_reader(&self, name: &str, reader: &mut dyn io::Read) -> Result<ArtifactRef> {
        check_artifact_path(name)?;
        let run = self.0.here()?;
        let blobs = &run.parts.blobs;
        let put = blobs.put_reader(reader, Path::new(name), &mut |_| ())?;
        run.add_artifact(ArtifactRef::new(name.to_owned(), put.blob, put.bytes, 0))
    }

    /// Tells for how long callers were held up because disk or core did not keep up; none if they
    /// were not.
    pub fn slowed(&self) -> Option<String> {
        self.0
            .here()
            .and_then(|run| run.with(|writer| Ok(writer.slowed())))
            .ok()
            .flatten()
    }

    /// Whether the next call may have to wait for disk or core, told without a wait.
    ///
    /// For callers that hold what others want, such as the lock of an interpreter.
    #[inline]
    pub fn is_behind(&self) -> bool {
        self.0.backlog.is_long()
    }

    /// Makes all that was logged survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.0.here()?.with(Writer::sync)
    }

    /// Ends the run, and brings the index up to date if nobody else is at it.
    ///
    /// - `reason`: why it failed
    /// - `end_us`: its end in microseconds since 1970; none is now
    ///
    /// # Errors
    /// [`Error::Invalid`] in a process forked from the one that started the run; [`Error::Ended`];
    /// [`Error::Io`].
    pub fn finish(self, status: Status, reason: Option<&str>, end_us: Option<i64>) -> Result<()> {
        if self.0.generation != fork_generation() {
            let why = "this process was forked from the one whose run it is; close it here";
            return Err(Error::invalid("finish", why));
        }
        self.0.while_open(|writer| {
            let time_us = writer.clock().now_us();
            let end_us = end_us.unwrap_or(time_us);
            let reason = reason.map(str::to_owned);
            writer.event(
                time_us,
                &Event::Finished {
                    status,
                    reason,
                    end_us,
                },
            )?;
            match self.0.parts.options.role {
                Role::Command => writer.sync(), // closing leaves the rows to the next command
                Role::Owner | Role::Member => Ok(()), // closing seals, which syncs
            }
        })?;
        self.0.end(Writer::close_for_good)
    }

    /// Ends this writer and leaves the run as it is.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn close(self) -> Result<()> {
        if self.0.generation != fork_generation() && self.0.child.get().is_none() {
            return Ok(()); // a child that never logged
        }
        let run = self.0.here()?;
        // What a short command leaves open is not for the index yet.
        let is_command = run.parts.options.role == Role::Command;
        run.end(if is_command {
            Writer::leave
        } else {
            Writer::close_for_good
        })
    }
}

impl Shared {
    /// Ends the writer by `close`, and brings the index up to date if that sealed anything.
    fn end(&self, close: fn(Writer) -> Result<bool>) -> Result<()> {
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer
            && close(writer)?
        {
            (self.parts.after_end)();
        }
        Ok(())
    }

    /// Notes a file with the time of now.
    fn add_artifact(&self, artifact: ArtifactRef) -> Result<ArtifactRef> {
        let media_type = media_type(&artifact.path).map(str::to_owned);
        let time_us = self.with(|writer| Ok(writer.clock().now_us()))?;
        let artifact = ArtifactRef {
            media_type,
            time_us,
            ..artifact
        };
        self.with(|writer| writer.event(time_us, &Event::Artifact(artifact.clone())))?;
        Ok(artifact)
    }
}

fn conflict(key: &str, old: &ParamValue, new: &ParamValue) -> Error {
    Error::ParamConflict {
        key: key.to_owned(),
        old: told(old),
        new: told(new),
    }
}

/// Checks params that a run is to start with.
pub(crate) fn check_params(params: &[(String, ParamValue)]) -> Result<()> {
    let mut seen: BTreeMap<&str, &ParamValue> = BTreeMap::new();
    for (key, value) in params {
        Name::new("param name", key)?;
        value.check()?;
        match seen.insert(key, value) {
            Some(old) if old != value => return Err(conflict(key, old, value)),
            _ => {}
        }
    }
    Ok(())
}

/// A value as an error shows it: text in quotes, and not all of a long one.
fn told(value: &ParamValue) -> Box<str> {
    const CHARS_MAX: usize = 200;
    let json = value.to_json().to_string();
    match json.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()).into(),
        None => json.into(),
    }
}

pub(crate) fn check_text(what: &'static str, text: &str) -> Result<()> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let why = format!("has {} bytes, at most {TEXT_BYTES_MAX}", text.len());
    Err(Error::invalid(what, why))
}

/// The name inside a run of a file that is given none.
///
/// What a run makes has its own name. Of inputs several are often called alike and lie in
/// different folders: they have the path as it is given, without what leads upward.
fn own_name(path: &Path, flow: Flow) -> Result<String> {
    let is_normal = |part: &Component<'_>| matches!(part, Component::Normal(_));
    let text = |part: Component<'_>| part.as_os_str().to_string_lossy().into_owned();
    let parts: Vec<String> = match (flow, path.file_name()) {
        (_, None) => Vec::new(),
        (Flow::Output, Some(name)) => vec![name.to_string_lossy().into_owned()],
        (Flow::Input, Some(_)) => path.components().filter(is_normal).map(text).collect(),
    };
    if !parts.is_empty() {
        return Ok(parts.join("/"));
    }
    // `.` has a name where it is.
    let full = std::path::absolute(path).unwrap_or_default();
    let name = full
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| {
        let why = format!("the path ends in no name: {}", path.display());
        Error::invalid("artifact name", why)
    })
}

/// The path of a file below an artifact that may be a folder.
pub(crate) fn artifact_path(top: &str, below: &str) -> Result<String> {
    let path = match below {
        "" => top.to_owned(),
        below => format!("{}/{below}", top.trim_end_matches('/')),
    };
    check_artifact_path(&path)?;
    Ok(path)
}

/// Checks what is said of a file elsewhere.
pub(crate) fn check_artifact(artifact: &ArtifactRef) -> Result<()> {
    check_artifact_path(&artifact.path)?;
    if let Some(kind) = &artifact.kind {
        Name::new("artifact type", kind)?;
    }
    let long = [&artifact.reference, &artifact.media_type];
    long.into_iter()
        .flatten()
        .try_for_each(|text| check_text("artifact", text))
}

/// An artifact's path stays inside its run: relative, with `/`, without `..`.
fn check_artifact_path(path: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid("artifact name", format!("{why}: {path:?}")));
    if path.is_empty() {
        return refuse("it is empty");
    }
    if path.len() > ARTIFACT_PATH_BYTES_MAX {
        let why = format!(
            "has {} bytes, at most {ARTIFACT_PATH_BYTES_MAX}",
            path.len()
        );
        return Err(Error::invalid("artifact name", why));
    }
    if path.starts_with('/') {
        return refuse("it is absolute");
    }
    if path.chars().any(char::is_control) {
        return refuse("has a control character");
    }
    if path.split('/').any(|part| matches!(part, ".." | "." | "")) {
        return refuse("has an empty, `.` or `..` part");
    }
    Ok(())
}

/// Locks a mutex that others hold for a moment at a time.
///
/// Who sleeps in `lock` has to be woken up by who unlocks, with a system call as long as ten steps;
/// who only gives way costs the others nothing.
#[inline]
fn lock_soon<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    const TRIES: usize = 64;
    for _ in 0..TRIES {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
