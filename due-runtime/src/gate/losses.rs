//! What becomes of requests that are lost with a connection: each is answered, once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::GateCore;
use crate::cluster::{Delivery, GateLink, Losses, Origin};
use crate::error::{Code, Error};
use crate::id::{Cid, Nid, RouteId, Seq, Uid};
use crate::packet::Packet;
use crate::session::{Back, SessionTarget};

/// How long answers may still arrive after the connection has broken that carried their requests: they come by another.
const STRAGGLERS: Duration = Duration::from_millis(200);

/// How long what a node works on may take after a connection has ended that answers came by: one of them may have been on it.
/// Less than clients wait for an answer as a rule.
const DOUBT: Duration = Duration::from_secs(5);

impl GateCore {
    pub(super) fn watch_losses(self: &Arc<Self>) {
        let this: Weak<Self> = Arc::downgrade(self);
        self.cluster.member().losses.get_or_init(|| this);
    }

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

    fn strayed(&self, nid: &Nid, cid: Cid, route: RouteId, seq: Seq) {
        let Some(session) = self.sessions.get(SessionTarget::Session(cid)) else { return };
        let (is_known, _until_told) = match session.take_back(route, seq) {
            Back::Unanswered(request) => (true, Some(request)),
            Back::Answered => (false, None),
            Back::Unknown => (self.may_be_silent(nid, route, seq), None),
        };
        if is_known {
            let error = "too many messages were under way when the node gave this one back, which nobody has handled";
            self.refuse_request(&session, route, seq, &Error::new(Code::TOO_MANY_REQUESTS, error));
        }
    }

    fn unsent(&self, nid: &Nid, cid: Cid, uid: Option<Uid>, packet: Packet) -> bool {
        let Some(gate) = self.this.upgrade() else { return false };
        let origin = Origin::Gate { gid: self.gid.clone(), gate };
        let delivery = Delivery { origin, cid, uid, packet, request: None, turn: None, receipt: None };
        self.take_back(nid, delivery).is_none()
    }
}
