//! The journal: what happened, in order, and nothing else.
//!
//! Each call on a [`RunWriter`](crate::RunWriter) becomes one record at the end of its writer's
//! newest segment. The journal is the truth; the index can be deleted and folded again from it.
//!
//! ```text
//! live/<run>-<writer>-<seq>.seg            rows, being appended; the writer holds the file's lock
//! live/<run>-<writer>-<seq>.sealed         columns, not yet folded
//! journal/<r2>/<run>-<writer>-<seq>.sealed columns, in the index or about to be
//! live/*.new, live/*.sealing               being made; worth nothing once their maker is dead
//! ```
//!
//! The path of a point: [`record`] lays it out, [`frame`] guards it, [`segment`] appends it,
//! [`writer`] turns segments over, `background` works behind the caller, [`seal`] makes columns of
//! a full segment, [`sealed`] is their file and [`footer`] what it begins to be read by, [`rows`]
//! reads a segment back, [`files`] knows names and folders. A run that ended elsewhere comes in
//! through [`whole`]; [`remains`] reads what is left of a damaged file.
//!
//! Invariants:
//! - a segment has one writer, the holder of its lock; a run may have many writers;
//! - a sealed file is never changed; it shadows the rows it was made of;
//! - reading never writes: a torn tail is where reading stops, and nothing cuts it off.
//!
//! Relies on: stores to a mapped page outlive the process; rename is atomic; a lock dies with its
//! holder. Format versions: 1, the first; of columns also 2.

mod background;
pub mod files;
pub mod footer;
pub mod frame;
mod maker;
pub mod record;
pub mod remains;
pub mod rows;
pub mod seal;
pub mod sealed;
pub mod segment;
pub mod whole;
pub mod writer;

pub use files::Folders;
pub use files::SegmentId;
pub use record::Event;
pub use record::Role;

#[cfg(test)]
mod tests;
