//! Runs that are read: each call takes a snapshot, answers and lets it go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use pyo3::types::PySlice;
use pyo3::types::PyTuple;
use tracker::CurveQuery;
use tracker::Error;
use tracker::Query;
use tracker::Reader;
use tracker::Result;
use tracker::SeriesQuery;
use tracker::Store;
use tracker::export;
use tracker::export::Datum;
use tracker::model;
use tracker::model::time_to_text;
use tracker::query::filter::Field;
use tracker::query::filter::Stat;
use tracker::query::near_names as near;
use tracker::settings::Direction;

use crate::arrow;
use crate::error::raised;
use crate::in_python;
use crate::place;
use crate::series::Series;
use crate::value;
use crate::writer;

/// How long the index is brought up to date after a question; what is left is for the next.
const FOLD_BUDGET: Duration = Duration::from_millis(200);

/// Runs of one snapshot, in the order asked for.
#[derive(Debug)]
struct Snapshot {
    store: Store,
    runs: Vec<model::Run>,
    now_us: i64,
}

/// Opens the store, asks, and brings the index up to date, as the command does.
fn ask<T>(
    store: Option<PathBuf>,
    question: impl FnOnce(&Store, &Reader) -> Result<T>,
) -> Result<T> {
    let store = place::open(store)?;
    let reader = store.reader()?;
    let answer = question(&store, &reader);
    drop(reader);
    // A process that logs leaves the index alone: it may fork or be killed at any time.
    if !writer::is_logging() {
        let _ = store.fold(Some(FOLD_BUDGET)); // no answer depends on it
    }
    answer
}

/// Returns the runs that a filter lets through.
#[pyfunction]
#[pyo3(signature = (filter, sort, limit, store))]
pub(crate) fn runs(
    py: Python<'_>,
    filter: Option<String>,
    sort: Vec<String>,
    limit: Option<usize>,
    store: Option<PathBuf>,
) -> PyResult<Runs> {
    let query = Query {
        filter,
        sort,
        limit,
    };
    let found = py.detach(|| {
        ask(store, |store, reader| {
            Ok(Snapshot {
                store: store.clone(),
                runs: reader.runs(&query)?,
                now_us: reader.now_us(),
            })
        })
    });
    Ok(Runs(Arc::new(found.map_err(|error| raised(py, error))?)))
}

/// Returns the run that a text names.
#[pyfunction]
#[pyo3(signature = (text, store=None))]
pub(crate) fn run(py: Python<'_>, text: &str, store: Option<PathBuf>) -> PyResult<Run> {
    let found = py.detach(|| {
        ask(store, |store, reader| {
            let id = match text.parse() {
                Ok(id) => id,
                Err(_) => reader.find_run(text)?,
            };
            Ok(Snapshot {
                store: store.clone(),
                runs: vec![reader.run(id)?],
                now_us: reader.now_us(),
            })
        })
    });
    let snapshot = Arc::new(found.map_err(|error| raised(py, error))?);
    Ok(Run { snapshot, at: 0 })
}

/// Returns the run that is best by the last value of a metric.
///
/// - `mode`: `min` or `max`; none asks what the store remembers, else what the name says
#[pyfunction]
#[pyo3(signature = (metric, mode=None, filter=None, store=None))]
pub(crate) fn best(
    py: Python<'_>,
    metric: String,
    mode: Option<&str>,
    filter: Option<String>,
    store: Option<PathBuf>,
) -> PyResult<Run> {
    let asked = mode.map(value::direction).transpose()?;
    let found = py.detach(|| {
        ask(store, |store, reader| {
            let remembered = || store.settings().ok()?.better(&metric);
            let direction = asked.or_else(remembered);
            let direction = direction.unwrap_or_else(|| Direction::guess(&metric));
            let field = Field::Metric(metric.clone(), Stat::Last);
            let missing = || -> Result<Error> {
                Ok(Error::NotFound {
                    what: "metric",
                    name: metric.clone(),
                    near: near(&metric, reader.metric_names()?.into_iter()),
                })
            };
            // A name that nobody has would be an error of a sort key, which nobody typed.
            let mut names = reader.metric_names()?.into_iter();
            if !names.any(|name| name == metric) {
                return Err(missing()?);
            }
            let mut asked = format!("{field} is not null");
            if let Some(filter) = &filter {
                reader.count(Some(filter))?; // alone first: its errors show the text as typed
                asked = format!("({filter}) and {asked}");
            }
            let runs = reader.runs(&Query {
                filter: Some(asked),
                sort: vec![match direction {
                    Direction::Min => field.to_string(),
                    Direction::Max => format!("-{field}"),
                }],
                limit: Some(1),
            })?;
            if runs.is_empty() {
                return Err(missing()?);
            }
            Ok(Snapshot {
                store: store.clone(),
                runs,
                now_us: reader.now_us(),
            })
        })
    });
    let snapshot = Arc::new(found.map_err(|error| raised(py, error))?);
    Ok(Run { snapshot, at: 0 })
}

/// Runs that a question found: a sequence of `Run`, and a table.
///
/// As a table a run is a row: what it is, then `params.NAME`, `metrics.NAME` (the last value) and
/// `tags.NAME`. pandas, Polars, PyArrow and DuckDB take it as it is, or by `to_pandas()`,
/// `to_polars()` and `to_arrow()`.
#[pyclass(frozen, sequence, module = "tracker")]
#[derive(Debug)]
pub(crate) struct Runs(Arc<Snapshot>);

impl Runs {
    fn batches(&self, py: Python<'_>) -> PyResult<export::Batches> {
        let Snapshot { runs, now_us, .. } = &*self.0;
        py.detach(|| export::arrow_batches(export::runs_frame(runs, *now_us)))
            .map_err(|error| raised(py, error))
    }
}

#[pymethods]
impl Runs {
    fn __len__(&self) -> usize {
        self.0.runs.len()
    }

    fn __getitem__<'py>(
        slf: Bound<'py, Self>,
        at: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let Snapshot {
            store,
            runs,
            now_us,
        } = &*slf.get().0;
        let len = isize::try_from(runs.len())?;
        if let Ok(slice) = at.cast::<PySlice>() {
            let range = slice.indices(len)?;
            let mut chosen = Vec::with_capacity(range.slicelength);
            let mut at = range.start;
            for _ in 0..range.slicelength {
                chosen.extend(
                    usize::try_from(at)
                        .ok()
                        .and_then(|at| runs.get(at))
                        .cloned(),
                );
                at += range.step;
            }
            let chosen = Runs(Arc::new(Snapshot {
                store: store.clone(),
                runs: chosen,
                now_us: *now_us,
            }));
            return Ok(Bound::new(py, chosen)?.into_any());
        }
        let wanted: isize = at.extract()?;
        let at = if wanted < 0 { wanted + len } else { wanted };
        let at = usize::try_from(at).ok().filter(|at| *at < runs.len());
        let at =
            at.ok_or_else(|| PyIndexError::new_err(format!("run {wanted} of {len}: no such")))?;
        let snapshot = Arc::clone(&slf.get().0);
        Ok(Bound::new(py, Run { snapshot, at })?.into_any())
    }

    /// The columns of the table: `{name: [value or None]}`, with times as `datetime`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let frame = export::runs_frame(&self.0.runs, self.0.now_us);
        let columns: Vec<(String, Bound<'py, PyList>)> = frame
            .columns
            .iter()
            .map(|column| (column.name.clone(), PyList::empty(py)))
            .collect();
        for row in frame.rows {
            for (value, (_, list)) in row.into_iter().zip(&columns) {
                match value {
                    None => list.append(py.None())?,
                    Some(value) => list.append(from_datum(py, &value)?)?,
                }
            }
        }
        let dict = PyDict::new(py);
        for (name, list) in columns {
            dict.set_item(name, list)?;
        }
        Ok(dict)
    }

    /// The table by the Arrow PyCapsule interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema; // who asks takes what there is, by the interface
        let (schema, batches) = self.batches(py)?;
        arrow::stream(py, schema, batches)
    }

    /// The schema of `__arrow_c_stream__`.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let (schema, _) = self.batches(py)?;
        arrow::schema(py, &schema)
    }

    /// A pandas DataFrame, a run a row; whole numbers and truths with gaps stay what they are.
    fn to_pandas(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let py = slf.py();
        let pandas = py.import("pandas")?;
        let columns = slf.get().to_dict(py)?;
        let frame = export::runs_frame(&slf.get().0.runs, slf.get().0.now_us);
        let series = PyDict::new(py);
        for column in &frame.columns {
            let options = PyDict::new(py);
            options.set_item(
                "dtype",
                match column.of {
                    export::Type::Bool => "boolean",
                    export::Type::Int => "Int64",
                    export::Type::Float => "float64",
                    export::Type::Time => "datetime64[us, UTC]",
                    export::Type::Text | export::Type::List | export::Type::Mixed => "object",
                },
            )?;
            let values = columns.get_item(&column.name)?;
            series.set_item(
                &column.name,
                pandas.call_method("Series", (values,), Some(&options))?,
            )?;
        }
        pandas.call_method1("DataFrame", (series,))
    }

    /// A Polars DataFrame, a run a row.
    fn to_polars(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        slf.py().import("polars")?.call_method1("DataFrame", (slf,))
    }

    /// A PyArrow Table, a run a row.
    fn to_arrow(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    /// Draws a metric, a curve for each run that has it.
    ///
    /// - label: what a curve is called by: an attribute of a run (`name`, `id`), `params.NAME` or
    ///   `tags.NAME`
    /// - sample: points a curve at most, chosen so that no peak is lost; None draws all
    /// - ax, backend, style, returns: as in `Series.plot`
    ///
    /// Raises NotFound if none of the runs has the metric.
    #[pyo3(
        signature = (*arguments, **options),
        text_signature = "($self, metric, *, ax=None, backend=None, sample=2000, label='name', **style)"
    )]
    fn plot<'py>(
        slf: Bound<'py, Self>,
        arguments: &Bound<'py, PyTuple>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        in_python(
            ("tracker._plot", "runs_plot"),
            slf.as_any(),
            Some(arguments),
            options,
        )
    }

    fn __repr__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        in_python(("tracker._show", "runs_text"), slf.as_any(), None, None)
    }

    fn _repr_html_(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        in_python(("tracker._show", "runs_html"), slf.as_any(), None, None)
    }
}

fn from_datum<'py>(py: Python<'py>, value: &Datum<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Datum::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Datum::Int(value) => value.into_pyobject(py)?.into_any(),
        Datum::Float(value) => value.into_pyobject(py)?.into_any(),
        Datum::Text(text) | Datum::List(text) => text.as_ref().into_pyobject(py)?.into_any(),
        Datum::Time(us) => time(py, *us)?,
    })
}

/// Returns a time as an aware `datetime`; as RFC 3339 where that cannot hold it.
/// Files by path, as dicts.
fn files<'py>(
    py: Python<'py>,
    run: &model::Run,
    files: &BTreeMap<String, model::ArtifactRef>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (path, file) in files {
        let told = PyDict::new(py);
        told.set_item("hash", file.blob.to_string())?;
        told.set_item("bytes", file.bytes)?;
        told.set_item("version", run.version(file))?;
        told.set_item("type", file.kind.as_deref())?;
        told.set_item("direction", file.flow.as_str())?;
        told.set_item("reference", file.reference.as_deref())?;
        dict.set_item(path, told)?;
    }
    Ok(dict)
}

fn time(py: Python<'_>, us: i64) -> PyResult<Bound<'_, PyAny>> {
    let text = time_to_text(us);
    let datetime = py.import("datetime")?.getattr("datetime")?;
    match datetime.call_method1("fromisoformat", (&text,)) {
        Ok(time) => Ok(time),
        Err(_beyond_its_years) => Ok(text.into_pyobject(py)?.into_any()),
    }
}

/// A run as it was when it was asked for.
///
/// Its points are read when they are asked for, so those of a run that goes on are newer.
#[pyclass(frozen, module = "tracker")]
#[derive(Debug)]
pub(crate) struct Run {
    snapshot: Arc<Snapshot>,
    at: usize,
}

impl Run {
    fn run(&self) -> PyResult<&model::Run> {
        let run = self.snapshot.runs.get(self.at);
        run.ok_or_else(|| PyIndexError::new_err("no such run"))
    }
}

#[pymethods]
impl Run {
    /// Id: 32 hex digits, of which the first 8 name it as a rule.
    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(self.run()?.id.to_string())
    }

    /// Name for people.
    #[getter]
    fn name(&self) -> PyResult<&str> {
        Ok(&self.run()?.info.name)
    }

    /// Experiment it belongs to.
    #[getter]
    fn experiment(&self) -> PyResult<Option<&str>> {
        Ok(self.run()?.info.experiment.as_deref())
    }

    /// Who started it.
    #[getter]
    fn author(&self) -> PyResult<Option<&str>> {
        Ok(self.run()?.info.author.as_deref())
    }

    /// `running`, `completed`, `failed` or `unknown`.
    #[getter]
    fn status(&self) -> PyResult<&'static str> {
        Ok(self.run()?.status.as_str())
    }

    /// Why it failed, if its end says so.
    #[getter]
    fn reason(&self) -> PyResult<Option<&str>> {
        Ok(self.run()?.reason.as_deref())
    }

    /// Id of the run it is part of.
    #[getter]
    fn parent(&self) -> PyResult<Option<String>> {
        Ok(self.run()?.info.parent.map(|parent| parent.to_string()))
    }

    /// Start, as a `datetime` in UTC.
    #[getter]
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let start = self.run()?.info.start_us;
        start.map(|us| time(py, us)).transpose()
    }

    /// End, as a `datetime` in UTC; None while it runs.
    #[getter]
    fn end<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.run()?.end_us.map(|us| time(py, us)).transpose()
    }

    /// How long it took, or had taken when it was asked for, in seconds.
    #[getter]
    fn duration(&self) -> PyResult<Option<f64>> {
        Ok(self.run()?.duration_s(self.snapshot.now_us))
    }

    /// Free text.
    #[getter]
    fn note(&self) -> PyResult<Option<&str>> {
        Ok(self.run()?.note.as_deref())
    }

    /// Folder of the store.
    #[getter]
    fn store(&self) -> PathBuf {
        self.snapshot.store.path().to_owned()
    }

    /// Params by name, each of the type it was logged with.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, value) in &self.run()?.params {
            dict.set_item(name, value::from_param(py, value)?)?;
        }
        Ok(dict)
    }

    /// The last value of each metric by name.
    #[getter]
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, summary) in &self.run()?.metrics {
            dict.set_item(name, summary.last.map(|last| last.value))?;
        }
        Ok(dict)
    }

    /// Tags by name.
    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, text) in &self.run()?.tags {
            dict.set_item(name, text)?;
        }
        Ok(dict)
    }

    /// What the run made, by path, the newest version of each: `{"hash", "bytes", "version",
    /// "type", "direction", "reference"}`.
    #[getter]
    fn artifacts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let run = self.run()?;
        files(py, run, &run.artifacts)
    }

    /// What the run read, by path, as `artifacts`; `reference` is where it was.
    #[getter]
    fn inputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let run = self.run()?;
        files(py, run, &run.inputs)
    }

    /// Copies an artifact to a file, checking every byte.
    ///
    /// - path: of the artifact in the run; `PATH@vN` is a version of it
    /// - to: the file; nothing else is ever seen there than all of it
    ///
    /// Raises NotFound if the run has no such artifact, StoreError if its bytes are damaged.
    fn get_artifact(&self, py: Python<'_>, path: &str, to: PathBuf) -> PyResult<()> {
        let run = self.run()?;
        let copied = py.detach(|| {
            let file = run.file(path).ok_or_else(|| Error::NotFound {
                what: "artifact",
                name: path.to_owned(),
                near: near(path, run.files().map(|file| file.path.clone())),
            })?;
            self.snapshot.store.get_artifact(&file.artifact, &to)
        });
        copied.map_err(|error| raised(py, error))
    }

    /// Reads the points of a metric.
    ///
    /// - from_step, to_step: only these steps, both included
    /// - tail: of these only so many at the end
    /// - sample: at most about so many points, chosen so that no peak is lost
    ///
    /// Raises NotFound (a KeyError, too) for a metric that the run has not.
    #[pyo3(signature = (metric, *, from_step=None, to_step=None, tail=None, sample=None))]
    fn series(
        &self,
        py: Python<'_>,
        metric: &str,
        from_step: Option<i64>,
        to_step: Option<i64>,
        tail: Option<usize>,
        sample: Option<usize>,
    ) -> PyResult<Series> {
        let id = self.run()?.id;
        let points = SeriesQuery {
            from_step,
            to_step,
            tail,
            ..SeriesQuery::default()
        };
        let read = py.detach(|| {
            let reader = self.snapshot.store.reader()?;
            let points = if sample.is_some() {
                let query = CurveQuery {
                    points,
                    sample,
                    ..CurveQuery::default()
                };
                reader.curve(id, metric, &query)?.points
            } else {
                reader.series(id, metric, &points)?
            };
            Ok(Series::new(id.to_string(), metric.to_owned(), &points))
        });
        read.map_err(|error| raised(py, error))
    }

    /// All that is known of it, as `tracker show --format json` prints it.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        value::from_json(py, &export::run_to_json(self.run()?, self.snapshot.now_us))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        match other.cast::<Run>() {
            Ok(other) => Ok(self.run()?.id == other.get().run()?.id),
            Err(_) => Ok(false),
        }
    }

    fn __hash__(&self) -> PyResult<u64> {
        let id = self.run()?.id.0;
        Ok(u64::try_from(id & u128::from(u64::MAX)).unwrap_or_default())
    }

    /// Draws metrics, a curve each, by matplotlib or plotly, whichever is installed.
    ///
    /// - metrics: names of them; all if left out
    /// - sample: points a curve at most, chosen so that no peak is lost; None draws all
    /// - ax, backend, style, returns: as in `Series.plot`
    ///
    /// Raises NotFound for a metric that the run has not.
    #[pyo3(
        signature = (*metrics, **options),
        text_signature = "($self, *metrics, ax=None, backend=None, sample=2000, **style)"
    )]
    fn plot<'py>(
        slf: Bound<'py, Self>,
        metrics: &Bound<'py, PyTuple>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        in_python(
            ("tracker._plot", "run_plot"),
            slf.as_any(),
            Some(metrics),
            options,
        )
    }

    fn __repr__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        in_python(("tracker._show", "run_text"), slf.as_any(), None, None)
    }

    fn _repr_html_(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        in_python(("tracker._show", "run_html"), slf.as_any(), None, None)
    }
}
