//! Events, as a nats sees them.

use std::time::{Duration, SystemTime};

use due::event::{EventBus, EventError, NatsBus, NatsSetupError};
use tokio::time::timeout;

use crate::log::Log;
use crate::support::Nats;
use crate::{PATIENCE, chain, payload};

fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
}

#[tokio::test]
async fn an_event_has_the_bytes_of_due() {
    let server = Nats::start();
    for (bus, subject) in
        [(server.bus(), "due:eventbus:login"), (server.builder().prefix("").build().unwrap(), "login")]
    {
        let mut raw = server.raw().await;
        raw.ask(&format!("SUB {subject} 7\r\n")).await;
        let before = now();
        bus.publish("login", "{\"uid\":1001}").await.unwrap();
        let after = now();
        let line = raw.line().await;
        let length: usize = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(line, format!("MSG {subject} 7 {length}\r\n"));
        let message = String::from_utf8(raw.bytes(length + 2).await).unwrap();
        let json = message.strip_suffix("\r\n").unwrap();
        // {"id":"UUID", and so on
        let (id, timestamp) = (&json[7..43], &json[json.rfind(':').unwrap() + 1..json.len() - 1]);
        assert_eq!(
            json,
            format!(r#"{{"id":"{id}","topic":"login","payload":"{{\"uid\":1001}}","timestamp":{timestamp}}}"#)
        );
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&id[14..15], "1", "a UUID of version 1: {id}");
        assert!((before..=after).contains(&timestamp.parse().unwrap()));
    }
}

#[tokio::test]
async fn events_of_others_are_heard_and_garbage_is_passed_over() {
    let log = Log::new();
    let server = Nats::start();
    let bus = server.bus();
    let mut events = bus.subscribe("login").await.unwrap();
    let mut raw = server.raw().await;
    for garbage in ["", "7", "{}", "{\"id\":\"a\",\"topic\":\"login\",\"payload\":7,\"timestamp\":1}"] {
        raw.publish("due:eventbus:login", garbage).await;
    }
    let json = r#"{"id":"8f1e0ac0-ba5e-11ef-9cd2-0242ac120002","topic":"login","payload":"1001","timestamp":1700000000123456789}"#;
    raw.publish("due:eventbus:login", json).await;
    let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
    assert_eq!((event.id.as_str(), event.topic.as_str()), ("8f1e0ac0-ba5e-11ef-9cd2-0242ac120002", "login"));
    assert_eq!(event.payload, "1001");
    assert_eq!(event.published, SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789));
    assert_eq!(log.count("not an event; more are passed over"), 1, "{}", log.text());
}

#[tokio::test]
async fn what_is_no_subject_is_no_topic() {
    let server = Nats::start();
    let bus = server.bus();
    let long = "a".repeat(1012);
    for (topic, reason) in [
        ("log in", "nats takes no white space and no control characters"),
        ("login\r\nPING", "nats takes no white space and no control characters"),
        ("login.", "nats takes nothing empty between dots"),
        ("a..b", "nats takes nothing empty between dots"),
        ("user.*", "nats takes * and > for wildcards"),
        ("user.>", "nats takes * and > for wildcards"),
        (&long, "nats takes 1024 bytes at most, with the prefix"),
    ] {
        for error in [bus.publish(topic, "").await.unwrap_err(), bus.subscribe(topic).await.unwrap_err()] {
            assert!(matches!(error, EventError::Topic { .. }), "{error:?}");
            assert_eq!(error.to_string(), format!("{topic:?} cannot be a topic: {reason}"));
        }
    }
    let mut events = bus.subscribe(&long[1..]).await.unwrap();
    bus.publish(&long[1..], "fits").await.unwrap();
    assert_eq!(payload(&mut events).await, "fits");
}

#[tokio::test]
async fn a_login_is_in_the_url() {
    let user = Nats::with("authorization { user: li, password: \"p@ss:w/rd\" }");
    let token = Nats::with("authorization { token: s3cret }");
    let url = |login: &str, server: &Nats| format!("nats://{login}@{}", server.addr());
    for url in [url("li:p%40ss:w%2Frd", &user), url("s3cret", &token)] {
        let bus = NatsBus::builder().url(&url).build().unwrap();
        bus.publish("login", "1").await.unwrap();
    }
    for (url, server) in
        [(url("li:wrong", &user), &user), (format!("nats://{}", user.addr()), &user), (url("wrong", &token), &token)]
    {
        let bus = NatsBus::builder().url(&url).build().unwrap();
        assert!(!format!("{bus:?}").contains("wrong"), "{bus:?}");
        for error in [bus.publish("login", "").await.unwrap_err(), bus.subscribe("login").await.unwrap_err()] {
            assert!(matches!(error, EventError::Refused(_)), "{}", chain(&error));
            let expected = format!("event bus refused the request: nats at {} says no: ", server.addr());
            assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
            assert!(chain(&error).contains("authorization violation"), "{}", chain(&error));
        }
    }
}

#[tokio::test]
async fn what_permissions_forbid_is_refused() {
    let server = Nats::with(
        "authorization { users: [ { user: li, password: x, permissions: {
            publish: [\"due:eventbus:login\", \"_INBOX.>\"], subscribe: [\"due:eventbus:login\", \"_INBOX.>\"] } },
          { user: wu, password: x, permissions: { publish: \"due:eventbus:login\", subscribe: \"due:eventbus:login\" } } ] }",
    );
    let bus = NatsBus::builder().url(format!("nats://li:x@{}", server.addr())).build().unwrap();
    let mut events = bus.subscribe("login").await.unwrap();
    for (error, deed) in [
        (bus.publish("secret", "").await.unwrap_err(), "Publish to"),
        (bus.subscribe("secret").await.unwrap_err(), "Subscription to"),
    ] {
        assert!(matches!(error, EventError::Refused(_)), "{}", chain(&error));
        let expected = format!("Permissions Violation for {deed} \"due:eventbus:secret\"");
        assert!(chain(&error).contains(&expected), "{}", chain(&error));
    }
    bus.publish("login", "still here").await.unwrap();
    assert_eq!(payload(&mut events).await, "still here");

    let bus = NatsBus::builder().url(format!("nats://wu:x@{}", server.addr())).build().unwrap();
    let error = bus.publish("login", "").await.unwrap_err();
    assert!(matches!(error, EventError::Refused(_)), "{}", chain(&error));
    assert!(chain(&error).contains("Permissions Violation for Subscription to \"_INBOX."), "{}", chain(&error));
}

#[tokio::test]
async fn an_event_that_is_too_long_is_refused() {
    let server = Nats::with("max_payload: 1000");
    let bus = server.bus();
    let error = bus.publish("login", &"x".repeat(1000)).await.unwrap_err();
    assert!(matches!(error, EventError::Refused(_)), "{}", chain(&error));
    assert!(chain(&error).contains("max payload size exceeded"), "{}", chain(&error));
    bus.publish("login", &"x".repeat(800)).await.unwrap();
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    let refused = |url: &str| NatsBus::builder().url(url).build().unwrap_err().to_string();
    for url in ["", "http://127.0.0.1:1", "nats://", "nats://a:b@", "nats://a:%zz@b", "nats://b/path", "ws://b"] {
        assert_eq!(refused(url), "server 1 of the url is not of the form nats://host:port or tls://host:port", "{url}");
    }
    assert!(refused("nats://a:1,nats://b:x").starts_with("server 2 of the url"));
    assert!(matches!(NatsBus::builder().url("nats://u:p@a,nats://b").build(), Err(NatsSetupError::Logins)));
    let error = NatsBus::builder().prefix("due.*").build().unwrap_err();
    assert_eq!(error.to_string(), "\"due.*\" cannot be a prefix: nats takes * and > for wildcards");
    let error = NatsBus::builder().ca_file("/does/not/exist.pem").build().unwrap_err();
    assert!(chain(&error).starts_with("cannot read /does/not/exist.pem: "), "{}", chain(&error));
    let builder = NatsBus::builder().url("nats://li:secret@a");
    assert!(!format!("{builder:?}").contains("secret"));
}
