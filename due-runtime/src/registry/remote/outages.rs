use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Cause;

/// What fails at the moment: the first is said in the log, and that nothing is left.
#[derive(Debug)]
pub(super) struct Outages {
    registry: &'static str,
    subjects: Mutex<BTreeSet<String>>,
}

impl Outages {
    pub(super) fn new(registry: &'static str) -> Self {
        Self { registry, subjects: Mutex::default() }
    }

    pub(super) fn begin(&self, subject: &str, cause: Cause) {
        let (registry, error) = (self.registry, &*cause as &dyn std::error::Error);
        let mut subjects = lock(&self.subjects);
        if subjects.is_empty() {
            tracing::warn!(
                registry,
                subject,
                error,
                "the registry is lost; what is known stays, and it is tried again"
            );
        } else {
            tracing::debug!(registry, subject, error, "the registry is still lost");
        }
        subjects.insert(subject.to_owned());
    }

    pub(super) fn over(&self, subject: &str) {
        let mut subjects = lock(&self.subjects);
        if subjects.remove(subject) && subjects.is_empty() {
            tracing::info!(registry = self.registry, "the registry is back");
        }
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&self, subject: &str) {
        lock(&self.subjects).remove(subject);
    }
}

/// Entries that cannot be read, each named once until it was right again or gone.
#[derive(Debug, Default)]
pub(in crate::registry) struct Complaints {
    keys: Mutex<BTreeSet<String>>,
}

impl Complaints {
    pub(in crate::registry) fn wrong(&self, key: &str, reason: &str) {
        if lock(&self.keys).insert(key.to_owned()) {
            tracing::warn!(key, reason, "an entry in the registry is skipped");
        }
    }

    pub(in crate::registry) fn right(&self, key: &str) {
        lock(&self.keys).remove(key);
    }

    /// Forgets those that are gone.
    pub(in crate::registry) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.keys).retain(|key| is_there(key));
    }
}

fn lock(set: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}
