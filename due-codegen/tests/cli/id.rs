//! `cargo due id`.

use std::fs;

use tempfile::TempDir;

use super::{due, folder};

/// Every form in which an rpc or a push can lack its id.
const DRAFT: &str = r#"syntax = "proto3";
package a.v1;
import "due/options.proto";
import "google/protobuf/empty.proto";
// 大厅
service Lobby {
  option (due.node) = { name: "lobby" };
  // one
  rpc A(google.protobuf.Empty) returns (google.protobuf.Empty); // 尾
  rpc B(google.protobuf.Empty) returns (google.protobuf.Empty) {}
  rpc C(google.protobuf.Empty) returns (google.protobuf.Empty) {
    // not any more
    option deprecated = true;
  }
  rpc D(google.protobuf.Empty) returns (google.protobuf.Empty) { option (due.route) = { authorized: true }; }
  rpc E(google.protobuf.Empty) returns (google.protobuf.Empty) { option (due.route) = {}; }
  rpc F(google.protobuf.Empty) returns (google.protobuf.Empty) {
    option (due.route) = { // why
      authorized: true
    };
  }
  rpc G(google.protobuf.Empty) returns (google.protobuf.Empty) {
    option (due.route).authorized = true;
  }
  rpc H(google.protobuf.Empty) returns (google.protobuf.Empty) { option (due.route) = { id: /* 0 */ 0 stateful: true }; }
  rpc I(google.protobuf.Empty) returns (google.protobuf.Empty) { option (due.route) = { id: 7 }; }
	rpc J(google.protobuf.Empty)
	    returns (google.protobuf.Empty) {
	}
  rpc K(google.protobuf.Empty) returns (google.protobuf.Empty) {option deprecated = true;}
}
service Shop { option (due.node) = { name: "shop" }; rpc Buy(google.protobuf.Empty) returns (google.protobuf.Empty); }
message Moved { option (due.push) = {}; }
message Said {
  option (due.push).id = 0;
}
"#;

#[test]
fn ranges_and_the_next_free_id_are_shown_for_a_draft_too() {
    let project = draft("");
    insta::assert_snapshot!("ranges", due(project.path(), &["id"]).text());
    let next = |service: &str| due(project.path(), &["id", service]);
    assert_eq!((next("Lobby").code, next("Lobby").out.as_str()), (0, "8\n"));
    assert_eq!(next("a.v1.Shop").out, "100\n", "a block of its own");
    let run = next("Shopp");
    assert_eq!((run.code, run.err.as_str()), (2, "error: there is no node service `Shopp`: did you mean `Shop`?\n"));
}

#[test]
fn ids_are_written_and_nothing_else_changes() {
    let project = draft("");
    let run = due(project.path(), &["id", "--assign"]);
    let text = fs::read_to_string(project.path().join("proto/a.proto")).unwrap();
    insta::assert_snapshot!("assigned", format!("{}== a.proto\n{text}", run.text()));
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let untouched = lines(DRAFT).into_iter().filter(|line| lines(&text).contains(line)).count();
    assert!(untouched > 20, "{untouched}");

    let again = due(project.path(), &["id", "--assign"]);
    assert_eq!((again.code, again.out.as_str()), (0, "everything has an id\n"));
    assert_eq!(fs::read_to_string(project.path().join("proto/a.proto")).unwrap(), text);
    assert_eq!(due(project.path(), &["routes"]).code, 0, "the schema is complete");
    assert_eq!(due(project.path(), &["lint", "--format", "json"]).out, "{\n  \"version\": 1,\n  \"findings\": []\n}\n");
}

#[test]
fn line_ends_marks_and_permissions_of_the_file_stay() {
    let project = draft("");
    let path = project.path().join("proto/a.proto");
    fs::write(&path, format!("\u{feff}{}", DRAFT.replace('\n', "\r\n"))).unwrap();
    assert_eq!(due(project.path(), &["id", "--assign"]).code, 0);
    let windows = fs::read_to_string(&path).unwrap();
    assert!(windows.starts_with("\u{feff}syntax") && !windows.replace("\r\n", "").contains('\n'));
    fs::write(&path, DRAFT).unwrap();
    assert_eq!(due(project.path(), &["id", "--assign"]).code, 0);
    assert_eq!(windows.trim_start_matches('\u{feff}').replace("\r\n", "\n"), fs::read_to_string(&path).unwrap());
}

#[test]
fn only_the_named_service_gets_ids() {
    let project = draft("");
    let run = due(project.path(), &["id", "Shop", "--assign"]);
    assert_eq!((run.code, run.out.as_str()), (0, "proto/a.proto:32: a.v1.Shop.Buy has id 100\n1 id assigned\n"));
    assert!(
        fs::read_to_string(project.path().join("proto/a.proto"))
            .unwrap()
            .contains("rpc A(google.protobuf.Empty) returns (google.protobuf.Empty);")
    );
}

#[test]
fn what_was_ever_shipped_is_not_free_but_for_whom_it_belongs_to() {
    let lock = "due.lock 1\n\
                removed route a.v1.Lobby.A 20 google.protobuf.Empty google.protobuf.Empty\n\
                removed route a.v1.Lobby.Z 8 google.protobuf.Empty google.protobuf.Empty\n\
                removed push b.v1.Gone 100\n\
                push a.v1.Said 5\n";
    let project = draft("");
    fs::write(project.path().join("due.lock"), lock).unwrap();
    assert_eq!(due(project.path(), &["id", "Lobby"]).out, "21\n");
    assert_eq!(due(project.path(), &["id", "Shop"]).out, "200\n");
    let run = due(project.path(), &["id", "--assign"]);
    let ids: Vec<(&str, &str)> =
        run.out.lines().filter_map(|line| line.rsplit_once(": ")?.1.split_once(" has id ")).collect();
    assert_eq!(ids[..3], [("a.v1.Lobby.A", "20"), ("a.v1.Lobby.B", "21"), ("a.v1.Lobby.C", "22")]);
    assert_eq!(ids[10..], [("a.v1.Shop.Buy", "200"), ("a.v1.Moved", "6"), ("a.v1.Said", "5")]);
    assert_eq!(due(project.path(), &["lock"]).code, 0, "nothing was used twice");
}

#[test]
fn ids_fit_the_packet() {
    let rpcs: String =
        (0..127).map(|i| format!("  rpc R{i}(google.protobuf.Empty) returns (google.protobuf.Empty);\n")).collect();
    let text = |rpcs: &str| {
        format!(
            "syntax = \"proto3\";\npackage a.v1;\nimport \"due/options.proto\";\nimport \"google/protobuf/empty.proto\";\n\
             service Lobby {{\n  option (due.node) = {{ name: \"lobby\" }};\n{rpcs}}}\n"
        )
    };
    let toml = "[packet]\nroute_bytes = 1\n";
    let project = folder(&[("due.toml", toml), ("proto/a.proto", &text(&rpcs))]);
    let run = due(project.path(), &["id", "--assign"]);
    assert!(run.out.ends_with("a.v1.Lobby.R126 has id 127\n127 ids assigned\n"), "{}{}", run.out, run.err);
    assert_eq!(
        due(project.path(), &["id"]).err,
        "error: all ids up to 127 are used: widen `route_bytes` in `due.toml`, in every process\n"
    );

    let more = format!("{rpcs}  rpc R127(google.protobuf.Empty) returns (google.protobuf.Empty);\n");
    let full = folder(&[("due.toml", toml), ("proto/a.proto", &text(&more))]);
    let run = due(full.path(), &["id", "--assign"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(full.path().join("proto/a.proto")).unwrap(), text(&more), "all or nothing");
}

#[test]
fn a_schema_that_is_none_gets_no_ids() {
    let project = draft("");
    let path = project.path().join("proto/a.proto");
    let broken = DRAFT.replace("message Said {", "message Said {{");
    fs::write(&path, &broken).unwrap();
    assert_eq!(due(project.path(), &["id", "--assign"]).code, 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), broken);
}

fn draft(toml: &str) -> TempDir {
    folder(&[("due.toml", toml), ("proto/a.proto", DRAFT)])
}
