//! A store and lists in memory, given the same calls, always read the same.
//!
//! Also: a copy of a store in use, another store that gets its files bit by bit, and an index made
//! anew give the same answers. Two seconds by default; `TRACKER_TORTURE=N` takes N times as long.

#[expect(dead_code, reason = "the fuzzer and other tests use the rest")]
mod common;

use arbitrary::Unstructured;
use common::op::Op;
use common::real::Real;
use common::tally;
use common::tally::Tally;
use common::tally::torture;

fn play(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut real = Real::new();
    // Most lists would else begin with operations on runs that are not there.
    for run in 0..2 {
        real.apply(&Op::Start {
            run,
            detached: false,
        });
    }
    let mut ops = Vec::new();
    while !u.is_empty() {
        ops.push(u.arbitrary::<Op>()?);
    }
    for op in &ops {
        real.apply(op);
    }
    real.end();
    tally::ROUNDS.add(1);
    tally::OPERATIONS.add(ops.len() as u64);
    Ok(())
}

#[test]
fn the_store_reads_what_the_model_reads() {
    let _tally = Tally;
    let mut test = arbtest::arbtest(play).size_min(64).size_max(2_000);
    test = match std::env::var("TRACKER_SEED")
        .ok()
        .and_then(|seed| u64::from_str_radix(seed.trim_start_matches("0x"), 16).ok())
    {
        Some(seed) => test.seed(seed),
        None => test.budget_ms(2_000 * torture()),
    };
    drop(test);
}
