//! Calls to nodes that answer to the caller, not to a session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout as within;

use super::calls::{Answer, Waiting};
use super::handle::positive;
use super::link::{Delivery, LinkError, NodeOp};
use super::{Cluster, ClusterError};
use crate::codec::{Body, Codec, DecodeError};
use crate::error::{Code, Meaning};
use crate::future::BoxFuture;
use crate::id::{Nid, RouteId, Seq, Uid};
use crate::packet::Packet;
use crate::route::RouteSpec;
use crate::status::Status;

/// How long a call waits unless it is told otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Nodes that a call is offered to, one after another.
const OFFERS: usize = 3;

/// Which node a call means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeTarget {
    /// Any that is at work, for stateless routes.
    Any,
    /// On stateful routes the node that the user is bound to, else any; the user goes along.
    User(Uid),
    /// This one.
    Node(Nid),
    /// This one; the user goes along.
    NodeFor(Nid, Uid),
}

/// Why a call to a node has no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeCallError {
    /// The node refuses. (Nodes of due v2.5.8 say nothing instead.)
    #[error("node {nid} answers {code}: {message}")]
    Refused {
        /// Which one.
        nid: Nid,
        /// A [`Code`], or a number of the game's own.
        code: Code,
        /// For people; may be empty.
        message: String,
    },
    /// No node was found, or the request cannot be sent: nobody has it. Says why.
    #[error("the call was not sent")]
    Unsent(#[from] ClusterError),
    /// The node did not take the request, and no other one did: nobody has it.
    #[error("node {nid} did not take the call: {reason}")]
    NotTaken {
        /// The last that was asked.
        nid: Nid,
        /// What is known.
        reason: String,
    },
    /// The node is gone, or the connection that carried the request: it may have done what was asked.
    #[error("node {nid} is lost: {reason}")]
    Lost {
        /// Which one.
        nid: Nid,
        /// What is known.
        reason: String,
    },
    /// Nothing came in time: a node may have done what was asked; a late answer is ignored.
    #[error("no answer within {after:?}")]
    Timeout {
        /// How long the call waited.
        after: Duration,
    },
    /// Too many calls of this node wait for their answers; nobody has the request.
    #[error("{limit} calls to nodes are waiting for their answers already")]
    Busy {
        /// 16384, or as many as there are seqs: 127 of one byte.
        limit: usize,
    },
    /// Answers are known by their seq, and packets of this cluster have none.
    #[error(
        "calls between nodes need seqs, and `seqBytes` of the packet format is 0: set it to 2 or 4 in all processes"
    )]
    NoSeqs,
    /// The answer is not what was expected; the nodes may have different schemas or codecs.
    #[error("cannot read the answer")]
    Decode(#[from] DecodeError),
}

impl NodeCallError {
    /// What it means to the client of a handler that goes no further.
    pub(crate) fn meaning(&self) -> Meaning {
        use ClusterError as C;
        let (code, message, is_fault) = match self {
            Self::Refused { code, message, .. } => return Some((*code, message.clone().into(), false)),
            Self::Unsent(C::NoRoute(_) | C::NoNode(_)) => (Code::NOT_FOUND, "no node serves this at the moment", true),
            Self::Unsent(C::NotBound { .. }) => (Code::NOT_FOUND, "the user is bound to no such node", false),
            Self::Unsent(C::Node { .. }) => (Code::UNKNOWN, "a node failed; it may have handled the request", true),
            Self::NotTaken { .. } => (Code::NOT_FOUND, "no node takes this at the moment", true),
            Self::Lost { .. } => (Code::UNKNOWN, "a node was lost; it may have handled the request", true),
            Self::Timeout { .. } => (Code::DEADLINE_EXCEEDED, "a node did not answer in time", true),
            Self::Busy { .. } => (Code::TOO_MANY_REQUESTS, "too many requests wait", true),
            Self::Unsent(_) | Self::NoSeqs | Self::Decode(_) => return None,
        };
        Some((code, message.into(), is_fault))
    }
}

/// What generated clients of nodes stand on: a [`Cluster`], or a mock of one.
pub trait NodeCall: Send + Sync + 'static {
    /// How bodies are written.
    fn codec(&self) -> &Codec;

    /// Sends a request and waits for the body of its answer; `None` waits for as long as the implementation thinks
    /// right.
    fn call(
        &self,
        spec: &'static RouteSpec,
        to: NodeTarget,
        body: Bytes,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Bytes, NodeCallError>>;

    /// Sends a message that has no answer.
    fn send(&self, spec: &'static RouteSpec, to: NodeTarget, body: Bytes) -> BoxFuture<'_, Result<(), NodeCallError>>;
}

/// Typed calls of one node to others. Cheap to clone.
///
/// Calls of one node run beside each other where they arrive; messages that have no answer keep their order. A handler of a
/// [`Serial`](crate::Dispatch::Serial) node that calls its own node waits for itself.
#[derive(Clone)]
pub struct NodeCaller(Arc<dyn NodeCall>);

impl NodeCaller {
    /// Calls go to `call`.
    pub fn new(call: impl NodeCall) -> Self {
        Self(Arc::new(call))
    }

    /// Sends a request and waits for its answer, whose own error code (`due.code`) stays in it. Default of `timeout`: 10 s.
    ///
    /// A stateless request that a node did not take is offered to another one, at most three times in all. What a node may
    /// have is sent to no other.
    ///
    /// # Errors
    /// See [`NodeCallError`].
    ///
    /// # Cancel safety
    /// A dropped call may have been sent; its answer is ignored.
    pub async fn call<Q: Body, R: Body>(
        &self,
        spec: &'static RouteSpec,
        to: impl Into<NodeTarget>,
        request: &Q,
        timeout: Option<Duration>,
    ) -> Result<R, NodeCallError> {
        let body = encode(self.0.codec(), request)?;
        let answer = self.0.call(spec, to.into(), body, timeout).await?;
        Ok(R::decode_body(self.0.codec(), &answer)?)
    }

    /// Sends a message that has no answer. `Ok` says that the node has queued it.
    ///
    /// # Errors
    /// [`NodeCallError::Unsent`]; with [`ClusterError::Node`] inside, the node may have it.
    pub async fn send<Q: Body>(
        &self,
        spec: &'static RouteSpec,
        to: impl Into<NodeTarget>,
        request: &Q,
    ) -> Result<(), NodeCallError> {
        let body = encode(self.0.codec(), request)?;
        self.0.send(spec, to.into(), body).await
    }
}

fn encode<Q: Body>(codec: &Codec, request: &Q) -> Result<Bytes, NodeCallError> {
    let mut body = BytesMut::new();
    request.encode_body(codec, &mut body).map_err(ClusterError::from)?;
    Ok(body.freeze())
}

impl NodeCall for Cluster {
    fn codec(&self) -> &Codec {
        self.codec()
    }

    fn call(
        &self,
        spec: &'static RouteSpec,
        to: NodeTarget,
        body: Bytes,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Bytes, NodeCallError>> {
        let after = timeout.unwrap_or(TIMEOUT);
        Box::pin(async move {
            let called = within(after, self.call_nodes(spec.id, to, body)).await;
            called.unwrap_or(Err(NodeCallError::Timeout { after }))
        })
    }

    fn send(&self, spec: &'static RouteSpec, to: NodeTarget, body: Bytes) -> BoxFuture<'_, Result<(), NodeCallError>> {
        Box::pin(async move {
            let (nid, uid) = match to {
                NodeTarget::Any => (self.node_of(spec.id, None, &[]).await?.nid, None),
                NodeTarget::User(uid) => (self.node_of(spec.id, Some(uid), &[]).await?.nid, Some(uid)),
                NodeTarget::Node(nid) => (nid, None),
                NodeTarget::NodeFor(nid, uid) => (nid, Some(uid)),
            };
            let packet = Packet { route: spec.id, seq: Seq::NONE, body };
            Ok(self.deliver_packet(&nid, uid, packet).await?)
        })
    }
}

/// What became of one offer.
enum Offer {
    Answered(Bytes),
    /// The node does not have the request.
    NotTaken(LinkError),
    Failed(NodeCallError),
}

impl Cluster {
    async fn call_nodes(&self, route: RouteId, to: NodeTarget, body: Bytes) -> Result<Bytes, NodeCallError> {
        let (uid, fixed) = match to {
            NodeTarget::Any => (None, None),
            NodeTarget::User(uid) => (Some(uid), None),
            NodeTarget::Node(nid) => (None, Some(nid)),
            NodeTarget::NodeFor(nid, uid) => (Some(uid), Some(nid)),
        };
        let mut tried: Vec<Nid> = Vec::new();
        loop {
            let (nid, owner) = match &fixed {
                Some(nid) => (nid.clone(), None),
                None => {
                    let found = self.node_of(route, uid, &tried).await?;
                    (found.nid, found.name)
                }
            };
            let reason = match self.offer(&nid, uid, Packet { route, seq: Seq::NONE, body: body.clone() }).await? {
                Offer::Answered(answer) => return Ok(answer),
                Offer::Failed(error) => return Err(error),
                Offer::NotTaken(reason) => reason,
            };
            tried.push(nid.clone());
            let another = match (&owner, uid) {
                _ if fixed.is_some() || tried.len() == OFFERS => false,
                (Some(name), Some(uid)) if reason == LinkError::NoSession => {
                    // The user has moved on: what is remembered of him is wrong.
                    self.forget_node(uid, name, &nid);
                    true
                }
                (Some(_), _) => false,
                (None, _) => self.has_other(route, &tried),
            };
            if !another {
                return Err(match reason {
                    LinkError::NoSession => ClusterError::NotBound { uid, name: nid.to_string() }.into(),
                    reason => NodeCallError::NotTaken { nid, reason: reason.to_string() },
                });
            }
            tracing::debug!(%nid, %route, %reason, "a call is offered to another node");
        }
    }

    async fn offer(&self, nid: &Nid, uid: Option<Uid>, mut packet: Packet) -> Result<Offer, NodeCallError> {
        let uid = uid.map(positive).transpose()?;
        let (node, origin) = self.way_to(nid)?;
        let mut waiting = self.calls().enter(nid, packet.route)?;
        packet.seq = waiting.seq;
        let delivery = Delivery { origin, cid: waiting.number, uid, packet, request: None, turn: None, receipt: None };
        let handed = tokio::select! {
            biased;
            answer = &mut waiting.answer => return Ok(self.read(nid, answer.ok())),
            handed = node.call(NodeOp::Deliver(delivery)) => handed,
        };
        match handed {
            // It may have it; the answer says so.
            Ok(_) | Err(LinkError::Timeout) => {}
            Err(LinkError::Unreachable(reason)) => {
                return Ok(Offer::Failed(NodeCallError::Lost { nid: nid.clone(), reason }));
            }
            Err(reason) => {
                Waiting::forget(waiting);
                return Ok(Offer::NotTaken(reason));
            }
        }
        let answer = (&mut waiting.answer).await;
        Ok(self.read(nid, answer.ok()))
    }

    fn read(&self, nid: &Nid, answer: Option<Answer>) -> Offer {
        let nid = nid.clone();
        let error = match answer {
            Some(Answer::Body(body)) => return Offer::Answered(body),
            Some(Answer::Status(body)) => match Status::decode_body(self.codec(), &body) {
                Ok(status) => NodeCallError::Refused { nid, code: status.code(), message: status.message },
                Err(error) => error.into(),
            },
            Some(Answer::Lost(reason)) => NodeCallError::Lost { nid, reason: reason.to_string() },
            None => NodeCallError::Lost { nid, reason: "its answer was given up".to_owned() },
        };
        Offer::Failed(error)
    }
}

impl From<Uid> for NodeTarget {
    fn from(uid: Uid) -> Self {
        Self::User(uid)
    }
}

impl From<Nid> for NodeTarget {
    fn from(nid: Nid) -> Self {
        Self::Node(nid)
    }
}

impl From<&Nid> for NodeTarget {
    fn from(nid: &Nid) -> Self {
        Self::Node(nid.clone())
    }
}

impl From<Cluster> for NodeCaller {
    fn from(cluster: Cluster) -> Self {
        Self::new(cluster)
    }
}

impl From<&Cluster> for NodeCaller {
    fn from(cluster: &Cluster) -> Self {
        Self::new(cluster.clone())
    }
}

impl fmt::Debug for NodeCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeCaller").field("codec", self.0.codec()).finish_non_exhaustive()
    }
}
