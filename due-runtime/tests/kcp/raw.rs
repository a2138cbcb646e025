//! A KCP peer that is nothing but numbers: it sends what it is told, acknowledges what comes, and resends nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::world::PATIENCE;

pub(crate) const PUSH: u8 = 81;
pub(crate) const ACK: u8 = 82;
pub(crate) const WASK: u8 = 83;
pub(crate) const WINS: u8 = 84;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Segment {
    pub(crate) conv: u32,
    pub(crate) cmd: u8,
    pub(crate) frg: u8,
    pub(crate) wnd: u16,
    pub(crate) ts: u32,
    pub(crate) sn: u32,
    pub(crate) una: u32,
    pub(crate) data: Vec<u8>,
}

impl Segment {
    pub(crate) fn push(conv: u32, sn: u32, data: &[u8]) -> Self {
        Self { conv, cmd: PUSH, wnd: 32, sn, data: data.to_vec(), ..Self::default() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.with_len(self.data.len() as u32)
    }

    pub(crate) fn with_len(&self, len: u32) -> Vec<u8> {
        let mut bytes = self.conv.to_le_bytes().to_vec();
        bytes.extend([self.cmd, self.frg]);
        bytes.extend(self.wnd.to_le_bytes());
        for number in [self.ts, self.sn, self.una, len] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(&self.data);
        bytes
    }

    fn parse_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let (data, rest) = bytes[24..].split_at(number(20) as usize);
            all.push(Self {
                conv: number(0),
                cmd: bytes[4],
                frg: bytes[5],
                wnd: u16::from_le_bytes([bytes[6], bytes[7]]),
                ts: number(8),
                sn: number(12),
                una: number(16),
                data: data.to_vec(),
            });
            bytes = rest;
        }
        all
    }
}

/// As a Go client with 10 data and 3 parity shards sends it.
pub(crate) fn fec_data(id: u32, segments: &[u8]) -> Vec<u8> {
    let size = 2 + segments.len() as u16;
    [&id.to_le_bytes()[..], &[0xf1, 0], &size.to_le_bytes(), segments].concat()
}

pub(crate) fn fec_parity(id: u32, len: usize) -> Vec<u8> {
    [&id.to_le_bytes()[..], &[0xf2, 0], &vec![0xa5; len]].concat()
}

pub(crate) fn greeting(conv: u32, letter: u8) -> Vec<u8> {
    [&conv.to_le_bytes()[..], b"due", &[letter]].concat()
}

pub(crate) struct Raw {
    socket: UdpSocket,
    pub(crate) conv: u32,
    sn: u32,
    /// The next number that is expected.
    pub(crate) next: u32,
    early: BTreeMap<u32, Vec<u8>>,
    stream: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(gate: SocketAddr, conv: u32) -> Self {
        Self::connect_from("127.0.0.1:0", gate, conv).await
    }

    pub(crate) async fn connect_from(here: &str, gate: SocketAddr, conv: u32) -> Self {
        let socket = UdpSocket::bind(here).await.unwrap();
        socket.connect(gate).await.unwrap();
        Self { socket, conv, sn: 0, next: 0, early: BTreeMap::new(), stream: Vec::new() }
    }

    /// Begins another conversation from the same address.
    pub(crate) fn begin_again(&mut self, conv: u32) {
        (self.conv, self.sn, self.next) = (conv, 0, 0);
        self.early.clear();
        self.stream.clear();
    }

    pub(crate) async fn send(&self, datagram: &[u8]) {
        self.socket.send(datagram).await.unwrap();
    }

    /// The next piece of the stream.
    pub(crate) fn segment(&mut self, data: &[u8]) -> Segment {
        let segment = Segment { una: self.next, ..Segment::push(self.conv, self.sn, data) };
        self.sn += 1;
        segment
    }

    pub(crate) async fn write(&mut self, data: &[u8]) {
        let segment = self.segment(data).bytes();
        self.send(&segment).await;
    }

    pub(crate) async fn receive(&self) -> Vec<u8> {
        let mut buf = [0; 2048];
        let len = timeout(PATIENCE, self.socket.recv(&mut buf)).await.expect("an answer").unwrap();
        buf[..len].to_vec()
    }

    /// The next datagram that is no greeting.
    pub(crate) async fn segments(&self) -> Vec<Segment> {
        loop {
            match self.receive().await {
                greeting if greeting.len() == 8 => {}
                datagram => return Segment::parse_all(&datagram),
            }
        }
    }

    pub(crate) async fn bye(&self) {
        while self.receive().await != greeting(self.conv, b'b') {}
    }

    /// So many bytes of the stream. Every datagram on the way is looked at.
    pub(crate) async fn read(&mut self, len: usize) -> Vec<u8> {
        while self.stream.len() < len {
            let mut acks = Vec::new();
            for segment in self.segments().await {
                assert_eq!((segment.conv, segment.frg), (self.conv, 0), "plain and in a stream: {segment:?}");
                assert!((PUSH..=WINS).contains(&segment.cmd), "{segment:?}");
                if segment.cmd != PUSH {
                    continue;
                }
                acks.extend(Segment { cmd: ACK, data: Vec::new(), una: 0, wnd: 32, ..segment.clone() }.bytes());
                if segment.sn >= self.next {
                    self.early.insert(segment.sn, segment.data);
                }
            }
            while let Some(data) = self.early.remove(&self.next) {
                self.stream.extend(data);
                self.next += 1;
            }
            if !acks.is_empty() {
                self.send(&acks).await;
            }
        }
        self.stream.drain(..len).collect()
    }
}
