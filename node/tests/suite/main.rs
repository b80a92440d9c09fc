//! Tests of the node against its public interface.

mod api;
mod effective;
mod store;
