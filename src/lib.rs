//! tracker: an experiment tracker that is a folder and a binary.
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
#[doc(hidden)]
pub mod fold;
pub mod import;
#[doc(hidden)]
pub mod index;
#[doc(hidden)]
pub mod journal;
pub mod limits;
mod liveness;
pub mod model;
pub mod query;
pub mod run;
pub mod store;
#[doc(hidden)]
pub mod sys;

pub use error::Error;
pub use error::Result;
pub use query::Query;
pub use query::Reader;
pub use query::SeriesQuery;
pub use run::Metric;
pub use run::RunOptions;
pub use run::RunWriter;
pub use store::Store;
