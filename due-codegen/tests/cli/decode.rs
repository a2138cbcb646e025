//! `cargo due decode`: the vectors of both wires, every dress of bytes, and input that makes no sense.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use due_codegen::{BodyCodec, Builder, DecodeOptions, Decoded, Dialect, Direction, Frame, Input, Schema, Wire, decode};
use serde_json::Value;
use tempfile::TempDir;

use super::templates::LOBBY;
use super::{due, folder};

fn project() -> TempDir {
    folder(&[("due.toml", ""), ("proto/lobby.proto", LOBBY)])
}

fn schema(project: &TempDir) -> Schema {
    Builder::new().includes([project.path().join("proto")]).schema().unwrap()
}

/// `what: name=value, ..` of every frame, with packets inside in brackets.
fn told(decoded: &Decoded) -> Vec<String> {
    fn of(frame: &Frame) -> String {
        let body = frame.body.iter().flat_map(|body| &body.parts);
        // The size is checked by the frames' lengths.
        let parts = frame.parts.iter().chain(body).filter(|part| part.name != "size");
        let parts: Vec<String> = parts.map(|part| format!("{}={}", part.name, part.value)).collect();
        let packet = frame.packet.iter().map(|packet| format!(" [{}]", of(packet)));
        let fault = frame.fault.iter().map(|fault| format!(" !{}: {}", fault.offset, fault.message));
        format!("{}: {}{}", frame.what, parts.join(", "), packet.chain(fault).collect::<String>())
    }
    decoded.frames.iter().map(of).collect()
}

fn link(hex: &str) -> String {
    let input = Input::hex(hex).unwrap();
    let decoded = decode(&input, None, &DecodeOptions::default());
    assert_eq!((decoded.wire, decoded.frames.len()), (Wire::Link, 1), "{hex}: {:?}", told(&decoded));
    assert_eq!(decoded.frames[0].length, input.bytes().len());
    told(&decoded).remove(0).replace("header=data, opcode", "opcode")
}

#[test]
fn every_frame_of_the_link_is_read() {
    const PACKET: &str = "0000000700000100026869";
    let packet = "[route 1: header=data, route=1, seq=2, body=\"hi\"]";
    for (hex, expected) in [
        (
            "0000000d 00 01 0000000000000001 01 4731",
            "Handshake request: opcode=1, Handshake, seq=1, kind=1, gate, id=\"G1\"",
        ),
        (
            "0000000d 00 01 0000000000000001 02 4e31",
            "Handshake request: opcode=1, Handshake, seq=1, kind=2, node, id=\"N1\"",
        ),
        ("0000000c 00 01 0000000000000001 0000", "Handshake response: opcode=1, Handshake, seq=1, code=0, ok"),
        (
            "0000001a 00 02 0000000000000005 0000000000000007 00000000000003e9",
            "Bind request: opcode=2, Bind, seq=5, cid=7, uid=1001",
        ),
        ("0000000c 00 02 0000000000000005 0001", "Bind response: opcode=2, Bind, seq=5, code=1, session not found"),
        ("00000012 00 03 0000000000000005 00000000000003e9", "Unbind request: opcode=3, Unbind, seq=5, uid=1001"),
        ("0000000c 00 03 0000000000000005 0000", "Unbind response: opcode=3, Unbind, seq=5, code=0, ok"),
        (
            "00000013 00 04 0000000000000005 01 0000000000000007",
            "GetIP request: opcode=4, GetIP, seq=5, kind=1, connection, cid=7",
        ),
        (
            "00000010 00 04 0000000000000005 0000 c0a8010a",
            "GetIP response: opcode=4, GetIP, seq=5, code=0, ok, ip=192.168.1.10",
        ),
        ("0000000c 00 04 0000000000000005 0001", "GetIP response: opcode=4, GetIP, seq=5, code=1, session not found"),
        ("0000000b 00 05 0000000000000005 02", "Stat request: opcode=5, Stat, seq=5, kind=2, user"),
        (
            "00000014 00 05 0000000000000005 0000 0000000000000003",
            "Stat response: opcode=5, Stat, seq=5, code=0, ok, total=3",
        ),
        ("0000000c 00 05 0000000000000005 0000", "Stat response: opcode=5, Stat, seq=5, code=0, ok"),
        (
            "00000013 00 06 0000000000000005 02 00000000000003e9",
            "IsOnline request: opcode=6, IsOnline, seq=5, kind=2, user, uid=1001",
        ),
        (
            "0000000d 00 06 0000000000000005 0000 01",
            "IsOnline response: opcode=6, IsOnline, seq=5, code=0, ok, online=true",
        ),
        (
            "0000000d 00 06 0000000000000005 0002 00",
            "IsOnline response: opcode=6, IsOnline, seq=5, code=2, internal error, online=false",
        ),
        (
            "00000014 00 07 0000000000000005 01 0000000000000007 01",
            "Disconnect request: opcode=7, Disconnect, seq=5, kind=1, connection, cid=7, force=true",
        ),
        (
            &format!("0000001e 00 08 0000000000000000 02 00000000000003e9 {PACKET}"),
            &format!("Push request: opcode=8, Push, seq=0: no answer is expected, kind=2, user, uid=1001 {packet}"),
        ),
        (
            &format!("0000001e 40 08 0000000000000005 01 0000000000000007 {PACKET}"),
            &format!(
                "Push request: header=data; disconnect after the push, opcode=8, Push, seq=5, kind=1, connection, cid=7 {packet}"
            ),
        ),
        (
            &format!("00000028 00 09 0000000000000005 02 0002 00000000000003e9 00000000000003ea {PACKET}"),
            &format!(
                "Multicast request: opcode=9, Multicast, seq=5, kind=2, user, count=2, uid=1001, uid=1002 {packet}"
            ),
        ),
        (
            "00000014 00 09 0000000000000005 0000 0000000000000002",
            "Multicast response: opcode=9, Multicast, seq=5, code=0, ok, total=2",
        ),
        (
            &format!("00000016 00 0a 0000000000000005 01 {PACKET}"),
            &format!("Broadcast request: opcode=10, Broadcast, seq=5, kind=1, connection {packet}"),
        ),
        (
            &format!("0000001c 00 0b 0000000000000005 06 726f6f6d3a31 {PACKET}"),
            &format!("Publish request: opcode=11, Publish, seq=5, channel length=6, channel=\"room:1\" {packet}"),
        ),
        (
            "00000014 00 0b 0000000000000005 0000 0000000000000002",
            "Publish response: opcode=11, Publish, seq=5, code=0, ok, total=2",
        ),
        ("00000014 00 0b 0000000000000005 0000", "Publish response: opcode=11, Publish, seq=5, code=0, ok"),
        (
            "0000001b 00 0c 0000000000000005 02 0001 00000000000003e9 726f6f6d3a31",
            "Subscribe request: opcode=12, Subscribe, seq=5, kind=2, user, count=1, uid=1001, channel=\"room:1\"",
        ),
        ("0000000c 00 0d 0000000000000005 0000", "Unsubscribe response: opcode=13, Unsubscribe, seq=5, code=0, ok"),
        (
            "00000013 00 0e 0000000000000000 01 0000000000000007",
            "Trigger request: opcode=14, Trigger, seq=0: no answer is expected, event=1, connect, cid=7",
        ),
        (
            "0000001b 00 0e 0000000000000000 03 0000000000000007 00000000000003e9",
            "Trigger request: opcode=14, Trigger, seq=0: no answer is expected, event=3, disconnect, cid=7, uid=1001",
        ),
        (
            &format!("00000025 00 0f 0000000000000000 0000000000000007 00000000000003e9 {PACKET}"),
            &format!("Deliver request: opcode=15, Deliver, seq=0: no answer is expected, cid=7, uid=1001 {packet}"),
        ),
        (
            "0000000c 00 0f 0000000000000005 0001",
            "Deliver response: opcode=15, Deliver, seq=5, code=1, session not found",
        ),
        ("0000000a 00 10 0000000000000005", "GetState request: opcode=16, GetState, seq=5"),
        (
            "0000000d 00 10 0000000000000005 0000 01",
            "GetState response: opcode=16, GetState, seq=5, code=0, ok, state=1, work",
        ),
        ("0000000b 00 11 0000000000000005 02", "SetState request: opcode=17, SetState, seq=5, state=2, busy"),
        ("0000000c 00 11 0000000000000005 0000", "SetState response: opcode=17, SetState, seq=5, code=0, ok"),
    ] {
        assert_eq!(link(hex), expected, "{hex}");
    }
}

#[test]
fn a_heartbeat_of_the_link_is_that_of_a_client_unless_one_says_so() {
    let input = Input::hex("0000000180").unwrap();
    let mut options = DecodeOptions::default();
    assert_eq!(told(&decode(&input, None, &options)), ["heartbeat: header=heartbeat"]);
    options.wire = Some(Wire::Link);
    assert_eq!(told(&decode(&input, None, &options)), ["heartbeat of the link: header=heartbeat"]);
}

#[test]
fn a_publish_response_of_go_ends_where_it_does_and_not_where_its_size_says() {
    let short = "00000014 00 0b 0000000000000005 0000";
    let failed = "00000014 00 0b 0000000000000005 0002";
    let next = "0000000c 00 02 0000000000000006 0000";
    for (hex, total) in [
        (format!("{short} {next}"), false),
        (format!("{short} 0000000000000003 {next}"), true),
        (format!("{failed} {next}"), false),
    ] {
        let decoded = decode(&Input::hex(&hex).unwrap(), None, &DecodeOptions::default());
        let told = told(&decoded);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].starts_with("Bind response: ") && !decoded.has_faults(), "{told:?}");
        assert_eq!(told[0].contains("total=3"), total, "{told:?}");
    }
}

#[test]
fn the_hello_and_the_proof_of_a_secret_are_read() {
    let (tag, nonce, id) = ("6475652d7365637265742f31", "ab".repeat(32), "02 4e31");
    let hello = format!("0000003a 00 01 0000000000000001 00 {tag} {nonce} {id}");
    let expected = "Handshake request: opcode=1, Handshake, seq=1, kind=none: a secret is to be proven, \
                    tag=\"due-secret/1\", nonce=, kind=2, node, id=\"N1\"";
    assert_eq!(link(&hello), expected);
    let proof = format!("0000002a 00 01 0000000000000002 {nonce}");
    assert_eq!(link(&proof), "Handshake request: opcode=1, Handshake, seq=2, proof=that the secret is known");
}

#[test]
fn packets_of_every_width_order_and_dialect_are_read() {
    for (hex, route_bytes, seq_bytes, big, dialect, expected) in [
        ("00000007 00 0001 0002 6869", 2, 2, true, Dialect::Sized, "route=1, seq=2, body=\"hi\""),
        ("07000000 00 0100 0200 6869", 2, 2, false, Dialect::Sized, "route=1, seq=2, body=\"hi\""),
        ("0000000b 00 00000001 00000002 6869", 4, 4, true, Dialect::Sized, "route=1, seq=2, body=\"hi\""),
        ("00000009 00 00000001 0002 6869", 4, 2, true, Dialect::Sized, "route=1, seq=2, body=\"hi\""),
        ("00000007 00 00000001 6869", 4, 0, true, Dialect::Sized, "route=1, body=\"hi\""),
        ("00000009 00 0001 00000002 6869", 2, 4, true, Dialect::Sized, "route=1, seq=2, body=\"hi\""),
        ("00000005 00 0001 6869", 2, 0, true, Dialect::Sized, "route=1, body=\"hi\""),
        ("00000005 00 01 02 6869", 1, 1, true, Dialect::Sized, "route=1, seq=2, body=\"hi\""),
        ("00000004 00 01 6869", 1, 0, true, Dialect::Sized, "route=1, body=\"hi\""),
        ("00000005 00 fffe ffff", 2, 2, true, Dialect::Sized, "route=-2, seq=-1, body=empty"),
        ("00 0001 0001 6869", 2, 2, true, Dialect::Bare, "route=1, seq=1, body=\"hi\""),
        ("00 0100 0100 6869", 2, 2, false, Dialect::Bare, "route=1, seq=1, body=\"hi\""),
        ("00 7f 00010000 6869", 1, 4, true, Dialect::Bare, "route=127, seq=65536, body=\"hi\""),
    ] {
        let mut options = DecodeOptions::default();
        options.packet.route_bytes = route_bytes;
        options.packet.seq_bytes = seq_bytes;
        options.packet.big_endian = big;
        options.wire = Some(Wire::Client);
        options.dialect = Some(dialect);
        let decoded = decode(&Input::hex(hex).unwrap(), None, &options);
        let told = told(&decoded);
        assert_eq!(told.len(), 1);
        assert!(told[0].ends_with(&format!("header=data, {expected}")), "{hex}: {told:?}");
    }
}

#[test]
fn what_clients_and_gates_say_about_their_schemas_is_named() {
    for (hex, what, expected) in [
        (
            "0000001a 00 ffff 0000 ff 0a10 30303030303030303030303030303061 100e",
            "due.Greeting",
            r#"{"hash":"000000000000000a","size":14}"#,
        ),
        ("0000000c 00 ffff 0000 ff 0802 1803 2800", "due.Answer", r#"{"limit":3,"verdict":"MORE"}"#),
        ("00000009 00 ffff 0007 0807 1803", "due.Status", r#"{"code":3,"route":7}"#),
    ] {
        let decoded = decode(&Input::hex(hex).unwrap(), None, &DecodeOptions::default());
        assert_eq!(decoded.frames.len(), 1, "{hex}");
        let frame = &decoded.frames[0];
        assert_eq!((&*frame.what, &frame.fault), (what, &None), "{hex}");
        let json = frame.body.as_ref().and_then(|body| body.json.as_ref()).map(ToString::to_string);
        assert_eq!(json.as_deref(), Some(expected), "{hex}: {:?}", frame.parts);
    }
}

#[test]
fn heartbeats_tell_their_time_in_both_units() {
    for (hex, big, expected) in [
        ("00000001 80", true, "heartbeat: header=heartbeat"),
        ("01000000 80", false, "heartbeat: header=heartbeat"),
        // As due-client-ts writes it.
        ("00000001 80", false, "heartbeat: header=heartbeat"),
        ("00000000", true, "keep-alive: "),
        (
            "00000009 80 18ea666bcc26f04d",
            true,
            "heartbeat: header=heartbeat, time=1795360014633201741 ns, 2026-11-22T15:06:54.633Z",
        ),
        (
            "09000000 80 00bab3484bd49e17",
            false,
            "heartbeat: header=heartbeat, time=1702031129000000000 ns, 2023-12-08T10:25:29.000Z",
        ),
        ("80", true, "heartbeat: header=heartbeat"),
        ("80 0000018c48f5f9a8", false, "heartbeat: header=heartbeat, time=1702031129000 ms, 2023-12-08T10:25:29.000Z"),
    ] {
        let mut options = DecodeOptions::default();
        options.packet.big_endian = big;
        options.wire = Some(Wire::Client);
        assert_eq!(told(&decode(&Input::hex(hex).unwrap(), None, &options)), [expected], "{hex}");
    }
}

#[test]
fn bodies_are_decoded_by_their_routes() {
    let project = project();
    let hex = "\
0000000c 00 000a 0001 0a03616461 1007              # Enter, as only a request may be
0000000b 00 000a 0001 0801 1202 6f6b               # Enter, as only a response may be
00000005 00 000c 0000                              # Leave has no response
00000008 00 000b 0000 0a0161                       # Entered, a push
00000013 00 ffff 0007 080a 1007 1807 2206 6c6f67696e21  # due.Status
00000009 80 18ea666bcc26f04d
00000011 00 000a 0002 7b226e616d65223a2261227d     # json
";
    fs::write(project.path().join("frames.hex"), hex).unwrap();
    let run = due(project.path(), &["decode", "frames.hex"]);
    insta::assert_snapshot!("bodies", run.text());
    let json = due(project.path(), &["decode", "--json", "frames.hex"]);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["frames"][0]["body"]["json"], serde_json::json!({ "name": "ada", "age": 7 }));
    assert_eq!(document["frames"][1]["body"]["message"], "lobby.v1.EnterResponse");
    assert_eq!(document["frames"][1]["body"]["direction"], "response");
    assert_eq!(document["frames"][4]["body"]["json"]["code"], 7);
    assert_eq!(document["frames"][6]["body"]["codec"], "json");
    assert!(document["frames"].as_array().unwrap().iter().all(|frame| frame["fault"].is_null()), "{document}");
}

#[test]
fn a_delivered_packet_is_a_request_and_a_pushed_one_is_not() {
    let project = project();
    let schema = schema(&project);
    let packet = "00000009 00 000a 0001 0a0261 62".replace(' ', "");
    let deliver = format!("00000027 00 0f 0000000000000000 0000000000000007 00000000000003e9 {packet}");
    let push = format!("00000020 00 08 0000000000000000 02 00000000000003e9 {packet}");
    for (hex, direction) in [(deliver, Direction::Request), (push, Direction::Response)] {
        let decoded = decode(&Input::hex(&hex).unwrap(), Some(&schema), &DecodeOptions::default());
        let packet = decoded.frames[0].packet.as_ref().unwrap();
        assert_eq!(packet.body.as_ref().unwrap().direction, Some(direction), "{decoded:?}");
    }
}

#[test]
fn a_ws_packet_that_could_be_sized_is_known_by_its_route() {
    let project = project();
    let schema = schema(&project);
    // Route 10 and seq 0 with 2559 bytes of body read as the size 0x000a00.
    let mut bytes = vec![0, 0, 10, 0, 0];
    bytes.extend([0x0a, 0xfc, 0x13]);
    bytes.extend([b'a'; 2556]);
    assert_eq!(bytes.len() - 4, 0x000a00);
    let decoded = decode(&Input::raw(bytes), Some(&schema), &DecodeOptions::default());
    assert_eq!((decoded.wire, decoded.dialect, decoded.guessed), (Wire::Client, Dialect::Bare, true));
    assert_eq!(decoded.frames[0].what, "lobby.v1.Lobby.Enter");
}

#[test]
fn msgpack_bodies_are_read_when_one_says_so() {
    let project = project();
    let body = "82 a46e616d65 a3616461 a3616765 07";
    let args = ["decode", "--codec", "msgpack", "--direction", "request", "00000015 00 000a 0001", body];
    let run = due(project.path(), &args);
    assert_eq!(run.code, 1, "the size is too great");
    let args = ["decode", "--codec", "msgpack", "--direction", "request", "00000014 00 000a 0001", body];
    let run = due(project.path(), &args);
    assert_eq!(run.code, 0, "{}", run.text());
    assert!(run.out.contains("request lobby.v1.EnterRequest (msgpack)\n"), "{}", run.out);
    assert!(run.out.contains("{\"age\":7,\"name\":\"ada\"}\n"), "{}", run.out);
    let args = ["decode", "--codec", "msgpack", "--direction", "request", "00000009 00 000a 0001 81 a46e61"];
    let run = due(project.path(), &args);
    assert!(run.out.contains("error at byte 11: a string is cut off: it has 4 bytes, 2 are left\n"), "{}", run.text());
}

#[test]
fn wrong_and_truncated_input_says_where_and_why() {
    let project = project();
    let mut shown = String::new();
    for hex in [
        "0000",
        "0000000c 00 000a 0001 0a03 6164",
        "0c000000 00 0a00 0100 0a03 616461 1007",
        "00000003 00 000a",
        "00000009 00 000a 0001 0a05 6161",
        "00000008 00 000a 0001 0a01 ff",
        "00000007 00 000a 0001 1001 10",
        "00000007 00 000a 0001 0807 0f",
        "0000000a 00 000a 0001 1a03 1201 08",
        "0000000d 00 01 0000000000000001",
        "0000000d 00 02 0000000000000001 010203",
        "0000000c 00 12 0000000000000001 0000",
        "00000013 00 06 0000000000000005 02 00000000000003e9 0000000a 00",
    ] {
        let wire = if hex.contains("00000000000001") || hex.contains("0000000000000005") { "link" } else { "client" };
        let run = due(project.path(), &["decode", "--dialect", "sized", "--direction", "request", "--wire", wire, hex]);
        assert_eq!(run.code, 1, "{hex}: {}", run.text());
        shown.push_str(&format!("== {hex}\n{}", run.out));
    }
    insta::assert_snapshot!("faults", shown);
}

#[test]
fn input_comes_as_hex_file_or_pipe() {
    let project = project();
    let frame = b"\x00\x00\x00\x08\x00\x00\x0b\x00\x00\x0a\x01a";
    fs::write(project.path().join("frame.bin"), frame).unwrap();
    fs::write(project.path().join("frame.xxd"), "00000000: 0000 0008 0000 0b00 000a 0161            ...........a\n")
        .unwrap();
    let expected = due(project.path(), &["decode", "0x0000000800000b00000a0161"]);
    assert!(expected.code == 0 && expected.out.contains("push lobby.v1.Entered (proto)\n"), "{}", expected.text());
    for args in [
        vec!["decode", "00000008", "00", "000b", "0000", "0a0161"],
        vec!["decode", "frame.bin"],
        vec!["decode", "frame.xxd"],
    ] {
        assert_eq!(due(project.path(), &args).out, expected.out, "{args:?}");
    }
    for input in [&frame[..], b"0000 0008 00 000b 0000 0a01 61\n"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cargo-due"))
            .args(["decode", "-"])
            .current_dir(project.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected.out);
    }
    let text = due(project.path(), &["decode", "nowhere.bin"]);
    let refused = "error: `nowhere.bin` is neither a file nor hex: line 1, column 1: `n` is no hex digit\n";
    assert_eq!((text.code, text.err.as_str()), (2, refused));
    assert_eq!(due(project.path(), &["decode", "--wire", "link", "--dialect", "bare", "00"]).code, 2);
    let none = tempfile::tempdir().unwrap();
    let run = due(none.path(), &["decode", "0000000500000b0000"]);
    assert_eq!(run.code, 0);
    assert!(run.err.starts_with("no due.toml in this folder or above it: routes stay numbers"), "{}", run.err);
}

#[test]
fn messages_of_the_bare_dialect_are_parted_by_blank_lines() {
    let project = project();
    fs::write(project.path().join("ws.hex"), "00 000b 0000\n0a 01 61\n\n80\n\n00 000b 0000 0a 01 62\n").unwrap();
    let run = due(project.path(), &["decode", "ws.hex"]);
    let names: Vec<&str> = run.out.lines().filter(|line| line.contains(" at ")).collect();
    let expected = [
        "1 at 0..7, 8 bytes: lobby.v1.Entered",
        "2 at 8..8, 1 byte: heartbeat",
        "3 at 9..16, 8 bytes: lobby.v1.Entered",
    ];
    assert_eq!(names, expected, "{}", run.text());
}

/// xorshift64*, so that a failure comes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[test]
fn no_bytes_panic_and_every_part_lies_in_the_input() {
    const ROUNDS: u64 = 10_000;
    let project = project();
    let schema = schema(&project);
    let seeds = [
        "0000000c00000a00010a036164611007",
        "000000280009000000000000000502000200000000000003e900000000000003ea0000000700000100026869",
        "00000014000b00000000000000050000",
        "0000001a00000a00011a0b0a016112060a0408021005220200012803",
        "8000000000018c48f5f9a8",
        "0000000c00ffff0001080a10011805",
    ];
    for round in 1..ROUNDS {
        let mut random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = Input::hex(seeds[random.below(seeds.len())]).unwrap().bytes().to_vec();
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len().max(1));
            match random.below(4) {
                0 if !bytes.is_empty() => bytes[at] = random.next() as u8,
                1 => bytes.truncate(at),
                2 => bytes.insert(at.min(bytes.len()), random.next() as u8),
                _ => bytes.extend((0..random.below(20)).map(|_| random.next() as u8)),
            }
        }
        let mut options = DecodeOptions::default();
        options.packet.route_bytes = [1, 2, 4][random.below(3)];
        options.packet.seq_bytes = [0, 1, 2, 4][random.below(4)];
        options.packet.big_endian = random.below(2) == 0;
        options.wire = [None, Some(Wire::Client), Some(Wire::Link)][random.below(3)];
        options.dialect = [None, Some(Dialect::Sized), Some(Dialect::Bare)][random.below(3)];
        options.codec =
            [None, Some(BodyCodec::Proto), Some(BodyCodec::Json), Some(BodyCodec::Msgpack)][random.below(4)];
        options.direction = [None, Some(Direction::Request), Some(Direction::Response)][random.below(3)];
        let input = Input::raw(bytes);
        let decoded = decode(&input, Some(&schema), &options);
        let mut at = 0;
        for frame in &decoded.frames {
            assert_eq!(frame.offset, at, "frames follow one another: {decoded:?}");
            at += frame.length;
            check(frame, input.bytes().len());
        }
        assert_eq!(at, input.bytes().len(), "nothing is left out: {decoded:?}");
    }
}

fn check(frame: &Frame, length: usize) {
    let body = frame.body.iter().flat_map(|body| &body.parts);
    for part in frame.parts.iter().chain(body) {
        assert!(part.offset + part.length <= length && part.bytes.len() == part.length.min(4096) * 2, "{part:?}");
    }
    assert!(frame.fault.as_ref().is_none_or(|fault| fault.offset <= length), "{frame:?}");
    if let Some(packet) = &frame.packet {
        check(packet, length);
    }
}
