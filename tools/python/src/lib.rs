//! The Python package's compiled part: `tracker._tracker`.
//!
//! The library's calls as Python's, and nothing of their own: what a training types (`start_run`,
//! `log`, the names that people know from other trackers) is Python, in `tracker/`, over these.
//!
//! | module     | what lives there                                             |
//! |------------|--------------------------------------------------------------|
//! | [`error`]  | the library's errors as the classes of `tracker/_errors.py`  |
//! | [`value`]  | numbers and params out of Python's objects, and back         |
//! | [`writer`] | a run being logged                                           |
//! | [`place`]  | which store                                                  |
//! | [`read`]   | runs that are read                                           |
//! | [`series`] | the points of a series as columns                            |
//! | [`arrow`]  | tables through Arrow's C interface                           |
//! | `cli`      | the command `tracker`: the very sources of the binary        |
//!
//! What takes more than a microsecond runs detached from the interpreter, so that other threads go
//! on. The only unsafe code is what the C interfaces of buffers ask for, in [`buffer`].

mod arrow;
mod buffer;
#[path = "../../../src/cli/mod.rs"]
mod cli;
mod error;
mod place;
mod read;
mod series;
mod value;
mod writer;

use std::ffi::OsString;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyTuple;

/// Calls a function of `tracker/` on one of our objects: what needs no speed is written there.
fn in_python<'py>(
    (module, function): (&str, &str),
    object: &Bound<'py, PyAny>,
    more: Option<&Bound<'py, PyTuple>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let mut arguments = vec![object.clone()];
    arguments.extend(more.into_iter().flatten());
    let function = py.import(module)?.getattr(function)?;
    function.call(PyTuple::new(py, arguments)?, options)
}

/// Runs the command `tracker` and returns its exit code.
///
/// - `arguments`: the program's name first
#[pyfunction]
fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| cli::main(arguments))
}

/// The compiled part of the package `tracker`; what people use stands in `tracker` itself.
#[pymodule]
fn _tracker(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<writer::Writer>()?;
    module.add_class::<read::Run>()?;
    module.add_class::<read::Runs>()?;
    module.add_class::<series::Series>()?;
    module.add_class::<buffer::Column>()?;
    module.add_function(wrap_pyfunction!(command, module)?)?;
    module.add_function(wrap_pyfunction!(read::runs, module)?)?;
    module.add_function(wrap_pyfunction!(read::run, module)?)?;
    module.add_function(wrap_pyfunction!(read::best, module)?)?;
    module.add_function(wrap_pyfunction!(value::params, module)?)
}
