//! The servers under a fleet, and the fleet's members.

use crate::fleet::{Member, Orders, Role, Where};
use crate::support::redis::Server as Redis;
use crate::support::{Consul, Etcd};

/// What members find each other and their users by.
pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) registry: Registry,
}

pub(crate) enum Registry {
    Etcd(Etcd),
    Consul(Consul),
}

impl World {
    pub(crate) fn on_etcd() -> Self {
        Self { redis: Redis::start(), registry: Registry::Etcd(Etcd::start()) }
    }

    pub(crate) fn on_consul() -> Self {
        Self { redis: Redis::start(), registry: Registry::Consul(Consul::start()) }
    }

    pub(crate) fn node(&self, id: &str) -> Member {
        Member::start(&self.orders(id, node(None)))
    }

    /// When it stops, its users play on with its heir.
    pub(crate) fn node_with_heir(&self, id: &str, heir: &str) -> Member {
        Member::start(&self.orders(id, node(Some(heir.to_owned()))))
    }

    /// Others reach it at an address of its own.
    pub(crate) fn node_on(&self, host: &str, id: &str) -> Member {
        Member::start(&Orders { host: host.to_owned(), ..self.orders(id, node(None)) })
    }

    pub(crate) fn gate_on(&self, host: &str, id: &str) -> Member {
        Member::start(&Orders { host: host.to_owned(), ..self.orders(id, lone_gate()) })
    }

    /// Listens on a port of its own.
    pub(crate) fn gate(&self, id: &str) -> Member {
        Member::start(&self.orders(id, lone_gate()))
    }

    pub(crate) fn gate_with_full_disk(&self, id: &str) -> Member {
        Member::start(&Orders { full_disk: true, ..self.orders(id, lone_gate()) })
    }

    /// Listens on ports that others may listen on as well.
    pub(crate) fn gate_at(&self, id: &str, tcp: &str, ws: &str) -> Member {
        let role = Role::Gate { tcp: Some(tcp.to_owned()), ws: Some(ws.to_owned()), shared: true };
        Member::start(&self.orders(id, role))
    }

    fn orders(&self, id: &str, role: Role) -> Orders {
        let registry = match &self.registry {
            Registry::Etcd(etcd) => Where::Etcd(etcd.addr()),
            Registry::Consul(consul) => Where::Consul(consul.addr()),
        };
        let host = "127.0.0.1".to_owned();
        Orders { id: id.to_owned(), role, redis: self.redis.addr(), registry, host, full_disk: false }
    }
}

fn node(heir: Option<String>) -> Role {
    Role::Node { work: 2, heir }
}

fn lone_gate() -> Role {
    Role::Gate { tcp: Some("127.0.0.1:0".to_owned()), ws: None, shared: false }
}
