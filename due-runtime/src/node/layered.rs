//! A table of routes with layers around it, and with options.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::Context;
use super::actor::ActorKind;
use super::middleware::{End, Layer, Middleware, Next};
use crate::codec::{Codec, Unsupported};
use crate::id::RouteId;
use crate::route::{HandlerFuture, RouteSpec, Routes};

/// How a node treats the requests of some routes. What is not said here is as the
/// [`NodeBuilder`](crate::NodeBuilder) says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct RouteOptions {
    deadline: Option<Duration>,
    cancel_when_gone: Option<bool>,
}

impl RouteOptions {
    /// As the node says.
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`NodeBuilder::deadline`](crate::NodeBuilder::deadline). [`Duration::MAX`]: none, whatever the node says.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// See [`NodeBuilder::cancel_when_gone`](crate::NodeBuilder::cancel_when_gone).
    pub fn cancel_when_gone(mut self, cancel: bool) -> Self {
        self.cancel_when_gone = Some(cancel);
        self
    }

    /// What these do not say is said by `general`.
    pub(super) fn or(self, general: Self) -> Self {
        Self {
            deadline: self.deadline.or(general.deadline),
            cancel_when_gone: self.cancel_when_gone.or(general.cancel_when_gone),
        }
    }

    pub(super) fn limits(self) -> Option<Limits> {
        let deadline = self.deadline.filter(|deadline| *deadline != Duration::MAX);
        let cancel_when_gone = self.cancel_when_gone == Some(true);
        (deadline.is_some() || cancel_when_gone).then_some(Limits { deadline, cancel_when_gone })
    }
}

/// What may end a request early.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) deadline: Option<Duration>,
    pub(super) cancel_when_gone: bool,
}

/// What [`Routes::layer`] and its neighbours make of a table of routes.
pub struct Layered<R> {
    routes: R,
    group: Vec<Box<dyn Layer>>,
    /// By the index of the route.
    each: Vec<Each>,
    options: RouteOptions,
    strangers: Vec<RouteId>,
}

#[derive(Default)]
struct Each {
    layers: Vec<Box<dyn Layer>>,
    options: RouteOptions,
}

impl<R: Routes> Layered<R> {
    pub(crate) fn new(routes: R) -> Self {
        let each = routes.specs().iter().map(|_| Each::default()).collect();
        Self { routes, group: Vec::new(), each, options: RouteOptions::new(), strangers: Vec::new() }
    }

    /// See [`Routes::layer`].
    #[must_use]
    pub fn layer(mut self, layer: impl Middleware) -> Self {
        self.group.push(Box::new(layer));
        self
    }

    /// See [`Routes::layer_route`].
    #[must_use]
    pub fn layer_route(mut self, route: RouteId, layer: impl Middleware) -> Self {
        if let Some(each) = self.each(route) {
            each.layers.push(Box::new(layer));
        }
        self
    }

    /// See [`Routes::with_options`].
    #[must_use]
    pub fn with_options(mut self, options: RouteOptions) -> Self {
        self.options = options.or(self.options);
        self
    }

    /// See [`Routes::with_route_options`].
    #[must_use]
    pub fn with_route_options(mut self, route: RouteId, options: RouteOptions) -> Self {
        if let Some(each) = self.each(route) {
            each.options = options.or(each.options);
        }
        self
    }

    fn each(&mut self, route: RouteId) -> Option<&mut Each> {
        let index = self.routes.specs().iter().position(|spec| spec.id == route);
        match index.and_then(|index| self.each.get_mut(index)) {
            None => {
                self.strangers.push(route);
                None
            }
            each => each,
        }
    }
}

impl<R: Routes> Routes for Layered<R> {
    fn specs(&self) -> &[RouteSpec] {
        self.routes.specs()
    }

    fn node(&self) -> Option<&str> {
        self.routes.node()
    }

    fn actor(&self) -> Option<ActorKind> {
        self.routes.actor()
    }

    fn call<'a>(&'a self, index: usize, ctx: &'a mut Context, body: Bytes) -> HandlerFuture<'a> {
        let own = self.each.get(index).map_or(&[][..], |each| &each.layers);
        if self.group.is_empty() && own.is_empty() {
            return self.routes.call(index, ctx, body);
        }
        Next::new(&self.group, own, End::Route(&self.routes, index)).run(ctx, body)
    }

    fn supports(&self, index: usize, codec: &Codec) -> Result<(), Unsupported> {
        self.routes.supports(index, codec)
    }

    fn options(&self, index: usize) -> RouteOptions {
        let own = self.each.get(index).map_or(RouteOptions::new(), |each| each.options);
        own.or(self.options).or(self.routes.options(index))
    }

    fn strangers(&self) -> Vec<RouteId> {
        [&*self.strangers, &*self.routes.strangers()].concat()
    }
}

impl<R> fmt::Debug for Layered<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("routes", &self.each.len()).finish_non_exhaustive()
    }
}
