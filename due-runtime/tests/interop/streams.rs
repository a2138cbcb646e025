//! Much at once for one client: it gets all of it, as long as it reads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio::time::{interval, sleep, timeout};

use crate::ears::PATIENCE;
use crate::node::PUSH;
use crate::on_both;
use crate::world::{Fleet, GO_GATE, GO_NODE, Place, RUST_GATE, RUST_NODE};

on_both!(
    a_stream_of_pushes_arrives_whole,
    a_burst_of_requests_is_answered_whole,
    a_burst_for_slow_handlers_is_answered_whole,
    a_crowd_is_answered_whole,
);

/// Of 1 KiB: more than the sockets and the gate hold for a client.
const PUSHES: u32 = 20_000;
const CLIENTS: u16 = 200;
const EACH: u16 = 250;
const AT_ONCE: usize = 16;
const ECHO: u16 = 1;
const FLOOD: u16 = 15;
const PONDER: u16 = 16;
const HEARTBEAT: [u8; 5] = [0, 0, 0, 1, 0x80];

async fn a_stream_of_pushes_arrives_whole(place: Place) {
    let fleet = Fleet::start(place).await;
    for gid in [RUST_GATE, GO_GATE] {
        let (mut read, write) = connect(&fleet, gid).await;
        let mut answered = BTreeSet::new();
        // Nodes take turns.
        for seq in [1, 2] {
            write.lock().await.write_all(&request(FLOOD, seq, PUSHES.to_string().as_bytes())).await.unwrap();
            for number in 0..PUSHES {
                let (route, none, body) = read.next().await;
                assert_eq!((route, none, &body[..4]), (PUSH as u16, 0, &number.to_be_bytes()[..]), "{gid}");
                // Slower than nodes push.
                if number % 500 == 0 {
                    sleep(Duration::from_millis(10)).await;
                }
            }
            let (route, answers, nid) = read.next().await;
            assert_eq!((route, answers), (FLOOD, seq), "{gid}");
            answered.insert(String::from_utf8(nid).unwrap());
        }
        assert!(answered.contains(RUST_NODE) && answered.contains(GO_NODE), "{gid}: {answered:?}");
    }
}

async fn a_burst_of_requests_is_answered_whole(place: Place) {
    is_answered_whole(place, ECHO, 20_000, 2).await;
}

/// Of more than nodes hold for a session.
async fn a_burst_for_slow_handlers_is_answered_whole(place: Place) {
    is_answered_whole(place, PONDER, 4_000, 2_048).await;
}

async fn is_answered_whole(place: Place, route: u16, requests: u16, size: usize) {
    let fleet = Fleet::start(place).await;
    let body = |seq: u16| seq.to_be_bytes().repeat(size / 2);
    for gid in [RUST_GATE, GO_GATE] {
        let (mut read, write) = connect(&fleet, gid).await;
        let all: Vec<u8> = (1..=requests).flat_map(|seq| request(route, seq, &body(seq))).collect();
        let ask = async { write.lock().await.write_all(&all).await.unwrap() };
        let answers = async {
            let mut missing: BTreeSet<u16> = (1..=requests).collect();
            while !missing.is_empty() {
                let (of, seq, answer) = read.next().await;
                assert_eq!((of, answer), (route, body(seq)), "{gid}");
                assert!(missing.remove(&seq), "{gid}: {seq} is answered twice");
            }
        };
        tokio::join!(ask, answers);
    }
}

/// Each of many clients has some requests under way, again and again.
async fn a_crowd_is_answered_whole(place: Place) {
    let fleet = Fleet::start(place).await;
    for gid in [RUST_GATE, GO_GATE] {
        let clients = (0..CLIENTS).map(async |client| {
            let (mut read, write) = connect(&fleet, gid).await;
            let body = |seq: u16| [client.to_be_bytes(), seq.to_be_bytes()].concat();
            let ask = async |seq| write.lock().await.write_all(&request(ECHO, seq, &body(seq))).await.unwrap();
            let mut waiting = BTreeSet::new();
            for seq in 1..=EACH {
                ask(seq).await;
                waiting.insert(seq);
                while waiting.len() == AT_ONCE || (seq == EACH && !waiting.is_empty()) {
                    let (route, seq, answer) = read.next().await;
                    assert_eq!((route, answer), (ECHO, body(seq)), "{gid}");
                    assert!(waiting.remove(&seq), "{gid}: {seq} of {client} is answered twice");
                }
            }
        });
        join_all(clients).await;
    }
}

/// A client that reads and writes bytes, so that nothing else holds it up.
async fn connect(fleet: &Fleet, gid: &str) -> (Packets, Arc<Mutex<OwnedWriteHalf>>) {
    let (_, addr) = fleet.url(gid).split_once("://").expect("a URL");
    let socket = TcpSocket::new_v4().unwrap();
    // The system would hold megabytes for a client that does not read.
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let (read, write) = socket.connect(addr.parse().unwrap()).await.unwrap().into_split();
    let write = Arc::new(Mutex::new(write));
    let heart = Arc::clone(&write);
    // Ends with the gate.
    tokio::spawn(async move {
        let mut beats = interval(Duration::from_millis(500));
        while heart.lock().await.write_all(&HEARTBEAT).await.is_ok() {
            beats.tick().await;
        }
    });
    (Packets(BufReader::new(read)), write)
}

fn request(route: u16, seq: u16, body: &[u8]) -> Vec<u8> {
    let size = (5 + body.len() as u32).to_be_bytes();
    [&size[..], &[0], &route.to_be_bytes(), &seq.to_be_bytes(), body].concat()
}

struct Packets(BufReader<OwnedReadHalf>);

impl Packets {
    /// Route, seq and body of the next packet that is no heartbeat.
    async fn next(&mut self) -> (u16, u16, Vec<u8>) {
        timeout(PATIENCE, self.read()).await.expect("in time").expect("the gate goes on")
    }

    async fn read(&mut self) -> std::io::Result<(u16, u16, Vec<u8>)> {
        loop {
            let size = self.0.read_u32().await?;
            let mut packet = vec![0; size as usize];
            self.0.read_exact(&mut packet).await?;
            let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
            if packet[0] == 0 {
                return Ok((number(1), number(3), packet[5..].to_vec()));
            }
        }
    }
}
