//! From a listener to a session: who is let in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{GateCore, ListenError};
use crate::future::BoxFuture;
use crate::id::Cid;
use crate::session::Session;
use crate::transport::{Attributes, CloseReason, Incoming, Opened, PacketWrite, Peer, Transport};

/// Clients beyond the limit of sessions that are told so at a time; others are just dropped.
const TURNED_AWAY: usize = 64;

pub(super) type AcceptHook = Arc<dyn Fn(&Peer, &mut Attributes) -> bool + Send + Sync>;
pub(super) type CloseHook = Arc<dyn Fn(&Peer, &Attributes) + Send + Sync>;

/// A listener that is configured.
pub(super) trait Listen: Send {
    /// `shared`: other processes may listen there as well.
    fn bind(self: Box<Self>, shared: bool) -> BoxFuture<'static, Result<Box<dyn Door>, ListenError>>;
}

/// A listener that is bound.
pub(super) trait Door: Send {
    fn address(&self) -> String;
    /// Until `stop`, and then whoever had begun to connect.
    fn accept_all(self: Box<Self>, gate: Arc<GateCore>, stop: CancellationToken) -> BoxFuture<'static, ()>;
}

impl GateCore {
    async fn accept_all(self: Arc<Self>, mut transport: impl Transport, stop: CancellationToken) {
        let dialect = transport.dialect();
        loop {
            let (incoming, peer) = match stop.run_until_cancelled(transport.accept()).await {
                Some(accepted) => accepted,
                None => match transport.accept_last().await {
                    Some(accepted) => accepted,
                    None => return,
                },
            };
            let gate = Arc::clone(&self);
            if self.sessions.tasks.len() < self.max_sessions {
                let span = tracing::info_span!("session", cid = tracing::field::Empty, %peer);
                let session = async move {
                    let Some((session, mut read, mut write)) = gate.let_in(incoming, peer).await else { return };
                    tracing::Span::current().record("cid", session.cid().0);
                    if let Some(dialect) = dialect {
                        session.speak(dialect);
                    }
                    gate.serve(&session, &mut read, &mut write).await;
                    drop((read, write));
                    gate.clean_up(&session).await;
                };
                self.sessions.tasks.spawn(session.instrument(span));
                continue;
            }
            tracing::debug!(%peer, limit = self.max_sessions, "too many sessions");
            self.metrics.turned_away.increment(1);
            if self.turned_away.len() < TURNED_AWAY {
                self.turned_away.spawn(async move {
                    if let Some(Opened { mut write, .. }) = gate.open(incoming, peer).await {
                        write.close(CloseReason::Full).await;
                    }
                });
            }
        }
    }

    async fn let_in<I: Incoming>(&self, incoming: I, peer: Peer) -> Option<(Arc<Session>, I::Read, I::Write)> {
        let Opened { read, mut write, peer: told, mut attributes, .. } = self.open(incoming, peer).await?;
        let peer = told.unwrap_or(peer);
        if self.on_accept.as_ref().is_some_and(|lets_in| !lets_in(&peer, &mut attributes)) {
            tracing::debug!("not let in");
            write.close(CloseReason::Policy).await;
            return None;
        }
        let cid = Cid(self.last_cid.fetch_add(1, Ordering::Relaxed) + 1);
        Some((Arc::new(Session::new(cid, peer, attributes, &self.outboxes)), read, write))
    }

    /// Performs the handshake, unless the gate stops.
    async fn open<I: Incoming>(&self, incoming: I, peer: Peer) -> Option<Opened<I::Read, I::Write>> {
        // Boxed, so that a session does not keep the room of its handshake.
        let open = Box::pin(incoming.open(Arc::clone(&self.format)));
        let opened = self.finish.run_until_cancelled(open).await?;
        opened.inspect_err(|error| tracing::debug!(%peer, %error, "the handshake failed")).ok()
    }
}

impl<F, B, T> Listen for F
where
    F: FnOnce(bool) -> B + Send + 'static,
    B: Future<Output = Result<T, ListenError>> + Send + 'static,
    T: Transport,
{
    fn bind(self: Box<Self>, shared: bool) -> BoxFuture<'static, Result<Box<dyn Door>, ListenError>> {
        Box::pin(async move {
            let transport = self(shared).await?;
            Ok(Box::new(transport) as Box<dyn Door>)
        })
    }
}

impl<T: Transport> Door for T {
    fn address(&self) -> String {
        self.local_addr()
    }

    fn accept_all(self: Box<Self>, gate: Arc<GateCore>, stop: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(gate.accept_all(*self, stop))
    }
}
