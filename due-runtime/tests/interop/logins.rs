//! One user, two sessions: the newest login wins, and of ours the older session is told and closed.

use due::RouteId;
use serde_json::json;

use crate::node::To;
use crate::on_both;
use crate::player::Player;
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE, Setup};

on_both!(
    who_was_on_the_gate_of_rust_is_closed_when_he_comes_to_that_of_go,
    who_was_on_the_gate_of_go_is_closed_when_he_comes_to_that_of_rust,
    the_gate_of_go_keeps_an_older_session_of_its_own,
    over_ws,
    over_kcp,
);

async fn over_ws(place: Place) {
    over("ws", place).await;
}

async fn over_kcp(place: Place) {
    over("kcp", place).await;
}

async fn over(network: &'static str, place: Place) {
    let fleet = Fleet::with(Setup { network, ..Setup::default() }, place).await;
    comes_from_rust_to_go(&fleet, 1001).await;
    comes_from_go_to_rust(&fleet, 1002).await;
}

async fn who_was_on_the_gate_of_rust_is_closed_when_he_comes_to_that_of_go(place: Place) {
    comes_from_rust_to_go(&Fleet::start(place).await, 1001).await;
}

async fn who_was_on_the_gate_of_go_is_closed_when_he_comes_to_that_of_rust(place: Place) {
    comes_from_go_to_rust(&Fleet::start(place).await, 1001).await;
}

async fn comes_from_rust_to_go(fleet: &Fleet, uid: i64) {
    let (older, newer) = (fleet.go_player(RUST_GATE).await, fleet.rust_player(GO_GATE).await);
    older.ask_text(3, &uid.to_string()).await;
    assert_eq!(fleet.world.gate_of(uid).await, "$6\r\ng-rust\r\n");
    the_newer_is_the_user(fleet, uid, (older, true), newer, GO_GATE).await;
}

async fn comes_from_go_to_rust(fleet: &Fleet, uid: i64) {
    let (older, newer) = (fleet.go_player(GO_GATE).await, fleet.rust_player(RUST_GATE).await);
    older.ask_text(3, &uid.to_string()).await;
    assert_eq!(fleet.world.gate_of(uid).await, "$4\r\ng-go\r\n");
    // When kcp-go closes, it forgets what the other's window does not take at once.
    let is_told = !fleet.url(GO_GATE).starts_with("kcp");
    the_newer_is_the_user(fleet, uid, (older, is_told), newer, RUST_GATE).await;
}

async fn the_newer_is_the_user(fleet: &Fleet, uid: i64, older: (Player, bool), newer: Player, gid: &str) {
    let (older, is_told) = older;
    newer.ask_text(3, &uid.to_string()).await;
    if is_told {
        assert_eq!(older.message(RouteId::STATUS).await["seq"], 0);
    }
    older.closed().await;
    for node in &fleet.nodes {
        node.ears.hear_a("disconnect").await;
    }
    assert_eq!(fleet.world.gate_of(uid).await, format!("${}\r\n{gid}\r\n", gid.len()));
    for node in &fleet.nodes {
        assert_eq!(node.locate_gate(uid).await.unwrap(), gid);
        node.push(&To::User(uid), b"for you").await.unwrap();
        assert_eq!(newer.push().await, b"for you");
    }
    newer.close().await;
    for node in &fleet.nodes {
        node.ears.hear_a("disconnect").await;
    }
}

async fn the_gate_of_go_keeps_an_older_session_of_its_own(place: Place) {
    let fleet = Fleet::start(place).await;
    let (older, newer) = (fleet.rust_player(GO_GATE).await, fleet.go_player(GO_GATE).await);
    older.ask_text(3, "1001").await;
    newer.ask_text(3, "1001").await;
    for node in &fleet.nodes {
        node.push(&To::User(1001), b"the newer").await.unwrap();
        assert_eq!(newer.push().await, b"the newer");
    }
    // It has no user any more, and stays.
    assert!(["n-rust", "n-go"].contains(&older.ask_text(2, "").await.as_str()));
    older.close().await;
    for node in &fleet.nodes {
        let left = node.ears.hear_a("disconnect").await;
        assert_eq!((&left["gid"], &left["uid"]), (&json!(GO_GATE), &json!(0)));
    }
    assert_eq!(fleet.world.gate_of(1001).await, "$4\r\ng-go\r\n");
}
