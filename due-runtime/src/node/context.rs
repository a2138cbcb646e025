//! One request: who asked, how to answer, and the way to the rest of the cluster.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::serve::{NodeCore, log_failure};
use crate::cluster::{Close, Cluster, ClusterError, GateAnswer, GateLink, GateOp, Push, Target};
use crate::codec::{Body, Codec, DecodeError};
use crate::error::{Code, Error, Result};
use crate::id::{Cid, Gid, Nid, RouteId, Seq, Uid};
use crate::session::SessionTarget;

/// What a handler knows of the request at hand, and what it can do for the session that sent it.
pub struct Context {
    node: Arc<NodeCore>,
    gid: Gid,
    gate: Arc<dyn GateLink>,
    cid: Cid,
    uid: Option<Uid>,
    route: RouteId,
    seq: Seq,
}

/// The answer of one request, ready for the wire: a packet, or nothing for `oneway` routes.
#[must_use]
pub struct Reply {
    packet: Option<Bytes>,
}

impl Context {
    pub(super) fn new(
        node: Arc<NodeCore>,
        gid: Gid,
        gate: Arc<dyn GateLink>,
        cid: Cid,
        uid: Option<Uid>,
        route: RouteId,
        seq: Seq,
    ) -> Self {
        Self { node, gid, gate, cid, uid, route, seq }
    }

    /// The gate that holds the session.
    pub fn gid(&self) -> &Gid {
        &self.gid
    }

    /// The session that asked.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The user of the session when the request was sent, or since [`bind`](Self::bind).
    pub fn uid(&self) -> Option<Uid> {
        self.uid
    }

    /// The user, or the error [`Code::UNAUTHORIZED`]; on `authorized` and `stateful` routes there always is one.
    pub fn user(&self) -> Result<Uid> {
        self.uid.ok_or_else(|| Error::new(Code::UNAUTHORIZED, "log in first"))
    }

    /// The route of the request.
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// The number the client chose; the response carries it too.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The id of this node.
    pub fn nid(&self) -> &Nid {
        &self.node.nid
    }

    /// How bodies are read and written.
    pub fn codec(&self) -> &Codec {
        self.node.cluster.codec()
    }

    /// The way to every other session, user and server. Clone it to use it after the request.
    pub fn cluster(&self) -> &Cluster {
        &self.node.cluster
    }

    /// The session as a target of [`Cluster`] operations.
    pub fn session(&self) -> Target {
        Target::Session(self.gid.clone(), self.cid)
    }

    /// Pushes a message to the session. It arrives before the response of this request.
    pub fn push<P: Push>(&self, message: &P) -> Result<(), ClusterError> {
        let packet = self.cluster().packet(P::ROUTE, Seq::NONE, message)?;
        self.gate.push(self.cid, packet).map_err(|error| error.at(&self.gid, self.session()))
    }

    /// Binds the user to the session: the login. The newest wins; an older session of the user stays open without one.
    pub async fn bind(&mut self, uid: Uid) -> Result<(), ClusterError> {
        if uid.0 <= 0 {
            return Err(ClusterError::BadUid(uid));
        }
        self.ask(GateOp::Bind { cid: self.cid, uid }).await?;
        self.uid = Some(uid);
        Ok(())
    }

    /// Takes the user off the session: the logout. The connection stays open. Without a user: nothing happens.
    pub async fn unbind(&mut self) -> Result<(), ClusterError> {
        let Some(uid) = self.uid else { return Ok(()) };
        match self.ask(GateOp::Unbind { uid }).await {
            Ok(_) | Err(ClusterError::NoSession(_)) => {
                self.uid = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the user's stateful routes of this node's name to this node from now on.
    pub async fn bind_node(&self) -> Result<()> {
        let uid = self.user()?;
        Ok(self.cluster().bind_node(uid, &self.node.name, &self.node.nid).await?)
    }

    /// Ends what [`bind_node`](Self::bind_node) began; `false` if the user is bound elsewhere meanwhile.
    pub async fn unbind_node(&self) -> Result<bool> {
        let uid = self.user()?;
        Ok(self.cluster().unbind_node(uid, &self.node.name, &self.node.nid).await?)
    }

    /// Adds the session to a channel, until it closes or leaves.
    pub async fn subscribe(&self, channel: &str) -> Result<(), ClusterError> {
        let targets = vec![SessionTarget::Session(self.cid)];
        self.ask(GateOp::Subscribe { targets, channel: channel.into() }).await.map(drop)
    }

    /// Takes the session off a channel. No error if it was no member.
    pub async fn unsubscribe(&self, channel: &str) -> Result<(), ClusterError> {
        let targets = vec![SessionTarget::Session(self.cid)];
        self.ask(GateOp::Unsubscribe { targets, channel: channel.into() }).await.map(drop)
    }

    /// Closes the session. With [`Close::Graceful`] what was pushed before is written first; a response that follows is
    /// not.
    pub async fn disconnect(&self, close: Close) -> Result<(), ClusterError> {
        let target = SessionTarget::Session(self.cid);
        self.ask(GateOp::Disconnect { target, force: close == Close::Force }).await.map(drop)
    }

    /// The address that the client connected from.
    pub async fn client_ip(&self) -> Result<IpAddr, ClusterError> {
        match self.ask(GateOp::Ip(SessionTarget::Session(self.cid))).await? {
            GateAnswer::Ip(ip) => Ok(ip),
            _ => Err(ClusterError::NoSession(self.session())),
        }
    }

    async fn ask(&self, op: GateOp) -> Result<GateAnswer, ClusterError> {
        self.gate.call(op).await.map_err(|error| error.at(&self.gid, self.session()))
    }
}

/// For generated code and macros.
impl Context {
    /// Reads the body of the request. An undecodable one is [`Code::INTERNAL`], as in due's own samples.
    #[doc(hidden)]
    pub fn decode<B: Body>(&self, body: &Bytes) -> Result<B> {
        B::decode_body(self.codec(), body).map_err(|error| self.undecodable(B::NAME, &error))
    }

    /// Not generic, like all that generated code need not have once per message: a crate of 300 routes compiles faster.
    fn undecodable(&self, body: &str, error: &DecodeError) -> Error {
        tracing::debug!(route = %self.route, cid = %self.cid, body, %error, "undecodable body");
        Error::new(Code::INTERNAL, "undecodable body")
    }

    /// Writes the response; an error becomes one if the type has a `due.code` field.
    #[doc(hidden)]
    pub fn finish<B: Body>(&mut self, result: Result<B>) -> Result<Reply> {
        let response = match result {
            Ok(response) => response,
            Err(error) => match B::from_error(&error) {
                Some(response) => {
                    log_failure(self.route, self.cid, &error);
                    response
                }
                None => return Err(error),
            },
        };
        let packet = self.cluster().packet(self.route, self.seq, &response)?;
        Ok(Reply { packet: Some(packet) })
    }

    /// Ends a `oneway` request.
    #[doc(hidden)]
    pub fn finish_oneway(&mut self, result: Result<()>) -> Result<Reply> {
        result.map(|()| Reply { packet: None })
    }
}

impl Reply {
    pub(super) fn into_packet(self) -> Option<Bytes> {
        self.packet
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("gid", &self.gid)
            .field("cid", &self.cid)
            .field("uid", &self.uid)
            .field("route", &self.route)
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}
