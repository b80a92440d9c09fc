//! Headers of records: what decodes has this one encoding.
#![no_main]

use comity_protocol::record::RecordHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(it) = RecordHeader::decode(bytes) {
        assert_eq!(it.encode(), bytes);
    }
});
