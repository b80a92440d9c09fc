//! Files of an identity: private, written whole or not at all, and locked while in use.
//!
//! A write goes to a temporary file beside its target, is synced, takes the target's name, and the
//! folder is synced. Whenever the machine stops, the target holds the old or the new bytes.

use super::error::IdentityError;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
const TEMPORARY_PREFIX: &str = ".comity-tmp-";
const LOCK_FILE: &str = "lock";
/// Pause between two tries for a held lock.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Reads a file of at most `limit` bytes; `None` if there is no such file.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>, IdentityError> {
    let failed = |source| IdentityError::io("read", path, source);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(IdentityError::damaged(path, "it is far too long"));
    }
    Ok(Some(bytes))
}

/// Makes the folder and those above it, readable by the person alone.
pub(super) fn create_folder(path: &Path) -> Result<(), IdentityError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
        .map_err(|source| IdentityError::io("create the folder", path, source))
}

/// A file that is complete on disk but does not have its name yet.
pub(super) struct Staged {
    temporary: NamedTempFile,
    target: PathBuf,
}

/// Writes and syncs `bytes` beside `target`. Dropping the result removes them again.
pub(super) fn stage(target: &Path, bytes: &[u8]) -> Result<Staged, IdentityError> {
    let folder = folder_of(target);
    let failed = |source| IdentityError::io("write in", folder, source);
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(fs::Permissions::from_mode(FILE_MODE))
        .tempfile_in(folder)
        .map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    Ok(Staged {
        temporary,
        target: target.to_owned(),
    })
}

impl Staged {
    /// Takes the name of the target, replacing what had it.
    pub(super) fn commit(self) -> Result<(), IdentityError> {
        self.temporary
            .persist(&self.target)
            .map_err(|error| IdentityError::io("replace", &self.target, error.error))?;
        sync_folder(&self.target)
    }

    /// Takes the name of the target if nothing has it; `false` if something does.
    pub(super) fn commit_new(self) -> Result<bool, IdentityError> {
        match self.temporary.persist_noclobber(&self.target) {
            Ok(_) => sync_folder(&self.target).map(|()| true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(IdentityError::io("write", &self.target, error.error)),
        }
    }
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn sync_folder(target: &Path) -> Result<(), IdentityError> {
    let folder = folder_of(target);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| IdentityError::io("write in", folder, source))
}

/// Removes a file, durably; that there is none is fine.
pub(super) fn remove(path: &Path) -> Result<(), IdentityError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(IdentityError::io("remove", path, error)),
    }
}

/// Permission bits that let others in, if there are any.
pub(super) fn open_to_others(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// The lock of a folder. While it is held no other process signs or writes here; it ends with the
/// process, however that ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

/// Takes the lock, waiting up to `wait` for another process, and clears what a crash left behind.
pub(super) fn lock(folder: &Path, wait: Duration) -> Result<FolderLock, IdentityError> {
    let path = folder.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(|source| IdentityError::io("lock", folder, source))?;
    let started = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK) if started.elapsed() < wait => {
                // Waiting in flock itself could not be given up.
                std::thread::sleep(LOCK_RETRY.min(wait));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(IdentityError::Busy(folder.to_owned()));
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(IdentityError::io("lock", folder, error.into())),
        }
    }
    remove_leftovers(folder);
    Ok(FolderLock { _file: file })
}

/// Removes temporary files of writers that died. Only under the lock: all writers here hold it.
/// What cannot be removed does no harm and is tried again next time.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name
            .as_encoded_bytes()
            .starts_with(TEMPORARY_PREFIX.as_bytes())
        {
            drop(fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the process died between the write and the rename: nothing is undone, nothing named.
    fn die_before_the_rename(staged: Staged) {
        let (_, path) = staged.temporary.keep().unwrap();
        assert!(path.exists());
    }

    #[test]
    fn a_crash_before_the_rename_leaves_the_old_bytes_and_the_next_lock_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("secret");
        stage(&target, b"old").unwrap().commit().unwrap();
        die_before_the_rename(stage(&target, b"new").unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);

        drop(lock(folder.path(), Duration::ZERO).unwrap());
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["lock", "secret"]);

        stage(&target, b"new").unwrap().commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn files_and_folders_are_private_from_the_start() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        create_folder(&folder).unwrap();
        let target = folder.join("secret");
        let staged = stage(&target, b"x").unwrap();
        assert_eq!(open_to_others(staged.temporary.path()), None);
        staged.commit().unwrap();
        assert_eq!(open_to_others(&target), None);
        assert_eq!(open_to_others(&folder), None);
    }

    #[test]
    fn commit_new_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("backup");
        assert!(stage(&target, b"one").unwrap().commit_new().unwrap());
        assert!(!stage(&target, b"two").unwrap().commit_new().unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"one");
    }
}
