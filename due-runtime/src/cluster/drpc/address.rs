//! Where a server listens, and what others are told.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

const SCHEME: &str = "drpc://";

/// Where a server is dialled, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    /// `host:port`
    pub(super) at: String,
    /// It speaks TLS.
    pub(super) secure: bool,
}

impl Address {
    #[cfg(feature = "tls")]
    pub(super) fn host(&self) -> &str {
        self.at.rsplit_once(':').map_or(&self.at, |(host, _)| host)
    }
}

/// Out of an endpoint of this link.
pub(super) fn parse(endpoint: &str) -> Option<Address> {
    let (address, query) = match endpoint.strip_prefix(SCHEME)?.split_once('?') {
        Some((address, query)) => (address, query),
        None => (endpoint.strip_prefix(SCHEME)?, ""),
    };
    let (host, port) = address.rsplit_once(':')?;
    let secure = query.split('&').any(|pair| pair == "is_secure=true");
    let is_valid = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_valid.then(|| Address { at: address.to_owned(), secure })
}

pub(super) fn endpoint(host: &str, port: u16, secure: bool) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("{SCHEME}[{host}]:{port}?is_secure={secure}"),
        false => format!("{SCHEME}{host}:{port}?is_secure={secure}"),
    }
}

/// What to listen on: without a host every IPv4 interface.
pub(super) fn listen_on(addr: &str) -> String {
    if addr.starts_with(':') { format!("{}{addr}", Ipv4Addr::UNSPECIFIED) } else { addr.to_owned() }
}

/// The host that others dial: the one that is listened on, or if that is every interface a private address of this
/// machine.
pub(super) fn host_of(local: SocketAddr) -> IpAddr {
    match local.ip() {
        ip if !ip.is_unspecified() => ip,
        _ => advertised(&own_addresses()).or_else(way_out).unwrap_or(Ipv4Addr::LOCALHOST).into(),
    }
}

/// 192.168/16 first, then any other private network.
fn advertised(own: &[Ipv4Addr]) -> Option<Ipv4Addr> {
    let home = |ip: &&Ipv4Addr| ip.octets().starts_with(&[192, 168]);
    own.iter().find(home).or_else(|| own.iter().find(|ip| ip.is_private())).copied()
}

/// The addresses of all interfaces that are up, loopback excepted. Only Linux says so without a C library.
fn own_addresses() -> Vec<Ipv4Addr> {
    fs::read_to_string("/proc/net/fib_trie").map_or_else(|_| way_out().into_iter().collect(), |trie| local(&trie))
}

/// The lines `/32 host LOCAL` of the kernel's routing table, each after the line of its address.
fn local(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in trie.lines() {
        if let Some(address) = line.trim_start().strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line.trim_end().ends_with("/32 host LOCAL")
            && let Some(ip) = last.filter(|ip| !ip.is_loopback() && !found.contains(ip))
        {
            found.push(ip);
        }
    }
    found
}

/// The address that a packet to the outside would carry. Nothing is sent.
fn way_out() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(10, 255, 255, 255), 1)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) if !ip.is_unspecified() => Some(ip),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_those_of_due() {
        assert_eq!(endpoint("192.168.1.5", 46545, false), "drpc://192.168.1.5:46545?is_secure=false");
        assert_eq!(endpoint("::1", 7, true), "drpc://[::1]:7?is_secure=true");
        let address = |at: &str, secure| Some(Address { at: at.to_owned(), secure });
        assert_eq!(parse("drpc://192.168.1.5:46545?is_secure=false"), address("192.168.1.5:46545", false));
        assert_eq!(parse("drpc://[::1]:7?is_secure=true"), address("[::1]:7", true));
        assert_eq!(parse("drpc://gate:7"), address("gate:7", false));
        for unknown in
            ["", "mem://g1", "grpc://a:1", "drpc://", "drpc://a", "drpc://:1", "drpc://a:0", "drpc://a:70000"]
        {
            assert_eq!(parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_private_address_is_found_in_the_routing_table() {
        const TRIE: &str = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 10.0.0.255\n        \
            /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.168.3.4\n        /32 host LOCAL\n";
        let own = local(TRIE);
        assert_eq!(own, [Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(192, 168, 3, 4)]);
        assert_eq!(advertised(&own), Some(Ipv4Addr::new(192, 168, 3, 4)));
        assert_eq!(advertised(&own[..1]), Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(advertised(&[Ipv4Addr::new(8, 8, 8, 8)]), None);
    }

    #[test]
    fn a_concrete_host_is_advertised_as_it_is() {
        assert_eq!(listen_on(":0"), "0.0.0.0:0");
        assert_eq!(listen_on("127.0.0.1:0"), "127.0.0.1:0");
        assert_eq!(host_of("127.0.0.1:9".parse().unwrap()).to_string(), "127.0.0.1");
        assert!(!host_of("0.0.0.0:9".parse().unwrap()).is_unspecified());
    }
}
