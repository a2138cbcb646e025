//! The client's side of a connection, without the code that is measured: ready bytes out, a count of the bytes that come back.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The route that every benchmark serves, as an echo.
pub(crate) const ROUTE: u16 = 1;
pub(crate) const SEQ: u16 = 1;
/// A listener forgets whom it has no room for; he would try again after a second.
const AT_ONCE: usize = 100;
/// How long a first answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A WebSocket client has to mask what it sends.
pub(crate) const MASK: [u8; 4] = [0x35, 0xa7, 0x1c, 0xe2];

/// Where to connect, and how a request and its answer look there.
pub(crate) struct Wire {
    addr: SocketAddr,
    pub(crate) ws: bool,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

impl Wire {
    /// `url` is `tcp://` or `ws://` with an address in numbers; of an echo that gets so many bytes.
    pub(crate) fn new(url: &str, body: usize) -> Self {
        Self::with(url, ROUTE, &(0..body).map(|at| at as u8).collect::<Vec<_>>())
    }

    /// The route answers with what it is sent.
    pub(crate) fn with(url: &str, route: u16, body: &[u8]) -> Self {
        let ws = url.starts_with("ws://");
        let addr = url.split("://").nth(1).and_then(|addr| addr.parse().ok()).expect("an address in numbers");
        let mut packet = (body.len() as u32 + 5).to_be_bytes().to_vec();
        packet.push(0);
        packet.extend(route.to_be_bytes());
        packet.extend(SEQ.to_be_bytes());
        packet.extend(body);
        let (request, answer) = match ws {
            false => (packet.clone(), packet),
            true => {
                let masked: Vec<u8> = packet.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
                let request = [&ws_head(packet.len(), 0x80)[..], &MASK, &masked].concat();
                (request, [&ws_head(packet.len(), 0)[..], &packet].concat())
            }
        };
        Self { addr, ws, request, answer }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        if self.ws {
            upgrade(&mut stream).await?;
        }
        Ok(stream)
    }

    /// One request and its answer, byte by byte.
    pub(crate) async fn exchange(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(&self.request).await?;
        let mut answer = vec![0; self.answer.len()];
        stream.read_exact(&mut answer).await?;
        assert!(answer == self.answer, "the answer is not the request");
        Ok(())
    }
}

/// Each has sent one message and got it back.
pub(crate) async fn connect_all(wire: &Rc<Wire>, connections: usize) -> Vec<TcpStream> {
    let (mut connecting, mut sockets) = (JoinSet::new(), Vec::new());
    for _ in 0..connections {
        if connecting.len() == AT_ONCE {
            sockets.extend(connecting.join_next().await);
        }
        let wire = Rc::clone(wire);
        connecting.spawn_local(async move {
            let mut socket = wire.connect().await.expect("the server listens");
            let answer = timeout(PATIENCE, wire.exchange(&mut socket)).await;
            answer.expect("the server answers in time").expect("the server answers");
            socket
        });
    }
    sockets.extend(connecting.join_all().await.into_iter().map(Ok));
    sockets.into_iter().collect::<Result<_, _>>().expect("every connection works")
}

fn ws_head(len: usize, masked: u8) -> Vec<u8> {
    match len {
        ..126 => vec![0x82, masked | len as u8],
        _ => [&[0x82, masked | 126][..], &(len as u16).to_be_bytes()].concat(),
    }
}

async fn upgrade(stream: &mut TcpStream) -> io::Result<()> {
    let ask = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(ask).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(&head));
    Ok(())
}
