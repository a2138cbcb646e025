//! One Rust namespace and the proto declarations that put a name into it.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Place, Report};

/// Modules of these names would hide the types that prost's code means.
const PRIMITIVES: &[&str] = &["bool", "f32", "f64", "i32", "i64", "str", "u32", "u64", "u8", "usize"];

/// Names with the declaration that gave them.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    names: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What a reader calls it: "message `foo_bar`".
    pub(super) what: String,
    pub(super) place: Place,
}

impl Namespace {
    /// Adds a name; one that another declaration has is reported, and so is an empty one. `kind` is what becomes of
    /// it: "Rust type".
    pub(super) fn add(&mut self, name: String, kind: &str, entry: Entry, report: &mut Report) -> bool {
        if name.is_empty() {
            report.push(
                Diagnostic::error(format!("{} has no letter or digit to make a {kind} of", entry.what))
                    .at(&entry.place, "")
                    .help("rename it"),
            );
            return false;
        }
        if kind == MODULE && PRIMITIVES.contains(&name.as_str()) {
            report.push(
                Diagnostic::error(format!(
                    "{} becomes the {kind} `{name}`, which hides the type of that name",
                    entry.what
                ))
                .at(&entry.place, "")
                .help("rename it"),
            );
            return false;
        }
        if let Some(first) = self.names.get(&name) {
            report.push(
                Diagnostic::error(format!("{} and {} both become the {kind} `{name}`", entry.what, first.what))
                    .at(&entry.place, "")
                    .at(&first.place, "the other one")
                    .help("rename one of them"),
            );
            return false;
        }
        self.names.insert(name, entry);
        true
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }
}

/// What a package and a message with nested types become.
pub(super) const MODULE: &str = "Rust module";
