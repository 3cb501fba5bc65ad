//! The library's errors as the classes of `tracker/_errors.py`.
//!
//! A class says what the caller can do, the message ends with how; what a program may want to look
//! at is an attribute.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use tracker::Error;

/// Most runs that an ambiguous name lists.
const CANDIDATES_MAX: usize = 10;

/// Returns a class of `tracker/_errors.py`.
pub(crate) fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || {
        py.import("tracker._errors").map(Bound::unbind) // itself imported by the package
    })?;
    Ok(module.bind(py).getattr(name)?.cast_into::<PyType>()?)
}

/// Makes an error of a class of `tracker/_errors.py`.
pub(crate) fn of_class(py: Python<'_>, name: &str, message: String) -> PyErr {
    match class(py, name) {
        Ok(class) => PyErr::from_type(class, message),
        Err(error) => error,
    }
}

/// Makes a Python error of one of the library's.
pub(crate) fn raised(py: Python<'_>, error: Error) -> PyErr {
    let name = match &error {
        Error::Filter(_) => "FilterError",
        Error::NotFound { .. } => "NotFound",
        Error::Ambiguous { .. } => "Ambiguous",
        Error::ParamConflict { .. } => "ParamConflict",
        Error::Ended(_) => "Closed",
        Error::Invalid { .. } => "Invalid",
        Error::Io { .. } if error.is_missing() => "MissingFile",
        _ => "StoreError",
    };
    let raised = of_class(py, name, message(&error));
    match adorn(py, &raised, error) {
        Ok(()) => raised,
        Err(error) => error,
    }
}

/// Sets the attributes that a program may look at.
fn adorn(py: Python<'_>, raised: &PyErr, error: Error) -> PyResult<()> {
    let value = raised.value(py);
    match error {
        Error::NotFound { what, name, near } => {
            value.setattr("what", what)?;
            value.setattr("name", name)?;
            value.setattr("near", near)
        }
        Error::Ambiguous { runs, .. } => value.setattr("runs", runs),
        Error::ParamConflict { key, old, new } => {
            value.setattr("key", key)?;
            value.setattr("old", old.into_string())?;
            value.setattr("new", new.into_string())
        }
        Error::Filter(filter) => {
            value.setattr("text", filter.text)?;
            value.setattr("span", (filter.span.start, filter.span.end))
        }
        Error::Io { path, source, .. } => {
            value.setattr("filename", path.display().to_string())?;
            source
                .raw_os_error()
                .map_or(Ok(()), |code| value.setattr("errno", code))
        }
        _ => Ok(()),
    }
}

/// What is wrong, and what to do about it.
fn message(error: &Error) -> String {
    let hint = match error {
        Error::Filter(filter) => {
            let caret = filter.caret().replace('\n', "\n  ");
            let hint = filter.hint.as_deref().map(|hint| format!("\n{hint}"));
            return format!("{error}\n  {caret}{}", hint.unwrap_or_default());
        }
        Error::NotFound { what, near, .. } => match near.as_slice() {
            [] if *what == "run" => "tracker.runs() lists them".to_owned(),
            [] => return error.to_string(),
            near => {
                let near: Vec<String> = near.iter().map(|name| format!("{name:?}")).collect();
                format!("did you mean {}?", near.join(" or "))
            }
        },
        Error::Ambiguous { runs, .. } => {
            let shown: Vec<&str> = runs
                .iter()
                .map(String::as_str)
                .take(CANDIDATES_MAX)
                .collect();
            let more = if runs.len() > shown.len() {
                ", …"
            } else {
                ""
            };
            format!("give more digits of the id: {}{more}", shown.join(", "))
        }
        Error::ParamConflict { .. } => {
            "params are set once; log what changes as a metric, or set a tag".to_owned()
        }
        Error::Ended(id) => {
            format!(
                "take it up again with tracker.start_run(resume=\"{}\")",
                id.short()
            )
        }
        Error::NewerFormat { .. } => "upgrade with `pip install -U tracker-db`".to_owned(),
        Error::NotAStore(_) => {
            "give a store with store=… or in TRACKER_STORE; tracker.start_run() makes one in an \
             empty or new folder"
                .to_owned()
        }
        Error::Locked { .. } => "wait until it is done, then try again".to_owned(),
        Error::Corrupt(_) => {
            "`tracker check` shows how far it goes; the rest can be read".to_owned()
        }
        Error::Invalid { what: "params", .. } => {
            "the store's tracker.toml asks for it: `severity = \"warning\"` there only warns"
                .to_owned()
        }
        Error::Poisoned(_) => "what was logged before is kept; start another run".to_owned(),
        Error::Io { .. } if error.is_disk_full() => {
            "make room on the disk; what was logged before is kept, logging goes on when there is \
             room"
                .to_owned()
        }
        Error::Io { .. } if error.is_read_only() => {
            "the store cannot be written; check its rights and its mount, or give another with \
             store=…"
                .to_owned()
        }
        _ => return error.to_string(),
    };
    format!("{error}; {hint}")
}
