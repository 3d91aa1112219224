//! Arbitrary bytes are no record, or one that encodes to the very same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rte_mp_proto::trace::Record;

fuzz_target!(|bytes: &[u8]| {
    decode(bytes);
    // Few inputs begin like a record by themselves.
    decode(&[b"RMPT\x01", bytes].concat());
    decode(&[b"RMPT\x01\x01\0\0", bytes].concat());
});

fn decode(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert!(bytes.len() <= Record::MAX_LEN);
        let mut encoded = Vec::new();
        record.encode(&mut encoded);
        assert_eq!(encoded, bytes);
    }
}
