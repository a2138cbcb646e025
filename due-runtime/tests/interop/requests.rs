//! What clients ask, and what they are answered, through every gate and by every node.

use std::time::Duration;

use due::packet::{ByteOrder, Format, HeartbeatTime, RouteWidth, SeqWidth};
use serde_json::{Value, json};

use crate::ears::text64;
use crate::node::go_routes;
use crate::on_both;
use crate::player::Player;
use crate::world::{Fleet, GO_GATE, GO_NODE, Place, RUST_GATE, RUST_NODE, Setup};

on_both!(
    every_client_is_answered_by_every_node_through_every_gate,
    and_over_ws,
    and_over_kcp,
    and_in_the_widest_little_endian_packets,
    and_in_the_narrowest,
    clients_that_say_nothing_are_heard_by_their_heartbeats,
    routes_that_answer_nothing_hold_nobody_up,
);

async fn every_client_is_answered_by_every_node_through_every_gate(place: Place) {
    answered(&Fleet::start(place).await).await;
}

async fn and_over_ws(place: Place) {
    answered(&Fleet::with(Setup { network: "ws", ..Setup::default() }, place).await).await;
}

async fn and_over_kcp(place: Place) {
    answered(&Fleet::with(Setup { network: "kcp", ..Setup::default() }, place).await).await;
}

async fn and_in_the_widest_little_endian_packets(place: Place) {
    let format = Format::new().byte_order(ByteOrder::Little).route_width(RouteWidth::Four).seq_width(SeqWidth::Four);
    let packet = "byteOrder = 'little'\nrouteBytes = 4\nseqBytes = 4\nheartbeatTime = true\n";
    let format = format.heartbeat_time(HeartbeatTime::Nanos);
    answered(&Fleet::with(Setup { format, packet, ..Setup::default() }, place).await).await;
}

async fn and_in_the_narrowest(place: Place) {
    let format = Format::new().route_width(RouteWidth::One).seq_width(SeqWidth::One);
    let packet = "routeBytes = 1\nseqBytes = 1\n";
    answered(&Fleet::with(Setup { format, packet, ..Setup::default() }, place).await).await;
}

async fn clients_that_say_nothing_are_heard_by_their_heartbeats(place: Place) {
    let fleet = Fleet::start(place).await;
    let mut players = Vec::new();
    for gid in [RUST_GATE, GO_GATE] {
        players.extend([fleet.rust_player(gid).await, fleet.go_player(gid).await]);
    }
    // Everybody waits for three intervals of a second at most for somebody who is silent.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    for player in &players {
        assert_eq!(player.ask(1, b"still here").await, b"still here");
    }
    for node in &fleet.nodes {
        assert_eq!(node.ears.take_all("disconnect"), [] as [Value; 0]);
    }
}

/// Nodes of Go do not say which of their routes answer, and many do not: what they have counts for nothing.
async fn routes_that_answer_nothing_hold_nobody_up(place: Place) {
    const SILENT: i32 = 12;
    let mut routes = go_routes();
    routes.as_array_mut().expect("a list").push(json!({ "id": SILENT, "do": "note" }));
    let fleet = Fleet::with(Setup { go_node: json!({ "routes": routes }), ..Setup::default() }, place).await;
    for gid in [RUST_GATE, GO_GATE] {
        for player in [fleet.rust_player(gid).await, fleet.go_player(gid).await] {
            for seq in 1..=1000 {
                player.send_numbered(SILENT, seq, b"").await;
            }
            assert_eq!(player.ask(1, b"behind them").await, b"behind them");
            for seq in 1..=1000 {
                assert_eq!(fleet.nodes[1].heard(SILENT).await["seq"], seq, "{gid}");
            }
            player.close().await;
        }
    }
}

async fn answered(fleet: &Fleet) {
    for gid in [RUST_GATE, GO_GATE] {
        both_answer(fleet, gid, &fleet.rust_player(gid).await).await;
        both_answer(fleet, gid, &fleet.go_player(gid).await).await;
    }
}

async fn both_answer(fleet: &Fleet, gid: &str, player: &Player) {
    // Gates take turns.
    let answers = [player.ask_text(2, "").await, player.ask_text(2, "").await];
    assert!(answers.contains(&RUST_NODE.to_owned()) && answers.contains(&GO_NODE.to_owned()), "{gid}: {answers:?}");
    for node in &fleet.nodes {
        let connect = node.ears.hear_a("connect").await;
        assert_eq!((&connect["gid"], &connect["uid"]), (&json!(gid), &json!(0)));
        let who = node.ears.hear_a("request").await;
        assert_eq!(without_seq(&who), request(gid, &connect["cid"], 2, b""));
    }
    // Nothing, every byte, and as much as due packs.
    let bodies: [Vec<u8>; 3] = [Vec::new(), (0..=255).collect(), vec![7; 5000]];
    for body in bodies {
        let mut seqs = Vec::new();
        for _ in 0..2 {
            assert!(player.ask(1, &body).await == body, "{gid}: {} bytes", body.len());
        }
        for node in &fleet.nodes {
            let heard = node.ears.hear_a("request").await;
            assert_eq!((&heard["route"], &heard["body"]), (&json!(1), &json!(text64(&body))), "{gid}, {}", node.nid);
            seqs.push(heard["seq"].as_i64().unwrap());
        }
        assert_eq!((seqs[0] - seqs[1]).abs(), 1, "{gid}: one after the other");
    }
}

fn without_seq(request: &Value) -> Value {
    let mut request = request.clone();
    request.as_object_mut().unwrap().remove("seq");
    request
}

fn request(gid: &str, cid: &Value, route: i32, body: &[u8]) -> Value {
    json!({ "say": "request", "route": route, "gid": gid, "nid": "", "cid": cid, "uid": 0, "body": text64(body) })
}
