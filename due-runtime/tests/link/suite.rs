//! What holds for gates and nodes, whatever joins them.

use std::time::Duration;

use due::codec::RawBody;
use due::locator::Locator;
use due::registry::State;
use due::{
    Audience, CallError, Cid, Client, Close, Cluster, ClusterError, Code, Context, Dispatch, Gid, Nid, Node,
    NodeBuilder, PushExt, RouteId, RunningApp, Seq, ServerId, Target, Uid,
};
use tokio::task::JoinSet;

use crate::world::{Note, World, client, client_with, note, raw};

#[due::route(1)]
pub(crate) async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn login(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    let uid = String::from_utf8_lossy(&body.0).parse()?;
    ctx.bind(Uid(uid)).await?;
    Ok(raw(ctx.cid().to_string()))
}

#[due::route(3)]
async fn notes(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.push(&note("first"))?;
    note("second").push(ctx.cluster(), ctx.session()).await?;
    ctx.push(&note("third"))?;
    Ok(body)
}

#[due::route(4)]
async fn bye(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.push(&note("bye"))?;
    ctx.disconnect(Close::Graceful).await?;
    Ok(body)
}

#[due::route(5)]
async fn slow(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.push(&note("begun"))?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(body)
}

/// Waits, but not for long: the requests behind it pile up.
#[due::route(6)]
async fn lazy(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    tokio::task::yield_now().await;
    Ok(body)
}

#[due::route(7, stateful)]
async fn bound(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(raw(ctx.nid().to_string()))
}

#[due::route(8)]
async fn refuse(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Err(due::Error::new(42, "no gold"))
}

pub(crate) fn game() -> NodeBuilder {
    Node::builder().serve(due::routes![echo, login, notes, bye, slow, lazy, bound, refuse])
}

async fn pair(world: &World) -> (RunningApp, RunningApp) {
    (world.node("n1", game()).await, world.gate("g1").await)
}

pub(crate) async fn ask(client: &Client, route: i32, body: &str) -> String {
    let RawBody(answer) = client.request(RouteId(route), &raw(body.to_owned())).await.unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

/// Code of the status that a request is answered with.
async fn refused(client: &Client, route: i32) -> Code {
    let answer: Result<RawBody, _> = client.request(RouteId(route), &raw("")).await;
    match answer {
        Err(CallError::Status(status)) => status.code(),
        other => panic!("{other:?}"),
    }
}

/// The registry tells a little later than it is told.
async fn until_known(cluster: &Cluster, servers: &[&ServerId]) {
    for server in servers {
        while let Err(ClusterError::NoGate(_) | ClusterError::NoNode(_)) = cluster.state((*server).clone()).await {
            tokio::task::yield_now().await;
        }
    }
}

async fn requests_are_answered(world: World) {
    let (node, gate) = pair(&world).await;
    let client = client(&gate).await;
    assert_eq!(ask(&client, 1, "hi").await, "hi");
    assert_eq!(refused(&client, 8).await, Code(42));
    assert_eq!(refused(&client, 99).await, Code::NOT_FOUND);
    assert_eq!(refused(&client, 7).await, Code::UNAUTHORIZED);
    gate.stop().await;
    node.stop().await;
}

async fn pushes_come_in_order_before_the_response(world: World) {
    let (node, gate) = pair(&world).await;
    let client = client(&gate).await;
    let mut notes = client.pushes::<Note>();
    let mut answers = client.listen(RouteId(3));
    client.send_packet(RouteId(3), Seq(9), b"answer").await.unwrap();
    for expected in ["first", "second", "third"] {
        assert_eq!(notes.next().await.unwrap().unwrap(), note(expected));
    }
    assert_eq!(answers.next().await.unwrap().unwrap(), "answer");
    gate.stop().await;
    node.stop().await;
}

/// More than any queue holds, by one client that reads only afterwards.
async fn ten_thousand_requests_in_a_row_are_answered_in_order(world: World) {
    const REQUESTS: u32 = 10_000;
    let (node, gate) = pair(&world).await;
    let client = client_with(&gate, |client| client.push_buffer(2 * REQUESTS as usize)).await;
    let mut answers = client.listen(RouteId(6));
    for request in 1..=REQUESTS {
        client.send_packet(RouteId(6), Seq(request as i32), &request.to_be_bytes()).await.unwrap();
    }
    for request in 1..=REQUESTS {
        assert_eq!(answers.next().await.unwrap().unwrap(), &request.to_be_bytes()[..]);
    }
    gate.stop().await;
    node.stop().await;
}

async fn a_serial_node_answers_everyone(world: World) {
    let node = world.node("n1", game().dispatch(Dispatch::Serial).lane(3)).await;
    let gate = world.gate("g1").await;
    let mut clients = JoinSet::new();
    for _ in 0..10 {
        let client = client(&gate).await;
        let mut answers = client.listen(RouteId(6));
        clients.spawn(async move {
            for request in 1..=200_u32 {
                client.send_packet(RouteId(6), Seq(request as i32), &request.to_be_bytes()).await.unwrap();
            }
            for request in 1..=200_u32 {
                assert_eq!(answers.next().await.unwrap().unwrap(), &request.to_be_bytes()[..]);
            }
        });
    }
    clients.join_all().await;
    gate.stop().await;
    node.stop().await;
}

async fn many_sessions_do_not_mix(world: World) {
    let (node, gate) = pair(&world).await;
    let mut clients = JoinSet::new();
    for session in 0..100 {
        let client = client(&gate).await;
        clients.spawn(async move {
            for request in 0..20 {
                let (route, body) = ([1, 6][request % 2], format!("{session}:{request}:{}", "x".repeat(request * 100)));
                assert_eq!(ask(&client, route, &body).await, body);
            }
        });
    }
    clients.join_all().await;
    gate.stop().await;
    node.stop().await;
}

async fn users_are_found_where_they_logged_in(world: World) {
    let (node, gate) = pair(&world).await;
    let client = client(&gate).await;
    let mut notes = client.pushes::<Note>();
    let cid = Cid(ask(&client, 2, "1001").await.parse().unwrap());
    let cluster = node.cluster().unwrap();
    let session = Target::Session(Gid::from("g1"), cid);
    note("to the user").push(cluster, Uid(1001)).await.unwrap();
    note("to the session").push(cluster, session.clone()).await.unwrap();
    assert_eq!(notes.next().await.unwrap().unwrap(), note("to the user"));
    assert_eq!(notes.next().await.unwrap().unwrap(), note("to the session"));

    for target in [Target::User(Uid(1001)), session.clone()] {
        assert!(cluster.is_online(target.clone()).await.unwrap());
        assert_eq!(cluster.ip(target).await.unwrap().to_string(), "127.0.0.1");
    }
    assert_eq!(cluster.locate_gate(Uid(1001)).await.unwrap(), Some(Gid::from("g1")));
    assert_eq!(cluster.stat(Audience::Sessions).await.delivered, 1);
    assert_eq!(cluster.stat(Audience::Users).await.delivered, 1);

    // Who is not there is never said to have got anything.
    let absent = Target::Session(Gid::from("g1"), Cid(99));
    for nobody in [Target::User(Uid(5)), absent.clone()] {
        assert!(!cluster.is_online(nobody.clone()).await.unwrap());
        assert!(matches!(note("").push(cluster, nobody.clone()).await, Err(ClusterError::NoSession(_))));
        assert!(matches!(cluster.ip(nobody.clone()).await, Err(ClusterError::NoSession(_))));
        assert!(matches!(cluster.subscribe(nobody.clone(), "room").await, Err(ClusterError::NoSession(_))));
        assert!(matches!(cluster.unsubscribe(nobody.clone(), "room").await, Err(ClusterError::NoSession(_))));
        assert!(matches!(cluster.disconnect(nobody, Close::Force).await, Err(ClusterError::NoSession(_))));
    }
    assert!(matches!(cluster.bind(&Gid::from("g1"), Cid(99), Uid(1)).await, Err(ClusterError::NoSession(_))));
    assert!(matches!(cluster.bind(&Gid::from("g9"), cid, Uid(1)).await, Err(ClusterError::NoGate(_))));

    cluster.unbind(Uid(1001)).await.unwrap();
    assert!(!cluster.is_online(Uid(1001)).await.unwrap());
    assert!(cluster.is_online(session.clone()).await.unwrap());
    assert!(matches!(cluster.unbind(Uid(1001)).await, Err(ClusterError::NoSession(_))));
    cluster.bind(&Gid::from("g1"), cid, Uid(7)).await.unwrap();
    note("by another name").push(cluster, Uid(7)).await.unwrap();
    assert_eq!(notes.next().await.unwrap().unwrap(), note("by another name"));
    gate.stop().await;
    node.stop().await;
}

async fn pushes_to_many_are_counted(world: World) {
    let (node, gate) = pair(&world).await;
    let other = world.gate("g2").await;
    let clients = [client(&gate).await, client(&gate).await, client(&other).await];
    let mut notes = clients.each_ref().map(Client::pushes::<Note>);
    for (uid, client) in (1..).zip(&clients[1..]) {
        ask(client, 2, &uid.to_string()).await;
    }
    let cluster = node.cluster().unwrap();
    // More users than fit one frame; the locator remembers all of them, but two are there.
    let users: Vec<Uid> = (1..=10_000).map(Uid).collect();
    for uid in &users[2..9000] {
        world.locator.bind_gate(*uid, &Gid::from("g1")).await.unwrap();
    }
    let tally = note("multicast").multicast(cluster, &users).await.unwrap();
    assert_eq!((tally.delivered, tally.absent, tally.failed), (2, 9998, 0));
    let tally = note("users").broadcast(cluster, Audience::Users).await.unwrap();
    assert_eq!((tally.delivered, tally.failed), (2, 0));
    // A client that has asked nothing yet may not be counted, but here each is known to be served.
    ask(&clients[0], 1, "").await;
    let tally = note("all").broadcast(cluster, Audience::Sessions).await.unwrap();
    assert_eq!((tally.delivered, tally.failed), (3, 0));
    assert_eq!(cluster.stat(Audience::Sessions).await.delivered, 3);

    let channel = "room:".to_owned() + &"x".repeat(235);
    for uid in [1, 2] {
        cluster.subscribe(Uid(uid), &channel).await.unwrap();
    }
    assert_eq!(note("channel").publish(cluster, &channel).await.unwrap().delivered, 2);
    cluster.unsubscribe(Uid(1), &channel).await.unwrap();
    assert_eq!(note("rest").publish(cluster, &channel).await.unwrap().delivered, 1);
    assert_eq!(note("nobody").publish(cluster, "room:2").await.unwrap().delivered, 0);
    let long = note("").publish(cluster, &(channel + "x")).await;
    assert!(matches!(long, Err(ClusterError::LongChannel(241))));

    for (notes, expected) in notes.iter_mut().zip([
        &["all"][..],
        &["multicast", "users", "all", "channel"],
        &["multicast", "users", "all", "channel", "rest"],
    ]) {
        for expected in expected {
            assert_eq!(notes.next().await.unwrap().unwrap(), note(*expected));
        }
    }
    gate.stop().await;
    other.stop().await;
    node.stop().await;
}

async fn sessions_end_as_they_are_told(world: World) {
    let (node, gate) = pair(&world).await;
    let cluster = node.cluster().unwrap();
    let by_handler = client(&gate).await;
    let mut notes = by_handler.pushes::<Note>();
    by_handler.send_packet(RouteId(4), Seq(1), b"").await.unwrap();
    assert_eq!(notes.next().await.unwrap().unwrap(), note("bye"));
    by_handler.closed().await;

    let after_push = client(&gate).await;
    let mut notes = after_push.pushes::<Note>();
    ask(&after_push, 2, "1").await;
    cluster.push_and_disconnect(Uid(1), &note("last")).await.unwrap();
    assert_eq!(notes.next().await.unwrap().unwrap(), note("last"));
    assert!(notes.next().await.is_none());
    after_push.closed().await;

    for close in [Close::Force, Close::Graceful] {
        let client = client(&gate).await;
        ask(&client, 2, "2").await;
        cluster.disconnect(Uid(2), close).await.unwrap();
        client.closed().await;
    }
    gate.stop().await;
    node.stop().await;
}

async fn states_are_read_and_set(world: World) {
    let (node, gate) = pair(&world).await;
    let other = world.node("n2", game()).await;
    let cluster = node.cluster().unwrap();
    let (g1, n2) = (ServerId::Gate(Gid::from("g1")), ServerId::Node(Nid::from("n2")));
    until_known(cluster, &[&g1, &n2]).await;
    assert_eq!(cluster.state(g1.clone()).await.unwrap(), State::Work);
    cluster.set_state(g1.clone(), State::Busy).await.unwrap();
    assert_eq!(cluster.state(g1).await.unwrap(), State::Busy);
    cluster.set_state(n2.clone(), State::Hang).await.unwrap();
    assert_eq!(cluster.state(n2).await.unwrap(), State::Hang);
    assert!(matches!(cluster.state(Nid::from("n9")).await, Err(ClusterError::NoNode(_))));
    other.stop().await;
    gate.stop().await;
    node.stop().await;
}

async fn stateful_routes_go_where_the_user_is_bound(world: World) {
    let other = world.node("n2", game()).await;
    let (node, gate) = pair(&world).await;
    let client = client(&gate).await;
    ask(&client, 2, "1").await;
    assert_eq!(refused(&client, 7).await, Code::NOT_FOUND);
    let cluster = node.cluster().unwrap();
    for nid in ["n1", "n2", "n1"] {
        cluster.bind_node(Uid(1), "node", &Nid::from(nid)).await.unwrap();
        while ask(&client, 7, "").await != nid {
            // The gate may remember where he was.
            tokio::task::yield_now().await;
        }
    }
    other.stop().await;
    gate.stop().await;
    node.stop().await;
}

async fn nodes_deliver_to_nodes(world: World) {
    let (node, gate) = pair(&world).await;
    let other = world.node("n2", game()).await;
    let cluster = node.cluster().unwrap();
    until_known(cluster, &[&ServerId::Node(Nid::from("n2"))]).await;
    cluster.deliver_to(&Nid::from("n2"), RouteId(1), Some(Uid(1)), &raw("hi")).await.unwrap();
    cluster.deliver(RouteId(1), None, &raw("hi")).await.unwrap();
    let nowhere = cluster.deliver_to(&Nid::from("n9"), RouteId(1), None, &raw("hi")).await;
    assert!(matches!(nowhere, Err(ClusterError::NoNode(_))));
    let unserved = cluster.deliver(RouteId(99), None, &raw("hi")).await;
    assert!(matches!(unserved, Err(ClusterError::NoRoute(_))));
    other.stop().await;
    gate.stop().await;
    node.stop().await;
}

async fn a_node_that_stops_answers_what_it_has(world: World) {
    let (node, gate) = pair(&world).await;
    let calls = slow_calls(&gate).await;
    node.stop().await;
    for answer in calls.join_all().await {
        assert_eq!(answer, "done");
    }
    let late = client(&gate).await;
    assert_eq!(refused(&late, 1).await, Code::NOT_FOUND);
    gate.stop().await;
}

async fn a_gate_that_stops_waits_for_answers(world: World) {
    let (node, gate) = pair(&world).await;
    let calls = slow_calls(&gate).await;
    gate.stop().await;
    for answer in calls.join_all().await {
        assert_eq!(answer, "done");
    }
    node.stop().await;
}

/// Requests that are with their handlers.
async fn slow_calls(gate: &RunningApp) -> JoinSet<String> {
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = client(gate).await;
        let mut notes = client.pushes::<Note>();
        calls.spawn(async move { ask(&client, 5, "done").await });
        assert_eq!(notes.next().await.unwrap().unwrap(), note("begun"));
    }
    calls
}

macro_rules! over_all {
    ($($test:ident,)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::World::memory()).await;
            })*
        }
        mod tcp {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::World::tcp()).await;
            })*
        }
        mod secured {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::World::secured()).await;
            })*
        }
        /// Everything on one thread.
        mod tcp_alone {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::World::tcp()).await;
            })*
        }
    };
}
over_all! {
    requests_are_answered,
    pushes_come_in_order_before_the_response,
    ten_thousand_requests_in_a_row_are_answered_in_order,
    a_serial_node_answers_everyone,
    many_sessions_do_not_mix,
    users_are_found_where_they_logged_in,
    pushes_to_many_are_counted,
    sessions_end_as_they_are_told,
    states_are_read_and_set,
    stateful_routes_go_where_the_user_is_bound,
    nodes_deliver_to_nodes,
    a_node_that_stops_answers_what_it_has,
    a_gate_that_stops_waits_for_answers,
}
