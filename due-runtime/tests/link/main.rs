//! The link between servers: one suite over memory, over TCP, and over TCP with secret and TLS; and raw peers that speak
//! drpc byte by byte.

mod at_gate;
mod at_node;
mod bursts;
mod calls;
#[cfg(feature = "tls")]
mod certificates;
#[path = "../redis/log.rs"]
mod log;
mod losses;
mod moves;
mod raw;
mod returns;
mod secret;
mod shares;
mod suite;
#[cfg(feature = "tls")]
mod tls;
mod world;
