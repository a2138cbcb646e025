//! `due.lock`: everything that peers of any age agree on, what was removed included.

pub(crate) mod item;
mod parse;
mod read;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::output::WriteError;
use crate::write::write_whole;
use item::{Item, Key, Part};

/// Name of the file, which stands beside `due.toml`.
pub const LOCK_NAME: &str = "due.lock";

/// Every route, push, event, mesh rpc, message, field and enum value of a schema, or of all schemas that were ever shipped.
///
/// As text, one sorted line each: git merges it line by line. What is no longer in the schema stays, with the word
/// `removed`, so that its number is not used again.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    pub(crate) entries: BTreeMap<Key, Entry>,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) item: Item,
    pub(crate) removed: bool,
    /// In the schema, or in the lock file.
    place: Place,
    /// Closer places in a schema.
    parts: Vec<(Part, Place)>,
}

/// How a lock differs from the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockChanges {
    /// Lines that are new.
    pub added: usize,
    /// Lines that say something else.
    pub changed: usize,
    /// Lines that have got the word `removed`.
    pub removed: usize,
}

impl Entry {
    fn new(item: Item, place: Place) -> Self {
        Self { item, removed: false, place, parts: Vec::new() }
    }

    /// The place of a part, or of the whole.
    pub(crate) fn place(&self, part: Part) -> &Place {
        self.parts.iter().find(|(found, _)| *found == part).map_or(&self.place, |(_, place)| place)
    }
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// Everything that is wrong with it; all of it [`is_unreadable`](Diagnostic::is_unreadable).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Diagnostics> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|err| Diagnostic::unreadable(format!("`{}` cannot be read: {err}", path.display())))?;
        Self::parse(path.display().to_string(), text)
    }

    /// What is to be recorded when the schema `now` ships: all of it, and as removed whatever was shipped before.
    #[must_use]
    pub fn followed_by(&self, now: &Self) -> Self {
        let mut entries = now.entries.clone();
        for (key, entry) in &self.entries {
            // What a schema reserves it may take back; what was shipped stays.
            if !entries.contains_key(key) && !matches!(entry.item, Item::Reserved { .. }) {
                entries.insert(key.clone(), Entry { removed: true, ..entry.clone() });
            }
        }
        Self { entries }
    }

    /// What is different in `next`.
    pub fn changes(&self, next: &Self) -> LockChanges {
        let mut changes = LockChanges::default();
        for (key, entry) in &next.entries {
            match self.entries.get(key) {
                None => changes.added += 1,
                Some(old) if entry.removed && !old.removed => changes.removed += 1,
                Some(old) if old.item != entry.item || old.removed != entry.removed => changes.changed += 1,
                Some(_) => {}
            }
        }
        changes.removed += self.entries.keys().filter(|key| !next.entries.contains_key(key)).count();
        changes
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), WriteError> {
        let path = path.as_ref();
        write_whole(path, &self.to_string()).map_err(|source: io::Error| WriteError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }

    /// What is in the schema, or was when the lock was written.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| !entry.removed)
    }

    fn insert(&mut self, entry: Entry) {
        self.entries.insert(entry.item.key(), entry);
    }
}
