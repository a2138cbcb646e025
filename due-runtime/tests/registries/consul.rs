//! What is in consul, byte for byte, and what else may be there.

use std::collections::BTreeMap;
use std::time::Duration;

use due::registry::{ConsulRegistry, InstanceRoute, Kind, Registry, RegistryError, State};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::logs::Logs;
use crate::support::Consul;
use crate::{chain, ids, instance, until, until_true};

/// Nobody listens at the endpoints of most tests.
fn registry(server: &Consul) -> ConsulRegistry {
    ConsulRegistry::new().addr(server.addr()).health_check(false)
}

#[tokio::test]
async fn services_and_checks_are_those_of_due() {
    let server = Consul::start();
    let registry = ConsulRegistry::new().addr(server.addr());
    let mut node = instance(Kind::Node, "n1");
    node.alias = "game".into();
    node.events = vec![1, 3];
    node.services = vec!["wallet".into()];
    node.routes = vec![
        InstanceRoute { id: 1, ..InstanceRoute::default() },
        InstanceRoute { id: 2, stateful: true, ..InstanceRoute::default() },
        InstanceRoute { id: 3, internal: true, authorized: true, ..InstanceRoute::default() },
    ];
    node.endpoint = "drpc://127.0.0.5:46545?is_secure=false".into();
    node.weight = 1;
    node.metadata = BTreeMap::from([("k".into(), "v".into())]);
    registry.register(node.clone()).await.unwrap();

    let service = server.get("/v1/agent/service/node-n1");
    let expected = json!({
        "ID": "node-n1", "Service": "node", "Address": "127.0.0.5", "Port": 46545, "Tags": [],
        "TaggedAddresses": {
            "drpc": {"Address": "127.0.0.5", "Port": 46545},
            "lan_ipv4": {"Address": "127.0.0.5", "Port": 46545},
            "wan_ipv4": {"Address": "127.0.0.5", "Port": 46545},
        },
        "Meta": {
            "id": "n1", "kind": "node", "alias": "game", "state": "work",
            "endpoint": "drpc://127.0.0.5:46545?is_secure=false", "weight": "1", "events": "[1,3]",
            "services": "[\"wallet\"]", "routes-0": "1-0,2-2,3-5", "_k": "v",
        },
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(service[key], *value, "{key}");
    }
    let checks = server.get("/v1/agent/checks");
    let alive = &checks["service:node-n1"];
    assert_eq!([&alive["Status"], &alive["Output"], &alive["Type"]], ["passing", "passed", "ttl"]);
    let port = &checks["service:node-n1:1"];
    assert_eq!([&port["Type"], &port["Interval"], &port["Timeout"]], ["tcp", "10s", "5s"]);
    assert_eq!(checks.as_object().unwrap().len(), 2);

    node.state = State::Hang;
    registry.register(node.clone()).await.unwrap();
    assert_eq!(server.get("/v1/agent/service/node-n1")["Meta"]["state"], "hang");
    registry.deregister(Kind::Node, "n1").await.unwrap();
    assert_eq!(server.get("/v1/agent/services"), json!({}));
    assert_eq!(server.get("/v1/agent/checks"), json!({}));
}

#[tokio::test]
async fn values_on_one_agent_see_each_other() {
    let server = Consul::start();
    let (here, there) = (registry(&server), registry(&server));
    let mut watch = there.watch(Kind::Gate).await.unwrap();
    let mut gate = instance(Kind::Gate, "g1");
    here.register(gate.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| !list.is_empty()).await, [gate.clone()]);
    // The checks go on as they were: nobody drops an instance because it says something new.
    for state in [State::Busy, State::Hang, State::Work, State::Hang] {
        gate.state = state;
        here.register(gate.clone()).await.unwrap();
        let list = until(&mut watch, |list| list.is_empty() || list[0].state == state).await;
        assert_eq!(*list, [gate.clone()]);
    }
    there.register(instance(Kind::Gate, "g2")).await.unwrap();
    until(&mut watch, |list| list.len() == 2).await;
    assert_eq!(ids(&here.list(Kind::Gate).await.unwrap()), ["g1", "g2"]);
    here.deregister(Kind::Gate, "g1").await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 1).await), ["g2"]);
}

#[tokio::test]
async fn an_instance_is_listed_while_its_port_is_open() {
    let server = Consul::start();
    let registry = ConsulRegistry::new()
        .addr(server.addr())
        .health_check_interval(Duration::from_secs(1))
        .health_check_timeout(Duration::from_millis(500));
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut node = instance(Kind::Node, "n1");
    node.endpoint = format!("drpc://{}?is_secure=false", port.local_addr().unwrap());
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    registry.register(node.clone()).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    node.state = State::Hang;
    registry.register(node.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list.is_empty() || list[0].state == State::Hang).await, [node]);
    drop(port);
    until(&mut watch, <[_]>::is_empty).await;
}

#[tokio::test]
async fn without_a_heartbeat_the_agent_is_asked_whether_it_remembers() {
    let server = Consul::start();
    let registry = registry(&server).heartbeat_check(false).heartbeat_check_interval(Duration::from_secs(1));
    registry.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(server.get("/v1/agent/checks"), json!({}));
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    server.put("/v1/agent/service/deregister/node-n1", &json!(null));
    until_true(|| !server.get("/v1/agent/services").as_object().unwrap().is_empty()).await;
}

#[tokio::test]
async fn large_nodes_come_back_whole() {
    let server = Consul::start();
    let registry = registry(&server);
    let mut node = instance(Kind::Node, "n1");
    node.routes =
        (10_000..12_000).map(|id| InstanceRoute { id, stateful: id % 2 == 0, ..Default::default() }).collect();
    let oneway: Vec<String> = (10_000..11_000).map(|id: i32| id.to_string()).collect();
    node.metadata.insert("due.oneway".into(), oneway.join(","));
    node.metadata.insert("zone".into(), "上海".repeat(85));
    registry.register(node.clone()).await.unwrap();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list.len() == 1).await, [node.clone()]);
    let meta = server.get("/v1/agent/service/node-n1")["Meta"].clone();
    assert!(meta.as_object().unwrap().values().all(|value| value.as_str().unwrap().len() <= 512));
    // A change to less leaves nothing behind.
    node.metadata.clear();
    node.routes.truncate(1);
    registry.register(node.clone()).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list[0].routes.len() == 1).await, [node]);
}

#[tokio::test]
async fn what_consul_cannot_hold_is_unsuitable() {
    let registry = ConsulRegistry::new().addr("127.0.0.1:1");
    let mut node = instance(Kind::Node, "n1");
    node.metadata.insert("k".into(), "x".repeat(513));
    let error = registry.register(node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unsuitable { .. }));
    assert_eq!(
        error.to_string(),
        r#"registry cannot hold node n1: "_k" has 513 bytes, and consul holds 512 in one value: shorten it"#
    );
}

#[tokio::test]
async fn the_limits_are_those_of_consul() {
    let server = Consul::start();
    let registry = registry(&server);
    let mut node = instance(Kind::Node, "n1");
    // With the five that describe it.
    for key in 0..59 {
        node.metadata.insert(format!("{key:0>127}"), "x".repeat(512));
    }
    registry.register(node.clone()).await.unwrap();
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    assert_eq!(*until(&mut watch, |list| list.len() == 1).await, [node.clone()]);
    node.metadata.insert("one".into(), String::new());
    let error = registry.register(node).await.unwrap_err();
    assert!(error.to_string().contains("it takes 65 keys, and consul holds 64"), "{error}");
}

#[tokio::test]
async fn ids_may_be_odd() {
    let server = Consul::start();
    let registry = registry(&server);
    let odd = [" ", "%2F", "..", "?passing", "a#b", "上海"];
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    for id in odd {
        registry.register(instance(Kind::Node, id)).await.unwrap();
    }
    assert_eq!(ids(&until(&mut watch, |list| list.len() == odd.len()).await), odd);
    for id in odd {
        registry.deregister(Kind::Node, id).await.unwrap();
    }
    until(&mut watch, <[_]>::is_empty).await;
}

#[tokio::test]
async fn services_that_are_no_instances_are_skipped_and_named_once() {
    let (logs, _guard) = Logs::listen();
    let server = Consul::start();
    let registry = registry(&server);
    let mut watch = registry.watch(Kind::Node).await.unwrap();
    registry.register(instance(Kind::Node, "good")).await.unwrap();
    until(&mut watch, |list| list.len() == 1).await;
    for (id, meta) in [
        ("bare", json!(null)),
        ("nameless", json!({"id": ""})),
        ("other-kind", json!({"id": "n1", "kind": "gate"})),
        ("odd-state", json!({"id": "n1", "kind": "node", "state": "idle"})),
        ("odd-routes", json!({"id": "n1", "kind": "node", "state": "work", "routes-0": "1-0;2"})),
        ("odd-events", json!({"id": "n1", "kind": "node", "state": "work", "events": "{"})),
        ("odd-weight", json!({"id": "n1", "kind": "node", "state": "work", "weight": "99999999999"})),
    ] {
        server.put("/v1/agent/service/register", &json!({"ID": id, "Name": "node", "Meta": meta}));
        until_true(|| logs.count(&format!("node: {id}")) == 1).await;
    }
    assert_eq!(ids(&registry.list(Kind::Node).await.unwrap()), ["good"]);
    // What Go might write one day, and what it leaves out.
    let meta = json!({"id": "n2", "kind": "node", "state": "busy", "zone": "7", "routes-0": "7-1"});
    server.put("/v1/agent/service/register", &json!({"ID": "n2", "Name": "node", "Meta": meta}));
    assert_eq!(ids(&until(&mut watch, |list| list.len() == 2).await), ["good", "n2"]);
    assert_eq!(logs.count("skipped"), 7, "{}", logs.all());
}

#[tokio::test]
async fn tokens_are_needed_and_not_told() {
    const TOKEN: &str = "6c9bcb2c-5c1a-4d3e-9a43-0f5a1a2b3c4d";
    let server = Consul::start_with_token(TOKEN);
    let known = registry(&server).token(TOKEN);
    let mut watch = known.watch(Kind::Node).await.unwrap();
    known.register(instance(Kind::Node, "n1")).await.unwrap();
    assert_eq!(ids(&until(&mut watch, |list| !list.is_empty()).await), ["n1"]);
    for refused in [registry(&server), registry(&server).token("d9b2d63d-a233-4123-847a-6e3c2f1a0b9c")] {
        let error = refused.register(instance(Kind::Node, "n2")).await.unwrap_err();
        assert!(matches!(error, RegistryError::Refused(_)), "{}", chain(&error));
        assert!(chain(&error).starts_with("registry refused the request: consul says 403 Forbidden: "));
        assert!(!chain(&error).contains("d9b2d63d-a233"), "{}", chain(&error));
    }
    assert!(!format!("{known:?}").contains(TOKEN));
}

#[tokio::test]
async fn addresses_that_are_none_are_refused() {
    let error = ConsulRegistry::new().addr("not an address").list(Kind::Node).await.unwrap_err();
    assert!(matches!(error, RegistryError::Refused(_)), "{}", chain(&error));
}

/// It accepts connections, and says nothing.
#[tokio::test]
async fn every_call_has_a_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    let registry = ConsulRegistry::new().addr(addr).timeout(Duration::from_millis(500));
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
