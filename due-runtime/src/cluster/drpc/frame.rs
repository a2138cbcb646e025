//! Where one drpc frame ends and the next begins.
//!
//! ```text
//! | size: 4 | header: 1 | opcode: 1 | seq: 8 | payload: size - 10 |
//! ```
//! Integers are big-endian. Bit 7 of `header` marks a heartbeat, which ends there; bit 6 closes a session after a push.

/// Bytes before the payload.
pub(super) const HEAD: usize = SIZE + REST_OF_HEAD;
pub(super) const HEARTBEAT: [u8; 5] = [0, 0, 0, 1, HEARTBEAT_BIT];

const SIZE: usize = 4;
/// Header, opcode and seq: what `size` counts before the payload.
const REST_OF_HEAD: usize = 10;
const HEARTBEAT_BIT: u8 = 0x80;
const DISCONNECT_BIT: u8 = 0x40;

/// In the seq of a Deliver: its gate waits for the answer until the message has its turn, however long that takes. Go
/// processes count their requests from 1, and echo every seq.
pub(super) const PATIENT: u64 = 1 << 63;

/// What a frame asks for, or answers.
pub(super) mod op {
    pub(in super::super) const HANDSHAKE: u8 = 1;
    pub(in super::super) const BIND: u8 = 2;
    pub(in super::super) const UNBIND: u8 = 3;
    pub(in super::super) const IP: u8 = 4;
    pub(in super::super) const STAT: u8 = 5;
    pub(in super::super) const IS_ONLINE: u8 = 6;
    pub(in super::super) const DISCONNECT: u8 = 7;
    pub(in super::super) const PUSH: u8 = 8;
    pub(in super::super) const MULTICAST: u8 = 9;
    pub(in super::super) const BROADCAST: u8 = 10;
    pub(in super::super) const PUBLISH: u8 = 11;
    pub(in super::super) const SUBSCRIBE: u8 = 12;
    pub(in super::super) const UNSUBSCRIBE: u8 = 13;
    pub(in super::super) const TRIGGER: u8 = 14;
    pub(in super::super) const DELIVER: u8 = 15;
    pub(in super::super) const STATE: u8 = 16;
    pub(in super::super) const SET_STATE: u8 = 17;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame<'a> {
    pub(super) op: u8,
    pub(super) seq: u64,
    /// Bit 6: sessions are closed when what is pushed to them is written.
    pub(super) disconnect: bool,
    pub(super) payload: &'a [u8],
}

/// No peer that works sends this, and what follows cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Impossible {
    #[error("a frame of {size} bytes is too short")]
    Short { size: usize },
    #[error("a frame of {size} bytes, at most {limit} are accepted")]
    TooLarge { size: usize, limit: usize },
}

/// Bytes of the first frame of a stream; `None` asks for more bytes. `limit` is for what follows the size field.
pub(super) fn measure(stream: &[u8], limit: usize) -> Result<Option<usize>, Impossible> {
    let Some(&size) = stream.first_chunk() else { return Ok(None) };
    let size = u32::from_be_bytes(size) as usize;
    if size == 0 {
        return Err(Impossible::Short { size });
    }
    if size > limit {
        return Err(Impossible::TooLarge { size, limit });
    }
    match stream.get(SIZE) {
        Some(header) if header & HEARTBEAT_BIT == 0 && size < REST_OF_HEAD => Err(Impossible::Short { size }),
        _ => Ok(Some(SIZE + size).filter(|len| *len <= stream.len())),
    }
}

/// Bytes that the first frame of a stream claims to have; 0 if it does not say yet.
pub(super) fn announced(stream: &[u8]) -> usize {
    stream.first_chunk().map_or(0, |size| SIZE + u32::from_be_bytes(*size) as usize)
}

/// What [`measure`] has measured; `None` is a heartbeat.
pub(super) fn parse(frame: &[u8]) -> Option<Frame<'_>> {
    let (head, payload) = frame.split_at_checked(HEAD)?;
    let [_, _, _, _, header, op, seq @ ..] = head else { return None };
    if header & HEARTBEAT_BIT != 0 {
        return None;
    }
    let seq = u64::from_be_bytes(seq.try_into().ok()?);
    Some(Frame { op: *op, seq, disconnect: header & DISCONNECT_BIT != 0, payload })
}

/// Appends a frame; its size is written when the payload is.
pub(super) fn put(buf: &mut Vec<u8>, op: u8, seq: u64, disconnect: bool, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = buf.len();
    let mut head = [0; HEAD];
    let (flags, seq_field) = head[SIZE..].split_at_mut(HEAD - SIZE - size_of::<u64>());
    flags.copy_from_slice(&[if disconnect { DISCONNECT_BIT } else { 0 }, op]);
    seq_field.copy_from_slice(&seq.to_be_bytes());
    buf.extend_from_slice(&head);
    payload(buf);
    let size = (buf.len() - start - SIZE) as u32;
    buf[start..start + SIZE].copy_from_slice(&size.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    #[test]
    fn impossible_sizes_are_told_from_the_first_bytes() {
        const LIMIT: usize = 100;
        let short = |size| Err(Impossible::Short { size });
        assert_eq!(measure(&[0, 0, 0], LIMIT), Ok(None));
        assert_eq!(measure(&[0, 0, 0, 0], LIMIT), short(0));
        assert_eq!(measure(&[0, 0, 0, 9], LIMIT), Ok(None), "a heartbeat may come");
        assert_eq!(measure(&[0, 0, 0, 9, 0], LIMIT), short(9));
        assert_eq!(measure(&[0, 0, 0, 1, 0], LIMIT), short(1));
        for size in [101, 0x7fff_ffff, 0xffff_fffb, 0xffff_fffc, u32::MAX] {
            let size_bytes = size.to_be_bytes();
            let expected = Err(Impossible::TooLarge { size: size as usize, limit: LIMIT });
            assert_eq!(measure(&size_bytes, LIMIT), expected);
        }
        assert_eq!(measure(&HEARTBEAT, LIMIT), Ok(Some(5)));
        assert_eq!(parse(&HEARTBEAT), None);
        let long_heartbeat = [0, 0, 0, 3, 0x80, 1, 2, 0xee];
        assert_eq!(measure(&long_heartbeat, LIMIT), Ok(Some(7)));
        assert_eq!(parse(&long_heartbeat[..7]), None);
    }

    #[test]
    fn what_is_put_is_parsed() {
        let mut buf = vec![0xff];
        put(&mut buf, op::PUSH, 5, true, |buf| buf.put_slice(b"abc"));
        assert_eq!(buf[1..], *b"\0\0\0\x0d\x40\x08\0\0\0\0\0\0\0\x05abc");
        assert_eq!(measure(&buf[1..], 13), Ok(Some(17)));
        assert_eq!(parse(&buf[1..]), Some(Frame { op: op::PUSH, seq: 5, disconnect: true, payload: b"abc" }));
    }
}
