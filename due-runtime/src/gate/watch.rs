//! The clock of one connection: heartbeats, and the time to log in. One timer for both.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use tokio::time::{Instant, sleep_until};

use super::HeartbeatMechanism;
use super::connection::Connection;
use crate::packet::Dialect;
use crate::session::Urgency;

impl Connection {
    /// Ends when the peer has been silent for two intervals, or without a user for too long.
    pub(super) async fn watch(&self) {
        let interval = self.gate.heartbeat.interval;
        let mut tick = (!interval.is_zero()).then(|| Instant::now() + interval);
        let mut login = self.login_due();
        let Some(first) = earliest(tick, login) else {
            return pending().await;
        };
        let mut timer = pin!(sleep_until(first));
        let mut silent = 0;
        loop {
            timer.as_mut().await;
            let now = Instant::now();
            if tick.is_some_and(|tick| tick <= now) {
                let alive = self.heard.swap(false, Ordering::Relaxed) || self.held_up.load(Ordering::Relaxed);
                silent = if alive { 0 } else { silent + 1 };
                if silent == 2 {
                    tracing::debug!("silent for two heartbeat intervals");
                    return;
                }
                if self.gate.heartbeat.mechanism == HeartbeatMechanism::Tick {
                    self.send_heartbeat();
                }
                tick = Some(now + interval);
            }
            if login.is_some_and(|login| login <= now) {
                login = self.login_due();
                if login.is_some_and(|login| login <= now) {
                    tracing::debug!("nobody has logged in");
                    return;
                }
            }
            if let Some(next) = earliest(tick, login) {
                timer.as_mut().reset(next);
            }
        }
    }

    /// When the session must have a user, or when to look again: a user who leaves leaves a whole timeout behind.
    fn login_due(&self) -> Option<Instant> {
        let patience = self.gate.authorize_timeout?;
        Some(self.session.without_user_since().unwrap_or_else(Instant::now) + patience)
    }

    pub(super) fn answer_heartbeat(&self) {
        if self.gate.heartbeat.mechanism == HeartbeatMechanism::Resp {
            self.send_heartbeat();
        }
    }

    fn send_heartbeat(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let dialect = self.session.dialect().unwrap_or(Dialect::Bare);
        let heartbeat = self.gate.format.heartbeat(dialect, now.as_nanos() as i64);
        // A session that takes nothing more needs no heartbeat.
        let _ = self.session.push(heartbeat, Urgency::Now);
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
