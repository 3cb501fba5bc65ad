//! One list of things to do with a store ([`op`]), a memory that knows what must come of them
//! ([`model`]), and the store itself under the same list ([`real`]).
//!
//! The property test, the fuzzer and named tests of what they found share it. Runs have fixed ids,
//! metrics and keys come from small sets, so that operations meet each other.

#[cfg(unix)]
pub(crate) mod damage;
#[cfg(unix)]
pub(crate) mod disk;
pub(crate) mod elsewhere;
pub(crate) mod model;
pub(crate) mod op;
#[cfg(unix)]
pub(crate) mod process;
pub(crate) mod real;
pub(crate) mod sound;
pub(crate) mod tally;
