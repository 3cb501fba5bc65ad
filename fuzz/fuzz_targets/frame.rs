//! Bytes as a segment of rows: no panic, nothing taken for a record that is none.
//!
//! The fuzzer cannot find a checksum, so frames are made for it; then they are cut, or a byte is
//! flipped. What stands before a cut and outside of a flipped frame must all be read.
#![no_main]

use std::path::Path;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use tracker::journal::SegmentId;
use tracker::journal::frame;
use tracker::journal::frame::Seed;
use tracker::journal::rows;
use tracker::journal::rows::Rows;
use tracker::journal::segment;
use tracker::limits::RECORD_BYTES_MAX;
use tracker::model::RunId;
use tracker::model::WriterId;

const ID: SegmentId = SegmentId {
    run: RunId(1 << 80),
    writer: WriterId(2),
    seq: 3,
};
/// First byte of a body that this version does not know: kept as it is.
const UNKNOWN: u8 = 200;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let mut rest = Unstructured::new(bytes);
    match kind % 5 {
        0 => drop(rows::parse(bytes, &ID, Path::new("fuzzed"))),
        1 => {
            let len = parse(&[&segment::header(&ID, 0), bytes].concat()).len;
            // The last frame may lack some of the zeros that fill it up.
            let most = (segment::HEADER_BYTES + bytes.len()).next_multiple_of(8);
            assert!(len <= most as u64);
        }
        2 => whole(&rest.arbitrary::<Vec<&[u8]>>().unwrap_or_default()),
        3 => {
            let (at, bodies): (usize, Vec<&[u8]>) = rest.arbitrary().unwrap_or_default();
            cut(&bodies, at);
        }
        _ => {
            let (at, flip, bodies): (usize, u8, Vec<&[u8]>) = rest.arbitrary().unwrap_or_default();
            flipped(&bodies, at, flip);
        }
    }
});

fn whole(bodies: &[&[u8]]) {
    let (bytes, ends) = segment_of(bodies);
    let rows = parse(&bytes);
    assert_eq!(
        rows.len,
        ends.last().map_or(segment::HEADER_BYTES, |end| *end) as u64
    );
    let hole = rows
        .damage
        .iter()
        .find(|damage| damage.why.ends_with("are no record"));
    assert_eq!(hole, None);
}

fn cut(bodies: &[&[u8]], at: usize) {
    let (bytes, ends) = segment_of(&unknown(bodies));
    let at = at % (bytes.len() + 1);
    let rows = parse(&bytes[..at]);
    // A frame that only lacks some of the zeros that fill it up is whole.
    let most = ends
        .iter()
        .filter(|end| at + frame::HEADER_BYTES > **end)
        .count();
    let least = ends.iter().filter(|end| at >= **end).count();
    assert!((least..=most).contains(&rows.unknown.len()));
    assert!(
        rows.damage.is_empty(),
        "a torn tail is no damage: {:?}",
        rows.damage
    );
}

fn flipped(bodies: &[&[u8]], at: usize, flip: u8) {
    let bodies = unknown(bodies);
    let (mut bytes, ends) = segment_of(&bodies);
    let behind = bytes.len() - segment::HEADER_BYTES;
    let Some(at) = at.checked_rem(behind).map(|at| segment::HEADER_BYTES + at) else {
        return;
    };
    bytes[at] ^= flip;
    let rows = parse(&bytes);
    assert!((ends.len() - 1..=ends.len()).contains(&rows.unknown.len()));
    let written = rows
        .unknown
        .iter()
        .all(|(_, body)| bodies.contains(&body.as_slice()));
    assert!(written, "a record that was never written");
}

fn parse(bytes: &[u8]) -> Rows {
    rows::parse(bytes, &ID, Path::new("fuzzed")).unwrap_or_default()
}

/// Bodies of records that this version does not know. One that has a frame of this segment in it is
/// none of them: behind a hole that frame is taken for a record, as it must be.
fn unknown<'a>(bodies: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let has_frame = |body: &[u8]| {
        frame::Search::new(body, Seed::of(&ID))
            .next_frame(0)
            .is_some()
    };
    let mut bodies = bodies.to_vec();
    bodies.retain(|body| body.len() > 1 && body[0] == UNKNOWN && !has_frame(body));
    bodies
}

/// A segment, and where each of its frames ends.
fn segment_of(bodies: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = segment::header(&ID, 0).to_vec();
    let mut ends = Vec::new();
    for body in bodies
        .iter()
        .filter(|body| (1..=RECORD_BYTES_MAX).contains(&body.len()))
    {
        let end = bytes.len() + frame::frame_bytes(body.len());
        bytes.extend_from_slice(&Seed::of(&ID).header(body).encode());
        bytes.extend_from_slice(body);
        bytes.resize(end, 0);
        ends.push(end);
    }
    (bytes, ends)
}
