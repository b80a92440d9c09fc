//! Tokens of readers: what decodes has this one encoding.
#![no_main]

use comity_protocol::access::ReaderToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(it) = ReaderToken::decode(bytes) {
        assert_eq!(it.encode(), bytes);
    }
});
