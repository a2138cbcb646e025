//! The locator in a real redis: what is in it, what is heard of it, and what happens while it is away.

mod changes;
mod cluster;
mod events;
mod log;
mod logins;
mod outage;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod wire;

use std::error::Error;

use due::Uid;
use due::locator::{Change, Changes};
use support::redis::PATIENCE;
use tokio::time::timeout;

const LI: Uid = Uid(1001);

/// An error with all its causes, as a log shows it.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

async fn next(changes: &mut Changes) -> Change {
    timeout(PATIENCE, changes.next()).await.expect("a change is heard").expect("more may follow")
}
