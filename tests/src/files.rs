//! Looking for bytes in the files of a home.

use std::path::{Path, PathBuf};

/// Whether bytes occur in others.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// All files under a folder that contain a text, and how many bytes were searched.
///
/// # Panics
/// If a file cannot be read.
pub fn search(folder: &Path, text: &str) -> (Vec<PathBuf>, u64) {
    search_bytes(folder, text.as_bytes())
}

/// The same for any bytes.
///
/// # Panics
/// If a file cannot be read.
pub fn search_bytes(folder: &Path, sought: &[u8]) -> (Vec<PathBuf>, u64) {
    let (mut found, mut searched) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let (more, bytes) = search_bytes(&path, sought);
            found.extend(more);
            searched += bytes;
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            searched += bytes.len() as u64;
            if contains(&bytes, sought) {
                found.push(path);
            }
        }
    }
    (found, searched)
}
