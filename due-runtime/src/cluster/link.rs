//! What gates and nodes say to each other, whatever carries it. The numbers of `cluster-wire` opcodes stand beside each.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, RwLock, Weak};

use bytes::Bytes;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Nid, Uid};
use crate::packet::Packet;
use crate::session::SessionTarget;

/// Finds the way to an instance by its registry endpoint.
pub(crate) trait Link: Send + Sync + fmt::Debug + 'static {
    /// The endpoint to register for an instance that serves itself through this link.
    fn attach_gate(&self, gid: &Gid, gate: &Arc<dyn GateLink>) -> String;
    fn attach_node(&self, nid: &Nid, node: &Arc<dyn NodeLink>) -> String;
    fn gate(&self, gid: &Gid, endpoint: &str) -> Option<Arc<dyn GateLink>>;
    fn node(&self, nid: &Nid, endpoint: &str) -> Option<Arc<dyn NodeLink>>;
}

/// A gate, as nodes and meshes see it.
pub(crate) trait GateLink: Send + Sync {
    /// Queues a packet for a session and asks for no answer; never waits.
    fn push(&self, cid: Cid, packet: Bytes) -> Result<(), LinkError>;
    fn call(&self, op: GateOp) -> BoxFuture<'_, Result<GateAnswer, LinkError>>;
}

/// A node, as gates and other nodes see it.
pub(crate) trait NodeLink: Send + Sync {
    /// Hands a client message over (15). `Ok`: it is queued or already handled.
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered>;
    /// Waits until [`deliver`](Self::deliver) may find room for this session again.
    fn room(&self, gid: &Gid, cid: Cid) -> BoxFuture<'_, ()>;
}

/// A client message on its way to a node.
pub(crate) struct Delivery {
    pub(crate) gid: Gid,
    /// Where the answer goes.
    pub(crate) gate: Arc<dyn GateLink>,
    pub(crate) cid: Cid,
    pub(crate) uid: Option<Uid>,
    pub(crate) packet: Packet,
    /// Dropped when the answer is with the gate, or there will be none.
    pub(crate) request: TaskTrackerToken,
}

/// The message comes back to the caller.
pub(crate) enum Undelivered {
    /// The session has too many messages waiting: stop reading from it, wait for `room`, try again.
    Full(Delivery),
    /// The node is stopping or gone: another one may take the message.
    Gone(Delivery),
}

/// What a node asks of a gate.
#[derive(Debug)]
pub(crate) enum GateOp {
    /// 2
    Bind { cid: Cid, uid: Uid },
    /// 3
    Unbind { uid: Uid },
    /// 4
    Ip(SessionTarget),
    /// 5
    Stat(Audience),
    /// 6
    IsOnline(SessionTarget),
    /// 7
    Disconnect { target: SessionTarget, force: bool },
    /// 8
    Push { target: SessionTarget, packet: Bytes },
    /// 9
    Multicast { targets: Vec<SessionTarget>, packet: Bytes },
    /// 10
    Broadcast { audience: Audience, packet: Bytes },
    /// 11
    Publish { channel: Arc<str>, packet: Bytes },
    /// 12
    Subscribe { targets: Vec<SessionTarget>, channel: Arc<str> },
    /// 13
    Unsubscribe { targets: Vec<SessionTarget>, channel: Arc<str> },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GateAnswer {
    Done,
    Ip(IpAddr),
    Online(bool),
    Total(u64),
}

/// Which sessions of a gate are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Every connection.
    Sessions,
    /// Every connection with a user.
    Users,
}

/// Why a gate did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("no such session")]
    NoSession,
    #[error("the client reads too slowly")]
    Backlogged,
    #[error("the gate failed: {0}")]
    Failed(String),
}

/// Gates and nodes of one process find each other here; calls are function calls.
#[derive(Default)]
pub(crate) struct MemoryLink {
    gates: RwLock<HashMap<Gid, Weak<dyn GateLink>>>,
    nodes: RwLock<HashMap<Nid, Weak<dyn NodeLink>>>,
}

impl Link for MemoryLink {
    fn attach_gate(&self, gid: &Gid, gate: &Arc<dyn GateLink>) -> String {
        let mut gates = self.gates.write().unwrap();
        gates.retain(|_, gate| gate.strong_count() > 0);
        gates.insert(gid.clone(), Arc::downgrade(gate));
        format!("mem://{gid}")
    }

    fn attach_node(&self, nid: &Nid, node: &Arc<dyn NodeLink>) -> String {
        let mut nodes = self.nodes.write().unwrap();
        nodes.retain(|_, node| node.strong_count() > 0);
        nodes.insert(nid.clone(), Arc::downgrade(node));
        format!("mem://{nid}")
    }

    fn gate(&self, gid: &Gid, _endpoint: &str) -> Option<Arc<dyn GateLink>> {
        self.gates.read().unwrap().get(gid)?.upgrade()
    }

    fn node(&self, nid: &Nid, _endpoint: &str) -> Option<Arc<dyn NodeLink>> {
        self.nodes.read().unwrap().get(nid)?.upgrade()
    }
}

impl fmt::Debug for MemoryLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryLink")
    }
}
