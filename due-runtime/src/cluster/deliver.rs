//! What one server hands to nodes: where a message belongs, and how it comes there.

use std::sync::{Arc, Weak};

use bytes::BytesMut;

use super::Cluster;
use super::dispatch::RouteEntry;
use super::error::ClusterError;
use super::handle::positive;
use super::link::{Delivery, LinkError, NodeLink, NodeOp, Origin};
use crate::codec::Body;
use crate::id::{Cid, Nid, RouteId, Seq, Uid};
use crate::packet::Packet;
use crate::registry::Kind;

/// Where a message belongs.
pub(super) struct Found {
    pub(super) nid: Nid,
    /// Of the nodes that users are bound to, if the route is stateful.
    pub(super) name: Option<Arc<str>>,
}

impl Cluster {
    /// Sends the user's stateful routes of the nodes called `name` to `nid` from now on.
    pub async fn bind_node(&self, uid: Uid, name: &str, nid: &Nid) -> Result<(), ClusterError> {
        Ok(self.locator().bind_node(positive(uid)?, name, nid).await?)
    }

    /// Ends what [`bind_node`](Self::bind_node) began; `false` if the user is bound elsewhere meanwhile.
    pub async fn unbind_node(&self, uid: Uid, name: &str, nid: &Nid) -> Result<bool, ClusterError> {
        Ok(self.locator().unbind_node(uid, name, nid).await?)
    }

    /// The node called `name` that the user is bound to.
    pub async fn locate_node(&self, uid: Uid, name: &str) -> Result<Option<Nid>, ClusterError> {
        Ok(self.inner.whereabouts.node(positive(uid)?, name).await?)
    }

    /// Hands a message to the node that serves `route`, as a gate would: the one that the user is bound to if the route
    /// is stateful, else any at work. Internal routes are open to it. `Ok` says that the node has queued it.
    ///
    /// What its handler answers comes back as a message on the same route, to this node's
    /// [`DefaultHandler`](crate::DefaultHandler); but not if this node serves the route itself, and would answer that.
    /// [`NodeCaller`](crate::NodeCaller), and the generated clients over it, wait for the answer.
    pub async fn deliver<B: Body>(&self, route: RouteId, uid: Option<Uid>, message: &B) -> Result<(), ClusterError> {
        let found = self.node_of(route, uid, &[]).await?;
        self.deliver_to(&found.nid, route, uid, message).await
    }

    /// Hands a message to this node. `Ok` says that the node has queued it.
    pub async fn deliver_to<B: Body>(
        &self,
        nid: &Nid,
        route: RouteId,
        uid: Option<Uid>,
        message: &B,
    ) -> Result<(), ClusterError> {
        let mut body = BytesMut::new();
        message.encode_body(self.codec(), &mut body)?;
        self.deliver_packet(nid, uid, Packet { route, seq: Seq::NONE, body: body.freeze() }).await
    }

    pub(crate) async fn deliver_packet(&self, nid: &Nid, uid: Option<Uid>, packet: Packet) -> Result<(), ClusterError> {
        let uid = uid.map(positive).transpose()?;
        let (node, origin) = self.way_to(nid)?;
        let delivery = Delivery { origin, cid: Cid(0), uid, packet, request: None, turn: None, receipt: None };
        match node.call(NodeOp::Deliver(delivery)).await {
            Ok(_) => Ok(()),
            Err(LinkError::NoSession) => Err(ClusterError::NotBound { uid, name: nid.to_string() }),
            Err(error) => Err(error.at_node(nid)),
        }
    }

    /// Where a message belongs, as a gate would find it; one that was `tried` only if there is no other.
    pub(super) async fn node_of(&self, route: RouteId, uid: Option<Uid>, tried: &[Nid]) -> Result<Found, ClusterError> {
        let name = {
            let nodes = self.nodes();
            let entry = nodes.route(route).ok_or(ClusterError::NoRoute(route))?;
            if !entry.stateful {
                let picked = entry.pick().ok_or(ClusterError::NoRoute(route))?;
                let untried = || entry.candidates().find(|candidate| !tried.contains(&candidate.nid));
                let picked = if tried.contains(&picked.nid) { untried().unwrap_or(picked) } else { picked };
                return Ok(Found { nid: picked.nid.clone(), name: None });
            }
            Arc::clone(&entry.group)
        };
        let not_bound = || ClusterError::NotBound { uid, name: name.as_ref().into() };
        let uid = uid.ok_or_else(not_bound)?;
        let nid = self.locate_node(uid, &name).await?.ok_or_else(not_bound)?;
        if self.node(&nid).is_err() {
            self.forget_node(uid, &name, &nid);
            self.sweep_node(uid, &name, &nid).await;
        }
        Ok(Found { nid, name: Some(name) })
    }

    /// Whether a node serves the route that was not tried.
    pub(super) fn has_other(&self, route: RouteId, tried: &[Nid]) -> bool {
        let nodes = self.nodes();
        let mut candidates = nodes.route(route).into_iter().flat_map(RouteEntry::candidates);
        candidates.any(|candidate| !tried.contains(&candidate.nid))
    }

    /// The node, and how it finds the way back.
    pub(super) fn way_to(&self, nid: &Nid) -> Result<(Arc<dyn NodeLink>, Origin), ClusterError> {
        let home = self.inner.home.get().and_then(Weak::upgrade).ok_or(ClusterError::NotANode)?;
        let node = self.node(nid)?;
        Ok((node, Origin::Node { nid: Nid::from(&*self.inner.member.id), node: home }))
    }

    /// Takes the user off a node that is gone for good.
    pub(crate) async fn sweep_node(&self, uid: Uid, name: &str, nid: &Nid) {
        if self.inner.picture.is_gone(Kind::Node, nid.as_str()).await {
            let swept = self.locator().unbind_node(uid, name, nid).await;
            tracing::debug!(%uid, name, %nid, ?swept, "the user was bound to a node that is gone");
        }
    }

    /// The node says that the user is not bound to it.
    pub(crate) fn forget_node(&self, uid: Uid, name: &str, nid: &Nid) {
        self.inner.whereabouts.forget_node(uid, name, nid);
    }
}
