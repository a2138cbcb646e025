use tempfile::TempDir;

use super::*;
use crate::builder::Builder;
use crate::diagnostic::Diagnostic;

const HELLO: &str = "syntax = \"proto3\";\npackage hello;\nimport \"inner/b.proto\";\nmessage A { inner.B b = 1; }\n";
const SERVICE: &str = "syntax = \"proto3\";\npackage s;\n// Odd: é.\nservice S {}\n";
/// What every run says of it.
const WARNING: &str = "warning: nothing is generated for service `s.S`";
const LIST: &str = "# {{ header }}\n{% import 'tools/names.j2' as names %}\n{% include 'part.j2' %}\n{% include 'own.j2' ignore missing %}\n";
const FILES: &[(&str, &str)] = &[
    (
        "due.toml",
        "[proto]\nroots = [\"first\", \"proto\"]\n[rust]\nout = \"gen\"\n[typescript]\nout = \"web/gen\"\n\
         [[template]]\ntemplate = \"t/list.j2\"\nout = \"list.txt\"\n\
         [[template]]\ntemplate = \"due:go\"\nout = \"go/{{ package.name }}.go\"\nper = \"package\"\nvars = { package = \"r\" }\n",
    ),
    ("first/x.proto", "syntax = \"proto3\";\npackage x;\n"),
    ("proto/hello.proto", HELLO),
    ("proto/inner/b.proto", "syntax = \"proto3\";\npackage inner;\nmessage B {}\n"),
    ("proto/s.proto", SERVICE),
    ("t/list.j2", LIST),
    ("t/part.j2", "{% include 'tools/deep.j2' %}\n"),
    ("t/tools/names.j2", "{% import 'tools/deep.j2' as deep %}\n"),
    ("t/tools/deep.j2", "deep\n"),
];

struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        FILES.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    /// Beside it there is room for what lies outside.
    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("project").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path}: {text}");
        self.write(path, &text.replace(from, to));
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    fn begin(&self) -> (Memo, Config) {
        let path = self.path("due.toml");
        let (config, _) = Config::load(&path).unwrap();
        (Memo::begin(path, &config), config)
    }

    /// The memo, and what there was to warn of.
    fn generate(&self) -> (Vec<u8>, Diagnostics) {
        let (memo, config) = self.begin();
        let staged = Builder::from(config).stage().unwrap();
        staged.commit().unwrap();
        (memo.finish(&staged).unwrap(), staged.warnings().clone())
    }

    /// How many files there are.
    fn up_to_date(&self, memo: &[u8]) -> Option<usize> {
        Some(self.begin().0.up_to_date(memo)?.files)
    }
}

#[test]
fn a_project_in_which_nothing_has_changed_is_up_to_date() {
    let project = Project::new();
    let (memo, _) = project.generate();
    let files = project.up_to_date(&memo);
    assert!(files.is_some_and(|files| files > 24), "{files:?}");
    // git may have changed the line ends, and an editor may have put a mark before the text.
    project.write("gen/hello.rs", &project.read("gen/hello.rs").replace('\n', "\r\n"));
    project.write("proto/hello.proto", &format!("\u{feff}{HELLO}"));
    assert_eq!(project.up_to_date(&memo), files);
    // What people put beside the output is theirs.
    project.write("gen/mine.rs", "// mine\n");
    project.write("go/mine.go", "// mine\n");
    assert_eq!(project.up_to_date(&memo), files);
}

#[test]
fn output_whose_lines_end_as_on_windows_is_written_once() {
    let project = Project::new();
    project.write("t/list.j2", &LIST.replace('\n', "\r\n"));
    let (memo, _) = project.generate();
    assert!(project.read("list.txt").contains("\r\n"));
    assert!(project.up_to_date(&memo).is_some());
    let staged = Builder::from(project.begin().1).stage().unwrap();
    assert_eq!(staged.changes().len(), 0);
}

#[test]
fn warnings_come_back_word_for_word() {
    let project = Project::new();
    let (memo, warnings) = project.generate();
    assert_eq!(warnings.iter().count(), 1);
    let same = project.begin().0.up_to_date(&memo).unwrap();
    assert!(warnings.to_string().contains(WARNING) && warnings.to_string().contains("4 | service S {}"), "{warnings}");
    assert_eq!(same.warnings.to_string(), warnings.to_string());
    // Drawn, too.
    let drawn = |warnings: &Diagnostics| {
        warnings.iter().map(|it| format!("{:?}", miette::Report::new(it.clone()))).collect::<Vec<_>>()
    };
    assert_eq!(drawn(&same.warnings), drawn(&warnings));
}

#[test]
fn findings_with_several_places_are_kept_whole() {
    let source = |name: &str| Arc::new(Source::new(name, "one\ntwo é three\n"));
    let sources = [source("a.proto"), source("b.proto")];
    let (a, b) = (sources[0].place(4..7), sources[1].place(8..10));
    let found = Diagnostic::warning("both").at(&a, "here").at(&a, "").at(&b, "there").help("take one\nor the other");
    let report = Diagnostics::from(found);
    let stored = warnings::store(&report, &[&sources[0], &sources[1]]).unwrap();
    assert_eq!(warnings::restore(stored.clone(), &sources).unwrap().to_string(), report.to_string());
    // The middle of the é, and beyond the end.
    for (start, end) in [(9, 10), (8, 9), (4, 400), (7, 4)] {
        let mut stored = stored.clone();
        (stored[0].labels[0].start, stored[0].labels[0].end) = (start, end);
        assert!(warnings::restore(stored, &sources).is_none(), "{start}..{end}");
    }
    let mut elsewhere = stored.clone();
    elsewhere[0].elsewhere[0].labels[0].source = 2;
    assert!(warnings::restore(elsewhere, &sources).is_none());
    // Of a text that is not compared, nothing is remembered.
    assert!(warnings::store(&report, &[&sources[0]]).is_none());
}

#[test]
fn a_memo_that_is_not_whole_is_none() {
    let project = Project::new();
    let (memo, _) = project.generate();
    assert!(project.up_to_date(&memo).is_some());
    for length in 0..memo.len() {
        assert!(project.up_to_date(&memo[..length]).is_none(), "{length} bytes");
    }
    for at in (0..memo.len()).step_by(7) {
        let mut broken = memo.clone();
        broken[at] ^= 1;
        assert!(project.up_to_date(&broken).is_none(), "byte {at}");
    }
    assert!(project.up_to_date(&[memo.as_slice(), b"\n"].concat()).is_none());
    // What the first format looked like, and one that is yet to come.
    assert!(project.up_to_date(b"17190 4821\nread 99 hello.proto\n0 17 mod.rs\n").is_none());
    let later = [[8, 3].as_slice(), &memo[34..]].concat();
    assert!(memo[32..34] == [8, 2] && project.up_to_date(&[sum(&later).as_slice(), &later].concat()).is_none());
}

type Change = fn(&Project);

/// Each one alone.
const CHANGES: &[(&str, Change)] = &[
    ("a comment", |project| project.write("proto/hello.proto", &format!("{HELLO}// More.\n"))),
    ("an import", |project| project.edit("proto/inner/b.proto", "message", "// More.\nmessage")),
    ("a place in a warning", |project| project.edit("proto/s.proto", "// Odd", "\n// Odd")),
    ("a new file", |project| project.write("proto/new.proto", "syntax = \"proto3\";\n")),
    ("a new file that nobody imports", |project| project.write("proto/deep/er/new.proto", "")),
    ("a file that hides another", |project| project.write("first/inner/b.proto", FILES[3].1)),
    ("a file that another one hides", |project| project.write("proto/x.proto", FILES[1].1)),
    ("a file that is gone", |project| project.remove("first/x.proto")),
    ("a file under another name", |project| {
        fs::rename(project.path("first/x.proto"), project.path("first/y.proto")).unwrap()
    }),
    ("a source that is no text", |project| fs::write(project.path("first/x.proto"), b"\xff").unwrap()),
    ("a root that is gone", |project| fs::rename(project.path("first"), project.path("second")).unwrap()),
    ("a key of the configuration", |project| {
        project.edit("due.toml", "out = \"web/gen\"", "out = \"web/gen\"\nview = \"full\"")
    }),
    ("a variable of a template", |project| project.edit("due.toml", "\"r\"", "\"s\"")),
    ("one template less", |project| {
        project.edit("due.toml", "[[template]]\ntemplate = \"t/list.j2\"\nout = \"list.txt\"\n", "")
    }),
    ("output", |project| project.edit("gen/hello.rs", "A", "Z")),
    ("output by a space at the end", |project| {
        project.write("gen/hello.rs", &format!("{} ", project.read("gen/hello.rs")))
    }),
    ("TypeScript", |project| project.edit("web/gen/hello_pb.ts", "A", "Z")),
    ("the runtime of TypeScript", |project| project.edit("web/gen/due/client.ts", "Client", "Klient")),
    ("the output of a template", |project| project.edit("list.txt", "deep", "flat")),
    ("output that is gone", |project| project.remove("gen/mod.rs")),
    ("output that is a folder", |project| {
        project.remove("gen/mod.rs");
        fs::create_dir(project.path("gen/mod.rs")).unwrap();
    }),
    ("output of a template that is gone", |project| project.remove("go/hello.go")),
    ("stale output", |project| project.write("gen/old.rs", &project.read("gen/mod.rs"))),
    ("stale TypeScript", |project| project.write("web/gen/a/old.ts", &project.read("web/gen/hello_pb.ts"))),
    ("stale output of a template", |project| project.write("go/old.go", &project.read("go/hello.go"))),
    ("the template", |project| project.edit("t/list.j2", "# ", "## ")),
    ("what it includes", |project| project.edit("t/part.j2", "{%", " {%")),
    ("what that includes", |project| project.edit("t/tools/deep.j2", "deep", "deeper")),
    ("what it imports", |project| project.edit("t/tools/names.j2", "\n", "\n\n")),
    ("an include that is gone", |project| project.remove("t/part.j2")),
    ("a file that was looked for", |project| project.write("t/own.j2", "own\n")),
    ("a file that was looked for, empty", |project| project.write("t/own.j2", "")),
];

#[test]
fn every_change_is_seen() {
    for (what, change) in CHANGES {
        let project = Project::new();
        let (memo, _) = project.generate();
        assert!(project.up_to_date(&memo).is_some());
        change(&project);
        assert_eq!(project.up_to_date(&memo), None, "{what}");
    }
}

#[test]
fn times_do_not_matter() {
    let project = Project::new();
    let (memo, _) = project.generate();
    let files = project.up_to_date(&memo);
    let modified = |path: &str| fs::metadata(project.path(path)).unwrap().modified().unwrap();
    let set = |path: &str, time| fs::File::options().write(true).open(project.path(path)).unwrap().set_modified(time);
    // A change of the same length that is dated back.
    for (path, from, to) in [("gen/hello.rs", "A", "Z"), ("proto/hello.proto", "A", "Z"), ("t/part.j2", "deep", "peed")]
    {
        let (time, text) = (modified(path), project.read(path));
        project.edit(path, from, to);
        set(path, time).unwrap();
        assert_eq!(project.up_to_date(&memo), None, "{path}");
        project.write(path, &text);
        assert_eq!(project.up_to_date(&memo), files, "{path}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_seen() {
    use std::os::unix::fs::symlink;

    fn link(project: &Project, to: &str, path: &str) {
        symlink(to, project.path(path)).unwrap();
    }
    let changes: &[(&str, Change)] = &[
        ("a source that became another one", |project| {
            project.remove("first/x.proto");
            link(project, "../proto/inner/b.proto", "first/x.proto");
        }),
        ("a source that became a link to its own text", |project| {
            fs::rename(project.path("first/x.proto"), project.path("x.txt")).unwrap();
            link(project, "../x.txt", "first/x.proto");
        }),
        ("a root that became a link", |project| {
            fs::rename(project.path("first"), project.path("second")).unwrap();
            link(project, "second", "first");
        }),
        ("a link to a folder", |project| link(project, "inner", "proto/again")),
        ("an output that leads elsewhere", |project| {
            project.remove("gen/hello.rs");
            link(project, "../proto/hello.proto", "gen/hello.rs");
        }),
        ("an output that leads nowhere", |project| {
            project.remove("gen/hello.rs");
            link(project, "nowhere", "gen/hello.rs");
        }),
        ("a folder of templates' output that leads out of the project", |project| {
            fs::rename(project.path("go"), project.path("../go")).unwrap();
            link(project, "../go", "go");
        }),
        ("a pipe", |project| {
            project.remove("gen/mod.rs");
            assert!(std::process::Command::new("mkfifo").arg(project.path("gen/mod.rs")).status().unwrap().success());
        }),
        ("an include that became a link to another text", |project| {
            project.remove("t/part.j2");
            link(project, "list.j2", "t/part.j2");
        }),
    ];
    for (what, change) in changes {
        let project = Project::new();
        let (memo, _) = project.generate();
        assert!(project.up_to_date(&memo).is_some());
        change(&project);
        assert_eq!(project.up_to_date(&memo), None, "{what}");
    }
}

#[test]
fn what_changes_during_a_run_is_seen_by_the_next() {
    let project = Project::new();
    let (memo, config) = project.begin();
    project.edit("due.toml", "out = \"gen\"", "out = \"gen\"\nmocks = false");
    let staged = Builder::from(config).stage().unwrap();
    staged.commit().unwrap();
    let stored = memo.finish(&staged).unwrap();
    assert_eq!(project.up_to_date(&stored), None);

    let (memo, config) = project.begin();
    let staged = Builder::from(config).stage().unwrap();
    project.edit("proto/hello.proto", "message A", "message Z");
    staged.commit().unwrap();
    let stored = memo.finish(&staged).unwrap();
    assert_eq!(project.up_to_date(&stored), None);
    project.edit("proto/hello.proto", "message Z", "message A");
    assert!(project.up_to_date(&stored).is_some());
}
