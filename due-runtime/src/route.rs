//! What is known of a route before any packet arrives, and what serves it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::codec::{Codec, Unsupported};
use crate::error::{Error, Result};
use crate::id::RouteId;
use crate::node::{ActorKind, Context, Layered, Middleware, Reply, RouteOptions};

/// One route: dispatch, checks, tracing, documents and clients read the same constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RouteSpec {
    /// The number on the wire.
    pub id: RouteId,
    /// Full name of the service, as `lobby.v1.Lobby`; the module path of a function with `#[due::route]`.
    pub service: &'static str,
    /// Name of the rpc or function.
    pub method: &'static str,
    /// Full name of the request type.
    pub request: &'static str,
    /// Full name of the response type; empty for `oneway`.
    pub response: &'static str,
    /// Goes to the node that the user is bound to. Needs a user.
    pub stateful: bool,
    /// Needs a user: a gate refuses it from sessions without one.
    pub authorized: bool,
    /// Reachable from other nodes only: a gate refuses it from clients.
    pub internal: bool,
    /// Has no response.
    pub oneway: bool,
    /// The comment of the rpc or function.
    pub doc: &'static str,
}

impl RouteSpec {
    /// A plain route; the builder methods below are `const`, so that tables are too.
    pub const fn new(id: RouteId, service: &'static str, method: &'static str) -> Self {
        Self {
            id,
            service,
            method,
            request: "",
            response: "",
            stateful: false,
            authorized: false,
            internal: false,
            oneway: false,
            doc: "",
        }
    }

    /// Full names of the request and response types.
    #[must_use]
    pub const fn types(mut self, request: &'static str, response: &'static str) -> Self {
        self.request = request;
        self.response = response;
        self
    }

    /// Marks the route as [`stateful`](Self::stateful).
    #[must_use]
    pub const fn stateful(mut self) -> Self {
        self.stateful = true;
        self
    }

    /// Marks the route as [`authorized`](Self::authorized).
    #[must_use]
    pub const fn authorized(mut self) -> Self {
        self.authorized = true;
        self
    }

    /// Marks the route as [`internal`](Self::internal).
    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Marks the route as [`oneway`](Self::oneway).
    #[must_use]
    pub const fn oneway(mut self) -> Self {
        self.oneway = true;
        self
    }

    /// The comment of the rpc or function.
    #[must_use]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

/// The future of one request.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<Reply, Error>> + Send + 'a>>;

/// A table of routes and the code behind them: what [`NodeBuilder::serve`](crate::NodeBuilder::serve) takes.
///
/// Generated `...Routes` types and [`routes!`](crate::routes) implement it; people seldom do.
pub trait Routes: Send + Sync + 'static {
    /// The routes, in a fixed order.
    fn specs(&self) -> &[RouteSpec];

    /// The name of the node that must serve these routes, where the schema fixes one (`due.node` with a name).
    fn node(&self) -> Option<&str> {
        None
    }

    /// Whose routes these are, where the schema says that actors handle them (`due.node` with an `actor`).
    #[doc(hidden)]
    fn actor(&self) -> Option<ActorKind> {
        None
    }

    /// Handles one request of `specs()[index]`.
    fn call<'a>(&'a self, index: usize, ctx: &'a mut Context, body: Bytes) -> HandlerFuture<'a>;

    /// Whether the bodies of `specs()[index]` can be read and written by `codec`. Asked once, when a node is built.
    fn supports(&self, index: usize, codec: &Codec) -> Result<(), Unsupported> {
        let _ = (index, codec);
        Ok(())
    }

    /// How the node treats requests of `specs()[index]`. Asked once, when a node is built.
    fn options(&self, index: usize) -> RouteOptions {
        let _ = index;
        RouteOptions::new()
    }

    /// Routes that something was said about and that are not in the table: no node is built with any.
    #[doc(hidden)]
    fn strangers(&self) -> Vec<RouteId> {
        Vec::new()
    }

    /// Puts middleware around every route of the table, inside of what was put there before.
    fn layer(self, layer: impl Middleware) -> Layered<Self>
    where
        Self: Sized,
    {
        Layered::new(self).layer(layer)
    }

    /// Puts middleware around one route of the table, inside of all that is around the table. A route that is not in it
    /// is a [`BuildError`](crate::BuildError).
    fn layer_route(self, route: RouteId, layer: impl Middleware) -> Layered<Self>
    where
        Self: Sized,
    {
        Layered::new(self).layer_route(route, layer)
    }

    /// Says how the node treats requests of this table.
    fn with_options(self, options: RouteOptions) -> Layered<Self>
    where
        Self: Sized,
    {
        Layered::new(self).with_options(options)
    }

    /// Says how the node treats requests of one route; it has the last word. A route that is not in the table is a
    /// [`BuildError`](crate::BuildError).
    fn with_route_options(self, route: RouteId, options: RouteOptions) -> Layered<Self>
    where
        Self: Sized,
    {
        Layered::new(self).with_route_options(route, options)
    }
}
