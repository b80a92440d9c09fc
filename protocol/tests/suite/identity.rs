//! `specs/vectors/identity.json`: keys, their text form, and signatures (`specs/identity.md` §2, §3).

use comity_protocol::key::{BatchItem, KeyError, PublicKey, Signature, verify, verify_batch};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    did_key: DidKey,
    signature: Signatures,
}

#[derive(Deserialize)]
struct DidKey {
    valid: Vec<ValidKey>,
    invalid: Vec<InvalidKey>,
}

#[derive(Deserialize)]
struct ValidKey {
    name: String,
    bytes: String,
    text: String,
}

#[derive(Deserialize)]
struct InvalidKey {
    name: String,
    text: String,
    error: String,
}

#[derive(Deserialize)]
struct Signatures {
    domain: String,
    cases: Vec<SignatureCase>,
}

#[derive(Deserialize)]
struct SignatureCase {
    name: String,
    key: String,
    message: String,
    signature: String,
    valid: bool,
}

fn vectors() -> Vectors {
    let text = include_str!("../../../specs/vectors/identity.json");
    serde_json::from_str(text).unwrap()
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn valid_keys_have_one_text_form() {
    let valid = vectors().did_key.valid;
    assert_eq!(valid.len(), 3);
    for case in valid {
        let key = PublicKey::from_bytes(bytes(&case.bytes)).unwrap();
        assert_eq!(key.to_string(), case.text, "{}", case.name);
        assert_eq!(case.text.parse(), Ok(key), "{}", case.name);
    }
}

#[test]
fn invalid_keys_are_refused_for_what_is_wrong_with_them() {
    let invalid = vectors().did_key.invalid;
    assert_eq!(invalid.len(), 32);
    for case in invalid {
        let error = case.text.parse::<PublicKey>().unwrap_err();
        let found = match error {
            KeyError::NotADidKey => "not-a-did-key",
            KeyError::NotAPoint => "not-a-point",
            KeyError::NotCanonical => "not-canonical",
            KeyError::SmallOrder => "small-order",
        };
        assert_eq!(found, case.error, "{}", case.name);
    }
}

#[test]
fn signatures_get_their_verdict_alone_and_together() {
    let Signatures { domain, cases } = vectors().signature;
    let domain = hex::decode(domain).unwrap();
    let mut items = Vec::new();
    for case in &cases {
        let key = PublicKey::from_bytes(bytes(&case.key)).unwrap();
        let message = hex::decode(&case.message).unwrap();
        let signature = Signature::from_bytes(bytes(&case.signature));
        let verdict = verify(&key, &domain, &message, &signature);
        assert_eq!(verdict.is_ok(), case.valid, "{}", case.name);
        items.push(BatchItem::new(key, &domain, &message, signature));
    }
    assert_eq!(cases.len(), 14);
    let mut rng = crate::signatures::Seeded::new(3);
    for (case, verdict) in cases.iter().zip(verify_batch(&items, &mut rng)) {
        assert_eq!(verdict.is_ok(), case.valid, "{} in a batch", case.name);
    }
}
