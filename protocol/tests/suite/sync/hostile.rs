//! Peers that lie, flood or fall silent: found out where that is possible, bounded always.

use super::harness::{COMMUNITY, Node, Rng, World, author, declared_space, entry, key_of, space};
use super::messages::{mutated, samples};
use comity_protocol::sync::key::Item;
use comity_protocol::sync::message::{Claim, Compare, Message, Run, SpaceRoot};
use comity_protocol::sync::session::{Input, Misbehaviour, OUTBOX_MAX_BYTES, WINDOW_BYTES};
use comity_protocol::sync::{
    Context, Effect, InFlight, Key, PeerNumber, Prefix, Role, Session, TrieHash,
};

/// More than this no peer may make a session hold, whatever it does, in bytes.
const HELD_MAX_BYTES: usize = OUTBOX_MAX_BYTES + 8 * 1024 * 1024;

struct Victim {
    node: Node,
    session: Session,
    in_flight: InFlight,
    now_ms: u64,
    sent: Vec<Message>,
    fault: Option<Misbehaviour>,
    /// Whether the peer ended the stream itself.
    left: bool,
    /// Whether effects are performed; a peer that does not read lets them pile up.
    reads: bool,
}

impl Victim {
    fn new(role: Role, entries: u64) -> Self {
        let mut node = Node::default();
        node.spaces.entry(space(7)).or_default();
        for number in 0..entries {
            node.insert(space(7), entry(number % 40, 1 + number / 40, 0, 200));
        }
        if let Some(space) = node.spaces.get_mut(&space(7)) {
            space.trie.rehash();
        }
        let mut victim = Self {
            node,
            session: Session::new(role, PeerNumber(1), [3; 32]),
            in_flight: InFlight::new(),
            now_ms: 0,
            sent: Vec::new(),
            fault: None,
            left: false,
            reads: true,
        };
        victim.input(Input::SpaceOpened(space(7)));
        victim
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let replica = &self.node;
            let in_flight = &mut self.in_flight;
            self.session.handle(
                input,
                &mut Context {
                    replica,
                    in_flight,
                    now_ms: self.now_ms,
                },
            );
            assert!(
                self.session.held_bytes() < HELD_MAX_BYTES,
                "{}",
                self.session.held_bytes()
            );
            while let Some(effect) = (self.reads || self.session.is_over())
                .then(|| self.session.next_effect())
                .flatten()
            {
                match effect {
                    Effect::Send(message) => self.sent.push(message),
                    Effect::Load { space, ids, .. } => {
                        let held = &self.node.spaces[&space].entries;
                        let entries = ids.iter().map(|id| held.get(id).cloned()).collect();
                        inputs.push(Input::Loaded { space, entries });
                    }
                    Effect::Ingest { space, entries } => {
                        let bytes = entries.iter().map(|entry| entry.len() as u64).sum();
                        let count = entries.len();
                        inputs.push(Input::Ingested {
                            space,
                            entries: count,
                            bytes,
                        });
                        let keys: Vec<Key> = entries
                            .into_iter()
                            .filter_map(|entry| self.node.insert(space, entry))
                            .collect();
                        self.node.spaces.get_mut(&space).unwrap().trie.rehash();
                        inputs.push(Input::Inserted { space, keys });
                    }
                    Effect::PeerMisbehaved(how) => self.fault = Some(how),
                    Effect::Learn { entry, .. } => {
                        let bytes = entry.len() as u64;
                        let space = self.node.declare(entry);
                        inputs.push(Input::Ingested {
                            space,
                            entries: 1,
                            bytes,
                        });
                    }
                    Effect::Closed(_) => self.left = true,
                    Effect::InSync { .. } | Effect::Granted { .. } => {}
                }
            }
        }
    }

    fn hear(&mut self, message: Message) {
        self.input(Input::Received(message));
    }

    /// The round the victim has started, with its salt.
    fn round(&self) -> Compare {
        let mut rounds = self.sent.iter().rev().filter_map(|message| match message {
            Message::Compare(compare) => Some(compare.clone()),
            _ => None,
        });
        rounds.next().expect("a round was started")
    }
}

fn root(byte: u8, count: u64, after: u64) -> Message {
    let root = TrieHash::from_bytes([byte; 32]);
    Message::Roots(vec![SpaceRoot {
        space: space(7),
        root,
        count,
        after,
    }])
}

fn turn(round: u64, turn: u64, salt: [u8; 8], claims: Vec<Claim>, wants: Vec<Item>) -> Message {
    let space = space(7);
    Message::Compare(Compare {
        space,
        round,
        turn,
        salt,
        pull: true,
        claims,
        wants,
    })
}

#[test]
fn entries_nobody_asked_for_are_dropped_and_then_the_peer() {
    let mut victim = Victim::new(Role::Acceptor, 0);
    victim.in_flight = InFlight::new();
    victim.hear(root(1, 5, 0));
    let round = victim.round();
    // The victim, being empty, pulls everything: so close the comparison without being asked more,
    // end the round, and only then send.
    victim.hear(turn(round.round, 1, round.salt, vec![], vec![]));
    victim.hear(Message::Done {
        space: space(7),
        round: round.round,
    });
    let entries: Vec<_> = (1..40).map(|seq| entry(1, seq, 0, 100)).collect();
    victim.hear(Message::Entries {
        space: space(7),
        round: 0,
        entries: entries.clone(),
    });
    assert!(
        victim.node.spaces[&space(7)].entries.is_empty(),
        "nothing is ingested"
    );
    let wide: Vec<_> = (0..300).map(|fork| entry(1, 1, fork, 30_000)).collect();
    for chunk in wide.chunks(30) {
        let entries = chunk.to_vec();
        victim.hear(Message::Entries {
            space: space(7),
            round: 0,
            entries,
        });
    }
    assert_eq!(victim.fault, Some(Misbehaviour::Unasked));
}

#[test]
fn entries_outside_of_what_a_round_asked_for_are_found_out() {
    let mut victim = Victim::new(Role::Opener, 100);
    let run = Run {
        author: author(1),
        last: 50,
        count: 50,
        print: [1; 8],
    };
    let claims = vec![Claim::Runs {
        prefix: Prefix::of_author(&author(1)),
        runs: vec![run],
    }];
    victim.hear(turn(1, 0, [1; 8], claims, vec![]));
    let asked = victim.round();
    assert!(matches!(asked.wants[..], [Item::Span { .. }]), "{asked:?}");
    let entries: Vec<_> = (1..40).map(|seq| entry(77, seq, 0, 100)).collect();
    victim.hear(Message::Entries {
        space: space(7),
        round: 1,
        entries,
    });
    assert_eq!(victim.fault, Some(Misbehaviour::Unasked));
    assert_eq!(victim.node.spaces[&space(7)].entries.len(), 100);
}

#[test]
fn bytes_that_are_no_entry_are_found_out() {
    let mut victim = Victim::new(Role::Acceptor, 0);
    victim.hear(root(1, 5, 0));
    let round = victim.round().round;
    let entries = vec![vec![1, 2, 3]];
    victim.hear(Message::Entries {
        space: space(7),
        round,
        entries,
    });
    assert_eq!(victim.fault, Some(Misbehaviour::NotAnEntry));
}

#[test]
fn more_than_the_credit_is_found_out() {
    let mut victim = Victim::new(Role::Acceptor, 0);
    victim.reads = false;
    victim.hear(root(1, 5, 0));
    for fork in 0..=WINDOW_BYTES / 200_000 {
        let entries = vec![entry(1, 1, fork, 200_000)];
        victim.hear(Message::Entries {
            space: space(7),
            round: 1,
            entries,
        });
    }
    assert_eq!(victim.fault, Some(Misbehaviour::OverCredit));
    let mut victim = Victim::new(Role::Acceptor, 0);
    victim.hear(Message::Credit { bytes: 1 });
    assert_eq!(victim.fault, Some(Misbehaviour::TooMuchCredit));
}

#[test]
fn turns_out_of_order_and_rounds_of_the_wrong_side_are_found_out() {
    let mut victim = Victim::new(Role::Acceptor, 5);
    victim.hear(turn(1, 0, [1; 8], vec![], vec![]));
    assert_eq!(victim.fault, Some(Misbehaviour::WrongRole));

    let mut victim = Victim::new(Role::Acceptor, 5);
    victim.hear(root(1, 5, 0));
    let round = victim.round();
    victim.hear(turn(round.round, 3, round.salt, vec![], vec![]));
    assert_eq!(victim.fault, Some(Misbehaviour::WrongTurn));

    let mut victim = Victim::new(Role::Opener, 5);
    victim.hear(turn(5, 0, [1; 8], vec![], vec![]));
    victim.hear(turn(5, 0, [1; 8], vec![], vec![]));
    assert_eq!(victim.fault, Some(Misbehaviour::WrongTurn));
}

/// Rounds in five minutes with an opener that tells roots and has nothing: the same root over and
/// over, or ever another.
fn rounds_about_nothing(other_roots: bool) -> usize {
    let mut victim = Victim::new(Role::Acceptor, 500);
    for step in 0..3_000u64 {
        let after = victim.sent.iter().rev().find_map(|message| match message {
            Message::Compare(compare) => Some(compare.clone()),
            _ => None,
        });
        if let Some(round) = &after {
            victim.hear(turn(round.round, 1, round.salt, vec![], vec![]));
            victim.hear(Message::Done {
                space: space(7),
                round: round.round,
            });
        }
        let number = if other_roots { 1 + step % 200 } else { 1 };
        victim.hear(root(number as u8, 5, after.map_or(0, |round| round.round)));
        victim.now_ms = step * 100;
        if victim.fault.is_some() {
            break;
        }
    }
    let sent = victim.sent.iter();
    sent.filter(|m| matches!(m, Message::Compare(_))).count()
}

#[test]
fn a_root_that_nothing_stands_behind_costs_ever_fewer_rounds() {
    let rounds = rounds_about_nothing(false);
    assert!(rounds < 30, "{rounds} rounds in five minutes");
}

#[test]
fn ever_other_roots_that_nothing_stands_behind_cost_a_round_in_five_seconds() {
    let rounds = rounds_about_nothing(true);
    assert!(
        (20..75).contains(&rounds),
        "{rounds} rounds in five minutes"
    );
}

#[test]
fn rounds_without_end_are_found_out() {
    let mut victim = Victim::new(Role::Opener, 500);
    for round in (1..10_000).step_by(2) {
        victim.hear(turn(round, 0, [1; 8], vec![], vec![]));
        victim.hear(Message::Done {
            space: space(7),
            round,
        });
        victim.now_ms += 10;
    }
    assert_eq!(victim.fault, Some(Misbehaviour::Fruitless));
}

#[test]
fn rounds_that_cut_each_other_off_are_found_out() {
    let mut victim = Victim::new(Role::Opener, 500);
    let wants = vec![Item::Under(Prefix::ALL)];
    for round in (1..200).step_by(2) {
        victim.hear(turn(round, 0, [1; 8], vec![], wants.clone()));
    }
    assert_eq!(victim.fault, Some(Misbehaviour::Fruitless));
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_dropped() {
    let mut victim = Victim::new(Role::Opener, 2_000);
    victim.reads = false;
    let cells = (0..256).map(|slot| (slot, [9; 8])).collect::<Vec<_>>();
    let claim = Claim::Cells {
        base: Prefix::ALL,
        cover: 0,
        levels: 2,
        cells,
    };
    victim.hear(turn(1, 0, [1; 8], vec![claim], vec![]));
    for number in 0..200_000 {
        victim.hear(root(number as u8, 5, 0));
        victim.hear(Message::Refuse { space: space(7) });
        if victim.fault.is_some() {
            break;
        }
    }
    assert_eq!(victim.fault, Some(Misbehaviour::DoesNotRead));
}

#[test]
fn a_peer_that_is_asked_and_does_not_answer_is_dropped() {
    let mut victim = Victim::new(Role::Acceptor, 50);
    victim.hear(root(1, 5, 0));
    for _ in 0..130 {
        victim.now_ms += 1_000;
        victim.input(Input::Tick);
    }
    assert_eq!(victim.fault, Some(Misbehaviour::Silent));
    assert!(victim.in_flight.is_empty());
}

#[test]
fn announcements_without_end_are_bounded() {
    let mut victim = Victim::new(Role::Acceptor, 50);
    for number in 0..20_000u64 {
        let key = key_of(&entry(5_000, number + 1, 0, 50)).unwrap();
        victim.hear(Message::Announce {
            space: space(7),
            keys: vec![key],
        });
    }
    assert!(
        victim.in_flight.len() <= 1_024,
        "{}",
        victim.in_flight.len()
    );
    let wants = victim
        .sent
        .iter()
        .filter(|m| matches!(m, Message::Want { .. }))
        .count();
    assert!(wants <= 1_024);
    victim.now_ms += 60_000;
    victim.input(Input::Tick);
    assert!(victim.in_flight.is_empty(), "what never came is given up");
}

/// Messages a hostile peer would think of: right in form, arbitrary in content.
fn arbitrary(rng: &mut Rng, heard: &[Message]) -> Message {
    let current = heard.iter().rev().find_map(|message| match message {
        Message::Compare(compare) => Some(compare.clone()),
        _ => None,
    });
    let round = current
        .as_ref()
        .map_or(1 + rng.next() % 4, |compare| compare.round);
    let salt = current.as_ref().map_or([1; 8], |compare| compare.salt);
    let next = current.as_ref().map_or(0, |compare| compare.turn + 1);
    let keyed = |rng: &mut Rng| {
        key_of(&entry(
            rng.next() % 50,
            1 + rng.next() % 60,
            rng.next() % 2,
            100,
        ))
        .unwrap()
    };
    let prefix = |rng: &mut Rng, least: usize, most: usize| {
        let bytes = keyed(rng).to_bytes();
        let len = least + rng.below(most - least + 1);
        let mut packed = bytes[..len.div_ceil(2)].to_vec();
        if len % 2 == 1 {
            packed[len / 2] &= 0xf0;
        }
        Prefix::unpack(len, &packed).unwrap()
    };
    match rng.below(14) {
        12 => Message::Spaces {
            community: COMMUNITY,
            spaces: vec![declared_space(&entry(rng.next() % 50, 1, 0, 100))],
        },
        13 => Message::Learn {
            spaces: vec![space(rng.next() as u8 % 9)],
        },
        0 => root(rng.next() as u8, 1 + rng.next() % 99, round),
        1 => Message::Done {
            space: space(7),
            round,
        },
        2 => Message::Announce {
            space: space(7),
            keys: vec![keyed(rng)],
        },
        3 => Message::Want {
            space: space(7),
            keys: vec![keyed(rng)],
        },
        4 => Message::Credit {
            bytes: 1 + rng.next() % 1_000,
        },
        5 => Message::Refuse { space: space(7) },
        6 => Message::Entries {
            space: space(7),
            round: rng.next() % (round + 1),
            entries: (0..1 + rng.below(3))
                .map(|_| entry(rng.next() % 50, 1 + rng.next() % 60, rng.next() % 2, 100))
                .collect(),
        },
        _ => {
            let mut claims = Vec::new();
            for _ in 0..rng.below(6) {
                let base = prefix(rng, 0, 142);
                claims.push(match rng.below(3) {
                    0 => {
                        let levels = 1 + rng.below(2);
                        let slots = 1usize << (4 * levels);
                        let cells = (0..slots).filter(|_| rng.below(2) == 0).collect::<Vec<_>>();
                        let cells = cells.into_iter().map(|slot| (slot, [slot as u8; 8]));
                        let cover = rng.below(base.len() + 1);
                        Claim::Cells {
                            base,
                            cover,
                            levels,
                            cells: cells.collect(),
                        }
                    }
                    1 => {
                        let author = keyed(rng).author;
                        let (last, count) = (1 + rng.next() % 99, 1 + rng.next() % 99);
                        let run = Run {
                            author,
                            last,
                            count,
                            print: [8; 8],
                        };
                        Claim::Runs {
                            prefix: Prefix::ALL,
                            runs: vec![run],
                        }
                    }
                    _ => {
                        let key = keyed(rng);
                        Claim::Keys {
                            prefix: Prefix::of_author(&key.author),
                            keys: vec![key],
                        }
                    }
                });
            }
            let wants = (0..rng.below(4))
                .map(|_| Item::Under(prefix(rng, 0, 144)))
                .collect();
            turn(
                round + u64::from(rng.below(5) == 0),
                next,
                salt,
                claims,
                wants,
            )
        }
    }
}

#[test]
fn a_peer_that_sends_anything_at_all_does_no_harm() {
    let encoded: Vec<_> = samples()
        .iter()
        .map(|(_, message)| message.encode())
        .collect();
    let mut faults = 0;
    for seed in 0..400 {
        let mut rng = Rng(seed);
        let role = [Role::Opener, Role::Acceptor][rng.below(2)];
        let mut victim = Victim::new(role, 300);
        let before = victim.node.spaces[&space(7)].trie.len();
        for _ in 0..150 {
            let message = match rng.below(4) {
                0 => Message::decode(&mutated(&mut rng, &encoded)).ok(),
                _ => Some(arbitrary(&mut rng, &victim.sent)),
            };
            message.into_iter().for_each(|message| victim.hear(message));
            if rng.below(8) == 0 {
                victim.now_ms += 1_000;
                victim.input(Input::Tick);
            }
        }
        faults += usize::from(victim.fault.is_some());
        assert!(
            victim.node.spaces[&space(7)].trie.len() >= before,
            "seed {seed}"
        );
        assert_eq!(
            victim.fault.is_some() || victim.left,
            victim.session.is_over(),
            "seed {seed}"
        );
    }
    assert!(
        faults > 100,
        "only {faults} of 400 hostile peers were found out"
    );
}

#[test]
fn a_liar_does_not_keep_honest_peers_apart() {
    let mut rng = Rng(31);
    let mut world = World::new(2, &[space(7)]);
    for number in 0..400u64 {
        let node = (number % 2) as usize;
        world.nodes[node].insert(space(7), entry(number % 30, 1 + number / 30, 0, 100));
    }
    // The liar takes node 0's pull and announces everything it will never send.
    let liar = world.connect(0, 1);
    world.links[liar].cut = true;
    world.links[liar].ends[0].arriving.clear();
    world.links[liar].ends[1].arriving.clear();
    world.input(liar, 0, Input::Received(turn(1, 0, [1; 8], vec![], vec![])));
    world.connect(0, 1);
    for _ in 0..200 {
        while world.step(&mut rng) {}
        world.tick(1_000);
    }
    assert_eq!(
        world.nodes[0].root(&space(7)),
        world.nodes[1].root(&space(7))
    );
    assert_eq!(world.nodes[0].spaces[&space(7)].trie.len(), 400);
}
