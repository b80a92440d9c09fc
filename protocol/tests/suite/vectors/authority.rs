//! Judgement: what follows from sets of governance entries, and what is let in beside them.
//!
//! Nothing here depends on the standing of whoever granted something and lost it since.

mod certificates;
mod entries;
mod expected;
mod pins;
mod sets;

use super::check;
use crate::{
    community::{NODE, public, verified},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, ZOES_NODE, device},
};
use comity_protocol::{
    authority::{Authority, parties::Fork},
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
};
use serde_json::{Map, Value as Json, json};
use std::fmt::Debug;

const ABOUT: &str = "bytes: entries by id, those with other signers under + behind it. sets: what \
    follows from entries (`is`). entries: one beside a set, judged by the rule that its name begins \
    with (`certificate`) or by what the set lets into a space (`entry`). contributions: whether one \
    by this author counts that only these narrowings cover.";

/// Keys by name.
fn people() -> Vec<(&'static str, u8)> {
    vec![
        ("ada", ADA),
        ("ben", BEN),
        ("zoe", ZOE),
        ("mia", MIA),
        ("mias-device", device(MIA)),
        ("leo", LEO),
        ("leos-device", device(LEO)),
        ("stranger", STRANGER),
        ("strangers-device", device(STRANGER)),
        ("node", NODE),
        ("zoes-node", ZOES_NODE),
    ]
}

fn name_of(key: &PublicKey) -> String {
    let all = people();
    let found = all.iter().find(|(_, number)| public(*number) == *key);
    found.map_or_else(|| hex::encode(key.as_bytes()), |(name, _)| (*name).into())
}

/// The name of an error, without its details.
fn verdict<E: Debug>(judged: Result<(), E>) -> String {
    match judged {
        Ok(()) => "Ok".into(),
        Err(error) => {
            let text = format!("{error:?}");
            let end = text.find(|c: char| !c.is_ascii_alphanumeric());
            text[..end.unwrap_or(text.len())].to_owned()
        }
    }
}

fn id(of: &EntryId) -> String {
    hex::encode(of.as_bytes())
}

/// All entries of all sets, by id, so that each is written once.
#[derive(Default)]
struct Book {
    entries: Map<String, Json>,
    sets: Vec<Json>,
    judged: Vec<Json>,
    contributions: Vec<Json>,
    /// What came out otherwise than its name says.
    wrong: Vec<String>,
}

impl Book {
    fn compare(&mut self, name: &str, found: &str, expected: &str) {
        if found != expected {
            let wrong = format!("{name}: {found} instead of {expected}");
            self.wrong.push(wrong);
        }
    }

    fn write(&mut self, entries: &[Entry]) -> Vec<String> {
        let ids = entries.iter().map(|entry| {
            let (id, bytes) = (id(&entry.id()), entry.encode());
            let read = Entry::decode(&bytes).map(|it| it.id());
            assert_eq!(read.as_ref().ok(), Some(&entry.id()), "{read:?}");
            let bytes = hex::encode(bytes);
            // Of one certificate several may be here: what differs is who signed.
            let mut at = id.clone();
            while self.entries.get(&at).is_some_and(|it| *it != json!(bytes)) {
                at.push('+');
            }
            self.entries.insert(at.clone(), json!(bytes));
            at
        });
        ids.collect()
    }

    /// A set, and everything that follows from it.
    fn set(&mut self, name: &str, community: CommunityId, entries: &[Entry]) -> Authority {
        let authority = Authority::evaluate(community, &verified(entries));
        let expected = expected::SETS.iter().find(|(own, _)| *own == name);
        let expected = expected.map_or("nothing", |(_, it)| it);
        self.compare(name, &summary(&authority), expected);
        let of = self.write(entries);
        self.sets.push(json!({
            "name": name,
            "community": hex::encode(community.as_bytes()),
            "entries": of,
            "is": outcome(&authority),
        }));
        authority
    }

    /// One entry beside a set.
    fn judge(
        &mut self,
        name: &str,
        (set, authority): (&str, &Authority),
        (space, entry): (SpaceId, &Entry),
        expected: &str,
    ) {
        let found = verdict(authority.lets_in(space, entry));
        self.compare(name, &found, expected);
        let of = self.write(std::slice::from_ref(entry)).remove(0);
        self.judged.push(json!({
            "name": name,
            "beside": set,
            "space": hex::encode(space.as_bytes()),
            "entry": of,
            "verdict": found,
        }));
    }
}

fn forks(authority: &Authority) -> Vec<&Fork> {
    let of_parties = authority.party_chains().iter();
    let of_parties = of_parties.flat_map(|(_, chain)| chain.forks());
    let of_charter = authority.charter().into_iter().flat_map(|it| it.forks());
    of_parties.chain(of_charter).collect()
}

/// What a set comes to, as [`expected::SETS`] says it.
fn summary(authority: &Authority) -> String {
    let now = authority.charter().unwrap().current();
    let followed = forks(authority).into_iter();
    let followed = followed.map(|it| it.children.iter().position(|child| *child == it.winner));
    let followed: Vec<usize> = followed.map(Option::unwrap).collect();
    let members = authority.members().iter().flat_map(|(root, of)| {
        let name = match name_of(root) {
            name if name.len() == 64 => "?".into(),
            name => name,
        };
        of.values().map(move |it| {
            let roles: Vec<String> = it.roles.iter().map(|it| format!("{it:?}")).collect();
            format!("{name} {}", roles.join("+"))
        })
    });
    let mut members: Vec<String> = members.collect();
    members.dedup();
    let (name, height, members) = (&now.name, now.height, members.join(", "));
    let summary = format!("{name} {height}; followed {followed:?}; {members}");
    summary.trim_end().to_owned()
}

fn outcome(authority: &Authority) -> Json {
    let chains = authority.party_chains();
    let parties = authority.parties().keys().map(|party| {
        let (state, _) = chains.chain(party).unwrap().current();
        (hex::encode(party.as_bytes()), json!(id(&state)))
    });
    let forks = forks(authority).into_iter().map(|it| {
        let children: Vec<String> = it.children.iter().map(id).collect();
        json!({ "parent": id(&it.parent), "children": children, "followed": id(&it.winner) })
    });
    let members = authority.members().iter().flat_map(|(root, of)| {
        of.iter().map(|(party, it)| {
            let roles: Vec<String> = it.roles.iter().map(|it| format!("{it:?}")).collect();
            json!({
                "member": name_of(root),
                "party": hex::encode(party.as_bytes()),
                "roles": roles,
            })
        })
    });
    let spaces = authority.spaces().iter().map(|(space, it)| {
        let reads = |number: u8| authority.may_read(Some(&public(number)), *space);
        let readers = people().into_iter().filter(|(_, number)| reads(*number));
        let readers: Vec<&str> = readers.map(|(name, _)| name).collect();
        json!({
            "space": hex::encode(space.as_bytes()),
            "called": it.name,
            "everyone": authority.may_read(None, *space),
            "readers": readers,
        })
    });
    let charter = authority.charter().map(|charter| {
        let now = charter.current();
        json!({
            "head": id(&now.id),
            "height": now.height,
            "called": &*now.name,
            "party_quorum": now.party_quorum,
        })
    });
    let narrowings: Vec<String> = authority.narrowings().keys().map(id).collect();
    json!({
        "charter": charter,
        "parties": parties.collect::<Map<_, _>>(),
        "forks": forks.collect::<Vec<_>>(),
        "members": members.collect::<Vec<_>>(),
        "spaces": spaces.collect::<Vec<_>>(),
        "narrowings": narrowings,
    })
}

#[test]
fn what_follows_from_sets_holds() {
    let mut book = Book::default();
    sets::write(&mut book);
    pins::write(&mut book);
    certificates::write(&mut book);
    entries::write(&mut book);
    assert!(book.wrong.is_empty(), "{:#?}", book.wrong);
    let keys = people().into_iter();
    let keys = keys.map(|(name, it)| (name.into(), json!(hex::encode(public(it).as_bytes()))));
    check(
        "authority.json",
        &json!({
            "about": ABOUT,
            "keys": keys.collect::<Map<_, _>>(),
            "bytes": book.entries,
            "sets": book.sets,
            "entries": book.judged,
            "contributions": book.contributions,
        }),
    );
}

/// Whether a contribution counts that only these narrowings cover.
fn writes(
    book: &mut Book,
    name: &str,
    (set, authority, world): (&str, &Authority, &World),
    (space, author, kind): (&str, u8, Option<&str>),
    covered: &[EntryId],
    expected: &str,
) {
    use crate::roster::world::{Covered, content};
    use comity_protocol::authority::Act;
    let space = world.space(space);
    let (author, id_of) = (public(author), content());
    let coverage = Covered(covered.iter().copied().collect());
    let judged = authority.authorize(space, &id_of, &author, kind, Act::Create, &coverage);
    let found = verdict(judged.map(drop));
    book.compare(name, &found, expected);
    let covered: Vec<String> = covered.iter().map(id).collect();
    book.contributions.push(json!({
        "name": name,
        "beside": set,
        "space": hex::encode(space.as_bytes()),
        "author": name_of(&author),
        "kind": kind,
        "covered_by": covered,
        "verdict": found,
    }));
}
