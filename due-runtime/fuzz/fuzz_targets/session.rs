//! A whole connection, from its bytes through gate and node to the bytes of the answers: `settings | chunk | bytes`.
#![no_main]

mod gate;

use std::cell::RefCell;
use std::collections::HashMap;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [settings, chunk, bytes @ ..] = data else { return };
    thread_local!(static SERVERS: RefCell<HashMap<u8, gate::Server>> = RefCell::default());
    SERVERS.with_borrow_mut(|servers| {
        let server = servers.entry(settings & 3).or_insert_with(|| gate::Server::start(settings & 3));
        match settings & 4 == 0 {
            true => server.stream(bytes, 1 + usize::from(*chunk)),
            false => server.messages(bytes, 1 + usize::from(*chunk)),
        }
    });
});
