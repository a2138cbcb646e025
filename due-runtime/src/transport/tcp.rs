//! Packets over plain TCP, in the sized dialect.

use std::io;
use std::sync::Arc;

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, ToSocketAddrs};

use super::listener::Listener;
use super::{FramedRead, FramedWrite, Incoming, Peer, Transport};
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
}

impl Transport for Tcp {
    type Incoming = TcpIncoming;

    async fn accept(&mut self) -> (TcpIncoming, Peer) {
        let (stream, peer) = self.listener.accept().await;
        (TcpIncoming { stream }, peer)
    }

    fn local_addr(&self) -> String {
        self.listener.url("tcp")
    }
}

/// A TCP client; its handshake is a formality.
#[derive(Debug)]
pub struct TcpIncoming {
    stream: TcpStream,
}

impl Incoming for TcpIncoming {
    type Read = FramedRead<OwnedReadHalf>;
    type Write = FramedWrite<OwnedWriteHalf>;

    async fn open(self, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
        self.stream.set_nodelay(true)?;
        let (read, write) = self.stream.into_split();
        Ok((FramedRead::new(read, Arc::clone(&format)), FramedWrite::new(write, format)))
    }
}

/// Connects to a gate.
///
/// # Errors
/// When the address cannot be resolved or nobody accepts there.
pub async fn connect(
    addr: impl ToSocketAddrs,
    format: Arc<Format>,
) -> io::Result<(FramedRead<OwnedReadHalf>, FramedWrite<OwnedWriteHalf>)> {
    TcpIncoming { stream: TcpStream::connect(addr).await? }.open(format).await
}
