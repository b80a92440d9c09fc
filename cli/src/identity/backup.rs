//! One encrypted file with everything of an identity, and the ways back.
//!
//! A backup restores **the same device**. If that device signed more after the backup was made, or
//! still signs elsewhere, its chains fork; so the restored memory is marked until the device has
//! synced ([`ChainMemory::restored_unconfirmed`]). The recovery phrase restores the person with a
//! **new** device, which cannot fork anything.
//!
//! Spec: `specs/identity.md` §7 (backup and restore).

use super::{
    chains::{ChainHead, ChainMemory},
    envelope::{self, EnvelopeKind, KdfParams},
    error::IdentityError,
    files,
    folder::{Identity, IdentityFolder},
    material::{DEVICE_ONLY, DisplayName, Material, Slot},
    passphrase::Passphrase,
    phrase::RecoveryPhrase,
};
use comity_protocol::{
    codec::{CodecError, Reader, Writer},
    id::{EntryId, SpaceId},
    limits::{SEQ_MAX, TIME_MAX_MS},
};
use std::{collections::BTreeMap, path::Path};
use zeroize::Zeroizing;

const BACKUP_MAX_BYTES: u64 = 32 * 1024 * 1024;
const SPACES_MAX: usize = 100_000;

/// An identity that came back from a backup.
#[derive(Debug)]
pub struct Restored {
    /// The identity: the same person on the same device.
    pub identity: Identity,
    /// When the backup was made, in milliseconds since the Unix epoch.
    pub made_ms: u64,
    /// In how many spaces the device had written by then.
    pub spaces: usize,
}

impl Restored {
    /// What the person must know before writing anything.
    pub fn warning(&self) -> String {
        "this is the same device as before: if it wrote anything after this backup was made, or is \
         still used elsewhere, its history forks, and everybody sees that. Run `comity sync` before \
         you write"
            .to_owned()
    }
}

struct Content {
    material: Material,
    made_ms: u64,
    heads: BTreeMap<SpaceId, ChainHead>,
}

impl Identity {
    /// Writes everything of this identity into one encrypted file that does not exist yet.
    ///
    /// # Errors
    /// If the file exists or cannot be written, or the chain memory cannot be read.
    pub fn backup(
        &self,
        target: &Path,
        passphrase: &Passphrase,
        kdf: KdfParams,
        now_ms: u64,
    ) -> Result<(), IdentityError> {
        let chains = self.chains()?;
        let content = write_content(self.material(), &chains, now_ms);
        let sealed = envelope::seal(EnvelopeKind::Backup, passphrase, kdf, &content)
            .map_err(|error| IdentityError::envelope(target, error))?;
        if files::stage(target, &sealed)?.commit_new()? {
            Ok(())
        } else {
            Err(IdentityError::BackupExists(target.to_owned()))
        }
    }
}

impl IdentityFolder {
    /// Brings back the same device from a backup, sealed here with the backup's passphrase.
    ///
    /// # Errors
    /// If an identity is here already, the backup cannot be opened, or the folder not written.
    pub fn restore_backup(
        &self,
        file: &Path,
        passphrase: &Passphrase,
        kdf: KdfParams,
        now_ms: u64,
    ) -> Result<Restored, IdentityError> {
        if self.is_taken() {
            return Err(IdentityError::AlreadyExists(self.path().to_owned()));
        }
        let sealed = files::read(file, BACKUP_MAX_BYTES)?
            .ok_or_else(|| IdentityError::io("read", file, std::io::ErrorKind::NotFound.into()))?;
        let (content, _) = envelope::open(EnvelopeKind::Backup, passphrase, &sealed)
            .map_err(|error| IdentityError::envelope(file, error))?;
        let content =
            read_content(&content).map_err(|error| IdentityError::damaged(file, error))?;
        let spaces = content.heads.len();
        let device = content.material.device().public();
        let chains = ChainMemory::restored(device, content.heads, now_ms);
        let identity = self.create_with(content.material, passphrase, kdf, &chains)?;
        Ok(Restored {
            identity,
            made_ms: content.made_ms,
            spaces,
        })
    }

    /// Brings back the person from the recovery phrase, as a new device.
    ///
    /// # Errors
    /// If the phrase is wrong, an identity is here already, or the folder cannot be written.
    pub fn restore_phrase(
        &self,
        phrase: &str,
        name: DisplayName,
        slot: Option<Slot>,
        passphrase: &Passphrase,
        kdf: KdfParams,
        now_ms: u64,
    ) -> Result<Identity, IdentityError> {
        let entropy = RecoveryPhrase::parse(phrase)?;
        let material = Material::new_device(entropy, slot, name, now_ms)?;
        self.create(material, passphrase, kdf)
    }
}

/// `[1, entropy (or 2, root key), device seed, slot, name, time made, time of the backup, [[space, seq, id]…]]`
fn write_content(material: &Material, chains: &ChainMemory, now_ms: u64) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new();
    writer.array(8).uint(material.version());
    material.write(&mut writer);
    writer.uint(now_ms.min(TIME_MAX_MS));
    writer.array(chains.heads().count());
    for (space, head) in chains.heads() {
        writer
            .array(3)
            .bytes(space.as_bytes())
            .uint(head.seq)
            .bytes(head.id.as_bytes());
    }
    Zeroizing::new(writer.finish())
}

fn read_content(content: &[u8]) -> Result<Content, CodecError> {
    let mut reader = Reader::new(content);
    reader.array_of(8)?;
    let version = reader.uint_max(DEVICE_ONLY)?;
    let material = Material::read(version, &mut reader)?;
    let made_ms = reader.uint_max(TIME_MAX_MS)?;
    let mut heads = BTreeMap::new();
    for _ in 0..reader.array(SPACES_MAX)? {
        reader.array_of(3)?;
        let space = SpaceId::from_bytes(reader.fixed()?);
        let seq = reader.uint_max(SEQ_MAX)?;
        let id = EntryId::from_bytes(reader.fixed()?);
        heads.insert(space, ChainHead { seq, id });
    }
    reader.end()?;
    Ok(Content {
        material,
        made_ms,
        heads,
    })
}
