//! Where a user is: on which gate, and on which node of each name.
//!
//! Gates write the first half at login and logout, nodes the second for stateful routes. [`MemoryLocator`] serves one
//! process, [`DirLocator`] the processes of one machine, `RedisLocator` (feature `redis`) those of many.
//!
//! A gate or node that crashes leaves its users in the locator. A server that meets such a note, of an instance that the
//! registry lacks and has lacked for a minute, takes it away.

mod dir;
mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::collections::BTreeMap;
use std::fmt;

use tokio::sync::broadcast;

pub use self::dir::DirLocator;
pub use self::memory::MemoryLocator;
#[cfg(feature = "redis")]
pub use self::redis::RedisLocator;
use crate::future::BoxFuture;
use crate::id::{Gid, Nid, Uid};

/// What is known of the whereabouts of users. Each method is atomic.
pub trait Locator: Send + Sync + fmt::Debug + 'static {
    /// The user is on this gate now; a gate that was noted before is forgotten, and told to the caller. Of several who bind
    /// a user at once, each hears of the one before: the last one stays, and everybody else is told to somebody.
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>>;

    /// The user left this gate. Changes nothing, and says `false`, if another gate was noted meanwhile or none is.
    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>>;

    /// The gate of the user.
    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>>;

    /// The user's stateful routes of the nodes called `name` go to `nid` now; a node noted before for this name is
    /// forgotten, those of other names are not.
    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>>;

    /// The user left this node. Changes nothing, and says `false`, if another node was noted meanwhile for this name or
    /// none is.
    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>>;

    /// The node called `name` that the user is bound to.
    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>>;

    /// What is changed from now on, by anyone, in the order it happens for each user. Servers then remember what they
    /// looked up until a change says otherwise. `None`, the default: this locator cannot tell, and is asked every time.
    fn changes(&self) -> Option<Changes> {
        None
    }

    /// Every node that the user is bound to, by name.
    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>>;
}

/// One change of what a locator knows.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Change {
    /// A user was bound to a gate.
    GateBound {
        /// Who.
        uid: Uid,
        /// Where he is now.
        gid: Gid,
    },
    /// A user left a gate.
    GateUnbound {
        /// Who.
        uid: Uid,
        /// Where he was.
        gid: Gid,
    },
    /// A user was bound to a node.
    NodeBound {
        /// Who.
        uid: Uid,
        /// The name of the node.
        name: String,
        /// Where his stateful routes of that name go now.
        nid: Nid,
    },
    /// A user left a node.
    NodeUnbound {
        /// Who.
        uid: Uid,
        /// The name of the node.
        name: String,
        /// Where they went.
        nid: Nid,
    },
    /// Changes were missed, as after a broken connection: whatever is remembered may be wrong.
    Unknown,
}

/// The changes of a locator, one after another.
#[derive(Debug)]
pub struct Changes {
    changes: broadcast::Receiver<Change>,
}

impl Changes {
    /// Changes that a backend sends through a channel. A reader that falls behind reads [`Change::Unknown`] in place of
    /// what it missed.
    pub fn new(changes: broadcast::Receiver<Change>) -> Self {
        Self { changes }
    }

    /// The next change; `None` when there will be none.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Change> {
        match self.changes.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Unknown),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Why the locator gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// The server of the locator does not answer. What it knows is not lost: try again.
    #[error("locator is unreachable")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server of the locator said no, or holds something that is no location.
    #[error("locator refused the request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}
