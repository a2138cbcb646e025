//! Who is connected, and why others are not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Reasons that are told apart; the rest is one.
const REASONS: usize = 20;

/// Counts of connections.
#[derive(Default)]
pub(super) struct Crowd {
    open: AtomicUsize,
    most: AtomicUsize,
    causes: Mutex<Causes>,
}

/// How often which thing happened.
#[derive(Clone, Default)]
pub(super) struct Causes {
    /// Connections that ended although nobody here wanted it.
    pub(super) lost: BTreeMap<String, u64>,
    /// Connections that could not be opened, or not log in.
    pub(super) failed: BTreeMap<String, u64>,
}

impl Crowd {
    pub(super) fn came(&self) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(open, Ordering::Relaxed);
    }

    pub(super) fn went(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn lost(&self, why: &str) {
        self.with_causes(|causes| count(&mut causes.lost, why));
    }

    pub(super) fn failed(&self, why: &str) {
        self.with_causes(|causes| count(&mut causes.failed, why));
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// As many as were open at the same time.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    pub(super) fn causes(&self) -> Causes {
        self.with_causes(|causes| causes.clone())
    }

    fn with_causes<T>(&self, look: impl FnOnce(&mut Causes) -> T) -> T {
        look(&mut self.causes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn count(causes: &mut BTreeMap<String, u64>, why: &str) {
    let why = if causes.contains_key(why) || causes.len() < REASONS { why } else { "other reasons" };
    *causes.entry(why.to_owned()).or_default() += 1;
}
