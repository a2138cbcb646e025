//! What Prometheus reads of a master, and what the master reads of other processes.

use std::collections::BTreeMap;

use serde_json::json;

use crate::world::{Api, TOKEN, World, ask, until};

async fn figures(api: &Api) -> BTreeMap<String, f64> {
    let bearer = format!("Bearer {TOKEN}");
    let answer = api.raw("GET", "/metrics", &[("Authorization", &bearer)], "").await;
    assert_eq!(answer.status, 200);
    let lines = answer.body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} is no figure"));
        (name.to_owned(), value.parse().unwrap_or_else(|error| panic!("{line:?}: {error}")))
    };
    lines.map(figure).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_reads_the_process_and_the_cluster() {
    let world = World::start("prom").await;
    let (client, ..) = world.player(0, 1).await;
    let anonymous = world.client(0).await;
    for _ in 0..3 {
        ask(&client, 1, "").await;
    }
    until(async || figures(&world.api).await["due_cluster_sessions{gid=\"prom-g1\"}"] == 2.0).await;
    world.api.put("instances/node/prom-n2/state", json!({ "state": "busy" })).await;
    until(async || figures(&world.api).await["due_cluster_instances{kind=\"node\",state=\"busy\"}"] == 1.0).await;
    let figures = figures(&world.api).await;
    for (name, value) in [
        ("due_cluster_users{gid=\"prom-g1\"}", 1.0),
        ("due_cluster_users{gid=\"prom-g2\"}", 0.0),
        ("due_cluster_instances{kind=\"gate\",state=\"work\"}", 2.0),
        ("due_cluster_instances{kind=\"node\",state=\"work\"}", 1.0),
        ("due_cluster_instances{kind=\"mesh\",state=\"work\"}", 0.0),
        ("due_cluster_gates_silent", 0.0),
        ("due_gate_sessions{gid=\"prom-g1\"}", 2.0),
        ("due_gate_received_packets_total{gid=\"prom-g1\"}", 4.0),
    ] {
        assert_eq!(figures.get(name), Some(&value), "{name}");
    }
    let served = |wanted: &str| {
        let of = |(name, _): &(&String, &f64)| name.starts_with(wanted) && name.contains("nid=\"prom-n");
        figures.iter().filter(of).map(|(_, value)| value).sum::<f64>()
    };
    assert_eq!(served("due_node_requests_total{"), 4.0);
    assert_eq!(served("due_node_request_seconds_count{"), 4.0);
    client.close().await;
    anonymous.close().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_announce_their_metrics_and_the_master_reads_them_there() {
    let world = World::start("scrape").await;
    let client = world.client(0).await;
    for _ in 0..6 {
        ask(&client, 1, "").await;
    }
    client.request::<_, due::codec::RawBody>(due::RouteId(99), &crate::world::text("")).await.unwrap_err();
    let gate = async || world.api.get("instances/gate/scrape-g1").await.1;
    until(async || gate().await["traffic"] == json!({ "messages": 7, "sent": 7, "errors": 1 })).await;
    let announced = gate().await["metadata"]["due-metrics"].as_str().unwrap().to_owned();
    assert_eq!(Some(&*announced), world.gates[0].metrics_url());
    let (_, overview) = world.api.get("overview").await;
    assert_eq!(overview["problems"], json!([]));
    let instances = overview["instances"].as_array().unwrap();
    let nodes = instances.iter().filter(|instance| instance["kind"] == "node");
    assert_eq!(nodes.map(|node| node["traffic"]["messages"].as_u64().unwrap()).sum::<u64>(), 6);
    client.close().await;
    world.stop().await;
}
