use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BoxFuture, Feed, Instance, Instances, Kind, Registry, RegistryError, Watch};

/// The registry of one process. Clones share their instances, so one value joins everything that runs in the process.
#[derive(Clone, Debug, Default)]
pub struct MemoryRegistry {
    kinds: Arc<Mutex<BTreeMap<Kind, Feed>>>,
}

impl MemoryRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    fn change(&self, kind: Kind, edit: impl FnOnce(&mut Vec<Instance>)) {
        let mut kinds = self.lock();
        let feed = kinds.entry(kind).or_insert_with(empty);
        let current = feed.latest();
        let mut list = current.to_vec();
        edit(&mut list);
        if *list != *current {
            feed.publish(list.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Feed>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry for MemoryRegistry {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<(), RegistryError>> {
        Box::pin(async move {
            self.change(instance.kind, |list| match list.iter_mut().find(|known| known.id == instance.id) {
                Some(known) => *known = instance,
                None => list.push(instance),
            });
            Ok(())
        })
    }

    fn deregister<'a>(&'a self, kind: Kind, id: &'a str) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            self.change(kind, |list| list.retain(|known| known.id != id));
            Ok(())
        })
    }

    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Instances, RegistryError>> {
        Box::pin(async move { Ok(self.lock().entry(kind).or_insert_with(empty).latest()) })
    }

    fn watch(&self, kind: Kind) -> BoxFuture<'_, Result<Watch, RegistryError>> {
        Box::pin(async move { Ok(self.lock().entry(kind).or_insert_with(empty).watch()) })
    }
}

fn empty() -> Feed {
    let (feed, _) = Watch::channel(Instances::from([]));
    feed
}
