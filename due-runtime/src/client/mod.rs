//! The other end of a gate's connection: for tools, bots, tests, and games written in Rust.

mod asking;
mod builder;
mod call;
mod connection;
mod pending;
mod pushes;
mod tap;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout as within;
use tokio_util::sync::DropGuard;

pub use builder::{ClientBuilder, ConnectError, SkewPolicy};
pub use call::{Call, CallError, Caller};
pub use connection::Disconnect;
pub(crate) use pushes::Listeners;
pub use pushes::{Pushes, ReceiveError};
pub use tap::Traffic;

use crate::cluster::Push;
use crate::codec::{Body, Codec};
use crate::future::BoxFuture;
use crate::id::{RouteId, Seq};
use crate::packet::Format;
use crate::route::RouteSpec;
use crate::skew::Skew;
use connection::Connection;

/// A connection to a gate. Clones share it.
///
/// It closes when [`close`](Self::close) is called or the last clone is dropped (a [`Caller`] holds one, [`Pushes`] do
/// not): what was sent before still goes out, within two seconds. It does not connect again by itself.
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use due::{Client, Codec, RouteId};
///
/// let client = Client::builder().codec(Codec::Json).connect("ws://127.0.0.1:3553").await?;
/// let mut news = client.listen(RouteId(12));
/// let greeting: String = client.request(RouteId(1), &"due".to_owned()).await?;
/// client.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    connection: Arc<Connection>,
    /// Cancels the connection's task when the last client is gone.
    _open: Arc<DropGuard>,
}

impl Client {
    fn new(connection: Arc<Connection>) -> Self {
        let open = Arc::new(connection.stopper().drop_guard());
        Self { connection, _open: open }
    }

    /// Connects with due's defaults to `tcp://host:port` or `ws://host:port/path`.
    ///
    /// # Errors
    /// When the URL cannot be used, nobody accepts there, or the handshake fails.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder().connect(url).await
    }

    /// The settings, each with its default.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Sends a request without a schema and waits for its answer, for as long as [`ClientBuilder::timeout`] says.
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Cancel safety
    /// A dropped call may have been sent; its answer is ignored.
    pub async fn request<Q: Body, R: Body>(&self, route: RouteId, request: &Q) -> Result<R, CallError> {
        let body = self.sealed(call::encode(self.codec(), request)?).await?;
        let answer = self.exchange(route, &body, None).await?;
        let answer = if R::PLAIN { answer } else { self.revealed(answer).await? };
        Ok(R::decode_body(self.codec(), &answer)?)
    }

    /// Sends a packet and does not wait for an answer; one that comes is treated as a push. Waits while the
    /// outbox is full. The body is encrypted, if this client encrypts.
    ///
    /// # Errors
    /// [`CallError::Packet`], [`CallError::GoingAway`] and [`CallError::Closed`]; [`CallError::Encode`] of an encryptor.
    pub async fn send_packet(&self, route: RouteId, seq: Seq, body: &[u8]) -> Result<(), CallError> {
        let packet = match &self.connection.cipher {
            Some(cipher) => {
                let body = cipher.encrypt(Bytes::copy_from_slice(body)).await?;
                self.connection.format.encode(route, seq, &body)?
            }
            None => self.connection.format.encode(route, seq, body)?,
        };
        let permit = self.connection.room().await?;
        permit.send(packet);
        Ok(())
    }

    /// What the server pushes on `route` from now on, as it is on the wire: neither decrypted nor decoded. A listener that
    /// falls behind loses the oldest.
    pub fn listen(&self, route: RouteId) -> Pushes<Bytes> {
        Pushes::raw(self.connection.listeners.listen(route), self.connection.cipher.clone())
    }

    /// What the server pushes of this type from now on.
    pub fn pushes<P: Push>(&self) -> Pushes<P> {
        self.listen(P::ROUTE).decoded(self.codec().clone())
    }

    /// How bodies are written.
    pub fn codec(&self) -> &Codec {
        &self.connection.codec
    }

    /// How packets are written.
    pub fn format(&self) -> &Format {
        &self.connection.format
    }

    /// Waits until it is known how the gate's schema differs from that of this client: one round trip, or a few where the gate
    /// has not met this schema before, [`skew_timeout`](ClientBuilder::skew_timeout) at most. [`Skew::Unknown`] at once
    /// without a [`schema`](ClientBuilder::schema).
    pub async fn skew(&self) -> Skew {
        match &self.connection.asking {
            Some(asking) => asking.outcome().await,
            None => Skew::Unknown,
        }
    }

    /// Waits until the gate says that it goes away, or the connection has ended. From the former on, calls fail with
    /// [`CallError::GoingAway`], those that wait get their answers, and then the connection ends by itself: the moment to
    /// connect again.
    pub async fn going_away(&self) {
        tokio::select! {
            () = self.connection.goes_away() => {}
            _ = self.connection.ended() => {}
        }
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> Disconnect {
        self.connection.ended().await
    }

    /// Writes what was sent, says goodbye and waits until the connection has ended, for two seconds at most. Calls that
    /// wait for an answer fail with [`CallError::Closed`].
    pub async fn close(&self) -> Disconnect {
        self.connection.stopper().cancel();
        self.connection.ended().await
    }

    async fn sealed(&self, body: Bytes) -> Result<Bytes, CallError> {
        match &self.connection.cipher {
            Some(cipher) => Ok(cipher.encrypt(body).await?),
            None => Ok(body),
        }
    }

    async fn revealed(&self, body: Bytes) -> Result<Bytes, CallError> {
        match &self.connection.cipher {
            Some(cipher) => Ok(cipher.decrypt(body).await?),
            None => Ok(body),
        }
    }

    async fn exchange(&self, route: RouteId, body: &[u8], timeout: Option<Duration>) -> Result<Bytes, CallError> {
        let connection = &*self.connection;
        let after = timeout.unwrap_or(connection.timeout);
        let exchange = async {
            let permit = connection.room().await?;
            let waiting = connection.pending.enter(route, |seq| {
                permit.send(connection.format.encode(route, seq, body)?);
                Ok(())
            })?;
            waiting.answer().await
        };
        within(after, exchange).await.unwrap_or(Err(CallError::Timeout { after }))
    }
}

impl Call for Client {
    fn codec(&self) -> &Codec {
        self.codec()
    }

    fn call(
        &self,
        spec: &'static RouteSpec,
        body: Bytes,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Bytes, CallError>> {
        Box::pin(async move {
            let body = self.sealed(body).await?;
            self.revealed(self.exchange(spec.id, &body, timeout).await?).await
        })
    }

    fn send(&self, spec: &'static RouteSpec, body: Bytes) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(async move { self.send_packet(spec.id, Seq::NONE, &body).await })
    }

    fn listen(&self, route: RouteId) -> Pushes<Bytes> {
        self.listen(route)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("codec", self.codec()).field("format", self.format()).finish_non_exhaustive()
    }
}
