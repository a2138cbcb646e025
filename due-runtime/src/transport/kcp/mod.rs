//! Packets over KCP, reliable UDP that resends early, in the sized dialect: a byte stream as TCP is one.
//!
//! ```no_run
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use due::transport::kcp::{Kcp, Settings};
//! use due::{Client, Gate};
//!
//! let gate = Gate::builder().transport(Kcp::bind("0.0.0.0:3553").await?.settings(Settings::fast())).build();
//! let client = Client::builder().kcp(Settings::fast()).connect("kcp://game.example:3553").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # On the wire
//!
//! Plain KCP, little-endian, without encryption; several segments may share a datagram:
//! ```text
//! | conversation: 4 | command: 1 (81 to 84) | fragment: 1 (0) | window: 2 | time: 4 | number: 4 | next: 4 | length: 4 | bytes |
//! ```
//! Datagrams of Go clients with forward error correction are understood (`sequence: 4 | 0x00f1: 2 | size: 2 | segments`), their
//! parity (`0x00f2`) is left aside, answers are plain. A conversation is known by the client's address; segment 0 of another
//! conversation from there ends the old one. What does not look like this costs a glance.
//!
//! KCP itself has neither handshake nor goodbye: a peer that is gone is found by heartbeats. Our own ends help themselves
//! with datagrams that are too short for KCP, so that Go ends drop them: `conversation: 4 | due | h, w or b`. A client says
//! hello and is welcomed, which takes 300 ms at most, also where nobody understands it; whoever leaves, has refused a
//! client or does not know a conversation says bye, and the other end closes.
//!
//! # Limits
//!
//! A connection keeps at most [`windows`](Settings::windows) of unread and of unsent segments, and ends after 21 days.
//! Whoever can forge a client's address can end its connection, and there is no secrecy: put what needs either elsewhere.

mod conversation;
mod endpoint;
#[doc(hidden)]
pub mod fuzzing;
mod session;
mod settings;
mod timers;
mod wire;

use std::fmt;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::{ToSocketAddrs, UdpSocket, lookup_host};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub use settings::Settings;

use self::endpoint::{Arrival, Endpoint, Lifeline};
use self::session::{Half, halves};
use self::wire::Greeting;
use super::{
    CloseReason, FramedRead, FramedWrite, Inbound, Incoming, Opened, PacketRead, PacketWrite, Peer, ReadError,
    Transport,
};
use crate::packet::{Dialect, Format};

/// Clients that may wait to be let in; more are not heard, and try again.
const BACKLOG: usize = 256;
/// How often, and each time for how long, a client waits to be welcomed.
const HELLOS: usize = 3;
const HELLO_WAIT: Duration = Duration::from_millis(100);

/// Listens on a UDP port.
pub struct Kcp {
    addr: io::Result<SocketAddr>,
    settings: Settings,
    state: State,
}

enum State {
    /// Nobody has been accepted yet; what comes waits in the socket.
    Bound(UdpSocket),
    Running(mpsc::Receiver<Arrival>, Arc<Lifeline>),
    Failed,
}

impl Kcp {
    /// Listens on `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let socket = UdpSocket::bind(addr).await?;
        Ok(Self { addr: socket.local_addr(), settings: Settings::default(), state: State::Bound(socket) })
    }

    /// How conversations are paced. Default: [`Settings::default`].
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts the socket's task.
    fn start(&mut self) {
        let State::Bound(socket) = std::mem::replace(&mut self.state, State::Failed) else { return };
        if let Err(error) = set_buffers(&socket, &self.settings) {
            tracing::warn!(%error, "a UDP socket keeps the buffers it has");
        }
        let endpoint = Endpoint::new(socket, false, self.settings.clone());
        let (door, arrivals) = mpsc::channel(BACKLOG);
        let task = tokio::spawn(endpoint.run(Some(door)));
        self.state = State::Running(arrivals, Lifeline::new(task));
    }
}

impl Transport for Kcp {
    type Incoming = KcpIncoming;

    async fn accept(&mut self) -> (KcpIncoming, Peer) {
        if let State::Bound(_) = self.state {
            self.start();
        }
        if let State::Running(arrivals, lifeline) = &mut self.state
            && let Some(arrival) = arrivals.recv().await
        {
            let peer = Peer::Addr(arrival.peer);
            return (KcpIncoming { arrival, lifeline: Arc::clone(lifeline) }, peer);
        }
        pending().await
    }

    fn local_addr(&self) -> String {
        match &self.addr {
            Ok(addr) => format!("kcp://{addr}"),
            Err(_) => "kcp://?".to_owned(),
        }
    }
}

/// A KCP client at the door. Nothing is allocated for it before it is let in, but the datagrams that it has sent, up to 4.
pub struct KcpIncoming {
    arrival: Arrival,
    lifeline: Arc<Lifeline>,
}

impl Incoming for KcpIncoming {
    type Read = KcpRead;
    type Write = KcpWrite;

    async fn open(self, format: Arc<Format>) -> io::Result<Opened<KcpRead, KcpWrite>> {
        let session = self.arrival.let_in().ok_or(io::ErrorKind::ConnectionReset)?;
        let (read, write) = framed(halves(session, self.lifeline), format);
        Ok(Opened::new(read, write))
    }
}

/// Connects to a gate, `host:port`. One of ours has let the client in when this returns, others have not been heard of.
///
/// # Errors
/// When the address cannot be resolved; [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) when the system says that
/// nobody listens there, or the gate has no place.
pub async fn connect(
    addr: impl ToSocketAddrs,
    settings: Settings,
    format: Arc<Format>,
) -> io::Result<(KcpRead, KcpWrite)> {
    let conv = uuid::Uuid::new_v4().as_u128() as u32;
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address");
    for addr in lookup_host(addr).await? {
        let any: SocketAddr = match addr.is_ipv4() {
            true => (Ipv4Addr::UNSPECIFIED, 0).into(),
            false => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let hello = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(addr).await?;
            set_buffers(&socket, &settings)?;
            hello(&socket, conv, settings.longest()).await?;
            Ok(socket)
        };
        match hello.await {
            Ok(socket) => {
                let endpoint = Endpoint::new(socket, true, settings);
                let session = endpoint.begin(addr, conv);
                let task = tokio::spawn(endpoint.run(None));
                return Ok(framed(halves(session, Lifeline::new(task)), format));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whatever comes shows that somebody listens; what is missed, comes again.
async fn hello(socket: &UdpSocket, conv: u32, longest: usize) -> io::Result<()> {
    let mut answer = vec![0; longest];
    for _ in 0..HELLOS {
        socket.send(&Greeting::Hello.datagram(conv)).await?;
        if let Ok(len) = timeout(HELLO_WAIT, socket.recv(&mut answer)).await {
            return match answer[..len?] == Greeting::Bye.datagram(conv) {
                true => Err(io::ErrorKind::ConnectionRefused.into()),
                false => Ok(()),
            };
        }
    }
    Ok(())
}

fn set_buffers(socket: &UdpSocket, settings: &Settings) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if let Some(bytes) = settings.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = settings.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

fn framed((read, write): (Half, Half), format: Arc<Format>) -> (KcpRead, KcpWrite) {
    (KcpRead(FramedRead::new(read, Arc::clone(&format))), KcpWrite(FramedWrite::new(write, format)))
}

/// The reading half; see [`PacketRead`].
pub struct KcpRead(FramedRead<Half>);

impl PacketRead for KcpRead {
    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        self.0.read().await
    }

    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>> {
        self.0.buffered()
    }
}

/// The writing half; see [`PacketWrite`]. Closing waits until the peer has acknowledged everything, for a second at most.
pub struct KcpWrite(FramedWrite<Half>);

impl PacketWrite for KcpWrite {
    async fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> io::Result<()> {
        self.0.write(batch, dialect).await
    }

    async fn close(&mut self, reason: CloseReason) {
        self.0.close(reason).await;
    }
}

impl fmt::Debug for Kcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kcp").field("addr", &self.addr).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for KcpIncoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpIncoming").field("peer", &self.arrival.peer).finish_non_exhaustive()
    }
}

impl fmt::Debug for KcpRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpRead").finish_non_exhaustive()
    }
}

impl fmt::Debug for KcpWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpWrite").finish_non_exhaustive()
    }
}
