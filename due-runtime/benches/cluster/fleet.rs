//! Who is measured: processes that serve an address, and the redis and etcd that gate and node need.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::ears::text64;
use crate::floors;
use crate::go::Go;
use crate::proc::{self, Again, again};
use crate::servers;
use crate::support::{Etcd, redis};
use crate::wire::Wire;

/// Before a server that does not answer is asked again.
const LOOK: Duration = Duration::from_millis(20);
/// No client sends a heartbeat.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Echo,
    Relay,
    Go,
    Rust,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Echo, Self::Relay, Self::Go, Self::Rust];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Relay => "relay",
            Self::Go => "go",
            Self::Rust => "rust",
        }
    }
}

/// Gate and node, or a floor.
pub(crate) struct Fleet {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    of: Of,
    world: Option<World>,
}

enum Of {
    Floor(Again),
    Rust { gate: Again, node: Again },
    Go { gate: Go, node: Go },
}

pub(crate) struct World {
    pub(crate) redis: redis::Server,
    etcd: Etcd,
}

impl World {
    pub(crate) fn start() -> Self {
        crate::go::program();
        Self { redis: redis::Server::start(), etcd: Etcd::start() }
    }
}

impl Fleet {
    /// Starts it with backends of its own, and waits for a first answer.
    pub(crate) async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Echo => Self::floor(kind, floors::ECHO),
            Kind::Relay => Self::floor(kind, floors::RELAY),
            Kind::Go | Kind::Rust => Self::server(kind, World::start()).await,
        }
    }

    fn floor(kind: Kind, role: &str) -> Self {
        let mut floor = again(&[role]);
        Self { kind, url: floor.told(), of: Of::Floor(floor), world: None }
    }

    pub(crate) async fn server(kind: Kind, world: World) -> Self {
        let (redis, etcd) = (world.redis.addr(), world.etcd.addr());
        let (url, of) = match kind {
            Kind::Go => {
                let [gate, node] = ["gate", "node"].map(|role| {
                    json!({
                        "role": role, "id": role, "name": role, "redis": redis, "etcd": etcd, "quiet": true,
                        "heartbeatMs": HEARTBEAT.as_millis() as u64,
                    })
                });
                let (mut gate, mut node) = (gate, node);
                gate["network"] = json!("tcp");
                node["routes"] =
                    json!([{ "id": 1, "do": "echo" }, { "id": 2, "do": "json" }, { "id": 3, "do": "bind" }]);
                let (gate, node) = tokio::join!(Go::start(&gate, ""), Go::start(&node, ""));
                (gate.addr.clone(), Of::Go { gate, node })
            }
            _ => {
                let [mut gate, node] = [servers::GATE, servers::NODE].map(|role| again(&[role, &redis, &etcd]));
                (gate.told(), Of::Rust { gate, node })
            }
        };
        answers(&url).await;
        Self { kind, url, of, world: Some(world) }
    }

    pub(crate) fn world(&self) -> &World {
        self.world.as_ref().expect("a gate and a node have one")
    }

    pub(crate) fn gate_pid(&self) -> u32 {
        match &self.of {
            Of::Floor(floor) => floor.pid(),
            Of::Rust { gate, .. } => gate.pid(),
            Of::Go { gate, .. } => gate.pid(),
        }
    }

    /// Time on a core that it has had.
    pub(crate) fn cpu_time(&self) -> Duration {
        let node = match &self.of {
            Of::Floor(_) => None,
            Of::Rust { node, .. } => Some(node.pid()),
            Of::Go { node, .. } => Some(node.pid()),
        };
        [Some(self.gate_pid()), node].into_iter().flatten().map(|pid| proc::cpu_time(pid, None)).sum()
    }

    /// Has the node send so many messages to everybody, whose first eight bytes count on.
    pub(crate) async fn broadcast(&mut self, route: i32, body: &[u8], count: usize) {
        match &mut self.of {
            Of::Floor(_) => unreachable!("floors do not broadcast"),
            Of::Rust { node, .. } => node.tell(&format!("{count} {}", text64(body))),
            Of::Go { node, .. } => {
                const SESSIONS: i32 = 1;
                let command = json!({
                    "do": "broadcasts", "kind": SESSIONS, "route": route, "body": text64(body), "count": count,
                });
                node.ask(command).await.expect("Go broadcasts");
            }
        }
    }
}

/// Waits until a gate has a node: until then both languages answer with something else or not at all.
async fn answers(url: &str) {
    let wire = Wire::new(url, 16);
    let exchange = async || {
        let mut stream = wire.connect().await?;
        stream.write_all(&wire.request).await?;
        let mut answer = vec![0; wire.answer.len()];
        stream.read_exact(&mut answer).await?;
        Ok::<_, io::Error>(answer == wire.answer)
    };
    while !matches!(timeout(LOOK, exchange()).await, Ok(Ok(true))) {
        sleep(LOOK / 10).await;
    }
}
