//! Tests of the command and its parts, in one binary so that they link once.

#![allow(clippy::unwrap_used)]

mod import;
