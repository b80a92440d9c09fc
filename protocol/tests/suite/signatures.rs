//! I11: one verdict for one signature, on every path.
//!
//! A malicious member can craft signatures whose key or commitment `R` has a component of small
//! order. Verifiers that leave the cofactor out of their equation accept or refuse them depending
//! on chance or company, so two nodes could disagree for good. Here hundreds of them are crafted,
//! and each must get one verdict alone, in a batch of one, among honest ones, among each other, and
//! among forged ones.

use comity_protocol::key::{BatchItem, PublicKey, SecretKey, Signature, verify, verify_batch};
use curve25519_dalek::{
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION},
    edwards::EdwardsPoint,
    scalar::Scalar,
};
use rand_core::{Rng as _, TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha512};
use std::convert::Infallible;

const DOMAIN: &[u8] = b"comity/test/signature\0";
/// Order of the prime-order group, little endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Randomness from a seed, so that a failure can be repeated.
pub(crate) struct Seeded(blake3::OutputReader);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(
            blake3::Hasher::new()
                .update(&seed.to_le_bytes())
                .finalize_xof(),
        )
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| word as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}

/// A signature with the verdict that ZIP 215 gives it.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
    holds: bool,
}

impl Case {
    fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.key).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn item(&self) -> BatchItem {
        let signature = Signature::from_bytes(self.signature);
        BatchItem::new(self.public(), DOMAIN, &self.message, signature)
    }

    fn alone(&self) -> bool {
        let signature = Signature::from_bytes(self.signature);
        verify(&self.public(), DOMAIN, &self.message, &signature).is_ok()
    }
}

fn scalar(parts: &[&[u8]]) -> Scalar {
    let mut hasher = Sha512::new();
    parts.iter().for_each(|part| hasher.update(part));
    Scalar::from_bytes_mod_order_wide(&hasher.finalize().into())
}

/// Signs with secret `a` under the public key `a·B + torsion`, committing to the bytes `r`, whose
/// prime-order part is `nonce·B`.
fn craft(name: String, a: Scalar, torsion: EdwardsPoint, r: [u8; 32], nonce: Scalar) -> Case {
    let key = (ED25519_BASEPOINT_POINT * a + torsion).compress().0;
    let message = name.clone().into_bytes();
    let k = scalar(&[&r, &key, DOMAIN, &message]);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice((nonce + k * a).as_bytes());
    Case {
        name,
        key,
        message,
        signature,
        holds: true,
    }
}

/// Every pair of small-order components in key and commitment, seven times each: 448.
fn mixed_order() -> Vec<Case> {
    let mut cases = Vec::new();
    for round in 0..7_u8 {
        for (i, in_key) in EIGHT_TORSION.into_iter().enumerate() {
            for (j, in_r) in EIGHT_TORSION.into_iter().enumerate() {
                let name = format!("round {round}, key + T{i}, R + T{j}");
                let a = scalar(&[b"secret", name.as_bytes()]);
                let nonce = scalar(&[b"nonce", name.as_bytes()]);
                let r = (ED25519_BASEPOINT_POINT * nonce + in_r).compress().0;
                cases.push(craft(name, a, in_key, r, nonce));
            }
        }
    }
    cases
}

/// Commitments that are of small order and not canonically encoded; ZIP 215 takes them.
fn non_canonical_commitments() -> Vec<Case> {
    let encoding = |first: u8, middle: u8, last: u8| {
        let mut bytes = [middle; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let encodings = [
        ("y = 1, negative zero", encoding(0x01, 0x00, 0x80)),
        ("y = -1, negative zero", encoding(0xec, 0xff, 0xff)),
        ("y = p", encoding(0xed, 0xff, 0x7f)),
        ("y = p, negative", encoding(0xed, 0xff, 0xff)),
        ("y = p + 1", encoding(0xee, 0xff, 0x7f)),
        ("y = p + 1, negative zero", encoding(0xee, 0xff, 0xff)),
    ];
    let mut cases = Vec::new();
    for (what, r) in encodings {
        for (i, in_key) in EIGHT_TORSION.into_iter().enumerate() {
            let name = format!("R of {what}, key + T{i}");
            let a = scalar(&[b"secret", name.as_bytes()]);
            cases.push(craft(name, a, in_key, r, Scalar::ZERO));
        }
    }
    cases
}

fn honest() -> Vec<Case> {
    let sign = |number: u8| {
        let key = SecretKey::from_seed(&[number; 32]);
        let message = vec![number; usize::from(number)];
        Case {
            name: format!("honest {number}"),
            key: *key.public().as_bytes(),
            signature: *key.sign(DOMAIN, &message).as_bytes(),
            message,
            holds: true,
        }
    };
    (1..=64).map(sign).collect()
}

/// Each case spoiled in one of three ways.
fn spoiled(cases: &[Case]) -> Vec<Case> {
    let spoil = |(at, case): (usize, &Case)| {
        let mut case = case.clone();
        case.holds = false;
        match at % 3 {
            0 => case.message.push(0),
            1 => {
                let mut s = [0; 32];
                s.copy_from_slice(&case.signature[32..]);
                let more = Scalar::from_canonical_bytes(s).unwrap() + Scalar::ONE;
                case.signature[32..].copy_from_slice(more.as_bytes());
            }
            // The same scalar, not reduced: a second signature for nothing.
            _ => {
                let mut carry = 0;
                for (byte, l) in case.signature[32..].iter_mut().zip(L) {
                    carry += u16::from(*byte) + u16::from(l);
                    *byte = carry as u8;
                    carry >>= 8;
                }
            }
        }
        case.name
            .push_str([", other message", ", s + 1", ", s + L"][at % 3]);
        case
    };
    cases.iter().enumerate().map(spoil).collect()
}

fn crafted() -> Vec<Case> {
    [mixed_order(), non_canonical_commitments()].concat()
}

fn assert_batch(cases: &[&Case], rng: &mut Seeded, what: &str) {
    let items: Vec<BatchItem> = cases.iter().map(|case| case.item()).collect();
    for (case, verdict) in cases.iter().zip(verify_batch(&items, rng)) {
        assert_eq!(verdict.is_ok(), case.holds, "{} ({what})", case.name);
    }
}

#[test]
fn each_gets_the_verdict_of_zip_215_alone_and_in_a_batch_of_one() {
    let crafted = crafted();
    let all = [crafted.clone(), honest(), spoiled(&crafted)].concat();
    let mut rng = Seeded::new(1);
    for case in &all {
        assert_eq!(case.alone(), case.holds, "{}", case.name);
        assert_batch(&[case], &mut rng, "batch of one");
    }
    assert_eq!(crafted.len(), 448 + 48);
}

#[test]
fn crafted_ones_hold_in_one_batch_without_a_bad_one_to_split_it() {
    let crafted = crafted();
    let honest = honest();
    let mut rng = Seeded::new(2);
    assert_batch(
        &crafted.iter().collect::<Vec<_>>(),
        &mut rng,
        "crafted only",
    );
    for case in &crafted {
        let company = [&honest[0], case, &honest[1], &honest[2]];
        assert_batch(&company, &mut rng, "among honest ones");
    }
}

#[test]
fn company_and_order_never_change_a_verdict() {
    let crafted = crafted();
    let all = [crafted.clone(), honest(), spoiled(&crafted)].concat();
    for seed in 100..130 {
        let mut rng = Seeded::new(seed);
        let size = 2 + rng.below(47);
        let batch: Vec<&Case> = (0..size).map(|_| &all[rng.below(all.len())]).collect();
        assert_batch(&batch, &mut rng, &format!("seed {seed}"));
    }
}

/// Without this the tests above could pass with signatures that are not dangerous at all.
#[test]
fn the_crafted_ones_do_divide_other_verifiers() {
    let cases = mixed_order();
    let accepted = |strict: bool| {
        let holds = |case: &&Case| {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&case.key).unwrap();
            let signature = ed25519_dalek::Signature::from_bytes(&case.signature);
            let message = [DOMAIN, &case.message].concat();
            if strict {
                key.verify_strict(&message, &signature).is_ok()
            } else {
                ed25519_dalek::Verifier::verify(&key, &message, &signature).is_ok()
            }
        };
        cases.iter().filter(holds).count()
    };
    for strict in [false, true] {
        let accepted = accepted(strict);
        assert!(
            accepted > 0 && accepted < cases.len() / 2,
            "a verifier without cofactor took {accepted} of {}",
            cases.len()
        );
    }
}
