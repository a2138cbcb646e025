//! `cargo due new`. The TypeScript half of the projects is built and tested by `tests/typescript/e2e/new.test.ts`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{due, folder};

const TEMPLATES: [&str; 2] = ["hello", "rooms"];

fn root() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap()
}

fn make(template: &str) -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let run = due(parent.path(), &["new", "my-game", "--template", template, "--vcs", "none"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let project = parent.path().join("my-game");
    (parent, project)
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_project_has_these_files() {
    for template in TEMPLATES {
        let (_parent, project) = make(template);
        let open = |path: &Path| fs::metadata(path).unwrap().permissions();
        assert_eq!(open(&project), open(&project.join("src")));
        let files = files(&project);
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let mut text = format!("{}\n", names.join("\n"));
        // The others are what their templates say, with a name in it.
        for name in [".github/workflows/ci.yml", "Cargo.toml", "Dockerfile", "README.md", "compose.yaml", "due.lock"] {
            text.push_str(&format!("\n== {name}\n{}", files[name]));
        }
        insta::assert_snapshot!(template, text.replace(root().to_str().unwrap(), "[due]"));
        for (name, text) in files.iter().filter(|(name, _)| !name.contains("/gen/")) {
            assert!(text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with('\n'), "{name}");
            for trace in ["{{", "{%", "\r"] {
                assert!(!text.contains(trace), "{name}: {trace}");
            }
        }
    }
}

#[test]
fn a_project_is_as_the_other_verbs_want_it() {
    for template in TEMPLATES {
        let (_parent, project) = make(template);
        for args in [&["generate", "--check"][..], &["lint"], &["lock", "--check"], &["breaking"]] {
            let run = due(&project, args);
            assert_eq!(run.code, 0, "{args:?}: {}", run.text());
        }
    }
}

#[test]
fn it_says_what_comes_next() {
    let parent = tempfile::tempdir().unwrap();
    let run = due(parent.path(), &["new", "games/my game/red", "--template", "rooms"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    insta::assert_snapshot!("says", run.out.replace(root().to_str().unwrap(), "[due]"));
    assert!(parent.path().join("games/my game/red/.git/HEAD").is_file());
}

#[test]
fn a_project_belongs_to_the_repository_but_not_to_the_workspace_around_it() {
    let around = folder(&[("Cargo.toml", "[workspace]\nmembers = []\n"), (".git/HEAD", "ref: refs/heads/main\n")]);
    assert_eq!(due(around.path(), &["new", "game"]).code, 0);
    assert!(!around.path().join("game/.git").exists());
    let cargo = fs::read_to_string(around.path().join("game/Cargo.toml")).unwrap();
    assert!(cargo.ends_with("\n\n# Not a member of the workspace around it.\n[workspace]\n"), "{cargo}");
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version=1"]).current_dir(around.path().join("game"));
    assert!(metadata.output().unwrap().status.success());
}

#[test]
fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let parent = folder(&[("there/a.txt", ""), ("file", "")]);
    for (args, err) in [
        (&["there"][..], "error: `there` exists already: choose another name, or take it away first\n"),
        (&["file"], "error: `file` exists already: choose another name, or take it away first\n"),
        (
            &["MyGame"],
            "error: `MyGame` cannot be the name of a project: it begins with a letter and has lower-case letters and \
             digits only, in parts that `-` joins; try `my-game`\n",
        ),
        (&["a/.."], "error: `a/..` does not end in a name; try `./my-game`\n"),
        (
            &["game", "--path", "there"],
            "error: `there` is no checkout of due: it has no `due-runtime/Cargo.toml`; --path names the folder of the \
             repository\n",
        ),
    ] {
        let run = due(parent.path(), &[&["new"], args].concat());
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (2, "", err));
    }
    let run = due(parent.path(), &["new", "file/game"]);
    assert_eq!(run.code, 2);
    assert!(run.err.starts_with("error: nothing can be made in `"), "{}", run.err);
    let run = due(parent.path(), &["new", "game", "--template", "chess"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("[possible values: hello, rooms]"), "{}", run.err);
    assert_eq!(files(parent.path()).into_keys().collect::<Vec<_>>(), ["file", "there/a.txt"]);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
}

#[test]
fn clients_take_the_versions_that_are_tested_here() {
    let versions = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let package: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut found = BTreeMap::new();
        for kind in ["dependencies", "devDependencies"] {
            for (name, version) in package[kind].as_object().into_iter().flatten() {
                found.insert(name.clone(), version.clone());
            }
        }
        found
    };
    let tested = versions(root().join("due-codegen/tests/typescript/package.json"));
    let (_parent, project) = make("hello");
    let used = versions(project.join("client/package.json"));
    assert_eq!(used.len(), 7);
    for (name, version) in used {
        assert_eq!(tested.get(&name), Some(&version), "{name}");
    }
}

#[test]
fn a_new_project_builds_and_passes_its_own_tests() {
    for (template, tests) in [("hello", 2), ("rooms", 4)] {
        let (_parent, project) = make(template);
        // The same versions of everything, so that nothing is fetched.
        fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
        let cargo = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO"));
            command
                .args(args)
                .current_dir(&project)
                // What `readme.rs` has built will do.
                .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("games"))
                .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
            let output = command.output().unwrap();
            let out = String::from_utf8(output.stdout).unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{template}: cargo {args:?}\n{out}{err}");
            assert!(!err.contains("warning: unused"), "{err}");
            out
        };
        cargo(&["fmt", "--check"]);
        let out = cargo(&["test", "--offline"]);
        let passed = out.lines().filter(|line| line.starts_with("test ") && line.ends_with("... ok")).count();
        assert_eq!(passed, tests, "{out}");
    }
}
