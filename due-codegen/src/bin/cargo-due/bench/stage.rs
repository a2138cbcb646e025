//! Where all players stand, and how far the run is.

use std::sync::atomic::AtomicU64;

use due::{ClientBuilder, Codec};
use tokio::sync::{Semaphore, watch};

use super::crowd::Crowd;
use super::scenario::Scenario;
use super::tally::Tallies;

/// What all players know.
pub(super) struct Stage {
    pub(super) url: String,
    pub(super) builder: ClientBuilder,
    pub(super) codec: Codec,
    pub(super) scenario: Scenario,
    pub(super) tallies: Tallies,
    pub(super) crowd: Crowd,
    /// Calls that were due and not sent.
    pub(super) unsent: AtomicU64,
    /// Connections that open at the same time.
    pub(super) doors: Semaphore,
}

/// Where the run is. It only goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Connections open; nobody calls yet.
    Opening,
    Running,
    /// What is due or in flight is finished.
    Closing,
    Over,
}

/// Waits for a phase, or for the end of whoever says so.
pub(super) async fn reached(phase: &watch::Receiver<Phase>, wanted: Phase) {
    // Without a sender it is over.
    let _ = phase.clone().wait_for(|phase| *phase >= wanted).await;
}
