//! Stories: Markdown files that people read as a manual and that tests play.
//!
//! A story is prose with fenced blocks. A block names who acts, holds what they type after `$ `,
//! and what they then see, standard output and standard error together as on a terminal:
//!
//! ````text
//! ```~alice
//! $ comity publish hello.md --space lobby
//! <TOPIC>
//! saved here, not yet at any peer
//! ```
//! ````
//!
//! - `~bob (fail)`: the commands of the block must end with an exit code other than 0. All others
//!   must end with 0.
//! - `~bob (soon)`: what is shown becomes true in a moment. The command is run again until it does.
//! - `~bob (file NAME)`: the block is the content of a file in Bob's folder.
//! - `[..]` in a line stands for anything in it, a line `...` for any lines.
//! - `<NAME>` takes a value where it is first seen, stands for that value everywhere after it,
//!   also in commands; `<NAME:8>` is the start of it. `<PORT>` is a free port of the actor's own.
//!
//! Every actor has a folder, a node home, an identity and a passphrase of their own, and a folder
//! `samples` with the data of `tests/stories/data`. Keys are sealed with the cheap parameters for
//! tests; the warning about that is left out of what is compared. Nodes are real processes and are
//! stopped when the story ends, however it ends.

pub mod actor;
mod binary;
mod pattern;
mod play;
pub mod read_only;
mod script;

pub use play::play;
