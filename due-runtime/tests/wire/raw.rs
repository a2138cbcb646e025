//! Sockets without any code of ours, and numbers written the long way.

use due::codec::RawBody;
use due::packet::{ByteOrder, Format, RouteWidth, SeqWidth};
use due::transport::ws::Ws;
use due::{App, Backends, Codec, Context, Gate, GateBuilder, Node, RunningApp, Uid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

#[due::route(1)]
pub(crate) async fn echo(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// Binds the user whose number the body says; 0 logs out.
#[due::route(2)]
pub(crate) async fn login(ctx: &mut Context, body: RawBody) -> due::Result<RawBody> {
    let uid: i64 = std::str::from_utf8(&body.0)?.parse()?;
    match uid {
        0 => ctx.cluster().unbind(ctx.user()?).await?,
        _ => ctx.bind(Uid(uid)).await?,
    }
    Ok(body)
}

#[due::route(127)]
async fn echo_127(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

#[due::route(0x12345678)]
async fn echo_wide(_: &mut Context, body: RawBody) -> due::Result<RawBody> {
    Ok(body)
}

/// A gate on tcp and ws whose node answers every request with its own body.
pub(crate) async fn echo_app(format: Format) -> RunningApp {
    echo_app_with(format, |gate| gate).await
}

pub(crate) async fn echo_app_with(format: Format, gate: impl FnOnce(GateBuilder) -> GateBuilder) -> RunningApp {
    let ws = Ws::bind("127.0.0.1:0").await.unwrap();
    let node = match format.route_bytes() {
        4 => Node::builder().serve(due::routes![echo, login, echo_127, echo_wide]),
        _ => Node::builder().serve(due::routes![echo, login, echo_127]),
    };
    App::new()
        .backends(Backends::memory().format(format).codec(Codec::Json))
        .gate(gate(Gate::builder().tcp("127.0.0.1:0").transport(ws)).build())
        .node(node.build().unwrap())
        .start()
        .await
        .unwrap()
}

pub(crate) fn url(app: &RunningApp, scheme: &str) -> String {
    app.addresses().find(|url| url.starts_with(scheme)).unwrap().to_owned()
}

pub(crate) const ALL_WIDTHS: [(RouteWidth, SeqWidth); 12] = {
    use RouteWidth as R;
    use SeqWidth as S;
    [
        (R::One, S::Zero),
        (R::One, S::One),
        (R::One, S::Two),
        (R::One, S::Four),
        (R::Two, S::Zero),
        (R::Two, S::One),
        (R::Two, S::Two),
        (R::Two, S::Four),
        (R::Four, S::Zero),
        (R::Four, S::One),
        (R::Four, S::Two),
        (R::Four, S::Four),
    ]
};

/// The lowest `width` bytes of a number in either order.
pub(crate) fn number(order: ByteOrder, width: usize, value: i32) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..width).map(|byte| (value >> (8 * byte)) as u8).collect();
    if order == ByteOrder::Big {
        bytes.reverse();
    }
    bytes
}

/// `header | route | seq | body` of a data packet.
pub(crate) fn bare(format: &Format, route: i32, seq: i32, body: &[u8]) -> Vec<u8> {
    let route = number(format.order(), format.route_bytes(), route);
    let seq = number(format.order(), format.seq_bytes(), seq);
    [&[0], &route[..], &seq, body].concat()
}

pub(crate) fn sized(format: &Format, route: i32, seq: i32, body: &[u8]) -> Vec<u8> {
    let unit = bare(format, route, seq, body);
    [number(format.order(), 4, unit.len() as i32), unit].concat()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(crate) enum Raw {
    Tcp(TcpStream),
    Ws(TcpStream),
}

impl Raw {
    pub(crate) async fn tcp(app: &RunningApp) -> Self {
        let stream = TcpStream::connect(url(app, "tcp://").strip_prefix("tcp://").unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::Tcp(stream)
    }

    /// Holds little that was not read, so that the gate soon notices.
    pub(crate) async fn tcp_narrow(app: &RunningApp) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        let addr = url(app, "tcp://").strip_prefix("tcp://").unwrap().parse().unwrap();
        Self::Tcp(socket.connect(addr).await.unwrap())
    }

    pub(crate) async fn ws(app: &RunningApp) -> Self {
        let mut stream = TcpStream::connect(url(app, "ws://").strip_prefix("ws://").unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = "GET / HTTP/1.1\r\nHost: gate\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        Self::Ws(stream)
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Tcp(stream) | Self::Ws(stream) => stream,
        }
    }

    /// A packet: as it is, or as one binary message.
    pub(crate) async fn send(&mut self, unit: &[u8]) {
        match self {
            Self::Tcp(stream) => stream.write_all(unit).await.unwrap(),
            Self::Ws(_) => self.message(0x82, unit).await,
        }
    }

    /// One ws frame with the given first byte, masked as clients must.
    pub(crate) async fn message(&mut self, first: u8, payload: &[u8]) {
        const MASK: [u8; 4] = [0x5a, 0xc3, 0x01, 0x7f];
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len @ 126..65536 => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.socket().write_all(&frame).await.unwrap();
    }

    /// The next bytes are these and nothing else: on tcp so many, on ws a whole binary message.
    #[track_caller]
    pub(crate) fn expect<'a>(&'a mut self, unit: &'a [u8]) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let got = self.receive(unit.len()).await;
            assert_eq!(got.escape_ascii().to_string(), unit.escape_ascii().to_string(), "at {caller}");
        }
    }

    pub(crate) async fn receive(&mut self, len: usize) -> Vec<u8> {
        match self {
            Self::Tcp(stream) => {
                let mut got = vec![0; len];
                stream.read_exact(&mut got).await.unwrap();
                got
            }
            Self::Ws(stream) => {
                assert_eq!(stream.read_u8().await.unwrap(), 0x82, "a binary message, not fragmented, not compressed");
                let len = match stream.read_u8().await.unwrap() {
                    126 => stream.read_u16().await.unwrap().into(),
                    127 => stream.read_u64().await.unwrap() as usize,
                    len => usize::from(len),
                };
                let mut got = vec![0; len];
                stream.read_exact(&mut got).await.unwrap();
                got
            }
        }
    }

    /// The gate says that it is about to stop.
    pub(crate) async fn dismissed(&mut self) {
        let status = br#"{"route":0,"seq":0,"code":-1,"message":"the gate is stopping"}"#;
        self.expect(&sized(&Format::new(), -1, 0, status)).await;
    }

    /// What still comes until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset after the last byte is an end as well.
        let _ = self.socket().read_to_end(&mut rest).await;
        rest
    }
}
