//! Packets over WebSocket: one packet per binary message, in either dialect.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::listener::Listener;
use super::{CLOSE_WAIT, CloseReason, Inbound, Incoming, PacketRead, PacketWrite, Peer, ReadError, Transport};
use crate::packet::{DecodeError, Dialect, Format};

const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// Longest request head. Browsers send about one kilobyte, and cookies.
const MAX_HEAD: usize = 8 * 1024;
/// Allocated for every connection, also an idle one.
const READ_BUFFER: usize = 4 * 1024;
/// Messages of a batch are joined up to this many bytes per write.
const WRITE_BUFFER: usize = 16 * 1024;
/// Room for answers to pings while the peer does not read; then the newest replaces the one before.
const PONGS: usize = 1024;
const SIZE: usize = 4;
/// Longest head of a ws frame.
const FRAME_HEAD: usize = 14;

/// Listens for WebSocket clients on a TCP port.
///
/// Compression and subprotocols are never agreed on; text messages are ignored; pings are answered.
#[derive(Debug)]
pub struct Ws {
    listener: Listener,
    path: Arc<str>,
    dialect: Option<Dialect>,
}

impl Ws {
    /// Listens on `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: Listener::bind(addr).await?, path: "/".into(), dialect: None })
    }

    /// The path that clients must ask for; others get 404. A path that ends in `/` also stands for everything below it.
    /// Default: `/`, hence every path.
    #[must_use]
    pub fn path(mut self, path: impl Into<Arc<str>>) -> Self {
        self.path = path.into();
        self
    }

    /// The dialect of every connection. Default: the first message of each decides, and what is pushed before it is bare.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }
}

impl Transport for Ws {
    type Incoming = WsIncoming;

    async fn accept(&mut self) -> (WsIncoming, Peer) {
        let (stream, peer) = self.listener.accept().await;
        (WsIncoming { stream, path: Arc::clone(&self.path) }, peer)
    }

    fn local_addr(&self) -> String {
        self.listener.url("ws") + if &*self.path == "/" { "" } else { &self.path }
    }

    fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }
}

/// A client that has connected and not yet asked for WebSocket.
#[derive(Debug)]
pub struct WsIncoming {
    stream: TcpStream,
    path: Arc<str>,
}

impl Incoming for WsIncoming {
    type Read = WsRead<TcpStream>;
    type Write = WsWrite<TcpStream>;

    async fn open(self, format: Arc<Format>) -> io::Result<(Self::Read, Self::Write)> {
        self.stream.set_nodelay(true)?;
        let config = config(&format);
        let stream = timeout(HANDSHAKE_WAIT, handshake(self.stream, &self.path, config)).await??;
        Ok(halves(stream, format))
    }
}

/// Connects to a gate by `ws://host:port/path`.
///
/// # Errors
/// When the URL is none, nobody accepts there, or the handshake fails or takes longer than 10 seconds.
pub async fn connect(url: &str, format: Arc<Format>) -> io::Result<(WsRead<TcpStream>, WsWrite<TcpStream>)> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;

    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{text}: {url}"));
    let request = url.into_client_request().map_err(|err| io::Error::new(io::ErrorKind::InvalidInput, err))?;
    if request.uri().scheme_str() != Some("ws") {
        return Err(invalid("not a ws:// URL"));
    }
    let host = request.uri().host().ok_or_else(|| invalid("no host in URL"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = request.uri().port_u16().unwrap_or(80);
    let config = config(&format);
    let connect = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let connected = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        connected.map(|(stream, _)| stream).map_err(into_io)
    };
    let stream = timeout(HANDSHAKE_WAIT, connect).await??;
    Ok(halves(stream, format))
}

fn halves<S: Socket>(stream: WebSocketStream<S>, format: Arc<Format>) -> (WsRead<S>, WsWrite<S>) {
    let (sink, stream) = stream.split();
    (WsRead { stream }, WsWrite { sink, format })
}

fn config(format: &Format) -> WebSocketConfig {
    let inbound = SIZE + format.max_frame_bytes();
    let outbound = format.header_len() + format.max_body_bytes();
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size((WRITE_BUFFER + PONGS + FRAME_HEAD).saturating_add(inbound.max(outbound)))
        .max_message_size(Some(inbound))
        .max_frame_size(Some(inbound))
}

/// The server's half of the HTTP upgrade; refuses with the status that the Go servers use.
async fn handshake<S: Socket>(mut stream: S, path: &str, config: WebSocketConfig) -> io::Result<WebSocketStream<S>> {
    let mut head = Vec::with_capacity(1024);
    let parsed = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match Request::try_parse(&head) {
            Ok(Some(parsed)) => break Ok(parsed),
            Ok(None) if head.len() < MAX_HEAD => {}
            Ok(None) => break Err(Refusal::HeadTooLarge),
            Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => break Err(Refusal::Method),
            Err(_) => break Err(Refusal::BadRequest),
        }
    };
    let answer = parsed.and_then(|(len, request)| {
        if !path_matches(path, request.uri().path()) {
            return Err(Refusal::Path);
        }
        let response = create_response(&request).map_err(|_| Refusal::BadRequest)?;
        let mut answer = Vec::new();
        write_response(&mut answer, &response).map_err(|_| Refusal::BadRequest)?;
        Ok((len, answer))
    });
    match answer {
        Ok((len, answer)) => {
            stream.write_all(&answer).await?;
            stream.flush().await?;
            let rest = head.split_off(len);
            Ok(WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await)
        }
        Err(refusal) => {
            stream.write_all(refusal.response().as_bytes()).await?;
            stream.shutdown().await?;
            Err(io::Error::new(io::ErrorKind::InvalidData, refusal.status()))
        }
    }
}

/// As Go's request multiplexer: a path that ends in `/` is a prefix.
fn path_matches(pattern: &str, path: &str) -> bool {
    match pattern.ends_with('/') {
        true => path.starts_with(pattern),
        false => path == pattern,
    }
}

#[derive(Clone, Copy)]
enum Refusal {
    BadRequest,
    Path,
    Method,
    HeadTooLarge,
}

impl Refusal {
    fn status(self) -> &'static str {
        match self {
            Self::BadRequest => "400 Bad Request",
            Self::Path => "404 Not Found",
            Self::Method => "405 Method Not Allowed",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
        }
    }

    fn response(self) -> String {
        let extra = match self {
            Self::BadRequest => "Sec-WebSocket-Version: 13\r\n",
            Self::Method => "Allow: GET\r\n",
            Self::Path | Self::HeadTooLarge => "",
        };
        format!("HTTP/1.1 {}\r\n{extra}Connection: close\r\nContent-Length: 0\r\n\r\n", self.status())
    }
}

/// What a WebSocket runs over.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for S {}

/// The reading half; see [`PacketRead`].
#[derive(Debug)]
pub struct WsRead<S> {
    stream: SplitStream<WebSocketStream<S>>,
}

impl<S: Socket> WsRead<S> {
    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Inbound, ReadError>>> {
        loop {
            return match std::task::ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                None | Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Poll::Ready(None),
                Some(Ok(Message::Binary(message))) => Poll::Ready(Some(Ok(Inbound::Message(message)))),
                // The answer goes out with the next poll, which then reports the end.
                Some(Ok(Message::Close(_))) => continue,
                Some(Ok(_)) => Poll::Ready(Some(Ok(Inbound::Ignored))),
                Some(Err(err)) => Poll::Ready(Some(Err(into_read_error(err)))),
            };
        }
    }
}

impl<S: Socket> PacketRead for WsRead<S> {
    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        std::future::poll_fn(|cx| self.poll_inbound(cx)).await.transpose()
    }

    fn buffered(&mut self) -> Option<Result<Inbound, ReadError>> {
        // No wake-up is lost: whoever gets `None` polls again with a waker before it sleeps.
        match self.poll_inbound(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(inbound) => inbound,
            Poll::Pending => None,
        }
    }
}

/// The writing half; see [`PacketWrite`].
#[derive(Debug)]
pub struct WsWrite<S> {
    sink: SplitSink<WebSocketStream<S>, Message>,
    format: Arc<Format>,
}

impl<S: Socket> PacketWrite for WsWrite<S> {
    async fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> io::Result<()> {
        for packet in batch.drain(..) {
            let message = Message::Binary(self.format.in_dialect(dialect, packet));
            self.sink.feed(message).await.map_err(into_io)?;
        }
        self.sink.flush().await.map_err(into_io)
    }

    async fn close(&mut self, reason: CloseReason) {
        let code = match reason {
            CloseReason::Normal => CloseCode::Normal,
            CloseReason::Away => CloseCode::Away,
            CloseReason::Protocol => CloseCode::Protocol,
            CloseReason::Policy => CloseCode::Policy,
            CloseReason::TooLarge => CloseCode::Size,
            CloseReason::Full => CloseCode::Again,
        };
        let goodbye = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        // A peer that is gone already, or has closed first, has nothing to be told.
        let _ = timeout(CLOSE_WAIT, self.sink.send(goodbye)).await;
    }
}

fn into_read_error(err: Error) -> ReadError {
    match err {
        Error::Io(err) => ReadError::Io(err),
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            ReadError::Frame(DecodeError::TooLarge { size: size.saturating_sub(SIZE), limit: max_size - SIZE })
        }
        other => ReadError::Protocol(other.into()),
    }
}

fn into_io(err: Error) -> io::Error {
    match err {
        Error::Io(err) => err,
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing) => {
            io::ErrorKind::BrokenPipe.into()
        }
        other => io::Error::other(other),
    }
}
