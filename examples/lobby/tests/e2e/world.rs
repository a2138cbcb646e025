//! The same servers, twice: in one process on memory, and as a fleet on redis and consul.

use std::collections::BTreeMap;
use std::path::Path;

use due::codec::RawBody;
use lobby::v1::{GAME_JOIN_ROOM, LOGIN_LOGIN};

use crate::player::connect;
use crate::process::{Process, Variables};
use crate::support::redis::{Server as Redis, until};
use crate::support::{Answer, Consul, Etcd, http};

/// Two gates, two game nodes, and one of everything else.
pub(crate) struct World {
    /// By id.
    pub(crate) processes: BTreeMap<&'static str, Process>,
    pub(crate) fleet: Option<Fleet>,
}

/// What the processes of a fleet share.
pub(crate) struct Fleet {
    pub(crate) redis: Redis,
    registry: Registry,
    /// What differs besides.
    more: Variables,
}

/// Where its processes find each other.
pub(crate) enum Registry {
    Consul(Consul),
    Etcd(Etcd),
}

const ROLES: [(&str, &str); 6] = [
    ("wallet", "wallet"),
    ("login", "login"),
    ("game", "game-1"),
    ("game", "game-2"),
    ("gate", "gate-1"),
    ("gate", "gate-2"),
];

impl World {
    pub(crate) fn in_one_process() -> Self {
        Self::in_one_process_with(Variables::new())
    }

    pub(crate) fn in_one_process_with(more: Variables) -> Self {
        let variables = [listeners(), more].concat();
        let etc = etc("memory");
        let process = Process::start(&["--etc", &etc, "--gates", "2", "--games", "2"], &variables);
        Self { processes: BTreeMap::from([("lobby", process)]), fleet: None }
    }

    /// On redis and consul, as the files have it.
    pub(crate) async fn as_a_fleet() -> Self {
        Self::on(Registry::Consul(Consul::start())).await
    }

    pub(crate) async fn on(registry: Registry) -> Self {
        Self::on_with(registry, Variables::new()).await
    }

    pub(crate) async fn on_with(registry: Registry, more: Variables) -> Self {
        let fleet = Fleet { redis: Redis::start(), registry, more };
        let mut world = Self { processes: BTreeMap::new(), fleet: Some(fleet) };
        for (role, id) in ROLES {
            world.start(role, id);
        }
        world.fleet().knows("gate", 2).await;
        world.start("admin", "admin");
        for gate in 0..2 {
            let client = connect(&world, gate).await;
            for route in [LOGIN_LOGIN, GAME_JOIN_ROOM] {
                until(async || client.request::<_, RawBody>(route, &RawBody(Default::default())).await.is_ok()).await;
            }
        }
        world
    }

    /// One more process of a fleet.
    pub(crate) fn start(&mut self, role: &str, id: &'static str) {
        let fleet = self.fleet.as_ref().expect("a fleet");
        let variables = fleet.variables();
        self.processes.insert(id, Process::start(&[role, "--etc", &etc("fleet"), "--id", id], &variables));
    }

    /// A gate that takes the ports of another one.
    pub(crate) fn start_gate_beside(&mut self, other: &str, id: &'static str) {
        let mut variables = self.fleet().variables();
        for (name, scheme) in
            [("DUE_ETC_NETWORK_WS_SERVER_ADDR", "ws://"), ("DUE_ETC_NETWORK_TCP_SERVER_ADDR", "tcp://")]
        {
            let url = self.processes[other].urls(scheme).pop().expect("it serves");
            variables.push((name, url.strip_prefix(scheme).unwrap().trim_end_matches('/').to_owned()));
        }
        self.processes.insert(id, Process::start(&["gate", "--etc", &etc("fleet"), "--id", id], &variables));
    }

    pub(crate) fn fleet(&mut self) -> &mut Fleet {
        self.fleet.as_mut().expect("a fleet")
    }

    /// Where a gate serves, of two.
    pub(crate) fn gate(&self, scheme: &str, number: usize) -> String {
        self.urls(scheme).into_iter().nth(number).expect("two gates")
    }

    fn urls(&self, scheme: &str) -> Vec<String> {
        self.processes.values().flat_map(|process| process.urls(scheme)).collect()
    }

    /// Tells a notice.
    pub(crate) fn post(&self, path: &str, kind: &str, body: &str) -> Answer {
        let page = self.admin();
        let token = page.split_once('#').expect("its token is shown").1;
        self.post_with(path, &[("Content-Type", kind), ("Authorization", &format!("Bearer {token}"))], body)
    }

    pub(crate) fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let page = self.admin();
        let port = page.split_once("/#").unwrap().0.rsplit_once(':').unwrap().1;
        http(port.parse().unwrap(), "POST", path, headers, body).expect("it answers")
    }

    /// The page of admin, with its token.
    pub(crate) fn admin(&self) -> String {
        let page = self.processes.values().find_map(|process| process.behind("master serves page=\""));
        page.expect("an admin").trim_end_matches('"').to_owned()
    }

    /// How many lines all servers together have said with this in it.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.processes.values().map(|process| process.count(|line| line.ends_with(text))).sum()
    }

    /// Waits until the server that says so has said it.
    pub(crate) fn wait_for(&self, server: &str, text: &str) {
        let process = self.processes.get(server).or_else(|| self.processes.get("lobby")).expect("it runs");
        process.wait_for(|line| line.ends_with(text), 1);
    }

    pub(crate) fn take(&mut self, id: &str) -> Process {
        self.processes.remove(id).expect("it runs")
    }
}

impl Fleet {
    /// Waits until the registry has so many instances of a kind.
    pub(crate) async fn knows(&self, kind: &str, many: usize) {
        until(async || match &self.registry {
            Registry::Consul(consul) => {
                let passing = consul.get(&format!("/v1/health/service/{kind}?passing=1"));
                passing.as_array().is_some_and(|list| list.len() == many)
            }
            Registry::Etcd(etcd) => {
                let keys = etcd.dump().into_iter().map(|(key, ..)| key);
                keys.filter(|key| key.split('/').any(|part| part == kind)).count() == many
            }
        })
        .await;
    }

    /// What differs from the files.
    fn variables(&self) -> Variables {
        let redis = self.redis.addr();
        let mut variables = listeners();
        variables.extend(match &self.registry {
            Registry::Consul(consul) => [
                ("DUE_ETC_REGISTRY_CONSUL_ADDR", consul.addr()),
                // Who is killed is out of the list soon.
                ("DUE_ETC_REGISTRY_CONSUL_HEARTBEAT_CHECK_INTERVAL", "5".to_owned()),
            ],
            Registry::Etcd(etcd) => {
                [("DUE_ETC_CLUSTER_REGISTRY", "etcd".to_owned()), ("DUE_ETC_REGISTRY_ETCD_ADDRS", etcd.addr())]
            }
        });
        variables.extend([
            ("DUE_ETC_LOCATE_REDIS_ADDRS", redis.clone()),
            ("DUE_ETC_EVENTBUS_REDIS_ADDRS", redis.clone()),
            ("LOBBY_STORE_REDIS", redis),
            ("DUE_ETC_CLUSTER_SECRET", "known to those of this fleet".to_owned()),
            ("DUE_ETC_CLUSTER_GATE_ADDR", "127.0.0.1:0".to_owned()),
            ("DUE_ETC_CLUSTER_NODE_ADDR", "127.0.0.1:0".to_owned()),
            ("DUE_ETC_TRANSPORT_GRPC_SERVER_ADDR", "127.0.0.1:0".to_owned()),
            ("DUE_ETC_TRANSPORT_RPCX_SERVER_ADDR", "127.0.0.1:0".to_owned()),
        ]);
        variables.extend(self.more.iter().cloned());
        variables
    }
}

/// Any free ports.
fn listeners() -> Variables {
    let free = || "127.0.0.1:0".to_owned();
    vec![
        ("DUE_ETC_NETWORK_WS_SERVER_ADDR", free()),
        ("DUE_ETC_NETWORK_TCP_SERVER_ADDR", free()),
        ("DUE_ETC_CLUSTER_MASTER_ADDR", free()),
    ]
}

fn etc(name: &str) -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(name);
    dir.to_str().expect("a path of text").to_owned()
}
