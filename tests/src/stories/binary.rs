//! Finds the `comity` program that belongs to the running test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

const BUILD_IT: &str = "build it with `cargo build -p comity` (add --release if the tests are)";

/// The `comity` beside this test in the target folder. Cargo builds it for `cargo test
/// --workspace`, because `cli` has integration tests, but not for `cargo test -p comity-tests`.
///
/// # Panics
/// If it is missing, or older than a source it was built from: a test of yesterday's program says
/// nothing.
pub(super) fn comity() -> PathBuf {
    let test = env::current_exe().expect("the test knows its own path");
    let program = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(format!("comity{}", env::consts::EXE_SUFFIX)))
        .find(|path| path.is_file());
    let Some(program) = program else {
        panic!(
            "there is no comity program beside {}: {BUILD_IT}",
            test.display()
        );
    };
    let built = modified(&program).expect("the program was found a moment ago");
    let newer = sources(&program)
        .into_iter()
        .find(|source| modified(source).is_some_and(|it| it > built));
    if let Some(source) = newer {
        panic!(
            "{} is older than {}: {BUILD_IT}",
            program.display(),
            source.display()
        );
    }
    program
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// What Cargo noted beside the program; paths with blanks are written with a backslash.
fn sources(program: &Path) -> Vec<PathBuf> {
    let noted = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let list = noted.split_once(": ").map_or("", |(_, list)| list);
    list.replace("\\ ", "\0")
        .split_whitespace()
        .map(|path| PathBuf::from(path.replace('\0', " ")))
        .collect()
}
