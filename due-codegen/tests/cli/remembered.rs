//! What `cargo due generate` remembers of a run, and when it does not believe it. Which changes are seen is tested where memos are made.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{HELLO, Run, due_with, folder};

/// A project with a warning, a template and a cache of its own.
struct Remembering(TempDir);

const UP_TO_DATE: &str = "up to date: 4 files\n";

impl Remembering {
    fn new() -> Self {
        let toml = "[rust]\nout = \"gen\"\n[[template]]\ntemplate = \"t/list.j2\"\nout = \"list.txt\"\n";
        let plain = "syntax = \"proto3\";\npackage plain;\nservice Plain {}\nmessage Extra {}\n";
        Self(folder(&[
            ("p/due.toml", toml),
            ("p/proto/hello.proto", HELLO),
            ("p/proto/plain.proto", plain),
            ("p/t/list.j2", "# {{ header }}\n{% include 'part.j2' %}\n"),
            ("p/t/part.j2", "{% for service in services %}{{ service.name }}\n{% endfor %}\n"),
        ]))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("p").join(path)
    }

    fn run_in(&self, folder: &str, args: &[&str]) -> Run {
        due_with(&self.path(folder), args, &[("XDG_CACHE_HOME", self.cache().to_str().unwrap())])
    }

    fn generate(&self) -> Run {
        self.run_in("", &["generate"])
    }

    fn check(&self) -> Run {
        self.run_in("", &["generate", "--check"])
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// The only memo, and when it was written.
    fn memo(&self) -> (PathBuf, Vec<u8>, std::time::SystemTime) {
        let files: Vec<PathBuf> =
            fs::read_dir(self.cache().join("cargo-due")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let modified = fs::metadata(&files[0]).unwrap().modified().unwrap();
        (files[0].clone(), fs::read(&files[0]).unwrap(), modified)
    }

    /// Whether a run, which has nothing to do, does it by what is remembered: otherwise it is remembered anew.
    fn is_believed(&self) -> bool {
        let before = self.memo();
        let run = self.generate();
        assert_eq!((run.code, run.out.as_str()), (0, UP_TO_DATE), "{}", run.err);
        assert!(run.err.contains("service `plain.Plain`"), "{}", run.err);
        self.memo() == before
    }
}

#[test]
fn warnings_are_shown_again_word_for_word() {
    let project = Remembering::new();
    let first = project.generate();
    assert_eq!(first.code, 0);
    assert_eq!(first.out, "new gen/hello.v1.rs\nnew gen/mod.rs\nnew gen/plain.rs\nnew list.txt\n");
    assert!(first.err.contains("⚠ nothing is generated for service `plain.Plain`"), "{}", first.err);
    assert!(first.err.contains("╭─[proto/plain.proto:3:9]") && first.err.contains("service Plain {}"), "{}", first.err);
    assert!(project.is_believed());
    assert_eq!(project.generate().err, first.err);
    let check = project.check();
    assert_eq!((check.code, check.out.as_str(), check.err), (0, UP_TO_DATE, first.err.clone()));
    // From another folder they lead to the same file.
    for _ in 0..2 {
        let below = project.run_in("t", &["generate"]);
        assert_eq!((below.out.as_str(), below.err), (UP_TO_DATE, first.err.replace("proto/", "../proto/")));
    }
}

#[cfg(unix)]
#[test]
fn warnings_that_are_shown_again_have_the_colours_of_the_terminal() {
    let project = Remembering::new();
    assert!(!project.generate().err.contains('\u{1b}'));
    let before = project.memo();
    let run = |env: &[(&str, &str)]| {
        let cache = project.cache();
        let env = [env, &[("XDG_CACHE_HOME", cache.to_str().unwrap())]].concat();
        super::on_terminal(&project.path(""), &["generate"], &env)
    };
    assert!(run(&[]).contains("\u{1b}[33m⚠\u{1b}[0m nothing is generated"), "{}", run(&[]));
    assert!(run(&[("NO_COLOR", "1")]).contains("⚠ nothing is generated"));
    assert_eq!(project.memo(), before);
}

#[test]
fn a_check_believes_it_and_is_remembered_unless_it_finds_something() {
    let project = Remembering::new();
    assert_eq!(project.check().code, 1);
    assert!(!project.cache().exists(), "nothing is as it was checked");
    assert_eq!(project.generate().code, 0);
    fs::remove_dir_all(project.cache()).unwrap();
    assert_eq!(project.check().code, 0);
    let before = project.memo();
    assert_eq!(project.check().code, 0);
    assert_eq!(project.memo(), before);

    type Change = fn(&Remembering) -> (PathBuf, &'static str, &'static str, &'static str);
    let changes: [Change; 4] = [
        |project| (project.path("gen/hello.v1.rs"), "RouteId::new(1)", "RouteId::new(9)", "changed gen/hello.v1.rs\n"),
        |project| (project.path("list.txt"), "Greeter", "Gruesser", "changed list.txt\n"),
        |project| (project.path("t/part.j2"), "{% for", "more\n{% for", "changed list.txt\n"),
        |project| (project.path("proto/hello.proto"), "id: 1 ", "id: 2 ", "changed gen/hello.v1.rs\n"),
    ];
    for change in changes {
        let (path, from, to, line) = change(&project);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}: {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let check = project.check();
        assert_eq!(check.code, 1, "{line}");
        assert!(check.out.starts_with(line), "{}", check.out);
        assert_eq!(project.memo(), before, "{line}");
        fs::write(&path, text).unwrap();
        assert_eq!(project.check().out, UP_TO_DATE);
    }
    fs::write(project.path("proto/more.proto"), "syntax = \"proto3\";\npackage more;\nmessage More {}\n").unwrap();
    assert!(project.check().out.starts_with("changed gen/mod.rs\n"), "{}", project.check().out);
    fs::remove_file(project.path("proto/more.proto")).unwrap();
    fs::remove_file(project.path("proto/plain.proto")).unwrap();
    assert!(project.check().out.contains("stale gen/plain.rs\n"), "{}", project.check().out);
}

#[test]
fn what_is_broken_or_of_another_build_is_not_believed() {
    let project = Remembering::new();
    assert_eq!(project.generate().code, 0);
    assert!(project.is_believed());
    let (path, memo, _) = project.memo();
    let line = memo.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let other = [b"cargo-due 0.0.9 1 2 3\n", &memo[line..]].concat();
    let first_format = [&memo[..line], b"17190 4821\nread 99 hello.proto\n0 17 mod.rs\n"].concat();
    let broken: [&[u8]; 7] =
        [b"", b"\n", &memo[..line], &memo[..memo.len() - 1], &memo[..line + 40], &other, &first_format];
    for broken in broken {
        fs::write(&path, broken).unwrap();
        assert!(!project.is_believed(), "{}", String::from_utf8_lossy(broken));
        assert!(project.is_believed());
    }
    // The same program once more, which is another file.
    let program = project.path("cargo-due");
    fs::copy(env!("CARGO_BIN_EXE_cargo-due"), &program).unwrap();
    let before = project.memo();
    let mut command = Command::new(program);
    command.arg("generate").current_dir(project.path("")).env("XDG_CACHE_HOME", project.cache());
    assert_eq!(command.output().unwrap().stdout, UP_TO_DATE.as_bytes());
    assert_ne!(project.memo(), before);
}

#[cfg(unix)]
#[test]
fn what_others_may_have_written_is_not_believed() {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    let project = Remembering::new();
    assert_eq!(project.generate().code, 0);
    let path = project.memo().0;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o602)).unwrap();
    assert!(!project.is_believed());
    assert!(project.is_believed());
    // Only root may give files away.
    if chown(&path, Some(4242), None).is_ok() {
        assert!(!project.is_believed());
        assert!(project.is_believed());
    }
    let elsewhere = project.path("memo");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(!project.is_believed());
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn without_a_cache_everything_is_done_anew() {
    let project = Remembering::new();
    let file = project.path("file");
    fs::write(&file, "").unwrap();
    let places = [file.clone(), file.join("below"), PathBuf::from("relative")];
    for (i, place) in places.iter().enumerate() {
        let env = [("XDG_CACHE_HOME", place.to_str().unwrap()), ("HOME", place.to_str().unwrap())];
        for args in [&["generate"][..], &["generate", "--check"]] {
            let run = due_with(&project.path(""), args, &env);
            assert_eq!(run.code, 0);
            assert!(i == 0 && args.len() == 1 || run.out == UP_TO_DATE, "{}", run.out);
            assert!(!run.err.contains("error"), "{}", run.err);
        }
    }
    assert!(!project.path("relative").exists());
}

#[test]
fn runs_at_once_do_not_disturb_each_other() {
    let project = Remembering::new();
    for round in ["id: 1 ", "id: 2 ", "id: 3 "] {
        fs::write(project.path("proto/hello.proto"), HELLO.replace("id: 1 ", round)).unwrap();
        let runs: Vec<_> = (0..6)
            .map(|_| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-due"));
                command.arg("generate").current_dir(project.path("")).env("XDG_CACHE_HOME", project.cache());
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(project.is_believed(), "{round}");
        let left = |folder: &str| {
            let names = fs::read_dir(project.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
            names
                .filter(|name| name.as_encoded_bytes().starts_with(b".") || name.as_os_str() == OsStr::new("tmp"))
                .count()
        };
        assert_eq!((left("gen"), left("")), (0, 0));
    }
}
