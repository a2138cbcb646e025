use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;

use super::MeshError;
use super::rpcs::Rpcs;
use crate::future::{BoxFuture, catch_panic};

/// A generated `...Server`: what [`MeshBuilder::serve`](super::MeshBuilder::serve) and
/// [`Channel::local`](super::Channel::local) take.
pub trait Service: Send + Sync + 'static {
    /// The name it is discovered by, `due.mesh` in the schema.
    const NAME: &'static str;

    /// The tonic service behind it; its own name is the first part of the path, `pkg.Service`.
    type Grpc: NamedService
        + tower_service::Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Future<Output = Result<Response<Body>, Infallible>> + Send,
        > + Clone
        + Send
        + Sync
        + 'static;

    /// Hands it over to be called.
    fn into_grpc(self) -> Self::Grpc;

    /// Its unary rpcs for rpcx. Default: none; services of due-codegen have theirs.
    #[doc(hidden)]
    fn rpcs(&self) -> Option<Rpcs> {
        None
    }
}

/// A service whose type nobody needs to know any more.
#[derive(Clone)]
pub(super) struct Handler {
    call: Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>,
}

impl Handler {
    pub(super) fn new<S: Service>(service: S) -> Self {
        let grpc = service.into_grpc();
        let call = move |request: Request<Body>| -> BoxFuture<'static, Response<Body>> {
            let mut grpc = grpc.clone();
            Box::pin(async move {
                let uri = request.uri().clone();
                match catch_panic(async move { tower_service::Service::call(&mut grpc, request).await }).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => {
                        tracing::error!(
                            path = uri.path(),
                            "a mesh handler panicked; its call fails, nothing else does"
                        );
                        Status::internal("internal error").into_http()
                    }
                }
            })
        };
        Self { call: Arc::new(call) }
    }

    pub(super) fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        (self.call)(request)
    }
}

/// The services of one mesh, by the first part of the path.
#[derive(Clone, Default)]
pub(super) struct Router {
    services: Arc<HashMap<&'static str, Handler>>,
}

impl Router {
    pub(super) fn new(services: Vec<(&'static str, Handler)>) -> Result<Self, MeshError> {
        let mut table = HashMap::new();
        for (name, handler) in services {
            if table.insert(name, handler).is_some() {
                return Err(MeshError::ServedTwice(name));
            }
        }
        Ok(Self { services: Arc::new(table) })
    }
}

impl tower_service::Service<Request<Body>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let name = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/')).map(|(name, _)| name);
        match name.and_then(|name| self.services.get(name)) {
            Some(handler) => {
                let response = handler.call(request);
                Box::pin(async move { Ok(response.await) })
            }
            None => {
                let status = Status::unimplemented(format!("no service at {}", request.uri().path()));
                Box::pin(async move { Ok(status.into_http()) })
            }
        }
    }
}
