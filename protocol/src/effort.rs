//! How much work was done, counted for tests: that a flood costs what it is long, and not its square,
//! shows in counts and never in times. Each thread counts for itself, in debug builds only; nothing
//! that is decided reads it.

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Bytes of first states that were encoded and hashed to tell their party.
    FirstStateBytes,
    /// Other motions that were looked at to say whether a delegate is free to approve one.
    MotionsCompared,
}

#[cfg(debug_assertions)]
const KINDS: usize = 2;

#[cfg(debug_assertions)]
thread_local! {
    static DONE: [std::cell::Cell<u64>; KINDS] = const { [const { std::cell::Cell::new(0) }; KINDS] };
}

/// Adds to what this thread has done.
#[cfg(debug_assertions)]
pub(crate) fn add(kind: Effort, amount: usize) {
    DONE.with(|it| it[kind as usize].set(it[kind as usize].get() + amount as u64));
}

/// Counts nothing in release builds.
#[cfg(not(debug_assertions))]
pub(crate) fn add(_: Effort, _: usize) {}

/// What `work` takes of one kind. None in builds that do not count.
#[doc(hidden)]
#[cfg(debug_assertions)]
pub fn of<T>(kind: Effort, work: impl FnOnce() -> T) -> Option<u64> {
    let done = || DONE.with(|it| it[kind as usize].get());
    let before = done();
    drop(work());
    Some(done() - before)
}

/// What `work` takes of one kind. None in builds that do not count.
#[doc(hidden)]
#[cfg(not(debug_assertions))]
pub fn of<T>(_: Effort, work: impl FnOnce() -> T) -> Option<u64> {
    drop(work());
    None
}
