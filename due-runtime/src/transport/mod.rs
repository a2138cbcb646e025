//! Ways for packets to travel between client and gate. Heartbeats, queues and drains live above, once for all of them.

mod attributes;
mod framed;
#[cfg(feature = "kcp")]
pub mod kcp;
#[cfg(any(feature = "tcp", feature = "ws"))]
mod listener;
pub mod mem;
#[cfg(any(feature = "tcp", feature = "ws"))]
mod proxy;
#[cfg(any(feature = "tcp", feature = "ws"))]
mod shared;
#[cfg(any(feature = "tcp", feature = "ws", feature = "link"))]
mod stream;
#[cfg(feature = "tcp")]
pub mod tcp;
#[cfg(all(feature = "tls", any(feature = "tcp", feature = "ws", feature = "link")))]
pub mod tls;
#[cfg(feature = "ws")]
pub mod ws;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use attributes::Attributes;
pub use framed::{FramedRead, FramedWrite};
#[cfg(any(feature = "tcp", feature = "ws", feature = "link"))]
pub use stream::{Stream, StreamRead, StreamWrite};

use crate::packet::{DecodeError, Dialect, Format};

/// How long [`PacketWrite::close`] waits for a peer that does not read.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// Accepts clients.
pub trait Transport: Send + 'static {
    /// What [`accept`](Self::accept) gives.
    type Incoming: Incoming;

    /// Waits for the next client. Errors of the listening socket are logged and retried here, never returned.
    ///
    /// # Cancel safety
    /// No client is lost when the future is dropped.
    fn accept(&mut self) -> impl Future<Output = (Self::Incoming, Peer)> + Send;

    /// The next of those who had begun to connect when the gate began to stop; `None`: there are no more, and whoever
    /// connects from now on finds another listener, or none. [`accept`](Self::accept) is not called any more.
    /// Default: there are none.
    ///
    /// # Cancel safety
    /// As [`accept`](Self::accept).
    fn accept_last(&mut self) -> impl Future<Output = Option<(Self::Incoming, Peer)>> + Send {
        std::future::ready(None)
    }

    /// Where clients connect to, as a client's URL: `ws://127.0.0.1:3553`.
    fn local_addr(&self) -> String;

    /// The dialect of every connection; `None` where the first message of each decides.
    fn dialect(&self) -> Option<Dialect> {
        Some(Dialect::Sized)
    }
}

/// A client whose handshake has not begun: its own task opens it, so that a slow one delays nobody.
pub trait Incoming: Send + 'static {
    /// The half that reads.
    type Read: PacketRead;
    /// The half that writes.
    type Write: PacketWrite;

    /// Performs the handshake, which fails after 10 seconds at the latest. `format` limits what is read.
    fn open(self, format: Arc<Format>) -> impl Future<Output = io::Result<Opened<Self::Read, Self::Write>>> + Send;
}

/// A client whose handshake is done.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened<R, W> {
    /// The half that reads.
    pub read: R,
    /// The half that writes.
    pub write: W,
    /// Who the client is, if the handshake told: a balancer or a proxy spoke for it. Otherwise it is the one who was
    /// accepted.
    pub peer: Option<Peer>,
    /// What the handshake has noted about the client.
    pub attributes: Attributes,
}

impl<R, W> Opened<R, W> {
    /// Both halves, of a client about whom nothing more is known.
    pub fn new(read: R, write: W) -> Self {
        Self { read, write, peer: None, attributes: Attributes::new() }
    }

    /// Says who the client is.
    #[must_use]
    pub fn peer(mut self, peer: Peer) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Says what is known about the client.
    #[must_use]
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }
}

/// The reading half of one connection.
pub trait PacketRead: Send + 'static {
    /// Whether a peer whose side has closed may still read, as on a TCP stream. Default: no, as in WebSocket.
    const HALF_CLOSES: bool = false;

    /// The next unit from the peer; `None` when the peer has closed.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    fn read(&mut self) -> impl Future<Output = Result<Option<Inbound>, ReadError>> + Send;

    /// A unit that has already arrived, so that many are handled per system call; `None` means: go on with
    /// [`read`](Self::read).
    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>>;

    /// Shows the sized packets that [`buffered`](Self::buffered) would begin with to `take`, where they lie and as far as they
    /// were read, and goes on behind so many bytes as it says. Default: shows nothing, 0.
    fn take_packets(&mut self, take: impl FnOnce(&[u8]) -> usize) -> usize {
        let _ = take;
        0
    }
}

/// The writing half of one connection.
pub trait PacketWrite: Send + 'static {
    /// Writes a batch and flushes once. The packets are sized, as [`Format::seal`], [`Format::encode`] and
    /// [`Format::heartbeat`] return them, whatever the dialect. `batch` is empty afterwards.
    ///
    /// Waits for as long as the peer does not read. Dropping the future may cut a packet in two: close the connection.
    fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> impl Future<Output = io::Result<()>> + Send;

    /// Says goodbye as far as the transport can, and sends nothing more. A peer that does not read is given one second.
    /// The socket itself closes when both halves are dropped.
    fn close(&mut self, reason: CloseReason) -> impl Future<Output = ()> + Send;
}

/// What one read yields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inbound {
    /// From a stream, hence in the sized dialect: what follows the size field, for [`Format::parse`].
    Unit(Bytes),
    /// A whole ws message; the session knows, or finds out, which dialect it is in.
    Message(Bytes),
    /// A text message or a control frame of so many bytes: carries no packet and does not prove that the client works.
    Ignored(usize),
}

/// Size field of a unit.
const UNIT_HEAD: usize = 4;
/// The least that a client's ws frame adds: two bytes and a mask.
const MESSAGE_HEAD: usize = 6;

impl Inbound {
    /// What it took on the wire, for those who count.
    pub(crate) fn wire_len(&self) -> usize {
        match self {
            Self::Unit(unit) => UNIT_HEAD + unit.len(),
            Self::Message(message) => MESSAGE_HEAD + message.len(),
            Self::Ignored(len) => MESSAGE_HEAD + len,
        }
    }
}

/// Why a connection ends, for transports that can say so. The numbers are those of ws close frames.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// All is said (1000).
    Normal,
    /// The server stops (1001).
    Away,
    /// The peer breaks the protocol (1002).
    Protocol,
    /// The peer was silent for too long, did not log in, sends too much, reads too little or is not welcome (1008).
    Policy,
    /// The peer sent more than [`Format::max_frame`] allows (1009).
    TooLarge,
    /// There are too many connections (1013).
    Full,
}

/// A connection can no longer be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The socket failed, or the peer closed it inside a packet.
    #[error("connection lost")]
    Io(#[from] io::Error),
    /// What the peer announces cannot be a packet.
    #[error(transparent)]
    Frame(#[from] DecodeError),
    /// The peer breaks the rules of the transport, as a ws client that does not mask its frames.
    #[error("transport protocol violated")]
    Protocol(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ReadError {
    /// What to tell the peer.
    pub fn close_reason(&self) -> CloseReason {
        match self {
            Self::Io(_) => CloseReason::Normal,
            Self::Frame(_) => CloseReason::TooLarge,
            Self::Protocol(_) => CloseReason::Protocol,
        }
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Peer {
    /// A socket.
    Addr(SocketAddr),
    /// The same process.
    #[default]
    Memory,
}

impl Peer {
    /// The peer's address without the port, if it has one. An IPv4 client of a listener for both has its IPv4 address.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Addr(addr) => Some(addr.ip().to_canonical()),
            Self::Memory => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::Memory => f.write_str("memory"),
        }
    }
}

/// The host of a URL may be an IPv6 address in brackets.
#[cfg(any(feature = "ws", all(feature = "tls", any(feature = "tcp", feature = "link"))))]
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests;
