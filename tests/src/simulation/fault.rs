//! What is broken on purpose: a checker that was never seen to fail is worth nothing.
//!
//! A fault replaces a rule on all honest nodes. The run then goes on until the invariant that the
//! rule is there for does not hold; see [`Simulation::broken_by`](super::Simulation::broken_by).

use super::shared::Known;
use comity_node::ingest::Refusal;
use comity_protocol::{
    certificate::{Certificate, CertificateBody, Cuts, PartyState, party_id},
    entry::{Entry, Verified},
    id::{EntryId, PartyId},
    key::{PublicKey, Signature},
    record::RecordBody,
};
use std::collections::BTreeMap;

/// A rule that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing that takes something from somebody is looked at.
    RemovalsIgnored,
    /// A process that dies takes the end of the record with it.
    RecordCut,
    /// A resolution counts as signed by all who could have.
    SignaturesBelieved,
    /// Whoever signs a removal counts as a delegate of the party.
    AnyoneRemoves,
    /// The entry that came last does not count.
    LastLeftOut,
    /// Nobody asks who may read.
    GatesOpen,
    /// Frames end early.
    FramesCut,
    /// Frames are other ones at the other end.
    FramesChanged,
    /// One node never connects again.
    NeverConnects,
}

impl Fault {
    /// Each fault with an invariant that does not hold with it.
    pub const CASES: [(Self, &'static str); 10] = [
        (Self::RemovalsIgnored, "no_unauthorized_in_a_set"),
        (Self::RecordCut, "acknowledged_is_never_lost"),
        (Self::SignaturesBelieved, "charter_needs_a_quorum"),
        (Self::AnyoneRemoves, "nobody_expels_for_another_party"),
        (Self::LastLeftOut, "authority_is_a_function_of_the_set"),
        (Self::GatesOpen, "no_restricted_entry_at_a_non_reader"),
        (Self::GatesOpen, "restricted_space_reaches_only_its_readers"),
        (Self::FramesCut, "honest_frames_can_be_read"),
        (Self::FramesChanged, "honest_peers_trust_each_other"),
        (Self::NeverConnects, "sets_equal_after_healing"),
    ];

    /// What is evaluated instead of a set.
    pub(super) fn bend(self, entries: &[Verified<Entry>]) -> Vec<Verified<Entry>> {
        let mut entries = entries.to_vec();
        match self {
            Self::RemovalsIgnored => entries.retain(|it| !is_removal(it)),
            Self::LastLeftOut => drop(entries.pop()),
            Self::AnyoneRemoves => {
                let made_up = made_up_delegates(&entries);
                entries.extend(made_up);
            }
            _ => {}
        }
        entries
    }

    /// What an entry is taken for instead of what it is.
    pub(super) fn believe(
        self,
        bytes: &[u8],
        known: &mut Known,
    ) -> Option<Result<Verified<Entry>, Refusal>> {
        let Ok(Entry::Certificate(certificate)) = Entry::decode(bytes) else {
            return None;
        };
        if let CertificateBody::Party(state) = certificate.body() {
            let id = certificate.id();
            known.delegates.insert(id, state.delegates.clone());
        }
        let CertificateBody::Resolution(resolution) = certificate.body() else {
            return None;
        };
        if self != Self::SignaturesBelieved {
            return None;
        }
        let states = resolution.pins.iter().map(|(_, state)| state);
        let delegates = states.filter_map(|it| known.delegates.get(it)).flatten();
        let signed = delegates.map(|key| (*key, Signature::from_bytes([0; 64])));
        let body = certificate.body_bytes().to_vec();
        let believed = Certificate::assemble(body, signed.collect()).ok()?;
        let entry = Entry::Certificate(believed);
        Some(Ok(Verified::from_own_record(entry)))
    }
}

fn is_removal(entry: &Entry) -> bool {
    match entry {
        Entry::Record(it) => matches!(
            it.body(),
            RecordBody::Revocation(_) | RecordBody::DeviceRevocation(_) | RecordBody::Departure(_)
        ),
        _ => false,
    }
}

/// A state for each removal, by which its signer becomes a delegate of the party.
fn made_up_delegates(entries: &[Verified<Entry>]) -> Vec<Verified<Entry>> {
    let mut newest: BTreeMap<PartyId, (EntryId, PartyState)> = BTreeMap::new();
    for entry in entries {
        if let Entry::Certificate(it) = &**entry
            && let CertificateBody::Party(state) = it.body()
        {
            let party = state.parent.map_or_else(|| party_id(state), |(of, _)| of);
            let known = newest.get(&party);
            if known.is_none_or(|(_, before)| before.height < state.height) {
                newest.insert(party, (it.id(), state.clone()));
            }
        }
    }
    let mut made_up = Vec::new();
    for entry in entries {
        if let Entry::Record(record) = &**entry
            && let RecordBody::Revocation(it) = record.body()
            && let Some((parent, before)) = newest.get(&it.party)
        {
            let signer = record.header().author;
            made_up.extend(with_delegate(it.party, *parent, before, signer));
        }
    }
    made_up
}

fn with_delegate(
    party: PartyId,
    parent: EntryId,
    before: &PartyState,
    key: PublicKey,
) -> Option<Verified<Entry>> {
    let place = before.delegates.binary_search(&key).err()?;
    let mut state = PartyState {
        parent: Some((party, parent)),
        height: before.height + 1,
        cuts: Cuts::default(),
        ..before.clone()
    };
    state.delegates.insert(place, key);
    state.delegates_needed = state.delegates.len() as u64 / 2 + 1;
    let body = CertificateBody::Party(state).encode();
    let signed = before.delegates.iter();
    let signed = signed.map(|it| (*it, Signature::from_bytes([0; 64])));
    let certificate = Certificate::assemble(body, signed.collect()).ok()?;
    Some(Verified::from_own_record(Entry::Certificate(certificate)))
}
