//! `arena` as its users run it.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use arena::v1::{ArenaClient, JoinRequest, Scene};
use due::Client;

const ARENA: &str = env!("CARGO_BIN_EXE_arena");

/// Killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_says_where_it_is_plays_and_stops_on_a_signal() {
    let mut command = Command::new(ARENA);
    command.args(["--listen", "127.0.0.1:0", "--ws", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut process = Process(command.spawn().unwrap());
    let mut out = BufReader::new(process.0.stdout.take().unwrap());
    let mut line = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    let page = line();
    assert!(page.starts_with("arena: http://127.0.0.1:") && page.ends_with("/\n"), "{page}");
    let gate = line();
    let gate = gate.strip_prefix("gate: ").unwrap().strip_suffix("; Ctrl-C stops\n").unwrap();

    let client = Client::connect(gate).await.unwrap();
    let mut scenes = client.pushes::<Scene>();
    let request = JoinRequest { name: "Ann".to_owned(), key: Vec::new() };
    assert_eq!(ArenaClient::new(client.clone()).join(request).await.unwrap().id, 1);
    assert_eq!(scenes.next().await.unwrap().unwrap().players[0].name, "Ann");

    assert!(Command::new("kill").args(["-INT", &process.0.id().to_string()]).status().unwrap().success());
    assert!(scenes.next().await.is_none());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopped\n");
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn a_taken_port_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = &taken.local_addr().unwrap().to_string();
    for (listen, ws, said) in [
        (&taken[..], "127.0.0.1:0", "another port is chosen by --listen, as --listen 127.0.0.1:0 for any free one"),
        ("127.0.0.1:0", &taken[..], "another port is chosen by --ws, as --ws 127.0.0.1:0 for any free one"),
    ] {
        let output = Command::new(ARENA).args(["--listen", listen, "--ws", ws]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(taken) && error.contains(said) && error.contains("in use"), "{error}");
    }
}
