//! One client connection on one gate: who it is, and what waits for it.

mod outbox;
mod table;

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub use outbox::OutboxLimits;
pub(crate) use outbox::{Outbox, Refused};
pub(crate) use table::{SessionTable, SessionTarget};

use crate::id::{Cid, Uid};
use crate::packet::Dialect;
use crate::transport::Peer;

pub(crate) struct Session {
    cid: Cid,
    peer: Peer,
    /// 0 says that no user is bound.
    uid: AtomicI64,
    dialect: AtomicU8,
    outbox: Outbox,
    /// Requests that were read and are not answered yet.
    requests: TaskTracker,
    /// Ends the session at once; what is queued is lost.
    cut: CancellationToken,
    /// Ends reading; what is queued still goes out.
    finish: CancellationToken,
}

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
        let requests = TaskTracker::new();
        requests.close();
        Self {
            cid,
            peer,
            uid: AtomicI64::new(0),
            dialect: AtomicU8::new(UNKNOWN),
            outbox: Outbox::new(limits),
            requests,
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

    /// Whoever works on a request of this session holds one until the answer is in the outbox.
    pub(crate) fn request(&self) -> TaskTrackerToken {
        self.requests.token()
    }

    pub(crate) async fn until_answered(&self) {
        self.requests.wait().await;
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
