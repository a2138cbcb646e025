//! One client connection, from its handshake to its last byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{GateCore, HeartbeatMechanism};
use crate::cluster::Event;
use crate::packet::{DecodeError, Dialect, Frame, Sniff};
use crate::session::Session;
use crate::transport::{CloseReason, Inbound, Incoming, PacketRead, PacketWrite};

/// Malformed ws messages that a connection may send before its first good one.
const STRAY_MESSAGES: u32 = 8;
/// How long a client that has closed its direction may wait for its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

impl GateCore {
    /// Runs one session until it ends, and cleans up after it.
    pub(super) async fn serve(self: Arc<Self>, session: Arc<Session>, incoming: impl Incoming) {
        let opened = tokio::select! {
            biased;
            () = session.until_cut() => return,
            () = session.until_finish() => return,
            opened = incoming.open(Arc::clone(&self.format)) => opened,
        };
        let (read, write) = match opened {
            Ok(halves) => halves,
            Err(error) => {
                tracing::debug!(cid = %session.cid(), %error, "the handshake failed");
                return;
            }
        };
        self.sessions.insert(Arc::clone(&session));
        self.trigger(Event::Connect, session.cid(), None);
        if self.finish.is_cancelled() {
            session.finish();
        }
        let connection = Connection {
            gate: Arc::clone(&self),
            session: Arc::clone(&session),
            heard: AtomicBool::new(false),
            held_up: AtomicBool::new(false),
            written: CancellationToken::new(),
        };
        connection.run(read, write).await;
        let uid = self.sessions.remove(&session);
        if let Some(uid) = uid {
            self.forget(uid).await;
        }
        self.trigger(Event::Disconnect, session.cid(), uid);
    }
}

struct Connection {
    gate: Arc<GateCore>,
    session: Arc<Session>,
    /// The peer has sent something since the last tick of the watch.
    heard: AtomicBool,
    /// Its message waits for room at a node, so nothing can be heard: that is not the peer's fault.
    held_up: AtomicBool,
    written: CancellationToken,
}

/// Why reading ended.
enum End {
    /// The peer closed, or cannot be understood any more. What is queued for it still goes out.
    Peer(CloseReason),
    /// The peer has closed its direction, and may wait for the answers to what it sent.
    HalfClosed,
    /// This side finishes: answers still go out.
    Finish,
}

impl Connection {
    /// One task reads, writes and watches: a reader that has taken all frames lets the writer send all answers at once.
    async fn run(&self, read: impl PacketRead, mut write: impl PacketWrite) {
        let reason = tokio::select! {
            biased;
            () = self.watch() => CloseReason::Policy,
            (reason, ()) = async { tokio::join!(self.read(read), self.write(&mut write)) } => reason,
            () = self.session.until_cut() => CloseReason::Normal,
        };
        self.session.cut();
        write.close(reason).await;
    }

    async fn read(&self, mut read: impl PacketRead) -> CloseReason {
        match self.read_all(&mut read).await {
            End::Peer(reason) => {
                self.session.finish();
                reason
            }
            End::HalfClosed => {
                tokio::select! {
                    // Time that is over finishes the session as well.
                    _ = timeout(LAST_ANSWERS, self.session.until_answered()) => {}
                    () = self.written.cancelled() => {}
                }
                self.session.finish();
                CloseReason::Normal
            }
            // Whoever asked to finish decides when the outbox is complete. What arrives meanwhile is dropped, so that
            // closing does not reset the connection under the last answers.
            End::Finish => {
                let dropped = async { while let Ok(Some(_)) = read.read().await {} };
                tokio::select! {
                    () = dropped => {}
                    () = self.written.cancelled() => {}
                }
                CloseReason::Away
            }
        }
    }

    async fn read_all<R: PacketRead>(&self, read: &mut R) -> End {
        let mut strays = 0;
        loop {
            self.session.outbox().room().await;
            // Frames out of the buffer cost no socket call: give other sessions of this thread their turn.
            tokio::task::coop::consume_budget().await;
            if self.session.is_finishing() {
                return End::Finish;
            }
            // Only waiting for the next frame is given up for a stop, never the handing over of one.
            let inbound = match read.buffered() {
                Some(inbound) => inbound.map(Some),
                None => tokio::select! {
                    biased;
                    () = self.session.until_finish() => return End::Finish,
                    inbound = read.read() => inbound,
                },
            };
            // Text and control frames do not prove that the client works.
            if let Ok(Some(Inbound::Unit(_) | Inbound::Message(_))) = inbound {
                self.heard.store(true, Ordering::Relaxed);
            }
            let frame = match inbound {
                Ok(Some(Inbound::Unit(unit))) => self.gate.format.parse(unit),
                Ok(Some(Inbound::Message(message))) => match self.parse_message(message) {
                    Some(frame) => frame,
                    None => {
                        strays += 1;
                        if strays > STRAY_MESSAGES {
                            tracing::debug!(cid = %self.session.cid(), "too many malformed messages");
                            return End::Peer(CloseReason::Protocol);
                        }
                        continue;
                    }
                },
                Ok(Some(Inbound::Ignored)) => continue,
                Ok(None) if R::HALF_CLOSES => return End::HalfClosed,
                Ok(None) => return End::Peer(CloseReason::Normal),
                Err(error) => {
                    tracing::debug!(cid = %self.session.cid(), error = &error as &dyn std::error::Error, "session lost");
                    return End::Peer(error.close_reason());
                }
            };
            match frame {
                Ok(Frame::Packet(packet)) => {
                    self.held_up.store(true, Ordering::Relaxed);
                    self.gate.route(&self.session, packet).await;
                    self.held_up.store(false, Ordering::Relaxed);
                }
                Ok(Frame::Heartbeat) => self.answer_heartbeat(),
                Ok(Frame::KeepAlive) => {}
                Err(error) if error.is_fatal() => {
                    tracing::debug!(cid = %self.session.cid(), %error, "impossible frame");
                    return End::Peer(CloseReason::Protocol);
                }
                Err(error) => tracing::debug!(cid = %self.session.cid(), %error, "malformed packet dropped"),
            }
        }
    }

    /// `None`: no dialect reads it.
    fn parse_message(&self, message: Bytes) -> Option<Result<Frame, DecodeError>> {
        let format = &self.gate.format;
        let dialect = match self.session.dialect() {
            Some(dialect) => dialect,
            None => match format.sniff(&message, |route| self.gate.knows(route)) {
                Sniff::Sized => Dialect::Sized,
                Sniff::Bare => Dialect::Bare,
                Sniff::Unknown => return Some(Ok(Frame::KeepAlive)),
                Sniff::Invalid => return None,
            },
        };
        self.session.speak(dialect);
        Some(match dialect {
            Dialect::Sized => format.parse_sized(message),
            Dialect::Bare => format.parse(message),
        })
    }

    async fn write(&self, write: &mut impl PacketWrite) {
        let mut batch = Vec::new();
        while self.session.outbox().take(&mut batch).await {
            let dialect = self.session.dialect().unwrap_or(Dialect::Bare);
            if let Err(error) = write.write(&mut batch, dialect).await {
                tracing::debug!(cid = %self.session.cid(), %error, "session lost");
                break;
            }
            batch.clear();
        }
        // Nothing will be written any more: whoever still reads may stop.
        self.session.outbox().close();
        self.session.stop_reading();
        self.written.cancel();
    }

    /// Ends when the peer has been silent for two intervals.
    async fn watch(&self) {
        let interval = self.gate.heartbeat.interval;
        if interval.is_zero() {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut silent = 0;
        loop {
            ticks.tick().await;
            let alive = self.heard.swap(false, Ordering::Relaxed) || self.held_up.load(Ordering::Relaxed);
            silent = if alive { 0 } else { silent + 1 };
            if silent == 2 {
                tracing::debug!(cid = %self.session.cid(), "silent for two heartbeat intervals");
                return;
            }
            if self.gate.heartbeat.mechanism == HeartbeatMechanism::Tick {
                self.send_heartbeat();
            }
        }
    }

    fn answer_heartbeat(&self) {
        if self.gate.heartbeat.mechanism == HeartbeatMechanism::Resp {
            self.send_heartbeat();
        }
    }

    fn send_heartbeat(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let dialect = self.session.dialect().unwrap_or(Dialect::Bare);
        let heartbeat = self.gate.format.heartbeat(dialect, now.as_nanos() as i64);
        // A session that takes nothing more needs no heartbeat.
        let _ = self.session.push(heartbeat);
    }
}
