//! What a node that is still opening its store tells other processes: a small file in its home.
//!
//! It answers on its socket only once it is open, and until then nothing else of it can be asked.
//! The file is for people who wait; nothing rests on it. It goes when the node is open; one that a
//! killed node left behind does not change any more, which is how readers tell.

use comity_client::types::Task;
use std::{
    fs,
    path::{Path, PathBuf},
};

const FILE: &str = "opening.json";

/// The file as its node writes it; removed when dropped.
pub struct Writer(PathBuf);

impl Writer {
    /// A node begins to open the store in this home.
    pub fn new(home: &Path) -> Self {
        forget(home);
        Self(home.join(FILE))
    }

    /// What goes on now. That it cannot be told, as on a full disk, must not keep it from opening.
    pub fn tell(&self, tasks: &[Task]) {
        let Ok(bytes) = serde_json::to_vec(tasks) else {
            return;
        };
        let whole = self.0.with_extension("tmp");
        let _ = fs::write(&whole, bytes).and_then(|()| fs::rename(&whole, &self.0));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes what a killed node may have left behind.
fn forget(home: &Path) {
    let _ = fs::remove_file(home.join(FILE));
}

/// The file as others read it.
pub struct Reader {
    path: PathBuf,
    last: Vec<Task>,
}

impl Reader {
    /// What stands there now is old.
    pub fn new(home: &Path) -> Self {
        let path = home.join(FILE);
        let last = read(&path);
        Self { path, last }
    }

    /// What goes on there, if that changed since this was last asked.
    pub fn news(&mut self) -> Option<Vec<Task>> {
        let now = read(&self.path);
        if now.is_empty() || now == self.last {
            return None;
        }
        self.last.clone_from(&now);
        Some(now)
    }
}

fn read(path: &Path) -> Vec<Task> {
    let bytes = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(done: u64) -> Vec<Task> {
        vec![Task {
            id: 1,
            what: "open".to_owned(),
            label: "opening the store".to_owned(),
            space: None,
            done,
            total: Some(10),
            unit: "entries".to_owned(),
            finished: false,
        }]
    }

    #[test]
    fn news_is_told_once_and_what_was_left_behind_is_none() {
        let home = tempfile::tempdir().unwrap();
        let mut reader = Reader::new(home.path());
        assert_eq!(reader.news(), None);
        let writer = Writer::new(home.path());
        assert_eq!(reader.news(), None);
        writer.tell(&at(1));
        assert_eq!(reader.news(), Some(at(1)));
        assert_eq!(reader.news(), None);
        writer.tell(&at(2));
        assert_eq!(reader.news(), Some(at(2)));
        let mut late = Reader::new(home.path());
        assert_eq!(late.news(), None);
        drop(writer);
        assert_eq!((reader.news(), late.news()), (None, None));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
