//! The nouns of the field: runs, params, points, summaries, artifacts.
//!
//! Plain values without a file, a clock or a format behind them; all parts speak in these.

mod id;
mod run;
mod summary;
mod value;

pub use id::BlobId;
pub use id::RunId;
pub use id::WriterId;
pub use run::ArtifactRef;
pub use run::Environment;
pub use run::GitState;
pub use run::Process;
pub use run::Run;
pub use run::RunInfo;
pub use run::Status;
pub use summary::Edge;
pub use summary::Extreme;
pub use summary::Stamp;
pub use summary::Sum;
pub use summary::Summary;
pub use value::Name;
pub use value::ParamValue;
pub use value::Point;
