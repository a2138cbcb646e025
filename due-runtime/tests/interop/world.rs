use std::sync::Arc;
use std::time::Duration;

use due::event::RedisBus;
use due::locator::RedisLocator;
use due::packet::Format;
use due::registry::{ConsulRegistry, EtcdRegistry};
use due::transport::{kcp::Kcp, tcp::Tcp, ws::Ws};
use due::{
    App, Backends, CallError, Code, Codec, DuplicateLogin, Gate, GateBuilder, Gid, Nid, OutboxLimits, RunningApp,
    TcpLink,
};
use serde_json::{Map, Value, json};

use crate::ears::{Ears, PATIENCE};
use crate::go::Go;
use crate::node::{NodeOf, NodePeer, go_routes, rust_node};
use crate::player::Player;
use crate::secrets::{End, Secrets};
use crate::support::redis::{self, until};
use crate::support::{Consul, Etcd, Nats};

/// The program of the gates and nodes that are ours, and of those that are not.
pub(crate) const RUST_GATE: &str = "g-rust";
pub(crate) const GO_GATE: &str = "g-go";
pub(crate) const RUST_NODE: &str = "n-rust";
pub(crate) const GO_NODE: &str = "n-go";

/// Where instances are registered.
pub(crate) enum Place {
    Consul(Consul),
    Etcd(Etcd),
}

impl Place {
    pub(crate) fn consul() -> Self {
        Self::Consul(Consul::start())
    }

    pub(crate) fn etcd() -> Self {
        Self::Etcd(Etcd::start())
    }
}

/// What a fleet may have otherwise.
pub(crate) struct Setup {
    pub(crate) network: &'static str,
    /// Of our node; that of Go is told in its configuration.
    pub(crate) codec: Codec,
    /// How packets are written, as both languages are told it.
    pub(crate) format: Format,
    pub(crate) packet: &'static str,
    /// More of the configuration of Go's node.
    pub(crate) go_node: Value,
    /// Events go through nats rather than redis.
    pub(crate) nats: bool,
    /// How both nodes encrypt what clients read.
    pub(crate) secrets: Option<Secrets>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            network: "tcp",
            codec: Codec::Json,
            format: Format::new(),
            packet: "",
            go_node: json!({}),
            nats: false,
            secrets: None,
        }
    }
}

/// A redis and a registry that Go and Rust share.
pub(crate) struct World {
    pub(crate) redis: redis::Server,
    pub(crate) place: Place,
    nats: Option<Nats>,
    secrets: Option<Secrets>,
    format: Format,
    packet: &'static str,
}

impl World {
    pub(crate) fn new(place: Place) -> Self {
        // Before anything has a deadline.
        crate::go::program();
        let redis = redis::Server::start();
        Self { redis, place, nats: None, secrets: None, format: Format::new(), packet: "" }
    }

    /// What a process of ours has, each of its own.
    pub(crate) fn backends(&self) -> Backends {
        let redis = self.redis.redis();
        let backends = Backends::memory()
            .locator(RedisLocator::new(&redis))
            .event_bus(RedisBus::new(&redis))
            .codec(Codec::Json)
            .format(self.format.clone())
            .link(TcpLink::new().addr("127.0.0.1:0"));
        let backends = match &self.nats {
            Some(nats) => backends.event_bus(nats.bus()),
            None => backends,
        };
        match &self.place {
            Place::Consul(consul) => backends
                .registry(ConsulRegistry::new().addr(consul.addr()).health_check_interval(Duration::from_secs(1))),
            Place::Etcd(etcd) => backends.registry(EtcdRegistry::new().addrs([etcd.addr()])),
        }
    }

    /// Where redis has a user, as it says it itself.
    pub(crate) async fn gate_of(&self, uid: i64) -> String {
        self.redis.raw().await.ask(&["GET", &format!("due:locate:locate:user:{uid}:gate")]).await
    }

    pub(crate) async fn go(&self, config: Value) -> Go {
        let Value::Object(mut config) = config else { panic!("{config}") };
        config.insert("redis".into(), json!(self.redis.addr()));
        match &self.place {
            Place::Consul(consul) => config.insert("consul".into(), json!(consul.addr())),
            Place::Etcd(etcd) => config.insert("etcd".into(), json!(etcd.addr())),
        };
        Go::start(&Value::Object(config), self.packet).await
    }

    pub(crate) async fn rust_gate(&self, gate: GateBuilder) -> RunningApp {
        App::new().backends(self.backends()).gate(gate.build()).start().await.unwrap()
    }

    pub(crate) async fn rust_node(&self, nid: &'static str, codec: &Codec) -> NodePeer {
        let ears = Arc::new(Ears::default());
        let node = rust_node(nid, &ears, codec);
        let node = match &self.secrets {
            Some(secrets) => node.encryptor(secrets.encryptor(End::Server)),
            None => node,
        };
        let node = node.build().unwrap();
        let app = App::new().backends(self.backends()).node(node).start().await.unwrap();
        NodePeer { nid, ears, of: NodeOf::Rust(Box::new(app)) }
    }

    pub(crate) async fn go_node(&self, nid: &'static str, more: Value) -> NodePeer {
        let mut config = json!({
            "role": "node", "id": nid, "name": "game", "routes": go_routes(),
            "events": ["connect", "reconnect", "disconnect"],
        });
        merge(&mut config, more);
        if let Some(nats) = &self.nats {
            merge(&mut config, json!({ "bus": "nats", "nats": format!("nats://{}", nats.addr()) }));
        }
        if let Some(secrets) = &self.secrets {
            config["encryptor"] = secrets.of_go(End::Server);
        }
        let go = self.go(config).await;
        NodePeer { nid, ears: Arc::clone(&go.ears), of: NodeOf::Go(go) }
    }

    pub(crate) async fn go_gate(&self, gid: &str, network: &str) -> Go {
        let config = json!({
            "role": "gate", "id": gid, "name": "gate", "network": network, "dispatch": "rr", "heartbeatMs": 1000,
        });
        self.go(config).await
    }
}

fn merge(config: &mut Value, more: Value) {
    let empty = Map::new();
    for (key, value) in more.as_object().unwrap_or(&empty) {
        config[key] = value.clone();
    }
}

/// One gate and one node of each language, which know each other, and a process of Go for its clients.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) rust_gate: RunningApp,
    pub(crate) go_gate: Go,
    /// The one of Rust, and the one of Go.
    pub(crate) nodes: [NodePeer; 2],
    pub(crate) clients: Arc<Go>,
}

impl Fleet {
    pub(crate) async fn start(place: Place) -> Self {
        Self::with(Setup::default(), place).await
    }

    pub(crate) async fn with(setup: Setup, place: Place) -> Self {
        let Setup { network, codec, format, packet, go_node, nats, secrets } = setup;
        let nats = nats.then(Nats::start);
        let world = World { format, packet, nats, secrets, ..World::new(place) };
        // However busy this machine is, no client of these tests reads too slowly.
        let outbox = OutboxLimits { patience: PATIENCE, ..OutboxLimits::default() };
        let gate = Gate::builder().id(RUST_GATE).duplicate_login(DuplicateLogin::Close).outbox(outbox);
        let gate = match network {
            "tcp" => gate.transport(Tcp::bind("127.0.0.1:0").await.unwrap()),
            "ws" => gate.transport(Ws::bind("127.0.0.1:0").await.unwrap()),
            "kcp" => gate.transport(Kcp::bind("127.0.0.1:0").await.unwrap()),
            _ => panic!("no network is named {network}"),
        };
        let gate = gate.heartbeat_interval(Duration::from_secs(1));
        let clients = json!({ "role": "client", "id": "clients", "network": network, "heartbeatMs": 1000 });
        let (rust_gate, go_gate, rust_node, go_node, clients) = tokio::join!(
            world.rust_gate(gate),
            world.go_gate(GO_GATE, network),
            world.rust_node(RUST_NODE, &codec),
            world.go_node(GO_NODE, go_node),
            async { Arc::new(Go::start(&clients, packet).await) },
        );
        let this = Self { world, rust_gate, go_gate, nodes: [rust_node, go_node], clients };
        this.acquaint().await;
        this
    }

    /// Waits until everybody knows everybody.
    async fn acquaint(&self) {
        let gates = json!({ RUST_GATE: "work", GO_GATE: "work" });
        let nodes = json!({ RUST_NODE: "work", GO_NODE: "work" });
        let go_node = &self.nodes[1].ears;
        tokio::join!(
            self.go_gate.ears.knows("node", &nodes),
            go_node.knows("node", &nodes),
            go_node.knows("gate", &gates)
        );
        let cluster = self.nodes[0].cluster().expect("a node of ours");
        for gid in [RUST_GATE, GO_GATE] {
            until(async || cluster.state(Gid::from(gid)).await.is_ok()).await;
        }
        for nid in [RUST_NODE, GO_NODE] {
            until(async || cluster.state(Nid::from(nid)).await.is_ok()).await;
        }
        let player = self.rust_player(RUST_GATE).await;
        // The gate may know none of them yet; that of Go may have come a moment ago, and is asked beside ours when it has settled.
        let mut ours_is_there = false;
        until(async || {
            let nid = match player.try_ask(2, b"").await {
                Ok(nid) => nid,
                Err(CallError::Status(status)) if status.code() == Code::NOT_FOUND => return false,
                Err(error) => panic!("{error}"),
            };
            let is_go = nid == GO_NODE.as_bytes();
            ours_is_there |= !is_go;
            ours_is_there && is_go
        })
        .await;
        player.close().await;
        for node in &self.nodes {
            node.ears.hear_a("disconnect").await;
            node.ears.take_all("connect");
            node.ears.take_all("request");
        }
    }

    /// Where clients connect to a gate.
    pub(crate) fn url(&self, gid: &str) -> &str {
        match gid {
            RUST_GATE => self.rust_gate.addresses().next().expect("one listener"),
            _ => &self.go_gate.addr,
        }
    }

    pub(crate) async fn rust_player(&self, gid: &str) -> Player {
        Player::rust(self.url(gid), &self.world.format).await
    }

    pub(crate) async fn go_player(&self, gid: &str) -> Player {
        Player::go(&self.clients, self.url(gid)).await
    }
}
