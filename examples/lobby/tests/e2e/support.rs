//! The real servers that the tests of due-runtime start.
// Every test uses a part of it.
#![allow(dead_code, unreachable_pub, unused_imports)]

#[path = "../../../../due-runtime/tests/support/consul.rs"]
mod consul;
#[path = "../../../../due-runtime/tests/support/etcd.rs"]
mod etcd;
#[path = "../../../../due-runtime/tests/support/http.rs"]
mod http;
#[path = "../../../../due-runtime/tests/support/process.rs"]
mod process;
#[path = "../../../../due-runtime/tests/support/redis.rs"]
pub mod redis;

pub use consul::Consul;
pub use etcd::Etcd;
pub use http::{Answer, http};
pub use process::{Process, free_port, freeze, thaw};
