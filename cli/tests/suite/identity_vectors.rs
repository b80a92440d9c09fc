//! `specs/vectors/identity.json`: derivation, phrase, device links and encrypted files.

use comity::compose::{Chain, founding};
use comity::identity::{
    DisplayName, IdentityError, KdfParams, Material, Passphrase, RecoveryPhrase, Slot,
    envelope::{EnvelopeKind, open, seal_with},
    material::{FIRST_DEVICE_SEED_CONTEXT, ROOT_SEED_CONTEXT},
};
use comity_protocol::{
    contribution::ChainLink,
    id::{SpaceId, domain},
    key::SecretKey,
    record::{RecordBody, consent_message},
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../specs/vectors/identity.json")).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {value}"))
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}

fn fixed<const N: usize>(value: &Value, field: &str) -> [u8; N] {
    bytes(value, field).try_into().unwrap()
}

fn cases(value: &Value, count: usize) -> impl Iterator<Item = &Value> {
    let cases = value.as_array().unwrap();
    assert_eq!(cases.len(), count);
    cases.iter()
}

#[test]
fn keys_come_from_the_phrase() {
    let vectors = vectors();
    let derivation = &vectors["derivation"];
    assert_eq!(text(derivation, "root_context"), ROOT_SEED_CONTEXT);
    assert_eq!(
        text(derivation, "first_device_context"),
        FIRST_DEVICE_SEED_CONTEXT
    );
    for case in cases(&derivation["cases"], 4) {
        let entropy = RecoveryPhrase::parse(text(case, "phrase")).unwrap();
        assert_eq!(entropy.as_slice(), bytes(case, "entropy"));
        let material = Material::first_device(entropy, DisplayName::new("Ada").unwrap(), 0);
        assert_eq!(material.root().unwrap().seed(), &fixed(case, "root_seed"));
        assert_eq!(material.root_public().to_string(), text(case, "root"));
        assert_eq!(material.device().seed(), &fixed(case, "device_seed"));
        assert_eq!(material.device().public().to_string(), text(case, "device"));
    }
}

#[test]
fn wrong_phrases_are_refused_for_what_is_wrong_with_them() {
    for case in cases(&vectors()["phrase"]["invalid"], 6) {
        let error = RecoveryPhrase::parse(text(case, "phrase")).unwrap_err();
        assert_eq!(
            error.to_string(),
            text(case, "error"),
            "{}",
            text(case, "name")
        );
    }
}

#[test]
fn device_links_have_one_encoding() {
    let vectors = vectors();
    let links = &vectors["device_link"];
    assert_eq!(bytes(links, "domain"), domain::DEVICE_CONSENT_SIGNATURE);
    let record_type = links["record_type"].as_u64().unwrap();
    for case in cases(&links["valid"], 2) {
        let root = SecretKey::from_seed(&fixed(case, "root_seed"));
        let device = SecretKey::from_seed(&fixed(case, "device_seed"));
        let space = SpaceId::from_bytes(fixed(case, "space"));
        let slot = Slot::new(case["slot"].as_u64().unwrap().try_into().unwrap()).unwrap();
        let message = consent_message(space, &root.public(), &device.public());
        assert_eq!(message, bytes(case, "message"));
        let mut chain = Chain::new(&root, space, founding::NO_GOVERNANCE, ChainLink::FIRST);
        let link = founding::link_device(&mut chain, 0, &root, &device, slot);
        assert_eq!(link.header().record_type, record_type);
        assert_eq!(link.body_bytes(), bytes(case, "body"));
        let read = RecordBody::decode(record_type, &bytes(case, "body")).unwrap();
        assert_eq!(read, *link.body());
    }
    for case in cases(&links["invalid"], 7) {
        let verdict = RecordBody::decode(record_type, &bytes(case, "body"));
        assert!(verdict.is_err(), "{}", text(case, "name"));
    }
}

#[test]
fn an_encrypted_file_has_these_bytes() {
    let vectors = vectors();
    let case = &vectors["encrypted_files"];
    let number = |field: &str| u32::try_from(case[field].as_u64().unwrap()).unwrap();
    let params = KdfParams {
        memory_kib: number("memory_kib"),
        passes: number("passes"),
        lanes: number("lanes"),
    };
    let passphrase = Passphrase::from(text(case, "passphrase"));
    let (kind, content) = (EnvelopeKind::Secret, bytes(case, "content"));
    let salt_and_nonce = fixed(case, "salt_and_nonce");
    let file = seal_with(kind, &passphrase, params, &salt_and_nonce, &content).unwrap();
    assert_eq!(hex::encode(&file), text(case, "file"));
    let (opened, cost) = open(kind, &passphrase, &file).unwrap();
    assert_eq!((opened.to_vec(), cost), (content, params));
}

/// The content of the vector is what the folder reads: the format of `secret` is frozen.
#[test]
fn a_folder_with_the_vectors_file_unlocks() {
    let vectors = vectors();
    let folder = tempfile::tempdir().unwrap();
    let case = &vectors["encrypted_files"];
    std::fs::write(folder.path().join("secret"), bytes(case, "file")).unwrap();
    let unlock = |passphrase: &str| {
        comity::identity::IdentityFolder::at(folder.path()).unlock(&Passphrase::from(passphrase))
    };
    let wrong = unlock("correct house").unwrap_err();
    assert!(
        matches!(wrong, IdentityError::WrongPassphrase(_)),
        "{wrong}"
    );
    let identity = unlock("correct horse").unwrap();
    let counting = &vectors["derivation"]["cases"][3];
    assert_eq!(identity.public().root.to_string(), text(counting, "root"));
    assert_eq!(
        identity.public().device.to_string(),
        text(counting, "device")
    );
    assert_eq!(
        identity.phrase().unwrap().as_str(),
        text(counting, "phrase")
    );
    assert_eq!(identity.public().name.as_str(), "Ada");
}
