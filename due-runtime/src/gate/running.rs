//! The life of a gate, from its ports to its last client.

use std::io;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::accept::{Door, Listen};
use super::greetings::Greetings;
use super::settings::DuplicateLogin;
use super::{Gate, GateCore, ListenError, returns};
use crate::cluster::{self, Backends, Cluster, Member, Presence, Server};
use crate::codec::Codec;
use crate::metrics::GateMetrics;
use crate::registry::{Instance, Kind, RegistryError};
use crate::session::{OutboxRules, SessionTable, WakeQueue};
use crate::skew::BadShape;
use crate::skew::compare::KnownSchema;
use crate::transport::CloseReason;

/// What the end of a session that was cut may take: the locator is told that its user has left.
const CLEAN_UP: Duration = Duration::from_secs(3);
/// How long a gate whose port another process takes serves the clients that it has told to go.
const LINGER: Duration = Duration::from_secs(10);

impl Gate {
    /// Binds the listeners and registers; clients are accepted by [`RunningGate::open`]. A port that another process has
    /// as well is bound there: from then on this one is given its share of the clients.
    pub(crate) async fn start(self, backends: &Backends) -> Result<RunningGate, StartGateError> {
        let known = self.settings.schema.as_ref().map(KnownSchema::new).transpose()?;
        let (mut doors, mut shared) = (Vec::new(), Vec::new());
        match self.settings.reuse_port {
            true => shared = self.listeners,
            false => bind_all(self.listeners, false, &mut doors).await?,
        }
        let member = Member::new(Kind::Gate, self.gid.as_str(), &backends.format);
        let settings = self.settings;
        let codec = settings.codec.unwrap_or_else(|| backends.codec.clone());
        let by_name = codec != Codec::Proto;
        let cluster = Cluster::join(backends, codec, None, member, settings.balance).await?;
        let format = Arc::clone(&cluster.member().format);
        let room = format.max_body_bytes().min(format.max_frame_bytes().saturating_sub(format.header_len()));
        let (limits, overflow) = (settings.outbox, settings.overflow);
        let (misses, missed) = returns::channel();
        let metrics = GateMetrics::new(&self.gid);
        let core = Arc::new_cyclic(|this| GateCore {
            this: this.clone(),
            gid: self.gid,
            heartbeat: settings.heartbeat,
            authorize_timeout: settings.authorize_timeout,
            max_sessions: settings.max_sessions,
            rate_limits: settings.rate_limits,
            outboxes: Arc::new(OutboxRules::new(limits, overflow, Arc::clone(&format))),
            linger: settings.linger.unwrap_or(if settings.reuse_port { LINGER } else { Duration::ZERO }),
            drain: settings.drain,
            duplicate_login: settings.duplicate_login,
            on_accept: settings.on_accept,
            on_close: settings.on_close,
            greetings: known.map(|known| Greetings::new(known, by_name, room)),
            format,
            presence: Presence::new(&backends.registry),
            cluster,
            misses,
            metrics,
            sessions: SessionTable::default(),
            turned_away: TaskTracker::new(),
            arrivals: Mutex::default(),
            wakes: WakeQueue::default(),
            last_cid: AtomicI64::new(0),
            leaving: CancellationToken::new(),
            finish: CancellationToken::new(),
            delayed: TaskTracker::new(),
        });
        core.watch_losses();
        let corrections = CancellationToken::new();
        let (corrector, until) = (Arc::clone(&core), corrections.clone());
        tokio::spawn(async move { until.run_until_cancelled(corrector.send_on_all(missed)).await });
        if core.duplicate_login == DuplicateLogin::Close
            && let Some(changes) = backends.locator.changes()
        {
            let (listener, until) = (Arc::clone(&core), corrections.clone());
            tokio::spawn(async move { until.run_until_cancelled(listener.hear_of_logins_elsewhere(changes)).await });
        }
        // Also if the start fails.
        let corrections = corrections.drop_guard();
        let server = Server::Gate(core.clone());
        let attached = backends.link.attach(core.cluster.member(), server).await.map_err(StartGateError::Attach)?;
        let mut instance = Instance::new(Kind::Gate, core.gid.as_str());
        instance.alias = self.name;
        instance.metadata = settings.metadata;
        instance.endpoint = attached.endpoint;
        instance.set_metrics(backends.metrics.as_deref());
        core.presence.register(instance).await?;
        tracing::info!(gid = %core.gid, "gate registered");
        Ok(RunningGate {
            core,
            addresses: Vec::new(),
            shared,
            doors,
            link: attached.door,
            accept: CancellationToken::new(),
            tasks: TaskTracker::new(),
            _corrections: corrections,
        })
    }
}

async fn bind_all(
    listeners: Vec<Box<dyn Listen>>,
    shared: bool,
    doors: &mut Vec<Box<dyn Door>>,
) -> Result<(), ListenError> {
    for listener in listeners {
        doors.push(listener.bind(shared).await?);
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StartGateError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("no other server could reach the gate")]
    Attach(#[source] io::Error),
    #[error("the schema of the gate cannot be read; generate it anew with the due-codegen of this release")]
    Schema(#[from] BadShape),
}

/// A gate that is registered.
pub(crate) struct RunningGate {
    core: Arc<GateCore>,
    /// Of an open gate.
    addresses: Vec<String>,
    /// Where other processes listen as well, until it opens.
    shared: Vec<Box<dyn Listen>>,
    doors: Vec<Box<dyn Door>>,
    /// Where other servers come in.
    link: Option<Box<dyn cluster::Door>>,
    accept: CancellationToken,
    tasks: TaskTracker,
    _corrections: DropGuard,
}

impl RunningGate {
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Waits until nodes find the gate: one that they do not find gives its clients no answer. Ours ask the registry for a gate
    /// that they do not know, those of Go have to be told by it.
    pub(crate) fn listed(&self) -> impl Future<Output = Result<(), RegistryError>> + Send + use<> {
        let core = Arc::clone(&self.core);
        async move {
            core.presence.listed().await?;
            if core.cluster.nodes().has_strangers() {
                sleep(core.presence.latency()).await;
            }
            Ok(())
        }
    }

    /// Learns the nodes, then accepts clients.
    pub(crate) async fn open(&mut self) -> Result<(), StartGateError> {
        let core = &self.core;
        core.cluster.refresh().await?;
        bind_all(std::mem::take(&mut self.shared), true, &mut self.doors).await?;
        self.addresses = self.doors.iter().map(|door| door.address()).collect();
        tracing::info!(gid = %core.gid, addresses = ?self.addresses, "gate accepts clients");
        for door in self.doors.drain(..) {
            let (core, accept) = (Arc::clone(core), self.accept.clone());
            self.tasks.spawn(door.accept_all(core, accept));
        }
        Ok(())
    }

    /// Accepts nobody any more, tells the clients to connect again, and serves those who have not gone yet for a while.
    pub(crate) fn see_off(&self) -> impl Future<Output = ()> + Send + use<> {
        let (core, accept, doors) = (Arc::clone(&self.core), self.accept.clone(), self.tasks.clone());
        async move {
            core.presence.hang().await;
            accept.cancel();
            doors.close();
            doors.wait().await;
            core.leaving.cancel();
            let tasks = &core.sessions.tasks;
            tasks.close();
            if core.linger.is_zero() {
                return;
            }
            core.tell_all_to_go();
            if timeout(core.linger, tasks.wait()).await.is_err() {
                tracing::info!(gid = %core.gid, left = tasks.len(), "clients that have not gone by themselves are closed");
            }
        }
    }

    /// Reads nothing more. Answers to what was read still go out.
    pub(crate) async fn stop_reading(&mut self) {
        let core = &self.core;
        core.finish.cancel();
        for session in core.sessions.sessions() {
            session.because(CloseReason::Away).stop_reading();
        }
        core.delayed.close();
        core.delayed.wait().await;
    }

    /// Writes what is queued, closes every session and goes.
    pub(crate) async fn stop(self) {
        let core = &self.core;
        let tasks = &core.sessions.tasks;
        if core.linger.is_zero() {
            // Not earlier: who is told goes, and nodes that stop may have had something to say.
            core.tell_all_to_go();
        }
        // Nodes of other processes may still be at work.
        core.sessions.sessions().iter().for_each(|session| session.finish_when_answered());
        tasks.close();
        if timeout(core.drain, tasks.wait()).await.is_err() {
            tracing::warn!(gid = %core.gid, left = tasks.len(), "drain time is over; clients are cut");
            core.sessions.sessions().iter().for_each(|session| session.cut());
            if timeout(CLEAN_UP, tasks.wait()).await.is_err() {
                tracing::warn!(gid = %core.gid, left = tasks.len(), "the locator was not told of every user who left");
            }
        }
        // They wait for no client any more.
        core.turned_away.close();
        core.turned_away.wait().await;
        core.presence.deregister().await;
        core.cluster.leave().await;
        if let Some(link) = self.link {
            link.close().await;
        }
        tracing::info!(gid = %core.gid, "gate stopped");
    }
}
