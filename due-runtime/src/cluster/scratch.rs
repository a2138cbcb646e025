//! Bytes that live for one request as a rule: bodies that other processes send, and answers that go to them. They are cut
//! off one buffer per thread, which begins anew as soon as nobody holds a part of it.

use std::cell::RefCell;

#[cfg(feature = "link")]
use bytes::Bytes;
use bytes::BytesMut;

/// What it costs at most to keep a part.
const CHUNK: usize = 4 * 1024;

thread_local! {
    static BUF: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Has `write` append to an empty buffer, with room for so many bytes at once, and cuts off what it has written.
pub(super) fn cut(room: usize, write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    BUF.with(|buf| match buf.try_borrow_mut() {
        Ok(mut buf) => cut_off(&mut buf, room, write),
        // Whoever writes has something else written meanwhile.
        Err(_) => cut_off(&mut BytesMut::new(), room, write),
    })
}

fn cut_off(buf: &mut BytesMut, room: usize, write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    // Whoever wrote last may have panicked.
    buf.clear();
    if !buf.try_reclaim(room.max(CHUNK)) && !buf.try_reclaim(room) {
        *buf = BytesMut::with_capacity(room.max(CHUNK));
    }
    write(buf);
    let written = buf.split();
    // One that has grown is not kept.
    if written.len() > CHUNK {
        *buf = BytesMut::new();
    }
    written
}

#[cfg(feature = "link")]
pub(super) fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() > CHUNK {
        return Bytes::copy_from_slice(bytes);
    }
    cut(bytes.len(), |buf| buf.extend_from_slice(bytes)).freeze()
}

#[cfg(all(test, feature = "link"))]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_used_again_and_what_is_held_stays() {
        let first = copy(b"first").as_ptr();
        let held = copy(b"held");
        assert_eq!(held.as_ptr(), first);
        let copies: Vec<Bytes> = (0..100).map(|number| copy(&[number; 1024])).collect();
        assert!(copies.iter().zip(0..).all(|(copy, number)| copy[..] == [number; 1024]));
        assert_eq!(held, "held");
    }

    #[test]
    fn a_large_one_is_nobody_elses_burden() {
        assert_eq!(copy(&[7; CHUNK + 1]), vec![7; CHUNK + 1]);
        let grown = cut(1, |buf| buf.resize(64 * 1024, 7)).freeze();
        drop(grown);
        assert_eq!(BUF.with_borrow(BytesMut::capacity), 0);
    }
}
