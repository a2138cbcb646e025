//! Servers that die and come back.

use std::time::Duration;

use due::registry::{Instances, Kind, Registry, RegistryError, State, Watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::logs::Logs;
use crate::support::{Consul, Etcd};
use crate::{Server, chain, ids, instance, until, until_true};

macro_rules! for_each_server {
    ($($test:ident,)*) => {
        mod etcd {
            $(#[tokio::test]
            async fn $test() {
                super::$test::<super::Etcd>().await;
            })*
        }
        mod consul {
            $(#[tokio::test]
            async fn $test() {
                super::$test::<super::Consul>().await;
            })*
        }
    };
}

for_each_server! {
    a_server_that_restarts_disturbs_nobody,
    a_server_that_comes_back_empty_disturbs_nobody,
    who_does_not_come_back_is_given_up,
    an_outage_keeps_the_last_list,
    a_change_that_fails_does_not_happen_later,
    what_was_deregistered_in_an_outage_lapses,
    a_server_that_is_not_there_is_an_error,
    an_entry_that_vanishes_is_written_again,
    changes_are_no_reason_to_lapse,
}

/// Whatever a watch shows from now on.
struct Recorder(JoinHandle<Vec<Instances>>, tokio_util::sync::CancellationToken);

impl Recorder {
    fn start(mut watch: Watch) -> Self {
        let stop = tokio_util::sync::CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut lists = Vec::new();
            while let Some(Some(list)) = stopped.run_until_cancelled(watch.next()).await {
                lists.push(list);
            }
            lists
        });
        Self(task, stop)
    }

    async fn assert_always(self, expected: &[&str]) {
        self.1.cancel();
        for list in self.0.await.unwrap() {
            assert_eq!(ids(&list), expected);
        }
    }
}

async fn a_server_that_restarts_disturbs_nobody<S: Server>() {
    let (logs, _guard) = Logs::listen();
    let mut server = S::start();
    let (owner, reader) = (server.registry(), server.registry());
    let mut node = instance(Kind::Node, "n1");
    owner.register(node.clone()).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    let recorder = Recorder::start(watch.clone());

    server.kill();
    until_true(|| logs.count("the registry is lost") == 2).await;
    server.start_again();
    until_true(|| logs.count("the registry is back") == 2).await;
    sleep(S::GRACE + Duration::from_secs(1)).await;
    assert_eq!(server.state_of(Kind::Node, "n1").as_deref(), Some("work"));
    recorder.assert_always(&["n1"]).await;
    assert_eq!(logs.count("the registry is lost"), 2, "once of each value: {}", logs.all());

    node.state = State::Hang;
    owner.register(node.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list.iter().any(|node| node.state == State::Hang)).await, [node]);
}

async fn a_server_that_comes_back_empty_disturbs_nobody<S: Server>() {
    let (logs, _guard) = Logs::listen();
    let mut server = S::start();
    let (one, two, reader) = (server.registry(), server.registry(), server.registry());
    one.register(instance(Kind::Node, "n1")).await.unwrap();
    two.register(instance(Kind::Node, "n2")).await.unwrap();
    one.register(instance(Kind::Gate, "g1")).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 2).await;
    let recorder = Recorder::start(watch);

    server.kill();
    until_true(|| logs.count("the registry is lost") == 3).await;
    server.start_empty();
    for (kind, id) in [(Kind::Node, "n1"), (Kind::Node, "n2"), (Kind::Gate, "g1")] {
        until_true(|| server.state_of(kind, id).is_some()).await;
    }
    sleep(S::GRACE + Duration::from_secs(1)).await;
    recorder.assert_always(&["n1", "n2"]).await;
    assert_eq!(ids(&reader.list(Kind::Node).await.unwrap()), ["n1", "n2"]);
}

async fn who_does_not_come_back_is_given_up<S: Server>() {
    let (logs, _guard) = Logs::listen();
    let mut server = S::start();
    let (stays, dies, reader) = (server.registry(), server.registry(), server.registry());
    stays.register(instance(Kind::Node, "stays")).await.unwrap();
    dies.register(instance(Kind::Node, "dies")).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 2).await;
    server.kill();
    until_true(|| logs.count("the registry is lost") == 3).await;
    drop(dies);
    server.start_empty();
    let back = Instant::now();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["stays"]);
    until_true(|| logs.count("the registry is back") == 2).await;
    assert!(back.elapsed() >= S::GRACE - Duration::from_secs(1), "{:?}", back.elapsed());
    assert_eq!(logs.count("was awaited is not on"), 1, "{}", logs.all());
    assert_eq!(logs.count("the registry is back"), 2, "of those that live: {}", logs.all());
}

async fn an_outage_keeps_the_last_list<S: Server>() {
    let mut server = S::start();
    let (owner, reader) = (server.registry(), server.registry());
    owner.register(instance(Kind::Node, "n1")).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    server.kill();
    // Longer than any lease, heartbeat or grace.
    assert!(timeout(S::GRACE + Duration::from_secs(2), watch.next()).await.is_err());
    let mut late = reader.watch(Kind::Node).await.unwrap();
    assert_eq!(ids(&late.next().await.unwrap()), ["n1"]);
    let error = reader.list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
    // Another kind was never watched.
    let error = reader.watch(Kind::Mesh).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
}

async fn a_change_that_fails_does_not_happen_later<S: Server>() {
    let mut server = S::start();
    let registry = server.registry();
    let mut node = instance(Kind::Node, "n1");
    registry.register(node.clone()).await.unwrap();
    server.kill();
    node.state = State::Hang;
    let error = registry.register(node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
    server.start_empty();
    until_true(|| server.state_of(Kind::Node, "n1").is_some()).await;
    assert_eq!(server.state_of(Kind::Node, "n1").as_deref(), Some("work"));
}

async fn what_was_deregistered_in_an_outage_lapses<S: Server>() {
    let mut server = S::start();
    let (owner, reader) = (server.registry(), server.registry());
    owner.register(instance(Kind::Node, "n1")).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    server.kill();
    let error = owner.deregister(Kind::Node, "n1").await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
    server.start_again();
    until(&mut watch, <[_]>::is_empty).await;
}

async fn a_server_that_is_not_there_is_an_error<S: Server>() {
    let mut server = S::start();
    let registry = server.registry();
    server.kill();
    let begun = Instant::now();
    for error in [
        registry.register(instance(Kind::Node, "n1")).await.unwrap_err(),
        registry.deregister(Kind::Node, "n1").await.unwrap_err(),
        registry.list(Kind::Node).await.unwrap_err(),
        registry.watch(Kind::Node).await.unwrap_err(),
    ] {
        assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // What could not be registered is not registered later.
    server.start_again();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(server.state_of(Kind::Node, "n1"), None);
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(server.state_of(Kind::Node, "n1").as_deref(), Some("work"));
}

async fn an_entry_that_vanishes_is_written_again<S: Server + Vanish>() {
    let server = S::start();
    let registry = server.registry();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    for _ in 0..2 {
        server.vanish("n1").await;
        until_true(|| server.state_of(Kind::Node, "n1").is_some()).await;
        until(&mut watch, |list| list.len() == 1).await;
    }
}

/// More of them than refreshes, for longer than a lease or a heartbeat.
async fn changes_are_no_reason_to_lapse<S: Server>() {
    let server = S::start();
    let registry = server.registry();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    let mut node = instance(Kind::Node, "n1");
    registry.register(node.clone()).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    let recorder = Recorder::start(watch);
    let begun = Instant::now();
    while begun.elapsed() < S::GRACE * 2 {
        node.state = if node.state == State::Work { State::Busy } else { State::Work };
        registry.register(node.clone()).await.unwrap();
        sleep(Duration::from_millis(200)).await;
    }
    recorder.assert_always(&["n1"]).await;
}

/// Takes an entry of a node away behind its owner's back.
trait Vanish {
    async fn vanish(&self, id: &str);
}

impl Vanish for Etcd {
    async fn vanish(&self, id: &str) {
        let key = format!("/services/node/{id}");
        let lease = self.dump().into_iter().find(|entry| entry.0 == key).unwrap().2;
        self.ask("/v3/kv/lease/revoke", &serde_json::json!({"ID": lease.to_string()}));
    }
}

impl Vanish for Consul {
    async fn vanish(&self, id: &str) {
        self.put(&format!("/v1/agent/service/deregister/node-{id}"), &serde_json::Value::Null);
    }
}
