//! Decoders take no more memory than their bytes justify, whatever the bytes say.
//!
//! In a binary of its own, for the allocator counts what all threads take. The fuzzer looks for
//! single allocations beyond its limit; here the sum that is held at once is in proportion to the
//! input, for bytes that were made well and then damaged or made to hurt.
#![expect(unsafe_code, reason = "an allocator cannot be said without")]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tracker::codec;
use tracker::import::line;
use tracker::import::line::LogLine;
use tracker::journal::Event;
use tracker::journal::SegmentId;
use tracker::journal::footer::Footer;
use tracker::journal::frame;
use tracker::journal::frame::Seed;
use tracker::journal::record;
use tracker::journal::record::Record;
use tracker::journal::rows;
use tracker::journal::segment;
use tracker::model::Name;
use tracker::model::ParamValue;
use tracker::model::RunId;
use tracker::model::WriterId;
use tracker::query::filter::Filter;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is done by the system's allocator, with the layouts as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const ID: SegmentId = SegmentId {
    run: RunId(1 << 80),
    writer: WriterId(2),
    seq: 3,
};
/// What errors and first buffers take, whatever the input: serde makes room of a mebibyte at most
/// for a list that says it is long, and the lists of a footer stand four deep.
const FIXED_BYTES: usize = 4 << 20;
/// Bytes of memory a byte of input: a param in a list takes two bytes written and 32 read, in a
/// buffer that may just have doubled.
const TIMES_MAX: usize = 64;

/// Most bytes that a call holds at once beyond what was held before.
fn most(call: impl FnOnce()) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    call();
    MOST.load(Ordering::Relaxed) - before
}

fn want_little(what: &str, input: &[u8], call: impl FnOnce(&[u8])) {
    let took = most(|| call(input));
    let may = FIXED_BYTES + TIMES_MAX * input.len();
    assert!(took <= may, "{what} took {took} bytes for {}", input.len());
}

fn decode_all(bytes: &[u8]) {
    want_little("a record", bytes, |bytes| drop(Record::decode(bytes)));
    want_little("a footer", bytes, |bytes| {
        drop(codec::decode::<Footer>(bytes));
        drop(Footer::decode(bytes, &ID));
    });
    want_little("a segment", bytes, |bytes| {
        drop(rows::parse(bytes, &ID, Path::new("x")));
    });
    want_little("a framed segment", bytes, |bytes| {
        let mut framed = segment::header(&ID, 0).to_vec();
        for body in bytes.chunks(40) {
            let end = framed.len() + frame::frame_bytes(body.len());
            framed.extend_from_slice(&Seed::of(&ID).header(body).encode());
            framed.extend_from_slice(body);
            framed.resize(end, 0);
        }
        drop(rows::parse(&framed, &ID, Path::new("x")));
    });
    want_little("a line", bytes, |bytes| {
        drop(line::parse_into(bytes, &mut LogLine::default()));
    });
    if let Ok(text) = std::str::from_utf8(bytes) {
        want_little("a value", bytes, |_| drop(ParamValue::parse(text)));
        if text.len() < 200 {
            // A pattern is compiled, within a bound of its own.
            drop(Filter::parse(text, 0));
        }
    }
}

#[test]
fn memory_is_in_proportion_to_the_input() {
    let name = || Name::new("name", "n").unwrap();
    let list = ParamValue::List(vec![ParamValue::Bool(true); 20_000]);
    let events = [
        Event::RunStarted(Box::default()),
        Event::Param {
            key: name(),
            value: list,
        },
        Event::Note("x".repeat(10_000)),
    ];
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    for event in &events {
        inputs.push(record::event(1, event).unwrap());
    }
    inputs.push(record::shape(1, &vec![7; 5_000]));
    inputs.push([[1u8, 1].as_slice(), &[0xff; 5_000]].concat());
    inputs.push(vec![0; 20_000]);
    inputs.push(vec![200; 20_000]);
    inputs.push(b"{\"a\":".repeat(5_000));
    inputs.push([b"{\"a\":[".as_slice(), &b"1,".repeat(5_000), b"1]}"].concat());
    inputs.push(
        [
            b"{\"a\":{".as_slice(),
            &b"\"b\":1,".repeat(5_000),
            b"\"c\":1}}",
        ]
        .concat(),
    );
    // A length of 2^64 - 1 before each kind of thing that has one.
    for prefix in [
        &[16u8, 1, 0][..],
        &[16, 1, 0, 2, 1, b'n', 4],
        &[16, 1, 0, 4],
        &[],
    ] {
        inputs.push(
            [
                prefix,
                &[253, 255, 255, 255, 255, 255, 255, 255, 255],
                &[4; 99],
            ]
            .concat(),
        );
        inputs.push([prefix, &[252, 0, 0, 0, 4], &[4; 99]].concat());
    }
    // Lists in each other, each said to be very long.
    let long_list = [4, 252, 255, 255, 0, 0].repeat(60);
    inputs.push([&[16, 1, 0, 2, 1, b'n'], long_list.as_slice()].concat());
    for input in &inputs {
        decode_all(input);
    }
    arbtest::arbtest(|u| {
        let mut input = u.choose(&inputs)?.clone();
        for _ in 0..u.int_in_range(1..=8)? {
            let at = u.choose_index(input.len().min(400))?;
            input[at] = u.arbitrary()?;
        }
        input.truncate(u.int_in_range(1..=input.len())?);
        decode_all(&input);
        Ok(())
    });
}
