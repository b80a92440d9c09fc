//! The `comity` command as a library, so that each part of it can be tested without a terminal.

pub mod import;
