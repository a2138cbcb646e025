//! Which ids are used, which is free next, and ids for what has none yet.

mod assign;
mod edit;

use std::collections::BTreeMap;

use prost_reflect::{FileDescriptor, MethodDescriptor, ServiceDescriptor};

pub use assign::{Assigned, Assignment};

use crate::lock::Lock;
use crate::lock::item::Item;
use crate::nearest::nearest;
use crate::schema::{Schema, messages, ranges};

/// The ids of a schema, and those that were ever shipped.
#[derive(Debug)]
pub struct Ids<'a> {
    schema: &'a Schema,
    /// Everything that must not be given to anybody else, with its owner's name.
    taken: BTreeMap<i32, String>,
    /// What an owner of now had when it shipped.
    shipped: BTreeMap<String, i32>,
}

/// What belongs together: the routes of a service, or the pushes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdBlock {
    /// Full name of the service, or the import name of the file.
    pub name: String,
    /// Whether it is about the pushes of a file.
    pub pushes: bool,
    /// `1-3, 7`; empty if there are none yet.
    pub ids: String,
    /// How many still lack an id.
    pub missing: usize,
    /// The next free id for it.
    pub next: Option<i32>,
}

/// Why there is no id to name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdsError {
    /// No node service has this name.
    #[error("there is no node service `{name}`{hint}")]
    NoService {
        /// What was asked for.
        name: String,
        /// `: did you mean ..`, or nothing.
        hint: String,
    },
    /// Every id that the packet's route field can hold was used.
    #[error("all ids up to {0} are used: widen `route_bytes` in `due.toml`, in every process")]
    Full(i32),
}

impl Schema {
    /// The ids that are used. What `shipped` has ever had is used as well.
    pub fn ids(&self, shipped: Option<&Lock>) -> Ids<'_> {
        let mut ids = Ids { schema: self, taken: BTreeMap::new(), shipped: BTreeMap::new() };
        for entry in shipped.iter().flat_map(|lock| lock.entries.values()) {
            let (owner, id) = match &entry.item {
                Item::Route(route) => (&route.rpc, route.id),
                Item::Push { message, id } => (message, *id),
                _ => continue,
            };
            ids.taken.insert(id, owner.clone());
            if !entry.removed || !ids.shipped.contains_key(owner) {
                ids.shipped.insert(owner.clone(), id);
            }
        }
        for route in self.routes() {
            if let Some(id) = route.id.filter(|id| *id > 0) {
                ids.taken.insert(id, route.name);
            }
        }
        ids
    }

    /// 0 for an rpc that has none.
    fn route_id(&self, method: &MethodDescriptor) -> i32 {
        self.options.route(method).map_or(0, |route| route.id)
    }

    fn node_services(&self) -> impl Iterator<Item = (FileDescriptor, ServiceDescriptor)> {
        let services = self.files().into_iter().flat_map(|file| {
            let services: Vec<_> = file.services().collect();
            services.into_iter().map(move |service| (file.clone(), service))
        });
        services.filter(|(_, service)| self.options.node(service).is_some())
    }
}

impl Ids<'_> {
    /// Every node service, and every file with pushes.
    pub fn blocks(&self) -> Vec<IdBlock> {
        let mut blocks = Vec::new();
        for (_, service) in self.schema.node_services() {
            let ids: Vec<i32> = service.methods().map(|method| self.schema.route_id(&method)).collect();
            blocks.push(self.block(service.full_name(), false, &ids, self.next_of_service(&service)));
        }
        for file in self.schema.files() {
            let ids: Vec<i32> =
                messages(&file).iter().filter_map(|message| self.schema.options.push(message)).collect();
            if !ids.is_empty() {
                blocks.push(self.block(file.name(), true, &ids, self.next_push(&file)));
            }
        }
        blocks
    }

    fn block(&self, name: &str, pushes: bool, ids: &[i32], next: Option<i32>) -> IdBlock {
        let used = ids.iter().copied().filter(|id| *id > 0);
        let missing = ids.iter().filter(|id| **id <= 0).count();
        IdBlock { name: name.to_owned(), pushes, ids: ranges(used), missing, next }
    }

    /// The first id above all that were ever used, or the lowest free one if there is none.
    ///
    /// # Errors
    /// [`IdsError::Full`].
    pub fn next(&self) -> Result<i32, IdsError> {
        let behind = self.taken.keys().next_back().map_or(1, |last| last.saturating_add(1));
        self.free_from(behind).ok_or(IdsError::Full(self.schema.width.max()))
    }

    /// The next id for a service, by its full name or its own: the first free one behind its others. A service without
    /// any begins a block, at the next hundred (with `route_bytes = 1` the next ten).
    ///
    /// # Errors
    /// [`IdsError`].
    pub fn next_of(&self, service: &str) -> Result<i32, IdsError> {
        let service = self.service(service)?;
        self.next_of_service(&service).ok_or(IdsError::Full(self.schema.width.max()))
    }

    fn service(&self, name: &str) -> Result<ServiceDescriptor, IdsError> {
        let all: Vec<ServiceDescriptor> = self.schema.node_services().map(|(_, service)| service).collect();
        if let Some(found) = all.iter().find(|service| service.full_name() == name) {
            return Ok(found.clone());
        }
        let same: Vec<&ServiceDescriptor> = all.iter().filter(|service| service.name() == name).collect();
        if let [one] = same[..] {
            return Ok(one.clone());
        }
        let names: Vec<&str> = match same.is_empty() {
            true => all.iter().map(|service| service.full_name()).collect(),
            false => same.iter().map(|service| service.full_name()).collect(),
        };
        let own: Vec<&str> = all.iter().map(|service| service.name()).collect();
        let near = nearest(name, names.iter().copied()).or_else(|| nearest(name, own.iter().copied()));
        let hint = match near {
            _ if !same.is_empty() => format!(" alone: there are {}", names.join(", ")),
            Some(near) => format!(": did you mean `{near}`?"),
            None if names.is_empty() => String::new(),
            None => format!(": there are {}", names.join(", ")),
        };
        Err(IdsError::NoService { name: name.to_owned(), hint })
    }

    fn next_of_service(&self, service: &ServiceDescriptor) -> Option<i32> {
        let prefix = format!("{}.", service.full_name());
        // What the service had and lost is part of its block.
        let mine =
            self.taken.iter().filter(|(_, owner)| owner.strip_prefix(&prefix).is_some_and(|rpc| !rpc.contains('.')));
        match mine.map(|(id, _)| *id).max() {
            Some(last) => self.free_from(last.saturating_add(1)),
            None => self.new_block(),
        }
    }

    /// Behind the other pushes of the file, or behind its routes.
    fn next_push(&self, file: &FileDescriptor) -> Option<i32> {
        let pushes = messages(file).into_iter().filter_map(|message| self.taken_by(message.full_name()));
        let routes = file.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let last = pushes.max().or_else(|| routes.filter_map(|method| self.taken_by(method.full_name())).max());
        match last {
            Some(last) => self.free_from(last.saturating_add(1)),
            None => self.new_block(),
        }
    }

    fn taken_by(&self, owner: &str) -> Option<i32> {
        self.taken.iter().find(|(_, found)| *found == owner).map(|(id, _)| *id)
    }

    fn new_block(&self) -> Option<i32> {
        let step = if self.schema.width.max() > i8::MAX.into() { 100 } else { 10 };
        let start = match self.taken.keys().next_back() {
            Some(last) => (last / step).saturating_add(1).saturating_mul(step),
            None => 1,
        };
        self.free_from(start)
    }

    /// The first free id from here on; if there is none up to the width's end, the lowest free one at all.
    fn free_from(&self, start: i32) -> Option<i32> {
        let first_free = |start: i32| {
            let mut id = start.max(1);
            for used in self.taken.range(id..).map(|(used, _)| *used) {
                if used != id {
                    break;
                }
                id = id.checked_add(1)?;
            }
            (id <= self.schema.width.max()).then_some(id)
        };
        first_free(start).or_else(|| first_free(1))
    }
}
