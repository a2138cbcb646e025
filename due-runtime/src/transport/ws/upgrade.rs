use std::fmt;

use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::transport::{Attributes, Peer};

/// A client that asks to speak WebSocket, before it is answered: what [`Ws::on_upgrade`](super::Ws::on_upgrade) sees.
pub struct Upgrade<'a> {
    request: &'a Request,
    peer: Peer,
    attributes: Attributes,
}

impl<'a> Upgrade<'a> {
    pub(super) fn new(request: &'a Request, peer: Peer) -> Self {
        Self { request, peer, attributes: Attributes::new() }
    }

    /// The client, also behind proxies if [`Ws::forwarded`](super::Ws::forwarded) trusts them.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Always `GET`: others are refused before.
    pub fn method(&self) -> &str {
        self.request.method().as_str()
    }

    /// The path as it was asked for, percent signs included: `/game`.
    pub fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// What follows the question mark, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.request.uri().query()
    }

    /// The first header of this name, in any case; `None` also if it is no visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// All headers that are visible ASCII, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// What the gate shall remember about the connection.
    pub fn attributes(&mut self) -> &mut Attributes {
        &mut self.attributes
    }

    pub(super) fn into_attributes(self) -> Attributes {
        self.attributes
    }
}

impl fmt::Debug for Upgrade<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither query nor headers: they carry tokens.
        f.debug_struct("Upgrade").field("peer", &self.peer).field("path", &self.path()).finish_non_exhaustive()
    }
}

/// The HTTP status that a client gets instead of an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal(StatusCode);

impl Refusal {
    /// 403: not with this origin, or not this client.
    pub const FORBIDDEN: Self = Self(StatusCode::FORBIDDEN);
    pub(super) const BAD_REQUEST: Self = Self(StatusCode::BAD_REQUEST);
    pub(super) const PATH: Self = Self(StatusCode::NOT_FOUND);
    pub(super) const METHOD: Self = Self(StatusCode::METHOD_NOT_ALLOWED);
    pub(super) const HEAD_TOO_LARGE: Self = Self(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    /// A status from 400 to 599; any other number is taken for 403.
    pub fn status(code: u16) -> Self {
        match StatusCode::from_u16(code) {
            Ok(status) if status.is_client_error() || status.is_server_error() => Self(status),
            _ => Self::FORBIDDEN,
        }
    }

    pub(super) fn response(self) -> String {
        let extra = match self {
            Self::BAD_REQUEST => "Sec-WebSocket-Version: 13\r\n",
            Self::METHOD => "Allow: GET\r\n",
            _ => "",
        };
        format!("HTTP/1.1 {self}\r\n{extra}Connection: close\r\nContent-Length: 0\r\n\r\n")
    }
}

/// 403.
impl Default for Refusal {
    fn default() -> Self {
        Self::FORBIDDEN
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.as_str(), self.0.canonical_reason().unwrap_or("Refused"))
    }
}
