//! What the servers of one cluster share.

use std::sync::Arc;

use super::link::Link;
use super::memory::MemoryLink;
use crate::codec::Codec;
use crate::crypto::{Cipher, Encryptor};
use crate::event::{EventBus, MemoryBus};
use crate::locator::{Locator, MemoryLocator};
use crate::packet::Format;
use crate::registry::{MemoryRegistry, Registry};

/// What the servers of one cluster share: where they find each other and how they write packets.
///
/// The default keeps everything in this process; [`dir`](Self::dir) is for the processes of one machine. Neither needs a
/// server.
#[derive(Clone, Debug)]
pub struct Backends {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) locator: Arc<dyn Locator>,
    pub(crate) link: Arc<dyn Link>,
    pub(crate) events: Arc<dyn EventBus>,
    pub(crate) format: Format,
    pub(crate) codec: Codec,
    pub(crate) cipher: Option<Cipher>,
    pub(crate) statuses: bool,
    /// Where this process says what it counts.
    pub(crate) metrics: Option<Arc<str>>,
}

impl Default for Backends {
    fn default() -> Self {
        Self::memory()
    }
}

impl Backends {
    /// Registry, locator, link and event bus in the memory of this process; the default packet format; codec proto.
    pub fn memory() -> Self {
        Self {
            registry: Arc::new(MemoryRegistry::default()),
            locator: Arc::new(MemoryLocator::default()),
            link: Arc::new(MemoryLink::default()),
            events: Arc::new(MemoryBus::default()),
            format: Format::default(),
            codec: Codec::default(),
            cipher: None,
            statuses: true,
            metrics: None,
        }
    }

    /// For several processes of one machine, without any server: they name the same directory, which is made when it is
    /// first needed. [`DirRegistry`](crate::registry::DirRegistry) and [`DirLocator`](crate::locator::DirLocator) share
    /// it, and every gate and node listens for the others on a free port of the loopback interface. The rest is as in
    /// [`memory`](Self::memory).
    ///
    /// ```
    /// use due::{App, Backends, Gate, Node};
    ///
    /// let backends = Backends::dir("/tmp/my-game");
    /// // In one process:
    /// let gate = App::new().backends(backends.clone()).gate(Gate::builder().tcp("127.0.0.1:3554").build());
    /// // In another one:
    /// let node = App::new().backends(backends).node(Node::builder().build()?);
    /// # Ok::<(), due::BuildError>(())
    /// ```
    #[cfg(feature = "link")]
    #[must_use]
    pub fn dir(path: impl Into<std::path::PathBuf>) -> Self {
        let path = path.into();
        Self::memory()
            .registry(crate::registry::DirRegistry::new(&path))
            .locator(crate::locator::DirLocator::new(path))
            .link(super::TcpLink::new().addr("127.0.0.1:0"))
    }

    /// Where instances announce themselves. Default: in memory.
    #[must_use]
    pub fn registry(mut self, registry: impl Registry) -> Self {
        self.registry = Arc::new(registry);
        self
    }

    /// Where users are found. Default: in memory.
    #[must_use]
    pub fn locator(mut self, locator: impl Locator) -> Self {
        self.locator = Arc::new(locator);
        self
    }

    /// Where servers tell each other what happened. Default: in memory, which reaches the servers of this process only.
    #[must_use]
    pub fn event_bus(mut self, bus: impl EventBus) -> Self {
        self.events = Arc::new(bus);
        self
    }

    /// How servers of several processes talk to each other. Default: not at all, everything is in this process.
    #[cfg(feature = "link")]
    #[must_use]
    pub fn link(mut self, link: super::TcpLink) -> Self {
        self.link = Arc::new(link);
        self
    }

    /// How packets are written; the same for every gate, node and client.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// How bodies are written, unless a node says otherwise. Default: [`Codec::Proto`].
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Encrypts the bodies that servers send to clients, and decrypts those that come from them, unless a node says otherwise.
    /// Gates do not use it: they need none. Default: nothing is [encrypted](crate::crypto).
    #[must_use]
    pub fn encryptor(mut self, encryptor: impl Encryptor) -> Self {
        self.cipher = Some(Cipher::new(encryptor));
        self
    }

    /// Whether requests that get no response are answered with a [`Status`](crate::Status) packet on route -1.
    /// Default: yes. due v2.5.8 answers nothing; clients that know no route -1 ignore it.
    #[must_use]
    pub fn statuses(mut self, on: bool) -> Self {
        self.statuses = on;
        self
    }
}
