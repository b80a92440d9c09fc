//! Tickets, as content and as text.
#![no_main]

use comity_protocol::access::Ticket;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(it) = Ticket::decode(bytes) {
        assert_eq!(it.encode(), bytes);
        assert!(it.to_string().parse() == Ok(it));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        // A text is a ticket or is not; either way without a panic.
        let _ = text.parse::<Ticket>();
    }
});
