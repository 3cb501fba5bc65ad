//! One snapshot of a store.

use crate::error::Result;
use crate::model::Point;
use crate::model::Run;
use crate::model::RunId;

/// Which runs, in which order, how many.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// A filter in the language of `query::filter`; none means all.
    pub filter: Option<String>,
    /// Fields to sort by, first one first; a leading `-` or a trailing ` desc` means descending.
    /// Runs without the field come last. None means the newest start first.
    pub sort: Vec<String>,
    /// At most so many runs.
    pub limit: Option<usize>,
}

/// Which points of a series.
#[derive(Clone, Debug, Default)]
pub struct SeriesQuery {
    /// Smallest step wanted.
    pub from_step: Option<i64>,
    /// Largest step wanted.
    pub to_step: Option<i64>,
}

/// One snapshot of a store: what was logged when it was taken, and nothing later.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// Finds the run that `text` names: an id, a prefix of one, a unique name, `@last`, or
    /// `@best:METRIC` (largest last value) and `@best:-METRIC` (smallest).
    ///
    /// # Errors
    /// `Error::NotFound` (with near names), `Error::Ambiguous`.
    pub fn find_run(&self, text: &str) -> Result<RunId> {
        let _ = text;
        unimplemented!()
    }

    /// Returns all that is known of a run, save its points.
    ///
    /// # Errors
    /// `Error::NotFound`.
    pub fn run(&self, id: RunId) -> Result<Run> {
        let _ = id;
        unimplemented!()
    }

    /// Returns the runs that a query asks for.
    ///
    /// # Errors
    /// `Error::Filter` with the place in the text.
    pub fn runs(&self, query: &Query) -> Result<Vec<Run>> {
        let _ = query;
        unimplemented!()
    }

    /// Returns the points of a series by step, then time, then the order logged.
    ///
    /// # Errors
    /// `Error::NotFound` for an unknown metric (with near names).
    pub fn series(&self, run: RunId, metric: &str, query: &SeriesQuery) -> Result<Vec<Point>> {
        let _ = (run, metric, query);
        unimplemented!()
    }

    /// Returns what the user should know: damage met, an index that did not answer.
    pub fn warnings(&self) -> &[String] {
        unimplemented!()
    }

    /// Returns the time of the snapshot in microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        unimplemented!()
    }
}
