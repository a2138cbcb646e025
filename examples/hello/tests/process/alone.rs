//! Everything in one process: the tour, and the server under raw sockets and signals.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::process::{HELLO, Process};

#[test]
fn the_tour_shows_every_part_and_ends_well() {
    let output = Command::new(HELLO).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "connected to ws://127.0.0.1:",
        "connected to tcp://127.0.0.1:",
        "route 1, Greet: code 0, \"hello due~~\"",
        "push 2, Announcement:",
        "mesh discovery://manners, Phrase at nine: \"good morning\"",
        "stopped",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{text}");
    }
}

#[test]
fn a_wrong_codec_is_refused_with_the_known_ones() {
    let output = Command::new(HELLO).args(["serve", "--codec", "xml"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no codec is named `xml`; known are json, msgpack, msgpack-go, proto"), "{text}");
}

#[test]
fn a_taken_port_is_an_error_that_names_the_cause() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = Command::new(HELLO).args(["serve", "--ws", "127.0.0.1:0", "--tcp", &addr]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("cannot listen for clients on {addr}")), "{text}");
    assert!(text.contains("in use"), "{text}");
}

#[test]
fn a_server_answers_the_documented_frames_and_stops_on_a_signal() {
    let server = Process::start(&["serve", "--ws", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]);
    let mut client = TcpStream::connect(server.address("tcp://")).unwrap();
    for (sent, answered) in [
        // The JSON greeting of the protocol's documents.
        (
            "00000013 00 0001 0007 7b226e616d65223a22647565227d",
            "00000027 00 0001 0007 7b22636f6465223a302c226d657373616765223a2268656c6c6f206475657e7e227d",
        ),
        // `hello due~~` is no JSON: code 6.
        (
            "00000010 00 0001 0001 68656c6c6f206475657e7e",
            "0000001c 00 0001 0001 7b22636f6465223a362c226d657373616765223a22227d",
        ),
        ("00000001 80", "00000001 80"),
    ] {
        client.write_all(&hex(sent)).unwrap();
        let expected = hex(answered);
        let mut got = vec![0; expected.len()];
        client.read_exact(&mut got).unwrap();
        assert_eq!(got, expected, "{sent}");
    }

    server.signal("TERM");
    let mut farewell = Vec::new();
    client.read_to_end(&mut farewell).unwrap();
    let status =
        [&hex("00000043 00 ffff 0000")[..], br#"{"route":0,"seq":0,"code":-1,"message":"the gate is stopping"}"#];
    assert_eq!(farewell.escape_ascii().to_string(), status.concat().escape_ascii().to_string());
    server.ended_well();
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
