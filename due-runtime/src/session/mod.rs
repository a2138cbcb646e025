//! One client connection on one gate: who it is, and what waits for it.

mod ending;
mod order;
mod outbox;
mod requests;
mod table;
mod wakes;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use ending::Ending;
use order::Order;
pub(crate) use order::{Move, Turn};
pub(crate) use outbox::{Outbox, OutboxRules, Refused, Urgency};
pub use outbox::{OutboxLimits, Overflow};
pub(crate) use requests::{Back, Request, WINDOW};
use requests::{Received, Requests};
pub(crate) use table::{SessionTable, SessionTarget};
pub(crate) use wakes::{WakeQueue, Wakes};

use crate::cluster::Answers;
use crate::id::{Cid, Nid, RouteId, Seq, Uid};
use crate::packet::{Dialect, Format};
use crate::transport::{Attributes, CloseReason, Peer};

pub(crate) struct Session {
    cid: Cid,
    peer: Peer,
    attributes: Attributes,
    /// 0 says that no user is bound.
    uid: AtomicI64,
    opened: Instant,
    /// When the last user left, in microseconds after `opened`.
    userless: AtomicU64,
    dialect: AtomicU8,
    /// It has said what schema it was generated from.
    greeted: AtomicBool,
    outbox: Outbox,
    requests: Requests,
    /// Made for the first stateful message.
    order: OnceLock<Box<Order>>,
    ending: Ending,
}

/// A request that is not answered for so long while others wait is taken for one that never will be, whatever its node says.
/// Its client hears of it only if it is lost, or answered after all.
const PATIENCE: Duration = Duration::from_secs(5);
const UNKNOWN: u8 = 0;
const SIZED: u8 = 1;
const BARE: u8 = 2;

impl Session {
    pub(crate) fn new(cid: Cid, peer: Peer, attributes: Attributes, rules: &Arc<OutboxRules>) -> Self {
        Self {
            cid,
            peer,
            attributes,
            uid: AtomicI64::new(0),
            opened: Instant::now(),
            userless: AtomicU64::new(0),
            dialect: AtomicU8::new(UNKNOWN),
            greeted: AtomicBool::new(false),
            outbox: Outbox::new(Arc::clone(rules)),
            requests: Requests::default(),
            order: OnceLock::new(),
            ending: Ending::default(),
        }
    }

    pub(crate) fn cid(&self) -> Cid {
        self.cid
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    pub(crate) fn uid(&self) -> Option<Uid> {
        match self.uid.load(Ordering::Acquire) {
            0 => None,
            uid => Some(Uid(uid)),
        }
    }

    /// Since when the session has no user; `None` while it has one.
    pub(crate) fn without_user_since(&self) -> Option<Instant> {
        match self.uid() {
            Some(_) => None,
            None => Some(self.opened + Duration::from_micros(self.userless.load(Ordering::Acquire))),
        }
    }

    /// The dialect of this connection, once its first frame has told.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        match self.dialect.load(Ordering::Acquire) {
            SIZED => Some(Dialect::Sized),
            BARE => Some(Dialect::Bare),
            _ => None,
        }
    }

    pub(crate) fn speak(&self, dialect: Dialect) {
        let dialect = match dialect {
            Dialect::Sized => SIZED,
            Dialect::Bare => BARE,
        };
        self.dialect.store(dialect, Ordering::Release);
    }

    /// The client says what schema it was generated from. `false`: it has before.
    pub(crate) fn greets(&self) -> bool {
        !self.greeted.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn has_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }

    /// Queues one packet (sized form). A session whose client reads too slowly is cut, unless its gate drops pushes.
    pub(crate) fn push(&self, packet: Bytes, urgency: Urgency) -> Result<(), Refused> {
        self.queue(packet, urgency, &mut Wakes::default())
    }

    /// [`push`](Self::push) of one of many: the caller wakes the session when it has no more for it.
    pub(crate) fn queue(&self, packet: Bytes, urgency: Urgency, wakes: &mut Wakes) -> Result<(), Refused> {
        wakes.add(self.cut_if_full(self.outbox.queue(packet, urgency))?);
        Ok(())
    }

    /// [`push`](Self::push) that waits while there is no room, unless the client reads too slowly.
    pub(crate) async fn push_in_time(&self, mut packet: Bytes) -> Result<(), Refused> {
        loop {
            match self.push(packet, Urgency::CanWait) {
                Err(Refused::Busy(back)) => packet = back,
                pushed => return pushed,
            }
            self.outbox.relief().await;
        }
    }

    fn cut_if_full<T>(&self, queued: Result<T, Refused>) -> Result<T, Refused> {
        if let Err(Refused::Full) = queued {
            tracing::debug!(cid = %self.cid, "the client reads too slowly; its session is cut");
            self.because(CloseReason::Policy).cut();
        }
        queued
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// A request that this process works on.
    pub(crate) fn request(self: &Arc<Self>) -> Request {
        Request::new(Arc::clone(self))
    }

    /// A request leaves for a node of another process, which answers so many of its kind. `false`: it has to wait until
    /// there is [room](Self::room_for_requests).
    pub(crate) fn send_away(&self, route: RouteId, seq: Seq, nid: &Nid, answers: Answers) -> bool {
        self.send_all_away(route, &[seq], nid, answers) == 1
    }

    /// The same with requests of one route. Says how many of them leave.
    pub(crate) fn send_all_away(&self, route: RouteId, seqs: &[Seq], nid: &Nid, answers: Answers) -> usize {
        match answers {
            Answers::None => seqs.len(),
            Answers::Each => self.requests.send(route, seqs, nid, true),
            Answers::Some => self.requests.send(route, seqs, nid, false),
        }
    }

    /// A request did not leave after all, or has come back, and is to be held here.
    pub(crate) fn take_back(self: &Arc<Self>, route: RouteId, seq: Seq) -> Back {
        Request::take_back(self, route, seq)
    }

    /// The place of a message among those for nodes of this name, behind all others.
    pub(crate) fn turn(self: &Arc<Self>, group: &Arc<str>) -> Turn {
        Turn::new(Arc::clone(self), group)
    }

    fn order(&self) -> &Order {
        self.order.get_or_init(Box::default)
    }

    /// Waits for no node any more that need not answer.
    pub(crate) fn forget_unsure(&self) {
        self.requests.forget_unsure();
        self.leave_if_answered();
    }

    /// Waits while so many requests are away that a further one might be refused.
    pub(crate) async fn room_for_requests(&self) {
        while timeout(PATIENCE, self.requests.room()).await.is_err() {
            self.requests.presume_oneway();
        }
    }

    /// Queues packets of a node. If one is an answer of another process, its request ends with that; one that comes too late is
    /// dropped. See [`Outbox::queue_parts`].
    pub(crate) fn queue_parts(
        &self,
        format: &Format,
        parts: &mut dyn Iterator<Item = Bytes>,
        urgency: Urgency,
        wakes: &mut Wakes,
    ) -> Result<(), Refused> {
        let mut receiver = self.requests.receive();
        let parts = parts.filter_map(|part| {
            let received = format.peek(&part).map_or(Received::Push, |(route, seq)| receiver.next(route, seq));
            match received {
                Received::Push | Received::Unexpected => Some((part, urgency)),
                Received::Answer => Some((part, Urgency::Owed)),
                Received::Late => None,
            }
        });
        let queued = self.outbox.queue_parts(parts, wakes);
        let answered = receiver.end();
        if answered > 0 && self.requests.end(answered) {
            self.leave_if_answered();
        }
        self.cut_if_full(queued)
    }

    /// Marks the lost ones of the requests that are with this node now, to be given up then, and says whether there are any.
    pub(crate) fn doom(&self, nid: &Nid, at: Instant, is_lost: impl Fn(RouteId, Seq) -> bool) -> bool {
        self.requests.doom(nid, at, is_lost)
    }

    /// The marked requests whose time is over, and no answer came for; the caller answers them, and holds each until then.
    pub(crate) fn fail_doomed(self: &Arc<Self>, now: Instant) -> Vec<(RouteId, Seq, Request)> {
        Request::fail_doomed(self, now)
    }

    /// What the peer is told at the end. The first reason counts.
    pub(crate) fn because(&self, reason: CloseReason) -> &Self {
        self.ending.because(reason);
        self
    }

    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.ending.reason()
    }

    /// Stops reading, but still takes answers to what was read.
    pub(crate) fn stop_reading(&self) {
        self.ending.stop_reading();
    }

    /// Finishes when what was read is answered.
    pub(crate) fn finish_when_answered(&self) {
        self.ending.leave_when_answered();
        self.leave_if_answered();
    }

    /// To be called whenever an answer may have been the last.
    pub(crate) fn leave_if_answered(&self) {
        if self.ending.leaves_when_answered() && self.requests.is_idle() {
            self.finish();
        }
    }

    /// Reads nothing more, writes what is queued, then closes.
    pub(crate) fn finish(&self) {
        self.ending.stop_reading();
        self.outbox.finish();
    }

    /// Ends at once; what is queued is lost.
    pub(crate) fn cut(&self) {
        self.outbox.close();
        self.ending.cut();
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.ending.reads_nothing()
    }

    /// Only for the session's own task, as all waiting for a session.
    pub(crate) fn until_finish(&self) -> impl Future<Output = ()> {
        self.ending.until_reads_nothing()
    }

    /// Only for the session's own task.
    pub(crate) fn until_cut(&self) -> impl Future<Output = ()> {
        self.ending.until_cut()
    }

    /// The user that this session is bound to from now on, and the one before.
    fn set_uid(&self, uid: Option<Uid>) -> Option<Uid> {
        if uid.is_none() {
            self.user_leaves();
        }
        match self.uid.swap(uid.map_or(0, |uid| uid.0), Ordering::AcqRel) {
            0 => None,
            uid => Some(Uid(uid)),
        }
    }

    fn clear_uid(&self, uid: Uid) -> bool {
        self.user_leaves();
        self.uid.compare_exchange(uid.0, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Before he does, so that nobody sees a session without a user and an old time.
    fn user_leaves(&self) {
        self.userless.store(self.opened.elapsed().as_micros() as u64, Ordering::Release);
    }
}
