//! Join requests: what decodes has this one encoding.
#![no_main]

use comity_protocol::access::JoinRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(it) = JoinRequest::decode(bytes) {
        assert_eq!(it.encode(), bytes);
    }
});
