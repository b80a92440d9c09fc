//! Deliberation: how delegates who follow the rules come to one certificate, and never to two.
//!
//! A *motion* is a proposed child: a resolution, or a later state of a party; or an order of erasure. Delegates approve it by
//! signing it, or reject it; a rejection binds. This machine weighs what they said and tells each
//! delegate what it may still do. Nothing here decides what counts: a certificate does by itself,
//! whoever broke these rules to make it. It is a function of sets; order plays no part.
//!
//! Rules, numbered as in `specs/charter.md`:
//! - D1: a delegate approves no motion that it rejected, and rejects none that it approved.
//! - D2: a delegate who approved one child of a parent approves another only once the first is dead.
//!   Approvals by earlier delegates of the same party bind too, where the two pin different states of it.
//! - D3: a motion is dead once those who have not rejected it could not carry it, if all signed.
//!   The signature of someone who did both exists, so that one counts as able to sign. Where a party
//!   has moved on, enough of its current delegates reject in place of earlier ones, whose keys may be lost.
//! - D4: a delegate approves children of the state in force only, pinned to the states in force (of a
//!   party that is led over: to the head of the other branch) or to earlier ones at which the same
//!   delegates speak, and none beside a child that has enough approvals. A party that is removed may
//!   be pinned to any.
//!
//! An order of erasure changes no state and has no siblings: D2 does not concern it, and of D4 remains
//! that it names the charter in force and that the delegate still speaks for the party.
//!
//! D2 and D3 together: while parties do not change, no two children of one parent are certified unless
//! a delegate breaks the rules. And delegates who speak can end any deadlock: whatever has not passed dies when
//! all who did not approve it reject it. One who keeps silent may hold it up (`specs/charter.md` §10). A party that changes while its delegates deliberate can leave a fork
//! without anybody's fault, which then is settled like every other.

use super::{
    charter::{self, Charter, CharterState, Side},
    orders,
    parties::{Parties, judge_state},
};
use crate::{
    certificate::{
        Certificate, CertificateBody, Change, ErasureOrder, PartyState, Resolution, SIGNATURES_MAX,
    },
    id::{EntryId, PartyId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};

mod motion;
mod siblings;
mod voices;

pub use motion::{Flaw, Motion, Outcome, Refusal, SideVoices};
use siblings::Siblings;
pub use voices::{Approved, Proposed, Voices};

/// All motions, weighed.
#[derive(Debug, Clone)]
pub struct Deliberation<'a> {
    charter: Option<&'a Charter>,
    parties: &'a Parties,
    voices: &'a Voices,
    motions: BTreeMap<EntryId, Motion>,
    siblings: Siblings,
}

impl<'a> Deliberation<'a> {
    /// Weighs the proposed bodies.
    pub fn weigh(
        charter: Option<&'a Charter>,
        parties: &'a Parties,
        proposed: Proposed,
        voices: &'a Voices,
    ) -> Self {
        let mut deliberation = Self {
            charter,
            parties,
            voices,
            motions: BTreeMap::new(),
            siblings: Siblings::default(),
        };
        for (id, body) in proposed {
            let motion = deliberation.motion(id, body);
            if !motion.is_order() {
                deliberation.siblings.add(&motion, voices);
            }
            deliberation.motions.insert(id, motion);
        }
        deliberation
    }

    /// A motion.
    pub fn motion_of(&self, id: &EntryId) -> Option<&Motion> {
        self.motions.get(id)
    }

    /// All motions, ascending by id.
    pub fn motions(&self) -> impl Iterator<Item = &Motion> {
        self.motions.values()
    }

    fn motion(&self, id: EntryId, body: CertificateBody) -> Motion {
        let demands = match &body {
            CertificateBody::Resolution(it) => self.demands_of_resolution(it),
            CertificateBody::Party(it) => self.demands_of_state(it),
            CertificateBody::ErasureOrder(it) => self.demands_of_order(it),
            _ => Err(Flaw::NotAMotion),
        };
        let parent = match &body {
            CertificateBody::Resolution(it) => it.parent,
            CertificateBody::Party(PartyState {
                parent: Some((_, parent)),
                ..
            }) => *parent,
            CertificateBody::ErasureOrder(it) => it.charter,
            _ => id,
        };
        let mut motion = Motion {
            id,
            body,
            parent,
            party_quorum: 0,
            sides: Vec::new(),
            outcome: Outcome::Open,
        };
        match demands {
            Err(flaw) => motion.outcome = Outcome::Flawed(flaw),
            Ok(demands) => {
                motion.party_quorum = demands.party_quorum;
                let sides = demands.sides.into_iter();
                motion.sides = sides.map(|it| self.voices_of(&id, it)).collect();
                motion.outcome = self.outcome(&motion);
            }
        }
        motion
    }

    fn demands_of_resolution(&self, resolution: &Resolution) -> Result<charter::Demands, Flaw> {
        let parent = self.charter.and_then(|it| it.state(&resolution.parent));
        let parent = parent.ok_or(Flaw::NoParent)?;
        Ok(charter::demands(resolution, parent, self.parties.trees())?)
    }

    fn demands_of_order(&self, order: &ErasureOrder) -> Result<charter::Demands, Flaw> {
        let charter = self.named_by(order).ok_or(Flaw::NoParent)?;
        orders::demands(order, charter, self.parties.trees())
    }

    /// The charter state that an order names.
    fn named_by(&self, order: &ErasureOrder) -> Option<&'a CharterState> {
        self.charter?.state(&order.charter)
    }

    fn demands_of_state(&self, state: &PartyState) -> Result<charter::Demands, Flaw> {
        let (party, parent_id) = state.parent.ok_or(Flaw::NotAMotion)?;
        let chain = self.parties.chain(&party).ok_or(Flaw::NoParent)?;
        let parent = chain.state(&parent_id).ok_or(Flaw::NoParent)?;
        judge_state(state, &parent.delegates, chain.tree())?;
        Ok(charter::Demands {
            party_quorum: 1,
            sides: vec![Side {
                party,
                pinned: parent_id,
                delegates: parent.delegates.clone(),
                delegates_needed: parent.delegates_needed,
                votes: true,
                required: true,
            }],
        })
    }

    fn voices_of(&self, motion: &EntryId, side: Side) -> SideVoices {
        let (approved, others): (Vec<PublicKey>, Vec<PublicKey>) = side
            .delegates
            .iter()
            .partition(|it| self.voices.approved(motion, it));
        let rejected = others.into_iter();
        let rejected = rejected.filter(|it| self.voices.rejected(motion, it));
        SideVoices {
            rejected: rejected.collect(),
            withdrawn: self.is_withdrawn(motion, &side),
            approved,
            side,
        }
    }

    /// D3: whether a party that has moved on rejects by its current delegates.
    fn is_withdrawn(&self, motion: &EntryId, side: &Side) -> bool {
        self.later_state(side).is_some_and(|state| {
            let delegates = state.delegates.iter();
            let rejecting = delegates.filter(|it| self.voices.rejected(motion, it));
            rejecting.count() as u64 >= state.delegates_needed
        })
    }

    /// The current state of a party, if it stands below the pinned one.
    fn later_state(&self, side: &Side) -> Option<&'a PartyState> {
        let chain = self.parties.chain(&side.party)?;
        let (id, state) = chain.current();
        (id != side.pinned && chain.tree().descends(&side.pinned, &id)).then_some(state)
    }

    fn outcome(&self, motion: &Motion) -> Outcome {
        let certified = match &motion.body {
            CertificateBody::Resolution(_) => self
                .charter
                .is_some_and(|it| it.state(&motion.id).is_some()),
            CertificateBody::Party(_) => motion.sides.iter().any(|it| {
                let chain = self.parties.chain(&it.side.party);
                chain.is_some_and(|it| it.state(&motion.id).is_some())
            }),
            CertificateBody::ErasureOrder(_) => self.voices.is_ordered(&motion.id),
            _ => false,
        };
        let approved = motion.sides.iter().flat_map(|it| &it.approved).copied();
        let able = motion.sides.iter().flat_map(SideVoices::able);
        if certified {
            Outcome::Certified
        } else if self.carries(&motion.body, &approved.collect()) {
            Outcome::Carried
        } else if self.carries(&motion.body, &able.copied().collect()) {
            Outcome::Open
        } else {
            Outcome::Dead
        }
    }

    /// Whether a body signed by these would be certified: by the rules that judge certificates.
    fn carries(&self, body: &CertificateBody, signers: &BTreeSet<PublicKey>) -> bool {
        let signers: Vec<PublicKey> = signers.iter().copied().collect();
        match body {
            CertificateBody::Resolution(it) => self
                .charter
                .and_then(|charter| charter.state(&it.parent))
                .is_some_and(|parent| {
                    charter::judge(it, &signers, parent, self.parties.trees()).is_ok()
                }),
            CertificateBody::Party(state) => state
                .parent
                .and_then(|(party, _)| self.parties.chain(&party))
                .is_some_and(|chain| judge_state(state, &signers, chain.tree()).is_ok()),
            CertificateBody::ErasureOrder(it) => self
                .named_by(it)
                .is_some_and(|charter| orders::carries(&signers, charter, self.parties.trees())),
            _ => false,
        }
    }

    /// Whether a delegate who follows the rules may approve a motion now (D1 to D4).
    ///
    /// # Errors
    /// [`Refusal`] says what stands against it, and what would help.
    pub fn may_approve(&self, delegate: &PublicKey, id: &EntryId) -> Result<(), Refusal> {
        let motion = self.open_motion(id)?;
        if !motion.speaks(delegate) {
            return Err(Refusal::NotADelegate);
        }
        if self.voices.approved(id, delegate) {
            return Err(Refusal::Approved);
        }
        if self.voices.rejected(id, delegate) {
            return Err(Refusal::Rejected);
        }
        if motion.outcome == Outcome::Dead {
            return Err(Refusal::Dead);
        }
        self.is_current(motion)?;
        match motion.is_order() {
            true => self.still_speaks(delegate, motion),
            false => self.is_free(delegate, motion),
        }
    }

    /// Whether a delegate who follows the rules may reject a motion now (D1).
    ///
    /// # Errors
    /// [`Refusal`] says what stands against it.
    pub fn may_reject(&self, delegate: &PublicKey, id: &EntryId) -> Result<(), Refusal> {
        let motion = self.open_motion(id)?;
        let speaks_now = |it: &SideVoices| {
            let state = self.later_state(&it.side);
            state.is_some_and(|it| it.delegates.binary_search(delegate).is_ok())
        };
        if !motion.speaks(delegate) && !motion.sides.iter().any(speaks_now) {
            return Err(Refusal::NotADelegate);
        }
        if self.voices.approved(id, delegate) {
            return Err(Refusal::Approved);
        }
        if self.voices.rejected(id, delegate) {
            return Err(Refusal::Rejected);
        }
        Ok(())
    }

    fn open_motion(&self, id: &EntryId) -> Result<&Motion, Refusal> {
        let motion = self.motions.get(id).ok_or(Refusal::Unknown)?;
        match &motion.outcome {
            Outcome::Flawed(flaw) => Err(Refusal::Flawed(flaw.clone())),
            Outcome::Certified => Err(Refusal::Passed),
            Outcome::Carried | Outcome::Open | Outcome::Dead => Ok(motion),
        }
    }

    /// D4: it changes the state in force, and names the states in force.
    fn is_current(&self, motion: &Motion) -> Result<(), Refusal> {
        let head = |party: &PartyId| Some(self.parties.chain(party)?.current().0);
        let current = match &motion.body {
            CertificateBody::Party(state) => state.parent.and_then(|(party, _)| head(&party)),
            _ => self.charter.map(|it| it.current().id),
        };
        let current = current.ok_or(Refusal::Flawed(Flaw::NoParent))?;
        if motion.parent != current {
            return Err(Refusal::NotCurrent {
                parent: motion.parent,
                current,
            });
        }
        if let CertificateBody::Resolution(resolution) = &motion.body {
            let mut pins = resolution.pins.iter();
            let expected = |party: &PartyId| match resolution.leads_over(party) {
                None => head(party),
                // Where its path would end if the charter led over to that branch.
                Some(proof) => Some(self.parties.chain(party)?.head_from(&proof.right)),
            };
            let is_removed = |party: &PartyId| {
                let removes =
                    |it: &Change| matches!(it, Change::RemoveParty(gone) if gone == party);
                resolution.changes.iter().any(removes)
            };
            let lags = |party: &PartyId, pin: &EntryId| {
                let expected = expected(party);
                let alike = |head| self.speak_alike(party, pin, &head);
                // Its word is not asked for (R7): it cannot hold this up by moving on.
                !is_removed(party) && !expected.is_some_and(alike)
            };
            if let Some((party, _)) = pins.find(|(party, pin)| lags(party, pin)) {
                return Err(Refusal::OldPin(*party));
            }
        }
        Ok(())
    }

    /// D4: whether the same delegates, as many of them, speak for a party at both states, of which the
    /// second is or follows the first. Else a party could void what others approved by any new state.
    fn speak_alike(&self, party: &PartyId, pin: &EntryId, head: &EntryId) -> bool {
        let Some(chain) = self.parties.chain(party) else {
            return false;
        };
        let (Some(pinned), Some(state)) = (chain.state(pin), chain.state(head)) else {
            return false;
        };
        chain.tree().descends(pin, head)
            && pinned.delegates == state.delegates
            && pinned.delegates_needed == state.delegates_needed
            && pinned.left == state.left
    }

    /// D4 for orders of erasure: a party may have moved on, as long as this delegate speaks for it
    /// still.
    fn still_speaks(&self, delegate: &PublicKey, motion: &Motion) -> Result<(), Refusal> {
        let speaks = |it: &[PublicKey]| it.binary_search(delegate).is_ok();
        let sides = motion.sides.iter().map(|it| &it.side);
        let mut mine = sides.filter(|it| speaks(&it.delegates));
        let moved_on = |side: &Side| {
            let chain = self.parties.chain(&side.party);
            !chain.is_some_and(|chain| speaks(&chain.current().1.delegates))
        };
        let first = mine.next().ok_or(Refusal::NotADelegate)?;
        match moved_on(first) && mine.all(moved_on) {
            true => Err(Refusal::OldPin(first.party)),
            false => Ok(()),
        }
    }

    /// D2: whatever else this delegate, or earlier delegates of its party, approved below the same
    /// parent is dead. D4: none has enough approvals.
    fn is_free(&self, delegate: &PublicKey, motion: &Motion) -> Result<(), Refusal> {
        let mut unseen = self.voices.unseen_of(delegate);
        if let Some(it) = unseen.find(|it| !self.knows(it)) {
            return Err(Refusal::Unseen(*it));
        }
        let Some(other) = self.siblings.in_the_way(delegate, motion) else {
            return Ok(());
        };
        match self.motions[&other].outcome {
            // What this delegate could judge when approving may lack a party's state here.
            Outcome::Flawed(_) => Err(Refusal::Unseen(other)),
            Outcome::Carried | Outcome::Certified => Err(Refusal::Overtaken(other)),
            Outcome::Open | Outcome::Dead => Err(Refusal::Bound(other)),
        }
    }

    fn knows(&self, id: &EntryId) -> bool {
        let certified = |charter: &Charter| charter.state(id).is_some();
        let mut chains = self.parties.iter();
        self.motions.contains_key(id)
            || self.charter.is_some_and(certified)
            || chains.any(|(_, chain)| chain.state(id).is_some())
    }

    /// The certificate of a motion that is carried: of each party that approves, as many signatures
    /// as it needs. None if more must approve.
    pub fn assemble(&self, id: &EntryId) -> Option<Certificate> {
        let motion = self.motions.get(id)?;
        let approvals = self.voices.approvals_of(id)?;
        let signers = self.signers_that_fit(motion)?;
        let signatures: Option<Vec<_>> = signers
            .into_iter()
            .map(|key| Some((key, *approvals.get(&key)?)))
            .collect();
        Certificate::assemble(motion.body.encode(), signatures?).ok()
    }

    /// Who signs for the parties that approve. Where that is more than a certificate holds, parties that
    /// are not needed are left out, those with most signatures first: a party with very many delegates
    /// keeps nothing from being certified by approving it.
    fn signers_that_fit(&self, motion: &Motion) -> Option<BTreeSet<PublicKey>> {
        let mut sides: Vec<&SideVoices> = motion.sides.iter().filter(|it| it.approves()).collect();
        let of = |sides: &[&SideVoices]| -> BTreeSet<PublicKey> {
            let keys = sides
                .iter()
                .flat_map(|it| it.approved.iter().take(it.side.delegates_needed as usize));
            keys.copied().collect()
        };
        let mut signers = of(&sides);
        if !self.carries(&motion.body, &signers) {
            return None;
        }
        sides.sort_by_key(|it| (it.side.delegates_needed, it.side.party));
        let mut last = sides.len();
        while signers.len() > SIGNATURES_MAX && last > 0 {
            last -= 1;
            let without = sides.remove(last);
            let fewer = of(&sides);
            if self.carries(&motion.body, &fewer) {
                signers = fewer;
            } else {
                sides.insert(last, without);
            }
        }
        Some(signers)
    }
}
