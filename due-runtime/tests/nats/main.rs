//! Events in a real nats: what is on its wire, and what happens while it is away.

#[path = "../redis/log.rs"]
mod log;
mod outage;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod wire;

use std::error::Error;
use std::time::Duration;

use due::event::Subscription;
use tokio::time::timeout;

/// How long anything may take to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An error with all its causes, as a log shows it.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

async fn payload(events: &mut Subscription) -> String {
    timeout(PATIENCE, events.next()).await.expect("an event is heard").expect("the bus is open").payload
}
