//! A whole segment of rows, damaged in many places: what is still read was written just so, what
//! is lost is told, and columns made of it say what the rows say.
//!
//! `frame` asks what is taken for a record; here records have a meaning, and lean on each other: a
//! point on its shape, a shape on its metrics. Bodies of any content are framed as a file that was
//! made to hurt would frame them.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arbitrary::Arbitrary;
use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use tracker::journal::Event;
use tracker::journal::SegmentId;
use tracker::journal::frame;
use tracker::journal::frame::Seed;
use tracker::journal::record;
use tracker::journal::rows;
use tracker::journal::rows::Rows;
use tracker::journal::sealed::Encoder;
use tracker::journal::sealed::Sealed;
use tracker::journal::segment;
use tracker::limits::RECORD_BYTES_MAX;
use tracker::model::Name;
use tracker::model::Point;
use tracker::model::RunId;
use tracker::model::WriterId;

mod memory;

use memory::Memory;

const ID: SegmentId = SegmentId {
    run: RunId(1 << 80),
    writer: WriterId(2),
    seq: 3,
};
const PATH: &str = "fuzzed.seg";
/// So many shapes of these metrics are there.
const SHAPES: [&[u32]; 5] = [&[0], &[0, 1], &[1, 0], &[2, 0, 1], &[2, 2]];
const METRICS: [&str; 3] = ["loss", "val/acc", "größe"];

/// Something that a writer writes, or somebody who means harm.
#[derive(Debug, Arbitrary)]
enum Said<'a> {
    Points {
        shape: u8,
        step: i64,
        value: f64,
    },
    Tag {
        value: u8,
    },
    Later {
        len: u8,
    },
    /// Taken only where anything goes.
    Any(&'a [u8]),
}

/// What a disk does to bytes.
#[derive(Debug, Arbitrary)]
enum Harm {
    Flip { at: u32, bits: u8 },
    Zeros { at: u32, len: u16 },
    Copy { from: u32, to: u32, len: u8 },
    Cut { at: u32 },
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let mut rest = Unstructured::new(bytes);
    if kind % 2 == 0 {
        let (harms, said): (Vec<Harm>, Vec<Said>) = rest.arbitrary().unwrap_or_default();
        damaged(&said, &harms);
    } else {
        let said: Vec<Said> = rest.arbitrary().unwrap_or_default();
        anything(&said);
    }
});

/// Frames of any content.
fn anything(said: &[Said<'_>]) {
    let mut segment = Segment::new();
    for said in said {
        segment.say(said, true);
    }
    let bytes = segment.bytes;
    let rows = rows::parse(&bytes, &ID, Path::new(PATH)).expect("the header is right");
    assert_eq!(rows.len, bytes.len() as u64);
    in_bounds(&rows, bytes.len());
    seal_and_compare(&rows);
}

/// What a writer writes, and what becomes of it.
fn damaged(said: &[Said<'_>], harms: &[Harm]) {
    let mut segment = Segment::new();
    for said in said {
        segment.say(said, false);
    }
    let mut bytes = segment.bytes.clone();
    harms.iter().for_each(|harm| harm.strike(&mut bytes));
    let rows = match rows::parse(&bytes, &ID, Path::new(PATH)) {
        Ok(rows) => rows,
        Err(error) => {
            let is_named = error.to_string().contains(PATH);
            assert!(is_named && bytes[..64] != segment.bytes[..64], "{error}");
            return;
        }
    };
    in_bounds(&rows, bytes.len());
    // What stands before the first harm is whole.
    let same = bytes.iter().zip(&segment.bytes).take_while(|(a, b)| a == b);
    let same = same.count();
    let whole = segment.ends.iter().filter(|end| **end <= same).count();
    let mut found = BTreeMap::new();
    for metric in METRICS {
        let mut points = Vec::new();
        rows.points_of(metric, &mut points);
        for (point, _) in points {
            // Steps count records here, so a point that was moved or made up would show.
            let at = usize::try_from(point.step).expect("a step that was written");
            *found.entry((at, metric)).or_insert(0) += 1;
            let values = segment.points.get(&at).expect("a point that was written");
            let value = point.value.to_bits();
            assert!(values.contains(&(metric, value)), "{metric} {point:?}");
        }
    }
    for (at, values) in &segment.points {
        let is_whole = *at < whole;
        for (metric, _) in values.iter().filter(|_| is_whole) {
            assert!(
                found.contains_key(&(*at, *metric)),
                "{metric} of {at} is lost"
            );
        }
    }
    // One whole record in the place of another cannot be told: they have no numbers.
    let copied = harms.iter().any(|harm| matches!(harm, Harm::Copy { .. }));
    let read = found.keys().map(|(at, _)| at).max();
    let written = segment.points.keys().filter(|at| Some(*at) <= read);
    for at in written {
        let is_read = METRICS.iter().any(|name| found.contains_key(&(*at, name)));
        let is_told = !rows.damage.is_empty() || copied;
        assert!(is_read || is_told, "{at} is lost without a word");
    }
    if harms.is_empty() {
        assert_eq!((&rows.damage[..], rows.len), (&[][..], bytes.len() as u64));
    }
    seal_and_compare(&rows);
}

/// No more than the bytes can say.
fn in_bounds(rows: &Rows, len: usize) {
    assert!(8 * rows.point_count() <= len as u64);
    assert!(rows.events.len() + rows.unknown.len() <= len / 8);
    // A file that its writer died making may be shorter than its header.
    let most = len.max(segment::HEADER_BYTES).next_multiple_of(8);
    assert!(rows.len <= most as u64);
    let in_file = rows.damage.iter().all(|damage| damage.offset < len as u64);
    assert!(
        in_file
            && rows
                .damage
                .iter()
                .all(|damage| damage.path == Path::new(PATH))
    );
}

/// Columns made of rows tell the same points and events.
fn seal_and_compare(rows: &Rows) {
    let mut encoder = Encoder::default();
    let bytes = encoder.encode(rows, &ID).expect("rows can be encoded");
    let file = Arc::new(Memory(bytes.to_vec()));
    let sealed = Sealed::open(file, &ID).expect("what was sealed opens");
    sealed.verify().expect("what was sealed is whole");
    for name in rows.metrics.iter().map(Name::as_str) {
        let (mut want, mut have, mut damage) = (Vec::new(), Vec::new(), Vec::new());
        rows.points_of(name, &mut want);
        let read = sealed.points_of(name, &mut have, &mut damage);
        read.expect("what was sealed can be read");
        assert!(damage.is_empty(), "{damage:?}");
        let key = |(point, row): &(Point, u32)| (*row, point.step, point.value.to_bits());
        want.sort_by_key(key);
        have.sort_by_key(key);
        assert_eq!(have, want, "{name}");
    }
    let mut events = sealed.events().expect("events can be read");
    let mut want = rows.events.clone();
    // They stand by their place among the records.
    events.sort_by_key(|event| event.row);
    want.sort_by_key(|event| event.row);
    let text = |events| format!("{events:?}");
    assert_eq!(text(&events), text(&want));
}

/// A segment as it grows.
struct Segment {
    bytes: Vec<u8>,
    /// Where each record ends that was said.
    ends: Vec<usize>,
    /// Metrics and bits of the points by the number of their record.
    points: BTreeMap<usize, Vec<(&'static str, u64)>>,
    told: [bool; METRICS.len()],
    shapes: [bool; SHAPES.len()],
}

impl Segment {
    fn new() -> Self {
        Self {
            bytes: segment::header(&ID, 0).to_vec(),
            ends: Vec::new(),
            points: BTreeMap::new(),
            told: [false; METRICS.len()],
            shapes: [false; SHAPES.len()],
        }
    }

    fn say(&mut self, said: &Said<'_>, anything: bool) {
        let at = self.ends.len();
        match said {
            Said::Points { shape, step, value } => {
                let number = usize::from(*shape) % SHAPES.len();
                self.tell(number);
                let metrics = SHAPES[number];
                let step = if anything { *step } else { at as i64 };
                let header = record::points_header(metrics.len(), number as u32, step, 7);
                let mut body = header.to_vec();
                let mut values = Vec::new();
                for (metric, index) in metrics.iter().zip(0..) {
                    let value = *value + f64::from(index);
                    body.extend_from_slice(&value.to_le_bytes());
                    values.push((METRICS[*metric as usize], value.to_bits()));
                }
                self.points.insert(at, values);
                self.frame(&body);
            }
            Said::Tag { value } => {
                let key = Name::new("tag name", "tag").expect("it is a name");
                let value = "x".repeat(usize::from(*value));
                let event = Event::Tag { key, value };
                self.frame(&record::event(5, &event).expect("events are encoded"));
            }
            Said::Later { len } => self.frame(&vec![200; usize::from(*len).max(2)]),
            Said::Any(body) if anything && (1..=RECORD_BYTES_MAX).contains(&body.len()) => {
                self.frame(body);
            }
            Said::Any(_) => return,
        }
        self.ends.push(self.bytes.len());
    }

    /// Tells a shape and its metrics, each once.
    fn tell(&mut self, shape: usize) {
        if std::mem::replace(&mut self.shapes[shape], true) {
            return;
        }
        for metric in SHAPES[shape] {
            let at = *metric as usize;
            if !std::mem::replace(&mut self.told[at], true) {
                let name = Name::new("metric name", METRICS[at]).expect("it is a name");
                self.frame(&record::metric(*metric, &name));
            }
        }
        self.frame(&record::shape(shape as u32, SHAPES[shape]));
    }

    fn frame(&mut self, body: &[u8]) {
        let end = self.bytes.len() + frame::frame_bytes(body.len());
        let header = Seed::of(&ID).header(body).encode();
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(body);
        self.bytes.resize(end, 0);
    }
}

impl Harm {
    fn strike(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        let place = |at: &u32| (*at as usize).checked_rem(len).unwrap_or(0);
        match self {
            Self::Flip { at, bits } => {
                if let Some(byte) = bytes.get_mut(place(at)) {
                    *byte ^= bits;
                }
            }
            Self::Zeros { at, len: zeros } => {
                let zeros = usize::from(*zeros);
                bytes
                    .iter_mut()
                    .skip(place(at))
                    .take(zeros)
                    .for_each(|byte| *byte = 0);
            }
            Self::Copy { from, to, len } => {
                let from = bytes.iter().skip(place(from)).take(usize::from(*len));
                let copied: Vec<u8> = from.copied().collect();
                for (byte, new) in bytes.iter_mut().skip(place(to)).zip(copied) {
                    *byte = new;
                }
            }
            Self::Cut { at } => bytes.truncate(place(at)),
        }
    }
}
