//! The handle of one server on all the others.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use tokio_util::sync::{CancellationToken, DropGuard};

use super::calls::{CallLosses, Calls};
use super::error::{ClusterError, ServerId};
use super::link::{GateAnswer, GateLink, GateOp, LinkError, Member, NodeAnswer, NodeLink, NodeOp};
use super::picture::{Picture, Sight};
use super::whereabouts::Whereabouts;
use super::{Backends, Balance, DispatchTable, RouteMismatch};
use crate::codec::Codec;
use crate::crypto::Cipher;
use crate::event::EventBus;
use crate::id::{Gid, Nid, Uid};
use crate::locator::Locator;
use crate::packet::Format;
use crate::registry::{Instance, Kind, RegistryError, State};

/// The handle for everything that reaches over to other servers. Cheap to clone; usable outside requests.
#[derive(Clone)]
pub struct Cluster {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    backends: Backends,
    /// Of the server this handle belongs to; pushes are written with it.
    codec: Codec,
    /// Of the bodies that clients read.
    cipher: Option<Cipher>,
    pub(super) member: Member,
    pub(super) picture: Arc<Picture>,
    pub(super) whereabouts: Arc<Whereabouts>,
    /// The server itself, if it is a node: other nodes answer to it.
    pub(super) home: OnceLock<Weak<dyn NodeLink>>,
    /// What it asks of other nodes, if it is one.
    calls: Arc<Calls>,
    _losses: Arc<CallLosses>,
    _watches: DropGuard,
}

impl Cluster {
    /// A handle that belongs to no server: for tools and for programs that only push. It is named like a mesh, and
    /// writes with the codec and the encryptor of the backends.
    pub async fn connect(backends: &Backends) -> Result<Self, RegistryError> {
        let member = Member::new(Kind::Mesh, &uuid::Uuid::new_v4().to_string(), &backends.format);
        Self::join(backends, backends.codec.clone(), backends.cipher.clone(), member, Balance::default()).await
    }

    /// Joins the cluster: knows its gates and nodes from now until the last handle is dropped.
    pub(crate) async fn join(
        backends: &Backends,
        codec: Codec,
        cipher: Option<Cipher>,
        member: Member,
        balance: Balance,
    ) -> Result<Self, RegistryError> {
        let stop = CancellationToken::new();
        let watches = stop.clone().drop_guard();
        let calls = Arc::new(Calls::new(&backends.format));
        let losses = Arc::new(CallLosses(Arc::clone(&calls)));
        if member.kind == Kind::Node {
            let losses: Weak<CallLosses> = Arc::downgrade(&losses);
            member.losses.get_or_init(|| losses);
        }
        let picture = Picture::follow(backends, &member, balance, &calls, &stop).await?;
        let inner = Arc::new(Inner {
            backends: backends.clone(),
            codec,
            cipher,
            member,
            picture,
            whereabouts: Whereabouts::follow(&backends.locator, &stop),
            home: OnceLock::new(),
            calls,
            _losses: losses,
            _watches: watches,
        });
        Ok(Self { inner })
    }

    /// Asks the registry for gates and nodes now, rather than waiting to be told.
    pub(crate) async fn refresh(&self) -> Result<(), RegistryError> {
        self.inner.picture.refresh().await
    }

    /// The same for the sake of one that calls.
    pub(crate) async fn seek(&self, kind: Kind, id: &str) -> Result<(), RegistryError> {
        self.inner.picture.seek(kind, id).await
    }

    /// Writes what is queued for others, and forgets them.
    pub(crate) async fn leave(&self) {
        self.inner.picture.leave();
        self.inner.backends.link.leave(&self.inner.member).await;
        self.inner.picture.forget();
    }

    /// Says that other nodes may answer to this one.
    pub(crate) fn settle(&self, home: Weak<dyn NodeLink>) {
        self.inner.home.get_or_init(|| home);
    }

    pub(crate) fn member(&self) -> &Member {
        &self.inner.member
    }

    pub(crate) fn nodes(&self) -> arc_swap::Guard<Arc<DispatchTable>> {
        self.inner.picture.nodes()
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.inner.calls
    }

    pub(crate) fn backends(&self) -> &Backends {
        &self.inner.backends
    }

    /// How bodies are written.
    pub fn codec(&self) -> &Codec {
        &self.inner.codec
    }

    /// How packets are written.
    pub fn format(&self) -> &Format {
        &self.inner.backends.format
    }

    /// Where servers tell each other what happened, and listen.
    pub fn events(&self) -> &dyn EventBus {
        &*self.inner.backends.events
    }

    pub(crate) fn cipher(&self) -> Option<&Cipher> {
        self.inner.cipher.as_ref()
    }

    /// The state of a server, as it says itself.
    pub async fn state(&self, server: impl Into<ServerId>) -> Result<State, ClusterError> {
        match server.into() {
            ServerId::Gate(gid) => match self.gate(&gid)?.call(GateOp::State).await {
                Ok(GateAnswer::State(state)) => Ok(state),
                Ok(_) => Err(LinkError::Failed("no state in its answer".into()).at_gate(&gid)),
                Err(error) => Err(error.at_gate(&gid)),
            },
            ServerId::Node(nid) => match self.node(&nid)?.call(NodeOp::State).await {
                Ok(NodeAnswer::State(state)) => Ok(state),
                Ok(_) => Err(LinkError::Failed("no state in its answer".into()).at_node(&nid)),
                Err(error) => Err(error.at_node(&nid)),
            },
        }
    }

    /// Changes the state of a server; it registers with the new one. (A gate of due v2.5.8 only remembers it.)
    ///
    /// Gates send messages of stateless routes to nodes at work, else to busy ones, never to those that hang or are shut
    /// ([`Balance`]); users who are bound to a node reach it in every state. A gate's own state is for those who read the
    /// registry, such as balancers: it goes on accepting.
    pub async fn set_state(&self, server: impl Into<ServerId>, state: State) -> Result<(), ClusterError> {
        match server.into() {
            ServerId::Gate(gid) => {
                let answer = self.gate(&gid)?.call(GateOp::SetState(state)).await;
                answer.map(drop).map_err(|error| error.at_gate(&gid))
            }
            ServerId::Node(nid) => {
                let answer = self.node(&nid)?.call(NodeOp::SetState(state)).await;
                answer.map(drop).map_err(|error| error.at_node(&nid))
            }
        }
    }

    /// Routes that nodes declare differently at the moment; each was also logged when it appeared.
    pub fn route_mismatches(&self) -> Vec<RouteMismatch> {
        self.nodes().mismatches().cloned().collect()
    }

    /// The instances of one kind that are registered now.
    pub async fn instances(&self, kind: Kind) -> Result<Arc<[Instance]>, ClusterError> {
        Ok(self.inner.backends.registry.list(kind).await?)
    }

    pub(crate) fn gate(&self, gid: &Gid) -> Result<Arc<dyn GateLink>, ClusterError> {
        let gates = self.inner.picture.gates();
        gates.get(gid).cloned().ok_or_else(|| ClusterError::NoGate(gid.clone()))
    }

    pub(crate) fn node(&self, nid: &Nid) -> Result<Arc<dyn NodeLink>, ClusterError> {
        self.nodes().node(nid).cloned().ok_or_else(|| ClusterError::NoNode(nid.clone()))
    }

    pub(crate) fn sight(&self, gid: &Gid) -> Sight {
        self.inner.picture.sight(gid)
    }

    /// Past all memory.
    pub(crate) fn locator(&self) -> &dyn Locator {
        self.inner.whereabouts.locator()
    }
}

/// No user has another id, and Go processes crash when they are asked for one.
pub(super) fn positive(uid: Uid) -> Result<Uid, ClusterError> {
    if uid.0 > 0 { Ok(uid) } else { Err(ClusterError::BadUid(uid)) }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("member", &self.inner.member)
            .field("backends", &self.inner.backends)
            .finish_non_exhaustive()
    }
}
