//! From a client's message to the node that takes it, and what the client is told if none does.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::GateCore;
use super::running::MISSES;
use crate::cluster::{
    Answers, Candidate, Delivery, Event, GateLink, Losses, Missed, NodeLink, Origin, SessionEvent, Undelivered,
};
use crate::error::{Code, Error};
use crate::id::{Cid, Nid, RouteId, Seq, Uid};
use crate::packet::Packet;
use crate::session::{Session, SessionTarget};
use crate::skew;
use crate::status::Status;

/// How long answers may still arrive after the connection has broken that carried their requests: they come by another.
const STRAGGLERS: Duration = Duration::from_millis(200);

/// How long what a node works on may take after a connection has ended that answers came by: one of them may have been on it.
/// Less than clients wait for an answer as a rule.
const DOUBT: Duration = Duration::from_secs(5);

/// A message that no node has taken at once.
pub(super) struct Unrouted {
    to: To,
    delivery: Delivery,
}

enum To {
    /// The node that the user is bound to, of those with this name.
    User { uid: Uid, group: Arc<str> },
    /// This one, or any other that serves the route.
    Any(Candidate),
}

impl GateCore {
    pub(super) fn knows(&self, route: RouteId) -> bool {
        self.cluster.nodes().route(route).is_some()
    }

    /// Hands a client message to its node, or refuses it. What cannot be done at once is left to [`wait`](Self::wait).
    pub(super) fn route(self: &Arc<Self>, session: &Arc<Session>, packet: Packet) -> Option<Unrouted> {
        let route = packet.route;
        if route == RouteId::STATUS && self.answers_greeting(session, &packet) {
            return None;
        }
        let nodes = self.cluster.nodes();
        let refused = match nodes.route(route) {
            None => Error::new(Code::NOT_FOUND, format!("no route {route}")),
            Some(entry) if entry.internal => Error::new(Code::ILLEGAL_REQUEST, "this route is not for clients"),
            Some(entry) => match session.uid() {
                None if entry.authorized || entry.stateful => Error::new(Code::UNAUTHORIZED, "log in first"),
                Some(uid) if entry.stateful => {
                    let delivery = self.delivery(session, Some(uid), packet);
                    let to = To::User { uid, group: Arc::clone(&entry.group) };
                    return Some(Unrouted { to, delivery });
                }
                uid => match entry.pick() {
                    None => unserved(route),
                    Some(first) => return self.hand_to(session, first, uid, packet),
                },
            },
        };
        self.refuse(session, &packet, refused);
        None
    }

    /// Whether the packet is a client's word about its schema, and of use to this gate.
    fn answers_greeting(&self, session: &Session, packet: &Packet) -> bool {
        let Some(greetings) = &self.greetings else { return false };
        let Some(Ok(greeting)) = skew::wire::marked(&packet.body).map(skew::wire::Greeting::decode) else {
            return false;
        };
        let Some(answer) = greetings.hear(session, greeting) else { return false };
        match self.format.encode(RouteId::STATUS, packet.seq, &answer) {
            // The client reads too slowly or has gone: `push` has seen to it.
            Ok(packet) => drop(session.push(packet)),
            Err(error) => tracing::warn!(%error, "an answer about a schema could not be written"),
        }
        true
    }

    /// Hands over without waiting.
    fn hand_to(
        self: &Arc<Self>,
        session: &Arc<Session>,
        first: &Candidate,
        uid: Option<Uid>,
        packet: Packet,
    ) -> Option<Unrouted> {
        let Candidate { nid, node, answers, .. } = first;
        let (route, seq) = (packet.route, packet.seq);
        let later = |delivery| Some(Unrouted { to: To::Any(first.clone()), delivery });
        if node.is_remote() {
            if !session.send_away(route, seq, nid, *answers) {
                return later(self.delivery(session, uid, packet));
            }
            if node.forward(session.cid(), uid, &packet) {
                return None;
            }
            let held = if *answers == Answers::None { None } else { session.take_back(route, seq) };
            let mut delivery = self.delivery(session, uid, packet);
            delivery.request = held.or(delivery.request);
            return later(delivery);
        }
        match node.deliver(self.delivery(session, uid, packet)) {
            Ok(()) => None,
            Err(Undelivered::Full(delivery) | Undelivered::Gone(delivery)) => later(delivery),
        }
    }

    fn delivery(self: &Arc<Self>, session: &Arc<Session>, uid: Option<Uid>, packet: Packet) -> Delivery {
        let gate: Arc<dyn GateLink> = self.clone();
        let origin = Origin::Gate { gid: self.gid.clone(), gate };
        Delivery {
            origin,
            cid: session.cid(),
            uid,
            packet,
            request: Some(session.request()),
            misses: None,
            receipt: None,
        }
    }

    /// Hands over what [`route`](Self::route) could not, or refuses it. Waits while the node has no room for this session.
    pub(super) async fn wait(&self, session: &Arc<Session>, Unrouted { to, delivery }: Unrouted) {
        let first = match to {
            To::User { uid, group } => return self.route_by_user(session, uid, &group, delivery).await,
            To::Any(first) => first,
        };
        let Err(delivery) = self.hand_over(session, &first.nid, &*first.node, delivery, first.answers).await else {
            return;
        };
        // It took nothing: any other may.
        self.hand_to_another(session, &first.nid, delivery).await;
    }

    /// To any node that serves the route, but this one.
    async fn hand_to_another(&self, session: &Arc<Session>, nid: &Nid, mut delivery: Delivery) {
        let route = delivery.packet.route;
        let nodes = self.cluster.nodes();
        let others = nodes.route(route).map_or(&[][..], |entry| entry.candidates()).to_vec();
        drop(nodes);
        for other in others.iter().filter(|other| other.nid != *nid) {
            match self.hand_over(session, &other.nid, &*other.node, delivery, other.answers).await {
                Ok(()) => return,
                Err(back) => delivery = back,
            }
        }
        self.refuse(session, &delivery.packet, unserved(route));
    }

    /// To the node that the user is bound to. One that says it is not his gives the message back to
    /// [`correct`](Self::correct).
    async fn route_by_user(&self, session: &Arc<Session>, uid: Uid, group: &str, mut delivery: Delivery) {
        let nid = match self.cluster.locate_node(uid, group).await {
            Ok(nid) => nid,
            Err(error) => return self.refuse(session, &delivery.packet, error.into()),
        };
        if let Some(nid) = nid {
            if let Ok(node) = self.cluster.node(&nid) {
                delivery.misses = Some(self.misses.clone());
                let answers = self.answers(delivery.packet.route, &nid);
                match self.hand_over(session, &nid, &*node, delivery, answers).await {
                    Ok(()) => return,
                    Err(back) => delivery = back,
                }
            }
            // Bound to a node that is gone: whoever binds him next is to be heard of.
            self.cluster.forget_node(uid, group, &nid);
            self.refuse(session, &delivery.packet, unbound(group));
            return self.cluster.sweep_node(uid, group, &nid).await;
        }
        self.refuse(session, &delivery.packet, unbound(group));
    }

    /// Sends messages that reached the wrong node to the right one, each once, those of one session in the order they come
    /// back. Sessions do not wait for each other.
    pub(super) async fn correct(self: Arc<Self>, mut misses: mpsc::Receiver<Missed>) {
        // Per session with a message under way: what waits behind it.
        let mut behind: HashMap<Cid, VecDeque<Missed>> = HashMap::new();
        let (mut under_way, mut held) = (JoinSet::new(), 0);
        loop {
            let next = tokio::select! {
                Some(missed) = misses.recv(), if held < MISSES => {
                    held += 1;
                    match behind.entry(missed.delivery.cid) {
                        Entry::Occupied(mut others) => {
                            others.get_mut().push_back(missed);
                            None
                        }
                        Entry::Vacant(place) => {
                            place.insert(VecDeque::new());
                            Some(missed)
                        }
                    }
                }
                Some(done) = under_way.join_next() => {
                    held -= 1;
                    // None of them is aborted, and a panic has been reported.
                    let Ok(cid) = done else { continue };
                    let next = behind.get_mut(&cid).and_then(VecDeque::pop_front);
                    if next.is_none() {
                        behind.remove(&cid);
                    }
                    next
                }
                else => return,
            };
            if let Some(missed) = next {
                let (this, cid) = (Arc::clone(&self), missed.delivery.cid);
                under_way.spawn(async move {
                    this.send_on(missed).await;
                    cid
                });
            }
        }
    }

    /// Looks the user up once more; who is still bound to the node that says no, or is not reached, is bound to none. Where
    /// no user has to be looked up, another node takes the message.
    async fn send_on(&self, Missed { nid, mut delivery }: Missed) {
        let (route, seq) = (delivery.packet.route, delivery.packet.seq);
        let Some(session) = self.sessions.get(SessionTarget::Session(delivery.cid)) else { return };
        if session.has_given_up(route, seq) {
            // Its client was told, so nobody is to handle it.
            return;
        }
        let held = session.take_back(route, seq);
        delivery.request.get_or_insert_with(|| held.unwrap_or_else(|| session.request()));
        let nodes = self.cluster.nodes();
        let Some(entry) = nodes.route(route) else {
            return self.refuse(&session, &delivery.packet, unserved(route));
        };
        let (group, stateful) = (Arc::clone(&entry.group), entry.stateful);
        drop(nodes);
        if !stateful {
            return self.hand_to_another(&session, &nid, delivery).await;
        }
        let Some(uid) = delivery.uid else { return };
        self.cluster.forget_node(uid, &group, &nid);
        let right = self.cluster.locate_node(uid, &group).await;
        let right = right.ok().flatten().filter(|right| *right != nid);
        let node = right.and_then(|right| self.cluster.node(&right).ok().map(|node| (right, node)));
        let back = match node {
            Some((right, node)) => {
                let answers = self.answers(route, &right);
                self.hand_over(&session, &right, &*node, delivery, answers).await.err()
            }
            None => Some(delivery),
        };
        if let Some(delivery) = back {
            self.refuse(&session, &delivery.packet, unbound(&group));
        }
    }

    fn answers(&self, route: RouteId, nid: &Nid) -> Answers {
        self.cluster.nodes().route(route).map_or(Answers::Some, |entry| entry.answers_of(nid))
    }

    /// `Err`: the node takes nothing (any more).
    async fn hand_over(
        &self,
        session: &Arc<Session>,
        nid: &Nid,
        node: &dyn NodeLink,
        mut delivery: Delivery,
        answers: Answers,
    ) -> Result<(), Delivery> {
        let (route, seq) = (delivery.packet.route, delivery.packet.seq);
        let away = node.is_remote() && answers != Answers::None;
        let request = delivery.request.take_if(|_| node.is_remote());
        let outcome = loop {
            while away && !session.send_away(route, seq, nid, answers) {
                session.room_for_requests().await;
            }
            delivery = match node.deliver(delivery) {
                Ok(()) => break Ok(()),
                Err(Undelivered::Full(delivery)) => delivery,
                Err(Undelivered::Gone(delivery)) => {
                    tracing::debug!(%route, %seq, %nid, "the node left before it took the message");
                    break Err(delivery);
                }
            };
            if away {
                // What breaks meanwhile does not carry it.
                session.take_back(route, seq);
            }
            node.room(&self.gid, session.cid()).await;
        };
        outcome.map_err(|mut delivery| {
            let held = if away { session.take_back(route, seq) } else { None };
            delivery.request = request.or(held);
            delivery
        })
    }

    /// Answers a message that no node gets.
    pub(super) fn refuse(&self, session: &Session, packet: &Packet, error: Error) {
        tracing::debug!(cid = %session.cid(), route = %packet.route, %error, "refused");
        self.metrics.refused(error.code());
        self.tell(session, packet.route, packet.seq, &error);
    }

    pub(super) fn tell(&self, session: &Session, route: RouteId, seq: Seq, error: &Error) {
        if !self.cluster.backends().statuses {
            return;
        }
        match self.cluster.packet(RouteId::STATUS, seq, &Status::of(route, seq, error)) {
            // The client reads too slowly or has gone: `push` has seen to it.
            Ok(packet) => drop(session.push(packet)),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a status could not be written"),
        }
    }

    pub(super) fn tell_all_to_go(&self) {
        self.sessions.sessions().iter().for_each(|session| self.tell_to_go(session));
    }

    /// Tells the client that it is to connect again: this gate stops.
    pub(super) fn tell_to_go(&self, session: &Session) {
        self.tell(session, RouteId(0), Seq::NONE, &Error::new(Code::GOING_AWAY, "the gate is stopping"));
    }

    /// Tells the nodes that listen.
    pub(super) fn trigger(&self, event: Event, cid: Cid, uid: Option<Uid>) {
        let Some(gate) = self.this.upgrade() else { return };
        for node in self.cluster.nodes().listeners(event) {
            node.trigger(SessionEvent { event, gid: self.gid.clone(), gate: gate.clone(), cid, uid });
        }
    }

    pub(super) fn watch_losses(self: &Arc<Self>) {
        let this: Weak<Self> = Arc::downgrade(self);
        self.cluster.member().losses.get_or_init(|| this);
    }
}

impl GateCore {
    /// Answers in a while what is lost, or may be, unless its node does before.
    fn give_up_in(
        &self,
        while_long: Duration,
        nid: &Nid,
        message: &'static str,
        is_lost: &dyn Fn(Cid, RouteId, Seq) -> bool,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let at = Instant::now() + while_long;
        let mut doomed = self.sessions.sessions();
        doomed.retain(|session| session.doom(nid, at, |route, seq| is_lost(session.cid(), route, seq)));
        let this = self.this.upgrade().filter(|_| !doomed.is_empty())?;
        let nid = nid.clone();
        Some(async move {
            sleep_until(at).await;
            let error = Error::new(Code::UNKNOWN, message);
            for session in doomed {
                for (route, seq, _until_told) in session.fail_doomed(Instant::now()) {
                    tracing::debug!(cid = %session.cid(), %route, %seq, %nid, message, "a request has no answer");
                    this.tell(&session, route, seq, &error);
                }
                session.leave_if_answered();
            }
        })
    }
}

impl Losses for GateCore {
    fn lost(&self, nid: &Nid, is_lost: &dyn Fn(Cid, RouteId, Seq) -> bool) {
        let message = "the node was lost; it may have handled the request";
        if let Some(giving_up) = self.give_up_in(STRAGGLERS, nid, message, is_lost) {
            self.sessions.tasks.spawn(giving_up);
        }
    }

    fn unanswered(&self, nid: &Nid) {
        let message = "the answer of the node may be lost; it may have handled the request";
        if let Some(giving_up) = self.give_up_in(DOUBT, nid, message, &|_, _, _| true) {
            // No stop waits for it: what is answered before needs nothing.
            tokio::spawn(giving_up);
        }
    }

    fn unsent(&self, nid: &Nid, cid: Cid, uid: Option<Uid>, packet: Packet) -> bool {
        let Some(gate) = self.this.upgrade() else { return false };
        let origin = Origin::Gate { gid: self.gid.clone(), gate };
        let delivery = Delivery { origin, cid, uid, packet, request: None, misses: None, receipt: None };
        self.misses.try_send(Missed { nid: nid.clone(), delivery }).is_ok()
    }
}

fn unbound(group: &str) -> Error {
    Error::new(Code::NOT_FOUND, format!("the user is bound to no node {group:?}"))
}

fn unserved(route: RouteId) -> Error {
    Error::new(Code::NOT_FOUND, format!("no node serves route {route} at the moment"))
}
