#![no_main]

mod claims;
mod memory;

libfuzzer_sys::fuzz_target!(|data: &[u8]| memory::bounded(data, claims::stream));
