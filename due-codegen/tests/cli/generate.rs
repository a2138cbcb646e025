//! `cargo due generate`, and what all verbs have in common.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{HELLO, due, project};

#[test]
fn a_second_run_writes_nothing() {
    let project = project();
    let first = due(project.path(), &["generate"]);
    assert_eq!((first.code, first.out.as_str()), (0, "new src/gen/hello.v1.rs\nnew src/gen/mod.rs\n"), "{}", first.err);
    let file = project.path().join("src/gen/hello.v1.rs");
    let old = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();

    let second = due(project.path(), &["generate"]);
    assert_eq!((second.code, second.out.as_str()), (0, "up to date: 2 files\n"));
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), old);

    // git may have changed the line ends.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace('\n', "\r\n")).unwrap();
    assert_eq!(due(project.path(), &["generate"]).out, "up to date: 2 files\n");
}

#[test]
fn cargo_passes_its_own_name_first() {
    let project = project();
    assert_eq!(due(project.path(), &["due", "generate"]).code, 0);
    assert!(project.path().join("src/gen/mod.rs").exists());
}

#[test]
fn check_shows_what_differs_and_writes_nothing() {
    let project = project();
    let path = |name: &str| project.path().join(name);
    assert_eq!(due(project.path(), &["generate"]).code, 0);
    assert_eq!(due(project.path(), &["generate", "--check"]).code, 0);

    fs::write(path("proto/hello.proto"), HELLO.replace("id: 1 ", "id: 7 ")).unwrap();
    fs::write(path("proto/new.proto"), "syntax = \"proto3\";\npackage extra;\nmessage Extra {}\n").unwrap();
    fs::copy(path("src/gen/hello.v1.rs"), path("src/gen/gone.rs")).unwrap();
    fs::write(path("src/gen/mine.rs"), "// mine\n").unwrap();
    let before = fs::read_to_string(path("src/gen/hello.v1.rs")).unwrap();

    let check = due(project.path(), &["generate", "--check"]);
    assert_eq!(check.code, 1, "{}", check.err);
    let named: Vec<&str> = check.out.lines().filter(|line| !line.starts_with([' ', '+', '-', '@'])).collect();
    let expected =
        ["new src/gen/extra.rs", "changed src/gen/hello.v1.rs", "changed src/gen/mod.rs", "stale src/gen/gone.rs"];
    assert_eq!(named, expected, "{}", check.out);
    assert!(check.out.contains("+pub struct Extra"), "{}", check.out);
    assert!(check.out.lines().any(|line| line.starts_with('-') && line.contains("RouteId::new(1)")), "{}", check.out);
    assert!(check.out.lines().any(|line| line.starts_with('+') && line.contains("RouteId::new(7)")), "{}", check.out);
    assert_eq!(fs::read_to_string(path("src/gen/hello.v1.rs")).unwrap(), before);
    assert!(!path("src/gen/extra.rs").exists() && path("src/gen/gone.rs").exists());

    let run = due(project.path(), &["generate"]);
    assert_eq!(run.code, 0);
    assert!(run.out.contains("removed src/gen/gone.rs"), "{}", run.out);
    assert!(path("src/gen/extra.rs").exists() && !path("src/gen/gone.rs").exists());
    assert_eq!(fs::read_to_string(path("src/gen/mine.rs")).unwrap(), "// mine\n");
    assert_eq!(due(project.path(), &["generate", "--check"]).code, 0);
}

#[test]
fn a_persons_file_is_not_overwritten() {
    let project = project();
    fs::create_dir_all(project.path().join("src/gen")).unwrap();
    fs::write(project.path().join("src/gen/mod.rs"), "pub mod mine;\n").unwrap();
    let run = due(project.path(), &["generate"]);
    assert_eq!(
        (run.code, run.err.as_str()),
        (1, "error: `src/gen/mod.rs` was not generated, so it is not overwritten\n")
    );
    assert!(!project.path().join("src/gen/hello.v1.rs").exists(), "all or nothing");
}

#[test]
fn findings_go_to_standard_error_with_their_line() {
    let project = project();
    fs::write(project.path().join("proto/hello.proto"), HELLO.replace("{ id: 1 }", "{ /* 编号 */ id: 70000 }"))
        .unwrap();
    let run = due(project.path(), &["generate"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    let expected = "  \
  × `hello.v1.Greeter.Greet`: route 70000 does not fit in the packet's 2-byte route field (at most 32767)
   ╭─[proto/hello.proto:6:89]
 5 │   option (due.node) = { name: \"hello\" };
 6 │   rpc Greet(GreetRequest) returns (GreetResponse) { option (due.route) = { /* 编号 */ id: 70000 }; }
   ·                                                                                           ─────
 7 │ }
   ╰────
  help: take a smaller id, or widen the field in every process: `route_bytes` in `due.toml`
";
    assert_eq!(run.err, expected, "{}", run.err);
    assert!(!project.path().join("src").exists());
}

#[test]
fn nothing_in_a_schema_is_an_order_to_the_terminal() {
    let project = project();
    let text = "syntax = \"proto3\";\r\npackage a;\r\n// \u{1b}[2J\u{9b}1m\u{202e}\rsafe\r\nimport \"\u{1b}]0;x\u{7}.proto\"; message \u{1b}";
    fs::write(project.path().join("proto/hello.proto"), text).unwrap();
    fs::write(project.path().join("proto/other.proto"), text.replace(" message \u{1b}", "")).unwrap();
    let run = due(project.path(), &["generate"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("3 │ // ?[2J\u{b7}1m\u{fffd}?safe\n"), "{}", run.err);
    assert!(run.err.contains("import `\\u{1b}]0;x\\u{7}.proto` not found"), "{}", run.err);
    let orders: Vec<char> = run.err.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
    assert!(orders.is_empty(), "{orders:?}: {}", run.err);
    // Nor is anything in the code: rustc refuses what turns the direction of text.
    fs::remove_file(project.path().join("proto/other.proto")).unwrap();
    let text = HELLO.replace("message GreetRequest", "// A \u{202e}comment\u{1b}[2J.\nmessage GreetRequest");
    fs::write(project.path().join("proto/hello.proto"), text).unwrap();
    assert_eq!(due(project.path(), &["generate"]).code, 0);
    let code = fs::read_to_string(project.path().join("src/gen/hello.v1.rs")).unwrap();
    assert!(code.contains("/// A \\u{202e}comment\\u{1b}\\[2J.\n"), "{code}");
}

#[cfg(unix)]
#[test]
fn who_does_not_hear_warnings_has_the_code_all_the_same() {
    let project = project();
    let text = HELLO.replace("message GreetRequest", "service Plain {}\nmessage GreetRequest");
    fs::write(project.path().join("proto/hello.proto"), text).unwrap();
    let run = |args: &str| {
        let line = format!("'{}' {args} 2> /dev/full", env!("CARGO_BIN_EXE_cargo-due"));
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).current_dir(project.path()).env("XDG_CACHE_HOME", super::cache());
        shell.output().unwrap()
    };
    let output = run("generate");
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(0), &b"new src/gen/hello.v1.rs\nnew src/gen/mod.rs\n"[..])
    );
    assert_eq!(run("generate --check").status.code(), Some(0));
    fs::write(project.path().join("proto/other.proto"), "nothing").unwrap();
    for verb in ["generate", "lint", "lock", "routes"] {
        assert_eq!(run(verb).status.code(), Some(1), "{verb}");
    }
    assert_eq!(run("generate --config nowhere.toml").status.code(), Some(2));
}

#[test]
fn an_import_that_names_no_file_is_said_to_be_one() {
    let project = project();
    fs::write(project.path().join("proto/hello.proto"), "syntax = \"proto3\";\nimport \"../up.proto\";\n").unwrap();
    let run = due(project.path(), &["generate"]);
    assert!(run.err.starts_with("  × this is no import name\n   ╭─[proto/hello.proto:2:8]\n"), "{}", run.err);
}

#[test]
fn warnings_are_not_errors() {
    let project = project();
    let text = HELLO.replace("message GreetRequest", "service Plain {}\nmessage GreetRequest");
    fs::write(project.path().join("proto/hello.proto"), text).unwrap();
    let run = due(project.path(), &["generate"]);
    assert_eq!(run.code, 0);
    assert!(run.err.contains("⚠ nothing is generated for service `hello.v1.Plain`"), "{}", run.err);
}

#[test]
fn an_unknown_key_names_its_neighbour() {
    let project = project();
    fs::write(project.path().join("due.toml"), "[rust]\nout = \"src/gen\"\nextern_path = {}\n").unwrap();
    let run = due(project.path(), &["generate"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("due.toml:3:1") && run.err.contains("did you mean `extern_paths`?"), "{}", run.err);
}

#[test]
fn the_configuration_is_found_above() {
    let project = project();
    let below = project.path().join("proto/deep");
    fs::create_dir(&below).unwrap();
    let run = due(&below, &["generate"]);
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "new ../../src/gen/hello.v1.rs\nnew ../../src/gen/mod.rs\n"),
        "{}",
        run.err
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let config = project.path().join("due.toml");
    assert_eq!(due(elsewhere.path(), &["generate", "--check", "--config", config.to_str().unwrap()]).code, 0);
}

#[test]
fn without_a_section_for_a_language_the_schema_is_only_checked() {
    let project = project();
    fs::write(project.path().join("due.toml"), "").unwrap();
    let run = due(project.path(), &["generate"]);
    let nothing = "nothing is generated: `due.toml` has no section [rust], [typescript] or [[template]]\n";
    assert_eq!((run.code, run.err.as_str()), (0, nothing));
    fs::write(project.path().join("proto/hello.proto"), HELLO.replace("id: 1", "id: 0")).unwrap();
    assert_eq!(due(project.path(), &["generate"]).code, 1);
}

#[test]
fn exit_codes_tell_usage_from_findings() {
    let empty = tempfile::tempdir().unwrap();
    let run = due(empty.path(), &["generate"]);
    assert_eq!((run.code, run.err.as_str()), (2, "error: no due.toml in this folder or above it\n"));
    assert_eq!(due(empty.path(), &["generate", "--config", "nowhere.toml"]).code, 2);
    assert_eq!(due(empty.path(), &["generate", "--nonsense"]).code, 2);
    assert_eq!(due(empty.path(), &[]).code, 2);
    assert_eq!(due(empty.path(), &["--help"]).code, 0);
    let version = due(empty.path(), &["due", "--version"]);
    assert_eq!((version.code, version.out.trim()), (0, concat!("cargo due ", env!("CARGO_PKG_VERSION"))));
}

#[cfg(unix)]
#[test]
fn odd_files_cannot_be_read() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let project = project();
    let proto = project.path().join("proto");
    fs::create_dir(proto.join("folder.proto")).unwrap();
    std::os::unix::fs::symlink("..", proto.join("up")).unwrap();
    std::os::unix::fs::symlink("nowhere", proto.join("broken.proto")).unwrap();
    fs::write(proto.join(OsStr::from_bytes(b"bad\xff.proto")), "").unwrap();
    assert!(std::process::Command::new("mkfifo").arg(proto.join("pipe.proto")).status().unwrap().success());
    let run = due(project.path(), &["generate"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("is not UTF-8, so no import can name it"), "{}", run.err);
    assert!(run.err.contains("broken.proto"), "{}", run.err);
    assert!(run.err.contains("`proto/pipe.proto` is neither a file nor a link to one"), "{}", run.err);
    assert!(!run.err.contains("panicked"), "{}", run.err);
}

#[test]
fn text_that_is_no_text_cannot_be_read() {
    let project = project();
    fs::write(project.path().join("proto/odd.proto"), b"syntax = \"proto3\";\n// \xff\n").unwrap();
    let run = due(project.path(), &["generate"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("the file is not UTF-8") && run.err.contains("odd.proto:2:4"), "{}", run.err);
    fs::write(project.path().join("due.toml"), b"# \xff\n").unwrap();
    let run = due(project.path(), &["generate"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`due.toml` cannot be read: stream did not contain valid UTF-8"), "{}", run.err);
}

#[test]
fn help_says_what_the_exit_codes_mean() {
    let empty = tempfile::tempdir().unwrap();
    let help = due(empty.path(), &["--help"]);
    insta::assert_snapshot!(help.text());
}
