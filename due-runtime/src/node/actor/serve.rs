//! How messages, events and the end of the node come to actors.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;

use super::cell::{AnyActor, Cell, Entered};
use super::mailbox::{Full, Ticket};
use super::{Actor, ActorKind, ActorRef, SpawnError};
use crate::cluster::{Delivery, Origin};
use crate::error::{Code, Error, Result};
use crate::future::{BoxFuture, unless_cancelled};
use crate::id::Uid;
use crate::node::request::stopping;
use crate::node::serve::{EVENTS, NodeCore};
use crate::node::{Context, Dispatch, NodeHandle};

/// A message that has come to its turn.
pub(in crate::node) struct Seat {
    /// Who has the turn, or why nobody has.
    pub(in crate::node) actor: Result<Arc<dyn AnyActor>>,
    pub(in crate::node) clear: Option<Bytes>,
}

impl NodeHandle {
    /// Makes an actor: its [`started`](Actor::started) has the first turn, and what is sent to it from now on the next.
    /// Until it is [killed](ActorRef::kill) or the node stops, the id is its own among the actors of its kind on this node.
    ///
    /// # Errors
    /// [`SpawnError::Exists`] and [`SpawnError::Stopping`]; the actor is dropped.
    pub fn spawn_actor<A: Actor>(&self, id: impl Into<Arc<str>>, actor: A) -> Result<ActorRef<A>, SpawnError> {
        let core = self.alive().ok_or(SpawnError::Stopping)?;
        let kind = core.router.kind_of::<A>().unwrap_or_else(ActorKind::unnamed::<A>);
        let cell = Cell::new(id.into(), kind, self.clone(), actor);
        // Nobody else can have taken a place yet.
        let ticket = cell.shell.enter(0).map_err(|Full| SpawnError::Stopping)?;
        core.actors.add(cell.clone())?;
        let tasks = core.tasks.clone();
        tasks.spawn(Arc::clone(&cell).start(core, ticket));
        Ok(ActorRef::new(cell))
    }

    /// The actor of this type and id, if it is alive.
    pub fn actor<A: Actor>(&self, id: &str) -> Option<ActorRef<A>> {
        let core = self.alive()?;
        core.actors.by_id(std::any::TypeId::of::<A>(), id).and_then(of_type)
    }

    /// The actor of this type that the user is bound to.
    pub fn actor_of<A: Actor>(&self, uid: Uid) -> Option<ActorRef<A>> {
        let core = self.alive()?;
        core.actors.of_user(std::any::TypeId::of::<A>(), uid).and_then(of_type).filter(ActorRef::is_alive)
    }

    /// All actors of this type that are alive, in the order of their ids.
    pub fn actors<A: Actor>(&self) -> Vec<ActorRef<A>> {
        let actors = self.alive().map(|core| core.actors.of_kind(std::any::TypeId::of::<A>()));
        actors.unwrap_or_default().into_iter().filter_map(of_type).collect()
    }
}

impl Context {
    /// The actor at hand, if it has this type; else the one that the user is bound to.
    pub fn actor<A: Actor>(&self) -> Option<ActorRef<A>> {
        let at_hand = self.actor.clone().and_then(of_type);
        at_hand.or_else(|| self.node().actor_of(self.uid()?))
    }

    /// Binds the user to an actor, as [`ActorRef::bind`] does; and to the actor's node, as
    /// [`bind_node`](Self::bind_node) does, if the actor has stateful routes: so his messages come to it, whichever node
    /// handles this one.
    ///
    /// # Errors
    /// [`Code::UNAUTHORIZED`] without a user, [`Code::NOT_FOUND`] when the actor has ended, [`Code::INTERNAL`] when the
    /// locator fails.
    pub async fn bind_actor<A: Actor>(&self, actor: &ActorRef<A>) -> Result<()> {
        let uid = self.user()?;
        let core = actor.core().map_err(|_| actor.cell.shell.refusal())?;
        if core.router.is_stateful(actor.cell.shell.kind.of) {
            core.cluster.bind_node(uid, &core.name, &core.nid).await?;
        }
        actor.bind(uid).map_err(|_| actor.cell.shell.refusal())
    }

    /// Ends the binding of the user to an actor of this type; `false` if there is none. The binding to the node stays, for
    /// others may need it: see [`unbind_node`](Self::unbind_node).
    pub fn unbind_actor<A: Actor>(&self) -> bool {
        let actor = self.uid().and_then(|uid| Some((uid, self.node().actor_of::<A>(uid)?)));
        actor.is_some_and(|(uid, actor)| actor.unbind(uid))
    }

    /// The actor that has the turn: for generated handlers.
    #[doc(hidden)]
    pub fn enter<A: Actor>(&self) -> Result<Entered<A>> {
        let cell = self.actor.clone().and_then(of_type::<A>).map(|actor| actor.cell);
        cell.and_then(|cell| cell.entered()).ok_or_else(|| {
            Error::new(Code::INTERNAL, "internal error").because("a route of an actor was called outside of its turn")
        })
    }
}

impl NodeCore {
    /// Has a message handled by the actor that its user is bound to, in its turn.
    /// `clear`: its body, if that was encrypted. The packet stays as it is, for it may go on to another node.
    pub(in crate::node) fn hand_over(
        self: Arc<Self>,
        kind: ActorKind,
        delivery: Delivery,
        clear: Option<Bytes>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let waits = self.dispatch == Dispatch::PerSession && matches!(delivery.origin, Origin::Gate { .. });
            match self.ticket(kind, delivery.uid) {
                Ok((actor, ticket)) if waits => self.handle_in_turn(actor, ticket, delivery, clear).await,
                Ok((actor, ticket)) => {
                    let tasks = self.tasks.clone();
                    tasks.spawn(self.handle_in_turn(actor, ticket, delivery, clear));
                }
                Err(error) => self.handle(delivery, Some(Box::new(Seat { actor: Err(error), clear }))).await,
            }
        })
    }

    fn ticket(&self, kind: ActorKind, uid: Option<Uid>) -> Result<(Arc<dyn AnyActor>, Ticket)> {
        let uid = uid.ok_or_else(|| Error::new(Code::UNAUTHORIZED, "log in first"))?;
        let actor = self.actors.of_user(kind.of, uid);
        let actor = actor.ok_or_else(|| Error::new(Code::NOT_FOUND, format!("join a {} first", kind.name)))?;
        let ticket = actor.shell().enter(kind.mailbox);
        let ticket = ticket
            .map_err(|Full| Error::new(Code::TOO_MANY_REQUESTS, format!("too many wait for the {}", kind.name)))?;
        Ok((actor, ticket))
    }

    async fn handle_in_turn(
        self: Arc<Self>,
        actor: Arc<dyn AnyActor>,
        ticket: Ticket,
        delivery: Delivery,
        clear: Option<Bytes>,
    ) {
        let turn = unless_cancelled(&self.end.overdue, pin!(actor.shell().turn(ticket))).await;
        let (delivery, seat, _until_answered) = match turn {
            Some(Some(turn)) if !self.end.overdue.is_cancelled() => (delivery, Ok(actor), Some(turn)),
            Some(None) => {
                let kind = actor.shell().kind;
                if delivery.uid.and_then(|uid| self.actors.of_user(kind.of, uid)).is_some() {
                    return self.hand_over(kind, delivery, clear).await;
                }
                match self.follow(delivery).await {
                    Some(delivery) => (delivery, Err(actor.shell().refusal()), None),
                    None => return,
                }
            }
            _ => match self.follow(delivery).await {
                Some(delivery) => (delivery, Err(stopping()), None),
                None => return,
            },
        };
        self.handle(delivery, Some(Box::new(Seat { actor: seat, clear }))).await;
    }

    /// Waits while the actor that would handle the message has its last turn, in which it may move to another node: what
    /// gates of other processes have had taken does not go back to them.
    pub(in crate::node) async fn until_moved(&self, delivery: &Delivery) {
        let kind = self.router.find(delivery.packet.route).and_then(|found| found.actor);
        let Some((kind, uid)) = kind.zip(delivery.uid) else { return };
        let actor = self.actors.of_user(kind.of, uid).filter(|actor| actor.shell().is_leaving());
        if let Some(actor) = actor {
            actor.shell().gone.cancelled().await;
        }
    }

    /// Tells the actors of the user what has happened to him, in order with his messages.
    pub(in crate::node) fn tell_actors(&self, ctx: &Context, uid: Uid) -> BoxFuture<'_, ()> {
        let event = ctx.event();
        let kinds = self.router.kinds().iter().filter(|kind| event.is_some_and(|event| kind.events.contains(&event)));
        let actors: Vec<_> = kinds.filter_map(|kind| self.actors.of_user(kind.of, uid)).collect();
        let ctx = ctx.clone();
        Box::pin(async move {
            for actor in actors {
                match actor.shell().enter(EVENTS) {
                    Ok(ticket) if self.dispatch == Dispatch::PerSession => actor.hear(ticket, ctx.clone()).await,
                    Ok(ticket) => drop(self.tasks.spawn(actor.hear(ticket, ctx.clone()))),
                    Err(Full) => tracing::warn!(?event, uid = uid.0, "an actor did not hear of an event"),
                }
            }
        })
    }

    /// Ends all actors after what waits for them, and takes no more. The future ends when they have.
    pub(in crate::node) fn stop_actors(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let actors = self.actors.close();
        for actor in &actors {
            Arc::clone(actor).stop(self);
        }
        async move {
            for actor in actors {
                actor.shell().gone.cancelled().await;
            }
        }
    }
}

fn of_type<A: Actor>(actor: Arc<dyn AnyActor>) -> Option<ActorRef<A>> {
    actor.any().downcast().ok().map(ActorRef::new)
}
