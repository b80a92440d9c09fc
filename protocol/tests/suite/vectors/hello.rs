//! Hello, grants, and the messages of joining.

use super::super::{
    access::{answers, grant, hello, join_request, reader_token, told},
    community::{MEMBER, MEMBERS_DEVICE, MEMBERS_NODE, NODE, STRANGER, public, replaced, secret},
};
use super::{Case, case, check, damaged, refused};
use comity_protocol::{
    access::{Agreement, Hello, JoinAnswer, JoinRequest, NodeGrant, ReaderToken},
    id::CommunityId,
    limits::TIME_MAX_MS,
};
use serde_json::{Value as Json, json};

fn hellos() -> Vec<Case> {
    let with = |change: fn(&mut Hello)| {
        let mut it = hello();
        change(&mut it);
        it.encode()
    };
    let mut cases = damaged(&hello().encode(), "Codec");
    cases.extend([
        case(
            "versions-descending",
            with(|it| it.versions = vec![3, 1]),
            "Order",
        ),
        case(
            "version-twice",
            with(|it| it.versions = vec![1, 1]),
            "Order",
        ),
        case(
            "versions-17",
            with(|it| it.versions = (0..17).collect()),
            "Codec.TooLong",
        ),
        case(
            "communities-descending",
            with(|it| it.communities.reverse()),
            "Order",
        ),
        case(
            "community-twice",
            with(|it| it.communities[1] = it.communities[0]),
            "Order",
        ),
        case(
            "communities-none",
            with(|it| it.communities.clear()),
            "Padding",
        ),
        case(
            "communities-7",
            with(|it| it.communities.truncate(7)),
            "Padding",
        ),
        case(
            "communities-520",
            with(|it| it.communities = it.communities.repeat(65)),
            "Codec.TooLong",
        ),
        case(
            "time-above-53-bits",
            with(|it| it.time_ms = TIME_MAX_MS + 1),
            "Codec.OutOfRange",
        ),
    ]);
    cases
}

fn requests() -> Vec<Case> {
    let good = join_request().encode();
    let mut many = join_request();
    many.links = [many.links.clone(), many.links.clone(), many.links].concat();
    let link = join_request().links[0].encode();
    let at = good.windows(link.len()).position(|it| it == link).unwrap();
    let mut broken = good.clone();
    broken[at] = 0x85;
    let mut cases = damaged(&good, "Codec");
    cases.extend([
        case(
            "member-of-small-order",
            replaced(&good, public(MEMBER).as_bytes(), &[0; 32]),
            "Key.SmallOrder",
        ),
        case(
            "links-5",
            {
                many.links.truncate(5);
                many.encode()
            },
            "Codec.TooLong",
        ),
        case("link-broken", broken, "Entry.Codec.WrongLength"),
    ]);
    cases
}

fn joined() -> Vec<Case> {
    let good = answers()[0].encode();
    let mut cases = damaged(&good, "Codec");
    cases.extend([
        case("unknown-answer", vec![0x82, 2, 0], "Codec.OutOfRange"),
        case("unknown-refusal", vec![0x82, 1, 6], "Codec.OutOfRange"),
    ]);
    cases
}

fn forged() -> Vec<Json> {
    let cases = [
        (
            "for-another-node",
            NodeGrant {
                node: public(STRANGER),
                ..grant()
            },
        ),
        (
            "for-another-community",
            NodeGrant {
                community: CommunityId::from_bytes([2; 32]),
                ..grant()
            },
        ),
        (
            "for-longer",
            NodeGrant {
                expires_ms: grant().expires_ms + 1,
                ..grant()
            },
        ),
        ("signed-under-another-domain", {
            let signature = secret(MEMBERS_DEVICE).sign(b"", &grant().encode());
            NodeGrant {
                signature,
                ..grant()
            }
        }),
    ];
    let judged = cases.into_iter().map(|(name, it)| {
        let bytes = it.encode();
        assert!(
            NodeGrant::decode(&bytes).expect(name).check().is_err(),
            "{name}"
        );
        json!({ "name": name, "bytes": hex::encode(bytes), "error": "BadSignature" })
    });
    judged.collect()
}

#[test]
fn hello_vectors_hold() {
    assert_eq!(Hello::decode(&hello().encode()), Ok(hello()));
    assert_eq!(
        JoinRequest::decode(&join_request().encode()),
        Ok(join_request())
    );
    assert_eq!(grant().check(), Ok(()));
    let (node, peer) = (public(NODE), public(MEMBERS_NODE));
    let communities = [1, 5].map(|number| {
        let (community, governance) = told(number);
        let agreement = hello().agreement([&node, &peer], community, governance);
        assert_eq!(agreement, Some(Agreement::Equal));
        json!({ "community": community.to_string(), "governance": governance.to_string() })
    });
    let answers: Vec<Json> = answers()
        .iter()
        .map(|it| json!({ "name": format!("{it:?}"), "bytes": hex::encode(it.encode()) }))
        .collect();
    let made = json!({
        "about": "Hello, grants, and joining; see specs/wire.md sections 2, 3 and 5; tokens of readers, see specs/http-api.md. Bodies of frames, without length.",
        "hello": {
            "from": node.to_string(),
            "to": peer.to_string(),
            "nonce": hex::encode(hello().nonce),
            "communities": communities,
            "bytes": hex::encode(hello().encode()),
        },
        "grant": { "bytes": hex::encode(grant().encode()) },
        "join_request": { "bytes": hex::encode(join_request().encode()) },
        "join_answers": answers,
        "invalid_hellos": refused(hellos(), Hello::decode),
        "invalid_grants": refused(damaged(&grant().encode(), "Codec"), NodeGrant::decode),
        "grants_not_verified": forged(),
        "reader_token": { "bytes": hex::encode(reader_token().encode()) },
        "invalid_reader_tokens": refused(damaged(&reader_token().encode(), "Codec"), ReaderToken::decode),
        "invalid_join_requests": refused(requests(), JoinRequest::decode),
        "invalid_join_answers": refused(joined(), JoinAnswer::decode),
    });
    check("hello.json", &made);
}
