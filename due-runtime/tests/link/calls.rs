//! Our gates and nodes as callers, seen by raw servers.

use std::time::Duration;

use due::registry::{Kind, Registry, State};
use due::{
    App, Audience, Cid, ClusterError, Gid, Nid, Node, PushExt, RouteId, RunningApp, ServerId, Target, TcpLink, Uid,
};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::raw::{Fake, Peer, hex};
use crate::world::{World, client, note, raw};

const HI: &str = "0000000700003200006869";

/// A node with one connection to each server.
async fn node(world: &World) -> RunningApp {
    node_with(world, |link| link.connections(1)).await
}

async fn node_with(world: &World, set: impl FnOnce(TcpLink) -> TcpLink) -> RunningApp {
    let backends = world.backends_with(set(TcpLink::new().addr("127.0.0.1:0")));
    let node = Node::builder().id("n1").serve(due::routes![crate::suite::echo]).build().unwrap();
    App::new().backends(backends).node(node).start().await.unwrap()
}

fn session(cid: i64) -> Target {
    Target::Session(Gid::from("G1"), Cid(cid))
}

/// Answers one request.
async fn answer(gate: &mut Peer, request: &str, answer: &str) {
    gate.expect(request).await;
    gate.send(answer).await;
}

#[tokio::test]
async fn calls_are_those_of_due() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node(&world).await;
    let cluster = node.cluster().unwrap().clone();
    let calls = tokio::spawn(async move {
        note("hi").push(&cluster, session(7)).await.unwrap();
        assert!(matches!(note("hi").push(&cluster, session(7)).await, Err(ClusterError::NoSession(_))));
        assert!(matches!(note("hi").push(&cluster, session(7)).await, Err(ClusterError::Gate { .. })));
        note("hi").push_and_disconnect(&cluster, session(7)).await.unwrap();
        assert_eq!(cluster.ip(session(7)).await.unwrap().to_string(), "192.168.1.10");
        assert_eq!(cluster.ip(session(7)).await.unwrap().to_string(), "fd00::2");
        assert_eq!(cluster.stat(Audience::Users).await.delivered, 3);
        assert_eq!(cluster.stat(Audience::Users).await.delivered, 0);
        assert!(cluster.is_online(session(7)).await.unwrap());
        assert_eq!(note("hi").broadcast(&cluster, Audience::Sessions).await.unwrap().delivered, 2);
        cluster.bind(&Gid::from("G1"), Cid(7), Uid(1001)).await.unwrap();
        cluster.disconnect(session(7), due::Close::Force).await.unwrap();
        assert_eq!(cluster.state(ServerId::Gate(Gid::from("G1"))).await.unwrap(), State::Hang);
        cluster.set_state(ServerId::Gate(Gid::from("G1")), State::Busy).await.unwrap();
        cluster.subscribe(session(7), "room:1").await.unwrap();
        // What due takes for a success is none.
        assert!(matches!(cluster.subscribe(session(8), "room:1").await, Err(ClusterError::NoSession(_))));
        // As a Go gate answers if nobody is in the channel: 8 bytes too few.
        assert_eq!(note("hi").publish(&cluster, "room:1").await.unwrap().delivered, 0);
        assert_eq!(note("hi").publish(&cluster, "room:1").await.unwrap().delivered, 2);
        cluster.ip(session(9)).await.unwrap_err()
    });
    let mut gate = fake.greet(2, "n1").await;
    let push = |seq: u64, header| format!("0000001e {header} 08 {seq:016x} 01 0000000000000007 {HI}");
    answer(&mut gate, &push(1, "00"), "0000000c 00 08 0000000000000001 0000").await;
    answer(&mut gate, &push(2, "00"), "0000000c 00 08 0000000000000002 0001").await;
    answer(&mut gate, &push(3, "00"), "0000000c 00 08 0000000000000003 0002").await;
    answer(&mut gate, &push(4, "40"), "0000000c 00 08 0000000000000004 0000").await;
    let ip = |seq: u64, cid| format!("00000013 00 04 {seq:016x} 01 {cid:016x}");
    answer(&mut gate, &ip(5, 7), "00000010 00 04 0000000000000005 0000 c0a8010a").await;
    let v6 = "00000020 00 04 0000000000000006 0000 00000000 fd000000000000000000000000000002";
    answer(&mut gate, &ip(6, 7), v6).await;
    answer(&mut gate, "0000000b 00 05 0000000000000007 02", "00000014 00 05 0000000000000007 0000 0000000000000003")
        .await;
    answer(&mut gate, "0000000b 00 05 0000000000000008 02", "0000000c 00 05 0000000000000008 0000").await;
    answer(&mut gate, "00000013 00 06 0000000000000009 01 0000000000000007", "0000000d 00 06 0000000000000009 0000 01")
        .await;
    let broadcast = format!("00000016 00 0a 000000000000000a 01 {HI}");
    answer(&mut gate, &broadcast, "00000014 00 0a 000000000000000a 0000 0000000000000002").await;
    let bind = "0000001a 00 02 000000000000000b 0000000000000007 00000000000003e9";
    answer(&mut gate, bind, "0000000c 00 02 000000000000000b 0000").await;
    answer(&mut gate, "00000014 00 07 000000000000000c 01 0000000000000007 01", "0000000c 00 07 000000000000000c 0000")
        .await;
    answer(&mut gate, "0000000a 00 10 000000000000000d", "0000000d 00 10 000000000000000d 0000 03").await;
    answer(&mut gate, "0000000b 00 11 000000000000000e 02", "0000000c 00 11 000000000000000e 0000").await;
    for (seq, cid, online) in [(15_u64, 7, 1), (17, 8, 0)] {
        gate.expect(&format!("0000001b 00 0c {seq:016x} 01 0001 {cid:016x} 726f6f6d3a31")).await;
        gate.expect(&format!("00000013 00 06 {:016x} 01 {cid:016x}", seq + 1)).await;
        gate.send(&format!("0000000c 00 0c {seq:016x} 0000 0000000d 00 06 {:016x} 0000 {online:02x}", seq + 1)).await;
    }
    let publish = |seq: u64| format!("0000001c 00 0b {seq:016x} 06 726f6f6d3a31 {HI}");
    answer(&mut gate, &publish(19), "00000014 00 0b 0000000000000013 0000").await;
    answer(&mut gate, &publish(20), "00000014 00 0b 0000000000000014 0000 0000000000000002").await;
    answer(&mut gate, &ip(21, 9), "0000000c 00 04 0000000000000015 0001").await;
    assert!(matches!(calls.await.unwrap(), ClusterError::NoSession(_)));
    drop(gate);
    node.stop().await;
}

#[tokio::test]
async fn five_connections_are_dialled_together_and_beat() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node_with(&world, |link| link).await;
    let cluster = node.cluster().unwrap().clone();
    let call = tokio::spawn(async move { note("hi").push(&cluster, session(7)).await });
    let mut peers = Vec::new();
    for _ in 0..5 {
        peers.push(fake.greet(2, "n1").await);
    }
    let mut first = tokio::task::JoinSet::new();
    for mut peer in peers {
        first.spawn(async move {
            let request = peer.frame().await;
            (request, peer)
        });
    }
    let (request, mut called) = first.join_next().await.unwrap().unwrap();
    assert_eq!(request, hex(&format!("0000001e 00 08 0000000000000001 01 0000000000000007 {HI}")));
    called.send("0000000c 00 08 0000000000000001 0000").await;
    call.await.unwrap().unwrap();
    // The clock runs ahead as soon as all wait.
    tokio::time::pause();
    let begun = Instant::now();
    for (beat, _) in first.join_all().await {
        assert_eq!(beat, hex("00000001 80"));
    }
    assert_eq!(called.frame().await, hex("00000001 80"));
    assert!((9..=20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    tokio::time::resume();
    node.stop().await;
}

#[tokio::test]
async fn answers_that_come_too_late_disturb_nobody() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node(&world).await;
    let cluster = node.cluster().unwrap().clone();
    let slow = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.ip(session(7)).await }
    });
    let mut gate = fake.greet(2, "n1").await;
    gate.expect("00000013 00 04 0000000000000001 01 0000000000000007").await;
    tokio::time::pause();
    let begun = Instant::now();
    let error = slow.await.unwrap().unwrap_err();
    assert!((2..=3).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(error.to_string().ends_with("no answer in time"), "{error}");
    tokio::time::resume();
    // Given up by the caller.
    let dropped = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.ip(session(8)).await }
    });
    gate.expect("00000013 00 04 0000000000000002 01 0000000000000008").await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    let quick = tokio::spawn(async move { cluster.ip(session(9)).await });
    gate.expect("00000013 00 04 0000000000000003 01 0000000000000009").await;
    // Late, given up, never asked, twice.
    gate.send("00000010 00 04 0000000000000001 0000 01010101").await;
    gate.send("00000010 00 04 0000000000000002 0000 01010101").await;
    gate.send("00000010 00 04 00000000000000aa 0000 01010101 00000001 80").await;
    gate.send("00000010 00 04 0000000000000003 0000 0a000001").await;
    gate.send("00000010 00 04 0000000000000003 0000 01010101").await;
    assert_eq!(quick.await.unwrap().unwrap().to_string(), "10.0.0.1");
    drop(gate);
    node.stop().await;
}

#[tokio::test]
async fn a_broken_connection_fails_its_calls_at_once_and_is_dialled_again() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node(&world).await;
    let cluster = node.cluster().unwrap().clone();
    for broken_by in ["", "00000000", "00000001 00", "ffffffff 00"] {
        let begun = Instant::now();
        let call = tokio::spawn({
            let cluster = cluster.clone();
            async move { cluster.ip(session(7)).await }
        });
        let mut gate = fake.greet(2, "n1").await;
        gate.frame().await;
        if broken_by.is_empty() {
            drop(gate);
        } else {
            gate.send(broken_by).await;
            gate.closed().await;
        }
        let error = call.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("not reached"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2), "not only after the call timeout");
    }
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_fails_fast_until_he_can() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node(&world).await;
    let cluster = node.cluster().unwrap().clone();
    let addr = fake.addr();
    drop(fake);
    let error = cluster.ip(session(7)).await.unwrap_err();
    assert!(error.to_string().contains("not reached"), "{error}");
    let begun = Instant::now();
    for _ in 0..100 {
        cluster.ip(session(7)).await.unwrap_err();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
    let mut gate = Peer(listener.accept().await.unwrap().0);
    assert!(begun.elapsed() <= Duration::from_secs(1));
    gate.frame().await;
    gate.send("0000000c 00 01 0000000000000001 0000").await;
    let call = tokio::spawn(async move {
        loop {
            match cluster.ip(session(7)).await {
                Err(error) if error.to_string().contains("not reached") => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    });
    let request = gate.frame().await;
    let seq: String = request[6..14].iter().map(|byte| format!("{byte:02x}")).collect();
    gate.send(&format!("00000010 00 04 {seq} 0000 0a000001")).await;
    assert_eq!(call.await.unwrap().unwrap().to_string(), "10.0.0.1");
    drop(gate);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_always_hangs_up_is_dialled_once_a_second() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node(&world).await;
    let cluster = node.cluster().unwrap().clone();
    let call = tokio::spawn(async move { cluster.ip(session(7)).await });
    let begun = Instant::now();
    let mut dials = 0;
    while begun.elapsed() < Duration::from_secs(30) {
        drop(fake.greet(2, "n1").await);
        dials += 1;
        assert!(dials < 100, "in {:?}", begun.elapsed());
    }
    assert!(dials > 20, "{dials}");
    call.await.unwrap().unwrap_err();
    node.stop().await;
}

/// A host that swallows packets, or a server that never answers the handshake.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_not_answered_is_a_failed_dial() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node(&world).await;
    let cluster = node.cluster().unwrap().clone();
    let call = tokio::spawn(async move {
        let timed_out = cluster.ip(session(7)).await.unwrap_err();
        (timed_out, cluster)
    });
    let begun = Instant::now();
    let mut first = fake.accept().await;
    let (error, cluster) = call.await.unwrap();
    assert!(error.to_string().ends_with("no answer in time"), "{error}");
    // Any answer will do, whatever its code.
    first.frame().await;
    first.closed().await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    let mut second = fake.accept().await;
    second.frame().await;
    second.send("00000001 80 0000000c 00 01 0000000000000001 0002").await;
    let call = tokio::spawn(async move { cluster.ip(session(7)).await });
    loop {
        let request = second.frame().await;
        if request[13] == 2 {
            break;
        }
    }
    second.send("00000010 00 04 0000000000000002 0000 0a000001").await;
    assert_eq!(call.await.unwrap().unwrap().to_string(), "10.0.0.1");
    drop(second);
    node.stop().await;
}

#[tokio::test]
async fn a_gate_delivers_and_tells_of_its_sessions() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0").connections(1));
    let gate = due::Gate::builder().id("g1").tcp("127.0.0.1:0").build();
    let gate = App::new().backends(backends).gate(gate).start().await.unwrap();
    let client = client(&gate).await;
    let call = tokio::spawn(async move {
        let answer: Result<due::codec::RawBody, _> = client.request(RouteId(1), &raw("hi")).await;
        (answer, client)
    });
    let mut node = fake.greet(1, "g1").await;
    node.expect("00000013 00 0e 0000000000000000 01 0000000000000001").await;
    node.expect("00000025 00 0f 0000000000000000 0000000000000001 0000000000000000 0000000700000100016869").await;
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    back.asks("0000000d 00 01 0000000000000001 02 4e31", "0000000c 00 01 0000000000000001 0000").await;
    back.asks(
        "0000001a 00 02 0000000000000005 0000000000000001 00000000000003e9",
        "0000000c 00 02 0000000000000005 0000",
    )
    .await;
    node.expect("0000001b 00 0e 0000000000000000 02 0000000000000001 00000000000003e9").await;
    back.send("0000001e 00 08 0000000000000000 01 0000000000000001 0000000700000100016869").await;
    let (answer, client) = call.await.unwrap();
    assert_eq!(answer.unwrap().0, "hi");
    client.close().await;
    node.expect("0000001b 00 0e 0000000000000000 03 0000000000000001 00000000000003e9").await;
    drop(back);
    tokio::join!(gate.stop(), node.closed());
}

/// What is queued for it is bounded, and calls fail in time.
#[tokio::test]
async fn a_gate_that_never_reads_costs_a_bounded_queue() {
    let world = World::tcp();
    let fake = Fake::gate(&world, "G1").await;
    let node = node_with(&world, |link| link.connections(1).queue_bytes(256 * 1024)).await;
    let cluster = node.cluster().unwrap().clone();
    let mut calls = JoinSet::new();
    for _ in 0..5000 {
        let cluster = cluster.clone();
        calls.spawn(async move { note("x".repeat(4000)).push(&cluster, session(7)).await });
    }
    let gate = fake.greet(2, "n1").await;
    tokio::time::pause();
    while let Some(call) = calls.join_next().await {
        let error = call.unwrap().unwrap_err();
        assert!(error.to_string().ends_with("no answer in time"), "{error}");
    }
    tokio::time::resume();
    drop(gate);
    node.stop().await;
}

#[tokio::test]
async fn nodes_deliver_to_nodes_on_one_connection() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let node = node_with(&world, |link| link.connections(2)).await;
    let cluster = node.cluster().unwrap().clone();
    let calls = tokio::spawn(async move {
        let nid = Nid::from("N1");
        cluster.deliver_to(&nid, RouteId(1), Some(Uid(1001)), &raw("hi")).await.unwrap();
        cluster.deliver(RouteId(1), None, &raw("hi")).await.unwrap();
        let elsewhere = cluster.deliver_to(&nid, RouteId(2), Some(Uid(1001)), &raw("hi")).await;
        assert!(matches!(elsewhere, Err(ClusterError::NotBound { .. })));
        let failed = cluster.deliver_to(&nid, RouteId(2), None, &raw("hi")).await;
        assert!(matches!(failed, Err(ClusterError::Node { .. })));
        let wide = cluster.deliver_to(&nid, RouteId(70_000), None, &raw("hi")).await;
        assert!(matches!(wide, Err(ClusterError::Node { .. })));
        cluster.state(nid.clone()).await.unwrap()
    });
    // Which of the two was dialled for the first key is seen by what comes.
    let (mut one, mut two) = (fake.greet(2, "n1").await, fake.greet(2, "n1").await);
    let (first, mut node_peer, mut idle) = tokio::select! {
        frame = one.frame() => (frame, one, two),
        frame = two.frame() => (frame, two, one),
    };
    let deliver = |seq: u64, uid: u64, route: u16| {
        format!("00000025 00 0f {seq:016x} 0000000000000000 {uid:016x} 0000000700 {route:04x} 0000 6869")
    };
    assert_eq!(first, hex(&deliver(1, 1001, 1)));
    node_peer.send("0000000c 00 0f 0000000000000001 0000").await;
    answer(&mut node_peer, &deliver(2, 0, 1), "0000000c 00 0f 0000000000000002 0000").await;
    answer(&mut node_peer, &deliver(3, 1001, 2), "0000000c 00 0f 0000000000000003 0001").await;
    answer(&mut node_peer, &deliver(4, 0, 2), "0000000c 00 0f 0000000000000004 0002").await;
    let mut state = tokio::select! {
        _ = idle.frame() => idle,
        _ = node_peer.frame() => node_peer,
    };
    state.send("0000000d 00 10 0000000000000005 0000 02").await;
    assert_eq!(calls.await.unwrap(), State::Busy);
    node.stop().await;
}

#[tokio::test]
async fn an_endpoint_of_another_kind_is_no_way() {
    let world = World::tcp();
    let mut instance = Fake::gate(&world, "G1").await.instance;
    let node = node(&world).await;
    let cluster = node.cluster().unwrap();
    let mut watch = world.registry.watch(Kind::Gate).await.unwrap();
    watch.latest();
    for endpoint in ["", "mem://G1", "drpc://", "grpc://127.0.0.1:1"] {
        instance.endpoint = endpoint.to_owned();
        world.registry.register(instance.clone()).await.unwrap();
        watch.next().await.unwrap();
        loop {
            match cluster.ip(session(7)).await {
                Err(ClusterError::NoGate(_)) => break,
                // The node hears of it a little later.
                _ => tokio::task::yield_now().await,
            }
        }
    }
    assert!(matches!(cluster.state(Nid::from("n2")).await, Err(ClusterError::NoNode(_))));
    node.stop().await;
}
