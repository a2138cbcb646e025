//! `cargo due routes`.

use super::{due, due_with, folder};

const LOBBY: &str = r#"syntax = "proto3";
package lobby.v1;
import "due/options.proto";
import "google/protobuf/empty.proto";
service Lobby {
  option (due.node) = { name: "lobby" };
  rpc Leave(LeaveRequest) returns (google.protobuf.Empty) { option (due.route) = { id: 12 oneway: true }; }
  rpc Enter(EnterRequest) returns (EnterResponse) { option (due.route) = { id: 10 authorized: true stateful: true }; }
}
service Wallet {
  option (due.mesh) = { name: "wallet" };
  rpc Watch(EnterRequest) returns (stream EnterResponse);
}
message EnterRequest {}
message EnterResponse {}
message LeaveRequest {}
message Entered { option (due.push) = { id: 11 }; }
message LoggedIn { option (due.event) = { topic: "login" }; }
"#;

#[test]
fn the_table_is_in_the_order_of_ids() {
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", LOBBY)]);
    insta::assert_snapshot!(due(project.path(), &["routes"]).text());
}

#[test]
fn a_narrow_terminal_gets_a_paragraph_per_route() {
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", LOBBY)]);
    insta::assert_snapshot!(due_with(project.path(), &["routes"], &[("COLUMNS", "50")]).text());
}

#[test]
fn json_has_a_stable_shape() {
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", LOBBY)]);
    insta::assert_snapshot!(due(project.path(), &["routes", "--json"]).text());
}

#[test]
fn a_schema_without_routes_is_fine_and_one_with_mistakes_is_not() {
    let project = folder(&[("due.toml", ""), ("proto/a.proto", "syntax = \"proto3\";\nmessage A {}\n")]);
    let run = due(project.path(), &["routes"]);
    assert_eq!((run.code, run.out.as_str()), (0, ""));
    assert_eq!(run.err, "there are no routes, pushes, events or mesh services\n");
    let project = folder(&[("due.toml", ""), ("proto/lobby.proto", &LOBBY.replace("id: 12", "id: 11"))]);
    let run = due(project.path(), &["routes", "--json"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.contains("id 11 of push `lobby.v1.Entered` is taken by route `lobby.v1.Lobby.Leave`"));
}
