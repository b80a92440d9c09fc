//! The folder of an identity, and what an unlocked identity can do.
//!
//! ```text
//! identity.json   who lives here, readable without the passphrase
//! secret          the keys, encrypted
//! chains.json     what this device signed last in each space
//! lock            held while somebody writes here or signs
//! ```
//!
//! `secret` is the truth: it is written first, and `identity.json` is made again from it if it is
//! missing, so a creation that was interrupted is completed by the next unlock.
//!
//! Spec: `specs/identity.md` §6 (folder).

use super::{
    chains::{ChainHead, ChainMemory, Expect},
    envelope::{self, EnvelopeKind, KdfParams},
    error::IdentityError,
    files::{self, FolderLock},
    material::{DEVICE_ONLY, Material, RootPart},
    passphrase::Passphrase,
    phrase::RecoveryPhrase,
    public::PublicIdentity,
};
use comity_protocol::{
    codec::{CodecError, Reader, Writer},
    id::SpaceId,
    key::{PublicKey, SecretKey},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// Longest `secret` or `identity.json`, in bytes; both are far shorter.
const SMALL_FILE_MAX_BYTES: u64 = 64 * 1024;
/// Longest `chains.json`, in bytes: some 100,000 spaces.
const CHAINS_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// How long a command waits for another one that holds the folder.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);

/// A folder that holds, or may come to hold, an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFolder {
    path: PathBuf,
}

/// Something a person should know about the folder; nothing that stops a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Others can read or enter what should be private.
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The secret is sealed with an empty passphrase.
    NoPassphrase,
    /// The secret is sealed at a cost that protects nothing, as in tests.
    WeakKdf(KdfParams),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenToOthers { path, mode } => write!(
                f,
                "{} is open to other users of this machine (mode {mode:03o}): run `chmod go= {}`",
                path.display(),
                path.display()
            ),
            Self::NoPassphrase => f.write_str(
                "this identity has no passphrase: whoever gets its files can write in your name",
            ),
            Self::WeakKdf(kdf) => write!(
                f,
                "this identity is sealed with test parameters ({} KiB, {} passes), which protect \
                 nothing: unset COMITY_TEST_FAST_KDF and set the passphrase anew",
                kdf.memory_kib, kdf.passes
            ),
        }
    }
}

impl IdentityFolder {
    /// The identity in this folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn secret_path(&self) -> PathBuf {
        self.path.join("secret")
    }

    fn public_path(&self) -> PathBuf {
        self.path.join("identity.json")
    }

    fn chains_path(&self) -> PathBuf {
        self.path.join("chains.json")
    }

    /// Whether an identity, even an incomplete or damaged one, is here.
    pub fn is_taken(&self) -> bool {
        self.secret_path().exists() || self.public_path().exists()
    }

    /// Who lives here, without the passphrase.
    ///
    /// # Errors
    /// If nobody does, or `identity.json` cannot be read.
    pub fn public(&self) -> Result<PublicIdentity, IdentityError> {
        let path = self.public_path();
        match files::read(&path, SMALL_FILE_MAX_BYTES)? {
            Some(bytes) => PublicIdentity::from_json(&path, &bytes),
            None => Err(IdentityError::Missing(self.path.clone())),
        }
    }

    /// Puts a person's keys here.
    ///
    /// # Errors
    /// If an identity is here already, or the folder cannot be written.
    pub fn create(
        &self,
        material: Material,
        passphrase: &Passphrase,
        kdf: KdfParams,
    ) -> Result<Identity, IdentityError> {
        let chains = ChainMemory::new(material.device().public());
        self.create_with(material, passphrase, kdf, &chains)
    }

    pub(super) fn create_with(
        &self,
        material: Material,
        passphrase: &Passphrase,
        kdf: KdfParams,
        chains: &ChainMemory,
    ) -> Result<Identity, IdentityError> {
        if self.is_taken() {
            return Err(IdentityError::AlreadyExists(self.path.clone()));
        }
        files::create_folder(&self.path)?;
        let lock = files::lock(&self.path, LOCK_WAIT)?;
        if self.is_taken() {
            // Another process made one in between.
            return Err(IdentityError::AlreadyExists(self.path.clone()));
        }
        let sealed = self.seal(&material, passphrase, kdf)?;
        // The chains of a restored device must not be lost, and an earlier identity's must not
        // stay: they are written before the secret makes the folder an identity.
        self.write_chains(&lock, chains)?;
        if !files::stage(&self.secret_path(), &sealed)?.commit_new()? {
            return Err(IdentityError::AlreadyExists(self.path.clone()));
        }
        let public = PublicIdentity::of(&material, !passphrase.is_empty(), kdf);
        self.write_public(&lock, &public)?;
        Ok(self.unlocked(material, public))
    }

    /// Opens the secret.
    ///
    /// # Errors
    /// If there is none, the passphrase is wrong, or a file is damaged, too new, or not of this
    /// identity.
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<Identity, IdentityError> {
        let path = self.secret_path();
        let Some(sealed) = files::read(&path, SMALL_FILE_MAX_BYTES)? else {
            return Err(if self.public_path().exists() {
                IdentityError::damaged(&path, "it is missing")
            } else {
                IdentityError::Missing(self.path.clone())
            });
        };
        let (content, kdf) = envelope::open(EnvelopeKind::Secret, passphrase, &sealed)
            .map_err(|error| IdentityError::envelope(&path, error))?;
        let material =
            read_secret(&content).map_err(|error| IdentityError::damaged(&path, error))?;
        let public = PublicIdentity::of(&material, !passphrase.is_empty(), kdf);
        match self.public() {
            Ok(found) if found == public => {}
            Ok(_) => return Err(IdentityError::Mismatch(self.path.clone())),
            Err(IdentityError::Missing(_)) => {
                let lock = files::lock(&self.path, LOCK_WAIT)?;
                self.write_public(&lock, &public)?;
            }
            Err(error) => return Err(error),
        }
        Ok(self.unlocked(material, public))
    }

    fn unlocked(&self, material: Material, public: PublicIdentity) -> Identity {
        Identity {
            folder: self.clone(),
            root: material.root(),
            device: material.device(),
            material,
            public,
        }
    }

    fn seal(
        &self,
        material: &Material,
        passphrase: &Passphrase,
        kdf: KdfParams,
    ) -> Result<Vec<u8>, IdentityError> {
        let content = secret_content(material);
        envelope::seal(EnvelopeKind::Secret, passphrase, kdf, &content)
            .map_err(|error| IdentityError::envelope(&self.secret_path(), error))
    }

    fn write_public(&self, _: &FolderLock, public: &PublicIdentity) -> Result<(), IdentityError> {
        files::stage(&self.public_path(), &public.to_json())?.commit()
    }

    fn write_chains(&self, _: &FolderLock, chains: &ChainMemory) -> Result<(), IdentityError> {
        files::stage(&self.chains_path(), &chains.to_json())?.commit()
    }

    fn read_chains(&self, device: PublicKey) -> Result<ChainMemory, IdentityError> {
        let path = self.chains_path();
        match files::read(&path, CHAINS_MAX_BYTES)? {
            Some(bytes) => ChainMemory::from_json(&path, &bytes, device),
            None => Ok(ChainMemory::new(device)),
        }
    }

    /// What a person should know about files here that others can read.
    pub fn notices(&self) -> Vec<Notice> {
        [self.path.clone(), self.secret_path()]
            .into_iter()
            .filter_map(|path| {
                files::open_to_others(&path).map(|mode| Notice::OpenToOthers { path, mode })
            })
            .collect()
    }
}

/// `[1, entropy, device seed, slot, name, time made]`, or `[2, root key, …]` without the root's entropy
pub(super) fn secret_content(material: &Material) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new();
    writer.array(6).uint(material.version());
    material.write(&mut writer);
    Zeroizing::new(writer.finish())
}

fn read_secret(content: &[u8]) -> Result<Material, CodecError> {
    let mut reader = Reader::new(content);
    reader.array_of(6)?;
    let version = reader.uint_max(DEVICE_ONLY)?;
    let material = Material::read(version, &mut reader)?;
    reader.end()?;
    Ok(material)
}

/// An unlocked identity. Its keys are wiped from memory when it is dropped.
pub struct Identity {
    folder: IdentityFolder,
    material: Material,
    public: PublicIdentity,
    root: Option<SecretKey>,
    device: SecretKey,
}

impl Identity {
    /// Who it is.
    pub const fn public(&self) -> &PublicIdentity {
        &self.public
    }

    /// The folder it was unlocked from.
    pub const fn folder(&self) -> &IdentityFolder {
        &self.folder
    }

    /// The key that links devices. Contributions are signed in a [`SigningSession`].
    ///
    /// # Errors
    /// [`IdentityError::NoRoot`] on a device that another one linked.
    pub fn root(&self) -> Result<&SecretKey, IdentityError> {
        let none = || IdentityError::NoRoot(self.folder.path.clone());
        self.root.as_ref().ok_or_else(none)
    }

    /// The root key where it is here, else that of the device: proves who asks.
    pub fn proof_key(&self) -> &SecretKey {
        self.root.as_ref().unwrap_or(&self.device)
    }

    /// The key of this device, for what is not part of a chain (asking in, node grants).
    pub const fn device(&self) -> &SecretKey {
        &self.device
    }

    /// The words to write down.
    ///
    /// # Errors
    /// [`IdentityError::NoRoot`] on a device that another one linked.
    pub fn phrase(&self) -> Result<RecoveryPhrase, IdentityError> {
        match &self.material.origin {
            RootPart::Entropy(entropy) => Ok(RecoveryPhrase::of(entropy)),
            RootPart::Public(_) => Err(IdentityError::NoRoot(self.folder.path.clone())),
        }
    }

    pub(super) const fn material(&self) -> &Material {
        &self.material
    }

    /// What the person should know: open permissions, no passphrase, test parameters.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = self.folder.notices();
        if !self.public.protected {
            notices.push(Notice::NoPassphrase);
        }
        if self.public.kdf.is_weak() {
            notices.push(Notice::WeakKdf(self.public.kdf));
        }
        notices
    }

    /// Seals the secret anew under another passphrase or cost.
    ///
    /// # Errors
    /// If the folder cannot be written or another process holds it.
    pub fn change_passphrase(
        &mut self,
        passphrase: &Passphrase,
        kdf: KdfParams,
    ) -> Result<(), IdentityError> {
        let lock = files::lock(&self.folder.path, LOCK_WAIT)?;
        let sealed = self.folder.seal(&self.material, passphrase, kdf)?;
        let public = PublicIdentity::of(&self.material, !passphrase.is_empty(), kdf);
        // In between `identity.json` is missing rather than wrong, so a crash leaves a folder that
        // the next unlock completes.
        files::remove(&self.folder.public_path())?;
        files::stage(&self.folder.secret_path(), &sealed)?.commit()?;
        self.folder.write_public(&lock, &public)?;
        self.public = public;
        Ok(())
    }

    /// Takes the lock of the folder and reads the chain memory: from here to the end of the
    /// session no other process signs for this device. Waits up to `wait` for one that does.
    ///
    /// # Errors
    /// [`IdentityError::Busy`] if another process holds the folder; or if it cannot be read.
    pub fn begin_signing(&self, wait: Duration) -> Result<SigningSession<'_>, IdentityError> {
        let lock = files::lock(&self.folder.path, wait)?;
        let chains = self.folder.read_chains(self.public.device)?;
        Ok(SigningSession {
            identity: self,
            lock,
            chains,
        })
    }

    /// What this device signed last in each space, to look at; signing needs a session.
    ///
    /// # Errors
    /// If `chains.json` cannot be read.
    pub fn chains(&self) -> Result<ChainMemory, IdentityError> {
        self.folder.read_chains(self.public.device)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Identity({:?} in {:?})",
            self.public.root, self.folder.path
        )
    }
}

/// The right to sign for this device, held by one process at a time.
#[derive(Debug)]
pub struct SigningSession<'a> {
    identity: &'a Identity,
    lock: FolderLock,
    chains: ChainMemory,
}

impl SigningSession<'_> {
    /// The key that signs contributions.
    pub const fn device(&self) -> &SecretKey {
        &self.identity.device
    }

    /// What was signed last, and whether a restored device has been in touch since.
    pub const fn chains(&self) -> &ChainMemory {
        &self.chains
    }

    /// Whether and how the chain in `space` goes on: see [`ChainMemory::expect_next`].
    pub fn expect_next(&self, space: &SpaceId, node_says: Option<ChainHead>) -> Expect {
        self.chains.expect_next(space, node_says)
    }

    /// Remembers a contribution that a node acknowledged as durable. Kept once [`Self::save`] ran;
    /// bulk work saves now and then.
    pub fn advance(&mut self, space: SpaceId, head: ChainHead) {
        self.chains.advance(space, head);
    }

    /// After a sync: what others hold of a restored device's chains is known here.
    pub const fn confirm_restored(&mut self) {
        self.chains.confirm();
    }

    /// Writes the memory to disk, durably.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save(&self) -> Result<(), IdentityError> {
        self.identity.folder.write_chains(&self.lock, &self.chains)
    }
}
