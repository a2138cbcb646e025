//! Packets over TCP, with TLS or without, in the sized dialect.

use std::io;
use std::sync::Arc;

use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

use super::listener::{Arrival, HANDSHAKE_WAIT, Listener};
use super::stream::{Stream, StreamRead, StreamWrite};
#[cfg(feature = "tls")]
use super::tls::{TlsClient, TlsServer};
use super::{FramedRead, FramedWrite, Incoming, Opened, Peer, Transport};
use crate::packet::Format;

/// Listens on a TCP port. `TCP_NODELAY` is set on every connection.
#[derive(Debug)]
pub struct Tcp {
    listener: Listener,
}

impl Tcp {
    /// Listens on `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: Listener::bind(addr).await? })
    }

    /// Listens on `addr` as [`bind`](Self::bind) does, and lets other processes of the same user listen there as well, if
    /// they ask for it too (`SO_REUSEPORT`): a new one takes the port before the old one leaves it. Who connects finds any of
    /// them. A second process that was started by mistake is not noticed then. A gate that stops accepts whoever had begun
    /// to connect; on Linux nobody is reset.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); [`Unsupported`](io::ErrorKind::Unsupported) where the system has no such ports.
    pub async fn bind_shared(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: Listener::bind_shared(addr).await? })
    }

    /// Speaks TLS, `tls://` to clients.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.listener.door.tls = Some(tls);
        self
    }

    /// Every connection must begin with a header of the PROXY protocol (version 1 or 2, before TLS), which says who the
    /// client is. Anybody who reaches this port can then claim any address: let only the balancer reach it.
    /// Default: no connection may.
    #[must_use]
    pub fn proxy_protocol(mut self) -> Self {
        self.listener.door.proxied = true;
        self
    }
}

impl Transport for Tcp {
    type Incoming = TcpIncoming;

    async fn accept(&mut self) -> (TcpIncoming, Peer) {
        let (arrival, peer) = self.listener.accept().await;
        (TcpIncoming { arrival }, peer)
    }

    async fn accept_last(&mut self) -> Option<(TcpIncoming, Peer)> {
        let (arrival, peer) = self.listener.accept_last().await?;
        Some((TcpIncoming { arrival }, peer))
    }

    fn local_addr(&self) -> String {
        self.listener.url("tcp", "tls")
    }
}

/// A TCP client; without TLS and balancer its handshake is a formality.
#[derive(Debug)]
pub struct TcpIncoming {
    arrival: Arrival,
}

impl Incoming for TcpIncoming {
    type Read = FramedRead<StreamRead>;
    type Write = FramedWrite<StreamWrite>;

    async fn open(self, format: Arc<Format>) -> io::Result<Opened<Self::Read, Self::Write>> {
        let (stream, peer) = timeout(HANDSHAKE_WAIT, self.arrival.open()).await??;
        let (read, write) = halves(stream, format);
        Ok(Opened::new(read, write).peer(peer))
    }
}

/// Connects to a gate.
///
/// # Errors
/// When the address cannot be resolved or nobody accepts there.
pub async fn connect(
    addr: impl ToSocketAddrs,
    format: Arc<Format>,
) -> io::Result<(FramedRead<StreamRead>, FramedWrite<StreamWrite>)> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(halves(stream.into(), format))
}

/// Connects to a gate that speaks TLS at `host:port`.
///
/// # Errors
/// Also when the server does not prove that it is `host`, or [`TlsClient::server_name`].
#[cfg(feature = "tls")]
pub async fn connect_tls(
    addr: &str,
    tls: &TlsClient,
    format: Arc<Format>,
) -> io::Result<(FramedRead<StreamRead>, FramedWrite<StreamWrite>)> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    let stream = tls.connect(super::without_brackets(host), stream).await?;
    Ok(halves(stream, format))
}

fn halves(stream: Stream, format: Arc<Format>) -> (FramedRead<StreamRead>, FramedWrite<StreamWrite>) {
    let (read, write) = stream.into_split();
    (FramedRead::new(read, Arc::clone(&format)), FramedWrite::new(write, format))
}
