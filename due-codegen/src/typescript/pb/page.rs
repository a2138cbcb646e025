//! The text of a file while it grows: names from elsewhere are holes, filled in when all of them are known.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// A file in the making.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The file's own module.
    module: &'a str,
    text: String,
    /// Where symbols go, as offsets in the text.
    holes: Vec<(usize, usize)>,
    /// Imported names in the order of their first use.
    symbols: Vec<Symbol<'a>>,
    known: HashMap<(&'a str, &'a str), usize>,
    /// Names that the file declares.
    taken: HashSet<String>,
}

#[derive(Debug)]
struct Symbol<'a> {
    module: &'a str,
    name: &'a str,
    /// Whether some use needs more than the type.
    is_value: bool,
}

/// How a symbol is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Type,
    Value,
}

impl<'a> Page<'a> {
    pub(super) fn new(module: &'a str) -> Self {
        Self {
            module,
            text: String::new(),
            holes: Vec::new(),
            symbols: Vec::new(),
            known: HashMap::new(),
            taken: HashSet::new(),
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// `export`, what it is, and its name.
    pub(super) fn export(&mut self, declaration: &str, name: &str) {
        self.taken.insert(name.to_owned());
        self.text.extend(["export ", declaration, " ", name]);
    }

    /// A name that `module` exports, be it another one or this.
    pub(super) fn name(&mut self, module: &'a str, name: &'a str, usage: Use) {
        if module == self.module {
            self.taken.insert(name.to_owned());
            self.text.push_str(name);
            return;
        }
        let id = *self.known.entry((module, name)).or_insert_with(|| {
            self.symbols.push(Symbol { module, name, is_value: false });
            self.symbols.len() - 1
        });
        self.symbols[id].is_value |= usage == Use::Value;
        self.holes.push((self.text.len(), id));
    }

    /// Import statements, and the text behind them.
    pub(super) fn finish(mut self, import_extension: &str) -> String {
        let names: Vec<String> = self.symbols.iter().map(|symbol| free(symbol.name, &mut self.taken)).collect();
        let mut out = String::with_capacity(self.text.len() + 64 * self.symbols.len());
        self.write_imports(&names, import_extension, &mut out);
        let mut at = 0;
        for (offset, id) in &self.holes {
            out.push_str(&self.text[at..*offset]);
            out.push_str(&names[*id]);
            at = *offset;
        }
        out.push_str(&self.text[at..]);
        out
    }

    fn write_imports(&self, names: &[String], import_extension: &str, out: &mut String) {
        let mut modules: Vec<(&str, [Vec<usize>; 2])> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (id, symbol) in self.symbols.iter().enumerate() {
            let place = *places.entry(symbol.module).or_insert_with(|| {
                modules.push((symbol.module, Default::default()));
                modules.len() - 1
            });
            modules[place].1[usize::from(symbol.is_value)].push(id);
        }
        for (module, lists) in &mut modules {
            let from = relative(self.module, module, import_extension);
            for (list, keyword) in lists.iter_mut().zip(["import type", "import"]).filter(|(list, _)| !list.is_empty())
            {
                list.sort_by(|a, b| collate(self.symbols[*a].name, self.symbols[*b].name));
                let clause = |id: &usize| {
                    let (name, here) = (self.symbols[*id].name, &names[*id]);
                    if name == here { name.to_owned() } else { format!("{name} as {here}") }
                };
                let list: Vec<String> = list.iter().map(clause).collect();
                out.push_str(&format!("{keyword} {{ {} }} from {};\n", list.join(", "), quote(&from)));
            }
        }
        if !modules.is_empty() {
            out.push('\n');
        }
    }
}

/// What a symbol is called here: `Foo`, or `Foo$1` if the file has a `Foo`.
fn free(name: &str, taken: &mut HashSet<String>) -> String {
    let mut here = name.to_owned();
    let mut i = 1;
    while taken.contains(&here) {
        here = format!("{name}${i}");
        i += 1;
    }
    taken.insert(here.clone());
    here
}

/// The path that leads from one emitted module to another. Packages stay as they are.
pub(crate) fn relative(importer: &str, module: &str, import_extension: &str) -> String {
    let (Some(importer), Some(module)) = (importer.strip_prefix("./"), module.strip_prefix("./")) else {
        return module.to_owned();
    };
    let module = format!("{}{import_extension}", module.strip_suffix(".js").unwrap_or(module));
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (mut from, to) = (parts(importer), parts(&module));
    from.pop();
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let path = [vec!["..".to_owned(); from.len() - same], to[same..].to_vec()].concat().join("/");
    if path.starts_with("../") || path.starts_with("./") { path } else { format!("./{path}") }
}

/// A string literal.
pub(super) fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// The order of names in a list of imports, which is that of dictionaries: `_`, `$`, digits, letters, and only among
/// equal letters small ones first.
fn collate(a: &str, b: &str) -> Ordering {
    let weight = |c: char| match c {
        '_' => (0, c),
        '$' => (1, c),
        _ if c.is_ascii_digit() => (2, c),
        _ => (3, c.to_ascii_lowercase()),
    };
    let case = |c: char| c.is_ascii_uppercase();
    a.chars().map(weight).cmp(b.chars().map(weight)).then_with(|| a.chars().map(case).cmp(b.chars().map(case)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_in_dictionaries() {
        let mut names = ["b", "B", "a_b", "aB", "ab", "Ab", "a1", "a$1", "_a", "A", "a"];
        names.sort_by(|a, b| collate(a, b));
        assert_eq!(names, ["_a", "a", "A", "a_b", "a$1", "a1", "ab", "aB", "Ab", "b", "B"]);
    }

    #[test]
    fn modules_are_relative_to_each_other() {
        let path = |from, to| relative(from, to, "");
        assert_eq!(path("./a_pb.js", "./b_pb.js"), "./b_pb");
        assert_eq!(path("./x/a_pb.js", "./b_pb.js"), "../b_pb");
        assert_eq!(path("./x/y/a_pb.js", "./x/z/b_pb.js"), "../z/b_pb");
        assert_eq!(path("./a_pb.js", "./x/b_pb.js"), "./x/b_pb");
        assert_eq!(path("./a_pb.js", "@bufbuild/protobuf/wkt"), "@bufbuild/protobuf/wkt");
        assert_eq!(relative("./a_pb.js", "./b_pb.js", ".ts"), "./b_pb.ts");
        assert_eq!(relative("./x/a_pb.js", "./b_pb.js", ".js"), "../b_pb.js");
    }

    #[test]
    fn imports_give_way_to_declarations() {
        let mut page = Page::new("./a_pb.js");
        page.export("type", "Foo");
        page.push(" = ");
        page.name("./b_pb.js", "Foo", Use::Type);
        page.push(" | ");
        page.name("./c_pb.js", "Foo", Use::Type);
        page.push(" | ");
        page.name("./b_pb.js", "bar", Use::Value);
        page.push(";\n");
        let text = "import type { Foo as Foo$1 } from \"./b_pb\";\n\
                    import { bar } from \"./b_pb\";\n\
                    import type { Foo as Foo$2 } from \"./c_pb\";\n\n\
                    export type Foo = Foo$1 | Foo$2 | bar;\n";
        assert_eq!(page.finish(""), text);
    }

    #[test]
    fn strings_are_quoted() {
        assert_eq!(quote("a\"\\\r\n路"), r#""a\"\\\r\n路""#);
    }
}
