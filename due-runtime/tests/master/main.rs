//! The HTTP API of a master over gates and nodes in processes of their own: what it says, and what it does.

mod access;
mod config;
#[cfg(all(feature = "redis", feature = "consul"))]
mod fleet;
mod instances;
mod messages;
mod metrics;
mod openapi;
#[path = "../support/mod.rs"]
mod support;
mod world;
