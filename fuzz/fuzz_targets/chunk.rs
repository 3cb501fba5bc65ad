//! Any bytes as a chunk of values or integers: no panic, never more than was asked for; and any
//! values and integers come back bit for bit, whatever mode was chosen from others.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use tracker::chunk;
use tracker::chunk::Mode;
use tracker::codec::Malformed;
use tracker::limits::CHUNK_ROWS_MAX;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let mut rest = Unstructured::new(bytes);
    // Values that run out are an input that says nothing.
    let _said = match kind % 7 {
        0 => decode(bytes, chunk::decode_values),
        1 => decode(bytes, chunk::decode_ints),
        2 => rest.arbitrary().map(|bits: Vec<u64>| {
            let values: Vec<f64> = bits.into_iter().map(f64::from_bits).collect();
            round_trip(&values, &values);
        }),
        3 => rest.arbitrary().map(|(ints, digits): (Vec<i32>, u8)| {
            let scale = 10f64.powi(i32::from(digits % 16));
            let values: Vec<f64> = ints.into_iter().map(|int| f64::from(int) / scale).collect();
            round_trip(&values, &values);
        }),
        4 => rest.arbitrary().map(|bits: Vec<u32>| {
            let widen = |bits| f64::from(f32::from_bits(bits));
            let values: Vec<f64> = bits.into_iter().map(widen).collect();
            round_trip(&values, &values);
        }),
        5 => rest
            .arbitrary()
            .map(|(first, values): (Vec<f64>, Vec<f64>)| {
                round_trip(&first, &values);
            }),
        _ => rest
            .arbitrary()
            .map(|ints: Vec<i64>| round_trip_ints(&ints)),
    };
});

/// Decodes bytes behind the number of rows, which whoever keeps a chunk knows.
fn decode<T>(
    bytes: &[u8],
    decode: fn(&[u8], usize, &mut Vec<T>) -> Result<(), Malformed>,
) -> arbitrary::Result<()> {
    let Some((rows, bytes)) = bytes.split_first_chunk() else {
        return Ok(());
    };
    let (rows, mut out) = (
        1 + usize::from(u16::from_le_bytes(*rows)) % CHUNK_ROWS_MAX,
        Vec::new(),
    );
    if decode(bytes, rows, &mut out).is_ok() {
        assert_eq!(out.len(), rows);
    }
    assert!(out.len() <= rows);
    Ok(())
}

fn round_trip_ints(ints: &[i64]) {
    let (mut bytes, mut back) = (Vec::new(), Vec::new());
    let encoded = chunk::encode_ints(ints, &mut bytes);
    assert_eq!(encoded.is_ok(), (1..=CHUNK_ROWS_MAX).contains(&ints.len()));
    if encoded.is_ok() {
        chunk::decode_ints(&bytes, ints.len(), &mut back).expect("what was encoded decodes");
        assert_eq!(back, ints);
        assert!(bytes.len() <= 17 + 8 * ints.len());
    }
}

fn round_trip(first: &[f64], values: &[f64]) {
    let (mut bytes, mut back) = (Vec::new(), Vec::new());
    let encoded = Mode::choose(first).encode(values, &mut bytes);
    assert_eq!(
        encoded.is_ok(),
        (1..=CHUNK_ROWS_MAX).contains(&values.len())
    );
    if encoded.is_ok() {
        chunk::decode_values(&bytes, values.len(), &mut back).expect("what was encoded decodes");
        let bits = |values: &[f64]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(values));
        assert!(bytes.len() <= 9 + 8 * values.len());
    }
}
