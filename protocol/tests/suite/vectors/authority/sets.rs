//! Sets: forks and tenures of parties, forks of charters, members, devices, readers.

use super::{
    Book,
    certificates::add_party,
    entries::{for_persons, for_the_board},
    writes,
};
use crate::{
    community::{NODE, countersignature, node_link, public},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, ZOES_NODE, device, group, second},
};
use comity_protocol::{
    authority::Authority,
    certificate::{CertificateBody, Change, Cuts, ForkProof},
    entry::Entry,
    id::EntryId,
    record::{BranchChoice, InvitationApproval, RecordBody, Role, Target},
};

const MEMBER: &[Role] = &[Role::Member];

pub(super) fn set(book: &mut Book, name: &str, world: &World) -> Authority {
    book.set(name, world.id, &world.entries)
}

pub(super) fn choose(world: &mut World, by: &[u8], chosen: EntryId) {
    for by in by {
        world.say(*by, RecordBody::BranchChoice(BranchChoice { chosen }));
    }
}

pub(super) fn write(book: &mut Book) {
    parties(book);
    charters(book);
    admissions(book);
    invitations(book);
    devices(book);
    taken(book);
    spaces(book);
}

/// P7 to P10.
fn parties(book: &mut Book) {
    let forked = |chosen: &[(u8, &[usize])]| {
        let mut world = World::new();
        let before = world.states.clone();
        let branches = ["Left", "Right"].map(|name| {
            world.states = before.clone();
            world.amend(world.ours, &[ADA, BEN], |state| state.name = name.into())
        });
        for (by, of) in chosen {
            for branch in *of {
                choose(&mut world, &[*by], branches[*branch]);
            }
        }
        world
    };
    set(book, "p7-fork-without-choices-the-lowest-id", &forked(&[]));
    let both = [(ADA, &[0][..]), (BEN, &[0])];
    set(
        book,
        "p7-fork-both-delegates-choose-the-left",
        &forked(&both),
    );
    let both = [(ADA, &[1][..]), (BEN, &[1])];
    set(
        book,
        "p7-fork-both-delegates-choose-the-right",
        &forked(&both),
    );
    let twice = [(ADA, &[0, 1][..]), (BEN, &[1])];
    set(
        book,
        "p7-fork-who-chose-both-counts-for-neither",
        &forked(&twice),
    );
    let foreign = [(ZOE, &[0][..]), (BEN, &[1])];
    set(
        book,
        "p7-fork-choices-of-others-do-not-count",
        &forked(&foreign),
    );

    let mut world = World::new();
    world.admit(ADA, world.ours, MIA, MEMBER);
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.stewards = vec![public(LEO)];
        state.observers = vec![public(MIA)];
    });
    let orphan = {
        let mut lost = world.clone();
        lost.amend(lost.ours, &[ADA, BEN], |state| state.name = "Lost".into());
        lost.amend(lost.ours, &[ADA, BEN], |state| state.name = "Orphan".into());
        lost.entries.pop().unwrap()
    };
    set(book, "p8-p9-the-last-state-is-in-force-and-lists", &world);
    world.entries.push(orphan);
    set(book, "p8-a-state-without-its-parent-counts-nowhere", &world);
    world.entries.pop();
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.stewards.clear();
        state.nodes.clear();
    });
    set(book, "p9-a-state-drops-a-steward-and-a-node", &world);
    let id = world.id;
    world.admit(ZOE, world.theirs, LEO, MEMBER);
    world.amend(world.theirs, &[ZOE], |state| state.left = vec![id]);
    set(book, "p10-a-party-leaves", &world);
    world.amend(world.theirs, &[ZOE], |state| state.left.clear());
    set(book, "p10-a-party-no-longer-says-that-it-left", &world);
}

/// Which charter is in force: `charter.md` §9.
fn charters(book: &mut Book) {
    let all = &[ADA, BEN, ZOE];
    let mut world = World::new();
    world.resolve(vec![Change::SetName("Tea".into())], all);
    set(book, "charter-one-resolution", &world);
    world.resolve(vec![Change::SetName("Milk".into())], &[ADA, BEN]);
    set(
        book,
        "charter-a-resolution-by-one-party-counts-nowhere",
        &world,
    );

    let mut forked = World::new();
    let before = forked.charter;
    let branches = ["Left", "Right"].map(|name| {
        forked.charter = before;
        forked.resolve(vec![Change::SetName(name.into())], all)
    });
    set(book, "charter-fork-without-choices-the-lowest-id", &forked);
    for (name, branch) in [("left", branches[0]), ("right", branches[1])] {
        let mut world = forked.clone();
        choose(&mut world, all, branch);
        set(book, &format!("charter-fork-all-choose-the-{name}"), &world);
        let mut world = forked.clone();
        choose(&mut world, &[ADA], branch);
        let name = format!("charter-fork-one-of-two-delegates-chooses-the-{name}");
        set(book, &name, &world);
    }
    let low = branches[0].min(branches[1]);
    let high = branches[0].max(branches[1]);
    choose(&mut forked, all, high);
    choose(&mut forked, &[ZOE], low);
    set(
        book,
        "charter-fork-a-party-chose-both-the-other-decides",
        &forked,
    );

    // Delegates chose the sibling of the state that the charter names; two parties cannot lead each
    // other over.
    let mut world = World::new();
    let before = world.states.clone();
    let left = world.amend(world.ours, &[ADA, BEN], |state| state.name = "Left".into());
    world.resolve(vec![Change::SetName("Tea".into())], all);
    world.states = before;
    let right = world.amend(world.ours, &[ADA, BEN], |state| state.name = "Right".into());
    choose(&mut world, &[ADA, BEN], right);
    let resolution = world.resolution(vec![Change::SetName("Milk".into())], ADA);
    let mut without = world.clone();
    without.certify(CertificateBody::Resolution(resolution.clone()), all);
    set(
        book,
        "charter-over-to-another-branch-without-a-proof",
        &without,
    );
    let mut led = resolution;
    let party = world.ours;
    led.fork_proofs = vec![ForkProof { party, left, right }];
    world.certify(CertificateBody::Resolution(led), all);
    set(
        book,
        "charter-over-to-another-branch-by-a-fork-proof",
        &world,
    );
}

/// Roster §3, §4.
fn admissions(book: &mut Book) {
    let mut world = World::new();
    for by in [MIA, STRANGER, NODE, ZOE] {
        world.admit(by, world.ours, MIA, MEMBER);
    }
    set(book, "roster-3-1-nobody-but-delegates-admits", &world);
    world.admit(BEN, world.ours, MIA, &[Role::Member, Role::Steward]);
    set(book, "roster-3-1-a-delegate-admits", &world);
    world.admit(ZOE, world.theirs, MIA, MEMBER);
    set(book, "roster-4-a-member-of-two-parties", &world);

    let mut two = World::with(|ours, _| ours.admission_needed = 2);
    two.admit(ADA, two.ours, MIA, MEMBER);
    two.admit(ADA, two.ours, MIA, &[Role::Steward]);
    set(book, "roster-3-5-one-of-two-delegates-is-too-few", &two);
    two.admit(BEN, two.ours, MIA, &[Role::Member, Role::Moderator]);
    set(book, "roster-3-5-two-delegates-what-both-granted", &two);

    let mut third = World::new();
    let growers = crate::roster::world::first_state("Growers", &[LEO], &[]);
    let party = comity_protocol::certificate::party_id(&growers);
    let state = third.certify(CertificateBody::Party(growers.clone()), &[LEO]);
    third.admit(LEO, party, MIA, MEMBER);
    set(
        book,
        "roster-3-3-a-party-that-is-not-in-the-charter",
        &third,
    );
    third.states.insert(party, (state, growers));
    add_party(&mut third, party, &[ADA, BEN, ZOE, LEO]);
    set(book, "roster-3-3-a-party-that-a-resolution-adds", &third);
}

/// Roster §4.1, §4.2.
fn invitations(book: &mut Book) {
    let mut world = World::new();
    let invitation = world.invite(ADA, world.ours, NODE);
    let before = world.clone();
    world.countersign(NODE, invitation, MIA);
    set(book, "roster-4-2-a-countersigned-invitation", &world);
    for (name, by) in [("another-node", ZOES_NODE), ("a-stranger", STRANGER)] {
        let mut world = before.clone();
        world.countersign(by, invitation, MIA);
        set(book, &format!("roster-4-2-countersigned-by-{name}"), &world);
    }
    let mut gap = before.clone();
    gap.countersign(NODE, invitation, LEO);
    gap.entries.pop();
    gap.countersign(NODE, invitation, MIA);
    set(book, "roster-4-2-a-gap-before-the-countersignature", &gap);
    let mut used = before.clone();
    let body = |used: &World, member| countersignature(used.governance, invitation, member);
    for member in 41..50 {
        let body = body(&used, member);
        used.say(NODE, body);
    }
    let last = body(&used, MIA);
    used.say(NODE, last);
    set(book, "roster-4-2-the-tenth-of-nine-uses", &used);
    let again = body(&used, 41);
    used.say(NODE, again);
    set(book, "roster-4-2-the-same-person-again", &used);

    let mut foreign = World::new();
    let invitation = foreign.invite(ZOE, foreign.ours, NODE);
    foreign.countersign(NODE, invitation, MIA);
    set(
        book,
        "roster-4-1-an-invitation-by-another-partys-delegate",
        &foreign,
    );
    let mut two = World::with(|ours, _| ours.admission_needed = 2);
    let invitation = two.invite(ADA, two.ours, NODE);
    two.countersign(NODE, invitation, MIA);
    let approval = || RecordBody::InvitationApproval(InvitationApproval { invitation });
    two.say(ZOE, approval());
    set(
        book,
        "roster-4-1-an-invitation-by-one-of-two-delegates",
        &two,
    );
    two.say(BEN, approval());
    set(book, "roster-4-1-an-invitation-that-another-approves", &two);
}

/// Roster §5.
fn devices(book: &mut Book) {
    let mut world = World::new();
    world.admit(ADA, world.ours, MIA, MEMBER);
    let unlinked = set(book, "roster-5-a-member-without-a-device", &world);
    world.link(MIA, device(MIA), 0);
    world.link(STRANGER, device(STRANGER), 0);
    world.link_node(MIA, 61);
    let linked = set(book, "roster-5-1-a-device-and-a-strangers", &world);
    let without = ("roster-5-a-member-without-a-device", &unlinked, &world);
    let with = ("roster-5-1-a-device-and-a-strangers", &linked, &world);
    let lobby = |author| ("lobby", author, Some("topic"));
    writes(
        book,
        "not-linked",
        without,
        lobby(device(MIA)),
        &[],
        "NotAMember",
    );
    writes(book, "linked", with, lobby(device(MIA)), &[], "Ok");
    writes(
        book,
        "root-key-by-itself",
        with,
        lobby(MIA),
        &[],
        "NotAMember",
    );
    writes(
        book,
        "a-strangers-device",
        with,
        lobby(device(STRANGER)),
        &[],
        "NotAMember",
    );
    // A node link by somebody whom nobody knows.
    let mut chain = crate::community::Chain::new(STRANGER, world.governance);
    world.entries.push(Entry::Record(node_link(&mut chain, 62)));
    world.link(MIA, second(MIA), 0);
    set(book, "roster-5-2-two-devices-in-one-slot", &world);
}

/// Roster §6: what is taken, by whom.
fn taken(book: &mut Book) {
    let lobby = |author| ("lobby", author, Some("topic"));
    let target = || Target::Member(public(MIA));
    let mut foreign = World::with_mia();
    foreign.revoke_for(ZOE, foreign.ours, target(), Cuts::default(), None);
    foreign.revoke_for(ZOE, foreign.theirs, target(), Cuts::default(), None);
    let name = "roster-6-1-a-revocation-by-another-partys-delegate";
    let authority = set(book, name, &foreign);
    let case = (name, &authority, &foreign);
    writes(book, "still-a-member", case, lobby(device(MIA)), &[], "Ok");

    let mut world = World::with_mia();
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    let revoked = world.revoke(ADA, target(), cuts.clone());
    let name = "roster-6-1-a-member-is-revoked";
    let authority = set(book, name, &world);
    let case = (name, &authority, &world);
    writes(
        book,
        "beyond-the-cut",
        case,
        lobby(device(MIA)),
        &[],
        "Revoked",
    );
    writes(
        book,
        "up-to-the-cut",
        case,
        lobby(device(MIA)),
        &[revoked],
        "Ok",
    );
    world.admit(BEN, world.ours, MIA, MEMBER);
    set(book, "roster-6-1-no-grant-lifts-a-revocation", &world);

    let at_zero = {
        let mut world = World::with_mia();
        world.revoke(ADA, target(), Cuts::default());
        world
    };
    let name = "roster-5-1-a-device-linked-beyond-the-cut";
    let authority = set(book, name, &at_zero);
    let case = (name, &authority, &at_zero);
    let revoked = *authority.narrowings().keys().next().unwrap();
    let author = lobby(device(MIA));
    writes(
        book,
        "up-to-the-cut-by-a-link-beyond-it",
        case,
        author,
        &[revoked],
        "Ok",
    );

    let mut gone = World::with_mia();
    let cuts = gone.cuts_at_the_end_of(&[MIA]);
    gone.depart(MIA, cuts);
    let name = "roster-6-2-a-member-departs";
    let authority = set(book, name, &gone);
    let case = (name, &authority, &gone);
    writes(
        book,
        "after-departing",
        case,
        lobby(device(MIA)),
        &[],
        "Departed",
    );

    let mut role = World::new();
    role.admit(ADA, role.ours, MIA, &[Role::Member, Role::Steward]);
    role.link(MIA, device(MIA), 0);
    let target = Target::Role(public(MIA), Role::Steward);
    let taken = role.revoke(ADA, target, Cuts::default());
    let name = "roster-6-4-a-role-is-revoked";
    let authority = set(book, name, &role);
    let case = (name, &authority, &role);
    let office = ("office", device(MIA), Some("topic"));
    writes(book, "without-the-role", case, office, &[], "RoleRemoved");
    writes(book, "while-it-had-the-role", case, office, &[taken], "Ok");
    writes(
        book,
        "another-role-stays",
        case,
        lobby(device(MIA)),
        &[],
        "Ok",
    );

    let mut lost = World::with_mia();
    lost.link(MIA, second(MIA), 1);
    lost.drop_device(MIA, device(MIA), Cuts::default());
    lost.drop_device(LEO, second(MIA), Cuts::default());
    let name = "roster-6-5-a-device-is-removed-by-its-owner";
    let authority = set(book, name, &lost);
    let case = (name, &authority, &lost);
    writes(
        book,
        "removed-device",
        case,
        lobby(device(MIA)),
        &[],
        "DeviceRemoved",
    );
    writes(
        book,
        "removed-by-somebody-else",
        case,
        lobby(second(MIA)),
        &[],
        "Ok",
    );
    lost.revoke(BEN, Target::Device(public(second(MIA))), Cuts::default());
    let name = "roster-6-5-a-device-is-revoked-by-the-party";
    let authority = set(book, name, &lost);
    let case = (name, &authority, &lost);
    writes(
        book,
        "revoked-device",
        case,
        lobby(second(MIA)),
        &[],
        "DeviceRevoked",
    );

    let mut resolved = World::with_mia();
    let change = Change::Revoke(resolved.ours, public(MIA));
    resolved.resolve(vec![change], &[ADA, BEN, ZOE]);
    let name = "roster-6-1-a-member-is-revoked-by-a-resolution";
    let authority = set(book, name, &resolved);
    let case = (name, &authority, &resolved);
    writes(
        book,
        "after-the-resolution",
        case,
        lobby(device(MIA)),
        &[],
        "Revoked",
    );
}

/// Access §3, §4: who reads and writes.
fn spaces(book: &mut Book) {
    let mut world = World::with_mia();
    world.admit(ZOE, world.theirs, LEO, &[Role::Observer]);
    world.link(LEO, device(LEO), 0);
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.groups = vec![group("board", &[MIA])];
    });
    let name = "access-3-spaces-for-everyone-members-and-a-party";
    let authority = set(book, name, &world);
    let case = (name, &authority, &world);
    let by = |space, author, kind| (space, author, Some(kind));
    let (mia, leo) = (device(MIA), device(LEO));
    writes(
        book,
        "a-reader-writes",
        case,
        by("inner", mia, "topic"),
        &[],
        "Ok",
    );
    writes(
        book,
        "no-reader",
        case,
        by("inner", leo, "topic"),
        &[],
        "NotAReader",
    );
    writes(
        book,
        "an-observer",
        case,
        by("lobby", leo, "topic"),
        &[],
        "RoleMissing",
    );
    writes(
        book,
        "no-steward",
        case,
        by("office", mia, "topic"),
        &[],
        "RoleMissing",
    );
    writes(
        book,
        "another-kind",
        case,
        by("wiki", mia, "topic"),
        &[],
        "KindNotAllowed",
    );
    writes(book, "its-kind", case, by("wiki", mia, "page"), &[], "Ok");

    let wiki = world.space("wiki");
    let lobby = world.space("lobby");
    let changes = vec![
        Change::NarrowKinds(wiki, vec!["page".into()]),
        Change::CloseSpace(lobby),
    ];
    let by_all = world.resolve(changes, &[ADA, BEN, ZOE]);
    let name = "access-4-5-a-space-is-closed-and-a-kind-forbidden";
    let authority = set(book, name, &world);
    let case = (name, &authority, &world);
    writes(
        book,
        "closed",
        case,
        by("lobby", mia, "topic"),
        &[],
        "SpaceClosed",
    );
    writes(
        book,
        "before-it-closed",
        case,
        by("lobby", mia, "topic"),
        &[by_all],
        "Ok",
    );
    writes(
        book,
        "forbidden-kind",
        case,
        by("wiki", mia, "page"),
        &[],
        "KindForbidden",
    );

    let (_, declared) = for_the_board(&world, &[ADA, BEN]);
    world.entries.push(declared);
    let (_, declared) = for_persons(&world, MIA, device(MIA));
    world.entries.push(declared);
    set(book, "access-3-spaces-for-a-group-and-for-persons", &world);
}
