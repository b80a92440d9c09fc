//! The stories of `tests/stories`, played with the real program.

use comity_tests::stories::play;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

macro_rules! stories {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                play(&folder().join(concat!(stringify!($name), ".md")));
            }
        )*

        const PLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

stories! {
    charter,
    devices,
    erase,
    import,
    join,
    keep_less,
    leave,
    lost_laptop,
    offline,
    one_paragraph,
    promise,
    receipts,
    revoked,
    stranger,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stories")
}

#[test]
fn every_story_is_played() {
    let written: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "README")
        .collect();
    let played: BTreeSet<String> = PLAYED.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(written, played);
}
