//! What due-codegen makes of every schema in `proto/`. That it compiles without a warning is the first test.

#![deny(warnings, missing_debug_implementations, unused_results, variant_size_differences)]
#![deny(clippy::nursery, clippy::pedantic, clippy::indexing_slicing)]

due::include_proto!();

/// The stage as old clients know it.
pub mod older {
    include!(concat!(env!("OUT_DIR"), "/older/mod.rs"));
}

/// The stage as it is.
pub mod newer {
    include!(concat!(env!("OUT_DIR"), "/newer/mod.rs"));
}

/// The descriptors of everything above.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
