//! Raw gates, nodes and meshes that call a node.

use due::codec::RawBody;
use due::registry::{Instance, Kind, Registry};
use due::{Context, Dispatch, Node, NodeBuilder, RunningApp, TcpLink};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::yield_now;

use crate::raw::{Fake, PACKET, Peer, hex};
use crate::suite::echo;
use crate::world::{World, raw};

const HELLO: &str = "0000000d 00 01 0000000000000001 01 4731";
const WELCOME: &str = "0000000c 00 01 0000000000000001 0000";

static GO: Semaphore = Semaphore::const_new(0);

#[due::route(9)]
async fn wait(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    GO.acquire().await?.forget();
    Ok(raw("went"))
}

/// Takes a while, though not of the clock.
#[due::route(10)]
async fn ponder(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    for _ in 0..20 {
        yield_now().await;
    }
    Ok(raw("done"))
}

/// A node that has one connection to each gate.
async fn node(world: &World, node: NodeBuilder) -> RunningApp {
    let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0").connections(1));
    let node = node.id("n1").serve(due::routes![echo, wait, ponder]).build().unwrap();
    due::App::new().backends(backends).node(node).start().await.unwrap()
}

/// A message of session 7 with the body "hi".
fn deliver(route: u16, seq: u16) -> String {
    format!("00000025 00 0f 0000000000000000 0000000000000007 00000000000003e9 0000000700{route:04x}{seq:04x}6869")
}

/// The same with a body of 8 KiB: 128 of them are what a session may have waiting beyond the count.
fn deliver_much(route: u16, seq: u16) -> String {
    let body = "58".repeat(8192);
    format!("00002023 00 0f 0000000000000000 0000000000000007 00000000000003e9 0000200500{route:04x}{seq:04x}{body}")
}

/// What `seq` of session 7 is answered, behind the head of the push.
fn answer(route: u16, seq: u16, body: &str) -> Vec<u8> {
    [&[0][..], &route.to_be_bytes(), &seq.to_be_bytes(), body.as_bytes()].concat()
}

#[tokio::test]
async fn messages_are_answered_by_pushes() {
    let world = World::tcp();
    let node = node(&world, Node::builder()).await;
    let fake = Fake::gate(&world, "G1").await;
    let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    gate.send(&deliver(1, 2)).await;
    let mut back = fake.greet(2, "n1").await;
    back.expect("0000001e 00 08 0000000000000000 01 0000000000000007 0000000700000100026869").await;
    // With a seq, the gate hears that it was queued: here the answer may come either way.
    gate.asks(
        "00000025 00 0f 0000000000000005 0000000000000007 00000000000003e9 0000000700000100036869",
        "0000000c 00 0f 0000000000000005 0000",
    )
    .await;
    back.expect("0000001e 00 08 0000000000000000 01 0000000000000007 0000000700000100036869").await;
    // No handler: a status on route -1 with the seq of the message.
    gate.send(&deliver(77, 4)).await;
    let status = back.frame().await;
    assert_eq!(status[4..23], hex("00 08 0000000000000000 01 0000000000000007"));
    assert_eq!(status[27..32], hex("00 ffff 0004"));
    assert!(status.ends_with(br#""no handler for route 77"}"#), "{}", status.escape_ascii());
    // Events are taken, and told so if asked.
    gate.send("00000013 00 0e 0000000000000000 01 0000000000000007").await;
    gate.asks(
        "0000001b 00 0e 0000000000000005 03 0000000000000007 00000000000003e9",
        "0000000c 00 0e 0000000000000005 0000",
    )
    .await;
    gate.asks("00000013 00 0e 0000000000000005 09 0000000000000007", "0000000c 00 0e 0000000000000005 0002").await;
    tokio::join!(node.stop(), gate.closed(), back.closed());
}

#[tokio::test]
async fn only_gates_and_nodes_bring_messages() {
    let world = World::tcp();
    let node = node(&world, Node::builder()).await;
    let fake = Fake::gate(&world, "G1").await;
    let asked = "00000025 00 0f 0000000000000005 0000000000000007 00000000000003e9 0000000700000100026869";
    let event = "00000013 00 0e 0000000000000005 01 0000000000000007";
    // Nobody, a mesh, a master, a kind that does not exist.
    for hello in [None, Some("03 4d31"), Some("04 4d31"), Some("63 4d31")] {
        let mut peer = Peer::dial(&world, Kind::Node, "n1").await;
        if let Some(hello) = hello {
            peer.asks(&format!("0000000d 00 01 0000000000000001 {hello}"), WELCOME).await;
        }
        peer.send(asked).await;
        peer.send(event).await;
        // Nor do they hear what would be wrong with it: no such event, a negative user.
        peer.send("00000013 00 0e 0000000000000005 09 0000000000000007").await;
        peer.send("0000001a 00 0f 0000000000000005 0000000000000007 ffffffffffffffff").await;
        peer.is_alive().await;
        // A later handshake counts.
        peer.asks(HELLO, WELCOME).await;
        peer.asks(asked, "0000000c 00 0f 0000000000000005 0000").await;
        peer.asks(event, "0000000c 00 0e 0000000000000005 0000").await;
    }
    // Events come from gates alone.
    let mut other = Peer::dial(&world, Kind::Node, "n1").await;
    other.asks("0000000d 00 01 0000000000000001 02 6e31", WELCOME).await;
    other.send(event).await;
    other.is_alive().await;
    // A gate that nobody has registered brings nothing that could be answered: it can tell so from the end.
    let mut stranger = Peer::dial(&world, Kind::Node, "n1").await;
    stranger.asks("0000000d 00 01 0000000000000001 01 5858", WELCOME).await;
    stranger.send(asked).await;
    stranger.closed().await;
    drop((other, fake));
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_ignored_and_the_connection_stays() {
    let world = World::tcp();
    let node = node(&world, Node::builder()).await;
    let fake = Fake::gate(&world, "G1").await;
    let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    for request in [
        "0000000a 00 01 0000000000000005",
        "00000012 00 0e 0000000000000005 01 00000000000007",
        "00000014 00 0e 0000000000000005 01 0000000000000007 00",
        "00000019 00 0f 0000000000000005 0000000000000007 000000000003e9",
        "0000000b 00 10 0000000000000005 00",
        "0000000a 00 11 0000000000000005",
        "0000000c 00 11 0000000000000005 01 01",
        // Opcodes of gates, and of nobody.
        "0000001a 00 02 0000000000000005 0000000000000007 00000000000003e9",
        "0000001e 00 08 0000000000000005 01 0000000000000007 0000000700000100026869",
        "0000000b 00 05 0000000000000005 01",
        "0000000a 00 12 0000000000000005",
    ] {
        gate.send(request).await;
        gate.is_alive().await;
    }
    // A packet that is none, a negative user: code 2.
    for (uid, packet) in [
        ("00000000000003e9", "00000008 00 0001 0002 6869"),
        ("00000000000003e9", "00000001 80"),
        ("00000000000003e9", ""),
        ("00000000000003e9", "00000004 00 0001 00"),
        ("ffffffffffffffff", PACKET),
    ] {
        let size = 26 + packet.replace(' ', "").len() / 2;
        let request = format!("{size:08x} 00 0f 0000000000000005 0000000000000007 {uid} {packet}");
        gate.asks(&request, "0000000c 00 0f 0000000000000005 0002").await;
    }
    for size in ["00000000", "00000001 00", "00000009 00", "7fffffff 00", "ffffffff 00"] {
        let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
        gate.is_alive().await;
        gate.send(size).await;
        gate.closed().await;
    }
    drop((gate, fake));
    node.stop().await;
}

#[tokio::test]
async fn states_are_told_even_without_a_seq() {
    let world = World::tcp();
    let node = node(&world, Node::builder()).await;
    let mut peer = Peer::dial(&world, Kind::Node, "n1").await;
    peer.asks("0000000a 00 10 0000000000000000", "0000000d 00 10 0000000000000000 0000 01").await;
    peer.asks("0000000b 00 11 0000000000000000 02", "0000000c 00 11 0000000000000000 0000").await;
    let state = |instances: &[Instance]| instances[0].state.as_str();
    assert_eq!(state(&world.registry.list(Kind::Node).await.unwrap()), "busy");
    peer.asks("0000000a 00 10 0000000000000007", "0000000d 00 10 0000000000000007 0000 02").await;
    peer.asks("0000000b 00 11 0000000000000005 04", "0000000c 00 11 0000000000000005 0002").await;
    drop(peer);
    node.stop().await;
}

/// Gates of due send without bounds.
#[tokio::test]
async fn a_burst_is_handled_whole_as_long_as_its_handlers_go_on() {
    let world = World::tcp();
    let node = node(&world, Node::builder()).await;
    let fake = Fake::gate(&world, "G1").await;
    let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    let send = async {
        for seq in 1..=1000 {
            gate.send(&deliver_much(10, seq)).await;
        }
    };
    let hear = async {
        let mut back = fake.greet(2, "n1").await;
        for seq in 1..=1000 {
            assert_eq!(back.frame().await[27..], answer(10, seq, "done"));
        }
        back
    };
    let ((), back) = tokio::join!(send, hear);
    drop((gate, back, fake));
    node.stop().await;
}

/// One runs, 128 or a mebibyte wait, and the next one has half a second; the rest is refused at once.
#[tokio::test]
async fn a_session_that_sends_too_much_is_told_so() {
    let world = World::tcp();
    let node = node(&world, Node::builder()).await;
    let fake = Fake::gate(&world, "G1").await;
    let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    for seq in 1..=140 {
        gate.send(&deliver_much(9, seq)).await;
    }
    // Nobody else waits for it.
    gate.send(&deliver(1, 2).replacen("0000000000000007", "0000000000000008", 1)).await;
    let mut back = fake.greet(2, "n1").await;
    for seq in 130..=140 {
        let text = format!(r#"{{"route":9,"seq":{seq},"code":10,"message":"too many requests wait"}}"#);
        assert_eq!(back.frame().await[27..], answer(0xffff, seq, &text));
    }
    assert_eq!(back.frame().await[27..], answer(1, 2, "hi"));
    GO.add_permits(129);
    for seq in 1..=129 {
        assert_eq!(back.frame().await[27..], answer(9, seq, "went"));
    }
    drop((gate, back, fake));
    node.stop().await;
}

#[tokio::test]
async fn what_comes_after_the_last_request_is_told_so() {
    let world = World::tcp();
    let (closed, is_closed) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let last = |_| async {
        let _ = closed.send(());
        Ok(may_go_on.await?)
    };
    let node = node(&world, Node::builder().on_destroyed(last)).await;
    let fake = Fake::gate(&world, "G1").await;
    let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    gate.send(&deliver(1, 2)).await;
    let mut back = fake.greet(2, "n1").await;
    back.expect("0000001e 00 08 0000000000000000 01 0000000000000007 0000000700000100026869").await;

    let stopped = tokio::spawn(node.stop());
    is_closed.await.unwrap();
    gate.send(&deliver(1, 3)).await;
    let status = back.frame().await;
    assert_eq!(status[27..32], hex("00 ffff 0003"));
    assert!(status.ends_with(br#""the server is stopping"}"#), "{}", status.escape_ascii());
    drop((gate, back, fake));
    go_on.send(()).unwrap();
    stopped.await.unwrap();
}

/// Under due's own dispatch there is one queue, and whoever sends waits.
#[tokio::test]
async fn a_serial_node_refuses_nothing() {
    let world = World::tcp();
    let node = node(&world, Node::builder().dispatch(Dispatch::Serial).lane(4)).await;
    let fake = Fake::gate(&world, "G1").await;
    let mut gate = Peer::dial(&world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    for seq in 1..=1000 {
        gate.send(&deliver(1, seq)).await;
    }
    let mut back = fake.greet(2, "n1").await;
    for seq in 1..=1000_u16 {
        assert_eq!(back.frame().await[27..], [&[0, 0, 1][..], &seq.to_be_bytes(), b"hi"].concat());
    }
    drop((gate, back, fake));
    node.stop().await;
}
