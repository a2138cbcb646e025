//! Processes that end in the middle of a load, with every request counted.

use std::path::Path;

use due::{App, Backends, Codec};
use hello::v1::{GreetResponse, GreeterMock, GreeterRoutes};

use crate::load::{Ledger, Load};
use crate::process::Process;

const CLIENTS: usize = 8;
/// Answers to all clients together that are a load: each has had 50.
const A_WHILE: u64 = 50 * CLIENTS as u64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_leaves_no_request_without_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let [doomed, left, gate] = two_nodes_and_a_gate(dir.path());
    let mut load = Load::start(gate.address("tcp://"), CLIENTS).await;
    load.greeted_in_a_row(A_WHILE).await;
    doomed.kill();
    // Its last requests are refused within this row, and no more come.
    load.greeted_in_a_row(10 * A_WHILE).await;

    // A third one counts what it gets.
    let third = GreeterMock::new();
    third.greet().answers(|request| Ok(GreetResponse { code: 0, message: format!("hello {}~~", request.name) }));
    let node = due::Node::builder().id("c").serve(GreeterRoutes::new(third.clone())).build().unwrap();
    let node = App::new().backends(Backends::dir(dir.path()).codec(Codec::Json)).node(node).start().await.unwrap();
    while third.greet().requests().is_empty() {
        load.answers(1).await;
    }
    let before = third.greet().requests().len() as u64;
    load.answers(2 * A_WHILE).await;
    let share = third.greet().requests().len() as u64 - before;
    assert!(share >= A_WHILE / 2, "{share} of {}", 2 * A_WHILE);
    for ledger in load.finish().await {
        ledger.is_balanced();
        assert!(ledger.open.is_empty(), "{ledger:?}");
        for text in ledger.refused.keys() {
            assert_eq!(text, "the node was lost; it may have handled the request", "{ledger:?}");
        }
    }
    node.stop().await;
    for process in [gate, left] {
        process.signal("TERM");
        process.ended_well();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_told_to_stop_fail_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let [first, mut left, gate] = two_nodes_and_a_gate(dir.path());
    let mut load = Load::start(gate.address("tcp://"), CLIENTS).await;
    load.answers(A_WHILE).await;
    stop_under(&mut load, first).await;
    // An update: the new one comes, then the old one goes.
    for id in ["c", "d"] {
        let old = std::mem::replace(&mut left, Process::member("node", id, dir.path()));
        stop_under(&mut load, old).await;
        load.answers(A_WHILE).await;
    }
    for ledger in load.finish().await {
        ledger.is_balanced();
        assert_eq!(ledger.greeted, ledger.sent, "{ledger:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_again_and_again_serves_under_its_old_name() {
    let dir = tempfile::tempdir().unwrap();
    let [mut node, gate] = [("node", "a"), ("gate", "g")].map(|(kind, id)| Process::member(kind, id, dir.path()));
    let mut load = Load::start(gate.address("tcp://"), CLIENTS).await;
    for _ in 0..5 {
        load.greeted_in_a_row(A_WHILE).await;
        node.kill();
        load.answers(A_WHILE).await;
        node = Process::member("node", "a", dir.path());
    }
    load.greeted_in_a_row(10 * A_WHILE).await;
    for ledger in load.finish().await {
        ledger.is_balanced();
        assert!(ledger.open.is_empty(), "{ledger:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_is_told_to_stop_answers_what_it_has_read() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second, gate] = two_nodes_and_a_gate(dir.path());
    let mut load = Load::start(gate.address("tcp://"), CLIENTS).await;
    load.answers(A_WHILE).await;
    gate.signal("TERM");
    for ledger in load.ledgers().await {
        ledger.is_balanced();
        assert_eq!(ledger.farewells, ["the gate is stopping"], "{ledger:?}");
        assert!(ledger.refused.is_empty(), "{ledger:?}");
        // A gate reads in order: what is open is what it never read.
        let unread = ledger.sent - ledger.open.len() as u64;
        assert!(ledger.open.iter().copied().eq(unread..ledger.sent), "{ledger:?}");
    }
    gate.ended_well();
    for node in [first, second] {
        node.signal("TERM");
        node.ended_well();
    }
}

/// A gate that comes last knows the nodes from its first request on.
fn two_nodes_and_a_gate(dir: &Path) -> [Process; 3] {
    [("node", "a"), ("node", "b"), ("gate", "g")].map(|(kind, id)| Process::member(kind, id, dir))
}

async fn stop_under(load: &mut Load, process: Process) {
    process.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| process.ended_well());
    while !ended.is_finished() {
        load.answers(1).await;
    }
    ended.await.unwrap();
}

impl Ledger {
    /// Every request has one outcome.
    fn is_balanced(&self) {
        let refused: u64 = self.refused.values().sum();
        assert_eq!(self.greeted + refused + self.open.len() as u64, self.sent, "{self:?}");
    }
}
