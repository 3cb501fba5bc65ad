//! The nouns of the field: runs, params, points, summaries, artifacts.
//!
//! Plain values without a file, a clock or a format behind them; all parts speak in these.

mod artifact;
mod id;
mod record;
mod run;
mod summary;
mod time;
mod value;
mod words;

pub use artifact::AliasTarget;
pub use artifact::ArtifactRef;
pub(crate) use artifact::Files;
pub use artifact::Flow;
pub use artifact::Version;
pub(crate) use artifact::named;
pub use id::BlobId;
pub use id::RunId;
pub use id::WriterId;
pub use record::ARTIFACTS_SUFFIX;
pub(crate) use record::param_from_exact;
pub(crate) use record::param_to_exact;
pub use run::Environment;
pub use run::GitState;
pub use run::Process;
pub use run::Run;
pub use run::RunInfo;
pub use run::Status;
pub use summary::Edge;
pub use summary::Extreme;
pub use summary::RowSpan;
pub use summary::Stamp;
pub use summary::Sum;
pub use summary::Summary;
pub use time::parse_time;
pub use time::time_from_seconds;
pub use time::time_from_text;
pub use time::time_from_unix;
pub use time::time_from_unix_integer;
pub use time::time_to_text;
pub use value::Name;
pub use value::ParamValue;
pub use value::Point;
pub(crate) use value::float_to_json;
pub(crate) use words::EDGE_WORDS;
pub(crate) use words::SPAN_WORDS;
pub(crate) use words::SUMMARY_WORDS;
pub(crate) use words::VALUE_WORDS;
