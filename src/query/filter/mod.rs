//! The filter: which runs are meant.
