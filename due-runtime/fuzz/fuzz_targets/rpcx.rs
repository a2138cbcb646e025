#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| due::mesh::rpcx::fuzzing::claims(data));
