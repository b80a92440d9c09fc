//! What every set of the vectors must come to: the charter's
//! name and height, which branch of each fork is followed, and who is a member with which roles. `?` is
//! somebody without a name.

pub(super) const SETS: &[(&str, &str)] = &[
    (
        "p7-fork-without-choices-the-lowest-id",
        "Coffee 0; followed [0];",
    ),
    (
        "p7-fork-both-delegates-choose-the-left",
        "Coffee 0; followed [0];",
    ),
    (
        "p7-fork-both-delegates-choose-the-right",
        "Coffee 0; followed [1];",
    ),
    (
        "p7-fork-who-chose-both-counts-for-neither",
        "Coffee 0; followed [1];",
    ),
    (
        "p7-fork-choices-of-others-do-not-count",
        "Coffee 0; followed [1];",
    ),
    (
        "p8-p9-the-last-state-is-in-force-and-lists",
        "Coffee 0; followed []; leo Steward, mia Member+Observer",
    ),
    (
        "p8-a-state-without-its-parent-counts-nowhere",
        "Coffee 0; followed []; leo Steward, mia Member+Observer",
    ),
    (
        "p9-a-state-drops-a-steward-and-a-node",
        "Coffee 0; followed []; mia Member+Observer",
    ),
    (
        "p10-a-party-leaves",
        "Coffee 0; followed []; mia Member+Observer",
    ),
    (
        "p10-a-party-no-longer-says-that-it-left",
        "Coffee 0; followed []; leo Member, mia Member+Observer",
    ),
    ("charter-one-resolution", "Tea 1; followed [];"),
    (
        "charter-a-resolution-by-one-party-counts-nowhere",
        "Tea 1; followed [];",
    ),
    (
        "charter-fork-without-choices-the-lowest-id",
        "Left 1; followed [0];",
    ),
    ("charter-fork-all-choose-the-left", "Left 1; followed [0];"),
    (
        "charter-fork-one-of-two-delegates-chooses-the-left",
        "Left 1; followed [0];",
    ),
    (
        "charter-fork-all-choose-the-right",
        "Right 1; followed [1];",
    ),
    (
        "charter-fork-one-of-two-delegates-chooses-the-right",
        "Left 1; followed [0];",
    ),
    (
        "charter-fork-a-party-chose-both-the-other-decides",
        "Right 1; followed [1];",
    ),
    (
        "charter-over-to-another-branch-without-a-proof",
        "Tea 1; followed [0];",
    ),
    (
        "charter-over-to-another-branch-by-a-fork-proof",
        "Tea 1; followed [0];",
    ),
    (
        "p7-fork-approvals-count-as-choices",
        "Coffee 0; followed [1];",
    ),
    (
        "p7-fork-who-approved-one-and-chose-the-other-counts-for-neither",
        "Coffee 0; followed [0];",
    ),
    (
        "p7-fork-the-charter-names-one-and-delegates-choose-the-other",
        "Coffee 1; followed [1];",
    ),
    (
        "p7-fork-the-charter-named-one-of-a-party-that-it-removed-since",
        "Coffee 2; followed [1];",
    ),
    (
        "charter-fork-approvals-count-as-choices",
        "Right 1; followed [1];",
    ),
    (
        "charter-fork-dropped-keys-where-nobody-else-spoke",
        "Mine 2; followed [0];",
    ),
    (
        "charter-fork-dropped-keys-and-their-successors-the-lowest-id",
        "Mine 2; followed [0];",
    ),
    (
        "charter-fork-dropped-keys-and-a-party-that-still-has-its-own",
        "Tea 2; followed [1];",
    ),
    ("charter-confirms-states", "Coffee 1; followed [];"),
    (
        "charter-over-by-one-other-and-itself",
        "Coffee 2; followed [1];",
    ),
    ("charter-over-by-all-others", "Milk 3; followed [0];"),
    (
        "roster-3-1-nobody-but-delegates-admits",
        "Coffee 0; followed [];",
    ),
    (
        "roster-3-1-a-delegate-admits",
        "Coffee 0; followed []; mia Member+Steward",
    ),
    (
        "roster-4-a-member-of-two-parties",
        "Coffee 0; followed []; mia Member, mia Member+Steward",
    ),
    (
        "roster-3-5-one-of-two-delegates-is-too-few",
        "Coffee 0; followed [];",
    ),
    (
        "roster-3-5-two-delegates-what-both-granted",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-3-3-a-party-that-is-not-in-the-charter",
        "Coffee 0; followed [];",
    ),
    (
        "roster-3-3-a-party-that-a-resolution-adds",
        "Coffee 1; followed []; mia Member",
    ),
    (
        "roster-4-2-a-countersigned-invitation",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-4-2-countersigned-by-another-node",
        "Coffee 0; followed [];",
    ),
    (
        "roster-4-2-countersigned-by-a-stranger",
        "Coffee 0; followed [];",
    ),
    (
        "roster-4-2-a-gap-before-the-countersignature",
        "Coffee 0; followed [];",
    ),
    (
        "roster-4-2-the-tenth-of-nine-uses",
        "Coffee 0; followed []; ? Member",
    ),
    (
        "roster-4-2-the-same-person-again",
        "Coffee 0; followed []; ? Member",
    ),
    (
        "roster-4-1-an-invitation-by-another-partys-delegate",
        "Coffee 0; followed [];",
    ),
    (
        "roster-4-1-an-invitation-by-one-of-two-delegates",
        "Coffee 0; followed [];",
    ),
    (
        "roster-4-1-an-invitation-that-another-approves",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-5-a-member-without-a-device",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-5-1-a-device-and-a-strangers",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-5-2-two-devices-in-one-slot",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-6-1-a-revocation-by-another-partys-delegate",
        "Coffee 0; followed []; mia Member",
    ),
    ("roster-6-1-a-member-is-revoked", "Coffee 0; followed [];"),
    (
        "roster-6-1-no-grant-lifts-a-revocation",
        "Coffee 0; followed [];",
    ),
    (
        "roster-5-1-a-device-linked-beyond-the-cut",
        "Coffee 0; followed [];",
    ),
    ("roster-6-2-a-member-departs", "Coffee 0; followed [];"),
    (
        "roster-6-4-a-role-is-revoked",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-6-5-a-device-is-removed-by-its-owner",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-6-5-a-device-is-revoked-by-the-party",
        "Coffee 0; followed []; mia Member",
    ),
    (
        "roster-6-1-a-member-is-revoked-by-a-resolution",
        "Coffee 1; followed [];",
    ),
    (
        "access-3-spaces-for-everyone-members-and-a-party",
        "Coffee 0; followed []; leo Observer, mia Member",
    ),
    (
        "access-4-5-a-space-is-closed-and-a-kind-forbidden",
        "Coffee 1; followed []; leo Observer, mia Member",
    ),
    (
        "access-3-spaces-for-a-group-and-for-persons",
        "Coffee 1; followed []; leo Observer, mia Member",
    ),
    ("founded-by-two-parties", "Coffee 0; followed [];"),
    (
        "three-parties-one-forked-and-one-that-would-join",
        "Tea 2; followed [0];",
    ),
    (
        "a-member-with-a-device-and-a-board",
        "Coffee 0; followed []; mia Member",
    ),
];
