//! What happens to sessions, and who wants to know.

use std::sync::Arc;

use super::Context;
use super::context::{Parties, Subject};
use super::request::log_failure;
use super::serve::NodeCore;
use crate::cluster::{Event, Origin, SessionEvent};
use crate::error::Result;
use crate::future::{BoxFuture, catch_panic};

/// Handles one kind of [`Event`]: a function `async fn(Context) -> due::Result<()>`, a closure, or a type of your own.
///
/// The context is that of the session: it pushes, binds, subscribes and disconnects as in a request. An error is logged,
/// a panic too. Events of a session and its messages are handled one after another, in the order in which they happened:
/// connect before the first message, disconnect last.
/// ```
/// use due::{Context, Node};
///
/// async fn left(ctx: Context) -> due::Result<()> {
///     println!("{:?} of {:?} has left", ctx.uid(), ctx.session());
///     Ok(())
/// }
///
/// let node = Node::builder()
///     .on_connect(|ctx: Context| async move {
///         println!("from {}", ctx.client_ip().await?);
///         Ok(())
///     })
///     .on_disconnect(left)
///     .build()?;
/// # Ok::<(), due::BuildError>(())
/// ```
pub trait EventHandler: Send + Sync + 'static {
    /// Handles what [`Context::event`] says.
    fn handle(&self, ctx: Context) -> impl Future<Output = Result<()>> + Send;
}

impl<F, R> EventHandler for F
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<()>> + Send,
{
    fn handle(&self, ctx: Context) -> impl Future<Output = Result<()>> + Send {
        self(ctx)
    }
}

trait AnyEventHandler: Send + Sync {
    fn handle(&self, ctx: Context) -> BoxFuture<'_, Result<()>>;
}

impl<H: EventHandler> AnyEventHandler for H {
    fn handle(&self, ctx: Context) -> BoxFuture<'_, Result<()>> {
        Box::pin(EventHandler::handle(self, ctx))
    }
}

/// The event handlers of a node.
#[derive(Default)]
pub(super) struct Events {
    handlers: Vec<(Event, Box<dyn AnyEventHandler>)>,
}

impl Events {
    pub(super) fn add(&mut self, event: Event, handler: impl EventHandler) {
        self.handlers.push((event, Box::new(handler)));
    }

    pub(super) fn has(&self, event: Event) -> bool {
        self.of(event).next().is_some()
    }

    fn of(&self, event: Event) -> impl Iterator<Item = &dyn AnyEventHandler> {
        self.handlers.iter().filter(move |(of, _)| *of == event).map(|(_, handler)| &**handler)
    }
}

impl NodeCore {
    /// Tells every handler of the event, one after another.
    pub(super) async fn hear(self: Arc<Self>, event: SessionEvent) {
        let SessionEvent { event, gid, gate, cid, uid } = event;
        let origin = Origin::Gate { gid: gid.clone(), gate };
        let parties = Arc::new(Parties { node: Arc::clone(&self), origin });
        let ctx = Context::new(parties, cid, uid, Subject::Event(event));
        for handler in self.events.of(event) {
            let call = catch_panic(async { handler.handle(ctx.clone()).await });
            log_outcome(&ctx, self.limit().run_until_cancelled(call).await);
        }
        if let (Some(uid), false) = (uid, self.router.kinds().is_empty()) {
            self.tell_actors(&ctx, uid).await;
        }
        if event == Event::Disconnect {
            self.departures.forget(&gid, cid);
        }
    }
}

/// What came of a handler; `None`: it was given up.
pub(super) fn log_outcome(ctx: &Context, outcome: Option<std::thread::Result<Result<()>>>) {
    let (event, cid) = (ctx.event(), ctx.cid());
    match outcome {
        Some(Ok(Ok(()))) => {}
        Some(Ok(Err(error))) => log_failure(ctx, &error),
        Some(Err(_)) => tracing::error!(?event, %cid, "the event handler panicked"),
        None => tracing::warn!(?event, %cid, "the node has stopped before the event was handled"),
    }
}
