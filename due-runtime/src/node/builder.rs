//! How a node is put together.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::events::{EventHandler, Events};
use super::fallback::{AnyFallback, DefaultHandler};
use super::hooks::Hooks;
use super::layered::RouteOptions;
use super::middleware::{Layer, Middleware};
use super::router::Router;
use super::{BuildError, Dispatch, Node, NodeHandle, Settings};
use crate::cluster::Event;
use crate::codec::Codec;
use crate::crypto::{Cipher, Encryptor};
use crate::error::Result;
use crate::id::Nid;
use crate::route::Routes;

/// Collects the parts of a [`Node`].
#[must_use]
pub struct NodeBuilder {
    nid: Option<Nid>,
    name: Option<String>,
    settings: Settings,
    events: Events,
    hooks: Hooks,
    services: Vec<Box<dyn Routes>>,
    layers: Vec<Box<dyn Layer>>,
    fallback: Option<Box<dyn AnyFallback>>,
    options: RouteOptions,
}

impl NodeBuilder {
    pub(super) fn new() -> Self {
        let settings = Settings {
            codec: None,
            cipher: None,
            dispatch: Dispatch::default(),
            lane: 64,
            weight: 1,
            metadata: BTreeMap::new(),
            drain: Duration::from_secs(10),
        };
        Self {
            nid: None,
            name: None,
            settings,
            events: Events::default(),
            hooks: Hooks::default(),
            services: Vec::new(),
            layers: Vec::new(),
            fallback: None,
            options: RouteOptions::new(),
        }
    }

    /// The instance id. Default: random.
    pub fn id(mut self, nid: impl Into<Nid>) -> Self {
        self.nid = Some(nid.into());
        self
    }

    /// The name of the group that this node belongs to. Default: the name that its services agree on, else `node`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Encrypts bodies to clients, and decrypts those of clients; see [`crypto`](crate::crypto). Default: what the
    /// [`Backends`](crate::Backends) have.
    pub fn encryptor(mut self, encryptor: impl Encryptor) -> Self {
        self.settings.cipher = Some(Cipher::new(encryptor));
        self
    }

    /// How bodies are written. Default: the codec of the [`Backends`](crate::Backends).
    pub fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = Some(codec);
        self
    }

    /// How requests of different sessions share the node. Default: [`Dispatch::PerSession`].
    pub fn dispatch(mut self, dispatch: Dispatch) -> Self {
        self.settings.dispatch = dispatch;
        self
    }

    /// How many requests of one session may wait while one is handled (of the whole node under
    /// [`Dispatch::Serial`]). More are not read from the connection. Default: 64. Of a session at the gate of another
    /// process a mebibyte may wait, or 128 requests if that is more; then the gate is held up while handlers go on, and what
    /// comes is refused ([`Code::TOO_MANY_REQUESTS`](crate::Code::TOO_MANY_REQUESTS)) when they do not.
    pub fn lane(mut self, requests: usize) -> Self {
        self.settings.lane = requests.max(1);
        self
    }

    /// A text that others find beside the node in the registry ([`Instance::metadata`](crate::registry::Instance)), and the
    /// master shows. A later one of the same key replaces it. Default: none. Consul takes keys of at most 127 letters, digits,
    /// `_` and `-`, and values of 512 bytes; `due.oneway`, `due-answers` and `due-metrics` are taken.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.metadata.insert(key.into(), value.into());
        self
    }

    /// The share of traffic under weighted dispatch. Default: 1.
    pub fn weight(mut self, weight: i32) -> Self {
        self.settings.weight = weight;
        self
    }

    /// How long a stop waits for gates of other processes to send no more, for the requests at hand and for the last turns
    /// of [actors](crate::Actor), and then again for events and tasks. Default: 10 s. What runs longer is dropped; requests
    /// are answered like those that still wait: with [`Code::CANCELED`](crate::Code::CANCELED).
    ///
    /// It waits for no user who is bound to the node, and counts none: the locator knows them by user alone, and they stay
    /// bound for as long as they like. A [stop hook](Self::on_stop) or an actor that ends hands them on.
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.settings.drain = deadline;
        self
    }

    /// Adds a table of routes: a generated `...Routes`, or [`routes!`](crate::routes).
    pub fn serve(mut self, routes: impl Routes) -> Self {
        self.services.push(Box::new(routes));
        self
    }

    /// Puts middleware around every message that this node handles, inside of what was put there before.
    pub fn layer(mut self, layer: impl Middleware) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// Handles messages of routes that no table has; see [`DefaultHandler`] for who sends any.
    pub fn default_handler(mut self, handler: impl DefaultHandler) -> Self {
        self.fallback = Some(Box::new(handler));
        self
    }

    /// How long the handling of a message may take, all middleware included, from the moment it has its turn. Default:
    /// no limit. What takes longer is dropped where it waits, and answered with
    /// [`Code::DEADLINE_EXCEEDED`](crate::Code::DEADLINE_EXCEEDED). Routes may have [limits of their own](RouteOptions).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options = self.options.deadline(deadline);
        self
    }

    /// Whether requests are dropped where they wait when their client has disconnected. Default: no; a handler that was
    /// dropped half-way may have taken the gold and not given the sword. [`Context::until_gone`](crate::Context::until_gone)
    /// lets a handler decide for itself. Routes may have [options of their own](RouteOptions).
    ///
    /// A node with such a route registers for the event disconnect.
    pub fn cancel_when_gone(mut self, cancel: bool) -> Self {
        self.options = self.options.cancel_when_gone(cancel);
        self
    }

    /// Handles every new connection of a gate, before its first message. It has no user yet.
    pub fn on_connect(mut self, handler: impl EventHandler) -> Self {
        self.events.add(Event::Connect, handler);
        self
    }

    /// Handles every login: each time a user is bound to a session, the first time and repeats included. What binds him
    /// in a handler of this node has returned before.
    pub fn on_reconnect(mut self, handler: impl EventHandler) -> Self {
        self.events.add(Event::Reconnect, handler);
        self
    }

    /// Handles every end of a connection, after its last message. [`Context::uid`](crate::Context::uid) is the user that
    /// it still had; the session is gone, so pushes to it fail. The sessions of a gate that dies end when the registry has
    /// lacked it for five seconds and it does not answer, or when it is registered anew; those that this node has heard of.
    pub fn on_disconnect(mut self, handler: impl EventHandler) -> Self {
        self.events.add(Event::Disconnect, handler);
        self
    }

    /// Does something before the node is registered: nobody reaches it yet, but it reaches others. All start hooks run at
    /// the same time; the first one that fails ends the others, and the start with
    /// [`StartError::Hook`](crate::StartError::Hook).
    pub fn on_start<F, R>(mut self, hook: F) -> Self
    where
        F: FnOnce(NodeHandle) -> R + Send + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.start.add(hook);
        self
    }

    /// Does something when the node begins to stop: gates send no new sessions any more, but requests still work. All
    /// stop hooks run at the same time, within [`drain`](Self::drain); a failure is logged.
    pub fn on_stop<F, R>(mut self, hook: F) -> Self
    where
        F: FnOnce(NodeHandle) -> R + Send + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.stop.add(hook);
        self
    }

    /// Does something last: after all requests, events and tasks. Others can still be reached. All these hooks run at the
    /// same time, for [`drain`](Self::drain) at most; a failure is logged. They run after a start that failed, too.
    pub fn on_destroyed<F, R>(mut self, hook: F) -> Self
    where
        F: FnOnce(NodeHandle) -> R + Send + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.destroyed.add(hook);
        self
    }

    /// Checks that all parts fit together; ids against the packet format when the node starts.
    pub fn build(self) -> Result<Node, BuildError> {
        let name = self.name.unwrap_or_else(|| {
            let mut names = self.services.iter().filter_map(|routes| routes.node());
            match names.next() {
                Some(first) if names.all(|name| name == first) => first.to_owned(),
                _ => "node".to_owned(),
            }
        });
        let router = Router::new(self.services, self.layers, self.fallback, self.options)?;
        router.check_name(&name)?;
        Ok(Node {
            nid: self.nid.unwrap_or_else(|| Nid::from(uuid::Uuid::new_v4().to_string())),
            name,
            settings: self.settings,
            router,
            events: self.events,
            hooks: self.hooks,
        })
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
