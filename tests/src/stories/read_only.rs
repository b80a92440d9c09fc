//! Folders on read-only mounts: even root cannot write there, unlike in folders without permission.
//!
//! The mounts are made in a mount namespace of their own, which ends with the command that runs in
//! it; nothing of them is seen outside.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The program that makes namespaces.
pub(super) const UNSHARE: &str = "unshare";

/// Makes each folder up to `--` a read-only mount of itself, then becomes the command behind it.
const SCRIPT: &str = r#"set -e
while [ "$1" != -- ]; do
    mount --bind "$1" "$1"
    mount -o remount,ro,bind "$1"
    shift
done
shift
exec "$@""#;

/// How to get a mount namespace: as root, or as root of a user namespace.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];

/// Folders to be read-only, and the way that works here.
#[derive(Debug, Clone)]
pub struct ReadOnly {
    way: &'static [&'static str],
    folders: Vec<PathBuf>,
}

impl ReadOnly {
    /// These folders, if this system lets the test mount them.
    ///
    /// # Errors
    /// What the system says to each way of asking.
    pub fn mounts(folders: &[&Path]) -> Result<Self, String> {
        let mut refusals = Vec::new();
        for way in WAYS {
            let it = Self {
                way,
                folders: folders.iter().map(|it| it.to_path_buf()).collect(),
            };
            let mut command = Command::new(UNSHARE);
            match command.args(it.arguments()).arg("true").output() {
                Ok(done) if done.status.success() => return Ok(it),
                Ok(done) => refusals.push(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
                Err(error) => refusals.push(error.to_string()),
            }
        }
        Err(refusals.join("; "))
    }

    /// What `unshare` is given before the command that is to see them.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let before = self.way.iter().chain(&["sh", "-c", SCRIPT, "sh"]);
        let folders = self.folders.iter().map(OsString::from);
        let before = before.map(OsString::from);
        before.chain(folders).chain(["--".into()]).collect()
    }
}
