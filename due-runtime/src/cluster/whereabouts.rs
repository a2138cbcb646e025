//! Where users are, as this server remembers it.
//!
//! Only what the locator reports changes of is remembered: an entry lives until somebody says that it is wrong.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::id::{Gid, Nid, Uid};
use crate::locator::{Change, Changes, LocateError, Locator};

/// Users remembered per kind of place. What was not asked for since half as many others were is forgotten.
const REMEMBERED: usize = 200_000;

pub(crate) struct Whereabouts {
    locator: Arc<dyn Locator>,
    memory: Option<Memory>,
    /// Nobody says any more what is wrong with the memory.
    is_deaf: AtomicBool,
}

#[derive(Default)]
struct Memory {
    gates: Mutex<Recent<Uid, Gid>>,
    nodes: Mutex<Recent<(Uid, Arc<str>), Nid>>,
}

impl Whereabouts {
    /// Follows the changes that the locator reports until `stop`.
    pub(crate) fn follow(locator: &Arc<dyn Locator>, stop: &CancellationToken) -> Arc<Self> {
        let changes = locator.changes();
        let memory = changes.is_some().then(Memory::default);
        let this = Arc::new(Self { locator: Arc::clone(locator), memory, is_deaf: AtomicBool::new(false) });
        if let Some(changes) = changes {
            let (follower, stop) = (Arc::clone(&this), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(follower.hear(changes)).await });
        }
        this
    }

    pub(crate) fn locator(&self) -> &dyn Locator {
        &*self.locator
    }

    pub(crate) async fn gate(&self, uid: Uid) -> Result<Option<Gid>, LocateError> {
        let Some(Memory { gates, .. }) = self.memory() else { return self.locator.locate_gate(uid).await };
        let moment = match gates.lock().unwrap().recall(&uid) {
            Ok(gid) => return Ok(Some(gid)),
            Err(moment) => moment,
        };
        let located = self.locator.locate_gate(uid).await?;
        gates.lock().unwrap().remember(uid, located.as_ref(), moment);
        Ok(located)
    }

    pub(crate) async fn node(&self, uid: Uid, name: &str) -> Result<Option<Nid>, LocateError> {
        let Some(Memory { nodes, .. }) = self.memory() else { return self.locator.locate_node(uid, name).await };
        let key = (uid, Arc::from(name));
        let moment = match nodes.lock().unwrap().recall(&key) {
            Ok(nid) => return Ok(Some(nid)),
            Err(moment) => moment,
        };
        let located = self.locator.locate_node(uid, name).await?;
        nodes.lock().unwrap().remember(key, located.as_ref(), moment);
        Ok(located)
    }

    /// The gate says that the user is not there.
    pub(crate) fn forget_gate(&self, uid: Uid, gid: &Gid) {
        if let Some(memory) = &self.memory {
            memory.gates.lock().unwrap().forget(&uid, gid);
        }
    }

    /// The node says that the user is not bound to it.
    pub(crate) fn forget_node(&self, uid: Uid, name: &str, nid: &Nid) {
        if let Some(memory) = &self.memory {
            memory.nodes.lock().unwrap().forget(&(uid, Arc::from(name)), nid);
        }
    }

    fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref().filter(|_| !self.is_deaf.load(Ordering::Acquire))
    }

    async fn hear(&self, mut changes: Changes) {
        let Some(Memory { gates, nodes }) = &self.memory else { return };
        while let Some(change) = changes.next().await {
            match change {
                Change::GateBound { uid, gid } => gates.lock().unwrap().correct(&uid, gid),
                Change::GateUnbound { uid, gid } => gates.lock().unwrap().forget(&uid, &gid),
                Change::NodeBound { uid, name, nid } => nodes.lock().unwrap().correct(&(uid, name.into()), nid),
                Change::NodeUnbound { uid, name, nid } => nodes.lock().unwrap().forget(&(uid, name.into()), &nid),
                Change::Unknown => self.forget_all(),
            }
        }
        tracing::warn!("the locator reports no changes any more; it is asked every time");
        self.is_deaf.store(true, Ordering::Release);
        self.forget_all();
    }

    fn forget_all(&self) {
        if let Some(Memory { gates, nodes }) = &self.memory {
            gates.lock().unwrap().clear();
            nodes.lock().unwrap().clear();
        }
    }
}

/// A bounded map: two generations, of which the older one is dropped when the younger one is full.
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Counts what was heard: what was looked up before is not remembered after.
    moment: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), moment: 0 }
    }
}

impl<K: Eq + Hash + Clone, V: Clone + PartialEq> Recent<K, V> {
    /// `Err`: not known, and the moment at which that was so.
    fn recall(&mut self, key: &K) -> Result<V, u64> {
        if let Some(value) = self.young.get(key) {
            return Ok(value.clone());
        }
        match self.old.remove_entry(key) {
            Some((key, value)) => {
                self.insert(key, value.clone());
                Ok(value)
            }
            None => Err(self.moment),
        }
    }

    fn remember(&mut self, key: K, value: Option<&V>, moment: u64) {
        if let Some(value) = value.filter(|_| moment == self.moment) {
            self.insert(key, value.clone());
        }
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= REMEMBERED / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    fn correct(&mut self, key: &K, value: V) {
        self.moment += 1;
        if let Some(known) = self.young.get_mut(key).or_else(|| self.old.get_mut(key)) {
            *known = value;
        }
    }

    fn forget(&mut self, key: &K, value: &V) {
        self.moment += 1;
        for generation in [&mut self.young, &mut self.old] {
            if generation.get(key) == Some(value) {
                generation.remove(key);
            }
        }
    }

    fn clear(&mut self) {
        *self = Self { moment: self.moment + 1, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_up_before_a_change_is_not_remembered_after() {
        let mut recent = Recent::<u8, char>::default();
        let moment = recent.recall(&1).unwrap_err();
        recent.correct(&1, 'b');
        recent.remember(1, Some(&'a'), moment);
        let moment = recent.recall(&1).unwrap_err();
        recent.remember(1, Some(&'b'), moment);
        assert_eq!(recent.recall(&1), Ok('b'));
        recent.correct(&1, 'c');
        assert_eq!(recent.recall(&1), Ok('c'));
        recent.forget(&1, &'b');
        assert_eq!(recent.recall(&1), Ok('c'), "another one was meant");
        recent.forget(&1, &'c');
        assert!(recent.recall(&1).is_err());
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_used() {
        let mut recent = Recent::<usize, ()>::default();
        for key in 0..2 * REMEMBERED {
            let moment = recent.recall(&key).unwrap_err();
            recent.remember(key, Some(&()), moment);
            assert_eq!(recent.recall(&0), Ok(()));
        }
        assert!(recent.young.len() + recent.old.len() <= REMEMBERED);
    }
}
