//! An actor from outside of its turn.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::cell::Cell;
use super::{Actor, ActorError, ActorFn, ActorTick};
use crate::future::BoxFuture;
use crate::id::Uid;
use crate::node::serve::NodeCore;
use crate::node::{NodeHandle, Timer};

/// The handle of an [`Actor`]. Cheap to clone; it keeps neither the actor alive nor its state.
///
/// Functions that it is given have their turn like messages: never two at a time, in the order in which they were given.
/// They take `&mut A` and are an `async fn`, a method, or an `async` closure.
pub struct ActorRef<A> {
    pub(super) cell: Arc<Cell<A>>,
}

impl<A: Actor> ActorRef<A> {
    pub(super) fn new(cell: Arc<Cell<A>>) -> Self {
        Self { cell }
    }

    /// Its id; unique among the actors of its kind on this node.
    pub fn id(&self) -> &str {
        &self.cell.shell.id
    }

    /// The name of its kind: `actor` of `due.node`; the type's name if the node serves no routes of it.
    pub fn kind(&self) -> &'static str {
        self.cell.shell.kind.name
    }

    /// The node that it lives on.
    pub fn node(&self) -> &NodeHandle {
        &self.cell.node
    }

    /// Whether messages reach it: from [`spawn_actor`](NodeHandle::spawn_actor) until it is killed or its node stops.
    pub fn is_alive(&self) -> bool {
        self.cell.shell.is_alive()
    }

    /// Waits until it has ended, [`Actor::stopped`] included; its id is free then.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn until_gone(&self) {
        self.cell.shell.gone.cancelled().await;
    }

    /// Sends the user's messages of this kind to this actor from now on; if he was bound to another one of the kind, to
    /// that one no more. [`Context::bind_actor`](crate::Context::bind_actor) also sees to it that they come to this node.
    ///
    /// # Errors
    /// [`ActorError::Gone`].
    pub fn bind(&self, uid: Uid) -> Result<(), ActorError> {
        let core = self.core()?;
        if core.actors.bind(uid, self.cell.clone()) { Ok(()) } else { Err(ActorError::Gone) }
    }

    /// Ends the binding; `false` if the user is not bound to this actor.
    pub fn unbind(&self, uid: Uid) -> bool {
        self.core().is_ok_and(|core| core.actors.unbind(uid, &*self.cell))
    }

    /// The users that are bound to it, in the order of their numbers. Nobody is any more when [`Actor::stopped`] has
    /// returned.
    pub fn members(&self) -> Vec<Uid> {
        self.cell.shell.members().iter().copied().collect()
    }

    /// Runs a function in its turn, and does not wait for it. A panic is logged. When the actor ends first, the function
    /// is dropped.
    ///
    /// # Errors
    /// [`ActorError::Full`] and [`ActorError::Gone`].
    pub fn invoke<F>(&self, function: F) -> Result<(), ActorError>
    where
        F: for<'a> ActorFn<'a, A, Answer = ()> + Send + 'static,
    {
        self.begin(Box::new(|actor| Box::pin(function(actor))))
    }

    /// Runs a function in its turn, and gives what it returns. A function that has not begun when the deadline is over, or
    /// when the call is dropped, never does; one that has begun runs to its end.
    ///
    /// An actor that calls itself waits for ever, and so do two that call each other: hence the deadline.
    ///
    /// # Errors
    /// Every [`ActorError`].
    pub async fn call<F, R>(&self, deadline: Duration, function: F) -> Result<R, ActorError>
    where
        F: for<'a> ActorFn<'a, A, Answer = R> + Send + 'static,
        R: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.begin(Box::new(|actor| {
            Box::pin(async move {
                if !answer.is_closed() {
                    // Whoever called may have gone meanwhile.
                    let _ = answer.send(function(actor).await);
                }
            })
        }))?;
        match timeout(deadline, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) if self.is_alive() => Err(ActorError::Failed),
            Ok(Err(_)) => Err(ActorError::Gone),
            Err(_) => Err(ActorError::DeadlineExceeded),
        }
    }

    /// Runs a function in its turn after a while. The timer ends with the actor; dropping the [`Timer`] changes nothing.
    /// If the mailbox is full then, that is logged, and the function is dropped.
    pub fn after<F>(&self, delay: Duration, function: F) -> Timer
    where
        F: for<'a> ActorFn<'a, A, Answer = ()> + Send + 'static,
    {
        self.timer(move |timer, core, actor| async move {
            if timer.run_until_cancelled(sleep(delay)).await.is_some() {
                actor.tick(&core, |actor| Box::pin(function(actor))).await;
            }
        })
    }

    /// Runs a function in its turn again and again, the first time after one `period` (at least a millisecond). One run
    /// ends before the next is due; ticks that it takes longer than are left out. The rest is as in [`after`](Self::after).
    pub fn every<F>(&self, period: Duration, mut tick: F) -> Timer
    where
        F: for<'a> ActorTick<'a, A> + Send + 'static,
    {
        let period = period.max(Duration::from_millis(1));
        self.timer(move |timer, core, actor| async move {
            if timer.run_until_cancelled(sleep(period)).await.is_none() {
                return;
            }
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while timer.run_until_cancelled(ticks.tick()).await.is_some() {
                actor.tick(&core, |actor| Box::pin(tick(actor))).await;
            }
        })
    }

    /// Ends it: what is at hand finishes, then [`Actor::stopped`] has the last turn. Messages that wait go after their users,
    /// if those are bound to another actor of the kind by then, here or on another node; else they are refused with
    /// [`Code::NOT_FOUND`](crate::Code::NOT_FOUND). Functions that wait are dropped, timers end. Nothing happens if it has
    /// ended already.
    pub fn kill(&self) {
        if let Ok(core) = self.core() {
            self.cell.kill(&core);
        }
    }

    fn begin(&self, work: Work<A>) -> Result<(), ActorError> {
        let core = self.core()?;
        let ticket = self.cell.shell.enter_alive(A::MAILBOX)?;
        let (tasks, cell) = (core.tasks.clone(), Arc::clone(&self.cell));
        tasks.spawn(async move { cell.run(&core, ticket, work).await });
        Ok(())
    }

    async fn tick<F>(&self, core: &NodeCore, work: F)
    where
        F: for<'a> FnOnce(&'a mut A) -> BoxFuture<'a, ()> + Send,
    {
        match self.cell.shell.enter_alive(A::MAILBOX) {
            Ok(ticket) => self.cell.run(core, ticket, work).await,
            Err(ActorError::Gone) => {}
            Err(error) => tracing::warn!(actor = ?self, %error, "a timer's function did not run"),
        }
    }

    fn timer<R>(&self, run: impl FnOnce(CancellationToken, Arc<NodeCore>, Self) -> R) -> Timer
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let canceled = self.cell.shell.dead.child_token();
        if let Ok(core) = self.core() {
            let tasks = core.tasks.clone();
            tasks.spawn(run(canceled.clone(), core, self.clone()));
        }
        Timer::new(canceled)
    }

    pub(super) fn core(&self) -> Result<Arc<NodeCore>, ActorError> {
        self.cell.node.alive().ok_or(ActorError::Gone)
    }
}

/// What has a turn.
type Work<A> = Box<dyn for<'a> FnOnce(&'a mut A) -> BoxFuture<'a, ()> + Send>;

impl<A> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self { cell: Arc::clone(&self.cell) }
    }
}

impl<A> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cell.shell.kind.name, self.cell.shell.id)
    }
}
