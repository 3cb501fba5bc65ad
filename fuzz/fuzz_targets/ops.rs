//! Any list of operations on a store: it reads what lists in memory read, as `tests/model.rs` asks
//! of random ones; here the fuzzer looks for lists that lead elsewhere.
#![no_main]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../tests/common/mod.rs"]
mod common;

use arbitrary::Unstructured;
use common::op::Op;
use common::real::Real;
use libfuzzer_sys::fuzz_target;

/// Longer lists only take longer.
const OPS_MAX: usize = 60;

fuzz_target!(|input: &[u8]| {
    let mut rest = Unstructured::new(input);
    let mut real = Real::new();
    // Most lists would else begin with operations on runs that are not there.
    for run in 0..2 {
        real.apply(&Op::Start {
            run,
            detached: false,
        });
    }
    for _ in 0..OPS_MAX {
        match rest.arbitrary::<Op>() {
            Ok(op) if !rest.is_empty() => real.apply(&op),
            _ => break,
        }
    }
    real.end();
});
