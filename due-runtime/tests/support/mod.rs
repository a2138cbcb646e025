//! Real servers for tests: each is started by the test that needs it, on a free port of the loopback interface, and ends
//! with it. The test command installs the programs.
// Every test uses a part of it.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod process;
#[cfg(feature = "redis")]
pub mod redis;

pub use process::{Process, free_port};
