//! Nodes that die in the middle of their work, and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use due::codec::RawBody;
use due::locator::Locator;
use due::registry::{Instance, Kind, Registry};
use due::{App, CallError, Code, Context, Gate, Nid, RouteId, RunningApp, TcpLink, Uid};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::raw::{Fake, Peer};
use crate::suite::echo;
use crate::world::{World, client, client_with, raw};

async fn gate(world: &World) -> RunningApp {
    let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0").connections(1));
    App::new().backends(backends).gate(Gate::builder().id("g1").tcp("127.0.0.1:0").build()).start().await.unwrap()
}

/// What happens to one request.
fn outcome(answer: Result<RawBody, CallError>) -> &'static str {
    match answer {
        Ok(_) => "answered",
        Err(CallError::Status(error)) if error.code() == Code::UNKNOWN => "lost",
        Err(CallError::Status(error)) if error.code() == Code::NOT_FOUND => "unserved",
        Err(error) => panic!("{error:?}"),
    }
}

/// A push of what was delivered, back to its session.
pub(crate) fn answer(deliver: &[u8]) -> Vec<u8> {
    let (cid, packet) = (&deliver[14..22], &deliver[30..]);
    let push = [&[0, 8], &[0; 8][..], &[1], cid, packet].concat();
    [&(push.len() as u32).to_be_bytes()[..], &push].concat()
}

#[tokio::test]
async fn requests_of_a_node_that_dies_are_answered_with_a_status() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let gate = gate(&world).await;
    let mut calls = JoinSet::new();
    let clients = [client(&gate).await, client(&gate).await];
    for client in &clients {
        for _ in 0..20 {
            let client = client.clone();
            calls.spawn(async move { outcome(client.request(RouteId(1), &raw("hi")).await) });
        }
    }
    let mut node = fake.greet(1, "g1").await;
    // Two connects and all requests are there; three are answered before it dies.
    let mut messages = Vec::new();
    while messages.len() < 40 {
        let frame = node.frame().await;
        if frame[5] == 15 {
            messages.push(frame);
        }
    }
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    for message in &messages[..3] {
        back.0.write_all(&answer(message)).await.unwrap();
    }
    back.is_alive().await;
    drop(node);
    drop(fake);
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    while let Some(outcome) = calls.join_next().await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    assert_eq!(outcomes, BTreeMap::from([("answered", 3), ("lost", 37)]));
    // Answers that come now are too late: nobody hears them twice.
    back.0.write_all(&answer(&messages[10])).await.unwrap();
    back.is_alive().await;
    drop(back);
    gate.stop().await;
}

/// What was queued while the line was down goes out by the next one, and is no loss.
#[tokio::test]
async fn what_waits_for_the_next_connection_is_not_lost() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let gate = gate(&world).await;
    let client = client(&gate).await;
    let first = tokio::spawn({
        let client = client.clone();
        async move { outcome(client.request(RouteId(1), &raw("hi")).await) }
    });
    let mut node = fake.greet(1, "g1").await;
    node.frame().await;
    node.frame().await;
    drop(node);
    // Accepted, not greeted yet: the gate queues.
    let mut again = fake.accept().await;
    let second = tokio::spawn({
        let client = client.clone();
        async move { outcome(client.request(RouteId(1), &raw("hi")).await) }
    });
    assert_eq!(first.await.unwrap(), "lost");
    again.frame().await;
    again.send("0000000c 00 01 0000000000000001 0000").await;
    let message = again.frame().await;
    assert_eq!(message[5], 15);
    assert!(!second.is_finished());
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    back.0.write_all(&answer(&message)).await.unwrap();
    assert_eq!(second.await.unwrap(), "answered");
    drop((again, back));
    gate.stop().await;
}

/// The gate hears where the user really is.
#[tokio::test]
async fn a_node_that_says_no_gets_the_message_sent_on() {
    let world = World::tcp();
    let (wrong, right) = (Fake::node(&world, "N1").await, Fake::node(&world, "N2").await);
    let gate = gate(&world).await;
    let client = client(&gate).await;
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    let bind = "0000001a 00 02 0000000000000005 0000000000000001 00000000000003e9";
    loop {
        back.send(bind).await;
        if back.frame().await.ends_with(&[0]) {
            break;
        }
    }
    world.locator.bind_node(Uid(1001), "node", &Nid::from("N1")).await.unwrap();
    let call = tokio::spawn(async move { outcome(client.request(RouteId(2), &raw("hi")).await) });
    let mut wrong = wrong.greet(1, "g1").await;
    let asked = message(&mut wrong).await;
    let seq = &asked[6..14];
    assert_ne!(seq, [0; 8], "it has to say whether it is the right one");
    world.locator.bind_node(Uid(1001), "node", &Nid::from("N2")).await.unwrap();
    wrong.0.write_all(&[&[0, 0, 0, 12, 0, 15], seq, &[0, 1]].concat()).await.unwrap();
    let mut right = right.greet(1, "g1").await;
    let asked = message(&mut right).await;
    right.0.write_all(&[&[0, 0, 0, 12, 0, 15], &asked[6..14], &[0, 0]].concat()).await.unwrap();
    back.0.write_all(&answer(&asked)).await.unwrap();
    assert_eq!(call.await.unwrap(), "answered");
    drop((wrong, right, back));
    gate.stop().await;
}

/// The next message, whatever is told of sessions before.
pub(crate) async fn message(node: &mut Peer) -> Vec<u8> {
    loop {
        let frame = node.frame().await;
        if frame.get(5) == Some(&15) {
            return frame;
        }
    }
}

/// It costs a bounded queue; then its clients are not read, and in the end they are told.
#[tokio::test]
async fn a_node_that_never_reads_is_given_up() {
    const CLIENTS: usize = 40;
    const REQUESTS: usize = 128;
    const HOUR: Duration = Duration::from_secs(3600);
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let link = TcpLink::new().addr("127.0.0.1:0").connections(1).queue_bytes(64 * 1024);
    let gate = Gate::builder().id("g1").tcp("127.0.0.1:0").build();
    let gate = App::new().backends(world.backends_with(link)).gate(gate).start().await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = client_with(&gate, |client| client.timeout(HOUR).heartbeat(HOUR)).await;
        for _ in 0..REQUESTS {
            let client = client.clone();
            calls.spawn(async move { outcome(client.request(RouteId(1), &raw(vec![7; 4000])).await) });
        }
    }
    let node = fake.greet(1, "g1").await;
    drop(fake);
    // The clock runs ahead as soon as all wait.
    tokio::time::pause();
    let begun = Instant::now();
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    while let Some(outcome) = calls.join_next().await {
        *outcomes.entry(outcome.unwrap()).or_default() += 1;
    }
    assert!(begun.elapsed() >= Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(outcomes.values().sum::<usize>(), CLIENTS * REQUESTS);
    assert!(outcomes["lost"] > 0 && outcomes["unserved"] > 0, "{outcomes:?}");
    drop(node);
    gate.stop().await;
}

/// A proxy to a node that can be cut: what stands for a process that is killed.
struct Cord {
    addr: String,
    cut: Arc<Notify>,
}

impl Cord {
    /// In front of `to`, until it is cut.
    async fn before(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let cut = Arc::new(Notify::new());
        let stop = Arc::clone(&cut);
        tokio::spawn(async move {
            let mut lines = JoinSet::new();
            let accept = async {
                loop {
                    let (mut near, _) = listener.accept().await.unwrap();
                    let mut far = TcpStream::connect(&to).await.unwrap();
                    lines.spawn(async move {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    });
                }
            };
            tokio::select! {
                () = accept => {}
                () = stop.notified() => {}
            }
        });
        Self { addr, cut }
    }
}

/// Every request has an end, whenever the node dies; and when it is back, it serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_counted_when_a_node_dies_under_load() {
    const CLIENTS: usize = 20;
    let world = World::tcp();
    let gate = world.gate("g1").await;
    let node = world.node("hidden", due::Node::builder().serve(due::routes![echo])).await;
    let hidden = world.registry.list(Kind::Node).await.unwrap()[0].clone();
    let cord = Cord::before(hidden.address().unwrap().to_owned()).await;
    world.registry.deregister(Kind::Node, "hidden").await.unwrap();
    let instance =
        Instance { id: "n1".to_owned(), endpoint: format!("drpc://{}?is_secure=false", cord.addr), ..hidden.clone() };
    world.registry.register(instance.clone()).await.unwrap();

    let mut load = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = client(&gate).await;
        load.spawn(async move {
            let (mut outcomes, mut asked) = (BTreeMap::<&str, usize>::new(), 0);
            // Until the end of the node is seen, and a while longer.
            let mut after = 50;
            while after > 0 {
                let mut burst = JoinSet::new();
                for _ in 0..16 {
                    let client = client.clone();
                    burst.spawn(async move { outcome(client.request(RouteId(1), &raw("hi")).await) });
                    asked += 1;
                }
                for outcome in burst.join_all().await {
                    *outcomes.entry(outcome).or_default() += 1;
                }
                if outcomes.contains_key("unserved") || outcomes.contains_key("lost") {
                    after -= 1;
                }
            }
            assert_eq!(outcomes.values().sum::<usize>(), asked);
            (outcomes, client)
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    cord.cut.notify_one();
    let (mut outcomes, mut clients) = (BTreeMap::<&str, usize>::new(), Vec::new());
    let all = timeout(Duration::from_secs(30), load.join_all()).await.expect("every request has an end");
    for (some, client) in all {
        clients.push(client);
        for (outcome, count) in some {
            *outcomes.entry(outcome).or_default() += count;
        }
    }
    assert!(outcomes["answered"] > 0 && outcomes.contains_key("unserved"), "{outcomes:?}");

    let listener = TcpListener::bind(&cord.addr).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(hidden.address().unwrap()).await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    for client in clients {
        while outcome(client.request(RouteId(1), &raw("hi")).await) != "answered" {
            tokio::task::yield_now().await;
        }
    }
    gate.stop().await;
    node.stop().await;
}

/// It is there, and takes what it is sent: only that nothing comes from it any more tells that it hangs.
#[tokio::test(start_paused = true)]
async fn a_node_that_falls_silent_is_given_up_until_it_shakes_hands() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let gate = gate(&world).await;
    let client = client_with(&gate, |client| client.timeout(Duration::from_secs(60))).await;
    let request = |body: &'static str| {
        let client = client.clone();
        tokio::spawn(async move { outcome(client.request(RouteId(1), &raw(body)).await) })
    };
    let first = request("one");
    let mut node = fake.greet(1, "g1").await;
    let one = message(&mut node).await;
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    back.asks("0000000d 00 01 0000000000000001 02 4e31", "0000000c 00 01 0000000000000001 0000").await;
    back.0.write_all(&answer(&one)).await.unwrap();
    assert_eq!(first.await.unwrap(), "answered");

    let begun = Instant::now();
    let lost = request("two");
    message(&mut node).await;
    assert_eq!(lost.await.unwrap(), "lost");
    assert!((10..=31).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());

    let again = request("three");
    let mut node = fake.greet(1, "g1").await;
    let three = message(&mut node).await;
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    back.0.write_all(&answer(&three)).await.unwrap();
    assert_eq!(again.await.unwrap(), "answered");
    gate.stop().await;
}

static GO: Semaphore = Semaphore::const_new(0);

#[due::route(19)]
async fn wait(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    GO.acquire().await?.forget();
    Ok(body)
}

/// As a registry may have it for a while.
#[tokio::test]
async fn a_gate_that_vanishes_from_the_registry_gets_its_answers() {
    let world = World::tcp();
    let node = world.node("n1", due::Node::builder().serve(due::routes![echo, wait])).await;
    let gate = world.gate("g1").await;
    let client = client(&gate).await;
    let under_way = tokio::spawn({
        let client = client.clone();
        async move { outcome(client.request(RouteId(19), &raw("hi")).await) }
    });
    assert_eq!(outcome(client.request(RouteId(1), &raw("hi")).await), "answered");
    world.registry.deregister(Kind::Gate, "g1").await.unwrap();
    let mut gates = world.registry.watch(Kind::Gate).await.unwrap();
    assert_eq!(gates.next().await.unwrap().len(), 0);
    GO.add_permits(1);
    assert_eq!(under_way.await.unwrap(), "answered");
    assert_eq!(outcome(client.request(RouteId(1), &raw("hi")).await), "answered");
    gate.stop().await;
    node.stop().await;
}

/// A node that has never heard of the gate cannot answer it, but does not let its clients wait.
#[tokio::test]
async fn what_a_gate_sends_that_no_registry_knows_is_answered_with_a_status() {
    let world = World::tcp();
    let gate = world.gate("g1").await;
    world.registry.deregister(Kind::Gate, "g1").await.unwrap();
    let node = world.node("n1", due::Node::builder().serve(due::routes![echo])).await;
    let client = client(&gate).await;
    let outcomes = async {
        while outcome(client.request(RouteId(1), &raw("hi")).await) == "unserved" {
            tokio::task::yield_now().await;
        }
        outcome(client.request(RouteId(1), &raw("hi")).await)
    };
    assert_eq!(timeout(Duration::from_secs(20), outcomes).await.expect("an end"), "lost");
    gate.stop().await;
    node.stop().await;
}

/// Nobody has it, so another node takes it.
#[tokio::test]
async fn what_waits_for_a_node_that_is_never_reached_goes_to_another() {
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let gate = gate(&world).await;
    let client = client(&gate).await;
    let other = Fake::node(&world, "N2").await;
    // Nobody has been asked to connect to N1 yet, and nobody listens there any more.
    drop(fake);
    let calls: JoinSet<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            async move { outcome(client.request(RouteId(1), &raw("hi")).await) }
        })
        .collect();
    let mut second = other.greet(1, "g1").await;
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    for _ in 0..10 {
        let message = message(&mut second).await;
        back.0.write_all(&answer(&message)).await.unwrap();
    }
    assert_eq!(calls.join_all().await, ["answered"; 10]);
    drop((second, back, other));
    gate.stop().await;
}

/// It answers by a connection of its own, which ends while the one that brought the requests goes on.
#[tokio::test]
async fn an_answer_that_is_lost_on_its_way_back_is_a_status() {
    const HELLO: &str = "0000000d 00 01 0000000000000001 02 4e31";
    const WELCOME: &str = "0000000c 00 01 0000000000000001 0000";
    let world = World::tcp();
    let fake = Fake::node(&world, "N1").await;
    let gate = gate(&world).await;
    let client = client_with(&gate, |client| client.timeout(Duration::from_secs(60))).await;
    let request = || {
        let client = client.clone();
        tokio::spawn(async move { client.request::<_, RawBody>(RouteId(1), &raw("hi")).await })
    };
    let (lost, slow) = (request(), request());
    let mut node = fake.greet(1, "g1").await;
    let of_these = [message(&mut node).await, message(&mut node).await];
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    back.asks(HELLO, WELCOME).await;
    let begun = Instant::now();
    drop(back);
    let mut back = Peer::dial(&world, Kind::Gate, "g1").await;
    back.asks(HELLO, WELCOME).await;
    back.is_alive().await;
    let later = request();
    let third = message(&mut node).await;
    back.0.write_all(&answer(&of_these[1])).await.unwrap();
    // The tasks of the two may have begun in either order.
    let (first, second) = tokio::join!(lost, slow);
    let mut answers = [first.unwrap(), second.unwrap()];
    answers.sort_by_key(Result::is_ok);
    assert!((4..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let [Err(CallError::Status(status)), Ok(_)] = &answers else { panic!("{answers:?}") };
    assert_eq!(status.code(), Code::UNKNOWN);
    assert_eq!(status.message, "the answer of the node may be lost; it may have handled the request");
    // The node has lost nothing of what it was asked since.
    assert!(!later.is_finished());
    for message in [&of_these[0], &third] {
        back.0.write_all(&answer(message)).await.unwrap();
    }
    later.await.unwrap().unwrap();
    drop((node, back));
    gate.stop().await;
}
