//! Any bytes as the body of a record: no panic, and what decodes has one encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker::journal::record::Record;

fuzz_target!(|body: &[u8]| {
    let Ok(record) = Record::decode(body) else {
        return;
    };
    let encoded = record.encode().expect("what was decoded can be encoded");
    if let Record::Event { .. } = record {
        // bincode also reads integers that are longer than they need be; we never write them.
        assert!(encoded.len() <= body.len());
        let again = Record::decode(&encoded).expect("what was encoded can be decoded");
        assert_eq!(again.encode().as_ref(), Ok(&encoded));
    } else {
        assert_eq!(encoded, body);
    }
});
