//! Messages that come back: their node has not handled them, and another one may.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::GateCore;
use super::routing::{overtaken, unbound, unserved};
use crate::cluster::{Answers, Delivery};
use crate::error::{Code, Error};
use crate::id::{Nid, RouteId, Seq};
use crate::session::{Back, Move, SessionTarget, Turn};

/// Messages that may wait for their user to be located anew, and as many that are sent on. Clients are told of further ones.
const MISSES: usize = 4096;
/// What stands for the name of their nodes where messages need no turn to be sent.
const ANY: &str = "";

/// What came back, from where, and its place among what its session has sent.
pub(super) struct Missed {
    nid: Nid,
    turn: Turn,
    delivery: Delivery,
}

pub(super) fn channel() -> (mpsc::Sender<Missed>, mpsc::Receiver<Missed>) {
    mpsc::channel(MISSES)
}

impl GateCore {
    /// From now on the message is with this gate, which sends it on or answers it.
    pub(super) fn receive_back(&self, nid: &Nid, mut delivery: Delivery) {
        let (route, seq) = (delivery.packet.route, delivery.packet.seq);
        let Some(session) = self.sessions.get(SessionTarget::Session(delivery.cid)) else { return };
        if delivery.request.is_none() {
            delivery.request = Some(match session.take_back(route, seq) {
                Back::Unanswered(request) => request,
                Back::Unknown if self.may_be_silent(nid, route, seq) => session.request(),
                Back::Unknown | Back::Answered => return,
            });
        }
        let turn = match delivery.turn.take() {
            None => session.turn(&Arc::from(ANY)),
            Some(mut turn) => match turn.returns() {
                true => turn,
                false => return self.refuse(&session, &delivery.packet, overtaken()),
            },
        };
        if let Err(full) = self.misses.try_send(Missed { nid: nid.clone(), turn, delivery }) {
            tracing::warn!(%nid, "too many messages come back; the client of one is told");
            let error =
                Error::new(Code::TOO_MANY_REQUESTS, "too many messages come back from a node that does not take them");
            self.refuse(&session, &full.into_inner().delivery.packet, error);
        }
    }

    /// Whether a message of which no account is kept may still be unanswered.
    pub(super) fn may_be_silent(&self, nid: &Nid, route: RouteId, seq: Seq) -> bool {
        seq == Seq::NONE || self.answers_of(nid, route) != Answers::Each
    }

    /// Sends messages that have come back to the right node, each once, those of one session in the order in which the
    /// client has sent them. Sessions do not wait for each other.
    pub(super) async fn send_on_all(self: Arc<Self>, mut misses: mpsc::Receiver<Missed>) {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                Some(missed) = misses.recv(), if under_way.len() < MISSES => {
                    under_way.spawn(Arc::clone(&self).send_on(missed));
                }
                // None of them is aborted, and a panic has been reported.
                Some(_) = under_way.join_next() => {}
                else => return,
            }
        }
    }

    /// Looks the user up once more; who is still bound to the node that says no, or is not reached, is bound to none. Where
    /// no user has to be looked up, another node takes the message.
    async fn send_on(self: Arc<Self>, Missed { nid, mut turn, mut delivery }: Missed) {
        let route = delivery.packet.route;
        let Some(session) = self.sessions.get(SessionTarget::Session(delivery.cid)) else { return };
        turn.until_first().await;
        let nodes = self.cluster.nodes();
        let Some(entry) = nodes.route(route) else {
            return self.refuse(&session, &delivery.packet, unserved(route));
        };
        let (group, stateful) = (Arc::clone(&entry.group), entry.stateful);
        drop(nodes);
        if !stateful {
            return self.hand_to_another(&session, &nid, delivery).await;
        }
        let Some(uid) = delivery.uid else {
            return self.refuse(&session, &delivery.packet, Error::new(Code::UNAUTHORIZED, "log in first"));
        };
        self.cluster.forget_node(uid, &group, &nid);
        let (right, node, _leaving) = loop {
            let right = self.cluster.locate_node(uid, &group).await;
            let right = right.ok().flatten().filter(|right| *right != nid);
            let Some((right, node)) = right.and_then(|right| Some((right.clone(), self.cluster.node(&right).ok()?)))
            else {
                return self.refuse(&session, &delivery.packet, unbound(&group));
            };
            match turn.leave_for(&right) {
                Move::Leave(leaving) => break (right, node, leaving),
                Move::Wait => turn.until_free(&right).await,
                Move::Overtaken => return self.refuse(&session, &delivery.packet, overtaken()),
            }
        };
        delivery.turn = Some(turn);
        let answers = self.answers_of(&right, route);
        if let Err(delivery) = self.hand_over(&session, &right, &*node, delivery, answers).await {
            self.refuse(&session, &delivery.packet, unbound(&group));
        }
    }
}
