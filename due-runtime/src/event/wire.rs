//! Events in JSON, byte for byte as Go's encoder writes them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Event;

#[derive(Serialize, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    timestamp: i64,
}

pub(super) fn write(event: &Event) -> Vec<u8> {
    let Event { id, topic, payload, .. } = event;
    let message = Message { id: id.into(), topic: topic.into(), payload: payload.into(), timestamp: event.timestamp() };
    serde_json::to_vec(&message).expect("numbers and strings are valid JSON")
}

pub(super) fn read(json: &[u8]) -> Result<Event, serde_json::Error> {
    let Message { id, topic, payload, timestamp } = serde_json::from_slice(json)?;
    Ok(Event {
        id: id.into_owned(),
        topic: topic.into_owned(),
        payload: payload.into_owned(),
        published: Event::time_of(timestamp),
    })
}

/// What a topic is called on the server of a bus.
pub(super) fn channel(prefix: &str, topic: &str) -> String {
    if prefix.is_empty() { topic.to_owned() } else { format!("{prefix}:{topic}") }
}
