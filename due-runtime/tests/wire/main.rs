//! The wire to clients, as raw sockets see it: a real gate and node, every byte of every answer compared.

mod client;
mod doors;
mod frames;
mod hostile;
mod limits;
mod raw;
mod skew;
mod slow;
#[cfg(feature = "tls")]
mod tls;
