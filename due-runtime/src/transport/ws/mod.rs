//! Packets over WebSocket: one packet per binary message, in either dialect.

mod ahead;
mod forwarded;
mod handshake;
mod upgrade;

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use ahead::ReadAhead;
pub use forwarded::{InvalidNetwork, TrustedProxies};
use handshake::{Terms, handshake};
pub use upgrade::{Refusal, Upgrade};

use super::listener::{Arrival, HANDSHAKE_WAIT, Listener};
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::{TlsClient, TlsServer};
use super::{CLOSE_WAIT, CloseReason, Inbound, Incoming, Opened, PacketRead, PacketWrite, Peer, ReadError, Transport};
use crate::packet::{DecodeError, Dialect, Format};

/// Allocated for every connection, also an idle one. [`ReadAhead`] sees to it that this costs no system calls.
const READ_BUFFER: usize = 512;
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
///
/// ```no_run
/// # async fn start() -> std::io::Result<()> {
/// use due::Gate;
/// use due::transport::ws::{Refusal, TrustedProxies, Ws};
///
/// let ws = Ws::bind("0.0.0.0:3553")
///     .await?
///     .path("/game")
///     .origins(["https://game.example"])
///     .forwarded(TrustedProxies::hops(1))
///     .on_upgrade(|upgrade| {
///         let region = upgrade.header("x-region").ok_or(Refusal::status(400))?.to_owned();
///         upgrade.attributes().insert("region", region);
///         Ok(())
///     });
/// let gate = Gate::builder().transport(ws).build();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ws {
    listener: Listener,
    terms: Arc<Terms>,
    dialect: Option<Dialect>,
}

impl Ws {
    /// Listens on `addr`; port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be resolved or is taken.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::over(Listener::bind(addr).await?))
    }

    /// Listens on `addr` as [`bind`](Self::bind) does, and lets other processes of the same user listen there as well, if
    /// they ask for it too (`SO_REUSEPORT`): a new one takes the port before the old one leaves it. Who connects finds any of
    /// them. A second process that was started by mistake is not noticed then. A gate that stops accepts whoever had begun
    /// to connect; on Linux nobody is reset.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); [`Unsupported`](io::ErrorKind::Unsupported) where the system has no such ports.
    pub async fn bind_shared(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::over(Listener::bind_shared(addr).await?))
    }

    fn over(listener: Listener) -> Self {
        let terms = Terms { path: "/".to_owned(), origins: None, forwarded: None, hook: None };
        Self { listener, terms: Arc::new(terms), dialect: None }
    }

    /// The path that clients must ask for; others get 404. A path that ends in `/` also stands for everything below it.
    /// Default: `/`, hence every path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.terms_mut().path = path.into();
        self
    }

    /// The dialect of every connection. Default: the first message of each decides, and what is pushed before it is bare.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Speaks TLS, `wss://` to clients.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.listener.door.tls = Some(tls);
        self
    }

    /// Every connection must begin with a header of the PROXY protocol, as [`Tcp`](super::tcp::Tcp) describes it.
    /// Default: no connection may.
    #[must_use]
    pub fn proxy_protocol(mut self) -> Self {
        self.listener.door.proxied = true;
        self
    }

    /// The origins of pages that may connect, as `https://game.example`; others, and clients that send no `Origin`, get 403.
    /// `*` stands for all of them, and for none at all. Default: `*`. Programs that are no browsers can claim any origin.
    #[must_use]
    pub fn origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.terms_mut().origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Takes the client's address from `X-Forwarded-For` or `X-Real-IP`. A request that has something else than an address
    /// where these proxies write one gets 400; one without these headers counts as the connection's own. Default:
    /// the headers are not looked at.
    #[must_use]
    pub fn forwarded(mut self, proxies: TrustedProxies) -> Self {
        self.terms_mut().forwarded = Some(proxies);
        self
    }

    /// Sees every request before it is answered, after path and origin were checked, and may refuse it. It runs in the
    /// connection's own task and must not block.
    #[must_use]
    pub fn on_upgrade(
        mut self,
        hook: impl Fn(&mut Upgrade<'_>) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        self.terms_mut().hook = Some(Arc::new(hook));
        self
    }

    fn terms_mut(&mut self) -> &mut Terms {
        Arc::make_mut(&mut self.terms)
    }
}

impl Transport for Ws {
    type Incoming = WsIncoming;

    async fn accept(&mut self) -> (WsIncoming, Peer) {
        let (arrival, peer) = self.listener.accept().await;
        (WsIncoming { arrival, terms: Arc::clone(&self.terms) }, peer)
    }

    async fn accept_last(&mut self) -> Option<(WsIncoming, Peer)> {
        let (arrival, peer) = self.listener.accept_last().await?;
        Some((WsIncoming { arrival, terms: Arc::clone(&self.terms) }, peer))
    }

    fn local_addr(&self) -> String {
        self.listener.url("ws", "wss") + if self.terms.path == "/" { "" } else { &self.terms.path }
    }

    fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }
}

/// A client that has connected and not yet asked for WebSocket.
#[derive(Debug)]
pub struct WsIncoming {
    arrival: Arrival,
    terms: Arc<Terms>,
}

impl Incoming for WsIncoming {
    type Read = WsRead<Stream>;
    type Write = WsWrite<Stream>;

    async fn open(self, format: Arc<Format>) -> io::Result<Opened<Self::Read, Self::Write>> {
        let config = config(&format);
        let upgraded = async {
            let (stream, peer) = self.arrival.open().await?;
            handshake(stream, peer, &self.terms, config).await
        };
        let (stream, told) = timeout(HANDSHAKE_WAIT, upgraded).await??;
        let (read, write) = halves(stream, format);
        Ok(Opened::new(read, write).peer(told.peer).attributes(told.attributes))
    }
}

/// Connects to a gate by `ws://host:port/path`.
///
/// # Errors
/// When the URL is none, nobody accepts there, or the handshake fails or takes longer than 10 seconds.
pub async fn connect(url: &str, format: Arc<Format>) -> io::Result<(WsRead<Stream>, WsWrite<Stream>)> {
    connect_over(url, "ws", 80, format, async |_, stream| Ok(stream.into())).await
}

/// Connects to a gate by `wss://host:port/path`.
///
/// # Errors
/// Also when the server does not prove that it is `host`, or [`TlsClient::server_name`].
#[cfg(feature = "tls")]
pub async fn connect_tls(
    url: &str,
    tls: &TlsClient,
    format: Arc<Format>,
) -> io::Result<(WsRead<Stream>, WsWrite<Stream>)> {
    connect_over(url, "wss", 443, format, async |host, stream| tls.connect(host, stream).await).await
}

async fn connect_over(
    url: &str,
    scheme: &str,
    default_port: u16,
    format: Arc<Format>,
    secure: impl AsyncFnOnce(&str, TcpStream) -> io::Result<Stream>,
) -> io::Result<(WsRead<Stream>, WsWrite<Stream>)> {
    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{text}: {url}"));
    let request = url.into_client_request().map_err(|err| io::Error::new(io::ErrorKind::InvalidInput, err))?;
    if request.uri().scheme_str() != Some(scheme) {
        return Err(invalid(&format!("not a {scheme}:// URL")));
    }
    let host = super::without_brackets(request.uri().host().ok_or_else(|| invalid("no host in URL"))?).to_owned();
    let port = request.uri().port_u16().unwrap_or(default_port);
    let config = config(&format);
    let connect = async {
        let stream = TcpStream::connect((&*host, port)).await?;
        stream.set_nodelay(true)?;
        let stream = ReadAhead::new(secure(&host, stream).await?);
        let connected = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        connected.map(|(stream, _)| stream).map_err(into_io)
    };
    let stream = timeout(HANDSHAKE_WAIT, connect).await??;
    Ok(halves(stream, format))
}

fn halves<S: Socket>(stream: WebSocketStream<ReadAhead<S>>, format: Arc<Format>) -> (WsRead<S>, WsWrite<S>) {
    let stream = Arc::new(Mutex::new(stream));
    (WsRead { stream: Arc::clone(&stream) }, WsWrite { stream, format })
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

/// What a WebSocket runs over.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for S {}

/// The connection, of which one half reads and the other writes.
type Shared<S> = Arc<Mutex<WebSocketStream<ReadAhead<S>>>>;

/// The reading half; see [`PacketRead`].
#[derive(Debug)]
pub struct WsRead<S> {
    stream: Shared<S>,
}

impl<S: Socket> WsRead<S> {
    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Inbound, ReadError>>> {
        let mut stream = self.stream.lock().unwrap();
        loop {
            return match ready!(stream.poll_next_unpin(cx)) {
                None | Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Poll::Ready(None),
                Some(Ok(Message::Binary(message))) => Poll::Ready(Some(Ok(Inbound::Message(message)))),
                // The answer goes out with the next poll, which then reports the end.
                Some(Ok(Message::Close(_))) => continue,
                Some(Ok(other)) => Poll::Ready(Some(Ok(Inbound::Ignored(other.len())))),
                Some(Err(err)) => Poll::Ready(Some(Err(into_read_error(err)))),
            };
        }
    }
}

impl<S: Socket> PacketRead for WsRead<S> {
    async fn read(&mut self) -> Result<Option<Inbound>, ReadError> {
        poll_fn(|cx| self.poll_inbound(cx)).await.transpose()
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
    stream: Shared<S>,
    format: Arc<Format>,
}

impl<S: Socket> PacketWrite for WsWrite<S> {
    async fn write(&mut self, batch: &mut Vec<Bytes>, dialect: Dialect) -> io::Result<()> {
        let (mut next, mut are_copies) = (0, false);
        let written = poll_fn(|cx| {
            let mut stream = self.stream.lock().unwrap();
            while let Some(packet) = batch.get_mut(next) {
                match stream.poll_ready_unpin(cx) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => {
                        // What has to wait may be parts of something larger, which they would keep for that time.
                        if !std::mem::replace(&mut are_copies, true) {
                            batch[next..].iter_mut().for_each(|packet| *packet = Bytes::copy_from_slice(packet));
                        }
                        return Poll::Pending;
                    }
                }
                let packet = self.format.in_dialect(dialect, std::mem::take(packet));
                stream.start_send_unpin(Message::Binary(packet))?;
                next += 1;
            }
            stream.poll_flush_unpin(cx)
        });
        written.await.map_err(into_io)?;
        batch.clear();
        Ok(())
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
        let mut goodbye = Some(Message::Close(Some(CloseFrame { code, reason: "".into() })));
        let said = poll_fn(|cx| {
            let mut stream = self.stream.lock().unwrap();
            if goodbye.is_some() {
                ready!(stream.poll_ready_unpin(cx))?;
            }
            if let Some(goodbye) = goodbye.take() {
                stream.start_send_unpin(goodbye)?;
            }
            stream.poll_flush_unpin(cx)
        });
        // A peer that is gone already, or has closed first, has nothing to be told.
        let _ = timeout(CLOSE_WAIT, said).await;
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
