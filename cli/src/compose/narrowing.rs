//! Cuts: what a narrowing leaves in effect, in the open and sealed.

use comity_client::types::{CutPlan, SpaceCutPlan};
use comity_protocol::{
    authority::segments::PART_MAX_BYTES,
    certificate::{CutTable, Cuts, DeviceCut, SealedCuts, SpaceCut},
    id::{EntryId, SpaceId},
    key::PublicKey,
};
use std::str::FromStr;
use thiserror::Error;

/// Bytes of cuts that stand in the open at most: half of what a record holds, so that a certificate
/// has room for all else it says and every signature.
const OPEN_MAX_BYTES: usize = PART_MAX_BYTES;

/// Why no cuts can be made of what the node said.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CutError {
    /// An id or key is not one.
    #[error("the node named an id or key that cannot be read: {0:?}")]
    Unreadable(String),
    /// There are too many.
    #[error("there are more cuts than one narrowing holds")]
    TooMany,
}

/// The cuts of one narrowing, before it is signed.
#[derive(Debug, Clone)]
pub struct Cutting {
    cuts: Cuts,
    sealed: SealedCuts,
    spaces: Vec<SpaceId>,
}

impl Cutting {
    /// Cuts that keep what a plan says. Where not everyone reads they are sealed, and also what does
    /// not fit into the open list: `random` gives salts and leaves, fresh and unpredictable.
    ///
    /// # Errors
    /// [`CutError`] if the plan is not what a node says; or what `random` fails with.
    pub fn new<E: From<CutError>>(
        plan: &CutPlan,
        mut random: impl FnMut() -> Result<[u8; 32], E>,
    ) -> Result<Self, E> {
        let (mut open, mut sealed) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let mut planned: Vec<&SpaceCutPlan> = plan.spaces.iter().collect();
        planned.sort_by_key(|it| size(it));
        for planned in planned {
            let parts = parts(planned)?;
            let larger = bytes + size(planned);
            if planned.open && larger <= OPEN_MAX_BYTES {
                bytes = larger;
                open.extend(parts);
            } else {
                for part in parts {
                    sealed.push((random()?, part));
                }
            }
        }
        open.sort_by_key(|it: &SpaceCut| it.space);
        let leaves = SealedCuts::padding(sealed.len());
        let leaves = (0..leaves)
            .map(|_| random())
            .collect::<Result<Vec<_>, E>>()?;
        let spaces = sealed.iter().map(|(_, cut)| cut.space).collect();
        let sealed = SealedCuts::build(sealed, &leaves).map_err(|_| CutError::TooMany)?;
        let cuts = Cuts {
            open,
            sealed: sealed.root(),
        };
        Ok(Self {
            cuts,
            sealed,
            spaces,
        })
    }

    /// For the narrowing.
    pub fn cuts(&self) -> Cuts {
        self.cuts.clone()
    }

    /// What the readers of each sealed space get, once the narrowing has its id.
    pub fn tables(&self, narrowing: EntryId) -> impl Iterator<Item = (SpaceId, CutTable)> {
        let tables = self.sealed.tables(narrowing);
        self.spaces.iter().copied().zip(tables)
    }
}

/// About how many bytes the cuts of a space take, not fewer.
fn size(planned: &SpaceCutPlan) -> usize {
    let keys = planned.parts.iter().flatten();
    48 + keys.map(|it| 42 + 34 * it.last.len()).sum::<usize>()
}

fn parts(planned: &SpaceCutPlan) -> Result<Vec<SpaceCut>, CutError> {
    let space: SpaceId = read(&planned.space)?;
    let part = |keys: &Vec<comity_client::types::KeyCut>| {
        let devices = keys.iter().map(|it| {
            let last = it.last.iter().map(|id| read::<EntryId>(id));
            Ok(DeviceCut {
                key: read::<PublicKey>(&it.key)?,
                last: last.collect::<Result<_, CutError>>()?,
            })
        });
        let mut devices = devices.collect::<Result<Vec<_>, CutError>>()?;
        devices.sort_by_key(|it| it.key);
        Ok(SpaceCut { space, devices })
    };
    planned.parts.iter().map(part).collect()
}

fn read<T: FromStr>(text: &str) -> Result<T, CutError> {
    text.parse()
        .map_err(|_| CutError::Unreadable(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::KeyCut;

    fn plan() -> CutPlan {
        let key = comity_protocol::key::SecretKey::from_seed(&[1; 32]).public();
        let space = |byte: u8, open| SpaceCutPlan {
            space: SpaceId::from_bytes([byte; 32]).to_string(),
            name: String::new(),
            open,
            contributions: 1,
            parts: vec![vec![KeyCut {
                key: key.to_string(),
                last: vec![EntryId::from_bytes([byte; 32]).to_string()],
            }]],
        };
        CutPlan {
            spaces: vec![space(2, true), space(1, true), space(3, false)],
        }
    }

    #[test]
    fn what_not_everyone_reads_is_sealed_and_proven_by_its_table() {
        let mut salt = 0u8;
        let cutting = Cutting::new::<CutError>(&plan(), || {
            salt += 1;
            Ok([salt; 32])
        })
        .unwrap();
        let cuts = cutting.cuts();
        cuts.check().unwrap();
        assert_eq!(cuts.open.len(), 2);
        let narrowing = EntryId::from_bytes([9; 32]);
        let tables: Vec<_> = cutting.tables(narrowing).collect();
        let [(space, table)] = tables.as_slice() else {
            panic!("one table: {tables:?}");
        };
        assert_eq!(*space, SpaceId::from_bytes([3; 32]));
        assert_eq!(table.root(), cuts.sealed);
        assert_eq!(table.narrowing, narrowing);
    }

    #[test]
    fn what_does_not_fit_into_the_open_is_sealed() {
        let key = |byte: u64| {
            let mut seed = [2; 32];
            seed[..8].copy_from_slice(&byte.to_be_bytes());
            comity_protocol::key::SecretKey::from_seed(&seed)
                .public()
                .to_string()
        };
        let last = EntryId::from_bytes([5; 32]).to_string();
        let cuts: Vec<KeyCut> = (0..1_200)
            .map(|it| KeyCut {
                key: key(it),
                last: vec![last.clone()],
            })
            .collect();
        let space = |byte: u8| SpaceCutPlan {
            space: SpaceId::from_bytes([byte; 32]).to_string(),
            name: String::new(),
            open: true,
            contributions: 1_200,
            parts: vec![cuts.clone()],
        };
        let plan = CutPlan {
            spaces: vec![space(1), space(2)],
        };
        let cutting = Cutting::new::<CutError>(&plan, || Ok([7; 32])).unwrap();
        assert_eq!(cutting.cuts().open.len(), 1);
        assert_eq!(cutting.tables(EntryId::from_bytes([9; 32])).count(), 1);
    }

    #[test]
    fn without_a_plan_everything_is_cut_at_zero() {
        let cutting = Cutting::new::<CutError>(&CutPlan::default(), || Ok([7; 32])).unwrap();
        assert!(cutting.cuts().open.is_empty());
        assert_ne!(cutting.cuts().sealed, [0; 32]);
        assert_eq!(cutting.tables(EntryId::from_bytes([9; 32])).count(), 0);
    }
}
