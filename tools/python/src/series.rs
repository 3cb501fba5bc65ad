//! The points of a series as columns.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::TimestampMicrosecondArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3::types::PyDict;
use pyo3::types::PyTuple;
use tracker::model::Point;

use crate::arrow;
use crate::buffer::Column;
use crate::in_python;

/// The points of one metric of one run, by step, then time, then the order logged.
///
/// `steps`, `times` and `values` are read-only numpy arrays over the very memory that was read,
/// or `memoryview`s where numpy is not installed. `steps, values = series` takes both apart, so
/// `plt.plot(*series)` draws it. pandas, Polars and PyArrow take it as a table.
#[pyclass(frozen, module = "tracker")]
#[derive(Debug)]
pub(crate) struct Series {
    run: String,
    metric: String,
    steps: Int64Array,
    times: Int64Array,
    values: Float64Array,
}

impl Series {
    pub(crate) fn new(run: String, metric: String, points: &[Point]) -> Self {
        let of = || Vec::with_capacity(points.len());
        let (mut steps, mut times) = (of(), of());
        let mut values = Vec::with_capacity(points.len());
        for point in points {
            steps.push(point.step);
            times.push(point.time_us);
            values.push(point.value);
        }
        Self {
            run,
            metric,
            steps: steps.into(),
            times: times.into(),
            values: values.into(),
        }
    }

    fn schema() -> SchemaRef {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let fields = [
            Field::new("step", DataType::Int64, false),
            Field::new("time", time, false),
            Field::new("value", DataType::Float64, false),
        ];
        Arc::new(Schema::new(fields.to_vec()))
    }
}

/// Shows a column as a numpy array, or as a `memoryview` where there is no numpy.
fn shown(py: Python<'_>, column: impl Into<Column>, is_time: bool) -> PyResult<Bound<'_, PyAny>> {
    let column: Column = column.into();
    let (dtype, code, count) = (column.numpy_type(), column.code(), column.len());
    let column = Bound::new(py, column)?;
    let Ok(numpy) = py.import("numpy") else {
        let view = py
            .import("builtins")?
            .call_method1("memoryview", (column,))?;
        return view.call_method1("cast", (code,));
    };
    let array = if count == 0 {
        numpy.call_method1("empty", (0, dtype))? // an empty buffer is an error to numpy
    } else {
        numpy.call_method1("frombuffer", (column, dtype))?
    };
    if is_time {
        return array.call_method1("view", ("datetime64[us]",));
    }
    Ok(array)
}

#[pymethods]
impl Series {
    /// Id of the run.
    #[getter]
    fn run(&self) -> &str {
        &self.run
    }

    /// Name of the metric.
    #[getter]
    fn metric(&self) -> &str {
        &self.metric
    }

    /// `[n]` int64.
    #[getter]
    fn steps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        shown(py, self.steps.clone(), false)
    }

    /// `[n]` datetime64 in microseconds, UTC; without numpy int64 microseconds since 1970.
    #[getter]
    fn times<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        shown(py, self.times.clone(), true)
    }

    /// `[n]` float64: every bit as it was logged.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        shown(py, self.values.clone(), false)
    }

    fn __len__(&self) -> usize {
        self.steps.values().len()
    }

    /// `steps`, then `values`.
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let both = PyTuple::new(py, [self.steps(py)?, self.values(py)?])?;
        Ok(both.as_any().try_iter()?.into_any())
    }

    /// The values, for numpy.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let values = self.values(py)?;
        match (dtype, copy) {
            (Some(dtype), _) => values.call_method1("astype", (dtype,)),
            (None, Some(true)) => values.call_method0("copy"),
            (None, _) => Ok(values),
        }
    }

    /// The columns `step`, `time` and `value`, by the Arrow PyCapsule interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema; // who asks takes what there is, by the interface
        let times = TimestampMicrosecondArray::new(self.times.values().clone(), None);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.steps.clone()),
            Arc::new(times.with_timezone("UTC")),
            Arc::new(self.values.clone()),
        ];
        let batch = RecordBatch::try_new(Self::schema(), columns);
        let batch = batch.map_err(|why| PyValueError::new_err(why.to_string()))?;
        arrow::stream(py, Self::schema(), vec![batch])
    }

    /// The schema of `__arrow_c_stream__`.
    #[expect(clippy::unused_self, reason = "a method by the interface")]
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, &Self::schema())
    }

    /// A pandas DataFrame with the columns `step`, `time` and `value`.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let columns = PyDict::new(py);
        columns.set_item("step", self.steps(py)?)?;
        columns.set_item("time", self.times(py)?)?;
        columns.set_item("value", self.values(py)?)?;
        let frame = py.import("pandas")?.call_method1("DataFrame", (columns,))?;
        let time = frame.get_item("time")?;
        frame.set_item(
            "time",
            time.getattr("dt")?.call_method1("tz_localize", ("UTC",))?,
        )?;
        Ok(frame)
    }

    /// A Polars DataFrame with the columns `step`, `time` and `value`.
    fn to_polars(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        slf.py().import("polars")?.call_method1("DataFrame", (slf,))
    }

    /// A PyArrow Table with the columns `step`, `time` and `value`.
    fn to_arrow(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    /// Draws the curve, by matplotlib or plotly, whichever is installed.
    ///
    /// - ax: matplotlib's axes to draw in; new ones if left out
    /// - backend: `matplotlib` or `plotly`, where both are installed
    /// - style: handed on, as `color` or `label`
    /// - returns: the axes, or plotly's figure
    #[pyo3(
        signature = (*arguments, **options),
        text_signature = "($self, ax=None, *, backend=None, **style)"
    )]
    fn plot<'py>(
        slf: Bound<'py, Self>,
        arguments: &Bound<'py, PyTuple>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        in_python(
            ("tracker._plot", "series_plot"),
            slf.as_any(),
            Some(arguments),
            options,
        )
    }

    fn __repr__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        in_python(("tracker._show", "series_text"), slf.as_any(), None, None)
    }

    fn _repr_html_(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        in_python(("tracker._show", "series_html"), slf.as_any(), None, None)
    }
}
