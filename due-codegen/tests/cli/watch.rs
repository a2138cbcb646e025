//! `cargo due generate --watch`.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{HELLO, due, project};

/// For what takes milliseconds, unless the machine is very busy.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_saved_file_is_generated_and_mistakes_end_nothing() {
    let project = project();
    let proto = project.path().join("proto/hello.proto");
    let mut watch = Watch::start(project.path());
    let begin = watch.until("watching");
    assert_eq!(
        begin,
        ["new src/gen/hello.v1.rs", "new src/gen/mod.rs", "watching `proto`, `due.toml`; Ctrl-C ends it"]
    );

    fs::write(&proto, HELLO.replace("id: 1 ", "id: 7 ")).unwrap();
    watch.until("changed src/gen/hello.v1.rs");
    fs::write(&proto, HELLO.replace("id: 1 ", "id: 0 ")).unwrap();
    watch.until("`hello.v1.Greeter.Greet` has no route id");
    // As editors do: another file is renamed onto it.
    fs::write(proto.with_extension("tmp"), HELLO).unwrap();
    fs::rename(proto.with_extension("tmp"), &proto).unwrap();
    watch.until("changed src/gen/hello.v1.rs");
    // In a folder that was not there when the watch began.
    fs::create_dir(project.path().join("proto/more")).unwrap();
    fs::write(project.path().join("proto/more/more.proto"), "syntax = \"proto3\";\npackage more;\nmessage More {}\n")
        .unwrap();
    watch.until("new src/gen/more.rs");
    fs::rename(project.path().join("proto/more"), project.path().join("elsewhere")).unwrap();
    watch.until("removed src/gen/more.rs");
}

#[test]
fn what_others_write_below_a_root_is_no_change() {
    let project = project();
    let path = |name: &str| project.path().join(name);
    fs::write(path("due.toml"), "[proto]\nroots = [\".\"]\n[rust]\nout = \"src/gen\"\n").unwrap();
    for folder in [".git", "target/debug"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    // The folder of the output is one that was there.
    assert_eq!(due(project.path(), &["generate"]).code, 0);
    let mut watch = Watch::start(project.path());
    watch.until("watching");
    for file in [".git/index", ".git/index.lock", "target/debug/hello", "README.md", "notes"] {
        fs::write(path(file), "text").unwrap();
    }
    fs::create_dir_all(path("target/debug/deps")).unwrap();
    fs::write(path("hello.new"), HELLO.replace("id: 1 ", "id: 7 ")).unwrap();
    fs::rename(path("hello.new"), path("proto/hello.proto")).unwrap();
    let lines = watch.until("changed src/gen/hello.v1.rs");
    assert_eq!(lines, ["changed src/gen/hello.v1.rs"], "the first run is for the schema");
}

#[test]
fn the_configuration_is_watched_too() {
    let project = project();
    let toml = project.path().join("due.toml");
    let mut watch = Watch::start(project.path());
    watch.until("watching");
    fs::write(&toml, "[rust]\nout = \"src/gen\"\nmocks = 1\n").unwrap();
    watch.until("`rust.mocks` must be true or false");
    fs::write(&toml, "[proto]\nroots = [\"proto\", \"later\"]\n[rust]\nout = \"src/gen\"\n").unwrap();
    watch.until("import root `later` cannot be read");
    fs::create_dir(project.path().join("later")).unwrap();
    watch.until("up to date: 2 files");
    fs::write(project.path().join("later/later.proto"), "syntax = \"proto3\";\npackage later;\nmessage Later {}\n")
        .unwrap();
    watch.until("new src/gen/later.rs");
}

#[test]
fn templates_are_watched_too() {
    let project = project();
    let path = |name: &str| project.path().join(name);
    let toml = "[[template]]\ntemplate = \"tools/list.j2\"\nout = \"list.txt\"\n";
    fs::create_dir_all(path("tools/parts")).unwrap();
    fs::write(path("due.toml"), toml).unwrap();
    fs::write(path("tools/list.j2"), "{{ header }}\n{{ nobody }}\n").unwrap();
    let mut watch = Watch::start(project.path());
    watch.until("`nobody` is undefined");
    watch.until("watching `proto`, `tools/list.j2`, `due.toml`; Ctrl-C ends it");
    fs::write(path("tools/parts/part.j2"), "part\n").unwrap();
    fs::write(path("tools/list.j2"), "{{ header }}\n{% include 'parts/part.j2' %}\n").unwrap();
    watch.until("new list.txt");
    fs::write(path("tools/parts/part.j2"), "another part\n").unwrap();
    watch.until("changed list.txt");
}

#[test]
fn without_a_configuration_there_is_nothing_to_watch() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(due(empty.path(), &["generate", "--watch"]).code, 2);
    assert_eq!(due(project().path(), &["generate", "--watch", "--check"]).code, 2);
}

/// A running `cargo due generate --watch`; ends with the test.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(folder: &Path) -> Self {
        // One pipe for both streams keeps their order.
        let (reader, writer) = io::pipe().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_cargo-due"))
            .args(["generate", "--watch"])
            .current_dir(folder)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The lines up to one with this text. Slow disks make two changes of one, so more runs than one may pass.
    fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.contains(text)) {
            let line = self.lines.recv_timeout(DEADLINE);
            lines.push(line.unwrap_or_else(|err| panic!("{err} after {lines:#?}")));
        }
        lines
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
