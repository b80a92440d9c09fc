//! Records of the roster that are in the set and have no effect, rule by rule. Spec:
//! `specs/roster.md` §3 to §6.

use crate::{
    community::{NODE, TICKET, public, secret},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, ZOES_NODE, device},
};
use comity_protocol::{
    authority::{Authority, RosterError, Unauthorized},
    certificate::{Change, Cuts},
    entry::{Entry, Record},
    id::{EntryId, PartyId, domain},
    record::{self, Countersignature, InvitationApproval, RecordBody, Role, Target},
};

/// The rules, and the name by which a case refers to each. A new error does not compile without.
fn name(error: &RosterError) -> &'static str {
    match error {
        RosterError::NotADelegate(_) => "3.1",
        RosterError::NotACountersigner(_) => "3.2",
        RosterError::NeverAParty(_) => "3.3",
        RosterError::TooFew { .. } => "3.5",
        RosterError::Barred(_) => "3.7",
        RosterError::TakesNothing(_) => "3.8",
        RosterError::NoInvitation(_) => "4.2",
        RosterError::OtherCountersigner(_) => "4.3",
        RosterError::OtherKey(_) => "4.4",
        RosterError::Gap => "4.5",
        RosterError::UsedUp { .. } => "4.6",
        RosterError::NoSeat => "5.1",
        RosterError::NotLinked(_) => "5.5",
        RosterError::Ended(_) => "6",
        RosterError::Replaced => "cuts 3",
    }
}

const ALL: [&str; 15] = [
    "3.1", "3.2", "3.3", "3.5", "3.7", "3.8", "4.2", "4.3", "4.4", "4.5", "4.6", "5.1", "5.5", "6",
    "cuts 3",
];

fn record<'a>(world: &'a World, id: &EntryId) -> &'a Record {
    let found = world.entries.iter().find_map(|it| match it {
        Entry::Record(it) if it.id() == *id => Some(it),
        _ => None,
    });
    found.unwrap()
}

fn judge(world: &World, id: &EntryId) -> Result<(), RosterError> {
    let authority: Authority = world.authority();
    let record = record(world, id);
    let entry = Entry::Record(record.clone());
    let is_in_the_set = authority.lets_in(world.governance, &entry);
    assert_eq!(
        is_in_the_set,
        Ok(()),
        "what is not there has no effect anyway"
    );
    authority.judge_record(record)
}

fn drop_ben(world: &mut World) {
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.delegates = vec![public(ADA)];
        state.delegates_needed = 1;
    });
}

/// One record of a set, and what becomes of it.
fn set(make: impl FnOnce(&mut World) -> EntryId) -> Result<(), RosterError> {
    let mut world = World::with_mia();
    let id = make(&mut world);
    judge(&world, &id)
}

fn with_another_key(world: &mut World, invitation: EntryId) -> EntryId {
    let message = record::join_message(world.governance, invitation, &public(LEO));
    let sign = |by| secret(by).sign(domain::JOIN_SIGNATURE, &message);
    let body = RecordBody::Countersignature(Countersignature {
        invitation,
        invitation_key: public(STRANGER),
        member: public(LEO),
        by_invitation: sign(STRANGER),
        by_member: sign(LEO),
    });
    world.say(NODE, body)
}

/// A set that breaks each rule.
fn cases() -> Vec<(&'static str, Result<(), RosterError>)> {
    let nobodys = PartyId::from_bytes([9; 32]);
    let nothing = EntryId::from_bytes([9; 32]);
    vec![
        (
            "3.1",
            set(|it| it.admit(MIA, it.ours, LEO, &[Role::Member])),
        ),
        (
            "3.1",
            set(|it| it.revoke(ZOE, Target::Member(public(MIA)), Cuts::default())),
        ),
        ("3.2", set(|it| it.invite(ADA, it.ours, STRANGER))),
        (
            "3.3",
            set(|it| it.admit(ADA, nobodys, LEO, &[Role::Member])),
        ),
        ("3.5", {
            let mut world = World::with(|ours, _| ours.admission_needed = 2);
            let id = world.admit(ADA, world.ours, MIA, &[Role::Member]);
            judge(&world, &id)
        }),
        (
            "3.7",
            set(|it| {
                let id = it.admit(BEN, it.ours, LEO, &[Role::Member]);
                drop_ben(it);
                id
            }),
        ),
        (
            "3.8",
            set(|it| {
                let id = it.revoke(BEN, Target::Member(public(MIA)), Cuts::default());
                drop_ben(it);
                id
            }),
        ),
        ("4.2", set(|it| it.countersign(NODE, nothing, LEO))),
        (
            "4.2",
            set(|it| {
                let approval = InvitationApproval {
                    invitation: nothing,
                };
                it.say(ADA, RecordBody::InvitationApproval(approval))
            }),
        ),
        (
            "4.3",
            set(|it| {
                let invitation = it.invite(ADA, it.ours, NODE);
                it.countersign(ZOES_NODE, invitation, LEO)
            }),
        ),
        (
            "4.4",
            set(|it| {
                let invitation = it.invite(ADA, it.ours, NODE);
                assert_ne!(TICKET, STRANGER);
                with_another_key(it, invitation)
            }),
        ),
        (
            "4.5",
            set(|it| {
                let invitation = it.invite(ADA, it.ours, NODE);
                it.countersign(NODE, invitation, STRANGER);
                it.entries.pop();
                it.countersign(NODE, invitation, LEO)
            }),
        ),
        (
            "4.6",
            set(|it| {
                let invitation = it.invite_for(ADA, it.ours, NODE, 1);
                it.countersign(NODE, invitation, STRANGER);
                it.countersign(NODE, invitation, LEO)
            }),
        ),
        ("5.1", set(|it| it.link(ADA, device(ADA), 0))),
        (
            "5.5",
            set(|it| it.drop_device(MIA, device(LEO), Cuts::default())),
        ),
        (
            "6",
            set(|it| {
                it.revoke(ADA, Target::Member(public(MIA)), Cuts::default());
                it.admit(BEN, it.ours, MIA, &[Role::Member])
            }),
        ),
        (
            "6",
            set(|it| {
                it.drop_device(MIA, device(MIA), Cuts::default());
                it.link(MIA, device(MIA), 1)
            }),
        ),
        (
            "6",
            set(|it| {
                let id = it.admit(ADA, it.theirs, LEO, &[Role::Member]);
                let theirs = it.admit(ZOE, it.theirs, LEO, &[Role::Member]);
                assert!(judge(it, &id).is_err() && judge(it, &theirs).is_ok());
                let community = it.id;
                it.amend(it.theirs, &[ZOE], |state| state.left = vec![community]);
                theirs
            }),
        ),
        (
            "cuts 3",
            set(|it| {
                let target = Target::Device(public(device(MIA)));
                let party = it.ours;
                let first = it.revoke_for(ADA, party, target, Cuts::default(), None);
                it.revoke_for(ADA, party, target, Cuts::default(), Some(first));
                first
            }),
        ),
    ]
}

#[test]
fn every_rule_of_the_roster_is_broken_by_a_set() {
    super::assert_each_is_broken(&ALL, &cases(), name);
}

/// What has an effect is given no reason, and gets none by what does not concern it.
#[test]
fn records_with_an_effect_break_no_rule() {
    let mut world = World::with(|ours, _| ours.admission_needed = 2);
    let ours = world.ours;
    let mut said = vec![
        world.admit(ADA, ours, MIA, &[Role::Member, Role::Steward]),
        world.admit(BEN, ours, MIA, &[Role::Member]),
        world.link(MIA, device(MIA), 0),
    ];
    let invitation = world.invite(ADA, ours, NODE);
    let approval = InvitationApproval { invitation };
    said.push(invitation);
    said.push(world.say(BEN, RecordBody::InvitationApproval(approval)));
    said.push(world.countersign(NODE, invitation, LEO));
    said.push(world.admit(ZOE, world.theirs, STRANGER, &[Role::Member]));
    said.push(world.drop_device(MIA, device(MIA), Cuts::default()));
    world.resolve(vec![Change::SetName("Tea".into())], &[ADA, BEN, ZOE]);
    for (place, id) in said.iter().enumerate() {
        let expected = match place {
            // The link is the one that the last record takes back.
            2 => Err(RosterError::Ended(Unauthorized::DeviceRemoved)),
            _ => Ok(()),
        };
        assert_eq!(judge(&world, id), expected, "record {place}");
    }
}

/// Who becomes a member, and who is refused, is the same question: no record without effect admits.
#[test]
fn an_approval_shares_the_fate_of_its_invitation() {
    let mut world = World::with(|ours, _| ours.admission_needed = 2);
    let invitation = world.invite(ADA, world.ours, NODE);
    let approval = InvitationApproval { invitation };
    let approved = world.say(ADA, RecordBody::InvitationApproval(approval));
    let (needed, said) = (2, 1);
    let too_few = Err(RosterError::TooFew { needed, said });
    assert_eq!(judge(&world, &invitation), too_few);
    assert_eq!(judge(&world, &approved), too_few);
    let countersigned = world.countersign(NODE, invitation, LEO);
    let unknown = Err(RosterError::NoInvitation(invitation));
    assert_eq!(judge(&world, &countersigned), unknown);
}
