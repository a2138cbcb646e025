//! Every identifier is made here. Messages, fields and enums follow prost-build's rules, so that paths to them are right.

use std::collections::BTreeSet;

use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};

/// Methods that generated clients of nodes have besides their rpcs.
pub(crate) const CLIENT_METHODS: &[&str] = &["new", "with_timeout", "clone"];
/// Methods that a generated mesh client has besides its rpcs.
pub(crate) const MESH_CLIENT_METHODS: &[&str] =
    &["new", "connect", "local", "with_timeout", "with_interceptor", "with_origin", "clone"];
/// Methods that generated mocks have besides the setters.
pub(crate) const MOCK_METHODS: &[&str] = &["new", "client", "caller", "clone", "default"];

/// A module, field or method: `type` gives `r#type`, `self` gives `self_`. Empty if `name` has no letter or digit.
pub(crate) fn snake(name: &str) -> String {
    sanitize(name.to_snake_case())
}

/// A type or variant: `foo_bar` gives `FooBar`. Empty if `name` has no letter or digit.
pub(crate) fn camel(name: &str) -> String {
    sanitize(name.to_upper_camel_case())
}

/// A constant: `GetUser` gives `GET_USER`.
pub(crate) fn shouty(name: &str) -> String {
    sanitize(name.to_shouty_snake_case())
}

/// Variant of the Rust enum `enum_name`, whose name is taken off its front as prost does.
pub(crate) fn variant(enum_name: &str, value: &str) -> String {
    let name = camel(value);
    let stripped = name.strip_prefix(enum_name).unwrap_or(&name);
    if stripped.chars().next().is_some_and(char::is_uppercase) { sanitize(stripped.to_owned()) } else { sanitize(name) }
}

/// Modules of a package: `google.type` gives `["google", "r#type"]`.
pub(crate) fn modules(package: &str) -> Vec<String> {
    package.split('.').filter(|part| !part.is_empty()).map(snake).collect()
}

/// The output file of a package: `hello.v1.rs`, `_.rs` without a package. Never `mod.rs`, which holds the tree.
pub(crate) fn file_name(package: &str) -> String {
    match modules(package).join(".").replace("r#", "").as_str() {
        "" => "_.rs".to_owned(),
        "mod" => "mod_.rs".to_owned(),
        name => format!("{name}.rs"),
    }
}

/// Names that are taken in one Rust namespace; new ones get `_` appended until they are free.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    taken: BTreeSet<String>,
}

impl Scope {
    pub(crate) fn with<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { taken: names.into_iter().map(str::to_owned).collect() }
    }

    /// Marks a name as taken; false if it was.
    pub(crate) fn take(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_owned())
    }

    /// Makes `name` free by trailing underscores, and takes it.
    pub(crate) fn fresh(&mut self, name: &str) -> String {
        let mut name = name.to_owned();
        while !self.take(&name) {
            // A raw identifier with an underscore is no keyword any more.
            name = format!("{}_", name.strip_prefix("r#").unwrap_or(&name));
        }
        name
    }
}

fn sanitize(name: String) -> String {
    match name.as_str() {
        "_" | "super" | "self" | "Self" | "extern" | "crate" => format!("{name}_"),
        "as" | "break" | "const" | "continue" | "else" | "enum" | "false" | "fn" | "for" | "if" | "impl" | "in"
        | "let" | "loop" | "match" | "mod" | "move" | "mut" | "pub" | "ref" | "return" | "static" | "struct"
        | "trait" | "true" | "type" | "unsafe" | "use" | "where" | "while" | "dyn" | "abstract" | "become" | "box"
        | "do" | "final" | "macro" | "override" | "priv" | "typeof" | "unsized" | "virtual" | "yield" | "async"
        | "await" | "try" | "gen" => format!("r#{name}"),
        _ if name.starts_with(char::is_numeric) => format!("_{name}"),
        _ => name,
    }
}
