//! Typed events: the message knows its topic.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};

use super::{EventError, Subscription};
use crate::cluster::Cluster;
use crate::codec::{Body, Codec, DecodeError};

/// A message that servers publish to each other under a topic of its own (`option (due.event)`).
pub trait EventMessage: Body {
    /// What it is published under.
    const TOPIC: &'static str;
}

/// Publishing and hearing every [`EventMessage`]. The payload is the message in JSON, whatever codec bodies have, since
/// the payloads of due are text.
pub trait EventExt: EventMessage {
    /// Tells everybody who listens, this process included; see [`EventBus::publish`](super::EventBus::publish).
    ///
    /// # Errors
    /// [`EventError`]; [`EventError::Encode`] for a message that has no form in JSON.
    fn publish_event(&self, cluster: &Cluster) -> impl Future<Output = Result<(), EventError>> + Send {
        let payload = payload(self);
        async move { cluster.events().publish(Self::TOPIC, &payload?).await }
    }

    /// Listens from now on; see [`EventBus::subscribe`](super::EventBus::subscribe).
    ///
    /// # Errors
    /// [`EventError`].
    fn subscribe(cluster: &Cluster) -> impl Future<Output = Result<Events<Self>, EventError>> + Send {
        async move {
            let events = cluster.events().subscribe(Self::TOPIC).await?;
            Ok(Events { events, message: PhantomData })
        }
    }
}

impl<E: EventMessage> EventExt for E {}

fn payload<E: EventMessage>(message: &E) -> Result<String, EventError> {
    let mut payload = BytesMut::new();
    message.encode_body(&Codec::Json, &mut payload).map_err(EventError::Encode)?;
    Ok(String::from_utf8(payload.into()).expect("JSON is UTF-8"))
}

/// The events of one type, in the order in which the bus had them. Dropped, it listens no more.
pub struct Events<E> {
    events: Subscription,
    message: PhantomData<fn() -> E>,
}

impl<E: EventMessage> Events<E> {
    /// The next event; `None` when there will be none, for the bus is gone.
    ///
    /// # Errors
    /// Inside: of one event whose payload is no such message. The next ones may be.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<E, DecodeError>> {
        let event = self.events.next().await?;
        Some(E::decode_body(&Codec::Json, &Bytes::from(event.payload)))
    }

    /// The events without their type, with id and time.
    pub fn into_inner(self) -> Subscription {
        self.events
    }
}

impl<E: EventMessage> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("topic", &E::TOPIC).finish_non_exhaustive()
    }
}
