//! The client's side of a connection, without the code that is measured: ready bytes out, a count of the bytes that come back.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The route that every benchmark serves, as an echo.
pub(crate) const ROUTE: u16 = 1;
const SEQ: u16 = 1;
/// Seqs of a connection run from [`SEQ`] to this, and again.
const LAST_SEQ: u16 = i16::MAX as u16;
/// Size, header, route and seq of a packet.
const HEAD: usize = 9;
/// A listener forgets whom it has no room for; he would try again after a second.
const AT_ONCE: usize = 100;
/// A WebSocket client has to mask what it sends.
const MASK: [u8; 4] = [0x35, 0xa7, 0x1c, 0xe2];

/// Where to connect, and how a request and its answer look there.
pub(crate) struct Wire {
    addr: SocketAddr,
    ws: bool,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    /// Where the packet begins in a request and in an answer.
    begins: [usize; 2],
}

/// What happened to the messages of one round that should not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Without an answer.
    pub(crate) lost: u64,
    /// Answers with another seq than the next.
    pub(crate) misplaced: u64,
}

impl Faults {
    pub(crate) fn assert_none(self, server: &str) {
        assert_eq!((self.lost, self.misplaced), (0, 0), "{server}: answers lost and out of order");
    }
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
            false => (packet.clone(), packet.clone()),
            true => {
                let masked: Vec<u8> = packet.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
                let request = [&ws_head(packet.len(), 0x80)[..], &MASK, &masked].concat();
                (request, [&ws_head(packet.len(), 0)[..], &packet].concat())
            }
        };
        let begins = [request.len(), answer.len()].map(|len| len - packet.len());
        Self { addr, ws, request, answer, begins }
    }

    /// Numbers the requests of one connection.
    pub(crate) fn seqs(&self) -> Seqs {
        // The mask begins anew with each packet.
        let mask = if self.ws { [MASK[(HEAD - 2) % 4], MASK[(HEAD - 1) % 4]] } else { [0, 0] };
        Seqs { request: self.request.len(), at: self.begins[0] + HEAD - 2, mask, next: SEQ }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        if self.ws {
            upgrade(&mut stream).await?;
        }
        Ok(stream)
    }

    /// Whether a new connection gets the answer.
    pub(crate) async fn try_exchange(&self) -> io::Result<bool> {
        let mut stream = self.connect().await?;
        stream.write_all(&self.request).await?;
        let mut answer = vec![0; self.answer.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer == self.answer)
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
            wire.exchange(&mut socket).await.expect("the server answers");
            socket
        });
    }
    sockets.extend(connecting.join_all().await.into_iter().map(Ok));
    sockets.into_iter().collect::<Result<_, _>>().expect("every connection works")
}

/// The next seq of a connection, and where it is in a request.
pub(crate) struct Seqs {
    /// Length of a request.
    request: usize,
    at: usize,
    mask: [u8; 2],
    next: u16,
}

impl Seqs {
    /// Numbers requests that follow one another.
    pub(crate) fn number(&mut self, requests: &mut [u8]) {
        for request in requests.chunks_exact_mut(self.request) {
            let [high, low] = self.next.to_be_bytes();
            (request[self.at], request[self.at + 1]) = (high ^ self.mask[0], low ^ self.mask[1]);
            self.next = next(self.next);
        }
    }
}

/// The seq after this one.
fn next(seq: u16) -> u16 {
    if seq == LAST_SEQ { SEQ } else { seq + 1 }
}

/// Takes what a connection is answered apart, and holds each answer against the order of the requests.
pub(crate) struct Answers {
    wire: Rc<Wire>,
    /// How the next one begins: up to its body.
    head: Vec<u8>,
    seq: u16,
    /// Bytes of it that have come.
    come: usize,
    /// Its seq as it came.
    seen: [u8; 2],
    /// Answers with another seq than the next.
    pub(crate) misplaced: u64,
}

impl Answers {
    pub(crate) fn new(wire: &Rc<Wire>) -> Self {
        let mut head = wire.answer.clone();
        head.truncate(wire.begins[1] + HEAD);
        Self { wire: Rc::clone(wire), head, seq: SEQ, come: 0, seen: [0; 2], misplaced: 0 }
    }

    /// How many answers are whole with these bytes. Panics if they are no answers.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> usize {
        let (at, len) = (self.head.len() - 2, self.wire.answer.len());
        let mut whole = 0;
        while !bytes.is_empty() {
            if self.come < at {
                let (now, rest) = bytes.split_at(bytes.len().min(at - self.come));
                assert_eq!(now, &self.head[self.come..self.come + now.len()], "no answer begins like this");
                self.come += now.len();
                bytes = rest;
            } else if self.come < at + 2 {
                self.seen[self.come - at] = bytes[0];
                self.come += 1;
                bytes = &bytes[1..];
            } else {
                let rest = bytes.len().min(len - self.come);
                self.come += rest;
                bytes = &bytes[rest..];
            }
            if self.come == len {
                let seen = u16::from_be_bytes(self.seen);
                self.misplaced += u64::from(seen != self.seq);
                (self.seq, self.come) = (next(seen), 0);
                whole += 1;
            }
        }
        whole
    }
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
