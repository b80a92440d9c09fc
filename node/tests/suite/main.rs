//! Tests of the node against its public interface.

mod api;
mod store;
