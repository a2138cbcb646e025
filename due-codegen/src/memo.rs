//! What a run has read and made, so that the next one can tell in a blink that there is nothing to do.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::diagnostic::Report;
use crate::output::{Folder, Kept as _, Language};
use crate::source::roots::Roots;
use crate::stage::Staged;

/// The state of a project before a run of [`Builder::stage`](crate::Builder::stage): its configuration, and which files
/// there are.
///
/// ```no_run
/// # fn main() -> Result<(), due_codegen::Error> {
/// use due_codegen::{Builder, Config, Memo};
///
/// let (config, _) = Config::load("due.toml")?;
/// let memo = Memo::begin("due.toml", &config);
/// let stored = std::fs::read_to_string("memo").unwrap_or_default();
/// if memo.up_to_date(&stored).is_none() {
///     let staged = Builder::from(config).stage()?;
///     staged.commit()?;
///     if let Some(text) = memo.finish(&staged) {
///         let _ = std::fs::write("memo", text);
///     }
/// }
/// # Ok(()) }
/// ```
///
/// Contents are compared, not times: by hashes of 64 bits, which are those of this build of the crate alone. Whoever stores
/// memos tells builds apart, and does not take memos from strangers.
#[derive(Debug)]
pub struct Memo {
    roots: Roots,
    outs: Vec<(Language, PathBuf)>,
    /// Templates of users may include any file beside them: they are rendered every time.
    templates: bool,
    /// Of the configuration, and of the names and places of all files below the roots. Taken before the run: what changes meanwhile
    /// is seen by the next one.
    before: u64,
}

impl Memo {
    /// Looks at a project. `config` is what `path` says.
    pub fn begin(path: impl AsRef<Path>, config: &Config) -> Self {
        let roots = Roots::new(config.roots.clone(), &mut Report::default());
        let (names, _) = roots.matching(&["**".to_owned()], &mut Report::default());
        let rust = config.rust.iter().map(|options| (Language::Rust, options.out.clone()));
        let typescript = config.typescript.iter().map(|options| (Language::TypeScript, options.out.clone()));
        // A file may come to hide one of another root.
        let files: Vec<_> = names.iter().map(|name| (name, roots.resolve(name))).collect();
        let before = hash(&(fs::read(path.as_ref()).ok(), files));
        Self { roots, outs: rust.chain(typescript).collect(), templates: !config.templates.is_empty(), before }
    }

    /// How many files there are, if all that the run with this memo has read and written is as it was.
    pub fn up_to_date(&self, stored: &str) -> Option<usize> {
        let mut lines = stored.lines();
        let (before, outs) = lines.next()?.split_once(' ')?;
        // The names of what is in the folders show what does not belong there.
        if before != self.before.to_string() || outs != self.outs()?.to_string() {
            return None;
        }
        let mut count = 0;
        for line in lines {
            let mut parts = line.splitn(3, ' ');
            let (kind, expected, name) = (parts.next()?, parts.next()?, parts.next()?);
            let path = match kind {
                "read" => self.roots.resolve(name)?,
                _ => {
                    count += 1;
                    self.outs.get(kind.parse::<usize>().ok()?)?.1.join(name)
                }
            };
            let text = fs::read_to_string(path).ok()?;
            let found = if kind == "read" { hash(without_mark(&text)) } else { written(&text) };
            if expected != found.to_string() {
                return None;
            }
        }
        Some(count)
    }

    /// What to store after the output was written. `None` if there is anything to warn of, which every run has to say again,
    /// a `[[template]]`, or a path that is not UTF-8.
    pub fn finish(self, staged: &Staged) -> Option<String> {
        let output = &staged.output;
        if self.templates || !output.warnings().is_empty() {
            return None;
        }
        let mut text = format!("{} {}\n", self.before, self.outs()?);
        for (name, read) in output.read() {
            writeln!(text, "read {} {name}", hash(read)).ok()?;
        }
        for (index, tree) in output.trees().iter().enumerate() {
            for file in tree.files() {
                writeln!(text, "{index} {} {}", file.hash, file.path().to_str()?).ok()?;
            }
        }
        Some(text)
    }

    /// Of the names of everything that lies where output belongs.
    fn outs(&self) -> Option<u64> {
        let names = self.outs.iter().map(|(language, folder)| Folder::found(*language, folder).ok());
        Some(hash(&names.collect::<Option<Vec<_>>>()?))
    }
}

/// As the parser sees it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Line ends of what was written are no difference, here as in [`Builder::stage`](crate::Builder::stage).
pub(crate) fn written(text: &str) -> u64 {
    if text.contains('\r') { hash(&*text.replace("\r\n", "\n")) } else { hash(text) }
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::builder::Builder;

    const HELLO: &str =
        "syntax = \"proto3\";\npackage hello;\nimport \"inner/b.proto\";\nmessage A { inner.B b = 1; }\n";
    const FILES: &[(&str, &str)] = &[
        (
            "due.toml",
            "[proto]\nroots = [\"first\", \"proto\"]\n[rust]\nout = \"gen\"\n[typescript]\nout = \"web/gen\"\n",
        ),
        ("first/x.proto", "syntax = \"proto3\";\npackage x;\n"),
        ("proto/hello.proto", HELLO),
        ("proto/inner/b.proto", "syntax = \"proto3\";\npackage inner;\nmessage B {}\n"),
    ];

    struct Project(TempDir);

    impl Project {
        fn new() -> Self {
            let project = Self(tempfile::tempdir().unwrap());
            FILES.iter().for_each(|(path, text)| project.write(path, text));
            project
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.0.path().join(path)).unwrap()
        }

        fn begin(&self) -> (Memo, Config) {
            let path = self.0.path().join("due.toml");
            let (config, _) = Config::load(&path).unwrap();
            (Memo::begin(path, &config), config)
        }

        fn generate(&self) -> Option<String> {
            let (memo, config) = self.begin();
            let staged = Builder::from(config).stage().unwrap();
            staged.commit().unwrap();
            memo.finish(&staged)
        }

        fn up_to_date(&self, memo: &str) -> Option<usize> {
            self.begin().0.up_to_date(memo)
        }
    }

    #[test]
    fn a_project_in_which_nothing_has_changed_is_up_to_date() {
        let project = Project::new();
        let memo = project.generate().unwrap();
        let files = project.up_to_date(&memo);
        assert!(files.is_some_and(|files| files > 20), "{files:?}");
        // git may have changed the line ends, and an editor may have put a mark before the text.
        project.write("gen/hello.rs", &project.read("gen/hello.rs").replace('\n', "\r\n"));
        project.write("proto/hello.proto", &format!("\u{feff}{HELLO}"));
        assert_eq!(project.up_to_date(&memo), files);
        for broken in ["", "\n", "1 2\n", &memo[1..], &memo.replace("read", "9"), &memo.replace(' ', "")] {
            assert_eq!(project.up_to_date(broken), None, "{broken}");
        }
    }

    type Change = fn(&Project);

    #[test]
    fn every_change_is_seen() {
        let changes: &[(&str, Change)] = &[
            ("a comment", |project| project.write("proto/hello.proto", &format!("{HELLO}// More.\n"))),
            ("an import", |project| project.write("proto/inner/b.proto", &format!("{}// More.\n", FILES[3].1))),
            ("a new file", |project| project.write("proto/new.proto", "syntax = \"proto3\";\n")),
            ("a file that hides another", |project| project.write("first/inner/b.proto", FILES[3].1)),
            ("a file that is gone", |project| fs::remove_file(project.0.path().join("first/x.proto")).unwrap()),
            ("the configuration", |project| project.write("due.toml", &format!("{}view = \"full\"\n", FILES[0].1))),
            ("output", |project| project.write("gen/hello.rs", &project.read("gen/hello.rs").replace('A', "Z"))),
            ("output that is gone", |project| fs::remove_file(project.0.path().join("gen/mod.rs")).unwrap()),
            ("stale output", |project| project.write("gen/old.rs", &project.read("gen/mod.rs"))),
            ("stale TypeScript", |project| project.write("web/gen/a/old.ts", &project.read("web/gen/hello_pb.ts"))),
        ];
        for (what, change) in changes {
            let project = Project::new();
            let memo = project.generate().unwrap();
            assert!(project.up_to_date(&memo).is_some());
            change(&project);
            assert_eq!(project.up_to_date(&memo), None, "{what}");
        }
    }

    #[test]
    fn warnings_are_not_forgotten() {
        let project = Project::new();
        project.write("proto/s.proto", "syntax = \"proto3\";\npackage s;\nservice S {}\n");
        assert_eq!(project.generate(), None);
    }

    #[test]
    fn templates_are_rendered_every_time() {
        let project = Project::new();
        project.write("due.toml", &format!("{}[[template]]\ntemplate = \"due:go\"\nout = \"r.go\"\n", FILES[0].1));
        assert_eq!(project.generate(), None);
    }
}
