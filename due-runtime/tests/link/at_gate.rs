//! Raw nodes and meshes that call a gate.

use std::collections::BTreeMap;
use std::time::Duration;

use due::locator::{LocateError, Locator, MemoryLocator};
use due::registry::Kind;
use due::{App, BoxFuture, Client, Gate, Gid, Nid, OutboxLimits, RouteId, RunningApp, Uid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::raw::{PACKET, Peer, hex};
use crate::world::{World, client};

/// A gate with one client, whose cid is 1.
async fn gate(world: &World) -> (RunningApp, Client) {
    let gate = world.gate("g1").await;
    let client = client(&gate).await;
    (gate, client)
}

/// Until the gate has the client, which its `connect` does not wait for.
async fn until_there(node: &mut Peer) {
    loop {
        node.send("00000013 00 06 0000000000000005 01 0000000000000001").await;
        if node.frame().await.ends_with(&[1]) {
            return;
        }
    }
}

#[tokio::test]
async fn every_request_is_answered_as_due_answers() {
    let world = World::tcp();
    let (gate, client) = gate(&world).await;
    let mut pushes = client.listen(RouteId(1));
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    node.asks("0000000d 00 01 0000000000000001 02 4e31", "0000000c 00 01 0000000000000001 0000").await;
    until_there(&mut node).await;
    let vectors = [
        // Bind: an unknown cid, impossible ids, twice the same.
        ("0000001a 00 02 0000000000000005 0000000000000007 00000000000003e9", "0000000c 00 02 0000000000000005 0001"),
        ("0000001a 00 02 0000000000000005 0000000000000000 00000000000003e9", "0000000c 00 02 0000000000000005 0002"),
        ("0000001a 00 02 0000000000000005 0000000000000001 0000000000000000", "0000000c 00 02 0000000000000005 0002"),
        ("0000001a 00 02 0000000000000005 0000000000000001 00000000000003e9", "0000000c 00 02 0000000000000005 0000"),
        ("0000001a 00 02 0000000000000006 0000000000000001 00000000000003e9", "0000000c 00 02 0000000000000006 0000"),
        // GetIP
        ("00000013 00 04 0000000000000005 01 0000000000000001", "00000010 00 04 0000000000000005 0000 7f000001"),
        ("00000013 00 04 0000000000000005 02 00000000000003e9", "00000010 00 04 0000000000000005 0000 7f000001"),
        ("00000013 00 04 0000000000000005 01 0000000000000007", "0000000c 00 04 0000000000000005 0001"),
        ("00000013 00 04 0000000000000005 03 0000000000000001", "0000000c 00 04 0000000000000005 0002"),
        // Stat
        ("0000000b 00 05 0000000000000005 01", "00000014 00 05 0000000000000005 0000 0000000000000001"),
        ("0000000b 00 05 0000000000000005 02", "00000014 00 05 0000000000000005 0000 0000000000000001"),
        ("0000000b 00 05 0000000000000005 09", "0000000c 00 05 0000000000000005 0002"),
        // IsOnline
        ("00000013 00 06 0000000000000005 02 00000000000003e9", "0000000d 00 06 0000000000000005 0000 01"),
        ("00000013 00 06 0000000000000005 02 00000000000003ea", "0000000d 00 06 0000000000000005 0000 00"),
        ("00000013 00 06 0000000000000005 00 00000000000003e9", "0000000d 00 06 0000000000000005 0002 00"),
        // Push
        (
            "0000001e 00 08 0000000000000005 02 00000000000003e9 0000000700000100026869",
            "0000000c 00 08 0000000000000005 0000",
        ),
        (
            "0000001e 00 08 0000000000000005 01 0000000000000007 0000000700000100026869",
            "0000000c 00 08 0000000000000005 0001",
        ),
        (
            "0000001e 00 08 0000000000000005 04 0000000000000007 0000000700000100026869",
            "0000000c 00 08 0000000000000005 0002",
        ),
        // Multicast: one of two is there, none is there, nobody is meant.
        (
            "00000028 00 09 0000000000000005 02 0002 00000000000003e9 00000000000003ea 0000000700000100026869",
            "00000014 00 09 0000000000000005 0000 0000000000000001",
        ),
        (
            "00000020 00 09 0000000000000005 02 0001 00000000000003ea 0000000700000100026869",
            "0000000c 00 09 0000000000000005 0000",
        ),
        ("00000018 00 09 0000000000000005 02 0000 0000000700000100026869", "0000000c 00 09 0000000000000005 0000"),
        // Broadcast
        (
            "00000016 00 0a 0000000000000005 01 0000000700000100026869",
            "00000014 00 0a 0000000000000005 0000 0000000000000001",
        ),
        (
            "00000016 00 0a 0000000000000005 02 0000000700000100026869",
            "00000014 00 0a 0000000000000005 0000 0000000000000001",
        ),
        // Subscribe, Publish, Unsubscribe, Publish; who is absent is skipped.
        (
            "0000001b 00 0c 0000000000000005 02 0001 00000000000003e9 726f6f6d3a31",
            "0000000c 00 0c 0000000000000005 0000",
        ),
        (
            "0000001b 00 0c 0000000000000005 02 0001 00000000000003ea 726f6f6d3a31",
            "0000000c 00 0c 0000000000000005 0000",
        ),
        (
            "0000001c 00 0b 0000000000000005 06 726f6f6d3a31 0000000700000100026869",
            "00000014 00 0b 0000000000000005 0000 0000000000000001",
        ),
        (
            "0000001b 00 0d 0000000000000005 02 0001 00000000000003e9 726f6f6d3a31",
            "0000000c 00 0d 0000000000000005 0000",
        ),
        (
            "0000001c 00 0b 0000000000000005 06 726f6f6d3a31 0000000700000100026869",
            "00000014 00 0b 0000000000000005 0000 0000000000000000",
        ),
        // GetState, SetState, GetState
        ("0000000a 00 10 0000000000000005", "0000000d 00 10 0000000000000005 0000 01"),
        ("0000000b 00 11 0000000000000005 02", "0000000c 00 11 0000000000000005 0000"),
        ("0000000a 00 10 0000000000000005", "0000000d 00 10 0000000000000005 0000 02"),
        ("0000000b 00 11 0000000000000005 09", "0000000c 00 11 0000000000000005 0002"),
        ("0000000b 00 11 0000000000000005 01", "0000000c 00 11 0000000000000005 0000"),
        // Unbind: nobody's id, once, twice.
        ("00000012 00 03 0000000000000005 0000000000000000", "0000000c 00 03 0000000000000005 0002"),
        ("00000012 00 03 0000000000000005 00000000000003e9", "0000000c 00 03 0000000000000005 0000"),
        ("00000012 00 03 0000000000000005 00000000000003e9", "0000000c 00 03 0000000000000005 0001"),
        // Disconnect
        ("00000014 00 07 0000000000000005 01 0000000000000007 01", "0000000c 00 07 0000000000000005 0001"),
        ("00000014 00 07 0000000000000005 01 0000000000000001 00", "0000000c 00 07 0000000000000005 0000"),
    ];
    for (request, answer) in vectors {
        node.asks(request, answer).await;
    }
    let mut pushed = 0;
    while let Some(Ok(body)) = pushes.next().await {
        assert_eq!(body, "hi");
        pushed += 1;
    }
    assert_eq!(pushed, 5);
    client.closed().await;
    drop(node);
    gate.stop().await;
}

#[tokio::test]
async fn without_a_seq_nothing_is_answered() {
    let world = World::tcp();
    let (gate, client) = gate(&world).await;
    let mut pushes = client.listen(RouteId(1));
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    until_there(&mut node).await;
    for request in [
        "0000001a 00 02 0000000000000000 0000000000000001 00000000000003e9",
        "0000001e 00 08 0000000000000000 01 0000000000000001 0000000700000100026869",
        "0000001e 00 08 0000000000000000 02 00000000000003e9 0000000700000100026869",
        "0000001e 00 08 0000000000000000 02 00000000000003ea 0000000700000100026869",
        "00000016 00 0a 0000000000000000 01 0000000700000100026869",
        "0000001c 00 0b 0000000000000000 06 726f6f6d3a31 0000000700000100026869",
        "0000000a 00 10 0000000000000000",
        "0000000b 00 05 0000000000000000 07",
    ] {
        node.send(request).await;
    }
    node.is_alive().await;
    // But a handshake is answered whatever it says, also a second one.
    node.asks("0000000d 00 01 0000000000000000 02 4e31", "0000000c 00 01 0000000000000000 0000").await;
    node.asks("0000000b 00 01 0000000000000009 63", "0000000c 00 01 0000000000000009 0000").await;
    for _ in 0..3 {
        assert_eq!(pushes.next().await.unwrap().unwrap(), "hi");
    }
    drop(node);
    gate.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_ignored_and_the_connection_stays() {
    let world = World::tcp();
    let (gate, _client) = gate(&world).await;
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    for request in [
        // Wrong lengths of everything that has one.
        "00000019 00 02 0000000000000005 0000000000000007 000000000003e9",
        "0000001b 00 02 0000000000000005 0000000000000007 00000000000003e900",
        "0000000a 00 03 0000000000000005",
        "00000012 00 04 0000000000000005 01 00000000000007",
        "00000014 00 04 0000000000000005 01 0000000000000007 00",
        "0000000a 00 05 0000000000000005",
        "00000012 00 06 0000000000000005 02 000000000003e9",
        "00000013 00 07 0000000000000005 01 0000000000000007",
        "00000012 00 08 0000000000000005 01 00000000000007",
        "0000000c 00 09 0000000000000005 02 00",
        "00000018 00 09 0000000000000005 02 ffff 0000000700000100026869",
        "0000000a 00 0a 0000000000000005",
        "0000000d 00 0b 0000000000000005 ff 6161",
        "00000014 00 0c 0000000000000005 02 0001 000000000003e9",
        "00000014 00 0d 0000000000000005 02 0002 000000000003e9",
        "0000000b 00 10 0000000000000005 00",
        "0000000a 00 11 0000000000000005",
        "0000000a 00 01 0000000000000005",
        // Opcodes of nodes, and of nobody.
        "00000013 00 0e 0000000000000005 01 0000000000000007",
        "00000025 00 0f 0000000000000005 0000000000000007 00000000000003e9 0000000700000100026869",
        "0000000a 00 00 0000000000000005",
        "0000000a 00 12 0000000000000005",
        "0000000a 00 ff 0000000000000005",
        // Heartbeats, also longer ones.
        "00000001 80",
        "00000009 80 0000000000000000",
        "0000000a c0 10 0000000000000005",
    ] {
        node.send(request).await;
        node.is_alive().await;
    }
    drop(node);
    gate.stop().await;
}

#[tokio::test]
async fn sizes_that_cannot_be_end_the_connection() {
    let world = World::tcp();
    let (gate, _client) = gate(&world).await;
    for size in [
        "00000000",
        "00000001 00",
        "00000009 00",
        "00000005 40 08",
        "01000001 00",
        "7fffffff 00",
        "fffffffb",
        "fffffffc",
        "ffffffff 80",
    ] {
        let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
        node.is_alive().await;
        node.send(size).await;
        node.closed().await;
    }
    // The others do not notice.
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    node.is_alive().await;
    drop(node);
    gate.stop().await;
}

#[tokio::test]
async fn requests_before_an_impossible_frame_are_answered() {
    let world = World::tcp();
    let (gate, _client) = gate(&world).await;
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    node.asks(
        "0000000a 00 10 0000000000000005 0000000a 00 10 0000000000000006 0000000100",
        "0000000d 00 10 0000000000000005 0000 01 0000000d 00 10 0000000000000006 0000 01",
    )
    .await;
    node.closed().await;
    gate.stop().await;
}

/// The buffer of a large frame is no reason to answer all that comes behind it at once.
#[tokio::test]
async fn requests_behind_a_large_frame_are_answered_as_far_as_they_are_read() {
    const REQUESTS: usize = 100_000;
    let world = World::tcp();
    let gate = world.gate("g1").await;
    let (mut read, mut write) = Peer::dial(&world, Kind::Gate, "g1").await.0.into_split();
    let mut stream = hex("00800000 00 63 0000000000000005");
    stream.resize(4 + 0x80_0000, 0);
    stream.extend(hex("0000000a 00 10 0000000000000005").repeat(REQUESTS));
    let written = tokio::spawn(async move {
        write.write_all(&stream).await.unwrap();
        write
    });
    let mut answers = vec![0; 17 * REQUESTS];
    read.read_exact(&mut answers).await.unwrap();
    assert!(answers == hex("0000000d 00 10 0000000000000005 0000 01").repeat(REQUESTS));
    drop(written.await.unwrap());
    gate.stop().await;
}

/// The largest set that fits the frame; gates of due read 8189.
#[tokio::test]
async fn wide_counts_and_long_channels_are_read() {
    let world = World::tcp();
    let (gate, client) = gate(&world).await;
    let mut pushes = client.listen(RouteId(1));
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    until_there(&mut node).await;
    for count in [8190_u16, 65535] {
        let mut request = hex("00 09 0000000000000005 01");
        request.extend(count.to_be_bytes());
        for cid in 0..u64::from(count) {
            request.extend((u64::from(count) - cid).to_be_bytes());
        }
        request.extend(hex(PACKET));
        node.0.write_all(&(request.len() as u32).to_be_bytes()).await.unwrap();
        node.0.write_all(&request).await.unwrap();
        node.expect("00000014 00 09 0000000000000005 0000 0000000000000001").await;
        assert_eq!(pushes.next().await.unwrap().unwrap(), "hi");
    }
    let channel = "61".repeat(255);
    node.asks(
        &format!("00000114 00 0c 0000000000000005 01 0001 0000000000000001 {channel}"),
        "0000000c 00 0c 0000000000000005 0000",
    )
    .await;
    node.asks(
        &format!("00000115 00 0b 0000000000000005 ff {channel} {PACKET}"),
        "00000014 00 0b 0000000000000005 0000 0000000000000001",
    )
    .await;
    assert_eq!(pushes.next().await.unwrap().unwrap(), "hi");
    drop(node);
    gate.stop().await;
}

/// The second waits for a client that does not read, until that is cut off; so does what comes behind it.
#[tokio::test]
async fn broadcasts_are_carried_out_one_after_another() {
    let world = World::tcp();
    let outbox = OutboxLimits { packets: 1, patience: Duration::from_millis(500), ..OutboxLimits::default() };
    let gate = Gate::builder().id("g1").tcp("127.0.0.1:0").outbox(outbox).build();
    let gate = App::new().backends(world.backends()).gate(gate).start().await.unwrap();
    let (_, addr) = gate.addresses().next().unwrap().split_once("://").unwrap();
    let mut client = TcpStream::connect(addr).await.unwrap();
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    until_there(&mut node).await;
    for seq in 1..=2 {
        let size = 8 << 20;
        node.send(&format!("{:08x} 00 0a {seq:016x} 01 {:08x} 00 0001 0000", size + 20, size + 5)).await;
        node.0.write_all(&vec![0; size]).await.unwrap();
    }
    node.send("0000001c 00 0b 0000000000000003 06 726f6f6d3a31 0000000700000100026869").await;
    node.expect("00000014 00 0a 0000000000000001 0000 0000000000000001").await;
    node.expect("0000000c 00 0a 0000000000000002 0000").await;
    node.expect("00000014 00 0b 0000000000000003 0000 0000000000000000").await;
    let mut got = Vec::new();
    let cut = client.read_to_end(&mut got).await;
    assert!(cut.is_err() || got.len() < 16 << 20, "it was waited for in vain");
    drop(node);
    gate.stop().await;
}

#[tokio::test]
async fn bit_6_ends_a_session_after_the_push() {
    let world = World::tcp();
    let (gate, client) = gate(&world).await;
    let mut pushes = client.listen(RouteId(1));
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    until_there(&mut node).await;
    node.asks(
        "0000001e 40 08 0000000000000005 01 0000000000000001 0000000700000100026869",
        "0000000c 00 08 0000000000000005 0000",
    )
    .await;
    assert_eq!(pushes.next().await.unwrap().unwrap(), "hi");
    client.closed().await;
    drop(node);
    gate.stop().await;
}

#[tokio::test]
async fn a_user_who_is_not_here_is_taken_off_the_locator() {
    let world = World::tcp();
    let (gate, _client) = gate(&world).await;
    world.locator.bind_gate(Uid(1001), &Gid::from("g1")).await.unwrap();
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    node.asks(
        "0000001e 00 08 0000000000000005 02 00000000000003e9 0000000700000100026869",
        "0000000c 00 08 0000000000000005 0001",
    )
    .await;
    assert_eq!(world.locator.locate_gate(Uid(1001)).await.unwrap(), None);
    drop(node);
    gate.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_for_20_seconds_is_closed() {
    let world = World::tcp();
    let gate = world.gate("g1").await;
    let begun = Instant::now();
    let silent = Peer::dial(&world, Kind::Gate, "g1").await;
    silent.closed().await;
    assert_eq!(begun.elapsed().as_secs(), 20);

    let begun = Instant::now();
    let mut beating = Peer::dial(&world, Kind::Gate, "g1").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        beating.send("00000001 80").await;
    }
    beating.is_alive().await;
    beating.closed().await;
    assert!((120..=130).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    gate.stop().await;
}

/// Bytes that never become a frame prove nothing.
#[tokio::test(start_paused = true)]
async fn a_trickle_keeps_no_connection() {
    let world = World::tcp();
    let gate = world.gate("g1").await;
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    node.send("00010000 00 08").await;
    let begun = Instant::now();
    let trickle = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if node.0.write_all(&[0]).await.is_err() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(60), trickle).await.unwrap();
    assert!(begun.elapsed().as_secs() <= 32, "{:?}", begun.elapsed());
    gate.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_its_answers_is_cut() {
    let world = World::tcp();
    let gate = world.gate("g1").await;
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    let mut other = Peer::dial(&world, Kind::Gate, "g1").await;
    let ask = hex("0000000a 00 10 0000000000000005").repeat(1000);
    let flood = async {
        loop {
            if node.0.write_all(&ask).await.is_err() {
                return;
            }
        }
    };
    let begun = Instant::now();
    timeout(Duration::from_secs(60), flood).await.unwrap();
    assert!(begun.elapsed().as_secs() <= 20, "{:?}", begun.elapsed());
    // What was answered before is still read; then it ends.
    let mut rest = Vec::new();
    let _ = node.0.read_to_end(&mut rest).await;
    other.0.write_all(&hex("00000001 80")).await.unwrap();
    gate.stop().await;
}

/// A login holds up what follows for a moment at most, also if the locator never answers.
#[tokio::test]
async fn a_silent_locator_holds_up_no_pushes() {
    let world = World::tcp();
    let backends = world.backends().locator(Silent(world.locator.clone()));
    let gate = Gate::builder().id("g1").tcp("127.0.0.1:0").build();
    let gate = App::new().backends(backends).gate(gate).start().await.unwrap();
    let client = client(&gate).await;
    let mut pushes = client.listen(RouteId(1));
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    until_there(&mut node).await;
    node.send("0000001a 00 02 0000000000000005 0000000000000001 00000000000003e9").await;
    // By its user: the bind itself is done in order.
    node.asks(
        "0000001e 00 08 0000000000000006 02 00000000000003e9 0000000700000100026869",
        "0000000c 00 08 0000000000000006 0000",
    )
    .await;
    assert_eq!(pushes.next().await.unwrap().unwrap(), "hi");
    drop((client, node));
    gate.stop().await;
}

/// A locator that is never done.
#[derive(Clone, Debug)]
struct Silent(MemoryLocator);

impl Locator for Silent {
    fn bind_gate<'a>(&'a self, _: Uid, _: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        Box::pin(std::future::pending())
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.0.unbind_gate(uid, gid)
    }

    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        self.0.locate_gate(uid)
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        self.0.bind_node(uid, name, nid)
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        self.0.unbind_node(uid, name, nid)
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        self.0.locate_node(uid, name)
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        self.0.locate_nodes(uid)
    }
}

#[tokio::test]
async fn garbage_of_every_kind_kills_nothing() {
    let world = World::tcp();
    let (gate, client) = gate(&world).await;
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..200 {
        let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
        let mut bytes = Vec::new();
        while bytes.len() < 600 {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            // Half of it looks like frames.
            match noise & 1 {
                0 => bytes.extend(noise.to_be_bytes()),
                _ => {
                    let len = (noise >> 8) as usize % 40;
                    bytes.extend((10 + len as u32).to_be_bytes());
                    bytes.extend([(noise >> 16) as u8 & 0x40, (noise >> 24) as u8 % 19]);
                    bytes.extend([0; 7]);
                    bytes.push((noise >> 32) as u8);
                    bytes.extend((0..len).map(|at| (noise >> (at % 50)) as u8 & 3));
                }
            }
        }
        // The server may hang up in the middle.
        let _ = node.0.write_all(&bytes).await;
    }
    drop(client);
    let mut node = Peer::dial(&world, Kind::Gate, "g1").await;
    node.is_alive().await;
    drop(node);
    gate.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_was_read_and_closes() {
    let world = World::tcp();
    let (gate, client) = gate(&world).await;
    let mut peer = Peer::dial(&world, Kind::Gate, "g1").await;
    peer.is_alive().await;
    drop(client);
    gate.stop().await;
    peer.closed().await;
}
