//! Who joins a cluster that is at work loses nothing, from the first request on.

use std::time::Duration;

use due::Gate;
use due::packet::Format;
use due::transport::tcp::Tcp;
use serde_json::json;

use crate::on_both;
use crate::player::Player;
use crate::world::{Fleet, GO_NODE, Place, RUST_GATE, World};

on_both!(a_gate_is_known_when_it_accepts_clients, a_node_of_go_knows_its_gates_when_it_is_asked);

async fn a_gate_is_known_when_it_accepts_clients(place: Place) {
    let world = World::new(place);
    let node = world.go_node(GO_NODE, json!({})).await;
    node.ears.knows("node", &json!({ GO_NODE: "work" })).await;
    for gid in [RUST_GATE, "g-rust-2"] {
        let gate = Gate::builder().id(gid).transport(Tcp::bind("127.0.0.1:0").await.unwrap());
        let gate = world.rust_gate(gate.heartbeat_interval(Duration::from_secs(1))).await;
        let player = Player::rust(gate.addresses().next().expect("one listener"), &Format::new()).await;
        assert_eq!(player.ask_text(2, "").await, GO_NODE);
        player.close().await;
        gate.stop().await;
    }
}

async fn a_node_of_go_knows_its_gates_when_it_is_asked(place: Place) {
    const NEW: &str = "n-go-2";
    let fleet = Fleet::start(place).await;
    let player = fleet.rust_player(RUST_GATE).await;
    let play = async {
        let mut by_the_new_one = 0;
        while by_the_new_one < 10 {
            by_the_new_one += usize::from(player.ask_text(2, "").await == NEW);
        }
    };
    let (_node, ()) = tokio::join!(fleet.world.go_node(NEW, json!({})), play);
}
