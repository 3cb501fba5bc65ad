//! An experiment tracker for machine learning that is a folder and a binary.
//!
//! Runs, params, metrics and artifacts are kept in one folder, the store: no server, no account, no
//! network. Logging costs nanoseconds and loses nothing; questions are answered at once, also
//! beside trainings that log.
//!
//! ```no_run
//! use tracker::{RunOptions, Store, model::Status};
//!
//! let store = Store::open_or_create(".tracker".as_ref())?;
//! let run = store.start_run(RunOptions::default())?;
//! for step in 0..100 {
//!     run.log(step, &[("loss", 0.5), ("acc", 0.9)])?;
//! }
//! run.finish(Status::Completed, None, None)?;
//! # Ok::<(), tracker::Error>(())
//! ```
//!
//! The journal (the append-only log) is the truth, the index is derived from it, blobs are named by
//! their hash. *append → fold → query*, and each is one place in the tree:
//!
//! ```text
//! log ──► run ──► journal: rows ──seal──► columns ══(disk)══► fold ──► index (redb) ══► query
//! artifact ─► run ──► blob ══(disk)             └─ what is not folded yet, read in memory ─┘
//! ```
//!
//! | module       | what lives there                                                          |
//! |--------------|---------------------------------------------------------------------------|
//! | `limits`     | every bound                                                               |
//! | [`error`]    | what can go wrong, for the caller                                         |
//! | [`model`]    | the nouns: runs, params, points, summaries                                |
//! | `codec`      | bytes in and out; the door to bincode                                     |
//! | `sys`        | files, locks, the clock; the only unsafe code                             |
//! | `chunk`      | columns of values, encoded; the door to pco                               |
//! | `journal`    | records, segments, sealing                                                |
//! | `index`      | the tables; the door to redb                                              |
//! | `blob`       | artifact bytes by hash                                                    |
//! | `liveness`   | does a writer live?                                                       |
//! | `reference`  | files that stay where they are                                            |
//! | [`capture`]  | what is noted of a process when a run starts, with secrets masked         |
//! | [`settings`] | what people have agreed on for the store: `tracker.toml`                  |
//! | [`run`]      | what a training holds                                                     |
//! | `fold`       | journal into index, or into memory for what is not folded                 |
//! | [`query`]    | one snapshot, and what can be asked of it                                 |
//! | [`lint`]     | pitfalls in what was logged                                               |
//! | [`check`]    | is all as it was written?                                                 |
//! | [`salvage`]  | what can be read of a damaged store, into a new one                       |
//! | [`store`]    | the folder                                                                |
//! | [`import`], [`export`] | one file a format                                               |
//!
//! A process that logs does not open the index while its run is live; a reader never depends on
//! the index being well; only `fold` knows both. The library never panics, prints or exits.
//! `tests/tidy.rs` holds the ranks of the modules and the doors to the dependencies.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

#[doc(hidden)]
pub mod blob;
pub mod capture;
pub mod check;
#[doc(hidden)]
pub mod chunk;
#[doc(hidden)]
pub mod codec;
pub mod error;
pub mod export;
mod fault;
#[doc(hidden)]
pub mod fold;
pub mod import;
#[doc(hidden)]
pub mod index;
#[doc(hidden)]
pub mod journal;
pub mod limits;
pub mod lint;
mod liveness;
pub mod model;
pub mod query;
mod reference;
pub mod run;
pub mod salvage;
pub mod settings;
mod stat;
pub mod store;
#[doc(hidden)]
pub mod sys;

pub use error::Error;
pub use error::Result;
pub use query::Curve;
pub use query::CurveQuery;
pub use query::Query;
pub use query::Reader;
pub use query::SeriesQuery;
pub use run::ArtifactOptions;
pub use run::Metric;
pub use run::RunOptions;
pub use run::RunWriter;
pub use store::Store;

/// The examples in the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
