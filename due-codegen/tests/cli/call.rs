//! `cargo due call`, against a gate and a node that run in this process.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use due::Codec;

use super::game::{Server, project};
use super::{Run, due, folder};

const EVERYTHING: &str = r#"{"name": "due", "big": "9007199254740993", "raw": "AAEC", "kind": "KIND_SWORD",
    "places": {"7": {"x": -1}}, "path": [{"x": 1, "y": 2}, {}], "share": 0.5, "when": "2024-02-29T12:00:00.500Z",
    "nick": "d", "sure": false}"#;

/// Runs `call`, with the port of the server left out of what it says.
fn call(url: &str, args: &[&str]) -> Run {
    let run = due(&project(), &[&["call", url], args].concat());
    let port = format!(":{}", url.rsplit(':').next().unwrap().trim_end_matches('/'));
    let hide = |text: String| text.replace(&port, ":PORT");
    Run { out: hide(run.out), err: hide(run.err), ..run }
}

#[test]
fn every_transport_and_codec_brings_back_what_was_sent() {
    for (name, codec) in [("proto", Codec::Proto), ("json", Codec::Json), ("msgpack", Codec::MsgPack)] {
        let server = Server::start(codec);
        for (scheme, dialect) in [("ws", "sized"), ("ws", "bare"), ("tcp", "sized"), ("kcp", "sized")] {
            let run = call(&server.url(scheme), &["Game/Echo", EVERYTHING, "--codec", name, "--dialect", dialect]);
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{scheme} {dialect} {name}: {}", run.text());
            let [sent, got] =
                [EVERYTHING, &run.out].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
            assert_eq!(sent, got, "{scheme} {dialect} {name}");
        }
    }
}

#[test]
fn calls_of_one_connection_go_out_in_order() {
    let server = Server::start(Codec::Proto);
    let login = r#"{"uid": 7, "password": "secret"}"#;
    let run = call(&server.url("ws"), &["LogIn", login, "WhoAmI", "Game/WhoAmI", "{}", "--defaults"]);
    insta::assert_snapshot!("chain", run.text());
}

#[test]
fn a_refusal_ends_it_with_1() {
    let server = Server::start(Codec::Proto);
    let url = server.url("tcp");
    insta::assert_snapshot!("refused_by_a_field", call(&url, &["LogIn", r#"{"uid": 7}"#, "WhoAmI"]).text());
    insta::assert_snapshot!("refused_without_a_user", call(&url, &["WhoAmI", "Echo"]).text());
    insta::assert_snapshot!("refused_by_a_status", call(&url, &["Fail"]).text());
    insta::assert_snapshot!("refused_because_internal", call(&url, &["Secret"]).text());
    let run = call(&url, &["Fail", "Echo", r#"{"name": "on"}"#, "--keep-going"]);
    assert_eq!((run.code, run.out.as_str()), (1, "{\n  \"name\": \"on\"\n}\n"), "{}", run.text());
}

#[test]
fn a_oneway_message_that_is_refused_is_heard_of_while_listening() {
    let server = Server::start(Codec::Proto);
    // The answer to the second call comes after what there is to say about the first.
    for args in [&["Whisper", r#"{"text": "psst"}"#, "Echo"][..], &["Whisper", "--listen=300ms"]] {
        let run = call(&server.url("tcp"), args);
        assert_eq!(run.code, 1, "{}", run.text());
        assert_eq!(run.err, "refused: game.v1.Game/Whisper answers 7 (unauthorized): log in first\n");
    }
}

#[test]
fn a_slip_is_named_with_its_neighbour_and_nothing_is_sent() {
    // Nobody listens here, so a connection would be noticed.
    let url = "tcp://127.0.0.1:1";
    let call = |args: &[&str]| due(&project(), &[&["call", url], args].concat());
    let cases: &[&[&str]] = &[
        &[],
        &["Game/Ecco", "{}"],
        &["game.v1.Said", "{}"],
        &["Echo", r#"{"nam": "due"}"#],
        &["Echo", r#"{"path": [{"x": 1}, {"z": 1}]}"#],
        &["Echo", r#"{"places": {"1": {"why": 1}}}"#],
        &["Echo", r#"{"name": 1}"#],
        &["Echo", r#"{"name": "due""#],
        &["{}"],
        &["Echo", "@nowhere.json"],
        &["Echo", "--listen=soon"],
        &["Echo", "--dialect", "bare"],
    ];
    let runs: Vec<String> = cases.iter().map(|args| format!("$ {args:?}\n{}", call(args).text())).collect();
    insta::assert_snapshot!("slips", runs.join("\n"));
}

#[test]
fn requests_come_from_files_and_from_standard_input() {
    let server = Server::start(Codec::Proto);
    let files = folder(&[("echo.json", r#"{"name": "from a file"}"#)]);
    let path = format!("@{}", files.path().join("echo.json").display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_cargo-due"))
        .args(["call", &server.url("ws"), "Echo", &path, "Echo", "-"])
        .current_dir(project())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(br#"{"name": "from a pipe"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out, "{\n  \"name\": \"from a file\"\n}\n{\n  \"name\": \"from a pipe\"\n}\n");
    let twice = call(&server.url("ws"), &["Echo", "-", "Echo", "-"]);
    assert_eq!((twice.code, twice.out.as_str()), (2, ""));
}

#[test]
fn pushes_are_shown_by_their_route() {
    let server = Server::start(Codec::Json);
    let say = |args: &[&str]| {
        let said = ["Say", r#"{"text": "one"}"#, "Say", r#"{"text": "two"}"#];
        call(&server.url("ws"), &[&said[..], &["--codec", "json"], args].concat())
    };
    let lines = concat!(
        r#"{"body":{"text":"one"},"id":20,"push":"game.v1.Said"}"#,
        "\n",
        r#"{"body":{"text":"two"},"id":20,"push":"game.v1.Said"}"#,
        "\n"
    );
    let run = say(&["--listen=2"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, lines, ""));
    let run = say(&["--listen=3", "--timeout", "500ms"]);
    assert_eq!((run.code, run.out.as_str()), (3, lines));
    assert_eq!(run.err, "error: 2 of 3 pushes came, and none for 500ms\n");
    let run = say(&["--listen=500ms"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, lines, ""));
}

#[test]
fn listening_ends_with_the_connection_and_with_ctrl_c() {
    let mut server = Server::start(Codec::Proto);
    let listen = || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cargo-due"))
            .args(["call", &server.url("ws"), "Say", r#"{"text": "I am here"}"#, "--listen"])
            .current_dir(project())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("I am here"), "{line}");
        child
    };
    let mut interrupted = listen();
    let kill = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(interrupted.wait().unwrap().code(), Some(0));
    let mut dismissed = listen();
    server.stop();
    assert_eq!(dismissed.wait().unwrap().code(), Some(3));
    let mut err = String::new();
    dismissed.stderr.unwrap().read_to_string(&mut err).unwrap();
    assert!(err.starts_with("error: the connection has ended: the server goes away"), "{err}");
}

#[test]
fn verbose_shows_the_bytes_of_both_ways() {
    let server = Server::start(Codec::Proto);
    let args = ["Echo", r#"{"name": "due", "path": [{"x": 3}]}"#, "Fail", "-v"];
    insta::assert_snapshot!("bytes_sized", call(&server.url("tcp"), &args).text());
    let args = ["Echo", r#"{"name": "due"}"#, "-v", "--dialect", "bare"];
    insta::assert_snapshot!("bytes_bare", call(&server.url("ws"), &args).text());
}

#[test]
fn no_answer_and_no_connection_are_3() {
    let mut server = Server::start(Codec::Proto);
    let url = server.url("ws");
    let run = call(&url, &["Hang", "Echo", "--timeout", "200ms"]);
    assert_eq!((run.code, run.out.as_str()), (3, ""));
    assert_eq!(run.err, "error: game.v1.Game/Hang: no answer within 200ms; 1 call after it not sent\n");
    let run = call(&url, &["Leave", "Hang"]);
    assert_eq!((run.code, run.out.as_str()), (3, ""));
    assert_eq!(run.err, "error: game.v1.Game/Hang: the connection is closed: closed by the server: bye\n");
    // A codec that the gate does not speak.
    let run = call(&url, &["Echo", r#"{"name": "due"}"#, "--codec", "json"]);
    assert_ne!(run.code, 0, "{}", run.text());
    server.stop();
    let run = call(&url, &["Echo"]);
    assert_eq!(run.code, 3, "{}", run.text());
    assert!(run.err.ends_with("help: nobody listens there: start the gate, or look at host and port\n"), "{}", run.err);
    let run = call("http://127.0.0.1:1", &["Echo"]);
    assert_eq!(run.code, 2, "{}", run.text());
}

#[test]
fn tls_believes_whom_it_is_told_to() {
    let server = Server::secure();
    let ca = server.certificate.path().join("ca.pem").display().to_string();
    for scheme in ["wss", "tls"] {
        let url = server.url(scheme);
        let echo = |args: &[&str]| call(&url, &[&["Echo", r#"{"name": "due"}"#], args].concat());
        for args in [&["--ca", &ca][..], &["--insecure"]] {
            let run = echo(args);
            assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "{\n  \"name\": \"due\"\n}\n", ""));
        }
        let run = echo(&[]);
        assert_eq!(run.code, 3, "{}", run.text());
        assert!(
            run.err.ends_with("help: --ca FILE believes an authority of your own, --insecure everybody\n"),
            "{}",
            run.err
        );
        let run = echo(&["--ca", &ca, "--server-name", "game.example"]);
        assert_eq!(run.code, 3, "{}", run.text());
    }
    fs::write(server.certificate.path().join("no.pem"), "no").unwrap();
    let no = server.certificate.path().join("no.pem").display().to_string();
    assert_eq!(call(&server.url("tls"), &["Echo", "--ca", &no]).code, 2);
}

#[test]
fn a_due_toml_may_name_dialect_and_codec() {
    let server = Server::start(Codec::Json);
    let proto = fs::read_to_string(project().join("proto/game.proto")).unwrap();
    let toml = "[packet]\ndialect = \"bare\"\n[typescript]\nout = \"gen\"\ncodec = \"json\"\n";
    let project = folder(&[("proto/game.proto", &proto), ("due.toml", toml)]);
    let run = due(project.path(), &["call", &server.url("ws"), "Echo", r#"{"name": "due"}"#, "-v"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert!(run.err.contains("7b 22 6e 61 6d 65 22 3a") && !run.err.contains("size"), "{}", run.err);
}

#[test]
fn what_is_in_an_any_goes_out_and_comes_back_under_every_codec() {
    let point = r#"{"extra": {"@type": "type.googleapis.com/game.v1.Point", "x": -1, "y": 2}}"#;
    let nested = r#"{"extra": {"@type": "type.googleapis.com/game.v1.Everything", "name": "in",
        "places": {"7": {"x": 1}}, "extra": {"@type": "x/game.v1.Said", "text": "deep"}}}"#;
    let known = r#"{"extra": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "due"}}"#;
    for (name, codec) in [("proto", Codec::Proto), ("json", Codec::Json), ("msgpack", Codec::MsgPack)] {
        let server = Server::start(codec);
        for sent in [point, nested, known] {
            let run = call(&server.url("tcp"), &["Game/Echo", sent, "--codec", name]);
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{name}: {}", run.text());
            let [sent, got] = [sent, &run.out].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
            assert_eq!(sent, got, "{name}");
        }
    }
    // As servers of due have it in JSON.
    let server = Server::start(Codec::Json);
    let run = call(&server.url("tcp"), &["Game/Echo", point, "--codec", "json", "-v"]);
    assert!(run.err.contains("\n  7b 22 65 78 74 72 61 22 3a 7b 22 74 79 70 65 55\n  72 6c 22"), "{}", run.err);
}

#[test]
fn an_any_of_an_unknown_type_is_named_and_nothing_is_sent() {
    let cases = [
        (r#"{"extra": {"x": 1}}"#, "`google.protobuf.Any` needs the name of what is in it"),
        (r#"{"extra": {"@type": 7}}"#, "the \"@type\" of a `google.protobuf.Any` is a string (in `extra`)"),
        (r#"{"extra": {"@type": "game.v1.Point"}}"#, "write \"type.googleapis.com/game.v1.Point\" (in `extra`)"),
        (r#"{"extra": {"@type": "a/game.v1.Pint"}}"#, "holds a `game.v1.Pint`, which the schema does not have"),
        (r#"{"extra": {"@type": "a/game.v1.Point", "z": 1}}"#, "`game.v1.Point` has no field `z` (in `extra`)"),
    ];
    for (json, says) in cases {
        let run = due(&project(), &["call", "tcp://127.0.0.1:1", "Echo", json]);
        assert_eq!(run.code, 2, "{json}: {}", run.text());
        assert!(run.err.contains(says) && run.err.starts_with("error: the request of "), "{json}: {}", run.err);
    }
}
