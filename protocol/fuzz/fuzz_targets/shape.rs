//! Shapes: what decodes has this one encoding.
#![no_main]

use comity_protocol::document::Shape;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(it) = Shape::decode(bytes) {
        assert_eq!(it.encode(), bytes);
    }
});
