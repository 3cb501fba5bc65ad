//! What the library has once its other parts are merged, under the same names and signatures.
//!
//! After the merge this folder goes, and `super::shim::` becomes `tracker::` wherever it stands.
#![expect(dead_code, reason = "fields and variants that only the library fills")]

pub(crate) mod capture;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod model;
pub(crate) mod query;
