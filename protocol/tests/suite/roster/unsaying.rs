//! A party cannot unsay through governance either: what takes a grant bars what it gave, and no more.

use super::world::{ADA, BEN, LEO, MIA, World, ZOE, ZOES_NODE, device, second};
use crate::community::{Chain, NODE, public, receipt, verified};
use comity_protocol::{
    authority::{
        Act, AuthorLink, Authority, Standing, Unauthorized, coverage::SpaceCoverage,
        receipts::SpaceRecords,
    },
    certificate::{CertificateBody, Change, Cuts, DeviceCut, SpaceCut},
    document::Kind,
    entry::Entry,
    id::{EntryId, SpaceId},
    record::{Acknowledge, BranchChoice, InvitationApproval, RecordBody, Role, Target},
};
use std::collections::BTreeMap;

/// Somebody who was a delegate on one branch of the party only.
const DAN: u8 = 14;

/// What stands in the lobby: what one device says there, and what nodes say of it.
pub(super) struct Lobby {
    pub(super) space: SpaceId,
    pub(super) device: u8,
    pub(super) chain: Chain,
    said: Vec<Entry>,
    nodes: BTreeMap<u8, Chain>,
    records: SpaceRecords,
    links: BTreeMap<EntryId, AuthorLink>,
}

impl Lobby {
    pub(super) fn new(world: &World, device: u8) -> Self {
        let space = world.space("lobby");
        Self {
            space,
            device,
            chain: Chain::new(device, space),
            said: Vec::new(),
            nodes: BTreeMap::new(),
            records: SpaceRecords::new(),
            links: BTreeMap::new(),
        }
    }

    pub(super) fn say(&mut self) -> EntryId {
        let link = self.chain.link;
        let entry = Entry::Contribution(self.chain.create(Kind::Topic));
        let (id, author) = (entry.id(), public(self.device));
        self.links.insert(id, AuthorLink { author, link });
        self.said.push(entry);
        id
    }

    pub(super) fn state(&mut self, node: u8, body: RecordBody) {
        let space = self.space;
        let chain = self.nodes.entry(node);
        let chain = chain.or_insert_with(|| Chain::new(node, space));
        let link = chain.link;
        let record = chain.record(body);
        let (id, author) = (record.id(), public(node));
        self.links.insert(id, AuthorLink { author, link });
        self.records.add(&record);
    }

    /// A node has everything that was said so far.
    pub(super) fn receipt(&mut self, node: u8) {
        let last = receipt(self.said.last().unwrap());
        self.state(node, last);
    }

    pub(super) fn acknowledge(&mut self, node: u8, narrowing: EntryId) {
        let narrowings = vec![narrowing];
        self.state(node, RecordBody::Acknowledge(Acknowledge { narrowings }));
    }

    /// What becomes of an entry, under the coverage that a node builds.
    pub(super) fn judge(
        &self,
        authority: &Authority,
        id: &EntryId,
    ) -> Result<Standing, Unauthorized> {
        let coverage = SpaceCoverage::build(
            self.space,
            authority.narrowings(),
            &authority.narrowed_keys(&self.space),
            &self.records,
            &self.links,
            authority,
        );
        let author = public(self.device);
        authority.authorize(self.space, id, &author, None, Act::Create, &coverage)
    }

    pub(super) fn counts(&self, world: &World, id: &EntryId) -> bool {
        self.judge(&world.authority(), id).is_ok()
    }

    /// Cuts that list the device here up to an entry.
    pub(super) fn cuts_at(&self, last: EntryId) -> Cuts {
        let devices = vec![DeviceCut {
            key: public(self.device),
            last: vec![last],
        }];
        let space = self.space;
        Cuts {
            open: vec![SpaceCut { space, devices }],
            sealed: [0; 32],
        }
    }
}

/// A way to take Mia's standing from below her: how she gets in, what takes it, and why her words
/// have no effect then.
struct Way {
    name: &'static str,
    enter: fn() -> World,
    take: fn(&mut World, Cuts) -> EntryId,
    reason: fn(&World, EntryId) -> Unauthorized,
    is_lifted: bool,
}

fn drop_delegate(world: &mut World, gone: u8, signers: &[u8], cuts: Cuts) -> EntryId {
    world.amend(world.ours, signers, |state| {
        state.delegates.retain(|it| *it != public(gone));
        let left = state.delegates.len() as u64;
        state.delegates_needed = left / 2 + 1;
        state.admission_needed = state.admission_needed.min(left);
        state.cuts = cuts;
    })
}

/// Leo is a delegate, too.
fn three_delegates(admission_needed: u64) -> World {
    let mut world = World::with(|ours, _| ours.admission_needed = admission_needed);
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.delegates.push(public(LEO));
        state.delegates.sort();
    });
    world
}

fn admitted_by(by: u8) -> World {
    let mut world = World::new();
    world.admit(by, world.ours, MIA, &[Role::Member]);
    world.link(MIA, device(MIA), 0);
    world
}

fn countersigned() -> World {
    let mut world = World::new();
    let invitation = world.invite(ADA, world.ours, NODE);
    world.countersign(NODE, invitation, MIA);
    world.link(MIA, device(MIA), 0);
    world
}

/// Ada invites, Ben approves, their node lets in; later Ada alone would be too few.
fn approved() -> World {
    let mut world = World::with(|ours, _| ours.admission_needed = 2);
    let invitation = world.invite(ADA, world.ours, NODE);
    let approval = InvitationApproval { invitation };
    world.say(BEN, RecordBody::InvitationApproval(approval));
    world.countersign(NODE, invitation, MIA);
    world.link(MIA, device(MIA), 0);
    world
}

/// Our party says that Dan is a delegate, and Dan admits Mia. Another child of the same state can
/// still win over that one.
fn admitted_on_a_branch() -> World {
    let mut world = World::new();
    let before = world.states[&world.ours].clone();
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.delegates.push(public(DAN));
        state.delegates.sort();
    });
    world.states.insert(world.ours, before);
    world.admit(DAN, world.ours, MIA, &[Role::Member]);
    world.link(MIA, device(MIA), 0);
    world
}

/// One delegate was enough on the branch only.
fn admitted_by_one_on_a_branch() -> World {
    let mut world = World::with(|ours, _| ours.admission_needed = 2);
    let before = world.states[&world.ours].clone();
    world.amend(world.ours, &[ADA, BEN], |state| state.admission_needed = 1);
    world.states.insert(world.ours, before);
    world.admit(ADA, world.ours, MIA, &[Role::Member]);
    world.link(MIA, device(MIA), 0);
    world
}

/// A steward by the list of a branch only.
fn listed_on_a_branch() -> World {
    let mut world = World::new();
    let before = world.states[&world.ours].clone();
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.stewards = vec![public(MIA)];
    });
    world.states.insert(world.ours, before);
    world.link(MIA, device(MIA), 0);
    world
}

fn win(world: &mut World, cuts: Cuts) -> EntryId {
    let won = world.amend(world.ours, &[ADA, BEN], |state| {
        state.name = "Coffee House".into();
        state.cuts = cuts;
    });
    for by in [ADA, BEN] {
        world.say(by, RecordBody::BranchChoice(BranchChoice { chosen: won }));
    }
    won
}

fn resolve(world: &mut World, change: Change, cuts: Cuts) -> EntryId {
    let mut resolution = world.resolution(vec![change], ADA);
    resolution.cuts = cuts;
    world.certify(CertificateBody::Resolution(resolution), &[ADA, BEN, ZOE])
}

const WAYS: [Way; 10] = [
    Way {
        name: "the member is revoked, and the root's last entry is not listed",
        enter: || admitted_by(ADA),
        take: |world, cuts| world.revoke(ADA, Target::Member(public(MIA)), cuts),
        reason: |world, _| Unauthorized::Revoked(world.ours),
        is_lifted: true,
    },
    Way {
        name: "the delegate who admitted is dropped",
        enter: || admitted_by(BEN),
        take: |world, cuts| drop_delegate(world, BEN, &[ADA, BEN], cuts),
        reason: |world, _| Unauthorized::AdmitterRemoved(world.ours),
        is_lifted: true,
    },
    Way {
        name: "the delegate who invited is dropped",
        enter: || countersigned(),
        take: |world, cuts| drop_delegate(world, ADA, &[ADA, BEN], cuts),
        reason: |world, _| Unauthorized::AdmitterRemoved(world.ours),
        is_lifted: true,
    },
    Way {
        name: "the delegate who approved the invitation is replaced",
        enter: approved,
        take: |world, cuts| {
            world.amend(world.ours, &[ADA, BEN], |state| {
                state.delegates = vec![public(ADA), public(DAN)];
                state.delegates.sort();
                state.cuts = cuts;
            })
        },
        reason: |world, _| Unauthorized::AdmitterRemoved(world.ours),
        is_lifted: true,
    },
    Way {
        name: "the node that countersigned is dropped",
        enter: countersigned,
        take: |world, cuts| {
            world.amend(world.ours, &[ADA, BEN], |state| {
                state.nodes.clear();
                state.cuts = cuts;
            })
        },
        reason: |world, _| Unauthorized::CountersignerRemoved(world.ours),
        is_lifted: true,
    },
    Way {
        name: "more delegates are asked for than admitted",
        enter: || admitted_by(ADA),
        take: |world, cuts| {
            world.amend(world.ours, &[ADA, BEN], |state| {
                state.admission_needed = 2;
                state.cuts = cuts;
            })
        },
        reason: |world, _| Unauthorized::AdmissionRaised(world.ours),
        is_lifted: true,
    },
    Way {
        name: "the branch on which the admitting delegate is listed loses",
        enter: admitted_on_a_branch,
        take: win,
        reason: |world, _| Unauthorized::AdmitterRemoved(world.ours),
        is_lifted: true,
    },
    Way {
        name: "the branch on which one was enough loses",
        enter: admitted_by_one_on_a_branch,
        take: win,
        reason: |world, _| Unauthorized::AdmissionRaised(world.ours),
        is_lifted: true,
    },
    Way {
        name: "the branch that lists the steward loses",
        enter: listed_on_a_branch,
        take: win,
        reason: |world, _| Unauthorized::RoleRemoved(world.ours),
        is_lifted: true,
    },
    Way {
        name: "a quorum cuts the node that countersigned",
        enter: countersigned,
        take: |world, cuts| resolve(world, Change::CutNode(public(NODE)), cuts),
        reason: |_, taken| Unauthorized::CountersignerCut(taken),
        is_lifted: false,
    },
];

#[test]
fn what_the_other_partys_node_receipted_stays_said_whatever_the_member_rests_on_is_taken() {
    for way in WAYS {
        let name = way.name;
        let mut world = (way.enter)();
        let mut lobby = Lobby::new(&world, device(MIA));
        let before = lobby.say();
        assert!(lobby.counts(&world, &before), "{name}");
        assert!(world.is_member(MIA), "{name}");
        lobby.receipt(NODE);
        let taken = (way.take)(&mut world, Cuts::default());
        let authority = world.authority();

        // Nothing is held any more, and their own node's receipt does not help.
        let reason = Err((way.reason)(&world, taken));
        assert_eq!(lobby.judge(&authority, &before).map(drop), reason, "{name}");
        assert!(!world.is_member(MIA), "{name}");
        let reader = public(device(MIA));
        assert!(!authority.may_read(Some(&reader), world.space("office")));
        assert!(!authority.writes_unnarrowed(lobby.space, &reader), "{name}");
        assert_eq!(authority.narrowed_keys(&lobby.space), [reader].into());
        let in_the_way = authority.narrowed_in(lobby.space);
        assert_eq!(in_the_way, [(taken, [reader].into())].into(), "{name}");

        // The other party's node had it in time.
        lobby.receipt(ZOES_NODE);
        lobby.acknowledge(ZOES_NODE, taken);
        let after = lobby.say();
        lobby.receipt(ZOES_NODE);
        assert_eq!(lobby.counts(&world, &before), way.is_lifted, "{name}");
        assert!(!lobby.counts(&world, &after), "{name}");
    }
}

/// Whoever takes it says how far it goes on to count, in the space where it was said.
#[test]
fn cuts_in_the_space_say_how_far_a_barred_member_counts() {
    for way in WAYS {
        let mut world = (way.enter)();
        let mut lobby = Lobby::new(&world, device(MIA));
        let (first, second) = (lobby.say(), lobby.say());
        let cuts = lobby.cuts_at(first);
        (way.take)(&mut world, cuts);
        assert!(lobby.counts(&world, &first), "{}", way.name);
        assert!(!lobby.counts(&world, &second), "{}", way.name);
    }
}

#[test]
fn a_quorum_that_revokes_is_not_lifted() {
    let mut world = World::with_mia();
    let mut lobby = Lobby::new(&world, device(MIA));
    let said = lobby.say();
    lobby.receipt(ZOES_NODE);
    let change = Change::Revoke(world.ours, public(MIA));
    resolve(&mut world, change, Cuts::default());
    assert!(!lobby.counts(&world, &said));
}

/// The price: until another party's nodes have acknowledged what took an office, the key goes on to
/// let in persons whose words they may confirm.
#[test]
fn what_a_dropped_delegate_gives_counts_for_what_was_receipted_in_time_only() {
    let mut world = World::new();
    let dropped = drop_delegate(&mut world, BEN, &[ADA, BEN], Cuts::default());
    world.admit(BEN, world.ours, MIA, &[Role::Member]);
    world.link(MIA, device(MIA), 0);
    let mut lobby = Lobby::new(&world, device(MIA));
    let first = lobby.say();
    let reason = Err(Unauthorized::AdmitterRemoved(world.ours));
    assert_eq!(
        lobby.judge(&world.authority(), &first).map(drop),
        reason,
        "no other node has it"
    );
    lobby.acknowledge(ZOES_NODE, dropped);
    lobby.receipt(ZOES_NODE);
    assert!(!lobby.counts(&world, &first), "after the acknowledgement");
    // A node that had not heard of it.
    world.link_node(ZOE, 40);
    world.amend(world.theirs, &[ZOE], |state| {
        state.nodes.push(public(40));
        state.nodes.sort();
    });
    lobby.receipt(40);
    assert!(lobby.counts(&world, &first));
    assert!(!world.is_member(MIA));
}

/// The same for a device that a removed member links.
#[test]
fn a_device_linked_after_the_removal_counts_like_one_linked_before() {
    let mut world = World::with_mia();
    let revoked = world.revoke(ADA, Target::Member(public(MIA)), Cuts::default());
    world.link(MIA, second(MIA), 1);
    let mut lobby = Lobby::new(&world, second(MIA));
    let first = lobby.say();
    assert!(!lobby.counts(&world, &first));
    lobby.receipt(ZOES_NODE);
    lobby.acknowledge(ZOES_NODE, revoked);
    assert!(lobby.counts(&world, &first), "receipted before");
    let second = lobby.say();
    lobby.receipt(ZOES_NODE);
    assert!(!lobby.counts(&world, &second), "receipted after");
    // A device that was itself taken is not given back by linking it again.
    let mut world = World::with_mia();
    let lost = world.drop_device(MIA, device(MIA), Cuts::default());
    world.link(MIA, device(MIA), 2);
    let mut lobby = Lobby::new(&world, device(MIA));
    let said = lobby.say();
    assert!(!lobby.counts(&world, &said));
    let in_the_way = world.authority().narrowed_in(lobby.space);
    assert_eq!(in_the_way.into_keys().collect::<Vec<_>>(), [lost]);
}

/// Of three delegates, two of whom must admit, two are dropped one after the other.
#[test]
fn several_words_count_each_as_far_as_it_is_covered() {
    let mut world = three_delegates(2);
    for by in [ADA, BEN, LEO] {
        world.admit(by, world.ours, MIA, &[Role::Member]);
    }
    world.link(MIA, device(MIA), 0);
    let mut lobby = Lobby::new(&world, device(MIA));
    let early = lobby.say();
    lobby.receipt(ZOES_NODE);
    let in_place_of = |world: &mut World, gone: u8, comes: u8| {
        world.amend(world.ours, &[ADA, BEN, LEO], |state| {
            state.delegates.retain(|it| *it != public(gone));
            state.delegates.push(public(comes));
            state.delegates.sort();
        })
    };
    let first = in_place_of(&mut world, LEO, 31);
    assert!(world.is_member(MIA), "two words stand freely");
    // The other node acknowledges what stands in nobody's way yet, and has what was said then.
    lobby.acknowledge(ZOES_NODE, first);
    let late = lobby.say();
    lobby.receipt(ZOES_NODE);
    let second = world.amend(world.ours, &[ADA, BEN], |state| {
        state.delegates.retain(|it| *it != public(BEN));
        state.delegates.push(public(32));
        state.delegates.sort();
    });
    assert!(!world.is_member(MIA));
    for id in [early, late] {
        assert!(lobby.counts(&world, &id), "by what Ben said");
    }
    lobby.acknowledge(ZOES_NODE, second);
    let beyond = lobby.say();
    lobby.receipt(ZOES_NODE);
    assert!(!lobby.counts(&world, &beyond));
}

/// Further words of somebody without office take nothing back: they are one more way, no other.
#[test]
fn no_further_word_takes_back_what_counts() {
    let mut world = three_delegates(1);
    world.admit(BEN, world.ours, MIA, &[Role::Member]);
    world.link(MIA, device(MIA), 0);
    let mut lobby = Lobby::new(&world, device(MIA));
    let said = lobby.say();
    let kept = lobby.cuts_at(said);
    drop_delegate(&mut world, BEN, &[ADA, BEN], kept);
    drop_delegate(&mut world, LEO, &[ADA, LEO], Cuts::default());
    assert!(lobby.counts(&world, &said));
    world.admit(LEO, world.ours, MIA, &[Role::Member]);
    assert!(lobby.counts(&world, &said));
    let taken = world.amend(world.ours, &[ADA], |state| state.admission_needed = 1);
    assert!(!world.authority().narrowings().contains_key(&taken));
    // A free word makes her a member again, and then nothing else is asked.
    world.admit(ADA, world.ours, MIA, &[Role::Member]);
    let authority = world.authority();
    assert!(world.is_member(MIA));
    assert!(authority.narrowed_keys(&lobby.space).is_empty());
    assert!(authority.writes_unnarrowed(lobby.space, &public(device(MIA))));
}

#[test]
fn barred_uses_of_an_invitation_are_used() {
    let mut world = World::new();
    let mut offer = None;
    for uses in [1, 2] {
        let invitation = world.invite_for(ADA, world.ours, NODE, uses);
        world.countersign(NODE, invitation, MIA);
        offer = Some(invitation);
    }
    let invitation = offer.unwrap();
    let cuts = world.cuts_at_the_end_of(&[ADA]);
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.nodes.clear();
        state.cuts = cuts;
    });
    world.countersign(NODE, invitation, LEO);
    world.countersign(NODE, invitation, DAN);
    for (person, is_in) in [(MIA, true), (LEO, true), (DAN, false)] {
        world.link(person, device(person), 0);
        let counts = world.writes("lobby", device(person)).map(drop);
        let barred = Err(Unauthorized::CountersignerRemoved(world.ours));
        let expected = if is_in {
            barred
        } else {
            Err(Unauthorized::NotAMember)
        };
        assert_eq!(counts, expected);
    }
    let known = world.authority().invitations()[&invitation].clone();
    assert_eq!(known.used_by, [public(MIA), public(LEO)].into());
    // An invitation that is barred itself is offered to nobody.
    drop_delegate(&mut world, ADA, &[ADA, BEN], Cuts::default());
    assert!(world.authority().invitations().is_empty());
}

/// Order and repetition: the same set gives the same authority, whatever is barred.
#[test]
fn barred_grants_are_a_function_of_the_set() {
    for way in WAYS {
        let mut world = (way.enter)();
        (way.take)(&mut world, Cuts::default());
        let expected = world.authority();
        let mut entries = world.entries.clone();
        entries.reverse();
        entries.extend(world.entries.clone());
        assert_eq!(
            Authority::evaluate(world.id, &verified(&entries)),
            expected,
            "{}",
            way.name
        );
    }
}
