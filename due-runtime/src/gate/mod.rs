//! A gate keeps the client connections and holds no game logic: it hands every message to the node that serves its route.

mod accept;
mod builder;
mod connection;
mod elsewhere;
mod forward;
mod greetings;
mod losses;
mod provider;
mod rate;
mod returns;
mod routing;
mod running;
mod settings;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use accept::{AcceptHook, CloseHook, Listen};
pub use builder::GateBuilder;
use greetings::Greetings;
pub use rate::{Excess, RateLimits};
use returns::Missed;
pub(crate) use running::{RunningGate, StartGateError};
pub use settings::{DuplicateLogin, HeartbeatMechanism};
use settings::{Heartbeat, Settings};

use crate::cluster::{Cluster, Presence};
use crate::id::{Gid, Uid};
use crate::metrics::GateMetrics;
use crate::packet::Format;
use crate::session::{OutboxRules, SessionTable, WakeQueue};

/// A gate that is configured but not started; [`App`](crate::App) runs it.
#[must_use]
pub struct Gate {
    gid: Gid,
    name: String,
    settings: Settings,
    listeners: Vec<Box<dyn Listen>>,
}

impl Gate {
    /// A gate without listeners, named `gate`, with a random id.
    pub fn builder() -> GateBuilder {
        GateBuilder { gid: None, name: "gate".to_owned(), settings: Settings::default(), listeners: Vec::new() }
    }
}

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for clients on {addr}")]
pub struct ListenError {
    addr: String,
    source: io::Error,
}

pub(crate) struct GateCore {
    this: Weak<Self>,
    gid: Gid,
    heartbeat: Heartbeat,
    authorize_timeout: Option<Duration>,
    max_sessions: usize,
    rate_limits: Option<RateLimits>,
    outboxes: Arc<OutboxRules>,
    /// How long clients that were told to go are served.
    linger: Duration,
    /// How long a stop waits for clients that do not read.
    drain: Duration,
    duplicate_login: DuplicateLogin,
    on_accept: Option<AcceptHook>,
    on_close: Option<CloseHook>,
    /// Absent in a gate that knows no schema.
    greetings: Option<Greetings>,
    format: Arc<Format>,
    presence: Presence,
    cluster: Cluster,
    /// Messages that have come back.
    misses: mpsc::Sender<Missed>,
    metrics: GateMetrics,
    sessions: SessionTable,
    /// Clients that find no place, and hear so.
    turned_away: TaskTracker,
    /// Users who came from another gate just now, and their last coming.
    arrivals: Mutex<HashMap<Uid, Arc<()>>>,
    /// Sessions that broadcasts have something for.
    wakes: WakeQueue,
    last_cid: AtomicI64,
    /// Clients are told to connect again; those that come later are told then.
    leaving: CancellationToken,
    /// Nothing more is read from any session; those that open later see it themselves.
    finish: CancellationToken,
    /// Messages that wait because their clients send too many. A stop hands them to the nodes while there are any.
    delayed: TaskTracker,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("gid", &self.gid).field("settings", &self.settings).finish_non_exhaustive()
    }
}
