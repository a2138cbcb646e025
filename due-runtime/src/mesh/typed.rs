//! The typed layer of generated services, over the bytes that tonic moves.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::codec::{Body, Codec};
use crate::error::{Code, Error};

/// What a handler returns for a stream of responses.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

/// Messages of a streaming call, decoded as they come. Also a [`Stream`].
pub struct Streaming<M> {
    bytes: tonic::Streaming<Bytes>,
    message: PhantomData<fn() -> M>,
}

impl<M: Body> Streaming<M> {
    /// The next message; `None` when the other side has ended the stream.
    pub async fn message(&mut self) -> Result<Option<M>, Status> {
        match self.bytes.message().await? {
            Some(body) => decode(&Codec::Proto, &body).map(Some),
            None => Ok(None),
        }
    }

    /// What the other side sent after its last message, once there is one.
    pub async fn trailers(&mut self) -> Result<Option<tonic::metadata::MetadataMap>, Status> {
        self.bytes.trailers().await
    }
}

impl<M: Body> Stream for Streaming<M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.bytes).poll_next(cx).map(|next| next.map(|body| decode(&Codec::Proto, &body?)))
    }
}

impl<M> fmt::Debug for Streaming<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

impl<M> From<tonic::Streaming<Bytes>> for Streaming<M> {
    fn from(bytes: tonic::Streaming<Bytes>) -> Self {
        Self { bytes, message: PhantomData }
    }
}

/// What the bodies of a call are written in, among the extensions of its request. Without it: protobuf, as gRPC has it.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "rpcx"), allow(dead_code))]
pub(super) struct Written(pub(super) Codec);

/// What the bodies of a call are written in.
pub fn codec_of<T>(request: &Request<T>) -> Codec {
    request.extensions().get::<Written>().map_or(Codec::Proto, |Written(codec)| codec.clone())
}

/// The message of a request, for its handler.
pub fn read<Q: Body>(request: Request<Bytes>) -> Result<Request<Q>, Status> {
    let codec = codec_of(&request);
    let (metadata, extensions, body) = request.into_parts();
    Ok(Request::from_parts(metadata, extensions, decode(&codec, &body)?))
}

/// The messages of a streaming request, for its handler.
pub fn read_stream<Q: Body>(request: Request<tonic::Streaming<Bytes>>) -> Request<Streaming<Q>> {
    request.map(Streaming::from)
}

/// What a handler returned, as the [codec of its request](codec_of) has it.
pub fn respond<R: Body>(result: Result<Response<R>, Status>, codec: &Codec) -> Result<Response<Bytes>, Status> {
    let (metadata, message, extensions) = result?.into_parts();
    Ok(Response::from_parts(metadata, encode(&message, codec)?, extensions))
}

/// The stream that a handler returned, for tonic.
pub fn respond_stream<R: Body>(
    result: Result<Response<BoxStream<R>>, Status>,
) -> Result<Response<BoxStream<Bytes>>, Status> {
    Ok(result?.map(|messages| -> BoxStream<Bytes> { Box::pin(Encoded { messages: Some(messages) }) }))
}

/// All requests of a stream, for mocks.
pub async fn collect<Q: Body>(mut requests: Streaming<Q>) -> Result<Vec<Q>, Status> {
    let mut all = Vec::new();
    while let Some(request) = requests.message().await? {
        all.push(request);
    }
    Ok(all)
}

/// A stream of these responses, for mocks.
pub fn stream_of<R: Send + 'static>(responses: Vec<R>) -> BoxStream<R> {
    Box::pin(tonic::codegen::tokio_stream::iter(responses.into_iter().map(Ok)))
}

struct Encoded<R> {
    /// `None` after a panic.
    messages: Option<BoxStream<R>>,
}

impl<R: Body> Stream for Encoded<R> {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(messages) = &mut self.messages else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| messages.as_mut().poll_next(cx))) {
            Ok(next) => next.map(|next| next.map(|message| encode(&message?, &Codec::Proto))),
            Err(_) => {
                self.messages = None;
                tracing::error!("a stream of a mesh handler panicked; its call fails, nothing else does");
                Poll::Ready(Some(Err(Status::internal("internal error"))))
            }
        }
    }
}

/// The messages of a client's streaming request, for tonic.
pub(super) struct Outgoing<S>(pub(super) S);

impl<Q: Body, S: Stream<Item = Q> + Unpin> Stream for Outgoing<S> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // A message that cannot be written ends the stream; proto bodies always can.
        Pin::new(&mut self.0).poll_next(cx).map(|next| next.and_then(|message| encode(&message, &Codec::Proto).ok()))
    }
}

pub(super) fn encode<M: Body>(message: &M, codec: &Codec) -> Result<Bytes, Status> {
    let mut out = BytesMut::new();
    message.encode_body(codec, &mut out).map_err(|err| status(tonic::Code::Internal, err))?;
    Ok(out.freeze())
}

pub(super) fn decode<M: Body>(codec: &Codec, body: &Bytes) -> Result<M, Status> {
    M::decode_body(codec, body).map_err(|err| status(tonic::Code::Internal, err))
}

pub(super) fn status(code: tonic::Code, error: impl std::error::Error + Send + Sync + 'static) -> Status {
    let mut status = Status::new(code, error.to_string());
    status.set_source(std::sync::Arc::new(error));
    status
}

impl From<Error> for Status {
    /// The code in gRPC's words and the message; the cause stays here. Codes of the game's own are `unknown`.
    fn from(error: Error) -> Self {
        let code = match error.code() {
            Code::OK => tonic::Code::Ok,
            Code::CANCELED => tonic::Code::Cancelled,
            Code::INVALID_ARGUMENT => tonic::Code::InvalidArgument,
            Code::DEADLINE_EXCEEDED => tonic::Code::DeadlineExceeded,
            Code::NOT_FOUND => tonic::Code::NotFound,
            Code::INTERNAL => tonic::Code::Internal,
            Code::UNAUTHORIZED => tonic::Code::Unauthenticated,
            Code::ILLEGAL_INVOKE => tonic::Code::FailedPrecondition,
            Code::ILLEGAL_REQUEST => tonic::Code::PermissionDenied,
            Code::TOO_MANY_REQUESTS => tonic::Code::ResourceExhausted,
            _ => tonic::Code::Unknown,
        };
        Self::new(code, error.message())
    }
}
