//! Members that cannot reach each other, though each of them runs, and everybody else reaches both.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::firewall::Firewall;
use crate::fleet::{ECHO, Handled};
use crate::load::{Game, Load, Tally, WINDOW};
use crate::nodes::knows;
use crate::story;
use crate::support::redis::until;
use crate::world::World;

const PLAYERS: usize = 4;
const STATELESS: Game = Game { route: ECHO, login: None, pace: Duration::from_millis(4) };
/// Much shorter than what anybody takes for an end.
const MOMENT: Duration = Duration::from_secs(2);

pub(crate) fn stories() -> Vec<Trial> {
    vec![
        story("a_moment_without_packets_only_delays", moment),
        story("a_node_that_the_gate_does_not_reach_costs_a_status_per_request_that_it_had", one_node),
        story("a_gate_that_reaches_no_node_says_so_and_finds_them_again", all_nodes),
    ]
}

async fn moment() {
    let (world, [at_first, at_second]) = (World::on_etcd(), [host(1), host(2)]);
    let gate = world.gate("g1");
    let nodes = [world.node_on(&at_first, "n1"), world.node_on(&at_second, "n2")];
    for node in &nodes {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    load.answers(50).await;
    let firewall = Firewall::around(&[&at_first]);
    tokio::time::sleep(MOMENT).await;
    drop(firewall);
    load.answers(50).await;
    let (tally, handled) = (load.stop().await, Handled::by(&nodes));
    eprintln!("{tally:?}");
    let expected = Tally { sent: tally.sent, answered: tally.sent, connections: PLAYERS as u64, ..Tally::default() };
    assert_eq!(tally, expected);
    assert_eq!((handled.requests.len() as u64, handled.twice, handled.out_of_order), (tally.sent, 0, 0));
}

async fn one_node() {
    let (world, far) = (World::on_etcd(), host(3));
    let gate = world.gate("g1");
    let nodes = [world.node_on(&far, "n1"), world.node("n2")];
    for node in &nodes {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    load.answers(50).await;
    let firewall = Firewall::around(&[&far]);
    // As soon as the gate has given the other one up, each player is served by this one alone.
    load.answers(100).await;
    drop(firewall);
    back(&load, &nodes).await;
    settle(load.stop().await, &nodes, (PLAYERS * WINDOW) as u64);
}

async fn all_nodes() {
    let (world, at_gate, at_nodes) = (World::on_etcd(), host(4), host(5));
    let gate = world.gate_on(&at_gate, "g1");
    let nodes = [world.node_on(&at_nodes, "n1"), world.node_on(&at_nodes, "n2")];
    for node in &nodes {
        knows(&gate, node).await;
    }
    let load = Load::start(PLAYERS, gate.addresses().to_vec(), STATELESS);
    load.answers(50).await;
    let firewall = Firewall::around(&[&at_gate, &at_nodes]);
    load.refusals(1).await;
    drop(firewall);
    back(&load, &nodes).await;
    settle(load.stop().await, &nodes, u64::MAX);
}

/// Waits until all nodes work again.
async fn back(load: &Load, nodes: &[crate::fleet::Member]) {
    for node in nodes {
        let before = node.ledger().len();
        until(async || node.ledger().len() > before + 20).await;
    }
    load.answers(50).await;
}

fn settle(tally: Tally, nodes: &[crate::fleet::Member], at_most: u64) {
    let handled = Handled::by(nodes);
    eprintln!("{tally:?}, {} handled", handled.requests.len());
    let expected = Tally {
        sent: tally.sent,
        answered: tally.sent - tally.refused(),
        refused: tally.refused.clone(),
        connections: PLAYERS as u64,
        ..Tally::default()
    };
    assert_eq!(tally, expected);
    assert!(tally.refused() > 0, "what is on a broken connection is not asked twice");
    assert!(tally.refused() <= at_most, "what nobody has got is asked again: {tally:?}");
    assert_eq!(handled.twice, 0);
}

/// An address that no other test uses.
fn host(number: u8) -> String {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    format!("127.{}.{low}.{number}", high | 1)
}
