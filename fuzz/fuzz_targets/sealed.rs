//! Any bytes as a sealed file: no panic, and no memory that the file's length does not justify.
//!
//! The fuzzer cannot find a checksum, so what it says of a footer gets true ones: a file that was
//! made to hurt would have them too.
#![no_main]

use std::sync::Arc;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use tracker::Result;
use tracker::codec;
use tracker::journal::SegmentId;
use tracker::journal::footer::Footer;
use tracker::journal::footer::Part;
use tracker::journal::frame::Seed;
use tracker::journal::remains::Remains;
use tracker::journal::rows::EventRow;
use tracker::journal::rows::Group;
use tracker::journal::rows::Rows;
use tracker::journal::sealed::Encoder;
use tracker::journal::sealed::Sealed;
use tracker::model::Name;
use tracker::model::RunId;
use tracker::model::WriterId;

mod memory;

use memory::Memory;

const ID: SegmentId = SegmentId {
    run: RunId(1 << 80),
    writer: WriterId(2),
    seq: 3,
};
const HEADER_BYTES: usize = 64;

/// A step, one value or two.
type Row = (i64, f64, Option<f64>);

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    match kind % 4 {
        0 => read(bytes.to_vec()),
        kind @ (1 | 2) => {
            let Some((len, bytes)) = bytes.split_first_chunk() else {
                return;
            };
            let len = usize::from(u16::from_le_bytes(*len)).min(bytes.len());
            let (parts, footer) = bytes.split_at(len);
            // In words the checksums of the parts are as the fuzzer says.
            if kind == 2 {
                read(file_of(parts, |_| footer.to_vec()));
            } else if let Ok(footer) = codec::decode::<Footer>(footer) {
                read(file_of(parts, |bytes| mended(footer, bytes)));
            }
        }
        _ => {
            let Ok((at, flip, rows)) = Unstructured::new(bytes).arbitrary() else {
                return;
            };
            damage(rows, at, flip);
        }
    }
});

/// Seals what was logged and flips bits in one byte of the file: that must not go unseen.
fn damage(rows: Vec<Row>, at: usize, flip: u8) {
    let mut bytes = encode(&rows_of(&rows));
    let at = at % bytes.len();
    bytes[at] ^= flip;
    let open = Sealed::open(Arc::new(Memory(bytes.clone())), &ID);
    let verified = open.and_then(|sealed| sealed.verify());
    assert_eq!(verified.is_ok(), flip == 0, "{verified:?}");
    read(bytes);
}

fn encode(rows: &Rows) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder
        .encode(rows, &ID)
        .expect("rows can be encoded")
        .to_vec()
}

/// Asks everything that can be asked of a sealed file, and seals again what is left of it.
fn read(bytes: Vec<u8>) {
    let remains = Remains::of_sealed(Arc::new(Memory(bytes.clone())), &ID);
    if let Ok(again) = Encoder::default().encode(&remains.rows, &ID) {
        let open = Sealed::open(Arc::new(Memory(again.to_vec())), &ID);
        let verified = open.and_then(|sealed| sealed.verify());
        assert!(verified.is_ok(), "{verified:?}");
    }
    let Ok(sealed) = Sealed::open(Arc::new(Memory(bytes)), &ID) else {
        return;
    };
    let _events: Result<Vec<EventRow>> = sealed.events();
    for (name, _) in &sealed.footer.metrics {
        let (mut points, mut damage) = (Vec::new(), Vec::new());
        let read = sealed.points_of(name.as_str(), &mut points, &mut damage);
        if read.is_err() || !damage.is_empty() {
            break;
        }
    }
    let _verified = sealed.verify();
}

fn rows_of(points: &[Row]) -> Rows {
    let name = |name| Name::new("metric name", name).expect("it is a name");
    let mut groups = [vec![0], vec![0, 1]].map(|metrics| Group {
        metrics,
        ..Group::default()
    });
    for (row, (step, first, second)) in (0u32..).zip(points) {
        let group = &mut groups[usize::from(second.is_some())];
        group.rows.push(row);
        group.steps.push(*step);
        group.times_us.push(i64::from(row) * 1_000);
        group.values.extend([*first].into_iter().chain(*second));
    }
    let groups: Vec<Group> = groups
        .into_iter()
        .filter(|group| !group.rows.is_empty())
        .collect();
    let names = groups.iter().map(|group| group.metrics.len()).max();
    let names = names.unwrap_or(0);
    Rows {
        // Of metrics without points nothing is said.
        metrics: ["loss", "acc"][..names].iter().copied().map(name).collect(),
        groups,
        ..Rows::default()
    }
}

/// The first encoding of a footer, with the true checksums of its parts.
fn mended(mut footer: Footer, bytes: &[u8]) -> Vec<u8> {
    let seed = Seed::of(&ID);
    let mend = |part: &mut Part| {
        let from = usize::try_from(part.offset).unwrap_or(usize::MAX);
        let part_bytes = bytes
            .get(from..)
            .and_then(|rest| rest.get(..part.len as usize));
        part.crc = part_bytes.map_or(part.crc, |bytes| seed.checksum(bytes));
    };
    mend(&mut footer.events);
    for block in footer.groups.iter_mut().flat_map(|group| &mut group.blocks) {
        mend(&mut block.axis);
        block
            .columns
            .iter_mut()
            .for_each(|column| mend(&mut column.part));
    }
    let mut encoded = Vec::new();
    codec::encode(&footer, &mut encoded).expect("a footer can be encoded");
    encoded
}

/// A file with these parts and this footer, whose own checksum is true.
///
/// - `footer`: makes it for what stands before it
fn file_of(parts: &[u8], footer: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let seed = Seed::of(&ID);
    let empty = encode(&Rows::default());
    let (header, magic) = (&empty[..HEADER_BYTES], &empty[empty.len() - 8..]);
    let mut bytes = [header, parts].concat();
    let start = bytes.len();
    let footer = footer(&bytes);
    bytes.extend_from_slice(&footer);
    let crc = seed.checksum(&bytes[start..]);
    let len = u32::try_from(bytes.len() - start).expect("it is short");
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&crc.to_le_bytes());
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes.extend_from_slice(magic);
    bytes
}
