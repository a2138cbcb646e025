use std::fmt;
use std::sync::Arc;

use super::topics::Topics;
use super::{BoxFuture, Event, EventBus, EventError, Subscription};

/// The event bus of one process. Clones share their subscriptions.
#[derive(Clone, Default)]
pub struct MemoryBus {
    topics: Arc<Topics>,
}

impl MemoryBus {
    /// A bus that nobody listens to.
    pub fn new() -> Self {
        Self::default()
    }
}

impl EventBus for MemoryBus {
    fn publish<'a>(&'a self, topic: &'a str, payload: &'a str) -> BoxFuture<'a, Result<(), EventError>> {
        Box::pin(async move {
            self.topics.publish(Event::new(topic, payload));
            Ok(())
        })
    }

    fn subscribe<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Subscription, EventError>> {
        Box::pin(async move { Ok(self.topics.subscribe(topic)) })
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").finish_non_exhaustive()
    }
}
