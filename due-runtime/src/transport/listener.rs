//! The listening socket of the transports over TCP, and what stands between it and the first packet.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::sleep;

use super::shared::Shared;
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::TlsServer;
use super::{Peer, proxy};
use crate::listen::listen;

/// How long proxy header, TLS and upgrade may take together.
pub(super) const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// Time for the cause of a failed accept to pass, as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Listener {
    socket: TcpListener,
    pub(super) door: Door,
    /// Set if other processes may listen on the port as well.
    shared: Option<Shared>,
}

/// What a client has to pass before its first packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Door {
    pub(super) proxied: bool,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsServer>,
}

/// A client that has connected and said nothing yet.
#[derive(Debug)]
pub(super) struct Arrival {
    stream: TcpStream,
    peer: Peer,
    door: Door,
}

impl Listener {
    pub(super) async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { socket: listen(addr).await?, door: Door::default(), shared: None })
    }

    pub(super) async fn bind_shared(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { socket: Shared::bind(addr).await?, door: Door::default(), shared: Some(Shared::default()) })
    }

    /// Cancel safe; what fails is logged and tried again.
    pub(super) async fn accept(&self) -> (Arrival, Peer) {
        loop {
            match self.socket.accept().await {
                Ok((stream, addr)) => {
                    return self.arrival(stream, addr);
                }
                Err(err) if is_of_connection(&err) => {}
                Err(err) => {
                    tracing::warn!(error = &err as &dyn std::error::Error, "cannot accept clients");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// See [`Transport::accept_last`](super::Transport::accept_last).
    pub(super) async fn accept_last(&mut self) -> Option<(Arrival, Peer)> {
        let (stream, addr) = self.shared.as_mut()?.accept_last(&self.socket).await?;
        Some(self.arrival(stream, addr))
    }

    fn arrival(&self, stream: TcpStream, addr: SocketAddr) -> (Arrival, Peer) {
        let peer = Peer::Addr(addr);
        (Arrival { stream, peer, door: self.door.clone() }, peer)
    }

    /// `secure` is the scheme with TLS.
    pub(super) fn url(&self, plain: &str, secure: &str) -> String {
        let scheme = if self.door.is_secure() { secure } else { plain };
        match self.socket.local_addr() {
            Ok(addr) => format!("{scheme}://{addr}"),
            Err(_) => format!("{scheme}://?"),
        }
    }
}

impl Door {
    fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

impl Arrival {
    /// Lets the client in; takes as long as the client does. The peer is the one that a balancer speaks for.
    pub(super) async fn open(self) -> io::Result<(Stream, Peer)> {
        let Self { mut stream, mut peer, door } = self;
        stream.set_nodelay(true)?;
        if door.proxied
            && let Some(client) = proxy::read_header(&mut stream).await?
        {
            peer = Peer::Addr(client);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &door.tls {
            return Ok((tls.accept(stream).await?, peer));
        }
        Ok((stream.into(), peer))
    }
}

/// Whether only the connection that was to be accepted has failed.
pub(super) fn is_of_connection(err: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(err.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_thousand_clients_connect_before_the_first_is_accepted() {
        for shared in [false, true] {
            let addr = "127.0.0.1:0";
            let listener = if shared { Listener::bind_shared(addr).await } else { Listener::bind(addr).await }.unwrap();
            let addr = listener.socket.local_addr().unwrap();
            let clients: JoinSet<_> = (0..1000).map(|_| TcpStream::connect(addr)).collect();
            let clients = timeout(Duration::from_secs(60), clients.join_all()).await.expect("a place for each");
            assert_eq!(clients.into_iter().filter(Result::is_ok).count(), 1000);
        }
    }
}
