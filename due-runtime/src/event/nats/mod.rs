mod builder;
mod line;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_nats::{ConnectErrorKind, Subscriber};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use self::builder::Setup;
pub use self::builder::{NatsBuilder, NatsSetupError};
use self::line::Line;
use super::topics::Topics;
use super::{BoxFuture, Event, EventBus, EventError, Subscription, wire};

/// A nats server refuses longer lines, and hangs up.
const LONGEST_SUBJECT: usize = 1024;

/// The event bus of all processes that share a nats server or cluster, those of due v2.5.8 as well.
///
/// The subject of the topic `login` is `due:eventbus:login`, with the default prefix; with an empty one it is `login`. An
/// event is `{"id":"UUID","topic":"login","payload":"TEXT","timestamp":NANOSECONDS}`; what else is published on a subject
/// is logged once and passed over. A topic has no white space, no empty part between dots, no part that is `*` or `>`, and
/// 1024 bytes at most, with the prefix.
///
/// There is one connection, from the first call on. What breaks is connected again, after 4 s at most, and subscriptions go
/// on; what is published meanwhile is lost. Events that come faster than this process passes them on wait in the
/// connection: 65,536 of each topic, then the newest are lost. A user of nats with restricted permissions has to be allowed
/// to publish and subscribe `_INBOX.>` besides: that is how the bus learns that the server has what it was sent.
///
/// # Errors
/// [`EventError::Unreachable`] while nats is away, at the [timeout](NatsBuilder::timeout) at the latest: an event may have
/// been published, a subscription does not exist. [`EventError::Refused`] for a wrong password, for what permissions forbid,
/// and for an event that is longer than the server takes (1 MiB unless it says otherwise). [`EventError::Topic`].
#[derive(Clone)]
pub struct NatsBus {
    inner: Arc<Inner>,
}

struct Inner {
    setup: Setup,
    prefix: String,
    topics: Arc<Topics>,
    listeners: Arc<Mutex<Listeners>>,
    line: tokio::sync::Mutex<Option<Line>>,
}

/// Of each topic that somebody listens to, who passes its events on. He ends with the last subscription.
type Listeners = HashMap<String, Listener>;
type Listener = Arc<tokio::sync::Mutex<Option<AbortOnDropHandle<()>>>>;

/// Why nats gave no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("nats at {servers} did not answer within {timeout:?}")]
    Late { servers: Arc<str>, timeout: Duration },
    #[error("nats at {servers} was not connected again within {timeout:?}")]
    Away { servers: Arc<str>, timeout: Duration },
    #[error("nats at {servers} is not ready")]
    Passing { servers: Arc<str>, source: Box<dyn Error + Send + Sync> },
    #[error("nats at {servers} says no")]
    Refused { servers: Arc<str>, source: Box<dyn Error + Send + Sync> },
}

impl NatsBus {
    /// How the server is reached. Default: nats://127.0.0.1:4222, and the prefix `due:eventbus`.
    pub fn builder() -> NatsBuilder {
        NatsBuilder::new()
    }

    fn with(setup: Setup, prefix: String) -> Self {
        let listeners = Arc::<Mutex<Listeners>>::default();
        let told = Arc::clone(&listeners);
        let topics = Topics::new(move |topic, is_wanted| {
            let mut listeners = told.lock().unwrap_or_else(PoisonError::into_inner);
            match is_wanted {
                true => drop(listeners.insert(topic.to_owned(), Listener::default())),
                false => drop(listeners.remove(topic)),
            }
        });
        let (topics, line) = (Arc::new(topics), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { setup, prefix, topics, listeners, line }) }
    }
}

impl EventBus for NatsBus {
    fn publish<'a>(&'a self, topic: &'a str, payload: &'a str) -> BoxFuture<'a, Result<(), EventError>> {
        Box::pin(async move {
            let deadline = Instant::now() + self.inner.setup.timeout;
            let subject = self.inner.subject(topic)?;
            let json = wire::write(&Event::new(topic, payload));
            let line = self.inner.line(deadline).await?;
            Ok(line.publish(&subject, json.into(), deadline).await?)
        })
    }

    fn subscribe<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Subscription, EventError>> {
        Box::pin(async move {
            let deadline = Instant::now() + self.inner.setup.timeout;
            let subject = self.inner.subject(topic)?;
            let subscription = self.inner.topics.subscribe(topic);
            let listener = self.inner.listeners.lock().unwrap().get(topic).cloned();
            let listener = listener.expect("there is one as long as the subscription");
            let mut listener = timeout_at(deadline, listener.lock()).await.map_err(|_| self.inner.late())?;
            // One that ended has lost its runtime.
            if listener.as_ref().is_none_or(AbortOnDropHandle::is_finished) {
                let messages = self.inner.line(deadline).await?.subscribe(&subject, deadline).await?;
                let topics = Arc::downgrade(&self.inner.topics);
                *listener = Some(AbortOnDropHandle::new(tokio::spawn(pass_on(messages, topics))));
            }
            Ok(subscription)
        })
    }
}

impl Inner {
    async fn line(&self, deadline: Instant) -> Result<Line, Failure> {
        let mut line = timeout_at(deadline, self.line.lock()).await.map_err(|_| self.late())?;
        match &*line {
            Some(line) if !line.is_over() => Ok(line.clone()),
            _ => Ok(line.insert(Line::connect(&self.setup, deadline).await?).clone()),
        }
    }

    fn subject(&self, topic: &str) -> Result<String, EventError> {
        subject(&self.prefix, topic).map_err(|reason| EventError::Topic { topic: topic.to_owned(), reason })
    }

    fn late(&self) -> Failure {
        Failure::late(&self.setup.names().into(), self.setup.timeout)
    }
}

async fn pass_on(mut messages: Subscriber, topics: Weak<Topics>) {
    let mut has_complained = false;
    while let Some(message) = messages.next().await {
        let Some(topics) = topics.upgrade() else { return };
        match wire::read(&message.payload) {
            Ok(event) => topics.publish(event),
            Err(error) => {
                // Whoever publishes such things will go on.
                if !std::mem::replace(&mut has_complained, true) {
                    let (subject, error) = (message.subject.as_str(), &error as &dyn Error);
                    tracing::warn!(subject, error, "not an event; more are passed over");
                }
            }
        }
    }
}

fn subject(prefix: &str, topic: &str) -> Result<String, &'static str> {
    let subject = wire::channel(prefix, topic);
    match () {
        () if subject.len() > LONGEST_SUBJECT => Err("nats takes 1024 bytes at most, with the prefix"),
        () if subject.contains(|char: char| char.is_ascii_whitespace() || char.is_ascii_control()) => {
            Err("nats takes no white space and no control characters")
        }
        () if subject.split('.').any(str::is_empty) => Err("nats takes nothing empty between dots"),
        () if subject.split('.').any(|part| matches!(part, "*" | ">")) => Err("nats takes * and > for wildcards"),
        () => Ok(subject),
    }
}

impl Failure {
    fn late(servers: &Arc<str>, timeout: Duration) -> Self {
        Self::Late { servers: Arc::clone(servers), timeout }
    }

    fn lost(servers: &Arc<str>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Passing { servers: Arc::clone(servers), source: source.into() }
    }

    fn refused(servers: &Arc<str>, complaint: Arc<str>) -> Self {
        Self::Refused { servers: Arc::clone(servers), source: (*complaint).into() }
    }

    fn connecting(servers: &Arc<str>, error: async_nats::ConnectError) -> Self {
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Self::Refused { servers: Arc::clone(servers), source: error.into() }
            }
            _ => Self::lost(servers, error),
        }
    }

    fn publishing(servers: &Arc<str>, error: async_nats::PublishError) -> Self {
        match error.kind() {
            async_nats::client::PublishErrorKind::Send => Self::lost(servers, error),
            _ => Self::Refused { servers: Arc::clone(servers), source: error.into() },
        }
    }
}

impl From<Failure> for EventError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { .. } => Self::Refused(failure.into()),
            _ => Self::Unreachable(failure.into()),
        }
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus")
            .field("servers", &self.inner.setup.names())
            .field("timeout", &self.inner.setup.timeout)
            .field("prefix", &self.inner.prefix)
            .finish_non_exhaustive()
    }
}
