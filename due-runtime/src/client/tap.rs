use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::transport::Inbound;

/// What crosses a connection, for tools that show it: [`ClientBuilder::tap`](super::ClientBuilder::tap).
#[derive(Clone, Copy, Debug)]
pub enum Traffic<'a> {
    /// A packet or a heartbeat that is about to be written: with its size, as
    /// [`Format::encode`](crate::packet::Format::encode) returns it, whatever the dialect.
    Sent(&'a Bytes),
    /// What was read, before it is understood: answers, pushes, heartbeats and what is none of these.
    Received(&'a Inbound),
}

/// Whoever sees the traffic of a connection.
#[derive(Clone)]
pub(super) struct Tap(Arc<dyn Fn(Traffic<'_>) + Send + Sync>);

impl Tap {
    pub(super) fn new(see: impl Fn(Traffic<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(super) fn see(&self, traffic: Traffic<'_>) {
        (self.0)(traffic);
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap(..)")
    }
}
