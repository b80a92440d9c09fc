//! Spaces that not everyone may read: learning of them, losing them, and grants.

use super::harness::{COMMUNITY, Node, Rng, World, declared_space, entry, key_of, space};
use comity_protocol::id::{CommunityId, SpaceId};
use comity_protocol::sync::message::{Message, SPACES_TOLD_MAX, SpaceRoot};
use comity_protocol::sync::session::{
    GRANTS_PER_PERIOD_MAX, GRANTS_PERIOD_MS, Input, LEARNING_MAX, Misbehaviour, SPACES_MAX,
};
use comity_protocol::sync::{Context, Effect, InFlight, PeerNumber, Role, Session, TrieHash};

/// One end whose effects nobody performs.
struct End {
    node: Node,
    session: Session,
    in_flight: InFlight,
    now_ms: u64,
}

impl End {
    fn new(node: Node) -> Self {
        Self {
            node,
            session: Session::new(Role::Acceptor, PeerNumber(1), [3; 32]),
            in_flight: InFlight::new(),
            now_ms: 0,
        }
    }

    fn input(&mut self, input: Input) {
        let mut context = Context {
            replica: &self.node,
            in_flight: &mut self.in_flight,
            now_ms: self.now_ms,
        };
        self.session.handle(input, &mut context);
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.session.next_effect()).collect()
    }

    fn hear(&mut self, message: Message) -> Vec<Effect> {
        self.input(Input::Received(message));
        self.effects()
    }
}

fn declaration(number: u64) -> Vec<u8> {
    entry(500 + number, 0, 0, 300)
}

fn told(spaces: &[SpaceId]) -> Message {
    let mut spaces = spaces.to_vec();
    spaces.sort();
    Message::Spaces {
        community: COMMUNITY,
        spaces,
    }
}

fn declared(number: u64) -> Message {
    Message::Entries {
        space: declared_space(&declaration(number)),
        round: 0,
        entries: vec![declaration(number)],
    }
}

fn root_of(space: SpaceId) -> Message {
    Message::Roots(vec![SpaceRoot {
        space,
        root: TrieHash::from_bytes([9; 32]),
        count: 3,
        after: 0,
    }])
}

fn sent(effects: &[Effect]) -> Vec<Message> {
    let messages = effects.iter().filter_map(|effect| match effect {
        Effect::Send(message) => Some(message.clone()),
        _ => None,
    });
    messages.collect()
}

#[test]
fn a_reader_learns_of_a_restricted_space_and_gets_all_of_it() {
    for (holder, seed) in [(0, 1), (1, 2), (0, 3), (1, 4)] {
        let mut rng = Rng(seed);
        let mut world = World::new(2, &[space(0)]);
        let hidden = world.nodes[holder].declare(declaration(0));
        for number in 0..300 {
            world.nodes[holder].insert(hidden, entry(number % 20, 1 + number / 20, 0, 200));
        }
        world.nodes[holder]
            .spaces
            .get_mut(&hidden)
            .unwrap()
            .trie
            .rehash();
        world.connect(0, 1);
        world.settle(&mut rng);
        world.assert_no_faults();
        let other = &world.nodes[1 - holder];
        assert_eq!(other.root(&hidden), world.nodes[holder].root(&hidden));
        assert_eq!(other.spaces[&hidden].entries.len(), 301);
        // The declaration came first: everything else was judged by it.
        assert!(other.declarations.contains_key(&hidden));
        assert!(!other.arrived.contains(&key_of(&declaration(0)).unwrap()));
        assert!(
            world.links[0]
                .ends
                .iter()
                .all(|end| end.session.is_in_sync(&hidden, other.root(&hidden)))
        );
    }
}

/// Whatever a peer that may not read a space says about it, the answers are those about one that does
/// not exist, byte for byte.
#[test]
fn what_is_held_and_what_is_not_get_the_same_answers() {
    let hidden = declared_space(&declaration(0));
    let probes = || {
        let first = key_of(&declaration(0)).unwrap();
        let other = key_of(&entry(1, 1, 0, 100)).unwrap();
        vec![
            root_of(hidden),
            Message::Learn {
                spaces: vec![hidden],
            },
            Message::Want {
                space: hidden,
                keys: vec![first],
            },
            Message::Announce {
                space: hidden,
                keys: vec![other],
            },
            Message::Done {
                space: hidden,
                round: 1,
            },
            told(&[hidden]),
            told(&[hidden]),
            root_of(hidden),
            declared(0),
            root_of(hidden),
            Message::Entries {
                space: hidden,
                round: 0,
                entries: vec![entry(1, 1, 0, 100)],
            },
        ]
    };
    let transcript = |held: u64| {
        let mut node = Node::default();
        node.spaces.entry(space(7)).or_default();
        if held > 0 {
            node.declare(declaration(0));
        }
        for number in 1..held {
            node.insert(hidden, entry(1, number, 0, 100));
        }
        let mut end = End::new(node);
        end.input(Input::SpaceOpened(space(7)));
        let mut frames = vec![end.effects()];
        for probe in probes() {
            frames.push(end.hear(probe));
            // News of hidden spaces reach all sessions of a node.
            if held > 1 {
                let keys = vec![key_of(&entry(1, 1, 0, 100)).unwrap()];
                end.input(Input::Inserted {
                    space: hidden,
                    keys,
                });
            }
            end.now_ms += 2_000;
            end.input(Input::Tick);
        }
        frames.push(end.effects());
        frames
    };
    let absent = transcript(0);
    assert_eq!(absent, transcript(1));
    assert_eq!(absent, transcript(60));
    // The first four answers are refusals, and a learner is taken for one.
    let refused = Message::Refuse { space: hidden };
    for answer in &absent[1..=5] {
        assert_eq!(sent(answer), vec![refused.clone()]);
    }
    let asked = Message::Learn {
        spaces: vec![hidden],
    };
    assert_eq!(sent(&absent[6]), vec![asked]);
}

#[test]
fn a_space_that_is_lost_is_not_spoken_of_any_more_not_even_with_what_waited() {
    let mut node = Node::default();
    let hidden = node.declare(declaration(0));
    for number in 1..40 {
        node.insert(hidden, entry(1, number, 0, 100));
    }
    node.spaces.get_mut(&hidden).unwrap().trie.rehash();
    node.spaces.entry(space(7)).or_default();
    let mut end = End::new(node);
    for it in [space(7), hidden] {
        end.input(Input::SpaceOpened(it));
    }
    end.input(Input::Received(root_of(hidden)));
    end.input(Input::Received(Message::Want {
        space: hidden,
        keys: vec![key_of(&entry(1, 1, 0, 100)).unwrap()],
    }));
    end.input(Input::SpaceClosed(hidden));
    let effects = end.effects();
    let spoken =
        |it: &Message| it.clone().only_about(|space| *space != hidden).as_ref() != Some(it);
    assert!(!sent(&effects).iter().any(spoken), "{effects:?}");
    let refusal = Effect::Send(Message::Refuse { space: hidden });
    assert_eq!(effects.last(), Some(&refusal));
    assert_eq!(
        effects.len(),
        2,
        "the root of the other space, and a refusal"
    );
    // From now on it is as if it had never been there, and the other space goes on.
    assert_eq!(end.hear(root_of(hidden)), vec![refusal]);
    let keys = vec![key_of(&entry(2, 1, 0, 100)).unwrap()];
    let answers = sent(&end.hear(Message::Announce {
        space: space(7),
        keys: keys.clone(),
    }));
    let space = space(7);
    assert_eq!(answers, vec![Message::Want { space, keys }]);
}

#[test]
fn nothing_but_its_declaration_begins_a_space() {
    let hidden = declared_space(&declaration(0));
    let entries = |entries: &[Vec<u8>]| Message::Entries {
        space: hidden,
        round: 0,
        entries: entries.to_vec(),
    };
    let other = entry(1, 1, 0, 100);
    let wrong = [
        entries(std::slice::from_ref(&other)),
        entries(&[declaration(1)]),
        entries(&[declaration(0), other]),
    ];
    for answer in wrong {
        let mut end = End::new(Node::default());
        end.hear(told(&[hidden]));
        let effects = end.hear(answer);
        let found_out = Effect::PeerMisbehaved(Misbehaviour::NotAnEntry);
        assert!(effects.contains(&found_out), "{effects:?}");
    }
    // In a community of which the node knows nothing there is nothing to learn.
    let mut end = End::new(Node::default());
    let foreign = Message::Spaces {
        community: CommunityId::from_bytes([1; 32]),
        spaces: vec![hidden],
    };
    assert_eq!(end.hear(foreign), vec![]);
    // And what nobody asked for is no declaration.
    assert_eq!(end.hear(declared(0)), vec![]);
}

#[test]
fn a_peer_that_tells_of_spaces_without_end_is_listened_to_up_to_a_bound() {
    let spaces: Vec<SpaceId> = (0..3_000)
        .map(|it| declared_space(&declaration(it)))
        .collect();
    let mut end = End::new(Node::default());
    let asked = |effects: Vec<Effect>| -> usize {
        let messages = sent(&effects).into_iter();
        let asked = messages.map(|it| match it {
            Message::Learn { spaces } => spaces.len(),
            _ => 0,
        });
        asked.sum()
    };
    let mut open = 0;
    for some in spaces.chunks(SPACES_TOLD_MAX).take(4) {
        open += asked(end.hear(told(some)));
    }
    assert_eq!(open, LEARNING_MAX);
    // Those never declared make room in time; those declared count for the stream.
    let mut learnt = 0;
    for (number, it) in spaces.iter().enumerate() {
        end.now_ms += 20_000;
        end.input(Input::Tick);
        if asked(end.hear(told(&[*it]))) == 1 {
            let effects = end.hear(declared(number as u64));
            assert!(matches!(effects[..], [Effect::Learn { .. }]), "{effects:?}");
            learnt += 1;
        }
    }
    assert_eq!(learnt, SPACES_MAX);
    assert!(!end.session.is_over());
}

#[test]
fn grants_are_handed_on_and_bounded() {
    let mut world = World::new(2, &[]);
    world.connect(0, 1);
    let grant = crate::access::grant().shown();
    let grants = vec![grant.clone(); 70];
    let community = COMMUNITY;
    world.input(0, 0, Input::ShowGrants { community, grants });
    world.settle_in_lockstep();
    assert_eq!(world.links[0].ends[1].granted, vec![grant; 64]);
    let grants = Vec::new();
    world.input(0, 0, Input::ShowGrants { community, grants });
    world.settle_in_lockstep();
    assert_eq!(world.links[0].ends[1].granted, vec![]);

    let mut end = End::new(Node::default());
    let shown = || Message::Grants {
        community,
        grants: Vec::new(),
    };
    for _ in 0..3 {
        for _ in 0..GRANTS_PER_PERIOD_MAX {
            end.hear(shown());
        }
        assert!(!end.session.is_over());
        end.now_ms += GRANTS_PERIOD_MS;
    }
    for _ in 0..GRANTS_PER_PERIOD_MAX {
        end.hear(shown());
    }
    let effects = end.hear(shown());
    let found_out = Effect::PeerMisbehaved(Misbehaviour::TooManyGrants);
    assert!(effects.contains(&found_out), "{effects:?}");
}
