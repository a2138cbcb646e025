#![no_main]

#[path = "../src/claims.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|data: &[u8]| claims::message(data));
