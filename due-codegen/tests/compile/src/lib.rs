//! What due-codegen makes of every schema in `proto/`. That it compiles without a warning is the first test.

#![deny(warnings)]

due::include_proto!();

/// The descriptors of everything above.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
