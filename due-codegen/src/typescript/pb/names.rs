//! Names in the emitted files, as protoc-gen-es makes them.

use std::collections::HashSet;

/// Words that are no names in TypeScript, or that the emitted text needs for itself. Sorted.
const RESERVED: &[&str] = &[
    "Object",
    "Partial",
    "Uint8Array",
    "bigint",
    "boolean",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "globalThis",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "number",
    "object",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "string",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// A name of its own in the module.
pub(super) fn identifier(name: String) -> String {
    if RESERVED.binary_search(&name.as_str()).is_ok() { name + "$" } else { name }
}

/// A property: those that every object has are avoided.
pub(crate) fn property(name: &str) -> String {
    let taken = matches!(name, "constructor" | "toString" | "toJSON" | "valueOf");
    if taken { format!("{name}$") } else { name.to_owned() }
}

/// protoc's JSON name of a field: `foo_bar` gives `fooBar`. Only underscores matter: `Foo__bar_1b` gives `FooBar1b`.
pub(crate) fn json_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut after_underscore = false;
    for c in name.chars() {
        if c != '_' {
            out.push(if after_underscore { c.to_ascii_uppercase() } else { c });
        }
        after_underscore = c == '_';
    }
    out
}

/// The property of a method: `GetUser` gives `getUser`.
pub(crate) fn method(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    property(&name)
}

/// How many bytes all values of an enum have in common with its name: 6 for `enum Color { COLOR_RED = 0; }`. 0 if some
/// value would not be a name without them.
pub(super) fn shared_prefix<'a>(enum_name: &str, values: impl Iterator<Item = &'a str>) -> usize {
    let mut prefix = String::new();
    for (i, c) in enum_name.char_indices() {
        if i > 0 && c.is_ascii_uppercase() {
            prefix.push('_');
        }
        prefix.push(c.to_ascii_lowercase());
    }
    prefix.push('_');
    for value in values {
        let Some((start, rest)) = value.split_at_checked(prefix.len()) else { return 0 };
        let starts_badly = rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit());
        if !start.eq_ignore_ascii_case(&prefix) || starts_badly {
            return 0;
        }
    }
    prefix.len()
}

/// The constant that describes a file: `a/b-c.proto` gives `file_a_b_c`. Takes the name without its extension.
pub(super) fn file(name: &str) -> String {
    let mut out = "file_".to_owned();
    let mut gap = false;
    for c in name.chars() {
        // An underscore is a name's own, others of a row become one.
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
            gap = false;
        } else if !gap {
            out.push('_');
            gap = true;
        }
    }
    out
}

/// Names that are taken in one file.
#[derive(Debug, Default)]
pub(super) struct Taken(HashSet<String>);

impl Taken {
    /// Takes `name`, or else `name$`, `name$1`, `name$2` ..
    pub(super) fn fresh(&mut self, name: &str) -> String {
        let salted = |i: u32| match i {
            0 => identifier(name.to_owned()),
            1 => identifier(format!("{name}$")),
            _ => identifier(format!("{name}${}", i - 1)),
        };
        let name = (0..).map(salted).find(|name| !self.0.contains(name)).expect("numbers do not end");
        self.0.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_in_order() {
        assert!(RESERVED.is_sorted());
        assert_eq!(identifier("class".to_owned()), "class$");
        assert_eq!(identifier("await".to_owned()), "await");
        assert_eq!(property("toString"), "toString$");
        assert_eq!(property("__proto__"), "__proto__");
        assert_eq!(method("ToString"), "toString$");
        assert_eq!(method("Class"), "class");
    }

    #[test]
    fn fields_get_json_names() {
        for (name, json) in [("foo_bar", "fooBar"), ("_a", "A"), ("a__b_", "aB"), ("a_1b", "a1b"), ("A_B", "AB")] {
            assert_eq!(json_name(name), json);
        }
    }

    #[test]
    fn values_lose_what_they_share_with_their_enum() {
        let shared = |name, values: &[&str]| shared_prefix(name, values.iter().copied());
        assert_eq!(shared("Color", &["COLOR_RED", "color_blue"]), 6);
        assert_eq!(shared("FooBar", &["FOO_BAR_A"]), 8);
        assert_eq!(shared("FOO", &["FOO_A"]), 0);
        assert_eq!(shared("Color", &["COLOR_RED", "OTHER"]), 0);
        assert_eq!(shared("Color", &["COLOR_"]), 0);
        assert_eq!(shared("Color", &["COLOR_1"]), 0);
        assert_eq!(shared("Color", &["COLOR__1"]), 6);
    }

    #[test]
    fn file_names_become_identifiers() {
        assert_eq!(file("a/b-c.d"), "file_a_b_c_d");
        assert_eq!(file("a/-/b__c"), "file_a_b__c");
        assert_eq!(file("路由/1"), "file__1");
    }

    #[test]
    fn taken_names_are_numbered() {
        let mut taken = Taken::default();
        let names: Vec<String> = (0..4).map(|_| taken.fresh("Foo")).collect();
        assert_eq!(names, ["Foo", "Foo$", "Foo$1", "Foo$2"]);
        assert_eq!(taken.fresh("class"), "class$");
        assert_eq!(taken.fresh("class"), "class$1");
    }
}
