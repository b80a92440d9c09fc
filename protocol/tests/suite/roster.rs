//! The roster: whose records count, what was taken from whom, and up to where.

use crate::community::{NODE, public};
use comity_protocol::{
    authority::{Act, Unauthorized, coverage::NoCuts},
    certificate::{Change, Cuts},
    record::{InvitationApproval, RecordBody, Role, Target},
};
use world::{
    ADA, BEN, Covered, LEO, MIA, STRANGER, World, ZOE, ZOES_NODE, content, device, second,
};

mod lasting;
mod spaces;
mod unsaying;
pub(crate) mod world;

#[test]
fn whoever_speaks_for_a_party_admits_and_nobody_else() {
    let mut world = World::new();
    for by in [MIA, STRANGER, NODE, ZOE] {
        world.admit(by, world.ours, MIA, &[Role::Member]);
    }
    world.link(MIA, device(MIA), 0);
    assert!(!world.is_member(MIA), "nobody admits themselves");
    world.admit(ADA, world.ours, ADA, &[Role::Member]);
    assert!(world.is_member(ADA), "but a delegate speaks for the party");
    world.admit(BEN, world.ours, MIA, &[Role::Member]);
    assert!(world.is_member(MIA));
    assert_eq!(
        world.writes("lobby", device(MIA)).unwrap().root,
        public(MIA)
    );
    assert_eq!(
        world.writes("lobby", device(MIA)).unwrap().party,
        world.ours
    );
}

#[test]
fn as_many_delegates_admit_as_the_party_asks() {
    let mut world = World::with(|ours, _| ours.admission_needed = 2);
    world.admit(ADA, world.ours, MIA, &[Role::Member, Role::Steward]);
    world.admit(ADA, world.ours, MIA, &[Role::Member]);
    assert!(!world.is_member(MIA), "one delegate twice is one");
    world.admit(BEN, world.ours, MIA, &[Role::Member, Role::Moderator]);
    assert_eq!(world.roles(MIA), [Role::Member], "what both granted");
    world.admit(BEN, world.ours, LEO, &[Role::Member]);
    assert!(!world.is_member(LEO));
}

/// A party that starts to ask for two names up to where one was enough.
#[test]
fn who_was_admitted_by_one_stays_when_two_are_needed() {
    for keeps in [true, false] {
        let mut world = World::new();
        world.admit(ADA, world.ours, MIA, &[Role::Member]);
        let cuts = match keeps {
            true => world.cuts_at_the_end_of(&[ADA, BEN]),
            false => Cuts::default(),
        };
        world.amend(world.ours, &[ADA, BEN], |state| {
            state.admission_needed = 2;
            state.cuts = cuts;
        });
        world.admit(ADA, world.ours, LEO, &[Role::Member]);
        assert_eq!(world.is_member(MIA), keeps);
        assert!(!world.is_member(LEO));
        world.admit(BEN, world.ours, LEO, &[Role::Member]);
        assert!(world.is_member(LEO));
    }
}

#[test]
fn invitations_need_as_many_delegates_as_admissions() {
    let mut world = World::with(|ours, _| ours.admission_needed = 2);
    let invitation = world.invite(ADA, world.ours, NODE);
    world.countersign(NODE, invitation, MIA);
    assert!(!world.is_member(MIA));
    let approval = || RecordBody::InvitationApproval(InvitationApproval { invitation });
    world.say(ADA, approval());
    world.say(ZOE, approval());
    world.say(STRANGER, approval());
    assert!(
        !world.is_member(MIA),
        "their own, another party's, nobody's"
    );
    world.say(BEN, approval());
    assert!(world.is_member(MIA));
}

#[test]
fn a_dropped_delegate_admitted_up_to_the_cut() {
    let mut world = World::new();
    world.admit(BEN, world.ours, MIA, &[Role::Member]);
    let cuts = world.cuts_at_the_end_of(&[BEN]);
    let mut at_zero = world.clone();
    let drop_ben = |world: &mut World, cuts: Cuts| {
        world.amend(world.ours, &[ADA, BEN], |state| {
            state.delegates = vec![public(ADA)];
            state.delegates_needed = 1;
            state.cuts = cuts;
        })
    };
    drop_ben(&mut world, cuts);
    world.admit(BEN, world.ours, LEO, &[Role::Member]);
    assert!(world.is_member(MIA), "at the cut");
    assert!(!world.is_member(LEO), "beyond the cut");
    // Nothing listed: cut at zero.
    drop_ben(&mut at_zero, Cuts::default());
    assert!(!at_zero.is_member(MIA));
    // As a delegate again everything counts.
    world.amend(world.ours, &[ADA], |state| {
        state.delegates = at_zero.states[&at_zero.ours].1.delegates.clone();
        state.delegates.push(public(BEN));
        state.delegates.sort();
        state.delegates_needed = 2;
    });
    assert!(world.is_member(LEO));
}

#[test]
fn a_dropped_or_cut_node_countersigned_up_to_the_cut() {
    let mut world = World::new();
    let invitation = world.invite(ADA, world.ours, NODE);
    world.countersign(NODE, invitation, MIA);
    let cuts = world.cuts_at_the_end_of(&[NODE]);
    let mut cut = world.clone();
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.nodes.clear();
        state.cuts = cuts.clone();
    });
    world.countersign(NODE, invitation, LEO);
    assert!(world.is_member(MIA) && !world.is_member(LEO));

    let mut resolution = cut.resolution(vec![Change::CutNode(public(NODE))], ADA);
    resolution.cuts = cuts;
    let body = comity_protocol::certificate::CertificateBody::Resolution(resolution);
    cut.certify(body, &[ADA, BEN, ZOE]);
    cut.countersign(NODE, invitation, LEO);
    assert!(cut.is_member(MIA) && !cut.is_member(LEO));
}

#[test]
fn a_revoked_member_counts_up_to_the_cut_and_never_again() {
    let mut world = World::with_mia();
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    let revoked = world.revoke(ADA, Target::Member(public(MIA)), cuts);
    assert!(!world.is_member(MIA));
    let removed = Err(Unauthorized::Revoked(world.ours));
    assert_eq!(world.writes("lobby", device(MIA)).map(drop), removed);
    assert!(world.counts_under("lobby", device(MIA), &[revoked]).is_ok());
    // The same key never comes back, whoever grants it what.
    world.admit(BEN, world.ours, MIA, &[Role::Member, Role::Steward]);
    let invitation = world.invite(ADA, world.ours, NODE);
    world.countersign(NODE, invitation, MIA);
    assert!(!world.is_member(MIA));
    assert_eq!(world.writes("lobby", device(MIA)).map(drop), removed);
    // A device linked afterwards counts as far as the removal covers what it says.
    world.link(MIA, second(MIA), 1);
    assert_eq!(world.writes("lobby", second(MIA)).map(drop), removed);
    let later = world.counts_under("lobby", second(MIA), &[revoked]);
    assert!(later.is_ok());
    assert_eq!(
        world.authority().root_of(&public(device(MIA))),
        Some(public(MIA)),
        "a name for what stays"
    );
}

#[test]
fn a_person_in_two_parties_loses_one() {
    let mut world = World::with_mia();
    world.admit(ZOE, world.theirs, MIA, &[Role::Member]);
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    world.revoke(ADA, Target::Member(public(MIA)), cuts);
    let standing = world.writes("lobby", device(MIA)).unwrap();
    assert_eq!((standing.root, standing.party), (public(MIA), world.theirs));
    assert_eq!(
        world.writes("inner", device(MIA)).map(drop),
        Err(Unauthorized::Revoked(world.ours)),
        "a space of the party that removed her"
    );
}

#[test]
fn only_their_own_delegates_revoke_members() {
    let mut world = World::with_mia();
    for by in [ZOE, MIA, NODE, STRANGER] {
        world.revoke(by, Target::Member(public(MIA)), Cuts::default());
        world.revoke(by, Target::Device(public(device(MIA))), Cuts::default());
    }
    world.revoke_for(
        ZOE,
        world.theirs,
        Target::Member(public(MIA)),
        Cuts::default(),
        None,
    );
    world.drop_device(ADA, device(MIA), Cuts::default());
    world.depart(LEO, Cuts::default());
    assert!(world.writes("lobby", device(MIA)).is_ok());
    assert!(world.authority().narrowings().is_empty() || world.is_member(MIA));
}

#[test]
fn as_many_delegates_revoke_as_admit() {
    let mut world = World::with(|ours, _| ours.admission_needed = 2);
    for by in [ADA, BEN] {
        world.admit(by, world.ours, MIA, &[Role::Member]);
    }
    world.link(MIA, device(MIA), 0);
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    let first = world.revoke(ADA, Target::Member(public(MIA)), cuts.clone());
    assert!(world.is_member(MIA));
    assert!(!world.authority().narrowings().contains_key(&first));
    let second = world.revoke(BEN, Target::Member(public(MIA)), cuts);
    assert!(!world.is_member(MIA));
    let under = |narrowings: &[_]| world.counts_under("lobby", device(MIA), narrowings).is_ok();
    assert!(under(&[first, second]));
    assert!(
        !under(&[first]) && !under(&[second]),
        "the lower of two cuts"
    );
}

#[test]
fn a_revocation_takes_the_place_of_the_one_it_names() {
    let mut world = World::with_mia();
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    let target = Target::Member(public(MIA));
    let first = world.revoke(ADA, target, cuts.clone());
    let second = world.revoke_for(BEN, world.ours, target, cuts, Some(first));
    assert!(world.counts_under("lobby", device(MIA), &[second]).is_ok());
    assert!(world.counts_under("lobby", device(MIA), &[first]).is_err());
    assert!(!world.authority().narrowings().contains_key(&first));
}

#[test]
fn a_revoked_delegate_revokes_nobody() {
    let mut world = World::with_mia();
    let cuts = world.cuts_at_the_end_of(&[BEN]);
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.delegates = vec![public(ADA)];
        state.delegates_needed = 1;
        state.cuts = cuts;
    });
    world.revoke(BEN, Target::Member(public(MIA)), Cuts::default());
    assert!(world.is_member(MIA));
}

#[test]
fn roles_are_taken_one_by_one() {
    let mut world = World::with_mia();
    world.admit(ADA, world.ours, MIA, &[Role::Steward]);
    assert!(world.writes("office", device(MIA)).is_ok());
    let taken = world.revoke(
        ADA,
        Target::Role(public(MIA), Role::Steward),
        Cuts::default(),
    );
    assert_eq!(world.roles(MIA), [Role::Member]);
    assert_eq!(
        world.writes("office", device(MIA)).map(drop),
        Err(Unauthorized::RoleRemoved(world.ours))
    );
    assert!(world.counts_under("office", device(MIA), &[taken]).is_ok());
    assert!(world.writes("lobby", device(MIA)).is_ok());
    // The party's own list says otherwise, and its delegates together say more than one of them.
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.stewards = vec![public(MIA)]
    });
    assert!(world.writes("office", device(MIA)).is_ok());
}

#[test]
fn stewards_of_the_state_hold_the_role_as_long_as_it_lists_them() {
    let mut world = World::new();
    world.link(MIA, device(MIA), 0);
    assert_eq!(
        world.writes("office", device(MIA)).map(drop),
        Err(Unauthorized::NotAMember)
    );
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.stewards = vec![public(MIA)];
        state.observers = vec![public(LEO)];
    });
    assert!(world.writes("office", device(MIA)).is_ok());
    let dropped = world.amend(world.ours, &[ADA, BEN], |state| state.stewards.clear());
    assert_eq!(
        world.writes("office", device(MIA)).map(drop),
        Err(Unauthorized::RoleRemoved(world.ours))
    );
    assert!(
        world
            .counts_under("office", device(MIA), &[dropped])
            .is_ok()
    );
    // Who only observes reads and never writes.
    world.link(LEO, device(LEO), 0);
    assert_eq!(
        world.writes("lobby", device(LEO)).map(drop),
        Err(Unauthorized::RoleMissing)
    );
    let office = world.space("office");
    assert!(
        world
            .authority()
            .may_read(Some(&public(device(LEO))), office)
    );
    assert!(
        !world
            .authority()
            .may_read(Some(&public(device(MIA))), office)
    );
}

#[test]
fn who_departs_stays_readable_up_to_the_cut() {
    let mut world = World::with_mia();
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    let departed = world.depart(MIA, cuts);
    assert_eq!(
        world.writes("lobby", device(MIA)).map(drop),
        Err(Unauthorized::Departed(world.ours))
    );
    assert!(
        world
            .counts_under("lobby", device(MIA), &[departed])
            .is_ok()
    );
    assert!(!world.is_member(MIA));
    // Removed as well: both cuts count, and the removal is what is shown.
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    let revoked = world.revoke(ADA, Target::Member(public(MIA)), cuts);
    assert!(
        world
            .counts_under("lobby", device(MIA), &[departed])
            .is_err()
    );
    assert!(
        world
            .counts_under("lobby", device(MIA), &[departed, revoked])
            .is_ok()
    );
}

#[test]
fn devices_are_removed_by_their_owner_or_by_the_party() {
    let mut world = World::with_mia();
    world.link(MIA, second(MIA), 1);
    let lost = world.drop_device(MIA, device(MIA), Cuts::default());
    assert_eq!(
        world.writes("lobby", device(MIA)).map(drop),
        Err(Unauthorized::DeviceRemoved)
    );
    assert!(world.counts_under("lobby", device(MIA), &[lost]).is_ok());
    assert!(world.writes("lobby", second(MIA)).is_ok(), "the other one");
    let slots = world
        .authority()
        .device_slots(&public(MIA))
        .cloned()
        .unwrap();
    assert_eq!(
        slots.into_values().collect::<Vec<_>>(),
        [public(second(MIA))]
    );
    assert!(
        world
            .authority()
            .same_person(&public(device(MIA)), &public(second(MIA)))
    );

    // A party removes a device from itself, not from the person.
    let mut world = World::with_mia();
    world.admit(ZOE, world.theirs, MIA, &[Role::Member]);
    let target = Target::Device(public(device(MIA)));
    world.revoke(ADA, target, Cuts::default());
    assert_eq!(
        world.writes("lobby", device(MIA)).unwrap().party,
        world.theirs
    );
    assert_eq!(
        world.writes("inner", device(MIA)).map(drop),
        Err(Unauthorized::DeviceRevoked(world.ours))
    );
}

#[test]
fn members_of_a_party_that_goes_count_up_to_the_cut() {
    let mut world = World::with_mia();
    let mut removed = world.clone();
    let id = world.id;
    let left = world.amend(world.ours, &[ADA, BEN], |state| state.left = vec![id]);
    assert_eq!(
        world.writes("lobby", device(MIA)).map(drop),
        Err(Unauthorized::PartyLeft(world.ours))
    );
    assert!(world.counts_under("lobby", device(MIA), &[left]).is_ok());
    assert!(!world.is_member(MIA));
    assert!(!world.authority().parties().contains_key(&world.ours));
    assert_eq!(world.authority().node_party(&public(NODE)), None);

    // Removed by all others, who have to be a quorum: with a third party.
    let third = world::first_state("Growers", &[LEO], &[]);
    let third_id = comity_protocol::certificate::party_id(&third);
    let body = comity_protocol::certificate::CertificateBody::Party(third.clone());
    let state = removed.certify(body, &[LEO]);
    removed.states.insert(third_id, (state, third));
    let join = removed.resolution(vec![Change::AddParty(third_id)], ADA);
    let join = comity_protocol::certificate::CertificateBody::Resolution(join);
    let body = join.encode();
    removed.say(
        ADA,
        RecordBody::Proposal(comity_protocol::record::Proposal { body }),
    );
    let joined = removed.certify(join, &[ADA, BEN, ZOE, LEO]);
    removed.charter = (joined, 1);
    assert!(removed.authority().parties().contains_key(&third_id));
    let gone = removed.resolve(vec![Change::RemoveParty(removed.ours)], &[ZOE, LEO]);
    assert_eq!(
        removed.writes("lobby", device(MIA)).map(drop),
        Err(Unauthorized::PartyRemoved(removed.ours))
    );
    assert!(removed.counts_under("lobby", device(MIA), &[gone]).is_ok());
    removed.admit(ADA, removed.ours, LEO, &[Role::Member]);
    assert!(!removed.is_member(LEO));
}

#[test]
fn a_resolution_revokes_a_member_for_good() {
    let mut world = World::with_mia();
    let revoked = world.resolve(
        vec![Change::Revoke(world.ours, public(MIA))],
        &[ADA, BEN, ZOE],
    );
    assert!(!world.is_member(MIA));
    assert!(world.authority().narrowings().contains_key(&revoked));
    assert!(world.writes("lobby", device(MIA)).is_err());
}

#[test]
fn owners_edit_with_every_device_they_ever_had() {
    let mut world = World::with_mia();
    world.link(MIA, second(MIA), 1);
    world.drop_device(MIA, device(MIA), Cuts::default());
    world.admit(ADA, world.ours, LEO, &[Role::Member]);
    world.link(LEO, device(LEO), 0);
    let authority = world.authority();
    let edits = |by: u8, owner: u8| {
        let act = Act::EditOwned {
            owner: public(owner),
        };
        authority.authorize_contribution(world.space("lobby"), &public(by), act)
    };
    assert!(edits(second(MIA), device(MIA)).is_ok());
    assert_eq!(
        edits(device(LEO), device(MIA)).map(drop),
        Err(Unauthorized::NotTheOwner)
    );
}

#[test]
fn changes_name_whose_rights_they_touch() {
    let mut world = World::with_mia();
    world.admit(ADA, world.ours, LEO, &[Role::Member]);
    world.link(LEO, device(LEO), 0);
    let before = world.authority();
    world.link_node(LEO, 40);
    world.admit(ADA, world.theirs, LEO, &[Role::Member]);
    assert!(world.authority().changed_keys(&before).is_empty());
    let revoked = world.revoke(ADA, Target::Member(public(MIA)), Cuts::default());
    let changed = world.authority().changed_keys(&before);
    assert_eq!(
        changed.keys.into_iter().collect::<Vec<_>>(),
        [public(device(MIA))]
    );
    assert!(changed.spaces.is_empty());
    assert!(world.authority().narrowings().contains_key(&revoked));
    let lobby = world.space("lobby");
    let before = world.authority();
    world.resolve(vec![Change::CloseSpace(lobby)], &[ADA, BEN, ZOE]);
    let changed = world.authority().changed_keys(&before);
    assert!(changed.keys.is_empty());
    assert_eq!(changed.spaces.into_iter().collect::<Vec<_>>(), [lobby]);
    let before = world.authority();
    world.link(LEO, second(LEO), 1);
    let changed = world.authority().changed_keys(&before);
    assert!(
        changed.keys.contains(&public(device(LEO))),
        "may edit what the new device wrote"
    );
    assert!(changed.keys.contains(&public(second(LEO))));
}

/// Without anything taken no coverage is asked: nothing that a coverage says makes a difference.
#[test]
fn what_nobody_narrowed_needs_no_cut() {
    let world = World::with_mia();
    let authority = world.authority();
    let (space, author) = (world.space("lobby"), public(device(MIA)));
    let asked =
        |coverage| authority.authorize(space, &content(), &author, None, Act::Create, coverage);
    assert_eq!(asked(&NoCuts), asked(&Covered([content()].into())));
    assert!(authority.narrowed_keys(&space).is_empty());
    let mut world = world;
    world.revoke(ADA, Target::Member(public(MIA)), Cuts::default());
    assert_eq!(world.authority().narrowed_keys(&space), [author].into());
    assert_eq!(
        world.authority().node_party(&public(ZOES_NODE)),
        Some(world.theirs)
    );
}
