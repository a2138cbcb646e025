//! What the program says when it cannot do what it is told, and what to do then.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// The exit code, and what is said.
fn lobby(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lobby"));
    let output = command.args(args).envs(variables.iter().copied()).env("RUST_BACKTRACE", "0").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn refused(args: &[&str], variables: &[(&str, &str)], said: &[&str]) {
    let (code, error) = lobby(args, variables);
    assert_eq!(code, Some(1), "{error}");
    for said in said {
        assert!(error.contains(said), "{said:?} is missing in {error}");
    }
}

fn etc(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(name).to_str().unwrap().to_owned()
}

#[test]
fn wrong_flags_are_refused_with_those_that_are_known() {
    for (args, said) in [
        (&["gaet"][..], "some similar subcommands exist: 'wallet', 'game', 'gate'"),
        (&["gate", "--ect", "etc"], "unexpected argument '--ect' found"),
        (&["gate"], "--etc <DIR>"),
        (&["--games", "0"], "0 is not in 1..=16"),
        (&["game", "--etc", "etc", "--id", ""], "a value is required for '--id <ID>'"),
    ] {
        let (code, error) = lobby(args, &[]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(said), "{said:?} is missing in {error}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let said = "there is no directory /no/such; --etc names a directory with etc.toml and lobby.toml";
    refused(&["--etc", "/no/such"], &[], &[said]);
    refused(&["game", "--etc", "/no/such"], &[], &[said]);
}

#[test]
fn mistakes_in_the_files_are_named_with_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    std::fs::write(dir.path().join("etc.toml"), "[registry.consul]\nadr = 'a:1'\n").unwrap();
    refused(&["game", "--etc", path], &[], &["etc.toml:2", "adr", "addr"]);
    std::fs::write(dir.path().join("etc.toml"), "").unwrap();
    std::fs::write(dir.path().join("lobby.toml"), "[store]\n\nport = 1\n").unwrap();
    refused(&["game", "--etc", path], &[], &["lobby.toml", "line 3", "unknown field `port`, expected `redis`"]);
}

#[test]
fn processes_of_their_own_need_something_to_share() {
    for role in ["gate", "login", "game", "wallet", "admin"] {
        refused(&[role, "--etc", &etc("memory")], &[], &["keeps things in memory", "as those in etc/fleet do"]);
    }
}

#[test]
fn without_consul_every_server_says_so() {
    // Nobody listens on the port of a listener that is gone.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let variables = [
        ("DUE_ETC_REGISTRY_CONSUL_ADDR", &*gone),
        ("DUE_ETC_NETWORK_WS_SERVER_ADDR", "127.0.0.1:0"),
        ("DUE_ETC_NETWORK_TCP_SERVER_ADDR", "127.0.0.1:0"),
        ("DUE_ETC_CLUSTER_MASTER_ADDR", "127.0.0.1:0"),
    ];
    for role in ["gate", "wallet", "admin"] {
        let said = [
            &*format!(
                "{role} cannot serve: start its registry first, or say where that is: `registry.consul.addr` of etc.toml"
            ),
            "DUE_ETC_REGISTRY_CONSUL_ADDR",
            "Connection refused",
        ];
        refused(&[role, "--etc", &etc("fleet"), "--id", role], &variables, &said);
    }
}

#[test]
fn taken_ports_are_named_with_the_way_to_others() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let said = [&*format!("cannot listen for clients on {addr}"), "DUE_ETC_NETWORK_WS_SERVER_ADDR", "in use"];
    let free = "127.0.0.1:0";
    let others = [("DUE_ETC_NETWORK_TCP_SERVER_ADDR", free), ("DUE_ETC_CLUSTER_MASTER_ADDR", free)];
    refused(&[], &[others[0], others[1], ("DUE_ETC_NETWORK_WS_SERVER_ADDR", &addr)], &said);
    let said = [&*format!("the master cannot listen on {addr}"), "DUE_ETC_CLUSTER_MASTER_ADDR", "in use"];
    let others = [("DUE_ETC_NETWORK_TCP_SERVER_ADDR", free), ("DUE_ETC_NETWORK_WS_SERVER_ADDR", free)];
    refused(&[], &[others[0], others[1], ("DUE_ETC_CLUSTER_MASTER_ADDR", &addr)], &said);
}

#[test]
fn an_admin_whom_others_reach_needs_a_token() {
    let listeners = ["WS", "TCP"].map(|wire| format!("DUE_ETC_NETWORK_{wire}_SERVER_ADDR"));
    let mut variables: Vec<_> = listeners.iter().map(|name| (name.as_str(), "127.0.0.1:0")).collect();
    variables.push(("DUE_ETC_CLUSTER_MASTER_ADDR", "0.0.0.0:0"));
    let said = "choose `cluster.master.token` of etc.toml, or DUE_ETC_CLUSTER_MASTER_TOKEN";
    refused(&[], &variables, &[said, "needs a token"]);
    variables.push(("DUE_ETC_CLUSTER_MASTER_TOKEN", "123456"));
    refused(&[], &variables, &[said, "the token has 6 bytes, at least 16 are needed"]);
}

#[test]
fn a_player_who_reaches_nobody_says_where_he_tried() {
    refused(&["play", "ws://127.0.0.1:1"], &[], &["cannot connect to ws://127.0.0.1:1"]);
    refused(&["play", "http://127.0.0.1:1"], &[], &["unknown scheme"]);
    let (code, error) = lobby(&["play", "--admin", "http://127.0.0.1:1/#token"], &[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("the following required arguments were not provided:\n  <URL>"), "{error}");
}
