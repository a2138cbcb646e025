//! Actors: a room, a match, a guild. Each has a state of its own, and does one thing at a time.

mod cell;
mod directory;
mod handle;
mod kind;
mod mailbox;
mod serve;

use std::sync::Arc;

pub(super) use cell::AnyActor;
pub(super) use directory::Directory;
pub use handle::ActorRef;
pub use kind::ActorKind;
pub(super) use serve::Seat;

use super::Context;
use crate::cluster::Event;
use crate::error::{Code, Meaning, Result};

/// The life of an actor: what a room, a match or a guild does besides handling messages. Its methods have defaults.
///
/// A service with `option (due.node) = { name: "game" actor: "room" }` is handled by actors: its generated trait asks for
/// `Actor`, and its methods take `&mut self`, for an actor handles one message at a time. The node serves
/// `RoomRoutes::<MyRoom>::new()`; which actor gets a message is said by the user that it comes from, who has to be
/// [bound](Context::bind_actor) to one of the kind on this node. Others are refused with [`Code::NOT_FOUND`].
/// ```
/// use due::{Actor, ActorRef, Context, NodeHandle, StopCause, Uid};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Room {
///     ticks: u32,
/// }
///
/// impl Actor for Room {
///     async fn started(&mut self, me: &ActorRef<Self>) -> due::Result<()> {
///         me.every(Duration::from_millis(50), async |room: &mut Room| room.ticks += 1);
///         Ok(())
///     }
///
///     async fn stopped(&mut self, me: &ActorRef<Self>, why: StopCause) {
///         println!("{me:?} has ended after {} ticks: {why:?}", self.ticks);
///     }
/// }
///
/// async fn open(node: &NodeHandle, host: Uid) -> due::Result<ActorRef<Room>> {
///     let room = node.spawn_actor("42", Room::default())?;
///     room.bind(host)?;
///     let ticks = room.call(Duration::from_secs(1), async |room: &mut Room| room.ticks).await?;
///     assert_eq!(ticks, 0);
///     Ok(room)
/// }
///
/// let harness = due::testing::Harness::builder();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let harness = harness.start().await?;
/// let room = open(&harness.node(), Uid(7)).await?;
/// assert_eq!((room.id(), room.members()), ("42", vec![Uid(7)]));
/// room.kill();
/// room.until_gone().await;
/// # harness.stop().await;
/// # Ok::<(), due::Error>(())
/// # }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
/// # Order
/// Messages of one session are handled in order, be it by handlers of the node or by actors: the session waits while its
/// message waits for its turn. Under [`Dispatch::Serial`](crate::Dispatch::Serial), and for what another node sends,
/// nobody waits for an actor but who is bound to it: messages for one actor are in order, those for others overtake.
/// Middleware and deadlines of a route are within the turn.
///
/// # Failures
/// A panic in a handler is logged and answered with [`Code::INTERNAL`]; the actor lives on, as the panic left it. What an
/// actor does not come to is answered too: [`Code::TOO_MANY_REQUESTS`] when [`MAILBOX`](Self::MAILBOX) messages wait,
/// [`Code::NOT_FOUND`] when it was killed, [`Code::CANCELED`] when the node stops.
///
/// # A node that stops
/// finishes what waits, then every actor has [`stopped`](Self::stopped), all within
/// [`drain`](crate::NodeBuilder::drain). Users are still connected then. A stateful message that came too late follows its
/// user: if `stopped` has bound him to another node by [`Cluster::bind_node`](crate::Cluster::bind_node), that one gets it.
/// So a room can move while it is played in. What has waited for more than a second behind earlier messages of its session
/// cannot go back to the gate of another process; it is answered with [`Code::CANCELED`].
///
/// [`Code::CANCELED`]: crate::Code::CANCELED
/// [`Code::INTERNAL`]: crate::Code::INTERNAL
/// [`Code::NOT_FOUND`]: crate::Code::NOT_FOUND
/// [`Code::TOO_MANY_REQUESTS`]: crate::Code::TOO_MANY_REQUESTS
pub trait Actor: Sized + Send + 'static {
    /// How many messages and functions may wait for their turn. Default: 4096, as in due.
    const MAILBOX: usize = 4096;

    /// Which events of its users it hears, of [`Event::Reconnect`] and [`Event::Disconnect`]. Default: none. Gates tell a
    /// node what was wanted when it was built: actors of a type whose routes it does not serve hear nothing.
    const EVENTS: &'static [Event] = &[];

    /// Has the first turn, before every message. On an error, or a panic, the actor is taken away as if killed, but
    /// [`stopped`](Self::stopped) does not run; the error is logged.
    fn started(&mut self, me: &ActorRef<Self>) -> impl Future<Output = Result<()>> + Send {
        let _ = me;
        async { Ok(()) }
    }

    /// Has the last turn: the place to say goodbye, to store the state, or to make the actor anew on another node. Nothing
    /// reaches it any more, but its [`members`](ActorRef::members) are still bound to it. When the node stops, it is
    /// dropped where it waits when the time of [`drain`](crate::NodeBuilder::drain) is over for the second time. After a start
    /// of the node that failed it does not run.
    fn stopped(&mut self, me: &ActorRef<Self>, why: StopCause) -> impl Future<Output = ()> + Send {
        let _ = (me, why);
        async {}
    }

    /// A user who is bound to it has logged in, again or on another session. Comes if [`EVENTS`](Self::EVENTS) says so.
    fn on_reconnect(&mut self, ctx: &mut Context) -> impl Future<Output = Result<()>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// The session of a user who is bound to it has ended. He stays bound, for he may come back. Comes after the session's
    /// last message, if [`EVENTS`](Self::EVENTS) says so.
    fn on_disconnect(&mut self, ctx: &mut Context) -> impl Future<Output = Result<()>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }
}

/// Why an actor has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StopCause {
    /// By [`ActorRef::kill`].
    Killed,
    /// Its node stops.
    NodeStopping,
}

/// Why there is no new actor.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The node has one with this id, or had one whose [`Actor::stopped`] has not ended.
    #[error("actor {kind}/{id} exists")]
    Exists {
        /// What the schema calls the type.
        kind: &'static str,
        /// The id.
        id: Arc<str>,
    },
    /// The node takes no more actors.
    #[error("the node is stopping")]
    Stopping,
}

/// Why an actor did not do what it was asked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActorError {
    /// It was killed, or its node stops.
    #[error("the actor has ended")]
    Gone,
    /// As many wait as [`Actor::MAILBOX`] allows.
    #[error("the mailbox of the actor is full")]
    Full,
    /// No answer in time. The function may still run.
    #[error("the actor did not answer in time")]
    DeadlineExceeded,
    /// The function panicked, or was given up when the node stopped.
    #[error("the function of the actor did not end")]
    Failed,
}

impl ActorError {
    /// What it means to the client of a handler that goes no further.
    pub(crate) fn meaning(&self) -> Meaning {
        let (code, message, is_fault) = match self {
            Self::Gone => (Code::NOT_FOUND, "what was asked has ended", false),
            Self::Full => (Code::TOO_MANY_REQUESTS, "too many requests wait", false),
            Self::DeadlineExceeded => (Code::DEADLINE_EXCEEDED, "the request took too long", true),
            Self::Failed => return None,
        };
        Some((code, message.into(), is_fault))
    }
}

/// A function for [`ActorRef::invoke`] and its neighbours: an `async fn`, a method or an `async` closure of `&mut A`.
#[doc(hidden)]
pub trait ActorFn<'a, A: 'a>: FnOnce(&'a mut A) -> Self::Future {
    /// What its future returns.
    type Answer;
    /// What it returns.
    type Future: Future<Output = Self::Answer> + Send + 'a;
}

impl<'a, A, F, R> ActorFn<'a, A> for F
where
    A: 'a,
    F: FnOnce(&'a mut A) -> R,
    R: Future + Send + 'a,
{
    type Answer = R::Output;
    type Future = R;
}

/// A function for [`ActorRef::every`], which can be called again.
#[doc(hidden)]
pub trait ActorTick<'a, A: 'a>: FnMut(&'a mut A) -> Self::Future {
    /// What it returns.
    type Future: Future<Output = ()> + Send + 'a;
}

impl<'a, A, F, R> ActorTick<'a, A> for F
where
    A: 'a,
    F: FnMut(&'a mut A) -> R,
    R: Future<Output = ()> + Send + 'a,
{
    type Future = R;
}
