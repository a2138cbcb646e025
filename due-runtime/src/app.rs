//! Several servers in one process: started in the right order, stopped in the right order.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use tokio::task::JoinSet;

use crate::cluster::{Backends, Cluster};
use crate::error::Error;
use crate::gate::{Gate, ListenError, RunningGate, StartGateError};
#[cfg(feature = "master")]
use crate::master::{Master, MasterError, RunningMaster};
#[cfg(feature = "mesh")]
use crate::mesh::{Mesh, MeshError, RunningMesh};
#[cfg(feature = "prometheus")]
use crate::metrics::exposition::{Exposition, MetricsServer, OtherRecorder};
use crate::node::{BuildError, Node, NodeHandle, RunningNode, StartNodeError};
use crate::registry::RegistryError;

/// The servers of one process, and the [`Backends`] that they share.
///
/// Without a word about backends everything stays in memory, and a gate, its nodes and meshes run in one process.
#[must_use]
#[derive(Debug, Default)]
pub struct App {
    backends: Backends,
    pid_file: Option<PathBuf>,
    gates: Vec<Gate>,
    nodes: Vec<Node>,
    #[cfg(feature = "mesh")]
    meshes: Vec<Mesh>,
    #[cfg(feature = "prometheus")]
    metrics: Option<String>,
    #[cfg(feature = "master")]
    master: Option<Master>,
}

/// Why an app did not start. What had started before is stopped again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A node does not fit the cluster's packet format or codec.
    #[error(transparent)]
    Node(#[from] BuildError),
    /// A listener could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The registry did not take a server.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A server could not open the port on which other servers reach it.
    #[error("cannot listen for other servers")]
    Attach(#[source] std::io::Error),
    /// [`GateBuilder::schema`](crate::GateBuilder::schema) is of another release of due-codegen: generate it anew.
    #[error("the schema of a gate cannot be read; generate it anew with the due-codegen of this release")]
    Schema(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A [start hook](crate::NodeBuilder::on_start) of a node failed.
    #[error("a start hook failed: {0}")]
    Hook(Error),
    /// A mesh did not start.
    #[cfg(feature = "mesh")]
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The [`master`](App::master) did not start.
    #[cfg(feature = "master")]
    #[error(transparent)]
    Master(#[from] MasterError),
    /// The address of [`metrics`](App::metrics) could not be opened.
    #[cfg(feature = "prometheus")]
    #[error("cannot serve metrics on {addr}")]
    Metrics {
        /// As it was configured.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing would be counted for [`metrics`](App::metrics).
    #[cfg(feature = "prometheus")]
    #[error("cannot count for the metrics")]
    Recorder(#[from] OtherRecorder),
    /// The [`pid_file`](App::pid_file) could not be written.
    #[error("cannot write the process id to {}", path.display())]
    PidFile {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The signal handlers could not be installed.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

impl App {
    /// Nothing yet, on backends in memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the servers share. Default: [`Backends::memory`].
    pub fn backends(mut self, backends: Backends) -> Self {
        self.backends = backends;
        self
    }

    /// A file that holds the id of this process while its servers run, with a line end. Default: none.
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
        self
    }

    /// Adds a gate, or what its builder builds.
    pub fn gate(mut self, gate: impl Into<Gate>) -> Self {
        self.gates.push(gate.into());
        self
    }

    /// Adds a node.
    pub fn node(mut self, node: Node) -> Self {
        self.nodes.push(node);
        self
    }

    /// Adds a mesh, or what its builder builds.
    #[cfg(feature = "mesh")]
    pub fn mesh(mut self, mesh: impl Into<Mesh>) -> Self {
        self.meshes.push(mesh.into());
        self
    }

    /// Serves what this process counts, at `http://ADDR/metrics` in the text format of Prometheus, and notes the address in
    /// the registry, as the metadata `due-metrics` of each server. Default: not at all. It is there for whoever reaches it:
    /// choose a loopback address, or one of a private network. Port 0 is any free one.
    ///
    /// It installs the recorder of the [`metrics`](crate::metrics) facade, so the program must not.
    #[cfg(feature = "prometheus")]
    pub fn metrics(mut self, addr: impl Into<String>) -> Self {
        self.metrics = Some(addr.into());
        self
    }

    /// Adds the [`Master`] of the cluster, or what its builder builds. A process has one: a later one replaces it.
    #[cfg(feature = "master")]
    pub fn master(mut self, master: impl Into<Master>) -> Self {
        self.master = Some(master.into());
        self
    }

    /// Starts everything and serves until SIGINT or SIGTERM (Ctrl-C elsewhere), then [stops](RunningApp::stop). A second
    /// signal ends the process at once. One that comes during the start ends that too: what has started is stopped.
    pub async fn run(self) -> Result<(), StartError> {
        self.run_with(|_| {}).await
    }

    /// Like [`run`](Self::run), and calls `started` once clients are accepted and signals are heard.
    pub async fn run_with(self, started: impl FnOnce(&RunningApp)) -> Result<(), StartError> {
        let mut signals = Signals::listen().map_err(StartError::Signals)?;
        let mut app = RunningApp::new(self.backends.clone());
        let start = tokio::select! {
            start = app.start_all(self) => Some(start),
            () = signals.next() => None,
        };
        if let Some(Ok(())) = start {
            started(&app);
            signals.next().await;
        }
        tracing::info!("stopping; a second signal ends the process at once");
        tokio::select! {
            () = app.stop() => {}
            () = signals.next() => std::process::exit(130),
        }
        start.unwrap_or(Ok(()))
    }

    /// Starts meshes, nodes, then gates; clients are accepted when the registry lists these nodes and gates
    /// ([`Registry::admission`](crate::registry::Registry::admission)) and all know each other.
    pub async fn start(self) -> Result<RunningApp, StartError> {
        let mut app = RunningApp::new(self.backends.clone());
        match app.start_all(self).await {
            Ok(()) => Ok(app),
            Err(error) => {
                app.stop().await;
                Err(error)
            }
        }
    }
}

/// Servers that run. Dropping it does not stop them gracefully: call [`stop`](Self::stop).
pub struct RunningApp {
    backends: Backends,
    pid_file: Option<PathBuf>,
    gates: Vec<RunningGate>,
    nodes: Vec<RunningNode>,
    #[cfg(feature = "mesh")]
    meshes: Vec<RunningMesh>,
    #[cfg(feature = "prometheus")]
    metrics: Option<MetricsServer>,
    #[cfg(feature = "master")]
    master: Option<RunningMaster>,
}

impl RunningApp {
    fn new(backends: Backends) -> Self {
        Self {
            backends,
            pid_file: None,
            gates: Vec::new(),
            nodes: Vec::new(),
            #[cfg(feature = "mesh")]
            meshes: Vec::new(),
            #[cfg(feature = "prometheus")]
            metrics: None,
            #[cfg(feature = "master")]
            master: None,
        }
    }

    async fn start_all(&mut self, app: App) -> Result<(), StartError> {
        if let Some(path) = app.pid_file {
            if let Err(source) = fs::write(&path, pid_line()) {
                return Err(StartError::PidFile { path, source });
            }
            self.pid_file = Some(path);
        }
        #[cfg(feature = "prometheus")]
        if let Some(addr) = app.metrics {
            let exposition = Exposition::install()?;
            let bound = MetricsServer::bind(&addr).await.map_err(|source| StartError::Metrics { addr, source })?;
            let server = self.metrics.insert(MetricsServer::start(bound, exposition));
            self.backends.metrics = Some(server.url().into());
        }
        // Before anything counts: its recorder is the one that there is.
        #[cfg(feature = "master")]
        if app.master.is_some() && self.metrics.is_none() {
            Master::count();
        }
        #[cfg(feature = "mesh")]
        for mesh in app.meshes {
            self.meshes.push(mesh.start(&self.backends).await?);
        }
        for node in app.nodes {
            self.nodes.push(node.start(&self.backends).await?);
        }
        for gate in app.gates {
            self.gates.push(gate.start(&self.backends).await?);
        }
        // Before, nodes would not find the way back to a client, and a client none of these nodes.
        if !self.gates.is_empty() {
            let gates: JoinSet<_> = self.gates.iter().map(RunningGate::listed).collect();
            let nodes: JoinSet<_> = self.nodes.iter().map(RunningNode::listed).collect();
            for listed in gates.join_all().await.into_iter().chain(nodes.join_all().await) {
                listed?;
            }
        }
        for node in &self.nodes {
            node.cluster().refresh().await?;
        }
        for gate in &mut self.gates {
            gate.open().await?;
        }
        #[cfg(feature = "master")]
        if let Some(master) = app.master {
            self.master = Some(master.start(&self.backends).await?);
        }
        Ok(())
    }

    /// Where clients connect to: the URLs of all listeners of all gates, in the order they were added.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.gates.iter().flat_map(|gate| gate.addresses()).map(String::as_str)
    }

    /// What the servers share.
    pub fn backends(&self) -> &Backends {
        &self.backends
    }

    /// The way to sessions, users and other servers from outside of requests; `None` without a node or a master.
    pub fn cluster(&self) -> Option<&Cluster> {
        let cluster = self.nodes.first().map(RunningNode::cluster);
        #[cfg(feature = "master")]
        let cluster = cluster.or_else(|| self.master.as_ref().map(RunningMaster::cluster));
        cluster
    }

    /// The page of the [`master`](App::master), `http://127.0.0.1:7353/#TOKEN`: whoever knows it may do everything.
    #[cfg(feature = "master")]
    pub fn master_page(&self) -> Option<String> {
        self.master.as_ref().map(RunningMaster::page)
    }

    /// Where this process says what it counts: [`App::metrics`].
    #[cfg(feature = "prometheus")]
    pub fn metrics_url(&self) -> Option<&str> {
        self.metrics.as_ref().map(MetricsServer::url)
    }

    /// The nodes, in the order they were added: for timers, tasks, and functions that have their turn among requests.
    pub fn nodes(&self) -> impl Iterator<Item = NodeHandle> {
        self.nodes.iter().map(RunningNode::handle)
    }

    /// Stops without losing what was accepted: gates accept nobody and tell their clients to connect again, which they serve
    /// until those have gone ([`linger`](crate::GateBuilder::linger)), and read nothing more; nodes finish the requests at
    /// hand and stop their actors, the answers are written, connections close, nodes handle the ends of their sessions and
    /// finish their tasks, meshes end last. Every step has the deadline of its server.
    pub async fn stop(mut self) {
        let farewells: JoinSet<()> = self.gates.iter().map(RunningGate::see_off).collect();
        farewells.join_all().await;
        #[cfg(feature = "master")]
        if let Some(master) = self.master.take() {
            master.stop().await;
        }
        for gate in &mut self.gates {
            gate.stop_reading().await;
        }
        for node in &self.nodes {
            node.leave().await;
        }
        let drains: JoinSet<()> = self.nodes.iter().map(RunningNode::drain).collect();
        drains.join_all().await;
        for gate in self.gates {
            gate.stop().await;
        }
        for node in self.nodes {
            node.stop().await;
        }
        #[cfg(feature = "mesh")]
        for mesh in self.meshes {
            mesh.stop().await;
        }
        #[cfg(feature = "prometheus")]
        if let Some(metrics) = self.metrics {
            metrics.stop().await;
        }
        if let Some(path) = self.pid_file {
            // A process that took over has written its own.
            let is_ours = fs::read_to_string(&path).is_ok_and(|text| text == pid_line());
            if is_ours && let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "the file of the process id stays");
            }
        }
    }
}

fn pid_line() -> String {
    format!("{}\n", std::process::id())
}

struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C cannot be awaited; only the end of the process stops it");
            std::future::pending::<()>().await;
        }
    }
}

impl From<StartNodeError> for StartError {
    fn from(error: StartNodeError) -> Self {
        match error {
            StartNodeError::Build(error) => Self::Node(error),
            StartNodeError::Registry(error) => Self::Registry(error),
            StartNodeError::Attach(error) => Self::Attach(error),
            StartNodeError::Hook(error) => Self::Hook(error),
        }
    }
}

impl From<StartGateError> for StartError {
    fn from(error: StartGateError) -> Self {
        match error {
            StartGateError::Listen(error) => Self::Listen(error),
            StartGateError::Registry(error) => Self::Registry(error),
            StartGateError::Attach(error) => Self::Attach(error),
            StartGateError::Schema(bad) => Self::Schema(bad.into()),
        }
    }
}

impl fmt::Debug for RunningApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningApp").field("addresses", &self.addresses().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
