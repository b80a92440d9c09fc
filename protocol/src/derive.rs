//! Stub while document compiles.
/// x
pub enum Outcome {
    /// y
    Newer,
}
