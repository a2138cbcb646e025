//! What a run writes: compare in memory, write only what changed, remove only what is ours.

use std::path::PathBuf;

/// One file of the output folder, formatted and with its header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeneratedFile {
    /// Relative to the output folder.
    pub path: PathBuf,
    /// The whole text.
    pub contents: String,
}

impl GeneratedFile {
    pub(crate) fn new(path: impl Into<PathBuf>, contents: impl Into<String>) -> Self {
        Self { path: path.into(), contents: contents.into() }
    }
}
