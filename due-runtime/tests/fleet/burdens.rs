//! What a member must bear alone: clients that do not read, and a disk that is full.

use std::time::Duration;

use libtest_mimic::Trial;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fleet::{ECHO, Handled};
use crate::load::{Game, Load, Tally};
use crate::nodes::knows;
use crate::story;
use crate::world::World;

const PLAYERS: usize = 8;
const STATELESS: Game = Game { route: ECHO, login: None, pace: Duration::from_millis(4) };
const SLOW: usize = 8;
/// Of the gate, in KiB: far more than 8 outboxes of 4 MiB need.
const MEMORY: u64 = 400 << 10;

pub(crate) fn stories() -> Vec<Trial> {
    vec![
        story("clients_that_do_not_read_are_sent_away_and_cost_nobody_else_anything", slow_clients),
        story("a_full_disk_for_logs_costs_nothing", full_disk),
    ]
}

async fn slow_clients() {
    let world = World::on_etcd();
    let (gate, node) = (world.gate("g1"), world.node("n1"));
    knows(&gate, &node).await;
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    load.answers(50).await;
    let addr = gate.addresses()[0].trim_start_matches("tcp://");
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..SLOW {
        let stream = TcpStream::connect(addr).await.unwrap();
        slow.spawn(flood(stream));
    }
    // The gate closes them; meanwhile all others are served.
    let sent_away = async { while slow.join_next().await.is_some() {} };
    timeout(Duration::from_secs(60), sent_away).await.expect("all of them are sent away");
    load.answers(50).await;
    let tally = load.stop().await;
    let peak = gate.peak_memory();
    eprintln!("{tally:?}, {peak} KiB at most");
    let expected = Tally { sent: tally.sent, answered: tally.sent, connections: PLAYERS as u64, ..Tally::default() };
    assert_eq!(tally, expected);
    assert!(peak < MEMORY, "{peak} KiB");
}

/// Asks, and never reads, until the connection breaks.
async fn flood(mut stream: TcpStream) {
    const BODY: usize = 4000;
    let head = b"0 0 0".len();
    let mut frame = Vec::from(u32::try_from(5 + BODY).unwrap().to_be_bytes());
    frame.push(0);
    frame.extend(u16::try_from(ECHO).unwrap().to_be_bytes());
    frame.extend(7_u16.to_be_bytes());
    frame.extend_from_slice(b"0 0 0");
    frame.resize(frame.len() + BODY - head, b' ');
    while stream.write_all(&frame).await.is_ok() {}
}

async fn full_disk() {
    let world = World::on_etcd();
    let (gate, node) = (world.gate_with_full_disk("g1"), world.node("n1"));
    knows(&gate, &node).await;
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    load.answers(100).await;
    let tally = load.stop().await;
    eprintln!("{tally:?}");
    let expected = Tally { sent: tally.sent, answered: tally.sent, connections: PLAYERS as u64, ..Tally::default() };
    assert_eq!(tally, expected);
    let handled = Handled::by([&node]);
    assert_eq!((handled.requests.len() as u64, handled.twice, handled.out_of_order), (tally.sent, 0, 0));
}
