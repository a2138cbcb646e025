//! What a gate does for nodes: the receiving end of [`GateOp`].

use std::iter::once;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::sleep;

use super::{DuplicateLogin, GateCore};
use crate::cluster::{Audience, Delivery, Event, GateAnswer, GateLink, GateOp, GateServer, LinkError, Then, Unpushed};
use crate::error::{Code, Error};
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Nid, RouteId, Seq, Uid};
use crate::locator::LocateError;
use crate::session::{Refused, Session, SessionTarget, Urgency, Wakes};
use crate::transport::CloseReason;

/// A user who goes to and fro between gates is let alone for so long: the other gate knows him by his name only, and would
/// end the session that he has begun there meanwhile.
const SETTLED: Duration = Duration::from_millis(300);

impl GateLink for GateCore {
    fn push(&self, cid: Cid, packet: Bytes) -> Result<(), LinkError> {
        Ok(self.queue(cid, &mut once(packet), Urgency::Now, &mut Wakes::default())?)
    }

    fn answer(&self, cid: Cid, packet: BytesMut) -> Result<(), LinkError> {
        Ok(self.queue(cid, &mut once(packet.freeze()), Urgency::Owed, &mut Wakes::default())?)
    }

    fn take_back(&self, nid: &Nid, delivery: Delivery) -> Option<Delivery> {
        self.receive_back(nid, delivery);
        None
    }

    fn call(&self, op: GateOp) -> BoxFuture<'_, Result<GateAnswer, LinkError>> {
        Box::pin(async move {
            match op {
                GateOp::Bind { cid, uid } => self.bind(cid, uid).await,
                GateOp::Unbind { uid } => self.unbind(uid).await,
                GateOp::Ip(target) => {
                    // A client of the same process has no address of its own.
                    let ip = self.session(target)?.peer().ip().unwrap_or(Ipv4Addr::LOCALHOST.into());
                    Ok(GateAnswer::Ip(ip))
                }
                GateOp::Stat(Audience::Sessions) => Ok(GateAnswer::Total(self.sessions.session_count() as u64)),
                GateOp::Stat(Audience::Users) => Ok(GateAnswer::Total(self.sessions.user_count() as u64)),
                GateOp::IsOnline(target) => Ok(GateAnswer::Online(self.sessions.get(target).is_some())),
                GateOp::Disconnect { target, force } => {
                    let session = self.session(target)?;
                    match force {
                        true => session.cut(),
                        // A user who is sent off logs in at the next gate, and that one dismisses him here.
                        false if self.leaving.is_cancelled() => session.finish_when_answered(),
                        false => session.finish(),
                    }
                    Ok(GateAnswer::Done)
                }
                GateOp::Push { target, packet, then } => {
                    let pushed = match self.session(target) {
                        Ok(session) => push(&session, packet, then).await,
                        Err(error) => Err(error),
                    };
                    if let (Err(LinkError::NoSession), SessionTarget::User(uid)) = (&pushed, target) {
                        self.forget(uid).await;
                    }
                    pushed.map(|()| GateAnswer::Done)
                }
                GateOp::Multicast { targets, packet, then } => {
                    let sessions = targets.into_iter().filter_map(|target| self.sessions.get(target));
                    Ok(self.push_all(sessions, &packet, then).await)
                }
                GateOp::Broadcast { audience, packet, then } => {
                    let sessions = match audience {
                        Audience::Sessions => self.sessions.sessions(),
                        Audience::Users => self.sessions.users(),
                    };
                    Ok(self.push_all(sessions.into_iter(), &packet, then).await)
                }
                GateOp::Publish { channel, packet, then } => {
                    Ok(self.push_all(self.sessions.members(&channel).into_iter(), &packet, then).await)
                }
                GateOp::Subscribe { targets, channel } => self.each(&targets, |cid| {
                    self.sessions.subscribe(cid, &channel);
                }),
                GateOp::Unsubscribe { targets, channel } => self.each(&targets, |cid| {
                    self.sessions.unsubscribe(cid, &channel);
                }),
                GateOp::State => Ok(GateAnswer::State(self.presence.state().await)),
                GateOp::SetState(state) => self.presence.change_state(state).await.map(|()| GateAnswer::Done),
            }
        })
    }
}

impl GateServer for GateCore {
    fn push_parts(&self, cid: Cid, parts: &mut dyn Iterator<Item = Bytes>, wakes: &mut Wakes) -> Result<(), Unpushed> {
        self.queue(cid, parts, Urgency::CanWait, wakes).map_err(|refused| match refused {
            Refused::Busy(packet) => Unpushed::Busy(packet),
            refused => Unpushed::Never(refused.into()),
        })
    }

    fn push_in_time(&self, cid: Cid, packet: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move { Ok(self.session(SessionTarget::Session(cid))?.push_in_time(packet).await?) })
    }

    fn find(&self, target: SessionTarget) -> Option<Cid> {
        match target {
            SessionTarget::Session(cid) => Some(cid),
            SessionTarget::User(_) => self.sessions.get(target).map(|session| session.cid()),
        }
    }
}

impl GateCore {
    fn queue(
        &self,
        cid: Cid,
        packets: &mut dyn Iterator<Item = Bytes>,
        urgency: Urgency,
        wakes: &mut Wakes,
    ) -> Result<(), Refused> {
        let queue = |session: &Session| session.queue_parts(&self.format, packets, urgency, wakes);
        self.sessions.with(cid, queue).unwrap_or(Err(Refused::Closed))
    }

    fn session(&self, target: SessionTarget) -> Result<Arc<Session>, LinkError> {
        self.sessions.get(target).ok_or(LinkError::NoSession)
    }

    async fn bind(&self, cid: Cid, uid: Uid) -> Result<GateAnswer, LinkError> {
        let session = self.session(SessionTarget::Session(cid))?;
        let bound = self.sessions.bind(&session, uid);
        if let Some(left) = bound.left {
            self.forget(left).await;
        }
        let located = match self.locate(uid).await {
            Ok(located) => located,
            Err(error) => {
                // Not another session, which may have taken the user meanwhile.
                self.sessions.part(&session, uid);
                return Err(LinkError::Failed(error.to_string()));
            }
        };
        if let Some(older) = bound.older {
            self.dismiss(&older);
        }
        if let Located::Here { before: Some(gid) } = located {
            self.supersede(uid, gid);
        }
        // The session may also have ended while the locator wrote.
        if bound.ended || self.sessions.get(SessionTarget::User(uid)).is_none() {
            return Err(LinkError::NoSession);
        }
        self.trigger(Event::Reconnect, cid, Some(uid));
        Ok(GateAnswer::Done)
    }

    /// What becomes of a session whose user has logged in elsewhere.
    pub(super) fn dismiss(&self, older: &Session) {
        if self.duplicate_login == DuplicateLogin::Close {
            self.tell(older, RouteId(0), Seq::NONE, &logged_in_elsewhere());
            older.because(CloseReason::Policy).finish();
        }
    }

    /// The same for a session on another gate, which may be one of due v2.5.8. The login does not wait for it.
    fn supersede(&self, uid: Uid, gid: Gid) {
        if self.duplicate_login == DuplicateLogin::Keep || gid == self.gid {
            return;
        }
        let Some(this) = self.this.upgrade() else { return };
        let arrival = Arc::new(());
        self.arrivals.lock().unwrap().insert(uid, Arc::clone(&arrival));
        // A stop waits for neither the locator nor the other gate.
        let stop = self.finish.clone();
        self.turned_away.spawn(stop.run_until_cancelled_owned(async move {
            sleep(SETTLED).await;
            // Whoever has come from there once more since then, sees to it.
            if !this.has_settled(uid, &arrival) {
                return;
            }
            // He may be back there already.
            match this.cluster.locator().locate_gate(uid).await {
                Ok(Some(now)) if now == this.gid => {}
                _ => return,
            }
            if let Err(error) = this.cluster.dismiss(&gid, uid, &logged_in_elsewhere()).await {
                tracing::debug!(%uid, %gid, %error, "the older session of a user was not told");
            }
        }));
    }

    /// Whether the user has not come from another gate again since this arrival.
    fn has_settled(&self, uid: Uid, arrival: &Arc<()>) -> bool {
        let mut arrivals = self.arrivals.lock().unwrap();
        let is_last = arrivals.get(&uid).is_some_and(|last| Arc::ptr_eq(last, arrival));
        if is_last {
            arrivals.remove(&uid);
        }
        is_last
    }

    async fn unbind(&self, uid: Uid) -> Result<GateAnswer, LinkError> {
        self.sessions.unbind(uid).ok_or(LinkError::NoSession)?;
        self.forget(uid).await;
        Ok(GateAnswer::Done)
    }

    /// Tells the locator that the user has left, unless he is back already.
    pub(super) async fn forget(&self, uid: Uid) {
        if let Err(error) = self.locate(uid).await {
            tracing::warn!(%uid, error = &error as &dyn std::error::Error, "the locator keeps a stale gate");
        }
    }

    /// Tells the locator that a session of the user has ended. `true`: he plays on, here or at another gate.
    pub(super) async fn part(&self, uid: Uid) -> bool {
        match self.locate(uid).await {
            Ok(Located::Here { .. }) => true,
            Ok(Located::Left { noted: true }) => false,
            Ok(Located::Left { noted: false }) => {
                let found = self.cluster.locator().locate_gate(uid).await;
                found.is_ok_and(|found| found.is_some_and(|gid| gid != self.gid))
            }
            Err(error) => {
                tracing::warn!(%uid, error = &error as &dyn std::error::Error, "the locator keeps a stale gate");
                false
            }
        }
    }

    /// Makes the locator agree with the sessions. A user may log in here while his last connection is still being
    /// cleaned up: whoever wrote last has also looked last.
    async fn locate(&self, uid: Uid) -> Result<Located, LocateError> {
        let is_here = || self.sessions.get(SessionTarget::User(uid)).is_some();
        let locator = self.cluster.locator();
        loop {
            let here = is_here();
            let found = match here {
                true => Located::Here { before: locator.bind_gate(uid, &self.gid).await? },
                // Only this gate's note: another gate may have the user.
                false => Located::Left { noted: locator.unbind_gate(uid, &self.gid).await? },
            };
            if is_here() == here {
                return Ok(found);
            }
        }
    }

    /// Whoever has no room at the moment delays none of the others.
    async fn push_all(&self, sessions: impl Iterator<Item = Arc<Session>>, packet: &Bytes, then: Then) -> GateAnswer {
        let (mut delivered, mut busy, mut wakes) = (0, Vec::new(), Wakes::default());
        for session in sessions {
            match session.queue(packet.clone(), Urgency::CanWait, &mut wakes) {
                Ok(()) => {
                    delivered += 1;
                    if then == Then::Disconnect {
                        session.finish();
                    }
                }
                Err(Refused::Busy(_)) => busy.push(session),
                Err(_) => {}
            }
        }
        self.wakes.wake(wakes);
        for session in busy {
            delivered += u64::from(push(&session, packet.clone(), then).await.is_ok());
        }
        GateAnswer::Total(delivered)
    }

    fn each(&self, targets: &[SessionTarget], act: impl Fn(Cid)) -> Result<GateAnswer, LinkError> {
        let mut found = false;
        for session in targets.iter().filter_map(|target| self.sessions.get(*target)) {
            act(session.cid());
            found = true;
        }
        if found { Ok(GateAnswer::Done) } else { Err(LinkError::NoSession) }
    }
}

/// What this gate has written to the locator.
enum Located {
    /// The user is here; `before`: the gate that was noted until then.
    Here { before: Option<Gid> },
    /// He is not; `noted`: he was, until then.
    Left { noted: bool },
}

fn logged_in_elsewhere() -> Error {
    Error::new(Code::UNAUTHORIZED, "the user has logged in elsewhere")
}

async fn push(session: &Session, packet: Bytes, then: Then) -> Result<(), LinkError> {
    session.push_in_time(packet).await?;
    if then == Then::Disconnect {
        session.finish();
    }
    Ok(())
}

impl From<Refused> for LinkError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Busy(_) | Refused::Full | Refused::Dropped => Self::Backlogged,
            Refused::Closed => Self::NoSession,
        }
    }
}
