use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::ws::{Ws, WsRead, WsWrite};
use super::*;

const UPGRADE: &str = "Host: gate\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

type Session = (WsRead<Stream>, WsWrite<Stream>);

/// Sends `request` and what follows it in one segment.
async fn raw(path: &str, request: &str, behind: &[u8]) -> (TcpStream, io::Result<Session>) {
    let mut transport = Ws::bind("127.0.0.1:0").await.unwrap().path(path);
    let url = transport.local_addr();
    let addr = url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.set_nodelay(true).unwrap();
    client.write_all(&[request.as_bytes(), behind].concat()).await.unwrap();
    let (incoming, _) = transport.accept().await;
    let session = incoming.open(format()).await;
    (client, session.map(|opened| (opened.read, opened.write)))
}

async fn opened(behind: &[u8]) -> (TcpStream, Session) {
    let (mut client, session) = raw("/", &format!("GET / HTTP/1.1\r\n{UPGRADE}"), behind).await;
    let mut answer = vec![0; ACCEPTED.len()];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), ACCEPTED);
    (client, session.unwrap())
}

/// A masked frame from a client; the mask leaves the payload as it is.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

async fn status(path: &str, request: &str) -> String {
    let (mut client, session) = raw(path, request, b"").await;
    let mut answer = String::new();
    if session.is_ok() {
        let mut head = vec![0; ACCEPTED.len()];
        client.read_exact(&mut head).await.unwrap();
        answer = String::from_utf8(head).unwrap();
    } else {
        client.read_to_string(&mut answer).await.unwrap();
    }
    answer.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn the_path_may_be_chosen() {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\n{UPGRADE}");
    const OK: &str = "HTTP/1.1 101 Switching Protocols";
    const NOT_FOUND: &str = "HTTP/1.1 404 Not Found";
    assert_eq!(status("/", &get("/any/thing?x=1")).await, OK);
    assert_eq!(status("/game", &get("/game?token=7")).await, OK);
    assert_eq!(status("/game", &get("/game/")).await, NOT_FOUND);
    assert_eq!(status("/game", &get("/")).await, NOT_FOUND);
    assert_eq!(status("/game/", &get("/game/eu")).await, OK);
}

#[tokio::test]
async fn what_is_not_an_upgrade_is_refused_with_its_status() {
    const BAD: &str = "HTTP/1.1 400 Bad Request";
    assert_eq!(status("/", &format!("POST / HTTP/1.1\r\n{UPGRADE}")).await, "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(status("/", "GET / HTTP/1.1\r\nHost: gate\r\n\r\n").await, BAD);
    assert_eq!(status("/", &format!("GET / HTTP/1.0\r\n{UPGRADE}")).await, BAD);
    assert_eq!(status("/", &format!("GET / HTTP/1.1\r\n{}", UPGRADE.replace("13", "12"))).await, BAD);
    assert_eq!(status("/", "\u{16}\u{3}\u{1} TLS is spoken elsewhere").await, BAD);
    let endless = format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(9000));
    assert_eq!(status("/", &endless).await, "HTTP/1.1 431 Request Header Fields Too Large");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_ten_seconds() {
    let mut transport = Ws::bind("127.0.0.1:0").await.unwrap();
    let url = transport.local_addr();
    let _client = TcpStream::connect(url.strip_prefix("ws://").unwrap()).await.unwrap();
    let (incoming, _) = transport.accept().await;
    let before = tokio::time::Instant::now();
    let err = incoming.open(format()).await.map(|_| ()).unwrap_err();
    assert_eq!(err.kind(), io::ErrorKind::TimedOut);
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn frames_right_behind_the_request_are_not_lost() {
    let (mut client, (mut read, mut write)) = opened(&masked(0x82, &packet(&format(), 1, b"early"))).await;
    assert_eq!(next(&mut read, &format()).await, (1, Bytes::from_static(b"early")));
    let packets = [packet(&format(), 1, b"a"), packet(&format(), 2, b"")];
    write.write(&mut packets.to_vec(), Dialect::Sized).await.unwrap();
    write.write(&mut packets.to_vec(), Dialect::Bare).await.unwrap();
    let mut wire = [0; 12 + 11 + 8 + 7];
    client.read_exact(&mut wire).await.unwrap();
    let expected: &[&[u8]] = &[
        &[0x82, 10, 0, 0, 0, 6, 0, 0, 1, 0, 1, b'a'],
        &[0x82, 9, 0, 0, 0, 5, 0, 0, 1, 0, 2],
        &[0x82, 6, 0, 0, 1, 0, 1, b'a'],
        &[0x82, 5, 0, 0, 1, 0, 2],
    ];
    assert_eq!(wire[..], expected.concat());
}

#[tokio::test]
async fn text_and_control_frames_carry_no_packets() {
    let (mut client, (mut read, _write)) = opened(&masked(0x81, b"hello")).await;
    assert_eq!(read.read().await.unwrap(), Some(Inbound::Ignored(5)));
    client.write_all(&masked(0x89, b"are you there")).await.unwrap();
    assert_eq!(read.read().await.unwrap(), Some(Inbound::Ignored(13)));
    client.write_all(&masked(0x82, b"")).await.unwrap();
    assert_eq!(read.read().await.unwrap(), Some(Inbound::Message(Bytes::new())));
    let mut pong = [0; 15];
    client.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8a\x0dare you there");
}

#[tokio::test]
async fn a_message_in_fragments_is_one_message() {
    let (mut client, (mut read, _write)) = opened(&masked(0x02, b"\0\0\0\x05")).await;
    client.write_all(&masked(0x80, b"\0\0\x01\0\x02")).await.unwrap();
    assert_eq!(next(&mut read, &format()).await, (2, Bytes::new()));
}

#[tokio::test]
async fn a_close_frame_is_echoed_and_ends_the_connection() {
    let (mut client, (mut read, write)) = opened(&masked(0x88, &[0x03, 0xe8])).await;
    assert_eq!(read.read().await.unwrap(), None);
    drop((read, write));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x88, 0x02, 0x03, 0xe8]);
}

#[tokio::test]
async fn our_close_sends_a_close_frame() {
    let (mut client, (read, mut write)) = opened(b"").await;
    write.close(CloseReason::Away).await;
    assert!(write.write(&mut vec![packet(&format(), 1, b"")], Dialect::Sized).await.is_err());
    drop((read, write));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x88, 0x02, 0x03, 0xe9]);
}

#[tokio::test]
async fn an_oversized_message_is_refused_by_its_head() {
    let (mut client, (mut read, mut write)) = opened(b"").await;
    let head = [&[0x82, 0xff][..], &(65_541_u64).to_be_bytes(), &[0; 4]].concat();
    client.write_all(&head).await.unwrap();
    let err = read.read().await.unwrap_err();
    assert!(matches!(err, ReadError::Frame(DecodeError::TooLarge { size: 65_537, limit: 65_536 })), "{err:?}");
    write.close(err.close_reason()).await;
    drop((read, write));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x88, 0x02, 0x03, 0xf1]);
}

#[tokio::test]
async fn fragments_count_together() {
    let (mut client, (mut read, _write)) = opened(b"").await;
    let head = [&[0x02, 0xff][..], &(65_540_u64).to_be_bytes(), &[0; 4], &[0; 65_540]].concat();
    let send = async {
        client.write_all(&head).await.unwrap();
        client.write_all(&masked(0x00, b"x")).await.unwrap();
    };
    let ((), read) = tokio::join!(send, read.read());
    assert!(matches!(read, Err(ReadError::Frame(DecodeError::TooLarge { size: 65_537, limit: 65_536 }))), "{read:?}");
}

#[tokio::test]
async fn an_unmasked_frame_breaks_the_protocol() {
    let (mut client, (mut read, mut write)) = opened(b"\x82\x01\x80").await;
    let err = read.read().await.unwrap_err();
    assert_eq!(err.close_reason(), CloseReason::Protocol);
    write.close(err.close_reason()).await;
    let mut frame = [0; 4];
    client.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame, [0x88, 0x02, 0x03, 0xea]);
}

#[tokio::test]
async fn pings_of_a_peer_that_does_not_read_pile_up_nowhere() {
    let (client, (mut read, mut write)) = opened(b"").await;
    // Fill the way back, so that no pong can leave.
    let mut batch = vec![packet(&format(), 1, &[0; 5000]); 6000];
    let stuck = tokio::spawn(async move { write.write(&mut batch, Dialect::Sized).await });
    let (mut client_read, mut client_write) = client.into_split();
    let ping = masked(0x89, &[7; 125]);
    for _ in 0..2000 {
        client_write.write_all(&ping).await.unwrap();
        assert_eq!(read.read().await.unwrap(), Some(Inbound::Ignored(125)));
    }
    drop(read);
    let mut received = Vec::new();
    client_read.read_to_end(&mut received).await.unwrap();
    assert!(stuck.await.unwrap().is_ok());
    let pongs = (received.len() - 6000 * 5013) / 127;
    assert!((1..1000).contains(&pongs), "{pongs} pongs were kept for 2000 pings");
}

#[tokio::test]
async fn clients_name_what_is_wrong_with_a_url() {
    for (url, text) in [
        ("http://127.0.0.1:1", "not a ws:// URL: http://127.0.0.1:1"),
        ("wss://127.0.0.1:1", "not a ws:// URL: wss://127.0.0.1:1"),
    ] {
        let err = super::super::ws::connect(url, format()).await.map(|_| ()).unwrap_err();
        assert_eq!((err.kind(), err.to_string().as_str()), (io::ErrorKind::InvalidInput, text));
    }
}
