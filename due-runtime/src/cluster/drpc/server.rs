//! The port on which a gate or a node is called.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;
use super::guard::Guard;
use super::pool::Target;
use super::secret::Identity;
use super::serve::Connection;
use crate::cluster::link::{Door, Losses, Member, Server};
use crate::future::BoxFuture;
use crate::packet::Format;

/// Connections at a time. Every other server has a handful.
const CONNECTIONS: usize = 4096;
/// Time for the cause of a failed accept to pass, as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Addresses whose refusal is told in the log, once each.
const NAMED: usize = 1024;
/// How long others may take to read their last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What all connections of one server share.
pub(super) struct Shared {
    pub(super) server: Server,
    pub(super) format: Arc<Format>,
    pub(super) settings: Arc<Settings>,
    /// Who is called here.
    pub(super) own: Identity,
    /// Nothing more is read.
    pub(super) finish: CancellationToken,
    /// Everything ends at once.
    pub(super) cut: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// How many connections each other server has here.
    callers: Mutex<HashMap<Target, usize>>,
    /// Who was refused, and named in the log.
    refused: Mutex<HashSet<IpAddr>>,
    silent: OnSilence,
    /// Told of nodes that bring answers here no more.
    losses: Arc<OnceLock<Weak<dyn Losses>>>,
}

/// Hears of a server that has a way here no more because it was silent on all of them: it hangs, or its machine is gone.
pub(super) type OnSilence = Box<dyn Fn(&Target) + Send + Sync>;

pub(super) struct Port(Arc<Shared>);

impl Port {
    pub(super) fn open(
        listener: TcpListener,
        server: Server,
        member: &Member,
        settings: &Arc<Settings>,
        silent: OnSilence,
    ) -> Self {
        let shared = Arc::new(Shared {
            server,
            format: Arc::clone(&member.format),
            settings: Arc::clone(settings),
            own: Identity { kind: member.kind, id: Arc::clone(&member.id) },
            finish: CancellationToken::new(),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
            callers: Mutex::default(),
            refused: Mutex::default(),
            silent,
            losses: Arc::clone(&member.losses),
        });
        shared.tasks.spawn(accept_all(listener, Arc::clone(&shared)));
        Self(shared)
    }
}

impl Shared {
    pub(super) fn guard(&self) -> &Guard {
        &self.settings.guard
    }

    /// Whether it is news that somebody there is refused.
    pub(super) fn refuses(&self, peer: IpAddr) -> bool {
        let mut refused = self.refused.lock().unwrap();
        refused.len() < NAMED && refused.insert(peer)
    }

    pub(super) fn enter(&self, caller: Target) {
        *self.callers.lock().unwrap().entry(caller).or_default() += 1;
    }

    pub(super) fn leave(&self, caller: Target, silently: bool) {
        if let (Target::Node(nid), Some(losses)) = (&caller, self.losses.get().and_then(Weak::upgrade)) {
            losses.unanswered(nid);
        }
        let mut callers = self.callers.lock().unwrap();
        let Some(others) = callers.get_mut(&caller) else { return };
        *others -= 1;
        if *others > 0 {
            return;
        }
        callers.remove(&caller);
        drop(callers);
        if silently {
            (self.silent)(&caller);
        }
    }
}

impl Door for Port {
    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let shared = &self.0;
            shared.finish.cancel();
            shared.tasks.close();
            if timeout(LAST_ANSWERS, shared.tasks.wait()).await.is_err() {
                tracing::debug!(left = shared.tasks.len(), "servers that do not read their answers are cut");
                shared.cut.cancel();
                shared.tasks.wait().await;
            }
        })
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // After `close` nothing is left to be cut.
        self.0.cut.cancel();
    }
}

async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = shared.cut.cancelled() => return,
            () = shared.finish.cancelled() => return,
            stream = accept(&listener) => stream,
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!(limit = CONNECTIONS, "too many connections of other servers");
            continue;
        };
        let connection = Connection::new(Arc::clone(&shared));
        shared.tasks.spawn(async move {
            connection.run(stream, peer.ip()).await;
            drop(permit);
        });
    }
}

/// Cancel safe; what fails is logged and tried again.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept other servers");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
