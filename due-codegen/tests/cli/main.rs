//! The `cargo due` command, as a person or CI runs it: standard output, standard error and exit code of every verb.
//!
//! `INSTA_UPDATE=always UPDATE=1 cargo test -p due-codegen --test cli` writes the expected texts anew; read the diff.

mod bench;
mod breaking;
mod call;
mod completions;
mod decode;
mod docs;
mod game;
mod generate;
mod git;
mod id;
mod lint;
mod lock;
mod new;
mod remembered;
mod routes;
#[cfg(unix)]
mod signals;
mod templates;
#[cfg(unix)]
mod underway;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

const HELLO: &str = r#"syntax = "proto3";
package hello.v1;
import "due/options.proto";
service Greeter {
  option (due.node) = { name: "hello" };
  rpc Greet(GreetRequest) returns (GreetResponse) { option (due.route) = { id: 1 }; }
}
message GreetRequest { string name = 1; }
message GreetResponse { string message = 1; }
"#;

struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    /// Everything that a person or CI sees.
    fn text(&self) -> String {
        format!("exit {}\n-- stdout\n{}-- stderr\n{}", self.code, self.out, self.err)
    }
}

fn due(folder: &Path, args: &[&str]) -> Run {
    due_with(folder, args, &[])
}

fn due_with(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-due"));
    command
        .args(args)
        .current_dir(folder)
        .env_remove("COLUMNS")
        .env_remove("GITHUB_WORKSPACE")
        .env("XDG_CACHE_HOME", cache())
        .envs(env.iter().copied());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

/// What a person at a terminal sees: both outputs as one.
#[cfg(unix)]
fn on_terminal(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> String {
    at_terminal(&format!("'{}' {}", env!("CARGO_BIN_EXE_cargo-due"), args.join(" ")), folder, env)
}

/// What a shell's command line says there.
#[cfg(unix)]
fn at_terminal(line: &str, folder: &Path, env: &[(&str, &str)]) -> String {
    let output = terminal(line, folder, env).output().unwrap_or_else(|err| panic!("script is not installed: {err}"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A pseudo-terminal, as `script` of util-linux makes it.
#[cfg(unix)]
fn terminal(line: &str, folder: &Path, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &format!("stty cols 200; exec {line}"), "/dev/null"]);
    command.current_dir(folder).stdin(Stdio::null()).env_remove("COLUMNS").env_remove("NO_COLOR");
    command.env("XDG_CACHE_HOME", cache()).envs(env.iter().copied());
    command
}

/// What `generate` remembers of the projects of all tests.
fn cache() -> &'static Path {
    static CACHE: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        // What an earlier run has left behind, if anything.
        let _ = fs::remove_dir_all(&folder);
        folder
    });
    &CACHE
}

/// The rules in a JSON document of findings.
fn rules_of(run: &Run) -> Vec<String> {
    let document: serde_json::Value =
        serde_json::from_str(&run.out).unwrap_or_else(|err| panic!("{err}: {}{}", run.out, run.err));
    let findings = document["findings"].as_array().unwrap();
    findings.iter().map(|found| found["rule"].as_str().unwrap_or("schema").to_owned()).collect()
}

/// A folder with these files, as path and text.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn project() -> TempDir {
    folder(&[("proto/hello.proto", HELLO), ("due.toml", "[rust]\nout = \"src/gen\"\n")])
}
