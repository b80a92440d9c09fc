//! Verification, and the type that only it can build.

use super::{BareHeader, Contribution, Entry, ErasedBy, Words};
use crate::{
    certificate::CertificateError,
    id::domain,
    key::{self, BadSignature},
};
use std::ops::Deref;
use thiserror::Error;

/// Why an entry did not pass verification.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// Its signature, a consent inside, or the signature on an erasure beside it does not hold.
    #[error("{0}")]
    Signature(#[from] BadSignature),
    /// It is a certificate, or has an order of erasure beside it, that its signatures do not carry.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
}

/// An entry whose signatures hold. Only verification builds it:
///
/// ```compile_fail,E0423
/// fn pretend(entry: comity_protocol::entry::Entry) {
///     let verified = comity_protocol::entry::Verified(entry);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The entry itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Verified<Entry> {
    /// Verifies one entry.
    ///
    /// # Errors
    /// If a signature does not hold.
    pub fn check(entry: Entry) -> Result<Self, VerifyError> {
        match &entry {
            Entry::Contribution(it) => {
                let domain = domain::CONTRIBUTION_SIGNATURE;
                key::verify(&it.header.author, domain, &it.header_bytes, &it.signature)?;
                if let Words::Erased(proof) = &it.words {
                    proof.check()?;
                }
            }
            Entry::Record(it) => it.check()?,
            Entry::Certificate(it) => it.check()?,
            Entry::Bare(it) => {
                let (author, domain) = (it.author(), it.signature_domain());
                key::verify(&author, domain, it.header_bytes(), it.signature())?;
            }
        }
        Ok(Self(entry))
    }

    /// Verifies many entries at once; each verdict is that of [`Verified::check`].
    pub fn check_batch<R: rand_core::CryptoRng>(
        entries: Vec<Entry>,
        rng: &mut R,
    ) -> Vec<Result<Self, VerifyError>> {
        let mut items = Vec::with_capacity(entries.len());
        let mut ends = Vec::with_capacity(entries.len());
        for entry in &entries {
            entry.batch_items(&mut items);
            ends.push(items.len());
        }
        let verdicts = key::verify_batch(&items, rng);
        let mut start = 0;
        entries
            .into_iter()
            .zip(ends)
            .map(|(entry, end)| {
                let bad = verdicts[start..end]
                    .iter()
                    .find_map(|verdict| verdict.err());
                start = end;
                if let Some(bad) = bad {
                    return Err(bad.into());
                }
                match &entry {
                    Entry::Certificate(certificate) => certificate.check()?,
                    Entry::Contribution(Contribution {
                        words: Words::Erased(ErasedBy::Order(order)),
                        ..
                    }) => order.check()?,
                    _ => {}
                }
                Ok(Self(entry))
            })
            .collect()
    }

    /// The proof that stands in place of a contribution's words; verified with it.
    pub fn erasure(&self) -> Option<Self> {
        match &self.0 {
            Entry::Contribution(Contribution {
                words: Words::Erased(proof),
                ..
            }) => Some(Self(proof.to_entry())),
            _ => None,
        }
    }

    /// The header of a contribution or record alone; its signature is the one that was verified.
    pub fn bare(&self) -> Option<Self> {
        BareHeader::of_entry(&self.0).map(|it| Self(Entry::Bare(it)))
    }

    /// Takes an entry that this node verified before it stored it.
    ///
    /// Only for entries read back from a node's own record, whose integrity its checksums and ids
    /// guard; never for anything that came from a peer or a file.
    pub fn from_own_record(entry: Entry) -> Self {
        Self(entry)
    }
}
