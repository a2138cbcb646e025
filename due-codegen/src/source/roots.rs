//! Which files there are: import roots, globs, and the nearest name to one that does not exist.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::diagnostic::{Diagnostic, Report};
use crate::nearest;

/// A walk stops here; no schema has as many files, but a root of `/` has.
const MOST_FILES: usize = 50_000;

/// The import roots, in the order they are searched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roots {
    roots: Vec<PathBuf>,
    /// Paths below this folder are shown with the text before them instead.
    shown: Option<(PathBuf, String)>,
}

/// What lies below the roots.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// By import name; of two with one name, the one that counts.
    pub(crate) files: BTreeMap<String, PathBuf>,
    /// Those that no import name means.
    pub(crate) unnamed: Vec<PathBuf>,
    /// Files and folders that are elsewhere, if they are anywhere.
    pub(crate) links: Vec<(PathBuf, Option<PathBuf>)>,
}

impl Roots {
    /// Reports roots that are no folder.
    pub(crate) fn new(roots: Vec<PathBuf>, report: &mut Report) -> Self {
        for root in &roots {
            match fs::metadata(root) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => report.push(Diagnostic::error(format!("import root `{}` is not a folder", root.display()))),
                Err(err) => report.push(
                    Diagnostic::unreadable(format!("import root `{}` cannot be read: {err}", root.display()))
                        .help("roots are relative to the folder of `due.toml`, or of the build script's package"),
                ),
            }
        }
        Self { roots, shown: None }
    }

    pub(crate) fn shown_as(mut self, shown: Option<(PathBuf, String)>) -> Self {
        self.shown = shown;
        self
    }

    /// A file as people know it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let known = self.shown.as_ref().and_then(|(folder, text)| Some((path.strip_prefix(folder).ok()?, text)));
        match known {
            Some((rest, text)) => format!("{text}{}", without_parents(rest)),
            None => path.display().to_string(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(PathBuf::as_path)
    }

    /// The file that `import "name"` means.
    pub(crate) fn resolve(&self, name: &str) -> Option<PathBuf> {
        self.roots.iter().map(|root| join(root, name)).find(|path| path.exists())
    }

    /// The import name of a path below a root, or of a name relative to one.
    pub(crate) fn import_name(&self, path: &Path) -> Option<String> {
        let named = || self.roots.iter().any(|root| path.is_relative() && root.join(path).is_file());
        let written = self.roots.iter().find_map(|root| slashed(&strip(path, root)?));
        written.or_else(|| self.real_name(path)).or_else(|| slashed(path).filter(|_| named()))
    }

    /// The import name of a path that leads below a root, however the two are written.
    fn real_name(&self, path: &Path) -> Option<String> {
        let path = fs::canonicalize(path).ok()?;
        self.roots.iter().find_map(|root| slashed(path.strip_prefix(fs::canonicalize(root).ok()?).ok()?))
    }

    /// Import names of all `.proto` files that a pattern matches, sorted, with the patterns that match nothing.
    pub(crate) fn matching(&self, patterns: &[String], report: &mut Report) -> (BTreeSet<String>, Vec<String>) {
        let files = self.files(report);
        let mut found = BTreeSet::new();
        let mut empty = Vec::new();
        for pattern in patterns {
            let before = found.len();
            let mut any = false;
            for name in files.keys().filter(|name| matches(pattern, name)) {
                any = true;
                found.insert(name.clone());
            }
            if !any && before == found.len() {
                empty.push(pattern.clone());
            }
        }
        (found, empty)
    }

    /// The existing import name that `name` most likely means.
    pub(crate) fn nearest(&self, name: &str) -> Option<String> {
        let files = self.files(&mut Report::default());
        let base = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let mut same_base: Vec<&String> = files.keys().filter(|file| base(file) == base(name)).collect();
        same_base.sort_by_key(|file| nearest::distance(file, name));
        match same_base.first() {
            Some(file) => Some((*file).clone()),
            None => nearest::nearest(name, files.keys().map(String::as_str)).map(str::to_owned),
        }
    }

    fn files(&self, report: &mut Report) -> BTreeMap<String, PathBuf> {
        self.walk(report).files
    }

    /// Everything that the roots hold for a run: each file by its import name, and each link with what it leads to.
    pub(crate) fn walk(&self, report: &mut Report) -> Walk {
        let Walk { mut files, mut unnamed, mut links } = Walk::default();
        for root in &self.roots {
            let mut folders = vec![root.clone()];
            let mut seen = BTreeSet::new();
            while let Some(folder) = folders.pop() {
                // A link to a parent folder would never end.
                if fs::canonicalize(&folder).is_ok_and(|real| !seen.insert(real)) {
                    continue;
                }
                let Ok(entries) = fs::read_dir(&folder) else { continue };
                for entry in entries.flatten() {
                    let path = entry.path();
                    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                    if hidden || files.len() >= MOST_FILES {
                        continue;
                    }
                    if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                        links.push((path.clone(), fs::canonicalize(&path).ok()));
                    }
                    if path.is_dir() {
                        folders.push(path);
                    } else if path.extension().is_some_and(|ext| ext == "proto") {
                        match strip(&path, root).and_then(|rest| slashed(&rest)) {
                            Some(name) => match files.entry(name) {
                                Entry::Vacant(free) => {
                                    free.insert(path);
                                }
                                Entry::Occupied(first) => {
                                    report.push(Diagnostic::warning(format!(
                                        "`{}` is not used: `{}` comes first under the same import name",
                                        path.display(),
                                        first.get().display()
                                    )));
                                    unnamed.push(path);
                                }
                            },
                            None => {
                                report.push(Diagnostic::unreadable(format!(
                                    "the file name `{}` is not UTF-8, so no import can name it",
                                    path.display()
                                )));
                                unnamed.push(path);
                            }
                        }
                    }
                }
            }
        }
        unnamed.sort();
        links.sort();
        Walk { files, unnamed, links }
    }
}

/// `a/../b` as `b`.
fn without_parents(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir if parts.pop().is_some() => {}
            part => parts.push(part.as_os_str().to_string_lossy().into_owned()),
        }
    }
    parts.join("/")
}

fn join(root: &Path, name: &str) -> PathBuf {
    // `./proto` and `proto` read the same in messages.
    if root == Path::new(".") || root.as_os_str().is_empty() { PathBuf::from(name) } else { root.join(name) }
}

fn strip(path: &Path, root: &Path) -> Option<PathBuf> {
    let clean = |path: &Path| path.components().filter(|part| part.as_os_str() != ".").collect::<PathBuf>();
    match clean(path).strip_prefix(clean(root)) {
        Ok(rest) if !path.has_root() || root.has_root() => Some(rest.to_owned()),
        _ => None,
    }
}

fn slashed(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path.components().map(|part| part.as_os_str().to_str()).collect();
    let name = parts?.join("/");
    (!name.is_empty() && !name.split('/').any(|part| part == "..")).then_some(name)
}

/// Glob on import names: `*` and `?` stay inside a folder, `**` crosses folders and may match none.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_start_matches("./").split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    // Row by row over the pattern, so that many stars stay cheap.
    let mut reach = vec![false; name.len() + 1];
    reach[0] = true;
    for part in pattern {
        let mut next = vec![false; name.len() + 1];
        if part == "**" {
            let mut open = false;
            for (i, from) in reach.iter().enumerate() {
                open |= from;
                next[i] = open;
            }
        } else {
            for i in 0..name.len() {
                next[i + 1] = reach[i] && wild(part, name[i]);
            }
        }
        reach = next;
    }
    reach[name.len()]
}

fn wild(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for part in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        match part {
            '*' => {
                let mut open = false;
                for (i, from) in reach.iter().enumerate() {
                    open |= from;
                    next[i] = open;
                }
            }
            _ => {
                for i in 0..text.len() {
                    next[i + 1] = reach[i] && (part == '?' || part == text[i]);
                }
            }
        }
        reach = next;
    }
    reach[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_import_names() {
        assert!(matches("**/*.proto", "a.proto"));
        assert!(matches("**/*.proto", "x/y/a.proto"));
        assert!(!matches("*.proto", "x/a.proto"));
        assert!(matches("x/**", "x/y/a.proto"));
        assert!(matches("x/?.proto", "x/a.proto"));
        assert!(!matches("x/?.proto", "x/ab.proto"));
        assert!(!matches(&format!("{}b", "**/*a/".repeat(40)), &"a/".repeat(80)));
    }

    #[test]
    fn names_are_relative_to_their_root() {
        assert_eq!(strip(Path::new("./proto/x/a.proto"), Path::new("proto")), Some("x/a.proto".into()));
        assert_eq!(strip(Path::new("/p/a.proto"), Path::new("/p/")), Some("a.proto".into()));
        assert_eq!(strip(Path::new("/p/a.proto"), Path::new("")), None);
        assert_eq!(slashed(Path::new("../a.proto")), None);
    }
}
