//! Gates and nodes that share a registry and a locator, each as if it were a process of its own.

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError, RawBody};
use due::locator::MemoryLocator;
use due::registry::MemoryRegistry;
use due::{App, Backends, Body, Client, ClientBuilder, Codec, Gate, NodeBuilder, Push, RouteId, RunningApp, TcpLink};

pub(crate) struct World {
    pub(crate) registry: MemoryRegistry,
    pub(crate) locator: MemoryLocator,
    /// One link for all, if they call each other's functions.
    process: Option<Backends>,
    /// With a secret, and TLS if there is any.
    secured: bool,
}

impl World {
    pub(crate) fn memory() -> Self {
        let world = Self::tcp();
        let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0"));
        Self { process: Some(backends), ..world }
    }

    pub(crate) fn tcp() -> Self {
        Self { registry: MemoryRegistry::new(), locator: MemoryLocator::new(), process: None, secured: false }
    }

    pub(crate) fn secured() -> Self {
        Self { secured: true, ..Self::tcp() }
    }

    pub(crate) fn backends(&self) -> Backends {
        match &self.process {
            Some(backends) => backends.clone(),
            None if self.secured => self.backends_with(secured(TcpLink::new().addr("127.0.0.1:0"))),
            None => self.backends_with(TcpLink::new().addr("127.0.0.1:0")),
        }
    }

    pub(crate) fn backends_with(&self, link: TcpLink) -> Backends {
        let backends = Backends::memory().registry(self.registry.clone()).locator(self.locator.clone());
        backends.codec(Codec::Json).link(link)
    }

    pub(crate) async fn gate(&self, gid: &str) -> RunningApp {
        gate(self.backends(), gid).await
    }

    pub(crate) async fn gate_with(&self, gid: &str, link: TcpLink) -> RunningApp {
        gate(self.backends_with(link.addr("127.0.0.1:0")), gid).await
    }

    pub(crate) async fn node(&self, nid: &str, builder: NodeBuilder) -> RunningApp {
        node(self.backends(), nid, builder).await
    }

    pub(crate) async fn node_with(&self, nid: &str, builder: NodeBuilder, link: TcpLink) -> RunningApp {
        node(self.backends_with(link.addr("127.0.0.1:0")), nid, builder).await
    }
}

async fn gate(backends: Backends, gid: &str) -> RunningApp {
    let gate = Gate::builder().id(gid.to_owned()).tcp("127.0.0.1:0").build();
    App::new().backends(backends).gate(gate).start().await.unwrap()
}

async fn node(backends: Backends, nid: &str, node: NodeBuilder) -> RunningApp {
    let node = node.id(nid.to_owned()).build().unwrap();
    App::new().backends(backends).node(node).start().await.unwrap()
}

/// Everything that a link has to keep others out.
pub(crate) fn secured(link: TcpLink) -> TcpLink {
    let link = link.secret("a secret of the suite").unwrap();
    #[cfg(feature = "tls")]
    let link = link.tls(crate::certificates::of_the_suite());
    link
}

pub(crate) async fn client(gate: &RunningApp) -> Client {
    client_with(gate, |client| client).await
}

pub(crate) async fn client_with(gate: &RunningApp, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    set(Client::builder().codec(Codec::Json)).connect(gate.addresses().next().unwrap()).await.unwrap()
}

/// Bytes as they are.
pub(crate) fn raw(body: impl Into<Bytes>) -> RawBody {
    RawBody(body.into())
}

/// A push whose body is its text.
#[derive(Debug, PartialEq)]
pub(crate) struct Note(pub(crate) String);

pub(crate) fn note(text: impl Into<String>) -> Note {
    Note(text.into())
}

impl Body for Note {
    const NAME: &'static str = "Note";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(String::from_utf8_lossy(body).into_owned()))
    }
}

impl Push for Note {
    const ROUTE: RouteId = RouteId::new(50);
}
