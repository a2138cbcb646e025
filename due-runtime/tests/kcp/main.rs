//! Gate and client over KCP: next to datagrams written by hand, to another implementation, and through a bad line.

#[path = "../network/dice.rs"]
#[allow(dead_code, reason = "the simulated network uses the rest")]
mod dice;
mod go;
mod hostile;
mod line;
mod loss;
mod peers;
mod raw;
mod story;
mod world;
