//! Numbers and params out of Python's objects, and values back.
//!
//! Nothing of numpy, torch, jax or tensorflow is imported: their numbers answer to `__float__`,
//! `item` and `tolist`.

use pyo3::exceptions::PyOverflowError;
use pyo3::exceptions::PyTypeError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use pyo3::types::PyDict;
use pyo3::types::PyFloat;
use pyo3::types::PyInt;
use pyo3::types::PyList;
use pyo3::types::PyMapping;
use pyo3::types::PyString;
use pyo3::types::PyTuple;
use serde_json::Value;
use smallvec::SmallVec;
use tracker::limits::NESTING_MAX;
use tracker::model::ParamValue;
use tracker::model::time_from_seconds;
use tracker::settings::Direction;

/// The values of one step; most steps have no more and cost no allocation.
pub(crate) type Step<T> = SmallVec<[T; 16]>;

/// What joins the names of nested metrics.
pub(crate) const METRIC_SEPARATOR: char = '/';
/// What joins the names of nested params.
const PARAM_SEPARATOR: char = '.';

/// Takes what is a number to Python as the nearest `f64`; none if it is `None`, which is skipped.
///
/// # Errors
/// `TypeError` or `OverflowError`, without the name.
#[inline]
pub(crate) fn number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if let Ok(value) = value.cast_exact::<PyFloat>() {
        return Ok(Some(value.value()));
    }
    number_of_another(value)
}

fn number_of_another(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if value.is_none() {
        return Ok(None);
    }
    if value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>() {
        return number_of_python(value).map(Some);
    }
    let py = value.py();
    // `item` first: `__float__` warns of a tensor with a gradient and of an array of one number.
    if let Some(item) = value.getattr_opt(pyo3::intern!(py, "item"))?
        && let Ok(plain) = item.call0()
        && (plain.is_instance_of::<PyFloat>() || plain.is_instance_of::<PyInt>())
    {
        return number_of_python(&plain).map(Some);
    }
    let ndim = value.getattr_opt(pyo3::intern!(py, "ndim"))?;
    if ndim.is_some_and(|ndim| ndim.extract::<usize>().is_ok_and(|ndim| ndim > 0)) {
        let shape = value.getattr_opt(pyo3::intern!(py, "shape"))?;
        let shape = shape.map_or_else(String::new, |shape| format!(" of shape {shape}"));
        let why = format!("is an array{shape}: log one number of it, or all with log_series");
        return Err(PyTypeError::new_err(why));
    }
    let error = match number_of_python(value) {
        Ok(number) => return Ok(Some(number)),
        Err(error) => error,
    };
    // What the object itself had to say of why it is no number (a tensor of no data, say).
    if !error.is_instance_of::<PyTypeError>(py) {
        return Err(error);
    }
    let kind = value.get_type().name()?;
    let why = format!("is a {kind}: metrics are numbers; text can be a tag, a param or the note");
    Err(PyTypeError::new_err(why))
}

fn number_of_python(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    value.extract::<f64>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            PyOverflowError::new_err("is too large for a float")
        } else {
            error
        }
    })
}

/// Says of which metric a value is wrong.
#[cold]
pub(crate) fn of_metric(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
    let why = format!("value of metric {name:?} {}", error.value(py));
    if error.is_instance_of::<PyOverflowError>(py) {
        PyOverflowError::new_err(why)
    } else if error.is_instance_of::<PyTypeError>(py) {
        PyTypeError::new_err(why)
    } else {
        let told = PyTypeError::new_err(format!("value of metric {name:?} is no number"));
        told.set_cause(py, Some(error));
        told
    }
}

/// Takes which way a metric is better.
///
/// # Errors
/// `ValueError`.
pub(crate) fn direction(mode: &str) -> PyResult<Direction> {
    match mode {
        "min" => Ok(Direction::Min),
        "max" => Ok(Direction::Max),
        other => {
            let why = format!("mode wants \"min\" or \"max\", has {other:?}");
            Err(PyValueError::new_err(why))
        }
    }
}

/// Takes a step.
///
/// # Errors
/// `TypeError` for what is no whole number, `OverflowError` beyond 64 bits.
#[inline]
pub(crate) fn step(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let Err(error) = value.extract::<i64>() else {
        return value.extract::<i64>();
    };
    let py = value.py();
    // A tensor of one number, or a float that is whole: an epoch that was computed.
    let item = match value.getattr_opt(pyo3::intern!(py, "item"))? {
        Some(item) => item.call0()?,
        None => value.clone(),
    };
    if item.is_instance_of::<PyFloat>()
        && item
            .call_method0(pyo3::intern!(py, "is_integer"))?
            .is_truthy()?
    {
        return item.call_method0(pyo3::intern!(py, "__int__"))?.extract();
    }
    if error.is_instance_of::<PyOverflowError>(py) {
        return Err(PyOverflowError::new_err(format!(
            "step {value} is beyond 64 bits"
        )));
    }
    item.extract::<i64>().map_err(|_no_int| {
        let shown = value
            .repr()
            .map_or_else(|_| String::new(), |shown| shown.to_string());
        PyTypeError::new_err(format!("step wants a whole number, has {shown}"))
    })
}

/// Takes a time, in seconds since 1970 or as a `datetime`, to microseconds since 1970.
///
/// # Errors
/// `TypeError` for what is neither, `OverflowError` for one too far away.
pub(crate) fn time_us(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = value.py();
    let seconds = if let Some(timestamp) = value.getattr_opt(pyo3::intern!(py, "timestamp"))? {
        timestamp.call0()?.extract::<f64>()?
    } else if let Ok(Some(seconds)) = number(value) {
        seconds
    } else {
        let shown = value.repr()?;
        let why = format!("time wants seconds since 1970 or a datetime, has {shown}");
        return Err(PyTypeError::new_err(why));
    };
    time_from_seconds(seconds).ok_or_else(|| {
        let why = format!("time {seconds} is beyond 64 bits of microseconds");
        PyOverflowError::new_err(why)
    })
}

/// Names and values.
type Members<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

/// The names and values of something that has names: a mapping, a dataclass, a namespace.
fn members<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Members<'py>>> {
    let py = value.py();
    if let Ok(dict) = value.cast::<PyDict>() {
        return Ok(Some(dict.iter().collect()));
    }
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyList>() {
        return Ok(None);
    }
    if let Ok(mapping) = value.cast::<PyMapping>() {
        let items = mapping.items()?;
        let pairs = items.iter().map(|pair| pair.extract());
        return pairs.collect::<PyResult<_>>().map(Some);
    }
    let class = value.get_type();
    if value.is(&class) {
        return Ok(None);
    }
    if let Some(fields) = class.getattr_opt(pyo3::intern!(py, "__dataclass_fields__"))? {
        let names = fields.cast_into::<PyDict>()?.keys();
        let pairs = names.iter().map(|name| {
            let field = value.getattr(name.cast::<PyString>()?)?;
            Ok((name, field))
        });
        return pairs.collect::<PyResult<_>>().map(Some);
    }
    if class.name()? == "Namespace" {
        let all = value
            .getattr(pyo3::intern!(py, "__dict__"))?
            .cast_into::<PyDict>()?;
        return Ok(Some(all.iter().collect()));
    }
    Ok(None)
}

/// Whether a value of a step is a group of metrics rather than a number.
#[inline]
pub(crate) fn is_group(value: &Bound<'_, PyAny>) -> bool {
    !value.is_exact_instance_of::<PyFloat>()
        && !value.is_exact_instance_of::<PyInt>()
        && (value.is_instance_of::<PyDict>() || value.cast::<PyMapping>().is_ok())
}

/// Lays nested metrics out flat: `{"val": {"acc": 0.9}}` is `val/acc`.
///
/// # Errors
/// `TypeError` for a name that is no text or a value that is no number.
pub(crate) fn metrics(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, f64)>> {
    fn fill(
        value: &Bound<'_, PyAny>,
        prefix: &str,
        depth: usize,
        out: &mut Vec<(String, f64)>,
    ) -> PyResult<()> {
        let too_deep = || PyTypeError::new_err(format!("metrics nest deeper than {NESTING_MAX}"));
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        for (key, value) in members(value)?.unwrap_or_default() {
            let Ok(key) = key.cast::<PyString>() else {
                return Err(no_name(&key));
            };
            let name = joined(prefix, METRIC_SEPARATOR, key.to_str()?);
            if is_group(&value) {
                fill(&value, &name, depth, out)?;
                continue;
            }
            let number = number(&value).map_err(|error| of_metric(key.py(), &name, error))?;
            out.extend(number.map(|number| (name, number)));
        }
        Ok(())
    }
    let mut out = Vec::new();
    fill(value, "", NESTING_MAX, &mut out)?;
    Ok(out)
}

fn joined(prefix: &str, separator: char, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}{separator}{name}")
    }
}

/// A metric's name that is no text.
#[cold]
pub(crate) fn no_name(key: &Bound<'_, PyAny>) -> PyErr {
    let shown = key
        .repr()
        .map_or_else(|_| String::new(), |shown| shown.to_string());
    PyTypeError::new_err(format!("name of a metric wants a str, has {shown}"))
}

/// Lays nested params out flat: `{"model": {"depth": 50}}` is `model.depth`.
///
/// # Errors
/// `TypeError` for what has no names.
pub(crate) fn flat_params(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, ParamValue)>> {
    fn fill(
        pairs: Members<'_>,
        prefix: &str,
        depth: usize,
        out: &mut Vec<(String, ParamValue)>,
    ) -> PyResult<()> {
        let too_deep = || PyTypeError::new_err(format!("params nest deeper than {NESTING_MAX}"));
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        for (key, value) in pairs {
            let name = joined(prefix, PARAM_SEPARATOR, key.str()?.to_str()?);
            match members(&value)? {
                Some(inner) if !inner.is_empty() => fill(inner, &name, depth, out)?,
                Some(_) => out.push((name, ParamValue::Text("{}".to_owned()))),
                None => out.push((name, param(&value)?)),
            }
        }
        Ok(())
    }
    let Some(pairs) = members(value)? else {
        let kind = value.get_type().name()?;
        let why = format!("params want a dict, a dataclass or a namespace, have a {kind}");
        return Err(PyTypeError::new_err(why));
    };
    let mut out = Vec::new();
    fill(pairs, "", NESTING_MAX, &mut out)?;
    Ok(out)
}

/// Takes the value of one param: what it is if that has a type in the store, else its text.
///
/// # Errors
/// What the object raises when it is asked for its text.
pub(crate) fn param(value: &Bound<'_, PyAny>) -> PyResult<ParamValue> {
    param_within(value, NESTING_MAX)
}

fn param_within(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<ParamValue> {
    let py = value.py();
    let Some(depth) = depth.checked_sub(1) else {
        return Err(PyTypeError::new_err(format!(
            "lists nest deeper than {NESTING_MAX}"
        )));
    };
    if value.is_none() {
        return Ok(ParamValue::Text("null".to_owned())); // as in JSON
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(ParamValue::Bool(value.is_true()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(ParamValue::Text(text.to_str()?.to_owned()));
    }
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(ParamValue::Float(float.value()));
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(match value.extract::<i64>() {
            Ok(int) => ParamValue::Int(int),
            // A seed beyond 64 bits keeps its digits.
            Err(_) => ParamValue::parse(value.call_method0("__str__")?.str()?.to_str()?),
        });
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items = value.try_iter()?;
        let items = items.map(|item| param_within(&item?, depth));
        return items.collect::<PyResult<_>>().map(ParamValue::List);
    }
    if members(value)?.is_some() {
        // Inside a list, where no name can say where it stands.
        let options = PyDict::new(py);
        options.set_item("default", py.get_type::<PyString>())?;
        let text = py
            .import("json")?
            .call_method("dumps", (value,), Some(&options))?;
        return Ok(ParamValue::Text(text.extract()?));
    }
    let is_class = value.hasattr(pyo3::intern!(py, "__mro__"))?;
    for method in ["item", "tolist"] {
        let plain = match value.getattr_opt(method)? {
            Some(method) if !is_class => method.call0().ok(),
            _ => None,
        };
        if let Some(plain) = plain.filter(|plain| !plain.is(value)) {
            return param_within(&plain, depth);
        }
    }
    Ok(ParamValue::Text(value.str()?.to_str()?.to_owned()))
}

/// Lays params out flat, as `log_params` stores them.
#[pyfunction]
pub(crate) fn params<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = value.py();
    let flat = PyDict::new(py);
    for (name, value) in flat_params(value)? {
        flat.set_item(name, from_param(py, &value)?)?;
    }
    Ok(flat)
}

/// Returns a param as Python's value.
pub(crate) fn from_param<'py>(py: Python<'py>, value: &ParamValue) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        ParamValue::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        ParamValue::Int(value) => value.into_pyobject(py)?.into_any(),
        ParamValue::Float(value) => value.into_pyobject(py)?.into_any(),
        ParamValue::Text(value) => value.into_pyobject(py)?.into_any(),
        ParamValue::List(items) => {
            let items = items.iter().map(|item| from_param(py, item));
            PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
    })
}

/// Returns JSON as Python's values.
pub(crate) fn from_json<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => int.into_pyobject(py)?.into_any(),
            (None, float) => float.into_pyobject(py)?.into_any(),
        },
        Value::String(text) => text.into_pyobject(py)?.into_any(),
        Value::Array(items) => {
            let items = items.iter().map(|item| from_json(py, item));
            PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, value) in map {
                dict.set_item(key, from_json(py, value)?)?;
            }
            dict.into_any()
        }
    })
}
