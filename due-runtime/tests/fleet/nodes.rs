//! Nodes that are restarted, and nodes that die.

use std::time::Duration;

use due::Code;
use libtest_mimic::Trial;

use crate::fleet::{ECHO, Handled, LOGIN, Member, PLAY};
use crate::load::{Game, Load, Tally, WINDOW};
use crate::story;
use crate::support::redis::until;
use crate::world::World;

const PLAYERS: usize = 8;
const STATELESS: Game = Game { route: ECHO, login: None, pace: Duration::from_millis(4) };
const STATEFUL: Game = Game { route: PLAY, login: Some(LOGIN), pace: Duration::from_millis(4) };

pub(crate) fn stories() -> Vec<Trial> {
    vec![
        story("nodes_that_are_restarted_one_by_one_lose_nothing_on_etcd", || restart(World::on_etcd())),
        story("nodes_that_are_restarted_one_by_one_lose_nothing_on_consul", || restart(World::on_consul())),
        story("a_node_that_is_killed_costs_a_status_per_request_that_it_had", kill),
        story("users_of_a_node_that_is_killed_are_told_and_bind_again", kill_with_users),
    ]
}

async fn restart(world: World) {
    const ROUNDS: usize = 2;
    let gate = world.gate("g1");
    let (mut nodes, mut gone) = (vec![world.node("n1"), world.node("n2")], Vec::new());
    for node in &nodes {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    for round in 0..ROUNDS {
        for index in 0..nodes.len() {
            load.answers(50).await;
            let mut old = nodes.remove(index);
            old.terminate();
            let (status, took) = old.ended().await;
            assert!(status.success(), "{}: {status}", old.id());
            eprintln!("round {round}: {} has stopped within {took:?}", old.id());
            load.answers(50).await;
            nodes.insert(index, world.node(old.id()));
            gone.push(old);
            // It has its share of the load before the next one goes.
            until(async || !nodes[index].ledger().is_empty()).await;
        }
    }
    load.answers(50).await;
    let tally = load.stop().await;
    let handled = Handled::by(nodes.iter().chain(&gone));
    eprintln!("{tally:?}");
    let expected = Tally { sent: tally.sent, answered: tally.sent, connections: PLAYERS as u64, ..Tally::default() };
    assert_eq!(tally, expected);
    assert_eq!((handled.requests.len() as u64, handled.twice, handled.out_of_order), (tally.sent, 0, 0));
}

async fn kill() {
    let world = World::on_etcd();
    let gate = world.gate("g1");
    let (mut doomed, other) = (world.node("n1"), world.node("n2"));
    for node in [&doomed, &other] {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    load.answers(100).await;
    doomed.kill();
    load.answers(200).await;
    // It comes back under the same name.
    let back = world.node("n1");
    until(async || !back.ledger().is_empty()).await;
    load.answers(50).await;
    let tally = load.stop().await;
    let handled = Handled::by([&doomed, &other, &back]);
    eprintln!("{tally:?}, {} handled", handled.requests.len());
    // Only what it may have handled is not done by another one.
    let refused = tally.refused.get(&Code::UNKNOWN.0).copied().unwrap_or(0);
    let expected = Tally {
        sent: tally.sent,
        answered: tally.sent - refused,
        refused: tally.refused.clone(),
        connections: PLAYERS as u64,
        ..Tally::default()
    };
    assert_eq!((&tally, refused), (&expected, tally.refused()));
    assert!(refused <= (WINDOW * PLAYERS) as u64, "{refused}");
    // What waited for the one that is gone comes to another one behind what that had already.
    assert_eq!(handled.twice, 0);
    assert!((tally.answered..=tally.sent).contains(&(handled.requests.len() as u64)));
}

async fn kill_with_users() {
    let world = World::on_etcd();
    let gate = world.gate("g1");
    let (mut doomed, other) = (world.node("n1"), world.node("n2"));
    for node in [&doomed, &other] {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATEFUL);
    load.answers(100).await;
    let before = doomed.ledger().len();
    assert!(before > 0, "some of the users are on it");
    doomed.kill();
    // All players, hence also those whose node is gone.
    load.answers(100).await;
    let tally = load.stop().await;
    let handled = Handled::by([&doomed, &other]);
    eprintln!("{tally:?}, {} handled", handled.requests.len());
    let codes = [Code::UNKNOWN.0, Code::NOT_FOUND.0];
    assert!(tally.refused.keys().all(|code| codes.contains(code)), "{tally:?}");
    assert!(tally.refused() > 0);
    let expected = Tally {
        sent: tally.sent,
        answered: tally.sent - tally.refused(),
        refused: tally.refused.clone(),
        connections: PLAYERS as u64,
        ..Tally::default()
    };
    assert_eq!(tally, expected);
    assert_eq!((handled.twice, handled.out_of_order), (0, 0));
}

/// Waits until the gate hands requests to this node.
pub(crate) async fn knows(gate: &Member, node: &Member) {
    let client = due::Client::connect(&gate.addresses()[0]).await.unwrap();
    let body = due::codec::RawBody("0 0 0".into());
    until(async || {
        // Refused as long as there is no node at all.
        drop(client.request::<_, due::codec::RawBody>(due::RouteId(ECHO), &body).await);
        !node.ledger().is_empty()
    })
    .await;
    client.close().await;
}
