//! Real servers for tests: each is started by the test that needs it, on a free port of the loopback interface, and ends
//! with it. The test command installs the programs.
// Every test uses a part of it.
#![allow(dead_code, unreachable_pub, unused_imports)]

#[cfg(feature = "consul")]
mod consul;
#[cfg(feature = "etcd")]
mod etcd;
mod http;
#[cfg(feature = "nats")]
mod nats;
mod process;
#[cfg(feature = "redis")]
pub mod redis;

#[cfg(feature = "consul")]
pub use consul::Consul;
#[cfg(feature = "etcd")]
pub use etcd::Etcd;
pub use http::{Answer, http};
#[cfg(feature = "nats")]
pub use nats::{Nats, RawNats};
pub use process::{Process, free_port, freeze, signal, thaw};
