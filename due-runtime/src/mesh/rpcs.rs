use std::sync::Arc;

use bytes::Bytes;
use tonic::{Request, Response, Status};

use crate::future::BoxFuture;

/// One of several unary rpcs, which its request names by an [`RpcIndex`](super::RpcIndex).
pub(super) type Unary =
    Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, Status>> + Send + Sync>;

/// The unary rpcs of a generated service beside those of gRPC: what rpcx calls.
#[derive(Clone)]
#[cfg_attr(not(feature = "rpcx"), allow(dead_code))]
pub struct Rpcs {
    /// `due.mesh`'s path: `Wallet`.
    pub(super) path: &'static str,
    /// As [`Dispatch`](super::Dispatch) has them.
    pub(super) rpcs: &'static [(&'static str, &'static str)],
    pub(super) call: Unary,
}

impl Rpcs {
    /// `rpcs` has the paths of all rpcs in the order of the schema, each with the path of its kind.
    pub fn new<F>(path: &'static str, rpcs: &'static [(&'static str, &'static str)], call: F) -> Self
    where
        F: Fn(Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, Status>> + Send + Sync + 'static,
    {
        Self { path, rpcs, call: Arc::new(call) }
    }
}
