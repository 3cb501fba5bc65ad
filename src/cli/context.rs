//! What all commands share: which store, which run, where answers go.

use std::cell::Cell;
use std::cell::OnceCell;
use std::cell::RefCell;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use tracker::Error;

use tracker::Reader;
use tracker::RunWriter;
use tracker::Store;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::settings::Direction;
use tracker::store::FoldReport;

use super::fail::Failure;
use super::fail::has_journal;
use super::print::Bar;
use super::print::Colour;
use super::print::Format;
use super::print::Messages;
use super::print::Output;

/// The store's folder for child processes and scripts.
pub(crate) const STORE_VARIABLE: &str = "TRACKER_STORE";
/// The run that child processes and scripts log to.
pub(crate) const RUN_VARIABLE: &str = "TRACKER_RUN_ID";
/// Stands for standard output, where a file may be named.
pub(crate) const STANDARD_OUTPUT: &str = "-";
/// Stands for the run in [`RUN_VARIABLE`], where a run is to be named.
const THIS: &str = "@this";
/// Name of a store's folder where none is named.
const FOLDER: &str = ".tracker";
/// How long a reading command goes on folding once it has answered.
const FOLD_BUDGET: Duration = Duration::from_millis(200);
/// The same where there was no index to read: the next command would again take as long.
const FIRST_FOLD_BUDGET: Duration = Duration::from_secs(30);

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Folder of the store
    ///
    /// Without it the store is `$TRACKER_STORE`, else the nearest `.tracker` in this folder or one
    /// above it. Where there is none, `run`, `start`, `import` and `demo` make `.tracker` here.
    #[arg(long, global = true, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Form of the answer
    ///
    /// Numbers are rounded in `table` and `md` and whole in the others.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,

    /// What the command was called with, as a shell would take it.
    #[arg(skip)]
    pub(super) line: Option<String>,
}

impl Global {
    /// Returns who speaks to the user when nothing else is set up yet.
    pub(crate) fn messages(&self) -> Messages {
        Messages::new(self.color)
    }
}

/// What a command works with.
pub(crate) struct Ctx {
    global: Global,
    pub(crate) out: Output,
    store: OnceCell<Store>,
    has_read: Cell<bool>,
    /// Whether that was without an index.
    lacked_index: Cell<bool>,
    /// Warnings about the store that were given: a snapshot and the fold after it find the same.
    warned: RefCell<Vec<String>>,
}

impl Ctx {
    /// Answers to standard output, or to a file in the format that its name ends with.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be written, or the format not go there.
    pub(crate) fn new(global: Global, output: Option<&Path>) -> Result<Self, Failure> {
        let file = output.filter(|path| path.as_os_str() != STANDARD_OUTPUT);
        let format = match (global.format, file) {
            (None, Some(file)) => Some(Format::of_file(file)?),
            (format, _) => format,
        };
        Ok(Self {
            out: Output::new(
                format.unwrap_or(Format::Table),
                global.color,
                file,
                global.line.clone(),
            )?,
            global: Global { format, ..global },
            store: OnceCell::new(),
            has_read: Cell::new(false),
            lacked_index: Cell::new(false),
            warned: RefCell::default(),
        })
    }

    pub(crate) fn messages(&self) -> Messages {
        self.out.messages()
    }

    /// Returns the format that was asked for, also by the name of a file; none where the command
    /// may choose.
    pub(crate) fn format_asked(&self) -> Option<Format> {
        self.global.format
    }

    /// Opens the store that is there.
    pub(crate) fn store(&self) -> Result<&Store, Failure> {
        self.open(|| match self.named_store() {
            Some(path) => Ok(open_named(&path)?),
            None => match find(&here()?) {
                Some(path) => Ok(Store::open(&path)?),
                None => Err(no_store()),
            },
        })
    }

    /// Returns the folder of the store, which may be too damaged to be opened.
    pub(crate) fn store_folder(&self) -> Result<PathBuf, Failure> {
        let is_store = |path: &Path| path.join("format").is_file() || has_journal(path);
        match self.named_store() {
            Some(path) if !is_store(&path) && is_store(&path.join(FOLDER)) => Ok(path.join(FOLDER)),
            Some(path) => Ok(path),
            None => {
                let here = here()?;
                let mut folders = here.ancestors().map(|folder| folder.join(FOLDER));
                folders.find(|path| is_store(path)).ok_or_else(no_store)
            }
        }
    }

    /// Opens the store, and makes it first if there is none.
    pub(crate) fn store_or_create(&self) -> Result<&Store, Failure> {
        self.open(|| {
            if let Some(path) = self.named_store() {
                match open_named(&path) {
                    // Nothing there, or an empty folder: the library knows whether it may be made.
                    Err(error) if error.is_missing() || matches!(error, Error::NotAStore(_)) => {
                        Ok(Store::open_or_create(&path)?)
                    }
                    opened => Ok(opened?),
                }
            } else {
                let here = here()?;
                let path = find(&here).unwrap_or_else(|| here.join(FOLDER));
                Ok(Store::open_or_create(&path)?)
            }
        })
    }

    fn open(&self, open: impl FnOnce() -> Result<Store, Failure>) -> Result<&Store, Failure> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = open()?;
        Ok(self.store.get_or_init(|| store))
    }

    fn named_store(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os(STORE_VARIABLE).filter(|path| !path.is_empty());
        self.global
            .store
            .clone()
            .or_else(|| variable().map(PathBuf::from))
    }

    /// Takes a snapshot to read from, and says what the user should know about it.
    pub(crate) fn reader(&self) -> Result<Reader, Failure> {
        let reader = self.store()?.reader()?;
        self.has_read.set(true);
        self.lacked_index.set(!reader.has_index());
        self.pass_on_warnings(&reader);
        Ok(reader)
    }

    /// Says what a snapshot has met so far: at its making, and where points were read.
    pub(crate) fn pass_on_warnings(&self, reader: &Reader) {
        for warning in reader.warnings() {
            self.warn_once(&warning);
        }
    }

    fn warn_once(&self, warning: &str) {
        let mut warned = self.warned.borrow_mut();
        if !warned.iter().any(|before| before == warning) {
            self.messages().warning(warning);
            warned.push(warning.to_owned());
        }
    }

    /// Finds the run that the user names.
    pub(crate) fn find_run(&self, reader: &Reader, text: &str) -> Result<RunId, Failure> {
        if text == THIS {
            return this_run();
        }
        if let Some(metric) = self.better_small(text) {
            return Ok(reader.find_run(&format!("@best:-{metric}"))?);
        }
        let found = reader.find_run(text)?;
        self.note_of_largest(text);
        Ok(found)
    }

    /// Finds the run that the user names, without a snapshot where the whole id is given.
    pub(crate) fn run_id(&self, text: &str) -> Result<RunId, Failure> {
        if text == THIS {
            return this_run();
        }
        match text.parse() {
            Ok(id) => Ok(id),
            Err(_) => self.find_run(&self.store()?.reader()?, text),
        }
    }

    /// Returns the run that this process was started in, if it lives in this store.
    pub(crate) fn surrounding_run(&self) -> Option<RunId> {
        let id = std::env::var(RUN_VARIABLE).ok()?.parse().ok()?;
        let run = self.store().ok()?.reader().ok()?.run(id).ok()?;
        (run.status == Status::Running).then_some(id)
    }

    /// The metric by which the best run is asked for, if the store remembers that it is better
    /// small.
    fn better_small<'t>(&self, text: &'t str) -> Option<&'t str> {
        let metric = text.strip_prefix("@best:")?;
        let better = self.store().ok()?.settings().ok()?.better(metric);
        (better == Some(Direction::Min)).then_some(metric)
    }

    /// Tells of a run asked for as the best that may be the worst, as its metric is called: scripts
    /// rely on the largest value where nobody has said otherwise, whatever the name.
    fn note_of_largest(&self, text: &str) {
        if let Some(metric) = text.strip_prefix("@best:")
            && !metric.starts_with('-')
            && Direction::guess(metric) == Direction::Min
        {
            self.messages().note(format!(
                "{text} is the run with the largest {metric}; @best:-{metric} has the smallest"
            ));
        }
    }

    /// Takes up where the last short command to this run left off: a thousand of them make one
    /// file, not a thousand.
    pub(crate) fn join_briefly(&self, text: &str) -> Result<RunWriter, Failure> {
        let id = self.run_id(text)?;
        Ok(self.store()?.join_run_briefly(id)?)
    }

    /// Says which rules of the store a run has broken by its end. What it logged is kept, so no
    /// rule and no file of rules that cannot be read is more than a warning here.
    ///
    /// - `said`: what was said of it before
    pub(crate) fn warn_of_rules(&self, run: RunId, said: &[String]) {
        let complaints = || {
            let store = self.store().ok()?;
            let settings = store.settings().ok()?;
            if settings.has_no_rules() {
                return None; // nothing to look at the run for
            }
            let run = store.reader().ok()?.run(run).ok()?;
            let params = run.params.keys().map(String::as_str);
            Some(settings.complaints(run.info.experiment.as_deref(), params))
        };
        let complaints = complaints().unwrap_or_default().into_iter();
        for complaint in complaints.filter(|complaint| !said.contains(&complaint.text)) {
            self.messages().warning(complaint.text);
        }
    }

    /// Brings the index up to date once the answer is out, for a bounded time.
    ///
    /// No answer depends on it: on a read-only store, on a full disk or beside another process it
    /// is left to another day. What cannot be folded on any day is told.
    pub(crate) fn fold_after_reading(&self) {
        let (true, Some(store)) = (self.has_read.get(), self.store.get()) else {
            return;
        };
        let budget = if self.lacked_index.get() {
            FIRST_FOLD_BUDGET
        } else {
            FOLD_BUDGET
        };
        self.fold_for(store, budget);
    }

    /// Brings the index up to date with `runs` new runs, however long it takes.
    pub(crate) fn fold_whole(&self, runs: u64) {
        let Some(store) = self.store.get() else {
            return;
        };
        let bar = Bar::items(usize::try_from(runs).unwrap_or(0));
        let mut segments = 0;
        loop {
            match self.fold_for(store, FOLD_BUDGET) {
                Some(report) if !report.complete && report.segments > 0 => {
                    segments += report.segments;
                    bar.item(usize::try_from(segments).unwrap_or(0), "indexed");
                }
                _ => return, // done, or left to a later command
            }
        }
    }

    fn fold_for(&self, store: &Store, budget: Duration) -> Option<FoldReport> {
        match store.fold(Some(budget)) {
            Ok(report) => {
                for damage in &report.damage {
                    self.warn_of_unfolded(&damage.path, &Error::from(damage.clone()));
                }
                return Some(report);
            }
            Err(Error::Locked { .. }) => {}
            Err(error) if error.is_read_only() || error.is_disk_full() => {}
            Err(error) => self.warn_once(&format!("the index is not up to date: {error}")),
        }
        None
    }

    /// Warns of a file that was left out, unless a snapshot has done so.
    fn warn_of_unfolded(&self, path: &Path, error: &Error) {
        let file = path.display().to_string();
        let is_known = self.warned.borrow().iter().any(|said| said.contains(&file));
        if !is_known {
            self.warn_once(&error.to_string());
        }
    }
}

fn no_store() -> Failure {
    Failure::new("no store in this folder or one above it")
        .hint("point to one with `--store DIR` or TRACKER_STORE")
        .hint("make one here: `tracker run -- CMD`, `tracker start` or `tracker import`")
}

/// Finds the nearest store, or else one without its file `format`: opening it tells what is wrong.
fn find(from: &Path) -> Option<PathBuf> {
    let unlabelled = || {
        let folders = from.ancestors().map(|folder| folder.join(FOLDER));
        folders.into_iter().find(|path| has_journal(path))
    };
    Store::find(from).or_else(unlabelled)
}

fn open_named(path: &Path) -> Result<Store, Error> {
    match Store::open(path) {
        // The folder above the store is meant often enough.
        Err(error) if path.join(FOLDER).is_dir() => {
            Store::open(&path.join(FOLDER)).map_err(|_above| error)
        }
        opened => opened,
    }
}

fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the current folder: {error}")))
}

fn this_run() -> Result<RunId, Failure> {
    let id = std::env::var(RUN_VARIABLE).unwrap_or_default();
    if id.is_empty() {
        return Err(Failure::new(format!("{THIS} names no run: {RUN_VARIABLE} is not set"))
            .hint("`tracker run -- CMD` sets it for CMD; in a script: `export TRACKER_RUN_ID=$(tracker start)`"));
    }
    id.parse().map_err(|_not_an_id| {
        Failure::new(format!(
            "{THIS} names no run: {RUN_VARIABLE} is {id:?}, want the 32 hex digits of an id"
        ))
        .hint("`tracker run` and `tracker start` tell it; other commands also take a name")
    })
}
