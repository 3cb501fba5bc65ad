//! Runs as tests start them, and what a store must be after all that was done to it.

use tracker::RunOptions;
use tracker::Store;
use tracker::model::Environment;
use tracker::model::RunId;

/// Options of a run that says nothing of this machine.
pub(crate) fn run_options(id: RunId) -> RunOptions {
    RunOptions {
        id: Some(id),
        name: Some(id.short()),
        author: Some("a".to_owned()),
        environment: Some(Environment::default()),
        ..RunOptions::default()
    }
}

/// Checks that all is as it was written, and that nothing lies about.
pub(crate) fn check_sound(store: &Store) {
    let check = store.check(&mut |_, _| {}).unwrap();
    assert!(check.is_sound() && check.strays.is_empty(), "{check:?}");
}
