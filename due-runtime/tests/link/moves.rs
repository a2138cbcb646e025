//! Messages whose user moves to another node while they wait for their turn, as a raw gate sees it.

use std::time::Duration;

use due::codec::RawBody;
use due::locator::Locator;
use due::registry::Kind;
use due::{App, Cluster, Context, Nid, Node, NodeBuilder, RunningApp, TcpLink, Uid};
use tokio::sync::Semaphore;

use crate::raw::{Fake, Peer, hex};
use crate::world::{World, raw};

const HELLO: &str = "0000000d 00 01 0000000000000001 01 4731";
const WELCOME: &str = "0000000c 00 01 0000000000000001 0000";
const LI: Uid = Uid(1001);

static GO: Semaphore = Semaphore::const_new(0);

#[due::route(21, stateful)]
async fn hold(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    std::future::pending().await
}

#[due::route(22, stateful)]
async fn pass(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    GO.acquire().await?.forget();
    Ok(raw("went"))
}

#[due::route(23, stateful)]
async fn here(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(raw(ctx.nid().to_string()))
}

/// Message `number` of session 7 and user 1001, whose sender wants to know whether it is taken.
fn deliver(route: u16, number: u16) -> String {
    format!("00000025 00 0f {number:016x} 0000000000000007 00000000000003e9 0000000700{route:04x}{number:04x}6869")
}

fn answer(number: u16, code: u16) -> String {
    format!("0000000c 00 0f {number:016x} {code:04x}")
}

/// What the client gets.
fn pushed(route: u16, number: u16, body: &str) -> Vec<u8> {
    [&[0][..], &route.to_be_bytes(), &number.to_be_bytes(), body.as_bytes()].concat()
}

async fn move_away(cluster: &Cluster) {
    let there = Nid::from("n2");
    cluster.bind_node(LI, "node", &there).await.unwrap();
    // What the node remembers is told a moment later.
    while cluster.locate_node(LI, "node").await.unwrap().as_ref() != Some(&there) {
        tokio::task::yield_now().await;
    }
}

/// A node that the user is bound to, a gate that calls it, and the connection back.
async fn start(world: &World, node: NodeBuilder) -> (RunningApp, Fake, Peer) {
    world.locator.bind_node(LI, "node", &Nid::from("n1")).await.unwrap();
    let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0").connections(1));
    let node = node.id("n1").serve(due::routes![hold, pass, here]).build().unwrap();
    let node = App::new().backends(backends).node(node).start().await.unwrap();
    let fake = Fake::gate(world, "G1").await;
    let mut gate = Peer::dial(world, Kind::Node, "n1").await;
    gate.asks(HELLO, WELCOME).await;
    (node, fake, gate)
}

#[tokio::test]
async fn what_waits_for_its_turn_goes_back_when_its_user_has_moved() {
    let world = World::tcp();
    let (node, fake, mut gate) = start(&world, Node::builder()).await;
    gate.asks(&deliver(22, 1), &answer(1, 0)).await;
    // They stand behind the first, and nothing is said of them yet.
    gate.send(&deliver(23, 2)).await;
    gate.send(&deliver(23, 3)).await;
    gate.is_alive().await;
    move_away(node.cluster().unwrap()).await;
    GO.add_permits(1);
    gate.expect(&answer(2, 1)).await;
    gate.expect(&answer(3, 1)).await;
    let mut back = fake.greet(2, "n1").await;
    assert_eq!(back.frame().await[27..], pushed(22, 1, "went"));
    gate.asks(&deliver(23, 4), &answer(4, 1)).await;
    // Nothing else was pushed.
    tokio::join!(node.stop(), gate.closed(), back.closed());
}

#[tokio::test]
async fn what_waits_for_longer_than_a_second_is_taken() {
    let world = World::tcp();
    let (node, fake, mut gate) = start(&world, Node::builder().drain(Duration::from_millis(100))).await;
    gate.asks(&deliver(21, 1), &answer(1, 0)).await;
    let asked = tokio::time::Instant::now();
    gate.asks(&deliver(23, 2), &answer(2, 0)).await;
    assert!(asked.elapsed() >= Duration::from_millis(900), "{:?}", asked.elapsed());
    move_away(node.cluster().unwrap()).await;
    let stop = tokio::spawn(node.stop());
    let mut back = fake.greet(2, "n1").await;
    for number in [1, 2] {
        let status = back.frame().await;
        assert_eq!(status[27..32], pushed(0xffff, number, ""));
        assert!(status.ends_with(br#""the server is stopping"}"#), "{}", status.escape_ascii());
    }
    stop.await.unwrap();
}

/// Gates of ours say so in the number of the request.
#[tokio::test]
async fn a_gate_that_waits_for_longer_gets_its_message_back_after_a_second_too() {
    const PATIENT: u64 = 1 << 63;
    let patient = |text: String| text.replacen("0000000000000002", &format!("{:016x}", PATIENT | 2), 1);
    let world = World::tcp();
    let moves = |node: due::NodeHandle| async move {
        move_away(node.cluster()).await;
        Ok(())
    };
    let builder = Node::builder().drain(Duration::from_millis(100)).on_stop(moves);
    let (node, fake, mut gate) = start(&world, builder).await;
    gate.asks(&deliver(21, 1), &answer(1, 0)).await;
    gate.send(&patient(deliver(23, 2))).await;
    // Sent later, and taken after a second.
    gate.asks(&deliver(23, 3), &answer(3, 0)).await;
    let stop = tokio::spawn(node.stop());
    let mut back = fake.greet(2, "n1").await;
    for number in [1, 3] {
        assert_eq!(back.frame().await[27..32], pushed(0xffff, number, ""));
    }
    gate.expect(&patient(answer(2, 1))).await;
    stop.await.unwrap();
    tokio::join!(gate.closed(), back.closed());
}

#[tokio::test]
async fn what_a_node_does_not_come_to_before_it_stops_follows_its_user() {
    let world = World::tcp();
    let moves = |node: due::NodeHandle| async move {
        move_away(node.cluster()).await;
        Ok(())
    };
    let builder = Node::builder().drain(Duration::from_millis(100)).on_stop(moves);
    let (node, fake, mut gate) = start(&world, builder).await;
    gate.asks(&deliver(21, 1), &answer(1, 0)).await;
    gate.send(&deliver(23, 2)).await;
    gate.is_alive().await;
    let stop = tokio::spawn(node.stop());
    let mut back = fake.greet(2, "n1").await;
    let status = back.frame().await;
    assert_eq!(status[27..32], hex("00 ffff 0001"));
    assert!(status.ends_with(br#""the server is stopping"}"#), "{}", status.escape_ascii());
    gate.expect(&answer(2, 1)).await;
    stop.await.unwrap();
    tokio::join!(gate.closed(), back.closed());
}
