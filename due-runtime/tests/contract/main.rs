//! What every backend of a trait must do. Each suite is generic: a new backend runs it with one line.

#[cfg(feature = "etc")]
mod config;
mod event;
mod locator;
mod registry;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Directories that do not exist yet, below one that goes with this value.
struct Dirs {
    root: tempfile::TempDir,
    count: AtomicUsize,
}

impl Default for Dirs {
    fn default() -> Self {
        Self { root: tempfile::tempdir().unwrap(), count: AtomicUsize::default() }
    }
}

impl Dirs {
    fn next(&self) -> PathBuf {
        self.root.path().join(self.count.fetch_add(1, Ordering::Relaxed).to_string())
    }
}
