//! Files whose checksums are right, made to mislead a reader or to cost it dearly.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::codec;
use crate::journal::footer::Footer;
use crate::journal::frame;
use crate::journal::frame::Seed;
use crate::journal::record;
use crate::journal::rows::Group;
use crate::journal::rows::Rows;
use crate::journal::sealed::Encoder;
use crate::model::WriterId;

const ID: SegmentId = SegmentId {
    run: RUN,
    writer: WriterId(2),
    seq: 3,
};
const TRAILER_BYTES: usize = 48;

fn name(text: &str) -> Name {
    Name::new("metric name", text).unwrap()
}

fn segment_of(bodies: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = segment::header(&ID, 0).to_vec();
    for body in bodies {
        let end = bytes.len() + frame::frame_bytes(body.len());
        bytes.extend_from_slice(&Seed::of(&ID).header(&body).encode());
        bytes.extend_from_slice(&body);
        bytes.resize(end, 0);
    }
    bytes
}

/// As when the page with its name was written to two places.
#[test]
fn a_metric_that_is_told_twice_is_one() {
    let points = |step| {
        let mut body = record::points_header(1, 0, step, 0).to_vec();
        body.extend_from_slice(&0.5f64.to_le_bytes());
        body
    };
    let told = || [record::metric(0, &name("loss")), record::shape(0, &[0])];
    let [metric, shape] = told();
    let [again, shape_again] = told();
    let bytes = segment_of([metric, shape, points(1), again, shape_again, points(2)]);
    let rows = rows::parse(&bytes, &ID, Path::new("x")).unwrap();
    let mut found = Vec::new();
    rows.points_of("loss", &mut found);
    let steps: Vec<i64> = found.iter().map(|(point, _)| point.step).collect();
    assert_eq!((steps, rows.damage), (vec![1, 2], Vec::new()));
}

#[test]
fn a_record_within_the_text_of_another_is_read_only_behind_a_hole() {
    let inner = segment_of([vec![200, 7]])[segment::HEADER_BYTES..].to_vec();
    let mut outer = vec![200; 8];
    outer.extend_from_slice(&inner);
    let mut bytes = segment_of([outer.clone(), vec![200, 8]]);
    let read = |bytes: &[u8]| rows::parse(bytes, &ID, Path::new("x")).unwrap();
    let bodies = |rows: &Rows| {
        let bodies = rows.unknown.iter().map(|(_, body)| body.clone());
        bodies.collect::<Vec<_>>()
    };
    assert_eq!(bodies(&read(&bytes)), [outer, vec![200, 8]]);
    bytes[segment::HEADER_BYTES + frame::HEADER_BYTES] ^= 1;
    let rows = read(&bytes);
    assert_eq!(bodies(&rows), [vec![200, 7], vec![200, 8]]);
    assert!(!rows.damage.is_empty());
}

#[test]
fn of_very_many_damaged_records_the_first_are_told() {
    let bad = vec![vec![1, 1]; 5_000];
    let rows = rows::parse(&segment_of(bad), &ID, Path::new("x")).unwrap();
    assert_eq!(rows.damage.len(), 1_001);
    assert!(rows.damage[1_000].why.contains("the rest is not told"));
    assert_eq!(rows.len, 64 + 16 * 5_000);
}

#[test]
fn very_many_metrics_are_added_at_once() {
    let temp = temp();
    let info = RunInfo {
        name: "wide".to_owned(),
        ..RunInfo::default()
    };
    let mut whole = Whole::new(RUN, &info, Some(1)).unwrap();
    let point = |step| Point {
        step,
        time_us: 0,
        value: 0.5,
    };
    for at in 0..40_000 {
        // Half of them share their steps.
        let step = if at % 2 == 0 { 0 } else { at };
        let points = vec![point(step)];
        whole.series(&format!("metric {at}"), points).unwrap();
    }
    whole.series("metric 0", vec![point(0)]).unwrap();
    whole.write(&temp.folders, Status::Completed, None).unwrap();
    assert_eq!(points(&temp.folders, "metric 39999"), [point(39_999)]);
    // A metric that comes twice is twice as many points.
    assert_eq!(points(&temp.folders, "metric 0"), [point(0), point(0)]);
}

/// Two metrics over 20 rows, with a footer that says what it is made to say.
fn sealed_with(change: impl FnOnce(&mut Footer)) -> Result<Sealed, Error> {
    let temp = temp();
    let group = Group {
        metrics: vec![0, 1],
        rows: (0..20).collect(),
        steps: (0..20).collect(),
        times_us: (0..20).collect(),
        values: (0..40).map(f64::from).collect(),
    };
    let rows = Rows {
        metrics: vec![name("a"), name("b")],
        groups: vec![group],
        ..Rows::default()
    };
    let mut bytes = Encoder::default().encode(&rows, &ID).unwrap().to_vec();
    let trailer = bytes.split_off(bytes.len() - TRAILER_BYTES);
    let len = u32::from_le_bytes(*trailer.first_chunk().unwrap()) as usize;
    let mut footer = Footer::decode(&bytes.split_off(bytes.len() - len), &ID).unwrap();
    change(&mut footer); // and in the first encoding, which says anything
    let mut encoded = Vec::new();
    codec::encode(&footer, &mut encoded).unwrap();
    bytes.extend_from_slice(&encoded);
    let len = u32::try_from(encoded.len()).unwrap();
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&Seed::of(&ID).checksum(&encoded).to_le_bytes());
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes.extend_from_slice(b"trk-cols");
    temp.folders.create().unwrap();
    let path = temp.folders.sealed(&ID);
    std::fs::write(&path, &bytes).unwrap();
    let file: Arc<dyn crate::sys::File> = temp.folders.sys.open(&path, Open::Read)?.into();
    let sealed = Sealed::open(file, &ID)?;
    sealed.verify()?;
    Ok(sealed)
}

type Change = fn(&mut Footer);

#[test]
fn a_footer_that_no_encoder_writes_is_damage() {
    sealed_with(|_| {}).unwrap();
    let changes: [(Change, &str); 6] = [
        (
            |footer| {
                let block = footer.groups[0].blocks[0].clone();
                footer.groups[0].blocks = vec![block; 1_000];
                footer.points *= 1_000;
            },
            "its parts have",
        ),
        (
            |footer| footer.points += 1,
            "it tells of 41 points and has 40",
        ),
        (
            |footer| footer.groups[0].metrics[1] = 2,
            "a metric without a name",
        ),
        (
            |footer| footer.groups[0].metrics = vec![0],
            "has 2 columns of 1",
        ),
        (
            |footer| footer.groups[0].blocks[0].rows = 0,
            "a block of 0 rows",
        ),
        (
            |footer| footer.groups[0].blocks[0].rows = u32::MAX,
            "a block of 4294967295 rows",
        ),
    ];
    for (change, want) in changes {
        let why = sealed_with(change).unwrap_err().to_string();
        assert!(
            why.contains("footer at byte") && why.contains(want),
            "{why}"
        );
    }
}
