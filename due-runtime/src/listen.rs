//! Listening sockets with room for all who come at once.

use std::io;

use socket2::SockRef;
use tokio::net::{TcpListener, ToSocketAddrs};

/// Peers that have connected and wait to be accepted, if the system allows as many (`net.core.somaxconn`). After a restart all
/// of them come at once, and who finds no place is dropped and tries again a second later.
pub(crate) const BACKLOG: u16 = u16::MAX;

pub(crate) async fn listen(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(addr).await?;
    // It listens already, with the places that tokio gives it: 128 or 1024, by the system.
    SockRef::from(&listener).listen(BACKLOG.into())?;
    Ok(listener)
}
