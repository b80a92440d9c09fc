//! The room below cuts is shared by persons: nobody keeps others out by many devices or spaces.

use comity_node::pending::{Pending, Source, Waits};
use comity_protocol::{
    entry::{Entry, Verified},
    id::{CommunityId, SpaceId},
    key::PublicKey,
};
use comity_tests::community::{Signer, topic};

/// Authors for whom there is room, in all.
const ROOM: usize = 64;

struct Room {
    pending: Pending,
    space: SpaceId,
}

impl Room {
    fn new() -> Self {
        Self {
            pending: Pending::default(),
            space: SpaceId::from_bytes([1; 32]),
        }
    }

    /// A device of a person has something waiting for the top of a cut. Gives back its key.
    fn wait(&mut self, person: &str, device: usize) -> PublicKey {
        let mut signer = Signer::new(&format!("{person}'s device {device}"));
        let entry = signer.create(self.space, &topic("Late", "Beyond the cut"));
        let waits = Waits::ForCut {
            named: false,
            person: Signer::new(person).public(),
        };
        let community = CommunityId::from_bytes([2; 32]);
        let entry = Verified::check(entry).unwrap();
        self.pending.add(entry, community, Source::Local, waits);
        signer.public()
    }

    fn has(&self, key: &PublicKey) -> bool {
        self.pending.waits_below_cut(&self.space, key)
    }

    fn count(&self, keys: &[PublicKey]) -> usize {
        keys.iter().filter(|key| self.has(key)).count()
    }
}

#[test]
fn one_person_with_many_chains_keeps_nobody_from_waiting() {
    let mut room = Room::new();
    let many: Vec<PublicKey> = (0..ROOM + 9).map(|it| room.wait("Mallory", it)).collect();
    assert_eq!(
        room.count(&many),
        ROOM,
        "all of it, as long as nobody else comes"
    );
    let other = room.wait("Ada", 0);
    assert!(room.has(&other));
    assert_eq!(room.count(&many), ROOM - 1);
    assert!(!room.has(&many[ROOM - 1]), "the newest gave way");
    // What gave way does not push out anybody when it comes again.
    room.wait("Mallory", ROOM - 1);
    assert!(room.has(&other));
    assert_eq!(room.count(&many), ROOM - 1);
}

#[test]
fn persons_who_want_all_of_the_room_have_equal_shares_of_it() {
    let mut room = Room::new();
    let persons = ["Mallory", "Ada", "Ben", "Zoe"];
    let devices: Vec<Vec<PublicKey>> = persons
        .iter()
        .map(|person| (0..ROOM).map(|it| room.wait(person, it)).collect())
        .collect();
    let shares: Vec<usize> = devices.iter().map(|keys| room.count(keys)).collect();
    assert_eq!(shares, [ROOM / 4; 4]);
}

#[test]
fn words_that_wait_do_not_give_way_to_their_absence() {
    let mut pending = Pending::default();
    let space = SpaceId::from_bytes([1; 32]);
    let community = CommunityId::from_bytes([2; 32]);
    let whole = Signer::new("Ada").create(space, &topic("Early", "With words"));
    let Entry::Contribution(contribution) = whole.clone() else {
        panic!("a contribution")
    };
    let lacking = Entry::Contribution(contribution.without_words());
    let peer = Source::Peer("somebody who keeps less".into());
    let offers = [(lacking.clone(), &peer), (whole.clone(), &Source::Local)];
    for offers in [offers.clone(), [offers[1].clone(), offers[0].clone()]] {
        for (entry, source) in offers {
            let entry = Verified::check(entry).unwrap();
            pending.add(entry, community, source.clone(), Waits::ForAuthority);
        }
        let (entry, _, source) = pending.take_one(&whole.id()).unwrap();
        assert_eq!((&*entry, source), (&whole, Source::Local));
        assert_eq!(pending.counts(), (0, 0));
    }
}
