use std::future::Future;
#[cfg(any(feature = "redis", feature = "nats"))]
use std::future::ready;
use std::time::{Duration, SystemTime};

use due::event::{Event, EventBus, MemoryBus, Subscription};
use tokio::time::timeout;

/// Time that a real backend may take to pass on an event.
const SOON: Duration = Duration::from_secs(60);

/// As odd as a topic can be.
const TOPIC: &str = "上海 \"login\"";

/// Runs every rule of [`EventBus`], each on a bus of its own.
async fn suite<B: EventBus, F: Future<Output = B>>(topic: &str, make: impl Fn() -> F) {
    every_subscription_hears_every_event_in_order(&make().await).await;
    topics_are_apart(&make().await).await;
    an_event_is_what_was_published(&make().await, topic).await;
    nobody_needs_to_listen(&make().await).await;
    who_leaves_hears_nothing_and_takes_nobody_along(&make().await).await;
    a_cancelled_next_loses_nothing(&make().await).await;
    a_slow_subscription_misses_the_oldest(&make().await).await;
    subscriptions_end_with_the_bus(make().await).await;
}

#[tokio::test]
async fn memory() {
    suite(TOPIC, async || MemoryBus::new()).await;
}

#[cfg(feature = "redis")]
mod redis {
    use due::event::RedisBus;
    use due::redis::Redis;

    use super::*;
    use crate::support::redis::{Cluster, Server};

    async fn suite_of(redis: &Redis) {
        let count = std::cell::Cell::new(0);
        suite(TOPIC, || {
            count.set(count.get() + 1);
            ready(RedisBus::with_prefix(redis, format!("suite:{}", count.get())))
        })
        .await;
    }

    #[tokio::test]
    async fn redis() {
        let server = Server::start();
        suite_of(&server.redis()).await;
    }

    #[tokio::test]
    async fn redis_cluster() {
        let cluster = Cluster::start().await;
        suite_of(&cluster.redis()).await;
    }
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn nats() {
    let server = crate::support::Nats::start();
    let count = std::cell::Cell::new(0);
    suite("上海.\"login\"", || {
        count.set(count.get() + 1);
        ready(server.builder().prefix(format!("suite:{}", count.get())).build().unwrap())
    })
    .await;
}

async fn next(events: &mut Subscription) -> Event {
    timeout(SOON, events.next()).await.expect("an event is heard").expect("the bus is open")
}

async fn every_subscription_hears_every_event_in_order(bus: &impl EventBus) {
    let mut subscriptions = [bus.subscribe("login").await.unwrap(), bus.subscribe("login").await.unwrap()];
    for number in 0..100 {
        bus.publish("login", &number.to_string()).await.unwrap();
    }
    for events in &mut subscriptions {
        for number in 0..100 {
            assert_eq!(next(events).await.payload, number.to_string());
        }
    }
}

async fn topics_are_apart(bus: &impl EventBus) {
    let (mut logins, mut logouts) = (bus.subscribe("login").await.unwrap(), bus.subscribe("logout").await.unwrap());
    bus.publish("log", "0").await.unwrap();
    bus.publish("login", "1").await.unwrap();
    bus.publish("logout", "2").await.unwrap();
    assert_eq!(next(&mut logins).await.payload, "1");
    assert_eq!(next(&mut logouts).await.payload, "2");
}

async fn an_event_is_what_was_published(bus: &impl EventBus, topic: &str) {
    let mut events = bus.subscribe(topic).await.unwrap();
    let mut ids = Vec::new();
    for payload in ["", "上海", "{\"uid\":1001}", "\0\r\n<&>"] {
        let before = SystemTime::now();
        bus.publish(topic, payload).await.unwrap();
        let event = next(&mut events).await;
        assert_eq!((event.topic.as_str(), event.payload.as_str()), (topic, payload));
        assert!((before..=SystemTime::now()).contains(&event.published));
        assert_eq!((event.id.len(), &event.id[14..15]), (36, "1"), "a UUID of version 1: {}", event.id);
        ids.push(event.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

async fn nobody_needs_to_listen(bus: &impl EventBus) {
    bus.publish("login", "too early").await.unwrap();
    let mut events = bus.subscribe("login").await.unwrap();
    bus.publish("login", "heard").await.unwrap();
    // What came before may be on its way from one server of a cluster to another.
    while next(&mut events).await.payload != "heard" {}
}

async fn who_leaves_hears_nothing_and_takes_nobody_along(bus: &impl EventBus) {
    for _ in 0..3 {
        let (gone, mut stays) = (bus.subscribe("login").await.unwrap(), bus.subscribe("login").await.unwrap());
        drop(gone);
        bus.publish("login", "1").await.unwrap();
        assert_eq!(next(&mut stays).await.payload, "1");
        drop(stays);
    }
}

async fn a_cancelled_next_loses_nothing(bus: &impl EventBus) {
    let mut events = bus.subscribe("login").await.unwrap();
    {
        let mut next = std::pin::pin!(events.next());
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
    }
    bus.publish("login", "1").await.unwrap();
    assert_eq!(next(&mut events).await.payload, "1");
}

async fn a_slow_subscription_misses_the_oldest(bus: &impl EventBus) {
    let (mut slow, mut quick) = (bus.subscribe("login").await.unwrap(), bus.subscribe("login").await.unwrap());
    for number in 0..2000 {
        bus.publish("login", &number.to_string()).await.unwrap();
        assert_eq!(next(&mut quick).await.payload, number.to_string());
    }
    assert_eq!(next(&mut slow).await.payload, "976");
    assert_eq!((slow.missed(), quick.missed()), (976, 0));
}

async fn subscriptions_end_with_the_bus(bus: impl EventBus) {
    let mut events = bus.subscribe("login").await.unwrap();
    bus.publish("login", "1").await.unwrap();
    assert_eq!(next(&mut events).await.payload, "1");
    drop(bus);
    assert_eq!(timeout(SOON, events.next()).await.unwrap(), None);
}
