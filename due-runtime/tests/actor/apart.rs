//! Rooms on nodes in processes of their own: messages and events come over the TCP link.

use std::time::Duration;

use due::locator::MemoryLocator;
use due::registry::MemoryRegistry;
use due::{App, Backends, Client, ClusterError, Gate, Nid, Node, RunningApp, TcpLink, Uid};

use crate::{Entries, Room, ask, tables, tell};

const SOON: Duration = Duration::from_secs(5);

/// A gate, and a node in another process.
async fn start(locator: &MemoryLocator, registry: &MemoryRegistry, nid: &str) -> (RunningApp, Entries) {
    let (lobby, rooms, entries) = tables::<4096>(|spec| spec.stateful());
    let node = Node::builder().id(nid).name("game").serve(lobby).serve(rooms).build().unwrap();
    (app(locator, registry).node(node).start().await.unwrap(), entries)
}

fn app(locator: &MemoryLocator, registry: &MemoryRegistry) -> App {
    let backends = Backends::memory().registry(registry.clone()).locator(locator.clone());
    App::new().backends(backends.link(TcpLink::new().addr("127.0.0.1:0")))
}

#[tokio::test]
async fn users_reach_their_room_on_its_node_and_it_hears_of_their_end() {
    let (locator, registry) = (MemoryLocator::new(), MemoryRegistry::new());
    let (a, entries_of_a) = start(&locator, &registry, "a").await;
    let (b, entries_of_b) = start(&locator, &registry, "b").await;
    let gate = Gate::builder().tcp("127.0.0.1:0").build();
    let gate = app(&locator, &registry).gate(gate).start().await.unwrap();
    while let Err(ClusterError::NoNode(_)) = a.cluster().unwrap().state(Nid::from("b")).await {
        tokio::task::yield_now().await;
    }
    let mut entries = [entries_of_a, entries_of_b];
    let nodes = [a.nodes().next().unwrap(), b.nodes().next().unwrap()];
    for uid in 1..=6 {
        let client = Client::builder().connect(gate.addresses().next().unwrap()).await.unwrap();
        assert_eq!(ask(&client, 1, &uid.to_string()).await, "done");
        let id = format!("of {uid}");
        assert_eq!(ask(&client, 2, &id).await, "done");
        let owner = nodes.iter().position(|node| node.actor_of::<Room>(Uid(uid)).is_some()).unwrap();
        for sum in 1..=20 {
            assert_eq!(ask(&client, 11, "1").await, sum.to_string(), "whichever node the lobby was on");
        }
        tell(&client, 11, "100").await;
        client.close().await;
        entries[owner].expect(&[&format!("{id} started"), &format!("Disconnect of {uid} at 120")]).await;
    }
    gate.stop().await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test]
async fn a_room_moves_to_another_node_without_losing_a_message() {
    let (locator, registry) = (MemoryLocator::new(), MemoryRegistry::new());
    let (a, mut entries) = start(&locator, &registry, "a").await;
    let gate = app(&locator, &registry).gate(Gate::builder().tcp("127.0.0.1:0").build()).start().await.unwrap();
    let mut users = Vec::new();
    for uid in 1..=3 {
        let client = Client::builder().connect(gate.addresses().next().unwrap()).await.unwrap();
        assert_eq!(ask(&client, 1, &uid.to_string()).await, "done");
        assert_eq!(ask(&client, if users.is_empty() { 2 } else { 3 }, "hall").await, "done");
        users.push(client);
    }
    entries.expect(&["hall started"]).await;
    let (b, _entries_of_b) = start(&locator, &registry, "b").await;
    let (room, heir) = (a.nodes().next().unwrap().actor::<Room>("hall").unwrap(), b.nodes().next().unwrap());
    room.invoke(async move |room: &mut Room| room.heir = Some(heir)).unwrap();
    let players: Vec<_> = users
        .into_iter()
        .map(|user| {
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..300 {
                    answers.push(ask(&user, 11, "1").await);
                }
                answers
            })
        })
        .collect();
    while room.call(SOON, async |room: &mut Room| room.sum).await.unwrap() < 50 {}
    let moving = tokio::spawn(a.stop());
    let mut answers = Vec::new();
    for player in players {
        answers.extend(player.await.unwrap());
    }
    answers.sort_by_key(|answer| answer.parse::<u32>().unwrap_or(0));
    assert_eq!(answers, (1..=900).map(|sum: u32| sum.to_string()).collect::<Vec<_>>());
    moving.await.unwrap();
    assert!(!room.is_alive());
    gate.stop().await;
    b.stop().await;
}
