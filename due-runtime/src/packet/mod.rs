//! The wire form of one message between client and gate, without sockets and without a clock.
//!
//! In the [`Sized`](Dialect::Sized) dialect (due v2.1 and later; tcp, kcp, ws), with the default widths:
//! ```text
//! | size: 4 | header: 1 | route: 2 | seq: 2 | body: size - 5 |
//! ```
//! `size` counts the bytes after itself. Bit 7 of `header` marks a heartbeat, which has no route and no seq and may carry
//! 8 bytes of time; the other bits are sent as 0 and ignored. Route and seq are signed. One byte order holds for
//! all fields. The [`Bare`](Dialect::Bare) dialect (due of December 2023, ws only) is the same without `size`, because
//! a ws message has a length of its own; its heartbeat time is always big-endian.
//!
//! ```
//! use due::packet::{Format, Frame};
//! use due::{RouteId, Seq};
//!
//! let format = Format::new();
//! let frame = format.encode(RouteId(1), Seq(2), b"hi")?;
//! assert_eq!(frame[..], [0, 0, 0, 7, 0, 0, 1, 0, 2, b'h', b'i']);
//! let Frame::Packet(packet) = format.parse_sized(frame)? else { panic!("a heartbeat") };
//! assert_eq!((packet.route, packet.seq, &packet.body[..]), (RouteId(1), Seq(2), &b"hi"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
mod format;
mod sniff;

use bytes::Bytes;

pub use format::{ByteOrder, Format, HeartbeatTime, InvalidSetting, RouteWidth, SeqWidth};
pub use sniff::Sniff;

use crate::id::{RouteId, Seq};

/// How packets are framed on one connection; decided once, then used for everything sent on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// Every packet begins with a 4-byte size, also inside a ws message. due v2.1 and later.
    Sized,
    /// A ws message is a packet, without a size. due of December 2023.
    Bare,
}

/// A data packet. `body` shares the allocation of the frame that it was parsed from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// What selects the handler.
    pub route: RouteId,
    /// The client's number of the request, 0 for a push; always 0 where the seq width is 0.
    pub seq: Seq,
    /// Codec output; may be empty.
    pub body: Bytes,
}

/// What a peer can send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A message for a handler.
    Packet(Packet),
    /// Asks for an answer in kind, if the gate's mechanism is `resp`.
    Heartbeat,
    /// A size of 0 on a stream, or an empty ws message: proves that the peer lives, and nothing is answered.
    KeepAlive,
}

/// A packet cannot be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Use a smaller id, or a wider route field in the whole cluster.
    #[error("route overflow: {route} does not fit in {width} signed bytes")]
    RouteOverflow {
        /// The id that was to be written.
        route: RouteId,
        /// Bytes of the route field.
        width: usize,
    },
    /// Wrap the counter, or use a wider seq field in the whole cluster.
    #[error("seq overflow: {seq} does not fit in {width} signed bytes")]
    SeqOverflow {
        /// The number that was to be written.
        seq: Seq,
        /// Bytes of the seq field.
        width: usize,
    },
    /// The body is longer than [`Format::buffer_bytes`] allows.
    #[error("message too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the body.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The buffer handed to [`Format::seal`] does not come from [`Format::begin`].
    #[error("buffer without room for the packet's head")]
    NoHead,
}

/// Bytes from a peer are not a packet.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The peer announces or sends more than [`Format::max_frame`] allows; what follows cannot be read.
    #[error("frame too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes after the size field.
        size: usize,
        /// Bytes allowed after the size field.
        limit: usize,
    },
    /// Fewer bytes than the fields of a packet need.
    #[error("invalid message: {len} bytes, at least {needed} are needed")]
    Short {
        /// Bytes that came.
        len: usize,
        /// Bytes of an empty packet.
        needed: usize,
    },
    /// The size field contradicts the length of the message around it.
    #[error("invalid message: size field says {size}, {len} bytes follow")]
    SizeMismatch {
        /// What the size field says.
        size: usize,
        /// Bytes after the size field.
        len: usize,
    },
}

impl DecodeError {
    /// Whether the connection must end. Otherwise the packet is dropped and the connection stays, as clients rely on.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
