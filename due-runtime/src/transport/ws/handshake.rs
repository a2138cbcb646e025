//! The server's half of the HTTP upgrade; refuses with the status that the Go servers use.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::header::ORIGIN;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::ahead::ReadAhead;
use super::{Refusal, Socket, TrustedProxies, Upgrade};
use crate::transport::{Attributes, Peer};

/// Longest request head. Browsers send about one kilobyte, and cookies.
const MAX_HEAD: usize = 8 * 1024;

pub(super) type UpgradeHook = Arc<dyn Fn(&mut Upgrade<'_>) -> Result<(), Refusal> + Send + Sync>;

/// What a client must ask for, and from where.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) path: String,
    /// `None`: all.
    pub(super) origins: Option<Vec<String>>,
    pub(super) forwarded: Option<TrustedProxies>,
    pub(super) hook: Option<UpgradeHook>,
}

/// What a request head has told.
pub(super) struct Told {
    pub(super) peer: Peer,
    pub(super) attributes: Attributes,
}

pub(super) async fn handshake<S: Socket>(
    mut stream: S,
    peer: Peer,
    terms: &Terms,
    config: WebSocketConfig,
) -> io::Result<(WebSocketStream<ReadAhead<S>>, Told)> {
    let mut head = Vec::with_capacity(1024);
    let parsed = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match Request::try_parse(&head) {
            Ok(Some(parsed)) => break Ok(parsed),
            Ok(None) if head.len() < MAX_HEAD => {}
            Ok(None) => break Err(Refusal::HEAD_TOO_LARGE),
            Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => break Err(Refusal::METHOD),
            Err(_) => break Err(Refusal::BAD_REQUEST),
        }
    };
    let answer = parsed.and_then(|(len, request)| Ok((len, terms.answer(&request, peer)?)));
    match answer {
        Ok((len, (answer, told))) => {
            stream.write_all(&answer).await?;
            stream.flush().await?;
            let (stream, rest) = (ReadAhead::new(stream), head.split_off(len));
            Ok((WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await, told))
        }
        Err(refusal) => {
            stream.write_all(refusal.response().as_bytes()).await?;
            stream.shutdown().await?;
            Err(io::Error::new(io::ErrorKind::InvalidData, refusal.to_string()))
        }
    }
}

impl Terms {
    fn answer(&self, request: &Request, peer: Peer) -> Result<(Vec<u8>, Told), Refusal> {
        if !path_matches(&self.path, request.uri().path()) {
            return Err(Refusal::PATH);
        }
        let response = create_response(request).map_err(|_| Refusal::BAD_REQUEST)?;
        if !self.allows_origin(request) {
            return Err(Refusal::FORBIDDEN);
        }
        let peer = match &self.forwarded {
            Some(proxies) => proxies.client(peer, request.headers()).ok_or(Refusal::BAD_REQUEST)?,
            None => peer,
        };
        let mut upgrade = Upgrade::new(request, peer);
        if let Some(hook) = &self.hook {
            hook(&mut upgrade)?;
        }
        let attributes = upgrade.into_attributes();
        let mut answer = Vec::new();
        write_response(&mut answer, &response).map_err(|_| Refusal::BAD_REQUEST)?;
        Ok((answer, Told { peer, attributes }))
    }

    fn allows_origin(&self, request: &Request) -> bool {
        let Some(origins) = &self.origins else { return true };
        let origin = request.headers().get(ORIGIN).map(|origin| origin.as_bytes());
        origins.iter().any(|allowed| {
            allowed == "*" || origin.is_some_and(|origin| origin.eq_ignore_ascii_case(allowed.as_bytes()))
        })
    }
}

/// As Go's request multiplexer: a path that ends in `/` is a prefix.
fn path_matches(pattern: &str, path: &str) -> bool {
    match pattern.ends_with('/') {
        true => path.starts_with(pattern),
        false => path == pattern,
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("path", &self.path)
            .field("origins", &self.origins)
            .field("forwarded", &self.forwarded)
            .finish_non_exhaustive()
    }
}
