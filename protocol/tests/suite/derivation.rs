//! Derivation as others see it: convergence, erasure, hostile input, limits, and the vectors.

mod convergence;
mod hostile;
mod limits;
pub(crate) mod vectors;
mod world;
