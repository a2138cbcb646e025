//! What is said when redis is away, slow, or says no.

use std::time::{Duration, Instant};

use due::locator::{LocateError, Locator, RedisLocator};
use due::redis::{Redis, RedisBuilder, RedisSetupError};
use due::{Gid, Nid};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::free_port;
use crate::support::redis::{Server, until};
use crate::{LI, chain};

fn locator(redis: RedisBuilder) -> RedisLocator {
    RedisLocator::new(&redis.build().unwrap())
}

/// Every call, each of which fails.
async fn failures(locator: &RedisLocator) -> Vec<LocateError> {
    let (gid, nid) = (Gid::from("g1"), Nid::from("n1"));
    vec![
        locator.bind_gate(LI, &gid).await.unwrap_err(),
        locator.unbind_gate(LI, &gid).await.unwrap_err(),
        locator.locate_gate(LI).await.unwrap_err(),
        locator.bind_node(LI, "game", &nid).await.unwrap_err(),
        locator.unbind_node(LI, "game", &nid).await.unwrap_err(),
        locator.locate_node(LI, "game").await.unwrap_err(),
        locator.locate_nodes(LI).await.unwrap_err(),
    ]
}

#[tokio::test]
async fn nobody_there_is_a_clear_error_before_the_deadline() {
    let addr = format!("127.0.0.1:{}", free_port());
    let locator = locator(Redis::builder().addr(&addr));
    let begun = Instant::now();
    let errors = failures(&locator).await;
    assert!(begun.elapsed() < 7 * Duration::from_secs(3));
    for error in errors {
        assert!(matches!(error, LocateError::Unreachable(_)));
        let expected = format!("locator is unreachable: redis at {addr} is not ready: Connection refused");
        assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
    }
}

#[tokio::test]
async fn somebody_who_never_answers_costs_the_deadline_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    let timeout = Duration::from_millis(200);
    let locator = locator(Redis::builder().addr(&addr).timeout(timeout));
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let locator = locator.clone();
        calls.spawn(async move { failures(&locator).await });
    }
    for error in calls.join_all().await.into_iter().flatten() {
        assert!(matches!(error, LocateError::Unreachable(_)));
        let expected = format!("locator is unreachable: redis at {addr} did not answer within 200ms");
        assert_eq!(chain(&error), expected);
    }
    // One after another, and those of the others beside them.
    assert!(begun.elapsed() >= 7 * timeout);
    assert!(begun.elapsed() < 7 * timeout + Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_call_that_was_given_up_spoils_no_later_one() {
    let mut server = Server::start();
    let locator = locator(Redis::builder().addr(server.addr()).timeout(Duration::from_millis(300)));
    server.freeze();
    {
        let mut given_up = std::pin::pin!(locator.locate_gate(LI));
        assert!(futures_util::poll!(given_up.as_mut()).is_pending());
    }
    server.thaw();
    server.kill();
    server.revive();
    // Its deadline passes, and nobody looks.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(locator.locate_gate(LI).await.unwrap(), None);
}

#[tokio::test]
async fn calls_go_on_when_redis_is_back() {
    let mut server = Server::start();
    let locator = locator(Redis::builder().addr(server.addr()));
    let gid = Gid::from("g1");
    locator.bind_gate(LI, &gid).await.unwrap();
    for _ in 0..3 {
        server.kill();
        assert!(matches!(locator.locate_gate(LI).await.unwrap_err(), LocateError::Unreachable(_)));
        server.revive();
        assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(gid.clone()));
        assert!(locator.unbind_gate(LI, &gid).await.unwrap());
        locator.bind_gate(LI, &gid).await.unwrap();
    }
    // Nobody noticed.
    server.kill();
    server.revive();
    assert_eq!(locator.locate_gate(LI).await.unwrap(), Some(gid.clone()));
}

#[tokio::test]
async fn a_redis_that_stands_still_is_waited_for_until_the_deadline() {
    let server = Server::start();
    let locator = locator(Redis::builder().addr(server.addr()).timeout(Duration::from_millis(300)));
    let gid = Gid::from("g1");
    locator.bind_gate(LI, &gid).await.unwrap();
    server.freeze();
    for _ in 0..2 {
        let begun = Instant::now();
        let error = locator.locate_gate(LI).await.unwrap_err();
        assert!(matches!(error, LocateError::Unreachable(_)));
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
    server.thaw();
    until(async || locator.locate_gate(LI).await.is_ok_and(|found| found.as_ref() == Some(&gid))).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    for (redis, said) in [
        (Redis::builder().password("wrong"), "Password authentication failed"),
        (Redis::builder().username("li").password("secret"), "Password authentication failed"),
        (Redis::builder(), "NOAUTH"),
    ] {
        let redis = redis.addr(server.addr());
        assert!(!format!("{redis:?}").contains("secret") && !format!("{redis:?}").contains("wrong"), "{redis:?}");
        for error in failures(&locator(redis)).await {
            assert!(matches!(error, LocateError::Refused(_)), "{}", chain(&error));
            let expected = format!("locator refused the request: redis at {} says no: ", server.addr());
            assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
            assert!(chain(&error).contains(said), "{}", chain(&error));
        }
    }
    let locator = locator(Redis::builder().addr(server.addr()).password("secret").db(3));
    locator.bind_gate(LI, &Gid::from("g1")).await.unwrap();
    let mut raw = server.raw().await;
    raw.ask(&["AUTH", "secret"]).await;
    assert_eq!(raw.ask(&["DBSIZE"]).await, ":0\r\n");
    raw.ask(&["SELECT", "3"]).await;
    assert_eq!(raw.ask(&["DBSIZE"]).await, ":1\r\n");
}

#[tokio::test]
async fn a_redis_with_too_many_clients_is_asked_again() {
    let server = Server::start();
    let mut raw = server.raw().await;
    raw.ask(&["CONFIG", "SET", "maxclients", "1"]).await;
    let locator = locator(Redis::builder().addr(server.addr()));
    let error = locator.locate_gate(LI).await.unwrap_err();
    assert!(matches!(error, LocateError::Unreachable(_)), "{}", chain(&error));
    raw.ask(&["CONFIG", "SET", "maxclients", "100"]).await;
    assert_eq!(locator.locate_gate(LI).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_location_is_refused() {
    let server = Server::start();
    let locator = locator(Redis::builder().addr(server.addr()));
    let mut raw = server.raw().await;
    let (gate, node) = ("due:locate:locate:user:1001:gate", "due:locate:locate:user:1001:node");
    raw.ask(&["HSET", gate, "a", "b"]).await;
    raw.ask(&["SET", node, "n1"]).await;
    for error in [
        locator.locate_gate(LI).await.unwrap_err(),
        locator.unbind_gate(LI, &Gid::from("g1")).await.unwrap_err(),
        locator.bind_node(LI, "game", &Nid::from("n1")).await.unwrap_err(),
        locator.unbind_node(LI, "game", &Nid::from("n1")).await.unwrap_err(),
        locator.locate_node(LI, "game").await.unwrap_err(),
        locator.locate_nodes(LI).await.unwrap_err(),
    ] {
        assert!(matches!(error, LocateError::Refused(_)));
        assert!(chain(&error).contains("WRONGTYPE"), "{}", chain(&error));
    }
    raw.ask(&["EVAL", r"return redis.call('SET', KEYS[1], '\255\254')", "1", gate]).await;
    let error = locator.locate_gate(LI).await.unwrap_err();
    assert!(matches!(error, LocateError::Refused(_)), "{}", chain(&error));
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused() {
    let refused = |redis: RedisBuilder| redis.build().unwrap_err();
    for addr in ["", "redis", "redis:", ":6379", "redis:70000", "::1:6379", "redis://redis:6379", "[::1]"] {
        let error = refused(Redis::builder().addr(addr));
        assert_eq!(error.to_string(), format!("{addr:?} is not of the form host:port"));
    }
    Redis::builder().addr("[::1]:6379").build().unwrap();
    assert!(matches!(refused(Redis::builder().addrs([""; 0])), RedisSetupError::NoAddr));
    let several = ["127.0.0.1:1", "127.0.0.1:2"];
    assert!(matches!(refused(Redis::builder().addrs(several).db(1)), RedisSetupError::Db(1)));
    let error = refused(Redis::builder().ca_file("/does/not/exist.pem"));
    assert!(chain(&error).starts_with("cannot read /does/not/exist.pem: No such file"), "{}", chain(&error));
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.pem");
    std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for addrs in [&several[..1], &several] {
        let error = refused(Redis::builder().addrs(addrs.iter().copied()).ca_file(&garbage));
        assert!(matches!(error, RedisSetupError::Unusable(_)));
    }
}
