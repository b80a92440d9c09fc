//! Cuts: up to where what a key signed goes on to count after a narrowing.
//!
//! Spec: `specs/roster.md` (form of cuts).

use super::{
    CertificateError,
    parts::{check_ascending, contradiction, read_key, read_list},
};
use crate::{
    codec::{Reader, Writer},
    id::{EntryId, SpaceId},
    key::PublicKey,
};

/// Most spaces whose cuts stand openly in one narrowing.
pub const CUT_SPACES_MAX: usize = 1_024;
/// Most keys in the cuts of one space. What fits into a body is the narrower bound for some.
pub const CUT_KEYS_MAX: usize = 4_096;
/// Most unbroken segments of one key's chain in one space.
pub const CUT_SEGMENTS_MAX: usize = 256;

/// What a narrowing leaves in force, for every space.
///
/// A space that neither list nor table names is cut at zero, to be lifted there by receipts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Cuts in the governance space and in spaces that everyone reads: strictly ascending by space,
    /// at most [`CUT_SPACES_MAX`].
    pub open: Vec<SpaceCut>,
    /// Root of the Merkle tree over the salted cuts of all other spaces; random if there are none.
    /// Zeros where nothing is narrowed.
    pub sealed: [u8; 32],
}

impl Cuts {
    /// Whether they are those of a body that narrows nothing.
    pub fn is_none(&self) -> bool {
        self.open.is_empty() && self.sealed == [0; 32]
    }

    /// Whether the lists are in order and none is empty.
    ///
    /// # Errors
    /// [`CertificateError`] names the rule that is broken.
    pub fn check(&self) -> Result<(), CertificateError> {
        check_ascending(self.open.iter().map(|it| it.space))?;
        self.open.iter().try_for_each(SpaceCut::check)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.array(2).array(self.open.len());
        for cut in &self.open {
            cut.write(w);
        }
        w.bytes(&self.sealed);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        r.array_of(2)?;
        let cuts = Self {
            open: read_list(r, CUT_SPACES_MAX, SpaceCut::read)?,
            sealed: r.fixed()?,
        };
        cuts.check()?;
        Ok(cuts)
    }
}

/// The cuts of one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceCut {
    /// The space.
    pub space: SpaceId,
    /// Strictly ascending by key, 1 to [`CUT_KEYS_MAX`]; a key that is not named is cut at zero.
    pub devices: Vec<DeviceCut>,
}

impl SpaceCut {
    /// Whether the lists are in order and none is empty.
    ///
    /// # Errors
    /// [`CertificateError`] names the rule that is broken.
    pub fn check(&self) -> Result<(), CertificateError> {
        if self.devices.is_empty() {
            return contradiction("the cuts of a space name at least one key");
        }
        check_ascending(self.devices.iter().map(|it| it.key))?;
        for device in &self.devices {
            if device.last.is_empty() {
                return contradiction("the cut of a key names at least one entry");
            }
            check_ascending(&device.last)?;
        }
        Ok(())
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.array(2).bytes(self.space.as_bytes());
        w.array(self.devices.len());
        for device in &self.devices {
            w.array(2).bytes(device.key.as_bytes());
            w.array(device.last.len());
            for id in &device.last {
                w.bytes(id.as_bytes());
            }
        }
    }

    /// Reads without checking order, which [`SpaceCut::check`] does.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        r.array_of(2)?;
        Ok(Self {
            space: SpaceId::from_bytes(r.fixed()?),
            devices: read_list(r, CUT_KEYS_MAX, |r| {
                r.array_of(2)?;
                Ok(DeviceCut {
                    key: read_key(r)?,
                    last: read_list(r, CUT_SEGMENTS_MAX, |r| Ok(EntryId::from_bytes(r.fixed()?)))?,
                })
            })?,
        })
    }
}

/// Up to where the chain of one key counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCut {
    /// A device, a root key or a node.
    pub key: PublicKey,
    /// The last id of every unbroken segment of its chain: strictly ascending, 1 to
    /// [`CUT_SEGMENTS_MAX`].
    pub last: Vec<EntryId>,
}
