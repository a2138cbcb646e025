//! What a node does with routes that it does not have.

use bytes::Bytes;

use super::{Context, Reply};
use crate::error::Result;
use crate::route::HandlerFuture;

/// Handles messages of routes that no table has: a function `async fn(Context, Bytes) -> due::Result<Reply>`, a closure,
/// or a type of your own.
///
/// Gates send no such message, for they know no node that serves its route. Other nodes do: with
/// [`Cluster::deliver_to`](crate::Cluster::deliver_to), and with what their handlers answer to messages of this node,
/// which comes back on the same route.
pub trait DefaultHandler: Send + Sync + 'static {
    /// Handles one message. [`Context::route`] says which; `body` is what was sent.
    fn handle(&self, ctx: Context, body: Bytes) -> impl Future<Output = Result<Reply>> + Send;
}

impl<F, R> DefaultHandler for F
where
    F: Fn(Context, Bytes) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Reply>> + Send,
{
    fn handle(&self, ctx: Context, body: Bytes) -> impl Future<Output = Result<Reply>> + Send {
        self(ctx, body)
    }
}

pub(super) trait AnyFallback: Send + Sync {
    fn call(&self, ctx: Context, body: Bytes) -> HandlerFuture<'_>;
}

impl<H: DefaultHandler> AnyFallback for H {
    fn call(&self, ctx: Context, body: Bytes) -> HandlerFuture<'_> {
        Box::pin(self.handle(ctx, body))
    }
}
