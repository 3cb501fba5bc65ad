//! A run being logged.
//!
//! `tracker.ActiveRun` inherits from [`Writer`], so that `run.log` is one call into compiled code.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use pyo3::exceptions::PyTypeError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use pyo3::types::PyString;
use tracker::ArtifactOptions;
use tracker::Error;
use tracker::Result;
use tracker::RunOptions;
use tracker::RunWriter;
use tracker::Store;
use tracker::model::ArtifactRef;
use tracker::model::Flow;
use tracker::model::Name;
use tracker::model::ParamValue;
use tracker::model::Run;
use tracker::model::RunId;
use tracker::model::Status;
use tracker::settings::Direction;

use crate::buffer::Numbers;
use crate::error;
use crate::error::raised;
use crate::place;
use crate::value;
use crate::value::Step;

/// Points that are logged at once: other threads of the run come in between.
const BATCH: usize = 1_024;
/// The longest reason of a failure that is kept, in bytes.
const REASON_BYTES_MAX: usize = 64 << 10;

/// Writers of this process that have not ended.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Whether this process logs: then the index is not its to touch.
pub(crate) fn is_logging() -> bool {
    LIVE.load(Ordering::Relaxed) > 0
}

/// To which step values go, and when they were.
#[derive(Clone, Copy, Debug)]
struct When {
    /// None counts on.
    step: Option<i64>,
    /// Whether the next call without a step logs to the one after this.
    commit: bool,
    /// None is now.
    time_us: Option<i64>,
}

/// Logs to a run; what `tracker.ActiveRun` inherits from.
#[pyclass(subclass, frozen, module = "tracker._tracker")]
#[derive(Debug)]
pub(crate) struct Writer {
    run: RunWriter,
    store: Store,
    /// The process whose run it is: one that was forked from it cannot end it.
    pid: u32,
    /// Whether finishing only ends this writer: the run is somebody else's.
    is_member: bool,
    /// Whether errors of the disk are raised rather than counted.
    raises: bool,
    has_ended: AtomicBool,
    errors: AtomicU64,
    next_step: AtomicI64,
}

#[pymethods]
impl Writer {
    /// - `how`: `start`, `resume` (take up a run that has ended), `join` (be one writer of many)
    /// - `run`: which one is resumed or joined, as `find_run` takes it
    #[new]
    #[pyo3(signature = (
        how, run=None, *, store=None, name=None, experiment=None, author=None, parent=None,
        params=None, raises=false,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of one call in Python")]
    fn new(
        py: Python<'_>,
        how: &str,
        run: Option<&str>,
        store: Option<PathBuf>,
        name: Option<String>,
        experiment: Option<String>,
        author: Option<String>,
        parent: Option<&str>,
        params: Option<&Bound<'_, PyAny>>,
        raises: bool,
    ) -> PyResult<Self> {
        let params = params
            .map(value::flat_params)
            .transpose()?
            .unwrap_or_default();
        let begin = || {
            if how == "start" {
                let store = place::open_or_create(store)?;
                let parent = parent.map(|parent| find(&store, parent)).transpose()?;
                let options = RunOptions {
                    name,
                    experiment,
                    author,
                    parent,
                    params,
                    ..RunOptions::default()
                };
                return Ok((store.start_run(options)?, store, 0));
            }
            let store = place::open(store)?;
            let id = find(&store, run.unwrap_or_default())?;
            let known = store.reader()?.run(id)?;
            // Before the run is taken up: what cannot be set must not end it as failed.
            check_params(&known, &params)?;
            let run = match how {
                "join" => store.join_run(id)?,
                _ => store.resume_run(id)?,
            };
            let next_step = next_step(&known);
            for (key, value) in params {
                run.param(&key, value)?;
            }
            Ok((run, store, next_step))
        };
        let (run, store, next_step) = py.detach(begin).map_err(|error| raised(py, error))?;
        LIVE.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            run,
            store,
            pid: std::process::id(),
            is_member: how == "join",
            raises,
            has_ended: AtomicBool::new(false),
            errors: AtomicU64::new(0),
            next_step: AtomicI64::new(next_step),
        })
    }

    /// Id of the run: 32 hex digits, of which the first 8 name it as a rule.
    #[getter]
    fn id(&self) -> String {
        self.run.id().to_string()
    }

    /// Name of the run.
    #[getter]
    fn name(&self) -> &str {
        self.run.name()
    }

    /// Folder of the store.
    #[getter]
    fn store(&self) -> PathBuf {
        self.store.path().to_owned()
    }

    /// Calls that the disk refused and that were not raised: what they logged is lost.
    #[getter]
    fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The step that `log` without one logs to.
    #[getter]
    fn next_step(&self) -> i64 {
        self.next_step.load(Ordering::Relaxed)
    }

    /// What the store's `tracker.toml` has to say of the run.
    fn warnings(&self) -> Vec<String> {
        self.run.warnings()
    }

    /// Whether this process was forked from the one whose run it is.
    fn is_forked(&self) -> bool {
        self.pid != std::process::id()
    }

    /// Logs the values of one step.
    ///
    /// What was logged survives the death of this process when this returns (`kill -9` too), and a
    /// power cut a second later.
    ///
    /// - data: `{name: number}`; numbers of numpy, torch, jax and tensorflow too, true and false as
    ///   1 and 0; None is skipped; nested dicts join their names with `/`
    /// - step: any whole number of 64 bits; steps may repeat and come in any order. Without it one
    ///   more than that of the call before, from 0
    /// - commit: with False the next call without a step logs to the same step
    /// - time: when it was, in seconds since 1970 as `time.time()` tells it, or a `datetime`; now
    ///   if left out
    ///
    /// Raises TypeError for what is no number or no name, and nothing is logged; Invalid for a name
    /// that is empty, too long or has control characters; Closed after the run has ended. What the
    /// disk refuses is counted (`errors`) and warned of once, or raised with `on_error="raise"`.
    #[pyo3(signature = (data, step=None, *, commit=true, time=None))]
    fn log(
        &self,
        data: &Bound<'_, PyAny>,
        step: Option<&Bound<'_, PyAny>>,
        commit: bool,
        time: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = data.py();
        let when = When {
            step: step.map(value::step).transpose()?,
            commit,
            time_us: time.map(value::time_us).transpose()?,
        };
        let Ok(dict) = data.cast::<PyDict>() else {
            if !value::is_group(data) {
                let kind = data.get_type().name()?;
                let why = format!("log wants a dict of names and numbers, has a {kind}");
                return Err(PyTypeError::new_err(why));
            }
            return self.log_nested(data, when);
        };
        // All is held before any number is asked for: an object may change the dict meanwhile.
        let mut items: Step<(Bound<'_, PyString>, Bound<'_, PyAny>)> = Step::new();
        for (name, value) in dict.iter() {
            match name.cast_into_exact::<PyString>() {
                Ok(name) => items.push((name, value)),
                Err(_no_plain_name) => return self.log_nested(data, when),
            }
        }
        let mut values: Step<(&str, f64)> = Step::new();
        for (name, value) in &items {
            let text = name.to_str()?;
            match value::number(value) {
                Ok(Some(number)) => values.push((text, number)),
                Ok(None) => {}
                Err(_) if value::is_group(value) => return self.log_nested(data, when),
                Err(error) => return Err(value::of_metric(py, text, error)),
            }
        }
        self.log_values(py, when, &values)
    }

    /// Logs many points of one metric, in the order given, with the time of now.
    ///
    /// - name: of the metric
    /// - steps: `[n]` whole numbers
    /// - values: `[n]` numbers
    ///
    /// Contiguous numpy arrays of float64, float32, int64 and int32 (and what else has such a
    /// buffer) are read in place, without the interpreter's lock; all else number by number.
    ///
    /// Raises ValueError if there are not as many steps as values; else as `log`. Points before the
    /// one that the disk refused are kept.
    fn log_series(
        &self,
        name: &str,
        steps: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = steps.py();
        let steps = Steps::of(steps)?;
        let values = Values::of(name, values)?;
        if steps.len() != values.len() {
            let why = format!(
                "{} steps and {} values, want as many",
                steps.len(),
                values.len()
            );
            return Err(PyValueError::new_err(why));
        }
        let logged = py.detach(|| self.log_columns(name, &steps, &values));
        match logged {
            Ok(Some(last)) => {
                self.next_step
                    .store(last.saturating_add(1), Ordering::Relaxed);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => self.failed(py, error),
        }
    }

    /// Sets a param: an input of the run, once.
    ///
    /// Raises ParamConflict if it has another value, which stays.
    #[pyo3(name = "param")]
    fn set_param(&self, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let one = PyDict::new(value.py());
        one.set_item(key, value)?;
        self.set_params(&one)
    }

    /// Sets params: nested dicts join their names with `.`; dataclasses and namespaces too.
    ///
    /// Numbers, truths, texts and lists keep their type, all else is kept as text. Raises
    /// ParamConflict if one has another value, which stays; those before it are set.
    #[pyo3(name = "params")]
    fn set_params(&self, params: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = params.py();
        for (key, value) in value::flat_params(params)? {
            self.settle(py, py.detach(|| self.run.param(&key, value)))?;
        }
        Ok(())
    }

    /// Sets or replaces a tag; any value is kept as text.
    #[pyo3(name = "tag")]
    fn set_tag(&self, key: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, text) = (value.py(), value.str()?);
        let text = text.to_str()?;
        self.settle(py, py.detach(|| self.run.tag(key, text)))
    }

    /// Sets or replaces the note.
    #[pyo3(name = "note")]
    fn set_note(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        self.settle(py, py.detach(|| self.run.note(text)))
    }

    /// Says which way a metric is better, for `best` and `compare`, and returns what holds.
    ///
    /// - mode: `min` or `max`
    ///
    /// It holds for the whole store, and is written down there unless the name tells as much. What
    /// stands there already stays.
    fn better(&self, py: Python<'_>, metric: &str, mode: &str) -> PyResult<&'static str> {
        let direction = value::direction(mode)?;
        let known = py.detach(|| {
            Name::new("metric name", metric)?;
            if let Some(known) = self.store.settings()?.better(metric) {
                return Ok(known);
            }
            if Direction::guess(metric) != direction {
                self.store.remember_better(metric, direction)?;
            }
            Ok(direction)
        });
        match known {
            Ok(known) => Ok(known.as_str()),
            Err(error) => self.failed(py, error).map(|()| direction.as_str()),
        }
    }

    /// Stores a file, or all files of a folder, with the run.
    ///
    /// - path: of the file or folder
    /// - name: what it is called in the run; its own name if left out
    /// - type: what it is, in your words, as "model"
    /// - reference: leave the bytes where they are; hash, size and time are kept
    /// - returns: `[{"path", "hash", "bytes"}]`, what was stored
    ///
    /// A name that the run has already gets a new version. The bytes are on the disk when this
    /// returns. Raises MissingFile if there is no such.
    #[pyo3(signature = (path, name=None, *, r#type=None, reference=false))]
    fn artifact<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        name: Option<String>,
        r#type: Option<String>,
        reference: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let options = ArtifactOptions {
            name,
            kind: r#type,
            flow: Flow::Output,
            stays: Some(reference),
        };
        self.added(py, py.detach(|| self.run.artifact_with(&path, &options)))
    }

    /// Notes that the run reads a file, or all files of a folder: hash, size and time are kept, the
    /// bytes stay where they are.
    ///
    /// - path: of the file or folder
    /// - name: what it is called in the run; the path as it is given if left out
    /// - type: what it is, in your words, as "dataset"
    /// - returns: `[{"path", "hash", "bytes"}]`
    ///
    /// Raises MissingFile if there is no such.
    #[pyo3(signature = (path, name=None, *, r#type=None))]
    fn input<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        name: Option<String>,
        r#type: Option<String>,
    ) -> PyResult<Bound<'py, PyList>> {
        let options = ArtifactOptions {
            name,
            kind: r#type,
            flow: Flow::Input,
            stays: None,
        };
        self.added(py, py.detach(|| self.run.artifact_with(&path, &options)))
    }

    /// Stores bytes as an artifact of that name.
    fn artifact_bytes<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        data: &[u8],
    ) -> PyResult<Bound<'py, PyList>> {
        let added = py.detach(|| self.run.artifact_bytes(name, data));
        self.added(py, added.map(|added| vec![added]))
    }

    /// Waits until all that was logged would survive a power cut.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.settle(py, py.detach(|| self.run.sync()))
    }

    /// Ends the run; of a run that was joined, and in a forked process, only this writer.
    ///
    /// - status: `completed` or `failed`
    /// - reason: why it failed
    #[pyo3(name = "_end", signature = (status="completed", reason=None))]
    fn end(&self, py: Python<'_>, status: &str, reason: Option<&str>) -> PyResult<()> {
        let status: Status = status.parse().map_err(|error| raised(py, error))?;
        let reason = reason.map(|reason| shortened(reason, REASON_BYTES_MAX));
        let run = self.run.clone();
        let ended = if self.is_member || self.is_forked() {
            py.detach(|| run.close())
        } else {
            py.detach(|| run.finish(status, reason.as_deref(), None))
        };
        self.leave();
        self.settle(py, ended)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Writer {
    /// Is no longer one that logs.
    fn leave(&self) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            LIVE.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn log_nested(&self, data: &Bound<'_, PyAny>, when: When) -> PyResult<()> {
        let values = value::metrics(data)?;
        let values: Vec<(&str, f64)> = values.iter().map(|(name, v)| (name.as_str(), *v)).collect();
        self.log_values(data.py(), when, &values)
    }

    #[inline]
    fn log_values(&self, py: Python<'_>, when: When, values: &[(&str, f64)]) -> PyResult<()> {
        let commit = when.commit;
        let step = match (when.step, commit) {
            (Some(step), _) => {
                let next = if commit { step.saturating_add(1) } else { step };
                self.next_step.store(next, Ordering::Relaxed);
                step
            }
            (None, true) => self.next_step.fetch_add(1, Ordering::Relaxed),
            (None, false) => self.next_step.load(Ordering::Relaxed),
        };
        let log = || match when.time_us {
            None => self.run.log(step, values),
            Some(time_us) => self.run.log_at(step, time_us, values),
        };
        // To let go of the interpreter costs as much as the call, so only where that may be long.
        let logged = if self.run.is_behind() {
            py.detach(log)
        } else {
            log()
        };
        match logged {
            Ok(()) => Ok(()),
            Err(error) => self.failed(py, error),
        }
    }

    /// Logs points and returns the last step.
    fn log_columns(&self, name: &str, steps: &Steps, values: &Values) -> Result<Option<i64>> {
        let (mut of_steps, mut of_values) = ([0; BATCH], [0.0; BATCH]);
        let mut last = None;
        for start in (0..steps.len()).step_by(BATCH) {
            let count = BATCH.min(steps.len() - start);
            let (of_steps, of_values) = (&mut of_steps[..count], &mut of_values[..count]);
            steps.read(start, of_steps);
            values.read(start, of_values);
            self.run.log_series(name, of_steps, of_values)?;
            last = of_steps.last().copied();
        }
        Ok(last)
    }

    fn added<'py>(
        &self,
        py: Python<'py>,
        added: Result<Vec<ArtifactRef>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        match added {
            Ok(added) => {
                for artifact in added {
                    let told = PyDict::new(py);
                    told.set_item("path", artifact.path)?;
                    told.set_item("hash", artifact.blob.to_string())?;
                    told.set_item("bytes", artifact.bytes)?;
                    list.append(told)?;
                }
            }
            // A file that cannot be read is the caller's; a disk that is full is the disk's.
            Err(error) if error.is_disk_full() => self.failed(py, error)?,
            Err(error) => return Err(raised(py, error)),
        }
        Ok(list)
    }

    #[inline]
    fn settle(&self, py: Python<'_>, result: Result<()>) -> PyResult<()> {
        result.or_else(|error| self.failed(py, error))
    }

    /// Raises the error, or counts it if it is the disk's and the training is to go on.
    #[cold]
    fn failed(&self, py: Python<'_>, error: Error) -> PyResult<()> {
        let is_of_disk = matches!(
            error,
            Error::Io { .. } | Error::Poisoned(_) | Error::Corrupt(_) | Error::Locked { .. }
        );
        let raised = raised(py, error);
        if self.raises || !is_of_disk {
            return Err(raised);
        }
        if self.errors.fetch_add(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        let run = self.run.id().short();
        let why = format!(
            "run {run} could not log: {}; further failures are counted in run.errors",
            raised.value(py)
        );
        let why = CString::new(why.replace('\0', " ")).unwrap_or_default();
        let category = error::class(py, "LoggingWarning")?;
        PyErr::warn(py, category.as_any(), &why, 1)
    }
}

/// Finds a run by an id, or what else names it.
fn find(store: &Store, text: &str) -> Result<RunId> {
    match text.parse() {
        Ok(id) => Ok(id), // without a snapshot
        Err(_) => store.reader()?.find_run(text),
    }
}

/// Checks that params can be set in a run that is there.
fn check_params(run: &Run, params: &[(String, ParamValue)]) -> Result<()> {
    let told = |value: &ParamValue| value.to_json().to_string().into_boxed_str();
    for (key, new) in params {
        Name::new("param name", key)?;
        new.check()?;
        if let Some(old) = run.params.get(key).filter(|old| *old != new) {
            return Err(Error::ParamConflict {
                key: key.clone(),
                old: told(old),
                new: told(new),
            });
        }
    }
    Ok(())
}

/// One more than the largest last step that a run's metrics have.
fn next_step(run: &Run) -> i64 {
    let last = run.metrics.values().filter_map(|summary| summary.last);
    let last = last.map(|edge| edge.step).max();
    last.map_or(0, |step| step.saturating_add(1))
}

/// Cuts the middle out of a long text: of a traceback, begin and end tell most.
fn shortened(text: &str, bytes_max: usize) -> String {
    const CUT: &str = "\n…\n";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let half = (bytes_max - CUT.len()) / 2;
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let begin = (0..=half).rev().find(is_boundary).unwrap_or(0);
    let end = (text.len() - half..=text.len()).find(is_boundary);
    format!("{}{CUT}{}", &text[..begin], &text[end.unwrap_or(begin)..])
}

/// Steps as they were handed over.
enum Steps {
    InPlace(Numbers),
    Copied(Vec<i64>),
}

impl Steps {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(numbers) = Numbers::of(object)?.filter(Numbers::is_whole) {
            return Ok(Self::InPlace(numbers));
        }
        let items = plain(object)?.try_iter()?;
        let items = items.map(|item| value::step(&item?));
        items.collect::<PyResult<_>>().map(Self::Copied)
    }

    fn len(&self) -> usize {
        match self {
            Self::InPlace(numbers) => numbers.len(),
            Self::Copied(steps) => steps.len(),
        }
    }

    fn read(&self, start: usize, out: &mut [i64]) {
        match self {
            Self::InPlace(numbers) => {
                numbers.read_ints(start, out);
            }
            Self::Copied(steps) => out.copy_from_slice(&steps[start..start + out.len()]),
        }
    }
}

/// Values as they were handed over.
enum Values {
    InPlace(Numbers),
    Copied(Vec<f64>),
}

impl Values {
    fn of(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(numbers) = Numbers::of(object)? {
            return Ok(Self::InPlace(numbers));
        }
        let object = plain(object)?;
        if let Some(numbers) = Numbers::of(&object)? {
            return Ok(Self::InPlace(numbers));
        }
        let numbers = object.try_iter()?.map(|item| {
            let number = value::number(&item?);
            let number = number.map_err(|error| value::of_metric(object.py(), name, error))?;
            number.ok_or_else(|| {
                PyTypeError::new_err(format!("a value of metric {name:?} is None: leave it out"))
            })
        });
        numbers.collect::<PyResult<_>>().map(Self::Copied)
    }

    fn len(&self) -> usize {
        match self {
            Self::InPlace(numbers) => numbers.len(),
            Self::Copied(values) => values.len(),
        }
    }

    fn read(&self, start: usize, out: &mut [f64]) {
        match self {
            Self::InPlace(numbers) => numbers.read_floats(start, out),
            Self::Copied(values) => out.copy_from_slice(&values[start..start + out.len()]),
        }
    }
}

/// What numbers can be taken from: of a tensor on whatever device its values here, of an array with
/// another type or stride its list; all else as it is.
fn plain<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let Some(tolist) = object.getattr_opt(pyo3::intern!(py, "tolist"))? else {
        return Ok(object.clone());
    };
    if let Some(detach) = object.getattr_opt(pyo3::intern!(py, "detach"))? {
        let here = detach.call0()?.call_method0(pyo3::intern!(py, "cpu"))?;
        // Some types (bfloat16) have no numpy.
        if let Ok(array) = here.call_method0(pyo3::intern!(py, "numpy"))
            && Numbers::of(&array).is_ok_and(|numbers| numbers.is_some())
        {
            return Ok(array);
        }
    }
    tolist.call0()
}
