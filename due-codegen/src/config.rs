//! `due.toml`.

use std::path::PathBuf;

/// How Rust is generated: the `[rust]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RustOptions {
    /// The output folder.
    pub out: PathBuf,
    /// Proto path with a leading dot and the Rust path that replaces it: `.shared.v1`, `::shared::v1`.
    pub extern_paths: Vec<(String, String)>,
    /// Path of the runtime in generated text.
    pub runtime: String,
    /// Whether mocks are generated.
    pub mocks: bool,
}

impl Default for RustOptions {
    fn default() -> Self {
        Self { out: PathBuf::from("src/gen"), extern_paths: Vec::new(), runtime: "::due".into(), mocks: true }
    }
}
