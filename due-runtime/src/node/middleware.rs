//! Code around handlers: an onion of any number of layers.

use bytes::Bytes;

use super::fallback::AnyFallback;
use super::{Context, Reply};
use crate::error::Result;
use crate::route::{HandlerFuture, Routes};

/// Code around the handlers of a node, a group of routes or one route: an `async fn` of the same shape, a type of your
/// own, or a closure by [`layer_fn`].
///
/// It sees the request before it is decoded, goes on by [`Next::run`], which can be called once at most, and sees what
/// came of it. Without calling it, it answers itself: with an error, or with a [`Context::reply`]. Layers of the node come
/// first ([`NodeBuilder::layer`](crate::NodeBuilder::layer)), then those of the group ([`Routes::layer`]), then those of
/// the route ([`Routes::layer_route`]), each in the order in which they were added. Routes without layers pay nothing.
///
/// When a request ends early, by its deadline or by the end of the node, all its layers are dropped with it.
/// ```
/// use due::{Bytes, Code, Context, Error, Middleware, Next, Node, Reply, Routes as _};
///
/// struct Guests;
///
/// impl Middleware for Guests {
///     async fn handle(&self, ctx: &mut Context, body: Bytes, next: Next<'_>) -> due::Result<Reply> {
///         match ctx.uid() {
///             Some(_) => next.run(ctx, body).await,
///             None => Err(Error::new(Code::UNAUTHORIZED, "no guests")),
///         }
///     }
/// }
///
/// async fn timed(ctx: &mut Context, body: Bytes, next: Next<'_>) -> due::Result<Reply> {
///     let begun = std::time::Instant::now();
///     let outcome = next.run(ctx, body).await;
///     println!("{}: {:?}", ctx.route(), begun.elapsed());
///     outcome
/// }
///
/// # #[due::route(1)]
/// # async fn enter(_: &mut Context, room: i32) -> due::Result<i32> { Ok(room) }
/// let node = Node::builder().layer(timed).serve(due::routes![enter].layer(Guests)).build()?;
/// # Ok::<(), due::BuildError>(())
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Handles one request. `body` is what the client sent: [`Codec`](crate::Codec) bytes.
    fn handle(&self, ctx: &mut Context, body: Bytes, next: Next<'_>) -> impl Future<Output = Result<Reply>> + Send;
}

/// What is left of the way to the handler.
#[must_use = "the handler runs when `run` is called"]
pub struct Next<'a> {
    outer: &'a [Box<dyn Layer>],
    inner: &'a [Box<dyn Layer>],
    end: End<'a>,
}

/// What all layers are around.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    Route(&'a dyn Routes, usize),
    Fallback(&'a dyn AnyFallback),
}

impl<'a> Next<'a> {
    pub(super) fn new(outer: &'a [Box<dyn Layer>], inner: &'a [Box<dyn Layer>], end: End<'a>) -> Self {
        Self { outer, inner, end }
    }

    /// Goes on: to the next layer, or to the handler. The context and the body may have been changed.
    pub fn run<'c>(self, ctx: &'c mut Context, body: Bytes) -> HandlerFuture<'c>
    where
        'a: 'c,
    {
        let Self { outer, inner, end } = self;
        if let Some((first, outer)) = outer.split_first() {
            return first.call(ctx, body, Next { outer, inner, end });
        }
        if let Some((first, inner)) = inner.split_first() {
            return first.call(ctx, body, Next { outer, inner, end });
        }
        match end {
            End::Route(routes, index) => routes.call(index, ctx, body),
            End::Fallback(fallback) => fallback.call(ctx.clone(), body),
        }
    }
}

/// A [`Middleware`] whose type does not matter.
pub(super) trait Layer: Send + Sync {
    fn call<'a>(&'a self, ctx: &'a mut Context, body: Bytes, next: Next<'a>) -> HandlerFuture<'a>;
}

impl<M: Middleware> Layer for M {
    fn call<'a>(&'a self, ctx: &'a mut Context, body: Bytes, next: Next<'a>) -> HandlerFuture<'a> {
        Box::pin(self.handle(ctx, body, next))
    }
}

/// What an `async fn` of the shape of [`Middleware::handle`] is, for one lifetime.
#[doc(hidden)]
pub trait MiddlewareFn<'a>: Fn(&'a mut Context, Bytes, Next<'a>) -> Self::Future {
    /// What it returns.
    type Future: Future<Output = Result<Reply>> + Send + 'a;
}

impl<'a, F, R> MiddlewareFn<'a> for F
where
    F: Fn(&'a mut Context, Bytes, Next<'a>) -> R,
    R: Future<Output = Result<Reply>> + Send + 'a,
{
    type Future = R;
}

impl<F> Middleware for F
where
    F: for<'a> MiddlewareFn<'a> + Send + Sync + 'static,
{
    async fn handle(&self, ctx: &mut Context, body: Bytes, next: Next<'_>) -> Result<Reply> {
        self(ctx, body, next).await
    }
}

/// A closure as a [`Middleware`].
/// ```
/// # use due::{Node, layer_fn};
/// let name = "lobby".to_owned();
/// let named = layer_fn(move |ctx, body, next| {
///     println!("{name}: route {}", ctx.route());
///     Box::pin(async move { next.run(ctx, body).await })
/// });
/// let node = Node::builder().layer(named);
/// ```
pub fn layer_fn<F>(layer: F) -> LayerFn<F>
where
    F: for<'a> Fn(&'a mut Context, Bytes, Next<'a>) -> HandlerFuture<'a> + Send + Sync + 'static,
{
    LayerFn(layer)
}

/// What [`layer_fn`] makes.
#[derive(Clone, Copy, Debug)]
pub struct LayerFn<F>(F);

impl<F> Middleware for LayerFn<F>
where
    F: for<'a> Fn(&'a mut Context, Bytes, Next<'a>) -> HandlerFuture<'a> + Send + Sync + 'static,
{
    async fn handle(&self, ctx: &mut Context, body: Bytes, next: Next<'_>) -> Result<Reply> {
        (self.0)(ctx, body, next).await
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next").field("layers", &(self.outer.len() + self.inner.len())).finish_non_exhaustive()
    }
}
