//! Bodies of records, the code of their type in the first byte: what decodes has this one encoding.
#![no_main]

use comity_protocol::record::RecordBody;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((code, body)) = bytes.split_first()
        && let Ok(it) = RecordBody::decode((*code).into(), body)
    {
        assert_eq!(it.encode(), body);
    }
});
