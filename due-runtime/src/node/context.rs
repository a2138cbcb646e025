//! One message: who sent it, how to answer, and the way to the rest of the cluster.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::actor::AnyActor;
use super::departures::Watch;
use super::serve::NodeCore;
use crate::cluster::{
    Close, Cluster, ClusterError, Event, GateAnswer, GateLink, GateOp, Origin, Push, Target, channel_name,
};
use crate::codec::Codec;
use crate::error::{Code, Error, Result};
use crate::id::{Cid, Gid, Nid, RouteId, Seq, Uid};
use crate::route::RouteSpec;
use crate::session::SessionTarget;

/// What a handler knows of the message or event at hand, and what it can do for the session that it comes from.
///
/// A message that another node sent has no session: [`gid`](Self::gid) is empty, [`cid`](Self::cid) is 0, and what is
/// done for the session is done for the session of its user, if it names one. A clone can be kept after the request; it
/// does not hear of a later [`bind`](Self::bind).
#[derive(Clone)]
pub struct Context {
    pub(super) parties: Arc<Parties>,
    pub(super) cid: Cid,
    pub(super) uid: Option<Uid>,
    /// The number of the call, if a node waits for the answer.
    pub(super) call: Option<Cid>,
    subject: Subject,
    /// Who has the turn.
    pub(super) actor: Option<Arc<dyn AnyActor>>,
    /// Made when somebody asks.
    departure: OnceLock<Arc<Watch>>,
}

/// This node, and who has sent a message. All messages of a connection share one: counting who refers to a node is work for
/// all threads.
pub(super) struct Parties {
    pub(super) node: Arc<NodeCore>,
    pub(super) origin: Origin,
}

/// What there is to handle.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    Message(RouteId, Seq),
    Event(Event),
}

/// Who sent a message, or whom an event is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Sender {
    /// A client: one connection of one gate.
    Session(Gid, Cid),
    /// Another node, by [`Cluster::deliver`] or a call ([`NodeCaller`](crate::NodeCaller)); or this one.
    Node(Nid),
}

impl Context {
    pub(super) fn new(parties: Arc<Parties>, cid: Cid, uid: Option<Uid>, subject: Subject) -> Self {
        let (cid, call) = match parties.origin {
            Origin::Gate { .. } => (cid, None),
            Origin::Node { .. } => (Cid(0), Some(cid).filter(|number| number.0 > 0)),
        };
        Self { parties, cid, uid, call, subject, actor: None, departure: OnceLock::new() }
    }

    pub(super) fn core(&self) -> &Arc<NodeCore> {
        &self.parties.node
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.parties.origin
    }

    /// Who sent the message, or whom the event is about.
    pub fn sender(&self) -> Sender {
        match self.origin() {
            Origin::Gate { gid, .. } => Sender::Session(gid.clone(), self.cid),
            Origin::Node { nid, .. } => Sender::Node(nid.clone()),
        }
    }

    /// The gate that holds the session. Empty if a node sent the message.
    pub fn gid(&self) -> &Gid {
        match self.origin() {
            Origin::Gate { gid, .. } => gid,
            Origin::Node { .. } => &self.core().no_gate,
        }
    }

    /// The session that asked. 0, which no session has, if a node sent the message.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The user of the session when the message was sent, or since [`bind`](Self::bind). In a message from a node: the
    /// user it is about.
    pub fn uid(&self) -> Option<Uid> {
        self.uid
    }

    /// The user, or the error [`Code::UNAUTHORIZED`]. On `authorized` and `stateful` routes there always is one, but for
    /// `authorized` routes that a node calls without.
    pub fn user(&self) -> Result<Uid> {
        self.uid.ok_or_else(|| Error::new(Code::UNAUTHORIZED, "log in first"))
    }

    /// The route of the request; 0 in an event.
    pub fn route(&self) -> RouteId {
        match self.subject {
            Subject::Message(route, _) => route,
            Subject::Event(_) => RouteId(0),
        }
    }

    /// The number the client chose; the response carries it too. 0 in an event.
    pub fn seq(&self) -> Seq {
        match self.subject {
            Subject::Message(_, seq) => seq,
            Subject::Event(_) => Seq::NONE,
        }
    }

    /// What happened to the session; `None` where a request is handled.
    pub fn event(&self) -> Option<Event> {
        match self.subject {
            Subject::Event(event) => Some(event),
            Subject::Message(..) => None,
        }
    }

    /// What is known of the route of the request; `None` in a [default handler](crate::DefaultHandler) and in an event.
    pub fn spec(&self) -> Option<&RouteSpec> {
        self.core().router.find(self.route()).map(|found| found.spec)
    }

    /// Whether the session has ended. Only nodes that hear of the event disconnect know: by a handler
    /// ([`NodeBuilder::on_disconnect`](crate::NodeBuilder::on_disconnect)), or because
    /// [`cancel_when_gone`](crate::NodeBuilder::cancel_when_gone) is on somewhere. On other nodes, and for messages that
    /// a node sent: never. A clone that is first asked after the request may not know either.
    pub fn is_gone(&self) -> bool {
        self.event() == Some(Event::Disconnect) || self.departure().is_some_and(|gone| gone.is_cancelled())
    }

    /// Waits until the session [has ended](Self::is_gone): for handlers that wait long for something else.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn until_gone(&self) {
        if self.is_gone() {
            return;
        }
        match self.departure() {
            Some(gone) => gone.cancelled().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn departure(&self) -> Option<&CancellationToken> {
        let Origin::Gate { gid, .. } = self.origin() else { return None };
        let watch = self.departure.get_or_init(|| Arc::new(self.core().departures.watch(gid, self.cid)));
        Some(&watch.gone)
    }

    /// The id of this node.
    pub fn nid(&self) -> &Nid {
        &self.core().nid
    }

    /// How bodies are read and written.
    pub fn codec(&self) -> &Codec {
        self.core().cluster.codec()
    }

    /// The way to every other session, user and server. Clone it to use it after the request.
    pub fn cluster(&self) -> &Cluster {
        &self.core().cluster
    }

    /// The session as a target of [`Cluster`] operations; the user of a message that a node sent.
    pub fn session(&self) -> Target {
        match (self.origin(), self.uid) {
            (Origin::Node { .. }, Some(uid)) => Target::User(uid),
            _ => Target::Session(self.gid().clone(), self.cid),
        }
    }

    /// Pushes a message to the session. It arrives before the response of this request. An [encryptor](crate::crypto) works
    /// here and now, in the handler's own time; where bodies are large, [`Cluster::push`] is kinder to other requests.
    ///
    /// # Errors
    /// [`ClusterError::NoSession`] for every message that a node sent: its user has to be located, which
    /// [`Cluster::push`] to [`session`](Self::session) does. [`ClusterError::Backlogged`] when as much waits for the client,
    /// or on the way to its gate, as may: [`Cluster::push`] waits instead.
    pub fn push<P: Push>(&self, message: &P) -> Result<(), ClusterError> {
        let (gid, gate) = self.gate()?;
        let packet = self.cluster().packet(P::ROUTE, Seq::NONE, message)?;
        gate.push(self.cid, packet).map_err(|error| error.at(gid, self.session()))
    }

    /// Binds the user to the session: the login. The newest wins: this session is where the user is found from now on. An
    /// older one, on this gate or another, is told so and closed, unless [`GateBuilder::duplicate_login`] says otherwise.
    ///
    /// [`GateBuilder::duplicate_login`]: crate::GateBuilder::duplicate_login
    ///
    /// # Errors
    /// [`ClusterError::NoSession`] for a message that a node sent.
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
        let left = match self.gate() {
            Ok(_) => self.ask(GateOp::Unbind { uid }).await.map(drop),
            Err(_) => self.cluster().unbind(uid).await,
        };
        match left {
            Ok(()) | Err(ClusterError::NoSession(_)) => {
                self.uid = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the user's stateful routes of this node's name to this node from now on.
    pub async fn bind_node(&self) -> Result<()> {
        let uid = self.user()?;
        Ok(self.cluster().bind_node(uid, &self.core().name, &self.core().nid).await?)
    }

    /// Ends what [`bind_node`](Self::bind_node) began; `false` if the user is bound elsewhere meanwhile.
    pub async fn unbind_node(&self) -> Result<bool> {
        let uid = self.user()?;
        Ok(self.cluster().unbind_node(uid, &self.core().name, &self.core().nid).await?)
    }

    /// Adds the session to a channel, until it closes or leaves.
    pub async fn subscribe(&self, channel: &str) -> Result<(), ClusterError> {
        if self.gate().is_err() {
            return self.cluster().subscribe(self.someone()?, channel).await;
        }
        let (targets, channel) = (vec![SessionTarget::Session(self.cid)], channel_name(channel)?);
        self.ask(GateOp::Subscribe { targets, channel }).await.map(drop)
    }

    /// Takes the session off a channel. No error if it was no member.
    pub async fn unsubscribe(&self, channel: &str) -> Result<(), ClusterError> {
        if self.gate().is_err() {
            return self.cluster().unsubscribe(self.someone()?, channel).await;
        }
        let (targets, channel) = (vec![SessionTarget::Session(self.cid)], channel_name(channel)?);
        self.ask(GateOp::Unsubscribe { targets, channel }).await.map(drop)
    }

    /// Closes the session. With [`Close::Graceful`] what was pushed before is written first; a response that follows is
    /// not.
    pub async fn disconnect(&self, close: Close) -> Result<(), ClusterError> {
        let target = SessionTarget::Session(self.cid);
        match self.gate() {
            Ok(_) => self.ask(GateOp::Disconnect { target, force: close == Close::Force }).await.map(drop),
            Err(_) => self.cluster().disconnect(self.someone()?, close).await,
        }
    }

    /// The address that the client connected from.
    pub async fn client_ip(&self) -> Result<IpAddr, ClusterError> {
        if self.gate().is_err() {
            return self.cluster().ip(self.someone()?).await;
        }
        match self.ask(GateOp::Ip(SessionTarget::Session(self.cid))).await? {
            GateAnswer::Ip(ip) => Ok(ip),
            _ => Err(ClusterError::NoSession(self.session())),
        }
    }

    fn gate(&self) -> Result<(&Gid, &Arc<dyn GateLink>), ClusterError> {
        match self.origin() {
            Origin::Gate { gid, gate } => Ok((gid, gate)),
            Origin::Node { .. } => Err(ClusterError::NoSession(self.session())),
        }
    }

    /// Whom the cluster can look for.
    fn someone(&self) -> Result<Target, ClusterError> {
        match (self.origin(), self.uid) {
            (Origin::Node { .. }, None) => Err(ClusterError::NoSession(self.session())),
            _ => Ok(self.session()),
        }
    }

    async fn ask(&self, op: GateOp) -> Result<GateAnswer, ClusterError> {
        let (gid, gate) = self.gate()?;
        gate.call(op).await.map_err(|error| error.at(gid, self.session()))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Context");
        f.field("sender", &self.sender()).field("uid", &self.uid);
        match self.subject {
            Subject::Message(route, seq) => f.field("route", &route).field("seq", &seq),
            Subject::Event(event) => f.field("event", &event),
        };
        f.finish_non_exhaustive()
    }
}
