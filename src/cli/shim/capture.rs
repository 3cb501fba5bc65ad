//! As `tracker::capture`, without the masking of secrets.

use std::ffi::OsString;

use tracker::model::Environment;

/// Tells where and how a command is run by this process.
pub(crate) fn environment_of(command: impl IntoIterator<Item = OsString>) -> Environment {
    Environment {
        command: command
            .into_iter()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect(),
        ..tracker::capture::environment()
    }
}
