use super::*;
use comity_protocol::key::SecretKey;

const SPACE: SpaceId = SpaceId::from_bytes([7; 32]);

fn id(number: u8) -> EntryId {
    EntryId::from_bytes([number; 32])
}

fn author(number: u8) -> PublicKey {
    SecretKey::from_seed(&[number; 32]).public()
}

#[test]
fn what_was_decided_outlives_the_process() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keep.json");
    let decided = [
        Keep::Recent { days: 90 },
        Keep::Structure,
        Keep::Nothing,
        Keep::Everything,
    ];
    for keep in decided {
        let keeping = Keeping::open(path.clone()).unwrap();
        keeping.decide(SPACE, keep).unwrap();
        assert_eq!(Keeping::open(path.clone()).unwrap().of(&SPACE), keep);
    }
}

#[test]
fn a_space_counts_as_partial_from_before_the_first_lack_until_all_words_are_here() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("keep.json");
    let keeping = Keeping::open(path.clone()).unwrap();
    assert_eq!(keeping.kept(&SPACE), Kept::Complete);
    keeping.expect_lacks(SPACE).unwrap();
    // A crash here: whatever is missing has to be counted before the space can be complete.
    let keeping = Keeping::open(path.clone()).unwrap();
    assert_eq!(keeping.uncounted(), [SPACE]);
    keeping.settle(SPACE).unwrap();
    assert_eq!(keeping.kept(&SPACE), Kept::Partial { lacking: None });
    keeping.note_lack(SPACE, id(1), author(1));
    keeping.counted(SPACE).unwrap();
    assert_eq!(keeping.kept(&SPACE), Kept::Partial { lacking: Some(1) });
    keeping.note_found(&SPACE, &id(1));
    keeping.settle(SPACE).unwrap();
    assert_eq!(keeping.kept(&SPACE), Kept::Complete);
    let keeping = Keeping::open(path).unwrap();
    assert_eq!(keeping.kept(&SPACE), Kept::Complete);
}

#[test]
fn receipts_are_for_spaces_kept_whole_and_authors_all_of_whose_words_are_here() {
    let keeping = Keeping::default();
    let (whole, partial) = (author(1), author(2));
    keeping.expect_lacks(SPACE).unwrap();
    keeping.note_lack(SPACE, id(2), author(2));
    assert!(keeping.may_receipt(&SPACE, &whole));
    assert!(!keeping.may_receipt(&SPACE, &partial));
    keeping.note_found(&SPACE, &id(2));
    assert!(keeping.may_receipt(&SPACE, &partial));
    for keep in [Keep::Recent { days: 1 }, Keep::Structure, Keep::Nothing] {
        keeping.decide(SPACE, keep).unwrap();
        assert!(!keeping.may_receipt(&SPACE, &whole), "{keep}");
    }
}

#[test]
fn only_what_is_wanted_for_good_is_looked_for() {
    let keeping = Keeping::default();
    let other = SpaceId::from_bytes([9; 32]);
    for (space, entry) in [(SPACE, 1), (SPACE, 2), (other, 3)] {
        keeping.expect_lacks(space).unwrap();
        keeping.note_lack(space, id(entry), author(1));
    }
    keeping.decide(other, Keep::Structure).unwrap();
    assert_eq!(keeping.wanted(None, 9), [(SPACE, id(1)), (SPACE, id(2))]);
    assert_eq!(keeping.wanted(Some((SPACE, id(1))), 9), [(SPACE, id(2))]);
    assert_eq!(keeping.wanted(None, 1).len(), 1);
    assert_eq!(keeping.kept(&other), Kept::Partial { lacking: Some(1) });
    // Kept whole from now on: what is missing has to be found first.
    keeping.decide(other, Keep::Everything).unwrap();
    assert_eq!(keeping.uncounted(), [other]);
    assert!(!keeping.may_receipt(&other, &author(1)));
}

#[test]
fn what_is_decided_is_named_in_one_way() {
    for text in ["everything", "structure", "nothing", "recent 90"] {
        assert_eq!(text.parse::<Keep>().unwrap().to_string(), text);
    }
    for text in ["", "recent", "recent 0", "recent 36501", "recent -1", "all"] {
        assert!(text.parse::<Keep>().is_err(), "{text}");
    }
    let keep = Keep::Recent { days: 2 };
    let day = 24 * 60 * 60 * 1_000;
    assert!(keep.keeps_words_of(8 * day, 10 * day) && !keep.keeps_words_of(8 * day - 1, 10 * day));
    assert!(keep.keeps_words_of(0, 10) && !Keep::Structure.keeps_words_of(10, 10));
}
