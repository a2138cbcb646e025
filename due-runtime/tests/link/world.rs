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
}

impl World {
    pub(crate) fn memory() -> Self {
        let world = Self::tcp();
        let backends = world.backends_with(TcpLink::new().addr("127.0.0.1:0"));
        Self { process: Some(backends), ..world }
    }

    pub(crate) fn tcp() -> Self {
        Self { registry: MemoryRegistry::new(), locator: MemoryLocator::new(), process: None }
    }

    pub(crate) fn backends(&self) -> Backends {
        match &self.process {
            Some(backends) => backends.clone(),
            None => self.backends_with(TcpLink::new().addr("127.0.0.1:0")),
        }
    }

    pub(crate) fn backends_with(&self, link: TcpLink) -> Backends {
        let backends = Backends::memory().registry(self.registry.clone()).locator(self.locator.clone());
        backends.codec(Codec::Json).link(link)
    }

    pub(crate) async fn gate(&self, gid: &str) -> RunningApp {
        let gate = Gate::builder().id(gid.to_owned()).tcp("127.0.0.1:0").build();
        App::new().backends(self.backends()).gate(gate).start().await.unwrap()
    }

    pub(crate) async fn node(&self, nid: &str, node: NodeBuilder) -> RunningApp {
        let node = node.id(nid.to_owned()).build().unwrap();
        App::new().backends(self.backends()).node(node).start().await.unwrap()
    }
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
