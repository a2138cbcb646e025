//! Seqs of requests, so that no answer is lost or out of order without notice.

use std::rc::Rc;

use crate::wire::{MASK, SEQ, Wire};

/// Seqs of a connection run from [`SEQ`] to this, and again.
const LAST_SEQ: u16 = i16::MAX as u16;
/// Size, header, route and seq of a packet.
const HEAD: usize = 9;

/// What happened to the messages of one round that should not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Without an answer.
    pub(crate) lost: u64,
    /// Answers with another seq than the next.
    pub(crate) misplaced: u64,
}

impl Faults {
    pub(crate) fn assert_none(self, server: &str) {
        assert_eq!((self.lost, self.misplaced), (0, 0), "{server}: answers lost and out of order");
    }
}

/// The next seq of a connection, and where it is in a request.
pub(crate) struct Seqs {
    /// Length of a request.
    request: usize,
    at: usize,
    mask: [u8; 2],
    next: u16,
}

impl Seqs {
    pub(crate) fn of(wire: &Wire) -> Self {
        // The mask begins anew with each packet.
        let mask = if wire.ws { [MASK[(HEAD - 2) % 4], MASK[(HEAD - 1) % 4]] } else { [0, 0] };
        let at = begin(wire) + if wire.ws { MASK.len() } else { 0 } + HEAD - 2;
        Self { request: wire.request.len(), at, mask, next: SEQ }
    }

    /// Numbers requests that follow one another.
    pub(crate) fn number(&mut self, requests: &mut [u8]) {
        for request in requests.chunks_exact_mut(self.request) {
            let [high, low] = self.next.to_be_bytes();
            (request[self.at], request[self.at + 1]) = (high ^ self.mask[0], low ^ self.mask[1]);
            self.next = next(self.next);
        }
    }
}

/// The seq after this one.
fn next(seq: u16) -> u16 {
    if seq == LAST_SEQ { SEQ } else { seq + 1 }
}

/// Takes what a connection is answered apart, and holds each answer against the order of the requests.
pub(crate) struct Answers {
    wire: Rc<Wire>,
    /// How the next one begins: up to its body.
    head: Vec<u8>,
    seq: u16,
    /// Bytes of it that have come.
    come: usize,
    /// Its seq as it came.
    seen: [u8; 2],
    /// Answers with another seq than the next.
    pub(crate) misplaced: u64,
}

impl Answers {
    pub(crate) fn new(wire: &Rc<Wire>) -> Self {
        let mut head = wire.answer.clone();
        head.truncate(begin(wire) + HEAD);
        Self { wire: Rc::clone(wire), head, seq: SEQ, come: 0, seen: [0; 2], misplaced: 0 }
    }

    /// How many answers are whole with these bytes. Panics if they are no answers.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> usize {
        let (at, len) = (self.head.len() - 2, self.wire.answer.len());
        let mut whole = 0;
        while !bytes.is_empty() {
            if self.come < at {
                let (now, rest) = bytes.split_at(bytes.len().min(at - self.come));
                assert_eq!(now, &self.head[self.come..self.come + now.len()], "no answer begins like this");
                self.come += now.len();
                bytes = rest;
            } else if self.come < at + 2 {
                self.seen[self.come - at] = bytes[0];
                self.come += 1;
                bytes = &bytes[1..];
            } else {
                let rest = bytes.len().min(len - self.come);
                self.come += rest;
                bytes = &bytes[rest..];
            }
            if self.come == len {
                let seen = u16::from_be_bytes(self.seen);
                self.misplaced += u64::from(seen != self.seq);
                (self.seq, self.come) = (next(seen), 0);
                whole += 1;
            }
        }
        whole
    }
}

/// Where the packet begins in an answer: behind the head of a WebSocket frame.
fn begin(wire: &Wire) -> usize {
    match (wire.ws, wire.answer[1]) {
        (false, _) => 0,
        (true, ..126) => 2,
        (true, _) => 4,
    }
}
