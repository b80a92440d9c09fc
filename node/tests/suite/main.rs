//! Tests of the node against its public interface.

mod store;
