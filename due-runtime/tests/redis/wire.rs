//! Every command, key, value and message, as a redis sees them.

use due::locator::{Locator, RedisLocator};
use due::{Gid, Nid};

use crate::LI;
use crate::support::redis::{Raw, Server};

const GATE_EVENTS: &str = "due:locate:locate:cluster:gate:event";
const NODE_EVENTS: &str = "due:locate:locate:cluster:node:event";

async fn hear(server: &Server, channel: &str) -> Raw {
    let mut raw = server.raw().await;
    let confirmed = format!("*3\r\n$9\r\nsubscribe\r\n${}\r\n{channel}\r\n:1\r\n", channel.len());
    assert_eq!(raw.ask(&["SUBSCRIBE", channel]).await, confirmed);
    raw
}

fn message(channel: &str, json: &str) -> String {
    format!("*3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n{json}\r\n", channel.len(), json.len())
}

#[tokio::test]
async fn a_gate_is_a_string_and_a_message() {
    let server = Server::start();
    let locator = RedisLocator::new(&server.redis());
    let (mut raw, mut events) = (server.raw().await, hear(&server, GATE_EVENTS).await);
    let key = "due:locate:locate:user:1001:gate";

    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    let bound = r#"{"uid":1001,"type":1,"insID":"g1","insKind":"gate","insName":""}"#;
    assert_eq!(events.reply().await, message(GATE_EVENTS, bound));
    assert_eq!(raw.ask(&["KEYS", "*"]).await, "*1\r\n$32\r\ndue:locate:locate:user:1001:gate\r\n");
    assert_eq!(raw.ask(&["GET", key]).await, "$2\r\ng1\r\n");
    assert_eq!(raw.ask(&["TTL", key]).await, ":-1\r\n");

    assert!(!locator.unbind_gate(LI, &Gid::from("g2")).await.unwrap());
    assert_eq!(raw.ask(&["GET", key]).await, "$2\r\ng1\r\n");
    assert!(locator.unbind_gate(LI, &Gid::from("g1")).await.unwrap());
    assert_eq!(raw.ask(&["DBSIZE"]).await, ":0\r\n");
    // Nothing was published of the one that changed nothing.
    let unbound = r#"{"uid":1001,"type":3,"insID":"g1","insKind":"gate","insName":""}"#;
    assert_eq!(events.reply().await, message(GATE_EVENTS, unbound));
}

#[tokio::test]
async fn nodes_are_a_hash_and_messages() {
    let server = Server::start();
    let locator = RedisLocator::new(&server.redis());
    let (mut raw, mut events) = (server.raw().await, hear(&server, NODE_EVENTS).await);
    let key = "due:locate:locate:user:1001:node";

    locator.bind_node(LI, "game", &Nid::from("n1")).await.unwrap();
    let bound = r#"{"uid":1001,"type":2,"insID":"n1","insKind":"node","insName":"game"}"#;
    assert_eq!(events.reply().await, message(NODE_EVENTS, bound));
    assert_eq!(raw.ask(&["HGETALL", key]).await, "*2\r\n$4\r\ngame\r\n$2\r\nn1\r\n");
    assert_eq!(raw.ask(&["TTL", key]).await, ":-1\r\n");

    assert!(!locator.unbind_node(LI, "game", &Nid::from("n2")).await.unwrap());
    assert!(!locator.unbind_node(LI, "mail", &Nid::from("n1")).await.unwrap());
    assert!(locator.unbind_node(LI, "game", &Nid::from("n1")).await.unwrap());
    assert_eq!(raw.ask(&["DBSIZE"]).await, ":0\r\n");
    let unbound = r#"{"uid":1001,"type":4,"insID":"n1","insKind":"node","insName":"game"}"#;
    assert_eq!(events.reply().await, message(NODE_EVENTS, unbound));
}

#[tokio::test]
async fn what_another_process_wrote_is_read() {
    let server = Server::start();
    let locator = RedisLocator::with_prefix(&server.redis(), "my");
    let mut raw = server.raw().await;
    raw.ask(&["SET", "my:locate:user:1001:gate", "g1", "EX", "1000"]).await;
    raw.ask(&["HSET", "my:locate:user:1001:node", "game", "n1", "mail", "n2", "none", ""]).await;
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(Gid::from("g1")));
    assert_eq!(locator.locate_node(LI, "mail").await.unwrap(), Some(Nid::from("n2")));
    assert_eq!(locator.locate_node(LI, "none").await.unwrap(), None, "Go reads what is missing as an empty string");
    let names: Vec<String> = locator.locate_nodes(LI).await.unwrap().into_keys().collect();
    assert_eq!(names, ["game", "mail"]);

    locator.bind_gate(LI, &Gid::from("g2")).await.unwrap();
    let left = raw.ask(&["TTL", "my:locate:user:1001:gate"]).await;
    let left: i64 = left.trim().trim_start_matches(':').parse().unwrap();
    assert!((1..=1000).contains(&left), "a time to live that somebody set stays: {left}");
}

#[tokio::test]
async fn commands_and_the_replies_of_scripts_are_those_of_due() {
    let server = Server::start();
    let locator = RedisLocator::new(&server.redis());
    let mut monitor = server.raw().await;
    assert_eq!(monitor.ask(&["MONITOR"]).await, "+OK\r\n");
    let (gid, nid) = (Gid::from("g1"), Nid::from("n1"));
    locator.bind_gate(LI, &gid).await.unwrap();
    locator.bind_node(LI, "game", &nid).await.unwrap();
    locator.locate_gate(LI).await.unwrap();
    locator.locate_node(LI, "game").await.unwrap();
    locator.locate_nodes(LI).await.unwrap();

    let (gate, node) = ("due:locate:locate:user:1001:gate", "due:locate:locate:user:1001:node");
    let gate_bound = r#"{"uid":1001,"type":1,"insID":"g1","insKind":"gate","insName":""}"#;
    let node_bound = r#"{"uid":1001,"type":2,"insID":"n1","insKind":"node","insName":"game"}"#;
    // A script tells who was there before; what it does to the key is what due's own command does.
    assert_eq!(command(&mut monitor).await[..1], ["EVAL"]);
    for expected in [
        vec!["GET", gate],
        vec!["SET", gate, "g1", "KEEPTTL"],
        vec!["PUBLISH", GATE_EVENTS, gate_bound],
        vec!["HSET", node, "game", "n1"],
        vec!["PUBLISH", NODE_EVENTS, node_bound],
        vec!["GET", gate],
        vec!["HGET", node, "game"],
        vec!["HGETALL", node],
    ] {
        assert_eq!(command(&mut monitor).await, expected);
    }

    // What the scripts answer to anybody.
    let mut raw = server.raw().await;
    locator.unbind_gate(LI, &gid).await.unwrap();
    locator.unbind_node(LI, "game", &nid).await.unwrap();
    let mut scripts = Vec::new();
    while scripts.len() < 2 {
        scripts.push(command(&mut monitor).await);
        scripts.retain(|words| words[0] == "EVAL");
    }
    for (script, words) in scripts.iter().zip([&["SET", gate, "g1"][..], &["HSET", node, "game", "n1"]]) {
        assert_eq!(script[2..4], ["1", words[1]]);
        let script: Vec<&str> = script.iter().map(String::as_str).collect();
        assert_eq!(raw.ask(&script).await, "*1\r\n$2\r\nNO\r\n");
        raw.ask(words).await;
        assert_eq!(raw.ask(&script).await, "*1\r\n$2\r\nOK\r\n");
        assert_eq!(raw.ask(&["EXISTS", words[1]]).await, ":0\r\n");
    }
}

/// The words of the next command of anybody: `+TIME [DB ADDRESS] "WORD" "WORD"`.
async fn command(monitor: &mut Raw) -> Vec<String> {
    let line = monitor.reply().await;
    let words = line.split_once("] ").unwrap().1;
    serde_json::Deserializer::from_str(words).into_iter().map(Result::unwrap).collect()
}
