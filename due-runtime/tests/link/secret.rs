//! Links with a secret: who is let in, and what is said of the others.

use std::time::Duration;

use due::registry::{Instance, Kind, Registry};
use due::{App, CallError, Client, Code, Gate, Node, RouteId, RunningApp, Seq, ShortSecret, TcpLink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::log::Log;
use crate::raw::{Fake, Peer, hex};
use crate::suite::{ask, game};
use crate::world::{World, client, raw};

const SECRET: &str = "sixteen bytes or more";
const HANDSHAKE: &str = "0000000d 00 01 0000000000000001 01 4731";
/// Of gate G1. Anybody can say this.
const HELLO: &str = "0000003a 00 01 0000000000000001 00 6475652d7365637265742f31
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 01 4731";
/// Bytes of a hello with an id of two, of a proof, of a handshake with such an id, and of its answer.
const HELLO_LEN: usize = 62;
const PROOF_LEN: usize = 46;
const HANDSHAKE_LEN: usize = 17;
const GREETING_LEN: usize = 16;

fn link() -> TcpLink {
    TcpLink::new().connections(1).secret(SECRET).unwrap()
}

/// Waits for a line of the log with both words, and says how many there are.
pub(crate) async fn said(log: &Log, of: &str, what: &str) -> usize {
    let lines = async {
        loop {
            let lines = log.text().lines().filter(|line| line.contains(of) && line.contains(what)).count();
            if lines > 0 {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), lines).await.unwrap_or_else(|_| panic!("{of}: {what}: not in\n{}", log.text()))
}

/// The gate cannot reach a node for this.
pub(crate) async fn is_refused(client: &Client) {
    let answer: Result<due::codec::RawBody, _> = client.request(RouteId(1), &raw("hi")).await;
    match answer {
        Err(CallError::Status(status)) if [Code::UNKNOWN, Code::NOT_FOUND].contains(&status.code()) => {}
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn stop<const N: usize>(apps: [RunningApp; N]) {
    for app in apps {
        app.stop().await;
    }
}

#[tokio::test]
async fn a_gate_and_a_node_with_one_secret_serve_a_login() {
    let log = Log::new();
    let world = World::tcp();
    let node = world.node_with("n1", game(), link()).await;
    let gate = world.gate_with("g1", link()).await;
    let client = client(&gate).await;
    assert_eq!(ask(&client, 1, "hi").await, "hi");
    let cid = ask(&client, 2, "1001").await;
    assert_eq!(cid, "1");
    for _ in 0..100 {
        assert_eq!(ask(&client, 6, "again").await, "again");
    }
    stop([gate, node]).await;
    assert_eq!(log.count("WARN"), 0, "{}", log.text());
}

#[tokio::test]
async fn another_secret_is_named_once_on_both_sides() {
    let log = Log::new();
    let world = World::tcp();
    let other = TcpLink::new().secret("sixteen bytes of another").unwrap();
    let (node, gate) = (world.node_with("n1", game(), link()).await, world.gate_with("g1", other).await);
    let client = client(&gate).await;
    for _ in 0..3 {
        is_refused(&client).await;
    }
    stop([gate, node]).await;
    let text = "its secret is another one: give all the same (`TcpLink::secret`)";
    assert_eq!(said(&log, "a process was not let into the link", text).await, 1);
    let text = "it does not believe this process: give all the same secret (`TcpLink::secret`)";
    assert_eq!(said(&log, "not reached; dialling goes on", text).await, 1);
    for secret in [SECRET, "sixteen bytes of another"] {
        assert_eq!(log.count(secret), 0);
    }
}

#[tokio::test]
async fn a_process_without_the_secret_is_refused_from_either_side() {
    let log = Log::new();
    let world = World::tcp();
    // It calls.
    let node = world.node_with("n1", game(), link()).await;
    let gate = world.gate_with("g1", TcpLink::new()).await;
    is_refused(&client(&gate).await).await;
    stop([gate, node]).await;
    let text = "it has no secret: give it the one of this link (`TcpLink::secret`); Go processes cannot have one";
    assert_eq!(said(&log, "a process was not let into the link", text).await, 1);
    let text = "it closes instead of answering: it may want a secret or TLS (`TcpLink::secret`, `TcpLink::tls`)";
    assert_eq!(said(&log, "not reached; dialling goes on", text).await, 1);

    // It is called.
    let node = world.node_with("n1", game(), TcpLink::new()).await;
    let gate = world.gate_with("g1", link()).await;
    is_refused(&client(&gate).await).await;
    stop([gate, node]).await;
    assert_eq!(said(&log, "not reached; dialling goes on", "it has no secret: give it the one of this link").await, 1);
}

#[tokio::test]
async fn a_go_process_that_calls_is_not_answered() {
    let log = Log::new();
    let world = World::tcp();
    let gate = world.gate_with("g1", link()).await;
    for _ in 0..3 {
        let mut peer = Peer::dial(&world, Kind::Gate, "g1").await;
        peer.send(HANDSHAKE).await;
        peer.closed().await;
    }
    assert_eq!(said(&log, "peer=127.0.0.1", "it has no secret").await, 1);
    gate.stop().await;
}

#[tokio::test]
async fn a_go_process_that_is_called_hears_a_hello_and_no_more() {
    let log = Log::new();
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let gate = world.gate_with("g1", link()).await;
    let client = client(&gate).await;
    let refused = tokio::spawn(async move { is_refused(&client).await });
    for _ in 0..3 {
        let mut go = fake.accept().await;
        assert_eq!(go.frame().await.len(), HELLO_LEN);
        go.send("0000000c 00 01 0000000000000001 0000").await;
        go.closed().await;
    }
    refused.await.unwrap();
    assert_eq!(said(&log, "to=node N1", "it has no secret").await, 1);
    gate.stop().await;
}

#[tokio::test]
async fn a_process_that_is_called_is_the_one_that_was_meant() {
    let log = Log::new();
    let (world, elsewhere) = (World::tcp(), World::tcp());
    let node = elsewhere.node_with("n2", game(), link()).await;
    let mut instance = instance(&elsewhere, Kind::Node).await;
    instance.id = "n1".to_owned();
    world.registry.register(instance).await.unwrap();
    let gate = world.gate_with("g1", link()).await;
    is_refused(&client(&gate).await).await;
    assert_eq!(said(&log, "not reached; dialling goes on", "it is node n2, not node n1").await, 1);
    stop([gate, node]).await;
}

async fn instance(world: &World, kind: Kind) -> Instance {
    world.registry.list(kind).await.unwrap()[0].clone()
}

/// Gate g1 calls node n1, with somebody in between who hears everything and rewrites the handshake that follows.
/// Gives what the gate has said, and how the node answered.
async fn overheard(node: &Instance, rewrite: impl FnOnce(&mut [u8])) -> (Vec<u8>, Vec<u8>) {
    let world = World::tcp();
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("drpc://{}?is_secure=false", between.local_addr().unwrap());
    world.registry.register(Instance { endpoint, ..node.clone() }).await.unwrap();
    let gate = world.gate_with("g1", link()).await;
    let client = client(&gate).await;
    client.send_packet(RouteId(1), Seq(1), b"hi").await.unwrap();

    let (mut gate_side, _) = between.accept().await.unwrap();
    let mut node_side = TcpStream::connect(node.address().unwrap()).await.unwrap();
    let mut recorded = pass(&mut gate_side, &mut node_side, HELLO_LEN).await;
    pass(&mut node_side, &mut gate_side, HELLO_LEN).await;
    recorded.extend(pass(&mut gate_side, &mut node_side, PROOF_LEN).await);
    pass(&mut node_side, &mut gate_side, PROOF_LEN).await;
    let mut handshake = vec![0; HANDSHAKE_LEN];
    gate_side.read_exact(&mut handshake).await.unwrap();
    rewrite(&mut handshake);
    node_side.write_all(&handshake).await.unwrap();
    let greeting = pass(&mut node_side, &mut gate_side, GREETING_LEN).await;
    // The request is lost, and nobody has to wait for its answer.
    drop((gate_side, node_side, between));
    gate.stop().await;
    ([recorded, handshake].concat(), greeting)
}

async fn pass(from: &mut TcpStream, to: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes).await.unwrap();
    to.write_all(&bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn what_was_overheard_opens_no_other_connection() {
    let log = Log::new();
    let world = World::tcp();
    let node = world.node_with("n1", game(), link()).await;
    let instance = instance(&world, Kind::Node).await;
    let (recorded, greeting) = overheard(&instance, |_| ()).await;
    assert_eq!(greeting, hex("0000000c 00 01 0000000000000001 0000"));

    let mut replay = TcpStream::connect(instance.address().unwrap()).await.unwrap();
    replay.write_all(&recorded).await.unwrap();
    let mut answer = vec![0; HELLO_LEN];
    replay.read_exact(&mut answer).await.unwrap();
    Peer(replay).closed().await;
    assert_eq!(said(&log, "a process was not let into the link", "its secret is another one").await, 1);
    node.stop().await;
}

#[tokio::test]
async fn a_caller_keeps_the_name_that_it_has_proven() {
    let world = World::tcp();
    let node = world.node_with("n1", game(), link()).await;
    let (_, greeting) = overheard(&instance(&world, Kind::Node).await, |handshake| {
        assert_eq!(handshake, hex("0000000d 00 01 0000000000000001 01 6731"));
        handshake[16] = b'2';
    })
    .await;
    assert_eq!(greeting, hex("0000000c 00 01 0000000000000001 0002"));
    node.stop().await;
}

#[tokio::test]
async fn what_a_caller_said_is_not_believed_when_it_comes_back() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let gate = world.gate_with("g1", link()).await;
    let client = client(&gate).await;
    let refused = tokio::spawn(async move { is_refused(&client).await });
    for _ in 0..3 {
        let mut mirror = fake.accept().await;
        let hello = mirror.frame().await;
        mirror.0.write_all(&hello).await.unwrap();
        // No proof for a mirror.
        mirror.closed().await;
    }
    refused.await.unwrap();
    gate.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_proves_nothing_in_time_is_closed_and_named_once() {
    let log = Log::new();
    let world = World::tcp();
    let gate = world.gate_with("g1", link()).await;
    let mut slow = Vec::new();
    for beginning in [0, 3, 30, HELLO_LEN] {
        let mut peer = Peer::dial(&world, Kind::Gate, "g1").await;
        peer.0.write_all(&hex(HELLO)[..beginning]).await.unwrap();
        if beginning == HELLO_LEN {
            peer.0.read_exact(&mut [0; HELLO_LEN]).await.unwrap();
        }
        slow.push(peer);
    }
    let begun = Instant::now();
    for peer in slow {
        peer.closed().await;
    }
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    let text = "it did not prove in time that it belongs here (`TcpLink::secret`, `TcpLink::tls`)";
    assert_eq!(said(&log, "peer=127.0.0.1", text).await, 1);
    gate.stop().await;
}

#[tokio::test]
async fn noise_disturbs_nobody() {
    let world = World::tcp();
    let (node, gate) = (world.node_with("n1", game(), link()).await, world.gate_with("g1", link()).await);
    let client = client(&gate).await;
    for noise in ["00000001 80", "ffffffff", "00000000", "16030100c8010000c4", "474554202f20485454502f312e310d0a0d0a"] {
        let mut peer = Peer::dial(&world, Kind::Node, "n1").await;
        peer.send(noise).await;
        peer.closed().await;
    }
    for len in [4, 13, 14, 26, 58] {
        let mut hello = hex(HELLO);
        hello.truncate(len);
        let size = (len as u32).saturating_sub(4).to_be_bytes();
        hello[..4].copy_from_slice(&size);
        let mut peer = Peer::dial(&world, Kind::Node, "n1").await;
        peer.0.write_all(&hello).await.unwrap();
        peer.closed().await;
    }
    assert_eq!(ask(&client, 1, "hi").await, "hi");
    stop([gate, node]).await;
}

/// A stop does not wait for those who have proven nothing.
#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_proof() {
    let world = World::tcp();
    let gate = world.gate_with("g1", link()).await;
    let mut peer = Peer::dial(&world, Kind::Gate, "g1").await;
    peer.send(HELLO).await;
    peer.0.read_exact(&mut [0; HELLO_LEN]).await.unwrap();
    let begun = Instant::now();
    gate.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    peer.closed().await;
}

#[tokio::test]
async fn an_open_link_says_so_once() {
    const WORDS: &str = "whoever reaches this port can act as a server of the cluster";
    let log = Log::new();
    let start = async |link: TcpLink| {
        let backends = World::tcp().backends_with(link);
        let (gate, node) = (Gate::builder().build(), Node::builder().build().unwrap());
        App::new().backends(backends).gate(gate).node(node).start().await.unwrap().stop().await;
        log.count(WORDS)
    };
    assert_eq!(start(TcpLink::new().addr("127.0.0.1:0")).await, 0);
    assert_eq!(start(link()).await, 0);
    #[cfg(feature = "tls")]
    assert_eq!(start(TcpLink::new().tls(crate::certificates::of_the_suite())).await, 0);
    assert_eq!(start(TcpLink::new()).await, 1);
    assert_eq!(start(TcpLink::new().addr("0.0.0.0:0")).await, 2, "once for each link");
}

#[test]
fn secrets_are_long_enough_and_never_shown() {
    assert_eq!(TcpLink::new().secret("fifteen bytes..").unwrap_err(), ShortSecret { bytes: 15 });
    let shown = format!("{:?}", link());
    assert!(shown.contains("secret: Some(Secret(..))") && !shown.contains(SECRET), "{shown}");
}
