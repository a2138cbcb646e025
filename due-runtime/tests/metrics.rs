//! What a recorder sees of a gate, a node and the link between them.

use due::codec::RawBody;
use due::registry::MemoryRegistry;
use due::transport::mem;
use due::{App, Backends, Client, Code, Context, Error, Gate, Node, RouteId, TcpLink};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

#[due::route(1)]
async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(2)]
async fn fail(_: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Err(Error::new(Code::INVALID_ARGUMENT, "no"))
}

/// Name and labels to value; of histograms the number of samples.
fn seen(snapshotter: &Snapshotter) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Gauge(gauge) => gauge.into_inner() as u64,
            DebugValue::Histogram(samples) => samples.len() as u64,
        };
        seen.push((format!("{} {}", key.name(), labels.join(" ")), value));
    }
    seen
}

#[tokio::test]
async fn requests_sessions_and_links_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();

    let registry = MemoryRegistry::new();
    let backends = || {
        let link = TcpLink::new().addr("127.0.0.1:0").in_process(false).connections(1);
        Backends::memory().registry(registry.clone()).link(link)
    };
    let node = Node::builder().id("n1").serve(due::routes![echo, fail]).build().unwrap();
    let node = App::new().backends(backends()).node(node).start().await.unwrap();
    let (transport, connector) = mem::listener();
    let gate = App::new().backends(backends()).gate(Gate::builder().id("g1").transport(transport).build());
    let gate = gate.start().await.unwrap();
    let (read, write) = connector.connect(Default::default()).await.unwrap();
    let client = Client::builder().over(read, write);

    let body = RawBody(vec![7; 100].into());
    for _ in 0..3 {
        let _: RawBody = client.request(RouteId(1), &body).await.unwrap();
    }
    for route in [2, 99] {
        client.request::<_, RawBody>(RouteId(route), &body).await.unwrap_err();
    }
    let open = seen(&snapshotter);
    client.close().await;
    gate.stop().await;
    node.stop().await;
    // Counters are read off: each snapshot has what came since the last.
    let after = seen(&snapshotter);
    let at = |seen: &[(String, u64)], name: &str| {
        seen.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("{name} in {seen:#?}")).1
    };

    let (gid, head) = ("gid=g1", 9);
    for (name, value) in [
        ("due_gate_sessions", 1),
        ("due_gate_sessions_total", 1),
        ("due_gate_turned_away_total", 0),
        ("due_gate_received_packets_total", 5),
        ("due_gate_received_bytes_total", 5 * (head + 100)),
        ("due_gate_sent_packets_total", 5),
    ] {
        assert_eq!(at(&open, &format!("{name} {gid}")), value, "{name}");
    }
    assert_eq!(at(&open, "due_gate_refused_total gid=g1 code=5"), 1);
    for (route, method, code, count) in [(1, "metrics.echo", 0, 3), (2, "metrics.fail", 3, 1)] {
        let labels = format!("nid=n1 route={route} method={method}");
        assert_eq!(at(&open, &format!("due_node_requests_total {labels} code={code}")), count);
        assert_eq!(at(&open, &format!("due_node_request_seconds {labels}")), count);
    }
    assert_eq!(at(&open, "due_link_connections id=g1 peer=node n1"), 1);
    assert_eq!(at(&open, "due_link_connections id=n1 peer=gate g1"), 1);
    assert!(at(&open, "due_link_sent_bytes_total id=g1 peer=node n1") > 4 * 100);

    assert_eq!(at(&after, "due_gate_sessions gid=g1"), 0);
    assert_eq!(at(&after, "due_link_connections id=g1 peer=node n1"), 0);
}
