//! Bytes that live for one request as a rule: bodies that other processes send, and answers that go to them. They have one
//! buffer each per thread, which is used again as soon as nobody holds a part of it.

use std::cell::Cell;
#[cfg(feature = "link")]
use std::cell::RefCell;

#[cfg(feature = "link")]
use bytes::Bytes;
use bytes::BytesMut;

/// What it costs at most to keep a part of a body.
#[cfg(feature = "link")]
const CHUNK: usize = 4 * 1024;
/// One that has grown beyond this is not kept.
#[cfg(feature = "link")]
const KEPT: usize = 16 * 1024;

thread_local! {
    #[cfg(feature = "link")]
    static BODIES: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static ANSWER: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// An empty buffer for an answer that is copied soon; then [`give_back`].
pub(crate) fn take() -> BytesMut {
    ANSWER.take()
}

#[cfg(feature = "link")]
pub(super) fn give_back(mut buf: BytesMut) {
    if buf.capacity() <= KEPT {
        buf.clear();
        ANSWER.set(buf);
    }
}

/// A body of its own.
#[cfg(feature = "link")]
pub(super) fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() > CHUNK {
        return Bytes::copy_from_slice(bytes);
    }
    BODIES.with_borrow_mut(|buf| {
        if !buf.try_reclaim(bytes.len().max(CHUNK)) && !buf.try_reclaim(bytes.len()) {
            *buf = BytesMut::with_capacity(CHUNK);
        }
        buf.extend_from_slice(bytes);
        buf.split().freeze()
    })
}

#[cfg(all(test, feature = "link"))]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_nobody_holds_makes_room_and_one_that_is_held_stays() {
        let first = copy(b"first").as_ptr();
        let held = copy(b"held");
        assert_eq!(held.as_ptr(), first);
        let copies: Vec<Bytes> = (0..100).map(|number| copy(&[number; 1024])).collect();
        assert!(copies.iter().zip(0..).all(|(copy, number)| copy[..] == [number; 1024]));
        assert_eq!(held, "held");
        assert_eq!(copy(&[7; CHUNK + 1]), vec![7; CHUNK + 1]);
    }

    #[test]
    fn an_answer_has_the_buffer_of_the_last_one() {
        let mut answer = take();
        answer.extend_from_slice(b"an answer");
        let place = answer.as_ptr();
        assert!(take().is_empty(), "an answer to another request, meanwhile");
        give_back(answer);
        let mut next = take();
        assert!(next.is_empty() && next.as_ptr() == place);
        next.resize(KEPT + 1, 7);
        give_back(next);
        assert_eq!(take().capacity(), 0, "a large one is nobody else's burden");
    }
}
