//! Stories: what people do with a store, on real files, in real processes.
#![expect(
    clippy::needless_raw_string_hashes,
    reason = "snapbox writes expectations with them"
)]

mod agreed;
mod artifacts;
mod bad_input;
mod curves;
mod forms;
mod groups;
mod harness;
#[cfg(unix)]
mod hostile;
mod killed;
mod lint;
mod live;
mod log_and_read;
mod merging;
mod programs;
mod queries;
mod questions;
mod real_logs;
mod round_trip;
mod salvage;
mod scripts;
