//! One snapshot of a store, and what can be asked of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use super::filter::Calculation;
use super::filter::Expression;
use super::filter::Value;
use super::select;
use crate::blob::Blobs;
use crate::error::Damage;
use crate::error::Error;
use crate::error::Result;
use crate::fold::Folder;
use crate::fold::MemoryRun;
use crate::fold::Unfolded;
use crate::index::Index;
use crate::index::Kind;
use crate::index::NameNumber;
use crate::index::RunNumber;
use crate::index::Snapshot;
use crate::journal::Folders;
use crate::model::Run;
use crate::model::RunId;
use crate::sys::FileSystem;

/// Which runs, in which order, how many.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// A filter in the language of [`filter`](super::filter); none means all.
    pub filter: Option<String>,
    /// Values to sort by, first one first; a leading `-` or a trailing ` desc` means descending.
    /// Runs without the value come last. None means the newest start first.
    pub sort: Vec<String>,
    /// At most so many runs.
    pub limit: Option<usize>,
}

/// One snapshot of a store: what was logged when it was taken, and nothing later.
///
/// It holds up nobody. While it lives the index cannot reuse what it sees: let it go soon.
///
/// The index is never trusted further than its checksums go: a question that meets damage there is
/// answered from the journal instead, and the next fold makes the index anew.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    unfolded: Unfolded,
    /// The same store without its index, once that was found damaged.
    without_index: OnceLock<Box<Reader>>,
    now_us: i64,
    /// What was met while questions were answered.
    met: Mutex<Vec<String>>,
    /// Texts of the index by number, as they are asked for.
    texts: Mutex<BTreeMap<u32, String>>,
}

/// Where a reader reads.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) folders: Folders,
    pub(crate) index: Index,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) fold_lock: PathBuf,
    pub(crate) file_system: FileSystem,
    /// Set when the index was found damaged.
    pub(crate) distrusted: Arc<AtomicBool>,
}

impl Source {
    pub(crate) fn folder(&self) -> Folder<'_> {
        let Self {
            folders,
            index,
            blobs,
            fold_lock,
            file_system: _,
            distrusted,
        } = self;
        Folder {
            folders,
            index,
            blobs,
            lock: fold_lock,
            distrusted,
        }
    }
}

impl Reader {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        match Self::gather(source, true) {
            Err(Error::Corrupt(damage)) if damage.path == source.index.path() => {
                source.distrusted.store(true, Ordering::Relaxed);
                let mut reader = Self::gather(source, false)?;
                reader.unfolded.warnings.push(distrust(&damage));
                Ok(reader)
            }
            opened => opened,
        }
    }

    fn gather(source: &Source, with_index: bool) -> Result<Self> {
        let unfolded = Unfolded::gather(&source.folder(), source.file_system, with_index)?;
        Ok(Self {
            unfolded,
            now_us: source.folders.sys.now_us(),
            source: source.clone(),
            without_index: OnceLock::new(),
            met: Mutex::new(Vec::new()),
            texts: Mutex::new(BTreeMap::new()),
        })
    }

    /// Asks; if the index proves damaged, asks the journal.
    pub(super) fn ask<T>(&self, question: impl Fn(&Self) -> Result<T>) -> Result<T> {
        if let Some(reader) = self.without_index.get() {
            return question(reader);
        }
        match question(self) {
            Err(Error::Corrupt(damage)) if damage.path == self.source.index.path() => {
                self.source.distrusted.store(true, Ordering::Relaxed);
                let mut reader = Self::gather(&self.source, false)?;
                reader.unfolded.warnings.push(distrust(&damage));
                reader.now_us = self.now_us;
                question(self.without_index.get_or_init(|| Box::new(reader)))
            }
            answer => answer,
        }
    }

    /// Returns the time of the snapshot in microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// Whether the index answers; without it all is read from the journal, which takes longer the
    /// more runs there are.
    pub fn has_index(&self) -> bool {
        self.snapshot().is_some()
    }

    /// Returns what the user should know: damage met so far, an index that did not answer.
    pub fn warnings(&self) -> Vec<String> {
        let reader = self.without_index.get().map_or(self, |reader| &**reader);
        let mut warnings = reader.unfolded.warnings.clone();
        for met in [&self.met, &reader.met] {
            for warning in met.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                if !warnings.contains(warning) {
                    warnings.push(warning.clone());
                }
            }
        }
        warnings
    }

    pub(super) fn warn_of(&self, damage: &[Damage]) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.extend(
            damage
                .iter()
                .map(|damage| format!("left out corrupt {damage}")),
        );
    }

    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.unfolded.snapshot.as_deref()
    }

    pub(super) fn unfolded(&self) -> &Unfolded {
        &self.unfolded
    }

    /// Returns the ids of all runs, in order of their ids: by start, for runs made here.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn run_ids(&self) -> Result<Vec<RunId>> {
        self.ask(Self::list_ids)
    }

    fn list_ids(&self) -> Result<Vec<RunId>> {
        let mut ids = self.folded_ids()?.to_vec();
        ids.extend(self.unfolded.runs());
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Returns the ids of the runs that the index has, by number.
    pub(super) fn folded_ids(&self) -> Result<&[RunId]> {
        match self.snapshot() {
            Some(snapshot) => snapshot.run_ids(),
            None => Ok(&[]),
        }
    }

    /// Returns the number of a run in the index, if it is there.
    pub(super) fn number(&self, id: RunId) -> Result<Option<RunNumber>> {
        self.snapshot()
            .map_or(Ok(None), |snapshot| snapshot.run_number(id))
    }

    pub(super) fn text(&self, name: NameNumber) -> Result<String> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = texts.get(&name.0) {
            return Ok(text.clone());
        }
        let text = self
            .snapshot()
            .map_or(Ok(None), |snapshot| snapshot.text(name))?;
        let text = text.unwrap_or_default();
        texts.insert(name.0, text.clone());
        Ok(text)
    }

    /// Returns all that is known of a run, save its points.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`], [`Error::Io`].
    pub fn run(&self, id: RunId) -> Result<Run> {
        self.ask(|reader| reader.find(id))
    }

    fn find(&self, id: RunId) -> Result<Run> {
        let number = self.number(id)?;
        if number.is_none() && !self.unfolded.contains(id) {
            return Err(Error::not_found("run", id.to_string()));
        }
        self.assemble(id, number)
    }

    /// Folds index and journal into what is known of a run.
    fn gather_run(&self, id: RunId, number: Option<RunNumber>) -> Result<MemoryRun> {
        let mut run = match (self.snapshot(), number) {
            (Some(snapshot), Some(number)) => {
                MemoryRun::load(snapshot, number, &mut |name| self.text(name))?
            }
            _ => MemoryRun::default(),
        };
        self.unfolded.fold_into(id, &mut run)?;
        Ok(run)
    }

    /// Returns what is said of a folded run as a whole: none of its params, metrics, tags and
    /// artifacts.
    pub(super) fn outline(&self, id: RunId, number: RunNumber) -> Result<Run> {
        let row = self
            .snapshot()
            .map_or(Ok(None), |snapshot| snapshot.run(number))?;
        Ok(MemoryRun::outline(row.unwrap_or_default()).into_run(id, None))
    }

    pub(super) fn assemble(&self, id: RunId, number: Option<RunNumber>) -> Result<Run> {
        let run = self.gather_run(id, number)?;
        let (told, _) = run.status();
        let status = self.unfolded.status(id, told);
        Ok(run.into_run(id, status))
    }

    /// Returns when a run was last opened, ended or spoken of, by the clock of who did.
    pub(crate) fn spoken_us(&self, id: RunId) -> Result<Option<i64>> {
        self.ask(|reader| {
            let run = reader.gather_run(id, reader.number(id)?)?;
            Ok(run.spoken_us())
        })
    }

    /// Returns the runs that a query asks for.
    ///
    /// # Errors
    /// [`Error::Filter`] with the place in the text; [`Error::Corrupt`], [`Error::Io`].
    pub fn runs(&self, query: &Query) -> Result<Vec<Run>> {
        self.ask(|reader| select::runs(reader, query))
    }

    /// Returns the values that a query's filter and then its sort keys speak of, each once: whole
    /// sides of comparisons.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn asked(&self, query: &Query) -> Result<Vec<Calculation>> {
        self.ask(|reader| select::asked(reader, query))
    }

    /// Decides what the names of expressions mean in this store.
    ///
    /// # Errors
    /// [`Error::Filter`] with the place in the text; [`Error::Corrupt`], [`Error::Io`].
    pub fn resolve(&self, expressions: &[Expression]) -> Result<Vec<Calculation>> {
        self.ask(|reader| select::resolve(reader, expressions))
    }

    /// Returns the values of calculations for runs of this snapshot: `[runs][calculations]`, as
    /// many and in the order given.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn values(
        &self,
        runs: &[Run],
        calculations: &[Calculation],
    ) -> Result<Vec<Vec<Value<'static>>>> {
        self.ask(|reader| select::values(reader, runs, calculations))
    }

    /// Returns how many runs there are, and how many the filter lets through.
    ///
    /// # Errors
    /// As [`Self::runs`].
    pub fn count(&self, filter: Option<&str>) -> Result<usize> {
        self.ask(|reader| select::count(reader, filter))
    }

    /// Returns the names of all metrics of the store, sorted.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn metric_names(&self) -> Result<Vec<String>> {
        self.ask(Self::list_metrics)
    }

    fn list_metrics(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        if let Some(snapshot) = self.snapshot() {
            names.extend(
                snapshot
                    .names(Kind::Metric)?
                    .into_iter()
                    .map(|name| name.text),
            );
        }
        for id in self.unfolded.runs() {
            names.extend(self.assemble(id, None)?.metrics.into_keys());
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Returns the metrics of the store with the number of runs that have each; the most common
    /// first, then by name.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Io`].
    pub fn metric_uses(&self) -> Result<Vec<(String, u64)>> {
        self.ask(Self::count_metrics)
    }

    fn count_metrics(&self) -> Result<Vec<(String, u64)>> {
        let mut uses: BTreeMap<String, u64> = BTreeMap::new();
        if let Some(snapshot) = self.snapshot() {
            for name in snapshot.names(Kind::Metric)? {
                uses.insert(name.text, name.runs.into());
            }
        }
        for id in self.unfolded.runs() {
            // Half of it may be in the index: then what is there was counted.
            let known = match (self.snapshot(), self.number(id)?) {
                (Some(snapshot), Some(number)) => {
                    MemoryRun::load(snapshot, number, &mut |name| self.text(name))?
                        .into_run(id, None)
                        .metrics
                }
                _ => BTreeMap::new(),
            };
            let metrics = self.assemble(id, self.number(id)?)?.metrics.into_keys();
            for name in metrics.filter(|name| !known.contains_key(name)) {
                *uses.entry(name).or_default() += 1;
            }
        }
        let mut uses: Vec<(String, u64)> = uses.into_iter().collect();
        uses.sort_by_key(|(_, runs)| std::cmp::Reverse(*runs)); // stable: names stay in order
        Ok(uses)
    }

    /// Finds the run that `text` names: an id, a prefix that only one run has, a unique name,
    /// `@last` (the newest start), or `@best:METRIC` (largest last value) and `@best:-METRIC`.
    ///
    /// # Errors
    /// [`Error::NotFound`] (with near names), [`Error::Ambiguous`].
    pub fn find_run(&self, text: &str) -> Result<RunId> {
        self.ask(|reader| reader.find_named(text))
    }

    fn find_named(&self, text: &str) -> Result<RunId> {
        if let Some(special) = text.strip_prefix('@') {
            return self.find_special(text, special);
        }
        let mut found = Vec::new();
        let is_prefix =
            (1..=32).contains(&text.len()) && text.bytes().all(|byte: u8| byte.is_ascii_hexdigit());
        if is_prefix {
            let prefix = text.to_ascii_lowercase();
            if let Some(snapshot) = self.snapshot() {
                found.extend(
                    snapshot
                        .runs_with_prefix(&prefix)?
                        .into_iter()
                        .map(|(_, id)| id),
                );
            }
            let unfolded = self
                .unfolded
                .runs()
                .filter(|id| id.to_string().starts_with(&prefix));
            let new: Vec<RunId> = unfolded.filter(|id| !found.contains(id)).collect();
            found.extend(new);
        }
        // A name may look like a prefix of another run: then both are meant.
        for id in self.named(text)? {
            if !found.contains(&id) {
                found.push(id);
            }
        }
        match found.as_slice() {
            [id] => Ok(*id),
            [] => {
                let near = near(text, self.run_names()?.into_iter());
                Err(Error::NotFound {
                    what: "run",
                    name: text.to_owned(),
                    near,
                })
            }
            several => {
                let mut runs = Vec::new();
                for id in several {
                    let run = self.run(*id)?;
                    runs.push(format!("{} {}", id.short(), run.info.name));
                }
                Err(Error::Ambiguous {
                    name: text.to_owned(),
                    runs,
                })
            }
        }
    }

    fn find_special(&self, text: &str, special: &str) -> Result<RunId> {
        let mut query = Query {
            limit: Some(1),
            ..Query::default()
        };
        let mut sought = None;
        if let Some(metric) = special.strip_prefix("best:") {
            let (metric, direction) = match metric.strip_prefix('-') {
                Some(metric) => (metric, ""),
                None => (metric, "-"),
            };
            sought = Some(metric);
            let quoted = metric.replace('`', "``");
            query.filter = Some(format!("metrics.`{quoted}` is not null"));
            query.sort = vec![format!("{direction}metrics.`{quoted}`")];
        } else if special != "last" {
            let why = format!("want @last or @best:METRIC: {text:?}");
            return Err(Error::invalid("run", why));
        }
        let ids = match (select::matching(self, &query), sought) {
            // Nobody has the metric: the user typed no sort key that could be wrong.
            (Err(Error::Filter(_)), Some(metric)) => {
                return Err(Error::NotFound {
                    what: "metric",
                    name: metric.to_owned(),
                    near: near(metric, self.metric_names()?.into_iter()),
                });
            }
            (ids, _) => ids?,
        };
        ids.first()
            .copied()
            .ok_or_else(|| Error::not_found("run", text))
    }

    /// Runs of that name.
    fn named(&self, name: &str) -> Result<Vec<RunId>> {
        let mut found = Vec::new();
        if let Some(snapshot) = self.snapshot() {
            let ids = snapshot.run_ids()?;
            for number in snapshot.runs_with_name(name)? {
                found.extend(ids.get(number.0 as usize));
            }
        }
        for id in self.unfolded.runs() {
            if !found.contains(&id) && self.assemble(id, self.number(id)?)?.info.name == name {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// Names of the newest runs: what a mistyped one may have meant.
    fn run_names(&self) -> Result<Vec<String>> {
        const NEWEST: usize = 1_000;
        let query = Query {
            limit: Some(NEWEST),
            ..Query::default()
        };
        Ok(self
            .runs(&query)?
            .into_iter()
            .map(|run| run.info.name)
            .collect())
    }
}

fn distrust(damage: &Damage) -> String {
    format!("the index is not used, reading the journal instead: corrupt {damage}")
}

/// The names nearest to one that is not there, best first.
pub fn near(name: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    const NEAR_MAX: usize = 3;
    let name = name.to_lowercase();
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        let last_part = other.rsplit(['/', '.']).next().unwrap_or_default();
        let is_part = name.len() > 2 && other.contains(&name);
        [
            strsim::jaro_winkler(&name, &other),
            strsim::jaro_winkler(&name, last_part),
            if is_part { 0.9 } else { 0.0 },
        ]
        .into_iter()
        .fold(0.0, f64::max)
    };
    let mut scored: Vec<(f64, String)> = names
        .map(|other| (likeness(&other), other))
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored
        .into_iter()
        .take(NEAR_MAX)
        .map(|(_, name)| name)
        .collect()
}
