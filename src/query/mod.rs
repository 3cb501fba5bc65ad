//! Answers: which runs there are, what they are, how their series went.

pub mod filter;
mod lookup;
mod measure;
mod reader;
mod select;
mod series;

pub use reader::Query;
pub use reader::Reader;
pub use reader::SeriesQuery;
pub(crate) use reader::Source;
