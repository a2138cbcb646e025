//! Once over real servers: consul as the registry, redis as the locator.

use std::time::Duration;

use due::locator::RedisLocator;
use due::registry::ConsulRegistry;
use due::{App, Backends, Master};
use serde_json::json;

use crate::support::Consul;
use crate::support::redis::Server;
use crate::world::{Api, TOKEN, ask, backends, client, gate, node, until};

fn fleet(consul: &Consul, redis: &Server) -> Backends {
    let registry = ConsulRegistry::new()
        .addr(consul.addr())
        .health_check_interval(Duration::from_secs(1))
        .health_check_timeout(Duration::from_secs(1))
        .heartbeat_check_interval(Duration::from_secs(5));
    backends().registry(registry).locator(RedisLocator::new(&redis.redis()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_steers_a_fleet_on_consul_and_redis() {
    let (consul, redis) = (Consul::start(), Server::start());
    let backends = || fleet(&consul, &redis);
    let nodes = [node(backends(), "fleet-n1").await, node(backends(), "fleet-n2").await];
    let gates = [gate(backends(), "fleet-g1").await, gate(backends(), "fleet-g2").await];
    let master = Master::builder().listen("127.0.0.1:0").token(TOKEN);
    let master = App::new().backends(backends()).master(master).start().await.unwrap();
    let api = Api::of(&master);
    until(async || api.get("instances").await.1["instances"].as_array().unwrap().len() == 4).await;

    // Nodes hear of gates that came after them in their own time.
    let [one, two] = [client(&gates[0]).await, client(&gates[1]).await];
    for (client, uid) in [(&one, "1"), (&two, "2")] {
        let login = async || client.request::<_, due::codec::RawBody>(due::RouteId(2), &crate::world::text(uid)).await;
        until(async || login().await.is_ok()).await;
    }
    until(async || api.get("online").await.1["users"] == 2).await;
    let (_, user) = api.get("users/2").await;
    assert_eq!((&user["gate"], &user["online"]), (&json!("fleet-g2"), &json!(true)));
    let sent = api.post("broadcast", json!({ "message": { "route": 50, "body": {} } })).await;
    assert_eq!(sent.1["message"], "broadcast success, total: 2");
    let sent = api.post("multicast", json!({ "uids": [1, 2, 3], "message": { "route": 50 } })).await;
    assert_eq!(
        sent,
        (200, json!({ "message": "multicast success, total: 2", "delivered": 2, "absent": 1, "failed": 0 }))
    );

    let drained = api.call("POST", "instances/node/fleet-n1/drain", None).await;
    assert_eq!(drained, (200, json!({ "id": "fleet-n1", "state": "hang", "left": null })));
    let mut in_a_row = 0;
    until(async || {
        in_a_row = if ask(&one, 1, "").await == "fleet-n2" { in_a_row + 1 } else { 0 };
        in_a_row == 20
    })
    .await;
    let (_, gate) = api.get("instances/gate/fleet-g1").await;
    assert_eq!(gate["online"], json!({ "sessions": 1, "users": 1 }));
    assert!(gate["metadata"]["due-metrics"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(gate["traffic"]["messages"].as_u64().unwrap() > 20);

    assert_eq!(api.post("kick", json!({ "uid": 2 })).await.0, 200);
    two.closed().await;
    until(async || api.get("online").await.1["users"] == 1).await;
    one.close().await;
    master.stop().await;
    for app in gates.into_iter().chain(nodes) {
        app.stop().await;
    }
}
