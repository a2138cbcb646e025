//! A gate lets clients in when nodes find it, no earlier.

use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::locator::MemoryLocator;
use due::registry::{ConsulRegistry, Instance, Instances, Kind, MemoryRegistry, Registry, RegistryError, Watch};
use due::transport::tcp::Tcp;
use due::transport::{Transport, mem};
use due::{App, Backends, BoxFuture, Client, Codec, Context, Gate, Node, RouteId, StartError, TcpLink, Uid};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::logs::Logs;
use crate::support::Consul;
use crate::{chain, soon};

const LI: Uid = Uid(7);

/// Binds, and asks the gate at once where the client is: the answer takes this way, too.
#[due::route(2)]
async fn login(ctx: &mut Context, _: RawBody) -> due::Result<RawBody> {
    ctx.bind(LI).await?;
    let ip = ctx.cluster().ip(LI).await?;
    Ok(RawBody(Bytes::from(ip.to_string())))
}

fn consul(server: &Consul) -> ConsulRegistry {
    ConsulRegistry::new()
        .addr(server.addr())
        .health_check_interval(Duration::from_secs(3))
        .health_check_timeout(Duration::from_secs(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_logs_in_right_after_the_start_is_known_to_a_node_of_another_process() {
    let (server, locator) = (Consul::start(), MemoryLocator::new());
    let app = || {
        let backends = Backends::memory().codec(Codec::Json).registry(consul(&server)).locator(locator.clone());
        App::new().backends(backends.link(TcpLink::new().addr("127.0.0.1:0")))
    };
    let node = Node::builder().id("n1").serve(due::routes![login]).build().unwrap();
    let node = app().node(node).start().await.unwrap();
    // One process more: a node that a gate starts with is listed as well.
    let second = Node::builder().id("n2").serve(due::routes![login]).build().unwrap();
    let gate = app()
        .gate(Gate::builder().id("g1").metadata("zone", "eu").tcp("127.0.0.1:0"))
        .node(second)
        .start()
        .await
        .unwrap();
    for (kind, id) in [("gate", "gate-g1"), ("node", "node-n2")] {
        let passing = server.get(&format!("/v1/health/service/{kind}?passing=1"));
        let ids = passing.as_array().unwrap().iter().map(|entry| entry["Service"]["ID"].as_str().unwrap());
        assert_eq!(ids.filter(|passing| *passing == id).count(), 1, "{id}");
    }
    assert_eq!(server.get("/v1/agent/service/gate-g1")["Meta"]["_zone"], "eu");
    for _ in 0..4 {
        let client = Client::builder().codec(Codec::Json).connect(gate.addresses().next().unwrap()).await.unwrap();
        let RawBody(ip) = client.request(RouteId(2), &RawBody(Bytes::new())).await.unwrap();
        assert_eq!(ip, "127.0.0.1");
    }
    tokio::join!(gate.stop(), node.stop());
}

#[tokio::test]
async fn a_gate_that_the_agent_does_not_reach_does_not_start() {
    let server = Consul::start();
    let registry = consul(&server).health_check_interval(Duration::from_secs(1));
    // Another address of this machine, where nobody listens.
    let backends =
        Backends::memory().registry(registry.clone()).link(TcpLink::new().addr("127.0.0.1:0").advertise("127.0.0.9"));
    let (logs, _guard) = Logs::listen();
    let (transport, _connector) = mem::listener();
    let error = App::new().backends(backends).gate(Gate::builder().id("g1").transport(transport)).start().await;
    let error = error.unwrap_err();
    let StartError::Registry(RegistryError::Unlisted { kind: Kind::Gate, after, endpoint, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*after, Duration::from_secs(7), "two of latency, one of interval, one of timeout, three of patience");
    let text =
        format!("registry does not list gate g1 7s after it was registered: see whether its checks reach {endpoint}");
    assert_eq!(chain(&error), text);
    assert_eq!(logs.count("waiting until the registry lists it"), 1, "{}", logs.all());
    assert_eq!(server.get("/v1/agent/services"), serde_json::json!({}), "it has left again");
}

/// Shows nobody to anybody at first.
#[derive(Clone, Debug)]
struct Shy {
    truth: MemoryRegistry,
    shows: watch::Sender<bool>,
}

impl Registry for Shy {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.truth.register(instance)
    }

    fn deregister<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
        self.truth.deregister(kind, id)
    }

    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Instances, RegistryError>> {
        Box::pin(
            async move { if *self.shows.borrow() { self.truth.list(kind).await } else { Ok(Instances::from([])) } },
        )
    }

    fn watch(&self, kind: Kind) -> BoxFuture<'_, Result<Watch, RegistryError>> {
        Box::pin(async move {
            let (feed, watch) = Watch::channel(self.list(kind).await?);
            let (truth, mut shows) = (self.truth.clone(), self.shows.subscribe());
            tokio::spawn(async move {
                if shows.wait_for(|shows| *shows).await.is_ok() {
                    feed.publish(truth.list(kind).await.unwrap());
                    feed.closed().await;
                }
            });
            Ok(watch)
        })
    }

    fn admission(&self) -> Duration {
        Duration::from_secs(3600)
    }
}

#[tokio::test]
async fn a_shared_port_brings_a_gate_no_client_before_it_is_listed() {
    let registry = Shy { truth: MemoryRegistry::new(), shows: watch::Sender::new(false) };
    let mut old = Tcp::bind_shared("127.0.0.1:0").await.unwrap();
    let url = old.local_addr();
    let addr = url.strip_prefix("tcp://").unwrap();
    let gate = Gate::builder().id("g1").reuse_port(true).linger(Duration::ZERO).tcp(addr);
    let start = tokio::spawn(App::new().backends(Backends::memory().registry(registry.clone())).gate(gate).start());
    soon(async {
        while registry.truth.list(Kind::Gate).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The system would have given about half of them to the new one.
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(TcpStream::connect(addr).await.unwrap());
        soon(old.accept()).await;
    }
    assert!(!start.is_finished());
    registry.shows.send_replace(true);
    let gate = soon(start).await.unwrap().unwrap();
    assert_eq!(gate.addresses().collect::<Vec<_>>(), [&url]);
    gate.stop().await;
}
