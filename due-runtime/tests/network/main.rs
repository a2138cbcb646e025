//! Gate, node and clients in a network that delays, loses, stalls and falls silent. Time is virtual: hours take seconds.

mod calls;
mod dice;
mod game;
mod silence;
mod sim;
mod soak;
mod stop;
