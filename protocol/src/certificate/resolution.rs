//! A resolution: a change of the charter by a quorum of parties.
//!
//! Spec: `specs/charter.md` (form of a resolution).

use super::{
    CertificateError, Change, Cuts, TEXT_MAX_BYTES,
    change::Subject,
    genesis::PARTIES_MAX,
    parts::{
        check_ascending, check_unique, contradiction, expect_fields, read_key, read_list,
        read_party,
    },
};
use crate::{
    codec::{Reader, Writer},
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
    limits::{SEQ_MAX, TIME_MAX_MS},
};

pub(super) const TYPE: u64 = 3;
const FIELDS: usize = 12;

/// Most changes in one resolution.
pub const CHANGES_MAX: usize = 64;

/// A child of a charter state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The community.
    pub community: CommunityId,
    /// The genesis or resolution that it changes.
    pub parent: EntryId,
    /// One more than the parent's; the genesis has 0.
    pub height: u64,
    /// The state of each party under which its approval counts: strictly ascending by party, at
    /// least one.
    pub pins: Vec<(PartyId, EntryId)>,
    /// Two certified children of one state of a party, where its pin leaves a losing branch:
    /// strictly ascending by party, each of a pinned party.
    pub fork_proofs: Vec<ForkProof>,
    /// The delegate who wrote it, under whom it is filed.
    pub proposer: PublicKey,
    /// Random bytes that keep two equal resolutions apart.
    pub nonce: [u8; 16],
    /// What changes: at least one, at most [`CHANGES_MAX`], no two about one thing.
    pub changes: Vec<Change>,
    /// What its narrowings leave in force; none if no change narrows.
    pub cuts: Cuts,
    /// Why; Markdown, may be empty.
    pub reason: String,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Two certified children of one state of a party's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForkProof {
    /// The party.
    pub party: PartyId,
    /// The branch that the parent's pin stands on.
    pub left: EntryId,
    /// The branch that the new pin stands on.
    pub right: EntryId,
}

impl Resolution {
    /// Whether its parts fit each other. Whether they fit the parent is for the authority to judge.
    ///
    /// # Errors
    /// [`CertificateError`] says what does not fit.
    pub fn check(&self) -> Result<(), CertificateError> {
        if self.height == 0 {
            return contradiction("only the genesis has height 0");
        }
        if self.pins.is_empty() {
            return contradiction("a resolution pins a party");
        }
        check_ascending(self.pins.iter().map(|(party, _)| party))?;
        self.check_fork_proofs()?;
        if self.changes.is_empty() {
            return contradiction("a resolution changes something");
        }
        if self.changes.len() > CHANGES_MAX {
            return contradiction("a resolution has at most 64 changes");
        }
        for change in &self.changes {
            change.check()?;
            if let Change::AddParty(party) = change
                && !self.pins_party(party)
            {
                return contradiction("a party that joins is pinned");
            }
        }
        let subjects: Vec<Subject<'_>> = self.changes.iter().map(Change::subject).collect();
        check_unique(subjects, "two changes are about one thing")?;
        self.cuts.check()?;
        if !self.cuts.is_none() && !self.changes.iter().any(Change::is_narrowing) {
            return contradiction("cuts stand in resolutions that narrow");
        }
        Ok(())
    }

    fn check_fork_proofs(&self) -> Result<(), CertificateError> {
        check_ascending(self.fork_proofs.iter().map(|it| it.party))?;
        for proof in &self.fork_proofs {
            if proof.left == proof.right {
                return contradiction("a fork has two branches");
            }
            if !self.pins_party(&proof.party) {
                return contradiction("a fork proof is about a pinned party");
            }
        }
        Ok(())
    }

    /// The proof by which it leads a party over to another branch of its chain.
    pub fn leads_over(&self, party: &PartyId) -> Option<&ForkProof> {
        self.fork_proofs.iter().find(|it| it.party == *party)
    }

    fn pins_party(&self, party: &PartyId) -> bool {
        let found = self.pins.binary_search_by_key(party, |(pinned, _)| *pinned);
        found.is_ok()
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(FIELDS).uint(TYPE).bytes(self.community.as_bytes());
        w.bytes(self.parent.as_bytes()).uint(self.height);
        w.array(self.pins.len());
        for (party, state) in &self.pins {
            w.array(2).bytes(party.as_bytes()).bytes(state.as_bytes());
        }
        w.array(self.fork_proofs.len());
        for proof in &self.fork_proofs {
            w.array(3).bytes(proof.party.as_bytes());
            w.bytes(proof.left.as_bytes()).bytes(proof.right.as_bytes());
        }
        w.bytes(self.proposer.as_bytes()).bytes(&self.nonce);
        w.array(self.changes.len());
        for change in &self.changes {
            change.write(w);
        }
        self.cuts.write(w);
        w.text(&self.reason).uint(self.time_ms);
    }

    pub(super) fn read(fields: usize, r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        expect_fields(fields, FIELDS)?;
        let resolution = Self {
            community: CommunityId::from_bytes(r.fixed()?),
            parent: EntryId::from_bytes(r.fixed()?),
            height: r.uint_max(SEQ_MAX)?,
            pins: read_list(r, PARTIES_MAX, |r| {
                r.array_of(2)?;
                Ok((read_party(r)?, EntryId::from_bytes(r.fixed()?)))
            })?,
            fork_proofs: read_list(r, PARTIES_MAX, |r| {
                r.array_of(3)?;
                Ok(ForkProof {
                    party: read_party(r)?,
                    left: EntryId::from_bytes(r.fixed()?),
                    right: EntryId::from_bytes(r.fixed()?),
                })
            })?,
            proposer: read_key(r)?,
            nonce: r.fixed()?,
            changes: read_list(r, CHANGES_MAX, Change::read)?,
            cuts: Cuts::read(r)?,
            reason: r.text(TEXT_MAX_BYTES)?.to_owned(),
            time_ms: r.uint_max(TIME_MAX_MS)?,
        };
        resolution.check()?;
        Ok(resolution)
    }
}
