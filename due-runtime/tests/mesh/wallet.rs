//! What due-codegen makes of this, by hand:
//! ```proto
//! package wallet.v1;
//! service Wallet {
//!   option (due.mesh) = { name: "wallet" };
//!   rpc IncrGold(IncrGoldRequest) returns (IncrGoldResponse);
//!   rpc Watch(IncrGoldRequest) returns (stream IncrGoldResponse);
//!   rpc Sum(stream IncrGoldRequest) returns (IncrGoldResponse);
//! }
//! ```

use std::future::Future;
use std::sync::Arc;

use due::codec::{Body, Codec, DecodeError, EncodeError, ProstBody, SerdeBody};
use due::codegen::tonic::codegen::tokio_stream::Stream;
use due::codegen::tonic::server::UnaryService as _;
use due::codegen::{Bytes, BytesMut, tonic};
use due::mesh::{self, Channel, Request, Response, Status};

#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IncrGoldRequest {
    #[prost(int64, tag = "1")]
    pub(crate) uid: i64,
    #[prost(int64, tag = "2")]
    pub(crate) gold: i64,
}

#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IncrGoldResponse {
    #[prost(int64, tag = "1")]
    pub(crate) total: i64,
    #[prost(string, tag = "2")]
    pub(crate) by: String,
}

macro_rules! bodies {
    ($($type:ident),*) => {$(
        impl Body for $type {
            const NAME: &'static str = concat!("wallet.v1.", stringify!($type));

            fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
                match codec {
                    Codec::Proto => ProstBody(self.clone()).encode_body(codec, out),
                    _ => SerdeBody(self.clone()).encode_body(codec, out),
                }
            }

            fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
                match codec {
                    Codec::Proto => ProstBody::decode_body(codec, body).map(|ProstBody(message)| message),
                    _ => SerdeBody::decode_body(codec, body).map(|SerdeBody(message)| message),
                }
            }
        }
    )*};
}
bodies!(IncrGoldRequest, IncrGoldResponse);

pub(crate) trait Wallet: Send + Sync + 'static {
    fn incr_gold(
        &self,
        request: Request<IncrGoldRequest>,
    ) -> impl Future<Output = Result<Response<IncrGoldResponse>, Status>> + Send;

    fn watch(
        &self,
        request: Request<IncrGoldRequest>,
    ) -> impl Future<Output = Result<Response<mesh::BoxStream<IncrGoldResponse>>, Status>> + Send;

    fn sum(
        &self,
        request: Request<mesh::Streaming<IncrGoldRequest>>,
    ) -> impl Future<Output = Result<Response<IncrGoldResponse>, Status>> + Send;
}

pub(crate) struct WalletServer<T>(Arc<T>);

impl<T: Wallet> WalletServer<T> {
    pub(crate) fn new(service: T) -> Self {
        Self(Arc::new(service))
    }
}

const RPCS: &[(&str, &str)] = &[
    ("/wallet.v1.Wallet/IncrGold", "/wallet.v1.Wallet/unary"),
    ("/wallet.v1.Wallet/Watch", "/wallet.v1.Wallet/server_streaming"),
    ("/wallet.v1.Wallet/Sum", "/wallet.v1.Wallet/client_streaming"),
];

impl<T: Wallet> mesh::Service for WalletServer<T> {
    const NAME: &'static str = "wallet";
    type Grpc = grpc::WalletServer<T>;

    fn into_grpc(self) -> Self::Grpc {
        grpc::WalletServer(self.0)
    }

    fn rpcs(&self) -> Option<mesh::Rpcs> {
        let service = Arc::clone(&self.0);
        Some(mesh::Rpcs::new("Wallet", RPCS, move |request| {
            let service = Arc::clone(&service);
            Box::pin(async move {
                assert_eq!(mesh::index_of(&request), 0, "the one that does not stream");
                grpc::IncrGold(service).call(request).await
            })
        }))
    }
}

#[derive(Clone)]
pub(crate) struct WalletClient(Channel);

impl WalletClient {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(channel.at("Wallet"))
    }

    pub(crate) async fn incr_gold(
        &self,
        request: impl mesh::IntoRequest<IncrGoldRequest>,
    ) -> Result<Response<IncrGoldResponse>, Status> {
        self.0.unary("/wallet.v1.Wallet/IncrGold", request.into_request()).await
    }

    pub(crate) async fn watch(
        &self,
        request: impl mesh::IntoRequest<IncrGoldRequest>,
    ) -> Result<Response<mesh::Streaming<IncrGoldResponse>>, Status> {
        self.0.server_streaming("/wallet.v1.Wallet/Watch", request.into_request()).await
    }

    pub(crate) async fn sum(
        &self,
        request: impl mesh::IntoStreamingRequest<Stream = impl Stream<Item = IncrGoldRequest> + Send + 'static>,
    ) -> Result<Response<IncrGoldResponse>, Status> {
        self.0.client_streaming("/wallet.v1.Wallet/Sum", request.into_streaming_request()).await
    }
}

mod grpc {
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use super::*;
    use tonic::codegen::{BoxFuture, http};
    use tonic::server::{ClientStreamingService, Grpc, NamedService, ServerStreamingService, UnaryService};

    pub(crate) struct WalletServer<T>(pub(super) Arc<T>);

    impl<T> Clone for WalletServer<T> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    impl<T> NamedService for WalletServer<T> {
        const NAME: &'static str = "wallet.v1.Wallet";
    }

    impl<T: Wallet> tonic::codegen::Service<http::Request<tonic::body::Body>> for WalletServer<T> {
        type Response = http::Response<tonic::body::Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
            let inner = Arc::clone(&self.0);
            match request.uri().path() {
                "/wallet.v1.Wallet/IncrGold" => {
                    Box::pin(async move { Ok(Grpc::new(mesh::BytesCodec).unary(IncrGold(inner), request).await) })
                }
                "/wallet.v1.Wallet/Watch" => {
                    Box::pin(
                        async move { Ok(Grpc::new(mesh::BytesCodec).server_streaming(Watch(inner), request).await) },
                    )
                }
                "/wallet.v1.Wallet/Sum" => {
                    Box::pin(async move { Ok(Grpc::new(mesh::BytesCodec).client_streaming(Sum(inner), request).await) })
                }
                _ => Box::pin(async { Ok(Status::unimplemented("").into_http()) }),
            }
        }
    }

    pub(crate) struct IncrGold<T>(pub(crate) Arc<T>);

    impl<T: Wallet> UnaryService<Bytes> for IncrGold<T> {
        type Response = Bytes;
        type Future = BoxFuture<Response<Bytes>, Status>;

        fn call(&mut self, request: Request<Bytes>) -> Self::Future {
            let inner = Arc::clone(&self.0);
            Box::pin(async move {
                let codec = mesh::codec_of(&request);
                mesh::respond(inner.incr_gold(mesh::read(request)?).await, &codec)
            })
        }
    }

    struct Watch<T>(Arc<T>);

    impl<T: Wallet> ServerStreamingService<Bytes> for Watch<T> {
        type Response = Bytes;
        type ResponseStream = mesh::BoxStream<Bytes>;
        type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

        fn call(&mut self, request: Request<Bytes>) -> Self::Future {
            let inner = Arc::clone(&self.0);
            Box::pin(async move { mesh::respond_stream(inner.watch(mesh::read(request)?).await) })
        }
    }

    struct Sum<T>(Arc<T>);

    impl<T: Wallet> ClientStreamingService<Bytes> for Sum<T> {
        type Response = Bytes;
        type Future = BoxFuture<Response<Bytes>, Status>;

        fn call(&mut self, request: Request<tonic::Streaming<Bytes>>) -> Self::Future {
            let inner = Arc::clone(&self.0);
            Box::pin(async move { mesh::respond(inner.sum(mesh::read_stream(request)).await, &Codec::Proto) })
        }
    }
}
