//! Events, as a redis sees them.

use std::time::{Duration, SystemTime};

use due::event::{EventBus, EventError, RedisBus, Subscription};
use due::redis::Redis;
use tokio::time::timeout;

use crate::chain;
use crate::log::Log;
use crate::support::free_port;
use crate::support::redis::{PATIENCE, Server, until};

async fn payload(events: &mut Subscription) -> String {
    timeout(PATIENCE, events.next()).await.expect("an event is heard").expect("the bus is open").payload
}

#[tokio::test]
async fn an_event_has_the_bytes_of_due() {
    let server = Server::start();
    for (bus, channel) in
        [(RedisBus::new(&server.redis()), "due:eventbus:login"), (RedisBus::with_prefix(&server.redis(), ""), "login")]
    {
        let mut raw = server.raw().await;
        raw.ask(&["SUBSCRIBE", channel]).await;
        let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        bus.publish("login", "{\"uid\":1001}").await.unwrap();
        let message = raw.reply().await;
        let after = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        let json = message.lines().last().unwrap();
        // {"id":"UUID", and so on
        let (id, timestamp) = (&json[7..43], &json[json.rfind(':').unwrap() + 1..json.len() - 1]);
        assert_eq!(
            json,
            format!(r#"{{"id":"{id}","topic":"login","payload":"{{\"uid\":1001}}","timestamp":{timestamp}}}"#)
        );
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!((before..=after).contains(&timestamp.parse().unwrap()));
        assert_eq!(
            message,
            format!("*3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n{json}\r\n", channel.len(), json.len())
        );
    }
}

#[tokio::test]
async fn events_of_others_are_heard_and_garbage_is_passed_over() {
    let log = Log::new();
    let server = Server::start();
    let bus = RedisBus::new(&server.redis());
    let mut events = bus.subscribe("login").await.unwrap();
    let mut raw = server.raw().await;
    for garbage in ["", "7", "{}", "{\"id\":\"a\",\"topic\":\"login\",\"payload\":7,\"timestamp\":1}"] {
        raw.ask(&["PUBLISH", "due:eventbus:login", garbage]).await;
    }
    let json = r#"{"id":"8f1e0ac0-ba5e-11ef-9cd2-0242ac120002","topic":"login","payload":"1001","timestamp":1700000000123456789}"#;
    raw.ask(&["PUBLISH", "due:eventbus:login", json]).await;
    let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    assert_eq!((event.id.as_str(), event.topic.as_str()), ("8f1e0ac0-ba5e-11ef-9cd2-0242ac120002", "login"));
    assert_eq!(event.payload, "1001");
    assert_eq!(event.published, SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789));
    assert_eq!(log.count("not an event; more are passed over"), 1, "{}", log.text());

    // One subscription in redis for all of one topic here, and none after the last has gone.
    let second = bus.subscribe("login").await.unwrap();
    assert!(raw.ask(&["PUBSUB", "NUMSUB", "due:eventbus:login"]).await.ends_with(":1\r\n"));
    drop((events, second));
    until(async || raw.ask(&["PUBSUB", "CHANNELS"]).await == "*0\r\n").await;
}

#[tokio::test]
async fn subscriptions_outlive_a_redis() {
    let mut server = Server::start();
    let (here, there) = (RedisBus::new(&server.redis()), RedisBus::new(&server.redis()));
    let mut events = here.subscribe("login").await.unwrap();
    there.publish("login", "before").await.unwrap();
    assert_eq!(payload(&mut events).await, "before");
    server.kill();
    assert!(matches!(there.publish("login", "lost").await.unwrap_err(), EventError::Unreachable(_)));
    server.revive();
    let mut raw = server.raw().await;
    until(async || raw.ask(&["PUBSUB", "NUMSUB", "due:eventbus:login"]).await.ends_with(":1\r\n")).await;
    until(async || there.publish("login", "after").await.is_ok()).await;
    assert_eq!(payload(&mut events).await, "after");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_time() {
    let addr = format!("127.0.0.1:{}", free_port());
    let redis = Redis::builder().addr(&addr).timeout(Duration::from_millis(300)).build().unwrap();
    let bus = RedisBus::new(&redis);
    let expected = format!("event bus is unreachable: redis at {addr} is not ready: Connection refused");
    for error in [bus.publish("login", "").await.unwrap_err(), bus.subscribe("login").await.unwrap_err()] {
        assert!(matches!(error, EventError::Unreachable(_)));
        assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
    }
    let server = Server::start_with(&["--requirepass", "secret"]);
    let bus = RedisBus::new(&Redis::builder().addr(server.addr()).password("wrong").build().unwrap());
    for error in [bus.publish("login", "").await.unwrap_err(), bus.subscribe("login").await.unwrap_err()] {
        assert!(matches!(error, EventError::Refused(_)), "{}", chain(&error));
    }
}
