//! The connections between servers: what they keep in order, and how long they last.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use due::registry::Kind;
use serde_json::json;

use crate::ears::text64;
use crate::node::{NodeOf, NodePeer, PUSH, To};
use crate::on_both;
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE};

on_both!(what_one_client_sends_stays_in_order, what_is_pushed_to_one_client_stays_in_order);

const MANY: u32 = 500;

async fn what_one_client_sends_stays_in_order(place: Place) {
    let fleet = Fleet::start(place).await;
    for gid in [RUST_GATE, GO_GATE] {
        let player = fleet.rust_player(gid).await;
        for i in 0..MANY {
            player.send(11, format!("{i}").as_bytes()).await;
        }
        // Gates take turns, so each node has every second one.
        let mut firsts = Vec::new();
        for node in &fleet.nodes {
            let first = number(&node.heard(11).await);
            for i in (first..MANY).step_by(2).skip(1) {
                assert_eq!(number(&node.heard(11).await), i, "{gid}, {}", node.nid);
            }
            firsts.push(first);
        }
        firsts.sort_unstable();
        assert_eq!(firsts, [0, 1], "{gid}");
    }
}

fn number(request: &serde_json::Value) -> u32 {
    String::from_utf8(crate::ears::bytes64(&request["body"])).unwrap().parse().unwrap()
}

async fn what_is_pushed_to_one_client_stays_in_order(place: Place) {
    let fleet = Fleet::start(place).await;
    for (gid, uid) in [(RUST_GATE, 1001), (GO_GATE, 1002)] {
        let player = fleet.go_player(gid).await;
        player.ask_text(3, &uid.to_string()).await;
        for node in &fleet.nodes {
            for i in 0..MANY {
                push_unasked(node, uid, i).await;
            }
            for i in 0..MANY {
                assert_eq!(player.push().await, i.to_be_bytes(), "{gid}, {}", node.nid);
            }
        }
    }
}

/// As most are: without an answer, where the language has such a push.
async fn push_unasked(node: &NodePeer, uid: i64, i: u32) {
    let body = i.to_be_bytes();
    match &node.of {
        NodeOf::Rust(_) => node.push(&To::User(uid), &body).await.unwrap(),
        NodeOf::Go(go) => {
            let push = json!({ "do": "push", "uid": uid, "route": PUSH, "body": text64(&body) });
            go.ask(push).await.unwrap();
        }
    }
}

/// Go's servers close a connection on which nothing came for 20 s, and so do ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_carry_nothing_stay_open() {
    let fleet = Fleet::start(Place::etcd()).await;
    let [rust, go] = &fleet.nodes;
    for (gid, uid) in [(RUST_GATE, 1001), (GO_GATE, 1002)] {
        let player = fleet.go_player(gid).await;
        for node in [rust, go] {
            node.bind_node(uid, "game", node.nid).await.unwrap();
            node.deliver(Some(if node.nid == rust.nid { go.nid } else { rust.nid }), 11, 0, b"").await.unwrap();
        }
        player.ask_text(3, &uid.to_string()).await;
        rust.push(&To::User(uid), b"").await.unwrap();
        go.push(&To::User(uid), b"").await.unwrap();
    }
    let mut ports = BTreeSet::new();
    let cluster = rust.cluster().expect("ours");
    for kind in [Kind::Gate, Kind::Node] {
        for instance in cluster.instances(kind).await.unwrap().iter() {
            let (_, port) = instance.address().expect("an address").rsplit_once(':').expect("a port");
            ports.insert(port.parse().unwrap());
        }
    }
    let before = connections(&ports);
    // Each gate to the node of the other language, each node to both gates and to the other node, by five of Go.
    assert!(before.len() >= 2 * 5, "{before:?}");
    tokio::time::sleep(Duration::from_secs(32)).await;
    let after = connections(&ports);
    assert_eq!(before.difference(&after).count(), 0, "of {before:?} are left {after:?}");
}

/// Both ports of every open connection to one of these.
fn connections(ports: &BTreeSet<u16>) -> BTreeSet<(u16, u16)> {
    const ESTABLISHED: &str = "01";
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':').expect("a port").1, 16).unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let open = rows.filter(|row| row[3] == ESTABLISHED).map(|row| (port(row[1]), port(row[2])));
    open.filter(|(local, _)| ports.contains(local)).collect()
}
