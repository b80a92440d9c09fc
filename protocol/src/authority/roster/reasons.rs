//! Why records have no effect: what evaluation noted, and what its result tells of a record.
//!
//! Evaluation judges each record where it uses it and notes those that have no effect, so the reasons
//! are its own. What is told by seats and paths alone is looked up there when somebody asks.
//!
//! Spec: `specs/roster.md` §3 to §6.

use super::{Bar, Roster, RosterError};
use crate::{
    entry::Record,
    id::{EntryId, PartyId},
    key::PublicKey,
    record::RecordBody,
};
use std::collections::BTreeMap;

/// The records that evaluation found without effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct WithoutEffect(BTreeMap<EntryId, RosterError>);

impl WithoutEffect {
    pub(super) fn note(&mut self, id: EntryId, why: RosterError) {
        self.0.insert(id, why);
    }

    pub(super) fn forget(&mut self, id: &EntryId) {
        self.0.remove(id);
    }

    pub(super) fn get(&self, id: &EntryId) -> Option<RosterError> {
        self.0.get(id).copied()
    }
}

impl Roster {
    /// Whether a record of the set has an effect. One that is not about the roster is not judged.
    pub(in crate::authority) fn judge(&self, record: &Record) -> Result<(), RosterError> {
        if let Some(why) = self.without_effect.get(&record.id()) {
            return Err(why);
        }
        let signer = record.header().author;
        match record.body() {
            RecordBody::Admission(it) => self.seat_stands(it.member, it.party),
            RecordBody::Countersignature(it) => match self.invitations.get(&it.invitation) {
                Some(known) => self.seat_stands(it.member, known.offer.party),
                None => Ok(()),
            },
            RecordBody::NodeLink(_) => self.has_a_seat(signer),
            RecordBody::DeviceLink(it) => {
                self.has_a_seat(signer)?;
                self.path_is_open(it.device, signer)
            }
            RecordBody::DeviceRevocation(it) => {
                self.has_a_seat(signer)?;
                self.was_linked(it.device, signer)
            }
            _ => Ok(()),
        }
    }

    /// 5.1: a link leads to every seat of its signer.
    fn has_a_seat(&self, root: PublicKey) -> Result<(), RosterError> {
        let mut seats = self.seats.of_root(root);
        seats.next().map(drop).ok_or(RosterError::NoSeat)
    }

    /// 6.5: what bars a device bars it for good, however often it is linked.
    fn path_is_open(&self, device: PublicKey, root: PublicKey) -> Result<(), RosterError> {
        let paths = self.seats.paths(&device);
        let own = paths.filter(|(_, seat)| seat.root == root);
        one_stands(own.map(|(path, _)| path.bars.as_slice()))
    }

    /// 6.1 to 6.3: what bars a seat bars it for good, whoever gives it again.
    fn seat_stands(&self, root: PublicKey, party: PartyId) -> Result<(), RosterError> {
        let seats = self.seats.of_root(root).filter(|it| it.party == party);
        one_stands(seats.map(|it| it.bars.as_slice()))
    }

    /// 5.5: a person removes devices that the person linked.
    fn was_linked(&self, device: PublicKey, root: PublicKey) -> Result<(), RosterError> {
        let mut paths = self.seats.paths(&device);
        match paths.any(|(_, seat)| seat.root == root) {
            true => Ok(()),
            false => Err(RosterError::NotLinked(device)),
        }
    }
}

/// Whether nothing stands in at least one of several ways, or there is none.
fn one_stands<'a>(ways: impl Iterator<Item = &'a [Bar]>) -> Result<(), RosterError> {
    let mut judged = Ok(());
    for bars in ways {
        match bars.first() {
            None => return Ok(()),
            Some(bar) => judged = Err(RosterError::Ended(bar.reason)),
        }
    }
    judged
}
