//! What a server says of where it listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// What others dial to reach a listener on all interfaces.
pub(crate) fn reachable(addr: SocketAddr) -> SocketAddr {
    if !addr.ip().is_unspecified() {
        return addr;
    }
    // Connecting a datagram socket sends nothing; it asks the routing table which of our addresses would be used.
    let route = |socket: UdpSocket| socket.connect("10.255.255.255:1").and_then(|()| socket.local_addr());
    let ip = UdpSocket::bind("0.0.0.0:0").and_then(route).map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |local| local.ip());
    SocketAddr::new(ip, addr.port())
}
