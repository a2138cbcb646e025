//! A port that several processes listen on (`SO_REUSEPORT`), and how one of them leaves it without losing a client.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::listener::is_of_connection;
use crate::listen::BACKLOG;

/// How long a client that has begun to connect may take to finish that: the way there and back, from far away. Clients that
/// begin meanwhile are dropped by one of the listeners; their systems try again after a second, and find the other one.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ROUND_TRIP: Duration = Duration::from_millis(300);
/// Without a way to turn beginners away, waiting would only let more of them in.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const ROUND_TRIP: Duration = Duration::ZERO;

/// How a listener leaves a port that it shares.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Set once it leaves.
    until: Option<Instant>,
}

impl Shared {
    pub(super) async fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address");
        for addr in lookup_host(addr).await? {
            match listen(addr) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The next of those who are on their way to `socket`. Closing it would reset them: the system has chosen this listener
    /// for them when they began.
    pub(super) async fn accept_last(&mut self, socket: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
        let until = *self.until.get_or_insert_with(|| {
            if let Err(error) = turn_beginners_away(socket) {
                tracing::warn!(%error, "clients that connect at this moment may be reset");
            }
            Instant::now() + ROUND_TRIP
        });
        loop {
            // What has been accepted by the system comes before the time is looked at.
            match timeout_at(until, socket.accept()).await.ok()? {
                Ok(accepted) => return Some(accepted),
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the last clients are not accepted");
                    return None;
                }
            }
        }
    }
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As every listener of tokio.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG.into())
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
fn listen(_: SocketAddr) -> io::Result<TcpListener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no ports that processes share"))
}

/// The system goes on to choose among all listeners for whoever begins to connect. Who is dropped here tries again, when
/// this one is gone; who has begun already passes.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn turn_beginners_away(socket: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // Classic BPF over a TCP segment: the byte of its flags, and whether SYN is among them.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_ANY: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 2;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_ANY, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(socket).attach_filter(&program)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn turn_beginners_away(_: &TcpListener) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_connected_is_accepted_and_who_begins_meanwhile_finds_the_other_listener() {
        let old = Shared::bind("127.0.0.1:0").await.unwrap();
        let addr = old.local_addr().unwrap();
        let queued = [TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap()];
        let mut shared = Shared::default();
        let mut peers = Vec::new();
        // The second one is still in the queue when the filter is there.
        peers.push(shared.accept_last(&old).await.unwrap().1);
        let new = Shared::bind(addr).await.unwrap();
        let late: Vec<_> = (0..8).map(|_| tokio::spawn(TcpStream::connect(addr))).collect();
        while let Some((_, peer)) = shared.accept_last(&old).await {
            peers.push(peer);
        }
        drop(old);
        assert_eq!(peers, queued.map(|client| client.local_addr().unwrap()));
        for client in late {
            let (accepted, _) = new.accept().await.unwrap();
            client.await.unwrap().unwrap();
            drop(accepted);
        }
    }
}
