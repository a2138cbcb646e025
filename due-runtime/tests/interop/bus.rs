//! What servers tell each other by topic.

use std::time::{Duration, SystemTime};

use due::event::Subscription;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::ears::PATIENCE;
use crate::node::NodeOf;
use crate::on_both;
use crate::world::{Fleet, Place, Setup};

on_both!(events_are_heard_in_both_languages_over_redis, events_are_heard_in_both_languages_over_nats);

async fn events_are_heard_in_both_languages_over_redis(place: Place) {
    heard(Setup { go_node: json!({ "bus": "redis" }), ..Setup::default() }, place).await;
}

async fn events_are_heard_in_both_languages_over_nats(place: Place) {
    heard(Setup { nats: true, ..Setup::default() }, place).await;
}

async fn heard(setup: Setup, place: Place) {
    let fleet = Fleet::with(setup, place).await;
    let [rust, go] = &fleet.nodes;
    let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
    let events = rust.cluster().expect("ours").events();
    let mut heard = events.subscribe("login").await.unwrap();
    process.ask(json!({ "do": "subscribe-event", "topic": "login" })).await.unwrap();

    // Everybody hears everything, whoever says it.
    events.publish("login", r#"{"uid":1001,"name":"<li>"}"#).await.unwrap();
    let (ours, gos) = tokio::join!(next(&mut heard), go.ears.hear_a("event"));
    assert_eq!((ours.topic.as_str(), ours.payload.as_str()), ("login", r#"{"uid":1001,"name":"<li>"}"#));
    assert_eq!((gos["topic"].as_str(), gos["payload"].as_str()), (Some("login"), Some(ours.payload.as_str())));
    assert_eq!(
        (gos["id"].as_str(), nanos(ours.published)),
        (Some(ours.id.as_str()), gos["timestamp"].as_u64().unwrap())
    );

    let payloads: [(Value, &str); 5] = [
        (json!("text <b>"), "text <b>"),
        (json!(1001), "1001"),
        (json!(true), "true"),
        (json!({ "uid": 1001 }), r#"{"uid":1001}"#),
        (json!([1, "b"]), r#"[1,"b"]"#),
    ];
    for (payload, text) in payloads {
        process.ask(json!({ "do": "publish-event", "topic": "login", "payload": payload })).await.unwrap();
        let (ours, gos) = tokio::join!(next(&mut heard), go.ears.hear_a("event"));
        assert_eq!((ours.topic.as_str(), ours.payload.as_str()), ("login", text));
        assert_eq!((gos["id"].as_str(), gos["payload"].as_str()), (Some(ours.id.as_str()), Some(text)));
        // A UUID of version 1, and now.
        assert_eq!((ours.id.len(), &ours.id[14..15]), (36, "1"));
        assert!(ours.published.elapsed().unwrap() < Duration::from_secs(60));
    }
}

async fn next(events: &mut Subscription) -> due::event::Event {
    timeout(PATIENCE, events.next()).await.expect("an event in time").expect("an open bus")
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}
