//! Where a user is: on which gate, and on which node of each name.
//!
//! Gates write the first half at login and logout, nodes the second for stateful routes. [`MemoryLocator`] serves one
//! process.

mod memory;

use std::collections::BTreeMap;
use std::fmt;

pub use self::memory::MemoryLocator;
use crate::future::BoxFuture;
use crate::id::{Gid, Nid, Uid};

/// What is known of the whereabouts of users. Each method is atomic.
pub trait Locator: Send + Sync + fmt::Debug + 'static {
    /// The user is on this gate now; a gate that was noted before is forgotten.
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<(), LocateError>>;

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

    /// Every node that the user is bound to, by name.
    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>>;
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
