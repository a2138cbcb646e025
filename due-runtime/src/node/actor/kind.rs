//! What a node knows of actors before there are any.

use std::any::{TypeId, type_name};

use super::Actor;
use crate::cluster::Event;

/// Whose routes a table has: actors of one type, under the name that the schema gives them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ActorKind {
    pub(in crate::node) name: &'static str,
    pub(in crate::node) of: TypeId,
    pub(in crate::node) type_name: &'static str,
    pub(in crate::node) mailbox: usize,
    pub(in crate::node) events: &'static [Event],
}

impl ActorKind {
    /// Actors of the type `A`, called `name`.
    pub fn of<A: Actor>(name: &'static str) -> Self {
        let (mailbox, events) = (A::MAILBOX, A::EVENTS);
        Self { name, of: TypeId::of::<A>(), type_name: type_name::<A>(), mailbox, events }
    }

    /// What actors without routes are called.
    pub(super) fn unnamed<A: Actor>() -> Self {
        Self::of::<A>(type_name::<A>())
    }

    /// Adds it to those that are known. `Err`: the one that it contradicts.
    pub(in crate::node) fn join(self, known: &mut Vec<Self>) -> Result<usize, Self> {
        match known.iter().position(|kind| kind.name == self.name || kind.of == self.of) {
            None => {
                known.push(self);
                Ok(known.len() - 1)
            }
            Some(index) if known[index].name == self.name && known[index].of == self.of => Ok(index),
            Some(index) => Err(known[index]),
        }
    }
}
