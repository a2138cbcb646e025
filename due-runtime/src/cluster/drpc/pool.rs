//! The connections of one member to one other server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;
use super::address::Address;
use super::connection::Connection;
use super::outgoing::Refused;
use super::secret::Identity;
use crate::cluster::link::{GateAnswer, LinkError, Member};
use crate::id::{Gid, Nid};
use crate::metrics::LinkMetrics;
use crate::registry::Kind;

/// Who is called.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Target {
    Gate(Gid),
    Node(Nid),
}

pub(super) struct Pool {
    pub(super) shared: Arc<Shared>,
    connections: Box<[Arc<Connection>]>,
    /// Counts the sends that no key ties to a connection.
    turn: AtomicUsize,
}

/// What the connections of a pool have in common.
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) member: Member,
    pub(super) target: Target,
    pub(super) addr: Address,
    pub(super) metrics: LinkMetrics,
    seq: AtomicU64,
    users: AtomicUsize,
    pub(super) complaints: Complaints,
    pub(super) tasks: TaskTracker,
    /// Ends every connection at once.
    pub(super) stop: CancellationToken,
    /// Has every connection dialled anew.
    pub(super) doubted: Notify,
}

/// The connections of a pool mostly fail together: one of them says so, until one succeeds again.
#[derive(Default)]
pub(super) struct Complaints {
    broken: AtomicBool,
    unreached: AtomicBool,
}

/// Whoever may send holds one: a pool without users hangs up.
pub(super) struct Lease(pub(super) Arc<Pool>);

impl Pool {
    pub(super) fn new(settings: &Arc<Settings>, member: &Member, target: Target, addr: Address) -> Arc<Self> {
        let shared = Arc::new(Shared {
            settings: Arc::clone(settings),
            metrics: LinkMetrics::new(&member.id, &target.to_string()),
            member: member.clone(),
            target,
            addr,
            seq: AtomicU64::new(0),
            users: AtomicUsize::new(0),
            complaints: Complaints::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            doubted: Notify::new(),
        });
        let connections =
            (0..settings.connections).map(|index| Arc::new(Connection::new(Arc::clone(&shared), index))).collect();
        Arc::new(Self { shared, connections, turn: AtomicUsize::new(0) })
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.shared.seq.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The connection that carries everything with this key.
    pub(super) fn keyed(&self, key: i64) -> &Connection {
        &self.connections[self.shared.index_of(key)]
    }

    fn next(&self) -> &Connection {
        &self.connections[self.turn.fetch_add(1, Ordering::Relaxed) % self.connections.len()]
    }

    /// Tries, and once more if nobody had dialled yet.
    pub(super) fn send<T>(&self, mut attempt: impl FnMut() -> Result<T, Refused>) -> Result<T, Refused> {
        match attempt() {
            Err(Refused::Idle) => {
                self.wake();
                attempt()
            }
            outcome => outcome,
        }
    }

    /// All connections are dialled together.
    pub(super) fn wake(&self) {
        self.connections.iter().for_each(Connection::wake);
    }

    /// One request and its answer, within the call timeout. `key`: what has to keep its order.
    pub(super) async fn call(
        &self,
        key: Option<i64>,
        opcode: u8,
        write: impl Fn(&mut Vec<u8>, u64),
    ) -> Result<GateAnswer, LinkError> {
        let deadline = Instant::now() + self.shared.settings.call_timeout;
        let connection = key.map_or_else(|| self.next(), |key| self.keyed(key));
        let seq = self.next_seq();
        let begun = self.shared.metrics.begin();
        let mut waiting = connection.expect(seq, opcode);
        loop {
            match self.send(|| connection.out.append(|buf| write(buf, seq))) {
                Ok(()) => break,
                Err(Refused::Full) => {
                    timeout_at(deadline, connection.out.room()).await.map_err(|_| LinkError::Timeout)?;
                }
                Err(refused) => return Err(refused.into()),
            }
        }
        match timeout_at(deadline, &mut waiting.answer).await {
            Ok(Ok(answer)) => {
                self.shared.metrics.called(begun);
                answer
            }
            Ok(Err(_)) => Err(LinkError::Unreachable("the connection was closed".to_owned())),
            Err(_) => Err(LinkError::Timeout),
        }
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.connections.iter().any(|connection| connection.out.is_crowded())
    }

    /// Waits until no connection is crowded.
    pub(super) async fn room(&self) {
        for connection in &self.connections {
            connection.out.room().await;
        }
    }

    /// Writes what is queued, as far as the other side reads it in time, and hangs up.
    pub(super) async fn leave(&self, deadline: Duration) {
        self.connections.iter().for_each(|connection| connection.out.finish());
        self.shared.tasks.close();
        let _ = timeout(deadline, self.shared.tasks.wait()).await;
        self.abandon();
    }

    /// The server is known not to be there any more.
    pub(super) fn abandon(&self) {
        self.connections.iter().for_each(|connection| connection.out.close());
        self.shared.stop.cancel();
    }

    /// The server may hang: it has to shake hands again. What it was sent and did not answer is given up.
    pub(super) fn doubt(&self) {
        self.shared.doubted.notify_waiters();
    }

    /// Whether anybody may send, or a connection is still up.
    pub(super) fn is_needed(&self) -> bool {
        self.shared.is_used() || !self.shared.tasks.is_empty()
    }
}

impl Shared {
    pub(super) fn index_of(&self, key: i64) -> usize {
        key.rem_euclid(self.settings.connections as i64) as usize
    }

    pub(super) fn is_used(&self) -> bool {
        self.users.load(Ordering::Acquire) > 0
    }
}

impl Target {
    pub(super) fn identity(&self) -> Identity {
        match self {
            Self::Gate(gid) => Identity { kind: Kind::Gate, id: gid.as_str().into() },
            Self::Node(nid) => Identity { kind: Kind::Node, id: nid.as_str().into() },
        }
    }
}

impl Complaints {
    /// Whether this is news.
    pub(super) fn broken(&self) -> bool {
        !self.broken.swap(true, Ordering::Relaxed)
    }

    /// Whether this is news.
    pub(super) fn unreached(&self) -> bool {
        !self.unreached.swap(true, Ordering::Relaxed)
    }

    /// Whether there were any.
    pub(super) fn settle(&self) -> bool {
        self.broken.swap(false, Ordering::Relaxed) | self.unreached.swap(false, Ordering::Relaxed)
    }
}

impl Lease {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        pool.shared.users.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(pool))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.shared.users.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<Refused> for LinkError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Backlogged,
            Refused::Idle | Refused::Closed => Self::NotSent("this server has left the cluster".to_owned()),
            Refused::Down => Self::NotSent("the connection is down".to_owned()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate(gid) => write!(f, "gate {gid}"),
            Self::Node(nid) => write!(f, "node {nid}"),
        }
    }
}
