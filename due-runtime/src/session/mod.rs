//! One client connection on one gate: who it is, and what waits for it.

mod outbox;
mod requests;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use outbox::OutboxLimits;
pub(crate) use outbox::{Outbox, Refused};
use requests::Requests;
pub(crate) use requests::{Request, WINDOW};
pub(crate) use table::{SessionTable, SessionTarget};

use crate::id::{Cid, Nid, RouteId, Seq, Uid};
use crate::packet::Dialect;
use crate::transport::Peer;

pub(crate) struct Session {
    cid: Cid,
    peer: Peer,
    /// 0 says that no user is bound.
    uid: AtomicI64,
    dialect: AtomicU8,
    outbox: Outbox,
    requests: Requests,
    /// Ends the session at once; what is queued is lost.
    cut: CancellationToken,
    /// Ends reading; what is queued still goes out.
    finish: CancellationToken,
}

/// A request that is not answered for so long while others wait is taken for a oneway one of a node that does not say so.
const PATIENCE: Duration = Duration::from_secs(5);
const UNKNOWN: u8 = 0;
const SIZED: u8 = 1;
const BARE: u8 = 2;

impl Session {
    /// `finish` and `cut` are the gate's: they end all of its sessions.
    pub(crate) fn new(
        cid: Cid,
        peer: Peer,
        limits: OutboxLimits,
        finish: &CancellationToken,
        cut: &CancellationToken,
    ) -> Self {
        Self {
            cid,
            peer,
            uid: AtomicI64::new(0),
            dialect: AtomicU8::new(UNKNOWN),
            outbox: Outbox::new(limits),
            requests: Requests::default(),
            cut: cut.child_token(),
            finish: finish.child_token(),
        }
    }

    pub(crate) fn cid(&self) -> Cid {
        self.cid
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn uid(&self) -> Option<Uid> {
        match self.uid.load(Ordering::Acquire) {
            0 => None,
            uid => Some(Uid(uid)),
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

    /// Queues one packet (sized form). A session whose client reads too slowly is cut: its queue would only grow stale.
    pub(crate) fn push(&self, packet: Bytes) -> Result<(), Refused> {
        let pushed = self.outbox.push(packet);
        if pushed == Err(Refused::Full) {
            tracing::debug!(cid = %self.cid, "the client reads too slowly; its session is cut");
            self.cut();
        }
        pushed
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// A request that this process works on.
    pub(crate) fn request(self: &Arc<Self>) -> Request {
        Request::new(Arc::clone(self))
    }

    /// A request leaves for a node of another process.
    pub(crate) fn send_away(&self, route: RouteId, seq: Seq, nid: &Nid) {
        self.requests.send(route, seq, nid);
    }

    /// A request did not leave after all.
    pub(crate) fn take_back(&self, route: RouteId, seq: Seq) {
        self.requests.take_back(route, seq);
    }

    /// Waits while so many requests are away that a further one might be refused.
    pub(crate) async fn room_for_requests(&self) {
        while !self.requests.has_room() {
            if timeout(PATIENCE, self.requests.room()).await.is_err() {
                self.requests.presume_oneway();
            }
        }
    }

    /// A packet comes from another process. `false`: it answers a request that was answered before.
    pub(crate) fn is_timely(&self, route: RouteId, seq: Seq) -> bool {
        self.requests.answer(route, seq)
    }

    /// Marks the lost ones of the requests that are with this node now, and says whether there are any.
    pub(crate) fn doom(&self, nid: &Nid, is_lost: impl Fn(RouteId, Seq) -> bool) -> bool {
        self.requests.doom(nid, is_lost)
    }

    /// The marked requests that no answer came for; the caller answers them.
    pub(crate) fn fail_doomed(&self) -> Vec<(RouteId, Seq)> {
        self.requests.fail_doomed()
    }

    pub(crate) async fn until_answered(&self) {
        self.requests.idle().await;
    }

    /// Reads nothing more, writes what is queued, then closes.
    pub(crate) fn finish(&self) {
        self.finish.cancel();
        self.outbox.finish();
    }

    /// Stops reading, but still takes answers to what was read.
    pub(crate) fn stop_reading(&self) {
        self.finish.cancel();
    }

    pub(crate) fn cut(&self) {
        self.outbox.close();
        self.cut.cancel();
    }

    pub(crate) async fn until_cut(&self) {
        self.cut.cancelled().await;
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.finish.is_cancelled()
    }

    pub(crate) async fn until_finish(&self) {
        self.finish.cancelled().await;
    }

    /// The user that this session is bound to from now on, and the one before.
    fn set_uid(&self, uid: Option<Uid>) -> Option<Uid> {
        match self.uid.swap(uid.map_or(0, |uid| uid.0), Ordering::AcqRel) {
            0 => None,
            uid => Some(Uid(uid)),
        }
    }

    fn clear_uid(&self, uid: Uid) -> bool {
        self.uid.compare_exchange(uid.0, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
