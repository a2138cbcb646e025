//! What a gate is told, and what becomes of who logs in twice.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::accept::{AcceptHook, CloseHook};
use super::rate::RateLimits;
use crate::cluster::Balance;
use crate::codec::Codec;
#[cfg(doc)]
use crate::error::Code;
use crate::session::{OutboxLimits, Overflow};
use crate::skew::Schema;

/// How heartbeats are spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum HeartbeatMechanism {
    /// Every heartbeat of a client is answered with one.
    #[default]
    Resp,
    /// One heartbeat goes out per interval, and none is answered.
    Tick,
}

/// What becomes of a session whose user logs in once more. Either way the newest login wins: the user is found at his newest
/// session, and the older one has no user any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DuplicateLogin {
    /// It is told with a [`Status`](crate::Status) for route 0, seq 0 ([`Code::UNAUTHORIZED`], "the user has logged in
    /// elsewhere") and closed (1008 on ws); a client that connects again by itself should not log in then. One on another
    /// gate too, also on one of due v2.5.8; and one here, if the newest is on a gate of due v2.5.8, a second after the locator
    /// has reported that.
    #[default]
    Close,
    /// As due v2.5.8: nothing is said. On the same gate it stays open without a user; on another gate it goes on to count as
    /// his until it closes.
    Keep,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeat {
    pub(super) interval: Duration,
    pub(super) mechanism: HeartbeatMechanism,
}
pub(super) struct Settings {
    pub(super) heartbeat: Heartbeat,
    pub(super) authorize_timeout: Option<Duration>,
    pub(super) max_sessions: usize,
    pub(super) outbox: OutboxLimits,
    pub(super) overflow: Overflow,
    pub(super) rate_limits: Option<RateLimits>,
    pub(super) codec: Option<Codec>,
    pub(super) reuse_port: bool,
    pub(super) linger: Option<Duration>,
    pub(super) drain: Duration,
    pub(super) duplicate_login: DuplicateLogin,
    pub(super) balance: Balance,
    pub(super) schema: Option<Schema>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) on_accept: Option<AcceptHook>,
    pub(super) on_close: Option<CloseHook>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Heartbeat { interval: Duration::from_secs(10), mechanism: HeartbeatMechanism::Resp },
            authorize_timeout: None,
            max_sessions: 5000,
            outbox: OutboxLimits::default(),
            overflow: Overflow::default(),
            rate_limits: None,
            codec: None,
            reuse_port: false,
            linger: None,
            drain: Duration::from_secs(5),
            duplicate_login: DuplicateLogin::default(),
            balance: Balance::default(),
            schema: None,
            metadata: BTreeMap::new(),
            on_accept: None,
            on_close: None,
        }
    }
}

/// Hooks have no text.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("heartbeat", &self.heartbeat)
            .field("authorize_timeout", &self.authorize_timeout)
            .field("max_sessions", &self.max_sessions)
            .field("outbox", &self.outbox)
            .field("overflow", &self.overflow)
            .field("rate_limits", &self.rate_limits)
            .field("codec", &self.codec)
            .field("reuse_port", &self.reuse_port)
            .field("linger", &self.linger)
            .field("drain", &self.drain)
            .field("duplicate_login", &self.duplicate_login)
            .field("balance", &self.balance)
            .field("schema", &self.schema)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}
