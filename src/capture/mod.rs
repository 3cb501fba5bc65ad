//! What is noted of a process when a run starts.

use crate::model::Environment;

/// Tells where and how this process runs, with secrets masked.
pub fn environment() -> Environment {
    Environment::default()
}

/// Tells who starts a run: git's user, else the login.
pub fn author() -> Option<String> {
    None
}

/// Makes a readable name for a run from 16 random bytes.
pub fn run_name(random: [u8; 16]) -> String {
    let _ = random;
    "unnamed".to_owned()
}
