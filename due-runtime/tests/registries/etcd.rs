//! What is in etcd, byte for byte, and what else may be there.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use due::registry::{EtcdRegistry, InstanceRoute, Kind, Registry, RegistryError, State};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::logs::Logs;
use crate::support::Etcd;
use crate::{chain, ids, instance, until, until_true};

fn registry(server: &Etcd) -> EtcdRegistry {
    EtcdRegistry::new().addrs([server.addr()])
}

#[tokio::test]
async fn keys_and_values_are_those_of_due() {
    let server = Etcd::start();
    let registry = registry(&server);
    let mut node = instance(Kind::Node, "n1");
    node.alias = "game".into();
    node.events = vec![1, 3];
    node.routes = vec![
        InstanceRoute { id: 1, ..InstanceRoute::default() },
        InstanceRoute { id: 2, stateful: true, ..InstanceRoute::default() },
        InstanceRoute { id: 3, internal: true, authorized: true, ..InstanceRoute::default() },
    ];
    node.endpoint = "drpc://192.168.1.5:46545?is_secure=false".into();
    node.weight = 1;
    node.metadata = BTreeMap::from([("k".into(), "v".into())]);
    registry.register(node.clone()).await.unwrap();
    registry.register(instance(Kind::Gate, "g1")).await.unwrap();
    let gate = r#"{"id":"g1","name":"gate","kind":"gate","alias":"gate","state":"work","endpoint":"drpc://127.0.0.1:3553?is_secure=false"}"#;
    let game = concat!(
        r#"{"id":"n1","name":"node","kind":"node","alias":"game","state":"work","events":[1,3],"#,
        r#""routes":[{"i":1},{"i":2,"s":true},{"i":3,"n":true,"a":true}],"#,
        r#""endpoint":"drpc://192.168.1.5:46545?is_secure=false","weight":1,"metadata":{"k":"v"}}"#,
    );
    let dump = server.dump();
    let entries: Vec<_> = dump.iter().map(|(key, value, _)| (key.as_str(), value.as_str())).collect();
    assert_eq!(entries, [("/services/gate/g1", gate), ("/services/node/n1", game)]);
    for (_, _, lease) in &dump {
        let life = server.ask("/v3/kv/lease/timetolive", &json!({"ID": lease.to_string()}));
        assert_eq!(life["grantedTTL"], "11", "{life}");
    }
    assert_ne!(dump[0].2, dump[1].2);

    node.state = State::Hang;
    registry.register(node).await.unwrap();
    let hangs = game.replace(r#""work""#, r#""hang""#);
    assert_eq!(server.dump()[1].1, hangs);
    registry.deregister(Kind::Node, "n1").await.unwrap();
    registry.deregister(Kind::Gate, "g1").await.unwrap();
    assert_eq!(server.dump(), []);
    let leases = server.ask("/v3/kv/lease/leases", &json!({}));
    assert_eq!(leases["leases"].as_array().map_or(0, Vec::len), 0, "{leases}");
}

#[tokio::test]
async fn values_on_one_server_see_each_other() {
    let server = Etcd::start();
    let (here, there) = (registry(&server), registry(&server));
    let mut watch = there.watch(Kind::Gate).await.unwrap();
    let mut gate = instance(Kind::Gate, "g1");
    here.register(gate.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| !list.is_empty()).await, [gate.clone()]);
    gate.state = State::Hang;
    here.register(gate.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list[0].state == State::Hang).await, [gate]);
    there.register(instance(Kind::Gate, "g2")).await.unwrap();
    assert_eq!(ids(&here.list(Kind::Gate).await.unwrap()), ["g1", "g2"]);
    here.deregister(Kind::Gate, "g1").await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["g2"]);
    // Another namespace is another world, and so is a name that begins alike.
    let apart = registry(&server).namespace("services2");
    assert_eq!(ids(&apart.list(Kind::Gate).await.unwrap()), [""; 0]);
    server.put("/services/gate2/g3", &serde_json::to_string(&instance(Kind::Gate, "g3")).unwrap());
    assert_eq!(ids(&here.list(Kind::Gate).await.unwrap()), ["g2"]);
}

#[tokio::test]
async fn entries_that_are_no_instances_are_skipped_and_named_once() {
    let (logs, _guard) = Logs::listen();
    let server = Etcd::start();
    let registry = registry(&server);
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    registry.register(instance(Kind::Node, "good")).await.unwrap();
    let json = serde_json::to_string(&instance(Kind::Node, "n1")).unwrap();
    let other_kind = serde_json::to_string(&instance(Kind::Gate, "n1")).unwrap();
    let deep = "[".repeat(100_000);
    for garbage in ["", &json[..json.len() - 1], "null", "[[[[", "\0\0\0", &other_kind, &deep] {
        server.put("/services/node/n1", &json);
        assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["good", "n1"]);
        server.put("/services/node/n1", garbage);
        assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["good"]);
        let named = logs.count("/services/node/n1");
        assert_eq!(ids(&registry.list(Kind::Node).await.unwrap()), ["good"]);
        assert_eq!(logs.count("/services/node/n1"), named, "{}", logs.all());
    }
    assert_eq!(logs.count("/services/node/n1"), 7, "once each time: {}", logs.all());
    server.put("/services/node/other", &json);
    server.put("/services/node/", &json);
    server.put("/services/node/n1/more", &json);
    until_true(|| logs.count("/services/node/n1/more") == 1).await;
    assert_eq!(ids(&watch.latest()), ["good"]);
    // What Go might write one day, and what it leaves out.
    server.put("/services/node/n2", r#"{"id":"n2","kind":"node","state":"busy","zone":{"a":[1]},"routes":null}"#);
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["good", "n2"]);
}

#[tokio::test]
async fn what_etcd_cannot_hold_is_unsuitable() {
    let registry = EtcdRegistry::new().addrs(["127.0.0.1:1"]);
    for (id, reason) in
        [("", "an id has at least one character"), ("a/b", "the key ends in its id: give it one without a slash")]
    {
        let error = registry.register(instance(Kind::Node, id)).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unsuitable { .. }));
        assert_eq!(error.to_string(), format!("registry cannot hold node {id}: {reason}"));
    }
    let mut big = instance(Kind::Node, "n1");
    big.metadata.insert("k".into(), "x".repeat(1 << 20));
    let error = registry.register(big).await.unwrap_err().to_string();
    assert!(error.ends_with("bytes of at most 1048576: serve less in one"), "{error}");
}

#[tokio::test]
async fn the_largest_values_fit() {
    let server = Etcd::start();
    let registry = registry(&server);
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    let mut sent = Vec::new();
    // More than the 4 MiB that gRPC takes unless told otherwise.
    for id in ["n1", "n2", "n3", "n4", "n5"] {
        let mut node = instance(Kind::Node, id);
        node.metadata.insert("k".into(), "x".repeat((1 << 20) - 200));
        registry.register(node.clone()).await.unwrap();
        sent.push(node);
    }
    assert_eq!(*until(&mut watch, |list| list.len() == 5).await, *sent);
    assert_eq!(*registry.list(Kind::Node).await.unwrap(), *sent);
}

#[tokio::test]
async fn one_of_several_members_is_enough() {
    let server = Etcd::start();
    let (logs, _guard) = Logs::listen();
    let dead = format!("127.0.0.1:{}", crate::support::free_port());
    let registry = EtcdRegistry::new().addrs([dead, server.addr()]).retry_interval(Duration::from_secs(1));
    for round in 0..10 {
        registry.register(instance(Kind::Node, &format!("n{round}"))).await.unwrap();
    }
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 10).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(watch.latest().len(), 10);
    assert_eq!(logs.all(), "");
}

#[tokio::test]
async fn users_need_their_password() {
    let server = Etcd::start();
    server.ask("/v3/auth/user/add", &json!({"name": "root", "password": "secret"}));
    server.ask("/v3/auth/user/grant", &json!({"user": "root", "role": "root"}));
    server.ask("/v3/auth/user/add", &json!({"name": "stranger", "password": "secret"}));
    server.ask("/v3/auth/enable", &json!({}));
    let known = registry(&server).user("root", "secret");
    let mut watch = known.watch(Kind::Node).await.unwrap();
    known.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| !list.is_empty()).await), ["n1"]);
    for refused in
        [registry(&server), registry(&server).user("root", "guess"), registry(&server).user("stranger", "secret")]
    {
        for error in [
            refused.register(instance(Kind::Node, "n2")).await.unwrap_err(),
            refused.list(Kind::Node).await.unwrap_err(),
            refused.watch(Kind::Node).await.unwrap_err(),
        ] {
            assert!(matches!(error, RegistryError::Refused(_)), "{}", chain(&error));
            assert!(!chain(&error).contains("guess"));
        }
    }
    assert!(!format!("{known:?}").contains("secret"));
}

/// Tokens are in the memory of the server.
#[tokio::test]
async fn users_are_known_again_after_a_restart() {
    let (logs, _guard) = Logs::listen();
    let mut server = Etcd::start();
    server.ask("/v3/auth/user/add", &json!({"name": "root", "password": "secret"}));
    server.ask("/v3/auth/user/grant", &json!({"user": "root", "role": "root"}));
    server.ask("/v3/auth/enable", &json!({}));
    let registry = registry(&server).user("root", "secret").retry_interval(Duration::from_secs(2));
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    server.kill();
    until_true(|| logs.count("the registry is lost") == 1).await;
    server.start_again();
    until_true(|| logs.count("the registry is back") == 1).await;
    registry.register(instance(Kind::Node, "n2")).await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["n1", "n2"]);
}

#[tokio::test]
async fn addresses_that_are_none_are_refused() {
    let registry = EtcdRegistry::new().addrs(["not an address"]);
    let error = registry.list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused(_)), "{}", chain(&error));
    let error = EtcdRegistry::new().addrs([""; 0]).list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused(_)), "{}", chain(&error));
}

/// It accepts connections, and says nothing.
#[tokio::test]
async fn every_call_has_a_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry =
        EtcdRegistry::new().addrs([silent.local_addr().unwrap().to_string()]).timeout(Duration::from_millis(500));
    let begun = Instant::now();
    for error in [
        registry.register(instance(Kind::Node, "n1")).await.unwrap_err(),
        registry.deregister(Kind::Node, "n2").await.unwrap_err(),
        registry.list(Kind::Node).await.unwrap_err(),
        registry.watch(Kind::Node).await.unwrap_err(),
    ] {
        assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

/// A server that stops to answer is noticed though no connection breaks, and what it has compacted meanwhile is no loss.
#[tokio::test]
async fn a_connection_that_is_dead_without_a_word_is_replaced() {
    let (logs, _guard) = Logs::listen();
    let server = Etcd::start();
    let proxy = Proxy::start(server.addr(), Duration::ZERO).await;
    let reader = EtcdRegistry::new().addrs([proxy.addr.clone()]).retry_interval(Duration::from_secs(1));
    let owner = registry(&server);
    owner.register(instance(Kind::Node, "stays")).await.unwrap();
    owner.register(instance(Kind::Node, "leaves")).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 2).await;

    proxy.swallow(true);
    until_true(|| logs.count("the registry is lost") == 1).await;
    owner.deregister(Kind::Node, "leaves").await.unwrap();
    owner.register(instance(Kind::Node, "comes")).await.unwrap();
    for round in 0..20 {
        server.put("/services/node/stays2", &round.to_string());
    }
    server.compact();
    assert_eq!(ids(&watch.latest()), ["leaves", "stays"]);
    proxy.swallow(false);
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 3).await), ["comes", "leaves", "stays"]);
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["comes", "stays"]);
}

/// What is compacted between the list and the watch that follows it is no loss, and no outage.
#[tokio::test]
async fn a_watch_that_was_compacted_begins_with_a_new_list() {
    let (logs, _guard) = Logs::listen();
    let server = Etcd::start();
    // Time enough between the two.
    let proxy = Proxy::start(server.addr(), Duration::from_millis(300)).await;
    let reader = EtcdRegistry::new().addrs([proxy.addr.clone()]);
    let owner = registry(&server);
    owner.register(instance(Kind::Node, "stays")).await.unwrap();
    owner.register(instance(Kind::Node, "leaves")).await.unwrap();
    let mut watch = reader.watch(Kind::Node).await.unwrap();
    assert_eq!(ids(&watch.latest()), ["leaves", "stays"]);
    owner.deregister(Kind::Node, "leaves").await.unwrap();
    until_true(|| {
        server.put("/noise", "");
        server.compact();
        logs.count("compacted") > 1
    })
    .await;
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["stays"]);
    owner.register(instance(Kind::Node, "comes")).await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["comes", "stays"]);
    assert_eq!(logs.all(), "");
}

/// Between clients and a server. What clients say is late, and all that is said may be swallowed.
struct Proxy {
    addr: String,
    swallow: tokio::sync::watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Proxy {
    async fn start(target: String, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let swallow = tokio::sync::watch::Sender::new(false);
        let switch = swallow.subscribe();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                connections.spawn(join(client, server, delay, switch.clone()));
            }
        });
        Self { addr, swallow, _task: task }
    }

    fn swallow(&self, on: bool) {
        self.swallow.send_replace(on);
    }
}

async fn join(mut client: TcpStream, mut server: TcpStream, delay: Duration, mut switch: Receiver<bool>) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            tokio::time::sleep(delay).await;
            if to_server.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        biased;
        is_open = async { switch.wait_for(|swallow| *swallow).await.is_ok() } => assert!(is_open),
        () = up => return,
        _ = tokio::io::copy(&mut from_server, &mut to_client) => return,
    }
    std::future::pending().await
}

/// The process is there and does nothing.
#[cfg(unix)]
#[tokio::test]
async fn a_server_that_hangs_is_a_server_that_is_away() {
    let (logs, _guard) = Logs::listen();
    let server = Etcd::start();
    let registry = registry(&server).retry_interval(Duration::from_secs(2)).timeout(Duration::from_secs(1));
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    signal(server.pid(), "STOP");
    until_true(|| logs.count("the registry is lost") == 1).await;
    let error = registry.list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)), "{}", chain(&error));
    signal(server.pid(), "CONT");
    until_true(|| logs.count("the registry is back") == 1).await;
    registry.register(instance(Kind::Node, "n2")).await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["n1", "n2"]);
}

#[cfg(unix)]
fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}
