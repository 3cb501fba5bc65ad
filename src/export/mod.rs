//! Runs and series as files that other programs read.
