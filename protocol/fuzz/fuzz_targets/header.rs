//! Headers of contributions: what decodes has this one encoding.
#![no_main]

use comity_protocol::contribution::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(it) = Header::decode(bytes) {
        assert_eq!(it.encode(), bytes);
    }
});
