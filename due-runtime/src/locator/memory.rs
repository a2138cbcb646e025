use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BoxFuture, Gid, LocateError, Locator, Nid, Uid};

/// The locator of one process. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct MemoryLocator {
    users: Arc<Mutex<HashMap<Uid, Place>>>,
}

/// A user without gate and nodes has no entry.
#[derive(Debug, Default)]
struct Place {
    gate: Option<Gid>,
    nodes: BTreeMap<String, Nid>,
}

impl MemoryLocator {
    /// A locator that knows nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a note away if `remove` says that it was there, and the entry with its last note.
    fn forget(&self, uid: Uid, remove: impl FnOnce(&mut Place) -> bool) -> bool {
        let mut users = self.lock();
        let Some(place) = users.get_mut(&uid) else {
            return false;
        };
        let removed = remove(place);
        if place.gate.is_none() && place.nodes.is_empty() {
            users.remove(&uid);
        }
        removed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, Place>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Locator for MemoryLocator {
    fn bind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<Option<Gid>, LocateError>> {
        Box::pin(async move { Ok(self.lock().entry(uid).or_default().gate.replace(gid.clone())) })
    }

    fn unbind_gate<'a>(&'a self, uid: Uid, gid: &'a Gid) -> BoxFuture<'a, Result<bool, LocateError>> {
        Box::pin(async move { Ok(self.forget(uid, |place| place.gate.take_if(|known| known == gid).is_some())) })
    }

    fn locate_gate(&self, uid: Uid) -> BoxFuture<'_, Result<Option<Gid>, LocateError>> {
        Box::pin(async move { Ok(self.lock().get(&uid).and_then(|place| place.gate.clone())) })
    }

    fn bind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<(), LocateError>> {
        Box::pin(async move {
            self.lock().entry(uid).or_default().nodes.insert(name.to_owned(), nid.clone());
            Ok(())
        })
    }

    fn unbind_node<'a>(&'a self, uid: Uid, name: &'a str, nid: &'a Nid) -> BoxFuture<'a, Result<bool, LocateError>> {
        Box::pin(async move {
            Ok(self.forget(uid, |place| {
                place.nodes.get(name).is_some_and(|known| known == nid) && place.nodes.remove(name).is_some()
            }))
        })
    }

    fn locate_node<'a>(&'a self, uid: Uid, name: &'a str) -> BoxFuture<'a, Result<Option<Nid>, LocateError>> {
        Box::pin(async move { Ok(self.lock().get(&uid).and_then(|place| place.nodes.get(name).cloned())) })
    }

    fn locate_nodes(&self, uid: Uid) -> BoxFuture<'_, Result<BTreeMap<String, Nid>, LocateError>> {
        Box::pin(async move { Ok(self.lock().get(&uid).map(|place| place.nodes.clone()).unwrap_or_default()) })
    }
}
