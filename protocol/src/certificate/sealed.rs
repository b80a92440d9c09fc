//! Cuts of spaces that not everyone reads: leaves of a Merkle tree whose root stands in the open.
//!
//! Each leaf travels to the readers of its space alone. Salts keep others from guessing it, random
//! leaves keep them from counting, and since leaves stand in the order of their digests, the place
//! of one says nothing about others.
//!
//! Spec: `specs/roster.md` (form of cuts).

use super::{
    CertificateError,
    cuts::SpaceCut,
    parts::{contradiction, read_list},
};
use crate::{
    codec::{Reader, Writer},
    id::{EntryId, digest, domain},
};
use thiserror::Error;

/// Bytes of a salt, a digest and a random leaf.
pub const LEAF_BYTES: usize = 32;
/// Fewest leaves of a tree.
pub const LEAVES_MIN: usize = 8;
/// Most leaves of a tree.
pub const LEAVES_MAX: usize = 1 << PATH_MAX;
/// Shortest path from a leaf to the root.
const PATH_MIN: usize = LEAVES_MIN.ilog2() as usize;
/// Longest path from a leaf to the root.
const PATH_MAX: usize = 16;

/// Why no tree can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// The tree has another number of random leaves.
    #[error("{needed} random leaves are needed, {given} are given")]
    Padding {
        /// How many fill the tree; see [`SealedCuts::padding`].
        needed: usize,
        /// How many were given.
        given: usize,
    },
    /// More cuts than leaves.
    #[error("{0} cuts where a tree has at most {LEAVES_MAX} leaves")]
    TooMany(usize),
}

/// The tree over the cuts of spaces that not everyone reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCuts {
    cuts: Vec<([u8; LEAF_BYTES], SpaceCut)>,
    /// Place of each cut among the leaves.
    places: Vec<usize>,
    /// Digests, the leaves first, the root last.
    levels: Vec<Vec<[u8; LEAF_BYTES]>>,
}

impl SealedCuts {
    /// How many random leaves fill the tree over this many cuts: up to a power of two, at least
    /// [`LEAVES_MIN`] in all.
    pub fn padding(cuts: usize) -> usize {
        cuts.next_power_of_two().max(LEAVES_MIN) - cuts
    }

    /// Builds the tree over cuts, each with a salt of its own. `random` are
    /// [`SealedCuts::padding`] leaves; salts and leaves are fresh random bytes.
    ///
    /// # Errors
    /// [`SealError`] if the leaves do not fill a tree, or there are too many cuts.
    pub fn build(
        cuts: Vec<([u8; LEAF_BYTES], SpaceCut)>,
        random: &[[u8; LEAF_BYTES]],
    ) -> Result<Self, SealError> {
        if cuts.len() > LEAVES_MAX {
            return Err(SealError::TooMany(cuts.len()));
        }
        let (needed, given) = (Self::padding(cuts.len()), random.len());
        if needed != given {
            return Err(SealError::Padding { needed, given });
        }
        let own: Vec<_> = cuts.iter().map(|(salt, cut)| leaf(salt, cut)).collect();
        let mut leaves: Vec<_> = own.iter().chain(random).copied().collect();
        leaves.sort_unstable();
        let places = own
            .iter()
            .map(|own| leaves.partition_point(|it| it < own))
            .collect();
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level
                .chunks_exact(2)
                .map(|pair| branch(&pair[0], &pair[1]))
                .collect();
            levels.push(above);
        }
        Ok(Self {
            cuts,
            places,
            levels,
        })
    }

    /// The root, for [`super::Cuts::sealed`].
    pub fn root(&self) -> [u8; LEAF_BYTES] {
        self.levels
            .last()
            .and_then(|level| level.first())
            .copied()
            .expect("a tree has at least eight leaves, so it has a root")
    }

    /// What the readers of the `number`-th cut's space get, for the narrowing that holds the root.
    /// None if there is no such cut.
    pub fn table(&self, number: usize, narrowing: EntryId) -> Option<CutTable> {
        let (salt, cut) = self.cuts.get(number)?;
        let place = *self.places.get(number)?;
        let below_root = &self.levels[..self.levels.len() - 1];
        let path = below_root.iter().enumerate();
        let path = path.map(|(height, level)| level[(place >> height) ^ 1]);
        Some(CutTable {
            narrowing,
            salt: *salt,
            index: place as u64,
            cut: cut.clone(),
            path: path.collect(),
        })
    }

    /// The tables of all cuts, in the order they were given.
    pub fn tables(&self, narrowing: EntryId) -> impl Iterator<Item = CutTable> {
        (0..self.cuts.len()).filter_map(move |number| self.table(number, narrowing))
    }
}

/// The cuts of one space, with the proof that a narrowing's root commits to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTable {
    /// The record or certificate that narrows.
    pub narrowing: EntryId,
    /// Salt of the leaf.
    pub salt: [u8; LEAF_BYTES],
    /// Place among the leaves, from 0.
    pub index: u64,
    /// The cuts.
    pub cut: SpaceCut,
    /// Digests beside the way from the leaf to the root: 3 to 16.
    pub path: Vec<[u8; LEAF_BYTES]>,
}

impl CutTable {
    /// The root that it proves to commit to its cuts. It counts only if the narrowing states it.
    pub fn root(&self) -> [u8; LEAF_BYTES] {
        let mut digest = leaf(&self.salt, &self.cut);
        for (height, beside) in self.path.iter().enumerate() {
            let stands_right = self.index >> height & 1 == 1;
            digest = if stands_right {
                branch(beside, &digest)
            } else {
                branch(&digest, beside)
            };
        }
        digest
    }

    /// Whether its lists are in order and its place is in the tree.
    ///
    /// # Errors
    /// [`CertificateError`] names the rule that is broken.
    pub fn check(&self) -> Result<(), CertificateError> {
        if self.path.len() < PATH_MIN {
            return contradiction("a tree of cuts has at least eight leaves");
        }
        if self.path.len() > PATH_MAX || self.index >> self.path.len() != 0 {
            return contradiction("the place is outside the tree of cuts");
        }
        self.cut.check()
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.array(5).bytes(self.narrowing.as_bytes());
        w.bytes(&self.salt).uint(self.index);
        self.cut.write(w);
        w.array(self.path.len());
        for digest in &self.path {
            w.bytes(digest);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        r.array_of(5)?;
        let table = Self {
            narrowing: EntryId::from_bytes(r.fixed()?),
            salt: r.fixed()?,
            index: r.uint_max(LEAVES_MAX as u64 - 1)?,
            cut: SpaceCut::read(r)?,
            path: read_list(r, PATH_MAX, |r| Ok(r.fixed()?))?,
        };
        table.check()?;
        Ok(table)
    }
}

fn leaf(salt: &[u8; LEAF_BYTES], cut: &SpaceCut) -> [u8; LEAF_BYTES] {
    let mut writer = Writer::new();
    cut.write(&mut writer);
    digest(domain::CUT_LEAF, &[salt, &writer.finish()])
}

fn branch(left: &[u8; LEAF_BYTES], right: &[u8; LEAF_BYTES]) -> [u8; LEAF_BYTES] {
    digest(domain::CUT_BRANCH, &[left, right])
}
