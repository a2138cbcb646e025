//! A nats that is away, and comes back.

use std::time::{Duration, Instant};

use due::event::{EventBus, EventError, NatsBus};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::log::Log;
use crate::support::{Nats, free_port};
use crate::{chain, payload};

#[tokio::test]
async fn nobody_there_is_a_clear_error_before_the_deadline() {
    let addr = format!("127.0.0.1:{}", free_port());
    let bus = NatsBus::builder().url(&addr).build().unwrap();
    for error in [bus.publish("login", "").await.unwrap_err(), bus.subscribe("login").await.unwrap_err()] {
        assert!(matches!(error, EventError::Unreachable(_)));
        let expected = format!("event bus is unreachable: nats at {addr} is not ready: ");
        assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
        assert!(chain(&error).contains("Connection refused"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn somebody_who_never_answers_costs_the_deadline_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    let timeout = Duration::from_millis(200);
    let bus = NatsBus::builder().url(&addr).timeout(timeout).build().unwrap();
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let bus = bus.clone();
        calls.spawn(
            async move { (bus.publish("login", "").await.unwrap_err(), bus.subscribe("login").await.unwrap_err()) },
        );
    }
    for (published, subscribed) in calls.join_all().await {
        assert!(matches!((published, subscribed), (EventError::Unreachable(_), EventError::Unreachable(_))));
    }
    assert!(begun.elapsed() >= 2 * timeout);
    assert!(begun.elapsed() < 2 * timeout + Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_nats_that_stands_still_is_waited_for_until_the_deadline() {
    let server = Nats::start();
    let bus = server.builder().timeout(Duration::from_millis(300)).build().unwrap();
    let mut events = bus.subscribe("login").await.unwrap();
    server.freeze();
    for _ in 0..2 {
        let begun = Instant::now();
        let error = bus.publish("login", "in doubt").await.unwrap_err();
        assert!(begun.elapsed() >= Duration::from_millis(300));
        let expected = format!("event bus is unreachable: nats at {} did not answer within 300ms", server.addr());
        assert_eq!(chain(&error), expected);
    }
    server.thaw();
    // Which were under way.
    assert_eq!(payload(&mut events).await, "in doubt");
    assert_eq!(payload(&mut events).await, "in doubt");
    bus.publish("login", "after").await.unwrap();
    assert_eq!(payload(&mut events).await, "after");
}

/// What was said to be published is heard, but for what the server took with it; nothing is heard twice, and nothing in
/// another order.
#[tokio::test]
async fn subscriptions_outlive_a_nats_that_is_killed_under_load() {
    let log = Log::new();
    let mut server = Nats::start();
    let (here, there) = (server.builder().timeout(Duration::from_millis(500)).build().unwrap(), server.bus());
    let (mut logins, mut logouts) = (there.subscribe("login").await.unwrap(), there.subscribe("logout").await.unwrap());
    let (told, mut outcomes) = mpsc::channel(1);
    let publisher = tokio::spawn(async move {
        for number in 0_u32.. {
            let outcome = here.publish("login", &number.to_string()).await;
            if told.send((number, outcome)).await.is_err() {
                return;
            }
        }
    });
    let (mut published, mut failed) = (Vec::new(), Vec::new());
    let mut count = |(number, outcome): (u32, Result<(), EventError>)| match outcome {
        Ok(()) => published.push(number),
        Err(EventError::Unreachable(_)) => failed.push(number),
        Err(error) => panic!("{}", chain(&error)),
    };
    for outage in 1..=3 {
        for _ in 0..100 {
            count(outcomes.recv().await.unwrap());
        }
        server.kill();
        loop {
            let (number, outcome) = outcomes.recv().await.unwrap();
            let has_failed = outcome.is_err();
            count((number, outcome));
            if has_failed {
                break;
            }
        }
        server.revive();
        // The other connection comes back when it does; from then on it hears everything again.
        while there.publish("logout", &outage.to_string()).await.is_err() {}
        assert_eq!(payload(&mut logouts).await, outage.to_string());
    }
    for _ in 0..100 {
        count(outcomes.recv().await.unwrap());
    }
    drop(outcomes);
    publisher.await.unwrap();
    let last = *published.last().unwrap();
    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        heard.push(payload(&mut logins).await.parse().unwrap());
    }
    assert!(heard.is_sorted_by(|a, b| a < b), "twice, or in another order");
    let unheard = published.iter().filter(|number| heard.binary_search(number).is_err()).count();
    assert!(published.len() + failed.len() >= 403, "{} and {failed:?}", published.len());
    assert!((3..=50).contains(&failed.len()), "{failed:?}");
    // What was under way when it was killed, and what came between the publisher's return and the subscriber's: of each two,
    // for the publisher waits until its outcomes are read.
    assert!(unheard <= 3 * 4, "{unheard} of {}", published.len());
    let after = published.iter().rev().take(50).filter(|number| heard.binary_search(number).is_err()).count();
    assert_eq!(after, 0, "all is heard again");
    assert_eq!(log.count("nats is not heard; this is tried until it is"), 6, "{}", log.text());
    assert_eq!(log.count("nats is heard again"), 6, "{}", log.text());
}

#[tokio::test]
async fn another_server_takes_over() {
    let (mut first, second) = (Nats::start(), Nats::start());
    let url = format!("nats://{},nats://{}", first.addr(), second.addr());
    first.kill();
    let bus = NatsBus::builder().url(url).timeout(Duration::from_secs(10)).build().unwrap();
    let mut events = bus.subscribe("login").await.unwrap();
    second.bus().publish("login", "there").await.unwrap();
    assert_eq!(payload(&mut events).await, "there");
}
