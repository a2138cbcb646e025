//! A gate whose checks fail, as they do for a while when consul has restarted, lives and serves on.

use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::locator::MemoryLocator;
use due::registry::{ConsulRegistry, Kind, Registry};
use due::{
    App, Backends, CallError, Client, Code, Context, Gate, Node, NodeBuilder, RouteId, RunningApp, TcpLink, Uid,
};
use serde_json::json;

use crate::support::Consul;
use crate::{instance, soon, until, until_true};

const WHO: RouteId = RouteId(3);
const NEW: RouteId = RouteId(4);
const LI: Uid = Uid(7);

#[due::route(3)]
async fn who(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    Ok(RawBody(Bytes::from(ctx.nid().to_string())))
}

/// Asks the gate by its id as well.
#[due::route(4)]
async fn new(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    ctx.bind(LI).await?;
    ctx.cluster().ip(LI).await?;
    Ok(body)
}

fn registry(server: &Consul) -> ConsulRegistry {
    ConsulRegistry::new()
        .addr(server.addr())
        .health_check_interval(Duration::from_secs(1))
        .health_check_timeout(Duration::from_secs(1))
}

fn app(registry: ConsulRegistry, locator: &MemoryLocator) -> App {
    let backends = Backends::memory().registry(registry).locator(locator.clone());
    App::new().backends(backends.link(TcpLink::new().addr("127.0.0.1:0")))
}

async fn start(app: App, node: NodeBuilder) -> RunningApp {
    app.node(node.build().unwrap()).start().await.unwrap()
}

/// A service under maintenance is on no list.
fn maintain(server: &Consul, enable: bool) {
    server.put(&format!("/v1/agent/service/maintenance/gate-g1?enable={enable}"), &json!(null));
}

async fn ask(client: &Client, route: RouteId) -> Result<String, CallError> {
    let RawBody(nid) = client.request(route, &RawBody(Bytes::new())).await?;
    Ok(String::from_utf8(nid.to_vec()).unwrap())
}

/// Until there is a node that the gate knows of.
async fn served(client: &Client, route: RouteId) {
    soon(async {
        while let Err(error) = ask(client, route).await {
            assert!(matches!(&error, CallError::Status(status) if status.code() == Code::NOT_FOUND), "{error:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_is_not_listed_leaves_a_new_node_alone_until_it_is() {
    let (server, locator) = (Consul::start(), MemoryLocator::new());
    let node = |id| Node::builder().id(id).serve(due::routes![who]);
    let old = start(app(registry(&server), &locator), node("n1")).await;
    let of_gate = registry(&server);
    let gate = app(of_gate.clone(), &locator).gate(Gate::builder().id("g1").tcp("127.0.0.1:0")).start().await.unwrap();
    let client = Client::builder().connect(gate.addresses().next().unwrap()).await.unwrap();
    served(&client, WHO).await;
    maintain(&server, true);
    until_true(|| !of_gate.is_listed(Kind::Gate, "g1")).await;

    let second = start(app(registry(&server), &locator), node("n2").serve(due::routes![new])).await;
    // What nobody else has it answers, as it finds out who calls.
    served(&client, NEW).await;
    for _ in 0..8 {
        assert_eq!(ask(&client, WHO).await.unwrap(), "n1");
    }
    old.stop().await;
    assert_eq!(ask(&client, WHO).await.unwrap(), "n2");

    let third = start(app(registry(&server), &locator), node("n3")).await;
    maintain(&server, false);
    soon(async { while ask(&client, WHO).await.unwrap() != "n3" {} }).await;
    tokio::join!(gate.stop(), second.stop(), third.stop());
}

#[tokio::test]
async fn who_is_sought_is_listed_for_a_while() {
    let server = Consul::start();
    let registry = registry(&server).heartbeat_check_interval(Duration::from_secs(1)).timeout(Duration::from_secs(1));
    let mut gate = instance(Kind::Gate, "g1");
    // Nobody listens there.
    gate.endpoint = "drpc://127.0.0.1:1?is_secure=false".to_owned();
    registry.register(gate.clone()).await.unwrap();
    assert!(registry.is_listed(Kind::Gate, "g1"), "as far as is known: nobody looks");
    assert!(!registry.seek(Kind::Gate, "g1").await.unwrap());
    let mut watch = registry.watch(Kind::Gate).await.unwrap();
    until(&mut watch, <[_]>::is_empty).await;
    assert!(!registry.is_listed(Kind::Gate, "g1"));

    assert!(!registry.seek(Kind::Gate, "g2").await.unwrap());
    assert!(registry.seek(Kind::Gate, "g1").await.unwrap());
    assert_eq!(*watch.latest(), [gate.clone()]);
    assert_eq!(*registry.list(Kind::Gate).await.unwrap(), [gate]);
    assert!(!registry.is_listed(Kind::Gate, "g1"), "others do not see it");
    until(&mut watch, <[_]>::is_empty).await;
}
