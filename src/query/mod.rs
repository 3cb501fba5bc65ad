//! Answers: which runs there are, what they are, how their series went.

pub mod filter;
mod follow;
mod glob;
mod lookup;
mod measure;
mod parallel;
mod reader;
mod sample;
mod sections;
mod select;
mod series;
mod smooth;

pub use follow::Cursor;
pub use glob::Glob;
pub use reader::Query;
pub use reader::Reader;
pub(crate) use reader::Source;
pub use reader::near as near_names;
pub use sample::sample;
pub use series::Curve;
pub use series::CurveQuery;
pub use series::SeriesQuery;
pub use series::X;
pub use smooth::Smoother;
