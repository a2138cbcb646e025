//! Users who are bound to a node, and messages between nodes.

use due::registry::State;
use due::{Gid, Nid, ServerId};
use serde_json::{Value, json};

use crate::ears::text64;
use crate::node::NodePeer;
use crate::on_both;
use crate::support::redis::until;
use crate::world::{Fleet, GO_GATE, GO_NODE, Place, RUST_GATE, RUST_NODE};

on_both!(
    users_stay_with_their_node_whichever_it_is,
    nodes_deliver_to_each_other_and_answer,
    a_node_refuses_users_of_another,
    states_are_asked_for_and_set,
);

async fn users_stay_with_their_node_whichever_it_is(place: Place) {
    let fleet = Fleet::start(place).await;
    let mut uid = 1000;
    for gid in [RUST_GATE, GO_GATE] {
        for _ in 0..2 {
            uid += 1;
            let player = fleet.rust_player(gid).await;
            let home = player.ask_text(3, &uid.to_string()).await;
            let key = format!("due:locate:locate:user:{uid}:node");
            let mut redis = fleet.world.redis.raw().await;
            assert_eq!(redis.ask(&["HGET", &key, "game"]).await, format!("${}\r\n{home}\r\n", home.len()));
            for _ in 0..6 {
                assert_eq!(player.ask_text(4, "").await, home, "{gid}");
            }
            // The other language moves the user to its node.
            let other = fleet.nodes.iter().find(|node| node.nid != home).unwrap();
            other.bind_node(uid, "game", other.nid).await.unwrap();
            // Go's gate sends on to the node before until it has heard, and what that refuses is lost.
            fleet.go_gate.hears_of_node(uid, other.nid).await;
            until(async || player.ask_text(4, "").await == other.nid).await;
            for node in &fleet.nodes {
                until(async || node.locate_node(uid, "game").await.unwrap() == other.nid).await;
            }
            for _ in 0..6 {
                assert_eq!(player.ask_text(4, "").await, other.nid, "{gid}");
            }
            // Only who has the user can let him go.
            other.unbind_node(uid, "game", &home).await.unwrap();
            assert_eq!(player.ask_text(4, "").await, other.nid, "{gid}");
            assert_eq!(player.ask_text(6, "").await, other.nid, "{gid}");
            assert_eq!(redis.ask(&["EXISTS", &key]).await, ":0\r\n");
            for node in &fleet.nodes {
                until(async || node.locate_node(uid, "game").await.unwrap().is_empty()).await;
            }
        }
    }
}

async fn nodes_deliver_to_each_other_and_answer(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    // Of the routes, 13 is served by ours alone, 14 by the one of Go.
    for (from, to, route) in [(rust, go, 14), (go, rust, 13)] {
        for (nid, body) in [(Some(to.nid), &b"to it"[..]), (None, b"to whoever serves it")] {
            from.deliver(nid, route, 0, body).await.unwrap();
            let asked = to.heard(route).await;
            assert_eq!(asked, message(route, from, 0, body));
            assert_eq!(from.heard(route).await, message(route, to, 0, body), "the answer");
        }
        from.deliver(Some(to.nid), 11, 1001, b"about a user").await.unwrap();
        assert_eq!(to.heard(11).await, message(11, from, 1001, b"about a user"));

        // A route of users goes to where the user is.
        to.bind_node(1001, "game", to.nid).await.unwrap();
        until(async || from.locate_node(1001, "game").await.unwrap() == to.nid).await;
        from.deliver(None, 4, 1001, b"to his node").await.unwrap();
        assert_eq!(to.heard(4).await, message(4, from, 1001, b"to his node"));
        to.unbind_node(1001, "game", to.nid).await.unwrap();
    }
    // One after another, as they were sent.
    for (from, to) in [(rust, go), (go, rust)] {
        for i in 0..200 {
            from.deliver(Some(to.nid), 11, 0, format!("{i}").as_bytes()).await.unwrap();
        }
        for i in 0..200 {
            assert_eq!(to.heard(11).await["body"], text64(format!("{i}").as_bytes()));
        }
    }
}

fn message(route: i32, from: &NodePeer, uid: i64, body: &[u8]) -> Value {
    json!({
        "say": "request", "route": route, "seq": 0, "gid": "", "nid": from.nid, "cid": 0, "uid": uid, "body": text64(body),
    })
}

async fn a_node_refuses_users_of_another(place: Place) {
    let fleet = Fleet::start(place).await;
    let [rust, go] = &fleet.nodes;
    rust.bind_node(1001, "game", RUST_NODE).await.unwrap();
    until(async || go.locate_node(1001, "game").await.unwrap() == RUST_NODE).await;
    let told = rust.deliver(Some(GO_NODE), 4, 1001, b"").await.unwrap_err();
    assert_eq!(told, "user 1001 is not bound to node \"n-go\"");
    go.bind_node(1001, "game", GO_NODE).await.unwrap();
    until(async || rust.locate_node(1001, "game").await.unwrap() == GO_NODE).await;
    // Go asks for no answer: nothing is said, nothing is handled.
    go.deliver(Some(RUST_NODE), 4, 1001, b"").await.unwrap();
    go.deliver(Some(RUST_NODE), 11, 1001, b"behind it").await.unwrap();
    assert_eq!(rust.heard(11).await["body"], text64(b"behind it"));
    assert_eq!(rust.ears.take_all("request").len(), 0);
}

async fn states_are_asked_for_and_set(place: Place) {
    let fleet = Fleet::start(place).await;
    let ids: [ServerId; 4] = [
        Gid::from(RUST_GATE).into(),
        Gid::from(GO_GATE).into(),
        Nid::from(RUST_NODE).into(),
        Nid::from(GO_NODE).into(),
    ];
    for node in &fleet.nodes {
        for id in &ids {
            assert_eq!(node.state(id.clone()).await, Ok(State::Work), "{}: {id:?}", node.nid);
            node.set_state(id.clone(), State::Busy).await.unwrap();
            assert_eq!(node.state(id.clone()).await, Ok(State::Busy), "{}: {id:?}", node.nid);
            node.set_state(id.clone(), State::Work).await.unwrap();
        }
    }
    // A node registers its state; who is busy is passed over, and who is alone is not.
    let [rust, go] = &fleet.nodes;
    for (by, idle, busy) in [(rust, RUST_NODE, GO_NODE), (go, GO_NODE, RUST_NODE)] {
        by.set_state(Nid::from(busy).into(), State::Busy).await.unwrap();
        for gid in [RUST_GATE, GO_GATE] {
            let player = fleet.go_player(gid).await;
            let mut row = 0;
            until(async || {
                row = if player.ask_text(2, "").await == idle { row + 1 } else { 0 };
                row == 4
            })
            .await;
        }
        by.set_state(Nid::from(busy).into(), State::Work).await.unwrap();
        go.ears.knows("node", &json!({ RUST_NODE: "work", GO_NODE: "work" })).await;
    }
}
