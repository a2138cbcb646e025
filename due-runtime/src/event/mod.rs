//! What servers tell each other without knowing who listens: events, by topic.
//!
//! ```
//! use due::event::{EventBus, MemoryBus};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let bus = MemoryBus::new();
//! let mut logins = bus.subscribe("login").await?;
//! bus.publish("login", r#"{"uid":1001}"#).await?;
//! let event = logins.next().await.expect("the bus is open");
//! assert_eq!(event.payload, r#"{"uid":1001}"#);
//! # Ok::<(), due::event::EventError>(())
//! # }).unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Generated messages with `due.event` know their topic: [`EventExt`] publishes and hears them typed.
//!
//! [`MemoryBus`] serves one process, `RedisBus` (feature `redis`) and `NatsBus` (feature `nats`) all that share a server,
//! those of due v2.5.8 as well.

mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
mod topics;
mod typed;
#[cfg(any(feature = "redis", feature = "nats"))]
mod wire;

use std::fmt;
use std::sync::OnceLock;
#[cfg(any(feature = "redis", feature = "nats"))]
use std::time::Duration;
use std::time::SystemTime;

use tokio::sync::broadcast;
use uuid::Uuid;

pub use self::memory::MemoryBus;
#[cfg(feature = "nats")]
pub use self::nats::{NatsBuilder, NatsBus, NatsSetupError};
#[cfg(feature = "redis")]
pub use self::redis::RedisBus;
use self::topics::Leave;
pub use self::typed::{EventExt, EventMessage, Events};
use crate::codec;
use crate::future::BoxFuture;

/// Where events are published. Each reaches every subscription of its topic at most once: what is published while nobody
/// listens, while a subscriber falls behind or while the server of the bus is away is lost.
pub trait EventBus: Send + Sync + fmt::Debug + 'static {
    /// Tells everybody who listens to the topic, this process included. `Ok` says that the bus has the event, not that
    /// anybody has heard it.
    fn publish<'a>(&'a self, topic: &'a str, payload: &'a str) -> BoxFuture<'a, Result<(), EventError>>;

    /// Listens to what is published under the topic after this returned, until the subscription is dropped. What was
    /// published just before may be heard as well.
    fn subscribe<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Subscription, EventError>>;
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Unlike that of any other event: a UUID of version 1, of whoever published it.
    pub id: String,
    /// What it was published under.
    pub topic: String,
    /// Text, as it was published. Go processes write numbers as text, and everything that is no text as JSON.
    pub payload: String,
    /// When it was published, by the clock of who did.
    pub published: SystemTime,
}

impl Event {
    fn new(topic: &str, payload: &str) -> Self {
        static NODE: OnceLock<[u8; 6]> = OnceLock::new();
        // A number of this process; the bit that is set says that it is no hardware address.
        let node = NODE.get_or_init(|| {
            let [a, b, c, d, e, f, ..] = *Uuid::new_v4().as_bytes();
            [a | 1, b, c, d, e, f]
        });
        Self {
            id: Uuid::now_v1(node).to_string(),
            topic: topic.to_owned(),
            payload: payload.to_owned(),
            published: SystemTime::now(),
        }
    }

    /// Nanoseconds since 1970.
    #[cfg(any(feature = "redis", feature = "nats"))]
    fn timestamp(&self) -> i64 {
        match self.published.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
        }
    }

    #[cfg(any(feature = "redis", feature = "nats"))]
    fn time_of(timestamp: i64) -> SystemTime {
        let away = Duration::from_nanos(timestamp.unsigned_abs());
        let time = match timestamp {
            0.. => SystemTime::UNIX_EPOCH.checked_add(away),
            _ => SystemTime::UNIX_EPOCH.checked_sub(away),
        };
        time.unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// The events of one topic, in the order in which the bus had them. Dropped, it listens no more.
#[derive(Debug)]
pub struct Subscription {
    events: broadcast::Receiver<Event>,
    missed: u64,
    // After the receiver: who leaves last is counted by the receivers that are left.
    _leave: Leave,
}

impl Subscription {
    /// The next event; `None` when there will be none, for the bus is gone.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    if self.missed == 0 {
                        tracing::warn!("a subscriber is too slow for its events, and misses some");
                    }
                    self.missed += missed;
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// How many events were dropped because this subscription was more than 1024 behind. What was lost on the way to this
    /// process is not known.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

/// Why the bus did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The server of the bus does not answer: try again.
    #[error("event bus is unreachable")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The message has no form in JSON; nothing was published.
    #[error("cannot write the event")]
    Encode(#[source] codec::EncodeError),
    /// The bus has no place for such a topic; nothing was published.
    #[error("{topic:?} cannot be a topic: {reason}")]
    Topic {
        /// As it was given.
        topic: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server of the bus said no.
    #[error("event bus refused the request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}
