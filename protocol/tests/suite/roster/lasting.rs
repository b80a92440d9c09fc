//! Whatever one party does by itself, in whatever order: what took effect where another party's node
//! receipted it stays in effect. Random histories, from seeds.

use super::{
    unsaying::Lobby,
    world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOES_NODE, device, second},
};
use crate::community::{NODE, arrive, public};
use comity_protocol::{
    authority::Authority,
    certificate::{Cuts, PartyState},
    entry::{Entry, Verified},
    id::EntryId,
    key::PublicKey,
    record::{InvitationApproval, RecordBody, Role, Target},
};
use std::collections::BTreeSet;

/// Histories, without `COMITY_TEST_FACTOR`.
const HISTORIES: usize = 40;
const DEEDS: usize = 45;
/// Who may be a delegate of our party, now or then.
const POOL: [u8; 6] = [ADA, BEN, LEO, 14, 31, 32];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // An LCG; its upper bits are good enough.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

struct History {
    world: World,
    verified: Vec<Verified<Entry>>,
    lobbies: [Lobby; 2],
    /// What took effect and was receipted, by lobby, and what was acknowledged before and stood in
    /// nobody's way any more.
    kept: [Vec<(EntryId, BTreeSet<EntryId>)>; 2],
    acknowledged: [BTreeSet<EntryId>; 2],
    invitations: Vec<EntryId>,
    random: Random,
    /// Words that came to rest on what a narrowing covers.
    lifted: usize,
    /// Words that were lost to an acknowledged narrowing that counts again (`threats.md`, Accepted).
    excused: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let needed = 1 + random.below(2) as u64;
        let mut world = World::with(|ours, _| ours.admission_needed = needed);
        for by in [ADA, BEN] {
            world.admit(by, world.ours, MIA, &[Role::Member]);
        }
        world.link(MIA, device(MIA), 0);
        let lobbies = [device(MIA), second(MIA)].map(|it| Lobby::new(&world, it));
        Self {
            world,
            verified: Vec::new(),
            lobbies,
            kept: Default::default(),
            acknowledged: Default::default(),
            invitations: Vec::new(),
            random,
            lifted: 0,
            excused: 0,
        }
    }

    fn authority(&mut self) -> Authority {
        let new = &self.world.entries[self.verified.len()..];
        self.verified.extend(new.iter().map(arrive));
        Authority::evaluate(self.world.id, &self.verified)
    }

    fn deed(&mut self) {
        let ours = self.world.ours;
        match self.random.below(20) {
            0..2 => {
                let by = self.random.pick(&POOL);
                self.world.admit(by, ours, MIA, &[Role::Member]);
            }
            2 => {
                let by = self.random.pick(&POOL);
                let uses = 1 + self.random.below(2) as u64;
                let invitation = self.world.invite_for(by, ours, NODE, uses);
                self.invitations.push(invitation);
            }
            3..5 if !self.invitations.is_empty() => {
                let invitation = self.random.pick(&self.invitations);
                let by = self.random.pick(&POOL);
                let approval = InvitationApproval { invitation };
                self.world.say(by, RecordBody::InvitationApproval(approval));
            }
            5..7 if !self.invitations.is_empty() => {
                let invitation = self.random.pick(&self.invitations);
                let who = self.random.pick(&[MIA, MIA, STRANGER]);
                self.world.countersign(NODE, invitation, who);
            }
            7 => {
                let linked = self.random.pick(&[device(MIA), second(MIA)]);
                self.world.link(MIA, linked, 0);
            }
            8 if self.random.chance(30) => self.revoke(),
            8..14 => self.amend(),
            _ => self.speak(),
        }
    }

    fn revoke(&mut self) {
        let target = match self.random.below(4) {
            0 => Target::Member(public(MIA)),
            1 => Target::Role(public(MIA), Role::Member),
            _ => Target::Device(public(device(MIA))),
        };
        let by = self.random.pick(&POOL);
        let cuts = self.cuts();
        self.world.revoke(by, target, cuts);
    }

    /// A later state, mostly upon the current one, else beside an earlier one.
    fn amend(&mut self) {
        let authority = self.authority();
        let ours = self.world.ours;
        let chain = authority.party_chains().chain(&ours).unwrap();
        let upon = match self.random.chance(75) {
            true => chain.current().0,
            false => self.random.pick(chain.path()),
        };
        let parent = chain.state(&upon).unwrap().clone();
        let by: Vec<u8> = POOL
            .into_iter()
            .filter(|it| parent.delegates.contains(&public(*it)))
            .take(parent.delegates_needed as usize)
            .collect();
        let cuts = self.cuts();
        let mut next = parent.clone();
        self.change(&mut next);
        self.world.states.insert(ours, (upon, parent));
        self.world.amend(ours, &by, |state| {
            state.name = format!("{} {}", next.name, state.height);
            state.delegates = next.delegates;
            state.delegates_needed = next.delegates_needed;
            state.admission_needed = next.admission_needed;
            state.nodes = next.nodes;
            state.stewards = next.stewards;
            state.left = next.left;
            state.cuts = cuts;
        });
    }

    fn change(&mut self, state: &mut PartyState) {
        match self.random.below(8) {
            0..4 => {
                let mut keys: Vec<PublicKey> = POOL.iter().map(|it| public(*it)).collect();
                keys.retain(|_| self.random.chance(45));
                keys.push(public(self.random.pick(&POOL)));
                keys.sort();
                keys.dedup();
                state.delegates = keys;
            }
            4..6 => {}
            6 => match state.nodes.is_empty() {
                true => state.nodes.push(public(NODE)),
                false => state.nodes.clear(),
            },
            _ if self.random.chance(20) => match state.left.is_empty() {
                true => state.left.push(self.world.id),
                false => state.left.clear(),
            },
            _ => match state.stewards.is_empty() {
                true => state.stewards.push(public(MIA)),
                false => state.stewards.clear(),
            },
        }
        let delegates = state.delegates.len();
        state.delegates_needed = delegates as u64 / 2 + 1;
        state.admission_needed = match self.random.chance(30) {
            true => 1 + self.random.below(delegates) as u64,
            false => state.admission_needed.min(delegates as u64),
        };
    }

    /// Nothing, what some said in the governance space, or an early word.
    fn cuts(&mut self) -> Cuts {
        let of = self.random.below(2);
        match self.random.below(4) {
            0 => {
                let by = [self.random.pick(&POOL), NODE, MIA];
                self.world.cuts_at_the_end_of(&by)
            }
            1 if !self.kept[of].is_empty() => {
                let last = self.random.below(self.kept[of].len());
                self.lobbies[of].cuts_at(self.kept[of][last].0)
            }
            _ => Cuts::default(),
        }
    }

    /// The other party's node keeps and receipts what has effect there.
    fn speak(&mut self) {
        let authority = self.authority();
        let at = self.random.below(2);
        let lobby = &mut self.lobbies[at];
        let before = lobby.chain.link;
        let id = lobby.say();
        if lobby.judge(&authority, &id).is_ok() {
            lobby.receipt(ZOES_NODE);
            let mut gone = self.acknowledged[at].clone();
            gone.retain(|it| !authority.narrowings().contains_key(it));
            self.kept[at].push((id, gone));
        } else {
            lobby.chain.link = before;
        }
    }

    /// It acknowledges what stands in the way of those whose words it has.
    fn acknowledge(&mut self, authority: &Authority) {
        for at in 0..2 {
            if self.kept[at].is_empty() {
                continue;
            }
            let space = self.lobbies[at].space;
            for narrowing in authority.narrowed_in(space).into_keys() {
                if self.acknowledged[at].insert(narrowing) {
                    self.lobbies[at].acknowledge(ZOES_NODE, narrowing);
                }
            }
        }
    }

    fn check(&mut self, seed: u64, deed: usize) {
        let authority = self.authority();
        self.acknowledge(&authority);
        for (lobby, kept) in self.lobbies.iter().zip(&self.kept) {
            for (id, gone) in kept {
                let judged = lobby.judge(&authority, id);
                let back = |it: &EntryId| authority.narrowings().contains_key(it);
                let is_excused = judged.is_err() && gone.iter().any(back);
                self.excused += usize::from(is_excused);
                let stays = judged.is_ok() || is_excused;
                assert!(stays, "seed {seed}, deed {deed}: {judged:?}");
            }
            let author = public(lobby.device);
            if !authority.writes_unnarrowed(lobby.space, &author) {
                self.lifted += kept.len();
            }
        }
    }
}

#[test]
fn what_took_effect_at_another_partys_node_stays_whatever_a_party_does() {
    let (mut kept, mut lifted, mut excused) = (0, 0, 0);
    for seed in 1..=crate::times_factor(HISTORIES) as u64 {
        let mut history = History::new(seed);
        for deed in 0..DEEDS {
            history.deed();
            history.check(seed, deed);
        }
        kept += history.kept.iter().map(Vec::len).sum::<usize>();
        lifted += history.lifted;
        excused += history.excused;
    }
    println!("{kept} contributions, asked {lifted} times behind bars, {excused} times excused");
    assert!(kept > 200 && lifted > 1_000, "{kept}, {lifted}");
    assert!(excused * 20 < lifted, "{excused} of {lifted}");
}
