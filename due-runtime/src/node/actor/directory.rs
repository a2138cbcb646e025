//! Which actors a node has, and who is bound to them.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::SpawnError;
use super::cell::AnyActor;
use crate::id::{BuildIdHasher, Uid};

#[derive(Default)]
pub(in crate::node) struct Directory(RwLock<State>);

#[derive(Default)]
struct State {
    /// The node stops.
    closed: bool,
    kinds: HashMap<TypeId, Kind, BuildIdHasher>,
}

#[derive(Default)]
struct Kind {
    by_id: HashMap<Arc<str>, Arc<dyn AnyActor>>,
    bound: HashMap<Uid, Arc<dyn AnyActor>, BuildIdHasher>,
}

impl Directory {
    pub(super) fn add(&self, actor: Arc<dyn AnyActor>) -> Result<(), SpawnError> {
        let mut state = self.write();
        if state.closed {
            return Err(SpawnError::Stopping);
        }
        let shell = actor.shell();
        let kind = state.kinds.entry(shell.kind.of).or_default();
        if kind.by_id.contains_key(&shell.id) {
            return Err(SpawnError::Exists { kind: shell.kind.name, id: Arc::clone(&shell.id) });
        }
        kind.by_id.insert(Arc::clone(&shell.id), actor);
        Ok(())
    }

    /// Those of a kind that live, in the order of their ids.
    pub(super) fn of_kind(&self, of: TypeId) -> Vec<Arc<dyn AnyActor>> {
        let state = self.read();
        let actors = state.kinds.get(&of).into_iter().flat_map(|kind| kind.by_id.values());
        let mut actors: Vec<_> = actors.filter(|actor| actor.shell().is_alive()).cloned().collect();
        actors.sort_by(|a, b| a.shell().id.cmp(&b.shell().id));
        actors
    }

    pub(super) fn by_id(&self, of: TypeId, id: &str) -> Option<Arc<dyn AnyActor>> {
        let state = self.read();
        state.kinds.get(&of)?.by_id.get(id).filter(|actor| actor.shell().is_alive()).cloned()
    }

    /// The actor of a kind that the user is bound to; it may have its last turn.
    pub(super) fn of_user(&self, of: TypeId, uid: Uid) -> Option<Arc<dyn AnyActor>> {
        self.read().kinds.get(&of)?.bound.get(&uid).cloned()
    }

    /// Moves the user to an actor; `false` if that one has ended.
    pub(super) fn bind(&self, uid: Uid, actor: Arc<dyn AnyActor>) -> bool {
        let mut state = self.write();
        if !actor.shell().is_alive() {
            return false;
        }
        let bound = &mut state.kinds.entry(actor.shell().kind.of).or_default().bound;
        if let Some(before) = bound.insert(uid, Arc::clone(&actor)) {
            before.shell().members().remove(&uid);
        }
        actor.shell().members().insert(uid);
        true
    }

    /// Ends the binding to this actor; `false` if there is none.
    pub(super) fn unbind(&self, uid: Uid, actor: &dyn AnyActor) -> bool {
        let mut state = self.write();
        let was_bound = actor.shell().members().remove(&uid);
        if was_bound && let Some(kind) = state.kinds.get_mut(&actor.shell().kind.of) {
            kind.bound.remove(&uid);
        }
        was_bound
    }

    /// Changes something that bindings depend on.
    pub(super) fn exclusively<T>(&self, change: impl FnOnce() -> T) -> T {
        let _bound_by_nobody_else = self.write();
        change()
    }

    /// Nobody is bound to the actor any more, and its id is free.
    pub(super) fn remove(&self, actor: &dyn AnyActor) {
        let mut state = self.write();
        let members = std::mem::take(&mut *actor.shell().members());
        if let Some(kind) = state.kinds.get_mut(&actor.shell().kind.of) {
            for uid in members {
                kind.bound.remove(&uid);
            }
            kind.by_id.remove(&actor.shell().id);
        }
    }

    /// Takes no more actors; these are there.
    pub(in crate::node) fn close(&self) -> Vec<Arc<dyn AnyActor>> {
        let mut state = self.write();
        state.closed = true;
        state.kinds.values().flat_map(|kind| kind.by_id.values()).cloned().collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap()
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap()
    }
}
