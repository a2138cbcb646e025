//! From a client's message to the node that takes it, and what the client is told if none does.

use std::sync::Arc;

use super::GateCore;
use crate::cluster::{
    Answers, Candidate, Delivery, Event, GateLink, NodeLink, Origin, Outward, RouteEntry, SessionEvent, Undelivered,
};
use crate::error::{Code, Error};
use crate::id::{Cid, Nid, RouteId, Seq, Uid};
use crate::packet::Packet;
use crate::session::{Move, Session, Urgency};
use crate::skew;
use crate::status::Status;
use prost::Message as _;

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

    /// Hands a client message to its node, to the one that was `picked` if any was, or refuses it. What cannot be done at once
    /// is left to [`wait`](Self::wait).
    pub(super) fn route(
        self: &Arc<Self>,
        session: &Arc<Session>,
        packet: Packet,
        picked: Option<Box<Candidate>>,
    ) -> Option<Unrouted> {
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
                uid => match picked.as_deref().or_else(|| entry.pick()) {
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
            Ok(packet) => drop(session.push(packet, Urgency::Owed)),
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
            if node.forward(session.cid(), uid, &[Outward::Packet(&packet)]) == 1 {
                return None;
            }
            let held = match answers {
                Answers::None => None,
                Answers::Each | Answers::Some => session.take_back(route, seq).unanswered(),
            };
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
            turn: None,
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
    pub(super) async fn hand_to_another(&self, session: &Arc<Session>, nid: &Nid, mut delivery: Delivery) {
        let route = delivery.packet.route;
        let nodes = self.cluster.nodes();
        let others: Vec<Candidate> = nodes.route(route).into_iter().flat_map(RouteEntry::candidates).cloned().collect();
        drop(nodes);
        for other in others.iter().filter(|other| other.nid != *nid) {
            match self.hand_over(session, &other.nid, &*other.node, delivery, other.answers).await {
                Ok(()) => return,
                Err(back) => delivery = back,
            }
        }
        self.refuse(session, &delivery.packet, unserved(route));
    }

    /// To the node that the user is bound to, behind what was sent there before. A node that says it is not his gives the
    /// message back to [`take_back`](GateLink::take_back).
    async fn route_by_user(&self, session: &Arc<Session>, uid: Uid, group: &Arc<str>, mut delivery: Delivery) {
        let mut turn = session.turn(group);
        let mut tried = None;
        loop {
            let nid = match self.cluster.locate_node(uid, group).await {
                Ok(Some(nid)) => nid,
                Ok(None) => return self.refuse(session, &delivery.packet, unbound(group)),
                Err(error) => return self.refuse(session, &delivery.packet, error.into()),
            };
            if tried.as_ref() == Some(&nid) {
                // Bound to a node that is gone: whoever binds him next is to be heard of.
                self.cluster.forget_node(uid, group, &nid);
                self.refuse(session, &delivery.packet, unbound(group));
                return self.cluster.sweep_node(uid, group, &nid).await;
            }
            let leaving = match turn.leave_for(&nid) {
                Move::Leave(leaving) => leaving,
                Move::Wait => {
                    turn.until_free(&nid).await;
                    continue;
                }
                Move::Overtaken => return self.refuse(session, &delivery.packet, overtaken()),
            };
            if let Ok(node) = self.cluster.node(&nid) {
                delivery.turn = Some(turn);
                let answers = self.answers_of(&nid, delivery.packet.route);
                match self.hand_over(session, &nid, &*node, delivery, answers).await {
                    Ok(()) => return,
                    Err(back) => delivery = back,
                }
                // It has come back with the message.
                turn = delivery.turn.take().unwrap_or_else(|| session.turn(group));
            }
            drop(leaving);
            if !turn.returns() {
                return self.refuse(session, &delivery.packet, overtaken());
            }
            // What is remembered may be older than what has bound him elsewhere: the locator is asked.
            self.cluster.forget_node(uid, group, &nid);
            tried = Some(nid);
        }
    }

    pub(super) fn answers_of(&self, nid: &Nid, route: RouteId) -> Answers {
        self.cluster.nodes().route(route).map_or(Answers::Some, |entry| entry.answers_of(nid))
    }

    /// `Err`: the node takes nothing (any more).
    pub(super) async fn hand_over(
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
            let held = if away { session.take_back(route, seq).unanswered() } else { None };
            delivery.request = request.or(held);
            delivery
        })
    }

    /// Answers a message that no node gets.
    pub(super) fn refuse(&self, session: &Session, packet: &Packet, error: Error) {
        self.refuse_request(session, packet.route, packet.seq, &error);
    }

    pub(super) fn refuse_request(&self, session: &Session, route: RouteId, seq: Seq, error: &Error) {
        tracing::debug!(cid = %session.cid(), %route, %error, "refused");
        self.metrics.refused(error.code());
        self.tell(session, route, seq, error);
    }

    pub(super) fn tell(&self, session: &Session, route: RouteId, seq: Seq, error: &Error) {
        if !self.cluster.backends().statuses {
            return;
        }
        match self.cluster.packet(RouteId::STATUS, seq, &Status::of(route, seq, error)) {
            // The client reads too slowly or has gone: `push` has seen to it.
            Ok(packet) => drop(session.push(packet, Urgency::Owed)),
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
}

pub(super) fn unbound(group: &str) -> Error {
    Error::new(Code::NOT_FOUND, format!("the user is bound to no node {group:?}"))
}

pub(super) fn unserved(route: RouteId) -> Error {
    Error::new(Code::NOT_FOUND, format!("no node serves route {route} at the moment"))
}

/// A later message of the session has gone to another node.
pub(super) fn overtaken() -> Error {
    Error::new(Code::CANCELED, "a later message has overtaken this one, which nobody has handled")
}
