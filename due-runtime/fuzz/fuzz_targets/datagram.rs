//! A KCP conversation and what its peer, its user and the clock do to it.
#![no_main]

mod memory;

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::bounded(data, due::transport::kcp::fuzzing::claims));
