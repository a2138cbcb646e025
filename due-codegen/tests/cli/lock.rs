//! `cargo due lock`.

use std::fs;

use due_codegen::{Builder, Config, Lock};
use tempfile::TempDir;

use super::git::Repository;
use super::{due, folder};

const SCHEMA: &str = r#"syntax = "proto3";
package lobby.v1;
import "due/options.proto";
service Lobby {
  option (due.node) = { name: "lobby" };
  rpc Enter(EnterRequest) returns (EnterResponse) { option (due.route) = { id: 10 }; }
  rpc Leave(LeaveRequest) returns (LeaveResponse) { option (due.route) = { id: 11 authorized: true }; }
}
service Wallet {
  option (due.mesh) = { name: "wallet" };
  rpc Watch(EnterRequest) returns (stream EnterResponse);
}
message EnterRequest {
  reserved 2, 8 to 9;
  reserved "old";
  string name = 1 [json_name = "the name"];
  oneof course { Kind kind = 3; bytes raw = 4; }
  map<string, Inner> inner = 5;
  message Inner { repeated sint32 xs = 1; }
}
message EnterResponse { Code code = 1; string text = 2 [(due.code) = true]; optional int64 gold = 3; }
message LeaveRequest {}
message LeaveResponse {}
message Entered { option (due.push) = { id: 12 }; int64 uid = 1; }
message LoggedIn { option (due.event) = { topic: "login" }; int64 uid = 1; }
enum Kind { KIND_NONE = 0; KIND_GUEST = 1; }
enum Code { option (due.codes) = true; CODE_OK = 0; CODE_FULL = -7; reserved 5 to 6; }
"#;

#[test]
fn everything_that_ships_has_a_line() {
    let project = project();
    let run = due(project.path(), &["lock"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "new due.lock: 35 lines\n", ""));
    let text = fs::read_to_string(project.path().join("due.lock")).unwrap();
    insta::assert_snapshot!("everything", text);
    assert_eq!(due(project.path(), &["lock"]).out, "up to date: due.lock\n");
    assert_eq!(due(project.path(), &["lock", "--check"]).code, 0);
    // git may have changed the line ends.
    fs::write(project.path().join("due.lock"), text.replace('\n', "\r\n")).unwrap();
    assert_eq!(due(project.path(), &["lock", "--check"]).code, 0);
}

#[test]
fn what_was_added_is_recorded_and_what_is_missing_is_shown_in_ci() {
    let project = project();
    let run = due(project.path(), &["lock", "--check"]);
    assert_eq!((run.code, run.err.as_str()), (1, "`due.lock` is out of date: run `cargo due lock` and check it in\n"));
    assert!(!project.path().join("due.lock").exists());
    assert_eq!(due(project.path(), &["lock"]).code, 0);

    change(&project, "message LeaveRequest {}", "message LeaveRequest { string why = 1; }");
    let run = due(project.path(), &["lock", "--check"]);
    assert_eq!(run.code, 1);
    let added: Vec<&str> = run.out.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(added, ["--- due.lock", "+++ due.lock", "+field lobby.v1.LeaveRequest 1 why string"]);
    assert_eq!(due(project.path(), &["lock"]).out, "changed due.lock: 1 line added, 0 changed, 0 removed\n");
    assert_eq!(due(project.path(), &["lock", "--check"]).code, 0);
}

#[test]
fn what_breaks_is_not_recorded_unless_it_is_accepted() {
    let project = project();
    assert_eq!(due(project.path(), &["lock"]).code, 0);
    let before = fs::read_to_string(project.path().join("due.lock")).unwrap();
    let leave =
        "  rpc Leave(LeaveRequest) returns (LeaveResponse) { option (due.route) = { id: 11 authorized: true }; }\n";
    change(&project, leave, "");
    change(&project, "KIND_GUEST = 1;", "");
    change(&project, "string name = 1", "bytes name = 1");
    for args in [&["lock"][..], &["lock", "--check"]] {
        let run = due(project.path(), args);
        assert_eq!((run.code, run.out.as_str()), (1, ""));
        assert!(
            run.err.ends_with(
                "3 findings\n`due.lock` is as it was: undo what breaks, or record it with `cargo due lock --accept`\n"
            ),
            "{}",
            run.err
        );
        assert_eq!(fs::read_to_string(project.path().join("due.lock")).unwrap(), before);
    }
    let run = due(project.path(), &["lock", "--accept"]);
    assert_eq!((run.code, run.out.as_str()), (0, "changed due.lock: 0 lines added, 1 changed, 2 removed\n"));
    let after = fs::read_to_string(project.path().join("due.lock")).unwrap();
    let gone: Vec<&str> = after.lines().filter(|line| line.starts_with("removed ")).collect();
    assert_eq!(
        gone,
        [
            "removed value lobby.v1.Kind 1 KIND_GUEST",
            "removed route lobby.v1.Lobby.Leave 11 lobby.v1.LeaveRequest lobby.v1.LeaveResponse authorized",
        ]
    );
    assert_eq!(due(project.path(), &["lock", "--accept", "--check"]).code, 2, "they contradict each other");

    // A tombstone keeps its id for ever, and gives it back to whom it belongs.
    change(
        &project,
        "  rpc Enter",
        "  rpc Say(LeaveRequest) returns (LeaveRequest) { option (due.route) = { id: 11 }; }\n  rpc Enter",
    );
    let run = due(project.path(), &["breaking"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("id 11 of `lobby.v1.Lobby.Say` belonged to `lobby.v1.Lobby.Leave`"), "{}", run.err);
    let say = "  rpc Say(LeaveRequest) returns (LeaveRequest) { option (due.route) = { id: 11 }; }\n";
    change(&project, say, &leave.replace("(LeaveRequest)", "(EnterRequest)"));
    let run = due(project.path(), &["breaking"]);
    assert!(run.err.contains("route `lobby.v1.Lobby.Leave` takes `lobby.v1.EnterRequest`, and took"), "{}", run.err);
    change(&project, &leave.replace("(LeaveRequest)", "(EnterRequest)"), leave);
    assert_eq!(due(project.path(), &["breaking"]).code, 0);
    assert_eq!(due(project.path(), &["lock"]).out, "changed due.lock: 0 lines added, 1 changed, 0 removed\n");
}

#[test]
fn two_branches_merge_line_by_line() {
    let repository = Repository::new();
    repository.write("due.toml", "");
    repository.write("proto/a.proto", SCHEMA);
    assert_eq!(due(repository.path(), &["lock"]).code, 0);
    repository.commit("base");
    for (branch, from, to) in [
        ("one", "message LeaveRequest {}", "message LeaveRequest { string why = 1; }"),
        ("two", "enum Kind {", "message Kick { option (due.push) = { id: 13 }; }\nenum Kind {"),
    ] {
        repository.git(&["checkout", "--quiet", "-b", branch, "main"]);
        repository.write("proto/a.proto", &SCHEMA.replace(from, to));
        assert_eq!(due(repository.path(), &["lock"]).code, 0);
        repository.commit(branch);
    }
    repository.git(&["-c", "user.name=test", "-c", "user.email=test@localhost", "merge", "--quiet", "one"]);
    assert_eq!(due(repository.path(), &["lock", "--check"]).out, "up to date: due.lock\n");
}

#[test]
fn a_schema_with_mistakes_is_not_recorded() {
    let project = project();
    change(&project, "id: 11", "id: 10");
    let run = due(project.path(), &["lock"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.contains("id 10 of route `lobby.v1.Lobby.Leave` is taken"), "{}", run.err);
    assert!(!project.path().join("due.lock").exists());
}

/// Edits that only add, tried one by one and all together, in every order that two of them can have.
#[test]
fn every_additive_edit_passes() {
    let edits = [
        (
            "message LeaveRequest {}",
            "message LeaveRequest { string why = 1; repeated int32 xs = 9; oneof o { bool a = 2; Kind b = 3; } }",
        ),
        (
            "message LeaveResponse {}",
            "message LeaveResponse { reserved 1 to 4; map<int32, Kind> kinds = 5; message Deep { bytes b = 1; } }",
        ),
        ("KIND_GUEST = 1;", "KIND_GUEST = 1; KIND_BOT = -1; KIND_ADMIN = 2;"),
        ("CODE_FULL = -7;", "CODE_FULL = -7; CODE_LATE = 4;"),
        (
            "  rpc Enter",
            "  // Says.\n  rpc Say(LeaveRequest) returns (LeaveResponse) { option (due.route) = { id: 13 authorized: true }; }\n  rpc Enter",
        ),
        ("id: 11 authorized: true", "id: 11"),
        ("  rpc Watch", "  rpc Add(LeaveRequest) returns (LeaveResponse);\n  rpc Watch"),
        ("enum Kind {", "message Kick { option (due.push) = { id: 14 }; }\nenum Kind {"),
        ("enum Code {", "message Left { option (due.event) = { topic: \"left\" }; }\nenum Code {"),
        ("optional int64 gold = 3;", "optional int64 gold = 3; optional string title = 4;"),
        ("reserved 2, 8 to 9;", "reserved 2, 7, 8, 9 to 12;"),
        ("reserved \"old\";", "reserved \"old\", \"older\";"),
        ("bytes raw = 4; }", "bytes raw = 4; string text = 6; }"),
        ("oneof course", "oneof direction"),
        (
            "message Entered",
            "service Shop { option (due.node) = { name: \"shop\" }; rpc Buy(LeaveRequest) returns (LeaveResponse) { option (due.route) = { id: 100 internal: true }; } }\nmessage Entered",
        ),
        ("int64 uid = 1; }\nmessage LoggedIn", "optional int64 uid = 1 [deprecated = true]; }\nmessage LoggedIn"),
    ];
    let before = lock(SCHEMA);
    let passes = |text: &str, what: &str| {
        let now = lock(text);
        let breaks = before.breaks(&now, &[]);
        assert!(breaks.is_empty(), "{what}: {breaks}");
        // What came later stays, too: the recorded lock takes the next step as well.
        let recorded = Lock::parse("due.lock", before.followed_by(&now).to_string()).unwrap();
        assert!(recorded.breaks(&now, &[]).is_empty(), "{what}");
        let back: Vec<String> =
            recorded.breaks(&lock(SCHEMA), &[]).iter().map(|found| found.message().to_owned()).collect();
        back
    };
    let mut all = SCHEMA.to_owned();
    for (i, (from, to)) in edits.iter().enumerate() {
        assert!(SCHEMA.contains(from), "{from}");
        let back = passes(&SCHEMA.replacen(from, to, 1), to);
        let harmless = ["oneof direction", "optional int64 uid"].iter().any(|edit| to.starts_with(edit));
        assert_eq!(back.is_empty(), harmless, "taking {to} back breaks who knows it: {back:?}");
        for (from, other) in &edits[i + 1..] {
            passes(&SCHEMA.replacen(edits[i].0, to, 1).replacen(from, other, 1), &format!("{to} and {other}"));
        }
        all = all.replacen(from, to, 1);
    }
    passes(&all, "all of them");
}

fn lock(text: &str) -> Lock {
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", text)]);
    let (config, _) = Config::load(project.path().join("due.toml")).unwrap();
    Builder::from(config).schema().unwrap_or_else(|err| panic!("{err}\n{text}")).lock()
}

fn project() -> TempDir {
    folder(&[("due.toml", ""), ("proto/lobby.proto", SCHEMA)])
}

fn change(project: &TempDir, from: &str, to: &str) {
    let path = project.path().join("proto/lobby.proto");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&path, text.replace(from, to)).unwrap();
}
