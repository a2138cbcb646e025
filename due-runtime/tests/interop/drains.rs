//! One server after another is replaced, as in an update, and no player notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use due::CallError;
use due::registry::{Kind, State};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::node::{NodeOf, To};
use crate::on_both;
use crate::player::Player;
use crate::support::redis::until;
use crate::world::{Fleet, GO_GATE, GO_NODE, Place, RUST_GATE, RUST_NODE};

on_both!(
    a_node_of_go_leaves_without_a_loss,
    a_node_of_go_dies_and_nobody_waits_for_it,
    a_node_of_rust_leaves_without_a_loss,
    a_gate_of_go_leaves_when_its_clients_have,
    a_gate_of_rust_leaves_and_says_so,
);

/// Asks all the time, at both gates, and panics if one question has no answer.
struct Traffic {
    stop: CancellationToken,
    answers: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Traffic {
    async fn start(fleet: &Fleet) -> Self {
        let mut this = Self { stop: CancellationToken::new(), answers: Arc::default(), tasks: Vec::new() };
        for gid in [RUST_GATE, GO_GATE] {
            for _ in 0..3 {
                let player = fleet.rust_player(gid).await;
                let (stop, answers) = (this.stop.clone(), Arc::clone(&this.answers));
                this.tasks.push(tokio::spawn(async move {
                    while !stop.is_cancelled() {
                        let nid = player.ask_text(2, "").await;
                        assert!([RUST_NODE, GO_NODE].contains(&nid.as_str()), "{nid}");
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                }));
            }
        }
        this.flow(100).await;
        this
    }

    /// Until so many more are answered.
    async fn flow(&self, more: usize) {
        let goal = self.answers.load(Ordering::Relaxed) + more;
        until(async || self.answers.load(Ordering::Relaxed) >= goal).await;
    }

    async fn stop(self) {
        self.flow(300).await;
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("every question has an answer");
        }
    }
}

/// Until a gate's clients are answered by no other node.
async fn until_alone(player: &Player, nid: &str) {
    let mut row = 0;
    until(async || {
        row = if player.ask_text(2, "").await == nid { row + 1 } else { 0 };
        row == 20
    })
    .await;
}

async fn a_node_of_go_leaves_without_a_loss(place: Place) {
    let fleet = Fleet::start(place).await;
    let traffic = Traffic::start(&fleet).await;
    let players = [fleet.rust_player(RUST_GATE).await, fleet.rust_player(GO_GATE).await];
    let [rust, go] = fleet.nodes;
    for (player, uid) in players.iter().zip([1001, 1002]) {
        player.ask_text(3, &uid.to_string()).await;
        go.bind_node(uid, "game", GO_NODE).await.unwrap();
        fleet.go_gate.hears_of_node(uid, GO_NODE).await;
        until(async || player.ask_text(4, "").await == GO_NODE).await;
    }
    let NodeOf::Go(process) = go.of else { unreachable!("the second is of Go") };
    process.terminate();
    // It hangs: nobody new comes, who is bound to it stays.
    fleet.go_gate.ears.knows("node", &json!({ RUST_NODE: "work", GO_NODE: "hang" })).await;
    for player in &players {
        until_alone(player, RUST_NODE).await;
        assert_eq!(player.ask_text(4, "").await, GO_NODE);
    }
    // It waits for its users: one leaves by himself, ours takes the other off.
    assert_eq!(players[0].ask_text(6, "").await, GO_NODE);
    rust.unbind_node(1002, "game", GO_NODE).await.unwrap();
    process.stopped().await;
    fleet.go_gate.ears.knows("node", &json!({ RUST_NODE: "work" })).await;
    for player in &players {
        assert_eq!(player.ask_text(2, "").await, RUST_NODE);
    }
    traffic.stop().await;
    let cluster = rust.cluster().expect("ours");
    until(async || cluster.instances(Kind::Node).await.unwrap().len() == 1).await;
}

/// At our gate: Go's sends on to a node that died for as long as the registry has it.
async fn a_node_of_go_dies_and_nobody_waits_for_it(place: Place) {
    let fleet = Fleet::start(place).await;
    let player = fleet.rust_player(RUST_GATE).await;
    let [rust, go] = fleet.nodes;
    drop(go);
    let mut row = 0;
    until(async || {
        let asked = Instant::now();
        match player.try_ask(2, b"").await {
            Ok(nid) => {
                assert_eq!(nid, rust.nid.as_bytes());
                row += 1;
            }
            Err(error) => {
                assert!(matches!(error, CallError::Status(_)), "{error}");
                row = 0;
            }
        }
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
        row == 100
    })
    .await;
}

async fn a_node_of_rust_leaves_without_a_loss(place: Place) {
    let fleet = Fleet::start(place).await;
    let traffic = Traffic::start(&fleet).await;
    let [rust, _go] = fleet.nodes;
    let NodeOf::Rust(app) = rust.of else { unreachable!("the first is of Rust") };
    app.stop().await;
    fleet.go_gate.ears.knows("node", &json!({ GO_NODE: "work" })).await;
    traffic.stop().await;
}

async fn a_gate_of_go_leaves_when_its_clients_have(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, _] = &fleet.nodes;
    let player = fleet.go_player(GO_GATE).await;
    player.ask_text(3, "1001").await;
    let Fleet { go_gate, .. } = &fleet;
    go_gate.terminate();
    let cluster = rust.cluster().expect("ours");
    until(async || cluster.instances(Kind::Gate).await.unwrap().iter().any(|gate| gate.state == State::Hang)).await;
    for node in &fleet.nodes {
        node.push(&To::User(1001), b"still here").await.unwrap();
        assert_eq!(player.push().await, b"still here");
    }
    player.ask_text(1, "and asked").await;
    player.close().await;
    let Fleet { go_gate, nodes, .. } = fleet;
    go_gate.stopped().await;
    nodes[1].ears.knows("gate", &json!({ RUST_GATE: "work" })).await;
    until(async || cluster_of(&nodes).instances(Kind::Gate).await.unwrap().len() == 1).await;
}

fn cluster_of(nodes: &[crate::node::NodePeer; 2]) -> &due::Cluster {
    nodes[0].cluster().expect("ours")
}

async fn a_gate_of_rust_leaves_and_says_so(place: Place) {
    let fleet = Fleet::start(place).await;
    let player = fleet.go_player(RUST_GATE).await;
    player.ask_text(3, "1001").await;
    let Fleet { rust_gate, nodes, world, .. } = fleet;
    rust_gate.stop().await;
    player.closed().await;
    for node in &nodes {
        assert_eq!(node.ears.hear_a("disconnect").await["uid"], 1001, "{}", node.nid);
    }
    assert_eq!(world.gate_of(1001).await, "$-1\r\n");
    nodes[1].ears.knows("gate", &json!({ GO_GATE: "work" })).await;
}
