//! Route id to handler, built once.

use std::any::TypeId;
use std::collections::HashMap;

use bytes::Bytes;

use super::actor::{Actor, ActorKind};
use super::fallback::AnyFallback;
use super::layered::Limits;
use super::middleware::{End, Layer, Next};
use super::{BuildError, Context, RouteOptions};
use crate::codec::Codec;
use crate::id::{BuildIdHasher, Nid, RouteId};
use crate::metrics::RouteMetrics;
use crate::packet::Format;
use crate::route::{HandlerFuture, RouteSpec, Routes};

pub(super) struct Router {
    services: Vec<Box<dyn Routes>>,
    /// Around everything.
    layers: Vec<Box<dyn Layer>>,
    fallback: Option<Box<dyn AnyFallback>>,
    /// What is said of routes that say nothing.
    options: RouteOptions,
    /// Some request is to end with its session.
    pub(super) asks_for_departures: bool,
    by_id: HashMap<RouteId, Entry, BuildIdHasher>,
    kinds: Vec<ActorKind>,
    /// (service, index) in the order of ids.
    sorted: Vec<(usize, usize)>,
}

struct Entry {
    spec: RouteSpec,
    service: usize,
    index: usize,
    /// Index of its kind.
    actor: Option<usize>,
    limits: Option<Limits>,
    /// Once the node has started.
    metrics: Option<RouteMetrics>,
}

/// One route of a table.
pub(super) struct Found<'a> {
    pub(super) routes: &'a dyn Routes,
    pub(super) index: usize,
    pub(super) spec: &'a RouteSpec,
    /// Who handles it, if not the node.
    pub(super) actor: Option<&'a ActorKind>,
    pub(super) limits: Option<Limits>,
    pub(super) metrics: Option<&'a RouteMetrics>,
}

/// All that a message passes, from the layers of the node to its handler.
pub(super) struct Way<'a> {
    layers: &'a [Box<dyn Layer>],
    end: End<'a>,
    pub(super) limits: Option<Limits>,
}

impl<'a> Way<'a> {
    pub(super) fn go<'c>(&self, ctx: &'c mut Context, body: Bytes) -> HandlerFuture<'c>
    where
        'a: 'c,
    {
        Next::new(self.layers, &[], self.end).run(ctx, body)
    }
}

/// Two handlers want the same route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route {id} is declared twice: by {first} and by {second}")]
pub struct RouteConflict {
    /// The id.
    pub id: RouteId,
    /// Service and method that were added first.
    pub first: String,
    /// Service and method that came later.
    pub second: String,
}

impl Router {
    pub(super) fn new(
        services: Vec<Box<dyn Routes>>,
        layers: Vec<Box<dyn Layer>>,
        fallback: Option<Box<dyn AnyFallback>>,
        options: RouteOptions,
    ) -> Result<Self, BuildError> {
        let mut by_id: HashMap<RouteId, Entry, BuildIdHasher> = HashMap::default();
        let mut kinds = Vec::new();
        for (service, routes) in services.iter().enumerate() {
            if let Some(&id) = routes.strangers().first() {
                let service = routes.specs().first().map_or("a table without routes", |spec| spec.service);
                return Err(BuildError::NoSuchRoute { id, service: service.to_owned() });
            }
            let actor = match routes.actor().map(|kind| (kind, kind.join(&mut kinds))) {
                Some((kind, Err(other))) => return Err(BuildError::actors(kind, other)),
                Some((_, Ok(index))) => Some(index),
                None => None,
            };
            for (index, spec) in routes.specs().iter().enumerate() {
                let limits = routes.options(index).or(options).limits();
                if let Some(first) =
                    by_id.insert(spec.id, Entry { spec: *spec, service, index, actor, limits, metrics: None })
                {
                    let first = owner(&first.spec);
                    return Err(RouteConflict { id: spec.id, first, second: owner(spec) }.into());
                }
            }
        }
        let mut sorted: Vec<_> = by_id.values().map(|entry| (entry.service, entry.index)).collect();
        sorted.sort_by_key(|&(service, index)| services[service].specs()[index].id);
        let limits = by_id.values().map(|entry| entry.limits).chain([options.limits()]);
        let asks_for_departures = limits.flatten().any(|limits| limits.cancel_when_gone);
        Ok(Self { services, layers, fallback, options, asks_for_departures, by_id, kinds, sorted })
    }

    pub(super) fn find(&self, route: RouteId) -> Option<Found<'_>> {
        let &Entry { ref spec, service, index, actor, limits, ref metrics } = self.by_id.get(&route)?;
        let routes = &*self.services[service];
        let actor = actor.map(|kind| &self.kinds[kind]);
        Some(Found { routes, index, spec, actor, limits, metrics: metrics.as_ref() })
    }

    /// The actors that handle some of the routes.
    pub(super) fn kinds(&self) -> &[ActorKind] {
        &self.kinds
    }

    pub(super) fn kind_of<A: Actor>(&self) -> Option<ActorKind> {
        self.kinds.iter().find(|kind| kind.of == TypeId::of::<A>()).copied()
    }

    /// Whether actors of this type have stateful routes.
    pub(super) fn is_stateful(&self, actor: TypeId) -> bool {
        let routes = self.services.iter().filter(|routes| routes.actor().is_some_and(|kind| kind.of == actor));
        routes.flat_map(|routes| routes.specs()).any(|spec| spec.stateful)
    }

    /// Counts from now on what happens on each route.
    pub(super) fn measure(&mut self, nid: &Nid) {
        for entry in self.by_id.values_mut() {
            entry.metrics = RouteMetrics::new(nid, &entry.spec);
        }
    }

    /// What handles a message: the handler of its route, or the default one.
    pub(super) fn way<'a>(&'a self, found: Option<&Found<'a>>) -> Option<Way<'a>> {
        let (end, limits) = match (found, &self.fallback) {
            (Some(found), _) => (End::Route(found.routes, found.index), found.limits),
            (None, Some(fallback)) => (End::Fallback(&**fallback), self.options.limits()),
            (None, None) => return None,
        };
        Some(Way { layers: &self.layers, end, limits })
    }

    pub(super) fn specs(&self) -> impl Iterator<Item = &RouteSpec> {
        self.sorted.iter().map(|&(service, index)| &self.services[service].specs()[index])
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Stateful routes must be served by a node of the name in the schema.
    pub(super) fn check_name(&self, name: &str) -> Result<(), BuildError> {
        for routes in &self.services {
            let Some(wanted) = routes.node().filter(|wanted| *wanted != name) else { continue };
            if let Some(spec) = routes.specs().iter().find(|spec| spec.stateful) {
                return Err(BuildError::WrongName {
                    service: spec.service.to_owned(),
                    wanted: wanted.to_owned(),
                    name: name.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// What depends on the settings of the cluster: ids fit the packet, bodies have a form in the codec.
    pub(super) fn check(&self, format: &Format, codec: &Codec) -> Result<(), BuildError> {
        for &(service, index) in &self.sorted {
            let routes = &self.services[service];
            let spec = &routes.specs()[index];
            if spec.id.0 <= 0 || !format.fits(spec.id) {
                let width = format.route_bytes();
                return Err(BuildError::OutOfRange { id: spec.id, owner: owner(spec), width });
            }
            routes.supports(index, codec).map_err(|source| BuildError::Unsupported {
                id: spec.id,
                owner: owner(spec),
                source,
            })?;
        }
        Ok(())
    }
}

fn owner(spec: &RouteSpec) -> String {
    format!("{}.{}", spec.service, spec.method)
}
