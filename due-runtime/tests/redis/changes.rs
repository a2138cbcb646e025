//! What locators hear of each other.

use due::locator::{Change, Locator, RedisLocator};
use due::redis::Redis;
use due::{Gid, Nid, Uid};

use crate::log::Log;
use crate::support::redis::{Server, until};
use crate::{LI, next};

#[tokio::test]
async fn locators_hear_each_other() {
    let server = Server::start();
    let (here, there) = (RedisLocator::new(&server.redis()), RedisLocator::new(&server.redis()));
    let (mut one, mut two) = (here.changes().unwrap(), here.changes().unwrap());
    for changes in [&mut one, &mut two] {
        assert_eq!(next(changes).await, Change::Unknown, "what happened before is not known");
    }
    let (gid, nid, name) = (Gid::from("g1"), Nid::from("n1"), "game".to_owned());
    there.bind_gate(LI, &gid).await.unwrap();
    here.bind_node(LI, &name, &nid).await.unwrap();
    assert!(there.unbind_node(LI, &name, &nid).await.unwrap());
    assert!(!there.unbind_node(LI, &name, &nid).await.unwrap());
    assert!(here.unbind_gate(LI, &gid).await.unwrap());
    there.bind_gate(Uid(7), &gid).await.unwrap();
    // Gates and nodes have channels of their own; those of one user and kind keep their order.
    for changes in [&mut one, &mut two] {
        let mut heard = Vec::new();
        for _ in 0..5 {
            heard.push(next(changes).await);
        }
        let (of_gates, of_nodes): (Vec<_>, Vec<_>) =
            heard.into_iter().partition(|it| matches!(it, Change::GateBound { .. } | Change::GateUnbound { .. }));
        let expected = [
            Change::GateBound { uid: LI, gid: gid.clone() },
            Change::GateUnbound { uid: LI, gid: gid.clone() },
            Change::GateBound { uid: Uid(7), gid: gid.clone() },
        ];
        assert_eq!(of_gates, expected);
        let expected = [
            Change::NodeBound { uid: LI, name: name.clone(), nid: nid.clone() },
            Change::NodeUnbound { uid: LI, name: name.clone(), nid: nid.clone() },
        ];
        assert_eq!(of_nodes, expected);
    }

    drop((there, here));
    assert_eq!(one.next().await, None, "a locator that is gone tells nothing more");
}

#[tokio::test]
async fn garbage_on_the_channels_is_passed_over() {
    let log = Log::new();
    let server = Server::start();
    let locator = RedisLocator::new(&server.redis());
    let mut changes = locator.changes().unwrap();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    let mut raw = server.raw().await;
    let deep = "[".repeat(100_000);
    for channel in ["due:locate:locate:cluster:gate:event", "due:locate:locate:cluster:node:event"] {
        for garbage in ["", "null", "{}", "\0\r\n", "{\"uid\":1001,\"type\":9,\"insID\":\"g1\"}", &deep] {
            assert_eq!(raw.ask(&["PUBLISH", channel, garbage]).await, ":1\r\n");
        }
    }
    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::GateBound { uid: LI, gid: Gid::from("g1") });
    assert_eq!(log.count("not a change of a locator; more are passed over"), 1, "{}", log.text());
}

#[tokio::test]
async fn what_goes_and_comes_back_is_said_once() {
    let log = Log::new();
    let mut server = Server::start();
    let locator = RedisLocator::new(&server.redis());
    let mut changes = locator.changes().unwrap();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::GateBound { uid: LI, gid: Gid::from("g1") });

    for round in 1..=2 {
        server.kill();
        until(async || log.count("redis is not heard; this is tried until it is") == round).await;
        assert_eq!(log.count("redis is heard again"), round - 1);
        server.revive();
        assert_eq!(next(&mut changes).await, Change::Unknown, "what happened meanwhile is not known");
        assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(Gid::from("g1")));
        locator.bind_gate(LI, &Gid::from("g2")).await.unwrap();
        assert_eq!(next(&mut changes).await, Change::GateBound { uid: LI, gid: Gid::from("g2") });
        locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
        assert_eq!(next(&mut changes).await, Change::GateBound { uid: LI, gid: Gid::from("g1") });
        let text = log.text();
        assert_eq!(log.count("redis is not heard; this is tried until it is"), round, "{text}");
        assert_eq!(log.count("redis is heard again"), round, "{text}");
    }
}

#[tokio::test]
async fn a_redis_that_comes_later_is_heard_then() {
    let mut server = Server::start();
    let locator = RedisLocator::new(&server.redis());
    server.kill();
    let mut changes = locator.changes().unwrap();
    let mut early = std::pin::pin!(locator.changes().unwrap());
    assert!(futures_util::poll!(std::pin::pin!(early.next())).is_pending());
    server.revive();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::GateBound { uid: LI, gid: Gid::from("g1") });
}

#[tokio::test]
async fn channels_that_are_forbidden_cost_memory_and_no_calls() {
    let log = Log::new();
    let server = Server::start();
    let mut raw = server.raw().await;
    let words = ["ACL", "SETUSER", "li", "on", ">secret", "~*", "+@all", "resetchannels"];
    assert_eq!(raw.ask(&words).await, "+OK\r\n");
    let redis = Redis::builder().addr(server.addr()).username("li").password("secret").build().unwrap();
    let locator = RedisLocator::new(&redis);
    let mut changes = locator.changes().unwrap();
    // What is remembered is dropped again and again.
    assert_eq!(next(&mut changes).await, Change::Unknown);
    assert_eq!(next(&mut changes).await, Change::Unknown);

    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(Gid::from("g1")));
    assert!(locator.unbind_gate(LI, &Gid::from("g1")).await.unwrap());
    assert_eq!(log.count("a change of the locator was not published"), 2, "{}", log.text());
    assert_eq!(log.count("redis is not heard; this is tried until it is"), 1, "{}", log.text());

    assert_eq!(raw.ask(&["ACL", "SETUSER", "li", "allchannels"]).await, "+OK\r\n");
    until(async || log.count("redis is heard again") == 1).await;
    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    while next(&mut changes).await == Change::Unknown {}
}

#[tokio::test]
async fn a_connection_that_stands_still_is_made_anew() {
    let log = Log::new();
    let server = Server::start();
    let redis = Redis::builder().addr(server.addr()).timeout(std::time::Duration::from_millis(200)).build().unwrap();
    let locator = RedisLocator::new(&redis);
    let mut changes = locator.changes().unwrap();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    server.freeze();
    until(async || log.count("did not answer within 200ms") == 1).await;
    server.thaw();
    assert_eq!(next(&mut changes).await, Change::Unknown);
    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    assert_eq!(next(&mut changes).await, Change::GateBound { uid: LI, gid: Gid::from("g1") });
}
