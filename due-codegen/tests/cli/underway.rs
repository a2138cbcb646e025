//! That long work says so, on terminals alone.

use std::fmt::Write as _;
use std::io::Read as _;
use std::process::Stdio;

use tempfile::TempDir;

use super::signals::slow_git;
use super::{due, folder, on_terminal, terminal};

/// Enough for every verb to take a second or two in a build without optimisations; who is quicker gets more of them.
const MESSAGES: usize = 8_000;

fn large(messages: usize) -> TempDir {
    let mut text = String::from("syntax = \"proto3\";\n\npackage large.v1;\n\n");
    for message in 0..messages {
        writeln!(text, "message M{message} {{").unwrap();
        (1..=8).for_each(|field| writeln!(text, "  // Field.\n  string field_{field} = {field};").unwrap());
        text.push_str("}\n\n");
    }
    folder(&[
        ("due.toml", "[typescript]\nout = \"gen\"\nparts = [\"messages\"]\n"),
        ("proto/large/v1/large.proto", &text),
    ])
}

#[test]
fn verbs_that_take_long_say_so_on_a_terminal() {
    let mut projects: Vec<TempDir> = Vec::new();
    let verbs: [(&[&str], &str); 8] = [
        (&["generate"], "generating"),
        (&["lint"], "checking the schema"),
        (&["lock"], "reading the schema"),
        (&["breaking"], "comparing the schemas"),
        (&["docs", "--out", "docs.html"], "writing the page"),
        (&["model"], "reading the schema"),
        (&["routes"], "reading the schema"),
        (&["id"], "reading the schema"),
    ];
    for (args, what) in verbs {
        let seen = of_a_large_schema(&mut projects, args, what);
        // A line that is written over, until it is gone and what there is to say stands alone.
        let lines: Vec<&str> = seen.split("\r\x1b[K").collect();
        let (said, answer) = (&lines[1..lines.len() - 1], lines[lines.len() - 1]);
        assert!(lines[0].is_empty() && !said.is_empty() && answer.ends_with("\r\n"), "{args:?}: {seen:?}");
        assert!(said.iter().all(|line| line.starts_with(what) && line.ends_with(" s")), "{args:?}: {seen:?}");
        assert!(!answer.contains(what), "{args:?}: {seen:?}");
    }
}

/// What a verb says of the first schema that it needs long for.
fn of_a_large_schema(projects: &mut Vec<TempDir>, args: &[&str], what: &str) -> String {
    for size in 0..4 {
        if projects.len() == size {
            projects.push(large(MESSAGES << (2 * size)));
        }
        let seen = on_terminal(projects[size].path(), args, &[]);
        if seen.contains(what) {
            return seen;
        }
    }
    panic!("{args:?} never says that it is {what}");
}

#[test]
fn nobody_else_hears_of_it() {
    let project = large(MESSAGES);
    for args in [&["lint"][..], &["lock"], &["model"]] {
        let run = due(project.path(), args);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}");
        assert!(!run.out.contains('\u{1b}'), "{args:?}");
    }
}

#[test]
fn new_says_that_it_waits_for_git() {
    let git = slow_git("read line < goes_on");
    let parent = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", git.path().display(), std::env::var("PATH").unwrap());
    let fifo = parent.path().join("goes_on");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let line = format!("'{}' new game", env!("CARGO_BIN_EXE_cargo-due"));
    let mut command = terminal(&line, parent.path(), &[("PATH", &path)]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut seen = String::new();
    while !seen.contains("making the project for ") {
        let mut some = [0; 256];
        let count = out.read(&mut some).unwrap();
        assert_ne!(count, 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&some[..count]));
    }
    std::fs::write(&fifo, "on\n").unwrap();
    out.read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(seen.contains("\r\x1b[Knew game: template hello, in a git repository\r\n"), "{seen:?}");
}
