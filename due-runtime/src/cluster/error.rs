//! Whom an operation means, what became of it, and why it failed.

use std::fmt;

use super::link::LinkError;
use crate::id::{Cid, Gid, Nid, RouteId, Uid};
use crate::locator::LocateError;
use crate::packet;
use crate::registry::RegistryError;

/// Whom a push or an operation means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// One connection of one gate.
    Session(Gid, Cid),
    /// A user, wherever the locator finds him.
    User(Uid),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(gid, cid) => write!(f, "session {cid} of gate {gid}"),
            Self::User(uid) => write!(f, "user {uid}"),
        }
    }
}

impl From<Uid> for Target {
    fn from(uid: Uid) -> Self {
        Self::User(uid)
    }
}

/// One server of the cluster.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ServerId {
    /// A gate.
    Gate(Gid),
    /// A node.
    Node(Nid),
}

impl From<Gid> for ServerId {
    fn from(gid: Gid) -> Self {
        Self::Gate(gid)
    }
}

impl From<Nid> for ServerId {
    fn from(nid: Nid) -> Self {
        Self::Node(nid)
    }
}

/// What became of a message to many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Sessions that have it in their queue.
    pub delivered: u64,
    /// Targets without a session, and those that read too slowly to take it: gates count who has it.
    pub absent: u64,
    /// Targets or gates that could not be asked.
    pub failed: u64,
}

/// How a session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// What is queued is written first.
    Graceful,
    /// At once; what is queued is lost.
    Force,
}

/// Why an operation on one session or user failed. Nothing was done, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The target has no session (any more).
    #[error("{0} is not connected")]
    NoSession(Target),
    /// The client reads too slowly: its session was closed, or the push dropped if the gate is told to
    /// [`DropOldestPush`](crate::Overflow::DropOldestPush). A gate of another process only says that it failed:
    /// [`Gate`](Self::Gate).
    #[error("the client of {0} reads too slowly")]
    Backlogged(Target),
    /// No gate with this id is registered.
    #[error("no gate {0} in the registry")]
    NoGate(Gid),
    /// No node with this id is registered.
    #[error("no node {0} in the registry")]
    NoNode(Nid),
    /// No node at work serves the route.
    #[error("no node serves route {0} at the moment")]
    NoRoute(RouteId),
    /// The route is stateful, and the user is bound to no node of this name; or to another one than was named.
    #[error("{}", not_bound(*uid, name))]
    NotBound {
        /// Who, if the message named anyone.
        uid: Option<Uid>,
        /// The name of the nodes that serve the route, or the id of the one that was asked.
        name: String,
    },
    /// Nodes deliver messages to nodes; gates and meshes do not.
    #[error("only a node can deliver to a node")]
    NotANode,
    /// Channel names have at most 240 bytes, which is what every gate of due reads.
    #[error("the channel name has {0} bytes, at most 240 are allowed")]
    LongChannel(usize),
    /// User ids are positive.
    #[error("{0} is no user id: it must be positive")]
    BadUid(Uid),
    /// The message could not be written.
    #[error("the message could not be written")]
    Encode(#[from] crate::codec::EncodeError),
    /// The message does not fit the packet format.
    #[error("the message does not fit the packet")]
    Packet(#[from] packet::EncodeError),
    /// The locator gave no answer.
    #[error("the user could not be located")]
    Locate(#[from] LocateError),
    /// The registry gave no answer.
    #[error("the registry did not answer")]
    Registry(#[from] RegistryError),
    /// The gate failed, or gave no answer in time; what was asked may have been done.
    #[error("gate {gid} failed: {reason}")]
    Gate {
        /// The gate.
        gid: Gid,
        /// What is known.
        reason: String,
    },
    /// The node failed, or gave no answer in time; what was asked may have been done.
    #[error("node {nid} failed: {reason}")]
    Node {
        /// The node.
        nid: Nid,
        /// What is known.
        reason: String,
    },
}

fn not_bound(uid: Option<Uid>, name: &str) -> String {
    match uid {
        Some(uid) => format!("user {uid} is not bound to node {name:?}"),
        None => format!("a stateful route of node {name:?} needs a user"),
    }
}

impl LinkError {
    pub(crate) fn at(self, gid: &Gid, target: Target) -> ClusterError {
        match self {
            Self::NoSession => ClusterError::NoSession(target),
            Self::Backlogged => ClusterError::Backlogged(target),
            other => other.at_gate(gid),
        }
    }

    pub(crate) fn at_gate(self, gid: &Gid) -> ClusterError {
        ClusterError::Gate { gid: gid.clone(), reason: self.to_string() }
    }

    pub(crate) fn at_node(self, nid: &Nid) -> ClusterError {
        ClusterError::Node { nid: nid.clone(), reason: self.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_whom_they_are_about_in_words() {
        let not_bound = |uid| ClusterError::NotBound { uid, name: "lobby".to_owned() };
        for (error, text) in [
            (ClusterError::NoSession(Target::User(Uid(7))), "user 7 is not connected"),
            (ClusterError::NoSession(Target::Session("g1".into(), Cid(3))), "session 3 of gate g1 is not connected"),
            (ClusterError::Backlogged(Uid(7).into()), "the client of user 7 reads too slowly"),
            (not_bound(Some(Uid(7))), "user 7 is not bound to node \"lobby\""),
            (not_bound(None), "a stateful route of node \"lobby\" needs a user"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
