//! Bodies of certificates, as proposals carry them: what decodes has this one encoding and holds
//! what its own check asks for.
#![no_main]

use comity_protocol::certificate::CertificateBody;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(it) = CertificateBody::decode(bytes) {
        assert_eq!(it.encode(), bytes);
        assert_eq!(it.check(), Ok(()));
    }
});
