use std::fmt;
use std::sync::{Arc, Mutex};

use ::redis::cmd;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::topics::Topics;
use super::{BoxFuture, Event, EventBus, EventError, Subscription, wire};
use crate::redis::{Channels, Failure, Heard, Redis};

/// The event bus of all processes that share a redis, those of due v2.5.8 as well.
///
/// The channel of the topic `login` is `due:eventbus:login`, with the default prefix; with an empty one it is `login`. An
/// event is `{"id":"UUID","topic":"login","payload":"TEXT","timestamp":NANOSECONDS}`; what else is published on a channel
/// is logged once and passed over.
///
/// All subscriptions share a connection of their own, which is made anew when it breaks; what is published meanwhile is
/// lost. In a redis cluster, an event may come twice if one of its servers fails while it is published.
///
/// # Errors
/// [`EventError::Unreachable`] while redis is away, at the [timeout](crate::redis::RedisBuilder::timeout) at the latest:
/// an event may have been published, a subscription does not exist. [`EventError::Refused`] for a wrong password and for
/// what redis' access lists forbid.
#[derive(Clone)]
pub struct RedisBus {
    inner: Arc<Inner>,
}

struct Inner {
    redis: Redis,
    prefix: String,
    topics: Arc<Topics>,
    wanted: watch::Sender<Channels>,
    listening: watch::Sender<Listening>,
    /// Runs from the first subscription on.
    listener: Mutex<Option<JoinHandle<()>>>,
}

/// The version of the channels that are listened to.
type Listening = Result<u64, Arc<Failure>>;

impl RedisBus {
    /// A bus below the prefix `due:eventbus`.
    pub fn new(redis: &Redis) -> Self {
        Self::with_prefix(redis, "due:eventbus")
    }

    /// A bus below another prefix, which may be empty. All processes of a cluster have the same one.
    pub fn with_prefix(redis: &Redis, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        // Version 0 is what nobody listens to.
        let (wanted, _) = watch::channel(Channels { version: 1, ..Channels::default() });
        let (told, named) = (wanted.clone(), prefix.clone());
        let topics = Topics::new(move |topic, is_wanted| {
            let channel = wire::channel(&named, topic);
            told.send_modify(|wanted| {
                if is_wanted {
                    wanted.names.insert(channel);
                } else {
                    wanted.names.remove(&channel);
                }
                wanted.version += 1;
            });
        });
        let inner = Inner {
            redis: redis.clone(),
            prefix,
            topics: Arc::new(topics),
            wanted,
            listening: watch::channel(Ok(0)).0,
            listener: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl EventBus for RedisBus {
    fn publish<'a>(&'a self, topic: &'a str, payload: &'a str) -> BoxFuture<'a, Result<(), EventError>> {
        Box::pin(async move {
            let json = wire::write(&Event::new(topic, payload));
            let channel = wire::channel(&self.inner.prefix, topic);
            let _heard_by: i64 = self.inner.redis.call_once(cmd("PUBLISH").arg(channel).arg(json)).await?;
            Ok(())
        })
    }

    fn subscribe<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Subscription, EventError>> {
        Box::pin(async move {
            let mut listening = self.inner.listening.subscribe();
            let subscription = self.inner.topics.subscribe(topic);
            self.inner.listen();
            let version = self.inner.wanted.borrow().version;
            let settled = listening.wait_for(|listening| match listening {
                Ok(listening) => *listening >= version,
                Err(failure) => failure.is_refusal(),
            });
            let failure = match timeout(self.inner.redis.patience(), settled).await {
                Ok(settled) => match &*settled.expect("the sender is in this bus") {
                    Ok(_) => return Ok(subscription),
                    Err(failure) => Arc::clone(failure),
                },
                Err(_) => match &*self.inner.listening.borrow() {
                    Err(failure) => Arc::clone(failure),
                    Ok(_) => Arc::new(self.inner.redis.late()),
                },
            };
            Err(match failure.is_refusal() {
                true => EventError::Refused(failure.into()),
                false => EventError::Unreachable(failure.into()),
            })
        })
    }
}

impl Inner {
    fn listen(&self) {
        let mut listener = self.listener.lock().unwrap();
        // One that ended has lost its runtime.
        if listener.as_ref().is_some_and(|listener| !listener.is_finished()) {
            return;
        }
        let (redis, wanted, listening) = (self.redis.clone(), self.wanted.subscribe(), self.listening.clone());
        let topics = Arc::clone(&self.topics);
        *listener = Some(tokio::spawn(async move {
            let mut has_complained = false;
            redis
                .follow(wanted, |heard| match heard {
                    Heard::Listening(version) => drop(listening.send_replace(Ok(version))),
                    Heard::Lost(failure) => drop(listening.send_replace(Err(Arc::new(failure)))),
                    Heard::Message { channel, payload } => match wire::read(payload) {
                        Ok(event) => topics.publish(event),
                        Err(error) => {
                            // Whoever publishes such things will go on.
                            if !std::mem::replace(&mut has_complained, true) {
                                let error = &error as &dyn std::error::Error;
                                tracing::warn!(channel, error, "not an event; more are passed over");
                            }
                        }
                    },
                })
                .await;
        }));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get_mut().unwrap().take() {
            listener.abort();
        }
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus")
            .field("redis", &self.inner.redis)
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}

impl From<Failure> for EventError {
    fn from(failure: Failure) -> Self {
        match failure.is_refusal() {
            true => Self::Refused(failure.into()),
            false => Self::Unreachable(failure.into()),
        }
    }
}
