//! Packets over plain TCP, in the sized dialect.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use super::{FramedRead, FramedWrite, Incoming, Peer, Transport};
use crate::packet::Format;

/// Time for the cause of a failed accept to pass, as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on a TCP port. `TCP_NODELAY` is set on every connection.
#[derive(Debug)]
pub struct Tcp {
    listener: TcpListener,
}

impl Tcp {
    /// Listens on `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(addr).await? })
    }
}

impl Transport for Tcp {
    type Incoming = TcpIncoming;

    async fn accept(&mut self) -> (TcpIncoming, Peer) {
        let (stream, peer) = accept(&self.listener).await;
        (TcpIncoming { stream }, peer)
    }

    fn local_addr(&self) -> String {
        url("tcp", &self.listener)
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

pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => return (stream, Peer::Addr(addr)),
            Err(err) if is_of_connection(&err) => {}
            Err(err) => {
                tracing::warn!(error = &err as &dyn std::error::Error, "cannot accept clients");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

pub(super) fn url(scheme: &str, listener: &TcpListener) -> String {
    match listener.local_addr() {
        Ok(addr) => format!("{scheme}://{addr}"),
        Err(_) => format!("{scheme}://?"),
    }
}

/// Whether only the connection that was to be accepted has failed.
fn is_of_connection(err: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(err.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
