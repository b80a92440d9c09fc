//! Entries: what decodes has this one encoding, and peeking agrees with it.
#![no_main]

use comity_protocol::entry::{Entry, Verified};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let peeked = Entry::peek(bytes);
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.encode(), bytes);
        assert_eq!(peeked, Some((entry.space(), entry.key())));
        // The verdict does not matter, that there is one does.
        let _ = Verified::check(entry);
    }
});
