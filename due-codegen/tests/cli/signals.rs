//! Ctrl-C and SIGTERM: what is made is there whole, or not at all.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{HELLO, due, folder};

const SIGNALS: [(&str, i32); 2] = [("INT", 2), ("TERM", 15)];

fn start(folder: &Path, args: &[&str], path: Option<&Path>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-due"));
    command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    command.env("XDG_CACHE_HOME", super::cache());
    if let Some(path) = path {
        let others = std::env::var_os("PATH").unwrap();
        let all = [path.to_owned()].into_iter().chain(std::env::split_paths(&others));
        command.env("PATH", std::env::join_paths(all).unwrap());
    }
    command.spawn().unwrap()
}

fn send(signal: &str, to: &Child) {
    // It may have ended by itself.
    Command::new("kill").args(["-s", signal, &to.id().to_string()]).stderr(Stdio::null()).status().unwrap();
}

/// A folder with a `git` that says when it runs, and does not end by itself.
pub(crate) fn slow_git(then: &str) -> TempDir {
    let folder = folder(&[("git", &format!("#!/bin/sh\necho git runs >&2\n{then}\n"))]);
    fs::set_permissions(folder.path().join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn new_that_is_interrupted_leaves_nothing() {
    let git = slow_git("exec tail -f /dev/null");
    for (signal, number) in SIGNALS {
        let parent = tempfile::tempdir().unwrap();
        let mut child = start(parent.path(), &["new", "games/red/game"], Some(git.path()));
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "git runs\n");
        assert_eq!(names(&parent.path().join("games/red")).len(), 1);
        send(signal, &child);
        // As if nobody had listened to it.
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert_eq!(names(parent.path()), Vec::<OsString>::new(), "{signal}");
    }
}

#[test]
fn new_that_is_interrupted_leaves_what_was_there() {
    let git = slow_git("exec tail -f /dev/null");
    let parent = folder(&[("games/other/a.txt", "")]);
    let mut child = start(parent.path(), &["new", "games/red/game"], Some(git.path()));
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut String::new()).unwrap();
    send("INT", &child);
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert_eq!(names(&parent.path().join("games")), ["other"]);
}

#[test]
fn new_that_fails_leaves_nothing() {
    let git = slow_git("exit 9");
    let parent = tempfile::tempdir().unwrap();
    let output = start(parent.path(), &["new", "games/game"], Some(git.path())).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "git runs\nerror: `git init` ended with exit status: 9; --vcs none does without\n");
    assert_eq!(names(parent.path()), Vec::<OsString>::new());
}

#[test]
fn new_is_whole_or_nothing_whenever_the_signal_comes() {
    let reference = tempfile::tempdir().unwrap();
    assert_eq!(due(reference.path(), &["new", "game", "--vcs", "none"]).code, 0);
    let whole = names(&reference.path().join("game"));
    for round in 0..20_u32 {
        let (signal, number) = SIGNALS[round as usize % 2];
        let parent = tempfile::tempdir().unwrap();
        let mut child = start(parent.path(), &["new", "game", "--vcs", "none"], None);
        // From the first moment that something is there, each time a few files later.
        let made = || {
            let found = fs::read_dir(parent.path()).unwrap().next().map(|entry| entry.unwrap().path());
            found.map_or(0, |folder| fs::read_dir(folder).map_or(usize::MAX, Iterator::count))
        };
        while child.try_wait().unwrap().is_none() && made() < (round as usize / 2) {
            std::thread::yield_now();
        }
        send(signal, &child);
        let status = child.wait().unwrap();
        let left = names(parent.path());
        if left.is_empty() {
            assert_eq!(status.signal(), Some(number), "{round}");
        } else {
            assert_eq!(left, ["game"], "{round}");
            assert_eq!(names(&parent.path().join("game")), whole, "{round}");
        }
    }
}

#[test]
fn generate_writes_all_or_nothing_whenever_the_signal_comes() {
    let files: Vec<(String, String)> = (0..60)
        .map(|i| {
            (
                format!("proto/p{i}.proto"),
                format!("syntax = \"proto3\";\npackage p{i};\nmessage M {{ string a = 1; }}\n"),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    for round in 0..6_usize {
        let (signal, _) = SIGNALS[round % 2];
        let project =
            folder(&[&files[..], &[("proto/hello.proto", HELLO), ("due.toml", "[rust]\nout = \"gen\"\n")]].concat());
        let mut child = start(project.path(), &["generate"], None);
        let out = project.path().join("gen");
        while child.try_wait().unwrap().is_none() && fs::read_dir(&out).map_or(0, Iterator::count) < round * 8 {
            std::thread::yield_now();
        }
        send(signal, &child);
        child.wait().unwrap();
        if out.exists() {
            assert_eq!(due(project.path(), &["generate", "--check"]).out, "up to date: 62 files\n", "{round}");
            assert_eq!(names(&out).len(), 62);
        } else {
            assert_eq!(names(project.path()), ["due.toml", "proto"], "{round}");
        }
    }
}
