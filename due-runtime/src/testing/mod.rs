//! For tests of games: gate, node and client in one process without a socket, and answers from a script.

use std::sync::Arc;

mod answers;
mod mock;

pub use answers::{Mock, MockRoute, MockRpc};
pub use mock::MockCaller;

use crate::app::{App, RunningApp, StartError};
use crate::client::{Client, ClientBuilder, ConnectError};
use crate::cluster::{Backends, Cluster};
use crate::codec::Codec;
use crate::gate::{Gate, GateBuilder};
use crate::node::{Node, NodeBuilder, NodeHandle};
use crate::packet::Format;
use crate::route::Routes;
use crate::transport::mem::{self, MemConnector};

/// A real gate and a real node, joined to clients by memory instead of sockets: what passes here differs from a
/// deployment by the transport alone.
///
/// ```
/// # #[derive(serde::Deserialize, serde::Serialize)]
/// # struct Text { text: String }
/// #[due::route(1)]
/// async fn echo(_ctx: &mut due::Context, request: Text) -> due::Result<Text> {
///     Ok(request)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use due::codec::SerdeBody;
///
/// let harness = due::testing::Harness::builder()
///     .codec(due::Codec::Json)
///     .serve(due::routes![echo])
///     .start()
///     .await?;
/// let client = harness.client().await?;
/// let SerdeBody(answer): SerdeBody<Text> =
///     client.request(due::RouteId(1), &SerdeBody(Text { text: "hi".into() })).await?;
/// assert_eq!(answer.text, "hi");
/// harness.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Harness {
    app: RunningApp,
    cluster: Cluster,
    connector: MemConnector,
}

/// What a [`Harness`] serves.
#[must_use]
#[derive(Debug)]
pub struct HarnessBuilder {
    backends: Backends,
    gate: GateBuilder,
    node: NodeBuilder,
    others: Vec<Node>,
}

impl Harness {
    /// A gate and a node with due's defaults, and nothing served.
    pub fn builder() -> HarnessBuilder {
        HarnessBuilder {
            backends: Backends::memory(),
            gate: Gate::builder(),
            node: Node::builder(),
            others: Vec::new(),
        }
    }

    /// A client, connected in the format, codec and encryptor of the harness, whose keys have to be one pair then. Each call is a session of its own.
    pub async fn client(&self) -> Result<Client, ConnectError> {
        self.client_with(Client::builder().cipher(self.cluster.cipher().cloned())).await
    }

    /// A client with other settings, as with an encryptor or none; in the format and codec of the harness.
    pub async fn client_with(&self, client: ClientBuilder) -> Result<Client, ConnectError> {
        let backends = self.app.backends();
        let connected = self.connector.connect(Arc::new(backends.format.clone())).await;
        let (read, write) = connected.map_err(|source| ConnectError::Io { url: "mem:".to_owned(), source })?;
        Ok(client.format(backends.format.clone()).codec(self.cluster.codec().clone()).over(read, write))
    }

    /// The way to sessions and users from outside of requests.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The node, from outside of its requests; the first one, if there are others.
    pub fn node(&self) -> NodeHandle {
        self.app.nodes().next().expect("a node was added by the builder")
    }

    /// The registry, locator and link, for meshes and their clients.
    pub fn backends(&self) -> &Backends {
        self.app.backends()
    }

    /// Stops as a deployment would: what was accepted is answered first.
    pub async fn stop(self) {
        self.app.stop().await;
    }
}

impl HarnessBuilder {
    /// How bodies are written. Default: [`Codec::Proto`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.backends = self.backends.codec(codec);
        self
    }

    /// Encrypts bodies between the node and clients. Default: nothing is encrypted.
    pub fn encryptor(mut self, encryptor: impl crate::crypto::Encryptor) -> Self {
        self.backends = self.backends.encryptor(encryptor);
        self
    }

    /// How packets are written. Default: due's.
    pub fn format(mut self, format: Format) -> Self {
        self.backends = self.backends.format(format);
        self
    }

    /// Other backends, for tests of more than one node.
    pub fn backends(mut self, backends: Backends) -> Self {
        self.backends = backends;
        self
    }

    /// Adds a table of routes to the node.
    pub fn serve(mut self, routes: impl Routes) -> Self {
        self.node = self.node.serve(routes);
        self
    }

    /// Other settings of the gate.
    pub fn gate(mut self, change: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        self.gate = change(self.gate);
        self
    }

    /// Other settings of the node.
    pub fn node(mut self, change: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        self.node = change(self.node);
        self
    }

    /// Adds a further node to the cluster.
    pub fn other_node(mut self, node: Node) -> Self {
        self.others.push(node);
        self
    }

    /// Starts gate and nodes.
    pub async fn start(self) -> Result<Harness, StartError> {
        let (transport, connector) = mem::listener();
        let node = self.node.build()?;
        let app = App::new().backends(self.backends).gate(self.gate.transport(transport).build()).node(node);
        let app = self.others.into_iter().fold(app, App::node).start().await?;
        let cluster = app.cluster().cloned().expect("a node was added above");
        Ok(Harness { app, cluster, connector })
    }
}
