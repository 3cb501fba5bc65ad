//! Which store: the one that is named, else `$TRACKER_STORE`, else the nearest `.tracker` upward.

use std::path::Path;
use std::path::PathBuf;

use tracker::Error;
use tracker::Result;
use tracker::Store;
use tracker::store::FOLDER;

/// The store's folder for child processes.
const VARIABLE: &str = "TRACKER_STORE";

/// Opens a store that is there.
pub(crate) fn open(named: Option<PathBuf>) -> Result<Store> {
    if let Some(path) = named.or_else(from_environment) {
        return open_named(&path);
    }
    let here = here();
    Store::open(&Store::find(&here).unwrap_or_else(|| here.join(FOLDER)))
}

/// Opens a store, and makes it first if there is none.
pub(crate) fn open_or_create(named: Option<PathBuf>) -> Result<Store> {
    let Some(path) = named.or_else(from_environment) else {
        let here = here();
        return Store::open_or_create(&Store::find(&here).unwrap_or_else(|| here.join(FOLDER)));
    };
    match open_named(&path) {
        // Nothing there, or an empty folder: the library knows whether it may be made.
        Err(error) if error.is_missing() || matches!(error, Error::NotAStore(_)) => {
            Store::open_or_create(&path)
        }
        opened => opened,
    }
}

fn from_environment() -> Option<PathBuf> {
    let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

fn open_named(path: &Path) -> Result<Store> {
    match Store::open(path) {
        // The folder above the store is meant often enough.
        Err(error) if path.join(FOLDER).is_dir() => {
            Store::open(&path.join(FOLDER)).map_err(|_above| error)
        }
        opened => opened,
    }
}
