//! One actor: its state, and all that belongs to it whatever its type is.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::{Mutex as StateLock, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use super::mailbox::{Full, Mailbox, Ticket, Turn};
use super::{Actor, ActorError, ActorKind, ActorRef, StopCause};
use crate::cluster::Event;
use crate::error::{Code, Error};
use crate::future::{BoxFuture, catch_panic};
use crate::id::Uid;
use crate::node::events::log_outcome;
use crate::node::request::stopping;
use crate::node::serve::NodeCore;
use crate::node::{Context, NodeHandle};

/// A [`Cell`] whose type does not matter.
pub(in crate::node) trait AnyActor: Send + Sync {
    fn shell(&self) -> &Shell;

    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Handles the event of the context in its turn.
    fn hear(self: Arc<Self>, ticket: Ticket, ctx: Context) -> BoxFuture<'static, ()>;

    /// Ends the actor after all that waits now.
    fn stop(self: Arc<Self>, core: &Arc<NodeCore>);
}

/// What of an actor does not depend on its type.
pub(in crate::node) struct Shell {
    pub(in crate::node) id: Arc<str>,
    pub(in crate::node) kind: ActorKind,
    mailbox: Arc<Mailbox>,
    /// It ends after what waits.
    leaving: AtomicBool,
    /// Changed under the lock of the directory.
    members: Mutex<BTreeSet<Uid>>,
    /// Set when it is no longer alive.
    why: OnceLock<StopCause>,
    /// It is no longer alive.
    pub(super) dead: CancellationToken,
    /// `stopped` has run.
    pub(super) gone: CancellationToken,
}

pub(super) struct Cell<A> {
    pub(super) shell: Shell,
    pub(super) node: NodeHandle,
    /// Free whenever somebody has the turn. `None`: it has ended.
    state: Arc<StateLock<Option<A>>>,
}

/// An actor within its turn.
pub(in crate::node) type Entered<A> = OwnedMappedMutexGuard<Option<A>, A>;

impl Shell {
    pub(in crate::node) fn is_alive(&self) -> bool {
        self.why.get().is_none()
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    pub(super) fn members(&self) -> MutexGuard<'_, BTreeSet<Uid>> {
        self.members.lock().unwrap()
    }

    /// A place for a message or an event; behind the last turn, where it hears that the actor has ended.
    pub(super) fn enter(&self, limit: usize) -> Result<Ticket, Full> {
        self.mailbox.enter(limit)
    }

    /// A place for a function.
    pub(super) fn enter_alive(&self, limit: usize) -> Result<Ticket, ActorError> {
        if !self.is_alive() {
            return Err(ActorError::Gone);
        }
        self.enter(limit).map_err(|Full| ActorError::Full)
    }

    /// Waits for its turn. `None`: the actor has ended.
    pub(super) async fn turn(&self, ticket: Ticket) -> Option<Turn> {
        let turn = ticket.turn().await;
        self.is_alive().then_some(turn)
    }

    /// What a request is told that the actor does not handle any more.
    pub(super) fn refusal(&self) -> Error {
        match self.why.get() {
            Some(StopCause::NodeStopping) => stopping(),
            _ => Error::new(Code::NOT_FOUND, format!("the {} has ended", self.kind.name)),
        }
    }
}

impl<A: Actor> Cell<A> {
    pub(super) fn new(id: Arc<str>, kind: ActorKind, node: NodeHandle, actor: A) -> Arc<Self> {
        let shell = Shell {
            id,
            kind,
            mailbox: Arc::default(),
            leaving: AtomicBool::new(false),
            members: Mutex::default(),
            why: OnceLock::new(),
            dead: CancellationToken::new(),
            gone: CancellationToken::new(),
        };
        Arc::new(Self { shell, node, state: Arc::new(StateLock::new(Some(actor))) })
    }

    /// `None` without the turn, or when the actor has ended.
    pub(super) fn entered(&self) -> Option<Entered<A>> {
        let state = Arc::clone(&self.state).try_lock_owned().ok()?;
        OwnedMutexGuard::try_map(state, Option::as_mut).ok()
    }

    /// The first turn. What fails to start is taken away without being stopped.
    pub(super) async fn start(self: Arc<Self>, core: Arc<NodeCore>, ticket: Ticket) {
        let _turn = ticket.turn().await;
        let Some(mut actor) = self.entered() else { return };
        let me = ActorRef::new(Arc::clone(&self));
        let started = catch_panic(async { actor.started(&me).await });
        let (kind, id) = (self.shell.kind.name, &*self.shell.id);
        match core.limit().run_until_cancelled(started).await {
            Some(Ok(Ok(()))) => return,
            Some(Ok(Err(error))) => tracing::warn!(kind, id, %error, "an actor did not start"),
            Some(Err(_)) => tracing::error!(kind, id, "an actor panicked at its start"),
            None => tracing::debug!(kind, id, "the node has stopped before an actor has started"),
        }
        drop(actor);
        self.state.lock().await.take();
        self.kill(&core);
    }

    /// Does something in its turn; never panics.
    pub(super) async fn run<F>(&self, core: &NodeCore, ticket: Ticket, work: F)
    where
        F: for<'a> FnOnce(&'a mut A) -> BoxFuture<'a, ()> + Send,
    {
        let turn = self.shell.dead.run_until_cancelled(self.shell.turn(ticket)).await;
        let Some(Some(_turn)) = turn else { return };
        if let Some(mut actor) = self.entered() {
            core.run_task(async { work(&mut actor).await }, core.limit()).await;
        }
    }

    /// Ends the actor before all that waits.
    pub(super) fn kill(self: &Arc<Self>, core: &Arc<NodeCore>) {
        if self.end(core, StopCause::Killed) {
            let ticket = self.shell.mailbox.enter_first();
            core.tasks.spawn(Arc::clone(self).finish(Arc::clone(core), ticket));
        }
    }

    /// `false`: it had ended already.
    fn end(&self, core: &NodeCore, why: StopCause) -> bool {
        let ended = core.actors.exclusively(|| self.shell.why.set(why).is_ok());
        self.shell.dead.cancel();
        ended
    }

    /// The last turn.
    async fn finish(self: Arc<Self>, core: Arc<NodeCore>, ticket: Ticket) {
        let _turn = ticket.turn().await;
        self.end(&core, StopCause::NodeStopping);
        let why = self.shell.why.get().copied().unwrap_or(StopCause::NodeStopping);
        if let Some(mut actor) = self.state.lock().await.take() {
            let me = ActorRef::new(Arc::clone(&self));
            core.run_task(async move { actor.stopped(&me, why).await }, &core.end.over).await;
        }
        core.actors.remove(&*self);
        self.shell.gone.cancel();
    }
}

impl<A: Actor> AnyActor for Cell<A> {
    fn shell(&self) -> &Shell {
        &self.shell
    }

    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn hear(self: Arc<Self>, ticket: Ticket, mut ctx: Context) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let Some(_turn) = self.shell.turn(ticket).await else { return };
            let Some(mut actor) = self.entered() else { return };
            let core = Arc::clone(ctx.core());
            ctx.actor = Some(self);
            let call = catch_panic(async {
                match ctx.event() {
                    Some(Event::Reconnect) => actor.on_reconnect(&mut ctx).await,
                    Some(Event::Disconnect) => actor.on_disconnect(&mut ctx).await,
                    Some(Event::Connect) | None => Ok(()),
                }
            });
            let outcome = core.limit().run_until_cancelled(call).await;
            log_outcome(&ctx, outcome);
        })
    }

    fn stop(self: Arc<Self>, core: &Arc<NodeCore>) {
        self.shell.leaving.store(true, Ordering::SeqCst);
        let Ok(ticket) = self.shell.mailbox.enter(usize::MAX) else { return };
        core.tasks.spawn(self.finish(Arc::clone(core), ticket));
    }
}
