//! Cuts: what narrowings leave in force, what receipts lift, and what nobody can take back.

mod attacks;
mod random;
mod replacing;
mod signed;
mod world;
