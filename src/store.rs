//! A store: the folder that holds runs.
//!
//! ```text
//! .tracker/
//!   format                 one line: version and the store's id
//!   live/                  segments being appended or not folded yet
//!   journal/<r2>/          sealed segments: the truth
//!   blobs/<b2>/            artifact bytes by hash
//!   index.redb, fold.lock  derived; `rebuild` makes it again
//!   tracker.toml           optional: what people have agreed on
//! ```
//!
//! Every part may be copied, also while it is in use, save the index and its lock, which are then
//! made again.

mod artifacts;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use crate::blob::Blobs;
use crate::capture;
use crate::check;
pub use crate::check::CheckReport;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
pub use crate::fault::Fault;
pub use crate::fault::Touched;
pub use crate::fold::FoldReport;
use crate::fold::Folder;
pub use crate::fold::Progress;
use crate::index::Index;
use crate::journal::Folders;
use crate::journal::Role;
use crate::journal::segment::Append;
use crate::journal::whole::Whole;
use crate::journal::writer::Options;
use crate::limits::SYNC_INTERVAL_MS;
use crate::model::ArtifactRef;
use crate::model::Flow;
use crate::model::Name;
use crate::model::Run;
use crate::model::RunId;
use crate::model::RunInfo;
use crate::model::Status;
use crate::query::Reader;
use crate::query::Source;
pub use crate::reference::ReferenceState;
use crate::run;
use crate::run::Known;
use crate::run::Parts;
use crate::run::Rules;
use crate::run::RunOptions;
use crate::run::RunWriter;
use crate::salvage;
pub use crate::salvage::SalvageReport;
use crate::salvage::Target;
use crate::settings;
use crate::settings::Direction;
use crate::settings::Settings;
use crate::settings::Severity;
use crate::stat;
pub use crate::stat::PartStat;
pub use crate::stat::StoreStat;
use crate::sys;
use crate::sys::Open;
use crate::sys::RealSys;
use crate::sys::SharedSys;

/// Newest format that this version reads and writes.
pub const FORMAT: u32 = 1;
/// Name of the folder that is looked for upward.
pub const FOLDER: &str = ".tracker";

/// A run that ends folds when so many segments wait. Below, a fold costs more than it saves: a
/// transaction syncs the index seven times, a reader looks through a waiting segment in 20 us.
const FOLD_AT: usize = 32;
/// How long a fold at the end of a run may take; what is left is folded by later commands.
const FOLD_AT_END: Duration = Duration::from_secs(2);
/// How much longer than its budget a fold is waited for: its last transaction may be a large one on
/// a slow disk, and a process that ends in the middle of it has done it in vain.
const FOLD_PATIENCE: Duration = Duration::from_secs(10);
/// How long another process may take to write the one line of `format`.
const FORMAT_TRIES: u32 = 100;
const FORMAT_WAIT: Duration = Duration::from_millis(10);

/// How a store is used by this process.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// How often what is logged is synced to the disk: all that a power cut can take. Default 1 s.
    pub sync_interval: Duration,
    /// Whether segments are mapped; none asks the file system whether that is safe.
    pub append: Option<Append>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            sync_interval: Duration::from_millis(SYNC_INTERVAL_MS),
            append: None,
        }
    }
}

#[derive(Debug)]
struct Parties {
    sys: SharedSys,
    path: PathBuf,
    id: String,
    options: StoreOptions,
    source: Source,
}

/// The folder that holds runs. Cheap to clone; can be shared between threads.
#[derive(Clone, Debug)]
pub struct Store(Arc<Parties>);

/// A run that has ended elsewhere, with all that is known of it: what an import brings.
#[derive(Clone, Debug, Default)]
pub struct EndedRun<'a> {
    /// What was fixed at its start.
    pub info: RunInfo,
    /// How it ended; running is not an end.
    pub status: Option<Status>,
    /// Why it failed.
    pub reason: Option<String>,
    /// Its end in microseconds since 1970.
    pub end_us: Option<i64>,
    /// Params.
    pub params: Vec<(String, crate::model::ParamValue)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// Note.
    pub note: Option<String>,
    /// Points by metric, in the order logged.
    pub series: Cow<'a, [(String, Vec<crate::model::Point>)]>,
    /// Files and folders by the artifact's path.
    pub artifacts: Vec<(String, PathBuf)>,
    /// What those files are, by the artifact's path: `model`.
    pub kinds: BTreeMap<String, String>,
    /// Files that it read: references, of which the time is that of the run.
    pub inputs: Vec<ArtifactRef>,
}

impl Store {
    /// Finds the nearest `.tracker` in `from` or a folder above it.
    pub fn find(from: &Path) -> Option<PathBuf> {
        let sys = RealSys;
        let is_store = |path: &PathBuf| sys::Sys::stat(&sys, &path.join("format")).is_ok();
        from.ancestors()
            .map(|folder| folder.join(FOLDER))
            .find(is_store)
    }

    /// Opens an existing store. Writes nothing.
    ///
    /// # Errors
    /// [`Error::NotAStore`], [`Error::NewerFormat`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(Arc::new(RealSys), path, StoreOptions::default())
    }

    /// Opens a store, making it first if nothing is there.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::NotAStore`] for a folder that holds something else.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        Self::create_with(Arc::new(RealSys), path, StoreOptions::default())
    }

    /// Opens an existing store on a system, in a way.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(sys: SharedSys, path: &Path, options: StoreOptions) -> Result<Self> {
        let format = path.join("format");
        let line = match read_format(&sys, &format) {
            Err(error) if is_no_folder(&error) => return Err(Error::NotAStore(path.to_owned())),
            line => line?,
        };
        let id = parse_format(&line, &format)?;
        let path = absolute(path)?;
        let source = source_at(&sys, &path, &id);
        Ok(Self(Arc::new(Parties {
            sys,
            path,
            id,
            options,
            source,
        })))
    }

    /// Opens a store on a system, in a way, making it first if nothing is there.
    ///
    /// # Errors
    /// As [`Self::open_or_create`].
    pub fn create_with(sys: SharedSys, path: &Path, options: StoreOptions) -> Result<Self> {
        match Self::open_with(Arc::clone(&sys), path, options) {
            Err(Error::NotAStore(_)) => {}
            // Its maker died, or the disk was full: nothing was ever in it.
            Err(Error::Corrupt(_)) if is_unborn(&sys, path) => {}
            opened => return opened,
        }
        sys::make_dir(&*sys, path).map_err(|error| match error {
            Error::Io { ref source, .. } if is_file_there(source) => {
                Error::NotAStore(path.to_owned())
            }
            error => error,
        })?;
        // What a process leaves that dies while it makes the store; anything else is not ours.
        let ours = ["live", "journal", "blobs", "format", settings::FILE];
        if sys
            .list(path)?
            .iter()
            .any(|entry| !ours.contains(&entry.name.as_str()))
        {
            return Err(Error::NotAStore(path.to_owned()));
        }
        Folders::new(Arc::clone(&sys), path).create()?;
        sys.create_dir(&path.join("blobs"))?;
        let format = path.join("format");
        let line = format_line(&new_id(&sys));
        match sys.open(&format, Open::New) {
            Ok(file) => {
                let written = file.write_at(line.as_bytes(), 0).and_then(|()| file.sync());
                if written.is_err() {
                    let _ = sys.remove(&format); // best effort: the error says more
                }
                written?;
                sys.sync_dir(path)?;
            }
            // Another process was faster; its line is read below.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                let there = read_format(&sys, &format)?;
                if parse_format(&there, &format).is_err() && is_unborn(&sys, path) {
                    sys::write_whole(&*sys, &format, line.as_bytes())?;
                }
            }
            Err(error) => return Err(error),
        }
        Self::open_with(sys, path, options)
    }

    /// Returns the folder, as a full path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the store's id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    fn folder(&self) -> Folder<'_> {
        self.0.source.folder()
    }

    fn parts(&self, role: Role) -> Parts {
        let Parties {
            sys,
            options,
            source,
            ..
        } = &*self.0;
        let Source {
            folders,
            blobs,
            file_system,
            ..
        } = source;
        let by_default = if file_system.maps_safely {
            Append::Mapped
        } else {
            Append::Written
        };
        let append = match role {
            Role::Command => Append::Written, // over before a map pays
            Role::Owner | Role::Member => options.append.unwrap_or(by_default),
        };
        let store = self.clone();
        Parts {
            folders: folders.clone(),
            blobs: Arc::clone(blobs),
            options: Options {
                role,
                append,
                sync_interval: options.sync_interval,
                process: sys.process(),
                not_before_us: i64::MIN,
            },
            // What cannot be folded now is folded by the next command; the journal has it.
            after_end: Arc::new(move || {
                if store.0.source.folders.count_sealed().unwrap_or(0) >= FOLD_AT {
                    let _ = store.fold(Some(FOLD_AT_END));
                }
            }),
        }
    }

    /// Starts a run. Its first record is in the journal when this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, and for params that break a rule of severity `error` in
    /// the store's [`tracker.toml`](settings); [`Error::ParamConflict`] for one that is given
    /// twice; [`Error::Io`].
    pub fn start_run(&self, options: RunOptions) -> Result<RunWriter> {
        let RunOptions {
            id,
            name,
            experiment,
            author,
            parent,
            params,
            start_us,
            detached,
            environment,
        } = options;
        let check = |what, text: &Option<String>| {
            text.as_deref()
                .map_or(Ok(()), |text| Name::new(what, text).map(drop))
        };
        check("run name", &name)?;
        check("experiment", &experiment)?;
        check("author", &author)?;
        run::check_params(&params)?;
        let rules = self.rules(experiment.as_deref(), &params)?;
        let sys = &self.0.sys;
        let start_us = start_us.unwrap_or_else(|| sys.now_us());
        let id = id.unwrap_or_else(|| RunId::new(start_us / 1_000, sys.random()));
        let info = RunInfo {
            name: name.unwrap_or_else(|| capture::run_name(sys.random())),
            experiment,
            author: author.or_else(capture::author),
            parent,
            start_us: Some(start_us),
            detached,
            source: None,
            environment: environment.unwrap_or_else(capture::environment),
        };
        // A detached run is started by a command and fed by commands.
        let role = if detached { Role::Command } else { Role::Owner };
        let run = RunWriter::start(self.parts(role), id, info, rules)?;
        let set = params
            .into_iter()
            .try_for_each(|(key, value)| run.param(&key, value));
        match set {
            Ok(()) => Ok(run),
            Err(error) => {
                // Nobody has its id to finish it; the first error says more.
                let _ = run.finish(Status::Failed, Some("its params were not written"), None);
                Err(error)
            }
        }
    }

    /// Holds the rules of the store against a run that is to be started.
    fn rules(
        &self,
        experiment: Option<&str>,
        params: &[(String, crate::model::ParamValue)],
    ) -> Result<Rules> {
        // A file that cannot be read keeps nobody from logging.
        let (settings, unread) = match self.settings() {
            Ok(settings) => (settings, None),
            Err(error) => (Settings::default(), Some(error.to_string())),
        };
        let names = params.iter().map(|(name, _)| name.as_str());
        let complaints = settings.complaints(experiment, names);
        let refused = complaints
            .iter()
            .filter(|complaint| complaint.severity == Severity::Error);
        let refused: Vec<&str> = refused.map(|complaint| complaint.text.as_str()).collect();
        if !refused.is_empty() {
            return Err(Error::invalid("params", refused.join("; ")));
        }
        let experiment = experiment.map(str::to_owned);
        Ok(Rules {
            settings,
            experiment,
            unread,
        })
    }

    /// Adds a writer to a run that somebody else started and will finish: a rank of a distributed
    /// job, a child of `tracker run`, a long stream into a detached run.
    ///
    /// A detached run that was finished takes tags, notes, params and artifacts, and no points.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Io`].
    pub fn join_run(&self, run: RunId) -> Result<RunWriter> {
        self.join(run, Role::Member)
    }

    /// Adds to a run from a short command, which leaves its segment for the next one.
    ///
    /// # Errors
    /// As [`Self::join_run`].
    pub fn join_run_briefly(&self, run: RunId) -> Result<RunWriter> {
        self.join(run, Role::Command)
    }

    /// Takes up a run that ended or crashed: it runs again until this writer finishes it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Io`].
    pub fn resume_run(&self, run: RunId) -> Result<RunWriter> {
        self.join(run, Role::Owner)
    }

    fn join(&self, id: RunId, role: Role) -> Result<RunWriter> {
        self.join_after(id, role, i64::MIN)
    }

    /// - `not_before_us`: what is said is not said before, in microseconds since 1970
    fn join_after(&self, id: RunId, role: Role, not_before_us: i64) -> Result<RunWriter> {
        let reader = self.reader()?;
        let Run {
            info,
            status,
            params,
            ..
        } = reader.run(id)?;
        // Only a run that is ended by hand refuses more: what a program started may speak late.
        let is_over = matches!(status, Status::Completed | Status::Failed);
        let has_ended = is_over && info.detached && role != Role::Owner;
        let known = Known {
            name: info.name,
            params,
            has_ended,
            rules: Rules::default(),
        };
        let mut parts = self.parts(role);
        // Another machine's clock may be ahead, or this one's was set back: what is said now is
        // said later all the same.
        parts.options.not_before_us = reader
            .spoken_us(id)?
            .map_or(i64::MIN, |spoken| spoken.saturating_add(1))
            .max(not_before_us);
        RunWriter::join(parts, id, known)
    }

    /// Adds a run that has ended elsewhere, whole or not at all.
    ///
    /// What it writes is decided by `id` and `run` alone, so adding it again, here or in a store
    /// that is merged later, changes nothing.
    ///
    /// - `reader`: tells what is there; one can serve for many runs of different ids
    /// - returns: its artifacts as stored; none if the run was there
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or artifact; [`Error::Locked`] when another process is
    /// adding the same run; [`Error::Io`].
    pub fn add_run(
        &self,
        reader: &Reader,
        id: RunId,
        run: &EndedRun<'_>,
    ) -> Result<Option<Vec<ArtifactRef>>> {
        match reader.run(id) {
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
            // The record of its start is written last: without it an earlier try has died.
            Ok(known) if known.has_started => return Ok(None),
            Ok(_) => {}
        }
        let mut stored = Vec::new();
        let mut whole = Whole::new(id, &run.info, run.end_us)?;
        for (key, value) in &run.params {
            value.check()?;
            whole.param(key, value)?;
        }
        for (key, text) in &run.tags {
            run::check_text("tag", text)?;
            whole.tag(key, text)?;
        }
        if let Some(note) = &run.note {
            run::check_text("note", note)?;
            whole.note(note);
        }
        for kind in run.kinds.values() {
            Name::new("artifact type", kind)?;
        }
        for (top, path) in &run.artifacts {
            let sources = self.0.source.blobs.walk(path)?;
            let puts = self.0.source.blobs.put_files(&sources, &mut |_| ())?;
            for (source, put) in sources.iter().zip(puts) {
                let path = run::artifact_path(top, &source.name)?;
                let artifact = ArtifactRef {
                    media_type: crate::blob::media_type(&path).map(str::to_owned),
                    kind: run.kinds.get(&path).cloned(),
                    ..ArtifactRef::new(path, put.blob, put.bytes, whole.time_us())
                };
                stored.push(artifact.clone());
                whole.artifact(artifact);
            }
        }
        for input in &run.inputs {
            run::check_artifact(input)?;
            let time_us = whole.time_us();
            whole.artifact(ArtifactRef {
                flow: Flow::Input,
                time_us,
                ..input.clone()
            });
        }
        for (metric, points) in &*run.series {
            whole.series(metric, points)?;
        }
        let status = run.status.unwrap_or(Status::Completed);
        whole.write(&self.0.source.folders, status, run.reason.clone())?;
        Ok(Some(stored))
    }

    /// Takes a snapshot to read from.
    ///
    /// # Errors
    /// [`Error::Io`] when not even the folders can be listed.
    pub fn reader(&self) -> Result<Reader> {
        Reader::open(&self.0.source)
    }

    /// Seals what dead writers left and brings the index up to date, for about `budget`; does
    /// nothing when another process is at it.
    ///
    /// - `budget`: none waits for whatever it takes. A reader that was suspended (`SIGSTOP`) while
    ///   it opened the index holds up who writes it; with a budget the fold is then left to a
    ///   thread, which goes on when it can, and the report says busy
    ///
    /// # Errors
    /// [`Error::Io`], with [`Error::is_read_only`] on a store that cannot be written.
    pub fn fold(&self, budget: Option<Duration>) -> Result<FoldReport> {
        let Some(budget) = budget else {
            return self.folder().fold(None);
        };
        let store = self.clone();
        let work = move || store.folder().fold(Some(budget));
        let folded = sys::within(budget + FOLD_PATIENCE, "tracker-fold", &self.0.path, work)?;
        folded.unwrap_or_else(|| {
            Ok(FoldReport {
                busy: true,
                ..FoldReport::default()
            })
        })
    }

    /// Makes the index anew from the journal.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process is at it; [`Error::Corrupt`] for a damaged segment
    /// whose points only the index still has (remove the index to go on without them);
    /// [`Error::Io`].
    pub fn rebuild(&self, progress: Progress<'_>) -> Result<FoldReport> {
        self.folder().rebuild(progress)
    }

    /// Reads everything and tells all that is not as it was written. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Io`] when the folders cannot be listed.
    pub fn check(&self, progress: Progress<'_>) -> Result<CheckReport> {
        check::check(&self.folder(), &self.0.source.blobs, progress)
    }

    /// Copies all that can be read of the store at `from`, however damaged it is, into a new store
    /// at `to`, and folds that. Nothing is written to `from`; writers may be at work in it.
    ///
    /// The new store has the id of the old one, as any copy; if that cannot be read, another.
    ///
    /// - `to`: a folder that is empty or not there, and not below `from`
    ///
    /// # Errors
    /// [`Error::NotAStore`] if there is neither a journal nor a file `format`; [`Error::Invalid`]
    /// for a folder that cannot be used; [`Error::Io`] if the copy cannot be written: what was
    /// copied by then is no store yet.
    pub fn salvage(from: &Path, to: &Path, progress: Progress<'_>) -> Result<SalvageReport> {
        let sys: SharedSys = Arc::new(RealSys);
        let format = from.join("format");
        let told = read_format(&sys, &format).and_then(|line| parse_format(&line, &format));
        let has_journal = ["journal", "live"]
            .iter()
            .any(|name| sys.stat(&from.join(name)).is_ok());
        if told.is_err() && !has_journal {
            return Err(Error::NotAStore(from.to_owned()));
        }
        let (from, to) = (absolute(from)?, absolute(to)?);
        want_new_folder(&*sys, &from, &to)?;
        let source = source_at(&sys, &from, told.as_deref().unwrap_or_default());
        let folders = Folders::new(Arc::clone(&sys), &to);
        folders.create()?;
        sys.create_dir(&to.join("blobs"))?;
        let target = Target {
            folders: &folders,
            blobs: &Blobs::new(Arc::clone(&sys), &to),
            path: &to,
        };
        let mut report = salvage::salvage(&source, &target, progress)?;
        let id = told.unwrap_or_else(|error| {
            let warning = format!("the new store has an id of its own: {error}");
            report.warnings.push(warning);
            new_id(&sys)
        });
        sys::write_whole(&*sys, &to.join("format"), format_line(&id).as_bytes())?;
        match sys.open(&from.join(settings::FILE), Open::Read) {
            Err(error) if error.is_missing() => {}
            file => {
                let copied = file.and_then(|file| {
                    let bytes = sys::read_all(&*file, settings::BYTES_MAX)?;
                    sys::write_whole(&*sys, &to.join(settings::FILE), &bytes)
                });
                let warning = copied.err().map(|error| format!("not copied: {error}"));
                report.warnings.extend(warning);
            }
        }
        let store = Self::open(&to)?;
        let folded = store.fold(None)?;
        let left = folded
            .damage
            .iter()
            .map(|damage| format!("corrupt {damage}"));
        report.warnings.extend(left);
        Ok(report)
    }

    /// Reads what people have agreed on for the store; nothing if its folder has no
    /// [`tracker.toml`](settings).
    ///
    /// # Errors
    /// [`Error::Invalid`] with file, line and column; [`Error::Io`].
    pub fn settings(&self) -> Result<Settings> {
        Settings::load(&*self.0.sys, &self.0.path)
    }

    /// Writes down which way a metric is better; all else in `tracker.toml` stays as it is.
    ///
    /// # Errors
    /// As [`Self::settings`].
    pub fn remember_better(&self, metric: &str, direction: Direction) -> Result<()> {
        settings::remember(&*self.0.sys, &self.0.path, metric, direction)
    }

    /// Measures the store.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`].
    pub fn stat(&self) -> Result<StoreStat> {
        stat::stat(
            &self.folder(),
            &self.0.source.blobs,
            &self.reader()?,
            &self.0.id,
        )
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|source| Error::io("find the full path of", path, source))
}

/// Names all parts of the store at a full path; touches nothing.
fn source_at(sys: &SharedSys, path: &Path, id: &str) -> Source {
    Source {
        folders: Folders::new(Arc::clone(sys), path),
        index: Index::new(Arc::clone(sys), path.join("index.redb"), id),
        blobs: Arc::new(Blobs::new(Arc::clone(sys), path)),
        fold_lock: path.join("fold.lock"),
        file_system: sys.file_system(path),
        distrusted: Arc::new(AtomicBool::new(false)),
    }
}

fn new_id(sys: &SharedSys) -> String {
    format!("{:032x}", u128::from_le_bytes(sys.random()))
}

fn format_line(id: &str) -> String {
    format!("tracker {FORMAT} {id}\n")
}

/// Refuses a target that holds anything, or lies below the source by whatever way.
fn want_new_folder(sys: &dyn sys::Sys, from: &Path, to: &Path) -> Result<()> {
    const DEPTH_MAX: usize = 1_000;
    let refuse = |why: &str| {
        let why = format!("{why}: {}", to.display());
        Err(Error::invalid("target", why))
    };
    match sys.list_names(to) {
        Ok(names) if !names.is_empty() => return refuse("the folder is not empty"),
        Err(Error::Io { ref source, .. }) if is_file_there(source) => {
            return refuse("it is a file, want a folder");
        }
        Err(error) if !error.is_missing() => return Err(error),
        _ => {}
    }
    let place = |path: &Path| {
        let stat = sys.stat(path)?;
        Ok::<_, Error>((stat.device, stat.inode))
    };
    let source = place(from)?;
    // Up from the nearest folder that is there, as the system sees it: links lead anywhere.
    let there = to.ancestors().find(|path| place(path).is_ok());
    let mut path = there.unwrap_or(to).to_owned();
    let mut last = None;
    for _ in 0..DEPTH_MAX {
        let here = place(&path)?;
        if here == source {
            return refuse("it lies in the store that is to be copied");
        }
        if last == Some(here) {
            break; // the root is above itself
        }
        last = Some(here);
        path.push("..");
    }
    Ok(())
}

/// Whether there is nothing of that name, or a file where a folder should be.
fn is_no_folder(error: &Error) -> bool {
    error.is_missing() || matches!(error, Error::Io { source, .. } if is_file_there(source))
}

fn is_file_there(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists
    )
}

/// Whether a folder was to become a store and holds nothing yet.
fn is_unborn(sys: &SharedSys, path: &Path) -> bool {
    ["live", "journal", "blobs", "index.redb"]
        .iter()
        .all(|name| {
            let there = path.join(name);
            match sys.list(&there) {
                Ok(entries) => entries.is_empty(),
                Err(error) => error.is_missing(),
            }
        })
}

/// Reads the line; waits a moment for one that is being written.
fn read_format(sys: &SharedSys, path: &Path) -> Result<String> {
    const LINE_BYTES_MAX: u64 = 4_096;
    let mut line = String::new();
    for _ in 0..FORMAT_TRIES {
        let bytes = sys::read_all(&*sys.open(path, Open::Read)?, LINE_BYTES_MAX)?;
        line = String::from_utf8_lossy(&bytes).into_owned();
        if line.ends_with('\n') {
            break;
        }
        thread::sleep(FORMAT_WAIT);
    }
    Ok(line)
}

/// Returns the store's id.
fn parse_format(line: &str, path: &Path) -> Result<String> {
    let damaged = || {
        Damage::new(
            path,
            0,
            "format",
            format!("it is no line of a store: {line:?}"),
        )
    };
    let mut words = line.split_whitespace();
    let (Some("tracker"), Some(version), Some(id)) = (words.next(), words.next(), words.next())
    else {
        return Err(damaged().into());
    };
    let Ok(found) = version.parse::<u32>() else {
        return Err(damaged().into());
    };
    if found > FORMAT {
        return Err(Error::NewerFormat {
            found,
            known: FORMAT,
            path: path.to_owned(),
        });
    }
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if found == 0 || !is_id || words.next().is_some() {
        return Err(damaged().into());
    }
    Ok(id.to_owned())
}
