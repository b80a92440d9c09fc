//! What no single crate can show alone; one binary, so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

mod tidy;
