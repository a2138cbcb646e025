//! The link inside one process: gates and nodes find each other here, and calls are function calls.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, RwLock, Weak};

use super::link::{Attached, GateLink, Link, Member, NodeLink, Server};
use crate::future::BoxFuture;
use crate::id::{Gid, Nid};

#[derive(Default)]
pub(crate) struct MemoryLink {
    gates: RwLock<HashMap<Gid, Weak<dyn GateLink>>>,
    nodes: RwLock<HashMap<Nid, Weak<dyn NodeLink>>>,
}

const SCHEME: &str = "mem://";

impl Link for MemoryLink {
    fn attach<'a>(&'a self, member: &'a Member, server: Server) -> BoxFuture<'a, io::Result<Attached>> {
        match server {
            Server::Gate(gate) => {
                let mut gates = self.gates.write().unwrap();
                gates.retain(|_, gate| gate.strong_count() > 0);
                let gate: Arc<dyn GateLink> = gate;
                gates.insert(Gid::from(&*member.id), Arc::downgrade(&gate));
            }
            Server::Node(node, _) => {
                let mut nodes = self.nodes.write().unwrap();
                nodes.retain(|_, node| node.strong_count() > 0);
                let node: Arc<dyn NodeLink> = node;
                nodes.insert(Nid::from(&*member.id), Arc::downgrade(&node));
            }
        }
        Box::pin(async move { Ok(Attached { endpoint: format!("{SCHEME}{}", member.id), door: None }) })
    }

    fn gate(&self, _: &Member, gid: &Gid, _: &str) -> Option<Arc<dyn GateLink>> {
        self.gates.read().unwrap().get(gid)?.upgrade()
    }

    fn node(&self, _: &Member, nid: &Nid, _: &str) -> Option<Arc<dyn NodeLink>> {
        self.nodes.read().unwrap().get(nid)?.upgrade()
    }

    fn leave<'a>(&'a self, _: &'a Member) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl fmt::Debug for MemoryLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryLink")
    }
}
