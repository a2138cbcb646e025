//! What nodes hear of the sessions of gates.

use serde_json::{Value, json};

use crate::on_both;
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE};

on_both!(every_node_hears_of_every_session);

async fn every_node_hears_of_every_session(place: Place) {
    let fleet = Fleet::start(place).await;
    for gid in [RUST_GATE, GO_GATE] {
        for is_go in [false, true] {
            let player = if is_go { fleet.go_player(gid).await } else { fleet.rust_player(gid).await };
            let mut cids = Vec::new();
            for node in &fleet.nodes {
                let connect = node.ears.hear_a("connect").await;
                assert_eq!(connect, event("connect", gid, &connect["cid"], 0));
                cids.push(connect["cid"].clone());
            }
            assert_eq!(cids[0], cids[1]);
            let cid = &cids[0];
            // A login is told as often as it is said, and so is one of somebody else.
            for uid in [1001, 1001, 1002] {
                player.ask_text(3, &uid.to_string()).await;
                for node in &fleet.nodes {
                    assert_eq!(node.ears.hear_a("reconnect").await, event("reconnect", gid, cid, uid), "{}", node.nid);
                }
            }
            player.close().await;
            for node in &fleet.nodes {
                assert_eq!(node.ears.hear_a("disconnect").await, event("disconnect", gid, cid, 1002), "{}", node.nid);
                for nothing_more in ["reconnect", "disconnect"] {
                    assert_eq!(node.ears.take_all(nothing_more), [] as [Value; 0]);
                }
            }
        }
    }
    // Who has logged out is nobody when he leaves.
    for gid in [RUST_GATE, GO_GATE] {
        let player = fleet.go_player(gid).await;
        player.ask_text(3, "1003").await;
        player.ask_text(5, "").await;
        assert_eq!(fleet.world.gate_of(1003).await, "$-1\r\n");
        player.close().await;
        for node in &fleet.nodes {
            let cid = node.ears.hear_a("connect").await["cid"].clone();
            assert_eq!(node.ears.hear_a("reconnect").await, event("reconnect", gid, &cid, 1003));
            assert_eq!(node.ears.hear_a("disconnect").await, event("disconnect", gid, &cid, 0));
        }
    }
}

fn event(say: &str, gid: &str, cid: &Value, uid: i64) -> Value {
    json!({ "say": say, "gid": gid, "cid": cid, "uid": uid })
}
