//! Who in this process listens to what.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;

use super::{Event, Subscription};

/// Events that a subscription may be behind.
const BEHIND: usize = 1024;

#[derive(Default)]
pub(super) struct Topics {
    senders: Mutex<HashMap<String, broadcast::Sender<Event>>>,
    /// Told of the first subscription of a topic and of the end of the last, in order.
    on_change: Option<OnChange>,
}

type OnChange = Box<dyn Fn(&str, bool) + Send + Sync>;

impl Topics {
    #[cfg(any(feature = "redis", feature = "nats"))]
    pub(super) fn new(on_change: impl Fn(&str, bool) + Send + Sync + 'static) -> Self {
        Self { on_change: Some(Box::new(on_change)), ..Self::default() }
    }

    pub(super) fn publish(&self, event: Event) {
        if let Some(sender) = self.senders.lock().unwrap().get(&event.topic) {
            // An error: the last subscription is just being dropped.
            let _ = sender.send(event);
        }
    }

    pub(super) fn subscribe(self: &Arc<Self>, topic: &str) -> Subscription {
        let mut senders = self.senders.lock().unwrap();
        let sender = senders.entry(topic.to_owned()).or_insert_with(|| {
            self.tell(topic, true);
            broadcast::channel(BEHIND).0
        });
        let leave = Leave { topics: Arc::downgrade(self), topic: topic.to_owned() };
        Subscription { events: sender.subscribe(), missed: 0, _leave: leave }
    }

    fn tell(&self, topic: &str, is_wanted: bool) {
        if let Some(on_change) = &self.on_change {
            on_change(topic, is_wanted);
        }
    }
}

/// The end of a subscription. A bus that is gone has none.
pub(super) struct Leave {
    topics: std::sync::Weak<Topics>,
    topic: String,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let Some(topics) = self.topics.upgrade() else { return };
        let mut senders = topics.senders.lock().unwrap();
        if senders.get(&self.topic).is_some_and(|sender| sender.receiver_count() == 0) {
            senders.remove(&self.topic);
            topics.tell(&self.topic, false);
        }
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.topic.fmt(f)
    }
}
