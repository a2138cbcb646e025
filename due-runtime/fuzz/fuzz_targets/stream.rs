#![no_main]

mod claims;

libfuzzer_sys::fuzz_target!(|data: &[u8]| claims::stream(data));
