//! Sealed cuts: what a root commits to, and what it does not tell.

use crate::{
    governance::{cut_table, entry_id, sealed, space_cut, space_id},
    sync::harness::Rng,
};
use comity_protocol::{
    certificate::{LEAVES_MIN, SealError, SealedCuts, SpaceCut},
    record::{CutTable, RecordBody},
};

fn random(rng: &mut Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&rng.next().to_le_bytes());
    }
    bytes
}

fn tree(rng: &mut Rng, cuts: &[SpaceCut]) -> SealedCuts {
    let salted = cuts.iter().map(|cut| (random(rng), cut.clone()));
    let salted = salted.collect();
    let padding: Vec<_> = (0..SealedCuts::padding(cuts.len()))
        .map(|_| random(rng))
        .collect();
    SealedCuts::build(salted, &padding).unwrap()
}

fn cuts_of(count: usize) -> Vec<SpaceCut> {
    let cuts = (0..count).map(|number| {
        let mut space = [0; 32];
        space[..8].copy_from_slice(&number.to_be_bytes());
        space_cut(comity_protocol::id::SpaceId::from_bytes(space))
    });
    cuts.collect()
}

/// Whatever the number of cuts, each table proves its own cut, and nothing else in its place.
#[test]
fn each_table_leads_to_the_root_and_no_other_does() {
    let mut rng = Rng(41);
    for count in [0, 1, 2, 7, 8, 9, 31, 33] {
        let cuts = cuts_of(count);
        let tree = tree(&mut rng, &cuts);
        let tables: Vec<CutTable> = tree.tables(entry_id(9)).collect();
        assert_eq!(tables.len(), count);
        assert_eq!(tree.table(count, entry_id(9)), None);
        for (table, cut) in tables.iter().zip(&cuts) {
            assert_eq!(table.cut, *cut);
            assert_eq!(table.check(), Ok(()));
            assert_eq!(table.root(), tree.root(), "{count}");
            let encoded = RecordBody::CutTable(table.clone()).encode();
            let again = RecordBody::decode(19, &encoded);
            assert_eq!(again, Ok(RecordBody::CutTable(table.clone())));
            for changed in changed(table) {
                assert_ne!(changed.root(), tree.root(), "{count}: {changed:?}");
            }
        }
    }
}

/// The table with one thing changed in each.
fn changed(table: &CutTable) -> Vec<CutTable> {
    let with = |change: &dyn Fn(&mut CutTable)| {
        let mut table = table.clone();
        change(&mut table);
        table
    };
    let mut all = vec![
        with(&|it| it.salt[0] ^= 1),
        with(&|it| it.cut.space = space_id(0xee)),
        with(&|it| it.cut.devices[0].last[0] = entry_id(0xee)),
        with(&|it| it.cut.devices.truncate(1)),
        with(&|it| it.path.truncate(it.path.len() - 1)),
        with(&|it| it.path.push([0; 32])),
    ];
    for height in 0..table.path.len() {
        all.push(with(&|it| it.path[height][31] ^= 1));
        all.push(with(&|it| it.index ^= 1 << height));
    }
    all
}

/// A branch is no leaf: what lies above a table's leaf cannot be passed off as one.
#[test]
fn leaves_and_branches_are_told_apart() {
    let (leaf, branch) = (b"comity/1/cut-leaf\0", b"comity/1/cut-branch\0");
    let table = cut_table();
    let encoded = RecordBody::CutTable(table.clone()).encode();
    let cut = {
        // In the body: narrowing and salt with their heads, the index, then the cut.
        let start = 1 + 34 + 34 + 1;
        let end = encoded.len() - (1 + 34 * table.path.len());
        &encoded[start..end]
    };
    let mut digest = *blake3::Hasher::new()
        .update(leaf)
        .update(&table.salt)
        .update(cut)
        .finalize()
        .as_bytes();
    for (height, beside) in table.path.iter().enumerate() {
        let mut hasher = blake3::Hasher::new();
        hasher.update(branch);
        if table.index >> height & 1 == 1 {
            hasher.update(beside).update(&digest);
        } else {
            hasher.update(&digest).update(beside);
        }
        digest = *hasher.finalize().as_bytes();
    }
    assert_eq!(digest, table.root());
    assert_eq!(digest, sealed().root());
}

/// Trees of no, one and eight cuts look alike from the outside, and where a cut stands follows from
/// its salt, not from how many there are.
#[test]
fn the_number_of_cuts_shows_in_no_path_below_nine() {
    let mut rng = Rng(42);
    let mut places = [0; LEAVES_MIN];
    for count in 1..=8 {
        let cuts = cuts_of(count);
        for _ in 0..40 {
            let tree = tree(&mut rng, &cuts);
            for table in tree.tables(entry_id(1)) {
                assert_eq!(table.path.len(), 3);
                places[table.index as usize] += 1;
            }
        }
    }
    // 1,440 tables over eight places: 180 each.
    assert!(
        places.iter().all(|it| (120..240).contains(it)),
        "{places:?}"
    );
    let (one, other) = (tree(&mut rng, &cuts_of(1)), tree(&mut rng, &cuts_of(1)));
    assert_ne!(one.root(), other.root(), "salts hide what is cut");
}

#[test]
fn the_random_leaves_fill_the_tree() {
    let salted = |count| cuts_of(count).into_iter().map(|cut| ([1; 32], cut));
    for (cuts, needed) in [(0, 8), (1, 7), (8, 0), (9, 7), (17, 15)] {
        assert_eq!(SealedCuts::padding(cuts), needed);
        let given = needed + 1;
        let error = SealedCuts::build(salted(cuts).collect(), &vec![[2; 32]; given]);
        assert_eq!(error, Err(SealError::Padding { needed, given }));
    }
}
