use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Client, Pushes};
use crate::cluster::Push;
use crate::codec::{self, Body, Codec};
use crate::future::BoxFuture;
use crate::id::RouteId;
use crate::packet;
use crate::route::RouteSpec;
use crate::status::Status;

/// What generated clients stand on: a [`Client`], or a mock of one.
pub trait Call: Send + Sync + 'static {
    /// How bodies are written.
    fn codec(&self) -> &Codec;

    /// Sends a request and waits for the body of its answer; `None` waits for as long as the implementation thinks
    /// right.
    fn call(
        &self,
        spec: &'static RouteSpec,
        body: Bytes,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Bytes, CallError>>;

    /// Sends a message that has no answer.
    fn send(&self, spec: &'static RouteSpec, body: Bytes) -> BoxFuture<'_, Result<(), CallError>>;

    /// What is pushed on `route` from now on.
    fn listen(&self, route: RouteId) -> Pushes<Bytes>;
}

/// Typed calls over any [`Call`]. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<dyn Call>);

impl Caller {
    /// Calls go to `call`.
    pub fn new(call: impl Call) -> Self {
        Self(Arc::new(call))
    }

    /// Sends a request and waits for its answer, whose own error code (`due.code`) stays in it.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<Q: Body, R: Body>(
        &self,
        spec: &'static RouteSpec,
        request: &Q,
        timeout: Option<Duration>,
    ) -> Result<R, CallError> {
        let body = encode(self.0.codec(), request)?;
        let answer = self.0.call(spec, body, timeout).await?;
        Ok(R::decode_body(self.0.codec(), &answer)?)
    }

    /// Sends a message that has no answer.
    ///
    /// # Errors
    /// As [`call`](Self::call), without those of an answer.
    pub async fn send<Q: Body>(&self, spec: &'static RouteSpec, request: &Q) -> Result<(), CallError> {
        let body = encode(self.0.codec(), request)?;
        self.0.send(spec, body).await
    }

    /// What the server pushes of this type from now on.
    pub fn listen<P: Push>(&self) -> Pushes<P> {
        self.0.listen(P::ROUTE).decoded(self.0.codec().clone())
    }
}

pub(super) fn encode<Q: Body>(codec: &Codec, request: &Q) -> Result<Bytes, CallError> {
    let mut body = BytesMut::new();
    request.encode_body(codec, &mut body)?;
    Ok(body.freeze())
}

impl From<Client> for Caller {
    fn from(client: Client) -> Self {
        Self::new(client)
    }
}

impl From<&Client> for Caller {
    fn from(client: &Client) -> Self {
        Self::new(client.clone())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("codec", self.0.codec()).finish_non_exhaustive()
    }
}

/// A call has no answer, or one that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server refuses: [`Status::code`] says whether it makes sense to try again.
    #[error("the server answers {}: {}", .0.code(), .0.message)]
    Status(Status),
    /// Nothing came in time. The server may have done what was asked; a late answer is ignored.
    #[error("no answer within {after:?}")]
    Timeout {
        /// How long the call waited.
        after: Duration,
    },
    /// The connection has ended; connect again.
    #[error("the connection is closed")]
    Closed,
    /// The gate goes away, and takes nothing more; nothing was sent. Connect again.
    #[error("the server goes away")]
    GoingAway,
    /// Too many calls wait for their answers; nothing was sent.
    #[error("{limit} calls are waiting for their answers already")]
    Busy {
        /// [`ClientBuilder::max_pending`](super::ClientBuilder::max_pending), or as many as there are seqs.
        limit: usize,
    },
    /// The request has no form in the codec; nothing was sent.
    #[error("cannot write the request")]
    Encode(#[from] codec::EncodeError),
    /// The request does not fit in a packet; nothing was sent.
    #[error("cannot send the request")]
    Packet(#[from] packet::EncodeError),
    /// The answer is not what was expected; client and server may have different schemas or codecs.
    #[error("cannot read the answer")]
    Decode(#[from] codec::DecodeError),
}
