//! The frames of 2023, byte for byte, in both dialects: bare on ws, sized on tcp. In a world where nobody has registered.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::process::DEADLINE;
use crate::world::World;

/// Without the size, which the sized dialect has in front.
enum Wire {
    Bare(Box<WebSocketStream<TcpStream>>),
    Sized(TcpStream),
}

impl Wire {
    async fn connect(world: &World, scheme: &str) -> Self {
        let url = world.gate(scheme, 0);
        let stream = TcpStream::connect(url.strip_prefix(scheme).unwrap().trim_end_matches('/')).await.unwrap();
        match scheme {
            "ws://" => Self::Bare(Box::new(tokio_tungstenite::client_async(url, stream).await.unwrap().0)),
            _ => Self::Sized(stream),
        }
    }

    async fn send(&mut self, frame: &str) {
        let frame = hex(frame);
        match self {
            Self::Bare(stream) => stream.send(Message::binary(frame)).await.unwrap(),
            Self::Sized(stream) => {
                let size = (frame.len() as u32).to_be_bytes();
                stream.write_all(&[&size[..], &frame].concat()).await.unwrap();
            }
        }
    }

    async fn receives(&mut self, expected: &str) {
        let frame = match self {
            Self::Bare(stream) => {
                let message = timeout(DEADLINE, stream.next()).await.expect("a frame").unwrap().unwrap();
                message.into_data().to_vec()
            }
            Self::Sized(stream) => {
                let size = timeout(DEADLINE, stream.read_u32()).await.expect("a frame").unwrap();
                let mut frame = vec![0; size as usize];
                stream.read_exact(&mut frame).await.unwrap();
                frame
            }
        };
        assert_eq!(frame, hex(expected), "expected {expected}");
    }
}

/// `scheme` is `ws://` or `tcp://`.
pub(crate) async fn frames(world: &World, scheme: &str) {
    let mut wire = Wire::connect(world, scheme).await;
    let room = "00 0003 0000 0a04726f6f6d";
    for (sent, answered) in [
        // Unauthorized, then code 1.
        (room, &["00 0006 0000", "00 0003 0000 0801"][..]),
        // Register, twice.
        ("00 0001 0000 0a0364756512063132333435361a0666757869616f201f", &["00 0001 0000 10011a03647565"]),
        ("00 0001 0000 0a0364756512063132333435361a0666757869616f201f", &["00 0001 0000 0802"]),
        // Login: the password of somebody else, then his own.
        ("00 0002 0000 0a036475651206363534333231", &["00 0002 0000 0802"]),
        ("00 0002 0000 0a036475651206313233343536", &["00 0002 0000 10011a03647565"]),
        (room, &["00 0003 0000 1001"]),
        (room, &["00 0003 0000 0802"]),
        // He is in already.
        ("00 0004 0000 0801", &["00 0004 0000"]),
        // No room 9.
        ("00 0004 0000 0809", &["00 0004 0000 0802"]),
        // No message at all.
        ("00 0001 0000 ffff", &["00 0001 0000 0801"]),
        ("00 0002 0000 ffff", &["00 0002 0000 0801"]),
        ("00 0003 0000 ffff", &["00 0003 0000 0801"]),
        ("00 0004 0000 ffff", &["00 0004 0000 0801"]),
    ] {
        wire.send(sent).await;
        for expected in answered {
            wire.receives(expected).await;
        }
    }
    let answer = world.post("/push", "application/json", r#"{"uid":1,"message":"hi"}"#);
    assert_eq!((answer.status, &*answer.body), (200, r#"{"message":"push success"}"#));
    wire.receives("00 0005 0000 0a026869").await;
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
