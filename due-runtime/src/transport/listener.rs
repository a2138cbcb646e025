//! The listening socket of the transports over TCP.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::time::sleep;

use super::Peer;

/// Time for the cause of a failed accept to pass, as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Listener(TcpListener);

impl Listener {
    pub(super) async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        TcpListener::bind(addr).await.map(Self)
    }

    /// Cancel safe; what fails is logged and tried again.
    pub(super) async fn accept(&self) -> (TcpStream, Peer) {
        loop {
            match self.0.accept().await {
                Ok((stream, addr)) => return (stream, Peer::Addr(addr)),
                Err(err) if is_of_connection(&err) => {}
                Err(err) => {
                    tracing::warn!(error = &err as &dyn std::error::Error, "cannot accept clients");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    pub(super) fn url(&self, scheme: &str) -> String {
        match self.0.local_addr() {
            Ok(addr) => format!("{scheme}://{addr}"),
            Err(_) => format!("{scheme}://?"),
        }
    }
}

/// Whether only the connection that was to be accepted has failed.
fn is_of_connection(err: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(err.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
