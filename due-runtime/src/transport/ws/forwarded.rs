use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::HeaderMap;

use crate::transport::Peer;

/// The proxies in front of a ws listener whose `X-Forwarded-For` is believed.
///
/// Each proxy appends the address that it was called from. So the list is read from its right end, where our own proxies
/// write, and the first address that none of them has is the client; what stands further left the client may have made up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedProxies(Trust);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Trust {
    Hops(usize),
    Networks(Vec<Network>),
}

/// A network that was not written as `10.0.0.0/8` or `10.1.2.3`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an IP network: {0}")]
pub struct InvalidNetwork(String);

impl TrustedProxies {
    /// So many proxies stand one behind the other, and nobody reaches the gate but through them.
    pub const fn hops(count: usize) -> Self {
        Self(Trust::Hops(count))
    }

    /// Whoever has one of these addresses is a proxy of ours: `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`. Others who connect
    /// speak for themselves, whatever headers they send.
    ///
    /// # Errors
    /// When an entry is no address and no network.
    pub fn networks<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        Ok(Self(Trust::Networks(networks.into_iter().map(str::parse).collect::<Result<_, _>>()?)))
    }

    /// The client behind `peer`; `None` if where it must stand there is no address. `X-Real-IP` counts where a trusted peer
    /// sends no `X-Forwarded-For`.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<Peer> {
        let Peer::Addr(socket) = peer else { return Some(peer) };
        let text = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
        let mut chain: Vec<&str> = text("x-forwarded-for").flat_map(|list| list.split(',')).collect();
        if chain.is_empty() {
            chain.extend(text("x-real-ip").next_back());
        }
        let mut client = socket;
        for (hop, entry) in chain.iter().rev().enumerate() {
            let is_proxy = match &self.0 {
                Trust::Hops(count) => hop < *count,
                Trust::Networks(networks) => networks.iter().any(|network| network.contains(client.ip())),
            };
            if !is_proxy {
                break;
            }
            client = address(entry.trim())?;
        }
        Some(Peer::Addr(client))
    }
}

/// With a port or without; without one it is 0.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map(|ip| SocketAddr::new(ip, 0)).or_else(|_| text.parse()).ok()
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Network {
    ip: u128,
    mask: u128,
}

impl Network {
    fn contains(&self, ip: IpAddr) -> bool {
        bits(ip) & self.mask == self.ip
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let ip: IpAddr = ip.parse().map_err(|_| invalid())?;
        let width = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(width), str::parse::<u32>).map_err(|_| invalid())?;
        let host_bits = width.checked_sub(prefix).ok_or_else(invalid)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Ok(Self { ip: bits(ip) & mask, mask })
    }
}

/// IPv4 addresses in their IPv6 form, as sockets that take both report them.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

    use super::*;

    fn client(trusted: &TrustedProxies, peer: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let peer = Peer::Addr(SocketAddr::new(peer.parse().unwrap(), 4000));
        trusted.client(peer, &headers).map(|peer| peer.ip().unwrap().to_string())
    }

    #[test]
    fn the_right_most_address_that_is_no_proxy_is_the_client() {
        const XFF: &str = "x-forwarded-for";
        let two = TrustedProxies::hops(2);
        let ours = TrustedProxies::networks(["10.0.0.0/8", "fd00::/8", "192.0.2.7"]).unwrap();
        for (trusted, peer, headers, expected) in [
            (&two, "10.0.0.1", &[(XFF, "6.6.6.6, 203.0.113.7, 10.0.0.2")][..], Some("203.0.113.7")),
            (&two, "10.0.0.1", &[(XFF, "6.6.6.6"), (XFF, "203.0.113.7:99 ,[2001::7]:80")], Some("203.0.113.7")),
            (&two, "10.0.0.1", &[(XFF, "10.0.0.2")], Some("10.0.0.2")),
            (&two, "10.0.0.1", &[], Some("10.0.0.1")),
            (&two, "10.0.0.1", &[("x-real-ip", "2001::7")], Some("2001::7")),
            (&two, "10.0.0.1", &[(XFF, "unknown, 10.0.0.2")], None),
            (&two, "10.0.0.1", &[(XFF, "garbage, 203.0.113.7, 10.0.0.2")], Some("203.0.113.7")),
            (&ours, "10.0.0.1", &[(XFF, "6.6.6.6, 203.0.113.7, 192.0.2.7, fd00::1")], Some("203.0.113.7")),
            (&ours, "::ffff:10.0.0.1", &[(XFF, "6.6.6.6")], Some("6.6.6.6")),
            (&ours, "203.0.113.7", &[(XFF, "6.6.6.6"), ("x-real-ip", "6.6.6.6")], Some("203.0.113.7")),
            (&ours, "10.0.0.1", &[(XFF, "")], None),
            (&TrustedProxies::hops(0), "10.0.0.1", &[(XFF, "6.6.6.6")], Some("10.0.0.1")),
        ] {
            assert_eq!(client(trusted, peer, headers).as_deref(), expected, "{trusted:?} {peer} {headers:?}");
        }
    }

    #[test]
    fn networks_are_addresses_with_or_without_a_prefix() {
        let within = |network: &str, ip: &str| network.parse::<Network>().unwrap().contains(ip.parse().unwrap());
        assert!(within("0.0.0.0/0", "1.2.3.4") && !within("0.0.0.0/0", "2001::1"));
        assert!(within("::/0", "2001::1") && within("::/0", "1.2.3.4"));
        assert!(within("10.1.2.3/8", "10.255.0.1") && !within("10.0.0.0/8", "11.0.0.1"));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/-1", "10.0.0.0/"] {
            assert_eq!(TrustedProxies::networks([wrong]), Err(InvalidNetwork(wrong.to_owned())));
        }
    }
}
