//! The header that a load balancer sends ahead of a connection, so that the real client is known (PROXY protocol 1 and 2).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, its end included.
const MAX_LINE: usize = 107;
/// Addresses and extensions of version 2; balancers send some hundred bytes.
const MAX_BLOCK: usize = 2048;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// Reads exactly the header. `None`: the balancer speaks for itself, as in a health check, or does not know the client.
pub(super) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    // No header of either version is shorter.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    match start == SIGNATURE {
        true => read_block(stream).await,
        false if start.starts_with(b"PROXY ") => read_line(stream, &start).await,
        false => Err(bad("no header of the proxy protocol")),
    }
}

async fn read_block(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let len = usize::from(stream.read_u16().await?);
    if len > MAX_BLOCK {
        return Err(bad("a header of the proxy protocol that is too long"));
    }
    let mut block = vec![0; len];
    stream.read_exact(&mut block).await?;
    let mut block = &block[..];
    match (command, family) {
        (LOCAL, _) => Ok(None),
        (PROXY, TCP_OVER_IPV4) => {
            let ip = take::<4>(&mut block)?;
            take::<4>(&mut block)?;
            Ok(Some(SocketAddr::new(Ipv4Addr::from(ip).into(), u16::from_be_bytes(take(&mut block)?))))
        }
        (PROXY, TCP_OVER_IPV6) => {
            let ip = take::<16>(&mut block)?;
            take::<16>(&mut block)?;
            Ok(Some(SocketAddr::new(Ipv6Addr::from(ip).into(), u16::from_be_bytes(take(&mut block)?))))
        }
        // Neither datagrams nor local sockets lead to a TCP port; such a client has no address here.
        (PROXY, _) => Ok(None),
        _ => Err(bad("a command that the proxy protocol does not know")),
    }
}

fn take<const N: usize>(block: &mut &[u8]) -> io::Result<[u8; N]> {
    let (taken, rest) = block.split_first_chunk().ok_or_else(|| bad("a proxy header without its addresses"))?;
    *block = rest;
    Ok(*taken)
}

/// `PROXY TCP4 <client> <balancer> <client's port> <balancer's port>\r\n`
async fn read_line(stream: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Option<SocketAddr>> {
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == MAX_LINE {
            return Err(bad("a line of the proxy protocol that is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let malformed = || bad("a malformed line of the proxy protocol");
    let line = std::str::from_utf8(&line[..line.len() - 2]).map_err(|_| malformed())?;
    let mut words = line.split(' ').skip(1);
    match words.next() {
        Some("UNKNOWN") => return Ok(None),
        Some("TCP4" | "TCP6") => {}
        _ => return Err(malformed()),
    }
    let ip: IpAddr = words.next().and_then(|ip| ip.parse().ok()).ok_or_else(malformed)?;
    let port: u16 = words.nth(1).and_then(|port| port.parse().ok()).ok_or_else(malformed)?;
    Ok(Some(SocketAddr::new(ip, port)))
}

fn bad(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the header says, and how much was read.
    async fn header(bytes: &[u8]) -> (Result<Option<String>, String>, usize) {
        let mut rest = bytes;
        let header = read_header(&mut rest).await;
        let header = header.map(|addr| addr.map(|addr| addr.to_string())).map_err(|err| err.to_string());
        (header, bytes.len() - rest.len())
    }

    fn block(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &(block.len() as u16).to_be_bytes(), block].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_nothing_behind_them_is_read() {
        let v4 = block(PROXY, TCP_OVER_IPV4, &[203, 0, 113, 7, 10, 0, 0, 1, 0xd4, 0x31, 0x0d, 0xe1]);
        let mut v6 = [0; 36];
        (v6[0], v6[1], v6[15], v6[32], v6[33]) = (0x20, 0x01, 7, 0xd4, 0x31);
        let v6 = block(PROXY, TCP_OVER_IPV6, &[&v6[..], &[4, 0, 1, 0]].concat());
        let local = block(LOCAL, 0, &[]);
        let unspecified = block(PROXY, 0, &[1, 2, 3]);
        for (header_bytes, client) in [
            (&v4[..], Some("203.0.113.7:54321")),
            (&v6, Some("[2001::7]:54321")),
            (&local, None),
            (&unspecified, None),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 54321 3553\r\n", Some("203.0.113.7:54321")),
            (b"PROXY TCP6 2001::7 ::1 54321 3553\r\n", Some("[2001::7]:54321")),
            (b"PROXY UNKNOWN\r\n", None),
        ] {
            let bytes = [header_bytes, b"\0\0\0\x01\x80"].concat();
            assert_eq!(header(&bytes).await, (Ok(client.map(str::to_owned)), header_bytes.len()));
        }
    }

    #[tokio::test]
    async fn hostile_headers_are_errors_and_are_not_read_to_their_end() {
        let long = [&SIGNATURE[..], &[PROXY, TCP_OVER_IPV4, 0xff, 0xff], &[0; 70_000]].concat();
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 10_000]].concat();
        for (bytes, text) in [
            (&b"\0\0\0\x07\0\0\x01\0\x02hi.........."[..], "no header of the proxy protocol"),
            (&long, "a header of the proxy protocol that is too long"),
            (&endless, "a line of the proxy protocol that is too long"),
            (b"PROXY TCP4 here there 1 2\r\n", "a malformed line of the proxy protocol"),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 70000 2\r\n", "a malformed line of the proxy protocol"),
            (b"PROXY SCTP 1.2.3.4 1.2.3.4 1 2\r\n", "a malformed line of the proxy protocol"),
            (&block(PROXY, TCP_OVER_IPV4, &[1, 2, 3, 4]), "a proxy header without its addresses"),
            (&block(0x31, TCP_OVER_IPV4, &[0; 12]), "a command that the proxy protocol does not know"),
        ] {
            let (error, read) = header(bytes).await;
            assert_eq!(error, Err(text.to_owned()));
            assert!(read <= MAX_LINE.max(bytes.len().min(200)), "{read}");
        }
        assert_eq!(header(&SIGNATURE[..5]).await.0, Err("early eof".to_owned()));
    }
}
