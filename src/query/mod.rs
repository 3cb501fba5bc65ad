//! Answers: which runs there are, what they are, how their series went.

mod band;
pub mod filter;
mod follow;
mod glob;
mod group;
mod lookup;
mod measure;
mod parallel;
mod reader;
mod sample;
mod sections;
mod select;
mod series;
mod smooth;
mod survey;

pub use band::Band;
pub use follow::Cursor;
pub use glob::Glob;
pub use group::Aggregate;
pub use group::Group;
pub use group::GroupBy;
pub use group::GroupQuery;
pub use group::Groups;
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
pub(crate) use survey::Survey;
