//! Route id to handler, built once.

use std::collections::HashMap;

use super::BuildError;
use crate::codec::Codec;
use crate::id::{BuildIdHasher, RouteId};
use crate::packet::Format;
use crate::route::{RouteSpec, Routes};

pub(super) struct Router {
    services: Vec<Box<dyn Routes>>,
    by_id: HashMap<RouteId, (usize, usize), BuildIdHasher>,
    /// (service, index) in the order of ids.
    sorted: Vec<(usize, usize)>,
}

/// One route of a table.
pub(super) struct Found<'a> {
    pub(super) routes: &'a dyn Routes,
    pub(super) index: usize,
    pub(super) spec: &'a RouteSpec,
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
    pub(super) fn new(services: Vec<Box<dyn Routes>>) -> Result<Self, RouteConflict> {
        let mut by_id: HashMap<RouteId, (usize, usize), BuildIdHasher> = HashMap::default();
        for (service, routes) in services.iter().enumerate() {
            for (index, spec) in routes.specs().iter().enumerate() {
                if let Some((first, first_index)) = by_id.insert(spec.id, (service, index)) {
                    let first = owner(&services[first].specs()[first_index]);
                    return Err(RouteConflict { id: spec.id, first, second: owner(spec) });
                }
            }
        }
        let mut sorted: Vec<_> = by_id.values().copied().collect();
        sorted.sort_by_key(|&(service, index)| services[service].specs()[index].id);
        Ok(Self { services, by_id, sorted })
    }

    pub(super) fn find(&self, route: RouteId) -> Option<Found<'_>> {
        let &(service, index) = self.by_id.get(&route)?;
        let routes = &*self.services[service];
        Some(Found { routes, index, spec: &routes.specs()[index] })
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
