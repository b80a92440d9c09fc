//! Real nodes in one process, over loopback TCP and over memory.

mod admission;
mod connections;
mod door;
mod frames;
mod gossip;
mod harness;
mod lifecycle;
mod queue;
mod reach;
mod streams;
mod tap;
