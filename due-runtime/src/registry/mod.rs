//! Which gates, nodes and meshes exist, and in what [`State`].
//!
//! Every instance registers itself; who needs the others watches one [`Kind`]. [`MemoryRegistry`] serves one process,
//! [`DirRegistry`] the processes of one machine, `EtcdRegistry` (feature `etcd`) and `ConsulRegistry` (feature `consul`)
//! those of many, due v2.5.8 in Go among them.

#[cfg(feature = "consul")]
mod consul;
mod dir;
#[cfg(feature = "etcd")]
mod etcd;
mod instance;
mod memory;
#[cfg(any(feature = "etcd", feature = "consul"))]
mod remote;
#[cfg(any(feature = "etcd", feature = "consul"))]
pub(crate) mod tls;

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

#[cfg(feature = "consul")]
pub use self::consul::ConsulRegistry;
pub use self::dir::DirRegistry;
#[cfg(feature = "etcd")]
pub use self::etcd::EtcdRegistry;
pub use self::instance::{Instance, InstanceRoute, Kind, State, UnknownWord};
pub use self::memory::MemoryRegistry;
#[cfg(any(feature = "etcd", feature = "consul"))]
pub use self::tls::{RegistryTls, RegistryTlsError};
use crate::future::BoxFuture;

/// A full list of instances of one kind. Cheap to clone.
pub type Instances = Arc<[Instance]>;

/// Where instances announce themselves and find each other.
pub trait Registry: Send + Sync + fmt::Debug + 'static {
    /// Announces an instance, or replaces the one with the same kind and id: a change of state or routes is a second
    /// `register`. The backend keeps the entry alive until [`deregister`](Self::deregister).
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<(), RegistryError>>;

    /// Takes the instance with this kind and id back. One that is not there is no error.
    fn deregister<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<(), RegistryError>>;

    /// The instances of one kind as the registry knows them now, each id once.
    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Instances, RegistryError>>;

    /// The instances of one kind, now and after every change. Returns when the first list is known.
    fn watch(&self, kind: Kind) -> BoxFuture<'_, Result<Watch, RegistryError>>;

    /// Whether others see what was registered here with this kind and id, as far as it is known without asking. A server that
    /// came back empty, or that looks at every port anew, may show nothing of it for a while: until then who has just come
    /// would not know whom to answer, and gets no message that another one can have. Default: yes.
    fn is_listed(&self, kind: Kind, id: &str) -> bool {
        let _ = (kind, id);
        true
    }

    /// Looks for an instance that the list lacks, and that lives, for it calls. If the registry has it all the same, as one
    /// whose checks have not passed yet, lists and watches of this value have it for a while. Whether it was found. Default:
    /// no.
    fn seek<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<bool, RegistryError>> {
        let _ = (kind, id);
        Box::pin(ready(Ok(false)))
    }

    /// How long it takes, as a rule, until a new instance is listed: a backend may look after it first. A gate that is not
    /// listed in this time and a little more does not start. Default: [`latency`](Self::latency).
    fn admission(&self) -> Duration {
        self.latency()
    }

    /// How long it takes, as a rule, until watches of other processes show a change. A node that leaves goes on to serve
    /// for at least so long after it has said so, and a gate that joins nodes of due in Go accepts nobody earlier. Default:
    /// zero.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }
}

/// Lists of instances, one after every change: always full lists, never deltas.
///
/// A reader that is slower than the changes sees the latest list only. A backend that lost its server keeps the last
/// list and goes on when the server is back, so a reader needs no recovery of its own. A clone yields the current list
/// first, too.
#[derive(Debug)]
pub struct Watch {
    lists: watch::Receiver<Instances>,
}

impl Watch {
    /// A watch and the [`Feed`] a backend drives it with. The first [`next`](Self::next) yields `current`.
    pub fn channel(current: Instances) -> (Feed, Self) {
        let (lists, mut reader) = watch::channel(current);
        reader.mark_changed();
        (Feed { lists }, Self { lists: reader })
    }

    /// The current list at the first call, the next change at later ones. `None`: the registry is closed, nothing
    /// will change any more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Instances> {
        self.lists.changed().await.ok()?;
        Some(self.latest())
    }

    /// The latest list without waiting; [`next`](Self::next) does not repeat it.
    pub fn latest(&mut self) -> Instances {
        Arc::clone(&self.lists.borrow_and_update())
    }
}

impl Clone for Watch {
    fn clone(&self) -> Self {
        let mut lists = self.lists.clone();
        lists.mark_changed();
        Self { lists }
    }
}

/// The writing half of [`Watch`]es, for backends.
#[derive(Debug)]
pub struct Feed {
    lists: watch::Sender<Instances>,
}

impl Feed {
    /// Replaces the list that the readers see. Never waits.
    pub fn publish(&self, list: Instances) {
        self.lists.send_replace(list);
    }

    /// What was published last.
    pub fn latest(&self) -> Instances {
        Arc::clone(&self.lists.borrow())
    }

    /// One more reader; its first list is the current one.
    pub fn watch(&self) -> Watch {
        let mut lists = self.lists.subscribe();
        lists.mark_changed();
        Watch { lists }
    }

    /// Whether no reader is left.
    pub fn is_closed(&self) -> bool {
        self.lists.is_closed()
    }

    /// Waits until no reader is left: the backend's task may end.
    pub async fn closed(&self) {
        self.lists.closed().await;
    }
}

/// Why the registry did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The server of the registry does not answer. Nothing is wrong with the instance: try again.
    #[error("registry is unreachable")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The backend cannot hold this instance, now or later: too many routes, a character it forbids.
    #[error("registry cannot hold {kind} {id}: {reason}")]
    Unsuitable {
        /// The kind of the instance.
        kind: Kind,
        /// Its id.
        id: String,
        /// What to change.
        reason: String,
    },
    /// It was registered, and is not on the list: others do not find it. What checks it, as consul does, does not reach its
    /// endpoint, or another process registers the same id.
    #[error(
        "registry does not list {kind} {id} {after:?} after it was registered: see whether its checks reach {endpoint}"
    )]
    Unlisted {
        /// The kind of the instance.
        kind: Kind,
        /// Its id.
        id: String,
        /// Where others would reach it.
        endpoint: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server of the registry said no: credentials, namespace, quota.
    #[error("registry refused the request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}
