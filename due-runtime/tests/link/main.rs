//! The link between servers: one suite over memory and over TCP, and raw peers that speak drpc byte by byte.

mod suite;
mod world;
