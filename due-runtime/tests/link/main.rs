//! The link between servers: one suite over memory and over TCP, and raw peers that speak drpc byte by byte.

mod at_gate;
mod at_node;
mod calls;
mod losses;
mod raw;
mod suite;
mod world;
